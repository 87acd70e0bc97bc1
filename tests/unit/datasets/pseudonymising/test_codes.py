"""Promises of which codes may leave a site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter.datasets.pseudonymising import load_profile
from adapter.datasets.pseudonymising.codes import KnownCodes
from adapter.documents import load_trial
from adapter.terminology import ICD10, ICDO3, Site

SCT, LOINC, ATC = "http://snomed.info/sct", "http://loinc.org", "http://www.whocc.no/atc"
TRIAL = load_trial("nct04954820")
SITE = replace(
    Site.plain("icm"),
    icd10_systems=frozenset({ICD10, "urn:local:cim10"}),
    concept_map={("urn:local:lab", "HB"): ((LOINC, "718-7"),), ("urn:local:lab", "IPP"): ((SCT, "180053417201245"),)},
)


@pytest.fixture(scope="module")
def known() -> KnownCodes:
    return KnownCodes(load_profile().tables, TRIAL, SITE)


@pytest.mark.parametrize(
    ("system", "code", "left"),
    [
        (LOINC, "718-7", (LOINC, "718-7")),
        (LOINC, "85354-9", (LOINC, "85354-9")),
        (LOINC, "LA9622-7", (LOINC, "LA9622-7")),
        (SCT, "47625008", (SCT, "47625008")),
        (ICD10, "c17.2", (ICD10, "C17.2")),
        (ICD10, "C17.2+0", (ICD10, "C17.2+0")),
        ("urn:local:cim10", "I10", (ICD10, "I10")),
        (ICDO3, "M82403", (ICDO3, "8240/3")),
        (ICDO3, "C17.2", (ICDO3, "C17.2")),
        (ATC, "V10XX04", (ATC, "V10XX04")),
        (ATC, "C07AB", (ATC, "C07AB")),
        ("urn:reluth:terms", "SD", ("urn:reluth:terms", "SD")),
        ("urn:local:lab", "HB", (LOINC, "718-7")),
    ],
)
def test_known_code_leaves_in_its_standard_form(
    known: KnownCodes, system: str, code: str, left: tuple[str, str]
) -> None:
    assert known.standard(system, code) == (left,)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (LOINC, "718-8"),
        (LOINC, "180053417201-5"),
        (LOINC, "LA1234-5"),
        (LOINC, "0718-7"),
        (SCT, "180053417201245"),
        (SCT, "47625009"),
        (ICD10, "C17.2345678"),
        (ICD10, "12031954"),
        (ICD10, "C17 Dupont"),
        (ICDO3, "1954/3"),
        (ATC, "V10XX0412"),
        (ATC, "Z10"),
        ("urn:reluth:terms", "Dupont"),
        ("urn:local:lab", "GLY"),
        ("urn:local:lab", "IPP"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "C7A.0123456"),
        ("http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl", "C123456"),
        (None, "718-7"),
        (LOINC, None),
        (LOINC, ["718-7"]),
        ({}, "718-7"),
    ],
)
def test_unknown_code_does_not_leave(known: KnownCodes, system: object, code: object) -> None:
    assert known.standard(system, code) == ()


def test_every_code_of_the_trials_documents_is_known(known: KnownCodes) -> None:
    for analyte in TRIAL.analytes.values():
        for system, code in analyte.codes:
            assert known.standard(system, code) == ((system, code),), analyte.id
    for value_set in TRIAL.value_sets.values():
        for code in value_set.codes:
            assert known.standard(value_set.system, code), value_set.id


def test_codings_are_each_left_once(known: KnownCodes) -> None:
    listed = [{"system": "urn:local:lab", "code": "HB"}, {"system": LOINC, "code": "718-7", "display": "x"}, "x", {}]

    assert known.codings(listed) == ((LOINC, "718-7"),)
    assert known.codings({"system": LOINC, "code": "718-7"}) == ()
