"""In: generated truths, answers and numbers. Out: whether the laws of three-valued logic and of intervals hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.criteria import Truth, all_of, any_of, negate
from adapter.criteria.answer import Answer, Evidence, Reason, combine_all, combine_any, invert
from adapter.criteria.concepts.laboratory import compare
from adapter.criteria.concepts.renal import egfr_mdrd, egfr_mdrd_interval
from adapter.criteria.tree import Comparison
from adapter.fhir import NumberInterval

STEADY = settings(derandomize=True, max_examples=100, deadline=None)
truths = st.sampled_from(list(Truth))
U = Truth.U


def refines(known: Truth, less: Truth) -> bool:
    """``known`` says at least what ``less`` says."""
    return less is U or known is less


@STEADY
@given(st.lists(truths, max_size=6), st.randoms(use_true_random=False))
def test_order_repetition_and_grouping_do_not_matter(parts: list[Truth], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    middle = len(parts) // 2
    for combine in (all_of, any_of):
        assert combine(parts) is combine(shuffled) is combine(parts * 2)
        assert combine(parts) is combine([combine(parts[:middle]), combine(parts[middle:])])


@STEADY
@given(st.lists(truths, max_size=6))
def test_de_morgan(parts: list[Truth]) -> None:
    assert negate(all_of(parts)) is any_of(negate(part) for part in parts)
    assert negate(any_of(parts)) is all_of(negate(part) for part in parts)


@STEADY
@given(st.lists(st.tuples(truths, truths), max_size=6))
def test_more_knowledge_never_takes_a_decision_back(pairs: list[tuple[Truth, Truth]]) -> None:
    less = [first for first, _ in pairs]
    more = [second if first is U else first for first, second in pairs]
    for combine in (all_of, any_of):
        assert refines(combine(more), combine(less))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    truth = draw(truths)
    name = draw(st.sampled_from("abc"))
    reason = draw(st.sampled_from(list(Reason))) if truth is U else None
    flags = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    open_ = truth is U
    return Answer(
        truth,
        reason,
        (Evidence(f"Observation/{name}"),),
        presumed=flags[0] and not open_,
        attestable=flags[1] and open_,
        attested=flags[2] and not open_,
    )


def combined(parts: Sequence[Answer]) -> list[Answer]:
    return [combine_all(*parts), combine_any(*parts)]


@STEADY
@given(st.lists(answers(), min_size=1, max_size=5))
def test_a_combination_is_open_exactly_when_it_has_a_reason_and_cites_only_its_parts(parts: list[Answer]) -> None:
    for found in combined(parts):
        assert (found.truth is U) == (found.reason is not None)
        assert set(found.evidence) <= {item for part in parts for item in part.evidence}
        assert found.evidence
        assert not (found.truth is U and (found.presumed or found.attested))
        assert found.truth is U or not found.attestable


@STEADY
@given(st.lists(answers(), min_size=1, max_size=5))
def test_a_combination_of_records_alone_is_not_presumed(parts: list[Answer]) -> None:
    for found in combined([part for part in parts if not part.presumed] or [Answer(Truth.T)]):
        assert not found.presumed


@STEADY
@given(st.lists(answers(), min_size=1, max_size=5))
def test_de_morgan_holds_for_answers_with_all_they_carry(parts: list[Answer]) -> None:
    assert invert(combine_all(*parts)) == combine_any(*(invert(part) for part in parts))


numbers = st.decimals(min_value=-50, max_value=50, places=2, allow_nan=False, allow_infinity=False)


@st.composite
def intervals(draw: st.DrawFn) -> NumberInterval:
    low, high = sorted(draw(st.tuples(numbers, numbers)))
    if low == high:
        return NumberInterval.exactly(low)
    low = draw(st.sampled_from([low, Decimal("-Infinity")]))
    high = draw(st.sampled_from([high, Decimal("Infinity")]))
    return NumberInterval(
        low, high, not low.is_finite() or draw(st.booleans()), not high.is_finite() or draw(st.booleans())
    )


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    operator = draw(st.sampled_from(["gt", "ge", "lt", "le", "between"]))
    low, high = sorted(draw(st.tuples(numbers, numbers)))
    return Comparison(operator, low, high if operator == "between" else None)


def contains(interval: NumberInterval, number: Decimal) -> bool:
    above = interval.low < number or (interval.low == number and not interval.low_open)
    return above and (number < interval.high or (number == interval.high and not interval.high_open))


@STEADY
@given(intervals(), numbers)
def test_an_interval_is_never_surely_on_both_sides(interval: NumberInterval, limit: Decimal) -> None:
    assert not (interval.surely_above(limit) and interval.surely_at_most(limit))
    assert not (interval.surely_below(limit) and interval.surely_at_least(limit))


@STEADY
@given(intervals(), comparisons(), st.lists(numbers, max_size=8))
def test_a_decided_comparison_holds_for_every_number_in_the_interval(
    interval: NumberInterval, comparison: Comparison, candidates: list[Decimal]
) -> None:
    found = compare(interval, comparison)
    inside = [
        number
        for number in [*candidates, interval.low, interval.high, comparison.limit]
        if number.is_finite() and contains(interval, number)
    ]

    for number in inside:
        assert refines(compare(NumberInterval.exactly(number), comparison), found)


@STEADY
@given(intervals(), intervals(), comparisons())
def test_widening_an_interval_never_decides_what_was_open(
    one: NumberInterval, other: NumberInterval, comparison: Comparison
) -> None:
    low, low_open = min((one.low, one.low_open), (other.low, other.low_open))
    high, high_closed = max((one.high, not one.high_open), (other.high, not other.high_open))
    wide = NumberInterval(low, high, low_open, not high_closed)

    assert refines(compare(one, comparison), compare(wide, comparison))
    assert refines(compare(other, comparison), compare(wide, comparison))


@STEADY
@given(intervals(), comparisons(), st.sampled_from([Decimal(text) for text in ("0.1", "0.001", "88.4", "41", "1000")]))
def test_converting_value_and_limit_alike_changes_nothing(
    interval: NumberInterval, comparison: Comparison, factor: Decimal
) -> None:
    assert compare(interval.times(factor), comparison, factor=factor) is compare(interval, comparison)


@STEADY
@given(
    st.decimals(min_value=10, max_value=2000, places=1),
    st.decimals(min_value=0, max_value=100, places=1),
    st.integers(18, 95),
    st.integers(0, 5),
    st.booleans(),
)
def test_the_rate_of_an_interval_holds_the_rate_of_every_point(
    low: Decimal, width: Decimal, age: int, years: int, female: bool
) -> None:
    found = egfr_mdrd_interval(NumberInterval(low, low + width), ages=(age, age + years), female=female)
    for creatinine in (low, low + width / 2, low + width):
        for point in (age, age + years):
            assert found.low <= egfr_mdrd(creatinine, age=point, female=female) <= found.high
