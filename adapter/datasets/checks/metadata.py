"""In: a package. Out: what is wrong with its names, labels, lengths and cells as the formats have to hold them."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from itertools import product

from adapter.datasets.checks.telling import Checking
from adapter.datasets.formats import exact_number
from adapter.datasets.model import Cell, Codelist, Dataset, Package, Variable

__all__ = ["check_cells", "check_metadata"]

_NAME = re.compile(r"[A-Z][A-Z0-9]{0,7}")
_LABEL, _TEXT = 40, 200
#: Classes whose records are numbered for each subject.
_NUMBERED = frozenset({"FINDINGS", "EVENTS", "INTERVENTIONS"})


def check_metadata(package: Package, checking: Checking) -> None:
    """Names, labels, lengths, keys, codelists, value levels and the variables that each kind of dataset must have."""
    known = {one.id for one in package.codelists}
    for name, count in Counter(one.name for one in package.datasets).items():
        if count > 1:
            checking.tell("name-twice", name)
    for dataset in package.datasets:
        _dataset(dataset, checking)
        for variable in dataset.variables:
            _variable(dataset, variable, known, checking)


def _dataset(dataset: Dataset, checking: Checking) -> None:
    if not _NAME.fullmatch(dataset.name):
        checking.tell("name-invalid", dataset.name)
    if not _good_label(dataset.label):
        checking.tell("label-invalid", dataset.name)
    if not dataset.rows:
        checking.tell("dataset-empty", dataset.name)
    names = Counter(one.name for one in dataset.variables)
    for name, count in names.items():
        if count > 1:
            checking.tell("name-twice", dataset.name, name)
    for name in _wanted(dataset):
        if name not in names:
            checking.tell("variable-missing", dataset.name, name)
    for name in dataset.keys:
        if name not in names:
            checking.tell("key-unknown", dataset.name, name)


def _wanted(dataset: Dataset) -> tuple[str, ...]:
    """The identifiers that every dataset of its kind has (SDTMIG 3.4, section 4.1)."""
    if dataset.class_ == "RELATIONSHIP":
        return ("STUDYID", "RDOMAIN", "USUBJID")
    found = ("STUDYID", "DOMAIN") if dataset.reference else ("STUDYID", "DOMAIN", "USUBJID")
    return (*found, f"{dataset.domain}SEQ") if dataset.class_ in _NUMBERED else found


def _variable(dataset: Dataset, variable: Variable, known: set[str], checking: Checking) -> None:
    if not _NAME.fullmatch(variable.name):
        checking.tell("name-invalid", dataset.name, variable.name)
    if not _good_label(variable.label):
        checking.tell("label-invalid", dataset.name, variable.name)
    if not 1 <= variable.length <= _TEXT:
        checking.tell("length-invalid", dataset.name, variable.name)
    for codelist in {variable.codelist, *(value.codelist for value in variable.values)}:
        if codelist is not None and codelist not in known:
            checking.tell("codelist-unknown", dataset.name, variable.name)
    names = {one.name for one in dataset.variables}
    for value in variable.values:
        if not names.issuperset(value.where):
            checking.tell("value-level-unknown", dataset.name, variable.name)


def _good_label(label: str) -> bool:
    return label.isascii() and label.isprintable() and label == label.strip() and 1 <= len(label) <= _LABEL


def check_cells(package: Package, checking: Checking) -> None:
    """Cells: of their variable's kind, writable, and in their codelist."""
    codelists = {one.id: one for one in package.codelists}
    for dataset in package.datasets:
        width = len(dataset.variables)
        for row in dataset.rows:
            if len(row.cells) != width:
                checking.tell("cells-miscounted", dataset.name)
            elif all(cell is None for cell in row.cells):
                checking.tell("record-empty", dataset.name)
        if any(len(row.cells) != width for row in dataset.rows):
            continue
        columns = dataset.columns()
        for variable, cells in zip(dataset.variables, columns, strict=True):
            counts = Counter(cells)
            counts.pop(None, None)
            for cell in counts:
                code = _unwritable(cell, variable)
                if code:
                    checking.tell(code, dataset.name, variable.name)
            if variable.codelist in codelists:
                _outside(codelists[variable.codelist], counts, (dataset.name, variable.name), checking)
        _value_levels(dataset, columns, codelists, checking)


def _unwritable(cell: Cell, variable: Variable) -> str | None:
    if isinstance(cell, Decimal) is not variable.numeric:
        return "cell-not-of-its-kind"
    if isinstance(cell, Decimal):
        whole = variable.type != "integer" or (exact_number(cell) or cell) == cell.to_integral_value()
        return None if exact_number(cell) == cell and whole else "number-not-writable"
    text = str(cell)
    good = (
        text.isascii()
        and text.isprintable()
        and text == text.strip(" ")
        and 1 <= len(text) <= min(variable.length, _TEXT)
    )
    return None if good else "text-not-writable"


def _value_levels(
    dataset: Dataset, columns: list[tuple[Cell, ...]], codelists: dict[str, Codelist], checking: Checking
) -> None:
    names = {one.name: number for number, one in enumerate(dataset.variables)}
    # The records by what they hold in the variables of a condition: gone through once for all conditions on these.
    groups: dict[tuple[str, ...], dict[tuple[Cell, ...], list[int]]] = {}
    for variable, cells in zip(dataset.variables, columns, strict=True):
        for value in variable.values:
            if value.codelist not in codelists or not names.keys() >= value.where.keys():
                continue
            told_by = tuple(value.where)
            if told_by not in groups:
                group = groups[told_by] = {}
                places = [names[name] for name in told_by]
                for at, row in enumerate(dataset.rows):
                    group.setdefault(tuple([row.cells[place] for place in places]), []).append(at)
            wanted = product(*map(dict.fromkeys, value.where.values()))
            counts = Counter(cells[at] for held in wanted for at in groups[told_by].get(held, ()))
            counts.pop(None, None)
            _outside(codelists[value.codelist], counts, (dataset.name, variable.name), checking)


def _outside(codelist: Codelist, counts: Counter[Cell], where: tuple[str, str], checking: Checking) -> None:
    allowed = {term.value for term in codelist.terms}
    code = "term-beyond-codelist" if codelist.extensible else "term-not-in-codelist"
    for cell, count in counts.items():
        if str(cell) not in allowed:
            for _ in range(count):
                checking.tell(code, *where, value=str(cell))
