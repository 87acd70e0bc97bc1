"""In: the store, a site. Out: the bytes of the faulty resources in its quarantine, by whom they are about.

A count that cannot be read is the latest all the same: without this the one before it would decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapter.fhir import is_shared, needed_references, person_of
from adapter.store import QuarantinedItem, Store

__all__ = ["about_person", "held_back", "held_back_of"]


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
        for about in {reference} if is_shared(reference) else {person_of(raw), before.get(reference)}:
            if about is not None:
                found.setdefault(about, []).append(raw)
    return found


def about_person(
    aside: Mapping[str, list[bytes]], people: Iterable[str], resources: Iterable[bytes]
) -> tuple[list[bytes], set[str]]:
    """What of a site's quarantine belongs to one record.

    Args:
        aside: of the site (`held_back_of`).
        people: ``Patient/id`` of each of the person's records.
        resources: raw, of the person.

    Returns:
        the faulty resources, shared ones that the person's refer to among them, and the references of all shared ones.
    """
    theirs = [raw for one in people for raw in aside.get(one, ())]
    needed = needed_references((*resources, *theirs))
    return [*theirs, *(raw for one in sorted(needed) for raw in aside.get(one, ()))], needed
