"""In: a package as its documents and data give it. Out: the same in what all formats can hold, with a finding for each change.

The transport format is the narrowest: names of 8 characters, labels of 40 and texts of 200 bytes, ASCII, numbers as doubles. Its
writers cut silently, so everything is brought to that form here, once and told, and every format then holds the same cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

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
    columns: list[Sequence[Cell]] = []
    variables: list[Variable] = []
    for place, variable in enumerate(dataset.variables):

        def tell(code: str, name: str = variable.name) -> None:
            told[code, dataset.name, name] += 1

        column = [row.cells[place] for row in dataset.rows]
        done, changed = (_numbers if variable.numeric else _texts)(column, variable, tell)
        columns.append(done)
        variables.append(_described(changed, tell))
    rows: tuple[Row, ...] = tuple(
        row if cells == row.cells and _same_digits(cells, row.cells) else msgspec.structs.replace(row, cells=cells)
        for row, cells in zip(dataset.rows, zip(*columns, strict=True), strict=True)
    )
    label = _label(dataset.label, lambda code: told.update([(code, dataset.name, None)]))
    return msgspec.structs.replace(dataset, label=label, variables=tuple(variables), rows=rows)


def _same_digits(left: tuple[Cell, ...], right: tuple[Cell, ...]) -> bool:
    """Equal numbers may be written differently (7.40, 7.4): only one way goes into files."""
    return all(mine is yours or str(mine) == str(yours) for mine, yours in zip(left, right, strict=True))


def _texts(column: list[Cell], variable: Variable, tell: Callable[[str], None]) -> tuple[list[Cell], Variable]:
    known: dict[str, tuple[str | None, tuple[str, ...]]] = {}
    done: list[Cell] = []
    longest = 0
    for cell in column:
        if cell is None:
            done.append(None)
            continue
        if not isinstance(cell, str):
            tell("wrong-kind-of-cell")
            done.append(None)
            continue
        found = known.get(cell)
        if found is None:
            found = known[cell] = _text(cell)
        text, changes = found
        for code in changes:
            tell(code)
        if text is not None and len(text) > longest:
            longest = len(text)
        done.append(text)
    if longest > variable.length:
        if variable.type == "text":  # Define-XML declares no length of dates
            tell("text-widened")
        variable = msgspec.structs.replace(variable, length=longest)
    elif variable.length > LONGEST_TEXT:
        variable = msgspec.structs.replace(variable, length=LONGEST_TEXT)
    return done, variable


def _text(cell: str) -> tuple[str | None, tuple[str, ...]]:
    changes = []
    text = plain_text(cell)
    if text != cell.strip(" "):
        changes.append("text-not-ascii")
    if len(text) > LONGEST_TEXT:
        changes.append("text-cut")
        text = text[:LONGEST_TEXT].rstrip(" ")
    return text or None, tuple(changes)


def _numbers(column: list[Cell], variable: Variable, tell: Callable[[str], None]) -> tuple[list[Cell], Variable]:
    done: list[Cell] = []
    whole = True
    for cell in column:
        if cell is None:
            done.append(None)
            continue
        if not isinstance(cell, Decimal):
            tell("wrong-kind-of-cell")
            done.append(None)
            continue
        number = exact_number(cell)
        if number is None:
            tell("number-out-of-range")
        else:
            if number != cell:
                tell("number-rounded")
            whole = whole and number == number.to_integral_value() and abs(number) < _WHOLE
        done.append(number)
    if not whole and variable.type == "integer":
        tell("number-not-whole")
        variable = msgspec.structs.replace(variable, type="float")
    return done, variable


def _described(variable: Variable, tell: Callable[[str], None]) -> Variable:
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
