"""In: a browser. Out: from the one-time link to the reason for a verdict, by keyboard, without scripts, on a phone."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from adapter.documents import load_trial
from adapter.screening import words
from tests.browser.conftest import TOKEN, Watched, browsing, follow
from tests.support.screened import HOSTILE, TRIAL

pytestmark = pytest.mark.browser

_PHONE = 390


def enter(watched: Watched, home: str) -> None:
    """Open the one-time link."""
    watched.page.goto(f"{home}/login?token={TOKEN}")


def test_desk_opens_by_the_link_once_and_lists_everybody(watched: Watched, home: str) -> None:
    watched.page.goto(home)
    expect(watched.page.get_by_role("heading", level=1)).to_have_text("Entry by one-time link")

    enter(watched, home)

    assert watched.page.url == f"{home}/"
    expect(watched.page.get_by_role("heading", level=1)).to_have_text("Worklist")
    expect(watched.page.locator("th.patient a")).to_have_count(7)
    watched.page.goto(f"{home}/login?token={TOKEN}")
    expect(watched.page.get_by_role("heading", level=1)).to_have_text("Link refused")


def test_desk_asks_no_other_host_and_nothing_goes_wrong(watched: Watched, home: str) -> None:
    enter(watched, home)
    follow(watched.page.locator("th.patient a").first)
    follow(watched.page.get_by_role("link", name="Funnel"))
    follow(watched.page.get_by_role("link", name="Runs"))

    assert {f"{url.scheme}://{url.netloc}" for url in (urlsplit(item.url) for item in watched.requests)} == {home}
    assert watched.complaints == []


def test_token_is_sent_to_no_page_as_referer(watched: Watched, home: str) -> None:
    enter(watched, home)
    follow(watched.page.get_by_role("link", name="Funnel"))

    assert len(watched.requests) > 2
    assert not [item.url for item in watched.requests if item.all_headers().get("referer")]
    assert TOKEN not in watched.page.content()


def test_patient_opens_by_keyboard(watched: Watched, home: str) -> None:
    enter(watched, home)
    page = watched.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")

    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("th.patient a").first.evaluate("link => link === document.activeElement"):
            break
    outline = page.locator("th.patient a").first.evaluate("link => getComputedStyle(link).outlineStyle")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("ready")
    assert outline == "solid"


def test_patient_page_leads_to_each_criterion_and_its_value(watched: Watched, home: str) -> None:
    trial = load_trial(TRIAL)
    enter(watched, home)
    page = watched.page
    follow(page.get_by_role("link", name="low", exact=True))
    page.get_by_role("link", name="I11").first.click()

    criterion = page.get_by_role("article", name=trial.criterion("I11").label["en"])
    expect(criterion).to_be_in_viewport()
    expect(criterion.get_by_role("blockquote")).to_contain_text(trial.criterion("I11").text)
    expect(criterion.get_by_role("row").filter(has_text="Observation/plt")).to_contain_text("70 G/L")
    expect(criterion.get_by_role("row").filter(has_text="Observation/plt")).to_contain_text("70 10⁹/L")


def test_hostile_value_is_text(watched: Watched, home: str) -> None:
    enter(watched, home)
    follow(watched.page.get_by_role("link", name="liver", exact=True))

    expect(watched.page.get_by_text(HOSTILE).first).to_be_visible()
    assert watched.complaints == []


def test_language_switch_stays_on_the_page_and_is_remembered(watched: Watched, home: str) -> None:
    enter(watched, home)
    page = watched.page
    follow(page.get_by_role("link", name="low", exact=True))
    follow(page.get_by_role("link", name="Français"))

    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_role("heading", level=1)).to_have_text("low")
    expect(page.get_by_text(words("fr").verdict("inclusion", False)).first).to_be_visible()
    follow(page.get_by_role("link", name="Liste de travail"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Liste de travail")


def test_desk_works_without_javascript_on_a_phone(browser: Browser, home: str) -> None:
    with browsing(browser, javascript=False, width=_PHONE) as watched:
        enter(watched, home)
        page = watched.page
        expect(page.get_by_role("row").filter(has_text="liver").first).to_be_visible()
        follow(page.get_by_role("link", name="liver", exact=True))

        expect(page.get_by_role("heading", level=1)).to_have_text("liver")
        expect(page.get_by_role("link", name="Runs")).to_be_visible()


@pytest.mark.parametrize("width", [_PHONE, 1280])
def test_no_page_is_wider_than_its_screen(browser: Browser, home: str, width: int) -> None:
    with browsing(browser, width=width) as watched:
        enter(watched, home)
        patient = watched.page.get_by_role("link", name="liver", exact=True).get_attribute("href")
        wide = {}
        for path in ("/", str(patient), "/funnel", "/runs", "/nothing-here"):
            watched.page.goto(home + path)
            wide[path] = watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert {path: pixels for path, pixels in wide.items() if pixels > 0} == {}


def test_print_shows_what_the_screen_shows_without_its_menus(watched: Watched, home: str) -> None:
    enter(watched, home)
    follow(watched.page.get_by_role("link", name="low", exact=True))
    watched.page.emulate_media(media="print")

    expect(watched.page.get_by_role("navigation", name="Main menu")).to_be_hidden()
    expect(watched.page.get_by_text("12,1 g/dL").first).to_be_visible()
