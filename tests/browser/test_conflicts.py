"""In: a browser. Out: a conflict settled without scripts, by mouse, by keyboard and on a phone; nothing settled by another page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from adapter.service.language import load_words
from adapter.store import Store
from tests.browser.conftest import TOKEN, Watched, browsing, follow, served
from tests.support.unsettled import unsettled_store

pytestmark = pytest.mark.browser

_PHONE = 390


@pytest.fixture
def folder(chromium: str, tmp_path: Path) -> Path:
    """Where a store of one's own stands: these tests change it."""
    return tmp_path


@pytest.fixture
def home(folder: Path) -> Iterator[str]:
    with unsettled_store(folder) as settings, served(settings) as address:
        yield address


def enter(watched: Watched, home: str) -> Page:
    watched.page.goto(f"{home}/login?token={TOKEN}")
    follow(watched.page.get_by_role("link", name="To settle"))
    return watched.page


def test_conflict_is_settled_without_scripts(browser: Browser, home: str) -> None:
    with browsing(browser, javascript=False) as watched:
        page = enter(watched, home)
        conflict = page.get_by_role("article", name="Conflict 1")
        expect(conflict.get_by_role("row").filter(has_text="valueQuantity.value")).to_contain_text("12.1")
        follow(conflict.get_by_role("button", name="Keep the hospital's"))

        expect(page.get_by_role("status")).to_contain_text("Conflict 1 is settled")
        expect(page.get_by_role("article", name="Conflict 1")).to_have_count(0)
        page.reload()
        expect(page.get_by_role("status")).to_contain_text("Conflict 1 is settled")
        assert watched.complaints == []


def test_conflict_is_settled_by_keyboard(watched: Watched, home: str) -> None:
    page = enter(watched, home)
    button = page.get_by_role("article", name="Conflict 2").get_by_role("button", name="Keep ours")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    outline = button.evaluate("button => getComputedStyle(button).outlineStyle")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Conflict 2 is settled")
    assert outline == "solid"


def test_choice_names_its_conflict_and_what_it_does(watched: Watched, home: str) -> None:
    page = enter(watched, home)
    group = page.get_by_role("group", name="Conflict 3")

    expect(group).to_have_accessible_description(
        "Keep ours: the next push creates it anew. Keep the hospital's: it stays deleted there, until ours changes."
    )
    expect(group.get_by_role("button")).to_have_count(2)


def test_conflict_that_somebody_else_settled_says_so(watched: Watched, home: str, folder: Path) -> None:
    page = enter(watched, home)
    with Store.open(folder / "var") as store:
        store.outbox.settle(1, kept="hospital", by="nurse", counterparts=())
    follow(page.get_by_role("article", name="Conflict 1").get_by_role("button", name="Keep ours"))

    expect(page.get_by_role("status")).to_contain_text("nurse settled conflict 1 meanwhile and kept the hospital's")


def test_language_switch_of_the_page_keeps_it_usable(watched: Watched, home: str) -> None:
    page = enter(watched, home)
    follow(page.get_by_role("link", name="Français"))
    say = load_words()
    article = page.get_by_role("article", name=say.say("conflicts.conflict", "fr", n=1))
    follow(article.get_by_role("button", name=say.say("conflicts.keep-ours", "fr")))

    expect(page.get_by_role("status")).to_have_text(say.say("conflicts.told-ours", "fr", n=1))


@pytest.mark.parametrize("width", [_PHONE, 1280])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_page_is_not_wider_than_its_screen(browser: Browser, home: str, width: int, language: str) -> None:
    with browsing(browser, width=width) as watched:
        page = enter(watched, home)
        page.goto(f"{home}/conflicts?lang={language}")

        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        low = page.evaluate(
            "[...document.querySelectorAll('main button')].map(one => one.getBoundingClientRect().height).filter(high => high < 44)"
        )
        assert low == []


def test_form_of_another_port_of_this_machine_settles_nothing(watched: Watched, home: str, folder: Path) -> None:
    page = enter(watched, home)
    token = page.locator("input[name=csrf]").first.input_value()
    seen = page.locator("input[name=seen]").first.input_value()
    form = (
        f'<form method="post" action="{home}/conflicts/1"><input name="csrf" value="{token}">'
        f'<input name="seen" value="{seen}"><button name="keep" value="ours">Win a prize</button></form>'
    )
    with elsewhere(form) as other:
        page.goto(other)
        follow(page.get_by_role("button"))

        expect(page.get_by_role("heading", level=1)).to_have_text("Request refused")
    with Store.open(folder / "var") as store:
        assert [one.number for one in store.outbox.conflicts()] == [1, 2, 3, 4, 5]


@contextmanager
def elsewhere(body: str) -> Iterator[str]:
    """A page of somebody else, on another port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join(20)
