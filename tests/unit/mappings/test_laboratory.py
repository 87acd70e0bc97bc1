"""In: laboratory results and Observations of R4, R4B and R5. Out: whether each becomes the other, and what is refused by its element."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from adapter.criteria import Truth
from adapter.fhir import FhirVersion, Json
from adapter.fhir.validation import problems
from mappings.entities import Coding, LabResult, LabStatus
from mappings.foreign import MappingError
from mappings.laboratory import OWNED, from_fhir, to_fhir
from mappings.updating import carry_over
from tests.support.entity_laboratory import full_result, lab_results, mutations, sample_results, sent
from tests.unit.criteria.making import answer_to

EXAMPLES = Path(__file__).parent / "examples"
STEADY = settings(derandomize=True, max_examples=150, deadline=None)
EVERY_VERSION = pytest.mark.parametrize("version", FhirVersion)


def observation(**more: Any) -> Json:
    """A plain Observation; an element that is None is left out."""
    plain = to_fhir(sample_results()[1])
    return {key: value for key, value in {**plain, **more}.items() if value is not None}


def refusal(resource: Any) -> MappingError:
    with pytest.raises(MappingError) as refused:
        from_fhir(resource)
    return refused.value


# --- both ways -----------------------------------------------------------------------------------------------------


@STEADY
@given(entity=lab_results())
def test_every_result_comes_back_as_it_went(entity: LabResult) -> None:
    for version in FhirVersion:
        back = from_fhir(sent(to_fhir(entity, version=version)))

        assert back == entity
        # 7400 equals 7400.0, but was not what the laboratory told.
        assert repr(back) == repr(entity)


@EVERY_VERSION
@pytest.mark.parametrize("number", range(len(sample_results())))
def test_every_kind_of_result_is_an_observation_of_the_version(version: FhirVersion, number: int) -> None:
    entity = sample_results()[number]
    resource = to_fhir(entity, version=version)

    assert problems(resource, version) == []
    assert from_fhir(sent(resource)) == entity


def test_a_unit_without_a_code_is_told_as_text_alone() -> None:
    (entity,) = (one for one in sample_results() if one.unit_text == "Ery/champ")
    resource = to_fhir(entity)

    assert resource["valueQuantity"] == {"value": Decimal("12.10"), "unit": "Ery/champ"}
    assert resource["referenceRange"] == [
        {"low": {"value": Decimal(0), "unit": "Ery/champ"}, "high": {"value": Decimal(3), "unit": "Ery/champ"}}
    ]


@pytest.mark.parametrize("version", [FhirVersion.R4, FhirVersion.R5])
def test_a_result_reads_as_the_example_shows(version: FhirVersion) -> None:
    rendered = msgspec.json.Encoder(decimal_format="number").encode(to_fhir(full_result(), version=version))

    example = EXAMPLES / f"laboratory-{version.name.lower()}.json"
    assert msgspec.json.format(rendered, indent=2).decode() == example.read_text(encoding="utf-8").rstrip("\n")


def test_all_elements_that_are_written_are_owned() -> None:
    always = {"resourceType", "extension"}
    for version in FhirVersion:
        written = {name for one in sample_results() for name in to_fhir(one, version=version)}

        assert written - always <= OWNED[version]["Observation"]


def test_the_pseudonym_is_not_among_the_numbers_of_the_patient() -> None:
    resource = to_fhir(full_result())

    assert resource["subject"] == {
        "type": "Patient",
        "identifier": {"system": "https://hopital.example/ipp", "value": "0800147"},
    }


# --- what a server gives back --------------------------------------------------------------------------------------


def as_a_server_has_it(resource: Json) -> Json:
    """With what servers and hospitals add, and lists whose order means nothing turned round."""
    foreign = {"url": "https://hopital.example/extension", "valueString": "x"}
    return {
        **resource,
        "id": "4711",
        "meta": {"versionId": "3", "lastUpdated": "2025-05-21T08:00:00Z", "tag": [{"code": "x"}]},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        "extension": [foreign, *reversed(resource.get("extension", []))],
        "identifier": [{"system": "urn:server", "value": "9"}, {"value": "no system"}, *resource["identifier"]],
        "category": [{"coding": [{"system": "urn:hospital", "code": "BIO"}]}, *resource["category"]],
        "subject": {"reference": "Patient/1", "display": "x", "extension": [foreign], **resource["subject"]},
        "encounter": {"reference": "Encounter/1"},
        "method": {"text": "x"},
        "note": [{"text": "x"}],
        "_status": {"extension": [foreign]},
    }


@EVERY_VERSION
@pytest.mark.parametrize("number", range(len(sample_results())))
def test_what_servers_add_changes_no_result(version: FhirVersion, number: int) -> None:
    entity = sample_results()[number]

    assert from_fhir(sent(as_a_server_has_it(to_fhir(entity, version=version)))) == entity


def test_what_is_not_ours_survives_an_update() -> None:
    theirs = as_a_server_has_it(to_fhir(full_result()))
    corrected = msgspec.structs.replace(
        full_result(), value=Decimal("1.60"), comparator=None, status=LabStatus.CORRECTED
    )
    update = carry_over(to_fhir(corrected), theirs, owned=OWNED[FhirVersion.R4]["Observation"])

    assert from_fhir(update) == corrected
    for name in ("id", "encounter", "method", "note"):
        assert update[name] == theirs[name]
    assert {"url": "https://hopital.example/extension", "valueString": "x"} in update["extension"]
    assert {"system": "urn:server", "value": "9"} in update["identifier"]


def test_a_result_that_is_no_number_any_more_leaves_none_behind() -> None:
    words = LabResult(
        **{
            **msgspec.structs.asdict(sample_results()[1]),
            "value": None,
            "unit": None,
            "text": "prélèvement coagulé",
            "status": LabStatus.CORRECTED,
        }
    )
    update = carry_over(to_fhir(words), observation(), owned=OWNED[FhirVersion.R4]["Observation"])

    assert "valueQuantity" not in update
    assert from_fhir(update) == words


# --- foreign Observations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"resourceType": "DiagnosticReport"}, "resourceType"),
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "modifierExtension"),
        ({"category": None}, "category"),
        ({"category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "exam"}]}]}, "category"),
        ({"category": [{"text": "laboratory"}]}, "category"),
        ({"identifier": None}, "identifier"),
        ({"identifier": [{"value": "1"}]}, "identifier"),
        ({"identifier": [{"use": "official", "system": "urn:a", "value": "1"}, {"use": "official", "system": "urn:b", "value": "1"}]}, "identifier"),
        ({"identifier": [{"system": "labo", "value": "1"}]}, "identifier[0].system"),
        ({"status": None}, "status"),
        ({"status": "done"}, "status"),
        ({"code": None}, "code"),
        ({"code": {"text": "Hb"}}, "codes"),
        ({"code": {"coding": [{"code": "HB"}]}}, "code.coding[0].system"),
        ({"code": {"coding": [{"system": "http://loinc.org"}]}}, "code.coding[0].code"),
        ({"code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": ""}]}}, "code.coding[0].display"),
        ({"subject": None}, "subject"),
        ({"subject": {"reference": "Patient/1"}}, "subject.identifier"),
        ({"subject": {"type": "Group", "identifier": {"system": "urn:x", "value": "1"}}}, "subject.type"),
        ({"effectiveDateTime": None}, "effectiveDateTime"),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2025-05-20"}}, "effectivePeriod"),
        ({"effectiveDateTime": None, "effectiveInstant": "2025-05-20T08:10:00Z"}, "effectiveInstant"),
        ({"effectiveDateTime": None, "effectiveTiming": {"event": ["2025-05-20"]}}, "effectiveTiming"),
        ({"effectiveDateTime": "20.05.2025"}, "effective"),
        ({"valueQuantity": None}, "value[x]"),
        ({"valueQuantity": None, "component": [{"code": {"text": "x"}, "valueInteger": 1}]}, "component"),
        ({"valueQuantity": None, "hasMember": [{"reference": "Observation/2"}]}, "hasMember"),
        ({"valueQuantity": None, "valueCodeableConcept": {"text": "x"}}, "valueCodeableConcept"),
        ({"valueQuantity": None, "valueInteger": 12}, "valueInteger"),
        ({"valueQuantity": None, "valueBoolean": True}, "valueBoolean"),
        ({"valueQuantity": None, "valueRange": {"low": {"value": 1}}}, "valueRange"),
        ({"valueQuantity": {"value": Decimal(12), "unit": "g/dL"}}, "valueQuantity.system"),
        ({"valueQuantity": {"value": Decimal(12), "system": "http://unitsofmeasure.org"}}, "valueQuantity.code"),
        ({"valueQuantity": {"system": "http://unitsofmeasure.org", "code": "g/dL"}}, "valueQuantity.value"),
        ({"valueQuantity": {"value": 12.1, "system": "http://unitsofmeasure.org", "code": "g/dL"}}, "valueQuantity.value"),
        ({"valueQuantity": {"value": Decimal(12), "comparator": "ad", "system": "http://unitsofmeasure.org", "code": "g/dL"}}, "comparator"),
        ({"valueString": "12,1"}, "text"),
        ({"dataAbsentReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}}, "absent"),
        ({"valueQuantity": None, "dataAbsentReason": {"text": "coagulé"}}, "dataAbsentReason.coding"),
        ({"referenceRange": [{"text": "homme"}, {"text": "femme"}]}, "referenceRange"),
        ({"referenceRange": [{"low": {"value": Decimal(12)}}]}, "referenceRange[0].low.code"),
        ({"referenceRange": [{"high": {"value": Decimal(120), "system": "http://unitsofmeasure.org", "code": "g/L"}}]}, "referenceRange[0].high.code"),
        ({"referenceRange": [{"text": "x", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/referencerange-meaning", "code": "therapeutic"}]}}]}, "referenceRange[0].type"),
        ({"interpretation": [{"text": "haut"}]}, "interpretation[0].coding"),
        ({"interpretation": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "haut"}]}]}, "interpretation[0]"),
        ({"specimen": {"reference": "Specimen/1"}}, "specimen.display"),
        ({"performer": [{"reference": "Organization/1"}]}, "performer[0].identifier"),
        ({"performer": [{"identifier": {"system": "urn:a", "value": "1"}}] * 2}, "performer"),
        ({"issued": "2025-05-20"}, "issued"),
        ({"extension": [{"url": "urn:reluth:extension:subject", "valueString": "MTP-001"}]}, "extension[0].valueIdentifier"),
        ({"valueQuantity": None, "valueString": "x", "extension": [{"url": "urn:reluth:extension:unit"}]}, "extension[0].valueCodeableConcept"),
    ],
)  # fmt: skip
def test_what_a_result_cannot_hold_is_refused_by_its_element(more: dict[str, Any], path: str) -> None:
    refused = refusal(observation(id="7", **more))

    assert refused.path == path
    assert refused.reference == f"{more.get('resourceType', 'Observation')}/7"


def test_components_beside_a_value_stay_with_the_server() -> None:
    beside = observation(component=[{"code": {"text": "x"}, "valueInteger": 1}])

    assert from_fhir(beside) == sample_results()[1]
    assert "component" not in OWNED[FhirVersion.R4]["Observation"]


def test_the_first_identifier_is_meant_where_none_is_official() -> None:
    found = from_fhir(observation(identifier=[{"system": "urn:a", "value": "1"}, {"system": "urn:b", "value": "2"}]))

    assert (found.id.system, found.id.value) == ("urn:a", "1")


def test_all_codings_are_kept_in_their_order() -> None:
    listed = [{"system": "urn:labo", "code": "HB"}, {"system": "http://loinc.org", "code": "718-7", "display": "x"}]

    assert from_fhir(observation(code={"coding": listed})).codes == (
        Coding(system="urn:labo", code="HB"),
        Coding(system="http://loinc.org", code="718-7", display="x"),
    )


def test_a_range_of_normal_is_the_reference_range() -> None:
    meaning = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/referencerange-meaning", "code": "normal"}]}
    limit = {"value": Decimal("12.0"), "system": "http://unitsofmeasure.org", "code": "g/dL"}

    assert from_fhir(observation(referenceRange=[{"low": limit, "type": meaning}])).low == Decimal("12.0")


def test_the_unit_of_a_range_is_the_unit_of_a_result_in_words() -> None:
    limit = {"value": Decimal("0.5"), "system": "http://unitsofmeasure.org", "code": "g/L"}
    found = from_fhir(observation(valueQuantity=None, valueString="traces", referenceRange=[{"high": limit}]))

    assert (found.text, found.unit, found.high) == ("traces", "g/L", Decimal("0.5"))


@EVERY_VERSION
@pytest.mark.parametrize("number", [0, 10, 11, 12, 13])
def test_any_nonsense_is_a_result_or_a_mapping_error(version: FhirVersion, number: int) -> None:
    refused, read = [], []
    for told, resource in mutations(as_a_server_has_it(to_fhir(sample_results()[number], version=version))):
        try:
            read.append(isinstance(from_fhir(resource), LabResult))
        except MappingError as error:
            refused.append(error.path)
        except Exception as error:
            raise AssertionError(told) from error

    assert all(read)
    assert {"status", "effectiveDateTime", "subject", "code.coding"} <= set(refused)


@pytest.mark.parametrize("nonsense", [None, [], "Observation", 3, {}, {"resourceType": ["Observation"]}])
def test_what_is_no_resource_is_a_mapping_error(nonsense: Any) -> None:
    assert refusal(nonsense).problem


def test_no_refusal_shows_a_value() -> None:
    secret = "Jeanne"
    for name in ("status", "effectiveDateTime", "issued", "valueQuantity", "code", "subject", "category"):
        assert secret not in str(refusal(observation(**{name: secret})))


# --- our own reader ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "truth"), [("8.1", Truth.T), ("8.0", Truth.F)])
def test_a_result_that_is_pushed_is_read_by_the_screening(value: str, truth: Truth) -> None:
    resource = to_fhir(msgspec.structs.replace(sample_results()[1], value=Decimal(value)))
    resource["subject"]["reference"] = "Patient/1"
    rule = {"laboratory": {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}}

    assert answer_to(rule, [{**resource, "id": "hb"}], on=date(2025, 6, 1)).truth is truth
