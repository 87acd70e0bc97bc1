"""In: which other studies a story wants the patient in. Out: ResearchSubjects, and the truth of E16."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.centre import OTHER_STUDIES
from adapter.simulate.chart import Chart
from adapter.simulate.facts import Days, the_day, the_month, the_year
from adapter.simulate.kleene import Truth, some

RUNNING = ("on-study", "on-study-intervention", "on-study-observation")
ENDED = ("follow-up", "off-study", "withdrawn")
ASKING = ("candidate", "potential-candidate", "eligible", "screening", "pending-on-study")
DAYS = 30


@dataclass(frozen=True, slots=True)
class Part:
    """One ResearchSubject of another study; `study` is a key of the centre's other studies, `lost` is none of them."""

    status: str = "on-study-intervention"
    study: str = "interventional"
    start: Days | None = None
    end: Days | None = None


def taking_part(on: date, parts: Sequence[Part]) -> Truth:
    """E16: in another interventional trial on the reference date, or within 30 days before it.

    No feed of this centre is declared complete: without a trial only an attestation says that there is none.
    """
    found = [truth for part in parts if (truth := _one(on, part)) is not None]
    truth = some(*found)
    return truth if found and truth == "T" else "U"


def _one(on: date, part: Part) -> Truth | None:
    """T, U, or None where the participation has nothing to say."""
    kind = "unknown" if part.study == "lost" else part.study.split("-")[0]
    if kind == "observational" or (part.start is not None and part.start.first > on):
        return None
    opens = on - timedelta(days=DAYS)
    if part.status in RUNNING:
        over = part.end is not None and part.end.last < opens
        unsure = part.start is not None and part.start.last > on
        return "U" if kind == "unknown" or over or unsure else "T"
    if part.status in ASKING:
        return "U"
    if part.status not in ENDED:
        return None
    if part.end is None:
        return "U"
    if part.end.last < opens:
        return None
    return "T" if kind == "interventional" and part.end.first >= opens else "U"


def _ended(before: int, status: str = "off-study") -> Callable[[date], tuple[Part, ...]]:
    def built(on: date) -> tuple[Part, ...]:
        return (Part(status, start=the_day(on - timedelta(days=400)), end=the_day(on - timedelta(days=before))),)

    return built


def _begun(status: str, study: str = "interventional") -> Callable[[date], tuple[Part, ...]]:
    return lambda on: (Part(status, study, the_day(on - timedelta(days=200))),)


def _window_opens(on: date) -> date:
    return on - timedelta(days=DAYS)


# Kind: weight and what is written.
KINDS: dict[str, tuple[int, Callable[[date], tuple[Part, ...]]]] = {
    "none": (40, lambda on: ()),
    "intervention": (4, _begun("on-study-intervention")),
    "observed-arm": (2, _begun("on-study-observation", "interventional-coded")),
    "on-study": (2, _begun("on-study", "interventional-french")),
    "no-start": (2, lambda on: (Part(),)),
    "starts-later": (2, lambda on: (Part(start=the_day(on + timedelta(days=3))),)),
    "runs-but-ended": (2, lambda on: (Part(end=the_day(on - timedelta(days=90))),)),
    "observational": (5, _begun("on-study", "observational")),
    "observational-french": (3, _begun("on-study", "observational-french")),
    "unknown-kind": (3, _begun("on-study-intervention", "unknown")),
    "lost-study": (2, _begun("on-study-intervention", "lost")),
    "ended-thirty": (4, _ended(30)),
    "ended-thirty-one": (4, _ended(31)),
    "follow-up": (3, _ended(10, "follow-up")),
    "withdrawn": (2, _ended(300, "withdrawn")),
    "ended-openly": (3, _begun("off-study")),
    "ended-month": (2, lambda on: (Part("off-study", end=the_month(_window_opens(on))),)),
    "ended-year": (2, lambda on: (Part("off-study", end=the_year(on)),)),
    "screening": (4, _begun("screening")),
    "candidate": (2, _begun("potential-candidate")),
    "pending": (2, _begun("pending-on-study")),
    "ineligible": (2, _begun("ineligible")),
    "not-registered": (2, _begun("not-registered")),
    "screening-beside": (2, lambda on: (*_begun("screening")(on), *_begun("on-study", "interventional-coded")(on))),
}


def other_trial(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's participations, and give E16 with its attestation."""
    parts = KINDS[kind][1](chart.on)
    for part in parts:
        _write(chart, part)
    newest = chart.on if parts else None
    return answer(chart, wishes, "E16", coded=taking_part(chart.on, parts), newest=newest)


def _write(chart: Chart, part: Part) -> None:
    study: dict[str, Any] = {"display": "Étude d'un autre promoteur"}
    if part.study in OTHER_STUDIES:
        study = {"reference": f"ResearchStudy/{part.study}"}
    body: dict[str, Any] = {"status": part.status, "study": study, "individual": chart.subject()}
    period = {name: days.text() for name, days in (("start", part.start), ("end", part.end)) if days is not None}
    if period:
        body["period"] = period
    chart.add("ResearchSubject", body, day=chart.day(5), identity=chart.name("subj"))
