"""In: any cells. Out: whether every format gives back the same ones, exactly, after preparing."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.datasets.checks import check
from adapter.datasets.formats import exact_number, prepared, unequal_files, write_sdtm
from adapter.datasets.model import Cell
from tests.support.sdtm_packages import STUDYID, dataset, number, package, text

#: What the checks of cells tell of what no file can hold.
UNWRITABLE = {"text-not-writable", "number-not-writable", "cell-not-of-its-kind", "length-invalid", "cells-miscounted"}

texts = st.none() | st.text(max_size=210) | st.sampled_from(["x" * 200, "x" * 201, "é" * 200, " ", ".", "µ"])
numbers = (
    st.none()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.decimals(min_value=-(10**6), max_value=10**6, places=4)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Decimal(repr(value)))
    | st.sampled_from(
        [Decimal("7.40"), Decimal("-0"), Decimal("0.1"), Decimal("1E-70"), Decimal("1E+75"), Decimal(2**53 + 1)]
    )
)
records = st.lists(st.tuples(texts, texts, numbers, numbers, numbers), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(records)
def test_every_format_gives_back_the_cells_of_a_prepared_package(cells: list[tuple[Cell, ...]]) -> None:
    variables = (
        STUDYID,
        number("XXSEQ", "integer"),
        text("XXA", 200),
        text("XXB", 3),
        number("XXI", "integer"),
        number("XXF", "float"),
        number("XXD", "decimal"),
    )
    rows = [("RELUTH", Decimal(place), *row) for place, row in enumerate(cells, start=1)]
    done = prepared(package(dataset("XX", variables, rows)))
    with tempfile.TemporaryDirectory() as folder:
        written = write_sdtm(done, Path(folder))

        assert unequal_files(done, written) == []
    assert not UNWRITABLE & {one.code for one in check(done)}
    assert prepared(done) == done


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_exact_number_is_the_double_that_is_nearest_or_nothing(value: Decimal) -> None:
    found = exact_number(value)

    assert found is None or float(found) == float(value)
    assert found is None or exact_number(found) == found


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=5))
def test_number_of_up_to_fifteen_digits_is_never_changed(value: Decimal) -> None:
    assert exact_number(value) == value
