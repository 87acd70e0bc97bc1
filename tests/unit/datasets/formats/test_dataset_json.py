"""In: datasets. Out: whether their Dataset-JSON files meet 1.1, hold exact digits, and refuse what is no such file."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import jsonschema
import msgspec
import pytest
from odmlib.dataset_json_1_1.model import DatasetJSON

from adapter.datasets.formats import ReadBack, read_dataset_json, write_dataset_json
from adapter.datasets.formats.dataset_json_schema import FILE_SCHEMA, HEAD_SCHEMA, ROW_SCHEMA
from adapter.errors import DefectError, UsageError
from tests.support.sdtm_packages import STUDY, changed, exposure, laboratory

DAY = date(2024, 5, 1)
Form = Literal["json", "ndjson"]
FORMS: tuple[Form, ...] = ("json", "ndjson")


def test_file_meets_the_whole_schema(tmp_path: Path) -> None:
    for one in (laboratory(), exposure()):
        write_dataset_json(one, tmp_path / "one.json", study=STUDY, created=DAY)
        write_dataset_json(one, tmp_path / "one.ndjson", study=STUDY, created=DAY)
        head, *rows = map(json.loads, (tmp_path / "one.ndjson").read_text().splitlines())

        jsonschema.validate(json.loads((tmp_path / "one.json").read_text()), FILE_SCHEMA)
        jsonschema.validate(head, HEAD_SCHEMA)
        for row in rows:
            jsonschema.validate(row, ROW_SCHEMA)


def test_another_reader_of_the_standard_takes_the_files(tmp_path: Path) -> None:
    write_dataset_json(laboratory(), tmp_path / "lb.json", study=STUDY, created=DAY)
    write_dataset_json(laboratory(), tmp_path / "lb.ndjson", study=STUDY, created=DAY)
    whole = DatasetJSON.read_json(str(tmp_path / "lb.json"))
    lines = DatasetJSON.read_ndjson(str(tmp_path / "lb.ndjson"))

    assert whole.column_names == [one.name for one in laboratory().variables]
    assert whole.rows == lines.rows
    assert whole.rows[1][7] == 12.1


@pytest.mark.parametrize("form", FORMS)
def test_file_gives_back_every_cell_and_label(tmp_path: Path, form: Form) -> None:
    for one in (laboratory(), exposure()):
        file = tmp_path / f"{one.name}.{form}"
        write_dataset_json(one, file, study=STUDY, created=DAY)

        assert read_dataset_json(file) == ReadBack.of(one)


def test_head_says_what_the_specification_asks_for_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "lb.json"
    write_dataset_json(laboratory(), file, study=STUDY, created=DAY)
    said = json.loads(file.read_text())

    assert "isReferenceData" not in said
    assert said["datasetJSONVersion"] == "1.1.0"
    assert said["datasetJSONCreationDateTime"] == "2024-05-01T00:00:00"
    assert (said["itemGroupOID"], said["records"], said["name"]) == ("IG.LB", 4, "LB")
    assert said["columns"][3] == {
        "itemOID": "IT.LB.LBSEQ",
        "name": "LBSEQ",
        "label": "Label of LBSEQ",
        "dataType": "integer",
        "keySequence": 4,
    }


def test_number_keeps_its_digits_and_a_decimal_is_a_text(tmp_path: Path) -> None:
    file = tmp_path / "ex.json"
    write_dataset_json(exposure(), file, study=STUDY, created=DAY)
    said = json.loads(file.read_text(), parse_float=str)

    assert said["rows"][0][5] == "7.4"
    assert {"dataType": "decimal", "targetDataType": "decimal"}.items() <= said["columns"][5].items()


def test_ndjson_has_the_head_and_a_line_a_record(tmp_path: Path) -> None:
    file = tmp_path / "lb.ndjson"
    write_dataset_json(laboratory(), file, study=STUDY, created=DAY)
    head, *rows = map(json.loads, file.read_text().splitlines())

    assert "rows" not in head
    assert len(rows) == head["records"] == 4
    assert rows[0][7] is None and rows[0][9] == ""


def test_file_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        write_dataset_json(laboratory(), tmp_path / name, study=STUDY, created=DAY)

    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def _without(key: str) -> Any:
    def change(said: dict[str, Any]) -> None:
        del said[key]

    return change


def _with(key: str, value: Any) -> Any:
    def change(said: dict[str, Any]) -> None:
        said[key] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _with("isReferenceData", False),
        _with("datasetJSONVersion", "1.0.0"),
        _with("datasetJSONCreationDateTime", "yesterday"),
        _with("records", 7),
        _with("columns", []),
        _with("rows", [["too", "short"]] * 4),
        _with("rows", "none"),
        _without("rows"),
        _without("label"),
        _without("itemGroupOID"),
    ],
)
def test_file_that_is_not_as_wanted_is_told_by_its_name(tmp_path: Path, change: Any) -> None:
    file = tmp_path / "lb.json"
    write_dataset_json(laboratory(), file, study=STUDY, created=DAY)
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))

    with pytest.raises(UsageError, match=r"^lb\.json: "):
        read_dataset_json(file)


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", "{"), ("a.ndjson", ""), ("a.json", "[" * 100_000), ("a.json", "1")]
)
def test_what_is_no_json_is_told_by_its_name(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(UsageError, match=rf"^{name}: "):
        read_dataset_json(tmp_path / name)


@pytest.mark.parametrize(("place", "cell"), [(5, 7), (7, "seven"), (7, True)])
def test_cell_of_another_kind_is_told(tmp_path: Path, place: int, cell: Any) -> None:
    file = tmp_path / "lb.json"
    write_dataset_json(laboratory(), file, study=STUDY, created=DAY)
    said = json.loads(file.read_text())
    said["rows"][0][place] = cell
    file.write_text(json.dumps(said))

    with pytest.raises(UsageError, match="stands where"):
        read_dataset_json(file)


def test_cell_that_is_not_of_its_variable_is_not_written(tmp_path: Path) -> None:
    for broken in (changed(laboratory(), 0, LBORRES=Decimal(1)), changed(laboratory(), 0, LBSEQ="1")):
        with pytest.raises(DefectError):
            write_dataset_json(broken, tmp_path / "lb.json", study=STUDY, created=DAY)


def test_head_that_the_schema_refuses_is_not_written(tmp_path: Path) -> None:
    broken = msgspec.structs.replace(laboratory(), variables=(), rows=())

    with pytest.raises(DefectError, match="columns"):
        write_dataset_json(broken, tmp_path / "lb.json", study=STUDY, created=DAY)
