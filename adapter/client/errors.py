"""In: what an answer, or its absence, was. Out: the error that says so, without query strings or patient content.

::

    RemoteError                exit 4
    |-- Refused                the server answered 4xx, or 5xx that trying again does not mend
    |   `-- NotFound           404 or 410: no such resource or resource type
    |-- ForeignHost            a link or redirect leads to a host that is not on the allow-list; nothing was sent there
    |-- UnusableAnswer         an answer that is not what FHIR says it should be
    |   `-- LoopingPages       a next link leads back to a page already read
    `-- TransientError         exit 75
        |-- Unavailable        still failing after all attempts, or it asked to wait longer than we may; nothing was done
        `-- Uncertain          a write that may or may not have been done: read back before it is sent again
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from adapter.errors import RemoteError, TransientError

__all__ = [
    "ForeignHost",
    "Issue",
    "LoopingPages",
    "NotFound",
    "Refused",
    "Unavailable",
    "Uncertain",
    "UnusableAnswer",
    "issues_of",
]

_BOM = b"\xef\xbb\xbf"

# What stands in an expression must not be able to hold a name or a number of a patient: names of elements with indexes
# and type filters pass, literals, slices and ids do not. The one digit pair in FHIR's element names is 64.
_STEP = r"(?:[a-z][A-Za-z]{0,63}(?:64(?:Binary)?)?(?:\[(?:x|\d{1,4})\])?|(?:ofType|as)\([A-Za-z]{1,64}\))"
_PATH = re.compile(rf"[A-Z][A-Za-z]{{1,63}}(?:\.{_STEP})+")
# The HL7 validator names the resource within: Bundle.entry[0].resource/*Observation/9*/.status
_REMARK = re.compile(r"/\*.*?\*/")


# R4 valueset-issue-type.html: `transient` and what is below it, `incomplete` first of all ("Not all data sources typically
# accessed could be reached"), and what was broken off. A server that has a part of an answer tells it as a warning.
_LOSSES = frozenset(
    {"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "too-costly"}
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome.

    Args:
        severity: ``fatal``, ``error``, ``warning``, ``information``, or ``unknown``.
        code: of the issue type, or ``unknown``.
        diagnostics: the server's free text (``details.text`` where there is no ``diagnostics``): may hold patient content.
        expression: paths of the elements at fault, e.g. ``Observation.value[x]``; those that hold literals are left out.
    """

    severity: str
    code: str
    # Kept out of repr, and so out of logs and tracebacks.
    diagnostics: str = field(default="", repr=False)
    expression: tuple[str, ...] = ()

    @property
    def is_error(self) -> bool:
        """The server says that something was not done (severity fatal or error)."""
        return self.severity in {"fatal", "error"}

    @property
    def is_loss(self) -> bool:
        """Of an answer that was given: something that belongs to it may be missing, however little the server makes of it."""
        return self.is_error or self.code in _LOSSES

    def __str__(self) -> str:
        at = f" at {', '.join(self.expression)}" if self.expression else ""
        return f"{self.severity}/{self.code}{at}"


class Refused(RemoteError):
    """The server refused a request.

    Args:
        where: method, host and path.
        status: HTTP status.
        issues: of the OperationOutcome in the answer, if it held one.
        advice: what may help, as the end of a sentence.
    """

    def __init__(self, where: str, status: int, issues: tuple[Issue, ...] = (), *, advice: str = "") -> None:
        self.where = where
        self.status = status
        self.issues = issues
        self.advice = advice
        told = f" ({', '.join(map(str, issues))})" if issues else ""
        super().__init__(f"{where}: answered {status}{told}{'; ' if advice else ''}{advice}")


class NotFound(Refused):
    """The server has no such resource, or does not serve the type."""


class ForeignHost(RemoteError):
    """A link or redirect leads to a host that is not on the allow-list.

    Args:
        where: method, host and path of the request whose answer held the address.
        origin: scheme, host and port it leads to.
    """

    def __init__(self, where: str, origin: str) -> None:
        self.where = where
        self.origin = origin
        super().__init__(f"{where}: leads to {origin}, which is neither the site's base_url nor one of its hosts")


class UnusableAnswer(RemoteError):
    """The server answered with what FHIR does not allow here.

    Args:
        where: method, host and path.
        problem: what is wrong with the answer.
    """

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}")


class LoopingPages(UnusableAnswer):
    """A search's next link leads back to a page that was read already, or its pages come again under new links."""

    def __init__(self, where: str) -> None:
        super().__init__(where, "the next link leads back to a page already read")


class Unavailable(TransientError):
    """The server did not give a usable answer within our attempts.

    Args:
        where: method, host and path.
        problem: what the last attempt met.
        attempts: how many there were.
        retry_after: seconds that the server last asked to wait, if it did.
    """

    def __init__(self, where: str, problem: str, *, attempts: int, retry_after: float | None = None) -> None:
        self.where = where
        self.problem = problem
        self.attempts = attempts
        self.retry_after = retry_after
        asked = f"; it asks to come back in {retry_after:.0f} s" if retry_after else ""
        super().__init__(f"{where}: {problem}, after {attempts} attempts{asked}")


class Uncertain(TransientError):
    """A write was sent, and whether it was done is not known: it must be read back before it is sent again.

    Args:
        where: method, host and path.
        problem: what was met instead of the answer.
        status: HTTP status, None where no answer came.
        issues: of the OperationOutcome in the answer, if it held one.
    """

    def __init__(self, where: str, problem: str, *, status: int | None = None, issues: tuple[Issue, ...] = ()) -> None:
        self.where = where
        self.problem = problem
        self.status = status
        self.issues = issues
        told = f" ({', '.join(map(str, issues))})" if issues else ""
        super().__init__(f"{where}: {problem}{told}; whether it was done is not known")


class _Details(msgspec.Struct):
    text: object = None


class _Coded(msgspec.Struct):
    severity: object = None
    code: object = None
    diagnostics: object = None
    details: _Details | None = None
    expression: object = None


class _Outcome(msgspec.Struct):
    resourceType: object = None
    issue: list[_Coded] = []


def issues_of(body: bytes) -> tuple[Issue, ...]:
    """The issues of an OperationOutcome; none when ``body`` is anything else.

    >>> body = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}'
    >>> [str(issue) for issue in issues_of(body)]
    ['error/invalid']
    """
    try:
        outcome = msgspec.json.decode(body.removeprefix(_BOM), type=_Outcome)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    if outcome.resourceType != "OperationOutcome":
        return ()
    return tuple(
        Issue(_word(issue.severity), _word(issue.code), _text(issue), _paths(issue.expression))
        for issue in outcome.issue
    )


def _text(issue: _Coded) -> str:
    texts = (issue.diagnostics, issue.details.text if issue.details else None)
    return next((text for text in texts if isinstance(text, str) and text), "")


def _paths(value: object) -> tuple[str, ...]:
    stated = [_REMARK.sub("", path) for path in value if isinstance(path, str)] if isinstance(value, list) else []
    return tuple(path for path in stated if _PATH.fullmatch(path))


def _word(value: object) -> str:
    """A code as sent, if it has the form of one: free text in its place must not get into messages."""
    return value if isinstance(value, str) and value.isascii() and value.replace("-", "").isalpha() else "unknown"
