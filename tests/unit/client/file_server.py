"""In: what each request to a file is answered with, byte for byte. Out: a server on loopback that does so, and what it was asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Asked", "FileServer", "answer", "serving"]

#: Seconds, after which a test that hangs fails.
_PATIENCE = 20


@dataclass(frozen=True)
class Asked:
    """One request: method, path with query, headers by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]


Reply = bytes | Callable[[Asked], bytes]


@dataclass
class FileServer:
    """A server that gives each request the next of its replies, the last one over and over."""

    url: str
    seen: list[Asked] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/fhir")

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


def answer(body: bytes = b"", *, status: str = "200 OK", length: int | None = -1, **headers: str) -> bytes:
    """A whole HTTP answer.

    Args:
        body: of it.
        status: number and word.
        length: Content-Length; -1 for that of the body, None for none.
        headers: further ones, ``_`` for ``-``.
    """
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Such a server, for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        scheme = "http" if tls is None else "https"
        server = FileServer(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/fhir")
        stop = threading.Event()
        thread = threading.Thread(target=_serve, args=(listener, server, replies, tls, stop))
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            thread.join(_PATIENCE)


def _serve(
    listener: socket.socket,
    server: FileServer,
    replies: Sequence[Reply],
    tls: ssl.SSLContext | None,
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        # A client may hang up where it does not trust us, or has seen enough.
        with connection, suppress(OSError):
            connection.settimeout(_PATIENCE)
            if tls is not None:
                with tls.wrap_socket(connection, server_side=True) as wrapped:
                    _reply(wrapped, server, replies)
            else:
                _reply(connection, server, replies)


def _reply(connection: socket.socket, server: FileServer, replies: Sequence[Reply]) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return
        head += piece
    first, *lines = head.split(b"\r\n\r\n")[0].decode().split("\r\n")
    method, path, _ = first.split(" ")
    asked = Asked(method, path, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)})
    reply = replies[min(len(server.seen), len(replies) - 1)]
    server.seen.append(asked)
    connection.sendall(reply if isinstance(reply, bytes) else reply(asked))
