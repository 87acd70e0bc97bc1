"""In: the store. Out: how much is in it; whether all it lists is there, byte for byte as it came (else exit 5); origins, fewer files."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from adapter.cli.opening import opened, settings_of
from adapter.cli.options import Options
from adapter.cli.origin import origin
from adapter.cli.output import console, data, line, megabytes, note
from adapter.cli.store_compact import compact
from adapter.cli.store_purge import purge
from adapter.cli.store_unlock import unlock

if TYPE_CHECKING:
    from adapter.store import Store

__all__ = ["store"]

_IN_PART = 5
_ROWS = 512
_PRIVATE = 0o077
#: With its journal.
_STATE = "state.sqlite"
_PARTS = (
    *(_STATE, "lake", "index", "quarantine", "spool", "tmp"),
    *("datasets/packages", "datasets/trace", "datasets/jobs"),
)

store = typer.Typer(help="Look at the store, and keep it in order.", rich_markup_mode=None, no_args_is_help=True)
store.command()(origin)
store.command()(compact)
store.command()(purge)
store.command()(unlock)


@store.command()
def stats(ctx: typer.Context) -> None:
    """Count live resources, versions and verdicts, by site, and what each part of the store takes on the disk."""
    from rich import box
    from rich.table import Table

    options: Options = ctx.obj
    with opened(options) as room:
        found = room.store.lake.stats()
        verdicts = {site: sizes._asdict() for site, sizes in room.store.verdict_sizes().items()}
        disk = _disk(room.store.folder)
        purged = room.store.purged.counts()
    if options.json:
        data({**found, "verdicts": verdicts, "purged": purged, "disk": disk})
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("site", "type", "live", "versions"):
        table.add_column(heading, justify="right" if heading in ("live", "versions") else "left")
    for site, types in found["sites"].items():
        for type_, counts in types.items():
            table.add_row(site, type_, str(counts["live"]), str(counts["versions"]))
    console().print(table)
    for site, sizes in verdicts.items():
        line(f"verdicts of {site}: {sizes['verdicts']}, {megabytes(sizes['bytes'])}")
    for site, persons in purged.items():
        line(f"persons of {site} whose data were removed: {persons}")
    for part, taken in disk.items():
        line(f"{part}: {taken['files']} files, {megabytes(taken['bytes'])}")


@store.command()
def check(ctx: typer.Context) -> None:
    """Read the whole store again: every file it lists, every resource's hash, who may enter."""
    options: Options = ctx.obj
    sites = {}
    # Opening the store closes it to others: what it was before is what somebody has to hear of.
    problems = list(_open_to_others(settings_of(options).store.path))
    with opened(options) as room:
        of_state = [f"state.sqlite: {problem}" for problem in room.store.state_problems()]
        if not of_state:
            of_state = [f"verdict {number}: is not as it was kept" for number in room.store.damaged_verdicts()]
        problems += of_state
        unknown = [path.relative_to(room.store.folder) for path in room.store.lake.unknown_files()]
        problems += [f"{path}: no run of this state wrote it" for path in unknown]
        # Of a site whose every line was put aside there is nothing in the lake.
        for site in sorted({*room.store.lake.sites(), *room.store.quarantine_counts()}):
            versions, found = _check_site(room.store, site)
            problems += found
            altered = [path.relative_to(room.store.folder) for path in room.store.lake.altered(site)]
            problems += [f"{path}: is not as it was written" for path in altered]
            aside = room.store.damaged_quarantined(site)
            problems += [f"quarantine/{site}/{key}: is not as it came" for key in aside]
            sites[site] = {"versions": versions, "quarantined": len(room.store.quarantined(site))}
    if options.json:
        data({"ok": not problems, "sites": sites, "problems": problems})
    else:
        note(options, f"state: tables, keys and verdicts read, {len(of_state) or 'no'} problems")
        for site, counts in sites.items():
            note(
                options, f"site {site}: {counts['versions']} versions read, {counts['quarantined']} items in quarantine"
            )
        for problem in problems:
            line(problem)
        note(options, "all is whole" if not problems else f"{len(problems)} problems")
    if problems:
        raise typer.Exit(_IN_PART)


def _disk(folder: Path) -> dict[str, dict[str, int]]:
    """Files and bytes of each part of the store's folder; what is not there takes nothing."""
    found = {}
    for part in _PARTS:
        there = folder.glob(f"{part}*") if part == _STATE else (folder / part).rglob("*")
        # A pull or an export may remove one in between.
        sizes = [size for path in there if (size := _size(path)) is not None]
        found[part] = {"files": len(sizes), "bytes": sum(sizes)}
    return found


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except FileNotFoundError:
        return None


def _check_site(store: Store, site: str) -> tuple[int, list[str]]:
    versions = 0
    problems: list[str] = []
    for index in map(Path, store.lake.index_files(site)):
        raw = store.lake.raw_path(site, index.parent.name, index.stem)
        name = f"{site}/{index.parent.name}/{index.name}"
        if not index.is_file() or not raw.is_file():
            problems.append(f"{name}: a file is missing")
            continue
        read, wrong = _check_segment(raw, index)
        versions += read
        problems += [f"{name}: {problem}" for problem in wrong]
    return versions, problems


def _check_segment(raw: Path, index: Path) -> tuple[int, list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = 0
    try:
        with pq.ParquetFile(index) as listed, pq.ParquetFile(raw) as kept:
            wrong = [] if listed.metadata.num_rows == kept.metadata.num_rows else ["index and raw differ in length"]
            for rows in kept.iter_batches(_ROWS, columns=["type", "id", "sha256", "raw"]):
                for row in rows.to_pylist():
                    read += 1
                    if sha256(row["raw"]).digest() != row["sha256"]:
                        wrong.append(f"{row['type']}/{row['id']} is not as it came")
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        # A damaged file says anything: text that is none, columns that it has not.
        return read, [f"cannot be read ({type(error).__name__})"]
    return read, wrong


def _open_to_others(folder: Path) -> Iterator[str]:
    if folder.is_dir() and folder.stat().st_mode & _PRIVATE:
        yield "the store's folder was open to others; it is closed now (0700): find out who opened it, and who could read it"
