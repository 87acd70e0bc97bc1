"""In: an entry of the short-hand and the codes it names. Out: pieces of FHIR R4 resources: concepts, quantities, values, reference ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = [
    "ANALYTES",
    "ATC",
    "ATTESTATION",
    "DEFAULT_DAY",
    "DISEASE_STATUS",
    "ICD10",
    "ICDO3",
    "LOINC",
    "MCODE_HISTOLOGY",
    "NCIT",
    "SNOMED",
    "TERMS",
    "UCUM",
    "Entry",
    "Resource",
    "analyte",
    "concept",
    "encode",
    "quantity",
    "result",
    "timed",
]

Entry = Mapping[str, Any]
Resource = dict[str, Any]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICDO3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
ATC = "http://www.whocc.no/atc"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
UCUM = "http://unitsofmeasure.org"
TERMS = "urn:reluth:terms"
DEFAULT_DAY = "2025-05-20"

#: Names used in scenarios for the codes of the specification's ``labs`` section.
ANALYTES = {
    "hb": "718-7",
    "neutrophils": "26499-4",
    "neutrophils-automated": "751-8",
    "platelets": "777-3",
    "leukocytes": "6690-2",
    "lymphocytes": "26474-7",
    "creatinine": "14682-9",
    "creatinine-mass": "2160-0",
    "mdrd": "77147-7",
    "ckd-epi": "62238-1",
    "cockcroft-gault": "35591-7",
    "alt": "1742-6",
    "alt-p5p": "1743-4",
    "ast": "1920-8",
    "ast-p5p": "30239-8",
    "bilirubin": "14631-6",
    "bilirubin-mass": "1975-2",
    "albumin": "1751-7",
    "tp": "5894-1",
    "inr": "6301-6",
    "prothrombin-seconds": "5902-2",
    "glucose-fasting": "14771-0",
    "glucose-fasting-mass": "1558-6",
    "glucose": "14749-6",
    "glucose-pre-meal": "40193-5",
    "hcg": "21198-7",
    "pregnancy-test": "2118-8",
    "ki67": "29593-1",
}
DISEASE_STATUS = {
    "improved": "268910001",
    "stable": "359746009",
    "worsened": "271299001",
    "undetermined": "709137006",
}
MCODE_HISTOLOGY = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-histology-morphology-behavior"
ATTESTATION = "urn:reluth:attestation:nct04954820"

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(resource: Resource) -> bytes:
    """One resource as JSON bytes; a `Decimal` is written as the number it is, digit for digit."""
    return _ENCODER.encode(resource)


def timed(fields: Entry, element: str, *, default: str | None = DEFAULT_DAY) -> Resource:
    """``<element>DateTime`` or ``<element>Period`` as ``date`` or ``period: [start, end]`` say; nothing for ``date: null``."""
    if "period" in fields:
        ends = zip(("start", "end"), fields["period"], strict=True)
        return {f"{element}Period": {key: value for key, value in ends if value is not None}}
    moment = fields.get("date", default)
    return {} if moment is None else {f"{element}DateTime": str(moment)}


def analyte(name: str) -> str:
    """``system|code`` of a name of `ANALYTES`, or of what is one already."""
    return name if "|" in name else f"{LOINC}|{ANALYTES[name]}"


def concept(coding: str) -> Resource:
    """A CodeableConcept of one coding, written ``system|code``."""
    system, _, code = coding.partition("|")
    return {"coding": [{"system": system, "code": code}]}


def quantity(value: Any, fields: Entry) -> Resource:
    """A Quantity with the comparator and the unit of ``fields``."""
    found: Resource = {"value": value}
    if "comparator" in fields:
        found["comparator"] = fields["comparator"]
    if "ucum" in fields:
        found |= {"unit": fields["ucum"], "system": UCUM, "code": fields["ucum"]}
    elif "unit" in fields:
        found["unit"] = fields["unit"]
    return found


def result(fields: Entry) -> Resource:
    """Value and reference ranges of an Observation or of one of its components."""
    found: Resource = {}
    unit = {key: fields[key] for key in ("unit", "ucum") if key in fields}
    if "value" in fields:
        found["valueQuantity"] = quantity(fields["value"], fields)
    elif "text" in fields:
        found["valueString"] = fields["text"]
    elif "between" in fields:
        low, high = fields["between"]
        found["valueRange"] = {"low": quantity(low, unit), "high": quantity(high, unit)}
    elif "concept" in fields:
        found["valueCodeableConcept"] = {"text": fields["concept"]}
    elif "absent" in fields:
        system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
        found["dataAbsentReason"] = {"coding": [{"system": system, "code": fields["absent"]}]}
    ranges = list(fields.get("ranges", ()))
    if "low" in fields or "high" in fields:
        ranges.append({key: fields[key] for key in ("low", "high") if key in fields})
    if ranges:
        found["referenceRange"] = [_range(item, unit) for item in ranges]
    return found


def _range(item: Entry, unit: Entry) -> Resource:
    own = {key: item[key] for key in ("unit", "ucum") if key in item} or unit
    found: Resource = {key: quantity(item[key], own) for key in ("low", "high") if key in item}
    if "text" in item:
        found["text"] = item["text"]
    if "sex" in item:
        found["appliesTo"] = [concept(f"http://hl7.org/fhir/administrative-gender|{item['sex']}")]
    if "age" in item:
        bounds = zip(("low", "high"), item["age"], strict=True)
        found["age"] = {
            end: {"value": value, "unit": "a", "system": UCUM, "code": "a"}
            for end, value in bounds
            if value is not None
        }
    return found
