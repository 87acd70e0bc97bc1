"""In: a course of PRRT and which progression a story wants. Out: disease statuses and responses, and the truths of
I04 and I05.

I04: the earliest progression after the first course's last cycle comes twelve calendar months after it or later.
I05: there is one, before any second course. Both are undecided without an established first course (clarification
1) and when the status belongs to no certain tumour (30).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart, When
from adapter.simulate.facts import Days, the_day, the_month, the_year
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import plus_months
from adapter.simulate.prrt import Course
from adapter.simulate.responses import Response
from adapter.simulate.terms import (
    DISEASE_STATUS,
    IMPROVED,
    LOCAL_RECORD,
    LOINC,
    SCT,
    STABLE,
    TERMS,
    WORSENED,
    coding,
)

PROGRESSIONS: tuple[tuple[str, int], ...] = (
    ("late", 40),
    ("early", 8),
    ("edge", 5),
    ("edge-minus", 4),
    ("edge-utc", 3),
    ("recist", 6),
    ("recist-early", 3),
    ("two", 4),
    ("month", 4),
    ("year-open", 4),
    ("stable-only", 4),
    ("before-first", 3),
    ("same-day", 2),
    ("preliminary", 3),
    ("in-error", 3),
    ("future", 3),
    ("local", 2),
    ("markers", 3),
    ("attested", 3),
    ("attested-not", 3),
    ("none", 6),
)
_SNOMED = {"improved": IMPROVED, "stable": STABLE, "worsened": WORSENED}
_FORMS = {"day": the_day, "month": the_month, "year": the_year}


@dataclass(slots=True)
class Outcome:
    """What followed the first course: I04, I05, the day of the progression that makes I05 true, every assessment."""

    i04: Truth = "U"
    i05: Truth = "U"
    progressed: Days | None = None
    responses: list[Response] = field(default_factory=list)

    def found(self, i04: Truth, progressed: Days) -> None:
        """A progression in the interval of I05."""
        self.i04, self.i05, self.progressed = i04, "T", progressed


def progression(chart: Chart, course: Course, wish: str) -> Outcome:
    """Write the disease statuses of a story.

    Args:
        chart: the record.
        course: what the infusions support.
        wish: one of `PROGRESSIONS`.
    """
    outcome = Outcome()
    if course.last is None:
        if wish not in ("none", "attested", "attested-not"):
            assess(chart, outcome, "worsened", chart.day(40))
        return outcome
    if course.last.first != course.last.last and wish != "none":
        wish = "late"
    if wish in ("attested", "attested-not"):
        outcome.i05 = attest(chart, "I05", "yes" if wish == "attested" else "no")
    elif wish in ("stable-only", "before-first", "same-day", "preliminary", "in-error", "future", "local", "markers"):
        _no_progression(chart, outcome, course.last.last, wish)
    elif wish != "none":
        _dated(chart, outcome, course, wish)
        if not chart.attributed:
            outcome.i04, outcome.i05, outcome.progressed = "U", "U", None
    return outcome


def threshold(last: date) -> date:
    """Twelve calendar months after the last cycle."""
    return plus_months(last, 12)


def late_day(chart: Chart, last: date, second: date | None) -> date:
    """A progression at twelve months or later, before the second course and the reference date."""
    first = threshold(last)
    end = min(chart.day(1), second - timedelta(days=5) if second else chart.on)
    room = max((end - first).days, 0)
    return first + timedelta(days=chart.rng.randrange(room + 1) if room else 0)


def _dated(chart: Chart, outcome: Outcome, course: Course, wish: str) -> None:
    assert course.last is not None
    last = course.last.last
    limit = threshold(last)
    if wish in ("early", "recist-early"):
        day = last + timedelta(days=chart.rng.randrange(60, 330))
        assess(chart, outcome, "PD" if wish == "recist-early" else "worsened", day)
        outcome.found("F", the_day(day))
    elif wish == "edge":
        assess(chart, outcome, "worsened", limit)
        outcome.found("T", the_day(limit))
    elif wish == "edge-minus":
        assess(chart, outcome, "worsened", limit - timedelta(days=1))
        outcome.found("F", the_day(limit - timedelta(days=1)))
    elif wish == "edge-utc":
        # Half past midnight in Paris on the anniversary: the UTC text shows the day before.
        assess(chart, outcome, "worsened", limit, when=When(limit, 30, "utc", category="exam"))
        outcome.found("T", the_day(limit))
    elif wish == "two":
        first = last + timedelta(days=chart.rng.randrange(100, 300))
        assess(chart, outcome, "worsened", first)
        assess(chart, outcome, "worsened", late_day(chart, last, course.second))
        outcome.found("F", the_day(first))
    elif wish == "year-open" and _year_fits(course, limit, chart.on):
        assess(chart, outcome, "worsened", limit, form="year")
        outcome.found("U", the_year(limit))
    else:
        _late(chart, outcome, course, wish)


def _late(chart: Chart, outcome: Outcome, course: Course, wish: str) -> None:
    assert course.last is not None
    last = course.last.last
    day = late_day(chart, last, course.second)
    if wish == "month" and _month_fits(chart, day, course):
        assess(chart, outcome, "worsened", day, form="month")
        outcome.found("T" if day.replace(day=1) >= threshold(last) else "U", the_month(day))
        return
    if chart.chance(0.5):
        controlled = chart.rng.choice((None, None, "SD", "PR", "CR", "NE"))
        status = "stable" if chart.chance(0.7) else "improved"
        assess(chart, outcome, controlled or status, last + timedelta(days=90))
    assess(chart, outcome, "PD" if wish == "recist" else "worsened", day)
    outcome.found("T", the_day(day))


def _year_fits(course: Course, limit: date, on: date) -> bool:
    """The whole year lies after the last cycle and before the reference date, and the limit strictly inside it."""
    last = course.last.last if course.last else on
    before_second = course.second is None or course.second.year > limit.year
    return last.year < limit.year < on.year and (limit.month, limit.day) != (1, 1) and before_second


def _month_fits(chart: Chart, day: date, course: Course) -> bool:
    """The whole month lies before the reference date and before any second course."""
    end = min(chart.on, course.second or chart.on)
    return (day.year, day.month) < (end.year, end.month)


def _no_progression(chart: Chart, outcome: Outcome, last: date, wish: str) -> None:
    after = last + timedelta(days=min(400, (chart.on - last).days - 2))
    if wish == "stable-only":
        assess(chart, outcome, "stable", after)
    elif wish == "before-first":
        assess(chart, outcome, "worsened", last - timedelta(days=400))
        assess(chart, outcome, "stable", after)
    elif wish == "same-day":
        assess(chart, outcome, "worsened", last)
    elif wish == "preliminary":
        assess(chart, outcome, "worsened", after, status="preliminary")
    elif wish == "in-error":
        assess(chart, outcome, "worsened", after, status="entered-in-error")
    elif wish == "future":
        assess(chart, outcome, "worsened", chart.day(-4))
    elif wish == "local":
        code = {"coding": [coding(LOCAL_RECORD, "EVOL", "Évolution")]}
        chart.observe(code, {"valueString": "progression"}, when=When(after, 600, category="exam"))
    else:
        for index, figure in enumerate((118, 260, 540)):
            code = {"coding": [coding(LOCAL_RECORD, "CGA", "Chromogranine A")]}
            when = When(after - timedelta(days=60 * (2 - index)), 600)
            chart.observe(code, {"valueQuantity": {"value": figure, "unit": "ng/mL"}}, when=when)


def assess(
    chart: Chart,
    outcome: Outcome,
    value: str,
    day: date,
    *,
    best: bool = False,
    status: str = "final",
    form: str = "day",
    when: When | None = None,
) -> None:
    """Write one assessment, and note it in the outcome.

    Args:
        chart: the record.
        outcome: gets the response as it was written.
        value: improved, stable, worsened (97509-4), or a RECIST category.
        day: its day; with `form` the month or year of it alone.
        best: the category is the best response of a course, not that of one examination.
        status: of the Observation.
        form: `day`, `month` or `year`.
        when: hour and style where they matter.
    """
    kind = "status" if value in _SNOMED else "best" if best else "recist"
    counts = status in ("final", "amended", "corrected") and chart.attributed
    outcome.responses.append(Response(kind, value, _FORMS[form](day), counts))
    when = when or When(day, 930, form="dateTime" if form == "day" else form, category="exam")
    body: dict[str, Any] = chart.focus()
    if kind == "status":
        code: dict[str, Any] = {
            "coding": [coding(LOCAL_RECORD, "STATUT", "Statut de la maladie"), coding(LOINC, DISEASE_STATUS)]
        }
        body["valueCodeableConcept"] = {"coding": [coding(SCT, _SNOMED[value])]}
    else:
        question = "recist-best-response" if best else "recist-response"
        words = "Meilleure réponse RECIST 1.1" if best else "Réponse RECIST 1.1"
        code = {"coding": [coding(TERMS, question)], "text": words}
        coded = {"valueCodeableConcept": {"coding": [coding(TERMS, value)]}}
        body |= coded if chart.chance(0.6) else {"valueString": value}
    chart.observe(code, body, when=when, status=status)
