"""In: studies. Out: their resources as the examples show, and the same studies again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.documents import load_study
from adapter.errors import UsageError
from adapter.fhir import FhirVersion, problems
from mappings.elements import business_identifiers, resources_in
from mappings.entities import Recruitment, Study, StudyIdentifier, StudyStatus
from mappings.study import from_fhir, to_fhir
from mappings.study_parts import arm_link
from tests.support.entity_study import FORMS, STUDY, resource_of, studies

EXAMPLES = Path(__file__).parent / "examples"
VERSIONS = list(FhirVersion)
form = pytest.mark.parametrize(("version", "profile"), FORMS, ids=lambda value: getattr(value, "name", value))


# There and back


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(studies(), st.sampled_from(FORMS))
def test_study_comes_back_as_it_went(study: Study, wanted: tuple[FhirVersion, Any]) -> None:
    mapped = to_fhir(study, version=wanted[0], profile=wanted[1])

    assert from_fhir(mapped) == study
    assert problems(mapped, wanted[0]) == []
    assert from_fhir(json.loads(json.dumps(mapped))) == study


@form
def test_reluth_is_whole_in_every_form(version: FhirVersion, profile: Any) -> None:
    study = load_study("nct04954820")
    mapped = to_fhir(study, version=version, profile=profile)
    main, group = resource_of(mapped), resource_of(mapped, "Group")

    assert from_fhir(mapped) == study
    assert problems(mapped, version) == []
    assert (len(main["site"]), len(main.get("arm") or main["comparisonGroup"])) == (28, 2)
    assert [one["exclude"] for one in group["characteristic"]] == [False] * 16 + [True] * 18


@pytest.mark.parametrize(
    ("name", "version", "profile"),
    [("r4", FhirVersion.R4, None), ("r5", FhirVersion.R5, None), ("r4-eclaire", FhirVersion.R4, "eclaire")],
)
def test_study_is_written_as_the_example_shows(name: str, version: FhirVersion, profile: Any) -> None:
    shown = json.loads((EXAMPLES / f"study-{name}.json").read_text(encoding="utf-8"))

    assert to_fhir(STUDY, version=version, profile=profile) == shown
    assert from_fhir(shown) == STUDY


@form
def test_study_alone_comes_back_without_its_criteria(version: FhirVersion, profile: Any) -> None:
    main = resource_of(to_fhir(STUDY, version=version, profile=profile))

    assert from_fhir(main) == msgspec.structs.replace(STUDY, characteristics=())


def test_study_without_criteria_has_no_group() -> None:
    study = msgspec.structs.replace(STUDY, characteristics=(), target=None)
    for version in VERSIONS:
        ((_, main),) = resources_in(to_fhir(study, version=version))

        assert not {"enrollment", "recruitment"} & set(main)


@form
def test_study_names_its_group_by_its_place_and_its_identifier(version: FhirVersion, profile: Any) -> None:
    mapped = to_fhir(STUDY, version=version, profile=profile)
    (_, main), (url, group) = resources_in(mapped)
    reference = main["recruitment"]["eligibility"] if version is FhirVersion.R5 else main["enrollment"][0]

    assert reference["reference"] == url
    assert [reference["identifier"]] == group["identifier"]
    assert business_identifiers(main)[0].value == "NCT00000000"


def test_study_has_the_same_addresses_every_time_and_another_study_others() -> None:
    number = StudyIdentifier(value="NCT99999999", use="official", system="http://clinicaltrials.gov")
    other = msgspec.structs.replace(STUDY, identifiers=(number,))
    urls = [[url for url, _ in resources_in(to_fhir(study))] for study in (STUDY, STUDY, other)]

    assert urls[0] == urls[1]
    assert not set(urls[0]) & set(urls[2])


@pytest.mark.parametrize("recruitment", [None, *Recruitment])
@pytest.mark.parametrize("status", StudyStatus)
def test_study_keeps_its_status_and_its_recruitment_apart(status: StudyStatus, recruitment: Recruitment | None) -> None:
    study = msgspec.structs.replace(STUDY, status=status, recruitment=recruitment)
    for version, profile in FORMS:
        assert from_fhir(to_fhir(study, version=version, profile=profile)) == study


def test_study_of_an_unknown_phase_invents_no_code() -> None:
    main = resource_of(to_fhir(msgspec.structs.replace(STUDY, phase="phase-9", purpose="curiosity")))

    assert (main["phase"], main["primaryPurposeType"]) == ({"text": "phase-9"}, {"text": "curiosity"})


def test_arm_keeps_its_name_as_link_where_fhir_allows_it() -> None:
    group = resource_of(to_fhir(STUDY, version=FhirVersion.R5))["comparisonGroup"]

    assert [one["linkId"] for one in group] == ["more", arm_link("bras témoin")]
    assert arm_link("bras témoin") != arm_link("bras temoin")


# The French portal's profile


def test_eclaire_has_neither_sponsor_nor_investigator_and_their_extensions_instead() -> None:
    main = resource_of(to_fhir(STUDY, profile="eclaire"))
    urls = [one["url"].rpartition("/")[2] for one in main["extension"]]

    assert not {"sponsor", "principalInvestigator", "description"} & set(main)
    assert [one["use"] for one in main["identifier"]] == ["secondary", "official"]
    assert urls == [
        "urn:reluth:extension:study-id",
        "urn:reluth:extension:recruitment-status",
        "extension-ResearchStudy.label",
        "extension-ResearchStudy.recruitment",
        "extension-ResearchStudy.outcomeMeasure",
        "extension-ResearchStudy.outcomeMeasure",
        "extension-ResearchStudy.associatedParty",
        "extension-ResearchStudy.associatedParty",
        "extension-ResearchStudy.descriptionSummary",
        "urn:reluth:extension:eclaire-recruitment-status",
    ]


@pytest.mark.parametrize(
    ("recruitment", "code"),
    [
        (None, None),
        (Recruitment.NOT_YET_RECRUITING, "upcoming"),
        (Recruitment.RECRUITING, "recruiting"),
        (Recruitment.ACTIVE_NOT_RECRUITING, "completed-recruiting"),
        (Recruitment.SUSPENDED, None),
        (Recruitment.COMPLETED, "completed-recruiting"),
        (Recruitment.TERMINATED, "completed-recruiting"),
        (Recruitment.WITHDRAWN, None),
    ],
)
def test_eclaire_says_recruitment_by_the_guides_three_codes(recruitment: Recruitment | None, code: str | None) -> None:
    study = msgspec.structs.replace(STUDY, recruitment=recruitment)
    told = [
        one["valueCode"]
        for one in resource_of(to_fhir(study, profile="eclaire"))["extension"]
        if one["url"] == "urn:reluth:extension:eclaire-recruitment-status"
    ]

    assert told == ([] if code is None else [code])


@pytest.mark.parametrize("version", [FhirVersion.R4B, FhirVersion.R5])
def test_eclaire_is_refused_in_other_versions(version: FhirVersion) -> None:
    with pytest.raises(UsageError, match="R4"):
        to_fhir(STUDY, version=version, profile="eclaire")
