"""In: a store with accounts or none, an address to listen on. Out: a one-time link, or a place to sign in; nothing in the clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import uvicorn

from adapter.accounts import Role
from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.support.people import add_person

PUBLIC = '[service]\npublic_url = "https://desk.chu.example"\n'


class Served:
    """`reluth serve` that ends at once, and how it would have served."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.config = folder / "adapter.toml"
        self.config.write_text("")
        self.configs: list[uvicorn.Config] = []

        def run(server: uvicorn.Server, sockets: Any = None) -> None:
            self.configs.append(server.config)

        monkeypatch.setattr(uvicorn.Server, "run", run)
        Store.open(folder / "var").close()

    def add(self) -> None:
        with Store.open(self.folder / "var") as store:
            add_person(store, "anna", roles={"*": [Role.NURSE]})

    def run(self, *arguments: str) -> Ran:
        return reluth("--config", self.config, "--store", self.folder / "var", "serve", "--port", "0", *arguments)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    return Served(tmp_path, monkeypatch)


def test_serve_without_accounts_prints_a_link_that_works_once(served: Served) -> None:
    ran = served.run()

    assert ran.code == 0
    assert "/login?token=" in ran.err and "127.0.0.1" in ran.err


def test_serve_with_accounts_prints_no_token(served: Served) -> None:
    served.add()
    ran = served.run()

    assert ran.code == 0
    assert "token" not in ran.err and "sign in" in ran.err


def test_serve_without_accounts_stays_on_this_machine(served: Served) -> None:
    served.config.write_text(PUBLIC)
    ran = served.run("--host", "0.0.0.0")

    assert ran.code == 2
    assert "without accounts" in ran.err and not served.configs


@pytest.mark.parametrize("text", ["", PUBLIC.replace("https", "http")])
def test_serve_with_accounts_elsewhere_wants_a_proxy_that_ends_tls(served: Served, text: str) -> None:
    served.add()
    served.config.write_text(text)
    ran = served.run("--host", "0.0.0.0")

    assert ran.code == 2
    assert "service.public_url" in ran.err and "TLS" in ran.err and not served.configs


def test_serve_with_accounts_behind_a_proxy_may_listen_elsewhere_and_tells_its_public_address(served: Served) -> None:
    served.add()
    served.config.write_text(PUBLIC)
    ran = served.run("--host", "0.0.0.0")

    assert ran.code == 0
    assert "https://desk.chu.example" in ran.err


def test_serve_below_a_path_is_refused_before_the_first_click_leads_out_of_it(served: Served) -> None:
    served.config.write_text(PUBLIC.replace("desk.chu.example", "chu.example/reluth"))
    ran = served.run()

    assert ran.code == 2
    assert "service.public_url" in ran.err and "/reluth" in ran.err and not served.configs


def test_serve_believes_no_forwarded_header_and_keeps_no_access_log(served: Served) -> None:
    served.run()

    assert [(config.proxy_headers, config.access_log) for config in served.configs] == [(False, False)]


def test_serve_without_a_store_says_what_makes_one(tmp_path: Path) -> None:
    ran = reluth("--store", tmp_path / "none", "serve")

    assert ran.code == 2
    assert "no store at" in ran.err


def test_serve_that_cannot_start_says_why_and_prints_no_trace(tmp_path: Path) -> None:
    Store.open(tmp_path / "var").close()
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "site.yaml").write_text("x: !!python/object/apply:os.system [id]\n")
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef")
    (tmp_path / "adapter.toml").write_text(
        f"""
[sites.icm]
base_url = "http://127.0.0.1:9/fhir"
overlay = "{tmp_path / "overlay"}"
auth = {{ type = "none" }}
notifications = {{ endpoint = "https://desk.chu.example/notify/icm", secret_file = "{secret}" }}
"""
    )
    ran = reluth("--config", tmp_path / "adapter.toml", "--store", tmp_path / "var", "serve", "--port", "0")

    assert ran.code == 3
    assert "reluth: site.yaml#: not YAML" in ran.err
    assert "Traceback" not in ran.err
