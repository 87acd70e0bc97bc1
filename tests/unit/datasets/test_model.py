"""In: datasets. Out: whether their cells by variable are those of their records."""

from __future__ import annotations

import msgspec

from adapter.datasets.model import Dataset
from tests.support.sdtm_packages import laboratory


def _cell_by_cell(dataset: Dataset) -> list[tuple[object, ...]]:
    return [tuple(row.cells[place] for row in dataset.rows) for place in range(len(dataset.variables))]


def test_columns_are_the_cells_of_the_records() -> None:
    assert laboratory().columns() == _cell_by_cell(laboratory())


def test_columns_of_no_record_are_empty() -> None:
    none = msgspec.structs.replace(laboratory(), rows=())

    assert none.columns() == [()] * len(none.variables)


def test_columns_are_of_the_variables_where_a_record_has_more_cells() -> None:
    first, *others = laboratory().rows
    longer = msgspec.structs.replace(first, cells=(*first.cells, "more"))
    ragged = msgspec.structs.replace(laboratory(), rows=(longer, *others))

    assert ragged.columns() == laboratory().columns()
