"""In: the raw resources of one person. Out: whether they become a record, faulty ones named, references followed."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir import ALWAYS, PatientRecord, needed_references, parse_when, when_of
from adapter.fhir.resources import Condition, MedicationAdministration, Observation, Procedure, decode


def raw(resource_type: str, identity: str = "1", **body: Any) -> bytes:
    return json.dumps({"resourceType": resource_type, "id": identity, **body}).encode()


def test_numbers_keep_their_digits() -> None:
    text = b'{"resourceType":"Observation","id":"1","valueQuantity":{"value":1.10}}'
    found = decode("Observation", text)

    assert isinstance(found, Observation)
    assert found.value_quantity is not None
    assert str(found.value_quantity.value) == "1.10"


def test_a_long_number_is_not_a_float() -> None:
    text = b'{"resourceType":"Observation","id":"1","valueQuantity":{"value":0.1000000000000000055511151231257827}}'
    found = decode("Observation", text)

    assert isinstance(found, Observation) and found.value_quantity is not None
    assert found.value_quantity.value == Decimal("0.1000000000000000055511151231257827")


def test_a_type_that_nothing_reads_is_decoded_to_its_head() -> None:
    found = decode("Encounter", raw("Encounter", "e-1", status=["odd"]))

    assert found.reference == "Encounter/e-1"


def test_a_record_orders_by_id_whatever_the_feed_does() -> None:
    resources = [raw("Observation", "b"), raw("Observation", "a"), raw("Condition", "z")]
    one, other = PatientRecord.read("Patient/1", resources), PatientRecord.read("Patient/1", resources[::-1])

    assert one == other
    assert [item.id for item in one.observations] == ["a", "b"]


def test_a_record_puts_the_surviving_identity_first() -> None:
    found = PatientRecord.read(
        "Patient/2", [raw("Patient", "1"), raw("Patient", "3"), raw("Patient", "2")], merged=("Patient/3", "Patient/1")
    )

    assert [item.id for item in found.identities] == ["2", "1", "3"]
    assert found.merged == ("Patient/1", "Patient/3")


def test_a_record_names_what_it_cannot_read_and_keeps_the_rest() -> None:
    found = PatientRecord.read(
        "Patient/1",
        [raw("Observation", "bad", valueInteger="x"), raw("Observation", "good"), b"{", b"[]"],
        shared={"Medication/m": raw("Medication", "m", code="x"), "ResearchStudy/s": raw("ResearchStudy", "s")},
    )

    assert found.unreadable == ("(unreadable)", "(unreadable)", "Medication/m", "Observation/bad")
    assert [(item.id, when_of(item) == ALWAYS) for item in found.observations] == [("bad", True), ("good", True)]
    assert [item.value_codeable_concept is None for item in found.observations] == [False, True]
    assert set(found.shared) == {"Medication/m", "ResearchStudy/s"}
    assert found.unread == {"Medication/m", "Observation/bad"}


@pytest.mark.parametrize(
    "body",
    [
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {"component": [{"code": {"text": "x"}, "modifierExtension": [{"url": "urn:x"}]}]},
    ],
)
def test_what_a_modifier_may_turn_round_is_not_read(body: dict[str, Any]) -> None:
    result = {"valueInteger": 1, "effectiveDateTime": "2025-05-20", **body}
    (found,) = PatientRecord.read("Patient/1", [raw("Observation", "o", **result)]).observations

    assert (found.value_integer, found.value_codeable_concept is None, when_of(found) == ALWAYS) == (None, False, True)
    assert PatientRecord.read("Patient/1", [raw("Observation", "o", **result)]).unreadable == ("Observation/o",)


def test_who_a_person_is_stays_known_beside_a_modifier_and_an_empty_one_says_nothing() -> None:
    modifier = [{"url": "urn:x", "valueBoolean": True}]
    found = PatientRecord.read(
        "Patient/1",
        [
            raw("Patient", "1", modifierExtension=modifier),
            raw("Observation", "o", valueInteger=1, modifierExtension=[]),
        ],
    )

    assert (found.unreadable, len(found.identities), found.observations[0].value_integer) == ((), 1, 1)


def test_a_faulty_panel_stands_in_the_record_with_each_of_its_results() -> None:
    parts = [{"code": {"text": "Hb"}, "valueInteger": 7}, {"code": {"text": "PLT"}, "valueInteger": "x"}, "odd"]
    (found,) = PatientRecord.read("Patient/1", [raw("Observation", "o", component=parts)]).observations

    assert [item.code.text for item in found.component] == ["Hb", "PLT"]
    assert all(item.value_integer is None and item.value_codeable_concept is not None for item in found.component)


def test_a_record_leaves_out_types_that_nothing_reads() -> None:
    found = PatientRecord.read("Patient/1", [raw("Claim", "1", item="odd")])

    assert (found.unreadable, found.of_type("Claim")) == ((), ())


def test_a_record_gives_each_type() -> None:
    names = [
        "Procedure",
        "QuestionnaireResponse",
        "ResearchSubject",
        "MedicationAdministration",
        "Condition",
        "ImagingStudy",
    ]
    found = PatientRecord.read("Patient/1", [raw(name) for name in names])

    assert [len(items) for items in (found.procedures, found.responses, found.subjects, found.administrations)] == [
        1
    ] * 4
    assert [item.reference for item in found.of_type("ImagingStudy")] == ["ImagingStudy/1"]


def administration(**body: Any) -> MedicationAdministration:
    found = decode("MedicationAdministration", raw("MedicationAdministration", **body))
    assert isinstance(found, MedicationAdministration)
    return found


CONTAINED = [
    {"resourceType": "Organization", "id": "m"},
    "odd",
    {"resourceType": "Medication", "id": "m", "batch": {"lotNumber": "L1"}},
]


@pytest.mark.parametrize(
    ("body", "lot"),
    [
        ({"medicationReference": {"reference": "#m"}, "contained": CONTAINED}, "L1"),
        ({"medicationReference": {"reference": "#n"}, "contained": CONTAINED}, None),
        ({"medicationReference": {"reference": "https://h/fhir/Medication/s/_history/2"}}, "L2"),
        ({"medication": {"reference": {"reference": "Medication/s"}}}, "L2"),
        ({"medication": {"concept": {"text": "x"}}}, None),
        ({"medicationReference": {"reference": "Medication/other"}}, None),
        ({"medicationReference": {"display": "Lutathera"}}, None),
        ({}, None),
    ],
)
def test_a_medication_is_found_contained_or_shared(body: dict[str, Any], lot: str | None) -> None:
    shared = {"Medication/s": raw("Medication", "s", batch={"lotNumber": "L2"})}
    found = PatientRecord.read("Patient/1", [], shared=shared).medication(administration(**body))

    assert (found.batch.lot_number if found and found.batch else None) == lot


def test_a_shared_resource_of_another_type_is_no_medication() -> None:
    record = PatientRecord.read("Patient/1", [], shared={"Medication/s": raw("Medication", "s")})
    odd = PatientRecord("Patient/1", shared={"Medication/s": decode("ResearchStudy", raw("ResearchStudy", "s"))})
    asked = administration(medicationReference={"reference": "Medication/s"})

    assert record.medication(asked) is not None
    assert odd.medication(asked) is None


def test_a_study_is_found_when_it_is_known() -> None:
    subjects = [
        raw("ResearchSubject", "a", study={"reference": "ResearchStudy/s"}),
        raw("ResearchSubject", "b", study={"reference": "ResearchStudy/other"}),
        raw("ResearchSubject", "c", study={"display": "x"}),
        raw("ResearchSubject", "d"),
    ]
    record = PatientRecord.read("Patient/1", subjects, shared={"ResearchStudy/s": raw("ResearchStudy", "s")})

    assert [record.study(item) is not None for item in record.subjects] == [True, False, False, False]


def test_needed_references_are_what_a_record_hangs_on() -> None:
    resources = [
        raw("MedicationAdministration", medicationReference={"reference": "Medication/a"}),
        raw("MedicationAdministration", medicationReference={"reference": "https://h/Medication/b/_history/1"}),
        raw("MedicationAdministration", medication={"reference": {"reference": "Medication/c"}}),
        raw("ResearchSubject", study={"reference": "ResearchStudy/d"}),
        raw("MedicationAdministration", medicationReference={"reference": "#Medication/x"}),
        raw("MedicationAdministration", medicationReference={"reference": 5, "x": "Medication/x"}),
        raw("Observation", device={"reference": "Medication/x"}),
        raw("Observation", note=[{"text": "x"}]),
        b'{"medicationReference": {"reference": "Medication/broken"',
        b'{"study": "ResearchStudy/odd"}',
    ]

    assert needed_references(resources) == {"Medication/a", "Medication/b", "Medication/c", "ResearchStudy/d"}


@pytest.mark.parametrize(
    ("resource_type", "body", "text"),
    [
        ("Observation", {"effectiveDateTime": "2025-05"}, "2025-05-01..2025-05-31"),
        ("Observation", {"effectiveInstant": "2025-05-20T10:00:00Z"}, "2025-05-20"),
        ("Observation", {"effectivePeriod": {"start": "2025-05-19", "end": "2025-05-20"}}, "2025-05-19..2025-05-20"),
        ("Observation", {"issued": "2025-05-20T10:00:00Z"}, "..2025-05-20"),
        ("Observation", {"effectiveDateTime": "gestern", "issued": "2025-05-20T10:00:00Z"}, None),
        ("Observation", {"issued": "gestern"}, None),
        ("Observation", {}, None),
        ("Condition", {"onsetDateTime": "2020"}, "2020-01-01..2020-12-31"),
        ("Condition", {"onsetPeriod": {"start": "2020-01-01"}}, "2020-01-01.."),
        ("Condition", {"recordedDate": "2020-01-01"}, "..2020-01-01"),
        ("Condition", {"onsetString": "childhood"}, None),
        ("MedicationAdministration", {"effectiveDateTime": "2022-01-10"}, "2022-01-10"),
        ("MedicationAdministration", {"effectivePeriod": {"start": "2022-01-10", "end": "2022-01-10"}}, "2022-01-10"),
        ("MedicationAdministration", {"occurenceDateTime": "2022-01-10"}, "2022-01-10"),
        ("MedicationAdministration", {"occurencePeriod": {"end": "2022-01-10"}}, "..2022-01-10"),
        ("MedicationAdministration", {}, None),
        ("Procedure", {"performedDateTime": "2022-01-10"}, "2022-01-10"),
        ("Procedure", {"performedPeriod": {"start": "2022", "end": "2022"}}, "2022-01-01..2022-12-31"),
        ("Procedure", {"occurrenceDateTime": "2022-01-10"}, "2022-01-10"),
        ("Procedure", {"occurrencePeriod": {"start": "2022-01-10"}}, "2022-01-10.."),
        ("Procedure", {}, None),
        ("QuestionnaireResponse", {"authored": "2025-05-20"}, "2025-05-20"),
        ("QuestionnaireResponse", {"authored": "gestern"}, None),
        ("Patient", {"birthDate": "1960"}, None),
    ],
)
def test_a_resource_is_dated_by_what_it_tells(resource_type: str, body: dict[str, Any], text: str | None) -> None:
    assert when_of(decode(resource_type, raw(resource_type, **body))).text() == text


def test_an_upper_bound_is_no_date() -> None:
    found = when_of(decode("Condition", raw("Condition", recordedDate="2020-01-01")))

    assert not found.is_bounded
    assert found.latest == date(2020, 1, 1)


def test_since_keeps_the_patient_and_what_is_surely_later() -> None:
    resources = [
        raw("Patient"),
        raw("Observation", "before", effectiveDateTime="2025-05-19"),
        raw("Observation", "same", effectiveDateTime="2025-05-20"),
        raw("Observation", "vague", effectiveDateTime="2025-05"),
        raw("Observation", "after", effectiveDateTime="2025-05-21"),
        raw("Observation", "undated"),
        raw("Condition", "recorded", recordedDate="2025-06-01"),
        raw("Condition", "begun", onsetDateTime="2025-06-01"),
        raw("Procedure", "done", performedDateTime="2025-06-01"),
    ]
    moment = parse_when("2025-05-20")
    assert moment is not None
    found = PatientRecord.read("Patient/1", resources, merged=("Patient/0",)).since(moment)

    assert [item.id for item in found.observations] == ["after"]
    # Nothing says that what has no onset was so before it was recorded.
    assert [item.id for item in found.conditions] == ["begun", "recorded"]
    assert [item.id for item in found.procedures] == ["done"]
    assert (len(found.identities), found.merged) == (1, ("Patient/0",))


def test_since_always_keeps_nothing_dated() -> None:
    record = PatientRecord.read("Patient/1", [raw("Observation", effectiveDateTime="2025-05-20")])

    assert record.since(ALWAYS).observations == ()


def test_resources_tell_their_own_reference() -> None:
    kinds = [Condition, Procedure]

    assert [kind(resource_type=kind.__name__, id="7").reference for kind in kinds] == ["Condition/7", "Procedure/7"]


def test_until_leaves_out_what_is_surely_later() -> None:
    resources = [
        raw("Patient"),
        raw("Observation", "now", effectiveDateTime="2025-05-20T23:00:00+02:00"),
        raw("Observation", "vague", effectiveDateTime="2025-05"),
        raw("Observation", "later", effectiveDateTime="2025-05-21"),
        raw("Condition", "recorded", recordedDate="2025-05-20"),
        raw("Condition", "recorded-later", recordedDate="2025-05-21"),
        raw("Condition", "begun", onsetDateTime="2025-05-01", recordedDate="2025-06-01"),
        raw("Condition", "undated"),
    ]
    found = PatientRecord.read("Patient/1", resources).until(date(2025, 5, 20))

    assert [item.id for item in found.observations] == ["now", "vague"]
    assert [item.id for item in found.conditions] == ["begun", "recorded", "undated"]
    assert len(found.identities) == 1


def test_a_faulty_resource_that_was_put_aside_stands_in_the_record_without_time_or_value() -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    held_back = [
        raw("Observation", "o", code=code, effectiveDateTime=5, valueQuantity="x"),
        raw("Observation", "p", code="odd"),
        raw("MedicationAdministration", "m", medicationCodeableConcept=code, status=5),
        raw("Condition", "c", code=code, onsetDateTime=[]),
        raw("Procedure", "q", code=code, status=5),
        raw("AllergyIntolerance", "a", code=code, reaction=5),
        raw("ResearchSubject", "s", study=5),
        raw("Encounter", "e"),
        raw("Observation", "n").replace(b'"n"', b"5"),
        b"[]",
        b"{",
    ]
    found = PatientRecord.read("Patient/1", [], held_back=held_back)

    assert [item.id for item in (*found.observations, *found.administrations, *found.conditions)] == [
        "o",
        "p",
        "m",
        "c",
    ]
    assert {when_of(item) for item in (*found.observations, *found.administrations, *found.conditions)} == {ALWAYS}
    assert [len(item.code.coding) for item in found.observations] == [1, 0]
    assert [(item.id, item.status) for item in found.procedures] == [("q", None)]
    assert [(item.id, item.status) for item in found.subjects] == [("s", "candidate")]
    assert [item.id for item in found.of_type("AllergyIntolerance")] == ["a"]
    assert (found.of_type("Encounter"), found.unreadable) == ((), ())


@pytest.mark.parametrize(
    "fault", [b'"Z\xe9"', b'"cut \\ud83d"', b"1e999", b"9" * 5000, b"NaN", b'"a\x00b"'], ids=range(6)
)
def test_a_fault_that_spoils_all_of_a_resource_leaves_its_code(fault: bytes) -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    spoiled = raw("Observation", "o", code=code)[:-1] + b',"note":' + fault + b"}"

    found = PatientRecord.read("Patient/1", [], held_back=[spoiled])

    assert [(item.id, when_of(item), item.code.coding[0].code) for item in found.observations] == [
        ("o", ALWAYS, "718-7")
    ]


def test_a_resource_is_read_wherever_its_type_stands() -> None:
    first = b' {\n "resourceType" : "Observation", "id": "1", "status": "final"}'
    last = b'{"id": "2", "status": "final", "resourceType": "Observation"}'
    unread = b'{"resourceType": "Basic", "id": "3"}'
    faulty = b'{"resourceType": "Observation", "id": 4}'

    found = PatientRecord.read("Patient/1", [first, last, unread, faulty])

    assert [item.id for item in found.observations] == ["1", "2"]
    assert found.of_type("Basic") == ()
    assert len(found.unreadable) == 1


def test_a_type_that_is_written_twice_is_the_last_one() -> None:
    twice = b'{"resourceType": "Observation", "id": "1", "resourceType": "Procedure"}'

    found = PatientRecord.read("Patient/1", [twice])

    assert [item.id for item in found.procedures] == ["1"]
    assert found.observations == ()
