"""In: somebody signed in. Out: their own name and roles; another password in exchange for the present one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from markupsafe import escape

from adapter.accounts import Role
from adapter.config import load_settings
from adapter.service import create_app
from adapter.service.language import load_words
from adapter.store import Account, Store
from tests.support.people import HOME, PASSWORD, add_person, browser_of, fields

NEW = "another walk by the sea"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    settings = load_settings(None, store=tmp_path / "var")
    with Store.open(settings.store.path) as store:
        add_person(store, "anna", roles={"icm": [Role.NURSE], "*": [Role.IT]}, email="anna@icm.example")
        add_person(store, "other", roles={"icm": [Role.NURSE]})
    made = create_app(settings)
    with TestClient(made, base_url=HOME):
        yield made


def account(app: FastAPI, name: str = "anna") -> Account:
    found = app.state.desk.store.accounts.by_name(name)
    assert isinstance(found, Account)
    return found


@pytest.fixture
def browser(app: FastAPI) -> TestClient:
    return browser_of(app, account(app))


def change(browser: TestClient, *, old: str = PASSWORD, new: str = NEW, again: str = NEW) -> int:
    return browser.post("/account", data=fields(browser, old=old, new=new, again=again)).status_code


def say(key: str, **values: object) -> str:
    return str(escape(load_words().say(key, "en", **values)))


def test_account_tells_name_and_roles_by_site_and_nothing_of_others(browser: TestClient) -> None:
    page = browser.get("/account").text

    for told in (
        "Anna",
        "anna@icm.example",
        "icm",
        say("account.every-site"),
        say("account.role-nurse"),
        say("account.role-it"),
    ):
        assert told in page
    assert "other" not in page.replace("All other sessions", "")


def test_password_changed_holds_at_once_and_the_old_one_no_more(app: FastAPI, browser: TestClient) -> None:
    changed = change(browser)
    access = app.state.access

    assert changed == 303
    assert browser.get("/account").status_code == 200
    assert access.signing_in.enter("anna", PASSWORD) is None
    assert access.signing_in.enter("anna", NEW) is not None


def test_password_changed_ends_all_sessions_but_this_browser_s_which_is_new(app: FastAPI, browser: TestClient) -> None:
    elsewhere = browser_of(app, account(app))
    before = browser.cookies["reluth_session"]
    change(browser)

    assert elsewhere.get("/account").status_code == 303
    assert browser.cookies["reluth_session"] != before
    assert app.state.access.account(before) is None


@pytest.mark.parametrize(
    ("given", "field", "key"),
    [
        ({"old": "wrong"}, "old", "account.failure-wrong"),
        ({"old": ""}, "old", "account.failure-wrong"),
        ({"new": "short", "again": "short"}, "new", "account.failure-short"),
        ({"new": "x" * 300, "again": "x" * 300}, "new", "account.failure-long"),
        ({"new": "anna anna anna", "again": "anna anna anna"}, "new", "account.failure-name"),
        ({"new": "abababababab", "again": "abababababab"}, "new", "account.failure-plain"),
        ({"again": "another walk by the see"}, "again", "account.failure-differs"),
        ({"new": PASSWORD, "again": PASSWORD}, "old", "account.failure-same"),
    ],
)
def test_password_that_cannot_be_changed_says_why_beside_its_field(
    app: FastAPI, browser: TestClient, given: dict[str, str], field: str, key: str
) -> None:
    answer = browser.post("/account", data=fields(browser, **{"old": PASSWORD, "new": NEW, "again": NEW, **given}))
    told = {"minimum": 12} if key.endswith("short") else {}

    assert answer.status_code == 422
    assert say(key, **told) in answer.text
    assert f'id="{field}-failure"' in answer.text and f'aria-describedby="{field}-failure' in answer.text
    assert app.state.access.signing_in.enter("anna", PASSWORD) is not None


def test_wrong_present_password_counts_as_at_the_door(app: FastAPI, browser: TestClient) -> None:
    wrong = [change(browser, old="wrong") for _ in range(5)]
    right = change(browser)

    assert (wrong, right) == ([422] * 5, 422)
    assert account(app).failed_count == 5


def test_new_password_that_breaks_the_rule_costs_no_attempt(app: FastAPI, browser: TestClient) -> None:
    for _ in range(6):
        change(browser, old="wrong", new="short", again="short")

    assert account(app).failed_count == 0


def test_account_of_a_provider_has_no_password_to_change(app: FastAPI) -> None:
    theirs = app.state.desk.store.accounts.from_provider(
        issuer="https://id.chu.example", subject="1", name="Zoé", email="", roles={"icm": [Role.NURSE]}
    )
    browser = browser_of(app, theirs)
    page = browser.get("/account").text

    assert "https://id.chu.example" in page and 'action="/account"' not in page
    assert change(browser) == 404


def test_change_of_password_is_audited_without_it(app: FastAPI, browser: TestClient) -> None:
    change(browser)
    last = app.state.desk.store.audit_trail()[-1]

    assert (last.actor, last.action, last.subject, last.detail) == ("anna", "user-password", "account/anna", "own")
