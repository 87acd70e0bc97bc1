"""In: verdicts of `reluth screen --all --json`, and truth.ndjson. Out: every difference, a sentence each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["compare", "read_truth"]


def read_truth(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of truth.ndjson."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def compare(
    verdicts: Iterable[Mapping[str, Any]], truth: Iterable[Mapping[str, Any]], *, stage: str = "registration"
) -> list[str]:
    """Differences in patients, and in the truth of every criterion that the truth names.

    Args:
        verdicts: objects of the contract, of one site.
        truth: objects of truth.ndjson.
        stage: the stage the verdicts are of.
    """
    found: dict[str, dict[str, str]] = {}
    differences = []
    for verdict in verdicts:
        if verdict["patient"] in found:
            differences.append(f"{verdict['patient']}: screened twice")
        found[verdict["patient"]] = {criterion["id"]: criterion["truth"] for criterion in verdict["criteria"]}
    for line in truth:
        patient = line["patient"]
        criteria = found.pop(patient, None)
        if criteria is None:
            differences.append(f"{patient}: not screened")
            continue
        for criterion, expected in line[stage].items():
            got = criteria.get(criterion)
            if got != expected:
                differences.append(f"{patient} {criterion}: truth {expected}, screened {got}")
    differences += [f"{patient}: screened, and not in the truth" for patient in found]
    return differences
