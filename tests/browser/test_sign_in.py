"""In: a person with a name and a password, at a real browser. Out: the page that they wanted; the way out; no barrier that axe knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from adapter.accounts import Role
from adapter.config import load_settings
from adapter.store import Store
from tests.browser.conftest import browsing, follow, served
from tests.support.people import PASSWORD, add_person

pytestmark = pytest.mark.browser


@pytest.fixture
def door(chromium: str, tmp_path: Path) -> Iterator[str]:
    """A service with an account."""
    settings = load_settings(None, store=tmp_path / "var")
    with Store.open(settings.store.path) as store:
        add_person(store, "anna", roles={"*": [Role.NURSE]})
    with served(settings) as address:
        yield address


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill("Anna")
    page.get_by_label("Password").fill(password)
    follow(page.get_by_role("button", name="Enter"))


@pytest.mark.parametrize("javascript", [True, False])
def test_person_signs_in_goes_where_they_wanted_and_out_again(browser: Browser, door: str, javascript: bool) -> None:
    with browsing(browser, javascript=javascript) as watched:
        page = watched.page
        page.goto(f"{door}/funnel")
        assert page.url.startswith(f"{door}/sign-in")
        sign_in(page, "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Name")).to_have_value("Anna")
        sign_in(page)
        expect(page).to_have_url(f"{door}/funnel")
        follow(page.get_by_role("button", name="Sign out"))
        expect(page.get_by_role("status")).to_be_visible()
        page.goto(f"{door}/funnel")

        assert page.url.startswith(f"{door}/sign-in")


@pytest.mark.parametrize("javascript", [True, False])
def test_link_in_a_page_of_somebody_else_opens_without_signing_in_again(
    browser: Browser, door: str, javascript: bool
) -> None:
    with browsing(browser, javascript=javascript) as watched:
        page = watched.page
        page.goto(f"{door}/sign-in")
        sign_in(page)
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        # Another site, and not only another port: the browser leaves the strict cookie out.
        page.goto(f"data:text/html,<a href='{door}/account'>record</a>")
        follow(page.get_by_role("link", name="record"))

        expect(page.get_by_role("heading", level=1)).to_have_text("Anna")


def test_password_is_changed_with_the_keyboard_alone(browser: Browser, door: str) -> None:
    with browsing(browser) as watched:
        page = watched.page
        page.goto(f"{door}/sign-in?next=/account")
        sign_in(page)
        page.get_by_label("Present password").focus()
        for typed in (PASSWORD, "another walk by the sea", "another walk by the sea"):
            page.keyboard.type(typed)
            page.keyboard.press("Tab")
        enter(page)

        expect(page.get_by_text("Password chosen on")).to_be_visible()
        assert page.locator(".failure").count() == 0


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("width", [1280, 320])
def test_door_and_account_have_no_barrier_that_axe_knows(
    browser: Browser, door: str, language: str, width: int
) -> None:
    found = []
    with browsing(browser, width=width) as watched:
        page = watched.page
        page.goto(f"{door}/sign-in?lang={language}&told=ended")
        found += barriers(page)
        page.locator("#name").fill("anna")
        page.locator("#password").fill("wrong")
        enter(page)
        found += barriers(page)
        page.locator("#password").fill(PASSWORD)
        enter(page)
        page.goto(f"{door}/account")
        found += barriers(page)
        for field in ("old", "new", "again"):
            page.locator(f"#{field}").fill(f"{field} {field}")
        enter(page)
        found += barriers(page)
        narrow = page.evaluate("document.documentElement.scrollWidth") if width == 320 else 0

    assert found == []
    assert narrow <= 320


def enter(page: Page) -> None:
    with page.expect_navigation():
        page.keyboard.press("Enter")


def barriers(page: Page) -> list[str]:
    told = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in told for node in one["nodes"]]
