"""What an expression gives of a resource, as FHIRPath 2.0 says."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import DocumentError
from adapter.fhir.versions import FhirVersion
from tests.support.views import one

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "gender": "female",
    "birthDate": "1960-02",
    "multipleBirthInteger": 2,
    "name": [
        {"use": "official", "family": "A", "given": ["x", None, "y"]},
        {"use": "usual", "given": ["z"]},
    ],
    "contact": [{"name": {"family": "C"}, "telecom": [{"system": "phone", "value": "1"}]}, {"gender": "male"}],
    "extension": [
        {"url": "urn:a", "valueInteger": 7},
        {"url": "urn:b", "extension": [{"url": "c", "valueCoding": {"code": "k"}}]},
    ],
    "managingOrganization": {"reference": "Organization/o1"},
    "generalPractitioner": [
        {"reference": "https://h.example/fhir/Practitioner/g1/_history/3"},
        {"reference": "Organization/o2"},
        {"display": "somebody"},
        {"reference": "#inside"},
    ],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Patient.id", "p1"),
        ("$this.gender", "female"),
        ("%resource.gender", "female"),
        ("name.first().family", "A"),
        ("name[1].use", "usual"),
        ("name[2].use", None),
        ("gender[0]", "female"),
        ("gender[1]", None),
        ("gender.first()", "female"),
        ("gender.last()", "female"),
        ("'12'", "12"),
        ("name.given.last()", "z"),
        ("name.given[1]", "y"),
        ("name.where(use = 'usual').given.first()", "z"),
        ("name.where(use = 'maiden').given.first()", None),
        ("contact.name.family.first()", "C"),
        ("contact.where(telecom.exists(system = 'phone')).name.family.first()", "C"),
        ("gender.where($this = 'female')", "female"),
        ("gender.where($this = 'male')", None),
        ("where(active).gender", "female"),
        ("where(active.not()).gender", None),
        ("where(active).where(gender = 'male').gender", None),
        ("managingOrganization.where(reference.exists()).reference", "Organization/o1"),
        ("name.given.join('+')", "x+y+z"),
        ("gender.join()", "female"),
        ("contact.gender.join(',')", "male"),
        ("gender + '/' + id", "female/p1"),
        ("gender + maritalStatus.text", None),
        ("gender & maritalStatus.text", "female"),
        ("gender.upper()", "FEMALE"),
        ("gender.upper().lower()", "female"),
        ("gender.substring(2)", "male"),
        ("gender.substring(0, 2)", "fe"),
        ("gender.replace('fe', '')", "male"),
        ("{}", None),
        ("'it\\'s'", "it's"),
        ("managingOrganization.getReferenceKey()", "o1"),
        ("managingOrganization.getReferenceKey(Organization)", "o1"),
        ("managingOrganization.getReferenceKey(Patient)", None),
        ("generalPractitioner.getReferenceKey(Practitioner).first()", "g1"),
        ("generalPractitioner.getReferenceKey().join(' ')", "g1 o2"),
        ("getResourceKey()", "p1"),
        ("extension('urn:b').extension('c').value.ofType(Coding).code.first()", "k"),
        ("extension('urn:none').value.ofType(code).first()", None),
        ("(extension.value as Coding).code.first()", None),
    ],
)
def test_path_gives_a_text(path: str, expected: str | None) -> None:
    assert one(PATIENT, path, "string") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("active", True),
        ("active.not()", False),
        ("deceased.ofType(boolean).not()", None),
        ("deceased.exists()", False),
        ("multipleBirth.exists()", True),
        ("multipleBirth.empty()", False),
        ("extension.value.exists()", True),
        ("name.exists()", True),
        ("name.where(family = 'Z').exists()", False),
        ("name.exists(family = 'A')", True),
        ("photo.exists()", False),
        ("photo.empty()", True),
        ("gender.hasValue()", True),
        ("name.all(given.exists())", True),
        ("name.all(family.exists())", False),
        ("photo.all(url.exists())", True),
        ("exists()", True),
        ("where(active.not()).exists()", False),
        ("gender = 'female'", True),
        ("gender != 'female'", False),
        ("maritalStatus.text = 'x'", None),
        ("name.family = 'A'", True),
        ("name.use = 'official'", False),
        ("'official' = name.use", False),
        ("name.family != 'A'", False),
        ("name.use = name.use", True),
        ("name.use = contact.gender", False),
        ("name.given = name.use", False),
        ("photo.url = 'x'", None),
        ("gender > 'f'", True),
        ("multipleBirth.ofType(integer) > 1", True),
        ("multipleBirth.ofType(integer) <= 1.5", False),
        ("multipleBirth.ofType(integer) = 2.0", True),
        ("-multipleBirth.ofType(integer) < 0", True),
        ("-1 < 0", True),
        ("active and {}", None),
        ("active or {}", True),
        ("active.not() and {}", False),
        ("active xor true", False),
        ("active xor {}", None),
        ("active implies false", False),
        ("{} implies true", True),
        ("deceased.ofType(boolean) implies true", True),
        ("gender.startsWith('fe')", True),
        ("gender.endsWith('x')", False),
        ("gender.contains('mal')", True),
        ("gender.matches('^f.m')", True),
        ("managingOrganization is Reference", True),
        ("multipleBirth is boolean", False),
    ],
)
def test_path_gives_a_truth(path: str, expected: bool | None) -> None:
    if "{}" in path:  # an empty text is no truth: an empty boolean is
        path = path.replace("{}", "deceased.ofType(boolean)")
    assert one(PATIENT, path, "boolean") is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.count()", 2),
        ("photo.count()", 0),
        ("gender.count()", 1),
        ("gender.length()", 6),
        ("multipleBirth.ofType(integer)", 2),
        ("extension('urn:a').value.ofType(integer).first()", 7),
        ("%rowIndex", 0),
    ],
)
def test_path_gives_a_whole_number(path: str, expected: int) -> None:
    assert one(PATIENT, path, "integer") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("multipleBirth.ofType(integer) + 1", "3"),
        ("multipleBirth.ofType(integer) - 0.5", "1.5"),
        ("multipleBirth.ofType(integer) * 0.1", "0.2"),
        ("multipleBirth.ofType(integer) / 4", "0.5"),
        ("multipleBirth.ofType(integer) / 0", None),
        ("multipleBirth.ofType(integer)", "2"),
        ("10 + 0", "10"),
    ],
)
def test_path_reckons_exactly(path: str, expected: str | None) -> None:
    assert one(PATIENT, path, "decimal") == expected


@pytest.mark.parametrize(
    ("left", "sign", "right", "expected"),
    [
        ("1960-02", "=", "@1960-02", True),
        ("1960-02", "=", "@1960", None),
        ("1960-02", "<", "@1961", True),
        ("1960-02", ">", "@1960-02-03", None),
        ("1960-02", "!=", "@1961-02-03", True),
        ("1960-02-03", "<=", "@1960-02-03", True),
        ("1960-02-03", ">=", "@1960-02-03T10:00:00Z", None),
        ("1960-02-03", "<", "@1960-02-04T10:00:00Z", True),
    ],
)
def test_dates_are_compared_as_far_as_both_go(left: str, sign: str, right: str, expected: bool | None) -> None:
    assert one({**PATIENT, "birthDate": left}, f"birthDate {sign} {right}", "boolean") is expected


@pytest.mark.parametrize(
    ("sign", "expected"),
    [("=", True), ("<", False), (">=", True), ("!=", False)],
)
def test_moments_are_compared_across_time_zones(sign: str, expected: bool) -> None:
    patient = {**PATIENT, "deceasedDateTime": "2024-01-01T00:30:00+01:00"}

    assert one(patient, f"deceased.ofType(dateTime) {sign} @2023-12-31T23:30:00Z", "boolean") is expected


def test_moment_without_a_zone_is_taken_for_universal_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    patient = {**PATIENT, "deceasedDateTime": "2024-01-01T00:30:00"}

    assert one(patient, "deceased.ofType(dateTime) = @2024-01-01T00:30:00Z", "boolean") is True


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("1960", "1960-01-01", "1960-12-31"),
        ("1960-02", "1960-02-01", "1960-02-29"),
        ("1900-02", "1900-02-01", "1900-02-28"),
        ("2000-02", "2000-02-01", "2000-02-29"),
        ("1961-04", "1961-04-01", "1961-04-30"),
        ("1961-12-24", "1961-12-24", "1961-12-24"),
    ],
)
def test_boundaries_of_a_date_are_its_first_and_last_day(written: str, low: str, high: str) -> None:
    patient = {**PATIENT, "birthDate": written}

    assert one(patient, "birthDate.lowBoundary()", "date") == low
    assert one(patient, "birthDate.highBoundary()", "date") == high


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("2010-10", "2010-10-01T00:00:00.000+14:00", "2010-10-31T23:59:59.999-12:00"),
        ("2010-10-10T10:20", "2010-10-10T10:20:00.000+14:00", "2010-10-10T10:20:59.999-12:00"),
        ("2010-10-10T10:20:30Z", "2010-10-10T10:20:30.000Z", "2010-10-10T10:20:30.999Z"),
        ("2010-10-10T10:20:30.5+02:00", "2010-10-10T10:20:30.5+02:00", "2010-10-10T10:20:30.5+02:00"),
    ],
)
def test_boundaries_of_a_moment_keep_its_zone(written: str, low: str, high: str) -> None:
    patient = {**PATIENT, "deceasedDateTime": written}

    assert one(patient, "deceased.ofType(dateTime).lowBoundary()", "dateTime") == low
    assert one(patient, "deceased.ofType(dateTime).highBoundary()", "dateTime") == high


@pytest.mark.parametrize(("written", "low", "high"), [("1.50", "1.495", "1.505"), ("2", "1.5", "2.5")])
def test_boundaries_of_a_number_are_half_of_its_last_digit_away(written: str, low: str, high: str) -> None:
    observation = {"resourceType": "Observation", "valueQuantity": {"value": written}}

    assert one(observation, "value.ofType(Quantity).value.lowBoundary()", "decimal") == low
    assert one(observation, "value.ofType(Quantity).value.highBoundary()", "decimal") == high


def test_contained_resource_is_read_as_its_type() -> None:
    given = {
        "resourceType": "MedicationAdministration",
        "contained": [
            {"resourceType": "Organization", "name": "Maker"},
            {"resourceType": "Medication", "code": {"coding": [{"code": "V10XX04"}]}},
        ],
    }

    assert one(given, "contained.ofType(Medication).code.coding.code.first()", "code") == "V10XX04"
    assert one(given, "contained.ofType(Organization).name.first()", "string") == "Maker"


def test_elements_are_those_of_the_version() -> None:
    given = {"resourceType": "MedicationAdministration", "occurenceDateTime": "2024-01-01"}

    assert one(given, "occurence.ofType(dateTime)", "dateTime", version=FhirVersion.R5) == "2024-01-01"
    with pytest.raises(DocumentError, match="MedicationAdministration has no element occurence in FHIR R4"):
        one(given, "occurence.ofType(dateTime)", "dateTime")


def test_element_that_fhir_lacks_is_never_there_where_that_is_asked_for() -> None:
    assert one(PATIENT, "shoeSize.value.where(x = 'y').ofType(string)", "string", strict=False) is None
    assert one(PATIENT, "shoeSize.exists()", "boolean", strict=False) is False


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("shoeSize", "Patient has no element shoeSize in FHIR R4"),
        ("gender.code", "code has no element code in FHIR R4"),
        ("gender.upper().code", "string has no element code"),
        ("multipleBirth", r"say which type is meant: ofType\(\.\.\.\)"),
        ("multipleBirth.code", r"say which type is meant: ofType\(\.\.\.\)\.code"),
        ("multipleBirth.first()", r"say which type is meant: ofType\(\.\.\.\)\.first\(\)"),
        ("multipleBirthInteger", r"write multipleBirth\.ofType\(integer\) for multipleBirthInteger"),
        ("multipleBirth.ofType(string)", r"multipleBirth\[x\] is never string: it is one of boolean, integer"),
        ("gender.ofType(boolean)", "code is never boolean"),
        ("ofType(Patient, x)", "takes one type"),
        ("contained.ofType(Medication).shoe", "Medication has no element shoe"),
        ("gender.contains(id)", "takes values that are known"),
        ("gender.ofType('code')", "expected the name of a type"),
        ("name", "a column holds a primitive type, not HumanName"),
        ("$this", "a column holds a primitive type, not Patient"),
        ("name.given.upper()", r"upper\(\) needs a single text"),
        ("gender.startsWith(id)", "takes values that are known"),
        ("gender.where(true, false)", r"where\(\) takes other arguments"),
        ("name.where(family).use", "expected a truth, found string"),
        ("name.given and active", "expected a truth, found a list of string"),
        ("name[id].use", "an index must be a whole number"),
        ("gender.reverse()", r"the function reverse\(\) is not known here"),
        ("gender ~ id", "expected its end, found ~"),
        ("gender | id", r"the operator \| is not known here"),
        ("name = name", "HumanName cannot be compared"),
        ("gender = active", "code and boolean cannot be compared"),
        ("name.given > 'a'", "> needs single values"),
        ("gender * 2", "expected a number, found code"),
        ("gender + 2", "expected a number, found code"),
        ("name.given + 'a'", r"\+ needs single values"),
        ("name.given & 'a'", "& needs single texts"),
        ("name.count().join()", r"join\(\) joins texts"),
        ("name.getResourceKey()", r"getResourceKey\(\) is a key of the resource itself"),
        ("name.getReferenceKey()", r"getReferenceKey\(\) is of a Reference, not of HumanName"),
        ("managingOrganization.getReferenceKey(Person2)", "Person2 is not a type of resource"),
        ("gender.lowBoundary()", "code has no boundary"),
        ("name.given.lowBoundary()", "a boundary is of a single value"),
        ("%missing", "the view has no constant missing"),
    ],
)
def test_path_that_cannot_be_meant_is_refused(path: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem) as caught:
        one(PATIENT, path, "string")

    assert caught.value.pointer == "/select/0/column/0/path"


def test_type_of_a_column_must_be_a_primitive_one() -> None:
    with pytest.raises(DocumentError, match="HumanName is not a primitive type"):
        one(PATIENT, "gender", "HumanName")


def test_constants_are_quoted() -> None:
    words = 'it\'s; DROP TABLE \\ "x" %'
    constants = [{"name": "words", "valueString": words}]

    assert one({**PATIENT, "gender": words}, "gender = %words", "boolean", constants=constants) is True


def test_constant_must_be_of_its_type() -> None:
    with pytest.raises(DocumentError, match="the value is not boolean") as caught:
        one(PATIENT, "gender", constants=[{"name": "c", "valueBoolean": "yes"}])

    assert caught.value.pointer == "/constant/0"
