"""In: a package as its documents and data give it. Out: the same in what all formats can hold, with a finding for each change.

The transport format is the narrowest: names of 8 characters, labels of 40 and texts of 200 bytes, ASCII, numbers as doubles. Its
writers cut silently, so everything is brought to that form here, once and told, and every format then holds the same cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

import msgspec

from adapter.datasets.formats.ascii_text import plain_text
from adapter.datasets.formats.readback import exact_number
from adapter.datasets.model import Cell, Codelist, CodelistTerm, Dataset, Finding, Package, Row, ValueLevel, Variable

__all__ = ["LONGEST_LABEL", "LONGEST_NAME", "LONGEST_TEXT", "PREPARING", "prepared"]

LONGEST_NAME, LONGEST_LABEL, LONGEST_TEXT = 8, 40, 200
#: The whole numbers that a double holds without a gap.
_WHOLE = 2**53

#: What is told, by its code.
PREPARING = {
    "text-not-ascii": "A text held characters that the transport format has not: accents and signs were written in ASCII.",
    "text-cut": "A text was longer than 200 bytes: its first 200 are kept.",
    "text-widened": "A text was longer than its variable's declared length: the length was raised.",
    "number-rounded": "A number had more digits than a SAS number holds: the nearest one is kept.",
    "number-out-of-range": "A number is none, or beyond what a SAS number holds: it is blank.",
    "number-not-whole": "A variable declared as integer holds a number that is none: it was declared as float.",
    "wrong-kind-of-cell": "A text stood where a number belongs, or a number where a text does: it is blank.",
    "label-not-ascii": "A label held characters that the transport format has not: it was written in ASCII.",
    "label-cut": "A label was longer than 40 bytes: its first 40 are kept.",
}

_Told = Counter[tuple[str, str | None, str | None]]
_Column = tuple[Cell, ...]


class _Tell(Protocol):
    """Notes a change of one variable, as often as it was made."""

    def __call__(self, code: str, count: int = 1) -> None: ...


def prepared(package: Package) -> Package:
    """A package that all formats can hold.

    Done twice, it changes nothing the second time.

    Args:
        package: as built.

    Returns:
        The package with its changed datasets, codelists' terms as the cells have them, and a finding (warning) for each
        kind of change in each variable, with how often, after its own findings.
    """
    told: _Told = Counter()
    datasets = tuple(_dataset(one, told) for one in package.datasets)
    codelists = tuple(_codelist(one) for one in package.codelists)
    findings = tuple(
        Finding(code=code, text=PREPARING[code], domain=dataset, variable=variable, count=count)
        for (code, dataset, variable), count in sorted(told.items(), key=lambda item: tuple(map(str, item[0])))
    )
    return msgspec.structs.replace(
        package, datasets=datasets, codelists=codelists, findings=(*package.findings, *findings)
    )


def _dataset(dataset: Dataset, told: _Told) -> Dataset:
    columns: list[_Column] = []
    variables: list[Variable] = []
    changed = False
    for variable, column in zip(dataset.variables, dataset.columns(), strict=True):

        def tell(code: str, count: int = 1, name: str = variable.name) -> None:
            told[code, dataset.name, name] += count

        done, described = (_numbers if variable.numeric else _texts)(column, variable, tell)
        changed = changed or done is not column
        columns.append(done)
        variables.append(_described(described, tell))
    rows = dataset.rows
    if changed:
        rows = tuple(
            Row(cells=cells, key=row.key, sources=row.sources)
            for row, cells in zip(rows, zip(*columns, strict=True), strict=True)
        )
    label = _label(dataset.label, lambda code: told.update([(code, dataset.name, None)]))
    return msgspec.structs.replace(dataset, label=label, variables=tuple(variables), rows=rows)


def _texts(column: _Column, variable: Variable, tell: _Tell) -> tuple[_Column, Variable]:
    """The column and its variable; each different text is looked at once, and the column itself is given where none changes."""
    changed: dict[Cell, Cell] = {}
    longest = 0
    for cell, count in Counter(column).items():
        if cell is None:
            continue
        if not isinstance(cell, str):
            tell("wrong-kind-of-cell", count)
            changed[cell] = None
            continue
        text, changes = _text(cell)
        for code in changes:
            tell(code, count)
        if text is not None and len(text) > longest:
            longest = len(text)
        if text != cell:
            changed[cell] = text
    if longest > variable.length:
        if variable.type == "text":  # Define-XML declares no length of dates
            tell("text-widened")
        variable = msgspec.structs.replace(variable, length=longest)
    elif variable.length > LONGEST_TEXT:
        variable = msgspec.structs.replace(variable, length=LONGEST_TEXT)
    return tuple([changed.get(cell, cell) for cell in column]) if changed else column, variable


def _text(cell: str) -> tuple[str | None, tuple[str, ...]]:
    changes = []
    text = plain_text(cell)
    if text != cell.strip(" "):
        changes.append("text-not-ascii")
    if len(text) > LONGEST_TEXT:
        changes.append("text-cut")
        text = text[:LONGEST_TEXT].rstrip(" ")
    return text or None, tuple(changes)


def _numbers(column: _Column, variable: Variable, tell: _Tell) -> tuple[_Column, Variable]:
    """As for texts. Numbers are told apart as they are written: equal ones may differ (7.40, 7.4), and one way goes into files."""
    written = [str(cell) if isinstance(cell, Decimal) else None for cell in column]
    wrong = sum(cell is not None and shown is None for cell, shown in zip(column, written, strict=True))
    if wrong:
        tell("wrong-kind-of-cell", wrong)
    known: dict[str | None, Cell] = {None: None}
    whole, changed = True, bool(wrong)
    for shown, count in Counter(written).items():
        if shown is None:
            continue
        cell = Decimal(shown)
        number = known[shown] = exact_number(cell)
        changed = changed or str(number) != shown
        if number is None:
            tell("number-out-of-range", count)
        else:
            if number != cell:
                tell("number-rounded", count)
            whole = whole and number == number.to_integral_value() and abs(number) < _WHOLE
    if not whole and variable.type == "integer":
        tell("number-not-whole")
        variable = msgspec.structs.replace(variable, type="float")
    return tuple([known[shown] for shown in written]) if changed else column, variable


def _described(variable: Variable, tell: _Tell) -> Variable:
    values = tuple(
        msgspec.structs.replace(one, where={name: tuple(map(plain_text, wanted)) for name, wanted in one.where.items()})
        for one in (_capped(one) for one in variable.values)
    )
    return msgspec.structs.replace(variable, label=_label(variable.label, tell), values=values)


def _capped(value: ValueLevel) -> ValueLevel:
    return msgspec.structs.replace(value, length=min(value.length, LONGEST_TEXT))


def _label(label: str, tell: Callable[[str], None]) -> str:
    found = plain_text(label)
    if found != label.strip(" "):
        tell("label-not-ascii")
    if len(found) > LONGEST_LABEL:
        tell("label-cut")
        found = found[:LONGEST_LABEL].rstrip(" ")
    return found


def _codelist(codelist: Codelist) -> Codelist:
    """Its terms as the cells now have them; a decode stays as it is, Define-XML holds any character."""

    def term(one: CodelistTerm) -> CodelistTerm:
        value = plain_text(one.value)
        return one if value == one.value else msgspec.structs.replace(one, value=value)

    return msgspec.structs.replace(codelist, terms=tuple(map(term, codelist.terms)))
