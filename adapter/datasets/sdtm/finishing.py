"""In: the drafts of a domain. Out: its dataset: rows sorted by their keys with their numbers, their sources, and what goes into SUPP--."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import contains
from typing import Any, Final, NamedTuple

import msgspec

from adapter.datasets.model import Cell, CellSource, Dataset, Row, ValueLevel, Variable
from adapter.datasets.sdtm.documents import Continued, Domain, Source
from adapter.datasets.sdtm.frame import Draft
from adapter.datasets.sdtm.notes import Notes
from adapter.datasets.sdtm.numbering import Sequences
from adapter.datasets.sdtm.numbers import plain
from adapter.datasets.sdtm.plain import folded, pieces
from adapter.datasets.sdtm.relating import Extra
from adapter.datasets.sdtm.rows import Tracer, repeated

__all__ = ["Finished", "finish_domain"]

_LONGEST: Final = 200
_ZERO: Final = Decimal(0)
_EMPTY: Final = (0, _ZERO, "")


class Finished(NamedTuple):
    """A dataset and its supplemental qualifiers."""

    dataset: Dataset
    extras: list[Extra]


def finish_domain(domain: Domain, drafts: list[Draft], tracer: Tracer, sequences: Sequences, notes: Notes) -> Finished:
    """The dataset of a domain.

    Args:
        domain: its document.
        drafts: its rows, all variables set.
        tracer: tells the sources of their cells.
        sequences: keeps ``--SEQ``.
        notes: for texts that had to be parted, and keys that stand twice.
    """
    for draft in repeated(drafts):
        notes.record("row-key-repeated", draft.place(domain.code))
    places = domain.places
    sequence = _sequence_slot(domain)
    order = [places[name] for name in domain.keys if places[name] != sequence]
    _sort(drafts, order)
    if sequence is not None:
        number, code = sequences.number, domain.code
        for draft in drafts:
            draft.frame[sequence] = Decimal(number(code, draft.usubjid, draft.key))
        _sort(drafts, [places[name] for name in domain.keys])
    width, extras, rows = len(domain.variables), list[Extra](), list[Row]()
    for draft in drafts:
        sources = tracer.sources(draft)
        extras += _extras(draft, sequence, tracer)
        for continued in domain.continued:
            extras += _continue(domain, draft, continued, sequence, notes, sources)
        rows.append(Row(cells=tuple(draft.frame[:width]), key=draft.key, sources=sources))
    dataset = Dataset(
        name=domain.code,
        label=domain.label,
        domain=domain.code,
        class_=domain.class_,
        structure=domain.structure,
        keys=domain.keys,
        variables=tuple(_with_values(domain, variable, rows) for variable in domain.variables),
        rows=tuple(rows),
        reference=domain.reference,
    )
    return Finished(_without_empty(domain, dataset), extras)


def _sequence_slot(domain: Domain) -> int | None:
    """Place of ``--SEQ``, where the engine gives it: a document may set it itself (TSSEQ counts within a parameter)."""
    name = f"{domain.code}SEQ"
    if any(setting.variable == name for source in domain.sources for setting in source.settings):
        return None
    return domain.places.get(name)


def _sort(drafts: list[Draft], slots: Sequence[int]) -> None:
    """Sort by some variables, then by the records' keys."""
    columns = [_sortable([draft.frame[slot] for draft in drafts]) for slot in slots]
    keys = list(zip(*columns, [draft.key for draft in drafts], strict=True))
    drafts[:] = [drafts[at] for at in sorted(range(len(drafts)), key=keys.__getitem__)]


def _sortable(column: list[Any]) -> Sequence[Any]:
    """What a column is sorted by: as it stands where its cells are all numbers or all texts, else the empty cells first."""
    if set(map(type, column)) in ({Decimal}, {str}):
        return column
    return [
        _EMPTY if cell is None else (1, cell, "") if isinstance(cell, Decimal) else (1, _ZERO, str(cell))
        for cell in column
    ]


def _extras(draft: Draft, sequence: int | None, tracer: Tracer) -> list[Extra]:
    found = []
    source: Source = draft.source
    for one in source.supplements:
        value = plain(one.fn(draft.frame))
        text = folded(value) if value is not None else ""
        if not text:
            continue
        found.append(
            Extra(
                usubjid=draft.usubjid,
                key=draft.key,
                seq=draft.frame[sequence] if sequence is not None else None,
                name=one.name,
                label=one.label,
                value=pieces(text, _LONGEST)[0],
                origin=one.origin,
                evaluator=one.evaluator,
                sources=tracer.of_reads(draft, "QVAL", one.reads),
            )
        )
    return found


def _continue(
    domain: Domain,
    draft: Draft,
    continued: Continued,
    sequence: int | None,
    notes: Notes,
    sources: tuple[CellSource, ...],
) -> list[Extra]:
    """Part a text that is too long: the rest goes into further variables, or into supplemental qualifiers."""
    text = draft.frame[continued.slot]
    if text is None or len(text) <= _LONGEST:
        return []
    parts = pieces(text, _LONGEST)
    draft.frame[continued.slot] = parts[0]
    notes.record("text-continued", draft.place(domain.code), continued.variable)
    if continued.stem is None:
        for slot, part in zip(continued.into, parts[1:], strict=False):
            draft.frame[slot] = part
        if len(parts) - 1 > len(continued.into):
            notes.record("text-cut", draft.place(domain.code), continued.variable)
        return []
    label = next(one.label for one in domain.variables if one.name == continued.variable)
    own = tuple(
        CellSource(variables=("QVAL",), resource=one.resource, path=one.path, mapping=one.mapping)
        for one in sources
        if continued.variable in one.variables
    )
    seq = draft.frame[sequence] if sequence is not None else None
    return [
        Extra(
            draft.usubjid, draft.key, seq, f"{continued.stem}{at}", f"{label[:37]} {at}", part, "Collected", None, own
        )
        for at, part in enumerate(parts[1:], start=1)
    ]


def _with_values(domain: Domain, variable: Variable, rows: Sequence[Row]) -> Variable:
    """Value level of what occurs in the data."""
    if not variable.values:
        return variable
    places = domain.places
    kept: list[ValueLevel] = []
    held: dict[tuple[int, ...], set[tuple[Cell, ...]]] = {}  # what the records hold in the variables of a condition
    for value in variable.values:
        slots = tuple([places[name] for name in value.where])
        if slots not in held:
            held[slots] = {tuple([row.cells[slot] for slot in slots]) for row in rows}
        allowed = [frozenset(cells) for cells in value.where.values()]
        if any(all(map(contains, allowed, cells)) for cells in held[slots]):
            kept.append(value)
    return msgspec.structs.replace(variable, values=tuple(kept))


def _without_empty(domain: Domain, dataset: Dataset) -> Dataset:
    """Without the variables that are there for texts that are too long, where none is."""
    empty = {
        place
        for place, variable in enumerate(dataset.variables)
        if variable.name in domain.optional and all(row.cells[place] is None for row in dataset.rows)
    }
    if not empty:
        return dataset

    kept = [place for place in range(len(dataset.variables)) if place not in empty]
    return msgspec.structs.replace(
        dataset,
        variables=tuple(dataset.variables[place] for place in kept),
        rows=tuple(
            msgspec.structs.replace(row, cells=tuple(row.cells[place] for place in kept)) for row in dataset.rows
        ),
    )
