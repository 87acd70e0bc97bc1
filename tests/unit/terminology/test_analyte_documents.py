"""In: faulty analyte and unit documents, units that cannot be used. Out: what the fault is called, in the words that a person reads."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.errors import DocumentError
from adapter.terminology import Node, UnitProblem, Units, parse_analytes, parse_units
from tests.unit.terminology.test_analytes import SOUND, analytes


def test_an_analyte_is_known_by_its_name() -> None:
    assert parse_analytes(Node(analytes(), "doc"))["x"].id == "x"


def test_an_analyte_with_its_bounds_reversed_is_refused_in_words() -> None:
    with pytest.raises(DocumentError, match="expected two numbers, the lower first"):
        parse_analytes(Node(analytes(plausible=["9", "0"]), "doc"))


def test_analytes_without_a_code_system_are_refused_in_words() -> None:
    document = {"kind": "analytes", "codesystems": {}, "analytes": {"x": SOUND}}

    with pytest.raises(DocumentError, match="names no code system"):
        parse_analytes(Node(document, "doc"))


def test_a_spelling_of_two_units_is_refused_with_the_first_one() -> None:
    document = {"kind": "units", "spellings": {"g/L": ["gl"], "g/dL": ["gl"]}}

    with pytest.raises(DocumentError, match="is already a spelling of g/L"):
        parse_units(Node(document, "doc"))


def test_a_unit_problem_says_its_reason() -> None:
    assert str(UnitProblem("no-unit")) == "no-unit"


def test_a_number_without_a_unit_may_be_sent_with_the_unit_one() -> None:
    score = parse_analytes(Node(analytes(unitless=True), "doc"))["x"]

    assert Units({}).factor(score, code="1", text="1") == Decimal(1)
