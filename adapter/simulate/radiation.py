"""In: which irradiation a story wants. Out: external radiotherapy, marrow fractions, and the truth of E06."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart, When
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Diagnosis, newest_of, the_day
from adapter.simulate.kleene import Span, Truth, exactly
from adapter.simulate.terms import RADIOTHERAPY, SCT, TERMS, UCUM, coding, concept

LIMIT = Decimal(25)
USABLE = ("final", "amended", "corrected")


@dataclass(frozen=True, slots=True)
class Rays:
    """An external course: a Procedure, or a Condition that tells of one (`code`). Days before the reference date."""

    start: int
    end: int | None
    status: str = "completed"
    code: str = ""


@dataclass(frozen=True, slots=True)
class Fraction:
    """Percent of the marrow irradiated, as printed (`<30` is a comparator)."""

    percent: str
    before: int = 25
    status: str = "final"

    @property
    def span(self) -> Span:
        """The interval that the printed figure stands for."""
        figure = Decimal(self.percent.lstrip("<>"))
        if self.percent.startswith("<"):
            return Span(None, figure, high_open=True)
        return Span(figure, None, low_open=True) if self.percent.startswith(">") else exactly(figure)


def irradiated(rays: Sequence[Rays], fractions: Sequence[Fraction]) -> Truth:
    """E06: more than a quarter of the marrow. Without a fraction nothing is decided, whatever course is recorded."""
    read = [fraction for fraction in fractions if fraction.status in USABLE and fraction.before >= 0]
    if any(fraction.span.above(LIMIT) == "T" for fraction in read):
        return "T"
    given = [course for course in rays if course.status in ("completed", "in-progress") and course.start >= 0]
    if not read:
        return "U"
    latest = min(read, key=lambda fraction: fraction.before)
    if latest.span.above(LIMIT) == "U":
        return "U"
    return "F" if all(course.end is not None and course.end >= latest.before for course in given) else "U"


_PELVIS = Rays(1200, 1165)

# Kind: weight and what is written.
KINDS: dict[str, tuple[int, tuple[Rays, ...], tuple[Fraction, ...]]] = {
    "met": (30, (), (Fraction("5"),)),
    "none": (24, (), ()),
    "course-and-fraction": (5, (_PELVIS,), (Fraction("12"),)),
    "course": (6, (_PELVIS,), ()),
    "history": (4, (Rays(900, 900, code="Z92.3"),), ()),
    "session": (3, (Rays(900, 900, code="Z51.0"),), ()),
    "history-and-fraction": (3, (Rays(900, 900, code="Z92.3"),), (Fraction("18"),)),
    "quarter": (4, (_PELVIS,), (Fraction("25"),)),
    "over-quarter": (4, (_PELVIS,), (Fraction("25.1"),)),
    "forty": (4, (_PELVIS,), (Fraction("40"),)),
    "over-then-under": (3, (_PELVIS,), (Fraction("40", 400), Fraction("20", 30))),
    "course-after": (4, (Rays(60, 40),), (Fraction("10", 200),)),
    "course-ends-that-day": (2, (Rays(60, 40),), (Fraction("10", 40),)),
    "course-lately": (2, (Rays(10, 8),), ()),
    "under-way": (3, (Rays(33, None, "in-progress"),), (Fraction("10", 30),)),
    "not-done": (2, (Rays(60, 40, "not-done"),), (Fraction("10", 200),)),
    "error": (2, (Rays(60, 40, "entered-in-error"),), (Fraction("10", 200),)),
    "above": (2, (), (Fraction(">25"),)),
    "below": (2, (), (Fraction("<25"),)),
    "below-open": (2, (), (Fraction("<30"),)),
    "preliminary": (2, (_PELVIS,), (Fraction("40", status="preliminary"),)),
    "future": (2, (), (Fraction("10"), Fraction("60", -4))),
}


def radiation(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's courses and fractions, and give E06 with its attestation."""
    _, rays, fractions = KINDS[kind]
    for course in rays:
        _course(chart, course)
    for fraction in fractions:
        _fraction(chart, fraction)
    ends = (chart.on if course.end is None else chart.day(course.end) for course in rays)
    days = (chart.day(fraction.before) for fraction in fractions if fraction.before >= 0)
    return answer(chart, wishes, "E06", coded=irradiated(rays, fractions), newest=newest_of(*ends, *days))


def _course(chart: Chart, course: Rays) -> None:
    day = chart.day(course.start)
    if course.code:
        diagnose(chart, Diagnosis(course.code, onset=the_day(day), recorded=day))
        return
    period = {"start": day.isoformat()}
    if course.end is not None:
        period["end"] = chart.day(course.end).isoformat()
    body: dict[str, Any] = {
        "status": course.status,
        "code": concept(SCT, RADIOTHERAPY, text="Radiothérapie externe"),
        "subject": chart.subject(),
        "performedPeriod": period,
    }
    chart.add("Procedure", body, day=day, identity=chart.name("proc"))


def _fraction(chart: Chart, fraction: Fraction) -> None:
    quantity: dict[str, Any] = {
        "value": Decimal(fraction.percent.lstrip("<>")),
        "unit": "%",
        "system": UCUM,
        "code": "%",
    }
    if fraction.percent[0] in "<>":
        quantity["comparator"] = fraction.percent[0]
    code = {"coding": [coding(TERMS, "marrow-fraction-irradiated")], "text": "Moelle osseuse irradiée"}
    when = When(chart.day(fraction.before), 960, category="exam")
    chart.observe(code, {"valueQuantity": quantity}, when=when, status=fraction.status)
