"""In: a trial. Out: what its exported resources are called: ids, canonical addresses, identifiers, code system, CQL defines."""

from __future__ import annotations

import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from adapter.criteria.trial import Trial

__all__ = [
    "TRIALS_REGISTRY",
    "canonical",
    "code_of",
    "computable_name",
    "defined_in_cql",
    "full_url",
    "identifiers_of",
    "resource_id",
]

#: clinical-spec.md section 8; the other registers have no verified system.
TRIALS_REGISTRY = "http://clinicaltrials.gov"
_NCT = re.compile(r"NCT\d{8}")
_EUDRACT = re.compile(r"\d{4}-\d{6}-\d{2}")
#: R4 datatypes.html#id
_ID_LENGTH = 64


def resource_id(trial: Trial, suffix: str = "eligibility") -> str:
    """The id of a resource made of the trial: ``reluth-eligibility``, as a ResearchStudy's ``enrollment`` names it."""
    stem = re.sub(r"[^a-z0-9]+", "-", trial.acronym.lower()).strip("-")
    return f"{stem}-{suffix}"[:_ID_LENGTH]


def computable_name(trial: Trial) -> str:
    """The name that programs use; starts with a letter, holds letters, digits and underscores only."""
    found = re.sub(r"[^A-Za-z0-9]+", "_", trial.acronym).strip("_")
    return f"{found}_Eligibility" if found[:1].isalpha() else f"Trial_{found}_Eligibility"


def canonical(trial: Trial, kind: str, *, versioned: bool = True) -> str:
    """The address of a resource made of the trial; a reference names its version, the resource itself does not.

    Args:
        trial: whose.
        kind: ``library`` or ``evidence-variable``.
        versioned: with ``|version``.
    """
    bare = f"urn:reluth:{kind}:{trial.id}"
    return f"{bare}|{trial.version}" if versioned else bare


def full_url(trial: Trial, resource_type: str) -> str:
    """The address of an entry in a Bundle: the same for the same version of the same trial."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'urn:reluth:{trial.id}:{trial.version}:{resource_type}')}"


def code_of(trial: Trial, identity: str) -> dict[str, str]:
    """The Coding of a criterion, a part or an attestation; a code system each trial, for every trial has an I01."""
    return {"system": f"urn:reluth:criterion:{trial.id}", "code": identity}


def defined_in_cql(trial: Trial, identity: str) -> dict[str, str]:
    """The Expression that names the define of a criterion or part: a quoted identifier is a whole CQL expression."""
    return {"language": "text/cql", "expression": f'"{identity}"', "reference": canonical(trial, "library")}


def identifiers_of(trial: Trial) -> list[dict[str, Any]]:
    """The trial's identifiers: the registry's is the official one; the same one spelt without spaces stands once."""
    found: dict[str, dict[str, Any]] = {}
    for value in trial.identifiers:
        found.setdefault(value.replace(" ", ""), _identifier(value))
    return list(found.values())


def _identifier(value: str) -> dict[str, Any]:
    if _NCT.fullmatch(value):
        return {"use": "official", "system": TRIALS_REGISTRY, "value": value}
    if _EUDRACT.fullmatch(value):
        return {"use": "secondary", "type": {"text": "EudraCT"}, "value": value, "assigner": {"display": "EudraCT"}}
    return {"use": "secondary", "value": value}
