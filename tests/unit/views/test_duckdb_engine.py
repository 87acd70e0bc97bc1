"""DuckDB reads files of resources whole or says which line it could not read; tables and files are the same."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapter.datasets.engines import BadLine
from adapter.datasets.engines import duckdb as engine
from adapter.datasets.engines.lines import bad_lines
from adapter.errors import DefectError, QuarantinedError
from adapter.views import ViewDefinition, compile_view
from tests.support.views import column, view

GOOD = '{"resourceType":"Patient","id":"%s","name":[{"family":"A","given":["x"]}],"meta":{"versionId":"1"}}'
VIEW = view(
    "Patient",
    {
        "column": [
            column("id", name="id"),
            column("meta.versionId", name="version"),
            column("name.family.first()", name="family"),
            column("name.given", name="given", collection=True),
        ]
    },
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Patient.ndjson"


BAD = [
    pytest.param('{"resourceType":"Patient","id":"x","name":[{"fam', "it is not JSON, or not whole", id="truncated"),
    pytest.param("no JSON", "it is not JSON, or not whole", id="no JSON"),
    pytest.param(GOOD % "x" + GOOD % "y", "it is not JSON, or not whole", id="two on a line"),
    pytest.param('{"resourceType":"Patient","id":"x","id":"y"}', "an element is there twice", id="twice"),
    pytest.param(
        '{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
        "an element is there twice",
        id="twice inside",
    ),
    pytest.param("[1]", "it is not a resource", id="a list"),
    pytest.param("5", "it is not a resource", id="a number"),
    pytest.param('{"id":"x"}', "it is not a resource", id="without a type"),
    pytest.param("{}", "it is not a resource", id="without anything"),
    pytest.param('{"resourceType":null,"id":"x"}', "it is not a resource", id="of no type"),
    pytest.param('{"resourceType":"Patient","name":{"family":"a"}}', "Patient.name is not a list", id="no list"),
    pytest.param('{"resourceType":"Patient","meta":[{"versionId":"1"}]}', "Patient.meta is a list", id="a list of one"),
    pytest.param('{"resourceType":"Patient","name":["a"]}', "Patient.name has no elements", id="no parts"),
    pytest.param('{"resourceType":"Patient","name":[{"given":"a"}]}', "Patient.name.given is not a list", id="inside"),
    pytest.param("\ufeff" + GOOD % "x", "it begins with a byte order mark", id="byte order mark"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_bad_line_is_named_with_file_and_number(file: Path, line: str, reason: str) -> None:
    file.write_text(f"{GOOD % 1}\n\n{line}\n{GOOD % 2}\n", encoding="utf-8")

    with pytest.raises(QuarantinedError) as caught:
        engine.run(VIEW, [file])

    assert str(caught.value) == f"Patient.ndjson:3: {reason}"


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_bad_line_is_left_out_and_told_where_that_is_allowed(file: Path, line: str, reason: str) -> None:
    file.write_text(f"{GOOD % 1}\n{line}\n{GOOD % 2}\n{line}\n", encoding="utf-8")

    found = engine.run(VIEW, [file], on_bad_line="quarantine")

    assert found.table.column("id").to_pylist() == ["1", "2"]
    assert found.bad_lines == (BadLine("Patient.ndjson", 2, reason), BadLine("Patient.ndjson", 4, reason))


def test_line_that_is_no_utf8_is_named(file: Path) -> None:
    file.write_bytes(b'{"resourceType":"Patient","id":"\xff"}\n')

    with pytest.raises(QuarantinedError, match=r"Patient\.ndjson:1: it is not UTF-8"):
        engine.run(VIEW, [file])


def test_line_nested_without_end_is_named(file: Path) -> None:
    file.write_text('{"resourceType":"Patient","name":' + "[" * 100_000 + "\n", encoding="utf-8")

    with pytest.raises(QuarantinedError, match=r"Patient\.ndjson:1: it is n"):
        engine.run(VIEW, [file])


def test_message_of_a_bad_line_holds_nothing_of_it(file: Path) -> None:
    file.write_text('{"resourceType":"Patient","name":["Dupont"]}\n', encoding="utf-8")

    with pytest.raises(QuarantinedError) as caught:
        engine.run(VIEW, [file])

    assert "Dupont" not in str(caught.value)
    assert (
        caught.value.__context__ is None
        or caught.value.__suppress_context__
        or "Dupont" not in repr(caught.value.__context__)
    )


def test_bad_lines_of_a_file_can_be_asked_for(file: Path) -> None:
    file.write_text(f"{GOOD % 1}\n5\n", encoding="utf-8")

    assert bad_lines(file, compile_view(VIEW).shape) == [BadLine("Patient.ndjson", 2, "it is not a resource")]


def test_other_types_in_a_file_are_passed_over(file: Path) -> None:
    # Organization.name is a text: what Patient declares does not fit it.
    other = '{"resourceType":"Organization","id":"o","name":"Centre"}'
    file.write_text(f"{other}\n{GOOD % 1}\n", encoding="utf-8")

    assert engine.run(VIEW, [file]).table.column("id").to_pylist() == ["1"]


def test_compressed_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "Patient.ndjson.gz"
    file.write_bytes(gzip.compress((GOOD % 1 + "\n").encode()))
    broken = tmp_path / "2.ndjson.gz"
    broken.write_bytes(gzip.compress((GOOD % 2 + "\n5\n").encode()))

    assert engine.run(VIEW, [file, broken], on_bad_line="quarantine").table.column("id").to_pylist() == ["1", "2"]


def test_file_of_an_odd_name_is_read(tmp_path: Path) -> None:
    file = tmp_path / "it's a [file] * é.ndjson"
    file.write_text(GOOD % 1 + "\n", encoding="utf-8")

    assert engine.run(VIEW, [file]).table.num_rows == 1


def test_rows_come_in_the_order_of_the_lines(tmp_path: Path) -> None:
    files = [tmp_path / "b.ndjson", tmp_path / "a.ndjson"]
    for number, file in enumerate(files):
        file.write_text("".join(f"{GOOD % f'{number}-{each}'}\n" for each in range(30_000)), encoding="utf-8")
    found = engine.run(VIEW, files).table.column("id").to_pylist()

    assert found == [f"{number}-{each}" for number in range(2) for each in range(30_000)]


def test_line_longer_than_usual_is_read(file: Path) -> None:
    long = json.dumps({"resourceType": "Patient", "id": "long", "text": {"div": "x" * 40_000_000}})
    file.write_text(f"{GOOD % 1}\n{long}\n{GOOD % 2}\n", encoding="utf-8")

    assert engine.run(VIEW, [file]).table.column("id").to_pylist() == ["1", "long", "2"]


def test_file_that_is_missing_is_an_error(file: Path) -> None:
    with pytest.raises(duckdb.IOException):
        engine.run(VIEW, [file])


class _Stopping:
    """A connection whose batches end in a fault: DuckDB's own, or as it comes by Arrow's C stream."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def execute(self, _: str) -> None: ...

    def sql(self, _: str) -> _Stopping:
        return self

    def to_arrow_reader(self, _: int) -> Iterator[Any]:
        raise self._fault


@pytest.mark.parametrize("kind", [duckdb.ConversionException, OSError, pa.ArrowInvalid])
def test_words_of_the_engine_are_not_passed_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    file.write_text(GOOD % 1 + "\n", encoding="utf-8")
    stopping = _Stopping(kind("Could not convert Dupont"))
    monkeypatch.setattr(engine, "_connected", lambda *_: nullcontext(stopping))
    dated = view("Patient", {"column": [column("birthDate", "date")]})

    with pytest.raises(DefectError) as caught:
        engine.run(dated, [file])

    assert str(caught.value) == f"Patient.ndjson: DuckDB stopped, {kind.__name__}"


def test_engine_that_cannot_read_what_is_right_is_a_defect(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("5\n", encoding="utf-8")

    def nothing_wrong(source: Path, _: Any, copy: Path) -> list[BadLine]:
        copy.write_bytes(source.read_bytes())
        return []

    monkeypatch.setattr(engine, "copy_good_lines", nothing_wrong)

    with pytest.raises(DefectError, match="DuckDB cannot read what was found to be right"):
        engine.run(VIEW, [file])


def _write(definition: ViewDefinition, file: Path, out: Path, form: Any) -> Any:
    quoted = json.dumps({"resourceType": "Patient", "id": 'é"', "name": []})
    file.write_text(f"{GOOD % 1}\n5\n{quoted}\n", encoding="utf-8")
    return engine.write(definition, [file], out, form, on_bad_line="quarantine", memory_limit="200MB")


def test_parquet_file_holds_the_table(file: Path, tmp_path: Path) -> None:
    found = _write(VIEW, file, tmp_path / "patient.parquet", "parquet")

    assert pq.read_table(found.path).to_pylist() == engine.run(VIEW, [file], on_bad_line="quarantine").table.to_pylist()
    assert (found.rows, found.bad_lines) == (2, (BadLine("Patient.ndjson", 2, "it is not a resource"),))


def test_csv_file_holds_the_table_and_lists_as_json(file: Path, tmp_path: Path) -> None:
    found = _write(VIEW, file, tmp_path / "patient.csv", "csv")
    with found.path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))

    assert rows == [["id", "version", "family", "given"], ["1", "1", "A", '["x"]'], ['é"', "", "", "[]"]]


def test_same_data_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    written = [_write(VIEW, file, tmp_path / f"{number}.parquet", "parquet").path.read_bytes() for number in range(2)]

    assert written[0] == written[1]


def test_file_is_not_there_when_writing_fails(file: Path, tmp_path: Path) -> None:
    file.write_text("5\n", encoding="utf-8")

    with pytest.raises(QuarantinedError):
        engine.write(VIEW, [file], tmp_path / "patient.parquet")

    assert [each.name for each in tmp_path.iterdir()] == ["Patient.ndjson"]


def test_values_that_did_not_fit_are_told_of_a_written_file(file: Path, tmp_path: Path) -> None:
    dated = view("Patient", {"column": [column("birthDate", "date")]})
    file.write_text('{"resourceType":"Patient","birthDate":"soon"}\n', encoding="utf-8")

    assert engine.write(dated, [file], tmp_path / "out.parquet").uncast_by_file == {"Patient.ndjson": {"v": 1}}
