"""In: nothing. Out: codes that enrolled subjects' records carry beside those of `adapter.simulate.terms`.

Ours (`urn:reluth:terms`) where neither the specification nor its clarifications name a standard code; HL7's where R4
4.0.1 defines the code system.
"""

from __future__ import annotations

from typing import Any, Final

from adapter.simulate.terms import TERMS, coding

#: Number of the visit within its kind (`valueInteger` of an Encounter).
VISIT_NUMBER: Final = "urn:reluth:extension:visit"
SCREENING_VISIT, CYCLE_VISIT, FOLLOW_UP_VISIT = "visit-screening", "visit-cycle", "visit-follow-up"

# R4 extension-bodysite.html: a reference to the BodyStructure; Observation.bodyStructure came with R5.
BODY_SITE: Final = "http://hl7.org/fhir/StructureDefinition/bodySite"
# R4 versions.html#extensions: an element of R5 in an R4 resource; R4 has no end of an adverse event.
OCCURRENCE: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.occurrence"
DICOM_UID: Final = "urn:dicom:uid"
#: Arc of the simulated centre's DICOM UIDs.
UID_ARC: Final = "urn:oid:1.2.250.1.999.9"

SERIOUSNESS: Final = "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"
SEVERITY: Final = "http://terminology.hl7.org/CodeSystem/adverse-event-severity"
CAUSALITY: Final = "http://terminology.hl7.org/CodeSystem/adverse-event-causality-assess"

AMINO_ACIDS: Final = "amino-acids-lysine-arginine"
COURSE_MARK: Final = "prrt-course-second"
CT: Final = "ct-thorax-abdomen-pelvis"


def ours(code: str, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of one code of ours."""
    concept: dict[str, Any] = {"coding": [coding(TERMS, code)]}
    if text is not None:
        concept["text"] = text
    return concept
