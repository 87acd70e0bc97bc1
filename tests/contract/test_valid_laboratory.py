"""In: laboratory results of every kind, as Observations of R4, R4B and R5. Out: whether HL7's validator finds no error in them."""

from __future__ import annotations

import msgspec
import pytest

from adapter.fhir import FhirVersion
from mappings.entities import EntityError
from mappings.laboratory import to_fhir
from tests.support.entity_laboratory import sample_results
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi

EVERY_VERSION = pytest.mark.parametrize("version", FhirVersion)


@EVERY_VERSION
def test_every_kind_of_result_is_valid(version: FhirVersion) -> None:
    found = [running_validator().errors(to_fhir(one, version=version), version) for one in sample_results()]

    assert found == [[]] * len(sample_results())


@EVERY_VERSION
def test_every_code_that_a_result_takes_is_one_of_the_version(version: FhirVersion) -> None:
    """All interpretations and reasons that the entity allows, held against the code systems of the version."""
    samples = sample_results()
    plain, absent = samples[1], next(one for one in samples if one.absent is not None)
    with pytest.raises(EntityError):
        msgspec.structs.replace(plain, interpretation=("Z",))
    observations = [
        msgspec.structs.replace(plain, interpretation=tuple(INTERPRETATIONS)),
        *(msgspec.structs.replace(absent, absent=code) for code in REASONS),
    ]

    assert [e for one in observations for e in running_validator().errors(to_fhir(one, version=version), version)] == []


@EVERY_VERSION
def test_the_validator_sees_what_is_wrong(version: FhirVersion) -> None:
    resource = to_fhir(sample_results()[1], version=version)

    unknown = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "Z"}

    assert running_validator().errors({**resource, "status": "done"}, version)
    assert running_validator().errors({**resource, "interpretation": [{"coding": [unknown]}]}, version)
    assert running_validator().errors({**resource, "valueString": "x", "effectiveDateTime": "2025-13"}, version)


INTERPRETATIONS = [
    "<",
    ">",
    "A",
    "AA",
    "AC",
    "B",
    "CAR",
    "D",
    "DET",
    "E",
    "EX",
    "EXP",
    "H",
    "H>",
    "HH",
    "HM",
    "HU",
    "HX",
    "I",
    "IE",
    "IND",
    "L",
    "L<",
    "LL",
    "LU",
    "LX",
    "MS",
    "N",
    "NCL",
    "ND",
    "NEG",
    "NR",
    "NS",
    "OBX",
    "POS",
    "QCF",
    "R",
    "RR",
    "S",
    "SDD",
    "SYN-R",
    "SYN-S",
    "TOX",
    "U",
    "UNE",
    "VS",
    "W",
    "WR",
]
REASONS = [
    "as-text",
    "asked-declined",
    "asked-unknown",
    "error",
    "masked",
    "negative-infinity",
    "not-a-number",
    "not-applicable",
    "not-asked",
    "not-performed",
    "not-permitted",
    "positive-infinity",
    "temp-unknown",
    "unknown",
    "unsupported",
]
