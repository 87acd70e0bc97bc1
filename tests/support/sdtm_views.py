"""Tables of views, staged subjects and numbers by hand: what the SDTM engine is given, without a store, a feed or an engine of views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from adapter.datasets.model import Dataset, Package
from adapter.datasets.sdtm import Documents, build_package, load_domains
from adapter.documents import load_study, load_trial
from adapter.terminology import Node, Units

__all__ = [
    "Numbers",
    "StagedHere",
    "Subject",
    "Verdict",
    "event_rows",
    "made",
    "node",
    "records",
    "view",
]

TRIAL = "nct04954820"


@dataclass(frozen=True)
class Column:
    """A column with the path that the trace shows."""

    name: str
    path: str


@dataclass(frozen=True)
class Table:
    """What an engine gives for a view."""

    name: str
    table: pa.Table
    columns: Sequence[Column]
    uncast: Mapping[str, int] = field(default_factory=dict)


def view(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """A table of the rows; a column that a row lacks is empty, its path is ``path of <column>``."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    return Table(
        name,
        pa.table({one: [row.get(one) for row in rows] for one in names}),
        [Column(one, f"path of {one}") for one in names],
    )


@dataclass(frozen=True)
class Subject:
    """A staged subject."""

    usubjid: str = "RELUTH-05-0001"
    subjid: str = "05-0001"
    site: str = "icm"
    site_code: str = "05"
    consented_on: date | None = None


@dataclass(frozen=True)
class Verdict:
    """A staged verdict."""

    usubjid: str
    criterion: str
    truth: str
    stage: str = "registration"
    on: date = date(2024, 1, 10)
    reason: str | None = None


@dataclass(frozen=True)
class StagedHere:
    """What is staged."""

    subjects: Sequence[Subject]
    verdicts: Sequence[Verdict] = ()
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass
class Numbers:
    """Numbers kept in memory: the next free one for a new key."""

    kept: dict[tuple[str, str, str], int] = field(default_factory=dict)
    last: dict[tuple[str, str], int] = field(default_factory=dict)

    def number(self, domain: str, usubjid: str, key: str) -> int:
        """The number of a key."""
        whole = (domain, usubjid, key)
        if whole not in self.kept:
            self.last[domain, usubjid] = self.last.get((domain, usubjid), 0) + 1
            self.kept[whole] = self.last[domain, usubjid]
        return self.kept[whole]


def event_rows(usubjid: str, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the view ``subject_event``: one an event, in their order."""
    return [
        {"id": f"rs{usubjid[-4:]}", "usubjid": usubjid, "row": at, "position": at + 1, **event}
        for at, event in enumerate(events)
    ]


def made(
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    subjects: Sequence[Subject] = (Subject(),),
    *,
    verdicts: Sequence[Verdict] = (),
    numbers: Numbers | None = None,
    units: Mapping[str, Units] | None = None,
    documents: Documents | None = None,
    files: Mapping[str, Path] | None = None,
) -> Package:
    """The package of some rows of views."""
    return build_package(
        {name: view(name, rows) for name, rows in tables.items()},
        StagedHere(subjects, verdicts, files or {}),
        trial=load_trial(TRIAL),
        study=load_study(TRIAL),
        sequences=numbers or Numbers(),
        units=units,
        documents=documents or load_domains(),
    )


def records(dataset: Dataset, *names: str) -> list[tuple[Any, ...]]:
    """The cells of these variables, row by row; numbers as int or text, so that they read plainly."""
    places = [dataset.at(name) for name in names]
    return [tuple(_plain(row.cells[place]) for place in places) for row in dataset.rows]


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, str):
        return cell
    return int(cell) if cell == cell.to_integral_value() else str(cell)


def node(value: Any, file: str = "sdtm/xx.yaml") -> Node:
    """A place in a document."""
    return Node(value, file)
