"""In: all combinations of truths. Out: whether the truth tables are Kleene's, and no truth passes for a bool."""

from __future__ import annotations

import itertools

import pytest

from adapter.criteria import Truth, all_of, any_of, negate

T, F, U = Truth.T, Truth.F, Truth.U


@pytest.mark.parametrize(("truth", "expected"), [(T, F), (F, T), (U, U)])
def test_negation_leaves_the_open_open(truth: Truth, expected: Truth) -> None:
    assert negate(truth) is expected


@pytest.mark.parametrize("truths", list(itertools.product((T, F, U), repeat=3)))
def test_all_is_false_by_one_and_true_by_every(truths: tuple[Truth, ...]) -> None:
    expected = F if F in truths else U if U in truths else T

    assert all_of(truths) is expected


@pytest.mark.parametrize("truths", list(itertools.product((T, F, U), repeat=3)))
def test_any_is_true_by_one_and_false_by_every(truths: tuple[Truth, ...]) -> None:
    expected = T if T in truths else U if U in truths else F

    assert any_of(truths) is expected


def test_nothing_at_all_is_the_neutral_element() -> None:
    assert (all_of([]), any_of([])) == (T, F)


@pytest.mark.parametrize("truth", list(Truth))
def test_a_truth_is_no_bool(truth: Truth) -> None:
    with pytest.raises(TypeError):
        bool(truth)
    with pytest.raises(TypeError):
        _ = not truth
