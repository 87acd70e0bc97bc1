"""In: packages of several sites, of one format. Out: one package of all their subjects, with the trace of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapter.datasets.checks import check
from adapter.datasets.formats import (
    MANIFEST,
    finding_order,
    manifest_problems,
    merged,
    prepared,
    read_findings,
    read_package,
    sha256_of,
    write_findings,
    write_manifest,
)
from adapter.datasets.model import Dataset, Finding, Package
from adapter.datasets.package.export import Exported, counts_of, guide_notes, write_json, write_package
from adapter.datasets.package.joining import Joined, Person, join_feeds, join_views
from adapter.datasets.package.replacing import replacing
from adapter.datasets.package.tracing import TRACE
from adapter.datasets.staging.anonymity import k_anonymity
from adapter.errors import UsageError
from adapter.observe import product
from adapter.store import writing

__all__ = ["merge"]

#: What must be equal of the ways in which packages were made: else one holds what another was not to.
_EQUAL = ("format", "trial", "as_of", "shift_dates")
_SEXES = {"M": "male", "F": "female"}


def merge(folder: Path, packages: Sequence[Path]) -> Exported:
    """One package of several sites' packages of one format.

    Args:
        folder: for the package; a package that is there is replaced when the new one is whole.
        packages: folders, each of other subjects of the same trial; in whatever order, the same package comes of them.

    Raises:
        UsageError: one is no package or is not as its manifest says, two hold the same subject, or their format, trial, data cut,
            trial design or columns differ.
        BusyError: another export writes to the folder.
        StorageError: there is no room.
    """
    names = [path.name for path in packages]
    if len(packages) < 2 or len(set(names)) < len(names):
        raise UsageError("--merge takes two packages or more, in folders of different names")
    told = {path.name: _told(path) for path in packages}
    _refuse_unequal(told)
    of_sites = sorted(packages, key=lambda path: (told[path.name].get("sites") or [], sha256_of(path / MANIFEST)))
    first = told[of_sites[0].name]
    left_out: Counter[str] = Counter()
    for one in told.values():
        left_out.update(one.get("left_out", {}))
    with replacing(folder) as part, writing(folder.name):
        parts = _Parts(packages=of_sites, as_of=first.get("as_of"), left_out=dict(sorted(left_out.items())))
        made = _MAKERS[first["format"]](parts, part)
        pq.write_table(
            pa.concat_tables([pq.read_table(path / TRACE) for path in of_sites]), part / TRACE, compression="zstd"
        )
        write_findings(made.findings, part / "findings.csv")
        write_json(part / "k-anonymity.json", k_anonymity(made.people))
        facts = {
            "made_by": product(),
            "trial": first.get("trial"),
            "format": first["format"],
            "merged": {path.name: sha256_of(path / MANIFEST) for path in of_sites},
            "sites": sorted({site for one in told.values() for site in one.get("sites") or ()}),
            "as_of": first.get("as_of"),
            "shift_dates": first.get("shift_dates"),
            "standard": made.standard,
            "subjects": len(made.people),
            "left_out": parts.left_out,
            "records": made.records,
            "findings": dict(sorted(_codes(made.findings).items())),
        }
        return Exported(
            id=sha256_of(write_manifest(part, facts)),
            subjects=len(made.people),
            left_out=parts.left_out,
            records=made.records,
            findings=made.findings,
        )


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What is put together: packages in their order, and what their manifests say alike or in sum."""

    packages: Sequence[Path]
    as_of: str | None
    left_out: Mapping[str, int]


class _Made(msgspec.Struct, frozen=True, kw_only=True):
    """What was put together: its subjects, records by dataset, and what somebody must look at."""

    people: list[Person]
    records: dict[str, int]
    findings: tuple[Finding, ...]
    standard: str | None = None


def _merge_domains(parts: _Parts, part: Path) -> _Made:
    package = prepared(merged({path.name: read_package(path / "sdtm") for path in parts.packages}))
    findings = (*package.findings, *check(package))
    merged_from = ", ".join(path.name for path in parts.packages)
    notes = guide_notes(left_out=parts.left_out, options={"Merged from": merged_from})
    created = date.fromisoformat(parts.as_of) if parts.as_of else None
    write_package(part, package, findings, created=created, notes=notes)
    return _Made(people=_people(package), records=counts_of(package), findings=findings, standard=package.standard)


def _merge_views(parts: _Parts, part: Path) -> _Made:
    return _of_parts(parts, join_views(parts.packages, part))


def _merge_feeds(parts: _Parts, part: Path) -> _Made:
    return _of_parts(parts, join_feeds(parts.packages, part))


def _of_parts(parts: _Parts, joined: Joined) -> _Made:
    """With the findings that each package was made with: nothing new comes of putting them together."""
    found = [one for path in parts.packages for one in read_findings(path / "findings.csv")]
    return _Made(people=joined.people, records=joined.records, findings=tuple(sorted(found, key=finding_order)))


_MAKERS: Final[Mapping[str, Callable[[_Parts, Path], _Made]]] = {
    "sdtm": _merge_domains,
    "views": _merge_views,
    "fhir": _merge_feeds,
}


def _told(folder: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        raise UsageError(f"{folder}: no package there (no {MANIFEST} that can be read)") from None
    if found.get("format") not in _MAKERS:
        raise UsageError(f"{folder}: no package of a format that can be merged ({', '.join(_MAKERS)})")
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


def _people(package: Package) -> list[Person]:
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


def _codes(findings: Sequence[Finding]) -> Counter[str]:
    codes: Counter[str] = Counter()
    for finding in findings:
        codes[finding.code] += finding.count
    return codes
