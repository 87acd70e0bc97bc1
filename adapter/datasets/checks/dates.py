"""In: a package. Out: what is wrong with its dates among each other: order, birth, consent, death, study days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from adapter.datasets.checks.telling import Checking, column
from adapter.datasets.model import Cell, Dataset, Package

__all__ = ["check_dates"]

#: What happens by the trial, hence after consent; the rest of a record may be older.
_AFTER_CONSENT = frozenset({"AE", "EC", "EX"})
#: What happens to a living subject.
_BEFORE_DEATH = frozenset({"EC", "EX", "SV"})
_DAY = len("2024-01-01")


class _Subject(NamedTuple):
    """What DM says of one."""

    reference: str | None
    birth: str | None
    consent: str | None
    death: str | None


def check_dates(package: Package, checking: Checking) -> None:
    """Starts before ends; nothing before birth, no treatment before consent or after death; study days."""
    subjects = _subjects(package)
    for dataset in package.datasets:
        names = [one.name for one in dataset.variables]
        whose = column(dataset, "USUBJID") or [None] * len(dataset.rows)
        for start, end in _pairs(names):
            starts, ends = column(dataset, start) or [], column(dataset, end) or []
            for subject, first, last in zip(whose, starts, ends, strict=True):
                if before(last, first):
                    checking.tell("end-before-start", dataset.name, end, subject=subject)
        for name in (one for one in names if one.endswith("DTC") and one not in ("BRTHDTC", "DTHDTC")):
            for subject, cell in zip(whose, column(dataset, name) or [], strict=True):
                known = subjects.get(subject)
                if known is not None and cell is not None:
                    _against(dataset, name, (subject, cell), known, checking)
        _study_days(dataset, names, whose, subjects, checking)


def before(left: Cell, right: Cell) -> bool:
    """A date lies before another one for certain: they are compared as precisely as both are known.

    >>> before("2024-02", "2024-02-10"), before("2024-01", "2024-02-10"), before("2024-02-10T08:00", "2024-02-10T09")
    (False, True, True)
    """
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    first, second = left.partition("/")[0], right.partition("/")[0]
    if "--" in first or "--" in second:  # a part is not known before one that is: no order
        return False
    length = min(len(first), len(second))
    return first[:length] < second[:length]


def _pairs(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if name.endswith("STDTC"):
            end = f"{name.removesuffix('STDTC')}ENDTC"
            if end in names:
                yield name, end
    if "RFICDTC" in names and "RFPENDTC" in names:
        yield "RFICDTC", "RFPENDTC"


def _subjects(package: Package) -> dict[Cell, _Subject]:
    found: dict[Cell, _Subject] = {}
    for dataset in package.datasets:
        if dataset.name == "DM":
            columns = [
                column(dataset, name) or [None] * len(dataset.rows)
                for name in ("USUBJID", "RFSTDTC", "BRTHDTC", "RFICDTC", "DTHDTC")
            ]
            for subject, *facts in zip(*columns, strict=True):
                found[subject] = _Subject(*(one if isinstance(one, str) else None for one in facts))
    return found


def _against(dataset: Dataset, name: str, cell: tuple[Cell, Cell], known: _Subject, checking: Checking) -> None:
    subject, day = cell
    if before(day, known.birth):
        checking.tell("date-before-birth", dataset.name, name, subject=subject)
    if dataset.name in _AFTER_CONSENT and before(day, known.consent):
        checking.tell("date-before-consent", dataset.name, name, subject=subject)
    if dataset.name in _BEFORE_DEATH and before(known.death, day):
        checking.tell("date-after-death", dataset.name, name, subject=subject)


def _study_days(
    dataset: Dataset, names: list[str], whose: list[Cell], subjects: dict[Cell, _Subject], checking: Checking
) -> None:
    for name in names:
        dates = f"{name.removesuffix('DY')}DTC"
        if not name.endswith("DY") or dates not in names:
            continue
        for subject, day, number in zip(whose, column(dataset, dates) or [], column(dataset, name) or [], strict=True):
            known = subjects.get(subject)
            wanted = _study_day(day, known.reference if known else None)
            if number is None and wanted is not None:
                checking.tell("study-day-missing", dataset.name, name, subject=subject)
            elif number != (None if wanted is None else Decimal(wanted)) and number is not None:
                checking.tell("study-day-differs", dataset.name, name, subject=subject)


def _study_day(day: Cell, reference: str | None) -> int | None:
    """SDTMIG 4.4.4: the reference start date is day 1, the day before it is day -1, there is no day 0."""
    if not isinstance(day, str) or reference is None:
        return None
    try:
        days = (date.fromisoformat(day[:_DAY]) - date.fromisoformat(reference[:_DAY])).days
    except ValueError:
        return None
    return days + 1 if days >= 0 else days
