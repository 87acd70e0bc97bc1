"""In: infusions of every kind, as resources of R4, R4B and R5. Out: whether HL7's validator finds no error in them."""

from __future__ import annotations

import pytest

from adapter.fhir import FhirVersion
from mappings.infusion import to_fhir
from tests.support.entity_infusion import sample_infusions
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi

EVERY_VERSION = pytest.mark.parametrize("version", FhirVersion)


@EVERY_VERSION
def test_every_kind_of_infusion_is_valid(version: FhirVersion) -> None:
    """As a Bundle, and each resource of it alone, as a server sees it."""
    bundles = [to_fhir(one, version=version) for one in sample_infusions()]
    alone = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]

    assert [error for one in (*bundles, *alone) for error in running_validator().errors(one, version)] == []


@EVERY_VERSION
def test_the_validator_sees_what_is_wrong(version: FhirVersion) -> None:
    for entry in to_fhir(sample_infusions()[0], version=version)["entry"]:
        resource = entry["resource"]
        spoilt = {key: value for key, value in resource.items() if key != "subject"}

        assert running_validator().errors(spoilt, version), resource["resourceType"]
