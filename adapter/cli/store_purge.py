"""In: the sites of the settings. Out: the data of people without a sign removed, where they came long enough ago; how many, and who may not be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.cli.patients import actor
from adapter.errors import BusyError

if TYPE_CHECKING:
    from adapter.cli.opening import Opened

__all__ = ["purge"]


def purge(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
) -> None:
    """Remove the data of patients without a sign of any trial after retention.non_candidates_days; sync does it by itself once a day."""
    from adapter.jobs import purge_site

    options: Options = ctx.obj
    found: dict[str, dict[str, int]] = {}
    busy: list[BusyError] = []
    with opened(options) as room:
        for name in room.sites(site):
            try:
                counts = purge_site(
                    room.store,
                    room.settings,
                    name,
                    now=datetime.now(UTC),
                    by=actor(),
                    whole=True,
                    dry_run=dry_run,
                )
            except BusyError as error:
                # The other sites are gone through all the same.
                busy.append(error)
                continue
            if counts is None:
                note(options, f"site {name}: {_why_not(room, name)}")
                continue
            found[name] = {"persons": counts.persons, "versions": sum(counts.versions.values())}
            told = "would go" if dry_run else f"gone, {found[name]['versions']} versions of resources"
            note(options, f"site {name}: the data of {counts.persons} persons {told}")
    if options.json:
        data({"dry_run": dry_run, "sites": found})
    if busy:
        raise busy[0]


def _why_not(room: Opened, site: str) -> str:
    configured = room.settings.sites.get(site)
    if not room.settings.retention.non_candidates_days:
        return "everybody is kept (retention.non_candidates_days = 0)"
    if configured is None or configured.base_url is None:
        return "everybody is kept: it has no server that could give their data again"
    return f"nothing is removed now: {room.store.purged.wanted(site)}"
