"""In: a resource of R4, R4B or R5 as sent. Out: the same in one shape, R4's, with what is told in several ways told in one.

Three things are told in one way from here on: the product of an administration or a prescription (as a concept), a printed
result (as a number with its unit, or a code), the grade of an adverse event (one extension). Which range of reference holds for the
person is told here, too, where the birth date is still known, and in numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from adapter.datasets.pseudonymising.codes import KnownCodes
from adapter.datasets.pseudonymising.r5 import as_r4, listed
from adapter.datasets.pseudonymising.ranges import holding, is_for_all
from adapter.datasets.pseudonymising.values import UnitTable, read_result
from adapter.datasets.pseudonymising.work import Work
from adapter.fhir import FhirVersion, Json, normalise_reference

__all__ = ["GRADE", "Normaliser", "medication_reference", "medication_references"]

#: The extension that carries the CTCAE grade in the feed.
GRADE: Final = "urn:reluth:extension:adverse-event-grade"
#: How the simulated centre carries it, which no overlay has to tell.
_OWN_GRADE: Final = "urn:reluth:adverse-event-grade"
_WITH_PRODUCT: Final = frozenset({"MedicationAdministration", "MedicationRequest", "MedicationStatement"})
_GRADES: Final = frozenset("12345")
#: What an adverse event says of a death that it led to, and what it said before: system, code, code.
_FATAL: Final[Mapping[str, tuple[str, str, str]]] = {
    "outcome": ("http://terminology.hl7.org/CodeSystem/adverse-event-outcome", "fatal", "ongoing"),
    "seriousness": (
        "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness",
        "SeriousResultsInDeath",
        "Serious",
    ),
}


def medication_reference(body: Json) -> str | None:
    """``Medication/id`` that tells the product of a resource, where a shared one does."""
    either = body.get("medication")
    nested = either.get("reference") if isinstance(either, dict) else None
    told = body.get("medicationReference", nested)
    literal = told.get("reference") if isinstance(told, dict) else None
    return _medication_of(literal)


def medication_references(body: Json) -> frozenset[str]:
    """Every ``Medication/id`` that a resource tells: its product, or what is suspected of an adverse event."""
    suspects = [one for one in listed(body.get("suspectEntity")) if isinstance(one, dict)]
    named = [one.get("instance", one.get("instanceReference")) for one in suspects]
    found = [_medication_of(one.get("reference")) for one in named if isinstance(one, dict)]
    return frozenset(one for one in (medication_reference(body), *found) if one is not None)


def _medication_of(literal: Any) -> str | None:
    target = normalise_reference(literal) if isinstance(literal, str) else None
    return target if target is not None and target.startswith("Medication/") else None


class Normaliser:
    """Brings the resources of one site into one shape.

    Args:
        version: of FHIR at the site.
        known: its codes.
        units: its units.
        grade: URL of the site's own extension for the grade of an adverse event, None where it has told none.
        medications: codes of shared Medications, by reference.
    """

    def __init__(
        self,
        version: FhirVersion,
        known: KnownCodes,
        units: UnitTable,
        *,
        grade: str | None,
        medications: Mapping[str, Any],
    ) -> None:
        self._is_r5 = version is FhirVersion.R5
        self._known = known
        self._units = units
        self._grades = frozenset({GRADE, _OWN_GRADE, *([grade] if grade else ())})
        self._medications = medications
        self._scores = known.trial.analytes["ecog"].codes if "ecog" in known.trial.analytes else frozenset()
        self._own: Mapping[str, Callable[[Json, Work], None]] = {
            "AdverseEvent": self._adverse_event,
            "Observation": self._observation,
        }

    def normalise(self, body: Json, work: Work) -> Json:
        """Bring a resource into one shape, in place."""
        type_ = body["resourceType"]
        found = body
        if self._is_r5:
            as_r4(type_, found)
        if type_ in _WITH_PRODUCT:
            self._product(found)
        own = self._own.get(type_)
        if own is not None:
            own(found, work)
        return found

    # What is told in several ways ---------------------------------------------------------------------------------

    def _product(self, body: Json) -> None:
        if "medicationCodeableConcept" in body:
            return
        either = body.get("medication")
        if isinstance(either, dict) and "concept" in either:
            body["medicationCodeableConcept"] = either["concept"]
            return
        told = body.get("medicationReference", either.get("reference") if isinstance(either, dict) else None)
        literal = told.get("reference") if isinstance(told, dict) else None
        if not isinstance(literal, str):
            return
        if literal.startswith("#"):
            for one in listed(body.get("contained")):
                if isinstance(one, dict) and one.get("resourceType") == "Medication" and one.get("id") == literal[1:]:
                    body["medicationCodeableConcept"] = one.get("code")
        else:
            body["medicationCodeableConcept"] = self._medications.get(normalise_reference(literal) or "")

    def _observation(self, body: Json, work: Work) -> None:
        when = next((body[name] for name in ("effectiveDateTime", "effectiveInstant") if name in body), None)
        for place, element in ((body, "valueString"), *self._components(body)):
            text = place.get("valueString")
            if text is not None:
                concept = place.get("code")
                codes = self._known.codings(concept.get("coding")) if isinstance(concept, dict) else ()
                found = read_result(text, self._known, self._units, score=any(one in self._scores for one in codes))
                if found is None:
                    work.notes.add("result-blanked", "Observation", element)
                else:
                    place |= {name: value for name, value in found.items() if name not in place}
                del place["valueString"]
            ranges = place.get("referenceRange")
            if isinstance(ranges, list) and not is_for_all(ranges, self._units):
                place["referenceRange"] = holding(place, when, work, self._units)

    @staticmethod
    def _components(body: Json) -> list[tuple[Json, str]]:
        listed = body.get("component")
        if not isinstance(listed, list):
            return []
        return [(one, "component.valueString") for one in listed if isinstance(one, dict)]

    def _adverse_event(self, body: Json, work: Work) -> None:
        self._graded(body)
        if work.died_late:
            self._not_fatal_yet(body)

    def _not_fatal_yet(self, body: Json) -> None:
        """The event as it stood before the death that it led to: it went on, and was serious."""
        for name, (system, fatal, before) in _FATAL.items():
            concept = body.get(name)
            codes = self._known.codings(concept.get("coding")) if isinstance(concept, dict) else ()
            if (system, fatal) in codes:
                body[name] = self._known.concept([(system, before)])
        body["extension"] = [one for one in listed(body.get("extension")) if one != {"url": GRADE, "valueInteger": 5}]

    def _graded(self, body: Json) -> None:
        listed = body.get("extension")
        if not isinstance(listed, list):
            return
        others = [one for one in listed if not (isinstance(one, dict) and one.get("url") in self._grades)]
        graded = [one for one in listed if isinstance(one, dict) and one.get("url") in self._grades]
        found = {grade for one in graded if (grade := _grade_in(one)) is not None}
        body["extension"] = [*others, *({"url": GRADE, "valueInteger": grade} for grade in found if len(found) == 1)]


def _grade_in(extension: Json) -> int | None:
    """1 to 5, from whatever value the site gives it in."""
    for name in ("valueInteger", "valuePositiveInt", "valueUnsignedInt"):
        if isinstance(extension.get(name), int):
            return int(extension[name]) if str(extension[name]) in _GRADES else None
    concept = extension.get("valueCodeableConcept")
    texts = [extension.get("valueCode"), extension.get("valueString")]
    if isinstance(concept, dict):
        texts += [one.get("code") for one in listed(concept.get("coding")) if isinstance(one, dict)]
    grades = {text.strip() for text in texts if isinstance(text, str)} & _GRADES
    return int(grades.pop()) if len(grades) == 1 else None
