"""In: which adverse events a story wants, and the month's latest results. Out: AdverseEvents, and the truth of E03.b.

The centre has no overlay, so nobody has told its reader which extension carries a grade: its events are shown and
decide nothing. The truth of a graded feed is kept here for the day it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from adapter.simulate.attestations import Answer, answered, not_before, way
from adapter.simulate.chart import Chart
from adapter.simulate.infusions import lot_of
from adapter.simulate.kleene import Truth, settle
from adapter.simulate.results import Result
from adapter.simulate.terms import ADVERSE_EVENT_GRADE, ADVERSE_OUTCOME, coding

GRADED: Final = False
GRADE_2 = 2
CLOSED = ("resolved", "resolvedWithSequelae", "fatal")
EXCEPTED = ("alopécie", "neuropathie périphérique")
# CTCAE 5.0, grade 2 (canonical units; the enzymes, bilirubin and creatinine in multiples of their upper limit).
_BELOW = {
    "platelets": "75",
    "neutrophils": "1.5",
    "leukocytes": "3",
    "lymphocytes": "0.8",
    "hemoglobin": "10",
    "albumin": "30",
}
_OVER = {"creatinine": "1.5", "alt": "3", "ast": "3", "bilirubin_total": "1.5"}


@dataclass(frozen=True, slots=True)
class Event:
    """One AdverseEvent: grade, days before the reference date, outcome, the suspect (infusion, product, other or
    none), and its words.
    """

    grade: int | None = 2
    before: int = 45
    outcome: str = "ongoing"
    suspect: str = "infusion"
    words: str = "Fatigue"


def raised(latest: Mapping[str, Result]) -> date | None:
    """The newest day of a latest result that is surely of grade 2 or more."""
    low = [
        latest[name] for name, limit in _BELOW.items() if name in latest and latest[name].below(Decimal(limit)) == "T"
    ]
    high = [latest[name] for name, times in _OVER.items() if name in latest and latest[name].over(times) == "T"]
    return max((result.day for result in low + high if result.day is not None), default=None)


def unresolved(
    events: Sequence[Event], latest: Mapping[str, Result], attested: Answer, *, graded: bool = GRADED
) -> Truth:
    """E03.b: an unresolved event of grade 2 or more from PRRT or another treatment of the tumour.

    Args:
        events: as written.
        latest: the latest result of each quantity in the 28 days.
        attested: what is attested of the part.
        graded: the site has said which extension carries the grade; without it events decide nothing.
    """
    open_ones = [
        event
        for event in events
        if graded
        and event.grade is not None
        and event.grade >= GRADE_2
        and event.before >= 0
        and event.outcome not in CLOSED
        and event.words.lower() not in EXCEPTED
    ]
    coded: Truth = "T" if any(event.suspect in ("infusion", "product") for event in open_ones) else "U"
    since = raised(latest)
    if coded == "U" and attested.day is not None and since is not None and since > attested.day:
        return "U"  # a result that came after the answer opens the question again (clarification 32)
    return settle(coded, attested.truth)


# Kind: weight and what is written.
KINDS: dict[str, tuple[int, tuple[Event, ...]]] = {
    "none": (60, ()),
    "ongoing": (6, (Event(),)),
    "severe": (3, (Event(4, 500, words="Thrombopénie"),)),
    "by-product": (3, (Event(3, suspect="product", words="Nausées"),)),
    "without-suspect": (3, (Event(suspect=""),)),
    "of-other-drug": (2, (Event(suspect="other", words="Douleur au point d'injection"),)),
    "mild": (3, (Event(1),)),
    "resolved": (4, (Event(3, 300, "resolved"),)),
    "with-sequelae": (2, (Event(2, 300, "resolvedWithSequelae"),)),
    "fatal": (1, (Event(5, 20, "fatal"),)),
    "alopecia": (2, (Event(words=EXCEPTED[0].capitalize()),)),
    "neuropathy": (2, (Event(words=EXCEPTED[1].capitalize()),)),
    "later": (1, (Event(before=-4),)),
    "ungraded": (2, (Event(None),)),
}


def adverse(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's events, and give E03.b with its attestation."""
    events = KINDS[kind][1]
    for event in events:
        _write(chart, event)
    how = wishes.get("E03.b") or _how(chart)
    if how.endswith("yes"):
        how = not_before(how, raised(chart.latest), chart.on)
    return unresolved(events, chart.latest, answered(chart, "E03.b", how))


def _how(chart: Chart) -> str:
    if chart.calm:
        return "no" if chart.near else "none"
    share = 0.75 if chart.near else 0.05 if chart.neuroendocrine else 0.01
    if not chart.chance(share):
        return "none"
    return chart.rng.choice(("no", "by-role-no", "today-no", "three-weeks-no")) if chart.chance(0.6) else way(chart)


def _write(chart: Chart, event: Event) -> None:
    day = chart.day(event.before)
    body: dict[str, Any] = {
        "actuality": "actual",
        "event": {"text": event.words},
        "subject": chart.subject(),
        "date": day.isoformat(),
        "outcome": {"coding": [coding(ADVERSE_OUTCOME, event.outcome)]},
    }
    if event.grade is not None:
        body["extension"] = [{"url": ADVERSE_EVENT_GRADE, "valueInteger": event.grade}]
    suspect = _suspect(chart, event.suspect)
    if suspect:
        body["suspectEntity"] = [{"instance": {"reference": suspect}}]
    chart.add("AdverseEvent", body, day=day, identity=chart.name("ae"))


def _suspect(chart: Chart, suspect: str) -> str:
    given = [r["id"] for r in chart.resources if r["resourceType"] == "MedicationAdministration"]
    wanted = {"infusion": "inf", "other": "inj"}.get(suspect)
    found = [identity for identity in given if wanted and identity.split("-")[1] == wanted]
    if found:
        return f"MedicationAdministration/{found[-1]}"
    return f"Medication/lutathera-{lot_of(chart.day(300))}" if suspect in ("infusion", "product") else ""
