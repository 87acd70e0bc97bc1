"""In: the overlay documents of a site. Out: whether they are read, each fault points to its place, and what they say is applied."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import DocumentError
from adapter.terminology import (
    DOMAINS,
    ICD10,
    Completeness,
    Node,
    Site,
    SiteLimit,
    parse_completeness,
    parse_concept_map,
    parse_site,
    parse_site_units,
)

LOCAL, LOINC = "urn:icm:labo", "http://loinc.org"


def fault(parse: Any, value: Any, *more: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(Node(value, "doc"), *more)
    assert caught.value.file == "doc"
    return caught.value.pointer


DECLARED = {
    "domain": "condition",
    "from": date(2020, 1, 1),
    "to": "2025-12-31",
    "declared_by": "DIM",
    "on": date(2025, 1, 1),
}


def test_completeness_is_read() -> None:
    assert parse_completeness(Node([DECLARED], "doc")) == (
        Completeness("condition", date(2020, 1, 1), date(2025, 12, 31)),
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"domain": "conditions"}, "/0/domain"),
        ({"from": "2020"}, "/0/from"),
        ({"from": "01/01/2020"}, "/0/from"),
        ({"to": 2025}, "/0/to"),
        ({"to": date(2019, 12, 31)}, "/0/to"),
        ({"declared_by": ""}, "/0/declared_by"),
        ({"on": None}, "/0/on"),
        ({"until": date(2025, 1, 1)}, "/0"),
    ],
)
def test_a_fault_of_completeness_points_to_its_place(change: dict[str, Any], pointer: str) -> None:
    assert fault(parse_completeness, [{**DECLARED, **change}]) == pointer


@pytest.mark.parametrize("missing", sorted(DECLARED))
def test_a_key_missing_from_completeness_is_a_fault(missing: str) -> None:
    assert fault(parse_completeness, [{key: value for key, value in DECLARED.items() if key != missing}]) == "/0"


def test_completeness_is_a_list() -> None:
    assert fault(parse_completeness, DECLARED) == ""
    assert fault(parse_completeness, None) == ""


@pytest.mark.parametrize("domain", DOMAINS)
def test_completeness_covers_every_day_asked_for_and_its_domain_only(domain: str) -> None:
    site = Site("icm", completeness=(Completeness(domain, date(2024, 1, 1), date(2024, 12, 31)),))
    others = set(DOMAINS) - {domain}

    assert site.complete_until(domain, date(2024, 1, 1), date(2024, 12, 31)) is not None
    assert site.complete_until(domain, date(2023, 12, 31), date(2024, 12, 31)) is None
    assert site.complete_until(domain, date(2024, 1, 1), date(2025, 1, 1)) is None
    assert not any(site.complete_until(other, date(2024, 6, 1), date(2024, 6, 1)) for other in others)


def test_two_declarations_do_not_add_up() -> None:
    # Nobody declared the night between them; one declaration is what one person signed.
    site = Site(
        "icm",
        completeness=(
            Completeness("condition", date(2023, 1, 1), date(2023, 12, 31)),
            Completeness("condition", date(2024, 1, 1), date(2024, 12, 31)),
        ),
    )

    assert site.complete_until("condition", date(2023, 6, 1), date(2024, 6, 1)) is None


def test_site_document_is_read() -> None:
    document = {
        "icd10_systems": ["urn:cim10"],
        "fasting_codes": ["urn:a|b|GLY"],
        "uln": [
            {
                "analyte": "alt",
                "high": "41",
                "unit": "U/L",
                "gender": "male",
                "from": date(2020, 1, 1),
                "to": "2025-01-01",
            }
        ],
        "adverse_event_grade": "urn:grade",
    }
    found = parse_site(Node(document, "site.yaml"), Site.plain("icm"))

    assert found.icd10_systems == {ICD10, "urn:cim10"}
    assert found.fasting_codes == {("urn:a|b", "GLY")}
    assert found.limits == (SiteLimit("alt", Decimal(41), "U/L", "male", date(2020, 1, 1), date(2025, 1, 1)),)


def test_an_empty_site_document_changes_nothing() -> None:
    plain = Site("icm", completeness=(Completeness("condition", date(2020, 1, 1), date(2021, 1, 1)),))

    assert parse_site(Node({}, "site.yaml"), plain) == plain


LIMIT = {"analyte": "alt", "high": 41, "unit": "U/L"}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (None, ""),
        ({"icd10_system": []}, ""),
        ({"icd10_systems": "urn:cim10"}, "/icd10_systems"),
        ({"icd10_systems": [5]}, "/icd10_systems/0"),
        ({"fasting_codes": ["GLY"]}, "/fasting_codes/0"),
        ({"fasting_codes": ["|GLY"]}, "/fasting_codes/0"),
        ({"fasting_codes": ["urn:a|"]}, "/fasting_codes/0"),
        ({"adverse_event_grade": 5}, "/adverse_event_grade"),
        ({"uln": LIMIT}, "/uln"),
        ({"uln": [{**LIMIT, "high": 41.5}]}, "/uln/0/high"),
        ({"uln": [{**LIMIT, "high": "quarante"}]}, "/uln/0/high"),
        ({"uln": [{**LIMIT, "gender": "M"}]}, "/uln/0/gender"),
        ({"uln": [{**LIMIT, "from": "2020-13-01"}]}, "/uln/0/from"),
        ({"uln": [{**LIMIT, "low": 1}]}, "/uln/0"),
        ({"uln": [{"analyte": "alt", "high": 41}]}, "/uln/0"),
    ],
)
def test_a_fault_of_the_site_document_points_to_its_place(document: Any, pointer: str) -> None:
    assert fault(parse_site, document, Site.plain("icm")) == pointer


def concept_map(*targets: dict[str, Any], **group: Any) -> dict[str, Any]:
    element = [{"code": "GLY", "target": list(targets)}]
    return {"resourceType": "ConceptMap", "group": [{"source": LOCAL, "target": LOINC, "element": element, **group}]}


@pytest.mark.parametrize(
    ("key", "kind", "same"),
    [
        ("equivalence", "equal", True),
        ("equivalence", "equivalent", True),
        ("equivalence", "wider", True),
        ("equivalence", "subsumes", True),
        ("equivalence", "narrower", False),
        ("equivalence", "specializes", False),
        ("equivalence", "inexact", False),
        ("equivalence", "relatedto", False),
        ("equivalence", "unmatched", False),
        ("equivalence", "disjoint", False),
        ("relationship", "equivalent", True),
        ("relationship", "source-is-narrower-than-target", True),
        ("relationship", "source-is-broader-than-target", False),
        ("relationship", "related-to", False),
        ("relationship", "not-related-to", False),
    ],
)
def test_a_row_counts_when_the_local_code_is_the_standard_one_or_a_kind_of_it(key: str, kind: str, same: bool) -> None:
    found = parse_concept_map(Node(concept_map({"code": "14771-0", key: kind}), "doc"))

    assert found == ({(LOCAL, "GLY"): ((LOINC, "14771-0"),)} if same else {})


def test_a_code_may_have_several_targets_and_groups() -> None:
    document = concept_map(
        {"code": "1", "equivalence": "equal"},
        {"code": "2", "equivalence": "inexact"},
        {"code": "3", "equivalence": "wider"},
    )
    document["group"].append(
        {
            "source": LOCAL,
            "target": "urn:x",
            "element": [{"code": "GLY", "target": [{"code": "4", "equivalence": "equal"}]}, {"code": "NONE"}],
        }
    )

    assert parse_concept_map(Node(document, "doc")) == {(LOCAL, "GLY"): ((LOINC, "1"), (LOINC, "3"), ("urn:x", "4"))}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({"group": []}, ""),
        ({"resourceType": "ValueSet"}, "/resourceType"),
        ({"resourceType": "ConceptMap"}, ""),
        ({"resourceType": "ConceptMap", "group": {}}, "/group"),
        ({"resourceType": "ConceptMap", "group": [{"target": LOINC, "element": []}]}, "/group/0"),
        ({"resourceType": "ConceptMap", "group": [{"source": LOCAL, "element": []}]}, "/group/0"),
        ({"resourceType": "ConceptMap", "group": [{"source": LOCAL, "target": LOINC}]}, "/group/0"),
        (concept_map({"code": "1"}), "/group/0/element/0/target/0"),
        (concept_map({"code": 1, "equivalence": "equal"}), "/group/0/element/0/target/0/code"),
        (concept_map({"equivalence": "equal"}), "/group/0/element/0/target/0"),
        (concept_map({"code": "1", "equivalence": 5}), "/group/0/element/0/target/0/equivalence"),
    ],
)
def test_a_fault_of_a_concept_map_points_to_its_place(document: Any, pointer: str) -> None:
    assert fault(parse_concept_map, document) == pointer


def test_a_code_stands_for_itself_and_for_what_the_site_makes_of_it() -> None:
    site = Site("icm", concept_map={(LOCAL, "GLY"): ((LOINC, "14771-0"),)})

    assert site.standard(LOCAL, "GLY") == ((LOCAL, "GLY"), (LOINC, "14771-0"))
    assert site.standard(LOCAL, "gly") == ((LOCAL, "gly"),)
    assert site.standard(LOINC, "GLY") == ((LOINC, "GLY"),)


def test_a_declared_system_is_icd10() -> None:
    site = Site("icm", icd10_systems=frozenset({ICD10, "urn:cim10"}))

    assert site.standard("urn:cim10", "C17.2") == ((ICD10, "C17.2"),)
    assert Site.plain("icm").standard("urn:cim10", "C17.2") == (("urn:cim10", "C17.2"),)


def test_site_units_are_read_without_case_and_spare_spaces() -> None:
    document = [
        {"analyte": "*", "spelling": " G  % ", "unit": "g/dL"},
        {"analyte": "alt", "spelling": "UI", "unit": "U/L"},
    ]

    assert parse_site_units(Node(document, "units.yaml")) == {("*", "g %"): "g/dL", ("alt", "ui"): "U/L"}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, ""),
        ([{"spelling": "x", "unit": "g/dL"}], "/0"),
        ([{"analyte": "*", "unit": "g/dL"}], "/0"),
        ([{"analyte": "*", "spelling": "x"}], "/0"),
        ([{"analyte": "*", "spelling": "x", "unit": ""}], "/0/unit"),
        ([{"analyte": "*", "spelling": "x", "unit": "g/dL", "factor": 1}], "/0"),
        ([5], "/0"),
    ],
)
def test_a_fault_of_site_units_points_to_its_place(document: Any, pointer: str) -> None:
    assert fault(parse_site_units, document) == pointer
