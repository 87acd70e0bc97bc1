"""Several views over a file that is read once give what each gives alone, and so do views that were compiled by an earlier run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.datasets.engines import queries
from adapter.datasets.engines.duckdb import Engine, opened, run
from adapter.datasets.engines.queries import Queries
from adapter.datasets.engines.sinks import Form
from adapter.errors import QuarantinedError
from adapter.fhir.versions import FhirVersion
from adapter.views import DUCKDB, Shape, ViewDefinition, compile_view, packed, unpacked
from tests.support.views import column, view

CODE = column("code.coding.code.first()", name="code")
VIEWS = {
    "whole": view("Observation", {"column": [column("id", name="id"), column("component.exists()", name="has")]}),
    "value": view(
        "Observation",
        {"column": [column("id", name="id"), column("value.ofType(Quantity).value", "decimal", name="v")]},
    ),
    "parts": view("Observation", {"column": [column("id", name="id")]}, {"forEach": "component", "column": [CODE]}),
    "coded": view("Observation", {"column": [CODE]}, where=[{"path": "status = 'final'"}]),
}
LINES: list[dict[str, Any]] = [
    {"id": "1", "status": "final", "code": {"coding": [{"code": "a"}]}, "valueQuantity": {"value": "7.40"}},
    {"id": "2", "status": "final", "component": [{"code": {"coding": [{"code": "b"}]}}, {"code": {"text": "c"}}]},
    {"id": "3", "status": "amended", "valueQuantity": {"value": "<5"}},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "Observation.ndjson"
    lines = (json.dumps({"resourceType": "Observation", **line}) + "\n" for line in LINES)
    found.write_text("".join(lines), encoding="utf-8")
    return found


def _rows(engine: Engine, file: Path, view: ViewDefinition) -> tuple[list[Any], Any]:
    found = engine.run(view, [file])
    return found.table.to_pylist(), found.uncast


@pytest.mark.parametrize("name", VIEWS)
def test_view_over_a_kept_file_gives_what_it_gives_alone(file: Path, name: str) -> None:
    alone = run(VIEWS[name], [file])
    with opened() as engine:
        engine.keep(VIEWS.values(), file)
        found = _rows(engine, file, VIEWS[name])

    assert found == (alone.table.to_pylist(), alone.uncast)


@pytest.mark.parametrize("kept", [False, True])
def test_file_that_is_named_twice_is_read_twice(file: Path, kept: bool) -> None:
    with opened() as engine:
        once = _rows(engine, file, VIEWS["value"])
        if kept:
            engine.keep(VIEWS.values(), file)
        twice = engine.run(VIEWS["value"], [file, file])

    assert twice.table.to_pylist() == once[0] * 2
    assert twice.uncast == {name: 2 * count for name, count in once[1].items()} != {}


def test_kept_file_is_not_read_again(file: Path) -> None:
    with opened() as engine:
        engine.keep(VIEWS.values(), file)
        before = _rows(engine, file, VIEWS["coded"])
        file.write_text("", encoding="utf-8")

        assert before[0]
        assert _rows(engine, file, VIEWS["coded"]) == before


def test_line_of_a_kept_file_that_cannot_be_read_is_named(file: Path) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write("no JSON\n")

    with opened() as engine:
        engine.keep(VIEWS.values(), file)
        with pytest.raises(QuarantinedError, match=r"Observation\.ndjson:4"):
            engine.run(VIEWS["whole"], [file])


def test_compressed_file_is_left_to_the_views(file: Path) -> None:
    packed_file = file.with_suffix(".ndjson.gz")

    with opened() as engine:
        engine.keep(VIEWS.values(), packed_file)  # it is not even looked for


def test_forms_of_a_view_are_written_at_once_as_one_by_one(file: Path, tmp_path: Path) -> None:
    names: dict[Form, Path] = {"parquet": tmp_path / "a.parquet", "csv": tmp_path / "a.csv"}
    with opened() as engine:
        together = engine.write(VIEWS["value"], [file], names)
        alone = [engine.write(VIEWS["value"], [file], {form: tmp_path / f"b.{form}"})[0] for form in names]

    assert [one.path.read_bytes() for one in together] == [one.path.read_bytes() for one in alone]
    assert [(one.rows, one.uncast) for one in together] == [(3, {"v": 1})] * 2


def test_shapes_agree_unless_one_takes_whole_what_the_other_takes_apart() -> None:
    whole, value, parts, _ = (compile_view(one).shape for one in VIEWS.values())

    assert whole.agrees_with(value)
    assert value.agrees_with(parts)
    assert not whole.agrees_with(parts)
    assert not parts.agrees_with(whole)
    assert not whole.agrees_with(value, whole=True)
    assert Shape("Observation", FhirVersion.R4).agrees_with(parts)


# Views that were compiled before --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VIEWS)
def test_view_that_was_packed_is_run_as_the_compiled_one(file: Path, name: str) -> None:
    compiled = compile_view(VIEWS[name])
    found = unpacked(VIEWS[name], packed(compiled), version=FhirVersion.R4, dialect=DUCKDB)

    assert (found.sql, found.columns, found.checked, found.depth) == (
        compiled.sql,
        compiled.columns,
        compiled.checked,
        compiled.depth,
    )
    assert found.shape.one == compiled.shape.one


def test_what_is_no_packed_view_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        unpacked(VIEWS["whole"], b"{}", version=FhirVersion.R4, dialect=DUCKDB)


def test_views_are_compiled_once_for_all_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "queries.json"
    first = Queries(kept)
    with opened(queries=first) as engine:
        wanted = [_rows(engine, file, one) for one in VIEWS.values()]
    first.save()

    monkeypatch.setattr(queries, "compile_view", _refuse)
    with opened(queries=Queries(kept)) as engine:
        found = [_rows(engine, file, one) for one in VIEWS.values()]

    assert found == wanted


def _refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("compiled again")


def test_view_that_says_something_else_is_compiled_anew(tmp_path: Path) -> None:
    kept = tmp_path / "queries.json"
    first = Queries(kept)
    first.of(VIEWS["whole"])
    first.save()
    other = msgspec.structs.replace(VIEWS["value"], name=VIEWS["whole"].name)

    assert Queries(kept).of(other).sql == compile_view(other).sql


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"compiler":"another","views":{}}', b"\xff", b'{"compiler":1,"views":2}']
)
def test_kept_views_of_another_compiler_or_damaged_are_not_taken(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "queries.json"
    kept.write_bytes(content)
    found = Queries(kept)

    assert found.of(VIEWS["whole"]).expression is not None
    found.save()
    assert Queries(kept).of(VIEWS["whole"]).expression is None


def test_one_damaged_view_is_compiled_anew(tmp_path: Path) -> None:
    kept = tmp_path / "queries.json"
    first = Queries(kept)
    for one in VIEWS.values():
        first.of(one)
    first.save()
    held = msgspec.json.decode(kept.read_bytes())
    held["views"] = {key: {"query": 5} for key in held["views"]}
    kept.write_bytes(msgspec.json.encode(held))

    assert Queries(kept).of(VIEWS["whole"]).expression is not None


def test_nothing_is_written_where_nothing_is_new_or_to_be_kept(tmp_path: Path) -> None:
    Queries(tmp_path / "queries.json").save()
    compiled = Queries()
    compiled.of(VIEWS["whole"])
    compiled.save()

    assert list(tmp_path.iterdir()) == []
