"""In: a simulated centre with accounts, and browsers without scripts. Out: the screening desk's day: find why, attest, decide; new data comes; who may see what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from adapter.documents import load_trial
from tests.browser.conftest import browsing, follow, sign_in
from tests.support.desk_story import OTHER_SITE, PASSWORDS, PEOPLE, SITE, TRIAL, Centre, Chosen

pytestmark = pytest.mark.browser

_NURSE, _INVESTIGATOR = PEOPLE["nurse"][1], PEOPLE["investigator"][1]
_SENTENCE = "E07.due-to-malignancy"
_FULL_BLOOD_COUNT = "777-3"


def of(verdict: dict[str, Any], criterion: str) -> dict[str, Any]:
    """What a verdict says of a criterion."""
    found: dict[str, Any] = next(one for one in verdict["criteria"] if one["id"] == criterion)
    return found


def waits_for_a_word(verdict: dict[str, Any]) -> bool:
    """Whether all that is open is why the liver suffers, and the blood count is good."""
    opened = [(one["id"], one["reason"]) for one in verdict["criteria"] if one["truth"] == "U"]
    return opened == [("E07", "needs-attestation")] and of(verdict, "I11")["truth"] == "T"


def nothing_is_open(verdict: dict[str, Any]) -> bool:
    return verdict["outcome"] == "ready-for-investigator" and all(one["truth"] != "U" for one in verdict["criteria"])


@pytest.fixture(scope="module")
def wanted(centre: Centre) -> Chosen:
    """The patient whom the nurse follows."""
    return centre.find(waits_for_a_word)


def criterion_of(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=load_trial(TRIAL).criterion(name).label["en"])


def row_of(page: Page, patient: Chosen) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=patient.name, exact=True))


def decide(page: Page, *, state: str, reason: str, note: str) -> None:
    page.get_by_label("New state").select_option(state)
    page.get_by_label("Reason", exact=True).select_option(reason)
    page.get_by_label("Note (optional)").fill(note)
    follow(page.get_by_role("button", name="Record the decision"))


def search(page: Page, number: str) -> None:
    follow(page.get_by_role("link", name="Worklist", exact=True).first)
    page.get_by_label("Patient's or screening number").fill(number)
    follow(page.get_by_role("button", name="Search"))


def test_nurse_finds_why_attests_and_decides_and_new_data_speaks_up(
    browser: Browser, centre: Centre, door: str, wanted: Chosen
) -> None:
    with browsing(browser, javascript=False) as watched:
        page = watched.page
        _enters_after_a_wrong_password(page, door)
        _narrows_the_list(page, door, wanted)
        _attests_what_only_people_know(page, wanted)
        decide(page, state="contacted", reason="to-contact", note="Rings back on Thursday.")
        expect(page.get_by_role("status")).to_contain_text("The decision is recorded.")
        expect(page.locator("#decide + p")).to_contain_text("Contacted")

        centre.next_day()
        centre.add_result(wanted, "platelets-of-the-second-day", _FULL_BLOOD_COUNT, "41", "G/L")
        centre.pull_and_screen()

        page.goto(door)
        follow(page.get_by_role("navigation", name="Groups").get_by_role("link", name="No longer eligible"))
        row = row_of(page, wanted)
        expect(row).to_contain_text("New data since the decision")
        expect(row).to_contain_text("New result at odds with the decision")
        expect(row).to_contain_text("contacted")
        expect(row).to_contain_text("I11")
        follow(page.get_by_role("link", name=wanted.name, exact=True))
        expect(page.get_by_role("heading", name="Not eligible").first).to_be_visible()
        expect(page.locator("dl.facts").first).to_contain_text("New data since the decision")
        expect(criterion_of(page, "I11").get_by_role("row").filter(has_text="41 G/L").first).to_be_visible()
        follow(page.get_by_role("button", name="Sign out"))
        page.goto(f"{door}/patients/{wanted.key}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    # The wrong password was answered as such; nothing else went wrong.
    assert ["401 (Unauthorized)" in told for told in watched.complaints] == [True]

    with browsing(browser, javascript=False) as watched:
        page = watched.page
        sign_in(page, door, "investigator")
        search(page, wanted.number)
        follow(page.get_by_role("link", name=wanted.name, exact=True))
        decide(page, state="not-eligible", reason="I11", note="Platelets fell overnight.")
        expect(page.get_by_role("status")).to_contain_text("The decision is recorded.")
        expect(page.locator("dl.facts").first).not_to_contain_text("New data since the decision")
        _history_tells_all(page)
        search(page, wanted.number)
        expect(row_of(page, wanted)).to_contain_text("not eligible")


def _enters_after_a_wrong_password(page: Page, door: str) -> None:
    page.goto(door)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Name").fill("nurse")
    page.get_by_label("Password").fill("a walk by another sea")
    follow(page.get_by_role("button", name="Enter"))
    expect(page.get_by_role("alert")).to_contain_text("Name or password wrong")
    expect(page.get_by_label("Name")).to_have_value("nurse")
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Password").fill(PASSWORDS["nurse"])
    follow(page.get_by_role("button", name="Enter"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Worklist")
    expect(page.get_by_role("link", name=_NURSE)).to_be_visible()


def _narrows_the_list(page: Page, door: str, wanted: Chosen) -> None:
    rows = page.locator("th.patient a")
    everybody = rows.count()
    follow(page.get_by_role("navigation", name="Groups").get_by_role("link", name=re.compile(r"\bNew$")))
    of_bin = rows.count()
    page.locator("summary").filter(has_text="Filter and order").click()
    page.get_by_label("Criterion that holds back").select_option("E07")
    follow(page.get_by_role("button", name="Show"))
    of_criterion = rows.count()
    expect(row_of(page, wanted)).to_contain_text("E07")
    assert everybody > of_bin > of_criterion >= 1

    search(page, wanted.number)
    expect(rows).to_have_text([wanted.name])
    expect(page).to_have_url(f"{door}/")
    follow(rows)
    expect(page.get_by_role("heading", level=1)).to_have_text(wanted.name)
    expect(page.get_by_role("link", name="Open the hospital's own record")).to_have_attribute(
        "href", f"https://record.{SITE}.example/patients/{wanted.number}"
    )


def _attests_what_only_people_know(page: Page, wanted: Chosen) -> None:
    liver = criterion_of(page, "E07")
    expect(liver).to_contain_text("open")
    source = of(wanted.verdict, "E07")["evidence"][0]["reference"]
    expect(liver.get_by_role("row").filter(has=page.get_by_role("link", name=source, exact=True)).first).to_be_visible()
    follow(liver.get_by_role("link", name="Answer E07"))
    question = page.get_by_role("group", name=re.compile(re.escape(_SENTENCE)))
    expect(question).to_contain_text("This answer is waited for.")
    question.get_by_label("Yes, it is so").check()
    page.get_by_label(f"I, {_NURSE}, attest these answers").check()
    follow(page.get_by_role("button", name="Attest"))
    expect(page.get_by_role("status")).to_contain_text("The attestation is recorded")
    expect(criterion_of(page, "E07")).to_contain_text("does not apply")


def _history_tells_all(page: Page) -> None:
    history = page.get_by_role("table", name=re.compile("What screenings found"))
    told = [
        ("Screening", "Ready for the investigator", "–"),
        ("Attestation", f"{_SENTENCE} yes", _NURSE),
        ("A person's decision", "Rings back on Thursday.", _NURSE),
        ("Screening", "Not eligible", "–"),
        ("A person's decision", "Platelets fell overnight.", _INVESTIGATOR),
    ]
    for kind, what, who in told:
        row = history.get_by_role("row").filter(has_text=kind).filter(has_text=what)
        expect(row).to_have_count(1)
        expect(row.get_by_role("cell").last).to_contain_text(who)
        expect(row.get_by_role("rowheader")).to_contain_text(re.compile(r"\d{4}.* UTC"))


def test_second_of_two_who_decide_at_once_is_told_and_loses_nothing(
    browser: Browser, centre: Centre, door: str
) -> None:
    patient = centre.find(nothing_is_open)
    address = f"{door}/patients/{patient.key}"
    with browsing(browser, javascript=False) as first, browsing(browser, javascript=False) as second:
        sign_in(first.page, door, "nurse")
        sign_in(second.page, door, "investigator")
        first.page.goto(address)
        second.page.goto(address)
        decide(first.page, state="contacted", reason="to-contact", note="Came by the ward.")
        decide(second.page, state="screening", reason="criteria-met", note="Visit on the 12th.")

        page = second.page
        expect(page.locator("section.decision")).to_contain_text("Somebody else decided meanwhile")
        expect(page.locator("section.decision")).to_contain_text(f"Decided by {_NURSE}: contacted")
        expect(page.get_by_label("Note (optional)")).to_have_value("Visit on the 12th.")
        expect(page.get_by_label("New state")).to_have_value("screening")
        expect(page.get_by_label("Reason", exact=True)).to_have_value("criteria-met")
        follow(page.get_by_role("button", name="Record the decision"))
        expect(page.get_by_role("status")).to_contain_text("The decision is recorded.")
        history = page.get_by_role("table", name=re.compile("What screenings found"))
        expect(history).to_contain_text("Came by the ward.")
        expect(history).to_contain_text("Visit on the 12th.")


def test_nurse_of_another_site_sees_nobody_of_this_one(
    browser: Browser, centre: Centre, door: str, wanted: Chosen
) -> None:
    with browsing(browser, javascript=False) as watched:
        page = watched.page
        sign_in(page, door, "elsewhere")
        expect(page.locator("th.patient a").first).to_be_visible()
        expect(page.get_by_role("link", name=wanted.name, exact=True)).to_have_count(0)
        follow(page.get_by_role("link", name="Find or add a patient"))
        page.get_by_label("Number").fill(wanted.number)
        follow(page.get_by_role("button", name="Find"))
        expect(page.get_by_role("status")).to_contain_text("No patient of that number is known here.")

        for path in ("", "/print", "/attestations", "/timeline.svg"):
            answer = page.goto(f"{door}/patients/{wanted.key}{path}")
            assert answer is not None
            assert answer.status == 404, path
        for path in ("/log", "/runs", "/audit", "/funnel", "/conflicts"):
            page.goto(f"{door}{path}")
            shown = page.locator("main").inner_text()
            assert wanted.name not in shown
            assert SITE.casefold() not in re.findall(r"\w+", shown.casefold()), path
        assert OTHER_SITE in page.goto(f"{door}/runs").text()  # type: ignore[union-attr]


def test_sponsor_sees_log_and_funnel_and_no_patient(
    browser: Browser, centre: Centre, door: str, wanted: Chosen
) -> None:
    with browsing(browser, javascript=False) as watched:
        page = watched.page
        sign_in(page, door, "sponsor")
        expect(page.get_by_role("heading", level=1)).to_have_text("Funnel")
        menu = page.get_by_role("navigation", name="Main menu").get_by_role("link")
        expect(menu).to_have_text(["Funnel", "Screening log"])
        follow(page.get_by_role("link", name="Screening log"))
        expect(page.get_by_role("rowheader").first).to_be_visible()
        shown = page.content()
        assert wanted.name not in shown
        assert wanted.number not in shown

        for path in (f"/patients/{wanted.key}", f"/patients/{wanted.key}/print", "/find", "/worklist.csv", "/audit"):
            answer = page.goto(f"{door}{path}")
            assert answer is not None
            assert answer.status == 403, path


def test_patient_who_is_not_listed_is_explained_and_added(browser: Browser, centre: Centre, door: str) -> None:
    number = centre.unlisted()[0]
    with browsing(browser, javascript=False) as watched:
        page = watched.page
        sign_in(page, door, "nurse")
        follow(page.get_by_role("link", name="Find or add a patient"))
        page.get_by_label("Number").fill(number)
        follow(page.get_by_role("button", name="Find"))
        person = page.get_by_role("article")
        expect(person).to_contain_text("Known here, but not on the list.")
        expect(person.get_by_role("paragraph")).not_to_have_count(1)
        name = person.get_by_role("heading").inner_text().split()[0]
        assert number not in page.url
        follow(person.get_by_role("button", name="Put on the list"))

        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("table", name=re.compile("What screenings found"))).to_contain_text("Added by hand")
        search(page, number)
        expect(page.locator("th.patient a")).to_have_text([name])
