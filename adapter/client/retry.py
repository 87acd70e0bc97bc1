"""In: a failed attempt (status, exception, Retry-After). Out: whether to try again, a write too, and after how long.

Pure, but for `attempting`, which drives tenacity with the sleep and the clock it is given.
"""

from __future__ import annotations

import logging
import math
import random
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import tenacity

from adapter.client.errors import Unavailable

__all__ = [
    "Attempt",
    "Clock",
    "Failed",
    "RetryPolicy",
    "RunBudget",
    "attempting",
    "is_retryable",
    "is_surely_undone",
    "lasting_trouble",
    "retry_after_seconds",
    "wait_seconds",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: 408 and 425 ask for it; 429 and 503 do too, often with Retry-After; a single 500, 502 or 504 is usual behind a proxy.
RETRYABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

#: No connection, or one that broke before the whole answer was there.
_RETRYABLE_ERRORS = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.DecodingError,
)

#: No request left this machine, or none that a FHIR server saw: a proxy refused the tunnel.
_UNSENT_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)

# What OpenSSL calls the alerts by which a server breaks off (RFC 8446 6.2), in words.
_ALERTS = (
    (re.compile(r"ALERT_(?:[A-Z]+_)?CERTIFICATE|ALERT_UNKNOWN_CA"), "the server refuses our certificate, or wants one"),
    (
        re.compile(r"ALERT_(?:HANDSHAKE_FAILURE|ACCESS_DENIED|PROTOCOL_VERSION)"),
        "the server breaks off the TLS handshake",
    ),
)

# How a proxy's answer to CONNECT is told by the two ways out.
_HTTPX_TUNNEL = re.compile(r"(\d{3})(?: |$)")
_URLLIB3_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_PROXY_WORDS = {407: "the proxy does not take our name and password, or wants some, 407"}

# 501 and 505: it cannot do such a thing at all. 503: it has no room for the request.
_UNDONE_SERVER_ERRORS = frozenset({501, 503, 505})
# 303 points to the outcome of what was done; 408 is also what proxies say of a server that is slow to answer.
_PERHAPS_DONE = frozenset({303, 408})

_MOST_DOUBLINGS = 64

_TOO_MANY = 429
#: A server that always asks to come back at once ends so too.
_MOST_THROTTLED = 100

# Some servers send Retry-After as a moment, in seconds or milliseconds since 1970; no wait is as long as these numbers.
_EPOCH_SECONDS_FROM = 1e9
_EPOCH_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often to try.

    Args:
        attempts: requests in all, the first included, but for those answered 429 with a Retry-After.
        budget: seconds in all, requests and waits.
        first_wait: upper bound of the first own wait; it doubles from attempt to attempt.
        longest_wait: upper bound of an own wait.
        longest_asked: a longer wait asked for by Retry-After is taken as this.
    """

    attempts: int = 6
    budget: float = 900.0
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_asked: float = 300.0


@dataclass(frozen=True, slots=True)
class Clock:
    """What of the world a retry needs; tests give their own."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    jitter: Callable[[], float] = random.random


class Failed(Exception):
    """One attempt failed and another is worth it.

    Args:
        problem: what happened.
        asked: its Retry-After in seconds, as sent.
        status: of the answer, where there was one.
    """

    def __init__(self, problem: str, asked: float | None = None, *, status: int = 0) -> None:
        self.problem = problem
        self.asked = asked
        self.is_throttled = status == _TOO_MANY and asked is not None
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known when an attempt has failed.

    Attributes:
        number: from 1.
        elapsed: seconds since the first began.
        asked: seconds that the server asked to wait, where it did.
        throttled: how many of the attempts, this one included, were answered 429 with such a wish.
    """

    number: int
    elapsed: float
    asked: float | None = None
    throttled: int = 0


class RunBudget:
    """Seconds that a whole run may spend waiting to try again, shared by all its requests and threads.

    A server that fails a little all the time would else hold a run for days, each request within its own policy.

    Args:
        seconds: in all; ``math.inf`` only counts.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._left = seconds
        self._waited = 0.0

    def take(self, seconds: float) -> bool:
        """Take what one wait needs; False where less is left, and nothing is taken."""
        with self._lock:
            if seconds > self._left:
                return False
            self._left -= seconds
            self._waited += seconds
            return True

    @property
    def left(self) -> float:
        """Seconds that may still be waited."""
        with self._lock:
            return self._left

    @property
    def waited(self) -> float:
        """Seconds of waiting that were taken."""
        with self._lock:
            return self._waited


def is_retryable(failure: int | Exception) -> bool:
    """Whether the same request may succeed later: ``failure`` is an HTTP status or what httpx raised.

    >>> is_retryable(503), is_retryable(401), is_retryable(httpx.ReadTimeout("slow"))
    (True, False, True)
    """
    if isinstance(failure, int):
        return failure in RETRYABLE_STATUS
    return isinstance(failure, _RETRYABLE_ERRORS) and lasting_trouble(failure) is None


def is_surely_undone(failure: int | Exception) -> bool:
    """Whether the server surely did nothing of what was sent: only then may a write be sent again unseen.

    ``failure`` is an HTTP status or what httpx raised. A refusal (4xx) is undone too, though no retry mends it.

    >>> is_surely_undone(503), is_surely_undone(412), is_surely_undone(500)
    (True, True, False)
    >>> is_surely_undone(httpx.ConnectTimeout("slow")), is_surely_undone(httpx.ReadTimeout("slow"))
    (True, False)
    """
    if isinstance(failure, int):
        refused = 300 <= failure < 500 and failure not in _PERHAPS_DONE
        return refused or failure in _UNDONE_SERVER_ERRORS
    return isinstance(failure, _UNSENT_ERRORS)


def lasting_trouble(failure: BaseException | None) -> str | None:
    """Why another attempt would end no better though no server answered, in words; None where one may.

    A certificate that cannot be verified now cannot be verified in a minute either, by us or by the server. A proxy that
    refuses our password locks the account where it is shown it again and again.
    """
    while failure is not None:
        # httpx re-raises with the text only, so that the class is lost on some paths.
        if isinstance(failure, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(failure):
            return "certificate not trusted"
        for alert, words in _ALERTS:
            if alert.search(str(failure)):
                return words
        status = _tunnel_refused(failure)
        if status is not None:
            return _PROXY_WORDS.get(status, f"the proxy refuses to connect to the server, {status}")
        failure = failure.__cause__ or failure.__context__
    return None


def _tunnel_refused(failure: BaseException) -> int | None:
    """The status by which a proxy refused a tunnel for good (RFC 9110 9.3.6)."""
    found = (_HTTPX_TUNNEL.match if isinstance(failure, httpx.ProxyError) else _URLLIB3_TUNNEL.search)(str(failure))
    status = int(found[1]) if found else 0
    return status if 400 <= status < 500 and status not in RETRYABLE_STATUS else None


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """Seconds from ``now`` that a Retry-After header asks for, unclamped; None when it says nothing readable.

    Source:
        RFC 9110 10.2.3: seconds, or an HTTP date. Moments in seconds or milliseconds since 1970 are seen in the field.

    >>> at = datetime(2025, 6, 1, tzinfo=UTC)
    >>> retry_after_seconds("120", now=at), retry_after_seconds("Sun, 01 Jun 2025 00:00:30 GMT", now=at)
    (120.0, 30.0)
    >>> retry_after_seconds("1748736060000", now=at), retry_after_seconds("soon", now=at)
    (60.0, None)
    """
    text = (header or "").strip()
    try:
        number = float(text)
    except ValueError:
        return _seconds_until(text, now=now)
    if not 0 <= number < float("inf"):
        return None
    if number >= _EPOCH_MILLISECONDS_FROM:
        return max(0.0, number / 1000 - now.timestamp())
    if number >= _EPOCH_SECONDS_FROM:
        return max(0.0, number - now.timestamp())
    return number


def _seconds_until(text: str, *, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())


def wait_seconds(policy: RetryPolicy, attempt: Attempt, *, jitter: float) -> float | None:
    """Seconds to wait before the next attempt; None when there is to be none.

    A wait that the server asked for is never shortened but by the clamp: jitter comes on top. One that would end after
    the budget ends the attempts at once: coming back early is not what was asked, and waiting for nothing is no use.
    A 429 that says when to come back is no failure to be counted: a storm of them is bounded by the budget.

    Args:
        policy: bounds.
        attempt: the one that failed.
        jitter: 0 to 1, spreads clients that failed together (full jitter on own waits).
    """
    if attempt.number - attempt.throttled >= policy.attempts or attempt.throttled >= _MOST_THROTTLED:
        return None
    # Doubling often enough ends beyond what a float holds.
    own = min(policy.longest_wait, policy.first_wait * 2 ** min(attempt.number - 1, _MOST_DOUBLINGS))
    asked = attempt.asked
    wait = own * jitter if asked is None else min(asked, policy.longest_asked) + policy.first_wait * jitter
    return wait if attempt.elapsed + wait <= policy.budget else None


def attempting(
    policy: RetryPolicy, clock: Clock, once: Callable[[], T], *, where: str, budget: RunBudget | None = None
) -> T:
    """Call ``once`` until it gives an answer; each `Failed` it raises costs one attempt.

    Args:
        policy: bounds.
        clock: sleep, time and jitter.
        once: one attempt; anything but `Failed` that it raises goes through.
        where: method, host and path, for the log and the error.
        budget: of the whole run; each wait is taken from it.

    Raises:
        Unavailable: the attempts, the policy's budget or the run's are used up.
    """
    began = clock.monotonic()
    spent = False
    throttled = 0

    def plan(state: tenacity.RetryCallState) -> float:
        nonlocal throttled
        failure = _failure(state)
        throttled += failure.is_throttled
        attempt = Attempt(state.attempt_number, clock.monotonic() - began, failure.asked, throttled)
        wait = wait_seconds(policy, attempt, jitter=clock.jitter())
        if wait is not None and budget is not None and not budget.take(wait):
            nonlocal spent
            spent = True
            wait = None
        return math.inf if wait is None else wait

    def tell(state: tenacity.RetryCallState) -> None:
        failure = _failure(state)
        wait = state.next_action.sleep if state.next_action else 0.0
        if failure.asked is not None and failure.asked > policy.longest_asked:
            _log.warning("%s: Retry-After of %.0f s taken as %.0f s", where, failure.asked, policy.longest_asked)
        # A pull that waits says so: minutes of silence look like a hang.
        _log.warning("%s: %s, attempt %d, again in %.1f s", where, failure.problem, state.attempt_number, wait)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Failed),
        wait=plan,
        # tenacity plans the wait before it asks whether to stop (its own stop_before_delay rests on that).
        stop=lambda state: state.upcoming_sleep == math.inf,
        sleep=clock.sleep,
        before_sleep=tell,
    )
    try:
        return retrying(once)
    except tenacity.RetryError as error:
        last = error.last_attempt.exception()
        assert isinstance(last, Failed)
        number = error.last_attempt.attempt_number
        asked = None if last.asked is None else min(last.asked, policy.longest_asked)
        problem = f"{last.problem} (the run's retry_budget is used up)" if spent else last.problem
        raise Unavailable(where, problem, attempts=number, retry_after=asked) from None


def _failure(state: tenacity.RetryCallState) -> Failed:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, Failed)
    return failure
