"""In: the Patients that a pull brings, and those that stand under their ids in the store. Out: whether they are the same people.

An id is a server's own. Where `base_url` leads to another hospital's server, or ids were given anew behind it, the records of two
people would become one, and a decision on one would stand for the other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import msgspec

from adapter.errors import ConfigurationError
from adapter.fhir import folded_numbers
from adapter.store import Store
from adapter.sync.search_plan import PATIENT

__all__ = ["SamePeople", "is_other"]

#: So many are compared: a sample of a large hospital tells as well as all of it.
_MOST: Final = 20_000
#: A server that was the right one so far may have mixed up some people.
_FEW: Final = 10
_TOLD: Final = (
    "{other} of {compared} people are others than under the same ids before, by birth date and name or number: another hospital's server or "
    "folder, or one whose ids were given anew. Nothing was stored: under this name the records of two people would become one. "
    "If it is the right one, it wants a name of its own in the settings"
)
_PATIENTS_FIRST: Final = (
    "is another server than before: whether its people are the same ones, a pull of all types has to tell first"
)


class _Told(msgspec.Struct):
    """Of a Patient what tells who they are; whatever the hospital wrote there."""

    birthDate: object = None
    identifier: object = None
    name: object = None


_read = msgspec.json.Decoder(_Told).decode


class _Person(NamedTuple):
    born: str | None
    numbers: frozenset[str]
    families: frozenset[str]


class SamePeople:
    """Looks at each Patient that comes; `require` then tells.

    Args:
        store: open.
        site: whose pull it is.
        server: base URL that it is had from, None for a folder.
        moved: it is another one than what is stored was had from.
    """

    def __init__(self, store: Store, site: str, *, server: str | None, moved: bool) -> None:
        self._store = store
        self._site = site
        self._setting = f"sites.{site}" if server is None else f"sites.{site}.base_url"
        self._moved = moved
        self._came: dict[str, _Person] = {}

    def take(self, type_: str, id_: str, raw: bytes) -> None:
        """One resource that came."""
        if type_ == PATIENT and len(self._came) < _MOST:
            self._came[id_] = _person(raw)

    def require(self, read: Collection[str]) -> None:
        """Refuse people who are others.

        Args:
            read: types that the pull reads.

        Raises:
            ConfigurationError: most of those who can be compared are other people; from the server that was asked so far, ten
                at least. Or they cannot be compared, as a pull from another server leaves Patients out.
        """
        if self._moved and PATIENT not in read:
            raise ConfigurationError(self._setting, _PATIENTS_FIRST)
        stored = self._store.lake.bodies(self._site, PATIENT, self._came)
        found = [is_other(_person(raw), self._came[id_]) for id_, raw in stored.items()]
        other, same = found.count(True), found.count(False)
        if other > same and other >= (1 if self._moved else _FEW):
            told = _TOLD.format(other=other, compared=other + same)
            raise ConfigurationError(self._setting, told)


def is_other(before: _Person, now: _Person) -> bool | None:
    """Whether two are different people; None where nothing can be compared.

    A family name in common makes them one, or a number where one of them has no name: birth dates are corrected, and people marry.
    A number alone does not: two hospitals may both begin with 1.
    """
    if not before.families.isdisjoint(now.families):
        return False
    is_named = bool(before.families and now.families)
    if not before.numbers.isdisjoint(now.numbers) and not is_named:
        return False
    if before.born is None or now.born is None:
        return None
    return before.born != now.born


def _person(raw: bytes) -> _Person:
    try:
        told = _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Person(None, frozenset(), frozenset())
    born = told.birthDate if isinstance(told.birthDate, str) else None
    return _Person(born, folded_numbers(told.identifier), _families(told.name))


def _families(names: Any) -> frozenset[str]:
    told = [one.get("family") for one in names if isinstance(one, dict)] if isinstance(names, list) else []
    return frozenset(folded for one in told if isinstance(one, str) and (folded := one.strip().casefold()))
