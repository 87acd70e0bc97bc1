"""In: a resource of R5. Out: the same with R4's names, as far as R4 has one for what R5 tells; what is left over is R5's own, and is told.

Source: the differences that HL7 lists (https://hl7.org/fhir/R5/diff.html). What has no R4 name keeps its own: no rule names it, so
it does not leave, and the finding ``r5-not-exported`` counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from adapter.fhir import Json

__all__ = ["NEW_IN_R5", "as_r4", "listed"]

_OCCURRENCE: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.occurrence"
_BODY_SITE: Final = "http://hl7.org/fhir/StructureDefinition/bodySite"

#: Elements that R5 calls otherwise than R4, and nothing more.
_RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "AdverseEvent": {"code": "event", "occurrenceDateTime": "date"},
    "Consent": {"subject": "patient", "date": "dateTime"},
    "Encounter": {"actualPeriod": "period"},
    "MedicationAdministration": {
        "encounter": "context",
        "occurenceDateTime": "effectiveDateTime",
        "occurencePeriod": "effectivePeriod",
    },
    "MedicationStatement": {"encounter": "context"},
    "Procedure": {"occurrenceDateTime": "performedDateTime", "occurrencePeriod": "performedPeriod"},
}
#: Statuses that R5 spells otherwise.
_STATUSES: Final[Mapping[str, Mapping[str, str]]] = {
    "Encounter": {"completed": "finished", "discharged": "finished", "on-hold": "onleave"},
    "MedicationRequest": {"ended": "stopped"},
}
#: Elements that R4 has no name for, by type: told by name when they are left behind.
NEW_IN_R5: Final[Mapping[str, frozenset[str]]] = {
    "AdverseEvent": frozenset(
        {
            "occurrenceTiming",
            "effectDateTime",
            "effectPeriod",
            "participant",
            "expectedInResearchStudy",
            "preventiveAction",
        }
        | {"mitigatingAction", "supportingInfo", "status"}
    ),
    "AllergyIntolerance": frozenset({"participant"}),
    "BodyStructure": frozenset({"includedStructure", "excludedStructure"}),
    "Condition": frozenset({"participant"}),
    "Consent": frozenset(
        {"grantor", "grantee", "manager", "controller", "regulatoryBasis", "policyBasis", "policyText"}
    ),
    "DiagnosticReport": frozenset({"supportingInfo", "composition"}),
    "Encounter": frozenset(
        {"subjectStatus", "careTeam", "virtualService", "plannedStartDate", "plannedEndDate", "admission"}
    ),
    "ImagingStudy": frozenset({"procedure"}),
    "MedicationAdministration": frozenset(
        {"subPotentReason", "isSubPotent", "recorded", "occurenceTiming", "medication"}
    ),
    "MedicationRequest": frozenset({"device", "renderedDosageInstruction", "effectiveDosePeriod", "medication"}),
    "MedicationStatement": frozenset(
        {"relatedClinicalInformation", "renderedDosageInstruction", "adherence", "medication"}
    ),
    "Observation": frozenset({"triggeredBy", "bodyStructure"}),
    "Procedure": frozenset(
        {"occurrenceAge", "occurrenceRange", "occurrenceString", "occurrenceTiming", "focus", "recorded", "used"}
    ),
}


def as_r4(type_: str, body: Json) -> None:
    """Give the elements of a resource their R4 names, in place."""
    for name, r4 in _RENAMED.get(type_, {}).items():
        if name in body and r4 not in body:
            body[r4] = body.pop(name)
    status = body.get("status")
    if isinstance(status, str):
        body["status"] = _STATUSES.get(type_, {}).get(status, status)
    own = _OWN.get(type_)
    if own is not None:
        own(body)
    if type_ != "Encounter":
        _reasons(body)


def _reasons(body: Json) -> None:
    """R5 ``reason`` (CodeableReference) is two elements in R4."""
    told = [one for one in listed(body.get("reason")) if isinstance(one, dict)]
    if not told:
        return
    del body["reason"]
    concepts = [one["concept"] for one in told if "concept" in one]
    references = [one["reference"] for one in told if "reference" in one]
    if concepts:
        body["reasonCode"] = concepts
    if references:
        body["reasonReference"] = references


def _adverse_event(body: Json) -> None:
    period = body.pop("occurrencePeriod", None)
    if isinstance(period, dict):
        body.setdefault("date", period.get("start"))
        body["extension"] = [*listed(body.get("extension")), {"url": _OCCURRENCE, "valuePeriod": period}]
    outcome = body.get("outcome")
    if isinstance(outcome, list):
        body["outcome"] = outcome[0] if len(outcome) == 1 else None
    suspects = []
    for one in listed(body.get("suspectEntity")):
        if isinstance(one, dict):
            causality = one.get("causality")
            told: Json = {"instance": one.get("instanceReference")}
            if isinstance(causality, dict):
                told["causality"] = [{"assessment": causality.get("assessmentMethod")}]
            suspects.append(told)
    if suspects:
        body["suspectEntity"] = suspects


def _allergy(body: Json) -> None:
    coding = _first_coding(body.get("type"))
    body["type"] = coding.get("code") if coding is not None else None


def _body_structure(body: Json) -> None:
    structures = listed(body.get("includedStructure"))
    if len(structures) == 1 and isinstance(structures[0], dict) and "location" not in body:
        body["location"] = structures[0].get("structure")
        del body["includedStructure"]


def _consent(body: Json) -> None:
    told = {"type": body.pop("decision", None), "period": body.pop("period", None)}
    body["provision"] = {name: value for name, value in told.items() if value is not None} or None


def _encounter(body: Json) -> None:
    classes = listed(body.get("class"))
    body["class"] = _first_coding(classes[0]) if len(classes) == 1 else None


def _imaging(body: Json) -> None:
    codings = [_first_coding(one) for one in listed(body.get("modality"))]
    body["modality"] = [coding for coding in codings if coding is not None] or None
    procedures = [one for one in listed(body.pop("procedure", None)) if isinstance(one, dict)]
    concepts = [one["concept"] for one in procedures if "concept" in one]
    references = [one["reference"] for one in procedures if "reference" in one]
    if concepts:
        body["procedureCode"] = concepts
    if len(references) == 1:
        body["procedureReference"] = references[0]


def _observation(body: Json) -> None:
    structure = body.pop("bodyStructure", None)
    if structure is not None:
        body["extension"] = [*listed(body.get("extension")), {"url": _BODY_SITE, "valueReference": structure}]


_OWN: Final[Mapping[str, Callable[[Json], None]]] = {
    "AdverseEvent": _adverse_event,
    "AllergyIntolerance": _allergy,
    "BodyStructure": _body_structure,
    "Consent": _consent,
    "Encounter": _encounter,
    "ImagingStudy": _imaging,
    "Observation": _observation,
}


def listed(value: Any) -> list[Any]:
    """A list, or an empty one for what is none."""
    return value if isinstance(value, list) else []


def _first_coding(concept: Any) -> Json | None:
    codings = listed(concept.get("coding")) if isinstance(concept, dict) else []
    return codings[0] if codings and isinstance(codings[0], dict) else None
