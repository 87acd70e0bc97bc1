"""In: a resource type. Out: valid resources of it, each with one text planted in one element of FHIR's model, wherever it has a text."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

__all__ = ["BASES", "BORN", "FORMS", "OWN", "Output", "plant", "text_paths"]

#: The person's own numbers and birth date, and those that nobody's Patient tells.
BORN = "1954-03-12"
OWN = {"ins": "154033417201239", "ipp": "8004512367"}
FORMS: Mapping[str, str] = {
    "word": "zqxjkvwplantedtoken",
    "name": "Zéphyrine d’Artois-Ménard",
    "nir": "180053417201245",
    "ins with spaces": "1 80 05 34 172 012 45",
    "own ins": OWN["ins"],
    "ipp": "9117700214",
    "own ipp": OWN["ipp"],
    "uid": "1.2.250.1.59.40211.12345678.678910",
    "urn of a uid": "urn:oid:1.2.250.1.59.40211.12345678.678910",
    "email": "zephyrine.dartois@zqxjk.example",
    "phone": "06 12 34 56 78",
    "birth in words": "née le 12/03/1954",
    "birth": BORN,
    "birth in digits": "12031954",
    "birth the other way": "19540312",
    "number with a unit": "180053417201245 g/L",
    "birth as a result": "12031954 mg/L",
}

_PERSON = {"reference": "Patient/p"}
_LOINC = {"system": "http://loinc.org", "code": "718-7"}
_ATC = {"system": "http://www.whocc.no/atc", "code": "V10XX04"}
_GRAMS = {"value": 12, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"}
_LUTATHERA = {"medicationCodeableConcept": {"coding": [_ATC]}}
#: A resource of each type of the feed that leaves the site with everything that it has.
BASES: Mapping[str, Mapping[str, Any]] = {
    "AdverseEvent": {
        "actuality": "actual",
        "event": {"coding": [{"system": "urn:reluth:terms", "code": "ae-fatigue"}]},
        "subject": _PERSON,
        "date": "2025-03-01",
        "suspectEntity": [{"instance": {"reference": "Condition/base"}}],
    },
    "AllergyIntolerance": {
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "716186003"}]},
        "patient": _PERSON,
        "recordedDate": "2025-03-01",
    },
    "BodyStructure": {
        "identifier": [{"value": "T01"}],
        "location": {"coding": [{"system": "urn:reluth:terms", "code": "site-liver"}]},
        "patient": _PERSON,
    },
    "Condition": {
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C17.2"}]},
        "subject": _PERSON,
        "onsetDateTime": "2020-03-01",
    },
    "Consent": {
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]},
        "patient": _PERSON,
        "dateTime": "2025-01-02",
        "identifier": [{"value": "NCT04954820"}],
        "policy": [{"uri": "urn:NCT04954820"}],
    },
    "DiagnosticReport": {
        "status": "final",
        "code": {"coding": [_LOINC]},
        "subject": _PERSON,
        "effectiveDateTime": "2025-03-01",
    },
    "Encounter": {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": _PERSON,
        "period": {"start": "2025-03-01", "end": "2025-03-02"},
    },
    "ImagingStudy": {"status": "available", "subject": _PERSON, "started": "2025-03-01"},
    "Medication": {"code": {"coding": [_ATC]}},
    "MedicationAdministration": {
        "status": "completed",
        **_LUTATHERA,
        "subject": _PERSON,
        "effectiveDateTime": "2025-03-01",
        "dosage": {"dose": {"value": 7400, "unit": "MBq"}},
    },
    "MedicationRequest": {
        "status": "active",
        "intent": "order",
        **_LUTATHERA,
        "subject": _PERSON,
        "authoredOn": "2025-03-01",
    },
    "MedicationStatement": {
        "status": "active",
        **_LUTATHERA,
        "subject": _PERSON,
        "effectiveDateTime": "2025-03-01",
    },
    "Observation": {
        "status": "final",
        "code": {"coding": [_LOINC]},
        "subject": _PERSON,
        "effectiveDateTime": "2025-03-01",
        "valueQuantity": _GRAMS,
        "referenceRange": [{"low": _GRAMS}],
        "component": [{"code": {"coding": [_LOINC]}, "valueQuantity": _GRAMS}],
    },
    "Procedure": {
        "status": "completed",
        "code": {"coding": [{"system": "urn:reluth:terms", "code": "sstr-pet-68ga"}]},
        "subject": _PERSON,
        "performedDateTime": "2025-03-01",
    },
    "QuestionnaireResponse": {
        "questionnaire": "urn:reluth:attestation:nct04954820",
        "status": "completed",
        "subject": _PERSON,
        "authored": "2025-03-01T10:00:00+01:00",
        "item": [{"linkId": "I06", "answer": [{"valueBoolean": True}]}],
    },
    "Patient": {"gender": "male", "birthDate": BORN},
    "ResearchSubject": {
        "status": "screening",
        "individual": _PERSON,
        "study": {"identifier": {"system": "http://clinicaltrials.gov", "value": "NCT04954820"}},
        "period": {"start": "2025-01-02"},
    },
}

_DATATYPE = re.compile(r"abc\.(\w+)Type")
_SKIPPED = frozenset({"fhir_comments", "resource_type"})
_DEEPEST = 6
#: Of the forty datatypes of an extension's value, those that people put names and numbers into.
_IN_EXTENSIONS = frozenset({"CodeableConcept", "Coding", "HumanName", "Identifier", "Period", "Quantity", "Reference"})

_CHOICES = ("abatement", "deceased", "effective", "medication", "onset", "performed", "value")

Path = tuple[tuple[str, bool], ...]


@cache
def text_paths(type_: str) -> tuple[Path, ...]:
    """Every element of a type that holds a text (dates, codes, URIs, ids and narrative included): names, and whether each is a list."""
    found = list(_texts(type_, (), ()))
    for inner in ("Medication", "Observation", "Patient"):
        found += [(("contained", True), *path) for path in _texts(inner, (inner,), ()) if len(path) <= 2]
    return tuple(dict.fromkeys(found))


def _texts(type_: str, above: tuple[str, ...], path: Path) -> Iterator[Path]:
    for name, field in get_fhir_model_class(type_).model_fields.items():
        alias = field.alias or name
        if name in _SKIPPED or alias in ("contained", "resourceType"):
            continue
        shown = str(field.annotation)
        step = (alias, "List[" in shown)
        datatype = _DATATYPE.search(shown)
        if datatype is None:
            if any(word in shown for word in ("str", "date", "time", "bytes", "Uri", "Id(")):
                yield (*path, step)
            continue
        kind = "Extension" if datatype[1] == "FHIRPrimitiveExtension" else datatype[1]
        if kind == "Resource" or above.count(kind) or len(path) >= _DEEPEST - 1:
            continue
        if kind == "Extension" and len(path) > 1:
            # Extensions can stand at everything: those of the resource and of its elements are walked, not those of theirs.
            continue
        if "Extension" in above and kind not in _IN_EXTENSIONS:
            continue
        yield from _texts(kind, (*above, kind), (*path, step))


def plant(type_: str, path: Path, text: str, *, identity: str) -> dict[str, Any]:
    """A resource of the type with a text at one place; all else as in `BASES`."""
    body: dict[str, Any] = {"resourceType": type_, "id": identity, "meta": {"versionId": "1"}}
    body |= copy.deepcopy(dict(BASES[type_]))
    holder = body
    for at, (name, is_list) in enumerate(path):
        # Of value[x] and its like there is one: what is planted takes the place of what was there.
        choice = next((prefix for prefix in _CHOICES if re.fullmatch(f"{prefix}[A-Z].*", name)), None)
        for other in [key for key in holder if choice and key != name and key.startswith(choice)]:
            del holder[other]
        if at == len(path) - 1:
            holder[name] = [text] if is_list else text
            break
        inner = holder.get(name)
        if is_list:
            if not isinstance(inner, list) or not inner or not isinstance(inner[0], dict):
                inner = holder[name] = [{}]
            holder = inner[0]
        else:
            if not isinstance(inner, dict):
                inner = holder[name] = {}
            holder = inner
        if name == "contained":
            holder.setdefault("resourceType", "Medication")
            holder.setdefault("id", "m")
    return body


class Output:
    """Bytes that were written, read once in every way in which a text could hide in them."""

    def __init__(self, content: bytes) -> None:
        self._whole = content.decode()
        self._small = self._whole.lower()
        # Within one JSON text or number only: digits of several would run into one another.
        words = set(re.findall(r'"[^"]*"|-?\d[\d.]*', self._small))
        self._plain = "\n".join({re.sub(r"[\W_]", "", word) for word in words})

    def traces_of(self, text: str) -> list[str]:
        """How a text can be found: as it is, in other cases, without separators, in base64 or escaped."""
        escaped = text.encode("ascii", "backslashreplace").decode()
        found = [way for way, written in (("as it is", text), ("escaped", escaped)) if written.lower() in self._small]
        if re.sub(r"[\W_]", "", text).lower() in self._plain:
            found.append("without separators")
        for start in range(3):
            encoded = base64.b64encode(b"\0" * start + text.encode()).decode().rstrip("=")
            core = encoded[4 if start else 0 : -2]
            if len(core) > 8 and core in self._whole:
                found.append("in base64")
        return found
