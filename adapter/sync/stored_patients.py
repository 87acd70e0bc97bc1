"""In: the store and a site. Out: which patients it knows, and since when each type was read whole of them.

A search by patient asks of those whom the type was read whole of for what changed; of the others for everything. The
bookmark of a type alone does not tell: a patient may have come with a pull in which the type failed.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from adapter.store import Store, run_of
from adapter.sync.search_plan import PATIENT, StoredPatients

__all__ = ["stored_patients"]

#: A bookmark older than so many pulls is looked for no further; everything is read then.
_RUNS = 2_000


class _Summary(msgspec.Struct):
    transaction_time: str | None = None


def stored_patients(store: Store, site: str, types: Collection[str]) -> StoredPatients:
    """Which patients a site's part of the store knows.

    Args:
        store: open.
        site: whose patients.
        types: that may be asked for by patient.
    """
    left_out = frozenset(one.partition("/")[2] for one in store.kept_off.patients(site))
    # Of those whose data were removed what changes is asked for all the same: a sign may come.
    first_run = {
        one.patient.partition("/")[2]: one.first_run for one in store.purged.all(site) if one.first_run is not None
    }
    files = store.lake.index_files(site, PATIENT)
    if files:
        with store.lake.engine.connection() as connection:
            found = connection.execute(
                "select id, min(seq) from read_parquet($files, hive_partitioning = false) group by id", {"files": files}
            ).fetchall()
        first_run |= {id_: run_of(seq) for id_, seq in found}
    if not first_run:
        return StoredPatients(left_out=left_out)
    earliest = _earliest_runs(store, site)
    whole_since = {}
    for type_ in types:
        bookmark = store.bookmark(site, type_)
        if bookmark is not None and bookmark in earliest:
            whole_since[type_] = earliest[bookmark]
    return StoredPatients(first_run, whole_since, left_out)


def _earliest_runs(store: Store, site: str) -> dict[str, int]:
    """By server time, the number of the first run that could set a bookmark to it.

    A run that goes on with what another began has the same time; the earlier one is taken, as it knew fewer patients.
    """
    earliest: dict[str, int] = {}
    for run in store.runs("pull", site=site, limit=_RUNS):
        if run.state != "committed" or run.summary is None:
            continue
        time = msgspec.json.decode(run.summary, type=_Summary).transaction_time
        if time is not None:
            number = int(run.name.rpartition("-")[2])
            earliest[time] = min(number, earliest.get(time, number))
    return earliest
