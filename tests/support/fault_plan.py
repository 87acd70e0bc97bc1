"""In: faults as data, and requests. Out: which fault hits which request, and what the server saw, to be asserted on.

A fault says where (``at``, ``of``), when (``nth``, ``times``) and what (``does``); a server is what it is (`Habits`) and has faults.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["PLACES", "Answer", "Fault", "FaultPlan", "Habits", "Seen"]

#: What a request is for.
PLACES: Final = (
    "metadata", "smart", "token", "kick-off", "status", "cancel", "file", "search", "next", "history", "read", "other", "any",
)  # fmt: skip
#: status: that status with ``retry_after``. drop: the connection ends before an answer. cut, cut-at-line: it ends within the body.
#: short, short-at-line: less is sent than there is, and called whole. declared: as cut, with 10 GB announced. redirect: to ``to``.
#: revoke: all tokens end, then the answer is cut. restart: exports, pages and connections are forgotten. page: a login page.
#: bomb, bomb-lines: packed so that little becomes a gigabyte, of one line or of many. new-etag: the file was made anew.
#: stall: ``keep`` of it is sent, and the rest when the server's ``stalls`` is set.
#: foreign: the address in the answer leads elsewhere. outcome: an OperationOutcome with severity error among the entries.
Does = Literal[
    "status", "drop", "cut", "cut-at-line", "short", "short-at-line", "declared", "redirect", "revoke", "restart", "page",
    "bomb", "bomb-lines", "new-etag", "foreign", "outcome", "stall",
]  # fmt: skip


@dataclass
class Fault:
    """One thing that goes wrong.

    Args:
        at: kind of request (`PLACES`).
        does: what happens instead.
        of: only where the path or a parameter holds it (a file's name, a type).
        nth: first of these requests that it happens to, from 1.
        times: to how many; 0 for ever.
        status: for ``does: status``.
        retry_after: as sent; ``date+N`` and ``ms+N`` are made of the server's time.
        keep: how much of the body is sent before it ends, 0 to 1.
        to: where ``redirect`` and ``foreign`` lead, ``stranger`` for a host that is on no list.
    """

    at: str
    does: Does = "status"
    of: str = ""
    nth: int = 1
    times: int = 1
    status: int = 503
    retry_after: str | None = None
    keep: float = 0.5
    to: str = "stranger"
    came: int = 0

    def __post_init__(self) -> None:
        assert self.at in PLACES, self.at

    def hits(self, place: str, told: str) -> bool:
        """Count one request; whether it is one that this happens to."""
        if self.at not in (place, "any") or self.of not in told:
            return False
        self.came += 1
        return self.came >= self.nth and (not self.times or self.came < self.nth + self.times)


@dataclass(frozen=True)
class Habits:
    """What a server is like, without anything going wrong.

    Args:
        flavour: of its manifests: Bulk Data 2, 3 (with ``link`` pages of two files each) or the 4.0 ballot.
        polls: how often an export is not ready yet.
        poll_wait: the Retry-After then, None for none.
        packed: files are sent with gzip.
        count: the manifest tells lines.
        etag: of files: strong, weak or none.
        ranges: parts of files are sent when asked for.
        twice: an Observation stands in two files, and older versions stand after the newer ones.
        errors: severity of what an ``error`` file tells, empty for no such file.
        presigned: files need no token, and refuse one.
        relative: Content-Location and next links are relative.
        page: entries a Bundle.
        total: searches are counted.
        order: of pages: kept, shuffled (the same entries), moving (a record changes while pages are read), ties (records of one
            ``lastUpdated`` change places at every page's begin), or ties-once (only in the first search).
        history: deletions can be asked for.
        types_wide: types can be searched without a patient.
        auth: none, bearer or smart.
        token_seconds: how long a token holds.
        granted: scopes of tokens, whatever is asked for; of other types than those of the scopes an export says nothing.
    """

    flavour: Literal["stu2", "stu3", "ballot"] = "stu2"
    polls: int = 1
    poll_wait: str | None = None
    packed: bool = False
    count: bool = True
    etag: Literal["strong", "weak", "none"] = "strong"
    ranges: bool = True
    twice: bool = False
    errors: str = ""
    presigned: bool = False
    relative: bool = False
    page: int = 25
    total: bool = True
    order: Literal["kept", "shuffled", "moving", "ties", "ties-once"] = "kept"
    history: bool = True
    types_wide: bool = True
    auth: Literal["none", "bearer", "smart"] = "bearer"
    token_seconds: float = 3600.0
    granted: str = ""


@dataclass(frozen=True)
class Answer:
    """What the server means to send."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/fhir+json"


@dataclass
class Seen:
    """One request that came.

    Attributes:
        at: the server's time, seconds.
        headers: names and values, names in lower case.
        token: the value of Authorization, None where there was none.
        status: of the answer, 0 where there was none.
        whole: the answer was sent to its end.
        asked: seconds that the client was to wait, where it was told so.
    """

    place: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    at: float
    token: str | None
    status: int = 0
    whole: bool = False
    asked: float | None = None
    fault: str = ""

    @property
    def name(self) -> str:
        """The last part of the path: a file's name."""
        return self.path.rpartition("/")[2]


class FaultPlan:
    """The faults of a server, counted over all its threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults = list(faults)

    def next(self, place: str, told: str) -> Fault | None:
        """What happens to this request: the first of the faults that hit it."""
        with self._lock:
            hit = [fault for fault in self._faults if fault.hits(place, told)]
        return hit[0] if hit else None

    def clear(self) -> None:
        """All is well from now on."""
        with self._lock:
            self._faults.clear()

    def add(self, fault: Fault) -> None:
        """One more."""
        with self._lock:
            self._faults.append(fault)

    def untouched(self) -> list[str]:
        """The faults that no request was hit by: a case with one of these proves nothing."""
        with self._lock:
            return [f"{fault.at} {fault.does} {fault.of}" for fault in self._faults if fault.came < fault.nth]
