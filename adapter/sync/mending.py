"""In: what earlier pulls put aside, and what this one reads well. Out: which of it is mended, and so no longer missing.

An older version that comes once more mends nothing: what was put aside is newer, and would be lost without a word. Which
of two versions is the newer one is told as the store tells it (`adapter.fhir.stamps`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from adapter.fhir import Summary
from adapter.fhir.stamps import Stamp, order, stamp_of
from adapter.store import QuarantinedItem

__all__ = ["Mending"]


class Mending:
    """What of a site lay aside when a pull began.

    Args:
        items: all that lies aside there.
        raw: gives the bytes of one.
    """

    def __init__(self, items: Iterable[QuarantinedItem], raw: Callable[[QuarantinedItem], bytes]) -> None:
        self._items: dict[str, list[QuarantinedItem]] = {}
        for item in items:
            if item.reference:
                self._items.setdefault(item.reference, []).append(item)
        self._raw = raw
        self._read: dict[str, set[Stamp]] = {}
        self._gone: set[str] = set()
        self._faulty: set[str] = set()

    def read(self, summary: Summary) -> None:
        """A resource came that can be read."""
        if summary.reference in self._items:
            self._read.setdefault(summary.reference, set()).add(Stamp(summary.version, summary.last_updated))

    def put_aside(self, reference: str) -> None:
        """A resource came that cannot be read."""
        self._faulty.add(reference)

    def ids(self, type_: str) -> set[str]:
        """Ids of the resources of a type that lay aside."""
        return _ids(type_, self._items)

    def faulty(self, type_: str) -> set[str]:
        """Ids of the resources of a type that came and were put aside, as far as they tell."""
        return _ids(type_, self._faulty)

    def gone(self, reference: str) -> None:
        """The hospital has deleted a resource."""
        self._gone.add(reference)

    def mended(self) -> list[QuarantinedItem]:
        """Items that are no longer missing: read well since, or deleted at the hospital."""
        found = [item for reference in self._gone - self._faulty for item in self._items.get(reference, ())]
        for reference in sorted(self._read.keys() - self._gone):
            found += [item for item in self._items[reference] if self._is_mended(item, reference)]
        return found

    def _is_mended(self, item: QuarantinedItem, reference: str) -> bool:
        aside = stamp_of(self._raw(item))
        orders = {order(stamp, aside) for stamp in self._read[reference]}
        # Where nothing tells the order, the last one that came holds; of two that came together nobody knows.
        return 1 in orders or (not orders.isdisjoint({0, None}) and reference not in self._faulty)


def _ids(type_: str, references: Iterable[str]) -> set[str]:
    return {id_ for found, _, id_ in (one.partition("/") for one in references) if found == type_ and id_}
