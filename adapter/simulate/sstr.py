"""In: which somatostatin receptor imaging a story wants. Out: the examinations with their findings, and the truths of
I09's parts.

An examination is everything of one calendar day; the latest one of the four months before the reference date decides
(clarification 31).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from adapter.simulate.facts import Days, the_day, the_month, the_year
from adapter.simulate.kleene import Truth, some
from adapter.simulate.moments import plus_months

PET, INDIUM, TECHNETIUM = "sstr-pet-68ga", "sstr-scint-111in", "sstr-scint-99mtc"
UPTAKES = ("below-liver", "at-liver", "above-liver")
ENOUGH = 90  # percent of the lesions
LIVER = 2  # Krenning: uptake as high as the liver's


@dataclass(frozen=True, slots=True)
class Exam:
    """A Procedure, ImagingStudy or DiagnosticReport; `code` is one of `urn:reluth:terms`, or local words."""

    days: Days
    code: str = PET
    kind: str = "Procedure"
    status: str = "completed"
    midnight: bool = False

    @property
    def eligible(self) -> bool:
        """One of the three kinds of imaging, and done."""
        return self.code in (PET, INDIUM, TECHNETIUM) and self.status in ("completed", "available", "final")


@dataclass(frozen=True, slots=True)
class Finding:
    """Percent of positive lesions, Krenning score or uptake; `exam` is the number of the examination it is tied to."""

    kind: str
    value: str
    days: Days
    exam: int | None = None
    status: str = "final"


Imaging = tuple[tuple[Exam, ...], tuple[Finding, ...]]


def positive(on: date, exams: Sequence[Exam], findings: Sequence[Finding]) -> tuple[Truth, Truth, Truth]:
    """I09.a (an examination in the four months), b (at least 90 % of lesions positive) and c (uptake at least liver).

    No feed can be declared complete for imaging: no examination, or an older one, is never an F of part a.
    """
    start = plus_months(on, -4)
    inside = [exam for exam in exams if exam.eligible and exam.days.within(start, on)]
    if not inside:
        return "U", "U", "U"
    latest = max((exam.days for exam in inside), key=lambda days: (days.last, days.first))
    mine = {number for number, exam in enumerate(exams) if exam in inside and exam.days == latest}
    read: dict[str, list[str]] = {"percent": [], "krenning": [], "uptake": []}
    for finding in findings:
        tied = finding.exam in mine if finding.exam is not None else finding.days == latest
        if tied and finding.status in ("final", "amended", "corrected"):
            read[finding.kind].append(finding.value)
    shares: set[Truth] = {"T" if Decimal(value) >= ENOUGH else "F" for value in read["percent"]}
    marks: set[Truth] = {"T" if int(value) >= LIVER else "F" for value in read["krenning"]}
    marks |= {"F" if value == UPTAKES[0] else "T" for value in read["uptake"]}
    return "T", _one(shares), _one(marks)


def _one(truths: set[Truth]) -> Truth:
    """The truth that all readings give; two that disagree, or none, leave it open."""
    return some(*truths) if len(truths) == 1 else "U"


def _read(exam: int | None, days: Days, percent: str = "", krenning: str = "", uptake: str = "") -> tuple[Finding, ...]:
    given = (("percent", percent), ("krenning", krenning), ("uptake", uptake))
    return tuple(Finding(kind, value, days, exam) for kind, value in given if value)


def _one_exam(
    before: int, percent: str = "", krenning: str = "", uptake: str = "", *, tied: bool = True, kind: str = "Procedure"
) -> Callable[[date], Imaging]:
    status = {"Procedure": "completed", "ImagingStudy": "available", "DiagnosticReport": "final"}[kind]
    code = {"Procedure": PET, "ImagingStudy": INDIUM, "DiagnosticReport": TECHNETIUM}[kind]

    def built(on: date) -> Imaging:
        days = the_day(on - timedelta(days=before))
        return (Exam(days, code, kind, status),), _read(0 if tied else None, days, percent, krenning, uptake)

    return built


def _at(
    day: Callable[[date], Days], percent: str = "100", krenning: str = "3", **how: object
) -> Callable[[date], Imaging]:
    def built(on: date) -> Imaging:
        days = day(on)
        return (Exam(days, **how),), _read(0, days, percent, krenning)  # type: ignore[arg-type]

    return built


def _opens(on: date) -> Days:
    return the_day(plus_months(on, -4))


def _older_values(on: date) -> Imaging:
    older, newer = the_day(on - timedelta(days=70)), the_day(on - timedelta(days=31))
    return (Exam(older), Exam(newer)), _read(0, older, "100", "3")


def _later_counts(on: date) -> Imaging:
    older, newer = the_day(on - timedelta(days=80)), the_day(on - timedelta(days=31))
    return (Exam(older), Exam(newer)), (*_read(0, older, "80", "1"), *_read(1, newer, "100", "3"))


def _same_day(on: date) -> Imaging:
    days = the_day(on - timedelta(days=31))
    return (Exam(days), Exam(days, PET, "ImagingStudy", "available")), _read(1, days, "95", "", "above-liver")


def _tied_elsewhere(on: date) -> Imaging:
    older, newer = the_day(on - timedelta(days=80)), the_day(on - timedelta(days=31))
    return (Exam(older), Exam(newer)), _read(0, newer, "100", "3")


def _preliminary(on: date) -> Imaging:
    days = the_day(on - timedelta(days=31))
    values = (Finding("percent", "100", days, 0, "preliminary"), Finding("krenning", "3", days, 0, "entered-in-error"))
    return (Exam(days),), values


def _days(before: int) -> Callable[[date], Days]:
    return lambda on: the_day(on - timedelta(days=before))


# Kind: weight and what is written.
KINDS: dict[str, tuple[int, Callable[[date], Imaging]]] = {
    "met": (30, _one_exam(31, "100", "3")),
    "none": (6, lambda on: ((), ())),
    "met-study": (6, _one_exam(40, "95", "", "above-liver", kind="ImagingStudy")),
    "met-report": (6, _one_exam(35, "100", "4", kind="DiagnosticReport")),
    "untied": (4, _one_exam(33, "100", "3", tied=False)),
    "first-day": (3, _at(_opens, "90", "2")),
    "first-day-utc": (3, _at(_opens, "90", "2", midnight=True)),
    "day-before": (3, _at(lambda on: the_day(plus_months(on, -4) - timedelta(days=1)))),
    "percent-80": (4, _one_exam(31, "80", "3")),
    "percent-89": (3, _one_exam(31, "89.9", "2")),
    "krenning-1": (3, _one_exam(31, "100", "1")),
    "below-liver": (3, _one_exam(31, "100", "", "below-liver")),
    "at-liver": (3, _one_exam(31, "90", "", "at-liver")),
    "disagree": (3, _one_exam(31, "100", "3", "below-liver")),
    "disagree-and-few": (2, _one_exam(31, "80", "3", "below-liver")),
    "values-missing": (6, _one_exam(31)),
    "percent-only": (3, _one_exam(31, "100")),
    "copper": (3, _at(_days(31), "", "", code="TEP au 64Cu-DOTATATE")),
    "glucose-pet": (3, _at(_days(31), "", "", code="TEP au FDG")),
    "older-values": (3, _older_values),
    "later-counts": (3, _later_counts),
    "same-day": (3, _same_day),
    "tied-elsewhere": (2, _tied_elsewhere),
    "not-done": (2, _at(_days(31), status="not-done")),
    "cancelled": (2, _at(_days(31), kind="ImagingStudy", status="cancelled")),
    "preliminary": (2, _preliminary),
    "future": (2, _at(_days(-3))),
    "month": (2, _at(lambda on: the_month(on - timedelta(days=50)))),
    "year": (2, _at(the_year)),
}
