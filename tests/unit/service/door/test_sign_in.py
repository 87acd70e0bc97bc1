"""In: browsers with and without a session, with forms of their own and of others. Out: who gets in, by which cookie, and for how long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.config import ServiceSettings, Settings, load_settings
from adapter.service import create_app
from adapter.service.door.access import Access
from adapter.service.language import load_words
from adapter.store import Account, KeptPassword, Store
from tests.support.people import HOME, PASSWORD, add_person, browser_of, fields, form_of, quick

PUBLIC = "https://desk.chu.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = load_settings(None, store=tmp_path / "var")
    with Store.open(found.store.path) as store:
        add_person(store, "anna", roles={"icm": [Role.NURSE]})
        add_person(store, "sven", roles={"icm": [Role.SPONSOR]})
    return found


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    made = create_app(settings, token="one-time")
    with TestClient(made, base_url=HOME):
        yield made


@pytest.fixture
def browser(app: FastAPI) -> TestClient:
    """A browser without a session."""
    return strange(app)


def strange(app: FastAPI, home: str = HOME) -> TestClient:
    client = TestClient(app, base_url=home, raise_server_exceptions=False, follow_redirects=False)
    client.headers["Accept-Language"] = "en"
    return client


def store_of(app: FastAPI) -> Store:
    store: Store = app.state.desk.store
    return store


def account_of(app: FastAPI, name: str) -> Account:
    found = store_of(app).accounts.by_name(name)
    assert found is not None
    return found


def sign_in(browser: TestClient, name: str = "anna", password: str = PASSWORD, **more: str) -> Any:
    page = browser.get("/sign-in")
    told = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert told is not None
    return browser.post("/sign-in", data={"csrf": told[1], "name": name, "password": password, **more})


def session(browser: TestClient) -> str:
    return next((one.value or "" for one in browser.cookies.jar if one.name.endswith("reluth_session")), "")


def say(key: str) -> str:
    return load_words().say(key, "en")


# The way in ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/funnel", "/patients/abc?stage=registration", "/worklist.csv?site=icm"])
def test_page_without_session_leads_to_the_door_and_back_after_signing_in(browser: TestClient, path: str) -> None:
    turned = browser.get(path)
    door = browser.get(turned.headers["location"])
    wanted = re.search(r'name="next" value="([^"]*)"', door.text)
    assert wanted is not None
    entered = sign_in(browser, next=wanted[1].replace("&amp;", "&"))

    assert (turned.status_code, entered.status_code) == (303, 303)
    assert entered.headers["location"] == path


def test_api_without_session_is_a_problem_and_no_door(browser: TestClient) -> None:
    answer = browser.get("/api/worklist")

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_form_sent_after_the_session_ended_is_told_that_nothing_was_changed(browser: TestClient) -> None:
    answer = browser.post("/conflicts/1", data={"keep": "ours"})

    assert answer.status_code == 401
    assert say("door.ended") in answer.text


def test_service_with_accounts_has_no_one_time_link(browser: TestClient, app: FastAPI) -> None:
    answer = browser.get("/login", params={"token": "one-time"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert session(browser) == ""
    assert app.state.access.redeem("one-time") is None


def test_service_without_accounts_has_no_sign_in_page(tmp_path: Path) -> None:
    found = load_settings(None, store=tmp_path / "none")
    with TestClient(create_app(found, token="one-time"), base_url=HOME, follow_redirects=False) as client:
        door, turned = client.get("/sign-in"), client.get("/funnel")
        form = client.post("/sign-in", data={"name": "anna", "password": PASSWORD})
        client.get("/login?token=one-time")
        inside = client.get("/account")

    assert (door.status_code, turned.status_code, form.status_code) == (401, 401, 404)
    assert inside.status_code == 200
    assert load_words().say("account.this-machine", "fr").split("'")[0] in inside.text


def test_sign_in_leads_to_a_first_page_that_its_role_may_see(app: FastAPI) -> None:
    sponsor = strange(app)
    sign_in(sponsor, "sven")

    assert sponsor.get("/").headers["location"] == "/funnel"
    assert sponsor.get("/funnel").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/sign-out"]
)
def test_sign_in_leads_to_no_other_host_whatever_is_asked(browser: TestClient, wanted: str) -> None:
    page = browser.get("/sign-in", params={"next": wanted})

    assert sign_in(browser, next=wanted).headers["location"] == "/"
    assert "evil" not in page.text and "javascript:" not in page.text


def test_signed_in_browser_is_not_asked_again(app: FastAPI) -> None:
    client = browser_of(app, account_of(app, "anna"))

    assert client.get("/sign-in", params={"next": "/funnel"}).headers["location"] == "/funnel"


def test_link_from_another_site_is_followed_by_a_page_of_ours(app: FastAPI) -> None:
    told = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    step = strange(app).get("/patients/abc", headers=told)
    framed = strange(app).get("/patients/abc", headers={**told, "Sec-Fetch-Dest": "iframe"})

    assert step.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/patients/abc">' in step.text
    assert framed.status_code == 303


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "never-this"), ("nobody", PASSWORD), ("", ""), ("anna", "x" * 300)]
)
def test_wrong_name_and_wrong_password_are_told_the_same_way(browser: TestClient, name: str, password: str) -> None:
    answer = sign_in(browser, name, password)

    assert answer.status_code == 401
    assert say("door.wrong") in answer.text
    assert answer.text.count('aria-describedby="door-notice"') == 2
    assert session(browser) == ""
    assert password == "" or password not in answer.text


def test_locked_account_is_told_what_a_wrong_password_is(app: FastAPI) -> None:
    answers = [sign_in(strange(app), password="wrong") for _ in range(5)]
    locked = sign_in(strange(app))

    assert {answer.status_code for answer in answers} == {locked.status_code} == {401}
    assert say("door.wrong") in locked.text


def test_form_without_its_token_or_with_another_browser_s_is_not_looked_at(app: FastAPI) -> None:
    mine, other = strange(app), strange(app)
    mine.get("/sign-in")
    foreign = re.search(r'name="csrf" value="([0-9a-f]+)"', other.get("/sign-in").text)
    assert foreign is not None
    answers = [
        mine.post("/sign-in", data={"name": "anna", "password": PASSWORD, "csrf": token})
        for token in ("", "0" * 64, foreign[1])
    ]
    without = strange(app).post("/sign-in", data={"name": "anna", "password": PASSWORD, "csrf": foreign[1]})

    assert {answer.status_code for answer in [*answers, without]} == {403}
    assert session(mine) == ""
    assert account_of(app, "anna").failed_count == 0


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1:9999"}]
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account"])
def test_form_of_another_page_is_refused(app: FastAPI, path: str, headers: dict[str, str]) -> None:
    client = browser_of(app, account_of(app, "anna"))
    answer = client.post(path, data=fields(client, name="anna", password=PASSWORD), headers=headers)

    assert answer.status_code == 403
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize("path", ["/sign-out", "/account"])
def test_form_inside_wants_the_token_of_its_session(app: FastAPI, path: str) -> None:
    client, other = (browser_of(app, account_of(app, "anna")) for _ in range(2))
    answers = [client.post(path, data={"csrf": token}).status_code for token in ("", "0" * 64, form_of(other))]

    assert answers == [403] * 3
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize(
    "told",
    [{"content": b"x" * 20_000}, {"content": iter([b"name=anna"])}, {"files": {"name": ("x", b"x" * 20_000)}}],
)
def test_door_reads_no_more_than_a_name_and_a_password(browser: TestClient, told: dict[str, Any]) -> None:
    assert browser.post("/sign-in", **told).status_code == 413


def test_busy_door_says_so(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.accounts.passwords._WAIT_SECONDS", 0.01)
    access: Access = browser.app.state.access  # type: ignore[attr-defined]
    for _ in range(2):
        access._passwords._room.acquire()
    answer = sign_in(browser)

    assert answer.status_code == 503
    assert say("door.busy") in answer.text


# Sessions and their cookie ------------------------------------------------------------------------------------------


def test_session_cookie_is_for_this_browser_until_it_is_closed(browser: TestClient) -> None:
    given = next(one for one in sign_in(browser).headers.get_list("set-cookie") if "session" in one)

    assert given.startswith("reluth_session=")
    assert set(given.split("; ")[1:]) == {"HttpOnly", "Path=/", "SameSite=strict"}


def test_cookies_behind_a_public_address_are_secure_and_bound_to_the_host(settings: Settings) -> None:
    service = ServiceSettings(public_url=PUBLIC)
    app = create_app(settings.model_copy(update={"service": service}))
    with TestClient(app, base_url=PUBLIC):
        browser = strange(app, PUBLIC)
        form = browser.get("/sign-in").headers["set-cookie"]
        given = next(one for one in sign_in(browser).headers.get_list("set-cookie") if "session" in one)
        inside = browser.get("/account")

    attributes = {"HttpOnly", "Path=/", "SameSite=strict", "Secure"}
    assert form.startswith("__Host-reluth_form=") and set(form.split("; ")[1:]) == attributes
    assert given.startswith("__Host-reluth_session=") and set(given.split("; ")[1:]) == attributes
    assert inside.status_code == 200


def test_forwarded_headers_make_no_host_ours(app: FastAPI) -> None:
    told = {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1", "Forwarded": "host=127.0.0.1"}

    assert strange(app).get("/sign-in", headers=told).status_code == 400


def test_session_that_a_browser_brings_along_is_never_made_good(app: FastAPI) -> None:
    planted = "planted-by-somebody-else-000000000000000000"
    browser = strange(app)
    browser.cookies.set("reluth_session", planted, domain="127.0.0.1")
    sign_in(browser)

    assert session(browser) not in ("", planted)
    other = strange(app)
    other.cookies.set("reluth_session", planted)
    assert other.get("/account").status_code == 303


def test_each_sign_in_begins_a_new_session_and_ends_the_browser_s_old_one(app: FastAPI) -> None:
    browser = strange(app)
    with time_machine.travel("2025-06-01T09:00:00+00:00", tick=False) as clock:
        sign_in(browser)
        first = session(browser)
        clock.shift(timedelta(minutes=31))
        ended = browser.get("/account")
        sign_in(browser)
        second = session(browser)

    assert ended.headers["location"] == "/sign-in?next=%2Faccount&told=ended"
    assert first != second
    assert app.state.access.account(first) is None


def test_sign_out_ends_the_session_and_not_only_the_cookie(app: FastAPI) -> None:
    browser = browser_of(app, account_of(app, "anna"))
    held = session(browser)
    answer = browser.post("/sign-out", data=fields(browser))

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?told=out")
    assert session(browser) == ""
    assert app.state.access.account(held) is None
    assert [line.action for line in store_of(app).audit_trail()] == ["sign-out"]


def test_disabled_account_is_out_with_its_next_request(app: FastAPI) -> None:
    browser = browser_of(app, account_of(app, "anna"))
    before = browser.get("/funnel").status_code
    store_of(app).accounts.disable(account_of(app, "anna").number)

    assert before == 200
    assert browser.get("/funnel").status_code == 303
    assert browser.get("/api/funnel").status_code == 401


def test_role_taken_is_gone_with_the_next_request(app: FastAPI) -> None:
    account = account_of(app, "anna")
    browser = browser_of(app, account)
    before = browser.get("/conflicts").status_code
    store_of(app).accounts.set_roles(account.number, {"icm": [Role.SPONSOR]})
    old = browser.get("/conflicts").status_code
    again = browser_of(app, account).get("/conflicts").status_code

    assert (before, old, again) == (200, 303, 403)


def test_one_time_password_opens_nothing_but_the_choice_of_another(app: FastAPI) -> None:
    account = account_of(app, "anna")
    store_of(app).accounts.set_password(account.number, KeptPassword(quick().hash(PASSWORD), one_time=True))
    browser = strange(app)
    entered = sign_in(browser, next="/funnel")
    closed = [browser.get(path).status_code for path in ("/funnel", "/conflicts", "/api/worklist")]
    page = browser.get("/account")
    browser.post("/account", data=fields(browser, old=PASSWORD, new="my own long phrase", again="my own long phrase"))

    assert entered.headers["location"] == "/account"
    assert closed == [403] * 3
    assert say("account.choose") in page.text
    assert browser.get("/funnel").status_code == 200


# The frame ----------------------------------------------------------------------------------------------------------


def test_every_page_says_who_is_signed_in_and_lets_them_out(app: FastAPI) -> None:
    browser = browser_of(app, account_of(app, "anna"))
    pages = [browser.get(path).text for path in ("/funnel", "/conflicts", "/account", "/nothing")]

    assert all('href="/account"' in page and "Anna" in page and 'action="/sign-out"' in page for page in pages)


def test_door_shows_no_menu_and_nobody_s_name(browser: TestClient) -> None:
    page = browser.get("/sign-in").text

    assert 'class="menu"' not in page and 'class="who"' not in page
    assert "anna" not in page.lower()


def test_language_switch_of_the_door_keeps_where_one_wants_to_go(browser: TestClient) -> None:
    page = browser.get("/sign-in", params={"next": "/funnel"}).text

    assert 'href="/sign-in?next=%2Ffunnel&amp;lang=fr"' in page
