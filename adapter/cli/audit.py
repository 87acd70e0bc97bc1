"""In: the store's runs. Out: one FHIR AuditEvent a line, oldest first: which server was asked for what, when, and how it went."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from adapter.cli.opening import a_day, opened
from adapter.cli.options import Options
from adapter.cli.output import data, note

if TYPE_CHECKING:
    from adapter.config import Settings
    from adapter.sync.audit import Audited

__all__ = ["audit"]

_PARIS = ZoneInfo("Europe/Paris")
#: All there are: a run every quarter of an hour for ten years is a third of it.
_ALL = 1_000_000


def audit(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    since: Annotated[str | None, typer.Option(help="Only runs that ended on this day (Paris) or later.")] = None,
) -> None:
    """Export one FHIR AuditEvent (R4, after IHE BALP) for each pull and push, as NDJSON."""
    from adapter.sync.audit import audit_event

    options: Options = ctx.obj
    day = a_day(since, option="--since")
    exported = 0
    with opened(options) as room:
        # A site that was taken out of the settings since has its runs all the same.
        if not room.store.runs(site=site, limit=1):
            room.known_site(site)
        for run in reversed(room.store.runs(site=site, limit=_ALL)):
            if day is not None and (run.ended_at is None or run.ended_at.astimezone(_PARIS).date() < day):
                continue
            event = audit_event(run, _audited(room.settings, run.site))
            if event is not None:
                data(event)
                exported += 1
    note(options, f"{exported} runs")


def _audited(settings: Settings, site: str) -> Audited:
    from adapter.observe import product
    from adapter.sync.audit import Audited

    configured = settings.sites.get(site)
    return Audited(
        software=product(),
        machine=socket.gethostname(),
        server=None if configured is None else configured.base_url,
        mode="search" if configured is None else configured.mode,
    )
