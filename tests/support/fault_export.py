"""In: a ward and a server's habits. Out: bulk exports of it: kick-off, status, manifest with its pages, files, deletion.

Bulk Data 2.0, 3.0 with ``link`` pages, and the 4.0 ballot (POST only, no comma lists, ``outcome``, separate export status).
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.fault_plan import Answer, Habits
from tests.support.fault_ward import MOVED_IN, TYPES, Ward, instant

__all__ = ["ExportedFile", "Exports", "outcome"]

_LINES: Final = 60
_NDJSON: Final = "application/fhir+ndjson"


@dataclass(frozen=True)
class ExportedFile:
    """One file; ``kind`` is the part of the manifest that names it."""

    name: str
    kind: str
    type: str
    lines: Sequence[bytes]

    @property
    def body(self) -> bytes:
        """The file's bytes, unpacked."""
        return b"".join(line + b"\n" for line in self.lines)


@dataclass
class _Export:
    number: int
    began: datetime
    files: dict[str, ExportedFile]
    polls: int
    request: str
    made: int = field(default=1)


class Exports:
    """The exports of a server."""

    def __init__(self, ward: Ward, habits: Habits) -> None:
        self._ward = ward
        self._habits = habits
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._running: dict[int, _Export] = {}

    def forget(self) -> None:
        """As a server that was restarted, or cleared its folder, has forgotten them."""
        with self._lock:
            self._running.clear()

    def remake(self) -> None:
        """The same files, made anew: other ETags."""
        with self._lock:
            for export in self._running.values():
                export.made += 1

    def kick_off(self, root: str, method: str, params: Mapping[str, list[str]], *, now: datetime, url: str) -> Answer:
        """Begin one; ``params`` are those of the query, or of the Parameters that were sent."""
        if self._habits.flavour == "ballot":
            if method == "GET":
                return Answer(405, outcome("not-supported"), {"Allow": "POST"})
            if any("," in value for value in params.get("_type", [])):
                return Answer(400, outcome("invalid"))
        types = [name for value in params.get("_type", []) for name in value.split(",")] or list(TYPES)
        since = params.get("_since", [None])[0]
        files = list(self._files(types, None if since is None else datetime.fromisoformat(since).astimezone(UTC)))
        number = next(self._numbers)
        with self._lock:
            named = {file.name: file for file in files}
            self._running[number] = _Export(number, now, named, self._habits.polls, url)
        where = f"/fhir/status/{number}" if self._habits.relative else f"{root}/status/{number}"
        return Answer(202, headers={"Content-Location": where})

    def status(self, root: str, number: int, page: int, *, files_root: str) -> Answer:
        """How far it is, or its manifest."""
        with self._lock:
            export = self._running.get(number)
            if export is None:
                return Answer(404, outcome("not-found"))
            export.polls -= 1
            waiting = export.polls >= 0
        separate = self._habits.flavour == "ballot"
        if waiting:
            told = {"X-Progress": f"{export.polls} to go"}
            if self._habits.poll_wait is not None:
                told["Retry-After"] = self._habits.poll_wait
            return (
                Answer(200, headers=told | {"X-Export-Status": "in-progress"}) if separate else Answer(202, b"", told)
            )
        body = json.dumps(self._manifest(export, root, page, files_root)).encode()
        return Answer(200, body, {"X-Export-Status": "complete"} if separate else {}, "application/json")

    def cancel(self, number: int) -> Answer:
        """Forget one."""
        with self._lock:
            return Answer(202) if self._running.pop(number, None) else Answer(404, outcome("not-found"))

    def file(self, number: int, name: str, headers: Mapping[str, str]) -> Answer:
        """A file, or the part of it that is asked for."""
        with self._lock:
            export = self._running.get(number)
            file = None if export is None else export.files.get(name)
        if export is None or file is None:
            return Answer(404, outcome("not-found"))
        packed = self._habits.packed and "gzip" in headers.get("accept-encoding", "")
        body = gzip.compress(file.body, mtime=0) if packed else file.body
        told = {"Content-Encoding": "gzip"} if packed else {}
        if self._habits.etag != "none":
            digest = hashlib.sha256(body).hexdigest()[:12]
            told["ETag"] = f'{"W/" if self._habits.etag == "weak" else ""}"{export.made}-{digest}"'
        if self._habits.ranges:
            told["Accept-Ranges"] = "bytes"
            start = _start_of(headers, told.get("ETag"), len(body))
            if start is not None:
                told["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                return Answer(206, body[start:], told, _NDJSON)
        return Answer(200, body, told, _NDJSON)

    def _manifest(self, export: _Export, root: str, page: int, files_root: str) -> dict[str, Any]:
        files = list(export.files.values())
        paged = self._habits.flavour == "stu3"
        shown = files[2 * page : 2 * page + 2] if paged else files
        # The 4.0 ballot has renamed it.
        parts: dict[str, list[dict[str, Any]]] = {
            "output": [],
            "outcome" if self._habits.flavour == "ballot" else "error": [],
        }
        for file in shown:
            entry: dict[str, Any] = {"type": file.type, "url": f"{files_root}/files/{export.number}/{file.name}"}
            if self._habits.count:
                entry["count"] = len(file.lines)
            kind = "outcome" if file.kind == "error" and self._habits.flavour == "ballot" else file.kind
            parts.setdefault(kind, []).append(entry)
        body: dict[str, Any] = {
            "transactionTime": instant(export.began),
            "request": export.request,
            "requiresAccessToken": not self._habits.presigned and self._habits.auth != "none",
            **parts,
        }
        if paged and len(files) > 2 * page + 2:
            body["link"] = [{"relation": "next", "url": f"{root}/status/{export.number}?page={page + 1}"}]
        return body

    def _files(self, types: Iterable[str], since: datetime | None) -> Iterable[ExportedFile]:
        for type_ in types:
            if self._habits.granted and f"/{type_}." not in self._habits.granted:
                continue
            current = [item.raw for item in self._ward.current(type_) if since is None or item.updated >= since]
            if self._habits.twice and type_ == "Observation" and current:
                current.insert(_LINES, current[0])
                # The older version comes last: what came last is not what holds.
                held = {raw for _, _, raw in self._ward.held([type_])}
                current += [item.raw for item in self._ward.since(MOVED_IN, [type_]) if item.raw not in held]
            for number, start in enumerate(range(0, len(current), _LINES), 1):
                yield ExportedFile(f"{type_}.{number}.ndjson", "output", type_, current[start : start + _LINES])
        if since is not None:
            last = [self._ward.one(item.type, item.id) for item in self._ward.since(since, types)]
            gone = sorted({f"{item.type}/{item.id}" for item in last if item is not None and not item.raw})
            if gone:
                entries = [{"request": {"method": "DELETE", "url": reference}} for reference in gone]
                bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
                yield ExportedFile("deleted.1.ndjson", "deleted", "Bundle", [json.dumps(bundle).encode()])
        if self._habits.errors:
            line = outcome("processing", self._habits.errors)
            yield ExportedFile("error.1.ndjson", "error", "OperationOutcome", [line])


def _start_of(headers: Mapping[str, str], etag: str | None, length: int) -> int | None:
    """First byte wanted, where the file is still the one that the client has begun (RFC 9110 13.1.5)."""
    wanted = headers.get("range", "")
    if not wanted.startswith("bytes=") or not wanted.endswith("-"):
        return None
    condition = headers.get("if-range")
    if condition is not None and (condition != etag or condition.startswith("W/")):
        return None
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    return start if start < length else None


def outcome(code: str, severity: str = "error") -> bytes:
    """An OperationOutcome of one issue."""
    return json.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}).encode()
