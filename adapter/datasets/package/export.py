"""In: a store, and what the sponsor asks for. Out: a package of consented subjects on disk, whole or not at all, each byte the same for the same data.

Nothing is patched: every export is made from the lake anew, so that a refresh after any sequence of corrections is what a first
export would be. What must stay as it was (pseudonyms, numbers of records, the secret that names are made with) is in the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from adapter.config import Settings
from adapter.criteria import Trial
from adapter.datasets.checks import check
from adapter.datasets.checks.core_findings import load_waivers
from adapter.datasets.collecting import collecting_later
from adapter.datasets.engines import ViewTable, Written
from adapter.datasets.engines.queries import Queries
from adapter.datasets.engines.viewing import view_tables, written_views
from adapter.datasets.formats import (
    Field,
    GuideNotes,
    Resource,
    field_type,
    prepared,
    reviewers_guide,
    sha256_of,
    write_datapackage,
    write_findings,
    write_manifest,
    write_sdtm,
)
from adapter.datasets.model import Finding, Package
from adapter.datasets.package.replacing import replacing, workroom
from adapter.datasets.package.tracing import TRACE, digests_of, keep_trace, write_cells, write_resources
from adapter.datasets.sdtm import build_package, load_domains, views_needed
from adapter.datasets.staging.feed import Staged, stage
from adapter.documents import load_site, load_study, load_trial, load_views
from adapter.observe import product
from adapter.store import Store, private_folder, pseudonym_key, writing
from adapter.terminology import Units

__all__ = ["Exported", "Format", "Request", "counts_of", "export", "guide_notes", "write_json", "write_package"]

Format = Literal["sdtm", "views", "fhir"]
_VIEW_FORMS: Final[tuple[Literal["csv", "parquet"], ...]] = ("csv", "parquet")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        trial: its id.
        format: of the records.
        sites: only these; None for all of the store.
        as_of: the data cut: what is dated later is left out.
        shift_dates: each subject's dates are moved by a constant number of weeks.
    """

    trial: str
    format: Format = "sdtm"
    sites: tuple[str, ...] | None = None
    as_of: date | None = None
    shift_dates: bool = False


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was made.

    Attributes:
        id: sha256 of its manifest.
        subjects: how many are in it.
        left_out: how many are not, by the reason.
        records: by dataset, view or type.
        findings: what somebody must look at.
    """

    id: str
    subjects: int
    left_out: Mapping[str, int]
    records: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """No finding says that the package is not valid."""
        return all(finding.severity != "error" for finding in self.findings)


def export(store: Store, settings: Settings, folder: Path, request: Request, *, keep: bool = True) -> Exported:
    """Make a package.

    Args:
        store: open.
        settings: of the sites.
        folder: for the package; a package that is there is replaced when the new one is whole.
        request: what is asked for.
        keep: numbers that records get for the first time are kept, and the trace of the package; not for a rebuild that is
            compared and thrown away.

    Raises:
        UsageError: the folder holds something else than a package, or there is no such trial or site.
        DocumentError: a mapping document is wrong.
        BusyError: another export numbers the same subjects, or writes to the folder.
        StorageError: there is no room.
    """
    trial = load_trial(request.trial)
    with collecting_later(), replacing(folder) as part, workroom(store) as room:
        staged = stage(
            store,
            settings,
            trial,
            part / "fhir" if request.format == "fhir" else room,
            sites=request.sites,
            as_of=request.as_of,
            shift_dates=request.shift_dates,
            numbers="number" if request.format == "fhir" else "text",
        )
        with writing(folder.name):
            work = _Work(store=store, settings=settings, trial=trial, request=request, staged=staged, keep=keep)
            made = _MAKERS[request.format](work, part)
            digests = digests_of(pseudonym_key(store.folder), staged.trace)
            if made.package is not None:
                write_cells(made.package, digests, part / TRACE)
            else:
                write_resources(digests, part / TRACE)
            write_findings(made.findings, part / "findings.csv")
            write_json(part / "k-anonymity.json", staged.anonymity())
            manifest = write_manifest(part, _facts(request, staged, made))
            found = Exported(
                id=sha256_of(manifest),
                subjects=len(staged.subjects),
                left_out=dict(sorted(staged.left_out.items())),
                records=made.records,
                findings=made.findings,
            )
            if keep:
                latest = trial.id if made.package is not None else None
                keep_trace(store, found.id, entries=staged.trace, cells=part / TRACE, latest=latest)
    return found


class _Work(msgspec.Struct, frozen=True, kw_only=True):
    store: Store
    settings: Settings
    trial: Trial
    request: Request
    staged: Staged
    keep: bool

    @contextmanager
    def queries(self) -> Iterator[Queries]:
        """Views that were compiled for an earlier package of this store; those that are compiled now are kept."""
        found = Queries(private_folder(self.store.folder / "datasets") / "queries.json")
        yield found
        if self.keep:
            found.save()

    def units(self) -> dict[str, Units]:
        """The unit spellings of each site."""
        found = {}
        for site in sorted({subject.site for subject in self.staged.subjects}):
            told = self.settings.sites.get(site)
            found[site] = load_site(site, told.overlay if told is not None else None).units(self.trial.units)
        return found


class _Made(msgspec.Struct, frozen=True, kw_only=True):
    records: Mapping[str, int]
    findings: tuple[Finding, ...]
    package: Package | None = None


def _make_fhir(work: _Work, part: Path) -> _Made:
    records = {type_: _lines(path) for type_, path in sorted(work.staged.files.items())}
    return _Made(records=records, findings=work.staged.findings)


def _make_views(work: _Work, part: Path) -> _Made:
    folder = part / "views"
    folder.mkdir()
    resources, records, findings = [], {}, list(work.staged.findings)
    with work.queries() as queries:
        views = written_views(load_views().values(), work.staged.files, folder, _VIEW_FORMS, queries=queries)
    for written in views:
        path = written.path.relative_to(part).as_posix()
        fields = tuple(
            Field(name=one.name, type=field_type(one.type, collection=one.collection), description=one.path)
            for one in written.columns
        )
        resources.append(Resource(name=written.name, path=path, fields=fields, rows=written.rows))
        if written.name not in records:  # its forms are told once
            records[written.name] = written.rows
            findings += _uncast(written)
    write_datapackage(part, resources, name=work.trial.id, title=load_study(work.trial.id).title)
    return _Made(records=records, findings=tuple(findings))


def _make_sdtm(work: _Work, part: Path) -> _Made:
    staged, request = work.staged, work.request
    with work.queries() as queries:
        tables = view_tables((load_views()[name] for name in views_needed()), staged.files, queries=queries)
    uncast = [finding for table in tables.values() for finding in _uncast(table)]
    sequences = work.store.subjects.sequences(work.trial.id, [subject.usubjid for subject in staged.subjects])
    with sequences if work.keep else nullcontext(sequences) as numbers:
        built = build_package(
            tables,
            staged,
            trial=work.trial,
            study=load_study(work.trial.id),
            sequences=numbers,
            units=work.units(),
        )
    package = prepared(msgspec.structs.replace(built, findings=(*staged.findings, *uncast, *built.findings)))
    findings = (*package.findings, *check(package))
    options = {
        "Sites": ", ".join(request.sites) if request.sites is not None else "all of the store",
        "Data cut": request.as_of.isoformat() if request.as_of is not None else "none",
        "Dates": "moved by whole weeks, each subject's alike" if request.shift_dates else "as they are",
    }
    notes = guide_notes(left_out=staged.left_out, options=options)
    write_package(part, package, findings, created=request.as_of, notes=notes)
    return _Made(records=counts_of(package), findings=findings, package=package)


_MAKERS: Final[Mapping[Format, Callable[[_Work, Path], _Made]]] = {
    "fhir": _make_fhir,
    "views": _make_views,
    "sdtm": _make_sdtm,
}


def _uncast(table: ViewTable | Written) -> list[Finding]:
    """What a column could not take stands empty there, and is told."""
    return [
        Finding(
            code="not-of-the-columns-type",
            text="A value is not of the type of its column, which is empty there.",
            domain=table.name,
            variable=column,
            count=count,
        )
        for column, count in sorted(table.uncast.items())
        if count
    ]


def guide_notes(*, left_out: Mapping[str, int], options: Mapping[str, str]) -> GuideNotes:
    """What the reviewer's guide says beyond the package."""
    return GuideNotes(
        defaults=load_domains().defaults,
        waivers=load_waivers(),
        left_out=dict(sorted(left_out.items())),
        options=options,
    )


def write_package(
    part: Path, package: Package, findings: Sequence[Finding], *, created: date | None, notes: GuideNotes
) -> None:
    """Write the datasets of a package and what goes with them."""
    folder = part / "sdtm"
    folder.mkdir()
    write_sdtm(package, folder, created=created)
    (folder / "reviewers-guide.md").write_text(reviewers_guide(package, findings, notes), encoding="utf-8", newline="")


def counts_of(package: Package) -> dict[str, int]:
    """Records by dataset."""
    return {dataset.name: len(dataset.rows) for dataset in package.datasets if dataset.rows}


def _facts(request: Request, staged: Staged, made: _Made) -> dict[str, Any]:
    codes: Counter[str] = Counter()
    for finding in made.findings:
        codes[finding.code] += finding.count
    return {
        "made_by": product(),
        "trial": request.trial,
        "format": request.format,
        "sites": sorted({subject.site for subject in staged.subjects})
        if request.sites is None
        else list(request.sites),
        "all_sites": request.sites is None,
        "as_of": request.as_of.isoformat() if request.as_of is not None else None,
        "shift_dates": request.shift_dates,
        "standard": made.package.standard if made.package is not None else None,
        "subjects": len(staged.subjects),
        "left_out": dict(sorted(staged.left_out.items())),
        "records": dict(made.records),
        "findings": dict(sorted(codes.items())),
    }


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def write_json(path: Path, value: Any) -> None:
    """One value, indented."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
