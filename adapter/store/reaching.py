"""In: the address of a PostgreSQL server that gave no connection. Out: whether it is away, so that trying again is right, or its address is wrong.

A connection that fails has no SQLSTATE, and its text is in the server's language: libpq's ping and its trace tell the two apart.
"""

from __future__ import annotations

import os
import re
import select
import socket
import time
from importlib import import_module
from typing import Any, Final

from sqlalchemy import URL

from adapter.store.answering import is_passing

__all__ = ["away"]

_PORT: Final = 5432
#: Seconds that a ping may take, and asking for the reason of a refusal.
_PATIENCE: Final = 5
#: In what libpq writes of a message ErrorResponse.
_STATE: Final = re.compile(rb'ErrorResponse\t.* C "([0-9A-Z]{5})"')
_LONGEST_TRACE: Final = 2**20


def away(url: URL, error: BaseException | None) -> str | None:
    """What to call it where the server is away, by host and port and never the password; None where an answer refused us.

    A server that knows no such user, password or database has answered: that is for the settings. So is a host's name that does
    not exist.
    """
    if url.get_backend_name() != "postgresql" or not type(error).__module__.startswith("psycopg"):
        return None
    # Of the extra `postgres`; an error of it tells that it is there.
    conninfo, pq = (import_module(f"psycopg.{name}") for name in ("conninfo", "pq"))
    place = f"{url.host or 'this machine'}:{url.port or _PORT}"
    if type(error).__name__ == "ConnectionTimeout":
        return f"{place} gave no answer in time"
    if url.host is not None and not url.host.startswith("/"):
        try:
            socket.getaddrinfo(url.host, url.port or _PORT)
        except socket.gaierror as unknown:
            return f"the name {url.host} cannot be looked up now" if unknown.errno == socket.EAI_AGAIN else None
    # Neither user nor password: whether a server is there is told to anybody.
    told = {"host": url.host, "port": url.port, "connect_timeout": _PATIENCE}
    found = pq.PGconn.ping(
        conninfo.make_conninfo(**{name: value for name, value in told.items() if value is not None}).encode()
    )
    if found == pq.Ping.NO_RESPONSE:
        return f"nothing answers at {place}"
    if found == pq.Ping.REJECT:
        return f"the server at {place} is starting, or ending"
    state = _refusal(url, conninfo, pq)
    return f"the server at {place} takes no connection now, {state}" if state and is_passing(state) else None


def _refusal(url: URL, conninfo: Any, pq: Any) -> str | None:
    """The SQLSTATE by which a server refuses a connection, asked for once more; None where libpq's trace does not tell it.

    Too many connections (53300) is told after the password was taken, and libpq before release 18 traces nothing so early.
    """
    if not hasattr(os, "memfd_create"):
        return None
    _, told = url.get_dialect()().create_connect_args(url)
    text = conninfo.make_conninfo(**{name: value for name, value in told.items() if name != "context"})
    # In memory alone: a trace may hold the password.
    trace = os.memfd_create("trace")
    connection = pq.PGconn.connect_start(text.encode())
    try:
        connection.trace(trace)
        _connect(connection, pq)
        connection.untrace()
        found = _STATE.findall(os.pread(trace, _LONGEST_TRACE, 0))
        return found[-1].decode() if found else None
    finally:
        connection.finish()
        os.close(trace)


def _connect(connection: Any, pq: Any) -> None:
    until = time.monotonic() + _PATIENCE
    while (status := connection.connect_poll()) in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
        reading = [connection.socket] if status == pq.PollingStatus.READING else []
        writing = [] if reading else [connection.socket]
        ready = select.select(reading, writing, [], max(0.0, until - time.monotonic()))
        if not any(ready):
            return
