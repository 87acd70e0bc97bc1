"""In: the patient of a ward, with every result that a criterion reads, in Debian's Chromium. Out: the sheet for the tumour board is one page of A4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import TOKEN, browsing, served
from tests.support.clinic import condition
from tests.support.patient_desk import Ward, observation, ward

#: One result a criterion: code, value, unit.
_RESULTS = [
    ("89247-1", "3", "{score}"),
    ("26499-4", "2", "G/L"),
    ("2160-0", "150", "umol/L"),
    ("77147-7", "41", "mL/min/{1.73_m2}"),
    ("1920-8", "38", "U/L"),
    ("14631-6", "12", "umol/L"),
    ("1751-7", "37", "g/L"),
    ("14771-0", "6", "mmol/L"),
    ("5894-1", "88", "%"),
    ("8480-6", "165", "mm[Hg]"),
    ("8462-4", "99", "mm[Hg]"),
]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Ward]:
    """The ward with so much in the record that the sheet is as long as it gets."""
    folder = tmp_path_factory.mktemp("board")
    with ward(folder) as found:
        results = [
            observation(
                f"r{number}-{day}", code, value, unit, day=day, referenceRange=[{"high": {"value": 40, "unit": unit}}]
            )
            for number, (code, value, unit) in enumerate(_RESULTS)
            for day in ("2024-11-02", "2025-05-20", "2025-05-28")
        ]
        codes = ["I48", "I21.9", "C25.9", "C50.9", "E11.9", "F10.2", "C79.3", "C44.9", "N04.9", "I50.0"]
        people = [condition(f"d{place}", "ipp-1", code) for place, code in enumerate(codes)]
        found.pull(folder / "more", *results, *people)
        yield found


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("by_css", [True, False])
def test_sheet_for_the_tumour_board_is_one_page_of_paper(
    browser: Browser, full: Ward, language: str, by_css: bool, tmp_path: Path
) -> None:
    with served(full.settings) as home, browsing(browser, javascript=False) as watched:
        watched.page.goto(f"{home}/login?token={TOKEN}")
        watched.page.goto(f"{home}{full.address}/print?lang={language}", wait_until="networkidle")
        shown = watched.page.inner_text("main")
        drawn = watched.page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        paper = watched.page.pdf(path=tmp_path / "sheet.pdf", format="A4", prefer_css_page_size=by_css)

    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1
    assert (watched.complaints, drawn) == ([], True)
    assert all(name in shown for name in ("I01", "I16", "E01", "E18"))
