"""In: a trial and its CQL. Out: a Bundle of Group and Library: whom the trial is for, one characteristic a criterion."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from adapter.criteria.exchange.comparison import simple_comparison
from adapter.criteria.exchange.naming import (
    canonical,
    code_of,
    computable_name,
    full_url,
    identifiers_of,
    resource_id,
)
from adapter.criteria.exchange.remarks import caveat, criterion_extension, heading, narrative
from adapter.criteria.trial import Criterion, Trial

__all__ = ["eligibility_group", "group_bundle", "logic_library"]

#: Versions in which a Group is written; R4 and R4B have the same one.
_R5 = "5.0.0"
_CQF_LIBRARY = "http://hl7.org/fhir/StructureDefinition/cqf-library"
#: FHIR Extensions Pack: the version of a resource that has no element for it.
_ARTIFACT_VERSION = "http://hl7.org/fhir/StructureDefinition/artifact-version"
_LIBRARY_TYPE = "http://terminology.hl7.org/CodeSystem/library-type"
_RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
_CQL_NAME = re.compile(r"^library\s+\"?([A-Za-z_][A-Za-z0-9_]*)\"?", re.MULTILINE)


def group_bundle(trial: Trial, cql: str, *, language: str = "en", fhir_version: str = "4.0.1") -> dict[str, Any]:
    """The criteria as a Group, with the Library that it names.

    Args:
        trial: the trial's documents.
        cql: the criteria as one CQL library.
        language: of labels and remarks, ``en`` or ``fr``; the registry's sentences stay as they are.
        fhir_version: ``4.0.1``, ``4.3.0`` or ``5.0.0``.

    Returns:
        a Bundle of type collection, of JSON's own types; numbers are `Decimal`.
    """
    group = eligibility_group(trial, language=language, fhir_version=fhir_version)
    library = logic_library(trial, cql, language=language)
    entries = [
        {"fullUrl": full_url(trial, resource["resourceType"]), "resource": resource} for resource in (group, library)
    ]
    return {
        "resourceType": "Bundle",
        "id": resource_id(trial, "eligibility-bundle"),
        "type": "collection",
        "entry": entries,
    }


def eligibility_group(trial: Trial, *, language: str = "en", fhir_version: str = "4.0.1") -> dict[str, Any]:
    """The Group of clinical-spec.md section 8: persons, none of them actual, one characteristic a criterion.

    A criterion that is one comparison has its value; any other is a statement of its own that is true. ``exclude`` turns
    an exclusion around.
    """
    # R5 group.html: `actual` became `membership`.
    kind = {"membership": "definitional"} if fhir_version == _R5 else {"actual": False}
    return {
        "resourceType": "Group",
        "id": resource_id(trial),
        "language": language,
        "text": narrative(trial, language),
        "extension": [
            {"url": _CQF_LIBRARY, "valueCanonical": canonical(trial, "library")},
            {"url": _ARTIFACT_VERSION, "valueString": trial.version},
        ],
        "identifier": identifiers_of(trial),
        "active": True,
        "type": "person",
        **kind,
        "name": heading(trial, language),
        "characteristic": [_characteristic(trial, criterion, language) for criterion in trial.criteria],
    }


def _characteristic(trial: Trial, criterion: Criterion, language: str) -> dict[str, Any]:
    compared = simple_comparison(criterion.node, language)
    coding = [code_of(trial, criterion.id), *(compared.trait.get("coding", []) if compared else [])]
    return {
        "id": criterion.id,
        "extension": [criterion_extension(trial, criterion, language)],
        "code": {"coding": coding, "text": criterion.label[language]},
        **(compared.value if compared else {"valueBoolean": True}),
        "exclude": criterion.kind == "exclusion",
    }


def logic_library(trial: Trial, cql: str, *, language: str = "en") -> dict[str, Any]:
    """The Library that holds the CQL; what it says is R4, R4B and R5 alike."""
    named = _CQL_NAME.search(cql)
    return {
        "resourceType": "Library",
        "id": resource_id(trial, "eligibility-logic"),
        "language": language,
        "url": canonical(trial, "library", versioned=False),
        "identifier": identifiers_of(trial),
        "version": trial.version,
        # CQF: a Library has the name that its CQL declares.
        "name": named.group(1) if named else computable_name(trial),
        "title": heading(trial, language),
        "status": "draft",
        "type": {"coding": [{"system": _LIBRARY_TYPE, "code": "logic-library"}]},
        "subjectCodeableConcept": {"coding": [{"system": _RESOURCE_TYPES, "code": "Patient"}]},
        "description": caveat(language),
        "content": [{"contentType": "text/cql", "data": b64encode(cql.encode()).decode("ascii")}],
    }
