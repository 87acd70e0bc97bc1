"""Promises of one shape: R5 and R4 alike, products, printed results, grades and ranges told in one way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.config import Settings, SiteSettings
from adapter.datasets.pseudonymising.normalising import GRADE
from adapter.fhir import FhirVersion
from mappings.subject import to_fhir
from tests.support.subjects import consent, event, feed, lab, patient, subject
from tests.unit.store.making import line

ATC = "http://www.whocc.no/atc"
WHO = {"reference": "Patient/1"}
LUTA = {"coding": [{"system": ATC, "code": "V10XX04"}]}
AMBULATORY: dict[str, Any] = {
    "class": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}]}]
}
R5 = Settings(sites={"icm": SiteSettings(site_code="05", fhir_version="5.0.0")})
FROM = [patient(), consent()]


def r4(*lines: bytes, **more: Any) -> list[bytes]:
    body = to_fhir(subject("1"))
    body["individual"]["reference"] = "Patient/1"
    return [*FROM, line("ResearchSubject", "r", **{k: v for k, v in body.items() if k != "resourceType"}), *lines]


@pytest.mark.parametrize(
    "told",
    [
        {"medicationCodeableConcept": LUTA},
        {
            "contained": [{"resourceType": "Medication", "id": "m", "code": LUTA, "batch": {"lotNumber": "L1-Dupont"}}],
            "medicationReference": {"reference": "#m"},
        },
        {"medicationReference": {"reference": "Medication/m1"}},
        {"medicationReference": {"reference": "https://ehr.example.org/fhir/Medication/m1"}},
    ],
    ids=["concept", "contained", "shared", "absolute"],
)
def test_product_is_told_as_a_concept(tmp_path: Path, told: dict[str, Any]) -> None:
    medication = line("Medication", "m1", code=LUTA, batch={"lotNumber": "L1"})
    given = line(
        "MedicationAdministration", "a", status="completed", subject=WHO, effectiveDateTime="2025-02-01", **told
    )

    _, resources = feed(tmp_path, r4(medication, given))

    (found,) = resources["MedicationAdministration"]
    assert found["medicationCodeableConcept"] == {"coding": [{"system": ATC, "code": "V10XX04"}]}
    assert not {"contained", "medicationReference"} & found.keys()


MEDDRA = "https://www.meddra.org"


@pytest.mark.parametrize("system", [MEDDRA, "http://terminology.hl7.org/CodeSystem/mdr"])
def test_code_of_meddra_leaves_as_an_event_and_as_a_diagnosis_without_its_term(tmp_path: Path, system: str) -> None:
    coded = {"coding": [{"system": system, "code": "10013968", "display": "Dyspnoea"}], "text": "essoufflée"}
    event_of = line("AdverseEvent", "e", actuality="actual", subject=WHO, event=coded, date="2025-02-01")
    diagnosed = line("Condition", "c", subject=WHO, code=coded)

    _, resources = feed(tmp_path, r4(event_of, diagnosed))

    left = {"coding": [{"system": system, "code": "10013968"}]}
    assert [one["event"] for one in resources["AdverseEvent"]] == [left]
    assert [one["code"] for one in resources["Condition"]] == [left]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("urn:example:dossier", "10013968"),
        ("https://www.meddra.org/", "10013968"),
        ("http://www.meddra.org", "10013968"),
        (None, "10013968"),
        (MEDDRA, "20013968"),
        (MEDDRA, "100139681"),
        (MEDDRA, "1001396"),
        (MEDDRA, " 10013968"),
        (MEDDRA, "10013968 Dupont"),
        (MEDDRA, "10\u0660\u0661\u0663\u0669\u0666\u0668"),
    ],
)
def test_number_in_the_place_of_a_code_of_meddra_does_not_leave(tmp_path: Path, system: str | None, code: str) -> None:
    coded = {"coding": [{"system": system, "code": code} if system else {"code": code}]}
    event_of = line("AdverseEvent", "e", actuality="actual", subject=WHO, event=coded, date="2025-02-01")
    diagnosed = line("Condition", "c", subject=WHO, code=coded)

    _, resources = feed(tmp_path, r4(event_of, diagnosed))

    assert [one.get("event") for one in resources["AdverseEvent"]] == [None]
    assert "Condition" not in resources


def test_code_of_meddra_leaves_nowhere_else(tmp_path: Path) -> None:
    coded = {"coding": [{"system": MEDDRA, "code": "10013968"}]}
    event_of = line(
        "AdverseEvent", "e", actuality="actual", subject=WHO, date="2025-02-01", seriousness=coded, outcome=coded
    )
    measured = line("Observation", "o", status="final", subject=WHO, code=coded, valueCodeableConcept=coded)

    _, resources = feed(tmp_path, r4(event_of, measured))

    assert "10013968" not in str(resources)


def test_birth_date_in_the_form_of_a_code_of_meddra_does_not_leave(tmp_path: Path) -> None:
    coded = {"coding": [{"system": MEDDRA, "code": "10031960"}]}
    born = [patient(birthDate="1960-03-10"), consent()]
    event_of = line("AdverseEvent", "e", actuality="actual", subject=WHO, event=coded, date="2025-02-01")

    _, resources = feed(tmp_path, [*born, *r4(event_of)[2:]])

    assert [one.get("event") for one in resources["AdverseEvent"]] == [None]


def test_administration_of_a_product_that_is_not_known_is_left_out_and_told(tmp_path: Path) -> None:
    given = line(
        "MedicationAdministration", "a", status="completed", subject=WHO, medicationCodeableConcept={"text": "x"}
    )

    found, resources = feed(tmp_path, r4(given))

    assert "MedicationAdministration" not in resources
    assert ("resource-left-out", "MedicationAdministration") in {(one.code, one.domain) for one in found.findings}


@pytest.mark.parametrize(
    ("url", "value", "grade"),
    [
        ("urn:local:grade", {"valueInteger": 3}, 3),
        ("urn:local:grade", {"valueString": " 2 "}, 2),
        ("urn:local:grade", {"valueCodeableConcept": {"coding": [{"code": "4"}]}}, 4),
        ("urn:reluth:adverse-event-grade", {"valueCode": "1"}, 1),
        ("urn:local:grade", {"valueInteger": 7}, None),
        ("urn:local:grade", {"valueString": "Dupont"}, None),
        ("urn:other", {"valueInteger": 3}, None),
    ],
)
def test_grade_is_told_in_one_extension(tmp_path: Path, url: str, value: dict[str, Any], grade: int | None) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "site.yaml").write_text('adverse_event_grade: "urn:local:grade"\n')
    event_ = line(
        "AdverseEvent", "e", actuality="actual", subject=WHO, date="2025-02-01", extension=[{"url": url, **value}]
    )

    _, resources = feed(
        tmp_path, r4(event_), settings=Settings(sites={"icm": SiteSettings(site_code="05", overlay=overlay)})
    )

    found = resources["AdverseEvent"][0].get("extension", [])
    assert found == ([] if grade is None else [{"url": GRADE, "valueInteger": grade}])


def test_local_codes_are_translated_by_the_sites_maps(tmp_path: Path) -> None:
    maps = tmp_path / "overlay/conceptmaps"
    maps.mkdir(parents=True)
    (maps / "lab.json").write_text(
        '{"resourceType": "ConceptMap", "group": [{"source": "urn:local", "target": "http://loinc.org",'
        ' "element": [{"code": "HB", "target": [{"code": "718-7", "equivalence": "equivalent"}]}]}]}'
    )
    local = {"coding": [{"system": "urn:local", "code": "HB", "display": "Hb de Mme Dupont"}]}

    _, resources = feed(
        tmp_path,
        r4(lab("o", code=local)),
        settings=Settings(sites={"icm": SiteSettings(site_code="05", overlay=tmp_path / "overlay")}),
    )

    assert resources["Observation"][0]["code"] == {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}


YEARS = {"system": "http://unitsofmeasure.org", "code": "a"}
WOMEN = [{"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "female"}]}]
MEN = [{"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}]


def high(value: int, **more: Any) -> dict[str, Any]:
    return {"high": {"value": value}, **more}


@pytest.mark.parametrize(
    ("ranges", "left"),
    [
        ([high(1)], [1]),
        ([high(1, appliesTo=MEN), high(2, appliesTo=WOMEN)], [2]),
        ([high(1), high(2, appliesTo=WOMEN)], [2]),
        ([high(1), high(2)], []),
        ([high(1, appliesTo=[{"text": "enceinte"}])], []),
        ([high(1, age={"high": {"value": 18, **YEARS}}), high(2, age={"low": {"value": 19, **YEARS}})], [2]),
        ([high(1, age={"high": {"value": 6, "code": "mo"}})], []),
        ([high(1, type={"coding": [{"code": "therapeutic"}]}), high(2)], [2]),
    ],
)
def test_reference_range_is_the_one_that_holds_for_the_person(
    tmp_path: Path, ranges: list[Any], left: list[int]
) -> None:
    _, resources = feed(tmp_path, r4(lab("o", referenceRange=ranges)))

    found = resources["Observation"][0].get("referenceRange", [])
    assert [int(one["high"]["value"]) for one in found] == left


def r5(*lines: bytes) -> list[bytes]:
    body = to_fhir(
        subject("1", event("consented", "2025-01-10"), event("registered", "2025-01-20")), version=FhirVersion.R5
    )
    body["subject"]["reference"] = "Patient/1"
    agreed = line(
        "Consent",
        "c",
        status="active",
        identifier=[{"value": "NCT04954820"}],
        subject=WHO,
        date="2025-01-10",
        decision="permit",
    )
    return [
        patient(),
        agreed,
        line("ResearchSubject", "r", **{k: v for k, v in body.items() if k != "resourceType"}),
        *lines,
    ]


def test_r5_resources_leave_in_the_shape_of_r4(tmp_path: Path) -> None:
    terms = "urn:reluth:terms"
    lines = [
        line("Medication", "m1", code=LUTA),
        line(
            "MedicationAdministration",
            "a1",
            status="completed",
            subject=WHO,
            medication={"concept": LUTA},
            occurencePeriod={"start": "2025-02-01"},
            encounter={"reference": "Encounter/e"},
        ),
        line(
            "MedicationAdministration",
            "a2",
            status="completed",
            subject=WHO,
            medication={"reference": {"reference": "Medication/m1"}},
            occurenceDateTime="2025-02-02",
        ),
        line(
            "Procedure",
            "p",
            status="completed",
            subject=WHO,
            code={"coding": [{"system": terms, "code": "sstr-pet-68ga"}]},
            occurrenceDateTime="2025-02-03",
            reason=[{"reference": {"reference": "Procedure/p0"}}],
        ),
        line(
            "Encounter",
            "e",
            status="completed",
            subject=WHO,
            actualPeriod={"start": "2025-02-01"},
            **AMBULATORY,
        ),
        line(
            "AdverseEvent",
            "v",
            status="completed",
            actuality="actual",
            subject=WHO,
            code={"coding": [{"system": terms, "code": "ae-fatigue"}]},
            occurrencePeriod={"start": "2025-02-05", "end": "2025-02-07"},
            outcome=[
                {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/adverse-event-outcome", "code": "resolved"}
                    ]
                }
            ],
        ),
        line(
            "ImagingStudy",
            "i",
            status="available",
            subject=WHO,
            started="2025-02-04",
            modality=[{"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}],
            procedure=[{"concept": {"coding": [{"system": terms, "code": "ct-thorax-abdomen-pelvis"}]}}],
        ),
        lab("o", bodyStructure={"reference": "BodyStructure/b"}),
        line(
            "BodyStructure",
            "b",
            patient=WHO,
            includedStructure=[{"structure": {"coding": [{"system": terms, "code": "site-liver"}]}}],
        ),
    ]

    found, resources = feed(tmp_path, r5(*lines), settings=R5)

    given = resources["MedicationAdministration"]
    assert all(one["medicationCodeableConcept"] == {"coding": [{"system": ATC, "code": "V10XX04"}]} for one in given)
    assert sorted("effectivePeriod" in one for one in given) == [False, True]
    assert any(one.get("context", {}).get("reference", "").startswith("Encounter/k") for one in given)
    assert resources["Procedure"][0]["performedDateTime"] == "2025-02-03"
    assert resources["Encounter"][0]["class"]["code"] == "AMB" and resources["Encounter"][0]["status"] == "finished"
    assert resources["AdverseEvent"][0]["date"] == "2025-02-05" and "outcome" in resources["AdverseEvent"][0]
    assert resources["ImagingStudy"][0]["modality"] == [
        {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    ]
    assert resources["ImagingStudy"][0]["procedureCode"]
    assert resources["Observation"][0]["extension"][0]["valueReference"]["reference"].startswith("BodyStructure/k")
    assert resources["BodyStructure"][0]["location"]
    assert resources["ResearchSubject"][0]["status"] == "pending-on-study"
    assert resources["Consent"][0]["provision"] == {"type": "permit"}
    assert [one.usubjid for one in found.subjects] == ["RELUTH-05-0001"]


def test_r5_element_that_r4_has_no_name_for_is_told(tmp_path: Path) -> None:
    found, _ = feed(tmp_path, r5(lab("o", triggeredBy=[{"type": "repeat"}], newer="x")), settings=R5)

    told = {(one.variable, one.count) for one in found.findings if one.code == "r5-not-exported"}
    assert {("triggeredBy", 1), ("(other)", 1)} <= told


def test_r4b_site_is_read_as_r4(tmp_path: Path) -> None:
    found, resources = feed(
        tmp_path, r4(lab("o")), settings=Settings(sites={"icm": SiteSettings(site_code="05", fhir_version="4.3.0")})
    )

    assert len(resources["Observation"]) == 1
    assert all(one.code != "r5-not-exported" for one in found.findings)


@pytest.mark.parametrize("number", ["T01", "NT12", "N01", "NEW2"])
def test_label_of_a_lesion_leaves(tmp_path: Path, number: str) -> None:
    body = line(
        "BodyStructure",
        "b",
        patient=WHO,
        identifier=[{"system": "urn:x", "value": "8004500001"}, {"system": "urn:x", "value": number}],
    )

    _, resources = feed(tmp_path, r4(body))

    assert resources["BodyStructure"][0]["identifier"] == [{"system": "urn:reluth:lesion", "value": number}]
