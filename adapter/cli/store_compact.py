"""In: the store. Out: the small segments of its sites merged, how many there were and are; old verdicts thinned, and how many went."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.errors import BusyError

__all__ = ["compact"]

#: Whatever can be merged is.
_ALL = 2


def compact(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None,
) -> None:
    """Merge the many small files that small pulls leave, and thin old verdicts; pull and sync do it by themselves."""
    from adapter.jobs import thin_site

    options: Options = ctx.obj
    found: dict[str, dict[str, int]] = {}
    busy: list[BusyError] = []
    with opened(options) as room:
        lake = room.store.lake
        for name in room.sites(site):
            try:
                with room.store.begin_run(name, "compact") as run:
                    before = len(lake.index_files(name))
                    lake.compact(run, fan=_ALL)
                    after = len(lake.index_files(name))
                    counts = {"before": before, "after": after}
                    run.commit([], summary=json.dumps({"site": name, "run": run.name, "segments": counts}))
            except BusyError as error:
                # The other sites are merged all the same.
                busy.append(error)
                continue
            days = room.settings.retention.verdicts_days
            removed = thin_site(room.store, name, days=days, now=datetime.now(UTC), whole=True)
            found[name] = counts | {"verdicts_removed": removed or 0}
    if options.json:
        data({"sites": found})
    for name, counts in found.items():
        thinned = f"; {counts['verdicts_removed']} old verdicts removed" if counts["verdicts_removed"] else ""
        note(options, f"site {name}: {counts['before']} segments before, {counts['after']} now{thinned}")
    if busy:
        raise busy[0]
