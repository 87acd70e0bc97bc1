"""In: the JSON of a resource that cannot be read, and its id. Out: what stands for it, by resource type: what it is about, and nothing that it found.

What it is about is its code, or what it was made with, is tied to or answers; each as far as it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from adapter.fhir.datatypes import CodeableConcept, CodeableReference, Coding, FhirStruct, Identifier, Reference
from adapter.fhir.resources import (
    AdverseEvent,
    AllergyIntolerance,
    AllergyReaction,
    AnswerItem,
    Condition,
    Consent,
    ConsentPolicy,
    DiagnosticReport,
    DocumentReference,
    Flag,
    ImagingSeries,
    ImagingStudy,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    ObservationComponent,
    Patient,
    Procedure,
    ProductResource,
    QuestionnaireResponse,
    ResearchStudy,
    ResearchSubject,
    Resource,
    ResponseItem,
)

__all__ = ["KINDS", "SHARED_KINDS", "Maker", "study_within"]

#: Makes what stands for a resource of one type.
Maker = Callable[[dict[str, Any], str], Resource]

_E = TypeVar("_E", bound=FhirStruct)
_P = TypeVar("_P", bound=ProductResource)
_UNSURE = CodeableConcept(coding=(Coding(code="unconfirmed"),))


def _observation(body: dict[str, Any], identity: str) -> Observation:
    return Observation(
        resource_type="Observation",
        id=identity,
        status="final",
        code=_concept(body.get("code")),
        # A value without any content: there is a result, and it cannot be read.
        value_codeable_concept=CodeableConcept(),
        component=_components(body.get("component")),
    )


def _condition(body: dict[str, Any], identity: str) -> Condition:
    code = _concept(body.get("code"))
    return Condition(resource_type="Condition", id=identity, verification_status=_UNSURE, code=code)


def _allergy(body: dict[str, Any], identity: str) -> AllergyIntolerance:
    reactions = (AllergyReaction(substance=_concept(item.get("substance"))) for item in _dicts(body.get("reaction")))
    return AllergyIntolerance(
        resource_type="AllergyIntolerance",
        id=identity,
        verification_status=_UNSURE,
        code=_concept(body.get("code")),
        type="allergy",
        reaction=tuple(reactions),
    )


def _consent(body: dict[str, Any], identity: str) -> Consent:
    # Of what it is must be known: a withdrawal that cannot be read must not leave an older consent the latest.
    return Consent(
        resource_type="Consent",
        id=identity,
        # One without content stands for one that cannot be read.
        scope=_concept(body["scope"]) if "scope" in body else None,
        identifier=_each(body.get("identifier"), Identifier),
        policy=_each(body.get("policy"), ConsentPolicy) or ((ConsentPolicy(),) if "policy" in body else ()),
    )


def _adverse_event(body: dict[str, Any], identity: str) -> AdverseEvent:
    return AdverseEvent(resource_type="AdverseEvent", id=identity, event=_concept(body.get("event")))


def _research_subject(body: dict[str, Any], identity: str) -> ResearchSubject:
    # Of which study it is must be known: one of the trial's own asks nothing.
    study = _one(body.get("study"), Reference)
    within = body.get("contained")
    return ResearchSubject(
        resource_type="ResearchSubject", id=identity, status="candidate", study=study, contained=within
    )


def _procedure(body: dict[str, Any], identity: str) -> Procedure:
    return Procedure(resource_type="Procedure", id=identity, code=_concept(body.get("code")))


def _administration(body: dict[str, Any], identity: str) -> MedicationAdministration:
    return _of_product(body, identity, MedicationAdministration)


def _prescription(body: dict[str, Any], identity: str) -> MedicationRequest:
    return _of_product(body, identity, MedicationRequest)


def _imaging_study(body: dict[str, Any], identity: str) -> ImagingStudy:
    modality = body.get("modality")
    return ImagingStudy(
        resource_type="ImagingStudy",
        id=identity,
        modality=tuple(modality) if isinstance(modality, list) else (),
        series=_each(body.get("series"), ImagingSeries),
        procedure_code=tuple(_concept(item) for item in _dicts(body.get("procedureCode"))),
        procedure=_each(body.get("procedure"), CodeableReference),
    )


def _report(body: dict[str, Any], identity: str) -> DiagnosticReport:
    # What hangs on it stays tied to it: it would else be taken for what is tied to nothing.
    return DiagnosticReport(
        resource_type="DiagnosticReport",
        id=identity,
        status="final",
        code=_concept(body.get("code")),
        result=_each(body.get("result"), Reference),
        imaging_study=_each(body.get("imagingStudy"), Reference),
    )


def _document(body: dict[str, Any], identity: str) -> DocumentReference:
    return DocumentReference(resource_type="DocumentReference", id=identity, type=_concept(body.get("type")))


def _flag(body: dict[str, Any], identity: str) -> Flag:
    return Flag(resource_type="Flag", id=identity, code=_concept(body.get("code")))


def _response(body: dict[str, Any], identity: str) -> QuestionnaireResponse:
    # Its time stands, so that a newer answer closes what it leaves open; and whether it is one that counts.
    status, authored = _text(body.get("status")), _text(body.get("authored"))
    author, questionnaire = body.get("author"), body.get("questionnaire")
    # Whoever cannot be told may be one who can attest.
    unknown = Reference(type="Practitioner", identifier=Identifier())
    return QuestionnaireResponse(
        resource_type="QuestionnaireResponse",
        id=identity,
        # Without content where it cannot be read: it may be any.
        questionnaire=None if questionnaire is None else _text(questionnaire) or "",
        status=status or "completed",
        authored=authored,
        author=None if author is None else _one(author, Reference) or unknown,
        item=tuple(_answered(body.get("item"))),
    )


def _answered(node: object) -> Iterator[ResponseItem]:
    """The items that are answered, wherever they stand, without their answers; without a linkId where that cannot be read."""
    if node is not None and not isinstance(node, list):
        yield ResponseItem(answer=(AnswerItem(),))
    for item in node if isinstance(node, list) else []:
        if not isinstance(item, dict):
            yield ResponseItem(answer=(AnswerItem(),))
            continue
        if "answer" in item:
            yield ResponseItem(link_id=_text(item.get("linkId")), answer=(AnswerItem(),))
        yield from _answered(item.get("item"))
        for answer in _dicts(item.get("answer")):
            yield from _answered(answer.get("item"))


def _patient(_: dict[str, Any], identity: str) -> Patient:
    return Patient(resource_type="Patient", id=identity)


def _medication(body: dict[str, Any], identity: str) -> Medication:
    code = _concept(body.get("code"))
    # Under no system: it may be the product that is looked for, and is not surely it.
    codings = tuple(msgspec.structs.replace(coding, system=None) for coding in code.coding)
    return Medication(resource_type="Medication", id=identity, code=msgspec.structs.replace(code, coding=codings))


def _research_study(body: dict[str, Any], identity: str) -> ResearchStudy:
    # Which study it is must be known: the trial's own would be taken for another one.
    return ResearchStudy(
        resource_type="ResearchStudy", id=identity, identifier=_each(body.get("identifier"), Identifier)
    )


def study_within(body: dict[str, Any]) -> ResearchStudy:
    """A study that lies within another resource; where it cannot be read, which one it is."""
    return _one(body, ResearchStudy) or _research_study(body, str(body.get("id")))


#: How each type is made that may stand within another resource too.
KINDS: Final[Mapping[str, Maker]] = {
    "AdverseEvent": _adverse_event,
    "AllergyIntolerance": _allergy,
    "Condition": _condition,
    "Consent": _consent,
    "DiagnosticReport": _report,
    "DocumentReference": _document,
    "Flag": _flag,
    "ImagingStudy": _imaging_study,
    "MedicationAdministration": _administration,
    "MedicationRequest": _prescription,
    "Observation": _observation,
    "Procedure": _procedure,
    "QuestionnaireResponse": _response,
    "ResearchSubject": _research_subject,
}

#: Likewise of those that tell nothing of a person within another resource: who it is, and what others refer to.
SHARED_KINDS: Final[Mapping[str, Maker]] = {
    "Medication": _medication,
    "Patient": _patient,
    "ResearchStudy": _research_study,
}


def _of_product(body: dict[str, Any], identity: str, kind: type[_P]) -> _P:
    """What was given or prescribed; a contained Medication by its code, for it may be what cannot be read."""
    nested = body.get("medication")
    r5 = nested if isinstance(nested, dict) else {}
    reference = _one(body.get("medicationReference") or r5.get("reference"), Reference)
    literal = (reference.reference if reference else None) or ""
    within = [item.get("code") for item in _dicts(body.get("contained")) if literal == f"#{item.get('id')}"]
    told = [_concept(node) for node in (body.get("medicationCodeableConcept"), r5.get("concept"), *within)]
    whole = CodeableConcept(
        coding=tuple(coding for concept in told for coding in concept.coding),
        text=next((concept.text for concept in told if concept.text), None),
    )
    # The contained one is not there to be looked up.
    shared = None if literal.startswith("#") else reference
    return kind(
        resource_type=kind.__name__, id=identity, medication_codeable_concept=whole, medication_reference=shared
    )


def _dicts(node: object) -> list[dict[str, Any]]:
    return [item for item in node if isinstance(item, dict)] if isinstance(node, list) else []


def _components(node: object) -> tuple[ObservationComponent, ...]:
    """The results of a panel: that there is one of each, and nothing of it."""
    concepts = [_concept(item.get("code")) for item in _dicts(node)]
    return tuple(ObservationComponent(code=code, value_codeable_concept=CodeableConcept()) for code in concepts)


def _one(node: object, kind: type[_E]) -> _E | None:
    """An element, None where it cannot be read."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(node, kind)
    return None


def _each(node: object, kind: type[_E]) -> tuple[_E, ...]:
    """Those of some elements that can be read."""
    found = (_one(item, kind) for item in (node if isinstance(node, list) else []))
    return tuple(item for item in found if item is not None)


def _concept(node: object) -> CodeableConcept:
    """A concept; where the fault is in it, what can be read of its codings and words."""
    found = _one(node, CodeableConcept)
    if found is not None:
        return found
    if not isinstance(node, dict):
        return CodeableConcept()
    text = node.get("text")
    codings = node.get("coding")
    # One coding where a list is wanted says which code it is all the same.
    items = _dicts([codings] if isinstance(codings, dict) else codings)
    told = [
        {name: word for name in ("system", "code", "display") if isinstance(word := item.get(name), str)}
        for item in items
    ]
    return CodeableConcept(
        coding=tuple(Coding(**words) for words in told if words), text=text if isinstance(text, str) else None
    )


def _text(node: object) -> str | None:
    return node if isinstance(node, str) else None
