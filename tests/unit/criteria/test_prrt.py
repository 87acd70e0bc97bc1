"""In: infusions at every spacing. Out: whether cycles are counted once, courses split at the days of the clarifications, doubt is open."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.fhir import PatientRecord
from tests.unit.criteria.making import START, answer_to, complete, criterion, infusion, infusions, scene, tiny

T, F, U = Truth.T, Truth.F, Truth.U
RULE = {"prrt_cycles_first_course": {"equals": 4, "attested": "I03"}}


def courses(entries: list[Any], **more: Any) -> Any:
    return scene(tiny(criterion(RULE)), entries, **more).courses


@pytest.mark.parametrize(
    ("gap", "first", "uncertain", "second", "reason"),
    [
        (27, 4, 1, 0, Reason.COURSE_UNDECIDED),
        (28, 5, 0, 0, None),
        (56, 5, 0, 0, None),
        (112, 5, 0, 0, None),
        (113, 4, 1, 0, Reason.COURSE_UNDECIDED),
        (365, 4, 1, 0, Reason.COURSE_UNDECIDED),
        (366, 4, 0, 1, None),
        (1000, 4, 0, 1, None),
    ],
)
def test_the_gap_after_the_fourth_cycle_splits_the_courses(
    gap: int, first: int, uncertain: int, second: int, reason: Reason | None
) -> None:
    found = courses(infusions(56, 56, 56, gap))

    assert (len(found.first), len(found.uncertain), len(found.second), found.open_reason) == (
        first,
        uncertain,
        second,
        reason,
    )


@pytest.mark.parametrize(("gap", "truth"), [(27, U), (28, T), (112, T), (113, U), (365, U), (366, U)])
def test_four_infusions_are_one_course_only_when_every_gap_is(gap: int, truth: Truth) -> None:
    assert answer_to(RULE, infusions(56, 56, gap)).truth is truth


def test_what_follows_an_undecided_gap_stays_uncertain() -> None:
    found = courses(infusions(56, 200, 56))

    assert (len(found.first), len(found.uncertain), found.count) == (2, 2, (2, 4))


def test_a_new_course_after_an_undecided_gap_is_still_a_new_one() -> None:
    found = courses(infusions(56, 200, 400, 56))

    assert (len(found.first), len(found.uncertain), len(found.second)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("more", "cycles"),
    [
        ([infusion("2021-06-21")], 4),
        ([infusion("2021-06-21T15:00:00+02:00")], 4),
        ([infusion("2021-06-21", status="stopped")], 4),
        ([infusion("2021-06-22", batch="L4")], 4),
        ([infusion("2021-06-24", batch="L4")], 4),
        ([infusion("2021-06-25", batch="L4")], 5),
        ([infusion("2021-06-22", batch="L5")], 5),
        ([infusion("2021-06-22")], 5),
        ([infusion("2021-06-21", status="entered-in-error")], 4),
        ([infusion("2021-08-16", status="not-done")], 4),
        ([infusion("2021-08-16", atc="V10XX05")], 4),
        ([infusion("2025-06-02")], 4),
        ([infusion("2021-08-16")], 5),
    ],
)
def test_one_infusion_counts_once(more: list[Any], cycles: int) -> None:
    entries = [*infusions(56, 56), infusion("2021-06-21", batch="L4"), *more]
    found = courses(entries)

    assert len(found.first) + len(found.uncertain) == cycles
    assert courses(entries[::-1]).count == found.count


def test_a_duplicate_keeps_all_its_evidence() -> None:
    found = courses([*infusions(56, 56, 56), *infusions(56, 56, 56)])

    assert (found.count, len(found.evidence)) == ((4, 4), 8)
    assert {len(cycle.evidence) for cycle in found.first} == {2}


def test_a_period_is_dated_by_its_beginning() -> None:
    halves = [("09:00", "09:30"), ("23:50", "23:59")]
    entries = [
        {"infusion": {"period": [f"2021-0{month}-04T{start}:00+01:00", f"2021-0{month}-04T{end}:00+01:00"]}}
        for month, (start, end) in zip((1, 3), halves, strict=True)
    ]

    assert [str(cycle.when.earliest) for cycle in courses(entries).first] == ["2021-01-04", "2021-03-04"]


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        (infusions(56, 56, 56), T, None),
        (infusions(56, 56, 56, 56), F, None),
        (infusions(56, 56, 56, 400, 56), T, None),
        (infusions(56, 56), U, Reason.NO_DATA),
        ([], U, Reason.NO_DATA),
        ([*infusions(56, 56), infusion("2021-06-21", status="stopped")], U, Reason.STATUS),
        ([*infusions(56, 56), infusion("2021-06-21", status="in-progress")], U, Reason.STATUS),
        ([*infusions(56, 56, 56, 56), infusion("2021-10-11", status="stopped")], F, None),
        ([*infusions(56, 56), infusion("2021-05")], U, Reason.IMPRECISE_DATE),
        ([*infusions(56, 56), infusion("2021-06")], T, None),
        ([*infusions(56, 56, 56), {"infusion": {"period": [None, None]}}], U, Reason.IMPRECISE_DATE),
        (
            [*infusions(56, 56, 56), {"procedure": {"term": "prrt-course-second", "date": "2020-01-01"}}],
            U,
            Reason.COURSE_UNDECIDED,
        ),
        (
            [*infusions(56, 56, 56), {"procedure": {"term": "prrt-course-second", "date": str(START)}}],
            U,
            Reason.COURSE_UNDECIDED,
        ),
        ([*infusions(56, 56, 56), {"procedure": {"term": "prrt-course-second", "date": "2024-01-01"}}], T, None),
        ([{"procedure": {"term": "prrt-course-second", "date": "2024-01-01"}}], U, Reason.COURSE_UNDECIDED),
    ],
)
def test_the_first_course_has_four_cycles(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(RULE, entries)

    assert (found.truth, found.reason) == (truth, reason)


@pytest.mark.parametrize(
    ("cycles", "said", "truth", "reason"),
    [
        (4, True, T, None),
        (4, False, U, Reason.CONFLICT),
        (5, True, U, Reason.CONFLICT),
        (5, False, F, None),
        (2, True, T, None),
        (2, False, F, None),
        (0, True, T, None),
        (0, False, F, None),
    ],
)
def test_an_attestation_of_the_course_decides_what_the_record_leaves_open(
    cycles: int, said: bool, truth: Truth, reason: Reason | None
) -> None:
    entries = infusions(*[56] * (cycles - 1)) if cycles else []
    found = answer_to(RULE, [*entries, {"attest": {"I03": said}}])

    assert (found.truth, found.reason) == (truth, reason)


def test_contradictory_attestations_leave_the_course_open() -> None:
    assert answer_to(RULE, [{"attest": {"I03": True}}, {"attest": {"I03": False}}]).reason is Reason.CONFLICT


@pytest.mark.parametrize(
    ("cycles", "start", "truth"),
    [
        (3, "2020-09-14", F),  # one missing cycle lies at most 112 days before the first
        (3, "2020-09-15", U),
        (2, "2020-05-25", F),
        (2, "2020-05-26", U),
        (0, "2020-06-01", F),
        (0, "2020-06-02", U),
    ],
)
def test_fewer_cycles_refute_only_where_nothing_can_be_missing(cycles: int, start: str, truth: Truth) -> None:
    entries = infusions(*[56] * (cycles - 1)) if cycles else []
    site = complete("medication-administration", date.fromisoformat(start), date(2025, 6, 1))
    found = answer_to(RULE, entries, site=site)

    assert found.truth is truth
    assert found.presumed == (truth is F)


@pytest.mark.parametrize("end", [date(2025, 5, 31)])
def test_a_declaration_that_ends_before_the_day_presumes_nothing(end: date) -> None:
    assert answer_to(RULE, infusions(56), site=complete("medication-administration", end=end)).truth is U


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("Lutathera 7,4 GBq", True),
        ("177Lu-DOTATATE", True),
        ("Lutathéra", True),
        ("Lu-DOTATATE 7,4 GBq", True),
        ("68Ga-DOTATATE", False),
        ("177 Lu-oxodotreotide", True),
        ("lutécium oxodotréotide", True),
        ("octréotide LP 30 mg", False),
        ("177Lu-PSMA-617", False),
    ],
)
def test_a_product_named_only_is_no_proven_cycle(name: str, named: bool) -> None:
    trial = tiny(criterion(RULE))
    entries = [
        {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "effectiveDateTime": item["infusion"]["date"],
            "medicationCodeableConcept": {"text": name},
        }
        for item in infusions(56, 56, 56)
    ]
    found = scene(trial, entries).courses

    assert found.count == ((0, 4) if named else (0, 0))
    assert answer_to(RULE, entries).reason is (Reason.NOT_READ if named else Reason.NO_DATA)


def test_a_coded_other_drug_is_not_lutathera_whatever_its_name() -> None:
    concept = {
        "coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX05", "display": "not Lutathera"}],
        "text": "Lutathera",
    }
    entry = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "effectiveDateTime": "2021-01-04",
        "medicationCodeableConcept": concept,
    }

    assert courses([entry]).count == (0, 0)


@pytest.mark.parametrize(
    ("code", "text", "counted"),
    [
        ("V10XX", "Lutathera", True),
        ("V10", "177Lu-DOTATATE", True),
        ("V10XX", None, True),
        ("V10XX", "Xofigo", False),
        ("V10XX03", "Lutathera", False),
        ("V09", "Lutathera", False),
    ],
)
def test_a_class_of_drugs_that_holds_lutathera_is_no_other_drug(code: str, text: str | None, counted: bool) -> None:
    concept = {"coding": [{"system": "http://www.whocc.no/atc", "code": code}], "text": text}
    fifth = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "effectiveDateTime": str(START + timedelta(days=4 * 56)),
        "medicationCodeableConcept": concept,
    }
    found = answer_to(RULE, [*infusions(56, 56, 56), fifth])

    assert found.truth is (U if counted else T)


@pytest.mark.parametrize(
    ("coding", "counted"),
    [
        ({"system": "urn:oid:2.16.840.1.113883.6.73", "code": "V10XX04"}, True),
        ({"system": "https://www.whocc.no/atc", "code": "v10xx04"}, True),
        ({"code": "V10XX04"}, True),
        ({"system": "urn:oid:2.16.840.1.113883.6.73", "code": "V10XX05"}, False),
    ],
)
def test_the_code_of_lutathera_under_another_system_leaves_the_count_open(
    coding: dict[str, str], counted: bool
) -> None:
    fifth = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "effectiveDateTime": str(START + timedelta(days=4 * 56)),
        "medicationCodeableConcept": {"coding": [coding]},
    }

    assert answer_to(RULE, [*infusions(56, 56, 56), fifth]).truth is (U if counted else T)


def test_a_shared_medication_tells_drug_and_batch() -> None:
    shared = [
        {
            "resourceType": "Medication",
            "id": "m",
            "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
            "batch": {"lotNumber": "L"},
        }
    ]
    found = courses(
        [infusion("2021-01-04", medication="Medication/m"), infusion("2021-01-06", medication="Medication/m")],
        shared=shared,
    )

    assert found.count == (1, 1)
    assert found.first[0].batches == {"L"}


def test_encounters_of_the_treatment_are_known() -> None:
    entry = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "effectiveDateTime": "2021-01-04",
        "context": {"reference": "Encounter/7"},
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
    }

    assert courses([entry]).encounters == {"Encounter/7"}


def test_no_infusion_is_no_course() -> None:
    found = courses([])

    assert (found.first, found.count, found.evidence, found.open_reason) == ((), (0, 0), (), None)


def test_an_empty_record_has_no_course() -> None:
    assert PatientRecord("Patient/1").administrations == ()


SECOND = {"second_course": {"at_least_cycles": 2}}


@pytest.mark.parametrize(
    ("entries", "truth"),
    [
        (infusions(56, 56, 56, 400, 56), T),
        (infusions(56, 56, 56, 400), U),
        (infusions(56, 56, 56), U),
        (infusions(56, 56), U),
        ([*infusions(56, 56, 56, 200, 56), {"attest": {"I03": True}}], T),
        ([*infusions(56, 56, 56, 200, 56)], U),
        ([*infusions(56, 56, 56, 400), {"infusion": {"date": "2022-10-03", "status": "stopped"}}], U),
    ],
)
def test_a_second_course_follows_an_established_first_one(entries: list[Any], truth: Truth) -> None:
    found = answer_to(SECOND, entries)

    assert found.truth is truth
    assert truth is T or found.reason is Reason.COURSE_UNDECIDED


@pytest.mark.parametrize(
    "mark",
    [
        {"category": {"coding": [{"system": "urn:reluth:terms", "code": "prrt-course-second"}]}},
        {"reasonCode": [{"coding": [{"system": "urn:reluth:terms", "code": "prrt-course-second"}]}]},
    ],
)
@pytest.mark.parametrize(("status", "truth"), [("completed", U), ("not-done", T)])
def test_an_infusion_may_carry_the_mark_of_a_second_course(mark: dict[str, Any], status: str, truth: Truth) -> None:
    marked = {"resourceType": "MedicationAdministration", "status": status, "effectiveDateTime": str(START), **mark}

    assert answer_to(RULE, [*infusions(56, 56, 56), marked]).truth is truth


@pytest.mark.parametrize(("when", "truth"), [("2020-12-07", U), ("2020-12-08", T), ("2022-01-01", T)])
def test_a_lutathera_procedure_well_before_the_first_infusion_points_to_an_earlier_course(
    when: str, truth: Truth
) -> None:
    before = {
        "resourceType": "Procedure",
        "status": "completed",
        "performedDateTime": when,
        "code": {"text": "Lutathera"},
    }

    assert answer_to(RULE, [*infusions(56, 56, 56), before]).truth is truth
    assert answer_to(RULE, [*infusions(56, 56, 56), {**before, "status": "not-done"}]).truth is T
