"""In: tokens, accounts, sessions, Host headers. Out: one entry a token, sessions that end, no foreign name."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from adapter.accounts import Role, Viewer
from adapter.config import OidcSettings, ServiceSettings, Settings
from adapter.service.door.access import SESSION_SECONDS, Access, host_allowed, service_actor
from adapter.store import Store
from tests.support.people import add_person


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


# With accounts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


def configured(**service: object) -> Settings:
    return Settings(service=ServiceSettings.model_validate(service))


def test_store_without_accounts_leaves_the_one_time_token_good(store: Store) -> None:
    access = Access("right")
    access.open(store)

    assert not access.has_accounts and not access.takes_passwords
    assert access.viewer(access.redeem("right")) == Viewer.of_this_machine(service_actor())


def test_store_with_accounts_closes_the_one_time_door(store: Store) -> None:
    add_person(store, "anna", roles={"icm": [Role.NURSE]})
    access = Access("right")
    access.open(store)

    assert access.has_accounts and access.takes_passwords
    assert access.redeem("right") is None


def test_store_whose_accounts_are_all_disabled_has_none(store: Store) -> None:
    store.accounts.disable(add_person(store, "anna", roles={}).number)
    access = Access("right")
    access.open(store)

    assert not access.has_accounts


def test_one_time_session_is_none_once_there_are_accounts(store: Store) -> None:
    access = Access("right")
    session = access.redeem("right")
    add_person(store, "anna", roles={})
    access.open(store)

    assert access.viewer(session) is None


@pytest.mark.parametrize("only", [False, True])
def test_provider_counts_as_accounts_and_may_be_the_only_way_in(store: Store, only: bool) -> None:
    oidc = OidcSettings.model_validate({"issuer": "https://id.chu.example", "client_id": "desk", "only": only})
    access = Access("right", settings=Settings(oidc=oidc))
    before = access.viewer("anything")
    access.open(store)

    assert access.has_accounts and access.has_provider
    assert access.takes_passwords is not only
    assert before is None and access.redeem("right") is None


def test_session_of_an_account_makes_its_viewer_until_it_is_ended(store: Store) -> None:
    anna = add_person(store, "anna", roles={"icm": [Role.NURSE]})
    access = Access(None)
    access.open(store)
    session = access.begin(anna)
    viewer = access.viewer(session)
    access.end(session)

    assert viewer is not None
    assert (viewer.actor, viewer.account, viewer.roles) == ("anna", anna.number, {"icm": frozenset({Role.NURSE})})
    assert access.viewer(session) is None


def test_session_holds_as_long_as_the_settings_say(store: Store) -> None:
    anna = add_person(store, "anna", roles={})
    access = Access(None, settings=configured(idle_minutes=5, session_hours=1))
    access.open(store)
    held = []
    with time_machine.travel("2025-06-01T09:00:00+00:00", tick=False) as clock:
        session, unused = access.begin(anna), access.begin(anna)
        for _ in range(16):
            clock.shift(timedelta(minutes=4))
            held.append(access.viewer(session) is not None)
        idle = access.viewer(unused)

    assert held == [True] * 14 + [False] * 2
    assert idle is None


@pytest.mark.parametrize(
    ("public", "cookie", "hosts"),
    [
        (None, "reluth_session", ["desk"]),
        ("http://desk.chu.example", "reluth_session", ["desk", "desk.chu.example"]),
        ("https://desk.chu.example/", "__Host-reluth_session", ["desk", "desk.chu.example"]),
        ("https://[2001:db8::1]:8443", "__Host-reluth_session", ["desk", "[2001:db8::1]"]),
    ],
)
def test_public_address_makes_the_cookie_secure_and_its_host_ours(
    public: str | None, cookie: str, hosts: list[str]
) -> None:
    access = Access(None, settings=configured(public_url=public, hosts=["desk"]))

    assert (access.cookie, access.hosts) == (cookie, hosts)
    assert access.is_secure is cookie.startswith("__Host-")
    assert all(host_allowed(host, extra=access.hosts) for host in hosts)
