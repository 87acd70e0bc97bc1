"""In: datasets. Out: whether their transport files are as SAS's record layout wants them, the same each time, and refuse what would be cut."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapter.datasets.formats import ReadBack, read_xpt, write_xpt
from adapter.datasets.formats.xpt import ibm_bytes
from adapter.errors import DefectError, UsageError
from tests.support.sdtm_packages import changed, dataset, laboratory, number, redescribed, text

DAY = date(2024, 5, 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lb.xpt"


def test_file_gives_back_every_cell_and_label(file: Path) -> None:
    write_xpt(laboratory(), file, created=DAY)

    assert read_xpt(file) == ReadBack.of(laboratory())


def test_file_is_of_cards_of_80_bytes_and_starts_as_the_layout_says(file: Path) -> None:
    write_xpt(laboratory(), file, created=DAY)
    written = file.read_bytes()

    assert len(written) % 80 == 0
    assert written.startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000000000000000000000000000000  ")
    assert written[144:160] == b"01MAY24:00:00:00"
    assert b"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!000000001200000000000000000000  " in written


def test_file_is_the_same_each_time_and_tells_no_other_day(file: Path, tmp_path: Path) -> None:
    write_xpt(laboratory(), file, created=DAY)
    write_xpt(laboratory(), tmp_path / "again.xpt", created=DAY)

    assert file.read_bytes() == (tmp_path / "again.xpt").read_bytes()
    write_xpt(laboratory(), tmp_path / "other.xpt", created=date(2024, 5, 2))
    assert file.read_bytes() != (tmp_path / "other.xpt").read_bytes()


def test_text_of_200_bytes_and_one_record_are_kept(file: Path) -> None:
    one = dataset("CO", (text("COVAL", 200), text("COREF", 8)), [("x" * 199 + "y", None)])
    write_xpt(one, file, created=DAY)

    assert read_xpt(file).rows == [("x" * 199 + "y", None)]


@pytest.mark.parametrize("count", [0, 1, 2, 39, 40, 41])
def test_short_records_are_not_lost_in_the_blanks_that_fill_the_last_card(file: Path, count: int) -> None:
    one = dataset("CO", (text("A", 1), text("B", 1)), [(None, "b")] * count)
    write_xpt(one, file, created=DAY)

    assert read_xpt(file).rows == [(None, "b")] * count


@pytest.mark.parametrize(
    ("value", "layout"),
    [
        (1.0, "4110000000000000"),
        (-1.0, "c110000000000000"),
        (0.1, "4019999999999999a0"[:16]),
        (100.0, "4264000000000000"),
        (0.0625, "4010000000000000"),
        (15.99, "41ffd70a3d70a3d8"),
    ],
)
def test_number_is_written_as_system_360_float(value: float, layout: str) -> None:
    assert ibm_bytes(value).hex()[:14] == layout[:14]


def test_number_out_of_range_is_refused() -> None:
    with pytest.raises(DefectError):
        ibm_bytes(1e300)


@pytest.mark.parametrize(
    "broken",
    [
        redescribed(laboratory(), "LBORRES", length=201, label="L" * 41),
        redescribed(laboratory(), "LBORRES", label="Résultat"),
        redescribed(laboratory(), "LBORRES", name="LBORRESXX"),
        msgspec.structs.replace(laboratory(), name="LABORATORY"),
        msgspec.structs.replace(laboratory(), label="L" * 41),
        changed(laboratory(), 0, LBORRES="x" * 201),
        changed(laboratory(), 0, LBORRES="é"),
        changed(laboratory(), 0, LBORRES="x "),
        changed(laboratory(), 0, LBORRES=""),
        changed(laboratory(), 0, LBORRES=Decimal(1)),
        changed(laboratory(), 0, LBSTRESN="1"),
        changed(laboratory(), 0, LBSTRESN=Decimal("0.12345678901234567890")),
        changed(laboratory(), 0, LBSTRESN=Decimal("1E+300")),
        changed(laboratory(), 0, LBSTRESN=Decimal("NaN")),
    ],
)
def test_what_the_format_would_cut_is_refused_and_nothing_is_written(file: Path, broken: object) -> None:
    assert isinstance(broken, type(laboratory()))
    with pytest.raises(DefectError) as told:
        write_xpt(broken, file, created=DAY)

    assert not file.exists()
    assert "é" not in str(told.value)


def test_record_without_any_cell_is_refused(file: Path) -> None:
    one = dataset("CO", (text("A", 1), number("B")), [(None, None)])

    with pytest.raises(DefectError, match="without any cell"):
        write_xpt(one, file, created=DAY)


@pytest.mark.parametrize("content", [b"", b"no transport file", b"HEADER RECORD*******LIBRARY HEADER" + b" " * 200])
def test_broken_file_is_told_by_its_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(UsageError, match=r"lb\.xpt"):
        read_xpt(file)


def test_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.xpt"):
        read_xpt(tmp_path / "no.xpt")
