"""Promises of the postman between cycles: digests go when they are due, are tried again after a while, and never end the cycles."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.config import Settings
from adapter.errors import ConfigurationError
from adapter.jobs import Rounds
from adapter.jobs.mail import Postman
from adapter.jobs.mail.sending import Mailing
from adapter.store import Store
from tests.support.mail_server import mail_server
from tests.support.mailing import DUE, digest_of, mail_settings
from tests.unit.jobs.events import logged

ANNA, BEN = "anna@example.org", "ben@example.org"


class Clock:
    """A time that moves only when it is told to."""

    def __init__(self, now: datetime = DUE) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **more: float) -> None:
        self.now += timedelta(**more)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The stores that were opened while the test runs."""
    found: list[Path] = []
    real = Store.open

    def open_(path: Path, database: str | None = None) -> Store:
        found.append(path)
        return real(path, database)

    monkeypatch.setattr(Store, "open", staticmethod(open_))
    return found


def settings(folder: Path, port: int, *to: str, **more: Any) -> Settings:
    return mail_settings(folder, digest_of(*to, when_empty=True, **more), port=port)


def test_postman_sends_once_it_is_time_and_opens_the_store_for_nothing_else(tmp_path: Path, opened: list[Path]) -> None:
    clock = Clock(DUE - timedelta(minutes=10))
    with mail_server() as server:
        postman = Postman(settings(tmp_path, server.port, ANNA), clock=clock)
        sent = []
        for _ in range(40):
            postman()
            sent.append(len(server.taken))
            clock.pass_(seconds=30)

    assert (sent[17], sent[18], sent[-1]) == (0, 1, 1)
    assert len(opened) == 1


def test_postman_sends_again_on_the_next_day(tmp_path: Path) -> None:
    clock = Clock()
    with mail_server() as server:
        postman = Postman(settings(tmp_path, server.port, ANNA), clock=clock)
        postman()
        clock.pass_(days=1)
        postman()

    assert server.recipients == [ANNA, ANNA]


def test_postman_tries_again_after_a_while_what_did_not_go_through(tmp_path: Path, opened: list[Path]) -> None:
    clock = Clock()
    with logged(), mail_server(data_replies=["451 later", "451 later"]) as server:
        postman = Postman(settings(tmp_path, server.port, ANNA), clock=clock)
        at: list[float] = []
        for _ in range(60):
            before = len(opened)
            postman()
            if len(opened) > before:
                at.append((clock.now - DUE).total_seconds() / 60)
            clock.pass_(minutes=1)

    # 5 minutes after the first try, 10 after the second.
    assert at == [0, 5, 15]
    assert server.recipients == [ANNA]


def test_postman_tries_again_once_a_clock_that_was_ahead_is_right(tmp_path: Path) -> None:
    clock = Clock(DUE + timedelta(days=3640))
    with logged(), mail_server(data_replies=["451 later"]) as server:
        postman = Postman(settings(tmp_path, server.port, ANNA), clock=clock)
        postman()
        clock.now = DUE
        postman()

    assert server.recipients == [ANNA]


def test_postman_does_not_ask_again_for_a_recipient_who_was_refused(tmp_path: Path, opened: list[Path]) -> None:
    clock = Clock()
    with logged(), mail_server(replies={ANNA: ["550 unknown"] * 9}) as server:
        postman = Postman(settings(tmp_path, server.port, ANNA, BEN), clock=clock)
        for _ in range(30):
            postman()
            clock.pass_(minutes=5)

    assert server.recipients == [BEN]
    assert len(opened) == 1


@pytest.mark.parametrize("error", [ConfigurationError("store.path", "is wrong"), ValueError("Mme Durand")])
def test_postman_never_ends_the_cycles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(_self: Mailing) -> None:
        raise error

    monkeypatch.setattr(Mailing, "send", broken)
    clock = Clock()
    postman = Postman(settings(tmp_path, 25, ANNA), clock=clock)

    with logged() as events:
        assert postman() is None
        assert postman() is None

    assert [one["event"] for one in events] == ["no digests"]
    assert "Durand" not in str(events)


def test_postman_has_nothing_to_do_without_digests(tmp_path: Path, opened: list[Path]) -> None:
    assert Postman(Settings())() is None
    assert Postman(mail_settings(tmp_path))() is None
    assert opened == []


def test_postman_names_wrong_settings_before_the_first_cycle(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mail\.digests\.0\.to"):
        Postman(settings(tmp_path, 25, "anna"))


def test_rounds_let_the_postman_in_after_each_cycle_and_while_they_wait() -> None:
    clock, seen = Clock(), []

    class Enough(BaseException):
        pass

    def sleep(seconds: float) -> None:
        seen.append("wait")
        clock.pass_(seconds=seconds)
        if len(seen) > 8:
            raise Enough

    def cycle(_site: str) -> int:
        seen.append("cycle")
        return 0

    rounds = Rounds(
        {"icm": []},
        cycle,
        every=timedelta(minutes=1),
        now=clock,
        chance=lambda: 0.0,
        between=lambda: seen.append("post"),
    )
    with logged(), pytest.raises(Enough):
        rounds.run(sleep=sleep)

    assert seen[:9] == ["cycle", "post", "post", "wait", "post", "wait", "cycle", "post", "post"]
