"""In: answers of parts. Out: whether their combination is carried by the parts that decide it, in evidence, reason and standing."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

from adapter.criteria.answer import Answer, Converted, Evidence, Reason, Wanted, combine_all, combine_any, invert
from adapter.criteria.truth import Truth, all_of, any_of

T, F, U = Truth.T, Truth.F, Truth.U
DAY = date(2025, 6, 1)


def answer(
    truth: Truth, name: str = "x", *, presumed: bool = False, attested: bool = False, attestable: bool = False
) -> Answer:
    return Answer(
        truth,
        Reason.NO_DATA if truth is U else None,
        (Evidence(f"Observation/{name}"),),
        presumed=presumed,
        attested=attested,
        attestable=attestable,
        changes=frozenset({DAY}) if name == "x" else frozenset(),
        wanted=(Wanted(name),) if truth is U else (),
    )


def test_another_value_makes_another_answer_and_leaves_the_first() -> None:
    first = answer(U, attestable=True)
    second = first.but(reason=Reason.STATUS)

    assert (second.reason, second.attestable, second.evidence) == (Reason.STATUS, True, first.evidence)
    assert first.reason is Reason.NO_DATA


def test_evidence_may_be_had_with_another_value() -> None:
    sent = Evidence("Observation/1", "2", "2025-05-20", "12,1 g/dL")

    assert sent.but(converted=Converted("12.1", "g/dL")) == Evidence(
        "Observation/1", "2", "2025-05-20", "12,1 g/dL", Converted("12.1", "g/dL")
    )
    assert sent.converted is None
    assert len({sent, sent.but(), sent.but(value=None)}) == 2


def test_what_is_shown_stands_once() -> None:
    one, two = Evidence("Observation/1"), Evidence("Observation/2")

    assert Answer(U, Reason.ASKS, (one, two), context=(two, one)).shown == (one, two)


@pytest.mark.parametrize("truths", list(itertools.product((T, F, U), repeat=2)))
def test_combinations_have_the_truth_of_their_parts_and_the_evidence_of_those_that_decide(
    truths: tuple[Truth, Truth],
) -> None:
    parts = [answer(truth, name) for truth, name in zip(truths, "ab", strict=True)]
    for found, truth in ((combine_all(*parts), all_of(truths)), (combine_any(*parts), any_of(truths))):
        deciding = [item.evidence[0] for item in parts if item.truth is truth]
        assert (found.truth, list(found.evidence)) == (truth, deciding)
        assert (found.reason is not None) == (truth is U)


def test_the_reason_is_that_of_the_first_open_part() -> None:
    first, second = Answer(U, Reason.TOO_OLD), Answer(U, Reason.CONFLICT)

    assert combine_all(answer(T), first, second).reason is Reason.TOO_OLD
    assert combine_any(second, first, answer(F)).reason is Reason.CONFLICT


@pytest.mark.parametrize("truths", list(itertools.product((T, F, U), repeat=3)))
def test_a_combination_has_a_reason_when_and_only_when_it_is_open(truths: tuple[Truth, ...]) -> None:
    parts = [answer(truth, name) for truth, name in zip(truths, "abc", strict=True)]
    found = [combine_all(*parts), combine_any(*parts), *(invert(part) for part in parts)]

    assert all((item.truth is U) == (item.reason is not None) for item in found)


def test_evidence_and_wanted_stand_once() -> None:
    found = combine_all(answer(U, "a"), answer(U, "a"), answer(T, "b"))

    assert [item.reference for item in found.evidence] == ["Observation/a"]
    assert found.wanted == (Wanted("a"),)


def test_a_decided_combination_wants_nothing() -> None:
    assert combine_any(answer(T), answer(U)).wanted == ()
    assert combine_all(answer(F), answer(U)).wanted == ()


@pytest.mark.parametrize(
    ("parts", "conjunction", "disjunction"),
    [
        # where every part is needed one presumption suffices to make it presumed; where one suffices all must be
        ([answer(T, presumed=True), answer(T)], True, False),
        ([answer(T, presumed=True), answer(T, presumed=True)], True, True),
        ([answer(F, presumed=True), answer(F)], False, True),
        ([answer(F, presumed=True), answer(F, presumed=True)], True, True),
        ([answer(F), answer(T, presumed=True)], False, True),
        ([answer(F, presumed=True), answer(T)], True, False),
        ([answer(U), answer(T, presumed=True)], False, True),
        ([answer(U), answer(F, presumed=True)], True, False),
    ],
)
def test_a_combination_is_presumed_when_what_carries_it_is(
    parts: list[Answer], conjunction: bool, disjunction: bool
) -> None:
    assert (combine_all(*parts).presumed, combine_any(*parts).presumed) == (conjunction, disjunction)


@pytest.mark.parametrize(
    ("parts", "conjunction", "disjunction"),
    [
        ([answer(T, attested=True), answer(T)], True, False),
        ([answer(F, attested=True), answer(F)], False, True),
        ([answer(F, attested=True), answer(T)], True, False),
        ([answer(U), answer(F, attested=True)], True, False),
    ],
)
def test_a_combination_is_attested_when_what_carries_it_is(
    parts: list[Answer], conjunction: bool, disjunction: bool
) -> None:
    assert (combine_all(*parts).attested, combine_any(*parts).attested) == (conjunction, disjunction)


@pytest.mark.parametrize(
    ("attestable", "expected"), [((True, True), True), ((True, False), False), ((False, False), False)]
)
def test_an_open_combination_is_attestable_when_every_open_part_is(
    attestable: tuple[bool, bool], expected: bool
) -> None:
    parts = [answer(U, attestable=item) for item in attestable]

    assert combine_all(*parts, answer(T)).attestable is expected
    assert combine_any(*parts, answer(F)).attestable is expected


def test_a_decided_combination_is_not_attestable() -> None:
    assert not combine_all(answer(F), answer(U, attestable=True)).attestable


def test_changes_of_all_parts_may_change_the_combination() -> None:
    assert combine_all(answer(F, "a"), answer(T)).changes == {DAY}
    assert combine_any(answer(T, "a"), answer(F)).changes == {DAY}


@pytest.mark.parametrize("truth", list(Truth))
def test_inversion_changes_the_truth_and_nothing_else(truth: Truth) -> None:
    found = answer(truth, presumed=truth is not U, attested=truth is not U)

    assert invert(invert(found)) == found
    assert (invert(found).evidence, invert(found).presumed, invert(found).reason) == (
        found.evidence,
        found.presumed,
        found.reason,
    )
