"""In: a resource type, what the server states of it, and which patients are known. Out: the ways to ask for all of it. Pure.

A way is tried only where the one before it was refused at its first page: for the whole type; for what is of some patients
at a time; each also without a time, where the server refuses that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from adapter.client import Capability, TypeCapability
from adapter.config import SearchSettings

__all__ = [
    "OF_PATIENTS",
    "PATIENT",
    "Batch",
    "StoredPatients",
    "TypePlan",
    "Way",
    "includes_of",
    "parts_of",
    "patient_parameter",
    "ways_of",
]

PATIENT: Final = "Patient"
MEDICATION: Final = "Medication"
#: Statuses by which servers say that they answer no such search: as a whole, by this parameter, by this method.
REFUSES_SEARCH: Final = frozenset({400, 403, 405, 413, 414, 422, 501})
#: How a server says that it has no search by POST.
REFUSES_POST: Final = frozenset({404, 405, 501})
#: Ids of 64 characters: by POST; in an address of less than 2,000 characters.
_BATCH, _BATCH_IN_URL = 50, 20

# R4 compartmentdefinition-patient.html, and what R5 adds, as far as members are found by patient or subject.
_MEMBERS: Final = """
Account AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic
BiologicallyDerivedProductDispense BodyStructure CarePlan CareTeam ChargeItem Claim ClaimResponse
ClinicalImpression Communication CommunicationRequest Composition Condition Consent Coverage
CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue DeviceRequest DeviceUsage
DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter EncounterHistory EpisodeOfCare
ExplanationOfBenefit FamilyMemberHistory Flag GenomicStudy Goal ImagingSelection ImagingStudy Immunization
ImmunizationEvaluation ImmunizationRecommendation Invoice List MeasureReport Media MedicationAdministration
MedicationDispense MedicationRequest MedicationStatement MolecularSequence NutritionIntake NutritionOrder
Observation Procedure Provenance QuestionnaireResponse RelatedPerson RequestGroup RequestOrchestration
ResearchSubject RiskAssessment ServiceRequest Specimen SupplyDelivery SupplyRequest Task VisionPrescription
"""
#: With a search parameter of this name for a Medication (R4 and R5 searchparameter-registry.html).
_REFERS_TO_MEDICATION: Final = frozenset(
    ["MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement"]
)
#: Types that are about patients, and asked for by patient; the others (Medication, ResearchStudy) are not.
OF_PATIENTS: Final = frozenset(_MEMBERS.split())


class Way(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to ask for a type.

    Attributes:
        by: search parameter that names patients; empty for the whole type.
        post: with the parameters in the body.
        timed: only what changed, where it is known since when.
    """

    by: str = ""
    post: bool = False
    timed: bool = False


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one part of the spool is asked for by.

    Attributes:
        name: of the part.
        since: what was updated at or after it; None for everything.
        patients: ids; none for the whole type.
        kind: ``history`` for what was deleted.
    """

    name: str
    since: str | None = None
    patients: tuple[str, ...] = ()
    kind: Literal["search", "history"] = "search"

    def params(self, way: Way, includes: Sequence[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Parameters that choose what is searched for, and those that bring more with it."""
        chosen: list[tuple[str, str]] = []
        if way.by:
            # A subject may be of other types too: its type must be said.
            ids = self.patients if way.by == "patient" else [f"{PATIENT}/{id_}" for id_ in self.patients]
            chosen.append((way.by, ",".join(ids)))
        return chosen, [("_include", include) for include in includes]


class TypePlan(msgspec.Struct, omit_defaults=True):
    """How a type is read in a pull, kept with the spool.

    Attributes:
        since: from when on it was to be read.
        way: how it is asked for.
        parts: of the search.
        history: of what was deleted, where that is asked for.
        tries: pulls that have worked on it.
        notice: for a person, where it is not read as it was meant to be.
    """

    since: str | None = None
    way: Way = Way()
    parts: tuple[Batch, ...] = ()
    history: Batch | None = None
    tries: int = 1
    notice: str = ""

    def all_parts(self) -> Iterator[Batch]:
        """The parts in their order."""
        yield from self.parts
        if self.history is not None:
            yield self.history


class StoredPatients(msgspec.Struct, frozen=True):
    """The patients whom the store knows.

    Attributes:
        first_run: number of the run that brought each of them first, by id.
        whole_since: by type, number of a run since which the type was read whole of all patients known then.
        left_out: ids of those who were forgotten: nothing of them is asked for.
    """

    first_run: Mapping[str, int] = {}
    whole_since: Mapping[str, int] = {}
    left_out: frozenset[str] = frozenset()

    def covered(self, type_: str) -> set[str]:
        """Patients of whom nothing of the type is missing but what changed since its bookmark."""
        until = self.whole_since.get(type_, -1)
        return {id_ for id_, run in self.first_run.items() if run <= until}


def patient_parameter(type_: str, stated: TypeCapability) -> str:
    """The search parameter by which a type is asked for by patient; empty where it cannot be.

    >>> patient_parameter("AdverseEvent", TypeCapability(search_params=frozenset({"subject"})))
    'subject'
    >>> patient_parameter("Medication", TypeCapability()), patient_parameter("Condition", TypeCapability())
    ('', 'patient')
    """
    if type_ not in OF_PATIENTS:
        return ""
    named = [name for name in ("patient", "subject") if name in stated.search_params]
    # A server that states no parameter at all has left them out.
    return named[0] if named else "" if stated.search_params else "patient"


def ways_of(type_: str, stated: TypeCapability, settings: SearchSettings, *, since: str | None) -> list[Way]:
    """The ways to ask for a type, the first one first."""
    by = patient_parameter(type_, stated)
    times = (True, False) if since is not None else (False,)
    whole = [Way(post=settings.post, timed=timed) for timed in times]
    if settings.plan == "type" or not by:
        return whole
    methods = (True,) if settings.post else (True, False)
    of_patients = [Way(by, post, timed) for post in methods for timed in times]
    if settings.plan == "patient":
        return of_patients
    if stated.interactions and "search-type" not in stated.interactions:
        return of_patients + whole
    return whole + of_patients


def parts_of(
    type_: str, way: Way, *, since: str | None, stored: StoredPatients, pulled: Collection[str]
) -> list[Batch]:
    """The parts of a type, asked for in one way.

    Args:
        type_: resource type.
        way: how.
        since: what changed at or after it is wanted; None for everything.
        stored: patients whom the store knows.
        pulled: ids of the patients that came with this pull.
    """
    if not way.by:
        return [Batch(f"{type_}.search", since if way.timed else None)]
    known = stored.covered(type_) if since is not None and way.timed else set()
    everybody = (stored.first_run.keys() | set(pulled)) - stored.left_out
    size = _BATCH if way.post else _BATCH_IN_URL
    parts: list[Batch] = []
    # Of patients who are new here, what was written before the bookmark was never read.
    for ids, from_when in ((known, since), (everybody - known, None)):
        ordered = sorted(ids)
        for start in range(0, len(ordered), size):
            name = f"{type_}.patients-{len(parts):05d}"
            parts.append(Batch(name, from_when, tuple(ordered[start : start + size])))
    return parts


def includes_of(type_: str, wanted: Collection[str], capability: Capability) -> list[str]:
    """Values of ``_include`` that bring the Medications with what refers to them, where the server states them."""
    include = f"{type_}:medication"
    # HAPI states ``*`` for every type, and refuses what the type has no such parameter for.
    is_meant = type_ in _REFERS_TO_MEDICATION and MEDICATION in wanted
    return [include] if is_meant and capability.of(type_).includes(include) else []
