"""In: the report of a package, opened as a file. Out: axe-core finds nothing, it asks for nothing, and no text lies outside the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from adapter.datasets.report import write_report
from adapter.datasets.report.words import LANGUAGES, Language
from tests.browser.test_accessibility import violations
from tests.unit.datasets.report.trial import package

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [1280, 390])
def test_report_has_no_barrier_that_axe_knows_and_asks_for_nothing(
    browser: Browser, tmp_path: Path, width: int, language: Language
) -> None:
    path = write_report(package(tmp_path / "p"), language=language)
    # axe is put into the page as a script, which the page itself forbids.
    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 900})
    asked: list[str] = []
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = violations(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
    finally:
        context.close()

    assert found == []
    assert asked == [path.as_uri()]
    assert wide <= width
