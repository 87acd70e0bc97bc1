"""In: datasets. Out: whether their Parquet files give back cells and documents, and read with DuckDB."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapter.datasets.formats import ReadBack, read_parquet, write_parquet
from adapter.datasets.formats.parquet import read_described
from adapter.errors import DefectError, UsageError
from tests.support.sdtm_packages import changed, laboratory, package


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lb.parquet"
    write_parquet(laboratory(), path, package=package())
    return path


def test_file_gives_back_every_cell_and_label(file: Path) -> None:
    assert read_parquet(file) == ReadBack.of(laboratory())


def test_file_gives_back_what_the_documents_said(file: Path) -> None:
    described = read_described(file)

    assert described.study == package().study
    assert described.dataset.variables == laboratory().variables
    assert described.dataset.keys == laboratory().keys
    assert [row.cells for row in described.dataset.rows] == [row.cells for row in laboratory().rows]
    assert [one.id for one in described.codelists] == ["LBTESTCD", "UNIT", "NY"]


def test_file_is_the_same_each_time(file: Path, tmp_path: Path) -> None:
    write_parquet(laboratory(), tmp_path / "again.parquet", package=package())

    assert file.read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_file_reads_with_duckdb(file: Path) -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT LBTESTCD, max(LBSTRESN), sum(LBSEQ)::INTEGER FROM read_parquet(?) GROUP BY ALL ORDER BY ALL",
            [str(file)],
        ).fetchall()

    assert rows == [("ALB", None, 1), ("HGB", 12.1, 6)]


@pytest.mark.parametrize(
    "cells",
    [{"LBORRES": Decimal(1)}, {"LBSEQ": "1"}, {"LBSEQ": Decimal("1.5")}, {"LBSTRESN": Decimal("0." + "1" * 30)}],
)
def test_cell_that_would_change_is_refused(tmp_path: Path, cells: dict[str, Decimal | str]) -> None:
    with pytest.raises(DefectError):
        write_parquet(changed(laboratory(), 0, **cells), tmp_path / "lb.parquet", package=package())


def test_what_is_no_such_file_is_told_by_its_name(tmp_path: Path, file: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no PAR1")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "b.parquet")
    pq.write_table(pq.read_table(file).drop_columns(["LBDY"]), tmp_path / "c.parquet")

    for name in ("a", "b", "none"):
        with pytest.raises(UsageError, match=rf"^{name}\.parquet"):
            read_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(UsageError, match=r"^c\.parquet: its columns"):
        read_described(tmp_path / "c.parquet")
