"""In: packages. Out: whether their folder holds every format with the same cells, the same bytes each time, and gives the package back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapter.datasets.formats import data_date, read_back, read_package, unequal_files, write_sdtm
from adapter.errors import UsageError
from tests.support.sdtm_packages import changed, demographics, exposure, laboratory, package, replacing


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folder_holds_each_dataset_in_four_files_and_the_define(tmp_path: Path) -> None:
    written = write_sdtm(package(), tmp_path)
    names = ("dm", "ex", "lb", "relrec", "supplb", "ta", "te")
    forms = ("xpt", "json", "ndjson", "parquet")

    assert sorted(_bytes(tmp_path)) == sorted(
        [f"{form}/{name}.{form}" for form in forms for name in names] + ["define.xml"]
    )
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == sorted(_bytes(tmp_path))


def test_every_file_gives_back_the_same_cells(tmp_path: Path) -> None:
    written = write_sdtm(package(), tmp_path)

    assert unequal_files(package(), written) == []


def test_changed_cell_of_a_file_is_found_by_its_place(tmp_path: Path) -> None:
    written = write_sdtm(replacing(package(), changed(laboratory(), 2, LBSTRESN=Decimal(12))), tmp_path)
    found = unequal_files(package(), written)

    assert found == [f"lb.{form}: LB record 3, LBSTRESN" for form in ("json", "ndjson", "parquet", "xpt")]


def test_dataset_that_the_package_has_not_is_found(tmp_path: Path) -> None:
    written = write_sdtm(package(), tmp_path)

    assert len(unequal_files(package(demographics()), written)) == 6 * 4


def test_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    write_sdtm(package(), tmp_path / "a")
    write_sdtm(package(), tmp_path / "b")

    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def test_files_name_the_day_that_they_are_given(tmp_path: Path) -> None:
    write_sdtm(package(), tmp_path, created=date(2025, 1, 31))

    assert b"31JAN25:00:00:00" in (tmp_path / "xpt/dm.xpt").read_bytes()
    assert b"2025-01-31T00:00:00" in (tmp_path / "json/dm.json").read_bytes()
    assert b"2025-01-31T00:00:00" in (tmp_path / "define.xml").read_bytes()


def test_day_of_the_data_is_their_last_whole_one() -> None:
    assert data_date(package()) == date(2024, 2, 11)
    assert data_date(package(changed(laboratory(), 0, LBDTC="not a day!"))) == date(2024, 2, 10)
    assert data_date(package(msgspec.structs.replace(laboratory(), rows=()))) == date(1960, 1, 1)


def test_dataset_without_records_has_no_file(tmp_path: Path) -> None:
    write_sdtm(replacing(package(), msgspec.structs.replace(exposure(), rows=())), tmp_path)

    assert not [name for name in _bytes(tmp_path) if name.split("/")[-1].startswith("ex.")]


def test_package_is_read_back_with_its_documents(tmp_path: Path) -> None:
    write_sdtm(package(), tmp_path)
    back = read_package(tmp_path)

    def bare(whole: object) -> object:
        assert isinstance(whole, type(package()))
        return [
            msgspec.structs.replace(one, rows=tuple(msgspec.structs.replace(row, key="") for row in one.rows))
            for one in whole.datasets
        ]

    assert bare(back) == bare(package())
    assert (back.study, back.standard, back.terminology) == (package().study, "SDTMIG 3.4", "2025-09-26")
    assert back.codelists == tuple(sorted(package().codelists, key=lambda one: one.id))
    write_sdtm(back, tmp_path / "again")
    assert (tmp_path / "again/xpt/lb.xpt").read_bytes() == (tmp_path / "xpt/lb.xpt").read_bytes()


def test_folder_of_several_packages_is_refused(tmp_path: Path) -> None:
    write_sdtm(package(), tmp_path)
    write_sdtm(package(exposure(), terminology="2024-03-29"), tmp_path)

    with pytest.raises(UsageError, match="several packages"):
        read_package(tmp_path)


def test_folder_without_a_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no SDTM package"):
        read_package(tmp_path)


def test_file_of_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file of a dataset"):
        read_back(tmp_path / "lb.csv")
