"""Promises of the allow-list documents: read, checked, and pointed to where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.datasets.pseudonymising import load_profile
from adapter.datasets.pseudonymising.codes import parse_code_tables
from adapter.datasets.pseudonymising.rules import Rule, TypeRules, parse_type_rules
from adapter.datasets.staging.feed_types import READ_TYPES
from adapter.errors import DocumentError
from adapter.fhir import FhirVersion, required_binding
from adapter.terminology import Node

DOCUMENT: dict[str, Any] = {
    "kind": "pseudonymisation",
    "profile": "MR-001",
    "type": "Procedure",
    "version": "1.0.0",
    "dates": ["performedDateTime"],
    "needed": ["code"],
    "ongoing": {"status": {"in-progress": ["completed"]}},
    "always": {"category": "urn:x|y"},
    "elements": {"status": {"code": ["completed"]}, "code": "concept", "performedDateTime": "date"},
    "dropped": ["note"],
}


def parse(**changes: Any) -> TypeRules:
    return parse_type_rules(Node({**DOCUMENT, **changes}, "Procedure.yaml"))


def test_document_of_every_type_of_the_feed_is_there() -> None:
    assert load_profile().types.keys() == READ_TYPES | {"Medication"}


def test_document_is_read() -> None:
    found = parse()

    assert found.elements["status"] == Rule("code", codes=frozenset({"completed"}))
    assert (found.dates, found.needed, found.dropped) == (("performedDateTime",), ("code",), frozenset({"note"}))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "views"}, "/kind"),
        ({"profile": "none"}, "/profile"),
        ({"type": "Person "}, "/type"),
        ({"elements": {}}, "/elements"),
        ({"elements": {"code": "text"}}, "/elements/code"),
        ({"elements": {"id": "reference", "code": "concept"}}, "/elements/id"),
        ({"elements": {"code": {"concept": 1, "list": 2}}}, "/elements/code"),
        ({"elements": {"code": {"free": "x"}}}, "/elements/code"),
        ({"elements": {"code": {"list-of": "names"}}}, "/elements/code/list-of"),
        ({"elements": {"code": {"integer": [1]}}}, "/elements/code/integer"),
        ({"elements": {"code": {"integer": [2, 1]}}}, "/elements/code/integer"),
        ({"elements": {"code": {"extension": {"urn:x/y": {"url": "date"}}}}}, "/elements/code/extension/urn:x~1y"),
        ({"elements": {"code": {"object": {"a": {"list": "narrative"}}}}}, "/elements/code/object/a/list"),
        ({"dates": ["onset"]}, "/dates/0"),
        ({"needed": ["onset"]}, "/needed/0"),
        ({"ongoing": {"onset": {"x": ["y"]}}}, "/ongoing/onset"),
        ({"ongoing": {"status": "in-progress"}}, "/ongoing/status"),
        ({"ongoing": {"status": {"a": ["b"], "c": ["d"]}}}, "/ongoing/status"),
        ({"always": {"code": "a|b"}}, "/always/code"),
        ({"always": {"other": "ab"}}, "/always/other"),
        ({"dropped": ["code"]}, "/dropped/0"),
        ({"allowed": ["code"]}, ""),
    ],
)
def test_fault_points_to_its_place(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(DocumentError) as raised:
        parse(**changes)

    assert (raised.value.file, raised.value.pointer) == ("Procedure.yaml", pointer)


TABLES: dict[str, Any] = {
    "kind": "known-codes",
    "version": "1",
    "forms": {"http://loinc.org": "loinc"},
    "forms_where_named": {"urn:m": "meddra"},
    "codes": {"urn:x": ["a"]},
    "units": ["1"],
    "words": {"yes": "urn:x|a"},
    "absent": {"no": "error"},
    "reasons": ["other"],
}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "x"}, "/kind"),
        ({"forms": {"urn:y": "snomed"}}, "/forms/urn:y"),
        ({"forms_where_named": {"urn:y": "snomed"}}, "/forms_where_named/urn:y"),
        ({"codes": {"urn:x": ["a", "a"]}}, "/codes/urn:x/1"),
        ({"words": {"yes": "urn:x|b"}}, "/words/yes"),
        ({"other": 1}, ""),
    ],
)
def test_fault_of_the_code_tables_points_to_its_place(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(DocumentError) as raised:
        parse_code_tables(Node({**TABLES, **changes}, "codes.yaml"))

    assert (raised.value.file, raised.value.pointer) == ("codes.yaml", pointer)


def test_codes_of_a_required_binding_are_all_allowed() -> None:
    """A status that FHIR allows must not be blanked, nor one that it does not know allowed."""
    checked = 0
    for type_, rules in load_profile().types.items():
        for name, rule in rules.elements.items():
            binding = required_binding(FhirVersion.R4, type_, name) if rule.kind == "code" else None
            if binding is not None:
                checked += 1
                assert rule.codes == frozenset(binding.codes), f"{type_}.{name}"

    assert checked >= 4
