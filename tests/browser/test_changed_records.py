"""In: a browser, and a store whose hospital deleted and set inactive records since. Out: marks that are seen, on screen, phone and paper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from adapter.config import Settings
from tests.browser.conftest import TOKEN, Watched, browsing, follow
from tests.support.changed_records import changed_store

pytestmark = pytest.mark.browser

_PHONE = 390


@pytest.fixture(scope="module")
def settings(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with changed_store(tmp_path_factory.mktemp("changed")) as found:
        yield found


def enter(watched: Watched, home: str, language: str = "en") -> None:
    watched.page.goto(f"{home}/login?token={TOKEN}")
    watched.page.goto(f"{home}/?lang={language}")


@pytest.mark.parametrize(
    ("language", "deleted", "inactive"),
    [
        ("en", "Record deleted at the hospital", "Record inactive at the hospital"),
        ("fr", "Dossier supprimé à l'hôpital", "Dossier inactif à l'hôpital"),
    ],
)
def test_marks_of_the_worklist_lead_to_pages_that_say_the_same(
    watched: Watched, home: str, language: str, deleted: str, inactive: str
) -> None:
    enter(watched, home, language)
    for patient, said in (("low", deleted), ("liver", inactive)):
        watched.page.goto(home)
        row = watched.page.get_by_role("row").filter(has=watched.page.get_by_role("link", name=patient, exact=True))
        expect(row.get_by_text(said)).to_be_visible()
        follow(watched.page.get_by_role("link", name=patient, exact=True))

        expect(watched.page.get_by_text(f"{said}.")).to_be_in_viewport()
    assert watched.complaints == []


def test_mark_of_a_deleted_record_is_printed(watched: Watched, home: str) -> None:
    enter(watched, home)
    follow(watched.page.get_by_role("link", name="low", exact=True))
    watched.page.emulate_media(media="print")

    expect(watched.page.get_by_text("Record deleted at the hospital.")).to_be_visible()
    expect(watched.page.get_by_role("table", name="What screenings found")).to_be_visible()


@pytest.mark.parametrize("width", [_PHONE, 1280])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_page_with_marks_is_wider_than_its_screen(browser: Browser, home: str, width: int, language: str) -> None:
    with browsing(browser, width=width) as watched:
        enter(watched, home, language)
        patients = [
            str(watched.page.get_by_role("link", name=name, exact=True).get_attribute("href"))
            for name in ("low", "liver", "course")
        ]
        wide = {}
        for path in ("/", *patients, "/runs"):
            watched.page.goto(home + path)
            wide[path] = watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert len(wide) == len(patients) + 2
    assert {path: pixels for path, pixels in wide.items() if pixels > 0} == {}
