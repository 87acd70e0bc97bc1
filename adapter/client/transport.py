"""In: a site's address and a URL. Out: the answer to a GET, POST or DELETE, from an allowed host or not at all.

Every request of this product goes through `Transport`, but for tokens (`smart`) and files (`download`): allow-list,
redirects, time limits and retries are here. A host that is not on the list gets no request, and so no token. A write is
sent again only where it surely was not done.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx

from adapter.client.address import SiteAddress, opened_client, origin_of, parsed_url, without_query
from adapter.client.auth import HttpxAuth
from adapter.client.certificates import end_of_peer
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
    RunBudget,
    attempting,
    is_retryable,
    is_surely_undone,
    lasting_trouble,
    retry_after_seconds,
)

__all__ = ["Body", "Traffic", "Transport", "require_allowed"]

# Both write whole addresses, and a query may hold a patient's id.
for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)

T = TypeVar("T")

FHIR_JSON = "application/fhir+json"
_BOM = b"\xef\xbb\xbf"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9110 15.4: the others may turn a POST into a GET, which would then be taken for its answer.
_REDIRECTS_OF_A_POST = frozenset({307, 308})
_MOST_REDIRECTS = 5
_GONE = frozenset({404, 410})
_OK = frozenset({200})
_ERRORS_FROM = 400
#: A searchset or a manifest is a few MiB; a few KiB packed can hold gigabytes.
LARGEST_ANSWER = 128 * 2**20
#: How the content came, and not what it is.
_OF_THE_WAY = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Traffic:
    """Requests counted, from any thread; redirects and a second try with a new token belong to their request.

    Attributes:
        sent: all of them.
        retried: those that followed a failed one.
        certificate_until: when the server's certificate ends, of the first answer by TLS; None before it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent = 0
        self.retried = 0
        self.certificate_until: datetime | None = None

    def count(self, *, again: bool) -> None:
        """One more."""
        with self._lock:
            self.sent += 1
            self.retried += again


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
    wanted: Collection[int] = _OK

    @property
    def where(self) -> str:
        return without_query(self.url, method=self.method)


class Transport:
    """A connection pool to one site, for any number of threads; close it, or use it as a context manager.

    Args:
        address: the site.
        policy: bounds of retrying.
        clock: sleep, time and jitter of retrying.
        via: the httpx transport, where it is not the network.
        budget: of the whole run; each wait for another attempt is taken from it.

    Attributes:
        traffic: what was sent so far.
    """

    def __init__(
        self,
        address: SiteAddress,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        via: httpx.BaseTransport | None = None,
        budget: RunBudget | None = None,
    ) -> None:
        self.address = address
        self.policy = policy or RetryPolicy()
        self.clock = clock or Clock()
        self.budget = budget
        self.traffic = Traffic()
        self._allowed = address.allowed()
        self._own = origin_of(address.base_url)
        self._client = opened_client(address, via=via)
        if address.auth is not None:
            self._client.auth = HttpxAuth(address.auth)

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

    def get(
        self,
        url: str,
        read: Callable[[httpx.Response], T],
        *,
        accept: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
        wanted: Collection[int] = _OK,
    ) -> T:
        """GET ``url`` and give what ``read`` makes of the answer, trying again as the policy allows.

        Args:
            url: absolute.
            read: makes the result of a wanted answer; raises `Failed` where it looks cut off, to be tried again.
            accept: media type asked for.
            headers: further ones.
            wanted: statuses that ``read`` is given.

        Raises:
            ForeignHost: the URL, or a redirect from it, leads to a host that is not allowed; nothing was sent there.
            Refused: 4xx, or a redirect that leads nowhere.
            Unavailable: no usable answer within the attempts.
        """
        return self._ask(_Request("GET", url, {"Accept": accept, **(headers or {})}, wanted=wanted), read)

    def post(
        self,
        url: str,
        body: Body,
        read: Callable[[httpx.Response], T],
        *,
        repeatable: bool = False,
        wanted: Collection[int] = _OK,
    ) -> T:
        """POST ``body`` to ``url`` and give what ``read`` makes of the answer.

        Sent again, as the policy allows, only after what surely left nothing done: no connection, 425, 429, 503. A
        redirect is followed only by 307 and 308, and within the allow-list.

        Args:
            url: absolute.
            body: to send.
            read: makes the result of a wanted answer; raises `Failed` or `UnusableAnswer` where it cannot.
            repeatable: it is a read (a search), or doing it twice does no harm: it is sent again as a GET would be, and
                never ends `Uncertain`.
            wanted: statuses that ``read`` is given.

        Raises:
            ForeignHost: the URL, or a redirect from it, leads to a host that is not allowed; nothing was sent there.
            Refused: 4xx, 501 or 505: nothing was done.
            UnusableAnswer: another redirect; to a read, also an answer that cannot be read.
            Unavailable: no usable answer within the attempts: nothing was done.
            Uncertain: it may have been done: the connection broke, 408, another 5xx, or an answer that cannot be read.
        """
        headers = {"Accept": FHIR_JSON} | body.headers()
        return self._ask(_Request("POST", url, headers, body.content, repeatable, wanted), read)

    def once(self, url: str, *, method: str = "GET", accept: str = FHIR_JSON, again: bool = False) -> httpx.Response:
        """One request without a body, not tried again: the answer, whatever its status.

        For what may be answered in more ways than done and not done: who asks decides what to do next.

        Args:
            url: absolute.
            method: one that may be repeated: GET or DELETE.
            accept: media type asked for.
            again: it follows a failed one.

        Raises:
            ForeignHost: the URL, or a redirect from it, leads to a host that is not allowed; nothing was sent there.
            UnusableAnswer: no answer, and another attempt would bring none either; too many redirects.
            Failed: no answer, which another attempt may mend.
        """
        request = _Request(method, url, {"Accept": accept})
        self._allow(url, where=without_query(self.address.base_url, method=method))
        self.traffic.count(again=again)
        return self._answer(request)

    def check(self, url: str, *, told_by: str) -> None:
        """Refuse an address that is not allowed, before anything is sent to it.

        Raises:
            ForeignHost: another host, port or scheme than base_url and hosts allow, or a name and password within.
        """
        self._allow(url, where=without_query(told_by))

    def _allow(self, url: str, *, where: str) -> None:
        require_allowed(url, self._allowed, where=where)

    def _ask(self, request: _Request, read: Callable[[httpx.Response], T]) -> T:
        self._allow(request.url, where=without_query(self.address.base_url, method=request.method))
        again = False

        def once() -> T:
            nonlocal again
            self.traffic.count(again=again)
            again = True
            return self._once(request, read)

        return attempting(self.policy, self.clock, once, where=request.where, budget=self.budget)

    def _once(self, request: _Request, read: Callable[[httpx.Response], T]) -> T:
        where = request.where
        answer = self._answer(request)
        status = answer.status_code
        known = request.repeatable or is_surely_undone(status)
        if known and is_retryable(status):
            asked = retry_after_seconds(answer.headers.get("Retry-After"), now=self.clock.now())
            raise Failed(f"answered {status}", asked, status=status)
        if status not in request.wanted:
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

    def _answer(self, request: _Request) -> httpx.Response:
        try:
            return self._follow(request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unanswered(request, error) from None

    def _follow(self, request: _Request) -> httpx.Response:
        """Send it, following redirects within the allow-list."""
        followed = _REDIRECTS if request.method == "GET" else _REDIRECTS_OF_A_POST
        url = request.url
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._sent(request, url)
            target = answer.headers.get("Location")
            if answer.status_code not in followed or target is None:
                return answer
            onward = str(httpx.URL(url).join(target))
            self._allow(onward, where=without_query(url, method=request.method))
            url = onward
        raise UnusableAnswer(without_query(url, method=request.method), f"redirects more than {_MOST_REDIRECTS} times")

    def _sent(self, request: _Request, url: str) -> httpx.Response:
        """Send it once, and read the answer as far as it is one that can be meant."""
        pieces: list[bytes] = []
        size = 0
        with self._client.stream(request.method, url, content=request.content, headers=request.headers) as answer:
            # Of the site's own host: those of its further ones, where files lie, are seldom its own.
            if self.traffic.certificate_until is None and origin_of(url) == self._own:
                self.traffic.certificate_until = end_of_peer(answer)
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > LARGEST_ANSWER:
                    problem = f"an answer of more than {LARGEST_ANSWER >> 20} MiB"
                    raise (UnusableAnswer if request.repeatable else Uncertain)(request.where, problem)
                pieces.append(piece)
        headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _OF_THE_WAY]
        # RFC 8259 8.1 lets a reader pass over it: .NET writes one before whatever it sends, the CapabilityStatement first.
        content = b"".join(pieces).removeprefix(_BOM)
        return httpx.Response(answer.status_code, headers=headers, content=content, request=answer.request)


def require_allowed(url: str, allowed: Collection[str], *, where: str) -> None:
    """Refuse an address that is not on the allow-list.

    Args:
        url: absolute.
        allowed: origins.
        where: what told of it, for the error.

    Raises:
        ForeignHost: another host, port or scheme, or a name and password within.
    """
    parsed = parsed_url(url)
    if parsed is None or parsed.userinfo or origin_of(url) not in allowed:
        raise ForeignHost(where, origin_of(url))


def _unanswered(request: _Request, error: httpx.HTTPError | httpx.InvalidURL) -> Exception:
    """What a request that got no whole answer ends with."""
    # The class alone: texts of httpx may quote the address with its query.
    trouble = lasting_trouble(error) or type(error).__name__
    problem = f"no answer ({trouble})"
    if not (request.repeatable or is_surely_undone(error)):
        return Uncertain(request.where, problem)
    return Failed(problem) if is_retryable(error) else UnusableAnswer(request.where, problem)
