"""In: every page as it comes to a browser. Out: axe-core finds nothing against WCAG 2.2 AA, in both languages, wide and narrow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import TOKEN, browsing, follow, sign_in
from tests.support.desk_story import PASSWORDS, SITE, TRIAL, Centre, Chosen

pytestmark = pytest.mark.browser

#: The rules of WCAG 2.0 to 2.2, A and AA, and what axe calls best practice.
_RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
_PATHS = ["/", "/find", "/funnel", "/log", "/runs", "/conflicts", "/audit", "/nowhere"]


def violations(page: Any) -> list[str]:
    """What axe finds, by rule and element."""
    found = Axe().run(page, options=_RULES).response["violations"]
    return [
        f"{one['id']}: {json.dumps(node['target'])} {node['failureSummary']}" for one in found for node in one["nodes"]
    ]


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_have_no_barrier_that_axe_knows(browser: Browser, home: str, width: int, language: str) -> None:
    found: dict[str, list[str]] = {}
    with browsing(browser, width=width) as watched:
        page = watched.page
        page.goto(f"{home}/login?token={TOKEN}")
        patients = [link.get_attribute("href") for link in page.locator("th.patient a").all()]
        for path in [*_PATHS, *(str(patient) for patient in patients)]:
            page.goto(f"{home}{path}{'&' if '?' in path else '?'}lang={language}")
            found[path] = violations(page)

    assert len(patients) > 0
    assert {path: told for path, told in found.items() if told} == {}


@pytest.mark.parametrize("language", ["fr", "en"])
def test_door_has_no_barrier_that_axe_knows(browser: Browser, home: str, language: str) -> None:
    with browsing(browser) as watched:
        watched.page.goto(f"{home}/?lang={language}")

        assert violations(watched.page) == []


def is_ready(verdict: dict[str, Any]) -> bool:
    """Whether nothing keeps a nurse from going on with them; of the stories' patients none waits for data."""
    return bool(verdict["outcome"] == "ready-for-investigator")


@pytest.fixture(scope="module")
def somebody(centre: Centre) -> Chosen:
    """A patient of the simulated centre of whom no story tells."""
    return centre.suiting(is_ready)[-1]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_refused_sign_in_has_no_barrier_that_axe_knows(browser: Browser, door: str, language: str) -> None:
    with browsing(browser) as watched:
        page = watched.page
        page.goto(f"{door}/sign-in?lang={language}")
        page.locator("#name").fill("nobody of that name")
        page.locator("#password").fill("a walk by another sea")
        follow(page.locator("main form button"))
        expect(page.get_by_role("alert")).to_be_visible()

        assert violations(page) == []


@pytest.mark.parametrize(("width", "language"), [(1280, "fr"), (390, "en")])
def test_pages_of_an_account_have_no_barrier_that_axe_knows(
    browser: Browser, centre: Centre, door: str, somebody: Chosen, width: int, language: str
) -> None:
    address = f"/patients/{somebody.key}"
    found: dict[str, list[str]] = {}
    with browsing(browser, width=width) as watched:
        page = watched.page
        sign_in(page, door, "nurse", language=language)
        for path in ("/account", f"{address}/attestations", f"{address}/print"):
            page.goto(f"{door}{path}")
            found[path] = violations(page)
        page.goto(f"{door}/account")
        _refuse_a_password(page)
        found["a refused password"] = violations(page)
        page.goto(f"{door}/find")
        for told, number in (("found nobody", "no such number"), ("not listed", centre.unlisted()[-1])):
            page.locator("#number").fill(number)
            follow(page.locator("form.find button"))
            expect(page.locator("section.found")).to_be_visible()
            found[told] = violations(page)

    assert {path: told for path, told in found.items() if told} == {}


def _refuse_a_password(page: Page) -> None:
    page.locator("#old").fill(PASSWORDS["nurse"])
    page.locator("#new").fill("short")
    page.locator("#again").fill("shorter")
    follow(page.locator("form[action='/account'] button"))
    expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize(("width", "language"), [(1280, "fr"), (390, "en")])
def test_refused_forms_of_a_patient_have_no_barrier_that_axe_knows(
    browser: Browser, centre: Centre, door: str, somebody: Chosen, width: int, language: str
) -> None:
    address = f"{door}/patients/{somebody.key}"
    found: dict[str, list[str]] = {}
    with browsing(browser, width=width) as watched:
        page = watched.page
        sign_in(page, door, "nurse", language=language)
        page.goto(address)
        with centre.store() as store:
            store.decide(SITE, somebody.patient, trial=TRIAL, state="screening", reason="criteria-met", by="another")
        page.locator("#decide-state").select_option("contacted")
        page.locator("#decide-reason").select_option("to-contact")
        page.locator("#decide-note").fill("Rings back on Thursday.")
        follow(page.locator("section.decision button"))
        expect(page.locator("section.decision .notice")).to_be_visible()
        found["decided meanwhile"] = violations(page)
        page.goto(f"{address}/attestations")
        page.evaluate("document.querySelector('main form').noValidate = true")
        follow(page.locator("section.sign button"))
        expect(page.get_by_role("alert")).to_be_visible()
        found["not signed"] = violations(page)

    assert {told: barriers for told, barriers in found.items() if barriers} == {}


@pytest.mark.parametrize(("language", "other", "name"), [("fr", "en", "English"), ("en", "fr", "Français")])
def test_form_that_was_sent_back_keeps_what_was_typed_in_the_other_language(
    browser: Browser, door: str, somebody: Chosen, language: str, other: str, name: str
) -> None:
    with browsing(browser) as watched:
        page = watched.page
        sign_in(page, door, "nurse", language=language)
        page.goto(f"{door}/patients/{somebody.key}")
        page.locator("#decide-note").fill("Rings back on Friday.")
        page.evaluate("document.querySelector('section.decision form').noValidate = true")
        follow(page.locator("section.decision button"))
        expect(page.locator("#decide-state-wrong")).to_be_visible()
        follow(page.get_by_role("button", name=name))

        expect(page.locator("html")).to_have_attribute("lang", other)
        expect(page.locator("#decide-note")).to_have_value("Rings back on Friday.")
        expect(page.locator("#decide-state-wrong")).to_be_visible()
