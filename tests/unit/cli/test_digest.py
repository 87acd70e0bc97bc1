"""Promises of `reluth digest`: sends what is due, tells how many got it and nobody's address, ends with the contract's exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.store import Store
from tests.support.cli import reluth
from tests.support.mail_server import MailServer, mail_server
from tests.support.screened import SITE, fill_store

ANNA, BEN = "anna@example.org", "ben@example.org"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a screened store, where the command runs."""
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path / "var") as store:
        fill_store(store, tmp_path / "feed")
    return tmp_path


def configure(server: MailServer | None, *to: str, at: str = "00:00", more: str = "") -> None:
    """A digest that is due from the first minute of any day."""
    told = [
        "[service]",
        'public_url = "https://desk.example.org"',
        f"[sites.{SITE}]",
        "[mail]",
        'host = "127.0.0.1"',
        f"port = {25 if server is None else server.port}",
        'security = "none"',
        'sender = "reluth@example.org"',
        more,
        "[[mail.digests]]",
        f'site = "{SITE}"',
        "roles = []",
        f"to = {json.dumps(to)}",
        f'at = "{at}"',
        'days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
    ]
    Path("adapter.toml").write_text("\n".join(told), encoding="utf-8")


def test_digest_sends_what_is_due_and_says_how_many_got_it(here: Path) -> None:
    with mail_server() as server:
        configure(server, ANNA, BEN)
        first, second = reluth("digest"), reluth("digest")

    assert (first.code, second.code) == (0, 0)
    assert first.out.split() == [SITE, "fr", "00:00:00", "2", "sent"]
    assert second.out.split()[-2:] == ["2", "already"]
    assert server.recipients == [ANNA, BEN]
    assert "@" not in first.out + first.err + second.out + second.err


def test_digest_json_is_one_object(here: Path) -> None:
    with mail_server(replies={ANNA: ["550 no"], BEN: ["451 later"]}) as server:
        configure(server, ANNA, BEN)
        ran = reluth("digest", "--json", "--now")

    (one,) = ran.object["digests"]
    counts: dict[str, Any] = {"sent": 0, "empty": 0, "already": 0, "refused": 1, "later": 1}
    assert {name: one[name] for name in counts} == counts
    assert set(one) == {"site", "language", "day", "slot", *counts}
    assert ran.code == 4


@pytest.mark.parametrize(
    ("replies", "code"),
    [({ANNA: ["550 no"]}, 5), ({ANNA: ["451 later"]}, 75), ({ANNA: ["550 no"], BEN: ["550 no"]}, 4)],
)
def test_digest_ends_with_the_code_of_what_became_of_it(here: Path, replies: dict[str, list[str]], code: int) -> None:
    with mail_server(replies=replies) as server:
        configure(server, ANNA, BEN)
        assert reluth("digest").code == code


def test_digest_says_what_stopped_it(here: Path) -> None:
    with mail_server() as server:
        configure(server, ANNA)
    ran = reluth("digest")

    assert ran.code == 75
    assert f"reluth: {SITE}: the mail server cannot be reached" in ran.err


def test_digest_of_another_site_only_is_a_usage_error(here: Path) -> None:
    configure(None, ANNA)
    ran = reluth("digest", "--site", "elsewhere")

    assert (ran.code, "elsewhere" in ran.err) == (2, True)


def test_digest_says_that_nothing_is_due(here: Path) -> None:
    configure(None)
    Path("adapter.toml").write_text(Path("adapter.toml").read_text().partition("[[")[0])
    ran = reluth("digest")

    assert (ran.code, ran.out) == (0, "")
    assert "no digest is due" in ran.err


def test_digest_without_mail_in_the_settings_is_a_setting_to_mend(here: Path) -> None:
    ran = reluth("digest")

    assert (ran.code, ran.err.startswith("reluth: mail: ")) == (2, True)


def test_digest_dry_run_prints_the_message_and_sends_nothing(here: Path) -> None:
    configure(None, ANNA)
    ran = reluth("digest", "--dry-run", "--now")

    assert ran.code == 0
    assert ran.out.startswith("From: reluth@example.org\nTo: anna@example.org\nSubject: ReLUTH, icm : ")
    assert "https://desk.example.org/?site=icm" in ran.out
    with Store.open(here / "var") as store:
        assert [one for one in store.audit_trail() if one.action == "digest-sent"] == []
    # What is not due is not shown unless it is asked for.
    configure(None, ANNA, at="23:59:59")
    later = reluth("digest", "--dry-run")
    assert (later.code, later.out) == (0, "")


def test_digest_password_comes_from_a_file_and_goes_nowhere_else(here: Path) -> None:
    (here / "secret").write_text("pässword-of-the-mail\n", encoding="utf-8")
    configure(None, ANNA, more='username = "reluth"\npassword_file = "secret"')
    ran = reluth("digest")

    assert ran.code == 2
    assert "mail.password" in ran.err and "pässword" not in ran.err + ran.out
