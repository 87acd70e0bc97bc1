"""In: the raw JSON of one resource. Out: typed structs of the elements that this product reads, numbers exact.

One struct a resource type, R4 names; where R5 spells an element otherwise, both are here. Elements that nothing
reads are not declared, so a fault in them does not cost a record. JSON numbers become `Decimal` digit by digit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from adapter.fhir.datatypes import (
    Annotation,
    CodeableConcept,
    CodeableReference,
    Extension,
    FhirStruct,
    Identifier,
    Meta,
    Period,
    Quantity,
    Range,
    Reference,
    ReferenceRange,
)

__all__ = [
    "PRODUCT_TYPES",
    "READ_TYPES",
    "AdverseEvent",
    "AllergyIntolerance",
    "AllergyReaction",
    "AnswerItem",
    "Condition",
    "Consent",
    "ConsentPolicy",
    "Coverage",
    "DiagnosticReport",
    "DocumentReference",
    "Flag",
    "ImagingSeries",
    "ImagingStudy",
    "Medication",
    "MedicationAdministration",
    "MedicationRequest",
    "Observation",
    "ObservationComponent",
    "Patient",
    "Procedure",
    "ProductResource",
    "QuestionnaireResponse",
    "ResearchStudy",
    "ResearchSubject",
    "Resource",
    "ResponseItem",
    "SuspectEntity",
    "decode",
    "element_types",
]


class Resource(FhirStruct, frozen=True):
    """What every resource has; a type that nothing reads is decoded no further."""

    resource_type: str
    id: str
    meta: Meta = Meta()
    extension: tuple[Extension, ...] = ()

    @property
    def reference(self) -> str:
        """``ResourceType/id``; of what stands for one within another, ``ResourceType/id#id`` of that one."""
        # No id of a resource holds a slash.
        return self.id if "/" in self.id else f"{self.resource_type}/{self.id}"


class PatientLink(FhirStruct, frozen=True):
    other: Reference = Reference()
    type: str | None = None


class Patient(Resource, frozen=True):
    identifier: tuple[Identifier, ...] = ()
    active: bool | None = None
    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None
    link: tuple[PatientLink, ...] = ()


class ConditionStage(FhirStruct, frozen=True):
    summary: CodeableConcept | None = None
    assessment: tuple[Reference, ...] = ()


class Condition(Resource, frozen=True):
    clinical_status: CodeableConcept | None = None
    verification_status: CodeableConcept | None = None
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept | None = None
    subject: Reference | None = None
    encounter: Reference | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    onset_string: str | None = None
    abatement_date_time: str | None = None
    abatement_period: Period | None = None
    abatement_boolean: bool | None = None
    recorded_date: str | None = None
    stage: tuple[ConditionStage, ...] = ()
    # R4 BackboneElement list; in R5 a list of CodeableReference, read for its references only.
    evidence: tuple[Any, ...] = ()


class ObservationComponent(FhirStruct, frozen=True):
    code: CodeableConcept = CodeableConcept()
    value_quantity: Quantity | None = None
    value_string: str | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_integer: int | None = None
    value_boolean: bool | None = None
    value_range: Range | None = None
    # Kinds of value that no criterion compares: that there is one must be known all the same.
    value_ratio: Any = None
    value_sampled_data: Any = None
    value_time: str | None = None
    value_date_time: str | None = None
    value_period: Period | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: tuple[CodeableConcept, ...] = ()
    reference_range: tuple[ReferenceRange, ...] = ()


class Observation(Resource, frozen=True):
    status: str | None = None
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept = CodeableConcept()
    subject: Reference | None = None
    focus: tuple[Reference, ...] = ()
    encounter: Reference | None = None
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    value_string: str | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_integer: int | None = None
    value_boolean: bool | None = None
    value_range: Range | None = None
    # Kinds of value that no criterion compares: that there is one must be known all the same.
    value_ratio: Any = None
    value_sampled_data: Any = None
    value_time: str | None = None
    value_date_time: str | None = None
    value_period: Period | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: tuple[CodeableConcept, ...] = ()
    note: tuple[Annotation, ...] = ()
    body_site: CodeableConcept | None = None
    method: CodeableConcept | None = None
    reference_range: tuple[ReferenceRange, ...] = ()
    has_member: tuple[Reference, ...] = ()
    part_of: tuple[Reference, ...] = ()
    derived_from: tuple[Reference, ...] = ()
    component: tuple[ObservationComponent, ...] = ()


class MedicationBatch(FhirStruct, frozen=True):
    lot_number: str | None = None


class Medication(Resource, frozen=True):
    id: str = ""
    code: CodeableConcept | None = None
    batch: MedicationBatch | None = None


class Dosage(FhirStruct, frozen=True):
    text: str | None = None
    dose: Quantity | None = None


class ProductResource(Resource, frozen=True):
    """What says of what product it is: in a concept, or by a Medication that is contained or shared."""

    contained: tuple[Any, ...] = ()
    medication_codeable_concept: CodeableConcept | None = None
    medication_reference: Reference | None = None
    medication: CodeableReference | None = None  # R5

    def contained_medications(self) -> dict[str, Medication]:
        """The contained Medications by id.

        Raises:
            msgspec.ValidationError: one of them has an element of the wrong type.
        """
        return {
            str(raw.get("id")): msgspec.convert(raw, Medication)
            for raw in self.contained
            if isinstance(raw, dict) and raw.get("resourceType") == "Medication"
        }


class MedicationAdministration(ProductResource, frozen=True):
    status: str | None = None
    category: CodeableConcept | tuple[CodeableConcept, ...] | None = None
    subject: Reference | None = None
    context: Reference | None = None
    encounter: Reference | None = None  # R5
    effective_date_time: str | None = None
    effective_period: Period | None = None
    occurence_date_time: str | None = None  # R5 spells it with one r
    occurence_period: Period | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    part_of: tuple[Reference, ...] = ()
    dosage: Dosage | None = None


class MedicationRequest(ProductResource, frozen=True):
    status: str | None = None
    subject: Reference | None = None
    authored_on: str | None = None


class Procedure(Resource, frozen=True):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    performed_date_time: str | None = None
    performed_period: Period | None = None
    occurrence_date_time: str | None = None  # R5
    occurrence_period: Period | None = None


class AnswerItem(FhirStruct, frozen=True):
    value_boolean: bool | None = None
    value_date: str | None = None


class ResponseItem(FhirStruct, frozen=True):
    link_id: str | None = None
    answer: tuple[AnswerItem, ...] = ()
    item: tuple[ResponseItem, ...] = ()


class QuestionnaireResponse(Resource, frozen=True):
    # Read for who signed; a fault in it costs nothing else.
    contained: Any = None
    questionnaire: str | None = None
    status: str | None = None
    subject: Reference | None = None
    authored: str | None = None
    author: Reference | None = None
    item: tuple[ResponseItem, ...] = ()


class ResearchSubject(Resource, frozen=True):
    # Read for the study; a fault in it costs nothing else.
    contained: Any = None
    status: str | None = None
    study: Reference | None = None
    individual: Reference | None = None
    subject: Reference | None = None  # R5
    period: Period | None = None
    consent: Reference | tuple[Reference, ...] | None = None

    def contained_study(self) -> dict[str, Any] | None:
        """The ResearchStudy that it is of, where that lies within it; as it came."""
        literal = (self.study.reference if self.study else None) or ""
        items = self.contained if isinstance(self.contained, list) and literal.startswith("#") else []
        studies = (one for one in items if isinstance(one, dict) and one.get("resourceType") == "ResearchStudy")
        return next((one for one in studies if one.get("id") == literal[1:]), None)


class ResearchStudy(Resource, frozen=True):
    identifier: tuple[Identifier, ...] = ()
    status: str | None = None
    category: tuple[CodeableConcept, ...] = ()


class ImagingSeries(FhirStruct, frozen=True):
    modality: Any = None


class ImagingStudy(Resource, frozen=True):
    status: str | None = None
    subject: Reference | None = None
    started: str | None = None
    # R4 Coding, R5 CodeableConcept: read for its code, whichever it is.
    modality: tuple[Any, ...] = ()
    series: tuple[ImagingSeries, ...] = ()
    procedure_code: tuple[CodeableConcept, ...] = ()
    procedure: tuple[CodeableReference, ...] = ()  # R5

    @property
    def performed(self) -> tuple[CodeableConcept, ...]:
        """What was done, as R4 or R5 writes it."""
        return (*self.procedure_code, *(item.concept for item in self.procedure if item.concept is not None))


class DiagnosticReport(Resource, frozen=True):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    result: tuple[Reference, ...] = ()
    imaging_study: tuple[Reference, ...] = ()
    conclusion_code: tuple[CodeableConcept, ...] = ()


class DocumentReference(Resource, frozen=True):
    status: str | None = None
    type: CodeableConcept | None = None
    subject: Reference | None = None
    date: str | None = None


class Flag(Resource, frozen=True):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    period: Period | None = None


class ConsentPolicy(FhirStruct, frozen=True):
    uri: str | None = None


class ConsentProvision(FhirStruct, frozen=True):
    type: str | None = None
    period: Period | None = None


class Consent(Resource, frozen=True):
    identifier: tuple[Identifier, ...] = ()
    status: str | None = None
    scope: CodeableConcept | None = None
    patient: Reference | None = None
    date_time: str | None = None
    policy: tuple[ConsentPolicy, ...] = ()
    provision: ConsentProvision | None = None


class Coverage(Resource, frozen=True):
    status: str | None = None
    type: CodeableConcept | None = None
    beneficiary: Reference | None = None
    period: Period | None = None
    payor: tuple[Reference, ...] = ()


class AllergyReaction(FhirStruct, frozen=True):
    substance: CodeableConcept | None = None


class AllergyIntolerance(Resource, frozen=True):
    clinical_status: CodeableConcept | None = None
    verification_status: CodeableConcept | None = None
    type: str | CodeableConcept | None = None  # R5: a concept
    code: CodeableConcept | None = None
    patient: Reference | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    recorded_date: str | None = None
    reaction: tuple[AllergyReaction, ...] = ()


class SuspectEntity(FhirStruct, frozen=True):
    instance: Reference | None = None
    # R4 a list of BackboneElements, R5 one with other names: read for the codes of the assessment only.
    causality: Any = None


class AdverseEvent(Resource, frozen=True):
    status: str | None = None  # R5
    actuality: str | None = None
    event: CodeableConcept | None = None
    subject: Reference | None = None
    date: str | None = None
    outcome: CodeableConcept | tuple[CodeableConcept, ...] | None = None  # R5: a list
    suspect_entity: tuple[SuspectEntity, ...] = ()


_STRUCTS: dict[str, type[Resource]] = {
    struct.__name__: struct
    for struct in (
        AdverseEvent,
        AllergyIntolerance,
        Condition,
        Consent,
        Coverage,
        DiagnosticReport,
        DocumentReference,
        Flag,
        ImagingStudy,
        Medication,
        MedicationAdministration,
        MedicationRequest,
        Observation,
        Patient,
        Procedure,
        QuestionnaireResponse,
        ResearchStudy,
        ResearchSubject,
    )
}

#: Resource types that are decoded beyond `Resource`.
READ_TYPES: frozenset[str] = frozenset(_STRUCTS)

#: Those whose contained Medications are read.
PRODUCT_TYPES: frozenset[str] = frozenset(
    name for name, struct in _STRUCTS.items() if issubclass(struct, ProductResource)
)

_DECODERS = {name: msgspec.json.Decoder(struct) for name, struct in _STRUCTS.items()}
_ANY = msgspec.json.Decoder(Resource)


def decode(resource_type: str, raw: bytes) -> Resource:
    """Read one resource.

    Args:
        resource_type: what ``resourceType`` says.
        raw: its JSON, UTF-8.

    Raises:
        msgspec.MsgspecError: not JSON, or an element has the wrong type; the text names the path, no value.
    """
    return _DECODERS.get(resource_type, _ANY).decode(raw)


@lru_cache(maxsize=512)
def element_types(resource_type: str) -> dict[str, Any]:
    """What `decode` reads each element of a resource type as; it does not look at other elements."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(_STRUCTS.get(resource_type, Resource))}
