"""In: a one-time token offered at /login, an account that signed in, or a session cookie. Out: a new session; who holds one.

Without accounts, whoever reads the terminal that started the service may enter, once: the token is exchanged for a
random session that lives in this process only. With accounts there is no such token, and sessions are in the state. Neither the
token nor a session is ever kept or compared in the clear.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from starlette.responses import Response

from adapter.accounts import Passwords, SigningIn, Viewer, viewer_of_account
from adapter.config import Settings
from adapter.errors import DefectError
from adapter.store import Account, Store

__all__ = ["LOOPBACK_HOSTS", "SESSION_COOKIE", "SESSION_SECONDS", "Access", "host_allowed", "service_actor"]

SESSION_COOKIE = "reluth_session"
SESSION_SECONDS = 12 * 60 * 60
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FORM_COOKIE = "reluth_form"
#: A browser takes such a cookie over TLS only, and from no other host (RFC 6265bis 4.1.3.2).
_HOST_ONLY = "__Host-"
_MAX_PORT = 65_535


class Access:
    """Who may enter: by one token, used once; or by an account, once a store that has some is open.

    Args:
        token: the one-time token that was printed, or None: then nobody gets in by it.
        settings: how long sessions hold, the service's public address, the provider.
        clock: seconds that only go forward.
    """

    def __init__(
        self, token: str | None, *, settings: Settings | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = None if token is None else _digest(token)
        self._clock = clock
        self._sessions: dict[bytes, float] = {}
        self._lock = threading.Lock()
        told = settings or Settings()
        self._service = told.service
        self._provider = told.oidc
        self._store: Store | None = None
        self._passwords = Passwords()
        self.has_accounts = self._provider is not None
        self.is_secure = told.service.public_url is not None and told.service.public_url.scheme == "https"
        prefix = _HOST_ONLY if self.is_secure else ""
        #: Names of the cookies: of the session, and of the form that asks for one.
        self.cookie = prefix + SESSION_COOKIE
        self.form_cookie = prefix + _FORM_COOKIE

    # The door -----------------------------------------------------------------------------------------------------

    def open(self, store: Store) -> None:
        """From now on the accounts of a store hold; where it has some, the one-time token does not."""
        self._store = store
        self.has_accounts = self._provider is not None or store.accounts.any_enabled()
        if self.has_accounts:
            self._token = None

    @property
    def takes_passwords(self) -> bool:
        """Whether one may sign in by a password of ours."""
        return self.has_accounts and not (self._provider is not None and self._provider.only)

    @property
    def has_provider(self) -> bool:
        """Whether one may sign in at an OpenID provider."""
        return self._provider is not None

    @property
    def hosts(self) -> list[str]:
        """Host names that are ours besides this machine's own: those of the settings, and the public address's."""
        public = self._service.public_url
        return [*self._service.hosts, *([public.host] if public is not None and public.host else [])]

    def is_by_https(self, header: str) -> bool:
        """Whether a request with this Host header came by the public address and so by TLS; one to this machine itself did not."""
        public = self._service.public_url
        if public is None or not self.is_secure:
            return False
        name = _split(header.strip().lower())[0]
        return name == _bracketed((public.host or "").lower()) and name not in LOOPBACK_HOSTS

    @property
    def signing_in(self) -> SigningIn:
        """What checks passwords."""
        return SigningIn(self._opened(), self._passwords)

    # Sessions -----------------------------------------------------------------------------------------------------

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

    def begin(self, account: Account) -> str:
        """A new session of an account that has signed in."""
        lasting = timedelta(hours=self._service.session_hours)
        return self._opened().accounts.begin_session(account.number, lasting=lasting)

    def end(self, session: str) -> None:
        """This session holds no longer."""
        with self._lock:
            self._sessions.pop(_digest(session), None)
        if self.has_accounts and self._store is not None:
            self._store.accounts.end_session(session)

    def viewer(self, session: str | None) -> Viewer | None:
        """Who holds a session that was given out and has not ended; None for nobody."""
        if not session:
            return None
        if self.has_accounts:
            account = self.account(session)
            return None if account is None else viewer_of_account(account)
        with self._lock:
            self._drop_expired()
            held = _digest(session) in self._sessions
        return Viewer.of_this_machine(service_actor()) if held else None

    def account(self, session: str) -> Account | None:
        """The account of a session, as it is now: what is taken from it holds from the next request on."""
        if self._store is None:
            return None
        idle = timedelta(minutes=self._service.idle_minutes)
        number = self._store.accounts.session_account(session, idle=idle)
        return None if number is None else self._store.accounts.by_number(number)

    # Cookies ------------------------------------------------------------------------------------------------------

    def give(self, response: Response, session: str) -> None:
        """Hand a session to a browser, which forgets it when it is closed."""
        self._set(response, self.cookie, session)
        response.delete_cookie(self.form_cookie, secure=self.is_secure, httponly=True, samesite="strict")

    def give_form(self, response: Response, token: str) -> None:
        """Hand a browser without a session what ties the sign-in form to it."""
        self._set(response, self.form_cookie, token)

    def take(self, response: Response) -> None:
        """Take the session from a browser."""
        response.delete_cookie(self.cookie, secure=self.is_secure, httponly=True, samesite="strict")

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self.is_secure, httponly=True, samesite="strict")

    # --------------------------------------------------------------------------------------------------------------

    def _opened(self) -> Store:
        if self._store is None:
            raise DefectError("the service has not started")
        return self._store

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
