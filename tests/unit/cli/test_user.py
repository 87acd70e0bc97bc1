"""In: `reluth user` at a terminal, in a pipe, with names and roles that make sense or none. Out: accounts that can sign in; an audit trail."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter.accounts import SigningIn, password_problem
from adapter.cli.patients import actor
from adapter.store import Account, Store
from tests.support.cli import Ran, reluth
from tests.support.people import PASSWORD, quick

CONFIG = '[sites.icm]\nbase_url = "https://fhir.icm.example/r4"\n'


class Room:
    """A store, a settings file with one site, and `reluth user` on them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "var"
        self.config = folder / "adapter.toml"
        self.config.write_text(CONFIG)

    def run(self, *arguments: str) -> Ran:
        return reluth("--config", self.config, "--store", self.path, "user", *arguments)

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store.open(self.path) as opened:
            yield opened

    def account(self, name: str = "anna") -> Account:
        with self.store() as store:
            found = store.accounts.by_name(name)
        assert found is not None
        return found

    def opens(self, password: str, name: str = "anna") -> bool:
        with self.store() as store:
            return SigningIn(store, quick()).enter(name, password) is not None

    def trail(self) -> list[tuple[str, str, str, str]]:
        with self.store() as store:
            return [(line.actor, line.action, line.subject, line.detail) for line in store.audit_trail()]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    say(monkeypatch, "")
    return Room(tmp_path)


@pytest.fixture
def anna(room: Room, monkeypatch: pytest.MonkeyPatch) -> Room:
    say(monkeypatch, f"{PASSWORD}\n")
    assert room.run("add", "Anna", "--role", "nurse@icm", "--password-stdin").code == 0
    say(monkeypatch, "")
    return room


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def at_terminal(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    waiting = iter(typed)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda *_args, **_more: next(waiting))


# add ----------------------------------------------------------------------------------------------------------------


def test_add_makes_the_store_the_account_and_a_password_for_one_use(room: Room) -> None:
    ran = room.run(
        "add", "Anna", "--role", "nurse@icm", "--role", "it@*", "--display", "Anna Roux", "--email", "a@icm.example"
    )
    password = ran.out.strip()
    account = room.account()

    assert ran.code == 0
    assert password_problem(password, name="anna") is None
    assert room.opens(password) and account.must_change_password
    assert (account.display, account.email) == ("Anna Roux", "a@icm.example")
    assert account.roles == {"*": {"it"}, "icm": {"nurse"}}
    assert "shown once" in ran.err and "reluth serve" in ran.err and password not in ran.err


def test_add_reads_a_password_from_stdin_and_prints_none(anna: Room) -> None:
    assert anna.opens(PASSWORD)
    assert not anna.account().must_change_password


def test_add_asks_twice_at_a_terminal(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch, PASSWORD, PASSWORD)
    ran = room.run("add", "anna", "--role", "nurse@icm")

    assert (ran.code, ran.out) == (0, "")
    assert room.opens(PASSWORD)


def test_add_with_two_different_passwords_changes_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch, PASSWORD, PASSWORD + "!")
    ran = room.run("add", "anna", "--role", "nurse@icm")

    assert ran.code == 2
    assert "two different passwords" in ran.err and PASSWORD not in ran.err
    with room.store() as store:
        assert store.accounts.all() == [] and store.audit_trail() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("anna",), "--role"),
        (("anna", "--role", "nurse"), "ROLE@SITE"),
        (("anna", "--role", "doctor@icm"), "investigator"),
        (("anna", "--role", "nurse@icn"), "site icn is unknown (icm)"),
        (("an na", "--role", "nurse@icm"), "a name begins"),
        (("service:anna", "--role", "nurse@icm"), "a name begins"),
        (("anna", "--role", "nurse@icm", "--email", "anna"), "--email"),
        (("anna", "--role", "nurse@icm", "--display", "x" * 129), "--display"),
    ],
)
def test_add_that_makes_no_sense_is_refused_with_a_sentence(room: Room, arguments: tuple[str, ...], said: str) -> None:
    ran = room.run("add", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("typed", "said"), [("short\n", "12 characters"), ("\n", "12 characters"), ("annaannaanna\n", "name")]
)
def test_add_refuses_a_password_against_the_rule(
    room: Room, monkeypatch: pytest.MonkeyPatch, typed: str, said: str
) -> None:
    say(monkeypatch, typed)
    ran = room.run("add", "anna", "--role", "nurse@icm", "--password-stdin")

    assert ran.code == 2
    assert said in ran.err and (typed.strip() or "-") not in ran.err.replace("the account's name", "")


def test_add_of_a_name_that_is_taken_is_refused(anna: Room) -> None:
    ran = anna.run("add", "ANNA", "--role", "it@*")

    assert ran.code == 2
    assert "account anna: there is one" in ran.err
    assert anna.opens(PASSWORD)


# The others ---------------------------------------------------------------------------------------------------------


def test_list_tells_roles_and_state_and_no_secret(anna: Room) -> None:
    anna.run("add", "sven", "--role", "sponsor@*", "--json")
    anna.run("disable", "anna")
    told, table = anna.run("list", "--json"), anna.run("list")
    accounts = told.object["accounts"]

    assert [(one["name"], one["roles"], one["state"]) for one in accounts] == [
        ("anna", ["nurse@icm"], "disabled"),
        ("sven", ["sponsor@*"], "one-time password"),
    ]
    assert "argon2" not in told.out + table.out
    assert "nurse@icm" in table.out and "disabled" in table.out


def test_json_of_add_holds_the_password_that_was_made(room: Room) -> None:
    told = json.loads(room.run("add", "anna", "--role", "nurse@icm", "--json").out)

    assert room.opens(told["password"])


def test_role_gives_and_takes(anna: Room) -> None:
    given = anna.run("role", "anna", "--grant", "investigator@icm", "--grant", "it@*", "--revoke", "nurse@icm")
    after = anna.account().roles
    taken = anna.run("role", "anna", "--revoke", "investigator@icm", "--revoke", "it@*", "--json")

    assert (given.code, taken.code) == (0, 0)
    assert after == {"*": {"it"}, "icm": {"investigator"}}
    assert taken.object["roles"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("anna",), "--grant"),
        (("anna", "--revoke", "it@icm"), "has not it@icm"),
        (("anna", "--grant", "it@icn"), "unknown"),
        (("anne", "--grant", "it@icm"), "none by this name"),
    ],
)
def test_role_that_cannot_be_given_or_taken_changes_nothing(anna: Room, arguments: tuple[str, ...], said: str) -> None:
    ran = anna.run("role", *arguments)

    assert ran.code == 2
    assert said in ran.err
    assert anna.account().roles == {"icm": {"nurse"}}


def test_role_at_a_site_that_has_gone_can_still_be_taken(anna: Room) -> None:
    anna.config.write_text("")

    assert anna.run("role", "anna", "--revoke", "nurse@icm").code == 0
    assert anna.account().roles == {}


def test_password_replaces_the_old_one(anna: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, "another walk by the sea\n")
    ran = anna.run("password", "anna", "--password-stdin")

    assert ran.code == 0
    assert anna.opens("another walk by the sea") and not anna.opens(PASSWORD)


def test_disabled_account_is_enabled_again_and_a_locked_one_unlocked(anna: Room) -> None:
    last = anna.run("disable", "anna")
    disabled = anna.opens(PASSWORD)
    anna.run("enable", "anna")
    for _ in range(5):
        anna.opens("wrong")
    locked = anna.opens(PASSWORD)
    state = anna.run("list", "--json").object["accounts"][0]["state"]
    anna.run("unlock", "anna")

    assert "one-time link" in last.err
    assert (disabled, locked, state) == (False, False, "locked")
    assert anna.opens(PASSWORD)


@pytest.mark.parametrize("verb", ["password", "disable", "enable", "unlock"])
def test_account_that_is_not_there_is_a_usage_error(anna: Room, verb: str) -> None:
    ran = anna.run(verb, "nobody")

    assert ran.code == 2
    assert "reluth user list" in ran.err


@pytest.mark.parametrize("arguments", [("role", "zoe", "--grant", "it@*"), ("password", "zoe")])
def test_account_of_a_provider_is_the_provider_s(anna: Room, arguments: tuple[str, ...]) -> None:
    with anna.store() as store:
        store.accounts.from_provider(issuer="https://id.chu.example", subject="1", name="zoe", email="", roles={})
    ran = anna.run(*arguments)

    assert ran.code == 2
    assert "https://id.chu.example" in ran.err


def test_every_change_is_audited_by_who_made_it_and_without_passwords(anna: Room) -> None:
    anna.run("role", "anna", "--grant", "it@*", "--revoke", "nurse@icm")
    anna.run("password", "anna")
    for verb in ("disable", "enable", "unlock"):
        anna.run(verb, "anna")

    assert anna.trail() == [
        (actor(), "user-add", "account/anna", "nurse@icm"),
        (actor(), "user-role", "account/anna", "+it@* -nurse@icm"),
        (actor(), "user-password", "account/anna", "one-time"),
        (actor(), "user-disable", "account/anna", ""),
        (actor(), "user-enable", "account/anna", ""),
        (actor(), "user-unlock", "account/anna", ""),
    ]
