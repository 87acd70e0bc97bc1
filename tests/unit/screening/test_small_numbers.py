"""In: a funnel. Out: what of it may be told to who may not know small numbers: none of them can be computed from the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from adapter.criteria import Stage, Trial
from adapter.screening import Flow, Funnel, SiteCompleteness, add_up, funnel_of, in_steps
from adapter.screening.completeness import DatumPersons
from adapter.terminology.unmapped import UnknownUnit, Unmapped, UnmappedCode

STEP = 5


def numbers(value: object) -> Iterator[int]:
    """Every number in an object of JSON."""
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, int):
        yield value


def site(trial: Trial, name: str, count: int) -> Funnel:
    """A site in which everything is counted so often."""
    empty = funnel_of((), trial, Stage.REGISTRATION, site=name, patients=count)
    return replace(
        empty,
        candidates=count,
        outcomes=dict.fromkeys(empty.outcomes, count),
        criteria=tuple(
            replace(line, passed=count, failed=count, open=count, sole_failing=count) for line in empty.criteria
        ),
        flow=Flow(dict.fromkeys(empty.flow.steps, count), (("I11", count + 1), ("E07", count))),
        completeness=(
            SiteCompleteness(
                name,
                count,
                dict.fromkeys(empty.completeness[0].criteria, count),
                (DatumPersons("alt", "analyte", {"fr": "ALAT", "en": "ALT"}, ("E07",), count),),
            ),
        ),
        unmapped=(
            Unmapped(
                name,
                (
                    UnmappedCode("Observation.code", "urn:a", "B", count + 1, count),
                    UnmappedCode("Observation.code", "urn:a", "A", count, count),
                ),
                (UnknownUnit("alt", "u", "unknown-unit", count, count),),
            ),
        ),
        overridden=(("other", count),),
    )


@pytest.mark.parametrize("count", range(13))
def test_no_count_below_five_is_told_anywhere(trial: Trial, count: int) -> None:
    told = in_steps(site(trial, "icm", count), STEP).to_json()

    assert told.pop("steps") == STEP
    assert {number % STEP for number in numbers(told)} == {0}


def test_sum_over_sites_tells_no_more_than_the_sites_do(trial: Trial) -> None:
    parts = [in_steps(site(trial, name, count), STEP) for name, count in (("a", 4), ("b", 4), ("c", 12))]
    total = add_up(parts, trial, Stage.REGISTRATION)

    assert total.candidates == sum(part.candidates for part in parts) == 10
    assert [line.failed for line in total.criteria] == [10] * len(total.criteria)
    assert dict(total.flow.reasons)["I11"] == 5 + 5 + 10
    assert (total.steps, total.overridden) == (STEP, (("other", 10),))


def test_order_of_what_is_told_does_not_tell_which_was_more(trial: Trial) -> None:
    told = in_steps(site(trial, "icm", 7), STEP)

    assert [reason for reason, _ in told.flow.reasons] == ["E07", "I11"]
    assert [code.code for code in told.unmapped[0].codes] == ["A", "B"]


def _parts(total: int, number: int) -> Iterator[tuple[int, ...]]:
    """All ways in which so many persons divide."""
    if number == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _parts(total - first, number - 1):
            yield (first, *rest)


def test_no_count_follows_from_what_is_told_of_all_divisions_together() -> None:
    """Every criterion divides the same candidates in three, the outcomes divide them in four.

    The worst case is looked at: somebody who knows all divisions of a number of candidates, as they are told.
    """

    def down(counts: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(count - count % STEP for count in counts)

    most = 30
    behind: dict[tuple[int, tuple[int, ...]], set[tuple[int, ...]]] = {}
    told_of: dict[int, set[tuple[int, tuple[int, ...]]]] = {}
    for total, number in product(range(most), (3, 4)):
        for counts in _parts(total, number):
            told = (total - total % STEP, down(counts))
            behind.setdefault(told, set()).add(counts)
            told_of.setdefault(total, set()).add(told)
    possible = {told: {sum(counts) for counts in found} for told, found in behind.items()}
    for total in range(20):
        totals = set.intersection(*(possible[told] for told in told_of[total]))

        assert len(totals) > 1
        for told in told_of[total]:
            left = [counts for counts in behind[told] if sum(counts) in totals]
            assert all(len({counts[place] for counts in left}) > 1 for place in range(len(told[1])))
