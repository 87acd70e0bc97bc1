"""In: the store, and who is asked about. Out: their records, the last of them kept as long as nothing is pulled; and with newer resources over them.

Nothing is written. Of somebody whom the store does not know the given resources are all there is.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from adapter.fhir import PatientRecord, is_shared, needed_references
from adapter.screening.fresh import Fresh, by_reference
from adapter.screening.held_back import about_person, held_back
from adapter.screening.hospital_records import deleted_people
from adapter.store import Store

__all__ = ["LiveRecords", "Person"]

_KEPT = 256
_MOST_SHARED = 5000
#: Bytes of the records that are read with one that is asked for, and of how many people at most.
_AHEAD, _MOST_AHEAD = 8_000_000, 32
#: Seconds for which what was seen of the lake is taken to hold.
_LOOKED_AT = 1.0


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the store knows them.

    Attributes:
        patient: ``Patient/id`` of the record that survives; ``ids`` are all of theirs, it among them.
        stored: their resources by reference, None where the store has none.
        shared: Medications and studies that these refer to.
    """

    site: str
    patient: str
    ids: tuple[str, ...]
    stored: Mapping[str, bytes] | None
    shared: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class _Lake:
    """What a site's part of the lake says of all people, as it was at a moment.

    Attributes:
        at: when it was looked at.
        key: names the state that it was read from.
        ids: all ids of a person, by each of them.
        held_back: resources in quarantine, by the person that they are about, shared ones by their own name.
        shared: Medications and studies asked for so far, by reference; None for one that is not there.
    """

    at: float
    key: object
    ids: Mapping[str, tuple[str, ...]]
    deleted: frozenset[str]
    held_back: Mapping[str, list[bytes]]
    shared: dict[str, bytes | None]


class LiveRecords:
    """The records of a store by person, the last of them kept as long as nothing is pulled.

    What was pulled shows a second later: a call must not ask all over again what the one before it has asked.

    Args:
        store: open.
        clock: seconds that only go forward.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._lakes: dict[str, _Lake] = {}
        self._known: OrderedDict[tuple[str, str], tuple[object, Person]] = OrderedDict()
        self._reading = threading.Lock()
        self._sizes: dict[str, list[int]] = {}
        self._waiting: dict[str, dict[str, tuple[str, ...]]] = {}

    def ids_of(self, site: str, patient: str) -> tuple[str, ...]:
        """All ids of a person (``Patient/id``), that of the record that survives first."""
        return self._lake(site).ids.get(patient, (patient,))

    def is_deleted(self, site: str, person: str) -> bool:
        """Whether the hospital has deleted every record of a person."""
        return person in self._lake(site).deleted

    def at_hand(self, site: str, ids: tuple[str, ...]) -> Person | None:
        """The person, where nothing has to be read for it."""
        return self._kept(site, ids[0], self._lake(site).key)

    def person(self, site: str, ids: tuple[str, ...]) -> Person:
        """The person whose ids these are, with what is stored of them.

        Whoever asks while somebody else's record is read is read with all others who asked meanwhile: one patient takes the
        lake as long as twenty.
        """
        state = self._lake(site).key
        known = self._kept(site, ids[0], state)
        if known is not None:
            return known
        with self._lock:
            self._waiting.setdefault(site, {})[ids[0]] = ids
        with self._reading:
            known = self._kept(site, ids[0], state)
            if known is not None:
                return known
            with self._lock:
                together = {ids[0]: ids} | self._waiting.pop(site, {})
            # Those who asked come last: they are kept longest.
            people = self._read(site, self._ahead(site, state, together) | together)
            with self._lock:
                self._sizes[site] = [_size(one) for one in people if one.stored] or self._sizes.get(site, [])
                for one in people:
                    self._known[site, one.patient] = (state, one)
                    self._known.move_to_end((site, one.patient))
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return next(one for one in people if one.patient == ids[0])

    def _ahead(self, site: str, state: object, asked: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Some who are on the list and were not read since the last pull: a pass over the lake takes as long with them as without.

        As many as are thought to fit in `_AHEAD` bytes, by the sizes of those who were read last. These may be small ones: few
        at first, so that a list of large records is found out before many of them are in memory.
        """
        sizes = self._sizes.get(site)
        if not sizes:
            return {}
        room = min(_MOST_AHEAD, _AHEAD * len(sizes) // max(sum(sizes), 1))
        people = self._lake(site).ids
        listed = (people.get(patient, (patient,)) for patient in self._store.screened_people(site, limit=_KEPT // 2))
        new = (ids for ids in listed if ids[0] not in asked and self._kept(site, ids[0], state) is None)
        return {ids[0]: ids for ids in islice(new, room)}

    def _kept(self, site: str, patient: str, state: object) -> Person | None:
        with self._lock:
            known = self._known.get((site, patient))
            if known is None or known[0] != state:
                return None
            self._known.move_to_end((site, patient))
            return known[1]

    def _read(self, site: str, wanted: Mapping[str, tuple[str, ...]]) -> list[Person]:
        """Some people, in one pass over the lake."""
        found = {one.patient: by_reference(one.resources) for one in self._store.lake.records(site, list(wanted))}
        needed = {patient: needed_references(stored.values()) for patient, stored in found.items()}
        shared = self._shared(site, set().union(*needed.values()))
        return [
            Person(
                site,
                patient,
                ids,
                found.get(patient),
                {one: shared[one] for one in needed.get(patient, ()) if one in shared},
            )
            for patient, ids in wanted.items()
        ]

    def record(self, person: Person, fresh: Iterable[Fresh] = (), *, faulty: Iterable[bytes] = ()) -> PatientRecord:
        """The record of a person with newer resources over what is stored.

        Args:
            person: as `person` gives them.
            fresh: newer resources, and shared ones that they may refer to.
            faulty: resources about the person that cannot be read: of each it is known that there is one.
        """
        given = {one.summary.reference: one.raw for one in fresh}
        newer = {name: raw for name, raw in given.items() if not is_shared(name)}
        own = {**(person.stored or {}), **newer}
        held = self._lake(person.site).held_back
        aside, named = about_person(held, person.ids, own.values()) if held else ([], set())
        needed = needed_references(newer.values()) | named
        unknown = needed - given.keys() - person.shared.keys()
        shared = {**person.shared, **self._shared(person.site, unknown)}
        shared |= {name: raw for name, raw in given.items() if name not in newer}
        return PatientRecord.read(
            person.patient, own.values(), merged=person.ids[1:], shared=shared, held_back=[*aside, *faulty]
        )

    def _shared(self, site: str, references: Collection[str]) -> dict[str, bytes]:
        """Resources that many patients' refer to, each read once as long as nothing is pulled."""
        known = self._lake(site).shared
        found = {one: known[one] for one in references if one in known}
        missing = [one for one in references if one not in found]
        if missing:
            read = self._store.lake.shared(site, missing)
            found |= {one: read.get(one) for one in missing}
            if len(known) < _MOST_SHARED:
                known |= found
        return {one: raw for one, raw in found.items() if raw is not None}

    def _lake(self, site: str) -> _Lake:
        with self._lock:
            known = self._lakes.get(site)
            moment = self._clock()
            if known is not None and moment - known.at < _LOOKED_AT:
                return known
            found = self._looked_at(site, known, moment)
            self._lakes[site] = found
            return found

    def _looked_at(self, site: str, known: _Lake | None, moment: float) -> _Lake:
        lake = self._store.lake
        items = [item for item in self._store.quarantined(site) if item.reference is not None]
        key = (tuple(lake.index_files(site)), tuple(lake.tombstones(site)), tuple(item.key for item in items))
        if known is not None and known.key == key:
            return replace(known, at=moment)
        members: dict[str, list[str]] = {}
        for old, survivor in sorted(lake.merges(site).items()):
            members.setdefault(survivor, []).append(old)
        ids: dict[str, tuple[str, ...]] = {}
        for survivor, olds in members.items():
            ids |= dict.fromkeys((survivor, *olds), (survivor, *olds))
        return _Lake(moment, key, ids, deleted_people(self._store, site), held_back(self._store, site, items), {})


def _size(person: Person) -> int:
    return sum(map(len, (person.stored or {}).values()))
