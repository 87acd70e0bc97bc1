"""In: the address of a PostgreSQL server that gave no connection. Out: whether it is away, so that trying again is right, or its address is wrong.

A connection that fails has no SQLSTATE, and its text is in the server's language: libpq's ping tells the two apart.
"""

from __future__ import annotations

import socket
from importlib import import_module
from typing import Final

from sqlalchemy import URL

__all__ = ["away"]

_PORT: Final = 5432
#: Seconds that a ping may take.
_PATIENCE: Final = 5


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
    return f"the server at {place} is starting, or ending" if found == pq.Ping.REJECT else None
