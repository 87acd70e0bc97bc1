"""In: what a pull reads. Out: which of it is about somebody who was forgotten, and so is not taken; what stored versions that leaves behind.

Whoever merges one of their records with another is the same person: the other is kept off from then on.
"""

from __future__ import annotations

from collections.abc import Collection

from adapter.fhir import Summary, person_of
from adapter.store import Store

__all__ = ["KeepingOff"]

_MERGES = ("replaced-by", "replaces")


class KeepingOff:
    """Who is kept off a site, and what came of them in one pull.

    Attributes:
        left_out: resources that were not taken.
        joined: records (``Patient/id``) that were merged with one of theirs since, with the one that stood for the person.
    """

    def __init__(self, store: Store, site: str) -> None:
        self._store = store
        self._site = site
        self._people = store.kept_off.patients(site)
        self._ids: dict[str, set[str]] = {}
        self.left_out = 0
        self.joined: dict[str, str] = {}

    def is_theirs(self, summary: Summary) -> bool:
        """Whether a resource is about one of them; it is counted then."""
        if not self._people:
            return False
        if summary.links and summary.patient not in self._people:
            person = next((self._people[other] for other in _merged(summary) if other in self._people), None)
            if person is not None:
                self._people[summary.reference] = self.joined[summary.reference] = person
        if summary.patient not in self._people:
            return False
        self._ids.setdefault(summary.type, set()).add(summary.id)
        self.left_out += 1
        return True

    def is_of_theirs(self, raw: bytes, reference: str | None) -> bool:
        """Whether bytes that cannot be read are about one of them, as far as they tell; they are counted then."""
        if not self._people or (reference not in self._people and person_of(raw) not in self._people):
            return False
        type_, _, id_ = (reference or "").partition("/")
        if id_:
            self._ids.setdefault(type_, set()).add(id_)
        self.left_out += 1
        return True

    def moved(self, type_: str, *, taken: Collection[str]) -> set[str]:
        """Ids of a type that hold for somebody else here, and are about one of them at the hospital now.

        Args:
            type_: resource type.
            taken: ids that came and were taken: their last version is about somebody else again.
        """
        ids = self._ids.get(type_)
        return set() if not ids else (ids & self._store.lake.live_ids(self._site, type_)) - set(taken)

    def types(self) -> list[str]:
        """Types of which something was left out."""
        return sorted(self._ids)


def _merged(summary: Summary) -> list[str]:
    links = (link.partition(" ") for link in summary.links)
    return [other for kind, _, other in links if kind in _MERGES]
