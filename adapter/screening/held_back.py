"""In: the store, a site. Out: the bytes of the faulty resources in its quarantine, by whom they are about.

A count that cannot be read is the latest all the same: without this the one before it would decide.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.fhir import person_of
from adapter.screening.fresh import SHARED_TYPES
from adapter.store import QuarantinedItem, Store

__all__ = ["held_back", "held_back_of"]


def held_back_of(store: Store, site: str) -> dict[str, list[bytes]]:
    """Faulty resources in quarantine by the person that they are about, as far as they tell; shared ones by their own name."""
    return held_back(store, site, store.quarantined(site))


def held_back(store: Store, site: str, items: Iterable[QuarantinedItem]) -> dict[str, list[bytes]]:
    """Likewise of some items of the site."""
    named = [(item.reference, item) for item in items if item.reference is not None]
    # Whose it was holds too: the person may be what cannot be read, and what it said before must not stand.
    before = store.lake.patients_of(site, [reference for reference, _ in named]) if named else {}
    found: dict[str, list[bytes]] = {}
    for reference, item in named:
        raw = store.quarantined_raw(item)
        is_shared = reference.partition("/")[0] in SHARED_TYPES
        for about in {reference} if is_shared else {person_of(raw), before.get(reference)}:
            if about is not None:
                found.setdefault(about, []).append(raw)
    return found
