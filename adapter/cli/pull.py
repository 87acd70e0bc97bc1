"""In: a site of the settings, or a folder of NDJSON. Out: its resources in the store, and the contract's summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note, progress_bars
from adapter.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from adapter.sync import PullSummary

__all__ = ["TypeBars", "pull", "tell"]

_FHIR_VERSIONS = ("4.0.1", "4.3.0", "5.0.0")
_LOCAL = "local"
_LISTED = 10
#: Of the words before a bar; a server's own may be a sentence.
_WIDTH = 60


def pull(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Site of the settings; with --from any name (local).")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Folder of <Type>.ndjson[.gz].")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Everything, not only what changed; finds what was deleted.")
    ] = False,
    accept_deletions: Annotated[
        bool, typer.Option("--accept-deletions", help="With --full: also where more than half of a type is gone.")
    ] = False,
    fhir_version: Annotated[str | None, typer.Option(help="4.0.1, 4.3.0 or 5.0.0, for --from.")] = None,
) -> None:
    """Bring a hospital's resources into the store: what is new, changed, deleted; bad ones are put aside and named.

    A pull that was broken off goes on where it was: what was fetched is not fetched again.
    """
    options: Options = ctx.obj
    if fhir_version is not None and fhir_version not in _FHIR_VERSIONS:
        raise UsageError(f"--fhir-version {fhir_version}: it is {', '.join(_FHIR_VERSIONS)}")
    if accept_deletions and not full:
        raise UsageError("--accept-deletions goes with --full")
    if source is not None:
        summary = _from_folder(options, source, site=site or _LOCAL, full=full)
    elif site is None:
        raise UsageError("pull --site S for a site of the settings, or pull --from DIR for a folder")
    else:
        from adapter.jobs import pull_site

        with opened(options, make=True) as room, progress_bars(options) as bars:
            summary = pull_site(
                room.store,
                room.settings,
                site,
                full=full,
                accept_deletions=accept_deletions,
                progress=TypeBars(bars),
            )
    tell(summary, options)
    raise typer.Exit(summary.exit_code)


def _from_folder(options: Options, folder: Path, *, site: str, full: bool) -> PullSummary:
    from adapter.jobs import signs_at
    from adapter.sync import FolderSource
    from adapter.sync import pull as run_pull

    source = FolderSource(folder)
    if not source.types() and not source.missing():
        # A disk that is not mounted, or the folder above: nothing is not a whole feed.
        raise UsageError(f"--from {folder}: there is no <ResourceType>.ndjson or .ndjson.gz in it")
    with opened(options, make=True) as room, progress_bars(options) as bars:
        configured = room.settings.sites.get(site)
        own = () if configured is None else configured.addresses
        signs = signs_at(room.settings, site) if room.store.purged.since(site) is not None else None
        return run_pull(
            room.store, source, site=site, full=full, progress=TypeBars(bars), own_addresses=own, signs=signs
        )


def tell(summary: PullSummary, options: Options) -> None:
    """The summary: the object of the contract, or sentences on stderr; what was put aside is always named."""
    if options.json:
        data(summary.as_object())
    for notice in summary.notices:
        note(options, notice)
    found = summary.types.values()
    new, changed = sum(counts.new for counts in found), sum(counts.changed for counts in found)
    read, deleted = sum(counts.read for counts in found), sum(counts.deleted for counts in found)
    gone = f", {deleted} deleted" if deleted else ""
    note(options, f"site {summary.site}: {read} resources read, {new} new, {changed} changed{gone}")
    for item in summary.quarantine[:_LISTED]:
        place = item.file or item.url or ""
        where = f"{place}:{item.line}" if item.line is not None else f"{place} {item.reference or ''}".strip()
        note(options, f"put aside: {where}: {item.reason}")
    if len(summary.quarantine) > _LISTED:
        note(options, f"and {len(summary.quarantine) - _LISTED} more put aside; --json lists them all")
    for missing in summary.missing:
        note(options, f"missing: {missing.type}: {missing.reason}")
    if not summary.complete:
        note(options, "not complete: the bookmarks of what is missing stay where they were; pull again")


class TypeBars:
    """A progress bar for what is fetched, and one a resource type that is stored."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._fetch: TaskID | None = None

    def fetching(self, what: str, done: int, parts: int) -> None:
        """A bar for what is fetched; the server's own words while it makes an export."""
        if self._fetch is None:
            self._fetch = self._bars.add_task("fetch", total=None)
        self._bars.update(self._fetch, description=f"fetch {what}"[:_WIDTH], completed=done, total=parts or None)

    def start(self, type_: str) -> None:
        """A bar for the type."""
        self._tasks[type_] = self._bars.add_task(f"store {type_}", total=None)

    def advance(self, type_: str, resources: int) -> None:
        """So many more."""
        self._bars.advance(self._tasks[type_], resources)

    def finish(self, type_: str) -> None:
        """The bar is full."""
        task = self._tasks[type_]
        done = self._bars.tasks[task].completed
        self._bars.update(task, total=done, completed=done)
