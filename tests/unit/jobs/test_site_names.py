"""Promises of a site's name: what it means to the store it means to the settings, or who keeps them hears of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.config import Settings, SiteSettings
from adapter.errors import ConfigurationError
from adapter.jobs import SiteLeft, sites_left
from adapter.jobs.site_names import require_own_name
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.cli import reluth
from tests.support.told_source import Server
from tests.unit.store.making import patient, write_folder

A, B = "https://a.example.org/fhir", "https://b.example.org/fhir"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        yield opened


def settings(**sites: str | None) -> Settings:
    return Settings(sites={name: SiteSettings(base_url=base_url) for name, base_url in sites.items()})


def fed(store: Store, **sites: str) -> None:
    for name, base_url in sites.items():
        pull(store, Server({"Patient": [patient("p", version=1)]}, server=base_url), site=name)


@pytest.mark.parametrize(
    ("there", "site", "refused"),
    [
        ({"icm": A}, "icm", None),
        ({"icm": B}, "icm", None),
        ({"montpellier": A}, "montpellier", "icm"),
        ({"montpellier": "HTTPS://A.example.org:443/fhir/"}, "montpellier", "icm"),
        ({"montpellier": A, "icm": None}, "montpellier", "icm"),
        ({"montpellier": A, "icm": B}, "montpellier", "icm"),
        # Two departments of one server.
        ({"montpellier": A, "icm": A}, "montpellier", None),
        ({"montpellier": B}, "montpellier", None),
        ({"montpellier": None}, "montpellier", None),
    ],
)
def test_server_that_is_known_under_another_name_is_not_pulled(
    store: Store, there: dict[str, str | None], site: str, refused: str | None
) -> None:
    fed(store, icm=A)
    if refused is None:
        require_own_name(store, settings(**there), site)
    else:
        with pytest.raises(ConfigurationError, match=f"Call the site {refused} again"):
            require_own_name(store, settings(**there), site)


def test_names_that_were_swapped_are_refused_for_both(store: Store) -> None:
    fed(store, icm=A, chu=B)

    for site in ("icm", "chu"):
        with pytest.raises(ConfigurationError, match="Nothing was asked of it"):
            require_own_name(store, settings(icm=B, chu=A), site)


def test_name_that_was_changed_before_stays(store: Store) -> None:
    fed(store, icm=A, montpellier=A)

    require_own_name(store, settings(montpellier=A), "montpellier")


def test_sites_that_nobody_feeds_any_more_are_told(store: Store, tmp_path: Path) -> None:
    fed(store, icm=A, chu=B)
    folder = write_folder(tmp_path / "feed", {"Patient.ndjson": patient("p", version=1) + b"\n"})
    pull(store, FolderSource(folder), site="by-folder")

    assert sites_left(store, settings(icm=A, chu=B)) == []
    assert sites_left(store, settings(montpellier=A, chu=None)) == [
        SiteLeft("chu", B, None),
        SiteLeft("icm", A, "montpellier"),
    ]
    assert [one.site for one in sites_left(store, settings(), sites=["icm", "by-folder"])] == ["icm"]


def test_cycle_under_a_changed_name_asks_nothing_and_says_so(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fed(store, icm="http://127.0.0.1:9/fhir")
    file = tmp_path / "adapter.toml"
    file.write_text(
        f'[store]\npath = "{tmp_path / "var"}"\n[sites.montpellier]\nbase_url = "http://127.0.0.1:9/fhir"\n'
        'types = ["Patient"]\nauth = { type = "none" }\n'
    )
    file.chmod(0o600)

    ran = reluth("--config", file, "sync")

    events = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    (left,) = [one for one in events if one["event"] == "site not in the settings"]
    assert ran.code == 2
    assert (left["site"], left["renamed_to"], left["level"]) == ("icm", "montpellier", "warning")
    (problem,) = [one["problem"] for one in events if one["event"] == "run ended" and one["kind"] == "pull"]
    assert problem.startswith("sites.montpellier.base_url: is the server that the store knows as icm: ")
    assert problem.endswith(" Call the site icm again, or begin a store of its own")
