"""In: courses of subjects, the data cut. Out: disease control at 6 months from randomisation by arm, with exact intervals, nobody left out.

Registry, primary outcome: "Disease control rate (CR, PR, SD; RECIST 1.1) at 6 months from randomisation, assessed every 2 months". What it does
not say is a default and stands in the report: see ``fate_of``.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from math import comb
from typing import Final, Literal

from adapter.datasets.report.reading import Arm, Course, Cut

__all__ = ["FATES", "MONTHS", "WINDOW_DAYS", "Control", "Fate", "Interval", "control_of", "exact_interval", "fate_of"]

MONTHS: Final = 6
#: As the visits of the package have it (mappings/sdtm/study.yaml, month 6).
WINDOW_DAYS: Final = 14
Fate = Literal["controlled", "progressed", "died", "not-evaluable", "not-due"]
FATES: Final[tuple[Fate, ...]] = ("controlled", "progressed", "died", "not-evaluable", "not-due")
#: RECIST 1.1; NON-CR/NON-PD is what stands for SD where no lesion is measured.
_CONTROLLED: Final = frozenset({"CR", "PR", "SD", "NON-CR/NON-PD"})
_LEVEL: Final = 0.95
_HALVINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Interval:
    """Shares of 1."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Control:
    """One arm.

    Attributes:
        arm: which.
        randomised: subjects.
        fates: how many of each; their sum is ``randomised``.
        due: subjects whose 6 months are over, the not evaluable among them.
        evaluable: those of them of whom it is known.
        of_due: exact interval of controlled among due, None with nobody; ``of_evaluable`` likewise.
    """

    arm: Arm
    randomised: int
    fates: dict[Fate, int]
    due: int
    evaluable: int
    of_due: Interval | None
    of_evaluable: Interval | None


def control_of(arm: Arm, courses: Iterable[Course], cut: Cut) -> Control:
    """The disease control of an arm.

    Args:
        arm: which.
        courses: of all subjects.
        cut: how far the data reach.
    """
    own = [course for course in courses if course.arm == arm.code and course.is_randomised]
    counted = Counter(fate_of(course, cut) for course in own)
    fates: dict[Fate, int] = {fate: counted[fate] for fate in FATES}
    due = len(own) - fates["not-due"]
    evaluable = due - fates["not-evaluable"]
    return Control(
        arm=arm,
        randomised=len(own),
        fates=fates,
        due=due,
        evaluable=evaluable,
        of_due=exact_interval(fates["controlled"], due) if due else None,
        of_evaluable=exact_interval(fates["controlled"], evaluable) if evaluable else None,
    )


def fate_of(course: Course, cut: Cut) -> Fate:
    """What became of the disease by 6 months from the randomisation.

    The window is the planned day of the visit, ``WINDOW_DAYS`` before and after it. Progressed or died: up to its end. Controlled: CR, PR or
    SD in the window; or later, with no progression before, for a progression is not taken back. Not due: neither, and the data end before the
    window does while the subject takes part. Everything else cannot be evaluated: an arm without a day, no assessment, withdrawn before.
    """
    if course.randomised is None:
        return "not-evaluable"
    due = months_later(course.randomised, MONTHS)
    first, last = due - timedelta(days=WINDOW_DAYS), due + timedelta(days=WINDOW_DAYS)
    if course.progression is not None and course.progression <= last:
        return "progressed"
    if course.died is not None and course.died <= last:
        return "died"
    held = (day for day, answer in course.responses if answer in _CONTROLLED and day >= first)
    if any(course.progression is None or day < course.progression for day in held):
        return "controlled"
    over = course.dead or course.withdrawn is not None or course.ended is not None
    if not over and (cut.on is None or cut.on <= last):
        return "not-due"
    return "not-evaluable"


def months_later(day: date, months: int) -> date:
    """The same day of a later month; the last of a month that is too short.

    >>> months_later(date(2025, 8, 31), 6)
    datetime.date(2026, 2, 28)
    """
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def exact_interval(count: int, total: int, *, level: float = _LEVEL) -> Interval:
    """The exact (Clopper-Pearson) confidence interval of a share.

    Args:
        count: of successes, from 0 to ``total``.
        total: above 0.
        level: confidence.

    Raises:
        ValueError: the counts are none of a share.

    Source:
        Clopper, Pearson, Biometrika 1934;26:404-413.

    >>> found = exact_interval(7, 10)
    >>> round(found.low, 4), round(found.high, 4)
    (0.3475, 0.9333)
    """
    if total < 1 or not 0 <= count <= total:
        raise ValueError("a count from 0 to a total above 0 is wanted")
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else _root(lambda share: _at_least(count, total, share), tail)
    high = 1.0 if count == total else 1 - _root(lambda share: _at_least(total - count, total, share), tail)
    return Interval(low, high)


def _at_least(count: int, total: int, share: float) -> float:
    """The chance of so many successes or more; it grows with the share."""
    return sum(comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count, total + 1))


def _root(rising: Callable[[float], float], value: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2
