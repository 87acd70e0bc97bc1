"""In: resources and dates that say two things, or nothing, in a hidden way. Out: whether each is refused, and its harmless likeness read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.fhir import PatientRecord, ResourceProblem, parse_when, summarise


def note(text: str, more: str = "") -> bytes:
    return (
        '{"resourceType":"Observation","id":"1","status":"entered-in-error"' + more + f',"note":[{{"text":"{text}"}}]}}'
    ).encode()


# Each, unescaped, holds the two characters by which the keys of an object are counted.
ESCAPED = [r"\"\u003a", r"\"\u003A", r"\u0022:", r"\u0022\u003a"]


@pytest.mark.parametrize("text", ESCAPED)
def test_an_escape_in_a_text_does_not_hide_a_key_that_stands_twice(text: str) -> None:
    with pytest.raises(ResourceProblem, match="the key status stands twice") as caught:
        summarise(note(text, ',"status":"final"'))

    assert caught.value.reference == "Observation/1"


@pytest.mark.parametrize("text", [*ESCAPED, r"\u003a", r"\":"])
def test_an_escape_in_a_text_is_no_key(text: str) -> None:
    assert summarise(note(text)).id == "1"


@pytest.mark.parametrize(
    "text",
    [
        "2025-05-20T10:00:00+99:99",
        "2025-05-20T10:00:00+15:00",
        "2025-05-20T10:00:00-15:00",
        "2025-05-20T10:00:00+02:60",
        "2025-05-20T10:00:61Z",
        "2025-05-20T10:00:99Z",
    ],
)
def test_a_time_that_no_clock_shows_is_no_date(text: str) -> None:
    assert parse_when(text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-05-20T10:00:00+14:00", "2025-05-19"),
        ("2025-05-20T20:00:00-12:00", "2025-05-21"),
        ("2025-05-20T10:00:00+05:45", "2025-05-20"),
        ("2025-05-20T10:00:60Z", "2025-05-20"),
    ],
)
def test_a_time_in_the_farthest_zones_and_a_leap_second_are_dates(text: str, day: str) -> None:
    when = parse_when(text)

    assert when is not None
    assert str(when.earliest) == str(when.latest) == day


def administration(*contained: dict[str, Any]) -> bytes:
    body = {
        "resourceType": "MedicationAdministration",
        "id": "1",
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2022-01-10",
        "contained": contained,
        "medicationReference": {"reference": "#m"},
    }
    return json.dumps(body).encode()


MEDICATION = {"resourceType": "Medication", "id": "m", "code": {"text": "Lutathera"}}
FAULTY = {**MEDICATION, "code": "x"}


@pytest.mark.parametrize("contained", [[FAULTY], [{**FAULTY, "id": "other"}, MEDICATION], [MEDICATION, FAULTY]])
def test_a_faulty_medication_inside_an_administration_is_named_on_arrival(contained: list[dict[str, Any]]) -> None:
    with pytest.raises(ResourceProblem) as caught:
        summarise(administration(*contained))

    assert caught.value.reference == "MedicationAdministration/1"


@pytest.mark.parametrize(
    "contained", [[MEDICATION], [MEDICATION, {"resourceType": "Organization", "id": "o", "code": "x"}]]
)
def test_a_sound_medication_inside_an_administration_is_read(contained: list[dict[str, Any]]) -> None:
    raw = administration(*contained)
    record = PatientRecord.read("Patient/1", [raw])
    (given,) = record.administrations
    medication = record.medication(given)

    assert summarise(raw).id == "1"
    assert medication is not None
    assert medication.code is not None
    assert medication.code.text == "Lutathera"


def test_a_faulty_medication_costs_its_administration_and_no_neighbour() -> None:
    patient = b'{"resourceType":"Patient","id":"1"}'
    sound = administration(MEDICATION).replace(b'"id": "1"', b'"id": "2"', 1)
    record = PatientRecord.read("Patient/1", [patient, administration(FAULTY), sound])

    assert record.unreadable == ("MedicationAdministration/1",)
    # What cannot be read stands in the record without content: it must not be taken for absent.
    assert [(item.id, item.status) for item in record.administrations] == [("1", None), ("2", "completed")]
