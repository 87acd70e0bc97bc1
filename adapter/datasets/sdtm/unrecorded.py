"""In: the files of the feed, the datasets that were made of it. Out: findings that count what no record was made of.

What a document's ``where`` passes over, or no domain reads at all, goes without a word of its own: it is found here by comparing what
came in with what the records say they came from, so that nothing can be missing in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from adapter.datasets.model import Dataset
from adapter.datasets.sdtm.notes import Notes
from adapter.datasets.sdtm.tables import Tables

__all__ = ["tell_unrecorded"]

#: Used while the feed is staged: a Consent is an event of the ResearchSubject, a Medication stands in its administration.
_USED: Final = ("Consent", "Medication")
_READ: Final = "No record comes from it: the domains that read the view {view} do not take it (its kind, status or date), or another finding tells why."


class _Named(msgspec.Struct, gc=False):
    """A resource, as far as its id."""

    id: str


class _Coding(msgspec.Struct, gc=False):
    code: str | None = None


class _Concept(msgspec.Struct, gc=False):
    coding: tuple[_Coding, ...] = ()


class _Described(msgspec.Struct, gc=False):
    """A resource, as far as what tells its kind; ``code`` and ``status`` of whatever shape."""

    status: Any = None
    code: Any = None


def tell_unrecorded(files: Mapping[str, Path], datasets: Iterable[Dataset], tables: Tables, notes: Notes) -> None:
    """Count the resources of the feed that no record names as a source: by type and view and status, else by type and code.

    Args:
        files: of the feed, by type; a line each resource.
        datasets: all of the package.
        tables: of the views that the domains read.
        notes: where the findings go.
    """
    recorded = {source.resource for dataset in datasets for row in dataset.rows for source in row.sources}
    named, described = msgspec.json.Decoder(_Named).decode, msgspec.json.Decoder(_Described).decode
    for type_, path in sorted(files.items()):
        if type_ in _USED:
            continue
        with path.open("rb") as file:
            left = {key: line for line in file if f"{type_}/{(key := named(line).id)}" not in recorded}
        holding = tables.holding(type_, left) if left else {}
        for key, line in left.items():
            one, view = described(line), holding.get(key)
            if view is None:
                notes.value("without-record", type_, *_kind(one))
            else:
                notes.value("without-record", type_, "status", _text(one.status), text=_READ.format(view=view))


def _kind(one: _Described) -> tuple[str, str]:
    """The first code that says what it is; its status, where it has none."""
    try:
        codes = [coding.code for coding in msgspec.convert(one.code, _Concept).coding if coding.code is not None]
    except msgspec.ValidationError:
        codes = []
    return ("code", codes[0]) if codes else ("status", _text(one.status))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
