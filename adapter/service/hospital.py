"""In: a folder of ``<Type>.ndjson[.gz]``. Out: a hospital's FHIR R4 server over it, as an app or running on loopback.

Resources go out byte for byte as they stand in the files, current versions only. There is no authentication: it
listens on 127.0.0.1 and answers to no other name, and is meant for simulated data.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from adapter.errors import ReluthError
from adapter.observe import release
from adapter.service.hospital_index import FeedIndex, TypeIndex, index_feed
from adapter.service.hospital_search import (
    BadSearch,
    Search,
    decode_token,
    encode_token,
    matching_rows,
    parse_search,
    search_params,
)

__all__ = ["create_hospital", "serve_hospital"]

FHIR_JSON = "application/fhir+json; charset=utf-8"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "testserver"})
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_KEPT_SEARCHES = 8
_ISSUE_CODES = {400: "invalid", 404: "not-found", 405: "not-supported", 406: "not-supported", 410: "expired"}


def create_hospital(directory: Path) -> FastAPI:
    """The FHIR server of a hospital whose records are the files of ``directory``, under ``/fhir``.

    Raises:
        ConfigurationError: the folder holds no ``<Type>.ndjson[.gz]`` or one type twice, or a gzip file is broken.
    """
    hospital = _Hospital(index_feed(directory))
    app = FastAPI(title="A hospital's FHIR server", openapi_url=None)
    routes = APIRouter(prefix="/fhir", dependencies=[Depends(_from_loopback)])
    routes.add_api_route("/metadata", hospital.metadata, methods=["GET"])
    routes.add_api_route("/{resource_type}", hospital.search, methods=["GET"])
    routes.add_api_route("/{resource_type}/_search", hospital.search_by_post, methods=["POST"])
    routes.add_api_route("/{resource_type}/{resource_id}", hospital.read, methods=["GET"])
    app.include_router(routes)
    app.add_exception_handler(HTTPException, _refusal)
    app.add_exception_handler(Exception, _defect)
    return app


@contextmanager
def serve_hospital(directory: Path, *, port: int = 0) -> Iterator[str]:
    """Serve ``directory`` on 127.0.0.1 until the block ends; yields the FHIR base URL.

    Args:
        directory: folder of ``<Type>.ndjson[.gz]``.
        port: 0 takes a free one.

    Raises:
        ConfigurationError: as `create_hospital`.
        OSError: the port is taken.
        ReluthError: the server did not start.
    """
    app = create_hospital(directory)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        # No access log: search addresses hold patients' ids.
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=int(_STOP_SECONDS),
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="hospital", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        finally:
            server.should_exit = True
            thread.join(_STOP_SECONDS + 5)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise ReluthError("the simulated hospital did not start")
        time.sleep(0.01)


class _Hospital:
    """The routes over one index."""

    def __init__(self, feed: FeedIndex) -> None:
        self._feed = feed
        self._started = datetime.now(UTC)
        # The pages of one search are asked for in a row: find its rows once.
        self._rows = lru_cache(maxsize=_KEPT_SEARCHES)(self._find)

    def _find(self, resource_type: str, search: Search) -> Sequence[int]:
        return matching_rows(self._feed.types[resource_type], search)

    def metadata(self) -> Response:
        """CapabilityStatement: what this server can be asked (R4 http.html#capabilities)."""
        resources = [
            {
                "type": resource_type,
                "interaction": [{"code": "read"}, {"code": "search-type"}],
                "searchParam": [{"name": name, "type": _param_type(name)} for name in search_params(resource_type)],
            }
            for resource_type in sorted(self._feed.types)
        ]
        statement = {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": _instant(self._started),
            "kind": "instance",
            "software": {"name": "reluth-fhir-adapter hospital", "version": release()},
            "implementation": {"description": "Synthetic records of a simulated hospital"},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json"],
            "rest": [{"mode": "server", "resource": resources}],
        }
        return _answer(msgspec.json.encode(statement))

    def read(self, resource_type: str, resource_id: str) -> Response:
        """One resource, byte for byte."""
        index = self._type(resource_type)
        row = index.rows.get(resource_id)
        if row is None:
            raise HTTPException(404, f"{resource_type}: no resource of this id")
        modified = index.updated_at(row).replace(microsecond=0)
        return _answer(index.raw(row), {"Last-Modified": format_datetime(modified, usegmt=True)})

    def search(self, resource_type: str, request: Request) -> Response:
        """A search by GET, or a further page of any search."""
        return self._search(resource_type, request, _pairs(request.url.query))

    async def search_by_post(self, resource_type: str, request: Request) -> Response:
        """A search whose parameters stand in the body (R4 search.html#Introduction), so that no address holds them."""
        body = (await request.body()).decode("utf-8", "replace")
        return self._search(resource_type, request, [*_pairs(request.url.query), *_pairs(body)])

    def _search(self, resource_type: str, request: Request, params: list[tuple[str, str]]) -> Response:
        index = self._type(resource_type)
        search, position = self._question(resource_type, request, params)
        rows = self._rows(resource_type, search)
        chosen = rows[position : position + search.count]
        base = f"{str(request.base_url).rstrip('/')}/fhir"
        page = f"{base}/{resource_type}"
        links = [{"relation": "self", "url": f"{page}?{urlencode([*search.used, ('_count', str(search.count))])}"}]
        end = position + len(chosen)
        if chosen and end < len(rows):
            token = encode_token(search, position=end, fingerprint=self._feed.fingerprint)
            links.append({"relation": "next", "url": f"{page}?_page={token}"})
        return _answer(_searchset(index, chosen, links=links, total=len(rows), base=base))

    def _question(self, resource_type: str, request: Request, params: list[tuple[str, str]]) -> tuple[Search, int]:
        """What is asked, and from which position on."""
        try:
            for name, value in params:
                if name == "_page":
                    again = decode_token(value, fingerprint=self._feed.fingerprint)
                    if again is None:
                        raise HTTPException(410, "the records were loaded anew: search from the start")
                    return again
            search = parse_search(resource_type, params)
        except BadSearch as error:
            raise HTTPException(400, str(error)) from None
        # R4 search.html#errors: ignored and left out of the self link, unless the client asks for strictness.
        strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower()
        if search.unknown and strict:
            raise HTTPException(400, "unknown search parameters")
        return search, 0

    def _type(self, resource_type: str) -> TypeIndex:
        index = self._feed.types.get(resource_type)
        if index is None:
            raise HTTPException(404, "this resource type is not served")
        return index


def _searchset(index: TypeIndex, rows: Sequence[int], *, links: list[dict[str, str]], total: int, base: str) -> bytes:
    """A searchset Bundle; resources are spliced in as bytes, for a parser would change their numbers (1.10 to 1.1)."""
    head = {
        "resourceType": "Bundle",
        "type": "searchset",
        "meta": {"lastUpdated": _instant(datetime.now(UTC))},
        "total": total,
        "link": links,
    }
    entries = b",".join(
        b'{"fullUrl":%b,"resource":%b,"search":{"mode":"match"}}'
        % (msgspec.json.encode(f"{base}/{index.resource_type}/{index.ids[row]}"), index.raw(row))
        for row in rows
    )
    body = msgspec.json.encode(head)
    # An empty array is not valid FHIR JSON (R4 json.html): no matches, no entry.
    return body[:-1] + b',"entry":[' + entries + b"]}" if entries else body


def _from_loopback(request: Request) -> None:
    """Answer to loopback names only: a web page must not get here by a name of its own that resolves to 127.0.0.1."""
    if request.url.hostname not in _LOOPBACK_NAMES:
        raise HTTPException(400, "this server answers on loopback only")


def _param_type(name: str) -> str:
    return {"_id": "token", "_lastUpdated": "date"}.get(name, "reference")


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _answer(body: bytes, headers: dict[str, str] | None = None, *, status: int = 200) -> Response:
    return Response(content=body, status_code=status, headers=headers, media_type=FHIR_JSON)


def _outcome(status: int, code: str, text: str) -> Response:
    issue: dict[str, Any] = {"severity": "error", "code": code, "diagnostics": text}
    return _answer(msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]}), status=status)


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _outcome(error.status_code, _ISSUE_CODES.get(error.status_code, "processing"), str(error.detail))


async def _defect(_request: Request, _error: Exception) -> Response:
    return _outcome(500, "exception", "this server could not answer")
