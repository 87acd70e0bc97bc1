"""In: a ward and a server's habits. Out: searches with their pages, reads, and histories, as a FHIR server answers them.

A page is found by a key and an offset, as HAPI does; whether the pages of one search are of one moment is a habit.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tests.support.fault_export import outcome
from tests.support.fault_plan import Answer, Habits
from tests.support.fault_ward import TYPES, Ward, WardVersion, instant

__all__ = ["Searches", "capability"]

Params = Mapping[str, list[str]]
_PATIENT_PARAMS: Final = ("patient", "subject")


@dataclass
class _Search:
    type: str
    params: Params
    found: list[WardVersion]
    first: bool
    moved: bool = False


class Searches:
    """The searches of a server."""

    def __init__(self, ward: Ward, habits: Habits) -> None:
        self._ward = ward
        self._habits = habits
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._kept: dict[str, _Search] = {}
        self._searched: set[str] = set()

    def forget(self) -> None:
        """As a server that was restarted has forgotten the pages that it kept."""
        with self._lock:
            self._kept.clear()

    def search(self, root: str, type_: str, params: Params, *, now: datetime) -> Answer:
        """The first page."""
        if type_ not in TYPES:
            return Answer(404, outcome("not-supported"))
        narrow = {"_id", *_PATIENT_PARAMS} & set(params)
        if not self._habits.types_wide and type_ != "Patient" and not narrow:
            return Answer(400, outcome("too-costly"))
        with self._lock:
            first = not narrow and type_ not in self._searched
            if not narrow:
                self._searched.add(type_)
            key = f"{type_}-{next(self._numbers)}"
            self._kept[key] = _Search(type_, params, self._found(type_, params), first)
        return self.page(root, key, 0, now=now)

    def page(self, root: str, key: str, offset: int, *, now: datetime) -> Answer:
        """A page of a search that was begun."""
        with self._lock:
            search = self._kept.get(key)
            if search is None:
                return Answer(410, outcome("not-found"))
            found = self._as_ordered(search, offset)
            size = min(self._habits.page, int(search.params.get("_count", ["50"])[0]))
            entries = [
                {
                    "fullUrl": f"{root}/{item.type}/{item.id}",
                    "resource": msgspec.Raw(item.raw),
                    "search": {"mode": "match"},
                }
                for item in found[offset : offset + size]
            ]
            body: dict[str, Any] = {
                "resourceType": "Bundle",
                "type": "searchset",
                "meta": {"lastUpdated": instant(now)},
                **({"total": len(found)} if self._habits.total else {}),
                "link": [],
                "entry": entries,
            }
            if offset + size < len(found):
                query = urlencode({"_getpages": key, "_getpagesoffset": offset + size, "for": search.type})
                body["link"] = [
                    {"relation": "next", "url": f"?{query}" if self._habits.relative else f"{root}?{query}"}
                ]
            if (
                self._habits.order == "moving"
                and search.first
                and not search.moved
                and offset == 0
                and len(found) > size
            ):
                # The record on the first page moves to the end, and all others come one place nearer.
                search.moved = True
                self._ward.change(search.type, found[0].id, now)
        return Answer(200, msgspec.json.encode(body))

    def read(self, type_: str, id_: str) -> Answer:
        """One resource."""
        item = self._ward.one(type_, id_)
        if item is None or not item.raw:
            return Answer(404 if item is None else 410, outcome("not-found" if item is None else "deleted"))
        return Answer(200, item.raw, {"ETag": f'W/"{item.version}"'})

    def history(self, root: str, type_: str, params: Params) -> Answer:
        """Every version since a moment, newest first (R4 http.html#history)."""
        if not self._habits.history:
            return Answer(501, outcome("not-supported"))
        since = params.get("_since", ["1970-01-01T00:00:00Z"])[0]
        versions = list(self._ward.since(datetime.fromisoformat(since).astimezone(UTC), [type_]))
        entries = []
        for item in sorted(versions, key=lambda item: (item.updated, item.version), reverse=True):
            request = {"method": "PUT" if item.raw else "DELETE", "url": f"{type_}/{item.id}"}
            resource = {"resource": msgspec.Raw(item.raw)} if item.raw else {}
            told = {
                "status": "200" if item.raw else "204",
                "lastModified": instant(item.updated),
                "etag": f'W/"{item.version}"',
            }
            entries.append({"fullUrl": f"{root}/{type_}/{item.id}", **resource, "request": request, "response": told})
        body = {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}
        return Answer(200, msgspec.json.encode(body))

    def _found(self, type_: str, params: Params) -> list[WardVersion]:
        found = self._ward.current(type_)
        if "_id" in params:
            ids = {id_ for value in params["_id"] for id_ in value.split(",")}
            found = [item for item in found if item.id in ids]
        for name in _PATIENT_PARAMS:
            if name in params:
                patients = {who.rpartition("/")[2] for value in params[name] for who in value.split(",")}
                found = [item for item in found if item.patient in patients]
        for bound in params.get("_lastUpdated", []):
            begin = datetime.fromisoformat(bound.removeprefix("ge").removeprefix("gt")).astimezone(UTC)
            found = [item for item in found if item.updated >= begin]
        return found

    def _as_ordered(self, search: _Search, offset: int) -> Sequence[WardVersion]:
        """The entries, in the order that holds when this page is asked for."""
        match self._habits.order:
            case "shuffled":
                return sorted(search.found, key=lambda item: (int(item.id[1:]) * 7919) % 1009)
            case "moving":
                return self._found(search.type, search.params)
            case "ties" if offset:
                return _swapped(search.found, offset)
            case "ties-once" if offset and search.first:
                return _swapped(search.found, offset)
        return search.found


def _swapped(found: Sequence[WardVersion], offset: int) -> Sequence[WardVersion]:
    """The last of the page before and the first of this one change places: one comes twice, one never."""
    return [*found[: offset - 1], found[offset], found[offset - 1], *found[offset + 1 :]]


def capability(habits: Habits, root: str, *, now: datetime) -> bytes:
    """The CapabilityStatement."""
    interactions = ["read", "search-type", *(["history-type"] if habits.history else [])]
    params = [
        {"name": name, "type": kind}
        for name, kind in (
            ("_id", "token"),
            ("_lastUpdated", "date"),
            ("patient", "reference"),
            ("subject", "reference"),
        )
    ]
    resources = [
        {
            "type": type_,
            "interaction": [{"code": code} for code in interactions],
            "searchParam": params if type_ != "Patient" else params[:2],
        }
        for type_ in TYPES
    ]
    export = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
    body = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(now - timedelta(days=1)),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "implementation": {"description": "a small ward", "url": root},
        "rest": [
            {
                "mode": "server",
                "resource": [
                    *resources,
                    {"type": "Group", "operation": [{"name": "export", "definition": f"{export}/group-export"}]},
                ],
                "operation": [
                    {"name": "export", "definition": f"{export}/export"},
                    {"name": "patient-export", "definition": f"{export}/patient-export"},
                ],
            }
        ],
    }
    return msgspec.json.encode(body)
