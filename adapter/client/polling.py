"""In: answers about an export that may take hours. Out: how it stands, and how long to wait before the next look.

Waits are counted as they are asked for, not by a clock: what bounds them holds under any clock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from adapter.client.errors import Issue, NotFound, Refused, Unavailable, UnusableAnswer, issues_of
from adapter.client.retry import Failed, is_retryable, retry_after_seconds
from adapter.client.transport import Transport
from adapter.errors import RemoteError

__all__ = ["Going", "Grave", "Pace", "ready"]

_log = logging.getLogger(__name__)

_OK: Final = 200
_ACCEPTED: Final = 202
_ERRORS_FROM: Final = 400
_SERVER_ERRORS_FROM: Final = 500
_GONE: Final = frozenset({404, 410})
# In words, where a server writes its X-Export-Status so.
_WORDS: Final = {"complete": _OK, "completed": _OK, "in-progress": _ACCEPTED, "error": 500, "failed": 500}
# R4 valueset-issue-type.html: what passes by itself.
_PASSING: Final = frozenset({"transient", "lock-error", "timeout", "throttled"})
#: Seconds of waiting, and looks, while nothing but failures come: a server is restarted within the hour, or not soon.
LONGEST_TROUBLE: Final = 3600.0
MOST_FAILURES: Final = 100
_LONGEST_PROGRESS: Final = 100


class Grave(Failed):
    """A failure that may be for good: a few in a row end the waiting with ``final``."""

    def __init__(self, problem: str, asked: float | None = None, *, final: RemoteError | None = None) -> None:
        super().__init__(problem, asked)
        self.final = final


@dataclass(frozen=True, slots=True)
class Going:
    """The export goes on.

    Args:
        asked: Retry-After, in seconds; None where there is none.
        progress: X-Progress, shortened.
    """

    asked: float | None
    progress: str


def ready(answer: httpx.Response, where: str, *, now: datetime) -> Going | None:
    """How an export stands; None where the answer is what it ended with.

    Args:
        answer: to a request for its status.
        where: method, host and path, for errors.
        now: to read a Retry-After that is a date.

    Raises:
        Failed: this look told nothing, and another may.
        NotFound: there is no such export any more.
        Refused: it failed, or we may not know of it.
        UnusableAnswer: it is none of all this.
    """
    asked = retry_after_seconds(answer.headers.get("Retry-After"), now=now)
    status = answer.status_code
    told = _told_apart(answer) if status == _OK else None
    if (told or status) == _ACCEPTED:
        # STU3: a body here is a manifest of the files that are ready; the last one, with all its pages, holds them too.
        return Going(asked, _printable(answer.headers.get("X-Progress", "")))
    issues = tuple(issue for issue in issues_of(answer.content) if issue.is_error)
    if (told or status) == _OK and not issues:
        return None
    raise _failure(where, told or status, issues, is_of_export=told is not None, asked=asked)


def _failure(
    where: str, status: int, issues: tuple[Issue, ...], *, is_of_export: bool, asked: float | None
) -> Exception:
    if status in _GONE:
        return NotFound(where, status, issues)
    passing = any(issue.code in _PASSING for issue in issues)
    if is_retryable(status) and (passing or not is_of_export):
        # STU2 export.html: a 5xx with an OperationOutcome says that the export failed, unless its code is a passing one. A
        # single 500 may also be of a proxy on the way, so that even such a one is looked at more than once.
        final = Refused(where, status, issues) if issues else None
        is_grave = status == _SERVER_ERRORS_FROM or (status > _SERVER_ERRORS_FROM and final and asked is None)
        problem = f"answered {status}"
        return Grave(problem, asked, final=final) if is_grave and not passing else Failed(problem, asked)
    if status >= _ERRORS_FROM or issues:
        return Refused(where, status, issues)
    return UnusableAnswer(where, f"answered {status} to a request for the status of an export")


def _told_apart(answer: httpx.Response) -> int | None:
    """X-Export-Status (STU3): that of the export, where the answer's own is that of the request alone."""
    text = answer.headers.get("X-Export-Status", "").strip().lower()
    number = text[:3]
    return int(number) if number.isascii() and number.isdigit() and len(number) == 3 else _WORDS.get(text)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_LONGEST_PROGRESS]


class Pace:
    """How long to wait between two looks at an export, and when to stop.

    Args:
        transport: its clock, policy and budget are used.
        where: method, host and path, for errors and the log.
        longest: seconds; a longer wait asked for is taken as this. None for that of the policy.
        patience: seconds of waiting for an export that goes on.
    """

    def __init__(self, transport: Transport, where: str, *, longest: float | None, patience: float) -> None:
        self._clock = transport.clock
        self._policy = transport.policy
        self._budget = transport.budget
        self._where = where
        self._longest = self._policy.longest_asked if longest is None else longest
        self._patience = patience
        self._looks = 0
        self._waited = 0.0
        self._failures = 0
        self._graves = 0
        self._failed_for = 0.0

    @property
    def is_failing(self) -> bool:
        """The last look told nothing."""
        return self._failures > 0

    def after_progress(self, asked: float | None) -> None:
        """Wait for an export that goes on.

        Raises:
            Unavailable: it took too long.
        """
        self._looks += 1
        self._failures = self._graves = 0
        self._failed_for = 0.0
        wait = self._wait(asked, self._looks)
        self._waited += wait
        if self._waited > self._patience:
            problem = f"the export is not ready after {self._patience / 3600:.0f} h"
            raise Unavailable(self._where, problem, attempts=self._looks, retry_after=asked)
        self._clock.sleep(wait)

    def after_failure(self, failure: Failed) -> None:
        """Wait before another look.

        Raises:
            RemoteError: there is to be none.
        """
        self._failures += 1
        self._graves += isinstance(failure, Grave)
        wait = self._wait(failure.asked, self._failures)
        self._failed_for += wait
        worn_out = self._failed_for > LONGEST_TROUBLE or self._failures >= MOST_FAILURES
        if isinstance(failure, Grave) and self._graves >= self._policy.attempts:
            worn_out = True
            if failure.final is not None:
                raise failure.final
        problem = failure.problem
        if not worn_out and self._budget is not None and not self._budget.take(wait):
            worn_out = True
            problem += " (the run's retry_budget is used up)"
        if worn_out:
            asked = None if failure.asked is None else min(failure.asked, self._longest)
            raise Unavailable(self._where, problem, attempts=self._failures, retry_after=asked)
        _log.warning("%s: %s, attempt %d, again in %.1f s", self._where, problem, self._failures, wait)
        self._clock.sleep(wait)

    def _wait(self, asked: float | None, number: int) -> float:
        """Never sooner than asked, below the clamp; else longer each time, spread over the upper half."""
        jitter = self._clock.jitter()
        # A Retry-After of 0 asks for nothing either: followed, it would be a look as often as the network allows.
        if not asked:
            # Not by a power of a number that may be large.
            own = min(self._longest, self._policy.longest_wait, self._policy.first_wait * 2.0 ** min(number - 1, 30))
            return own * (1 + jitter) / 2
        if asked > self._longest:
            _log.warning("%s: Retry-After of %.0f s taken as %.0f s", self._where, asked, self._longest)
        return min(asked, self._longest) + self._policy.first_wait * jitter
