"""In: lists of candidates. Out: proof that HL7's validator finds no error in the List of any, in R4, R4B and R5."""

from __future__ import annotations

import pytest

from adapter.fhir import FhirVersion
from mappings.candidates import to_fhir
from tests.support.entity_candidates import STUDY, sample_lists
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi


@pytest.mark.parametrize("version", list(FhirVersion), ids=lambda version: version.name)
def test_candidates_are_valid_for_hl7(version: FhirVersion) -> None:
    validator = running_validator()
    lists = [to_fhir(one, version=version, study=study) for one in sample_lists() for study in (None, STUDY)]

    assert [(at, found) for at, one in enumerate(lists) if (found := validator.errors(one, version))] == []
