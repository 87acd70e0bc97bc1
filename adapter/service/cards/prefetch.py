"""In: a trial. Out: what its services ask to be given with a call; and, of what was given, the resources and which types came whole.

CDS Hooks 2.0, Prefetch Template: a key that is missing was not looked up; one that is null has no data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from adapter.client.search import parse_searchset
from adapter.criteria import Trial
from adapter.fhir import SHARED_TYPES, FhirVersion

__all__ = ["PATIENT", "Given", "patient_parameter", "read_prefetch", "templates_of", "types_of"]

PATIENT: Final = "Patient"
#: A searchset must be given whole, on one page: servers may hold fewer, and then say so.
COUNT: Final = 1000
_CONTEXT: Final = "{{context.patientId}}"
# R4 adverseevent.html#search: no parameter `patient`; R5 researchsubject.html#search likewise.
_SUBJECT_ONLY: Final = {
    FhirVersion.R4: {"AdverseEvent"},
    FhirVersion.R4B: {"AdverseEvent"},
    FhirVersion.R5: {"ResearchSubject"},
}


@dataclass(frozen=True, slots=True)
class Given:
    """Resources that came with a call, of whomever they are.

    Attributes:
        raws: as sent.
        whole: types of which nothing is missing.
    """

    raws: tuple[bytes, ...]
    whole: frozenset[str]


class _Typed(msgspec.Struct):
    resourceType: object = None


_read_type = msgspec.json.Decoder(_Typed).decode


def types_of(trial: Trial) -> tuple[str, ...]:
    """The types that the trial's criteria read of a patient, Patient first."""
    own = [name for name in trial.resource_types if name not in SHARED_TYPES and name != PATIENT]
    return (PATIENT, *own)


def patient_parameter(resource_type: str, version: FhirVersion) -> str:
    """The search parameter that leads from a type to its patient."""
    return "subject" if resource_type in _SUBJECT_ONLY[version] else "patient"


def templates_of(trial: Trial) -> dict[str, str]:
    """The prefetch templates, by key; they use no more of search than the specification recommends."""
    found = {}
    for name in types_of(trial):
        by = patient_parameter(name, FhirVersion.R4)
        query = f"{PATIENT}/{_CONTEXT}" if name == PATIENT else f"{name}?{by}={_CONTEXT}&_count={COUNT}"
        found[_key(name)] = query
    return found


def read_prefetch(prefetch: Mapping[str, bytes], trial: Trial) -> Given:
    """What was given under the keys that were asked for; anything else is left alone."""
    raws: list[bytes] = []
    whole: set[str] = set()
    for name in types_of(trial):
        value = prefetch.get(_key(name))
        if value is None:
            continue
        resources = _resources(value, name)
        if resources is None:
            continue
        raws += resources[0]
        if resources[1]:
            whole.add(name)
    return Given(tuple(raws), frozenset(whole))


def _key(resource_type: str) -> str:
    return resource_type[0].lower() + resource_type[1:]


def _resources(value: bytes, resource_type: str) -> tuple[list[bytes], bool] | None:
    """The resources under one key, and whether they are all; None where it tells nothing."""
    if value.strip() == b"null":
        return [], resource_type != PATIENT
    try:
        kind = _read_type(value).resourceType
        if kind == resource_type:
            return [value], resource_type == PATIENT
        if kind != "Bundle":
            # An OperationOutcome among them: the client was refused, and should have left the key out.
            return None
        found = parse_searchset(value, resource_type=resource_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    raws = [entry.raw for entry in found.entries]
    matches = sum(entry.mode != "include" for entry in found.entries)
    cut = found.next_link is not None or any(issue.is_loss for issue in found.issues)
    return raws, not cut and (found.total is None or found.total <= matches)
