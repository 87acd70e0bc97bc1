"""In: faults and habits. Out: a hospital's FHIR server on loopback with a small ward, bulk export, search and tokens, that has these faults.

It runs in threads of the test's own process, speaks HTTP/1.1, and writes down every request (`Seen`), to be asserted on.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs

from tests.support.fault_export import Exports, outcome
from tests.support.fault_plan import Answer, FaultPlan, Habits, Seen
from tests.support.fault_search import Searches, capability
from tests.support.fault_tokens import Tokens
from tests.support.fault_ward import TYPES, Ward
from tests.support.fault_wire import WireHandler, WireServer

__all__ = ["LONGEST_ASKED", "FaultServer", "fault_server"]

#: A longer wait that is asked for may be taken as this (`adapter.client.RetryPolicy`).
LONGEST_ASKED: Final = 300.0
_OPEN: Final = frozenset({"metadata", "smart", "token"})


class FaultServer:
    """A server that answers, and what it has seen.

    Attributes:
        ward: what it holds.
        habits: what it is like.
        faults: what goes wrong.
        seen: the requests, in the order in which they came.
        tokens: those that it gave, and takes.
        root: FHIR base URL.
        stalls: what was hit by a ``stall`` goes on when it is set.
        stalled: set once such a request has come.
        defects: of this server itself, of which there should be none.
    """

    def __init__(self, server: WireServer, habits: Habits, faults: FaultPlan, now: _Now) -> None:
        self.ward = Ward()
        self.habits = habits
        self.faults = faults
        self.seen: list[Seen] = []
        self.address = f"127.0.0.1:{server.server_address[1]}"
        self.origin = f"http://{self.address}"
        self.root = f"{self.origin}/fhir"
        self.files_root = self.root
        self.stranger = ""
        self.defects: list[str] = []
        self.now = now
        self.tokens = Tokens(habits, f"{self.root}/token")
        self.exports = Exports(self.ward, habits)
        self.searches = Searches(self.ward, habits)
        self.stalls = threading.Event()
        self.stalled = threading.Event()

    def of(self, place: str, *, whole: bool = False) -> list[Seen]:
        """The requests of a kind; with ``whole`` only those that were answered to the end."""
        return [seen for seen in list(self.seen) if seen.place == place and (seen.whole or not whole)]

    def hurried(self) -> list[str]:
        """The requests that came sooner after a Retry-After than it asked for, up to what may be clamped."""
        early: list[str] = []
        until: dict[str, float] = {}
        for seen in list(self.seen):
            key = f"{seen.method} {seen.path}?{seen.query}"
            # A clock that is read twice: a hundredth of a second is no hurry.
            if seen.at < until.get(key, 0.0) - 0.01:
                early.append(key)
            until.pop(key, None)
            if seen.asked is not None:
                until[key] = seen.at + min(seen.asked, LONGEST_ASKED)
        return early

    def place(self, method: str, path: str, query: Mapping[str, list[str]]) -> str:
        """What a request is for (`fault_plan.PLACES`)."""
        return _place(method, path, query)

    def restart(self) -> None:
        """Forget what a server forgets."""
        self.exports.forget()
        self.searches.forget()

    def answer(self, seen: Seen, body: bytes) -> Answer:
        """What it means to send, had it no faults."""
        if seen.place not in _OPEN and not self._may(seen):
            return Answer(401, outcome("login"))
        parts = seen.path.removeprefix("/fhir").strip("/").split("/")
        if seen.place in _OPEN:
            return self._answer_anybody(seen, body)
        if seen.place in {"kick-off", "status", "cancel", "file"}:
            return self._answer_of_exports(seen, parts, body)
        return self._answer_of_resources(seen, parts, body)

    def _answer_anybody(self, seen: Seen, body: bytes) -> Answer:
        if seen.place == "metadata":
            return Answer(200, capability(self.habits, self.root, now=self._at()))
        return self.tokens.configuration() if seen.place == "smart" else self.tokens.grant(body, now=self.now())

    def _answer_of_exports(self, seen: Seen, parts: list[str], body: bytes) -> Answer:
        match seen.place, parts:
            case "kick-off", _:
                params = _parameters(body) if seen.method == "POST" else seen.query
                url = f"{self.origin}{seen.path}"
                return self.exports.kick_off(self.root, seen.method, params, now=self._at(), url=url)
            case "status", [_, number]:
                page = int(seen.query.get("page", ["0"])[0])
                return self.exports.status(self.root, int(number), page, files_root=self.files_root)
            case "cancel", [_, number]:
                return self.exports.cancel(int(number))
            case "file", [_, number, name]:
                return self.exports.file(int(number), name, seen.headers)
        return Answer(404, outcome("not-found"))

    def _answer_of_resources(self, seen: Seen, parts: list[str], body: bytes) -> Answer:
        match seen.place, parts:
            case "next", _:
                offset = int(seen.query["_getpagesoffset"][0])
                return self.searches.page(self.root, seen.query["_getpages"][0], offset, now=self._at())
            case "search", [type_, *_]:
                form = parse_qs(body.decode()) if seen.method == "POST" else {}
                return self.searches.search(self.root, type_, {**seen.query, **form}, now=self._at())
            case "history", [type_, *_]:
                return self.searches.history(self.root, type_, seen.query)
            case "read", [type_, id_]:
                return self.searches.read(type_, id_)
        return Answer(404, outcome("not-found"))

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def _may(self, seen: Seen) -> bool:
        if seen.place == "file" and self.habits.presigned:
            # As S3 does: an address that was signed, and a token beside it, is one too many.
            return seen.token is None
        return self.habits.auth == "none" or self.tokens.holds(seen.token, now=self.now())


class _Now:
    """The server's time: of the clock that it shares with the client, or the world's."""

    def __init__(self, clock: object | None) -> None:
        self._clock = clock

    def __call__(self) -> float:
        now = getattr(self._clock, "now", None)
        return time.time() if now is None else now().timestamp()


@contextmanager
def fault_server(
    habits: Habits | None = None, faults: FaultPlan | None = None, *, clock: object | None = None
) -> Iterator[FaultServer]:
    """A server on a free port of loopback, until the end of the block.

    Args:
        habits: what it is like.
        faults: what goes wrong.
        clock: whose ``now`` is its time (`SkippingClock`).
    """
    with WireServer(("127.0.0.1", 0), WireHandler) as server:
        ward = server.hospital = FaultServer(server, habits or Habits(), faults or FaultPlan(), _Now(clock))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield ward
        finally:
            ward.stalls.set()
            server.shutdown()
            thread.join()
            server.end_connections()
            assert ward.defects == [], ward.defects


def _place(method: str, path: str, query: Mapping[str, list[str]]) -> str:
    """What a request is for."""
    last = path.rpartition("/")[2]
    parts = path.removeprefix("/fhir").strip("/").split("/")
    plain = {"metadata": "metadata", "smart-configuration": "smart", "token": "token", "$export": "kick-off"}
    if last in plain:
        return plain[last]
    if parts[0] == "status":
        return "cancel" if method == "DELETE" else "status"
    if parts[0] == "files":
        return "file"
    if "_getpages" in query:
        return "next"
    if parts[0] in TYPES or parts[0][:1].isupper():
        if last == "_history":
            return "history"
        return "read" if len(parts) == 2 and last != "_search" else "search"
    return "other"


def _parameters(body: bytes) -> dict[str, list[str]]:
    """The parts of a Parameters resource, by name."""
    found: dict[str, list[str]] = {}
    for part in json.loads(body).get("parameter", []):
        value = next(str(value) for name, value in part.items() if name.startswith("value"))
        found.setdefault(part["name"], []).append(value)
    return found
