"""In: a site that a run on another machine holds, and the word of a person that it is gone. Out: the site let go; the audit trail says by whom."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.cli.patients import actor
from adapter.errors import BusyError, UsageError

__all__ = ["unlock"]


def unlock(
    ctx: typer.Context,
    site: Annotated[str, typer.Option("--site", help="The site that is held.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: that process is gone.")] = False,
) -> None:
    """Let a site go that a run on another machine held when it was lost; where the machine is this one, the next run does it."""
    options: Options = ctx.obj
    with opened(options) as room:
        held = room.store.holder_of(site)
        if held is None:
            room.known_site(site)
        else:
            told = f"process {held.pid} on {held.host}, since {held.taken_at:%Y-%m-%d %H:%M} UTC"
            if held.lives_here:
                raise BusyError(f"site {site}: {told}, works on it on this machine; end that first")
            if not yes and not _confirmed(f"site {site} is held by {told}. Is that process gone for good?"):
                raise UsageError(f"site {site}: held by {told}; look there that it is gone, then --yes")
            with room.store.together():
                if not room.store.unlock(site, held):
                    raise BusyError(f"site {site}: another run has just begun, or ended")
                room.store.audit(actor(), "unlock-site", subject=site, detail=f"{held.pid}@{held.host}")
    if options.json:
        data({"site": site, "unlocked": held is not None})
    note(options, f"site {site}: {'is free' if held is not None else 'nobody holds it'}")


def _confirmed(question: str) -> bool:
    return sys.stdin.isatty() and typer.confirm(question, err=True)
