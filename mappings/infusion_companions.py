"""In: an infusion. Out: the resources that stand beside its MedicationAdministration, and what they tell read back.

The Procedure that holds all together, the amino acids (a second MedicationAdministration), what was prescribed
(MedicationRequest), and an extravasation (AdverseEvent). Reference: clinical-spec.md section 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from adapter.fhir import FhirVersion, Json
from adapter.terminology.coded import UCUM
from mappings.administration import (
    ACTIVITY,
    SNOMED,
    activity,
    medication,
    medication_in,
    time_name,
    times,
    times_in,
)
from mappings.element_values import amount_in, made, words_of
from mappings.elements import OURS, concept, full_url, identifier, patient_reference, without_empty
from mappings.entities import AminoAcids, Coding, Identifier, Infusion, InfusionStatus
from mappings.foreign import Element

__all__ = [
    "AMINO_ACIDS",
    "amino_acids_in",
    "companion",
    "companions",
    "is_companion",
    "prescribed_in",
    "product_concept",
    "reference_to",
    "reports_extravasation",
]

PROCEDURE: Final = "procedure"
AMINO_ACIDS: Final = "amino-acids"
REQUEST: Final = "prescription"
EXTRAVASATION: Final = "extravasation"

_LONGEST_VALUE: Final = 255
# clarifications.md names these as course marks on procedures; concepts.yaml of the trial reads them.
_TERMS: Final = "urn:reluth:terms"
_COURSE_MARKS: Final = {1: "prrt-course-first", 2: "prrt-course-second"}
# Named in clinical-spec.md section 6; amino acids go into the vein (examples/aminoacid-r4.json).
_INTRAVENOUS: Final = Coding(system=SNOMED, code="47625008", display="Intravenous route")
_VOLUME: Final[Mapping[str, Decimal]] = {"mL": Decimal(1), "L": Decimal(1000)}
# R4 ValueSet/medicationrequest-status; a Procedure has the codes of the infusion itself (R4 ValueSet/event-status).
_REQUEST_STATUS: Final[Mapping[InfusionStatus, str]] = {
    InfusionStatus.IN_PROGRESS: "active",
    InfusionStatus.NOT_DONE: "cancelled",
    InfusionStatus.ON_HOLD: "on-hold",
    InfusionStatus.COMPLETED: "completed",
    InfusionStatus.ENTERED_IN_ERROR: "entered-in-error",
    InfusionStatus.STOPPED: "stopped",
    InfusionStatus.UNKNOWN: "unknown",
}


def companion(role: str, infusion: Identifier) -> Identifier:
    """The identifier of a resource beside an infusion's: ``urn:reluth:<role>`` and the infusion's as ``system|value``.

    One that would be longer than an identifier may be is the infusion's ``urn:uuid:``.
    """
    value = f"{infusion.system}|{infusion.value}"
    return Identifier(system=f"{OURS}{role}", value=value if len(value) <= _LONGEST_VALUE else full_url(infusion))


def reference_to(role: str, infusion: Identifier) -> Json:
    """A Reference to a resource beside an infusion's, by its entry in the Bundle."""
    return {"reference": full_url(companion(role, infusion))}


def product_concept(infusion: Infusion) -> Json:
    """What was given, or was to be."""
    return concept(infusion.product, text=infusion.product_text)


def companions(infusion: Infusion, *, version: FhirVersion) -> Iterable[tuple[str, Json]]:
    """(fullUrl, resource) of what stands beside an infusion's MedicationAdministration."""
    for role, found in (
        (PROCEDURE, _procedure(infusion, version)),
        (AMINO_ACIDS, _amino_acids(infusion, version)),
        (REQUEST, _request(infusion, version)),
        (EXTRAVASATION, _adverse_event(infusion, version)),
    ):
        if found is not None:
            yield full_url(companion(role, infusion.id)), without_empty(found)


# --- making --------------------------------------------------------------------------------------------------------


def _procedure(infusion: Infusion, version: FhirVersion) -> Json:
    name = "occurrence" if version is FhirVersion.R5 else "performed"
    start = infusion.planned if infusion.start is None else infusion.start
    # What a Period cannot tell stands at the administration; the extension is not repeated here.
    when = times(name, start, infusion.end)[0] if start is not None else {}
    mark = _COURSE_MARKS.get(infusion.course or 0)
    marks = [Coding(system=_TERMS, code=mark)] if mark is not None else []
    return {
        "resourceType": "Procedure",
        "identifier": [identifier(companion(PROCEDURE, infusion.id))],
        "status": infusion.status.value,
        "code": concept(*marks, text="Peptide receptor radionuclide therapy"),
        "subject": patient_reference(infusion.patient),
        **when,
    }


def _amino_acids(infusion: Infusion, version: FhirVersion) -> Json | None:
    given = infusion.amino_acids
    if given is None:
        return None
    when, extensions = times(time_name(version), given.start, given.end)
    # mad-1: no dosage without a dose or a rate.
    dose = {"value": given.volume, "unit": "mL", "system": UCUM, "code": "mL"} if given.volume is not None else None
    return {
        "resourceType": "MedicationAdministration",
        "extension": extensions,
        "identifier": [identifier(companion(AMINO_ACIDS, infusion.id))],
        "partOf": [reference_to(PROCEDURE, infusion.id)],
        "status": _amino_acid_status(infusion.status, given),
        **medication(version, concept(text=given.product)),
        "subject": patient_reference(infusion.patient),
        **when,
        "dosage": {"route": concept(_INTRAVENOUS), "dose": dose} if dose is not None else None,
    }


def _amino_acid_status(status: InfusionStatus, given: AminoAcids) -> str:
    """They run for hours longer than the infusion: only their own end tells that they are over."""
    if status is InfusionStatus.ENTERED_IN_ERROR:
        return status.value
    if given.end is not None or status is InfusionStatus.COMPLETED:
        return InfusionStatus.COMPLETED.value
    still = status in (InfusionStatus.IN_PROGRESS, InfusionStatus.ON_HOLD)
    return (InfusionStatus.IN_PROGRESS if still else InfusionStatus.UNKNOWN).value


def _request(infusion: Infusion, version: FhirVersion) -> Json | None:
    if infusion.prescribed is None:
        return None
    return {
        "resourceType": "MedicationRequest",
        "identifier": [identifier(companion(REQUEST, infusion.id))],
        "status": _REQUEST_STATUS[infusion.status],
        # R4 ValueSet/medicationrequest-intent
        "intent": "order",
        **medication(version, product_concept(infusion)),
        "subject": patient_reference(infusion.patient),
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": activity(infusion.prescribed)}]}],
    }


def _adverse_event(infusion: Infusion, version: FhirVersion) -> Json | None:
    """The extravasation as an event that others find; what was seen is told by the administration itself."""
    if infusion.extravasation is None or not infusion.extravasation.occurred:
        return None
    in_error = infusion.status is InfusionStatus.ENTERED_IN_ERROR
    name = identifier(companion(EXTRAVASATION, infusion.id))
    common = {
        "resourceType": "AdverseEvent",
        # R4 ValueSet/adverse-event-actuality
        "actuality": "actual",
        "subject": patient_reference(infusion.patient),
    }
    event, suspect = {"text": "Extravasation"}, {"reference": full_url(infusion.id)}
    if version is FhirVersion.R5:
        return {
            **common,
            "identifier": [name],
            # R5 ValueSet/adverse-event-status
            "status": "entered-in-error" if in_error else "completed",
            "code": event,
            "occurrenceDateTime": _day_of(infusion),
            "suspectEntity": [{"instanceReference": suspect}],
        }
    if in_error:
        # R4 has no status to say so: an event that nobody had is not written.
        return None
    return {
        **common,
        "identifier": name,
        "event": event,
        "date": _day_of(infusion),
        "suspectEntity": [{"instance": suspect}],
    }


def _day_of(infusion: Infusion) -> str | None:
    """The day of an infusion that began and ended on one: when within it the product left the vein is not told."""
    start, end = infusion.start, infusion.end
    if start is None or (end is not None and end[:10] != start[:10]):
        return None
    return start[:10]


# --- reading -------------------------------------------------------------------------------------------------------


def is_companion(resource: Element, role: str) -> bool:
    """It has an identifier of that role."""
    return any(one.text("system") == f"{OURS}{role}" for one in _identifiers(resource))


def prescribed_in(resources: Iterable[Element], infusion: Identifier) -> Decimal | None:
    """The prescribed activity, MBq; None where its MedicationRequest is not among the resources."""
    request = _beside(resources, "MedicationRequest", companion(REQUEST, infusion))
    if request is None:
        return None
    doses = [
        (each, each.child("doseQuantity"))
        for instruction in request.children("dosageInstruction")
        for each in instruction.children("doseAndRate")
    ]
    if len(doses) != 1:
        raise request.fail("dosageInstruction", "one prescribed activity is wanted")
    each, dose = doses[0]
    if dose is None:
        raise each.fail("doseQuantity", "is missing")
    return amount_in(dose, ACTIVITY, wanted="MBq, GBq or mCi")


def amino_acids_in(resources: Iterable[Element], infusion: Identifier) -> AminoAcids | None:
    """The amino acids; None where their MedicationAdministration is not among the resources."""
    given = _beside(resources, "MedicationAdministration", companion(AMINO_ACIDS, infusion))
    if given is None:
        return None
    what, _ = medication_in(given)
    start, end = times_in(given)
    dose = given.child("dosage")
    volume = dose.child("dose") if dose is not None else None
    return made(
        given,
        AminoAcids,
        product=words_of(what),
        start=start,
        end=end,
        volume=amount_in(volume, _VOLUME, wanted="mL or L") if volume is not None else None,
    )


def reports_extravasation(resources: Iterable[Element], infusion: Identifier) -> bool:
    """The AdverseEvent of an extravasation is among the resources."""
    return _beside(resources, "AdverseEvent", companion(EXTRAVASATION, infusion)) is not None


def _beside(resources: Iterable[Element], kind: str, wanted: Identifier) -> Element | None:
    found = [
        one
        for one in resources
        if one.content.get("resourceType") == kind
        and any(
            (each.text("system"), each.text("value")) == (wanted.system, wanted.value) for each in _identifiers(one)
        )
    ]
    if len(found) > 1:
        raise found[1].fail("identifier", "two resources have the same one")
    if not found:
        return None
    found[0].refuse_modifiers()
    return found[0]


def _identifiers(resource: Element) -> list[Element]:
    """R4 AdverseEvent has one identifier, all else a list."""
    if isinstance(resource.content.get("identifier"), list):
        return resource.children("identifier")
    only = resource.child("identifier")
    return [only] if only is not None else []
