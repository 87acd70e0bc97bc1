"""In: a folder. Out: the screened store after the hospital deleted, merged and set inactive some of its records since.

Nothing is screened again: pages and commands must tell at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapter.config import Settings
from adapter.store import Store
from adapter.store.versions import Tombstone
from adapter.sync import FolderSource, pull
from tests.support.clinic import write_feed
from tests.support.screened import SITE, TRIAL, screened_store

__all__ = ["REQUESTS", "changed_store", "delete_records"]

#: How often the pull that learned of it asked the hospital.
REQUESTS = {"sent": 1204, "retried": 3}
_TYPES = {"Patient": {"read": 2, "new": 1, "changed": 2, "deleted": 3, "quarantined": 0}}


@contextmanager
def changed_store(folder: Path) -> Iterator[Settings]:
    """Settings of it.

    ``low`` (contacted) and ``declined`` are deleted, and so is ``ready``, on whom nobody has decided; ``liver`` and
    ``deceased`` are inactive; ``course`` (contacted, then to be looked at) was merged into ``stayed``.
    """
    with screened_store(folder) as settings:
        with Store.open(settings.store.path) as store:
            _change(store, folder)
        yield settings


def delete_records(store: Store, site: str, *gone: tuple[str, str]) -> None:
    """Bury resources, by type and id, as a pull does that hears of their deletion."""
    with store.begin_run(site, "pull") as run:
        told = json.dumps({"types": _TYPES, "mode": "search", "requests": REQUESTS})
        run.commit([], deleted=[Tombstone(type_, id_, run.last_seq) for type_, id_ in gone], summary=told)


def _change(store: Store, folder: Path) -> None:
    for patient, state, reason in (
        ("low", "contacted", "to-contact"),
        ("course", "contacted", "to-contact"),
        ("course", "to-review", "other"),
    ):
        store.decide(SITE, f"Patient/{patient}", trial=TRIAL, state=state, reason=reason, by="nurse")
    link = [{"other": {"reference": "Patient/stayed"}, "type": "replaced-by"}]
    changed: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "liver", "active": False},
        {"resourceType": "Patient", "id": "deceased", "active": False},
        {"resourceType": "Patient", "id": "course", "active": False, "link": link},
        {"resourceType": "Patient", "id": "stayed"},
    ]
    pull(store, FolderSource(write_feed(folder / "changed", changed)), site=SITE)
    delete_records(store, SITE, ("Patient", "low"), ("Patient", "declined"), ("Patient", "ready"))
