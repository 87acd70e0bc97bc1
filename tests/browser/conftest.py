"""In: Debian's Chromium. Out: the real service on loopback, and pages of a browser that tell all they did."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Request, expect, sync_playwright

from adapter.config import Settings
from adapter.service import create_app
from tests.support.desk_story import PASSWORDS, PEOPLE, Centre, make_centre
from tests.support.screened import screened_store
from tests.support.serving import serving

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "one-time-token-of-the-browser"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path.

    Without a browser the tests are skipped, in CI they fail.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "there is no chromium on this machine (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


# Not for the session: while the driver lives, no other test could run an event loop in this thread.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless browser, with a profile that goes when it ends."""
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, headless=True, args=_ARGUMENTS)
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="session")
def settings(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a store that every test reads and none changes."""
    with screened_store(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def home(settings: Settings) -> Iterator[str]:
    """The address of a service whose token is not used yet."""
    with served(settings) as address:
        yield address


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The service on a free port of loopback."""
    with serving(create_app(settings, token=TOKEN, today=lambda: date(2025, 6, 1))) as address:
        yield address


@pytest.fixture(scope="session")
def centre(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Centre:
    """A simulated centre with accounts, for all stories: each keeps to patients of its own."""
    return make_centre(tmp_path_factory.mktemp("centre"))


@pytest.fixture(scope="session")
def door(centre: Centre) -> Iterator[str]:
    """The address of the service over the simulated centre."""
    with centre.served() as address:
        yield address


def sign_in(page: Page, door: str, name: str, *, language: str = "en") -> None:
    """Sign in by the form, and stand on the first page that this account may see."""
    page.goto(f"{door}/sign-in?lang={language}")
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORDS[name])
    follow(page.locator("main form button"))
    expect(page.locator("header .who")).to_contain_text(PEOPLE[name][1])


def follow(leading: Locator) -> None:
    """Click what leads to a page, and be there: a click alone may come back while the page before it is still shown."""
    with leading.page.expect_navigation():
        leading.click()


@dataclass
class Watched:
    """A page of the browser, with what it asked for and complained about."""

    page: Page
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    @classmethod
    def of(cls, context: BrowserContext) -> Watched:
        """Open a page and listen to it."""
        watched = cls(context.new_page())
        context.on("request", watched._note)
        watched.page.on("console", lambda message: watched.complaints.append(message.text))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("dialog", watched._dismiss)
        return watched


@contextmanager
def browsing(browser: Browser, *, javascript: bool = True, width: int = 1280) -> Iterator[Watched]:
    """A page without cookies or history."""
    context = browser.new_context(
        java_script_enabled=javascript, locale="en-GB", viewport={"width": width, "height": 900}
    )
    try:
        yield Watched.of(context)
    finally:
        context.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A fresh page at a desk."""
    with browsing(browser) as found:
        yield found
