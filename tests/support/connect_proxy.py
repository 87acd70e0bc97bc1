"""In: nothing, or a TLS context. Out: a proxy on loopback that tunnels by CONNECT, and keeps what it was told.

With a context it is itself reached by https, as some hospitals have it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["ConnectProxy", "proxying"]

_PIECE = 65_536
_SECONDS = 20.0


@dataclass
class ConnectProxy:
    """The proxy's state.

    Attributes:
        password: value of Proxy-Authorization that it wants; None lets everybody through.
        asked: first lines of the requests.
        told: whatever came to it in the clear (after its own TLS): heads of requests.
        tunnelled: bytes that went through tunnels to the servers, as it saw them.
        certificates: that clients showed it, None for none; of a proxy by https.
        trouble: what went wrong with connections to it.
    """

    password: str | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    tunnelled: bytearray = field(default_factory=bytearray)
    certificates: list[object] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


@contextmanager
def proxying(proxy: ConnectProxy, *, tls: ssl.SSLContext | None = None) -> Iterator[ConnectProxy]:
    """The proxy, answering until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy.port = listener.getsockname()[1]
    threads: list[threading.Thread] = []

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=_serve, args=(proxy, connection, tls), daemon=True)
            thread.start()
            threads.append(thread)

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        yield proxy
    finally:
        # A close alone does not wake who waits in accept.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [listening, *threads]:
            thread.join(_SECONDS)


def _serve(proxy: ConnectProxy, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
    connection.settimeout(_SECONDS)
    try:
        client = connection if tls is None else tls.wrap_socket(connection, server_side=True)
    except OSError as error:
        proxy.trouble.append(str(error))
        connection.close()
        return
    if isinstance(client, ssl.SSLSocket):
        proxy.certificates.append(client.getpeercert() or None)
    with client, suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(_PIECE)
            if not piece:
                return
            head += piece
        text = head.decode("latin-1")
        proxy.told.append(text)
        first = text.partition("\r\n")[0]
        proxy.asked.append(first)
        method, target, _ = first.split(" ")
        if proxy.password is not None and f"proxy-authorization: {proxy.password}".lower() not in text.lower():
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if method != "CONNECT":
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=_SECONDS) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(server, client, bytearray()), daemon=True)
            back.start()
            _copy(client, server, proxy.tunnelled)
            back.join(_SECONDS)


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            kept += piece
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
