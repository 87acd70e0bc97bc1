"""In: what a study wants and whom it takes: objectives, outcomes, criteria, literature. Out: FHIR elements, and the same read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from adapter.fhir import FhirVersion, Json
from mappings.cross_version import r5_extension, read_r5_extension
from mappings.elements import OURS, extension, full_url, identifier, without_empty
from mappings.entities import Characteristic, Citation, Identifier, Measure, Study
from mappings.foreign import Element
from mappings.study_parts import place_of

__all__ = [
    "CRITERION",
    "ELIGIBILITY",
    "citation",
    "eligibility_group",
    "eligibility_identifier",
    "eligibility_reference",
    "outcome",
    "read_characteristics",
    "read_citation",
    "read_measure",
    "study_objective",
]

#: Code system of a trial's criteria: `CRITERION` + id of the trial; `reluth criteria export` has the same.
CRITERION: Final = f"{OURS}criterion:"
#: Identifier.system of the Group; its value is the study's official number.
ELIGIBILITY: Final = f"{OURS}eligibility"
#: R4 and R5 valueset-research-study-objective-type.html
_OBJECTIVE_TYPE: Final = "http://terminology.hl7.org/CodeSystem/research-study-objective-type"
_OBJECTIVE_DESCRIPTION: Final = "ResearchStudy.objective.description"
_KINDS: Final = ("primary", "secondary", "exploratory")
#: R4 valueset-related-artifact-type.html: background is cited; what reports on the study documents it.
_CITATION_TYPES: Final[Mapping[str, str]] = {"background": "citation", "derived": "documentation"}
_PUBMED: Final = "https://pubmed.ncbi.nlm.nih.gov/"
_PMID: Final = re.compile(
    r"https?://(?:pubmed\.ncbi\.nlm\.nih\.gov|(?:www\.)?ncbi\.nlm\.nih\.gov/pubmed)/([1-9][0-9]{0,8})/?"
)
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")


# --- objectives and outcomes ---------------------------------------------------------------------------------------


def _measure(value: Measure) -> dict[str, Any]:
    frame = [extension("time-frame", "String", value.time_frame)] if value.time_frame is not None else []
    kind = {"coding": [{"system": _OBJECTIVE_TYPE, "code": value.kind}]}
    return {"extension": frame, "name": value.name, "type": kind, "description": value.description}


def study_objective(value: Measure, *, version: FhirVersion) -> Json:
    """An objective; R4 has no element for its description, but the extension of R5's."""
    element = _measure(value)
    if version is not FhirVersion.R5 and value.description is not None:
        element["extension"].append(r5_extension(_OBJECTIVE_DESCRIPTION, "Markdown", element.pop("description")))
    return without_empty(element)


def outcome(value: Measure) -> Json:
    """R5 outcomeMeasure, whose type is a list."""
    element = _measure(value)
    return without_empty({**element, "type": [element["type"]]})


def read_measure(element: Element) -> Measure:
    """An objective or an outcome; one that does not say which it is could be taken for the primary one."""
    concepts = (
        element.children("type")
        if isinstance(element.content.get("type"), list)
        else [one for one in (element.child("type"),) if one is not None]
    )
    told = [one.text("code") for concept in concepts for one in concept.children("coding")]
    told += [concept.text("text") for concept in concepts]
    kind = next((one for one in told if one in _KINDS), None)
    if kind is None:
        raise element.fail("type", "is missing, or none of primary, secondary, exploratory")
    frame = element.extension("time-frame")
    described = read_r5_extension(element, _OBJECTIVE_DESCRIPTION)
    with place_of(element):
        return Measure(
            kind=kind,
            name=element.needed("name"),
            description=described.needed("valueMarkdown") if described else element.text("description"),
            time_frame=frame.needed("valueString") if frame else None,
        )


# --- literature ----------------------------------------------------------------------------------------------------


def citation(value: Citation, *, version: FhirVersion) -> Json:
    """A RelatedArtifact; the PubMed number is the end of its address."""
    address = None if value.pmid is None else f"{_PUBMED}{value.pmid}/"
    # R5 metadatatypes.html#RelatedArtifact dropped `url`.
    place = {"document": {"url": address}} if version is FhirVersion.R5 and address else {"url": address}
    return without_empty({"type": _CITATION_TYPES[value.kind], "citation": value.text, **place})


def read_citation(artifact: Element) -> Citation | None:
    """A publication; None for an artifact of another kind, such as a successor."""
    kind = next((kind for kind, code in _CITATION_TYPES.items() if code == artifact.needed("type")), None)
    if kind is None or not artifact.has("citation"):
        return None
    document = artifact.child("document")
    address = artifact.text("url") or (document.text("url") if document else None)
    number = _PMID.fullmatch(address or "")
    with place_of(artifact):
        return Citation(text=artifact.needed("citation"), kind=kind, pmid=number[1] if number else None)


# --- criteria ------------------------------------------------------------------------------------------------------


def eligibility_identifier(study: Study) -> Identifier:
    """The business identifier of a study's Group."""
    return Identifier(system=ELIGIBILITY, value=study.official.value)


def eligibility_reference(study: Study) -> Json:
    """The Reference to it, by its place in the Bundle and by its identifier."""
    found = eligibility_identifier(study)
    return {"reference": full_url(found), "type": "Group", "identifier": identifier(found)}


def eligibility_group(study: Study, *, version: FhirVersion) -> Json:
    """The Group of clinical-spec.md section 8: persons, none of them actual, one characteristic a criterion."""
    # R5 group.html: `actual` became `membership`.
    kind = {"membership": "definitional"} if version is FhirVersion.R5 else {"actual": False}
    return {
        "resourceType": "Group",
        "identifier": [identifier(eligibility_identifier(study))],
        "active": True,
        "type": "person",
        **kind,
        "name": f"Eligibility criteria of {study.acronym or study.title}",
        "characteristic": [_characteristic(study, one) for one in study.characteristics],
    }


def _characteristic(study: Study, value: Characteristic) -> Json:
    """A criterion is a statement of its own that is true; ``exclude`` turns an exclusion around."""
    system = f"{CRITERION}{''.join(_in_uri(sign) for sign in study.id)}"
    return {
        "code": {"coding": [{"system": system, "code": value.id}], "text": value.text},
        "valueBoolean": True,
        "exclude": value.exclude,
    }


def _in_uri(sign: str) -> str:
    return sign if _UNRESERVED.fullmatch(sign) else "".join(f"%{byte:02X}" for byte in sign.encode())


def read_characteristics(group: Element) -> tuple[Characteristic, ...]:
    """The criteria of a Group of ours; a characteristic that is no criterion of a trial is refused, not passed over."""
    return tuple(_read_characteristic(one) for one in group.children("characteristic"))


def _read_characteristic(element: Element) -> Characteristic:
    code = element.child("code")
    ids = (
        [one for one in code.children("coding") if str(one.content.get("system")).startswith(CRITERION)] if code else []
    )
    if code is None or not ids:
        raise element.fail("code", "names no criterion")
    if element.flag("valueBoolean") is not True:
        raise element.fail("valueBoolean", "true is wanted")
    exclude = element.flag("exclude")
    if exclude is None:
        raise element.fail("exclude", "is missing")
    with place_of(element):
        return Characteristic(id=ids[0].needed("code"), text=code.needed("text"), exclude=exclude)
