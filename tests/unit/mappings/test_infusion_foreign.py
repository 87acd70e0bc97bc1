"""In: MedicationAdministrations as servers give them back, foreign ones, and nonsense. Out: the infusion, or a refusal by its element."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapter.fhir import FhirVersion, Json
from mappings.entities import Extravasation, Identifier, Infusion, Interruption
from mappings.foreign import MappingError
from mappings.infusion import OWNED, from_fhir, to_fhir
from mappings.updating import carry_over
from tests.support.entity_infusion import LUTATHERA, full_infusion, sample_infusions
from tests.support.entity_laboratory import mutations, sent

EVERY_VERSION = pytest.mark.parametrize("version", FhirVersion)
NUMBERS = pytest.mark.parametrize("number", range(len(sample_infusions())))


def resources(entity: Infusion, version: FhirVersion = FhirVersion.R4) -> list[Json]:
    return [entry["resource"] for entry in to_fhir(entity, version=version)["entry"]]


def main(entity: Infusion, version: FhirVersion = FhirVersion.R4) -> Json:
    return resources(entity, version)[0]


def of_type(entity: Infusion, kind: str, version: FhirVersion = FhirVersion.R4) -> list[Json]:
    return [one for one in resources(entity, version) if one["resourceType"] == kind]


def administration(**more: Any) -> Json:
    """A full R4 MedicationAdministration; an element that is None is left out."""
    return {key: value for key, value in {**main(full_infusion()), **more}.items() if value is not None}


def refusal(resource: Any) -> MappingError:
    with pytest.raises(MappingError) as refused:
        from_fhir(resource)
    return refused.value


# --- what a server gives back --------------------------------------------------------------------------------------


def as_a_server_has_it(bundle: Json, *, turned: bool = True) -> Json:
    """With what servers and hospitals add, and lists whose order means nothing turned round."""
    foreign = {"url": "https://hopital.example/extension", "valueString": "x"}
    entries = []
    for number, entry in enumerate(bundle["entry"]):
        found = {
            **entry["resource"],
            "id": str(number),
            "meta": {"versionId": "3"},
            "note": entry["resource"].get("note"),
        }
        found["extension"] = [foreign, *reversed(found.get("extension", []))]
        found["subject"] = {"reference": "Patient/1", "display": "x", **found["subject"]}
        if isinstance(found["identifier"], list):
            found["identifier"] = [{"system": "urn:server", "value": "9"}, *found["identifier"]]
        entries.append({"fullUrl": f"https://fhir.example/{number}", "resource": _without_none(found)})
    stranger = {"resourceType": "Provenance", "id": "x", "target": []}
    listed = [{"resource": stranger}, *reversed(entries), {"search": {"mode": "outcome"}}] if turned else entries
    return {"resourceType": "Bundle", "type": "searchset", "entry": listed}


def _without_none(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if value is not None}


@EVERY_VERSION
@NUMBERS
def test_what_servers_add_changes_no_infusion(version: FhirVersion, number: int) -> None:
    entity = sample_infusions()[number]

    assert from_fhir(sent(as_a_server_has_it(to_fhir(entity, version=version)))) == entity


def test_pauses_are_read_in_the_order_of_their_beginning() -> None:
    pauses = tuple(Interruption(start=f"2025-07-10T10:{minute}:00+02:00") for minute in (35, 40, 45))
    entity = msgspec.structs.replace(full_infusion(), interruptions=pauses)

    assert from_fhir(as_a_server_has_it(to_fhir(entity))).interruptions == pauses


@EVERY_VERSION
def test_what_is_not_ours_survives_an_update(version: FhirVersion) -> None:
    theirs = as_a_server_has_it(to_fhir(full_infusion(), version=version), turned=False)["entry"][0]["resource"]
    theirs |= {"device": [{"display": "pompe"}], "reasonReference": [{"reference": "Condition/1"}]}
    changed = msgspec.structs.replace(full_infusion(), batch=None, end=None, interruptions=(), cycle=4)
    update = carry_over(main(changed, version), theirs, owned=OWNED[version]["MedicationAdministration"])

    assert from_fhir(update) == msgspec.structs.replace(changed, prescribed=None, amino_acids=None)
    assert {"contained", "medicationReference", "effectivePeriod", "occurencePeriod"}.isdisjoint(update)
    for name in ("id", "device", "reasonReference"):
        assert update[name] == theirs[name]
    assert {"url": "https://hopital.example/extension", "valueString": "x"} in update["extension"]


def test_notes_of_others_are_kept_with_ours() -> None:
    added = administration(note=[{"text": "Patient informé."}, {"text": "vu \n", "authorString": "x"}])

    assert from_fhir(added).note == "Patient informé.\nvu"


# --- foreign MedicationAdministrations -----------------------------------------------------------------------------

UCUM = "http://unitsofmeasure.org"
AMOUNT = {"value": Decimal(7), "system": UCUM, "code": "MBq"}


def ours(name: str, **more: Any) -> dict[str, Any]:
    return {"extension": [{"url": f"urn:reluth:extension:{name}", **more}]}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"resourceType": "MedicationStatement"}, "resourceType"),
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "modifierExtension"),
        ({"identifier": None}, "identifier"),
        ({"status": None}, "status"),
        ({"status": "given"}, "status"),
        ({"subject": None}, "subject"),
        ({"subject": {"reference": "Patient/1"}}, "subject.identifier"),
        ({"contained": None}, "medicationReference.reference"),
        ({"medicationReference": None}, "medication[x]"),
        ({"medicationReference": {"reference": "Medication/1"}}, "medicationReference.reference"),
        ({"medicationReference": {"display": "Lutathera"}}, "medicationReference.reference"),
        ({"contained": [{"resourceType": "Medication", "id": "m"}]}, "contained[0].code"),
        ({"medicationReference": None, "medicationCodeableConcept": {"text": "Lutathera"}}, "medicationCodeableConcept.coding"),
        ({"effectivePeriod": None}, "effective[x]"),
        ({"effectiveDateTime": "2025-07-10"}, "effective[x]"),
        ({"effectivePeriod": {"end": "2025-07-10"}}, "effectivePeriod.start"),
        ({"effectivePeriod": {"start": "2025-07"}}, "start"),
        ({"effectivePeriod": {"start": "2025-07-10", "end": "2025-07-09"}}, "end"),
        ({"effectivePeriod": None, "effectiveDateTime": "2025-07-10", **ours("end", valueDate="2025-07-10")}, "extension[0].valueDateTime"),
        ({"statusReason": [{"text": "a"}, {"text": "b"}]}, "statusReason"),
        ({"statusReason": [{"coding": [{"code": "x"}]}]}, "statusReason[0].text"),
        ({"performer": [{"actor": {"reference": "Practitioner/1"}}]}, "performer[0].actor.identifier"),
        ({"performer": [{"function": {"text": "x"}}]}, "performer[0].actor"),
        ({"performer": [{}, {}]}, "performer"),
        ({"note": [{"authorString": "x"}]}, "note[0].text"),
        ({"dosage": {"dose": {**AMOUNT, "code": "mg"}}}, "dosage.dose.code"),
        ({"dosage": {"dose": {**AMOUNT, "system": "urn:x"}}}, "dosage.dose.code"),
        ({"dosage": {"dose": {**AMOUNT, "comparator": "<"}}}, "dosage.dose.comparator"),
        ({"dosage": {"dose": {"system": UCUM, "code": "MBq"}}}, "dosage.dose.value"),
        ({"dosage": {"dose": {**AMOUNT, "value": Decimal(0)}}}, "administered"),
        ({"dosage": {"rateRatio": {"numerator": AMOUNT}}}, "dosage.rateRatio"),
        ({"dosage": {"rateQuantity": AMOUNT}}, "dosage.rateQuantity.code"),
        ({"dosage": {"route": {"text": "IV"}}}, "dosage.route.coding"),
        ({"dosage": {"site": {"coding": [{"code": "x"}]}}}, "dosage.site.text"),
        (ours("cycle", valueInteger=3), "extension[0].valuePositiveInt"),
        (ours("cycle", valuePositiveInt=0), "cycle"),
        (ours("calibration", extension=[{"url": "activity", "valueQuantity": AMOUNT}]), "extension[0].extension"),
        (ours("calibration", extension=[{"url": "time", "valueDateTime": "2025-07-10T10:00:00Z"}]), "extension[0].extension"),
        (ours("interruption"), "extension[0].start"),
        (ours("interruption", extension=[{"url": "start", "valueDateTime": "2025-07-10"}]), "extension[0].start"),
        (ours("interruption", extension=[{"url": "start", "valueDateTime": "2025-07-11T10:00:00Z"}]), "interruptions[0].start"),
        (ours("extravasation", extension=[{"url": "note", "valueString": "x"}]), "extension[0].extension"),
        (ours("subject", valueIdentifier={"system": "urn:reluth:subject"}), "extension[0].valueIdentifier.value"),
    ],
)  # fmt: skip
def test_what_an_infusion_cannot_hold_is_refused_by_its_element(more: dict[str, Any], path: str) -> None:
    refused = refusal(administration(id="7", **more))

    assert refused.path == path
    assert refused.reference == f"{more.get('resourceType', 'MedicationAdministration')}/7"


@pytest.mark.parametrize(
    ("kind", "at", "more", "path"),
    [
        ("MedicationRequest", 0, {"dosageInstruction": []}, "dosageInstruction"),
        ("MedicationRequest", 0, {"dosageInstruction": [{"doseAndRate": [{}]}]}, "dosageInstruction[0].doseAndRate[0].doseQuantity"),
        ("MedicationRequest", 0, {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {**AMOUNT, "code": "mg"}}]}]}, "dosageInstruction[0].doseAndRate[0].doseQuantity.code"),
        ("MedicationRequest", 0, {"modifierExtension": [{"url": "urn:x"}]}, "modifierExtension"),
        ("MedicationAdministration", 1, {"effectivePeriod": {"start": "2025-07"}}, "start"),
        ("MedicationAdministration", 1, {"medicationCodeableConcept": {"coding": []}}, "medicationCodeableConcept.text"),
        ("MedicationAdministration", 1, {"dosage": {"dose": AMOUNT}}, "dosage.dose.code"),
    ],
)  # fmt: skip
def test_what_stands_beside_an_infusion_is_refused_by_its_own_element(
    kind: str, at: int, more: dict[str, Any], path: str
) -> None:
    bundle = to_fhir(full_infusion())
    found = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind][at]
    found |= {"id": "8", **more}

    refused = refusal(bundle)
    assert (refused.reference, refused.path) == (f"{kind}/8", path)


def test_two_that_claim_to_be_one_are_refused() -> None:
    bundle = to_fhir(full_infusion())
    bundle["entry"] += [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] == "MedicationRequest"]

    assert refusal(bundle).path == "identifier"


def test_a_bundle_without_an_administration_is_refused() -> None:
    assert refusal({"resourceType": "Bundle", "type": "collection"}).reference == "Bundle"
    assert refusal(of_type(full_infusion(), "Procedure")[0]).path == "resourceType"


@pytest.mark.parametrize(
    ("value", "code", "activity"), [("7.40", "GBq", "7400.00"), ("200", "mCi", "7400"), ("7400.0", "MBq", "7400.0")]
)
def test_activities_in_other_units_are_read_as_megabecquerel(value: str, code: str, activity: str) -> None:
    found = from_fhir(administration(dosage={"dose": {"value": Decimal(value), "system": UCUM, "code": code}}))

    assert found.administered == Decimal(activity)


def test_the_atc_code_is_the_product_where_a_hospital_adds_its_own() -> None:
    listed = [{"system": "urn:cip", "code": "3400930"}, {"system": LUTATHERA.system, "code": LUTATHERA.code}]
    found = from_fhir(administration(medicationReference=None, medicationCodeableConcept={"coding": listed}))

    assert (found.product.code, found.batch) == ("V10XX04", None)


def test_words_are_taken_from_a_code_that_shows_them() -> None:
    reason = [{"coding": [{"code": "x"}, {"code": "y", "display": "Contre-indication"}]}]

    assert from_fhir(administration(statusReason=reason)).status_reason == "Contre-indication"


def test_an_adverse_event_alone_tells_that_it_occurred() -> None:
    bundle = to_fhir(full_infusion())
    resource = bundle["entry"][0]["resource"]
    resource["extension"] = [one for one in resource["extension"] if "extravasation" not in one["url"]]

    assert from_fhir(bundle).extravasation == Extravasation(occurred=True)


def test_an_amino_acid_solution_in_litres_is_read_as_millilitres() -> None:
    bundle = to_fhir(full_infusion())
    dose = bundle["entry"][2]["resource"]["dosage"]["dose"]
    dose |= {"value": Decimal("1.5"), "code": "L"}

    amino = from_fhir(bundle).amino_acids
    assert amino is not None
    assert amino.volume == Decimal(1500)


def test_an_infusion_named_like_its_companions_is_still_the_infusion() -> None:
    odd = msgspec.structs.replace(
        full_infusion(), amino_acids=None, id=Identifier(system="urn:reluth:amino-acids", value="1")
    )

    assert from_fhir(to_fhir(odd)) == odd


@EVERY_VERSION
@pytest.mark.parametrize("number", [0, 13])
def test_any_nonsense_is_an_infusion_or_a_mapping_error(version: FhirVersion, number: int) -> None:
    refused, read = [], []
    bundle = as_a_server_has_it(to_fhir(sample_infusions()[number], version=version), turned=False)
    for told, resource in mutations(bundle):
        try:
            read.append(isinstance(from_fhir(resource), Infusion))
        except MappingError as error:
            refused.append(error.path)
        except Exception as error:
            raise AssertionError(told) from error

    assert all(read)
    assert {"status", "identifier", "subject", "entry", "entry[0].resource"} <= set(refused)


@pytest.mark.parametrize("nonsense", [None, [], "MedicationAdministration", 3, {}, {"resourceType": ["Bundle"]}])
def test_what_is_no_resource_is_a_mapping_error(nonsense: Any) -> None:
    assert refusal(nonsense).problem


def test_no_refusal_shows_a_value() -> None:
    secret = "Jeanne"
    for name in ("status", "effectivePeriod", "dosage", "subject", "note", "performer", "statusReason"):
        assert secret not in str(refusal(administration(**{name: secret})))
