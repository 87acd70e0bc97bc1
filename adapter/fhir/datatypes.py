"""In: nothing. Out: the datatypes of FHIR as typed structs: those elements that this product reads, numbers exact, R4 names.

Elements that nothing reads are not declared, so a fault in them does not cost a record.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

__all__ = [
    "Annotation",
    "CodeableConcept",
    "CodeableReference",
    "Coding",
    "Extension",
    "FhirStruct",
    "Identifier",
    "Meta",
    "Period",
    "Quantity",
    "Range",
    "Reference",
    "ReferenceRange",
]


class FhirStruct(msgspec.Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """A part of a resource, told by the names of FHIR; no collector of cycles looks at it, since JSON has none."""


class Coding(FhirStruct, frozen=True):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(FhirStruct, frozen=True):
    coding: tuple[Coding, ...] = ()
    text: str | None = None


class CodeableReference(FhirStruct, frozen=True):  # R5 only
    concept: CodeableConcept | None = None
    reference: Reference | None = None


class Identifier(FhirStruct, frozen=True):
    system: str | None = None
    value: str | None = None
    type: CodeableConcept | None = None


class Reference(FhirStruct, frozen=True):
    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class Period(FhirStruct, frozen=True):
    start: str | None = None
    end: str | None = None


class Quantity(FhirStruct, frozen=True):
    value: Decimal | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(FhirStruct, frozen=True):
    low: Quantity | None = None
    high: Quantity | None = None


class ReferenceRange(FhirStruct, frozen=True):
    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    applies_to: tuple[CodeableConcept, ...] = ()
    age: Range | None = None
    text: str | None = None


class Annotation(FhirStruct, frozen=True):
    text: str | None = None


class Extension(FhirStruct, frozen=True):
    url: str | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_code: str | None = None
    value_date: str | None = None
    value_string: str | None = None
    value_integer: int | None = None
    extension: tuple[Extension, ...] = ()


class Meta(FhirStruct, frozen=True):
    version_id: str | None = None
    last_updated: str | None = None
