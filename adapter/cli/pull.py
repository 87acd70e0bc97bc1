"""In: a site of the settings, or a folder of NDJSON. Out: its resources in the store, and the contract's summary."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.connect import site_address
from adapter.cli.opening import Opened, opened
from adapter.cli.options import Options
from adapter.cli.output import data, note, progress_bars
from adapter.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from adapter.client import SiteAddress
    from adapter.sync import PullSummary

__all__ = ["TypeBars", "needed_types", "pull", "pull_over_http", "tell"]

_FHIR_VERSIONS = ("4.0.1", "4.3.0", "5.0.0")
_LOCAL = "local"
_LISTED = 10


def pull(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Site of the settings; with --from any name (local).")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Folder of <Type>.ndjson[.gz].")] = None,
    full: Annotated[bool, typer.Option("--full", help="Everything, not only what changed.")] = False,
    fhir_version: Annotated[str | None, typer.Option(help="4.0.1, 4.3.0 or 5.0.0, for --from.")] = None,
) -> None:
    """Bring a hospital's resources into the store: what is new, what changed; bad ones are put aside and named."""
    from adapter.sync import FolderSource
    from adapter.sync import pull as run_pull

    options: Options = ctx.obj
    if fhir_version is not None and fhir_version not in _FHIR_VERSIONS:
        raise UsageError(f"--fhir-version {fhir_version}: it is {', '.join(_FHIR_VERSIONS)}")
    if source is not None:
        folder = FolderSource(source)
        with opened(options, make=True) as room, progress_bars(options) as bars:
            summary = run_pull(room.store, folder, site=site or _LOCAL, full=full, progress=TypeBars(bars))
    else:
        if site is None:
            raise UsageError("pull --site S for a site of the settings, or pull --from DIR for a folder")
        summary = _from_site(options, site, full=full)
    tell(summary, options)
    raise typer.Exit(summary.exit_code)


def _from_site(options: Options, site: str, *, full: bool) -> PullSummary:
    with opened(options, make=True) as room:
        configured = room.settings.sites.get(site)
        if configured is None:
            known = ", ".join(room.settings.sites) or "none"
            raise ConfigurationError(f"sites.{site}", f"is not in the settings (there: {known})")
        if configured.mode != "search":
            raise ConfigurationError(f"sites.{site}.mode", f"{configured.mode} is not in this release yet: search")
        types = configured.types or needed_types(room)
        address = site_address(site, configured)
        return pull_over_http(
            room, address, site=site, types=types, options=options, full=full, fhir_version=configured.fhir_version
        )


def pull_over_http(
    room: Opened,
    address: SiteAddress,
    *,
    site: str,
    types: Collection[str],
    options: Options,
    full: bool = False,
    fhir_version: str | None = None,
) -> PullSummary:
    """Pull a site from its FHIR server.

    Raises:
        ConfigurationError: the server speaks another FHIR version than the settings say.
        RemoteError: it cannot be reached, or refuses.
    """
    from adapter.client import SiteClient
    from adapter.sync import HttpSource
    from adapter.sync import pull as run_pull

    with SiteClient(address) as client, progress_bars(options) as bars:
        stated = client.capability().fhir_version
        if fhir_version is not None and stated != fhir_version:
            raise ConfigurationError(f"sites.{site}.fhir_version", f"is {fhir_version}, the server states {stated}")
        return run_pull(room.store, HttpSource(client, types), site=site, full=full, progress=TypeBars(bars))


def needed_types(room: Opened) -> list[str]:
    """The resource types that the settings' trials need, and no more (design 4.4)."""
    return sorted({name for trial in room.settings.trials for name in room.trial(trial).resource_types})


def tell(summary: PullSummary, options: Options) -> None:
    """The summary: the object of the contract, or sentences on stderr; what was put aside is always named."""
    if options.json:
        data(summary.as_object())
    for notice in summary.notices:
        note(options, notice)
    found = summary.types.values()
    new, changed = sum(counts.new for counts in found), sum(counts.changed for counts in found)
    read = sum(counts.read for counts in found)
    note(options, f"site {summary.site}: {read} resources read, {new} new, {changed} changed")
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
    """A progress bar a resource type."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, type_: str) -> None:
        """A bar for the type."""
        self._tasks[type_] = self._bars.add_task(f"pull {type_}", total=None)

    def advance(self, type_: str, resources: int) -> None:
        """So many more."""
        self._bars.advance(self._tasks[type_], resources)

    def finish(self, type_: str) -> None:
        """The bar is full."""
        task = self._tasks[type_]
        done = self._bars.tasks[task].completed
        self._bars.update(task, total=done, completed=done)
