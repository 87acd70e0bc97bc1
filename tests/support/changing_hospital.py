"""In: resources that come, change and go. Out: `Hospital`, and a source that reads it as a search does: all of it, or what changed since a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from adapter.errors import TransientError
from adapter.store import Origin
from adapter.sync.sources import Gone, Item, Missing, Mode, Problem, Progress, Requests
from tests.support.records import encode

__all__ = ["SERVER", "Hospital", "HospitalSource"]

SERVER = "https://fhir.example.org/r4"

Body = Mapping[str, Any]


class Hospital:
    """What a hospital has now, and when each resource became so; time goes on by a minute with each change."""

    def __init__(self, types: Collection[str]) -> None:
        self.types = sorted(types)
        self._now = 0
        self._there: dict[str, tuple[bytes, int]] = {}
        self._versions: dict[str, int] = {}
        self._gone: dict[str, int] = {}

    def put(self, *bodies: Body) -> None:
        """Write resources, each as a new version."""
        for body in bodies:
            self._now += 1
            name = f"{body['resourceType']}/{body['id']}"
            version = self._versions[name] = self._versions.get(name, 0) + 1
            meta = {"versionId": str(version), "lastUpdated": self.time(self._now)}
            self._there[name] = (encode({**body, "meta": meta}), self._now)
            self._gone.pop(name, None)

    def body(self, name: str) -> dict[str, Any]:
        """A resource as it is now."""
        found: dict[str, Any] = json.loads(self._there[name][0])
        return found

    def delete(self, name: str) -> None:
        """Delete a resource."""
        self._now += 1
        del self._there[name]
        self._gone[name] = self._now

    def names(self, type_: str) -> list[str]:
        """What there is of a type, as ``Type/id``."""
        return sorted(name for name in self._there if name.startswith(f"{type_}/"))

    def time(self, minute: int | None = None) -> str:
        """A time of the server's clock; the present one, where none is said."""
        at = self._now if minute is None else minute
        return f"2025-05-{1 + at // 1440:02}T{at // 60 % 24:02}:{at % 60:02}:00Z"

    def since(self, type_: str, time: str | None) -> Iterator[tuple[str, bytes | None]]:
        """What changed at or after a time, or all there is; None for what was deleted."""
        for name, (raw, at) in sorted(self._there.items()):
            if name.startswith(f"{type_}/") and (time is None or self.time(at) >= time):
                yield name, raw
        for name, at in sorted(self._gone.items()):
            if time is not None and name.startswith(f"{type_}/") and self.time(at) >= time:
                yield name, None

    def now(self, name: str) -> bytes | None:
        """A resource's bytes; None where it is not there."""
        found = self._there.get(name)
        return None if found is None else found[0]


class HospitalSource:
    """The hospital as a pull reads it.

    Args:
        hospital: which.
        failing: types that fail.
    """

    has_all = True
    mode: Mode = "search"
    server: str | None = SERVER

    def __init__(self, hospital: Hospital, *, failing: Collection[str] = ()) -> None:
        self._hospital = hospital
        self._failing = failing
        self._plan: Mapping[str, str | None] = {}
        self.transaction_time: str | None = None

    def types(self) -> list[str]:
        """All of them."""
        return self._hospital.types

    def missing(self) -> list[Missing]:
        """Nothing."""
        return []

    def notices(self) -> list[str]:
        """None."""
        return []

    def since(self, bookmark: str) -> str | None:
        """The bookmark itself."""
        return bookmark

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        """Note what is asked for, and when."""
        self._plan = plan
        self.transaction_time = self._hospital.time()

    def fetch(self, type_: str) -> Iterator[Item | Problem | Gone]:
        """What changed."""
        if type_ in self._failing:
            raise TransientError(f"{type_}: no answer")
        for name, raw in self._hospital.since(type_, self._plan[type_]):
            if raw is None:
                yield Gone(type_, name.partition("/")[2])
            else:
                yield self._item(name, raw)

    def requests(self) -> Requests | None:
        """Not counted."""
        return None

    def can_confirm(self, type_: str) -> bool:
        """Of every type."""
        return True

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        """What of it is gone, and what is there."""
        there = {id_: self._hospital.now(f"{type_}/{id_}") for id_ in ids}
        found = [self._item(f"{type_}/{id_}", raw) for id_, raw in sorted(there.items()) if raw is not None]
        return {id_ for id_, raw in there.items() if raw is None}, found

    def close(self) -> None:
        """Nothing is held."""

    def _item(self, name: str, raw: bytes) -> Item:
        return Item(raw, Origin(f"{SERVER}/{name.partition('/')[0]}", None, is_url=True))
