"""In: a laboratory result, or an Observation. Out: the Observation (R4, R4B, R5), or the result.

What an Observation says beyond a `LabResult` and outside of `OWNED` (encounter, method, device, note, ...) is left with the
server. Within `OWNED`, what a result cannot hold is refused by its element and never dropped. Reference: clinical-spec.md
section 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapter.fhir import FhirVersion, Json, is_ucum
from adapter.terminology.coded import UCUM
from mappings.element_values import (
    amount_in,
    coding_of,
    exact_amount,
    identified,
    main_identifier,
    patient_of,
    pseudonym,
    pseudonym_of,
)
from mappings.elements import concept, extension, identifier, patient_reference, quantity, without_empty
from mappings.entities import Coding, EntityError, Identifier, LabResult, LabStatus
from mappings.foreign import Element, MappingError

__all__ = ["OWNED", "from_fhir", "to_fhir"]

# R4 ValueSet/observation-category
_CATEGORY: Final = Coding(
    system="http://terminology.hl7.org/CodeSystem/observation-category", code="laboratory", display="Laboratory"
)
# R4 ValueSet/observation-interpretation
_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
# R4 ValueSet/data-absent-reason
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# R4 ValueSet/referencerange-meaning; a range of another meaning (therapeutic, treatment) is no limit of normal.
_RANGE_MEANING: Final = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"

_OTHER_TIMES: Final = ("effectivePeriod", "effectiveInstant", "effectiveTiming")
_OTHER_VALUES: Final = (
    "valueAttachment",
    "valueBoolean",
    "valueCodeableConcept",
    "valueDateTime",
    "valueInteger",
    "valuePeriod",
    "valueRange",
    "valueRatio",
    "valueReference",
    "valueSampledData",
    "valueTime",
)
_ELEMENTS: Final = frozenset(
    {
        "identifier",
        "status",
        "category",
        "code",
        "subject",
        "effectiveDateTime",
        "issued",
        "performer",
        "valueQuantity",
        "valueString",
        "dataAbsentReason",
        "interpretation",
        "specimen",
        "referenceRange",
        *_OTHER_TIMES,
        *_OTHER_VALUES,
    }
)
#: Names of the elements that this mapper speaks of; they are the same in all versions.
OWNED: Final[Mapping[FhirVersion, Mapping[str, frozenset[str]]]] = {
    version: {"Observation": _ELEMENTS} for version in FhirVersion
}


def to_fhir(entity: LabResult, *, version: FhirVersion = FhirVersion.R4) -> Json:
    """The Observation of a result.

    Args:
        entity: the result.
        version: of FHIR; an Observation of the laboratory is the same in all of them.

    Extensions of ours: ``subject`` (Identifier, the pseudonym) and, for a result without a number, ``unit`` (CodeableConcept: the unit
    that its reference range is in, or that a number would have had).
    """
    shown = entity.unit_text or entity.unit
    extensions = [pseudonym(entity.subject)] if entity.subject is not None else []
    if entity.value is None and shown is not None:
        unit = _coded(UCUM, entity.unit) if entity.unit is not None else {}
        extensions.append(extension("unit", "CodeableConcept", without_empty({**unit, "text": entity.unit_text})))
    return without_empty(
        {
            "resourceType": "Observation",
            "extension": extensions,
            "identifier": [identifier(entity.id, use="official")],
            "status": entity.status.value,
            "category": [concept(_CATEGORY)],
            "code": concept(*entity.codes, text=entity.name),
            "subject": patient_reference(entity.patient),
            "effectiveDateTime": entity.effective,
            "issued": entity.issued,
            "performer": _organisation(entity.laboratory),
            "valueQuantity": _number(entity, shown),
            "valueString": entity.text,
            "dataAbsentReason": _coded(_ABSENT, entity.absent) if entity.absent is not None else None,
            "interpretation": [_coded(_INTERPRETATION, code) for code in entity.interpretation],
            "specimen": {"display": entity.specimen} if entity.specimen is not None else None,
            "referenceRange": _range(entity, shown),
        }
    )


def _organisation(laboratory: Identifier | None) -> list[Json]:
    return [] if laboratory is None else [{"type": "Organization", "identifier": identifier(laboratory)}]


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _number(entity: LabResult, shown: str | None) -> Json:
    if entity.value is None:
        return {}
    return without_empty({"comparator": entity.comparator, **quantity(entity.value, entity.unit, shown=shown)})


def _range(entity: LabResult, shown: str | None) -> list[Json]:
    limits = {
        name: quantity(limit, entity.unit, shown=shown) for name, limit in (("low", entity.low), ("high", entity.high))
    }
    found = without_empty({**limits, "text": entity.range_text})
    return [found] if found else []


# --- reading -------------------------------------------------------------------------------------------------------


def from_fhir(resource: Json) -> LabResult:
    """The result that an Observation tells, ours or a foreign one, of any version.

    Raises:
        MappingError: it is no laboratory result, or says what a result cannot hold; the path names the element.
    """
    whole = Element(resource)
    if whole.text("resourceType") != "Observation":
        raise whole.fail("resourceType", "an Observation is wanted")
    whole.refuse_modifiers()
    if not any(_is_laboratory(one) for one in whole.children("category")):
        raise whole.fail("category", "is not laboratory")
    for name in _OTHER_TIMES:
        if whole.has(name):
            raise whole.fail(name, "one day or moment is wanted (effectiveDateTime)")
    for name in _OTHER_VALUES:
        if whole.has(name):
            raise whole.fail(name, "a number with its unit, or a text, is wanted")
    value, comparator, unit, unit_text = _quantity_of(whole)
    low, high, range_text, range_unit = _range_of(whole, unit, unit_text)
    text, absent = whole.text("valueString"), _absent_of(whole)
    if value is None and text is None and absent is None:
        raise _no_result(whole)
    code = whole.child("code")
    if code is None:
        raise whole.fail("code", "is missing")
    try:
        return LabResult(
            id=main_identifier(whole),
            patient=patient_of(whole),
            codes=tuple(coding_of(one) for one in code.children("coding")),
            effective=whole.needed("effectiveDateTime"),
            status=_status_of(whole),
            value=value,
            comparator=comparator,
            unit=unit or range_unit,
            unit_text=unit_text,
            text=text,
            absent=absent,
            low=low,
            high=high,
            range_text=range_text,
            name=code.text("text"),
            subject=pseudonym_of(whole),
            issued=whole.text("issued"),
            specimen=_specimen_of(whole),
            laboratory=_laboratory_of(whole),
            interpretation=tuple(_interpretation_of(one) for one in whole.children("interpretation")),
        )
    except EntityError as error:
        raise whole.fail(error.field, error.problem) from None


def _is_laboratory(category: Element) -> bool:
    return any(
        (one.text("system"), one.text("code")) == (_CATEGORY.system, _CATEGORY.code)
        for one in category.children("coding")
    )


def _status_of(whole: Element) -> LabStatus:
    status = whole.needed("status")
    try:
        return LabStatus(status)
    except ValueError:
        raise whole.fail("status", "is no ObservationStatus") from None


def _quantity_of(whole: Element) -> tuple[Decimal | None, str | None, str | None, str | None]:
    """Value, comparator, UCUM code (none of a unit that has none) and unit as printed; the units also of a result that has no number."""
    number = whole.child("valueQuantity")
    if number is not None:
        value = number.decimal("value")
        if value is None:
            raise number.fail("value", "is missing")
        if _is_uncoded(number):
            return value, number.text("comparator"), None, number.needed("unit")
        if number.text("system") != UCUM:
            raise number.fail("system", "UCUM is wanted")
        return value, number.text("comparator"), number.needed("code"), number.text("unit")
    ours = whole.extension("unit")
    if ours is None:
        return None, None, None, None
    unit = ours.child("valueCodeableConcept")
    if unit is None:
        raise ours.fail("valueCodeableConcept", "is missing")
    code = next((one.needed("code") for one in unit.children("coding") if one.text("system") == UCUM), None)
    return None, None, code, unit.text("text")


def _is_uncoded(quantity: Element) -> bool:
    """A unit without a code, which is no code of UCUM either: of one that is, the system was only left out."""
    text = quantity.text("unit")
    return not quantity.has("system") and not quantity.has("code") and text is not None and not is_ucum(text)


def _range_of(
    whole: Element, unit: str | None, unit_text: str | None
) -> tuple[Decimal | None, Decimal | None, str | None, str | None]:
    """Lower and upper limit, the range as printed, and the unit of the limits, which has to be the result's."""
    listed = whole.children("referenceRange")
    if not listed:
        return None, None, None, None
    if len(listed) > 1:
        raise whole.fail("referenceRange", "one range is wanted: which of them holds for this person is not told")
    only = listed[0]
    meaning = only.child("type")
    for one in meaning.children("coding") if meaning else ():
        if one.text("system") == _RANGE_MEANING and one.text("code") != "normal":
            raise only.fail("type", "the normal range is wanted")
    limits: dict[str, Decimal | None] = {"low": None, "high": None}
    for name in limits:
        limit = only.child(name)
        if limit is not None and unit is None and _is_uncoded(limit) and limit.text("unit") == unit_text:
            limits[name] = exact_amount(limit)
        elif limit is not None:
            unit = unit or limit.needed("code")
            limits[name] = amount_in(limit, {unit: Decimal(1)}, wanted="the unit of the result")
    return limits["low"], limits["high"], only.text("text"), unit


def _absent_of(whole: Element) -> str | None:
    reason = whole.child("dataAbsentReason")
    if reason is None:
        return None
    for one in reason.children("coding"):
        if one.text("system") == _ABSENT:
            return one.needed("code")
    raise reason.fail("coding", "one of data-absent-reason is wanted")


def _no_result(whole: Element) -> MappingError:
    for name in ("component", "hasMember"):
        if whole.has(name):
            return whole.fail(name, "a result of its own is wanted: each of these is one, this is none")
    return whole.fail("value[x]", "is missing")


def _specimen_of(whole: Element) -> str | None:
    specimen = whole.child("specimen")
    return None if specimen is None else specimen.needed("display")


def _laboratory_of(whole: Element) -> Identifier | None:
    performers = whole.children("performer")
    if len(performers) > 1:
        raise whole.fail("performer", "one laboratory is wanted")
    return identified(performers[0]) if performers else None


def _interpretation_of(interpretation: Element) -> str:
    for one in interpretation.children("coding"):
        if one.text("system") == _INTERPRETATION:
            return one.needed("code")
    raise interpretation.fail("coding", "one of v3-ObservationInterpretation is wanted")
