"""In: resources, and how a server misbehaves. Out: that server as httpx's transport, with a list of what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from urllib.parse import parse_qsl

import httpx
import msgspec

from adapter.client import Clock, RetryPolicy, SiteAddress, SiteClient
from tests.unit.store.making import line

ROOT = "https://h.example.org/r4"
#: The server's time at the first thing that it is asked; a second later at each further one.
START = datetime(2025, 6, 1, 10, tzinfo=UTC)
STATED = ("read", "search-type")


@dataclass(frozen=True)
class Ask:
    """One request: ``kind`` is metadata, search, page, count, history or read; ``page`` counts from 1."""

    kind: str
    type: str = ""
    method: str = "GET"
    params: dict[str, str] = field(default_factory=dict)
    page: int = 1
    id: str = ""


@dataclass
class Server:
    """A FHIR server; ``meddle`` may answer in its place, and ``order`` says in which order a search finds ids."""

    resources: dict[str, dict[str, bytes]]
    interactions: Sequence[str] = STATED
    search_params: Sequence[str] = ("_id", "_lastUpdated", "patient")
    includes: dict[str, list[str]] = field(default_factory=dict)
    tells_total: bool = True
    meddle: Callable[[Ask], httpx.Response | None] = lambda ask: None
    order: Callable[[Ask, list[str]], list[str]] = lambda ask, ids: ids
    deleted: list[tuple[str, str]] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Requests come from several threads, and next links are known by number."""
        self._lock = Lock()
        self._searches: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request."""
        with self._lock:
            ask = self._ask(request)
            self.asked.append(ask)
            meddled = self.meddle(ask)
            if meddled is not None:
                return meddled
            answers = {
                "metadata": self._metadata,
                "search": self._search,
                "page": self._page,
                "count": self._count,
                "history": self._history,
                "read": self._read,
            }
            return answers[ask.kind](ask)

    def searches(self, type_: str, kind: str = "search") -> list[dict[str, str]]:
        """The parameters of all searches for a type, but for the count of a page and the order."""
        found = [ask.params for ask in self.asked if (ask.kind, ask.type) == (kind, type_)]
        return [{k: v for k, v in params.items() if k not in ("_count", "_sort")} for params in found]

    def kinds(self) -> list[str]:
        """What was asked, in order."""
        return [ask.kind for ask in self.asked if ask.kind != "metadata"]

    def client(self, *, attempts: int = 2) -> SiteClient:
        """A client of it that never sleeps."""
        clock = Clock(sleep=lambda seconds: None, monotonic=lambda: 0.0, jitter=lambda: 0.0)
        via = httpx.MockTransport(self)
        return SiteClient(SiteAddress(ROOT), policy=RetryPolicy(attempts=attempts), clock=clock, via=via)

    def _ask(self, request: httpx.Request) -> Ask:
        path = request.url.path.removeprefix("/r4/").split("/")
        params = dict(parse_qsl(request.url.query.decode()))
        if path == ["metadata"]:
            return Ask("metadata")
        if len(path) == 1 and "_page" in params:
            number, _, page = params["_page"].partition("-")
            type_, before = self._searches[int(number)]
            return Ask("page", type_, "GET", before | {"_search": number}, int(page))
        if path[1:] == ["_history"]:
            return Ask("history", path[0], "GET", params)
        if len(path) > 1 and path[1] != "_search":
            return Ask("read", path[0], id=path[1])
        params |= dict(parse_qsl(request.content.decode()))
        return Ask("count" if params.get("_summary") == "count" else "search", path[0], request.method, params)

    def _metadata(self, ask: Ask) -> httpx.Response:
        resources = [
            {
                "type": type_,
                "interaction": [{"code": code} for code in self.interactions],
                "searchParam": [{"name": name} for name in self.search_params],
                "searchInclude": self.includes.get(type_, []),
            }
            for type_ in self.resources
        ]
        rest = [{"mode": "server", "resource": resources}]
        return httpx.Response(200, json={"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest})

    def _found(self, ask: Ask) -> list[str]:
        held = self.resources[ask.type]
        ids = ask.params["_id"].split(",") if "_id" in ask.params else list(held)
        if "patient" in ask.params:
            of = {f'"Patient/{id_}"'.encode() for id_ in ask.params["patient"].split(",")}
            ids = [id_ for id_ in ids if any(reference in held[id_] for reference in of)]
        since = ask.params.get("_lastUpdated", "ge")[2:]
        return [id_ for id_ in ids if id_ in held and _updated(held[id_]) >= since[:10]]

    def _count(self, ask: Ask) -> httpx.Response:
        return _bundle([], total=len(self._found(ask)))

    def _search(self, ask: Ask) -> httpx.Response:
        self._searches.append((ask.type, ask.params))
        return self._page(Ask(ask.kind, ask.type, params=ask.params | {"_search": str(len(self._searches) - 1)}))

    def _page(self, ask: Ask) -> httpx.Response:
        found = self._found(ask)
        size = int(ask.params.get("_count", "50"))
        ids = self.order(ask, found)[(ask.page - 1) * size : ask.page * size]
        raws = [self.resources[ask.type][id_] for id_ in ids]
        onward = f"{ask.type}?_page={ask.params['_search']}-{ask.page + 1}" if ask.page * size < len(found) else None
        time = START.replace(second=min(59, len(self.asked))).isoformat()
        return _bundle(raws, total=len(found) if self.tells_total else None, onward=onward, time=time)

    def _history(self, ask: Ask) -> httpx.Response:
        entries = [
            {"request": {"method": "DELETE", "url": f"{type_}/{id_}"}}
            for type_, id_ in self.deleted
            if type_ == ask.type
        ]
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "history", "entry": entries})

    def _read(self, ask: Ask) -> httpx.Response:
        raw = self.resources[ask.type].get(ask.id)
        return httpx.Response(410) if raw is None else httpx.Response(200, content=raw)


def resource(type_: str, id_: str, of: str | None = None, *, updated: str = "2025-05-01") -> bytes:
    """A resource, of a patient or of none."""
    subject = {} if of is None else {"subject": {"reference": f"Patient/{of}"}}
    return line(type_, id_, version=1, updated=f"{updated}T08:00:00Z", **subject)


def held(*raws: bytes) -> dict[str, dict[str, bytes]]:
    """Resources by type and id."""
    found: dict[str, dict[str, bytes]] = {}
    for raw in raws:
        named = msgspec.json.decode(raw)
        found.setdefault(named["resourceType"], {})[named["id"]] = raw
    return found


def refusing(status: int, when: Callable[[Ask], bool]) -> Callable[[Ask], httpx.Response | None]:
    """A meddler that refuses some requests."""
    return lambda ask: httpx.Response(status) if when(ask) else None


def _updated(raw: bytes) -> str:
    return str(msgspec.json.decode(raw).get("meta", {}).get("lastUpdated", "9999"))[:10]


def _bundle(
    raws: Iterable[bytes], *, total: int | None = None, onward: str | None = None, time: str | None = None
) -> httpx.Response:
    head = {"resourceType": "Bundle", "type": "searchset"}
    more = {
        "total": total,
        "link": None if onward is None else [{"relation": "next", "url": onward}],
        "meta": None if time is None else {"lastUpdated": time},
    }
    body = msgspec.json.encode(head | {key: value for key, value in more.items() if value is not None})
    entries = b",".join(b'{"resource":%b,"search":{"mode":"match"}}' % raw for raw in raws)
    return httpx.Response(200, content=body[:-1] + (b',"entry":[' + entries + b"]}" if entries else b"}"))
