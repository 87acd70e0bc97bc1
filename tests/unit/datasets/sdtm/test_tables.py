"""Tables of an engine become texts and exact numbers; nothing passes through a float."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.datasets.sdtm.tables import Tables
from adapter.errors import DefectError
from tests.support.sdtm_views import view


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("text", "text"),
        ("", None),
        (None, None),
        (True, "true"),
        (False, "false"),
        (7, Decimal(7)),
        (Decimal("1.10"), "1.10"),
        (date(2024, 5, 20), "2024-05-20"),
    ],
)
def test_value_of_a_view_is_a_text_or_an_exact_number(value: Any, found: Any) -> None:
    assert Tables({"v": view("v", [{"id": "a", "x": value}])}, {}).mappings("v") == [{"id": "a", "x": found}]


def test_float_is_refused() -> None:
    with pytest.raises(DefectError, match="float"):
        Tables({"v": view("v", [{"id": "a", "x": 1.1}])}, {}).mappings("v")


def test_view_that_is_missing_or_empty_has_no_rows() -> None:
    tables = Tables({"empty": view("empty", [])}, {})

    assert tables.mappings("none") == []
    assert tables.mappings("empty") == []


def test_row_of_a_key_is_the_first() -> None:
    rows = [{"id": "Observation/a", "x": "1"}, {"id": "a", "x": "2"}]

    assert Tables({"v": view("v", rows)}, {}).by_key("v")["a"]["x"] == "1"
