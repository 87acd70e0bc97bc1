"""In: which responses to the first and second course a story wants. Out: RECIST assessments beside the progression, and
the truths of E01 and E02 with what is attested.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from adapter.simulate.answers import answer
from adapter.simulate.attestations import attest, not_before
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth
from adapter.simulate.progression import Outcome, assess
from adapter.simulate.prrt import Course
from adapter.simulate.responses import CONTROL, ENOUGH, WORSE, follows, no_response, progressed_again

# Kind and weight: the best response to the first course, and what else was seen after it.
BEST: tuple[tuple[str, int], ...] = (
    ("none", 40),
    ("pr", 6),
    ("sd", 6),
    ("cr", 3),
    ("pd", 10),
    ("pd-text", 3),
    ("ne", 4),
    ("pd-beside-sd", 3),
    ("sd-after-worsening", 3),
    ("recist-sd", 4),
    ("improved", 3),
    ("pd-preliminary", 2),
    ("pd-error", 2),
    ("pd-future", 2),
    ("pd-before", 2),
    ("pd-same-day", 2),
    ("pd-after-second", 2),
    ("pd-year", 2),
)

# Kind and weight: what was seen after the second cycle of a second course.
AGAIN: tuple[tuple[str, int], ...] = (
    ("sd", 14),
    ("none", 8),
    ("pd", 8),
    ("pr", 4),
    ("cr", 2),
    ("ne", 3),
    ("worsened", 3),
    ("best-pd", 3),
    ("pd-same-day", 3),
    ("pd-between", 3),
    ("pd-then-sd", 3),
    ("sd-then-pd", 3),
    ("pd-month", 2),
    ("pd-month-beside-sd", 2),
    ("pd-preliminary", 2),
    ("pd-error", 2),
    ("pd-future", 2),
)
# Progressions that are surely there before a second one is written: I04 then asks for no other.
_PROGRESSED = ("early", "edge", "edge-minus", "edge-utc", "recist", "recist-early", "two", "late")


def first_response(chart: Chart, course: Course, outcome: Outcome, *, kind: str) -> tuple[Truth, date | None]:
    """Write what was seen after the first course, and give E01 as coded, with the newest day that speaks of it."""
    if kind != "none" and not _vague(chart, course, outcome, kind):
        _first(chart, course, outcome, kind)
    last = course.last
    coded = no_response(chart.on, last, outcome.responses, second=course.second, i04=outcome.i04)
    return coded, follows(outcome.responses, last.last, chart.on) if last is not None else None


def _seen(chart: Chart, course: Course) -> tuple[date, date]:
    """The day of the last cycle, and that of the examination after it."""
    last = course.last.last if course.last is not None else chart.day(500)
    return last, last + timedelta(days=min(56, max((chart.on - last).days - 3, 1)))


def _vague(chart: Chart, course: Course, outcome: Outcome, kind: str) -> bool:
    """Whether it was before or after another event would decide, and no date says so: then it is not written."""
    seen = _seen(chart, course)[1]
    if kind == "pd-year":
        return outcome.i04 == "T" or any(r.value in CONTROL for r in outcome.responses)
    if kind in ("pd-same-day", "pd-before"):
        return course.last is not None and course.last.first != course.last.last
    partial = [r for r in outcome.responses if r.value in WORSE and r.days.first < r.days.last]
    return kind in ("pd-beside-sd", "recist-sd", "improved") and any(r.days.first <= seen for r in partial)


def _first(chart: Chart, course: Course, outcome: Outcome, kind: str) -> None:
    last, seen = _seen(chart, course)
    if kind == "sd-after-worsening":
        _stable_again(chart, course, outcome)
    elif kind in ("pr", "sd", "cr", "ne", "pd", "pd-text", "pd-beside-sd"):
        assess(chart, outcome, kind.partition("-")[0].upper(), seen, best=True)
        if kind == "pd-beside-sd":
            assess(chart, outcome, "SD", seen - timedelta(days=1))
    elif kind == "recist-sd":
        assess(chart, outcome, "SD", seen)
    elif kind == "improved":
        assess(chart, outcome, "improved", seen)
    elif kind == "pd-year":
        assess(chart, outcome, "PD", last, best=True, form="year")
    elif kind == "pd-after-second" and course.second is not None:
        assess(chart, outcome, "PD", course.second, best=True)
    elif kind != "pd-after-second":
        _void(chart, outcome, kind, (last, seen))


def _stable_again(chart: Chart, course: Course, outcome: Outcome) -> None:
    """Stable disease after a worsening: only where the calendar leaves room before whatever came next."""
    worse = max((r.days.last for r in outcome.responses if r.value in WORSE), default=None)
    if worse is not None and worse + timedelta(days=2) < (course.second or chart.on):
        assess(chart, outcome, "SD", worse + timedelta(days=2))


def _void(chart: Chart, outcome: Outcome, kind: str, days: tuple[date, date]) -> None:
    """Best responses that do not count."""
    last, seen = days
    day = {"pd-before": last - timedelta(days=20), "pd-same-day": last, "pd-future": chart.day(-3)}.get(kind, seen)
    status = {"pd-preliminary": "preliminary", "pd-error": "entered-in-error"}.get(kind, "final")
    assess(chart, outcome, "PD", day, best=True, status=status)


def second_response(
    chart: Chart, wishes: Mapping[str, str], course: Course, outcome: Outcome, *, kind: str, wish: str = ""
) -> Truth:
    """Write what was seen after the second cycle of the second course, and give E02 (randomisation only)."""
    cycles = [day for day in course.again if day <= chart.on]
    if len(cycles) >= ENOUGH and kind != "none":
        worse = kind.startswith(("pd", "worsened")) or kind == "sd-then-pd"
        _second(chart, outcome, cycles[:ENOUGH], "sd" if worse and wish not in _PROGRESSED else kind)
    coded = progressed_again(chart.on, cycles, outcome.responses)
    if len(cycles) < ENOUGH:
        # Whatever is attested (clarification 1).
        how = wishes.get("E02") or ("yes" if chart.chance(0.1) else "none")
        if course.last is not None and chart.near:
            attest(chart, "E02", not_before(how, cycles[-1] if cycles else None, chart.on))
        return "U"
    newest = follows(outcome.responses, cycles[ENOUGH - 1], chart.on) or cycles[-1]
    return answer(chart, wishes, "E02", coded=coded, newest=max(newest, cycles[-1]))


def _second(chart: Chart, outcome: Outcome, cycles: list[date], kind: str) -> None:
    first, second = cycles
    seen = min(second + timedelta(days=35), chart.on)
    if kind in ("sd", "pd", "pr", "cr", "ne", "worsened"):
        assess(chart, outcome, kind if kind == "worsened" else kind.upper(), seen)
    elif kind == "best-pd":
        assess(chart, outcome, "PD", seen, best=True)
    elif kind == "pd-same-day":
        assess(chart, outcome, "PD", second)
    elif kind == "pd-between":
        assess(chart, outcome, "PD", first + timedelta(days=20))
    elif kind in ("pd-then-sd", "sd-then-pd"):
        early, late = kind.upper().split("-THEN-")
        assess(chart, outcome, early, seen - timedelta(days=10))
        assess(chart, outcome, late, seen)
    elif kind.startswith("pd-month"):
        assess(chart, outcome, "PD", second, form="month")
        if kind.endswith("sd"):
            assess(chart, outcome, "SD", seen)
    elif kind == "pd-future":
        assess(chart, outcome, "PD", chart.day(-3))
    else:
        assess(chart, outcome, "PD", seen, status="preliminary" if kind == "pd-preliminary" else "entered-in-error")
