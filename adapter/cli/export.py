"""In: a store, or packages. Out: a package of consented subjects for the sponsor; several in one; or the cells in which two differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import a_day, opened
from adapter.cli.options import Options
from adapter.cli.output import data, line, note, say
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.cli.opening import Opened
    from adapter.datasets.checks.core_findings import CoreReport
    from adapter.datasets.package.comparing import CellChange
    from adapter.datasets.package.export import Exported, Format

__all__ = ["export", "tell_changes"]

_PARTLY = 5
_LISTED = 12


def export(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Folder for the package; one that is there is replaced.")
    ] = None,
    *,
    format_: Annotated[str, typer.Option("--format", help="sdtm, views (Parquet and CSV) or fhir (NDJSON).")] = "sdtm",
    as_of: Annotated[str | None, typer.Option(help="Data cut: what is dated after this day is left out.")] = None,
    trial: Annotated[str | None, typer.Option(help="Trial; the first of the settings.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be given again.")] = None,
    shift_dates: Annotated[
        bool | None,
        typer.Option(
            "--shift-dates/--real-dates", help="Move each subject's dates by whole weeks; as the settings say."
        ),
    ] = None,
    merge: Annotated[
        list[Path] | None, typer.Option(help="Make the package of these (two or more) instead of the store.")
    ] = None,
    diff: Annotated[
        tuple[Path, Path] | None, typer.Option(help="OLD NEW: list the cells in which two packages differ.")
    ] = None,
    core: Annotated[Path | None, typer.Option(help="CDISC CORE's program: check the package with it.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Offer the package to the sponsor's clients.")] = False,
) -> None:
    """Make a pseudonymised package of the consented subjects, each cell with its source."""
    options: Options = ctx.obj
    if diff is not None:
        if directory is not None or merge:
            raise UsageError("--diff OLD NEW goes alone")
        raise typer.Exit(_compared(options, *diff))
    if directory is None:
        raise UsageError("export DIR: a folder for the package is wanted")
    form = _format(format_)
    if core is not None:
        if form != "sdtm":
            raise UsageError("--core checks domains: it goes with --format sdtm")
        from adapter.datasets.checks.core_findings import check_executable

        check_executable(core)
    day = a_day(as_of, option="--as-of")
    if merge:
        if day is not None or site or trial or shift_dates is not None or form != "sdtm":
            raise UsageError(
                "--merge takes packages of one format as they are: no --format, --as-of, --trial, --site or dates"
            )
        if core is not None and not all((package / "sdtm").is_dir() for package in merge):
            raise UsageError("--core checks domains: the packages to merge must hold some")
        from adapter.datasets.package.merging import merge as merged

        made = merged(directory, merge)
    else:
        with opened(options) as room:
            from adapter.datasets.package.export import Request
            from adapter.datasets.package.export import export as exported

            request = Request(
                trial=trial or room.settings.trials[0],
                format=form,
                sites=_sites(room, site),
                as_of=day,
                shift_dates=room.settings.datasets.shift_dates if shift_dates is None else shift_dates,
            )
            made = exported(room.store, room.settings, directory, request)
    report = _checked(core, directory)
    published = _published(options, directory) if publish else None
    _tell(options, directory, made, report=report, published=published)
    found = report is not None and bool(report.ours)
    raise typer.Exit(0 if made.complete and not found else _PARTLY)


def _format(told: str) -> Format:
    known: Mapping[str, Format] = {"sdtm": "sdtm", "views": "views", "fhir": "fhir"}
    if told not in known:
        raise UsageError(f"--format {told}: it is {', '.join(known)}")
    return known[told]


def _sites(room: Opened, told: Sequence[str] | None) -> tuple[str, ...] | None:
    if not told:
        return None
    known = {*room.store.lake.sites(), *room.settings.sites}
    unknown = sorted(set(told) - known)
    if unknown:
        raise UsageError(f"--site {unknown[0]}: no such site")
    return tuple(sorted(set(told)))


def _checked(core: Path | None, directory: Path) -> CoreReport | None:
    if core is None:
        return None
    from adapter.datasets.checks.core_findings import core_report
    from adapter.datasets.formats import read_package

    return core_report(core, directory / "sdtm", read_package(directory / "sdtm"))


def _published(options: Options, directory: Path) -> str:
    from adapter.datasets.provider import publish

    with opened(options) as room:
        return publish(directory, room.store)


def _tell(
    options: Options, directory: Path, made: Exported, *, report: CoreReport | None, published: str | None
) -> None:
    if options.json:
        found = {
            "directory": str(directory),
            "id": made.id,
            "subjects": made.subjects,
            "left_out": dict(made.left_out),
            "records": dict(made.records),
            "findings": [
                {"severity": severity, "code": code, "text": text, "count": count}
                for (severity, code, text), count in _counted(made).items()
            ],
            "published": published,
        }
        data(found | ({} if report is None else {"core": report}))
        return
    left = "".join(f", {count} left out ({reason})" for reason, count in made.left_out.items())
    note(options, f"{made.subjects} subjects in {directory}{left}")
    note(options, ", ".join(f"{name} {count}" for name, count in made.records.items()))
    counted = _counted(made)
    for (severity, _, text), count in list(counted.items())[:_LISTED]:
        say(f"{severity}: {text} ({count})")
    if len(counted) > _LISTED:
        say(f"and {len(counted) - _LISTED} more kinds")
    if counted:
        note(options, f"each one stands in {directory / 'findings.csv'}")
    if report is not None:
        for sentence in report.lines():
            say(sentence)
    if published is not None:
        note(options, f"published as {published}")


def _counted(made: Exported) -> Counter[tuple[str, str, str]]:
    """How many of each kind, errors first."""
    found: Counter[tuple[str, str, str]] = Counter()
    for finding in sorted(made.findings, key=lambda finding: (finding.severity, finding.code)):
        found[finding.severity, finding.code, finding.text] += finding.count
    return found


def _compared(options: Options, old: Path, new: Path) -> int:
    from adapter.datasets.package.comparing import compare_folders

    changes = tell_changes(options, compare_folders(old, new), names=("old", "new"))
    if not changes:
        note(options, "no cell differs")
    return 0


def tell_changes(options: Options, changes: Iterable[CellChange], *, names: tuple[str, str]) -> int:
    """One line a cell on stdout; how many there were."""
    count = 0
    for change in changes:
        count += 1
        if options.json:
            data(change.to_json())
        elif change.kind == "changed" and change.variable != "*":
            old, new = ("empty" if cell is None else cell for cell in (change.old, change.new))
            line(f"{change.file}  {change.record}  {change.variable}: {names[0]} {old}, {names[1]} {new}")
        else:
            side = {"removed": f"only the {names[0]} one has it", "added": f"only the {names[1]} one has it"}
            line(f"{change.file}  {change.record}  {change.variable}: {side.get(change.kind, change.kind)}")
    return count
