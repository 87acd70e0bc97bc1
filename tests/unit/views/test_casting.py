"""What a column cannot hold is null and counted, by file and column; nothing is rounded, guessed or cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from adapter.datasets.engines.duckdb import run
from adapter.errors import DocumentError
from tests.support.views import column, one, table, view

VALUE = "value.ofType(Quantity).value"


def _observation(value: Any, number: int = 1) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": f"o{number}", "valueQuantity": {"value": value}}


@pytest.mark.parametrize(
    ("given", "type_name", "expected"),
    [
        ("1.10", "decimal", "1.10"),
        ("-0.000000000000000000001", "decimal", "-0.000000000000000000001"),
        ("12345678901234567890123456789.1", "decimal", "12345678901234567890123456789.1"),
        ("1e-3", "decimal", "1e-3"),
        (7, "decimal", "7"),
        (2.5, "decimal", "2.5"),
        ("<5", "decimal", None),
        ("1,5", "decimal", None),
        ("", "decimal", None),
        (" 5", "decimal", None),
        ("NaN", "decimal", None),
        ("01", "decimal", None),
        ("5", "integer", 5),
        ("1.5", "integer", None),
        ("5.0", "integer", None),
        ("99999999999999999999", "integer", None),
        ("true", "boolean", True),
        ("t", "boolean", None),
        ("1", "boolean", None),
        ("2024", "date", "2024"),
        ("2024-02-29", "date", "2024-02-29"),
        ("2023-02-29", "date", None),
        ("2024-13", "date", None),
        ("29/02/2024", "date", None),
        ("2024-02-29T10:20", "date", None),
        ("2024-02-29T10:20", "dateTime", "2024-02-29T10:20"),
        ("2024-02-29T10:20:30.123+01:00", "dateTime", "2024-02-29T10:20:30.123+01:00"),
        ("2024-02-30T10:20:30Z", "dateTime", None),
        ("2024-02-29T25:00:00Z", "dateTime", None),
        ("2024-02-29T10:20:30Z", "instant", "2024-02-29T10:20:30Z"),
        ("2024-02-29", "instant", None),
        ("10:20:30", "time", "10:20:30"),
        ("10:20", "time", None),
        ("anything <5", "string", "anything <5"),
        ("anything <5", "markdown", "anything <5"),
    ],
)
def test_value_is_held_exactly_or_null_and_counted(given: Any, type_name: str, expected: Any) -> None:
    found = table(view("Observation", {"column": [column(VALUE, type_name)]}), _observation(given))

    assert found.table.to_pylist() == [{"v": expected}]
    assert found.uncast == ({"v": 1} if expected is None else {})


def test_missing_value_is_null_and_not_counted() -> None:
    found = table(view("Observation", {"column": [column(VALUE, "decimal")]}), {"resourceType": "Observation"})

    assert found.table.to_pylist() == [{"v": None}]
    assert found.uncast == {}


def test_values_that_a_list_cannot_hold_are_left_out_and_counted() -> None:
    given = {
        "resourceType": "Observation",
        "component": [{"valueQuantity": {"value": each}} for each in ("1", "<5", "x", 2)],
    }
    found = table(
        view("Observation", {"column": [column("component.value.ofType(Quantity).value", collection=True)]}), given
    )

    assert found.table.to_pylist() == [{"v": ["1", "2"]}]
    assert found.uncast == {"v": 2}


def test_cells_of_an_iteration_and_of_a_union_are_counted() -> None:
    values = {"forEach": "component", "column": [column("value.ofType(Quantity).value", "decimal")]}
    given = {"resourceType": "Observation", "component": [{"valueQuantity": {"value": each}} for each in ("1", "<5")]}
    found = table(view("Observation", {"unionAll": [values, values]}), given)

    assert [row["v"] for row in found.table.to_pylist()] == ["1", None, "1", None]
    assert found.uncast == {"v": 2}


def test_counts_are_by_file(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.ndjson", "b.ndjson", "c.ndjson")]
    for file, values in zip(files, (["<5", "1"], ["1"], ["x", "y"]), strict=True):
        lines = [json.dumps(_observation(value, number)) for number, value in enumerate(values)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = run(view("Observation", {"column": [column(VALUE, "decimal")]}), files)

    assert found.uncast_by_file == {"a.ndjson": {"v": 1}, "c.ndjson": {"v": 2}}
    assert found.uncast == {"v": 3}


def test_table_has_the_types_of_its_columns_even_without_rows() -> None:
    columns = [
        column("id", name="id"),
        column("status = 'final'", name="final"),
        column("component.count()", name="parts"),
        column(VALUE, "decimal", name="value"),
        column("performer.reference", name="who", collection=True),
    ]
    found = table(view("Observation", {"column": columns}))

    assert found.table.schema == pa.schema(
        {
            "id": pa.string(),
            "final": pa.bool_(),
            "parts": pa.int64(),
            "value": pa.string(),
            "who": pa.list_(pa.string()),
        }
    )


def test_several_values_where_one_belongs_are_a_fault_that_names_the_resource() -> None:
    given = {"resourceType": "Patient", "id": "p7", "name": [{"family": "A"}, {"family": "B"}]}

    with pytest.raises(DocumentError) as caught:
        one(given, "name.family", "string")

    assert str(caught.value) == (
        "test.json#/select/0/column/0/path: Patient/p7 has more than one value there: add first(), or collection: true"
    )


def test_single_value_may_come_as_a_list() -> None:
    given = {"resourceType": "Patient", "id": "p7", "gender": "female"}

    assert one(given, "gender", "code", collection=True) == ["female"]
    assert one(given, "maritalStatus.text", "string", collection=True) == []


@pytest.mark.parametrize(
    ("path", "type_name", "problem"),
    [
        ("active = true", "decimal", "boolean is never decimal"),
        ("name.count()", "boolean", "integer is never boolean"),
        ("1.5", "integer", "decimal is never integer"),
    ],
)
def test_column_of_a_type_that_its_path_never_has_is_refused(path: str, type_name: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem):
        one({"resourceType": "Patient"}, path, type_name)
