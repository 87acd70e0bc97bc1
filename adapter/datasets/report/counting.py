"""In: what was read of a package. Out: accrual by month and site, infusions by arm, laboratory results by visit, as counts with their denominators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapter.datasets.report.reading import Arm, Course, Laboratory, Visit

__all__ = ["Accrual", "Infusions", "LabRow", "accrual_of", "infusions_of", "laboratory_rows"]

_MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Accrual:
    """Who came, and when.

    Attributes:
        months: from the first to the last, none left out.
        consented: subjects by month; ``randomised`` likewise.
        sites: by site and month, in that order of months, consented and randomised.
        undated: consented or randomised subjects whose month is not known.
    """

    months: tuple[str, ...]
    consented: tuple[int, ...]
    randomised: tuple[int, ...]
    sites: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    undated: int


@dataclass(frozen=True, slots=True)
class Infusions:
    """One arm; ``planned`` is None where the package does not tell. ``subjects``: how many had so many infusions, from none on."""

    arm: Arm
    randomised: int
    planned: int | None
    given: int
    omitted: int
    subjects: tuple[int, ...]

    @property
    def open(self) -> int | None:
        """Planned, and neither given nor said to have been left out: still to come, or not on record."""
        return None if self.planned is None else max(0, self.planned - self.given - self.omitted)


@dataclass(frozen=True, slots=True)
class LabRow:
    """A test; ``cells``: subjects with a result and subjects who came, by visit."""

    code: str
    name: str
    cells: tuple[tuple[int, int], ...]

    @property
    def is_usual(self) -> bool:
        """There is a result at half of the visits that subjects came to, or more."""
        return 2 * sum(count for count, _ in self.cells) >= sum(total for _, total in self.cells)


def accrual_of(courses: Sequence[Course]) -> Accrual:
    """Accrual by month and site; an assignment to an arm counts in the month of the randomisation."""
    known = [one for course in courses for one in (course.consented, _randomised(course)) if one is not None]
    months = _months(min(known), max(known)) if known else ()
    sites = sorted({course.site for course in courses})
    return Accrual(
        months=months,
        consented=_by_month(months, (course.consented for course in courses)),
        randomised=_by_month(months, (_randomised(course) for course in courses)),
        sites=tuple((site, _of_site(months, [one for one in courses if one.site == site])) for site in sites),
        undated=sum(course.consented is None for course in courses)
        + sum(course.arm is not None and course.randomised_month is None for course in courses),
    )


def _of_site(months: Sequence[str], courses: Sequence[Course]) -> tuple[tuple[int, int], ...]:
    consented = _by_month(months, (course.consented for course in courses))
    return tuple(zip(consented, _by_month(months, map(_randomised, courses)), strict=True))


def _randomised(course: Course) -> str | None:
    return course.randomised_month if course.is_randomised else None


def _by_month(months: Sequence[str], found: Iterable[str | None]) -> tuple[int, ...]:
    counts = Counter(found)
    return tuple(counts[month] for month in months)


def _months(first: str, last: str) -> tuple[str, ...]:
    """All months from one to another.

    >>> _months("2025-11", "2026-01")
    ('2025-11', '2025-12', '2026-01')
    """
    begin, end = (int(text[:4]) * _MONTHS_A_YEAR + int(text[5:7]) - 1 for text in (first, last))
    return tuple(f"{at // _MONTHS_A_YEAR:04d}-{at % _MONTHS_A_YEAR + 1:02d}" for at in range(begin, end + 1))


def infusions_of(arm: Arm, courses: Iterable[Course]) -> Infusions:
    """Infusions given after the randomisation, of the randomised subjects of an arm."""
    own = [course for course in courses if course.arm == arm.code and course.is_randomised]
    counts = Counter(course.given for course in own)
    return Infusions(
        arm=arm,
        randomised=len(own),
        planned=None if arm.planned is None else arm.planned * len(own),
        given=sum(course.given for course in own),
        omitted=sum(course.omitted for course in own),
        subjects=tuple(counts[number] for number in range(max([*counts, arm.planned or 0]) + 1)),
    )


def laboratory_rows(laboratory: Laboratory) -> tuple[LabRow, ...]:
    """A row for each test that anybody had at a visit: of those who came, how many have a result."""

    def cell(code: str, visit: Visit) -> tuple[int, int]:
        people = laboratory.attended[visit.number]
        return len(laboratory.results.get((code, visit.number), frozenset()) & people), len(people)

    return tuple(
        LabRow(code, name, tuple(cell(code, visit) for visit in laboratory.visits))
        for code, name in laboratory.names.items()
    )
