"""In: tokens, sessions, Host headers. Out: one entry a token, sessions that end, no foreign name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapter.service.access import SESSION_SECONDS, Access, host_allowed, service_actor


class Clock:
    """Seconds that go on when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_token_opens_once() -> None:
    access = Access("right")

    first, second = access.redeem("right"), access.redeem("right")

    assert access.viewer(first) is not None
    assert second is None


def test_token_wrong_opens_nothing_and_leaves_the_right_one_good() -> None:
    access = Access("right")

    wrong = [access.redeem(offered) for offered in ("", "rightly", "right ", "RIGHT", "é\udcff")]

    assert wrong == [None] * 5
    assert access.viewer(access.redeem("right")) is not None


def test_token_offered_by_many_at_once_opens_for_one() -> None:
    access = Access("right")

    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(access.redeem, ["right"] * 32))

    assert sum(session is not None for session in sessions) == 1


def test_service_without_token_lets_nobody_in() -> None:
    access = Access(None)

    assert access.redeem("") is None
    assert access.redeem("None") is None


def test_session_ends_after_twelve_hours() -> None:
    clock = Clock()
    access = Access("right", clock=clock)
    session = access.redeem("right")

    clock.now += SESSION_SECONDS - 1
    before = access.viewer(session) is not None
    clock.now += 1

    assert before
    assert access.viewer(session) is None


@pytest.mark.parametrize("session", [None, "", "guess", "right"])
def test_session_that_was_not_given_out_does_not_hold(session: str | None) -> None:
    access = Access("right")
    access.redeem("right")

    assert access.viewer(session) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8000"])
def test_host_of_this_machine_is_allowed_with_any_port(host: str) -> None:
    assert host_allowed(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:127.0.0.1",
        "localhost:8000@evil.example",
        "localhost:99999",
        "localhost:8a",
        "::1",
        "[::1]evil.example",
        "[::1",
        "127.0.0.2",
        "localhost.",
    ],
)
def test_host_of_another_name_is_refused(host: str) -> None:
    assert not host_allowed(host)


@pytest.mark.parametrize(
    ("host", "extra"), [("desk.chu.example:443", "desk.chu.example"), ("[2001:db8::1]", "2001:db8::1")]
)
def test_host_that_is_configured_is_allowed(host: str, extra: str) -> None:
    assert host_allowed(host, extra=[extra])
    assert not host_allowed(host)


def test_actor_of_the_service_is_whoever_runs_it_and_never_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    named = service_actor()

    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", unknown)

    assert named.startswith("service:")
    assert service_actor() == "service"
