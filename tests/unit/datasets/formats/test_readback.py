"""In: two datasets read back. Out: whether the first place where they differ is named, without a value."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from adapter.datasets.formats import ReadBack, exact_number, first_difference
from tests.support.sdtm_packages import changed, laboratory

LAB = ReadBack.of(laboratory())


def test_equal_datasets_have_no_difference() -> None:
    assert first_difference(LAB, ReadBack.of(laboratory())) is None


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (msgspec.structs.replace(LAB, label="Other"), "LB: its name or label"),
        (msgspec.structs.replace(LAB, variables=LAB.variables[:-1]), "LB: its variables"),
        (ReadBack.of(changed(laboratory(), 1, LBORRES="secret")), "LB record 2, LBORRES"),
        (msgspec.structs.replace(LAB, rows=LAB.rows[:-1]), "LB record 4: only one of them has it"),
        (msgspec.structs.replace(LAB, rows=[LAB.rows[0][:-1]]), "LB record 1, its number of cells"),
    ],
)
def test_first_difference_is_named_by_its_place(other: ReadBack, place: str) -> None:
    assert first_difference(LAB, other) == place
    assert first_difference(other, LAB) == place


def test_numbers_compare_by_value() -> None:
    written = ReadBack.of(changed(laboratory(), 1, LBSTRESN=Decimal("12.10")))

    assert first_difference(LAB, written) is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+76", "1E-79"])
def test_what_is_no_sas_number_is_none(value: str) -> None:
    assert exact_number(Decimal(value)) is None
