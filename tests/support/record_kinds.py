"""In: short-hand for imaging, consent, cover, allergies, other trials and adverse events. Out: FHIR R4 resources, as plain data.

The kinds of `tests.support.records` that came with the criteria of issue 4. What that file says of defaults holds here too; an id is
``<kind>-<n>`` unless said. ``tie`` (of ``sstr-values``, ``lesion``, ``lesion-count``, ``lesion-sheet``) is ``partOf: reference`` or
``derivedFrom: reference``.

=====================  =================================================================================================
kind                   fields (all optional unless said)
=====================  =================================================================================================
``sstr``               an examination: ``as`` (procedure, study, report), ``term`` (sstr-pet-68ga) or ``code``
                       (``system|code``) or ``text``, ``date`` (null: none) or ``period``, ``status`` (completed,
                       available, final), ``results`` (references, of a report), ``modality`` (codes, of a study)
``sstr-values``        ``percent``, ``krenning``, ``uptake``: an Observation each, with the ids ``percent-<n>``...; ``date``,
                       ``tie``, ``status``, ``unit``/``ucum`` and ``comparator`` (of percent), ``as: quantity`` (of krenning)
``imaging``            ImagingStudy: ``modality`` ([CT]), ``date``, ``status``
``lesion``             ``mm`` or ``value`` and ``unit``/``ucum``, or ``text``; ``comparator``, ``site`` (words of the body
                       site), ``focus``, ``date``, ``tie``, ``status``
``lesion-count``       ``value``, ``focus``, ``date``, ``tie``, ``status``
``lesion-sheet``       one Observation with components: ``mm`` (list), ``count``; ``focus``, ``date``, ``tie``, ``status``
``marrow-fraction``    ``value`` (or ``between``, ``text``), ``ucum`` (%), ``comparator``, ``date``, ``status``
``best-response``      ``value`` (CR PR SD PD NE), ``form`` (code, text, concept), ``date``, ``focus``, ``observation``
``body``               ``height`` (cm), ``weight`` (kg): an Observation each, ids ``height-<n>``, ``weight-<n>``; ``date``,
                       ``status``, ``height-unit``, ``weight-unit``
``radiotherapy``       Procedure SNOMED 1217123003: ``status`` (completed), ``date`` or ``period``, ``code``
``consent``            ``status`` (active), ``date`` (2025-05-20), ``scope`` (research), ``names`` (policy, identifier, nothing),
                       ``trial`` (NCT04954820), ``type`` (permit, deny), ``from`` and ``to`` of the provision
``coverage``           ``type`` (words; AMO), ``code`` (``system|code``), ``payor``, ``start`` (2020-01-01), ``end``,
                       ``period: null`` (none), ``status`` (active), ``patient`` (the beneficiary)
``allergy``            ``atc`` or ``code`` or ``text``, ``substance`` (ATC of the reaction), ``clinical`` (active), ``verification``
                       (confirmed), ``type`` (allergy), ``onset``, ``recorded``
``participation``      ResearchSubject: ``study`` (other), ``status`` (on-study), ``start``, ``end``, ``consent``
``research-study``     for ``shared``: ``id`` (other), ``category`` (code), ``words`` (text of the category), ``identifier``
``adverse-event``      ``grade``, ``date``, ``outcome`` (ongoing), ``suspect`` (list of references), ``event`` (words),
                       ``event-code``, ``actuality`` (actual), ``status`` (R5), ``grade-url``
``document``           DocumentReference: ``term`` (rcp-document), ``date``, ``status`` (current)
``flag``               ``text``, ``status`` (active)
``prescription``       MedicationRequest: ``text`` or ``atc``, ``status`` (active), ``date``
=====================  =================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tests.support.record_parts import (
    ATC,
    DEFAULT_DAY,
    LOINC,
    SNOMED,
    TERMS,
    Entry,
    Resource,
    concept,
    quantity,
    result,
    timed,
)

__all__ = ["GRADE_URL", "KINDS", "PATIENT_ELEMENT", "SHARED", "Writer", "response"]

#: The extension in which the sites of the scenarios send CTCAE grades.
GRADE_URL = "urn:example:ctcae-grade"
#: Where a resource names its patient, when not in ``subject``.
PATIENT_ELEMENT = {
    "AllergyIntolerance": "patient",
    "Consent": "patient",
    "Coverage": "beneficiary",
    "ResearchSubject": "individual",
}
#: Types that are of no patient.
SHARED = frozenset({"Medication", "Patient", "Practitioner", "ResearchStudy"})

_STATES = "http://terminology.hl7.org/CodeSystem"


class Writer(Protocol):
    """What begins a resource: `tests.support.records.ChartWriter`."""

    def head(self, resource_type: str, kind: str, fields: Entry) -> Resource:
        """Type, id, meta and patient."""

    def observation(self, kind: str, fields: Entry, code: Resource) -> Resource:
        """An Observation without its value."""

    def name(self, kind: str, given: str | None = None) -> str:
        """The id given, else the next of the kind."""


def _timed_code(fields: Entry) -> Resource:
    if "code" in fields:
        return concept(fields["code"])
    if "text" in fields:
        return {"text": fields["text"]}
    return concept(f"{TERMS}|{fields.get('term', 'sstr-pet-68ga')}")


def _sstr(writer: Writer, fields: Entry) -> list[Resource]:
    form, code = fields.get("as", "procedure"), _timed_code(fields)
    if form == "study":
        resource = writer.head("ImagingStudy", "sstr", fields)
        resource |= {"status": fields.get("status", "available"), "procedureCode": [code]}
        if fields.get("date", DEFAULT_DAY) is not None:
            resource["started"] = str(fields.get("date", DEFAULT_DAY))
        if "modality" in fields:
            resource["modality"] = _modality(fields)
    elif form == "report":
        resource = writer.head("DiagnosticReport", "sstr", fields)
        resource |= {"status": fields.get("status", "final"), "code": code, **timed(fields, "effective")}
        if "results" in fields:
            resource["result"] = [{"reference": reference} for reference in fields["results"]]
    else:
        resource = writer.head("Procedure", "sstr", fields)
        resource |= {"status": fields.get("status", "completed"), "code": code, **timed(fields, "performed")}
    return [resource]


def _modality(fields: Entry) -> list[Resource]:
    system = "http://dicom.nema.org/resources/ontology/DCM"
    return [{"system": system, "code": code} for code in fields.get("modality", ("CT",))]


def _sstr_values(writer: Writer, fields: Entry) -> list[Resource]:
    found = []
    plain = {key: value for key, value in fields.items() if key != "id"}
    if "percent" in fields:
        unit = {key: fields[key] for key in ("unit", "ucum") if key in fields} or {"ucum": "%"}
        made = writer.observation("percent", plain, concept(f"{TERMS}|sstr-positive-percent"))
        found.append(made | {"valueQuantity": quantity(fields["percent"], {**fields, **unit})})
    if "krenning" in fields:
        made = writer.observation("krenning", plain, concept(f"{TERMS}|krenning-score"))
        as_quantity = fields.get("as") == "quantity"
        value = (
            {"valueQuantity": {"value": fields["krenning"]}} if as_quantity else {"valueInteger": fields["krenning"]}
        )
        found.append(made | value)
    if "uptake" in fields:
        made = writer.observation("uptake", plain, concept(f"{TERMS}|sstr-uptake"))
        found.append(made | {"valueCodeableConcept": concept(f"{TERMS}|{fields['uptake']}")})
    return found


def _imaging(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("ImagingStudy", "imaging", fields)
    resource |= {"status": fields.get("status", "available"), "modality": _modality(fields)}
    return [resource | {"started": str(fields.get("date", DEFAULT_DAY))}]


def _length(fields: Entry) -> Resource:
    plain = {key: value for key, value in fields.items() if key != "mm"}
    return result({"value": fields["mm"], "ucum": "mm", **plain} if "mm" in fields else plain)


def _lesion(writer: Writer, fields: Entry) -> list[Resource]:
    return [writer.observation("lesion", fields, concept(f"{TERMS}|lesion-longest-diameter")) | _length(fields)]


def _lesion_count(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.observation("lesion-count", fields, concept(f"{TERMS}|lesion-count"))
    return [resource | {"valueInteger": fields["value"]}]


def _lesion_sheet(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.observation("lesion-sheet", fields, {"text": "feuille RECIST"})
    parts = [
        {"code": concept(f"{TERMS}|lesion-longest-diameter"), **_length({"mm": length})}
        for length in fields.get("mm", ())
    ]
    if "count" in fields:
        parts.append({"code": concept(f"{TERMS}|lesion-count"), "valueInteger": fields["count"]})
    return [resource | {"component": parts}]


def _marrow_fraction(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.observation("marrow-fraction", fields, concept(f"{TERMS}|marrow-fraction-irradiated"))
    return [resource | result(fields if "unit" in fields else {"ucum": "%", **fields})]


def _best_response(writer: Writer, fields: Entry) -> list[Resource]:
    plain = {**fields, "status": fields.get("observation", "final")}
    resource = writer.observation("best-response", plain, concept(f"{TERMS}|recist-best-response"))
    return [resource | response(fields)]


def response(fields: Entry) -> Resource:
    """A RECIST category as the code of ours, as a text value or as the text of a concept."""
    match fields.get("form", "code"):
        case "text":
            return {"valueString": fields["value"]}
        case "concept":
            return {"valueCodeableConcept": {"text": fields["value"]}}
        case _:
            return {"valueCodeableConcept": concept(f"{TERMS}|{fields['value']}")}


def _body(writer: Writer, fields: Entry) -> list[Resource]:
    plain = {key: value for key, value in fields.items() if key != "id"}
    return [
        writer.observation(name, plain, concept(f"{LOINC}|{code}"))
        | {"valueQuantity": quantity(fields[name], {"ucum": fields.get(f"{name}-unit", unit)})}
        for name, code, unit in (("height", "8302-2", "cm"), ("weight", "29463-7", "kg"))
        if name in fields
    ]


def _radiotherapy(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("Procedure", "radiotherapy", fields)
    code = concept(fields.get("code", f"{SNOMED}|1217123003"))
    return [resource | {"status": fields.get("status", "completed"), "code": code, **timed(fields, "performed")}]


def _consent(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("Consent", "consent", fields)
    resource["status"] = fields.get("status", "active")
    resource["scope"] = concept(f"{_STATES}/consentscope|{fields.get('scope', 'research')}")
    resource["category"] = [concept(f"{LOINC}|57016-8")]
    trial = fields.get("trial", "NCT04954820")
    match fields.get("names", "policy"):
        case "policy":
            resource["policy"] = [{"uri": trial}]
        case "identifier":
            resource["identifier"] = [{"system": "http://clinicaltrials.gov", "value": trial}]
    if fields.get("date", DEFAULT_DAY) is not None:
        resource["dateTime"] = str(fields.get("date", DEFAULT_DAY))
    provision = {"type": fields["type"]} if "type" in fields else {}
    period = {end: fields[key] for key, end in (("from", "start"), ("to", "end")) if key in fields}
    if provision or period:
        resource["provision"] = {**provision, **({"period": period} if period else {})}
    return [resource]


def _coverage(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("Coverage", "coverage", fields)
    resource["status"] = fields.get("status", "active")
    resource["payor"] = [{"display": fields.get("payor", "Caisse")}]
    kind = concept(fields["code"]) if "code" in fields else {}
    words = fields.get("type", None if "code" in fields or "payor" in fields else "AMO")
    if words is not None:
        kind["text"] = words
    if kind:
        resource["type"] = kind
    if "period" not in fields:
        start = fields.get("start", "2020-01-01")
        period = {"start": start, "end": fields.get("end")}
        resource["period"] = {key: value for key, value in period.items() if value is not None}
    return [resource]


def _allergy(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("AllergyIntolerance", "allergy", fields)
    for name, element in (("clinical", "clinical"), ("verification", "verification")):
        value = fields.get(name, {"clinical": "active", "verification": "confirmed"}[name])
        if value is not None:
            resource[f"{name}Status"] = concept(f"{_STATES}/allergyintolerance-{element}|{value}")
    if fields.get("type", "allergy") is not None:
        resource["type"] = fields.get("type", "allergy")
    if "atc" in fields:
        resource["code"] = concept(f"{ATC}|{fields['atc']}")
    elif "code" in fields:
        resource["code"] = concept(fields["code"])
    elif "text" in fields:
        resource["code"] = {"text": fields["text"]}
    if "substance" in fields:
        resource["reaction"] = [
            {"substance": concept(f"{ATC}|{fields['substance']}"), "manifestation": [{"text": "urticaire"}]}
        ]
    if "onset" in fields:
        resource["onsetDateTime"] = fields["onset"]
    if "recorded" in fields:
        resource["recordedDate"] = fields["recorded"]
    return [resource]


def _participation(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("ResearchSubject", "participation", fields)
    resource["status"] = fields.get("status", "on-study")
    resource["study"] = {"reference": f"ResearchStudy/{fields.get('study', 'other')}"}
    period = {end: fields[end] for end in ("start", "end") if end in fields}
    if period:
        resource["period"] = period
    if "consent" in fields:
        resource["consent"] = {"reference": fields["consent"]}
    return [resource]


def _research_study(writer: Writer, fields: Entry) -> list[Resource]:
    resource: Resource = {"resourceType": "ResearchStudy", "id": fields.get("id", "other"), "status": "active"}
    if "category" in fields:
        resource["category"] = [{"coding": [{"code": fields["category"]}]}]
    if "words" in fields:
        resource["category"] = [{"text": fields["words"]}]
    if "identifier" in fields:
        resource["identifier"] = [{"value": fields["identifier"]}]
    return [resource]


def _adverse_event(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("AdverseEvent", "adverse-event", fields)
    resource["actuality"] = fields.get("actuality", "actual")
    if "status" in fields:
        resource["status"] = fields["status"]
    if "grade" in fields:
        resource["extension"] = [{"url": fields.get("grade-url", GRADE_URL), "valueInteger": fields["grade"]}]
    resource["event"] = {"text": fields.get("event", "fatigue")}
    if "event-code" in fields:
        resource["event"] |= concept(fields["event-code"])
    if fields.get("date", DEFAULT_DAY) is not None:
        resource["date"] = str(fields.get("date", DEFAULT_DAY))
    if fields.get("outcome", "ongoing") is not None:
        resource["outcome"] = concept(f"{_STATES}/adverse-event-outcome|{fields.get('outcome', 'ongoing')}")
    if "suspect" in fields:
        resource["suspectEntity"] = [{"instance": {"reference": reference}} for reference in fields["suspect"]]
    return [resource]


def _document(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("DocumentReference", "document", fields)
    resource |= {
        "status": fields.get("status", "current"),
        "type": concept(f"{TERMS}|{fields.get('term', 'rcp-document')}"),
    }
    resource["date"] = f"{fields.get('date', DEFAULT_DAY)}T10:00:00+02:00"
    return [resource | {"content": [{"attachment": {"contentType": "application/pdf"}}]}]


def _flag(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("Flag", "flag", fields)
    return [resource | {"status": fields.get("status", "active"), "code": {"text": fields["text"]}}]


def _prescription(writer: Writer, fields: Entry) -> list[Resource]:
    resource = writer.head("MedicationRequest", "prescription", fields)
    medication = concept(f"{ATC}|{fields['atc']}") if "atc" in fields else {"text": fields["text"]}
    resource |= {"status": fields.get("status", "active"), "intent": "order", "medicationCodeableConcept": medication}
    return [resource | {"authoredOn": fields.get("date", DEFAULT_DAY)}]


KINDS: dict[str, Callable[[Writer, Entry], list[Resource]]] = {
    "adverse-event": _adverse_event,
    "allergy": _allergy,
    "best-response": _best_response,
    "body": _body,
    "consent": _consent,
    "coverage": _coverage,
    "document": _document,
    "flag": _flag,
    "imaging": _imaging,
    "lesion": _lesion,
    "lesion-count": _lesion_count,
    "lesion-sheet": _lesion_sheet,
    "marrow-fraction": _marrow_fraction,
    "participation": _participation,
    "prescription": _prescription,
    "radiotherapy": _radiotherapy,
    "research-study": _research_study,
    "sstr": _sstr,
    "sstr-values": _sstr_values,
}
