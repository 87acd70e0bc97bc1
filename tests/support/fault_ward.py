"""In: nothing. Out: the records of a small ward, the same each time, that can be changed and deleted from, every version with its bytes.

The bytes are such as a careless reader changes: spaces after colons, escapes, numbers with a zero at their end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

__all__ = ["MOVED_IN", "SECRET", "TYPES", "Ward", "WardVersion", "instant"]

#: Stands in every Patient; nothing that is told about a feed may repeat it.
SECRET: Final = "Quatrevaux"
TYPES: Final = ("Condition", "MedicationAdministration", "Observation", "Patient")
#: The whole ward was moved in from another system in one moment: all of it shares one ``lastUpdated``.
MOVED_IN: Final = datetime(2025, 5, 1, 8, tzinfo=UTC)
_COUNTS: Final = {"Patient": 40, "Condition": 40, "MedicationAdministration": 60, "Observation": 180}
_PREFIX: Final = {"Patient": "p", "Condition": "c", "MedicationAdministration": "m", "Observation": "o"}


@dataclass(frozen=True)
class WardVersion:
    """One version of a resource; ``raw`` is empty where it was deleted."""

    type: str
    id: str
    version: int
    updated: datetime
    raw: bytes

    @property
    def patient(self) -> str:
        """The id of whom it is about."""
        return f"p{int(self.id[1:]) % _COUNTS['Patient']}"


def instant(moment: datetime) -> str:
    """As FHIR writes it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Ward:
    """All versions of all resources, oldest first; safe to be changed while it is read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: dict[tuple[str, str], list[WardVersion]] = {}
        for type_, count in _COUNTS.items():
            for number in range(count):
                id_ = f"{_PREFIX[type_]}{number}"
                self._versions[type_, id_] = [_version(type_, id_, 1, MOVED_IN)]

    def current(self, type_: str) -> list[WardVersion]:
        """What there is of a type, by time of its last change and then by id."""
        with self._lock:
            last = [versions[-1] for (of, _), versions in self._versions.items() if of == type_]
        return sorted((item for item in last if item.raw), key=lambda item: (item.updated, int(item.id[1:])))

    def one(self, type_: str, id_: str) -> WardVersion | None:
        """A resource as it is now; its deletion where it was deleted; None where there never was one."""
        return self._versions.get((type_, id_), [None])[-1]

    def since(self, moment: datetime, types: Iterable[str] = TYPES) -> Iterator[WardVersion]:
        """Every version of these types that came at or after a moment, deletions too."""
        wanted = set(types)
        with self._lock:
            found = [item for versions in self._versions.values() for item in versions]
        return (item for item in found if item.updated >= moment and item.type in wanted)

    def change(self, type_: str, id_: str, at: datetime) -> WardVersion:
        """A resource gets a version more."""
        with self._lock:
            versions = self._versions[type_, id_]
            versions.append(_version(type_, id_, versions[-1].version + 1, at))
            return versions[-1]

    def delete(self, type_: str, id_: str, at: datetime) -> None:
        """A resource is there no longer."""
        with self._lock:
            versions = self._versions[type_, id_]
            versions.append(WardVersion(type_, id_, versions[-1].version + 1, at, b""))

    def held(self, types: Iterable[str] = TYPES) -> list[tuple[str, str, bytes]]:
        """Type, id and bytes of what there is now, sorted, as `tests.unit.store.making.everything` gives a store's."""
        return sorted((item.type, item.id, item.raw) for type_ in types for item in self.current(type_))

    def ever(self) -> set[tuple[str, str, bytes]]:
        """The same of all versions that there ever were."""
        with self._lock:
            return {(item.type, item.id, item.raw) for versions in self._versions.values() for item in versions}


def _version(type_: str, id_: str, version: int, at: datetime) -> WardVersion:
    number = int(id_[1:])
    about = f'{{"reference": "Patient/p{number % _COUNTS["Patient"]}"}}'
    own = {
        "Patient": f'"active":true,"name":[{{"family":"{SECRET}","given":["Zo\\u00e9"]}}],"birthDate": "19{40 + number}-02-03"',
        "Condition": '"code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"C17.2"}]},'
        f'"subject":{about}',
        "MedicationAdministration": '"status":"completed","medicationCodeableConcept":{"coding":'
        f'[{{"system":"http://www.whocc.no/atc","code":"V10XX04"}}]}},"subject":{about},'
        f'"effectiveDateTime":"2024-0{1 + number % 9}-11"',
        "Observation": '"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},'
        f'"subject":{about},"valueQuantity":{{"value":1{number % 10}.{version}0,"unit":"g\\/dL",'
        '"system":"http://unitsofmeasure.org","code":"g/dL"}',
    }[type_]
    meta = f'{{"versionId":"{version}","lastUpdated":"{instant(at)}"}}'
    raw = f'{{"resourceType": "{type_}","id":"{id_}","meta":{meta},{own}}}'.encode()
    return WardVersion(type_, id_, version, at, raw)
