"""In: short-hand for a patient's resources (plain data, as written in YAML). Out: FHIR R4 resources as JSON bytes, decimals kept digit for digit.

A scenario file's ``resources`` is a list. An entry that has ``resourceType`` is FHIR as it stands (``subject`` is filled in where it is missing); any
other entry has exactly one key, the kind. Dates default to 2025-05-20, ids to ``<kind>-<n>`` with n counting that kind from 1, status to ``final``.

====================  ==================================================================================================
kind                  fields (all optional unless said)
====================  ==================================================================================================
``lab``               ``of`` (required: a name of `ANALYTES`, or ``system|code``), then ``value`` (number) or ``text``
                      (valueString) or ``between: [low, high]`` (valueRange) or ``concept`` (valueCodeableConcept.text) or
                      ``absent`` (dataAbsentReason); ``comparator``; ``unit`` (text alone) or ``ucum`` (unit, system and
                      code); ``low``/``high`` (reference range in the same unit) or ``ranges: [{low, high, unit, ucum,
                      sex, age: [from, to], text}]``; ``date`` (null: none) or ``period: [start, end]`` or ``instant``;
                      ``status``, ``note``, ``focus`` (id of a Condition), ``issued``, ``id``, ``version``, ``updated``
``ecog``              ``value`` (valueInteger), ``answer`` (LOINC LA code), ``sct``, ``text``, ``interpretation`` (LA code)
``bp``                ``value: 172/98`` (or ``172/-``, ``-/98``), ``as: components`` (default) ``| separate``, ``panel`` (``system|code``), ``unit``/``ucum``
``panel``             ``of``: entries of ``lab`` written as components of one Observation
``infusion``          ``date``, ``status`` (completed), ``activity`` (MBq), ``batch`` (contained Medication), ``atc`` (V10XX04),
                      ``code`` (``system|code`` instead), ``medication`` (reference), ``period``, ``id``, ``of`` (patient reference)
``course``            infusions ``cycles`` (4) ``every`` (56) days, the last of them on ``last`` (or the first on ``first``); ``batch: true`` gives each its own
``condition``         ``icd10`` (or ``code``: ``system|code``, or ``text``), ``system``, ``onset``, ``recorded``, ``abatement``, ``clinical`` (active), ``verification`` (confirmed), ``histology`` (ICD-O-3, mCODE extension)
``morphology``        ``code`` (ICD-O-3) or ``sct``; ``loinc`` (31206-6), ``system``, ``focus``, ``status``, ``date``
``grade``             ``value`` (G1 G2 G3), ``as: reluth | ncit``, ``form: code | text``, ``focus``, ``status``, ``date``
``progress``          ``status`` (worsened, improved, stable, undetermined), ``date``, ``focus``, ``observation`` (the Observation's status)
``recist``            ``value`` (CR PR SD PD NE), ``form`` (code, text, concept), ``date``, ``focus``, ``observation``
``attest``            linkIds with true or false; ``authored`` (2025-05-20), ``author`` (Practitioner/9), ``status``
                      (completed), ``questionnaire``, ``nested`` (answers inside a group), ``answers: {linkId: [FHIR answers]}``
``procedure``         ``term`` (urn:reluth:terms), ``date`` (null: none) or ``period``, ``status`` (completed)
``medication``        ``atc``, ``id``, ``batch``: a Medication (for ``shared``)
====================  ==================================================================================================

The kinds of imaging, consent, cover, allergies, other trials and adverse events are in `tests.support.record_kinds`. Every Observation may
have ``site`` (words of the body site) and ``tie`` (``{partOf | derivedFrom: reference}``).

``set`` (a name) stands for a list of entries that the file defines under ``sets``.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

from tests.support.record_kinds import KINDS, PATIENT_ELEMENT, SHARED, response
from tests.support.record_parts import (
    ANALYTES,
    ATC,
    ATTESTATION,
    DEFAULT_DAY,
    DISEASE_STATUS,
    ICD10,
    ICDO3,
    LOINC,
    MCODE_HISTOLOGY,
    NCIT,
    SNOMED,
    TERMS,
    UCUM,
    Entry,
    Resource,
    analyte,
    concept,
    encode,
    result,
    timed,
)

__all__ = ["ANALYTES", "ChartWriter", "Entry", "Resource", "encode"]


class ChartWriter:
    """Writes one patient's entries as FHIR resources, numbering the ids of each kind from 1."""

    def __init__(self, patient: str = "Patient/1", *, sets: Mapping[str, list[Entry]] | None = None) -> None:
        self._patient = patient
        self._sets = sets or {}
        self._counts: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[Entry], list[Resource]]] = {
            "lab": self._lab,
            "ecog": self._ecog,
            "bp": self._pressure,
            "panel": self._panel,
            "infusion": self._infusion,
            "course": self._course,
            "condition": self._condition,
            "morphology": self._morphology,
            "grade": self._grade,
            "progress": self._progress,
            "recist": self._recist,
            "attest": self._attest,
            "procedure": self._procedure,
            "medication": self._medication,
        }

    def person(self, fields: Entry) -> Resource:
        """The Patient resource; ``fields`` are FHIR's own."""
        return {"resourceType": "Patient", "id": self._patient.removeprefix("Patient/"), **fields}

    def write(self, entries: Iterable[Entry]) -> list[Resource]:
        """All resources of ``entries``, in their order.

        Args:
            entries: short-hand or FHIR.

        Returns:
            FHIR R4 resources.

        Raises:
            ValueError: an entry has no kind, or one that does not exist.
        """
        found: list[Resource] = []
        for entry in entries:
            if "resourceType" in entry:
                found.append(self._raw(entry))
                continue
            if len(entry) != 1:
                raise ValueError(f"an entry has exactly one kind: {sorted(entry)}")
            ((kind, fields),) = entry.items()
            if kind == "set":
                found.extend(self.write(self._sets[fields]))
            elif kind in self._kinds:
                found.extend(self._kinds[kind](fields))
            elif kind in KINDS:
                found.extend(KINDS[kind](self, fields))
            else:
                raise ValueError(f"no kind {kind}")
        return found

    def _raw(self, entry: Entry) -> Resource:
        resource = copy.deepcopy(dict(entry))
        resource.setdefault("id", self.name(resource["resourceType"].lower()))
        if resource["resourceType"] not in SHARED:
            element = PATIENT_ELEMENT.get(resource["resourceType"], "subject")
            resource.setdefault(element, {"reference": self._patient})
        return resource

    def name(self, kind: str, given: str | None = None) -> str:
        """The id given, else the next of the kind."""
        if given is not None:
            return given
        self._counts[kind] += 1
        return f"{kind}-{self._counts[kind]}"

    def head(self, resource_type: str, kind: str, fields: Entry) -> Resource:
        """A resource's type, id, meta and patient."""
        resource: Resource = {"resourceType": resource_type, "id": self.name(kind, fields.get("id"))}
        meta = {}
        if "version" in fields:
            meta["versionId"] = str(fields["version"])
        if "updated" in fields:
            meta["lastUpdated"] = fields["updated"]
        if meta:
            resource["meta"] = meta
        element = PATIENT_ELEMENT.get(resource_type, "subject")
        resource[element] = {"reference": fields.get("patient", self._patient)}
        return resource

    def observation(self, kind: str, fields: Entry, code: Resource) -> Resource:
        """An Observation without its value."""
        resource = self.head("Observation", kind, fields)
        resource["status"] = fields.get("status", "final")
        resource["code"] = code
        if "period" in fields:
            start, end = fields["period"]
            resource["effectivePeriod"] = {
                key: value for key, value in (("start", start), ("end", end)) if value is not None
            }
        elif "instant" in fields:
            resource["effectiveInstant"] = fields["instant"]
        elif fields.get("date", DEFAULT_DAY) is not None:
            resource["effectiveDateTime"] = str(fields.get("date", DEFAULT_DAY))
        if "issued" in fields:
            resource["issued"] = fields["issued"]
        if "focus" in fields:
            resource["focus"] = [{"reference": f"Condition/{fields['focus']}"}]
        if "note" in fields:
            resource["note"] = [{"text": fields["note"]}]
        if "site" in fields:
            resource["bodySite"] = {"text": fields["site"]}
        for element, reference in fields.get("tie", {}).items():
            resource[element] = [{"reference": reference}]
        return resource

    def _lab(self, fields: Entry) -> list[Resource]:
        resource = self.observation("lab", fields, concept(analyte(fields["of"])))
        resource["category"] = [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ]
        resource.update(result(fields))
        return [resource]

    def _panel(self, fields: Entry) -> list[Resource]:
        resource = self.observation("panel", fields, {"text": fields.get("text", "panel")})
        resource["component"] = [{"code": concept(analyte(item["of"])), **result(item)} for item in fields["of"]]
        return [resource]

    def _ecog(self, fields: Entry) -> list[Resource]:
        resource = self.observation("ecog", fields, concept(fields.get("code", f"{LOINC}|89247-1")))
        if "value" in fields:
            resource["valueInteger"] = fields["value"]
        if "answer" in fields:
            resource["valueCodeableConcept"] = concept(f"{LOINC}|{fields['answer']}")
        if "sct" in fields:
            resource["valueCodeableConcept"] = concept(f"{SNOMED}|{fields['sct']}")
        if "text" in fields:
            resource["valueString"] = fields["text"]
        if "interpretation" in fields:
            resource["interpretation"] = [concept(f"{LOINC}|{fields['interpretation']}")]
        return [resource]

    def _pressure(self, fields: Entry) -> list[Resource]:
        sides = dict(zip(("8480-6", "8462-4"), str(fields["value"]).split("/"), strict=True))
        unit = {key: fields[key] for key in ("unit", "ucum") if key in fields}
        if not unit and not fields.get("without_unit"):
            unit = {"ucum": "mm[Hg]"}
        values = [
            {"code": concept(f"{LOINC}|{code}"), **result({"value": Decimal(value), **unit})}
            for code, value in sides.items()
            if value != "-"
        ]
        if fields.get("as") == "separate":
            single = {key: value for key, value in fields.items() if key != "id"}
            return [{**self.observation("bp", single, {}), **value} for value in values]
        resource = self.observation("bp", fields, concept(fields.get("panel", f"{LOINC}|85354-9")))
        resource["component"] = values
        return [resource]

    def _infusion(self, fields: Entry) -> list[Resource]:
        resource = self.head("MedicationAdministration", "infusion", fields)
        resource["status"] = fields.get("status", "completed")
        code = concept(fields.get("code", f"{ATC}|{fields.get('atc', 'V10XX04')}"))
        if "medication" in fields:
            resource["medicationReference"] = {"reference": fields["medication"]}
        elif "batch" in fields:
            lot = {"lotNumber": fields["batch"]}
            resource["contained"] = [{"resourceType": "Medication", "id": "m", "code": code, "batch": lot}]
            resource["medicationReference"] = {"reference": "#m"}
        else:
            resource["medicationCodeableConcept"] = code
        if "period" in fields:
            start, end = fields["period"]
            resource["effectivePeriod"] = {"start": start, "end": end}
        else:
            resource["effectiveDateTime"] = str(fields.get("date", DEFAULT_DAY))
        activity = fields.get("activity", 7400)
        resource["dosage"] = {"dose": {"value": activity, "unit": "MBq", "system": UCUM, "code": "MBq"}}
        return [resource]

    def _course(self, fields: Entry) -> list[Resource]:
        cycles, every = fields.get("cycles", 4), timedelta(days=fields.get("every", 56))
        if "first" in fields:
            first = date.fromisoformat(fields["first"])
        else:
            first = date.fromisoformat(fields["last"]) - every * (cycles - 1)
        days = [first + every * number for number in range(cycles)]
        return [
            resource
            for day in days
            for resource in self._infusion(
                {"date": str(day), **({"batch": f"L{day:%y%m%d}"} if fields.get("batch") else {})}
            )
        ]

    def _condition(self, fields: Entry) -> list[Resource]:
        resource = self.head("Condition", "condition", fields)
        if "icd10" in fields:
            resource["code"] = concept(f"{fields.get('system', ICD10)}|{fields['icd10']}")
        elif "code" in fields:
            resource["code"] = concept(fields["code"])
        else:
            resource["code"] = {"text": fields["text"]}
        for name, element in (("clinical", "clinical"), ("verification", "ver-status")):
            value = fields.get(name, {"clinical": "active", "verification": "confirmed"}[name])
            if value is not None:
                system = f"http://terminology.hl7.org/CodeSystem/condition-{element}"
                resource[f"{name}Status"] = {"coding": [{"system": system, "code": value}]}
        for name, element in (
            ("onset", "onsetDateTime"),
            ("abatement", "abatementDateTime"),
            ("recorded", "recordedDate"),
        ):
            if name in fields:
                resource[element] = fields[name]
        if "histology" in fields:
            behaviour = concept(f"{ICDO3}|{fields['histology']}")
            resource["extension"] = [{"url": MCODE_HISTOLOGY, "valueCodeableConcept": behaviour}]
        return [resource]

    def _morphology(self, fields: Entry) -> list[Resource]:
        resource = self.observation(
            "morphology", {"date": "2021-03-01", **fields}, concept(f"{LOINC}|{fields.get('loinc', '31206-6')}")
        )
        system, code = (SNOMED, fields["sct"]) if "sct" in fields else (ICDO3, fields["code"])
        resource["valueCodeableConcept"] = concept(f"{fields.get('system', system)}|{code}")
        return [resource]

    def _grade(self, fields: Entry) -> list[Resource]:
        system, code = (NCIT, "C18000") if fields.get("as") == "ncit" else (TERMS, "grade")
        resource = self.observation("grade", {"date": "2021-03-01", **fields}, concept(f"{system}|{code}"))
        if fields.get("form") == "text":
            resource["valueString"] = fields["value"]
        else:
            resource["valueCodeableConcept"] = concept(f"{TERMS}|{fields['value']}")
        return [resource]

    def _progress(self, fields: Entry) -> list[Resource]:
        plain = {**fields, "status": fields.get("observation", "final")}
        resource = self.observation("progress", plain, concept(f"{LOINC}|97509-4"))
        resource["valueCodeableConcept"] = concept(f"{SNOMED}|{DISEASE_STATUS[fields.get('status', 'worsened')]}")
        return [resource]

    def _recist(self, fields: Entry) -> list[Resource]:
        plain = {**fields, "status": fields.get("observation", "final")}
        resource = self.observation("recist", plain, concept(f"{TERMS}|recist-response"))
        return [resource | response(fields)]

    def _attest(self, fields: Entry) -> list[Resource]:
        resource = self.head("QuestionnaireResponse", "attestation", fields)
        resource["status"] = fields.get("status", "completed")
        resource["questionnaire"] = fields.get("questionnaire", ATTESTATION)
        if fields.get("authored", DEFAULT_DAY) is not None:
            resource["authored"] = str(fields.get("authored", DEFAULT_DAY))
        if fields.get("author", "Practitioner/9") is not None:
            resource["author"] = {"reference": fields.get("author", "Practitioner/9")}
        items: list[Resource] = [
            {"linkId": link, "answer": [{"valueBoolean": truth}]}
            for link, truth in fields.items()
            if link[:1] in "IE" and link[1:3].isdigit()
        ]
        items += [{"linkId": link, "answer": answers} for link, answers in fields.get("answers", {}).items()]
        resource["item"] = [{"linkId": "group", "item": items}] if fields.get("nested") else items
        return [resource]

    def _procedure(self, fields: Entry) -> list[Resource]:
        resource = self.head("Procedure", "procedure", fields)
        resource["status"] = fields.get("status", "completed")
        resource["code"] = concept(f"{TERMS}|{fields['term']}")
        return [resource | timed(fields, "performed")]

    def _medication(self, fields: Entry) -> list[Resource]:
        resource: Resource = {"resourceType": "Medication", "id": self.name("medication", fields.get("id"))}
        resource["code"] = concept(f"{ATC}|{fields.get('atc', 'V10XX04')}")
        if "batch" in fields:
            resource["batch"] = {"lotNumber": fields["batch"]}
        return [resource]
