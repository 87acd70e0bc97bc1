"""In: what followed a course of PRRT, in the story's words. Out: the truths of E01 and E02.

Assessments count when they are usable and belong to the tumour (clarifications 29 and 30), and when their whole date
lies where the sentence looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from adapter.simulate.facts import Days
from adapter.simulate.kleene import Truth

CONTROL = ("CR", "PR", "SD", "improved", "stable")
WORSE = ("PD", "worsened")
ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Response:
    """One assessment: `kind` is `best`, `recist` or `status`; value CR PR SD PD NE, or improved, stable, worsened."""

    kind: str
    value: str
    days: Days
    counts: bool = True


def no_response(
    on: date, last: Days | None, responses: Sequence[Response], *, second: date | None = None, i04: Truth = "U"
) -> Truth:
    """E01: the first course brought no response.

    Args:
        on: reference date.
        last: the day of the last cycle of an established first course; None decides nothing.
        responses: every assessment of the record.
        second: the first cycle of a second course.
        i04: disease control of twelve months is a response by itself.
    """
    if last is None:
        return "U"
    ends = on if second is None else min(on, date.fromordinal(second.toordinal() - 1))
    inside = [known for known in responses if known.counts and known.days.first > last.last and known.days.last <= ends]
    worse = min((known.days.first for known in inside if known.value in WORSE and known.kind != "best"), default=None)
    controlled = i04 == "T" or any(
        known.value in CONTROL and (known.kind == "best" or worse is None or known.days.first <= worse)
        for known in inside
    )
    if not any(known.kind == "best" and known.value == "PD" for known in inside):
        return "F" if controlled else "U"
    return "U" if controlled else "T"


def progressed_again(on: date, cycles: Sequence[date], responses: Sequence[Response]) -> Truth:
    """E02: RECIST progression after the second completed cycle of the second course (a third changes nothing).

    Args:
        on: reference date.
        cycles: completed cycles of the second course on or before it, after an established first course.
        responses: every assessment of the record.
    """
    if len(cycles) < ENOUGH:
        return "U"
    after = sorted(cycles)[ENOUGH - 1]
    read = [known for known in responses if known.counts and known.kind == "recist"]
    sure = {known.value for known in read if known.days.first > after and known.days.last <= on}
    possible = [known for known in read if known.days.last > after and known.days.first <= on]
    if "PD" in sure:
        return "T"
    open_pd = any(known.value == "PD" for known in possible)
    return "F" if not open_pd and sure & {"CR", "PR", "SD"} else "U"


def follows(responses: Sequence[Response], after: date, on: date) -> date | None:
    """The latest day of an assessment after that day and up to the reference date."""
    return max((r.days.last for r in responses if r.counts and after < r.days.last <= on), default=None)
