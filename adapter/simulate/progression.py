"""In: a course of PRRT and which progression a story wants. Out: disease statuses, and the truths of I04 and I05.

I04: the earliest progression after the first course's last cycle comes twelve calendar months after it or later.
I05: there is one, before any second course. Both are undecided without an established first course (clarification
1) and when the status belongs to no certain tumour (30).
"""

from __future__ import annotations

from datetime import date, timedelta

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import plus_months
from adapter.simulate.prrt import Course
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
Pair = tuple[Truth, Truth]


def progression(chart: Chart, course: Course, wish: str) -> Pair:
    """Write the disease statuses of a story.

    Args:
        chart: the record.
        course: what the infusions support.
        wish: one of `PROGRESSIONS`.

    Returns:
        the truths of I04 and I05.
    """
    if course.last is None:
        day = chart.day(40)
        if wish not in ("none", "attested", "attested-not"):
            _status(chart, WORSENED, day)
        return "U", "U"
    if course.last[0] != course.last[1] and wish not in ("month-straddles", "none"):
        wish = "late"
    last = course.last[1]
    if wish in ("none", "attested", "attested-not"):
        if wish == "none":
            return "U", "U"
        return "U", attest(chart, "I05", "yes" if wish == "attested" else "no")
    if wish in ("stable-only", "before-first", "same-day", "preliminary", "in-error", "future", "local", "markers"):
        _no_progression(chart, last, wish)
        return "U", "U"
    found = _dated(chart, course, wish)
    return found if chart.sole or _focused(chart) else ("U", "U")


def _focused(chart: Chart) -> bool:
    """Whether statuses of this record name their tumour: decided once, from the record's name alone."""
    return chart.net is not None and int(chart.key[1:7]) % 2 == 0


def threshold(last: date) -> date:
    """Twelve calendar months after the last cycle."""
    return plus_months(last, 12)


def late_day(chart: Chart, last: date, second: date | None) -> date:
    """A progression at twelve months or later, before the second course and the reference date."""
    first = threshold(last)
    end = min(chart.day(1), second - timedelta(days=5) if second else chart.on)
    room = max((end - first).days, 0)
    return first + timedelta(days=chart.rng.randrange(room + 1) if room else 0)


def _dated(chart: Chart, course: Course, wish: str) -> Pair:
    assert course.last is not None
    last = course.last[1]
    limit = threshold(last)
    if wish in ("early", "recist-early"):
        day = last + timedelta(days=chart.rng.randrange(60, 330))
        _status(chart, WORSENED, day, recist="PD" if wish == "recist-early" else None)
        return "F", "T"
    if wish == "edge":
        _status(chart, WORSENED, limit)
        return "T", "T"
    if wish == "edge-minus":
        _status(chart, WORSENED, limit - timedelta(days=1))
        return "F", "T"
    if wish == "edge-utc":
        # Half past midnight in Paris on the anniversary: the UTC text shows the day before.
        _status(chart, WORSENED, limit, when=When(limit, 30, "utc", category="exam"))
        return "T", "T"
    if wish == "two":
        _status(chart, WORSENED, last + timedelta(days=chart.rng.randrange(100, 300)))
        _status(chart, WORSENED, late_day(chart, last, course.second))
        return "F", "T"
    if wish == "year-open" and _year_fits(course, limit, chart.on):
        _status(chart, WORSENED, limit, when=When(limit, form="year", category="exam"))
        return "U", "T"
    day = late_day(chart, last, course.second)
    if wish == "month" and _month_fits(chart, day, course):
        _status(chart, WORSENED, day, when=When(day, form="month", category="exam"))
        return ("T" if day.replace(day=1) >= limit else "U"), "T"
    if chart.chance(0.5):
        controlled = chart.rng.choice((None, None, "SD", "PR", "CR", "NE"))
        _status(chart, STABLE if chart.chance(0.7) else IMPROVED, last + timedelta(days=90), recist=controlled)
    _status(chart, WORSENED, day, recist="PD" if wish == "recist" else None)
    return "T", "T"


def _year_fits(course: Course, limit: date, on: date) -> bool:
    """The whole year lies after the last cycle and before the reference date, and the limit strictly inside it."""
    last = course.last[1] if course.last else on
    before_second = course.second is None or course.second.year > limit.year
    return last.year < limit.year < on.year and (limit.month, limit.day) != (1, 1) and before_second


def _month_fits(chart: Chart, day: date, course: Course) -> bool:
    """The whole month lies before the reference date and before any second course."""
    end = min(chart.on, course.second or chart.on)
    return (day.year, day.month) < (end.year, end.month)


def _no_progression(chart: Chart, last: date, wish: str) -> None:
    after = last + timedelta(days=min(400, (chart.on - last).days - 2))
    if wish == "stable-only":
        _status(chart, STABLE, after)
    elif wish == "before-first":
        _status(chart, WORSENED, last - timedelta(days=400))
        _status(chart, STABLE, after)
    elif wish == "same-day":
        _status(chart, WORSENED, last)
    elif wish == "preliminary":
        _status(chart, WORSENED, after, status="preliminary")
    elif wish == "in-error":
        _status(chart, WORSENED, after, status="entered-in-error")
    elif wish == "future":
        _status(chart, WORSENED, chart.day(-4))
    elif wish == "local":
        code = {"coding": [coding(LOCAL_RECORD, "EVOL", "Évolution")]}
        chart.observe(code, {"valueString": "progression"}, when=When(after, 600, category="exam"))
    else:
        for index, figure in enumerate((118, 260, 540)):
            code = {"coding": [coding(LOCAL_RECORD, "CGA", "Chromogranine A")]}
            when = When(after - timedelta(days=60 * (2 - index)), 600)
            chart.observe(code, {"valueQuantity": {"value": figure, "unit": "ng/mL"}}, when=when)


def _status(
    chart: Chart,
    snomed: str,
    day: date,
    *,
    when: When | None = None,
    status: str = "final",
    recist: str | None = None,
) -> None:
    body: dict[str, object] = {}
    if not chart.sole and _focused(chart):
        body["focus"] = [{"reference": f"Condition/{chart.net}"}]
    when = when or When(day, 930, category="exam")
    if recist is not None:
        code = {"coding": [coding(TERMS, "recist-response")], "text": "Réponse RECIST 1.1"}
        coded = {"valueCodeableConcept": {"coding": [coding(TERMS, recist)]}}
        chart.observe(
            code, {**body, **(coded if chart.chance(0.6) else {"valueString": recist})}, when=when, status=status
        )
        return
    code = {"coding": [coding(LOCAL_RECORD, "STATUT", "Statut de la maladie"), coding(LOINC, DISEASE_STATUS)]}
    body["valueCodeableConcept"] = {"coding": [coding(SCT, snomed)]}
    chart.observe(code, body, when=when, status=status)
