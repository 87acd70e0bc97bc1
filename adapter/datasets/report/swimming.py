"""In: courses of subjects, the data cut. Out: a lane for each randomised subject, in months since the randomisation, without a date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from adapter.datasets.report.reading import Course, Cut

__all__ = ["Lane", "lanes_of"]

_DAYS_A_MONTH: Final = 30.4375


@dataclass(frozen=True, slots=True)
class Lane:
    """One subject; all times are months since the randomisation, with one decimal.

    Attributes:
        name: a running number, or USUBJID where that was asked for.
        end: until when anything is known.
        ongoing: the participation lasts.
    """

    name: str
    arm: str
    end: float
    infusions: tuple[float, ...]
    progression: float | None
    death: float | None
    withdrawal: float | None
    ongoing: bool


def lanes_of(courses: Iterable[Course], cut: Cut, *, named: bool) -> tuple[Lane, ...]:
    """Lanes by arm, the longest first; of equal ones the order is that of the pseudonyms, which a running number does not tell.

    Args:
        courses: of all subjects; who has no exact day of the randomisation has no lane.
        cut: nothing lasts longer.
        named: by USUBJID.
    """
    known = [
        (course, course.randomised) for course in courses if course.is_randomised and course.randomised is not None
    ]
    told = [(course.subject, _lane(course, since, cut)) for course, since in known]
    told.sort(key=lambda pair: (pair[1].arm, -pair[1].end, pair[0]))
    names = [subject if named else str(number) for number, (subject, _) in enumerate(told, start=1)]
    return tuple(replace(lane, name=name) for (_, lane), name in zip(told, names, strict=True))


def _lane(course: Course, since: date, cut: Cut) -> Lane:
    def months(day: date | None) -> float | None:
        # What came before the randomisation is no part of this course.
        return None if day is None or day < since else round((day - since).days / _DAYS_A_MONTH, 1)

    over = [day for day in (course.died, course.withdrawn, course.ended) if day is not None]
    last = min(over) if over else course.known
    if not over and last is not None and cut.on is not None:
        last = min(last, cut.on)
    infusions = tuple(at for day in course.infusions if (at := months(day)) is not None)
    end = max([months(last) or 0.0, *infusions])
    return Lane(
        name="",
        arm=course.arm or "",
        end=end,
        infusions=infusions,
        progression=months(course.progression),
        death=months(course.died),
        withdrawal=months(course.withdrawn),
        ongoing=not over and not course.dead,
    )
