"""In: who we are to a server (client_id, private key, scopes). Out: access tokens by SMART Backend Services, renewed in time.

SMART App Launch 2.x, backend services: an assertion signed by our key (``private_key_jwt``) for a token that ends soon. The
token is held in memory alone. Neither it nor an assertion is ever logged, or part of an error.
"""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx
import jwt
import msgspec

from adapter.client.address import SiteAddress, opened_client, origin_of, parsed_url, without_query
from adapter.client.discovery import SmartConfiguration, discover
from adapter.client.errors import ForeignHost, Refused, UnusableAnswer
from adapter.client.keys import SigningKey
from adapter.client.retry import (
    Clock,
    Failed,
    RetryPolicy,
    RunBudget,
    attempting,
    is_retryable,
    lasting_trouble,
    retry_after_seconds,
)
from adapter.client.scopes import in_the_servers_words, lacking
from adapter.client.transport import Transport
from adapter.errors import RemoteError

__all__ = ["SmartAuth", "SmartClient", "TokenRefused"]

_log = logging.getLogger(__name__)

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# SMART: exp at most 5 minutes ahead, by the server's clock. 4 leave room for one of ours that is a minute fast.
_LIFETIME = 240
# A server that is a little behind must not find that an assertion was issued in its future.
_ISSUED_BEFORE = 30
# The Date header tells whole seconds, and the answer takes its time: what is less is no skew.
_LEAST_SKEW = 5.0
#: A token without expires_in: SMART recommends at most 5 minutes.
_USUAL_LIFE = 300.0
# Renewed so long before its end, or at four fifths of its life where that is short.
_MARGIN = 60.0
_MARGIN_PART = 0.2
_MOST_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_OK = 200
_REFUSALS = frozenset({400, 401})

#: The codes of RFC 6749 5.2, and what mends each; any other word of a server is not repeated.
_MEANINGS = {
    "invalid_request": "the server misses something in the request",
    "invalid_client": "the server does not know the client_id or its key, or does not take the assertion: is what"
    " `reluth keys` prints registered there, and this machine's clock right?",
    "invalid_grant": "the server does not take the assertion: is what `reluth keys` prints registered there, and this"
    " machine's clock right?",
    "unauthorized_client": "this client may not ask for tokens by client_credentials: ask the server's administrator",
    "unsupported_grant_type": "the server has no SMART Backend Services at this address",
    "invalid_scope": "the server does not know the scopes, or does not give them to this client",
}


class TokenRefused(Refused):
    """The token endpoint gave no token.

    Args:
        where: method, host and path.
        status: HTTP status.
        error: OAuth error code, ``""`` where it sent none that is known.
        skew: seconds that the server's clock is ahead of ours, where it was taken into account and did not help.
    """

    def __init__(self, where: str, status: int, error: str, *, skew: float = 0.0) -> None:
        super().__init__(where, status)
        self.error = error
        meaning = f"{error}: {_MEANINGS[error]}" if error else "without a known error code"
        clock = f"; its clock differs from ours by {skew:+.0f} s" if abs(skew) > _LEAST_SKEW else ""
        self.args = (f"{where}: no token, answered {status} ({meaning}{clock})",)


@dataclass(frozen=True, slots=True)
class SmartClient:
    """Who we are to a server.

    Args:
        client_id: as its administrator registered us.
        key: signs assertions.
        scopes: to ask for, of version 1 or 2.
        token_url: where tokens are asked for; None where the server says so itself.
    """

    client_id: str
    key: SigningKey
    scopes: tuple[str, ...] = ("system/*.rs",)
    token_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    """An access token; ``renew_at`` is monotonic."""

    value: str = field(repr=False)
    renew_at: float
    scopes: frozenset[str]


class _Answer(msgspec.Struct):
    """RFC 6749 5.1 and 5.2, as sent."""

    access_token: object = None
    token_type: object = None
    expires_in: object = None
    scope: object = None
    error: object = None


class SmartAuth:
    """Tokens of one site, shared by all its workers: whoever finds it ended or refused renews it for all.

    Args:
        client: who we are.
        address: the site; its own ``auth`` is not used.
        policy: bounds of retrying.
        clock: sleep, time and jitter.
        budget: of the whole run.
        via: the httpx transport, where it is not the network.
    """

    def __init__(
        self,
        client: SmartClient,
        *,
        address: SiteAddress,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        budget: RunBudget | None = None,
        via: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = client
        self._address = replace(address, auth=None)
        self._policy = policy or RetryPolicy()
        self._clock = clock or Clock()
        self._budget = budget
        self._via = via
        # Held while a token is asked for: the others wait for it, and for nothing else.
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._configuration: SmartConfiguration | None = None
        self._asked: tuple[str, ...] = client.scopes
        self._skew = 0.0
        self._failures = 0
        self._failure: RemoteError | None = None

    def authorization(self) -> str:
        """``Bearer`` and a token that lasts for a while yet.

        Raises:
            TokenRefused: the server does not give us one.
            ForeignHost: tokens are to be asked for at a host that is not allowed; nothing was sent there.
            RemoteError: it does not answer, or not as it should.
        """
        return f"Bearer {self._current().value}"

    def renew(self, refused: str) -> bool:
        """The server answered 401 to ``refused``: whether there is another value, asked for now if nobody did yet.

        Raises:
            RemoteError: as `authorization`.
        """
        return self._current(refused=refused).value != refused.removeprefix("Bearer ")

    def granted_scopes(self) -> frozenset[str]:
        """Scopes of the current token, as the server states them; those asked for where it states none (RFC 6749 5.1).

        Raises:
            RemoteError: as `authorization`.
        """
        return self._current().scopes

    @property
    def skew(self) -> float:
        """Seconds that the server's clock is ahead of ours, where it had to be taken into account; else 0."""
        return self._skew

    def _current(self, *, refused: str | None = None) -> _Token:
        failures = self._failures
        with self._lock:
            if self._failure is not None and self._failures != failures:
                # Somebody asked for all who were waiting, and in vain: as many requests would end no better.
                raise self._failure
            token = self._token
            is_refused = token is not None and refused == f"Bearer {token.value}"
            if token is not None and not is_refused and self._clock.monotonic() < token.renew_at:
                return token
            try:
                self._token = self._new()
            except RemoteError as failure:
                self._token = None
                self._failure = failure
                self._failures += 1
                raise
            return self._token

    def _configured(self) -> SmartConfiguration:
        if self._configuration is None:
            self._configuration = self._discovered()
            self._asked = in_the_servers_words(self._client.scopes, self._configuration.capabilities)
            stated = self._configuration.algorithms
            if stated and self._client.key.algorithm not in stated:
                _log.warning(
                    "%s: states that assertions are signed by other algorithms than %s, which ours is signed by",
                    without_query(self._configuration.token_endpoint, method="POST"),
                    self._client.key.algorithm,
                )
        return self._configuration

    def _discovered(self) -> SmartConfiguration:
        set_by_hand = self._client.token_url
        if set_by_hand is not None and not self._is_allowed(set_by_hand):
            raise ForeignHost(without_query(self._address.root), origin_of(set_by_hand))
        with Transport(
            self._address, policy=self._policy, clock=self._clock, budget=self._budget, via=self._via
        ) as transport:
            try:
                found = discover(transport)
            except (Refused, ForeignHost, UnusableAnswer):
                if set_by_hand is None:
                    raise
                # It may not say what it takes, or say it wrong: that is what the setting is for.
                found = SmartConfiguration(set_by_hand, source="settings")
        return found if set_by_hand is None else replace(found, token_endpoint=set_by_hand)

    def _is_allowed(self, url: str) -> bool:
        parsed = parsed_url(url)
        return parsed is not None and not parsed.userinfo and origin_of(url) in self._address.allowed()

    def _new(self) -> _Token:
        """A new token; the same request is repeatable: a token more costs nothing."""
        url = self._configured().token_endpoint
        where = without_query(url, method="POST")
        with opened_client(self._address, via=self._via) as connection:
            try:
                return self._asked_for(lambda: self._once(connection, url, where=where), where=where)
            except _SkewSeen as seen:
                _log.warning(
                    "%s: its clock differs from ours by %+.0f s, which is taken into account", where, seen.skew
                )
                self._skew = seen.skew
            try:
                return self._asked_for(lambda: self._once(connection, url, where=where), where=where)
            except _SkewSeen as seen:
                # A clock that jumps about is not to be followed.
                raise TokenRefused(where, seen.status, seen.error, skew=seen.skew) from None

    def _asked_for(self, once: Callable[[], _Token], *, where: str) -> _Token:
        return attempting(self._policy, self._clock, once, where=where, budget=self._budget)

    def _once(self, connection: httpx.Client, url: str, *, where: str) -> _Token:
        began = self._clock.monotonic()
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(self._asked),
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._assertion(url),
        }
        try:
            with connection.stream("POST", url, data=form, headers={"Accept": "application/json"}) as answer:
                status, headers, body = answer.status_code, answer.headers, _bounded(answer, where=where)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = f"no answer ({lasting_trouble(error) or type(error).__name__})"
            raise (Failed(problem) if is_retryable(error) else UnusableAnswer(where, problem)) from None
        if is_retryable(status):
            asked = retry_after_seconds(headers.get("Retry-After"), now=self._clock.now())
            raise Failed(f"answered {status}", asked, status=status)
        if 300 <= status < 400:
            target = _onward(url, headers.get("Location", ""))
            if not self._is_allowed(target):
                raise ForeignHost(where, origin_of(target))
            raise UnusableAnswer(
                where, f"answered {status}: a token is asked for at one address; set token_url to the right one"
            )
        told = _read(body)
        if status != _OK:
            raise self._refusal(status, told, headers.get("Date"), where=where)
        return self._token_of(told, began=began, where=where)

    def _assertion(self, url: str) -> str:
        """Signed anew for each request: a server takes each jti once."""
        now = int(self._clock.now().timestamp() + self._skew)
        claims = {
            "iss": self._client.client_id,
            "sub": self._client.client_id,
            "aud": url,
            "jti": str(uuid.uuid4()),
            "iat": now - _ISSUED_BEFORE,
            "exp": now + _LIFETIME,
        }
        key = self._client.key
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.key_id})

    def _refusal(self, status: int, told: _Answer | None, date: str | None, *, where: str) -> Exception:
        error = told.error if told is not None and isinstance(told.error, str) and told.error in _MEANINGS else ""
        skew = self._skew_by(date)
        # What is not about who we are is not about when either.
        may_be_time = status in _REFUSALS and error in {"", "invalid_client", "invalid_grant", "invalid_request"}
        if may_be_time and skew is not None and abs(skew - self._skew) > _LEAST_SKEW:
            return _SkewSeen(skew, status, error)
        return TokenRefused(where, status, error, skew=self._skew)

    def _skew_by(self, date: str | None) -> float | None:
        """Seconds that the server is ahead, by the Date header of its answer."""
        try:
            moment = parsedate_to_datetime(date or "")
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - self._clock.now()).total_seconds()

    def _token_of(self, told: _Answer | None, *, began: float, where: str) -> _Token:
        value = told.access_token if told is not None else None
        if told is None or not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise UnusableAnswer(where, "answered 200 without a usable access_token")
        if not isinstance(told.token_type, str) or told.token_type.lower() != "bearer":
            raise UnusableAnswer(where, "gives tokens of another type than bearer")
        life = _seconds(told.expires_in)
        scopes = frozenset(told.scope.split()) if isinstance(told.scope, str) else frozenset(self._asked)
        if missing := lacking(self._asked, scopes):
            _log.warning("%s: asked for and not granted as such: %s", where, " ".join(missing))
        # Counted from before it was asked for: by then the server had not begun to count.
        renew_at = began + life - min(_MARGIN, life * _MARGIN_PART)
        return _Token(value, renew_at, frozenset(scope for scope in scopes if _SCOPE.fullmatch(scope)))


class _SkewSeen(Exception):
    """A refusal that another time in the assertion may turn."""

    def __init__(self, skew: float, status: int, error: str) -> None:
        self.skew = skew
        self.status = status
        self.error = error
        super().__init__(f"{skew:+.0f} s")


def _bounded(answer: httpx.Response, *, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > _MOST_BYTES:
            raise UnusableAnswer(where, "answered more than a token endpoint has to say")
        parts.append(part)
    return b"".join(parts)


def _onward(url: str, location: str) -> str:
    try:
        return str(httpx.URL(url).join(location))
    except httpx.InvalidURL:
        return location


def _read(body: bytes) -> _Answer | None:
    try:
        return msgspec.json.decode(body.removeprefix(_BOM), type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _seconds(stated: object) -> float:
    """``expires_in``, which some servers send as text; what says nothing is taken for the usual."""
    try:
        life = float(stated) if isinstance(stated, int | float | str) and not isinstance(stated, bool) else 0.0
    except (ValueError, OverflowError):
        return _USUAL_LIFE
    return life if 0 < life < float("inf") else _USUAL_LIFE
