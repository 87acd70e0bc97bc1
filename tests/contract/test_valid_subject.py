"""HL7's validator finds no error in the ResearchSubjects that are pushed."""

from __future__ import annotations

import pytest

from adapter.fhir import FhirVersion
from mappings.subject import to_fhir
from tests.support.entity_subject import RELUTH, sample_subjects
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi


@pytest.mark.parametrize("version", list(FhirVersion))
def test_subjects_are_valid_fhir(version: FhirVersion) -> None:
    validator = running_validator()
    found = {
        # Every other one refers to its study by the official number.
        shows: validator.errors(to_fhir(subject, version=version, study=RELUTH if at % 2 else None), version)
        for at, (shows, subject) in enumerate(sample_subjects())
    }

    assert len(found) > 12
    assert {shows: errors for shows, errors in found.items() if errors} == {}


@pytest.mark.parametrize("version", list(FhirVersion))
def test_a_subject_with_a_status_of_its_own_is_not_valid(version: FhirVersion) -> None:
    _, subject = next(iter(sample_subjects()))
    resource = to_fhir(subject, version=version) | {"status": "randomised"}

    assert running_validator().errors(resource, version) != []
