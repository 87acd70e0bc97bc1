"""In: a folder of documentation. Out: `screens/<page>-<fr|en>.png`, a picture of each page of the screening desk, and `screens.md` that tells what each shows.

    python -m tests.support.screens docs

The centre is simulated: everybody on the pictures is invented. The pictures are made by Debian's Chromium, as the browser tests are.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.desk_story import PASSWORDS, PEOPLE, SITE, TRIAL, Centre, Chosen, make_centre

__all__ = ["SCREENS", "Screen", "make_screens"]

_WIDE, _NARROW, _HIGH, _LONG = 1280, 390, 1000, 2600
_EXACT, _SPREAD = 32, 32
_LANGUAGES: Final = ("fr", "en")


@dataclass(frozen=True)
class Screen:
    """One picture.

    Attributes:
        name: of the file, without language.
        path: address of the page; ``{key}`` is the patient's.
        title: heading in the documentation.
        says: one sentence on what is to be seen there.
        alt: for who cannot see the picture.
        who: account that has signed in; None at the door.
        part: what to show of a page: an element and what follows it; None for its top.
        high: how much of the page from there on.
        width: of the screen.
    """

    name: str
    path: str
    title: str
    says: str
    alt: str
    who: str | None = "nurse"
    part: str | None = None
    high: int = _HIGH
    width: int = _WIDE


SCREENS: Final = (
    Screen(
        "sign-in",
        "/sign-in",
        "Sign in",
        "The door: a name and a password, or the hospital's own sign-in where it has one.",
        "A form with two fields, name and password, and a line that says that what is seen and changed is recorded.",
        who=None,
    ),
    Screen(
        "worklist",
        "/",
        "Worklist",
        "Candidates by what to do next, with what holds each of them back and by when to look again.",
        "Groups with their counts as tabs; below a table of patients with next step, single open criteria, counts and dates.",
    ),
    Screen(
        "worklist-narrow",
        "/?bin=no-longer-eligible",
        "Worklist on a phone",
        "The same list on a narrow screen: each patient is a card, nothing is cut off.",
        "One patient as a card: decided state, two markers that new data speaks against the decision, the failing criterion.",
        part=".bins",
        width=_NARROW,
    ),
    Screen(
        "patient",
        "/patients/{key}",
        "Patient",
        "The outcome, the criteria at a glance, then each criterion with its evidence, values as sent and converted.",
        "The page of a patient who is not eligible: the failing criterion I11 with three blood counts, then what is open.",
        high=_LONG,
    ),
    Screen(
        "timeline",
        "/patients/{key}",
        "Timeline",
        "Lutathera cycles, disease status and results with the limits of the criteria.",
        "A picture of small panels over time: cycles as marks, results as points, limits as lines.",
        part="#timeline",
    ),
    Screen(
        "attestation",
        "/patients/{open}/attestations",
        "Attestation",
        "What only people know, answered and signed by whoever is signed in.",
        "A question with yes, no and no answer, the sentence of the registry above it.",
        part="#E07",
    ),
    Screen(
        "decision",
        "/patients/{key}",
        "Decision",
        "State, reason and note; below it who decided and found what, and when.",
        "The decision form with the standing decision above it, and a table of the history.",
        part="#decide",
        who="investigator",
    ),
    Screen(
        "funnel",
        "/funnel",
        "Funnel",
        "How many persons meet each criterion, and which criterion alone keeps somebody out.",
        "A flow picture from all patients to candidates to decisions, and a table of counts.",
    ),
    Screen(
        "runs",
        "/runs",
        "Runs",
        "Every pull, screening and push, with what it brought and what was put aside.",
        "A list of runs with time, kind, counts and result; above it how far each hospital's feed reaches.",
    ),
    Screen(
        "log",
        "/log",
        "Screening log",
        "The log of ICH-GCP: numbers in place of persons, eligible or not, and why.",
        "A table of screening numbers with date, eligibility, failed criteria, reason and decided state.",
        who="sponsor",
    ),
    Screen(
        "audit",
        "/audit",
        "Audit trail",
        "Who saw or changed what of a patient, and when.",
        "A table of actions with time, actor, action and patient; above it a filter.",
    ),
    Screen(
        "print",
        "/patients/{key}/print",
        "Sheet for the tumour board",
        "One page of paper: all criteria, what was found, what is open, the timeline.",
        "A dense sheet with two tables of criteria, the timeline below and a line that the investigator decides.",
        high=_LONG,
    ),
)


def make_screens(docs: Path) -> list[Path]:
    """Make all pictures and the page about them; those of before are replaced.

    Args:
        docs: the folder of the documentation.

    Returns:
        the pictures.
    """
    folder = docs / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory(prefix="reluth-screens-") as room:
        # What is decided and signed bears the real day: the records are written around it too.
        centre = make_centre(Path(room), first_day=datetime.now(UTC).date() - timedelta(days=1))
        opened = centre.find(_is_open)
        followed = _tell_the_story(centre)
        with centre.served() as door, sync_playwright() as driver:
            chromium = driver.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
                args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
            )
            for screen, language in product(SCREENS, _LANGUAGES):
                address = door + screen.path.format(key=followed.key, open=opened.key)
                path = folder / f"{screen.name}-{language}.png"
                _write(_picture(chromium, door, address, screen, language), path)
                made.append(path)
            chromium.close()
    (docs / "screens.md").write_text(_page(), encoding="utf-8")
    return made


def _is_open(verdict: dict[str, Any]) -> bool:
    return [(one["id"], one["reason"]) for one in verdict["criteria"] if one["truth"] == "U"] == [
        ("E07", "needs-attestation")
    ]


def _is_ready(verdict: dict[str, Any]) -> bool:
    truths = {one["id"]: one["truth"] for one in verdict["criteria"]}
    return (
        verdict["outcome"] == "ready-for-investigator"
        and "U" not in truths.values()
        and verdict["stage"] == "registration"
    )


def _tell_the_story(centre: Centre) -> Chosen:
    """Some decisions, and a blood count of the second day that speaks against one of them."""
    followed = centre.find(_is_ready)
    ready = centre.suiting(_is_ready)
    with centre.store() as store:
        seen = {saved.patient: saved.input_hash for saved in store.latest_verdicts(TRIAL, "registration", site=SITE)}
        steps = [
            (followed.patient, "contacted", "to-contact", "nurse", "Rings back on Thursday."),
            (ready[1].patient, "screening", "criteria-met", "investigator", ""),
            (ready[2].patient, "declined", "patient-declined", "nurse", ""),
            (ready[3].patient, "enrolled", "criteria-met", "investigator", ""),
        ]
        for patient, state, reason, by, note in steps:
            store.decide(SITE, patient, trial=TRIAL, state=state, reason=reason, by=by, note=note, seen=seen[patient])
    centre.next_day()
    centre.add_result(followed, "platelets-of-the-second-day", "777-3", "41", "G/L")
    centre.pull_and_screen()
    return followed


def _picture(chromium: Browser, door: str, address: str, screen: Screen, language: str) -> bytes:
    context = chromium.new_context(
        java_script_enabled=False,
        locale={"fr": "fr-FR", "en": "en-GB"}[language],
        viewport={"width": screen.width, "height": _HIGH},
    )
    page = context.new_page()
    try:
        if screen.who is not None:
            _sign_in(page, door, screen.who)
        page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}", wait_until="networkidle")
        # A picture that is loaded when it is seen must be seen first.
        for image in page.locator("main img").all():
            image.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        return _cut(page.screenshot(full_page=True), page, screen)
    finally:
        context.close()


def _cut(whole: bytes, page: Page, screen: Screen) -> bytes:
    """Of the picture of a whole page what is wanted."""
    top = 0
    if screen.part is not None:
        page.evaluate("scrollTo(0, 0)")
        box = page.locator(screen.part).first.bounding_box()
        assert box is not None, screen.part
        top = max(0, round(box["y"]) - 24)
    with Image.open(io.BytesIO(whole)) as image:
        cut = image.crop((0, top, image.width, min(image.height, top + screen.high)))
        found = io.BytesIO()
        cut.save(found, "png")
    return found.getvalue()


def _sign_in(page: Page, door: str, name: str) -> None:
    page.goto(f"{door}/sign-in")
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORDS[name])
    page.locator("main form button").click()
    page.locator("header .who").get_by_text(PEOPLE[name][1]).wait_for()


def _write(picture: bytes, path: Path) -> None:
    """Write a picture in few colours: a page has few, and a repository keeps every version.

    The most frequent are kept exact (grounds, letters), the others are spread over what is left (lines and marks of pictures).
    """
    with Image.open(io.BytesIO(picture)) as image:
        flat = image.convert("RGB")
    counted: list[Any] = sorted(flat.getcolors(flat.width * flat.height) or [], reverse=True)
    levels = [level for _, colour in counted[:_EXACT] for level in colour]
    spread = flat.quantize(_SPREAD, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(levels + spread[: 3 * _SPREAD])
    flat.quantize(palette=palette, dither=Image.Dither.NONE).save(path, "png", optimize=True)


def _page() -> str:
    lines = [
        "# What the pages look like",
        "",
        "Pictures of the screening desk over a simulated centre: every patient, number and result on them is invented.",
        "`make screens` makes them anew. Each page is there in French and English; French comes first.",
        "An empty field for a day shows how the browser of the pictures writes days, whatever the page's language.",
    ]
    for screen in SCREENS:
        lines += ["", f"## {screen.title}", "", screen.says, ""]
        for language, tongue in (("fr", "in French"), ("en", "in English")):
            alt = re.sub(r"\s+", " ", f"{screen.title}, {tongue}: {screen.alt}")
            lines += [f"![{alt}](screens/{screen.name}-{language}.png)", ""]
        lines.pop()
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    for path in make_screens(Path(sys.argv[1])):
        print(f"{path} {path.stat().st_size // 1024} KB", file=sys.stderr)  # noqa: T201 - a script's progress
