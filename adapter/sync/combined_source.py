"""In: sources of one hospital, each of its own types. Out: one source of all of them.

An export of patients brings what is theirs; what is about no patient (Medication, ResearchStudy) is searched for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from adapter.sync.sources import (
    Gone,
    Item,
    Missing,
    Mode,
    Problem,
    Progress,
    Requests,
    Source,
    instant_of,
    patient_first,
)

__all__ = ["CombinedSource"]


class CombinedSource:
    """Several sources of one hospital as one.

    Args:
        sources: no type is in two of them; the first says how most is had.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._by_type: dict[str, Source] = {}

    def types(self) -> list[str]:
        """Those of all, Patient first."""
        self._by_type = {type_: source for source in self._sources for type_ in source.types()}
        return patient_first(self._by_type)

    def missing(self) -> list[Missing]:
        """What one of them has not."""
        return [item for source in self._sources for item in source.missing()]

    def notices(self) -> list[str]:
        """Of all."""
        return [notice for source in self._sources for notice in source.notices()]

    def since(self, bookmark: str) -> str | None:
        """By the first: its overlap holds for all."""
        return self._sources[0].since(bookmark)

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        """One after the other; what one has fetched is kept where the next one fails.

        Raises:
            RemoteError: one of them can have nothing at all.
            StorageError: this machine has no room.
        """
        for source in self._sources:
            source.prepare({type_: plan[type_] for type_ in plan if self._by_type[type_] is source}, progress)

    def fetch(self, type_: str) -> Iterator[Item | Problem | Gone]:
        """The resources of a type, from its source."""
        return self._by_type[type_].fetch(type_)

    @property
    def server(self) -> str | None:
        """That of the first."""
        return self._sources[0].server

    @property
    def mode(self) -> Mode:
        """That of the first."""
        return self._sources[0].mode

    def requests(self) -> Requests | None:
        """Of those that ask a server. They share its client, which counts all; so the most."""
        asked = [found for source in self._sources if (found := source.requests()) is not None]
        return max(asked, key=lambda one: (one.sent, one.retried), default=None)

    @property
    def has_all(self) -> bool:
        """All of them have all."""
        return all(source.has_all for source in self._sources)

    def can_confirm(self, type_: str) -> bool:
        """Its source can; of a type that none of them has, the first is asked."""
        return self._by_type.get(type_, self._sources[0]).can_confirm(type_)

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        """By its source."""
        return self._by_type.get(type_, self._sources[0]).confirm(type_, ids)

    def close(self) -> None:
        """All of them."""
        for source in self._sources:
            source.close()

    @property
    def transaction_time(self) -> str | None:
        """The earliest: a later one would leave a gap; None where one of them tells none."""
        times = [source.transaction_time for source in self._sources]
        if None in times:
            return None
        return min((time for time in times if time is not None), key=instant_of, default=None)
