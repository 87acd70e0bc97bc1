"""In: what a push sends. Out: what a hospital's FHIR server answers, held in memory, with its faults to be switched on.

Spoken to through httpx (`SiteClient(..., via=httpx.MockTransport(server))`): R4 transactions that are all or nothing, conditional
create, If-Match, search by POST and GET (``identifier``, ``_id``, ``_lastUpdated``), paging, versions, a clock of its own that
moves with each request. One file, although a long one: its parts share the histories that they answer from.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import httpx
import msgspec

__all__ = ["BASE_URL", "Fault", "Json", "PushServer", "Stored", "answer", "cut", "half", "lost", "outcome", "told"]

BASE_URL: Final = "https://fhir.hospital.example/r4"
Json = dict[str, Any]
_FHIR: Final = "application/fhir+json"
# fmt: off
_TYPES: Final = (
    "Patient", "ResearchStudy", "Group", "Organization", "Location", "ResearchSubject", "List", "Observation",
    "MedicationAdministration", "Procedure", "MedicationRequest", "AdverseEvent", "Provenance", "PlanDefinition",
)
# fmt: on
_encoder = msgspec.json.Encoder(decimal_format="number")
_REASONS: Final = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}


@dataclass(frozen=True)
class Stored:
    """One version of a resource; ``body`` is None where it was deleted."""

    type: str
    id: str
    version: int
    at: datetime
    body: Json | None
    by: str

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


class _Refusal(Exception):
    def __init__(self, status: int, body: Json) -> None:
        self.status = status
        self.body = body
        super().__init__(str(status))


#: What happens to the next transaction instead of its being carried out: the server, the entries, and its own way to do it.
Fault = Callable[["PushServer", list[Json]], httpx.Response]


@dataclass
class PushServer:
    """The server; give it to `httpx.MockTransport`.

    Attributes:
        token: bearer token that it wants, where it wants one.
        page: resources a page at most.
        newest_first: searches give what was written last first.
        ignores_if_none_exist: a conditional create creates.
        has_tags: it states, and knows, the search by ``_tag``.
        ignores_if_match: an update replaces whatever there is.
        has_last_updated: states and answers ``_lastUpdated``.
        post_search: status that a search by POST is answered, where there is none.
        transactions: status that a transaction is answered, where there are none.
        tells_locations: answers of writes hold location and etag.
        index_lag: seconds until what was written is found by a search of its identifiers.
        rewrites: what it makes of a resource that is written to it.
        refuses: status and OperationOutcome for a resource that it does not take, else None.
        faults: of the next transactions, one each.
        before: called once, when the next transaction has come and nothing of it was done.
        meanwhile: by type, called once, when the next search of it has come and nothing was looked up.
        versioned: states versions in meta and etag.
    """

    token: str | None = None
    page: int = 200
    newest_first: bool = False
    ignores_if_none_exist: bool = False
    has_tags: bool = False
    ignores_if_match: bool = False
    has_last_updated: bool = True
    post_search: int | None = None
    transactions: int | None = None
    tells_locations: bool = True
    index_lag: float = 0.0
    versioned: bool = True
    pretty: bool = False
    rewrites: Callable[[Json], Json] = lambda body: body
    refuses: Callable[[Json], tuple[int, Json] | None] = lambda body: None
    faults: deque[Fault] = field(default_factory=deque)
    before: deque[Callable[[], object]] = field(default_factory=deque)
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    transacted: list[list[Json]] = field(default_factory=list)
    log: list[Stored] = field(default_factory=list)
    now: datetime = datetime(2025, 6, 1, 8, tzinfo=UTC)
    _histories: dict[tuple[str, str], list[Stored]] = field(default_factory=dict)
    _pages: dict[str, list[Stored]] = field(default_factory=dict)
    _last_id: int = 100

    # What the hospital does, and what tests look at ---------------------------------------------------------------

    def put(self, body: Json, *, by: str = "hospital") -> str:
        """Create a resource, or replace it where it has an id that is there; its reference."""
        id_ = body.get("id") or self._new_id()
        return self._write(body["resourceType"], id_, body, by=by).reference

    def change(self, reference: str, change: Callable[[Json], object]) -> Json:
        """Change a resource as its users do, on what stands there; as it is then."""
        body = self.get(reference)
        change(body)
        type_, id_ = reference.split("/")
        self._write(type_, id_, body, by="hospital")
        return body

    def delete(self, reference: str) -> None:
        """Delete a resource at the hospital."""
        type_, id_ = reference.split("/")
        self._write(type_, id_, None, by="hospital")

    def get(self, reference: str) -> Json:
        """A copy of what stands there."""
        type_, id_ = reference.split("/")
        body = self._histories[type_, id_][-1].body
        assert body is not None, f"{reference} was deleted"
        return _copy(body)

    def all(self, type_: str) -> list[Stored]:
        """What stands there of a type, oldest first."""
        return [one[-1] for (of, _), one in self._histories.items() if of == type_ and one[-1].body is not None]

    def one(self, type_: str) -> Stored:
        """The only resource of a type."""
        found = self.all(type_)
        assert len(found) == 1, f"{len(found)} {type_}"
        return found[0]

    def history(self, reference: str) -> list[Stored]:
        """All versions of a resource, oldest first."""
        type_, id_ = reference.split("/")
        return list(self._histories[type_, id_])

    def state(self) -> list[tuple[str, int, bytes]]:
        """Every version of everything, to compare."""
        return [(one.reference, one.version, _encoder.encode(one.body)) for one in self.log]

    def versions(self) -> dict[str, int]:
        """The current version of what stands there."""
        return {one[-1].reference: one[-1].version for one in self._histories.values() if one[-1].body}

    def doubles(self) -> list[str]:
        """Identifiers under which more than one resource of a type stands."""
        seen: dict[str, list[str]] = {}
        for history in self._histories.values():
            for system, value in _identifiers(history[-1].body or {}):
                seen.setdefault(f"{history[-1].type} {system}|{value}", []).append(history[-1].reference)
        return sorted(name for name, references in seen.items() if len(references) > 1)

    def written_by(self, who: str) -> list[Stored]:
        """All versions written by ``hospital`` or ``push``."""
        return [one for one in self.log if one.by == who]

    def pass_time(self, seconds: float) -> None:
        """Let the server's clock go on."""
        self.now += timedelta(seconds=seconds)

    # HTTP ---------------------------------------------------------------------------------------------------------

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.pass_time(0.01)
        path = request.url.path.removeprefix("/r4").strip("/")
        self.requests.append(
            f"{request.method} {path}" + (f"?{request.url.query.decode()}" if request.url.query else "")
        )
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _answered(401, outcome("login", "token of Dupont expired"))
        if path == "metadata":
            return _answered(200, self._capability())
        if request.method == "POST" and path == "":
            return self._transaction(request)
        return self._read(request, path)

    def _read(self, request: httpx.Request, path: str) -> httpx.Response:
        parts = path.split("/")
        if request.method == "GET" and "_getpages" in request.url.params:
            return self._page(request.url.params["_getpages"])
        if len(parts) == 2 and parts[1] == "_search" and request.method == "POST":
            if self.post_search is not None:
                return _answered(self.post_search, outcome("not-supported", "no search by POST"))
            return self._search(parts[0], parse_qs(request.content.decode()))
        if len(parts) == 1 and request.method == "GET":
            return self._search(parts[0], parse_qs(request.url.query.decode()))
        if len(parts) == 2 and request.method == "GET":
            found = self._histories.get((parts[0], parts[1]))
            if found is None or found[-1].body is None:
                return _answered(404 if found is None else 410, outcome("not-found", ""))
            return self._resource(found[-1])
        return _answered(400, outcome("invalid", "not known"))

    def _resource(self, stored: Stored) -> httpx.Response:
        headers = {"ETag": f'W/"{stored.version}"'} if self.versioned else {}
        return httpx.Response(200, content=self._bytes(stored), headers={"Content-Type": _FHIR, **headers})

    def _capability(self) -> Json:
        params = ["_id", *(["_lastUpdated"] if self.has_last_updated else []), *(["_tag"] if self.has_tags else [])]
        resources = [
            {"type": type_, "searchParam": [{"name": name, "type": "token"} for name in [_searched_by(type_), *params]]}
            for type_ in _TYPES
        ]
        rest = {"mode": "server", "resource": resources, "interaction": [{"code": "transaction"}]}
        return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest]}

    # Searches -----------------------------------------------------------------------------------------------------

    def _search(self, type_: str, params: Mapping[str, list[str]]) -> httpx.Response:
        self.meanwhile.pop(type_, lambda: None)()
        found = self.all(type_)
        if "identifier" in params:
            wanted = {_token(one) for one in _commas(params["identifier"][0])}
            assert _searched_by(type_) == "identifier", "HAPI refuses that"
            found = [one for one in found if wanted & set(_identifiers(one.body or {})) and self._is_indexed(one)]
        if "subject" in params:
            people = set(_commas(params["subject"][0]))
            found = [one for one in found if (one.body or {}).get("subject", {}).get("reference") in people]
        if "_tag" in params:
            assert self.has_tags, "only what is stated is asked"
            tags = {_token(one) for one in _commas(params["_tag"][0])}
            found = [one for one in found if tags & _tags(one)]
        if "_id" in params:
            ids = set(params["_id"][0].split(","))
            found = [one for one in found if one.id in ids]
        if "_lastUpdated" in params and self.has_last_updated:
            since = datetime.fromisoformat(params["_lastUpdated"][0].removeprefix("ge"))
            found = [one for one in found if one.at >= since]
        if "_sort" in params:
            found = sorted(found, key=lambda one: one.at)
        if self.newest_first:
            found = found[::-1]
        self._pages[f"p{len(self._pages)}"] = found
        return self._page(f"p{len(self._pages) - 1}", count=int(params.get("_count", ["200"])[0]))

    def _page(self, name: str, *, count: int | None = None) -> httpx.Response:
        key, _, place = name.partition(".")
        start, size = (0, min(count or self.page, self.page)) if not place else map(int, place.split("."))
        found = self._pages[key]
        entries = [
            {"fullUrl": f"{BASE_URL}/{one.reference}", "resource": self._shown(one)}
            for one in found[start : start + size]
        ]
        links = []
        if start + size < len(found):
            links.append({"relation": "next", "url": f"{BASE_URL}?_getpages={key}.{start + size}.{size}"})
        bundle = {
            "resourceType": "Bundle",
            "type": "searchset",
            "meta": {"lastUpdated": self.now.isoformat(timespec="milliseconds")},
            "link": links,
            "entry": entries,
        }
        return _answered(200, bundle, pretty=self.pretty)

    def _is_indexed(self, one: Stored) -> bool:
        first = self._histories[one.type, one.id][0]
        return one.by == "hospital" or first.at + timedelta(seconds=self.index_lag) <= self.now

    def _shown(self, stored: Stored) -> Json:
        body = dict(stored.body or {})
        meta = dict(body.get("meta", {}))
        if self.versioned:
            meta["versionId"] = str(stored.version)
        meta["lastUpdated"] = stored.at.isoformat(timespec="milliseconds")
        return {**body, "id": stored.id, "meta": meta}

    def _bytes(self, stored: Stored) -> bytes:
        return _written(self._shown(stored), pretty=self.pretty)

    # Writes -------------------------------------------------------------------------------------------------------

    def _transaction(self, request: httpx.Request) -> httpx.Response:
        if self.transactions is not None:
            return _answered(self.transactions, outcome("not-supported", "no transactions"))
        bundle = _decoded(request.content)
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
        entries: list[Json] = bundle["entry"]
        self.transacted.append(entries)
        if self.before:
            self.before.popleft()()
        if self.faults:
            return self.faults.popleft()(self, entries)
        return self.carry_out(entries)

    def carry_out(self, entries: list[Json]) -> httpx.Response:
        """A transaction: all of it or nothing."""
        kept = {key: list(history) for key, history in self._histories.items()}
        logged = len(self.log)
        try:
            responses = self.apply(entries)
        except _Refusal as refusal:
            self._histories = kept
            del self.log[logged:]
            return _answered(refusal.status, refusal.body)
        return told(responses, pretty=self.pretty)

    def apply(self, entries: Iterable[Json]) -> list[Json]:
        """Carry out entries one by one; their responses."""
        listed = list(entries)
        targets: dict[str, str] = {}
        existing: dict[int, Stored] = {}
        for at, entry in enumerate(listed):
            if entry["request"]["method"] != "POST":
                continue
            type_ = entry["request"]["url"]
            found = self._existing(type_, entry["request"].get("ifNoneExist"))
            if len(found) > 1:
                raise _Refusal(412, outcome("multiple-matches", "of Dupont"))
            if found:
                existing[at] = found[0]
            id_ = found[0].id if found else self._new_id()
            targets[entry.get("fullUrl") or f"#{at}"] = f"{type_}/{id_}"
        return [self._entry(at, entry, targets, existing.get(at)) for at, entry in enumerate(listed)]

    def _entry(self, at: int, entry: Json, targets: Mapping[str, str], existing: Stored | None) -> Json:
        request = entry["request"]
        body = _linked(entry.get("resource"), targets)
        if body is not None:
            refused = self.refuses(body)
            if refused is not None:
                raise _Refusal(*refused)
        if request["method"] == "POST":
            if existing is not None:
                return self._told(200, existing)
            type_, id_ = targets[entry.get("fullUrl") or f"#{at}"].split("/")
            return self._told(201, self._write(type_, id_, self.rewrites(body), by="push"))
        type_, id_ = request["url"].split("/")
        standing = self._histories.get((type_, id_))
        if standing is None or standing[-1].body is None:
            raise _Refusal(404 if standing is None else 410, outcome("not-found", "of Dupont"))
        wanted = request.get("ifMatch")
        if not self.ignores_if_match and wanted is not None and wanted != f'W/"{standing[-1].version}"':
            raise _Refusal(412, outcome("conflict", "version of Dupont"))
        body = None if request["method"] == "DELETE" else self.rewrites(body)
        if body is not None and _plain(body) == _plain(standing[-1].body):
            # As HAPI does: what changes nothing is no new version.
            return self._told(200, standing[-1])
        return self._told(204 if body is None else 200, self._write(type_, id_, body, by="push"))

    def _told(self, status: int, stored: Stored) -> Json:
        response: Json = {"status": _REASONS[status]}
        if self.tells_locations and status != 204:
            history = f"/_history/{stored.version}" if self.versioned else ""
            response["location"] = f"{stored.reference}{history}"
            response["lastModified"] = stored.at.isoformat(timespec="milliseconds")
            if self.versioned:
                response["etag"] = str(stored.version)
        return {"response": response}

    def _existing(self, type_: str, query: str | None) -> list[Stored]:
        if query is None or self.ignores_if_none_exist:
            return []
        name, _, value = query.partition("=")
        wanted = _token(unquote(value))
        if name == "_tag":
            assert self.has_tags, "only what is stated is asked"
            return [one for one in self.all(type_) if wanted in _tags(one)]
        assert name == "identifier", "only these are ever asked"
        return [one for one in self.all(type_) if wanted in _identifiers(one.body or {}) and self._is_indexed(one)]

    def _write(self, type_: str, id_: str, body: Json | None, *, by: str) -> Stored:
        self.pass_time(0.01)
        history = self._histories.setdefault((type_, id_), [])
        kept = None if body is None else {**_copy(body), "id": id_}
        stored = Stored(type_, id_, len(history) + 1, self.now, kept, by)
        history.append(stored)
        self.log.append(stored)
        return stored

    def _new_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)


# Faults of one transaction ----------------------------------------------------------------------------------------


def answer(status: int, body: object = None, *, headers: Mapping[str, str] | None = None) -> Fault:
    """Nothing is done; this is answered."""
    return lambda server, entries: _answered(
        status, body if body is not None else outcome("exception", "of Dupont"), headers
    )


def lost() -> Fault:
    """All of it is done, and the connection breaks before the answer."""

    def fault(server: PushServer, entries: list[Json]) -> httpx.Response:
        server.carry_out(entries)
        raise httpx.ReadError("cut off")

    return fault


def cut() -> Fault:
    """Nothing is done, and the connection breaks: to the client the same as `lost`."""

    def fault(server: PushServer, entries: list[Json]) -> httpx.Response:
        raise httpx.ReadError("cut off")

    return fault


def half(first: int, then: str) -> Fault:
    """Only the first entries are done.

    Args:
        first: how many.
        then: ``says`` so by entry, answers ``500``, or ``cut``: the connection breaks.
    """

    def fault(server: PushServer, entries: list[Json]) -> httpx.Response:
        responses = server.apply(entries[:first])
        if then == "cut":
            raise httpx.ReadError("cut off")
        if then == "500":
            return _answered(500, outcome("exception", "of Dupont"))
        failed = {"response": {"status": "500 Internal Server Error", "outcome": outcome("exception", "of Dupont")}}
        return told([*responses, *[failed for _ in entries[first:]]])

    return fault


def told(responses: list[Json], *, pretty: bool = False) -> httpx.Response:
    """The answer to a transaction."""
    return _answered(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": responses}, pretty=pretty)


def outcome(code: str, diagnostics: str, *, expression: str | None = None) -> Json:
    """An OperationOutcome with one error."""
    issue: Json = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue | ({"expression": [expression]} if expression else {})]}


# ------------------------------------------------------------------------------------------------------------------


def _answered(
    status: int, body: object, headers: Mapping[str, str] | None = None, *, pretty: bool = False
) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else _written(body, pretty=pretty)
    return httpx.Response(status, content=content, headers={"Content-Type": _FHIR, **(headers or {})})


def _written(body: object, *, pretty: bool) -> bytes:
    content = _encoder.encode(body)
    return msgspec.json.format(content, indent=2) if pretty else content


def _decoded(content: bytes) -> Json:
    found: Json = json.loads(content, parse_float=Decimal)
    return found


def _copy(body: Json) -> Json:
    return _decoded(_encoder.encode(body))


def _plain(body: Json) -> bytes:
    meta = {key: value for key, value in body.get("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    return _encoder.encode({**body, "meta": meta})


def _linked(content: Any, targets: Mapping[str, str]) -> Any:
    if isinstance(content, dict):
        return {
            key: targets.get(value, value) if key == "reference" and isinstance(value, str) else _linked(value, targets)
            for key, value in content.items()
        }
    return [_linked(one, targets) for one in content] if isinstance(content, list) else content


def _identifiers(body: Json) -> list[tuple[str, str]]:
    found = body.get("identifier", [])
    return [
        (one.get("system", ""), one["value"])
        for one in (found if isinstance(found, list) else [found])
        if "value" in one
    ]


def _tags(one: Stored) -> set[tuple[str, str]]:
    return {(tag["system"], tag["code"]) for tag in (one.body or {}).get("meta", {}).get("tag", [])}


def _searched_by(type_: str) -> str:
    # R4 adverseevent.html#search
    return "subject" if type_ == "AdverseEvent" else "identifier"


def _commas(text: str) -> list[str]:
    """Alternatives, with the escapes of R4 search.html#escaping."""
    parts, part, escaped = [], "", False
    for sign in text:
        if sign == "," and not escaped:
            parts.append(part)
            part = ""
            continue
        part += sign
        escaped = sign == "\\" and not escaped
    return [*parts, part]


def _token(text: str) -> tuple[str, str]:
    """System and value of a token, unescaped."""
    parts, escaped = [""], False
    for sign in text:
        if escaped:
            parts[-1] += sign
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "|":
            parts.append("")
        else:
            parts[-1] += sign
    return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
