"""In: a package. Out: what is wrong with its findings' results: the number beside the text, two baselines of one test."""

from __future__ import annotations

import re
from decimal import Decimal

from adapter.datasets.checks.telling import Checking, column
from adapter.datasets.model import Cell, Dataset, Package

__all__ = ["check_results"]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_FLAGS = ("BLFL", "LOBXFL")
#: What tells tests of one code apart (SDTMIG 4.5): a lesion's diameter is not that of another lesion.
_QUALIFIERS = ("TESTCD", "CAT", "SCAT", "SPEC", "METHOD", "LOC", "LAT", "POS", "EVAL", "EVALID", "LNKID")


def check_results(package: Package, checking: Checking) -> None:
    """``--STRESN`` against ``--STRESC``; ``--BLFL`` and ``--LOBXFL`` once a test and subject."""
    for dataset in package.datasets:
        subjects = column(dataset, "USUBJID") or [None] * len(dataset.rows)
        _numbers(dataset, subjects, checking)
        for flag in _FLAGS:
            _baselines(dataset, f"{dataset.domain}{flag}", subjects, checking)


def _numbers(dataset: Dataset, subjects: list[Cell], checking: Checking) -> None:
    name = f"{dataset.domain}STRESN"
    numbers, texts = column(dataset, name), column(dataset, f"{dataset.domain}STRESC")
    if numbers is None or texts is None:
        return
    for subject, number, text in zip(subjects, numbers, texts, strict=True):
        wanted = Decimal(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None
        if number != wanted:
            checking.tell("result-differs", dataset.name, name, subject=subject)


def _baselines(dataset: Dataset, flag: str, subjects: list[Cell], checking: Checking) -> None:
    flags = column(dataset, flag)
    if flags is None:
        return
    told_by = [column(dataset, f"{dataset.domain}{one}") or [None] * len(dataset.rows) for one in _QUALIFIERS]
    seen: set[tuple[Cell, ...]] = set()
    for subject, said, *test in zip(subjects, flags, *told_by, strict=True):
        if said is None:
            continue
        if (subject, *test) in seen:
            checking.tell("baseline-twice", dataset.name, flag, subject=subject)
        seen.add((subject, *test))
