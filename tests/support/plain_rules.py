"""In: packages, and what the feed says. Out: where they break a rule that needs more than one record to be seen.

Nothing in silence; RECIST 1.1; what of a shifted or a cut package may differ.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, Final

from tests.support.plain_feed import PlainSubject
from tests.support.plain_package import Made, Row

__all__ = ["epoch_contradictions", "recist_contradictions", "silent", "without_numbers", "years_about"]

#: Findings each of which counts resources that no record tells of, under the type that they are of.
_LEFT_OUT: Final = {"resource-left-out", "without-record", "after-withdrawal", "type-not-exported"}


def silent(package: Made, subjects: list[PlainSubject]) -> dict[str, int]:
    """By type: how many resources of the package's subjects no record tells of, minus those that a finding counts."""
    left: Counter[str] = Counter()
    for subject in subjects:
        for type_, resources in subject.resources.items():
            left[type_] += sum((type_, one["id"]) not in package.records_of for one in resources)
    for finding in package.findings:
        if finding["code"] in _LEFT_OUT:
            left[finding["domain"]] -= finding["count"]
    return {type_: number for type_, number in left.items() if number}


def recist_contradictions(package: Made) -> tuple[int, list[Any]]:
    """How many responses were compared, and those that RECIST 1.1 would not give.

    A response is against the assessment before the randomisation, the first one that has any, and against the least sum since.
    """
    sums = {
        (r["USUBJID"], r["TRLNKGRP"]): Decimal(r["TRORRES"]) for r in package.rows("TR") if r["TRTESTCD"] == "SUMDIAM"
    }
    answers: dict[tuple[str, str], dict[str, str]] = {}
    when: dict[tuple[str, str], str] = {}
    for row in package.rows("RS"):
        if row["RSCAT"] == "RECIST 1.1" and row["RSLNKGRP"] is not None:
            key = row["USUBJID"], row["RSLNKGRP"]
            answers.setdefault(key, {})[row["RSTESTCD"]] = row["RSORRES"]
            when[key] = min(when.get(key, "9999"), row["RSDTC"])
    wrong, checked, seen = [], 0, dict[str, list[Decimal]]()
    for key in sorted(answers, key=lambda one: (one[0], when[one])):
        told, sum_, before = answers[key], sums.get(key), seen.setdefault(key[0], [])
        if "TRGRESP" in told and before:
            checked += 1
            wrong += [(key, told)] if told["TRGRESP"] != _target_response(sum_, before) else []
            worst = "PD" in (told["TRGRESP"], told["NTRGRESP"])
            wrong += [(key, told)] if worst and told["OVRLRESP"] != "PD" else []
        if sum_ is not None and "TRGRESP" in told:
            before.append(sum_)
    return checked, wrong


def epoch_contradictions(package: Made) -> tuple[int, list[Any]]:
    """How many records were compared, and those whose EPOCH is not that of the element (SE) in which their day lies."""
    elements: dict[str, list[Row]] = {}
    for row in package.rows("SE"):
        elements.setdefault(row["USUBJID"], []).append(row)
    checked, wrong = 0, []
    for domain in package.domains:
        for row in package.rows(domain):
            when = row.get(f"{domain}STDTC") or row.get(f"{domain}DTC")
            if domain == "SE" or "EPOCH" not in row or when is None or len(when) < len("2025-06-01"):
                continue
            begun = [one for one in elements[row["USUBJID"]] if one["SESTDTC"] <= when[:10]]
            within = begun and (begun[-1]["SEENDTC"] is None or when[:10] <= begun[-1]["SEENDTC"])
            checked += 1
            if row["EPOCH"] != (begun[-1]["EPOCH"] if within else None):
                wrong.append((domain, row["USUBJID"], when, row["EPOCH"]))
    return checked, wrong


def _target_response(sum_: Decimal | None, before: list[Decimal]) -> str:
    if sum_ is None:
        return "NE"
    least = min(before)
    if sum_ >= least * Decimal("1.2") and sum_ - least >= 5:
        return "PD"
    return "CR" if sum_ == 0 else "PR" if sum_ <= before[0] * Decimal("0.7") else "SD"


def years_about(partial: str | None) -> list[str]:
    """What may be told of a month or a year that was moved by half a year at most."""
    return [] if partial is None else [str(int(partial[:4]) + apart) for apart in (-1, 0, 1)]


def without_numbers(package: Made, domain: str) -> list[tuple[Any, ...]]:
    """Records but for their numbers, which another store gives in another order."""
    return [
        tuple((name, cell) for name, cell in row.items() if name != "IDVARVAL" and not name.endswith("SEQ"))
        for row in package.rows(domain)
    ]
