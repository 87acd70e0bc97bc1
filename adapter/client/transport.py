"""In: a site's address and a URL. Out: the answer to a GET or POST, from an allowed host or not at all.

Every request of this product goes through `Transport`: allow-list, redirects, time limits and retries are here. A host
that is not on the list gets no request, and so no token. A write is sent again only where it surely was not done.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import httpx
from httpx import BasicAuth

from adapter.client.errors import (
    ForeignHost,
    NotFound,
    Refused,
    Uncertain,
    UnusableAnswer,
    issues_of,
)
from adapter.client.retry import (
    Clock,
    Failed,
    RetryPolicy,
    attempting,
    is_certificate_trouble,
    is_retryable,
    is_surely_undone,
    retry_after_seconds,
)
from adapter.errors import ConfigurationError

__all__ = ["BasicAuth", "BearerAuth", "Body", "SiteAddress", "Transport", "tls_context", "without_query"]

# Both write whole addresses, and a query may hold a patient's id.
for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)

T = TypeVar("T")

FHIR_JSON = "application/fhir+json"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9110 15.4: the others may turn a POST into a GET, which would then be taken for its answer.
_REDIRECTS_OF_A_POST = frozenset({307, 308})
_MOST_REDIRECTS = 5
_GONE = frozenset({404, 410})
_OK = 200
_ERRORS_FROM = 400


class BearerAuth(httpx.Auth):
    """A fixed bearer token on every request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token into the Authorization header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """Where a site's FHIR server is, and how it is reached.

    Args:
        base_url: FHIR base URL, http or https, without query.
        hosts: further ``host`` or ``host:port`` that links may lead to.
        auth: None, `httpx.BasicAuth`, `BearerAuth`, or any `httpx.Auth` that refreshes its token.
        tls: None trusts the system's authorities; see `tls_context` for a hospital's own.
        timeout: seconds to connect, and between two parts of an answer.
    """

    base_url: str
    hosts: tuple[str, ...] = ()
    auth: httpx.Auth | None = None
    tls: ssl.SSLContext | None = None
    timeout: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what is not the address of a FHIR server.

        Raises:
            ConfigurationError: no absolute http(s) URL, or one with a query, a fragment or a password in it.
        """
        url = _parsed(self.base_url)
        if url is None or url.scheme not in {"http", "https"} or not url.host:
            raise ConfigurationError("base_url", "an absolute http or https URL is wanted")
        if url.query or url.fragment or url.userinfo or "?" in self.base_url:
            raise ConfigurationError("base_url", "no query, fragment or password may stand in it")
        for host in self.hosts:
            named = _parsed(f"{url.scheme}://{host}")
            if named is None or not named.host or named.userinfo or set(host) & set("/?#"):
                raise ConfigurationError("hosts", "a host or host:port is wanted, without scheme and path")

    @property
    def root(self) -> str:
        """The base URL without a slash at its end."""
        return self.base_url.rstrip("/")

    def allowed(self) -> frozenset[str]:
        """The origins that requests may go to: base_url's, and its scheme at each further host."""
        scheme = self.base_url.partition(":")[0].lower()
        return frozenset(_origin(url) for url in (self.base_url, *(f"{scheme}://{host}" for host in self.hosts)))


@dataclass(frozen=True, slots=True)
class Body:
    """What a POST carries.

    Args:
        content: as sent.
        media_type: of the content.
        prefer: the Prefer header, None for none.
    """

    content: bytes = field(repr=False)
    media_type: str = FHIR_JSON
    prefer: str | None = None

    def headers(self) -> dict[str, str]:
        """The headers that tell of it."""
        told = {"Content-Type": self.media_type}
        return told if self.prefer is None else told | {"Prefer": self.prefer}


@dataclass(frozen=True, slots=True)
class _Request:
    """One request; ``repeatable`` where doing it twice is doing it once."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = field(default=None, repr=False)
    repeatable: bool = True

    @property
    def where(self) -> str:
        return without_query(self.url, method=self.method)


class Transport:
    """A connection pool to one site; close it, or use it as a context manager.

    Args:
        address: the site.
        policy: bounds of retrying.
        clock: sleep, time and jitter of retrying.
        via: the httpx transport, where it is not the network.
    """

    def __init__(
        self,
        address: SiteAddress,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        via: httpx.BaseTransport | None = None,
    ) -> None:
        self.address = address
        self._policy = policy or RetryPolicy()
        self._clock = clock or Clock()
        self._allowed = address.allowed()
        self._client = httpx.Client(
            auth=address.auth,
            verify=address.tls or True,
            timeout=httpx.Timeout(address.timeout),
            headers={"Accept": FHIR_JSON, "User-Agent": "reluth-fhir-adapter"},
            # Followed by hand: httpx asks the other host first and only then lets one look.
            follow_redirects=False,
            # A proxy of the hospital's network is used for all but this machine.
            trust_env=not _is_loopback(httpx.URL(address.base_url).host),
            transport=via,
        )

    def __enter__(self) -> Self:
        """The transport itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def get(self, url: str, read: Callable[[httpx.Response], T], *, accept: str = FHIR_JSON) -> T:
        """GET ``url`` and give what ``read`` makes of the answer, trying again as the policy allows.

        Args:
            url: absolute.
            read: makes the result of an answer 200; raises `Failed` where it looks cut off, to be tried again.
            accept: media type asked for.

        Raises:
            ForeignHost: the URL, or a redirect from it, leads to a host that is not allowed; nothing was sent there.
            Refused: 4xx, or a redirect that leads nowhere.
            Unavailable: no usable answer within the attempts.
        """
        return self._ask(_Request("GET", url, {"Accept": accept}), read)

    def post(self, url: str, body: Body, read: Callable[[httpx.Response], T], *, repeatable: bool = False) -> T:
        """POST ``body`` to ``url`` and give what ``read`` makes of the answer.

        Sent again, as the policy allows, only after what surely left nothing done: no connection, 425, 429, 503. A
        redirect is followed only by 307 and 308, and within the allow-list.

        Args:
            url: absolute.
            body: to send.
            read: makes the result of an answer 200; raises `Failed` or `UnusableAnswer` where it cannot.
            repeatable: it is a read (a search): it is sent again as a GET would be, and never ends `Uncertain`.

        Raises:
            ForeignHost: the URL, or a redirect from it, leads to a host that is not allowed; nothing was sent there.
            Refused: 4xx, 501 or 505: nothing was done.
            UnusableAnswer: another redirect; to a read, also an answer that cannot be read.
            Unavailable: no usable answer within the attempts: nothing was done.
            Uncertain: it may have been done: the connection broke, 408, another 5xx, or an answer that cannot be read.
        """
        headers = {"Accept": FHIR_JSON} | body.headers()
        return self._ask(_Request("POST", url, headers, body.content, repeatable), read)

    def check(self, url: str, *, told_by: str) -> None:
        """Refuse an address that is not allowed, before anything is sent to it.

        Raises:
            ForeignHost: another host, port or scheme than base_url and hosts allow, or a name and password within.
        """
        self._allow(url, where=without_query(told_by))

    def _allow(self, url: str, *, where: str) -> None:
        parsed = _parsed(url)
        if parsed is None or parsed.userinfo or _origin(url) not in self._allowed:
            raise ForeignHost(where, _origin(url))

    def _ask(self, request: _Request, read: Callable[[httpx.Response], T]) -> T:
        self._allow(request.url, where=without_query(self.address.base_url, method=request.method))
        return attempting(self._policy, self._clock, lambda: self._once(request, read), where=request.where)

    def _once(self, request: _Request, read: Callable[[httpx.Response], T]) -> T:
        where = request.where
        try:
            answer = self._follow(request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unanswered(request, error) from None
        status = answer.status_code
        known = request.repeatable or is_surely_undone(status)
        if known and is_retryable(status):
            asked = retry_after_seconds(answer.headers.get("Retry-After"), now=self._clock.now())
            raise Failed(f"answered {status}", asked)
        if status != _OK:
            issues = issues_of(answer.content)
            if not known:
                raise Uncertain(where, f"answered {status}", status=status, issues=issues)
            if status >= _ERRORS_FROM:
                raise (NotFound if status in _GONE else Refused)(where, status, issues)
            raise UnusableAnswer(where, f"answered {status} to a {request.method}")
        try:
            return read(answer)
        except (Failed, UnusableAnswer) as error:
            if request.repeatable:
                raise
            raise Uncertain(where, error.problem, status=status) from None

    def _follow(self, request: _Request) -> httpx.Response:
        """Send it, following redirects within the allow-list."""
        followed = _REDIRECTS if request.method == "GET" else _REDIRECTS_OF_A_POST
        url = request.url
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._client.request(request.method, url, content=request.content, headers=request.headers)
            target = answer.headers.get("Location")
            if answer.status_code not in followed or target is None:
                return answer
            onward = str(httpx.URL(url).join(target))
            self._allow(onward, where=without_query(url, method=request.method))
            url = onward
        raise UnusableAnswer(without_query(url, method=request.method), f"redirects more than {_MOST_REDIRECTS} times")


def _unanswered(request: _Request, error: httpx.HTTPError | httpx.InvalidURL) -> Exception:
    """What a request that got no whole answer ends with."""
    # The class alone: texts of httpx may quote the address with its query.
    trouble = "certificate not trusted" if is_certificate_trouble(error) else type(error).__name__
    problem = f"no answer ({trouble})"
    if not (request.repeatable or is_surely_undone(error)):
        return Uncertain(request.where, problem)
    return Failed(problem) if is_retryable(error) else UnusableAnswer(request.where, problem)


def without_query(url: str, *, method: str = "GET") -> str:
    """``GET host/path``: what may stand in messages and logs; a query may hold a patient's id.

    >>> without_query("https://fhir.example.org/r4/Observation?patient=42")
    'GET https://fhir.example.org/r4/Observation'
    """
    parsed = _parsed(url)
    return f"{method} {_origin(url)}{parsed.path if parsed else ''}"


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Trust in the authorities of a PEM file, and in no others.

    Raises:
        ConfigurationError: it cannot be read, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigurationError("ca_file", "a readable PEM file of certificates is wanted") from None


def _parsed(url: str) -> httpx.URL | None:
    """An address as httpx will read it: a check by another parser could let pass what this one sends elsewhere."""
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None


def _origin(url: str) -> str:
    """Scheme, host and port, the default port left out; never name and password."""
    parsed = _parsed(url)
    if parsed is None:
        return "an unreadable address"
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    port = "" if parsed.port in {None, _DEFAULT_PORTS.get(parsed.scheme)} else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
