"""In: code systems under other names. Out: which are read as which, and what a site says of a name before that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.documents import load_site, load_trial, read_document
from adapter.errors import DocumentError
from adapter.screening.unread import vocabulary_of
from adapter.terminology import ICD10, Node, Site, parse_systems

LOINC, OID = "http://loinc.org", "urn:oid:2.16.840.1.113883.6.1"
CIM10 = "urn:oid:2.16.840.1.113883.6.3"
SITE = load_site("icm")


@pytest.mark.parametrize(
    ("name", "system"),
    [
        (OID, LOINC),
        ("https://loinc.org", LOINC),
        ("http://loinc.org/", LOINC),
        ("urn:oid:2.16.840.1.113883.6.96", "http://snomed.info/sct"),
        (CIM10, ICD10),
        ("http://terminology.hl7.org/CodeSystem/icd10", ICD10),
        ("urn:oid:2.16.840.1.113883.6.43.1", "http://terminology.hl7.org/CodeSystem/icd-o-3"),
        ("urn:oid:2.16.840.1.113883.6.73", "http://www.whocc.no/atc"),
        ("urn:oid:2.16.840.1.113883.6.8", "http://unitsofmeasure.org"),
        ("urn:oid:2.16.840.1.113883.3.26.1.1", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"),
    ],
)
def test_a_code_under_another_name_of_its_system_is_the_code(name: str, system: str) -> None:
    assert SITE.standard(name, "x") == ((system, "x"),)
    assert set(SITE.names_of(system)) >= {system, name}
    assert vocabulary_of(load_trial("nct04954820"), SITE).reads_system(name)


@pytest.mark.parametrize("name", [LOINC, ICD10, "urn:oid:2.16.840.1.113883.6.10", "urn:local", "loinc.org", ""])
def test_every_other_name_is_itself(name: str) -> None:
    assert SITE.standard(name, "x") == ((name, "x"),)


def test_what_the_site_says_of_a_name_holds() -> None:
    target = ((LOINC, "718-7"),)
    site = replace(SITE, concept_map={(OID, "HB"): target}, fasting_codes=frozenset({(OID, "GLU")}))

    assert site.standard(OID, "HB") == ((OID, "HB"), *target)
    assert site.standard(OID, "GLU") == ((OID, "GLU"),)
    assert site.standard(OID, "777-3") == ((LOINC, "777-3"),)


def test_a_map_from_the_system_itself_holds_for_its_other_names() -> None:
    target = ((ICD10, "C17.2"),)
    site = replace(SITE, concept_map={(LOINC, "HB"): target})

    assert site.standard(OID, "HB") == ((LOINC, "HB"), *target)
    assert vocabulary_of(load_trial("nct04954820"), site).translates(OID, "HB")


def test_a_map_to_another_name_is_one_to_the_system(tmp_path: Path) -> None:
    row = {"code": "HB", "target": [{"code": "718-7", "equivalence": "equivalent"}]}
    document = {"resourceType": "ConceptMap", "group": [{"source": "urn:labo", "target": OID, "element": [row]}]}
    (tmp_path / "conceptmaps").mkdir()
    (tmp_path / "conceptmaps" / "labo.json").write_text(json.dumps(document), encoding="utf-8")

    assert load_site("icm", tmp_path).standard("urn:labo", "HB") == (("urn:labo", "HB"), (LOINC, "718-7"))


def test_a_name_that_the_site_declares_as_its_cim10_is_that() -> None:
    site = replace(SITE, icd10_systems=SITE.icd10_systems | {OID})

    assert site.standard(OID, "C17.2") == ((ICD10, "C17.2"),)
    assert site.names_of(ICD10)[0] == ICD10
    assert {OID, CIM10} <= set(site.names_of(ICD10))


def test_a_site_without_the_list_knows_no_other_names() -> None:
    assert Site.plain("icm").standard(OID, "x") == ((OID, "x"),)


def test_each_other_name_says_where_it_is_listed() -> None:
    document = read_document("terminology/systems.yaml")

    assert parse_systems(document) == SITE.aliases


NAME = {"name": "urn:a", "source": "s"}


@pytest.mark.parametrize(
    ("systems", "pointer"),
    [
        ({"urn:x": [{"name": "urn:a"}]}, "/systems/urn:x/0"),
        ({"urn:x": [{"name": "", "source": "s"}]}, "/systems/urn:x/0/name"),
        ({"urn:x": [NAME, NAME]}, "/systems/urn:x/1/name"),
        ({"urn:x": [NAME], "urn:y": [NAME]}, "/systems/urn:y/0/name"),
        ({"urn:x": [NAME], "urn:a": []}, "/systems/urn:x/0/name"),
        ({"urn:x": [{**NAME, "more": 1}]}, "/systems/urn:x/0"),
        ({"urn:x": "urn:a"}, "/systems/urn:x"),
    ],
)
def test_a_wrong_list_is_refused_at_its_place(systems: Any, pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_systems(Node({"kind": "code-systems", "systems": systems}, "systems.yaml"))

    assert caught.value.pointer == pointer
