"""In: a dozen studies in every form. Out: the HL7 validator finds no error in their resources, and does in a damaged one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapter.documents import load_study
from adapter.fhir import FhirVersion
from mappings.entities import ArmKind, Citation, Contact, Measure, Recruitment, Study, StudyStatus
from mappings.study import to_fhir
from tests.support.entity_study import FORMS, STUDY, resource_of
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi

_ARM, _SITE, _MEASURE = STUDY.arms[0], STUDY.sites[0], STUDY.objectives[0]


def _with(**fields: Any) -> Study:
    return msgspec.structs.replace(STUDY, **fields)


CASES: dict[str, Study] = {
    "reluth": load_study("nct04954820"),
    "every field": STUDY,
    "the least": Study(
        id="x", title="X", identifiers=STUDY.identifiers[1:], status=StudyStatus.IN_REVIEW, arms=(_ARM,)
    ),
    "partial dates": _with(start="2021", end="2031-10", status=StudyStatus.CLOSED_TO_ACCRUAL, recruitment=None),
    "moments": _with(start="2021-10-18T08:00:00+02:00", end="2031-10-31T23:59:59.5Z", recruitment=Recruitment.SUSPENDED),
    "unknown codes": _with(phase="phase-9", purpose="curiosity", id="essai n° 1", recruitment=Recruitment.TERMINATED),
    "odd texts": _with(
        title='🧬 « Cœur » "µ" <b>&amp;</b>\n\n* ≥ 80 000',
        summary="a\u2028b",
        conditions=("🧬", "🧬"),
        status=StudyStatus.WITHDRAWN,
        recruitment=Recruitment.WITHDRAWN,
    ),
    "every kind of arm": _with(
        arms=tuple(msgspec.structs.replace(_ARM, name=f"bras {kind}", label=kind.value, kind=kind) for kind in ArmKind)
    ),
    "every kind of site": _with(
        sites=tuple(
            msgspec.structs.replace(_SITE, name=kind.value, recruitment=kind, identifier=None, code=None) for kind in Recruitment
        )
    ),
    "every kind of measure": _with(
        objectives=tuple(msgspec.structs.replace(_MEASURE, kind=kind) for kind in ("primary", "secondary", "exploratory")),
        outcomes=(_MEASURE, Measure(kind="exploratory", name="X", time_frame="1 month")),
    ),
    "contacts by halves": _with(contacts=(Contact(name="A"), Contact(name="B", role="R"), Contact(name="C", email="c@d.org"))),
    "literature alone": _with(citations=(Citation(text="X", kind="derived", pmid="1"),), characteristics=(), target=None),
}  # fmt: skip


@pytest.mark.parametrize(("version", "profile"), FORMS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("study", CASES.values(), ids=CASES.keys())
def test_study_is_valid(study: Study, version: FhirVersion, profile: Any) -> None:
    assert running_validator().errors(to_fhir(study, version=version, profile=profile), version) == []


@pytest.mark.parametrize("version", list(FhirVersion))
def test_damaged_study_is_not_valid(version: FhirVersion) -> None:
    mapped = to_fhir(STUDY, version=version)
    resource_of(mapped)["status"] = "recruiting"

    assert any("status" in error for error in running_validator().errors(mapped, version))


def test_r5_extension_with_a_wrong_part_is_not_valid() -> None:
    mapped = to_fhir(STUDY)
    found = next(one for one in resource_of(mapped)["extension"] if one["url"].endswith("ResearchStudy.label"))
    found["extension"][1]["url"] = "worth"

    assert running_validator().errors(mapped, FhirVersion.R4) != []
