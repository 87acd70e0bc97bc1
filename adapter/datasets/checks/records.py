"""In: a package. Out: what is wrong with its records one by one: keys, sequence numbers, identifiers, required cells, ISO 8601."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise

from adapter.datasets.checks.telling import Checking, column
from adapter.datasets.formats import sort_key
from adapter.datasets.model import Cell, Dataset, Package

__all__ = ["check_records"]

_DAY = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])"
_TIME = r"(T([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?)?"
#: A date as SDTM writes it: as precise as it is known (SDTMIG 4.4.2).
_DATE = re.compile(rf"{_DAY}{_TIME})?)?")
#: A single hyphen stands for a part that is not known before one that is (SDTMIG 4.4.2): ``2003---15``, ``--12-15``.
_GAPPED = re.compile(
    r"(\d{4}|-)-(0[1-9]|1[0-2]|-)-(0[1-9]|[12]\d|3[01]|-)(T([01]\d|2[0-3]|-)(:([0-5]\d|-)(:[0-5]\d)?)?)?"
)
_DURATION = re.compile(r"-?P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+(\.\d+)?D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)")
_DATES = frozenset({"date", "datetime", "partialDatetime"})
_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def check_records(package: Package, checking: Checking) -> None:
    """Keys unique and sorted, sequence numbers, identifiers, required variables, ISO 8601."""
    for dataset in package.datasets:
        _keys(dataset, checking)
        _sequence(dataset, checking)
        _identifiers(package, dataset, checking)
        columns = dataset.columns()
        subjects = column(dataset, "USUBJID") or [None] * len(dataset.rows)
        for variable, cells in zip(dataset.variables, columns, strict=True):
            # A relation of whole datasets has no subject (SDTMIG 8.3.1).
            if variable.core == "Req" and not (dataset.name == "RELREC" and variable.name == "USUBJID"):
                _told_of(None, cells, subjects, ("required-blank", dataset.name, variable.name), checking)
            if variable.type in _DATES or variable.type == "durationDatetime":
                good = _is_duration if variable.type == "durationDatetime" else is_date
                for cell in dict.fromkeys(cells):
                    if isinstance(cell, str) and not good(cell):
                        _told_of(cell, cells, subjects, ("date-invalid", dataset.name, variable.name), checking)


def _told_of(
    wrong: Cell, cells: tuple[Cell, ...], subjects: list[Cell], what: tuple[str, str, str], checking: Checking
) -> None:
    """Tell of each cell that is the wrong one, with its subject."""
    if wrong in cells:
        for cell, subject in zip(cells, subjects, strict=True):
            if cell == wrong:
                checking.tell(*what, subject=subject)


def is_date(text: str) -> bool:
    """A date or time of SDTM, as precise as it is known.

    >>> [is_date(one) for one in ("2024", "2024-02", "2024-02-29T08:30", "2024--15", "2024-13", "2024-02-30", "12/03/2024")]
    [True, True, True, False, False, False, False]
    >>> is_date("2024---15"), is_date("2024-02-01/2024-02-03")
    (True, True)
    """
    first, slash, last = text.partition("/")
    if slash:
        return is_date(first) and is_date(last)
    if not _DATE.fullmatch(text):
        return bool(_GAPPED.fullmatch(text)) and "-" in {text[4:6], text[:1], text[5:6]}
    if len(text) < len("2024-01-01"):
        return True
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _MONTHS[month - 1] - (month == 2 and not leap)


def _is_duration(text: str) -> bool:
    return bool(_DURATION.fullmatch(text))


def _keys(dataset: Dataset, checking: Checking) -> None:
    names = [one.name for one in dataset.variables]
    if not set(dataset.keys) <= set(names):
        return
    places = tuple(map(names.index, dataset.keys))
    keys = [sort_key(row.cells, places) for row in dataset.rows]
    subject = names.index("USUBJID") if "USUBJID" in names else None

    def tell(code: str, at: int) -> None:
        checking.tell(code, dataset.name, subject=dataset.rows[at].cells[subject] if subject is not None else None)

    try:
        for at, (before, key) in enumerate(pairwise(keys), start=1):
            if key < before:
                tell("keys-not-sorted", at)
    except TypeError:  # a text beside a number is told as a cell that is not of its kind
        return
    if len(set(keys)) < len(keys):
        seen = set()
        for at, key in enumerate(keys):
            if key in seen:
                tell("keys-not-unique", at)
            seen.add(key)


def _sequence(dataset: Dataset, checking: Checking) -> None:
    name = f"{dataset.domain}SEQ"
    numbers = column(dataset, name)
    if numbers is None:
        return
    # Trial summary parameters are numbered each by itself (SDTMIG 7.4, TSSEQ).
    subjects = column(dataset, "USUBJID") or column(dataset, "TSPARMCD") or [None] * len(numbers)
    seen: set[tuple[Cell, Cell]] = set()
    for subject, number in zip(subjects, numbers, strict=True):
        if not isinstance(number, Decimal) or number <= 0 or number != number.to_integral_value():
            checking.tell("sequence-invalid", dataset.name, name, subject=None if dataset.reference else subject)
        elif (subject, number) in seen:
            checking.tell("sequence-not-unique", dataset.name, name, subject=None if dataset.reference else subject)
        seen.add((subject, number))


def _identifiers(package: Package, dataset: Dataset, checking: Checking) -> None:
    for name, wanted in (("STUDYID", package.study.id), ("DOMAIN", dataset.domain)):
        for cell in column(dataset, name) or ():
            if cell is not None and cell != wanted:
                checking.tell("identifier-differs", dataset.name, name)
