"""In: an infusion, or its MedicationAdministration with what stands beside it. Out: the Bundle (R4, R4B, R5), or the infusion.

What the resources say beyond an `Infusion` and outside of `OWNED` (encounter, device, reason, ...) is left with the server.
Within `OWNED`, what would make an infusion say something else is refused by its element. Reference: clinical-spec.md
section 8, examples/medicationadministration-r4.json, examples/aminoacid-r4.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from adapter.fhir import FhirVersion, Json, parse_when
from mappings.administration import (
    ACTIVITY,
    Dose,
    activity,
    dose_in,
    dose_of,
    product,
    product_in,
    time_name,
    times,
    times_in,
)
from mappings.element_values import (
    amount_in,
    identified,
    made,
    main_identifier,
    part,
    patient_of,
    pseudonym,
    pseudonym_of,
    resources_of,
    words_of,
)
from mappings.elements import EXTENSION, bundle_of, extension, full_url, identifier, patient_reference, without_empty
from mappings.entities import EntityError, Extravasation, Identifier, Infusion, InfusionStatus, Interruption
from mappings.foreign import Element, MappingError
from mappings.infusion_companions import (
    AMINO_ACIDS,
    PROCEDURE,
    REQUEST,
    amino_acids_in,
    companions,
    is_companion,
    prescribed_in,
    product_concept,
    reference_to,
    reports_extravasation,
)

__all__ = ["OWNED", "from_fhir", "to_fhir"]

_ADMINISTRATION: Final = frozenset(
    {"contained", "dosage", "identifier", "note", "partOf", "performer", "request", "status", "statusReason", "subject"}
)
_PROCEDURE: Final = frozenset({"code", "identifier", "status", "subject"})
_REQUEST: Final = frozenset({"dosageInstruction", "identifier", "intent", "status", "subject"})
_EVENT: Final = frozenset({"actuality", "identifier", "subject", "suspectEntity"})
_R4: Final[Mapping[str, frozenset[str]]] = {
    "MedicationAdministration": _ADMINISTRATION
    | {"effectiveDateTime", "effectivePeriod", "medicationCodeableConcept", "medicationReference"},
    "Procedure": _PROCEDURE
    | {"performedAge", "performedDateTime", "performedPeriod", "performedRange", "performedString"},
    "MedicationRequest": _REQUEST | {"medicationCodeableConcept", "medicationReference"},
    "AdverseEvent": _EVENT | {"date", "event"},
}
_R5: Final[Mapping[str, frozenset[str]]] = {
    "MedicationAdministration": _ADMINISTRATION
    | {"medication", "occurenceDateTime", "occurencePeriod", "occurenceTiming"},
    "Procedure": _PROCEDURE
    | {
        "occurrenceAge",
        "occurrenceDateTime",
        "occurrencePeriod",
        "occurrenceRange",
        "occurrenceString",
        "occurrenceTiming",
    },
    "MedicationRequest": _REQUEST | {"medication"},
    "AdverseEvent": _EVENT | {"code", "occurrenceDateTime", "occurrencePeriod", "occurrenceTiming", "status"},
}
#: Names of the elements that this mapper speaks of, of the infusion's resource and of those beside it.
OWNED: Final[Mapping[FhirVersion, Mapping[str, frozenset[str]]]] = {
    FhirVersion.R4: _R4,
    FhirVersion.R4B: _R4,
    FhirVersion.R5: _R5,
}


def to_fhir(entity: Infusion, *, version: FhirVersion = FhirVersion.R4) -> Json:
    """A Bundle (collection): the MedicationAdministration, then its Procedure, amino acids, prescription, extravasation.

    Args:
        entity: the infusion.
        version: of FHIR.

    Extensions of ours on the MedicationAdministration: ``subject`` (Identifier, the pseudonym), ``course`` and ``cycle``
    (positiveInt), ``calibration`` (``activity`` Quantity, ``time`` dateTime), ``interruption`` for each pause (``start`` and
    ``end`` dateTime, ``reason`` string), ``extravasation`` (``occurred`` boolean, ``note`` string), ``end`` (dateTime) where
    a Period cannot tell it, ``route`` and ``body-site`` (CodeableConcept) where there may be no dosage.
    """
    return bundle_of([(full_url(entity.id), _administration(entity, version)), *companions(entity, version=version)])


def _administration(entity: Infusion, version: FhirVersion) -> Json:
    # R4 MedicationAdministration.effective[x] is needed also of what was not done: the day it was planned for.
    start = entity.planned if entity.start is None else entity.start
    when, ending = times(time_name(version), start or "", entity.end)
    dose = Dose(entity.administered, entity.rate, route=entity.route, site=entity.body_site)
    dosage, told_apart = dose_of(dose)
    return without_empty(
        {
            "resourceType": "MedicationAdministration",
            **product(version, product_concept(entity), entity.batch),
            "extension": [*_extensions(entity), *ending, *told_apart],
            "identifier": [identifier(entity.id, use="official")],
            "partOf": [reference_to(PROCEDURE, entity.id)],
            "status": entity.status.value,
            "statusReason": [{"text": entity.status_reason}] if entity.status_reason is not None else None,
            "subject": patient_reference(entity.patient),
            **when,
            "performer": _performer(entity.performer, version),
            "request": reference_to(REQUEST, entity.id) if entity.prescribed is not None else None,
            "note": [{"text": entity.note}] if entity.note is not None else None,
            "dosage": dosage,
        }
    )


def _performer(performer: Identifier | None, version: FhirVersion) -> list[Json]:
    if performer is None:
        return []
    actor = {"type": "Practitioner", "identifier": identifier(performer)}
    return [{"actor": {"reference": actor} if version is FhirVersion.R5 else actor}]


def _extensions(entity: Infusion) -> list[Json]:
    found = [pseudonym(entity.subject)] if entity.subject is not None else []
    for name, number in (("course", entity.course), ("cycle", entity.cycle)):
        if number is not None:
            found.append(extension(name, "PositiveInt", number))
    if entity.calibrated is not None:
        found.append(
            _complex(
                "calibration",
                ("activity", "Quantity", activity(entity.calibrated)),
                ("time", "DateTime", entity.calibration_time),
            )
        )
    found += [
        _complex(
            "interruption",
            ("start", "DateTime", pause.start),
            ("end", "DateTime", pause.end),
            ("reason", "String", pause.reason),
        )
        for pause in entity.interruptions
    ]
    if entity.extravasation is not None:
        seen = entity.extravasation
        found.append(_complex("extravasation", ("occurred", "Boolean", seen.occurred), ("note", "String", seen.note)))
    return found


def _complex(name: str, *parts: tuple[str, str, Any]) -> Json:
    """An extension of ours made of others, whose urls are bare names within it."""
    inner = [{"url": part_name, f"value{kind}": value} for part_name, kind, value in parts if value is not None]
    return {"url": f"{EXTENSION}{name}", "extension": inner}


# --- reading -------------------------------------------------------------------------------------------------------


def from_fhir(resource: Json) -> Infusion:
    """The infusion that a MedicationAdministration tells, ours or a foreign one, of any version.

    Args:
        resource: the MedicationAdministration, or a Bundle with what stands beside it, in any order. Without those, what only
            they tell (prescribed activity, amino acids) is None.

    Raises:
        MappingError: it is none, or says what an infusion cannot hold; the path names the element.
    """
    found = resources_of(resource)
    main = _main(found)
    main.refuse_modifiers()
    key = main_identifier(main)
    product_code, product_text, batch = product_in(main)
    status = _status_of(main)
    start, end = times_in(main)
    not_done = status is InfusionStatus.NOT_DONE
    dose = dose_in(main)
    calibrated, calibration_time = _calibration_of(main)
    extravasation = _extravasation_of(main)
    if extravasation is None and reports_extravasation(found, key):
        extravasation = Extravasation(occurred=True)
    try:
        return Infusion(
            id=key,
            patient=patient_of(main),
            product=product_code,
            status=status,
            product_text=product_text,
            start=None if not_done else start,
            end=end,
            planned=start if not_done else None,
            course=_number_of(main, "course"),
            cycle=_number_of(main, "cycle"),
            prescribed=prescribed_in(found, key),
            administered=dose.given,
            calibrated=calibrated,
            calibration_time=calibration_time,
            batch=batch,
            route=dose.route,
            body_site=dose.site,
            rate=dose.rate,
            status_reason=_reason_of(main),
            amino_acids=amino_acids_in(found, key),
            interruptions=_interruptions_of(main),
            extravasation=extravasation,
            subject=pseudonym_of(main),
            performer=_performer_of(main),
            # Others may have written notes of their own; none is left out.
            note="\n".join(one.needed("text").strip() for one in main.children("note")) or None,
        )
    except EntityError as error:
        raise main.fail(error.field, error.problem) from None


def _main(resources: list[Element]) -> Element:
    """The infusion's own resource: a MedicationAdministration that is not the one of its amino acids."""
    found = [one for one in resources if one.content.get("resourceType") == "MedicationAdministration"]
    if not found:
        reference = resources[0].reference if len(resources) == 1 else "Bundle"
        raise MappingError(reference, "resourceType", "a MedicationAdministration is wanted")
    return next((one for one in found if not is_companion(one, AMINO_ACIDS)), found[0])


def _status_of(main: Element) -> InfusionStatus:
    status = main.needed("status")
    try:
        return InfusionStatus(status)
    except ValueError:
        raise main.fail("status", "is no status of a MedicationAdministration") from None


def _number_of(main: Element, name: str) -> int | None:
    found = main.extension(name)
    if found is None:
        return None
    number = found.whole("valuePositiveInt")
    if number is None:
        raise found.fail("valuePositiveInt", "is missing")
    return number


def _reason_of(main: Element) -> str | None:
    reasons = main.children("statusReason")
    if len(reasons) > 1:
        raise main.fail("statusReason", "one reason is wanted")
    return words_of(reasons[0]) if reasons else None


def _performer_of(main: Element) -> Identifier | None:
    performers = main.children("performer")
    if len(performers) > 1:
        raise main.fail("performer", "one person is wanted")
    if not performers:
        return None
    actor = performers[0].child("actor")
    # R5 has a CodeableReference, whose `reference` is the Reference.
    if actor is not None and isinstance(actor.content.get("reference"), dict):
        actor = actor.child("reference")
    if actor is None:
        raise performers[0].fail("actor", "is missing")
    return identified(actor)


def _calibration_of(main: Element) -> tuple[Any, str | None]:
    found = main.extension("calibration")
    if found is None:
        return None, None
    told, time = part(found, "activity"), part(found, "time")
    amount = told.child("valueQuantity") if told is not None else None
    if amount is None or time is None:
        raise found.fail("extension", "an activity and the time it was calibrated for are wanted")
    return amount_in(amount, ACTIVITY, wanted="MBq, GBq or mCi"), time.needed("valueDateTime")


def _interruptions_of(main: Element) -> tuple[Interruption, ...]:
    """Pauses by their beginning: a server may give extensions back in another order."""
    found = [
        made(one, Interruption, start=_told(one, "start", "valueDateTime") or "", **_rest_of(one))
        for one in main.extensions("interruption")
    ]
    return tuple(sorted(found, key=_begins))


def _rest_of(pause: Element) -> dict[str, str | None]:
    return {"end": _told(pause, "end", "valueDateTime"), "reason": _told(pause, "reason", "valueString")}


def _told(within: Element, name: str, kind: str) -> str | None:
    found = part(within, name)
    return found.needed(kind) if found is not None else None


def _begins(pause: Interruption) -> Any:
    when = parse_when(pause.start)
    return when.start if when is not None else None


def _extravasation_of(main: Element) -> Extravasation | None:
    found = main.extension("extravasation")
    if found is None:
        return None
    occurred = part(found, "occurred")
    seen = occurred.flag("valueBoolean") if occurred is not None else None
    if seen is None:
        raise found.fail("extension", "whether it occurred is wanted")
    return made(found, Extravasation, occurred=seen, note=_told(found, "note", "valueString"))
