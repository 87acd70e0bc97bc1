"""In: analyte and unit documents, right and wrong. Out: whether they are read, and each fault points to its place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import DocumentError
from adapter.terminology import Node, parse_analytes, parse_units

SOUND: dict[str, Any] = {
    "label": {"fr": "a", "en": "b"},
    "loinc": ["1-1"],
    "unit": "g/L",
    "factors": {"g/L": "1", "g/dL": "10"},
    "plausible": ["0", "9.5"],
}


def analytes(**more: Any) -> dict[str, Any]:
    return {"kind": "analytes", "codesystems": {"loinc": "http://loinc.org"}, "analytes": {"x": {**SOUND, **more}}}


def without(key: str) -> dict[str, Any]:
    return {
        "kind": "analytes",
        "codesystems": {"loinc": "l"},
        "analytes": {"x": {k: v for k, v in SOUND.items() if k != key}},
    }


def test_an_analyte_is_read() -> None:
    more = {
        "ambiguous_units": ["mmol/L"],
        "unitless": True,
        "artefact_words": ["amas"],
        "coded_values": {"s": {"c": 1}},
    }
    found = parse_analytes(Node(analytes(**more), "doc"))["x"]

    assert found.codes == {("http://loinc.org", "1-1")}
    assert (found.unit, dict(found.factors), found.plausible) == (
        "g/L",
        {"g/L": Decimal(1), "g/dL": Decimal(10)},
        (Decimal(0), Decimal("9.5")),
    )
    assert (set(found.ambiguous_units), found.unitless, list(found.artefact_words)) == ({"mmol/L"}, True, ["amas"])
    assert found.coded_values == {("s", "c"): Decimal(1)}


def test_an_analyte_says_no_more_than_it_must() -> None:
    found = parse_analytes(Node(analytes(), "doc"))["x"]

    assert (found.ambiguous_units, found.unitless, found.artefact_words, found.coded_values) == (
        frozenset(),
        False,
        (),
        {},
    )


@pytest.mark.parametrize("key", sorted(SOUND.keys() - {"loinc"}))
def test_a_missing_key_of_an_analyte_is_a_fault(key: str) -> None:
    with pytest.raises(DocumentError, match=f"doc#/analytes/x: {key} is missing"):
        parse_analytes(Node(without(key), "doc"))


def test_an_analyte_may_have_codes_of_several_systems() -> None:
    document = analytes(reluth=["x", "y"])
    document["codesystems"]["reluth"] = "urn:reluth:terms"
    found = parse_analytes(Node(document, "doc"))["x"]

    assert found.codes == {("http://loinc.org", "1-1"), ("urn:reluth:terms", "x"), ("urn:reluth:terms", "y")}


@pytest.mark.parametrize("codes", [{}, {"loinc": []}])
def test_an_analyte_without_any_code_is_a_fault(codes: dict[str, Any]) -> None:
    document = without("loinc")
    document["analytes"]["x"] |= codes

    with pytest.raises(DocumentError, match="doc#/analytes/x: names no code"):
        parse_analytes(Node(document, "doc"))


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (analytes(reluth=["x"]), "/analytes/x"),
        (analytes(plausible=["1"]), "/analytes/x/plausible"),
        (analytes(plausible=["2", "1"]), "/analytes/x/plausible"),
        (analytes(plausible=["1", "1"]), "/analytes/x/plausible"),
        (analytes(plausible=["0", 9.5]), "/analytes/x/plausible/1"),
        (analytes(factors={"g/L": 0.1}), "/analytes/x/factors/g~1L"),
        (analytes(loinc="1-1"), "/analytes/x/loinc"),
        (analytes(unitless="yes"), "/analytes/x/unitless"),
        (analytes(ambiguous_units=[5]), "/analytes/x/ambiguous_units/0"),
        (analytes(coded_values={"s": ["c"]}), "/analytes/x/coded_values/s"),
        (analytes(ambiguous_unit=[]), "/analytes/x"),
        ({**analytes(), "kind": "units"}, "/kind"),
        ({**analytes(), "more": 1}, ""),
        ({"kind": "analytes", "codesystems": {}}, "/codesystems"),
    ],
)
def test_a_fault_of_the_analytes_points_to_its_place(document: Any, pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_analytes(Node(document, "doc"))

    assert caught.value.pointer == pointer


def units(spellings: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "units", "spellings": spellings, **more}


def test_units_are_read_with_both_micro_signs_as_one() -> None:
    found = parse_units(Node(units({"umol/L": ["\u00b5mol/L", "\u03bcmol/L", "umol /  L"]}), "doc"))

    assert dict(found.spellings) == {"\u00b5mol/L": "umol/L", "umol / L": "umol/L"}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (units({"a": ["x"], "b": ["y", "x"]}), "/spellings/b/1"),
        (units({"a": ["\u00b5"], "b": ["\u03bc"]}), "/spellings/b/0"),
        (units({"a": "x"}), "/spellings/a"),
        (units({"a": [1]}), "/spellings/a/0"),
        (units([]), "/spellings"),
        ({"kind": "unit", "spellings": {}}, "/kind"),
        ({"kind": "units"}, ""),
        (units({}, more=1), ""),
    ],
)
def test_a_fault_of_the_units_points_to_its_place(document: Any, pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_units(Node(document, "doc"))

    assert caught.value.pointer == pointer
