"""In: connections to a fault server. Out: its answers on the wire: whole, cut, packed to burst, or none at all.

What an answer would be is `fault_server`'s; what becomes of it on the way is here.
"""

from __future__ import annotations

import math
import socket
import struct
import sys
import threading
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from tests.support.fault_export import outcome
from tests.support.fault_plan import Answer, Fault, Seen

if TYPE_CHECKING:
    from tests.support.fault_server import FaultServer

__all__ = ["WireHandler", "WireServer"]

_STALL_SECONDS: Final = 60.0
_MEGABYTE: Final = 2**20
_TEN_GB: Final = 10 * 2**30
_UNANSWERED: Final = frozenset({"drop", "restart", "new-etag"})
_CUT: Final = frozenset({"cut", "cut-at-line", "declared", "revoke"})


class WireServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    hospital: FaultServer

    def __init__(self, *arguments: object) -> None:
        self._open: set[socket.socket] = set()
        self._handlers: list[threading.Thread] = []
        super().__init__(*arguments)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        self._handlers.append(threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def end_connections(self) -> None:
        """Close what clients have kept open, so that no thread outlives the test."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._handlers):
            thread.join(5)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed, or has had enough, is nothing to tell; anything else is a defect of this server."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.hospital.defects.append(repr(error))


class WireHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._take(b"")

    def do_DELETE(self) -> None:
        self._take(b"")

    def do_POST(self) -> None:
        self._take(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Nothing."""

    def _take(self, body: bytes) -> None:
        assert isinstance(self.server, WireServer)
        ward = self.server.hospital
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        place = ward.place(self.command, url.path, query)
        seen = Seen(place, self.command, url.path, query, headers, ward.now(), headers.get("authorization"))
        ward.seen.append(seen)
        fault = ward.faults.next(place, self.path)
        if fault is None:
            self._send(ward.answer(seen, body), seen)
            return
        seen.fault = fault.does
        self._fail(ward, fault, seen, body)

    def _fail(self, ward: FaultServer, fault: Fault, seen: Seen, body: bytes) -> None:
        """Answer as the fault has it."""
        if fault.does in _UNANSWERED:
            self._leave(ward, fault)
            return
        if fault.does == "status":
            told, seen.asked = _retry_after(fault.retry_after, ward.now())
            self._send(Answer(fault.status, outcome("transient"), told), seen)
            return
        answer = ward.answer(seen, body)
        if fault.does == "stall":
            self._stall(ward, fault, answer, seen)
            return
        if fault.does == "revoke":
            ward.tokens.revoke()
        if fault.does in _CUT:
            kept = _kept(answer.body, fault)
            self._send_part(answer, kept, seen, length=_TEN_GB if fault.does == "declared" else None)
        else:
            self._send(_changed(answer, fault, ward, path=self.path), seen)

    def _stall(self, ward: FaultServer, fault: Fault, answer: Answer, seen: Seen) -> None:
        """Send a part, or all, or nothing, and wait; the other side may not be there any more after that."""
        kept = int(len(answer.body) * fault.keep)
        with suppress(OSError):
            if fault.keep:
                self._begin(answer, seen, len(answer.body))
                self.wfile.write(answer.body[:kept])
                self.wfile.flush()
            seen.whole = fault.keep == 1
            ward.stalled.set()
            ward.stalls.wait(_STALL_SECONDS)
            if not fault.keep:
                self._begin(answer, seen, len(answer.body))
            self.wfile.write(answer.body[kept:])
            self.wfile.flush()
            seen.whole = True

    def _leave(self, ward: FaultServer, fault: Fault) -> None:
        """End the connection without a word, as a server does that dies."""
        if fault.does == "restart":
            ward.restart()
        elif fault.does == "new-etag":
            ward.exports.remake()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _send(self, answer: Answer, seen: Seen) -> None:
        self._begin(answer, seen, len(answer.body))
        self.wfile.write(answer.body)
        self.wfile.flush()
        seen.whole = True

    def _send_part(self, answer: Answer, kept: bytes, seen: Seen, *, length: int | None = None) -> None:
        """Announce the whole, send what is kept, and end the connection."""
        self._begin(answer, seen, len(answer.body) if length is None else length)
        self.wfile.write(kept)
        self.wfile.flush()
        self.close_connection = True

    def _begin(self, answer: Answer, seen: Seen, length: int) -> None:
        assert isinstance(self.server, WireServer)
        seen.status = answer.status
        if seen.asked is None and answer.status < 300:
            _, seen.asked = _retry_after(answer.headers.get("Retry-After"), self.server.hospital.now())
        self.send_response_only(answer.status)
        at = datetime.fromtimestamp(self.server.hospital.now(), UTC)
        told = {"Date": format_datetime(at, usegmt=True), "Content-Type": answer.media_type, **answer.headers}
        for name, value in (told | {"Content-Length": str(length)}).items():
            self.send_header(name, value)
        self.end_headers()


def _retry_after(form: str | None, now: float) -> tuple[dict[str, str], float | None]:
    """The header, and the seconds that it asks for; None where it asks for nothing that can be read."""
    if form is None:
        return {}, None
    kind, plus, seconds = form.partition("+")
    if kind == "date" and plus:
        until = int(now) + int(seconds)
        return {"Retry-After": format_datetime(datetime.fromtimestamp(until, UTC), usegmt=True)}, until - now
    if kind == "ms" and plus:
        return {"Retry-After": str(int(1000 * (now + int(seconds))))}, float(seconds)
    try:
        asked = float(form)
    except ValueError:
        return {"Retry-After": form}, None
    return {"Retry-After": form}, asked if 0 <= asked < math.inf else None


def _kept(body: bytes, fault: Fault) -> bytes:
    """The beginning of a body: to the end of a line, or surely not to one."""
    end = int(len(body) * fault.keep)
    if fault.does.endswith("at-line"):
        return body[: body.rindex(b"\n", 0, end) + 1]
    return body[: end if body[end - 1 : end] != b"\n" else end - 5]


def _changed(answer: Answer, fault: Fault, ward: FaultServer, *, path: str) -> Answer:
    """The answer that is sent to its end in the place of the right one."""
    match fault.does:
        case "short" | "short-at-line":
            return Answer(answer.status, _kept(answer.body, fault), answer.headers, answer.media_type)
        case "redirect":
            where = f"{ward.stranger if fault.to == 'stranger' else fault.to}{path}"
            return Answer(fault.status if 300 <= fault.status < 400 else 307, b"", {"Location": where})
        case "page":
            return Answer(200, b"<!DOCTYPE html><title>Sign in</title>", media_type="text/html")
        case "foreign":
            return _led_away(answer, ward)
        case "outcome":
            return _with_outcome(answer)
        case "bomb" | "bomb-lines":
            return _bomb(answer, lines=fault.does == "bomb-lines")
    return answer


def _led_away(answer: Answer, ward: FaultServer) -> Answer:
    """Every address in the answer that is the server's own becomes the stranger's."""
    headers = {name: value.replace(ward.origin, ward.stranger) for name, value in answer.headers.items()}
    body = answer.body.replace(ward.origin.encode(), ward.stranger.encode())
    return Answer(answer.status, body, headers, answer.media_type)


def _with_outcome(answer: Answer) -> Answer:
    # Not by reading and writing the Bundle: the bytes of its resources are to stay as they are.
    entry = b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome("processing")
    return Answer(answer.status, answer.body.replace(b'"entry":[', b'"entry":[%b,' % entry, 1), answer.headers)


@cache
def _packed_gigabyte(*, lines: bool) -> bytes:
    """A gigabyte as gzip that is whole: one line, or lines that are all alike."""
    line = b'{"resourceType":"Patient","id":"p0","active":true}\n'
    block = line * (_MEGABYTE // len(line)) if lines else b" " * _MEGABYTE
    begin = b"" if lines else b'{"resourceType":"Patient"'
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    first = packer.compress(begin + block) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block stands for itself, and may be sent again and again.
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checked = zlib.crc32(begin + block)
    for _ in range(1023):
        checked = zlib.crc32(block, checked)
    length = len(begin) + 1024 * len(block)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    # The last, empty block of deflate, then sum and length (RFC 1952 2.3.1).
    return head + first + again * 1023 + b"\x03\0" + struct.pack("<II", checked, length)


def _bomb(answer: Answer, *, lines: bool) -> Answer:
    """A gigabyte in a megabyte."""
    return Answer(200, _packed_gigabyte(lines=lines), {"Content-Encoding": "gzip"}, answer.media_type)
