"""In: a study, or a ResearchStudy with its Group. Out: the other one, in R4, R4B or R5 (clinical-spec.md section 8).

What a version has an element for stands in that element. R4 has R5's label, outcomeMeasure and recruitment as the extensions
that HL7 names for them (`cross_version`). Extensions of ours, ``urn:reluth:extension:`` +

- ``study-id``: the product's id of the trial
- ``recruitment-status``: of the study where no element has it, and of each site
- ``site-name``, ``site-address``, ``site-code``, ``site-contact``: of a site, on the Reference
- ``contact-role``: on a ContactDetail; ``contact-detail``: telephone and e-mail of an R5 general-contact
- ``arm-label``: the words for an R4 arm; ``arm-name``: the name of an R5 comparisonGroup where it is no FHIR id
- ``time-frame``: of an objective or outcome
- ``eclaire-recruitment-status``: see `eclaire`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from adapter.errors import UsageError
from adapter.fhir import FhirVersion, Json
from mappings.cross_version import R5_EXTENSIONS_OF, as_extensions, with_r5_elements
from mappings.eclaire import as_eclaire
from mappings.element_values import resources_of
from mappings.elements import OURS, bundle_of, extension, full_url, without_empty
from mappings.entities import Contact, Identifier, Recruitment, Study, StudyStatus
from mappings.foreign import Element, MappingError
from mappings.study_aims import (
    ELIGIBILITY,
    citation,
    eligibility_group,
    eligibility_identifier,
    eligibility_reference,
    outcome,
    read_characteristics,
    read_citation,
    read_measure,
    study_objective,
)
from mappings.study_parts import (
    GENERAL_CONTACT,
    LEAD_SPONSOR,
    STUDY_CHAIR,
    arm,
    coded,
    comparison_group,
    contact_detail,
    contact_party,
    country,
    identifiers,
    lead_parties,
    one_of,
    party_name,
    place_of,
    read_arm,
    read_coded,
    read_comparison_group,
    read_contact,
    read_contact_party,
    read_country,
    read_identifiers,
    read_site,
    role_of,
    study_site,
)

__all__ = ["OWNED", "Profile", "from_fhir", "to_fhir"]

Profile = Literal["eclaire"]

_SHARED: Final = frozenset(
    {
        "identifier", "title", "status", "primaryPurposeType", "phase", "condition", "relatedArtifact", "period", "site",
        "objective",
    }
)  # fmt: skip
_R4: Final = _SHARED | {
    "contact", "description", "enrollment", "sponsor", "principalInvestigator", "location", "arm",
}  # fmt: skip
_R5_ONLY: Final = frozenset(
    {"associatedParty", "comparisonGroup", "descriptionSummary", "label", "outcomeMeasure", "progressStatus", "recruitment", "region"}
)  # fmt: skip
_GROUP: Final = frozenset({"identifier", "active", "type", "name", "characteristic"})
_R4_OWNED: Final = {"ResearchStudy": _R4 | R5_EXTENSIONS_OF["ResearchStudy"], "Group": _GROUP | {"actual"}}
#: Names of the elements that the mapper speaks of, and URLs of the R5 extensions, by version and resource type.
OWNED: Final[Mapping[FhirVersion, Mapping[str, frozenset[str]]]] = {
    FhirVersion.R4: _R4_OWNED,
    FhirVersion.R4B: _R4_OWNED,
    FhirVersion.R5: {"ResearchStudy": _SHARED | _R5_ONLY, "Group": _GROUP | {"membership"}},
}

#: R4 and R5 valueset-research-study-phase.html
_PHASE: Final = "http://terminology.hl7.org/CodeSystem/research-study-phase"
_PHASES: Final = frozenset(
    {"n-a", "early-phase-1", "phase-1", "phase-1-phase-2", "phase-2", "phase-2-phase-3", "phase-3", "phase-4"}
)
#: R4 and R5 valueset-research-study-prim-purp-type.html
_PURPOSE: Final = "http://terminology.hl7.org/CodeSystem/research-study-prim-purp-type"
_PURPOSES: Final = frozenset(
    {
        "treatment", "prevention", "diagnostic", "supportive-care", "screening", "health-services-research", "basic-science",
        "device-feasibility",
    }
)  # fmt: skip
#: R5 valueset-research-study-status.html: the codes of R4 ResearchStudy.status and more.
_STUDY_STATUS: Final = "http://hl7.org/fhir/research-study-status"
#: Recruitment that has a code of its own there; ``completed`` and ``withdrawn`` would read as the study's status.
_RECRUITMENT: Final[Mapping[Recruitment, str]] = {
    Recruitment.NOT_YET_RECRUITING: "not-yet-recruiting",
    Recruitment.RECRUITING: "recruiting",
    Recruitment.ACTIVE_NOT_RECRUITING: "active-but-not-recruiting",
    Recruitment.TERMINATED: "terminated",
}
#: What a status of recruitment alone says of the whole study (clinical-spec.md section 8: it recruits, hence it is active).
_IMPLIED: Final[Mapping[Recruitment, StudyStatus]] = {
    Recruitment.RECRUITING: StudyStatus.ACTIVE,
    Recruitment.COMPLETED: StudyStatus.COMPLETED,
    Recruitment.WITHDRAWN: StudyStatus.WITHDRAWN,
}
#: R5 valueset-title-type.html
_ACRONYM: Final = {"coding": [{"system": "http://hl7.org/fhir/title-type", "code": "acronym"}]}


def to_fhir(study: Study, *, version: FhirVersion = FhirVersion.R4, profile: Profile | None = None) -> Json:
    """A study as a Bundle of type collection: the ResearchStudy, and the Group of its criteria where it has any.

    Args:
        study: any study.
        version: of FHIR.
        profile: ``eclaire`` for the French portal's form of it, R4 only.

    Raises:
        UsageError: the profile is not known, or there is none in this version.
    """
    if profile is not None and (profile != "eclaire" or version is not FhirVersion.R4):
        raise UsageError("the one output profile of a study is eclaire, and it is R4 (4.0.1)")
    resource = _r5(study) if version is FhirVersion.R5 else _r4(study, version)
    if profile == "eclaire":
        resource = as_eclaire(resource, study)
    resources = [(full_url(Identifier(system=f"{OURS}study", value=study.official.value)), resource)]
    if study.characteristics:
        resources.append((full_url(eligibility_identifier(study)), eligibility_group(study, version=version)))
    return bundle_of(resources)


def _common(study: Study, version: FhirVersion) -> Json:
    return {
        "resourceType": "ResearchStudy",
        "extension": [extension("study-id", "String", study.id)],
        "identifier": identifiers(study.identifiers),
        "title": study.title,
        "primaryPurposeType": coded(study.purpose, _PURPOSE, _PURPOSES),
        "phase": coded(study.phase, _PHASE, _PHASES),
        "condition": [{"text": condition} for condition in study.conditions],
        "relatedArtifact": [citation(one, version=version) for one in study.citations],
        "period": without_empty({"start": study.start, "end": study.end}),
        "site": [study_site(one) for one in study.sites],
        "objective": [study_objective(one, version=version) for one in study.objectives],
    }


def _r5_only(study: Study) -> Json:
    """What R5 has elements for and R4 extensions."""
    return without_empty(
        {
            "label": [{"type": _ACRONYM, "value": study.acronym}] if study.acronym is not None else [],
            "recruitment": without_empty({"targetNumber": study.target}),
            "outcomeMeasure": [outcome(one) for one in study.outcomes],
        }
    )


def _recruitment_extension(study: Study) -> list[Json]:
    if study.recruitment is None:
        return []
    return [extension("recruitment-status", "Code", study.recruitment.value)]


def _r4(study: Study, version: FhirVersion) -> Json:
    common = _common(study, version)
    extensions = [
        *common["extension"],
        *_recruitment_extension(study),
        *as_extensions("ResearchStudy", _r5_only(study)),
    ]
    return without_empty(
        {
            **common,
            "extension": extensions,
            "status": study.status.value,
            "contact": [contact_detail(one) for one in study.contacts],
            "location": country(study.country),
            "description": study.summary,
            "enrollment": [eligibility_reference(study)] if study.characteristics else [],
            "sponsor": without_empty({"display": study.sponsor}),
            "principalInvestigator": without_empty({"display": study.principal_investigator}),
            "arm": [arm(one) for one in study.arms],
        }
    )


def _r5(study: Study) -> Json:
    common, later = _common(study, FhirVersion.R5), _r5_only(study)
    code = _RECRUITMENT.get(study.recruitment) if study.recruitment is not None else None
    states = [study.status.value, *([code] if code is not None else [])]
    eligibility = {"eligibility": eligibility_reference(study)} if study.characteristics else {}
    return without_empty(
        {
            **common,
            "extension": [*common["extension"], *([] if code is not None else _recruitment_extension(study))],
            # R5 researchstudy.html: of this record, not of the study.
            "status": "active",
            "progressStatus": [
                {"state": {"coding": [{"system": _STUDY_STATUS, "code": state}]}, "actual": True} for state in states
            ],
            "region": country(study.country),
            "descriptionSummary": study.summary,
            "associatedParty": [*lead_parties(study), *(contact_party(one) for one in study.contacts)],
            "comparisonGroup": [comparison_group(one) for one in study.arms],
            **later,
            "recruitment": {**later.get("recruitment", {}), **eligibility},
        }
    )


# --- reading -------------------------------------------------------------------------------------------------------


def from_fhir(resource: Json) -> Study:
    """The study of a Bundle, or of a ResearchStudy alone, which has no criteria then.

    Each fact is read from where it stands, hence R4, R4B, R5 and the profile alike.

    Raises:
        MappingError: it cannot be read as a study.
    """
    found, group = _study_and_group(resources_of(resource))
    found.refuse_modifiers()
    if group is not None:
        group.refuse_modifiers()
    return _study(found, group)


def _study_and_group(resources: list[Element]) -> tuple[Element, Element | None]:
    """The ResearchStudy, and our Group of its criteria."""
    studies = [one for one in resources if one.content.get("resourceType") == "ResearchStudy"]
    if len(studies) != 1:
        raise MappingError(
            resources[0].reference if resources else "Bundle/?", "resourceType", "one ResearchStudy is wanted"
        )
    groups = [one for one in resources if one.content.get("resourceType") == "Group"]
    ours = (one for one in groups if any(found.system == ELIGIBILITY for found in _identifiers(one)))
    return studies[0], next(ours, None)


def _identifiers(resource: Element) -> list[Identifier]:
    with place_of(resource):
        return resource.identifiers()


def _study(original: Element, group: Element | None) -> Study:
    resource = with_r5_elements(original)
    recruitment = _recruitment(resource)
    identity, period = resource.extension("study-id"), resource.child("period")
    numbers = read_identifiers(resource)
    official = next(one for one in numbers if one.use == "official")
    target = resource.child("recruitment")
    groups, arms = resource.children("comparisonGroup"), resource.children("arm")
    artifacts = (read_citation(one) for one in resource.children("relatedArtifact"))
    with place_of(resource):
        return Study(
            id=identity.needed("valueString") if identity else official.value.lower(),
            title=resource.needed("title"),
            acronym=_acronym(resource),
            identifiers=numbers,
            status=_status(resource, recruitment, is_r5=not _R5_ONLY.isdisjoint(original.content)),
            recruitment=recruitment,
            phase=read_coded(resource, "phase", _PHASE),
            purpose=read_coded(resource, "primaryPurposeType", _PURPOSE),
            summary=resource.text("descriptionSummary") or resource.text("description"),
            conditions=tuple(_words(one) for one in resource.children("condition")),
            start=period.text("start") if period else None,
            end=period.text("end") if period else None,
            country=read_country(resource, "region") or read_country(resource, "location"),
            sponsor=_party(resource, "sponsor", (LEAD_SPONSOR, "sponsor")),
            principal_investigator=_party(resource, "principalInvestigator", (STUDY_CHAIR, "primary-investigator")),
            contacts=_contacts(resource),
            arms=tuple([read_comparison_group(one) for one in groups] or [read_arm(one) for one in arms]),
            sites=tuple(read_site(one) for one in resource.children("site")),
            objectives=tuple(read_measure(one) for one in resource.children("objective")),
            outcomes=tuple(read_measure(one) for one in resource.children("outcomeMeasure")),
            target=target.whole("targetNumber") if target else None,
            characteristics=read_characteristics(group) if group else (),
            citations=tuple(one for one in artifacts if one is not None),
        )


def _states(resource: Element) -> list[str]:
    """What progressStatus says is so, and not over."""
    found = []
    for one in resource.children("progressStatus"):
        state, period = one.child("state"), one.child("period")
        if state is None or one.flag("actual") is False or (period and period.has("end")):
            continue
        codes = [code.needed("code") for code in state.children("coding") if code.text("system") == _STUDY_STATUS]
        found += codes or [text for text in (state.text("text"),) if text is not None]
    return found


def _recruitment(resource: Element) -> Recruitment | None:
    """Of the study: by its state where that has a code, else by our extension."""
    states = _states(resource)
    told = next((one for one, code in _RECRUITMENT.items() if code in states), None)
    ours = resource.extension("recruitment-status")
    return told if told or ours is None else one_of(ours, "valueCode", Recruitment)


def _status(resource: Element, recruitment: Recruitment | None, *, is_r5: bool) -> StudyStatus:
    """Of the study as a whole; R5 `status` is that of the record."""
    if not is_r5:
        return one_of(resource, "status", StudyStatus)
    states = _states(resource)
    found = next((one for one in StudyStatus if one.value in states), None)
    if found is None and recruitment is not None:
        found = _IMPLIED.get(recruitment)
    if found is None:
        raise resource.fail("progressStatus", "does not tell where the study stands")
    return found


def _acronym(resource: Element) -> str | None:
    """The label that is one, or that does not say what it is."""
    plain = None
    for label in resource.children("label"):
        kind = label.child("type")
        codes = [one.text("code") for one in kind.children("coding")] if kind else []
        if "acronym" in codes:
            return label.needed("value")
        if kind is None and plain is None:
            plain = label.text("value")
    return plain


def _words(concept: Element) -> str:
    """A CodeableConcept in words."""
    displays = (one.text("display") for one in concept.children("coding"))
    found = concept.text("text") or next((one for one in displays if one), None)
    if found is None:
        raise concept.fail("text", "is missing")
    return found


def _party(resource: Element, name: str, roles: tuple[str, ...]) -> str | None:
    """Who plays a part: by R4's reference, or by the first of the R5 roles that anybody has."""
    reference = resource.child(name)
    if reference is not None and reference.has("display"):
        return reference.text("display")
    parties = [(role_of(one), one) for one in resource.children("associatedParty")]
    for role in roles:
        for played, one in parties:
            if played == role:
                return party_name(one)
    return None


def _contacts(resource: Element) -> tuple[Contact, ...]:
    """R4's contacts, and R5's general ones."""
    found = [read_contact(one) for one in resource.children("contact")]
    parties = (one for one in resource.children("associatedParty") if role_of(one) == GENERAL_CONTACT)
    return (*found, *(read_contact_party(one) for one in parties))
