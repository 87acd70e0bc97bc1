"""In: a one-time token offered at /login, or a session cookie. Out: a new session, or whether the session still holds; and who acts.

Without accounts, whoever reads the terminal that started the service may enter, once: the token is exchanged for a
random session that lives on the server only. Neither the token nor a session is ever kept or compared in the clear.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address

from adapter.accounts import Viewer

__all__ = ["LOOPBACK_HOSTS", "SESSION_COOKIE", "SESSION_SECONDS", "Access", "host_allowed", "service_actor"]

SESSION_COOKIE = "reluth_session"
SESSION_SECONDS = 12 * 60 * 60
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_MAX_PORT = 65_535


class Access:
    """Who may enter: one token, used once; sessions that expire.

    Args:
        token: the one-time token that was printed, or None: then nobody can get in.
        clock: seconds that only go forward.
    """

    def __init__(self, token: str | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = None if token is None else _digest(token)
        self._clock = clock
        self._sessions: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def redeem(self, offered: str) -> str | None:
        """A new session for the one-time token, or None when it is wrong or was used before."""
        with self._lock:
            # Digests have one length, so the comparison tells nothing about the token.
            if self._token is None or not hmac.compare_digest(self._token, _digest(offered)):
                return None
            self._token = None
            session = secrets.token_urlsafe(32)
            self._sessions[_digest(session)] = self._clock() + SESSION_SECONDS
            return session

    def viewer(self, session: str | None) -> Viewer | None:
        """Who holds a session that was given out and has not expired; None for nobody."""
        if not session:
            return None
        with self._lock:
            self._drop_expired()
            held = _digest(session) in self._sessions
        return Viewer.of_this_machine(service_actor()) if held else None

    def _drop_expired(self) -> None:
        now = self._clock()
        for key in [key for key, until in self._sessions.items() if until <= now]:
            del self._sessions[key]


def host_allowed(header: str, *, extra: Iterable[str] = ()) -> bool:
    """Whether a Host header names this machine, or a host that was configured; any port.

    A page of another site whose name was pointed at 127.0.0.1 (DNS rebinding) still sends its own name here.

    >>> host_allowed("127.0.0.1:8765"), host_allowed("[::1]:80"), host_allowed("evil.example:8765")
    (True, True, False)
    """
    name, port = _split(header.strip().lower())
    if port is not None and not (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        return False
    return name in LOOPBACK_HOSTS or name in {_bracketed(host.lower()) for host in extra}


def service_actor() -> str:
    """Who acts by the pages: without accounts, whoever runs the service on this machine."""
    try:
        return f"service:{getpass.getuser()}"
    except (KeyError, OSError):
        # No entry in the password file (containers).
        return "service"


def _split(header: str) -> tuple[str, str | None]:
    if header.startswith("["):
        name, bracket, rest = header.partition("]")
        if rest and not rest.startswith(":"):
            return "", None
        return name + bracket, rest[1:] if rest else None
    name, colon, port = header.partition(":")
    return name, port if colon else None


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
