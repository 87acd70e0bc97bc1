"""In: nothing. Out: the resource types that a pseudonymised feed consists of."""

from __future__ import annotations

from typing import Final

__all__ = ["FEED_TYPES", "READ_TYPES"]

FEED_TYPES: Final = (
    "AdverseEvent",
    "AllergyIntolerance",
    "BodyStructure",
    "Condition",
    "Consent",
    "DiagnosticReport",
    "Encounter",
    "ImagingStudy",
    "Medication",
    "MedicationAdministration",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Patient",
    "Procedure",
    "QuestionnaireResponse",
    "ResearchSubject",
)
#: Read of each person: a Medication is shared, and a ResearchSubject is written from the subject's history.
READ_TYPES: Final = frozenset(FEED_TYPES) - {"Medication", "ResearchSubject"}
