"""In: a centre's feed, options of `reluth export`. Out: the SDTM package that the command line makes of it, its records and findings.

Records are read from Parquet by pyarrow alone; what they should be is told by ``plain_records`` and ``plain_findings``.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.cli import reluth
from tests.support.plain_feed import plain_number

__all__ = ["SHOWN", "Made", "Row", "assert_same", "cells", "export", "pull", "with_rare_cases"]

#: Of the differences so many are shown.
SHOWN = 6
Row = dict[str, Any]


@dataclass
class Made:
    """A package, and the store that it was made from."""

    store: Path
    folder: Path

    def rows(self, domain: str) -> list[Row]:
        """Records, numbers as their shortest decimal text."""
        path = self.folder / f"sdtm/parquet/{domain.lower()}.parquet"
        table = pq.read_table(path) if path.exists() else None
        return [{name: _plain(cell) for name, cell in row.items()} for row in (table.to_pylist() if table else ())]

    @property
    def domains(self) -> list[str]:
        return sorted(path.stem.upper() for path in self.folder.glob("sdtm/parquet/*.parquet"))

    @cached_property
    def subjects(self) -> dict[str, Row]:
        """DM by subject."""
        return {row["USUBJID"]: row for row in self.rows("DM")}

    @cached_property
    def findings(self) -> list[Row]:
        """Of ``findings.csv``."""
        with (self.folder / "findings.csv").open(encoding="utf-8", newline="") as file:
            return [{**row, "count": int(row["count"])} for row in csv.DictReader(file)]

    @cached_property
    def records_of(self) -> dict[tuple[str, str], set[str]]:
        """The datasets in which each of the hospital's resources is told of, by type and id."""
        kept = self.store / "datasets/trace"
        package = (kept / "latest-nct04954820").read_text()
        named: dict[str, list[tuple[str, str]]] = {}
        for row in pq.read_table(kept / f"{package}.resources.parquet").to_pylist():
            named.setdefault(row["key"], []).append((row["type"], row["id"]))
        found: dict[tuple[str, str], set[str]] = {}
        for row in pq.read_table(self.folder / "trace.parquet").to_pylist():
            for resource in named[row["resource"]]:
                found.setdefault(resource, set()).add(row["dataset"])
        return found


def _plain(cell: Any) -> Any:
    return plain_number(Decimal(repr(cell))) if isinstance(cell, float) else cell


def export(store: Path, folder: Path, *options: str) -> Made:
    """The package of a store."""
    ran = reluth("--store", store, "export", folder, "--format", "sdtm", *options)
    assert ran.code == 0, ran.err
    return Made(store, folder)


def pull(store: Path, feed: Path) -> None:
    """Bring a feed into a store, and screen it."""
    for arguments in (("pull", "--from", feed, "--site", "icm"), ("screen", "--quiet")):
        ran = reluth("--store", store, *arguments)
        assert ran.code == 0, ran.err


def assert_same(expected: Iterable[tuple[Any, ...]], found: Iterable[tuple[Any, ...]]) -> None:
    """Equal, whatever the order; the differences otherwise."""
    wanted, there = Counter(expected), Counter(found)
    assert wanted, "nothing is expected: the check says nothing"
    lacking, surplus = (sorted(each.elements(), key=str) for each in (wanted - there, there - wanted))
    assert not lacking and not surplus, (
        f"{len(lacking)} lack, {len(surplus)} are too many: {lacking[:SHOWN]} / {surplus[:SHOWN]}"
    )


def cells(rows: Iterable[Row], names: str) -> Iterator[tuple[Any, ...]]:
    """Some variables of records, their names apart by a space."""
    return (tuple(row[name] for name in names.split()) for row in rows)


def with_rare_cases(feed: Path) -> None:
    """Give a simulated feed what it lacks.

    Times of another zone near midnight, an infusion of the trial that was not done, an adverse event before the consent.
    """
    path = feed / "Observation.ndjson"
    told = re.compile(r'"effectiveDateTime":"(\d{4}-\d\d-\d\d)T08:00:00[+]0[12]:00"')
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[::40] = [told.sub(r'"effectiveDateTime":"\1T22:45:30Z"', line) for line in lines[::40]]
    path.write_text("".join(lines), encoding="utf-8")
    last = "p000058-inf-"
    ids = [one["id"] for one in _lines(feed / "MedicationAdministration.ndjson") if one["id"].startswith(last)]
    _edit(feed / "MedicationAdministration.ndjson", max(ids, key=lambda id_: int(id_.rpartition("-")[2])), _not_done)
    first = next(one["id"] for one in _lines(feed / "AdverseEvent.ndjson") if one["id"].startswith("p000036"))
    _edit(feed / "AdverseEvent.ndjson", first, _before_consent)


def _lines(path: Path) -> Iterator[Row]:
    return (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _edit(path: Path, id_: str, change: Callable[[Row], None]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    (place,) = (at for at, line in enumerate(lines) if json.loads(line)["id"] == id_)
    one = json.loads(lines[place])
    change(one)
    lines[place] = json.dumps(one, ensure_ascii=False)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _not_done(one: Row) -> None:
    one["status"] = "not-done"
    one.pop("dosage", None)
    one["statusReason"] = [{"coding": [{"system": "urn:reluth:terms", "code": "reason-platelets-low"}]}]


def _before_consent(one: Row) -> None:
    one["date"] = one["recordedDate"] = "2020-03-02"
    for extension in one["extension"]:
        if "valuePeriod" in extension:
            extension["valuePeriod"] = {"start": "2020-03-02", "end": "2020-03-09"}
