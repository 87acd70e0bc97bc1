"""In: a site's address and a URL. Out: the answer to a GET, from an allowed host or not at all.

Every request of this product goes through `Transport.get`: allow-list, redirects, time limits and retries are here.
A host that is not on the list gets no request, and so no token.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import httpx
from httpx import BasicAuth

from adapter.client.errors import (
    ForeignHost,
    NotFound,
    Refused,
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
    retry_after_seconds,
)
from adapter.errors import ConfigurationError

__all__ = ["BasicAuth", "BearerAuth", "SiteAddress", "Transport", "tls_context", "without_query"]

# Both write whole addresses, and a query may hold a patient's id.
for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)

T = TypeVar("T")

FHIR_JSON = "application/fhir+json"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
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
        self.check(url, told_by=self.address.base_url)
        return attempting(self._policy, self._clock, lambda: self._once(url, read, accept), where=without_query(url))

    def check(self, url: str, *, told_by: str) -> None:
        """Refuse an address that is not allowed, before anything is sent to it.

        Raises:
            ForeignHost: another host, port or scheme than base_url and hosts allow, or a name and password within.
        """
        parsed = _parsed(url)
        if parsed is None or parsed.userinfo or _origin(url) not in self._allowed:
            raise ForeignHost(without_query(told_by), _origin(url))

    def _once(self, url: str, read: Callable[[httpx.Response], T], accept: str) -> T:
        where = without_query(url)
        try:
            answer = self._follow(url, accept)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The class alone: texts of httpx may quote the address with its query.
            trouble = "certificate not trusted" if is_certificate_trouble(error) else type(error).__name__
            problem = f"no answer ({trouble})"
            if is_retryable(error):
                raise Failed(problem) from None
            raise UnusableAnswer(where, problem) from None
        status = answer.status_code
        if is_retryable(status):
            asked = retry_after_seconds(answer.headers.get("Retry-After"), now=self._clock.now())
            raise Failed(f"answered {status}", asked)
        if status in _GONE:
            raise NotFound(where, status, issues_of(answer.content))
        if status >= _ERRORS_FROM:
            raise Refused(where, status, issues_of(answer.content))
        if status != _OK:
            raise UnusableAnswer(where, f"answered {status} to a GET")
        return read(answer)

    def _follow(self, url: str, accept: str) -> httpx.Response:
        """GET, following redirects within the allow-list."""
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._client.get(url, headers={"Accept": accept})
            target = answer.headers.get("Location")
            if answer.status_code not in _REDIRECTS or target is None:
                return answer
            onward = str(httpx.URL(url).join(target))
            self.check(onward, told_by=url)
            url = onward
        raise UnusableAnswer(without_query(url), f"redirects more than {_MOST_REDIRECTS} times")


def without_query(url: str) -> str:
    """``GET host/path``: what may stand in messages and logs; a query may hold a patient's id.

    >>> without_query("https://fhir.example.org/r4/Observation?patient=42")
    'GET https://fhir.example.org/r4/Observation'
    """
    parsed = _parsed(url)
    return f"GET {_origin(url)}{parsed.path if parsed else ''}"


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
