"""In: packages with domains, of several sites. Out: one package of all their subjects, with the trace of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapter.datasets.anonymity import k_anonymity
from adapter.datasets.checks import check
from adapter.datasets.export import Exported, counts_of, guide_notes, write_json, write_package
from adapter.datasets.formats import (
    MANIFEST,
    manifest_problems,
    merged,
    prepared,
    read_package,
    sha256_of,
    write_findings,
    write_manifest,
)
from adapter.datasets.model import Dataset, Package
from adapter.datasets.replacing import replacing
from adapter.datasets.tracing import TRACE
from adapter.errors import UsageError
from adapter.observe import product
from adapter.store import writing

__all__ = ["merge"]

#: What must be equal of the ways in which packages were made: else one holds what another was not to.
_EQUAL = ("trial", "as_of", "shift_dates")
_SEXES = {"M": "male", "F": "female"}


def merge(folder: Path, packages: Sequence[Path]) -> Exported:
    """One package of several sites' packages with domains.

    Args:
        folder: for the package; a package that is there is replaced when the new one is whole.
        packages: folders, each of other subjects of the same trial.

    Raises:
        UsageError: one is no package or is not as its manifest says, two hold the same subject, or their trial, data cut or trial
            design differ.
        BusyError: another export writes to the folder.
        StorageError: there is no room.
    """
    names = [path.name for path in packages]
    if len(packages) < 2 or len(set(names)) < len(names):
        raise UsageError("--merge takes two packages or more, in folders of different names")
    told = {path.name: _told(path) for path in packages}
    _refuse_unequal(told)
    package = prepared(merged({path.name: read_package(path / "sdtm") for path in packages}))
    findings = (*package.findings, *check(package))
    left_out: Counter[str] = Counter()
    for facts in told.values():
        left_out.update(facts.get("left_out", {}))
    people = _people(package)
    first = told[names[0]]
    facts = {
        "made_by": product(),
        "trial": first.get("trial"),
        "format": "sdtm",
        "merged": {name: sha256_of(path / MANIFEST) for name, path in zip(names, packages, strict=True)},
        "sites": sorted({site for facts in told.values() for site in facts.get("sites") or ()}),
        "as_of": first.get("as_of"),
        "shift_dates": first.get("shift_dates"),
        "standard": package.standard,
        "subjects": len(people),
        "left_out": dict(sorted(left_out.items())),
        "records": counts_of(package),
        "findings": dict(sorted(_codes(findings).items())),
    }
    with replacing(folder) as part, writing(folder.name):
        notes = guide_notes(left_out=left_out, options={"Merged from": ", ".join(names)})
        created = date.fromisoformat(first["as_of"]) if first.get("as_of") else None
        write_package(part, package, findings, created=created, notes=notes)
        pq.write_table(
            pa.concat_tables([pq.read_table(path / TRACE) for path in packages]), part / TRACE, compression="zstd"
        )
        write_findings(findings, part / "findings.csv")
        write_json(part / "k-anonymity.json", k_anonymity(people))
        manifest = write_manifest(part, facts)
        return Exported(
            id=sha256_of(manifest),
            subjects=len(people),
            left_out=dict(sorted(left_out.items())),
            records=counts_of(package),
            findings=findings,
        )


def _told(folder: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        raise UsageError(f"{folder}: no package there (no {MANIFEST} that can be read)") from None
    if found.get("format") != "sdtm":
        raise UsageError(f"{folder}: --merge takes packages with domains (--format sdtm)")
    problems = manifest_problems(folder)
    if problems:
        raise UsageError(f"{folder}: it is not as it was made: {problems[0]}")
    return found


def _refuse_unequal(told: Mapping[str, Mapping[str, Any]]) -> None:
    (first_name, first), *others = told.items()
    for name, facts in others:
        for what in _EQUAL:
            if facts.get(what) != first.get(what):
                raise UsageError(f"{first_name} and {name} cannot be merged: they differ in their {what}")


def _people(package: Package) -> list[tuple[str, str, int | None]]:
    """Number of the site, sex and age of each subject."""
    found = []
    for dataset in package.datasets:
        if dataset.name == "DM":
            for row in dataset.rows:
                site, sex, age = (_cell(dataset, row.cells, name) for name in ("SITEID", "SEX", "AGE"))
                found.append((str(site), _SEXES.get(str(sex), "unknown"), None if age is None else int(age)))
    return found


def _cell(dataset: Dataset, cells: Sequence[Any], name: str) -> Any:
    return cells[dataset.at(name)]


def _codes(findings: Sequence[Any]) -> Counter[str]:
    codes: Counter[str] = Counter()
    for finding in findings:
        codes[finding.code] += finding.count
    return codes
