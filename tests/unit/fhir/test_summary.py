"""In: raw resources, whole and broken. Out: whether the good are indexed completely and each fault is named without content."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.fhir import RESOURCE_TYPES, ResourceProblem, Summary, normalise_reference, summarise
from adapter.fhir.summary import person_of


def read(**body: Any) -> Summary:
    return summarise(json.dumps({"resourceType": "Observation", "id": "1", **body}).encode())


def problem_of(raw: bytes) -> ResourceProblem:
    with pytest.raises(ResourceProblem) as caught:
        summarise(raw)
    return caught.value


HEAD = b'{"resourceType":"Observation","id":"1"'


@pytest.mark.parametrize(
    ("raw", "reason", "reference"),
    [
        (b"", "not JSON: cut short or followed by other text", None),
        (b'{"resourceType":"Patient","id":"1"', "not JSON: cut short or followed by other text", None),
        (b'{"resourceType":"Patient","id":"1"} {}', "not JSON", None),
        (b'{"resourceType":"Patient","id":"1"}]', "not JSON: cut short or followed by other text", "Patient/1"),
        (b'{"resourceType":"Patient","id":"1","na', "not JSON: cut short or followed by other text", "Patient/1"),
        (
            b'{"resourceType":"Patient","id":"1","x":[{"y":"}',
            "not JSON",
            "Patient/1",
        ),
        (
            b'{"resourceType":"Patient","x":"\\",\\"id\\":\\"1","id":"12',
            "not JSON: cut short or followed by other text",
            None,
        ),
        (b"{'resourceType':'Patient'}", "not JSON", None),
        (b'\xef\xbb\xbf{"resourceType":"Patient","id":"1"}', "not JSON", None),
        (b'{"resourceType":"Patient","id":"1","x":NaN}', "not JSON", "Patient/1"),
        (b'{"resourceType":"Patient","id":"1","x":1e999}', "not JSON", "Patient/1"),
        (b'{"resourceType":"Patient","id":"1","x":' + b"9" * 5000 + b"}", "not JSON", "Patient/1"),
        (b'{"resourceType":"Patient","id":"1","x":"\\ud800"}', "not JSON", "Patient/1"),
        (b'{"resourceType":"Patient","id":"1","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "not JSON", None),
        (b'{"resourceType":"Patient","id":"1","x":"\xe9"}', "not UTF-8", "Patient/1"),
        (b'{"resourceType":["Patient"],"id":"1","x":"\xe9"}', "not UTF-8", None),
        (b'{"resourceType":"Patient","id":"a b","x":"\xe9"}', "not UTF-8", None),
        (b'["\xe9"]}', "not UTF-8", None),
        (b"[]", "not a JSON object", None),
        (b'"Patient}', "not JSON", None),
        (b"{}", "no resourceType", None),
        (b'{"resourceType":null,"id":"1"}', "no resourceType", None),
        (b'{"resourceType":["Patient"],"id":"1"}', "no resourceType", None),
        (b'{"resourceType":"Patience","id":"1"}', "unknown resource type", None),
        (b'{"resourceType":"patient","id":"1"}', "unknown resource type", None),
        (b'{"resourceType":"Patient"}', "no valid id", "Patient"),
        (b'{"resourceType":"Patient","id":1}', "no valid id", "Patient"),
        (b'{"resourceType":"Patient","id":""}', "no valid id", "Patient"),
        (b'{"resourceType":"Patient","id":"a b"}', "no valid id", "Patient"),
        (b'{"resourceType":"Patient","id":"1\\n"}', "no valid id", "Patient"),
        (b'{"resourceType":"Patient","id":"a/b"}', "no valid id", "Patient"),
        (b'{"resourceType":"Patient","id":"' + b"x" * 65 + b'"}', "no valid id", "Patient"),
    ],
)
def test_summarise_names_what_is_wrong(raw: bytes, reason: str, reference: str | None) -> None:
    problem = problem_of(raw)

    assert problem.reference == reference
    assert problem.reason == reason or (reason == "not JSON" and problem.reason.startswith("not JSON"))


@pytest.mark.parametrize(
    "rest",
    [
        b',"status":"final","status":"final"}',
        b',"status":"final","status" :"entered-in-error"}',
        b',"status":"final",\n  "status"\t:\r\n"final"}',
        b',"code":{"coding":[{"status":"x","status":"y"}]}}',
        b',"code":{"text":"a \\" b \\": c"},"status":1,"status":2}',
        b',"status":"a","st\\u0061tus":"b"}',
        b',"x":{"status":1},"y":[[{"status":1,"status":{}}]]}',
        b',"note":[{"text":"\\u0022: \\u0022:"}],"status":1,"status":2}',
    ],
)
def test_summarise_refuses_a_key_that_stands_twice(rest: bytes) -> None:
    problem = problem_of(HEAD + rest)

    assert (problem.reason, problem.reference) == ("the key status stands twice in one object", "Observation/1")


@pytest.mark.parametrize(
    "rest",
    [
        b',"code":{"text":"a\\": b"}}',
        b',"code" : {"text":"status"},"status"\n:"final"}',
        b',"code":{"text":"\\u0022:"}}',
        b',"component":[{"valueString":"x"},{"valueString":"x"}]}',
        b',"note":[{"text":"{\\"a\\":1,\\"a\\":2}"}]}',
    ],
)
def test_summarise_takes_a_key_in_two_objects_or_in_a_text(rest: bytes) -> None:
    assert summarise(HEAD + rest).reference == "Observation/1"


@pytest.mark.parametrize("key", [b"Jean Dupont", b"Dupont", b"DUPONT", b"1850478006048", b"dupontJEAN"])
def test_a_key_that_is_no_element_name_is_not_repeated(key: bytes) -> None:
    problem = problem_of(HEAD + b',"%s":1,"%s":2}' % (key, key))

    assert str(problem) == "Observation/1: the key (unnamed) stands twice in one object"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"valueQuantity": {"value": "douze"}}, "valueQuantity.value"),
        ({"valueQuantity": 12}, "valueQuantity"),
        ({"valueInteger": 1.5}, "valueInteger"),
        ({"category": None}, "category"),
        ({"code": "718-7"}, "code"),
        ({"subject": "Patient/secret"}, "subject"),
        ({"component": [{"valueString": 7}]}, "component[0].valueString"),
        ({"meta": "secret"}, "meta"),
    ],
)
def test_summarise_names_the_element_of_the_wrong_type_and_no_value(body: dict[str, Any], path: str) -> None:
    problem = problem_of(json.dumps({"resourceType": "Observation", "id": "1", **body}).encode())

    assert problem.reference == "Observation/1"
    assert f"`$.{path}`" in problem.reason
    assert "secret" not in problem.reason and "douze" not in problem.reason


def test_a_fault_in_an_element_that_nothing_reads_costs_no_record() -> None:
    assert read(bodyStructure="nonsense", device=5).reference == "Observation/1"


def test_a_number_of_thirty_digits_is_taken() -> None:
    assert summarise(HEAD + b',"valueQuantity":{"value":123456789012345678901234567890.10}}').type == "Observation"


def test_a_resource_that_product_does_not_read_is_still_indexed() -> None:
    found = summarise(b'{"resourceType":"Basic","id":"b-1","subject":{"reference":"Patient/7"},"code":{"text":"x"}}')

    assert (found.reference, found.patient, found.texts) == ("Basic/b-1", "Patient/7", ["x"])


def test_codes_are_found_wherever_they_stand() -> None:
    found = read(
        code={"coding": [{"system": "s1", "code": "a"}, {"code": "alone"}, {"system": "alone"}]},
        component=[{"valueCodeableConcept": {"coding": [{"system": "s2", "code": "b", "display": "B"}]}}],
        extension=[{"url": "u", "extension": [{"url": "v", "valueCoding": {"system": "s3", "code": "c"}}]}],
        contained=[{"resourceType": "Medication", "code": {"coding": [{"system": "s4", "code": "d"}], "text": "drug"}}],
        valueQuantity={"value": 1, "system": "s5", "code": "e"},
    )

    assert set(found.codes) == {"s1|a", "s2|b", "s3|c", "s4|d", "s5|e"}
    assert set(found.texts) == {"B", "drug"}


def test_the_questionnaire_is_a_code() -> None:
    found = summarise(b'{"resourceType":"QuestionnaireResponse","id":"1","questionnaire":"urn:q|1"}')

    assert found.codes == ["questionnaire|urn:q|1"]


def test_a_text_beside_other_elements_and_a_persons_names_are_not_indexed() -> None:
    found = read(note=[{"text": "Jean Dupont", "time": "2025"}], subject={"reference": "Patient/1", "display": "shown"})
    person = summarise(
        b'{"resourceType":"Patient","id":"1","name":[{"text":"Jean Dupont"}],"contact":[{"name":{"text":"Y"}}]}'
    )

    assert (found.texts, person.texts) == (["shown"], [])


@pytest.mark.parametrize(
    ("raw", "person"),
    [
        (
            b'{"resourceType":"Observation","id":5,"subject":{"reference":"https://h/Patient/7"},"status":[]}',
            "Patient/7",
        ),
        (b'{"subject":{"reference":"Group/7"}}', None),
        (b"[]", None),
        (b"{", None),
        (b'{"x":"\xe9"}', None),
    ],
)
def test_even_a_faulty_resource_may_tell_whose_it_is(raw: bytes, person: str | None) -> None:
    assert person_of(raw) == person


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/12", "Patient/12"),
        ("Patient/12/_history/3", "Patient/12"),
        ("https://ehr.example.org/fhir/Patient/12", "Patient/12"),
        ("https://ehr.example.org/fhir/Patient/12/_history/a.b-3", "Patient/12"),
        ("http://h/Organization/Patient/12", "Patient/12"),
        ("#m", None),
        ("urn:uuid:4f1b2c5e-0000-0000-0000-000000000000", None),
        ("Patient/", None),
        ("Patient", None),
        ("Patience/12", None),
        ("patient/12", None),
        ("Patient/12?x=1", None),
        ("Patient/12/", None),
        ("XPatient/12", None),
        ("Patient/" + "x" * 65, None),
        ("", None),
    ],
)
def test_a_reference_is_brought_to_type_and_id(text: str, expected: str | None) -> None:
    assert normalise_reference(text) == expected


@pytest.mark.parametrize(
    ("body", "patient"),
    [
        ({"subject": {"reference": "https://h/fhir/Patient/7/_history/2"}}, "Patient/7"),
        ({"patient": {"reference": "Patient/7"}}, "Patient/7"),
        ({"individual": {"reference": "Patient/7"}}, "Patient/7"),
        ({"beneficiary": {"reference": "Patient/7"}}, "Patient/7"),
        ({"subject": {"reference": "Group/7"}, "individual": {"reference": "Patient/8"}}, "Patient/8"),
        ({"subject": {"reference": "Patient/1"}, "patient": {"reference": "Patient/2"}}, "Patient/1"),
        ({"subject": {"reference": "urn:uuid:1"}}, None),
        ({"subject": {"display": "somebody"}}, None),
        ({}, None),
    ],
)
def test_the_person_is_found_by_any_of_the_elements_that_name_one(body: dict[str, Any], patient: str | None) -> None:
    found = summarise(json.dumps({"resourceType": "Basic", "id": "1", **body}).encode())

    assert found.patient == patient


def test_references_are_all_but_the_person() -> None:
    found = read(
        subject={"reference": "Patient/7"},
        encounter={"reference": "Encounter/3/_history/1"},
        hasMember=[{"reference": "Observation/2"}, {"reference": "#c"}, {"reference": "Observation/2"}],
    )

    assert sorted(found.references) == ["Encounter/3", "Observation/2"]


def test_a_patient_is_its_own_person_and_has_links() -> None:
    raw = {
        "resourceType": "Patient",
        "id": "1",
        "meta": {"versionId": "4", "lastUpdated": "2025-01-01T00:00:00Z"},
        "link": [
            {"other": {"reference": "https://h/Patient/2"}, "type": "replaced-by"},
            {"other": {"reference": "urn:uuid:1"}, "type": "seealso"},
            {"type": "refer"},
        ],
    }
    found = summarise(json.dumps(raw).encode())

    assert (found.patient, found.links) == ("Patient/1", ["replaced-by Patient/2"])
    assert (found.version, found.last_updated) == ("4", "2025-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("body", "start", "end"),
    [
        ({"effectiveDateTime": "2025-05", "issued": "2025-07-01"}, "2025-05-01", "2025-05-31"),
        ({"effectivePeriod": {"start": "2025-05-20T23:30:00Z"}}, "2025-05-21", None),
        ({"effectivePeriod": {"end": "2025-05-20"}}, None, "2025-05-20"),
        ({"effectivePeriod": {"start": 5}}, None, None),
        ({"effectiveDateTime": "gestern", "issued": "2025-07-01"}, "2025-07-01", "2025-07-01"),
        ({}, None, None),
    ],
)
def test_the_time_is_that_of_what_is_told(body: dict[str, Any], start: str | None, end: str | None) -> None:
    if body.get("effectivePeriod") == {"start": 5}:
        found = summarise(json.dumps({"resourceType": "Basic", "id": "1", **body}).encode())
    else:
        found = read(**body)

    assert (found.start, found.end) == (start, end)


def test_status_and_version_that_are_no_text_are_absent() -> None:
    found = summarise(b'{"resourceType":"Basic","id":"1","status":7}')

    assert (found.status, found.version, found.last_updated) == (None, None, None)


def test_a_problem_says_where_and_why() -> None:
    assert str(ResourceProblem("too odd")) == "resource: too odd"
    assert str(ResourceProblem("too odd", "Basic/1")) == "Basic/1: too odd"


def test_types_of_all_three_versions_are_known() -> None:
    assert {"Observation", "MedicinalProduct", "ActorDefinition", "DeviceUseStatement", "Transport"} <= RESOURCE_TYPES
