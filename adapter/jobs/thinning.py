"""In: a site, how many days every verdict stays. Out: its old verdicts thinned, once a day, and a run that tells how many went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from adapter.store import Lasting, Store
from mappings.entities import Subject

__all__ = ["thin_site"]

_KIND: Final = "thin"
_DAILY: Final = timedelta(hours=20)
#: The last of a stretch stays until its next one is old too: so far each pass looks back over what an earlier one has seen.
_AGAIN: Final = timedelta(days=14)


class _Told(msgspec.Struct):
    """What the run keeps: how many verdicts were removed, and until when all were gone through."""

    site: str
    until: datetime
    removed: int = 0


def thin_site(store: Store, site: str, *, days: int, now: datetime, whole: bool = False) -> int | None:
    """Thin the verdicts of a site that are older than so many days.

    Args:
        store: open.
        site: whose.
        days: so long every verdict stays.
        now: aware time.
        whole: go through all of them, whenever that was done last.

    Returns:
        how many were removed; None where it was done a short while ago, or there is no verdict at all.
    """
    if not store.screened_people(site, limit=1):
        return None
    last = store.last_whole_run(_KIND, site=site)
    # Not one of the future, where a clock that was ahead has been set right since.
    if last is not None and not whole and timedelta(0) <= now - last.started_at < _DAILY:
        return None
    before = now - timedelta(days=days)
    since = None
    if last is not None and last.summary is not None and not whole:
        since = min(before, msgspec.json.decode(last.summary, type=_Told).until) - _AGAIN
    lasting = Lasting(patients=frozenset(_subjects(store, site)), days=frozenset(_days(store, site)))
    removed = store.thin_verdicts(site, before=before, since=since, lasting=lasting)
    summary = msgspec.json.encode(_Told(site, before, removed)).decode()
    store.note_run(site, _KIND, begun=now, summary=summary, complete=True)
    return removed


def _subjects(store: Store, site: str) -> Iterator[str]:
    """Who stands behind a subject's number, under all ids: a package is made anew from their verdicts, and has to be the same."""
    known = {one.patient for one in store.subjects.of_site(site)}
    yield from known
    for old, survivor in store.lake.merges(site).items():
        if survivor in known:
            yield old


def _days(store: Store, site: str) -> Iterator[date]:
    """Days of a loaded subject's history: which patient that is may not be known yet."""
    for one in store.entities.all(site, "subjects"):
        if isinstance(one.entity, Subject):
            yield from (date.fromisoformat(event.on) for event in one.entity.events)
