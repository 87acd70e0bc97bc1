"""In: results of one analyte, several in time and kind. Out: whether the latest usable one decides, and only when it surely is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.concepts.laboratory import compare
from adapter.criteria.tree import Comparison
from adapter.errors import DefectError
from adapter.fhir import NumberInterval
from adapter.terminology import Site
from tests.unit.criteria.making import ON, answer_to, observation

T, F, U = Truth.T, Truth.F, Truth.U
HB = {"laboratory": {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}}
PLATELETS = {"laboratory": {"analyte": "platelets", "window_days": 28, "is": {"ge": "80"}}}
ECOG = {"laboratory": {"analyte": "ecog", "window_days": 28, "is": {"between": ["0", "2"]}}}


def hb(value: Any, when: str | None = "2025-05-20", **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "hb", "value": value, "ucum": "g/dL", "date": when, **more}}


@pytest.mark.parametrize(
    ("value", "gt", "ge", "lt", "le", "between"),
    [
        (NumberInterval.exactly(Decimal(1)), F, F, T, T, F),
        (NumberInterval.exactly(Decimal(2)), F, T, F, T, T),
        (NumberInterval.exactly(Decimal(3)), T, T, F, F, T),
        (NumberInterval.exactly(Decimal(5)), T, T, F, F, F),
        (NumberInterval(Decimal(1), Decimal(2)), F, U, U, T, U),
        (NumberInterval(Decimal(1), Decimal(2), high_open=True), F, F, T, T, F),
        (NumberInterval(Decimal(2), Decimal(3)), U, T, F, U, T),
        (NumberInterval(Decimal(2), Decimal(3), low_open=True), T, T, F, F, T),
        (NumberInterval(Decimal(1), Decimal(3)), U, U, U, U, U),
        (NumberInterval(Decimal(3), Decimal(4), low_open=True), T, T, F, F, F),
        (NumberInterval(Decimal("-Infinity"), Decimal(2), low_open=True), F, U, U, T, U),
        (NumberInterval(Decimal(2), Decimal("Infinity"), high_open=True), U, T, F, U, U),
    ],
)
def test_a_comparison_holds_for_every_number_or_for_none(
    value: NumberInterval, gt: Truth, ge: Truth, lt: Truth, le: Truth, between: Truth
) -> None:
    found = [compare(value, Comparison(operator, Decimal(2))) for operator in ("gt", "ge", "lt", "le")]

    assert [*found, compare(value, Comparison("between", Decimal(2), Decimal(3)))] == [gt, ge, lt, le, between]


def test_between_one_number_is_that_number() -> None:
    assert compare(NumberInterval.exactly(Decimal(2)), Comparison("between", Decimal(2))) is T


def test_a_comparison_is_with_the_limit_times_the_factor() -> None:
    assert compare(NumberInterval.exactly(Decimal("102.5")), Comparison("gt", Decimal("2.5")), factor=Decimal(41)) is F
    assert compare(NumberInterval.exactly(Decimal("102.6")), Comparison("gt", Decimal("2.5")), factor=Decimal(41)) is T


def test_an_unknown_operator_is_a_defect() -> None:
    with pytest.raises(DefectError, match="no operator eq"):
        compare(NumberInterval.exactly(Decimal(2)), Comparison("eq", Decimal(2)))


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([hb(9), hb(7, "2025-05-21")], F, None),
        ([hb(7), hb(9, "2025-05-21")], T, None),
        ([hb(9, "2025-05-04")], T, None),
        ([hb(9, "2025-05-03")], U, Reason.TOO_OLD),
        ([hb(9, "2025-06-01")], T, None),
        ([hb(9, "2025-06-02")], U, Reason.NO_DATA),
        ([hb(9), hb(7, "2025-06-02")], T, None),
        # a date without time is the whole day
        ([hb(9, "2025-05-20"), hb(7, "2025-05-20T23:00:00+02:00")], U, Reason.IMPRECISE_DATE),
        ([hb(9, "2025-05-20"), hb(10, "2025-05-20T23:00:00+02:00")], T, None),
        ([hb(9, "2025-05"), hb(7, "2025-05-20")], U, Reason.IMPRECISE_DATE),
        ([hb(9, "2025-05")], U, Reason.IMPRECISE_DATE),
        ([hb(9, "2025-05"), hb(10, "2025-05-31")], T, None),
        ([hb(7, "2025-05"), hb(10, "2025-05-31T23:30:00+02:00")], U, Reason.IMPRECISE_DATE),
        ([hb(9, None)], U, Reason.IMPRECISE_DATE),
        # one instant
        ([hb(9), hb(7)], U, Reason.CONFLICT),
        ([hb(9), hb(9)], T, None),
        ([hb(9), hb(10)], T, None),
        ([hb(9, issued="2025-05-22T00:00:00Z"), hb(7, issued="2025-05-21T00:00:00Z")], U, Reason.CONFLICT),
        ([hb(9), hb(7, status="corrected")], F, None),
        ([hb(9, status="amended"), hb(7)], T, None),
        ([hb(9, status="amended"), hb(7, status="corrected")], U, Reason.CONFLICT),
        ([hb(9), hb(9, comparator="<")], U, Reason.COMPARATOR),
        # what is not used
        ([hb(9), hb(7, "2025-05-21", status="preliminary")], T, None),
        ([hb(9), hb(7, "2025-05-21", status="entered-in-error")], T, None),
        ([hb(9, status="preliminary")], U, Reason.STATUS),
        ([hb(9, status="registered")], U, Reason.STATUS),
        ([hb(9, status="cancelled")], U, Reason.NO_DATA),
        ([hb(9, status="unknown")], U, Reason.NO_DATA),
        ([hb(9, status=None)], U, Reason.NO_DATA),
        # a newer one that has no result leaves the older; one that cannot be read does not
        ([hb(9), {"lab": {"of": "hb", "text": "hémolysé", "date": "2025-05-21"}}], T, None),
        ([hb(9), {"lab": {"of": "hb", "absent": "error", "date": "2025-05-21"}}], T, None),
        ([hb(9), {"lab": {"of": "hb", "text": "voir CR", "date": "2025-05-21"}}], U, Reason.NOT_READ),
        ([hb(9), {"lab": {"of": "hb", "value": 9, "date": "2025-05-21"}}], U, Reason.NO_UNIT),
        ([hb(9), {"lab": {"of": "hb", "value": 9, "unit": "mmol/L", "date": "2025-05-21"}}], U, Reason.AMBIGUOUS_UNIT),
        ([hb(9), {"lab": {"of": "hb", "value": 9, "unit": "kg", "date": "2025-05-21"}}], U, Reason.UNKNOWN_UNIT),
        ([hb(9), hb(1, "2025-05-21")], U, Reason.IMPLAUSIBLE),
        ([hb(9), hb(90, "2025-05-21")], U, Reason.IMPLAUSIBLE),
        ([hb(9), hb(9, "2025-05-21", comparator="ad")], U, Reason.COMPARATOR),
        ([{"lab": {"of": "hb", "text": "en cours"}}], U, Reason.NO_DATA),
    ],
)
def test_the_latest_usable_result_decides(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(HB, entries)

    assert (found.truth, found.reason) == (truth, reason)
    assert answer_to(HB, entries[::-1]).truth is truth


@pytest.mark.parametrize(("value", "truth"), [(2, U), (1.99, U), (25, T)])
def test_the_plausible_bounds_are_plausible(value: float, truth: Truth) -> None:
    found = answer_to(HB, [hb(Decimal(str(value)))])

    assert (found.truth is F) if value == 2 else (found.truth is truth)


@pytest.mark.parametrize(
    ("more", "truth", "value"),
    [
        ({"valueInteger": 1}, T, "1"),
        ({"valueInteger": 3}, F, "3"),
        ({"valueString": "1-2"}, T, "1-2"),
        ({"valueString": "2-3"}, U, "2-3"),
        ({"valueCodeableConcept": {"text": "2"}}, T, "2"),
        ({"valueCodeableConcept": {"text": "Karnofsky 80"}}, U, "Karnofsky 80"),
        ({"valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA9625-0"}]}}, F, "LA9625-0"),
        ({"valueCodeableConcept": {"coding": [{"system": "urn:x", "display": "1"}]}}, T, "1"),
        ({"valueCodeableConcept": {"coding": [{"system": "urn:x"}]}}, U, None),
        ({"interpretation": [{"coding": [{"system": "http://loinc.org", "code": "LA9623-5"}]}]}, T, "LA9623-5"),
        ({"valueQuantity": {"value": 1, "unit": "{score}"}}, T, "1 {score}"),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 2}}}, T, "1-2"),
        ({"valueRange": {"low": {"value": 1}}}, U, "1-"),
        ({"valueRange": {"low": {"value": 1}, "high": {"unit": "x"}}}, U, "1-"),
        ({"valueRange": {"low": {"value": 1, "unit": "m"}, "high": {"value": 2}}}, U, "1 m-2"),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 2, "comparator": "<"}}}, U, "1-<2"),
    ],
)
def test_a_score_is_read_in_every_form(more: dict[str, Any], truth: Truth, value: str | None) -> None:
    found = answer_to(ECOG, [observation("89247-1", **more)])

    assert (found.truth, found.evidence[0].value) == (truth, value)


def test_a_unit_code_of_another_system_is_no_unit() -> None:
    quantity = {"value": 9, "code": "g/dL", "system": "urn:labo"}
    ucum = {"value": 9, "code": "g/dL", "system": "http://unitsofmeasure.org"}

    assert answer_to(HB, [observation("718-7", valueQuantity=quantity)]).reason is Reason.NO_UNIT
    assert answer_to(HB, [observation("718-7", valueQuantity=ucum)]).truth is T


def test_the_system_counts_with_the_code() -> None:
    other = {
        **observation("718-7", valueQuantity={"value": 9, "unit": "g/dL"}),
        "code": {"coding": [{"system": "urn:x", "code": "718-7"}]},
    }

    assert answer_to(HB, [other]).reason is Reason.NO_DATA


def test_a_local_code_counts_through_the_sites_concept_map() -> None:
    local = {
        **observation("x", valueQuantity={"value": 9, "unit": "g/dL"}),
        "code": {"coding": [{"system": "urn:l", "code": "HB"}]},
    }
    site = Site("icm", concept_map={("urn:l", "HB"): (("http://loinc.org", "718-7"),)})

    assert answer_to(HB, [local], site=site).truth is T


@pytest.mark.parametrize(
    ("words", "value", "truth"),
    [
        ("amas plaquettaires", 60, U),
        ("Agrégats", 60, U),
        ("Présence d'amas de plaquettes", 60, U),
        ("Plaquettes agrégées, à contrôler sur citrate", 60, U),
        ("Agglutinats plaquettaires", 60, U),
        ("Pseudothrombopénie à l'EDTA", 60, U),
        ("amas", 60, F),
        ("amas plaquettaires", 160, T),
    ],
)
def test_clumps_make_a_low_count_doubtful_and_leave_a_normal_one(words: str, value: int, truth: Truth) -> None:
    found = answer_to(PLATELETS, [{"lab": {"of": "platelets", "value": value, "unit": "G/L", "note": words}}])

    assert found.truth is truth
    assert (found.reason is Reason.ASKS) == (truth is U)


def test_a_padded_code_is_not_passed_over_for_an_older_result() -> None:
    older, newer = (
        {"lab": {"of": "hb", "value": value, "unit": "g/dL", "date": day}}
        for value, day in ((9, "2025-05-10"), (7, "2025-05-20"))
    )
    newer["lab"]["of"] = "http://loinc.org| 718-7 "

    assert answer_to(HB, [older, newer]).truth is F


def test_a_component_counts_like_a_result_of_its_own() -> None:
    found = answer_to(
        HB,
        [{"panel": {"of": [{"of": "hb", "value": 9, "ucum": "g/dL"}, {"of": "platelets", "value": 3, "unit": "G/L"}]}}],
    )

    assert (found.truth, found.evidence[0].reference) == (T, "Observation/panel-1")


@pytest.mark.parametrize(
    ("entries", "days"),
    [
        ([hb(9)], {date(2025, 6, 18)}),
        ([hb(9), hb(9, "2025-05-30")], {date(2025, 6, 28)}),
        ([hb(9, "2025-05")], {date(2025, 5, 30), date(2025, 6, 29)}),
    ],
)
def test_a_window_tells_the_day_after_it_closes(entries: list[Any], days: set[date]) -> None:
    assert answer_to(HB, entries).changes >= days


def test_evidence_is_as_sent_and_converted() -> None:
    (found,) = answer_to(HB, [{"lab": {"of": "hb", "value": Decimal("112.0"), "ucum": "g/L", "version": 3}}]).evidence

    assert (found.reference, found.version, found.effective, found.value) == (
        "Observation/lab-1",
        "3",
        "2025-05-20",
        "112.0 g/L",
    )
    assert found.converted is not None
    assert (found.converted.value, found.converted.unit) == ("11.2", "g/dL")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("< 8,5 g/dL", "<8.5"), (">10 g/dL", ">10"), ("9,0 g/dL", "9"), ("9-10 g/dL", "9-10"), ("95,123456 g/L", "9.51")],
)
def test_a_converted_value_is_rounded_for_display_only(text: str, shown: str) -> None:
    (found,) = answer_to(HB, [{"lab": {"of": "hb", "text": text}}]).evidence

    assert found.converted is not None
    assert found.converted.value == shown


def test_too_old_shows_the_newest_of_the_old() -> None:
    found = answer_to(HB, [hb(9, "2025-01-01"), hb(9, "2025-02-01"), hb(9, "2024-12-01")])

    assert [item.effective for item in found.shown] == ["2025-02-01"]


@pytest.mark.parametrize(("local", "expected"), [(frozenset({("http://loinc.org", "14749-6")}), T), (frozenset(), U)])
def test_a_glucose_is_fasting_where_the_site_says_so(local: frozenset[tuple[str, str]], expected: Truth) -> None:
    rule = {"laboratory": {"analyte": "glucose_fasting", "window_days": 28, "is": {"gt": "5"}}}
    plain = {"laboratory": {"analyte": "glucose", "window_days": 28, "is": {"gt": "5"}}}
    entries = [{"lab": {"of": "glucose", "value": 6, "ucum": "mmol/L"}}]
    site = Site("icm", fasting_codes=local)

    assert answer_to(rule, entries, site=site, on=ON).truth is expected
    assert (answer_to(plain, entries, site=site, on=ON).truth is T) == (expected is U)
