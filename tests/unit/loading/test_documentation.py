"""In: docs/loading.md and the columns. Out: what one of them has and the other lacks."""

from __future__ import annotations

import json
import re

import pytest

from adapter.loading import COLUMNS, LoadReport, Refused
from adapter.loading.cells import value_class
from mappings.entities import EventKind
from tests.support.pages import BLOCK, first_cells, sections, text

VALUES: tuple[object, ...] = (None, 1, "2025-05-20", "a", "a b", True, [], {})
TITLES = {"subjects": "Subjects", "labs": "Laboratory results", "infusions": "Infusions"}


@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_every_column_is_described_as_it_is_and_no_other(kind: str) -> None:
    page = sections(text("loading.md"), 3)[TITLES[kind]]
    rows = re.findall(r"^\| `(\w+)` \| (yes)? ?\| (.+) \|$", page, re.MULTILINE)

    assert rows == [(column.name, "yes" if column.needed else "", column.holds) for column in COLUMNS[kind]]


def test_every_event_is_listed_and_no_other() -> None:
    line = next(line for line in text("loading.md").splitlines() if line.startswith("Events: "))

    assert re.findall(r"`([a-z-]+)`", line) == [str(kind) for kind in EventKind]


def test_every_class_of_value_is_described() -> None:
    described = set(first_cells(sections(text("loading.md"), 2)["What happens to a file"]))

    assert {value_class(value) for value in VALUES} <= described


def test_report_of_the_page_has_the_keys_of_a_report() -> None:
    shown = json.loads(next(found["body"] for found in BLOCK.finditer(text("loading.md")) if found["kind"] == "json"))

    assert tuple(shown) == LoadReport.__struct_fields__
    assert tuple(shown["refused"][0]) == Refused.__struct_fields__
