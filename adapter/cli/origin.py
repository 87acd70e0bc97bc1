"""In: a resource's name. Out: which run brought each version of it, from which file or address, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import console, data
from adapter.cli.patients import find_person
from adapter.errors import UsageError
from adapter.fhir import RESOURCE_TYPES

if TYPE_CHECKING:
    from adapter.store import Store

__all__ = ["origin"]

_ALL = 1_000_000


def origin(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="TYPE/ID", help="A resource (Observation/9), or PATIENT.")],
    site: Annotated[str | None, typer.Option(help="Whose; may be left out where only one site has it.")] = None,
) -> None:
    """Tell where a resource came from: run, file or address, line, version and time of each version that is kept."""
    options: Options = ctx.obj
    with opened(options) as room:
        rows = [
            row for found, type_, id_ in _meant(room.store, what, site) for row in _rows(room.store, found, type_, id_)
        ]
    if not rows:
        raise UsageError(f"{what}: no such resource in the store")
    sites = sorted({row["site"] for row in rows})
    if len(sites) > 1:
        raise UsageError(f"{what}: known at {' and '.join(sites)}; say which by --site")
    if options.json:
        for row in rows:
            data(row)
    else:
        _show(rows)


def _meant(store: Store, what: str, site: str | None) -> list[tuple[str, str, str]]:
    """Site, type and id of what is asked for: at one site, or at each that may have it."""
    type_, slash, id_ = what.partition("/")
    if slash and type_ in RESOURCE_TYPES and "/" not in id_ and type_ != "Patient":
        return [(name, type_, id_) for name in ([site] if site is not None else store.lake.sites())]
    person = find_person(store, what, site=site)
    # As it was typed: where another record was merged into it, that one came by itself.
    return [(person.site, "Patient", person.asked.removeprefix("Patient/"))]


def _rows(store: Store, site: str, type_: str, id_: str) -> list[dict[str, Any]]:
    found = store.lake.origins(site, type_, id_)
    ended = {run.name: run.ended_at for run in store.runs(site=site, limit=_ALL)} if found else {}
    return [
        {
            "site": site,
            "reference": f"{type_}/{id_}",
            "version": one.version,
            "last_updated": one.last_updated,
            "live": one.live,
            "run": one.run,
            "pulled_at": None if (at := ended.get(one.run)) is None else at.isoformat(timespec="seconds"),
            "source": one.source,
            "line": one.line,
        }
        for one in found
    ]


def _show(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("version", "live", "pulled at", "run", "from"):
        table.add_column(heading)
    for row in rows:
        place = row["source"] if row["line"] is None else f"{row['source']}:{row['line']}"
        live = "yes" if row["live"] else "no"
        table.add_row(row["version"] or "-", live, row["pulled_at"] or "-", row["run"], place)
    console().print(table)
