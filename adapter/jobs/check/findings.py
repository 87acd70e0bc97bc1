"""In: what a check looked at. Out: a finding: what was seen, what it means, and the exit code it ends with; words stand elsewhere.

`mappings/words/check.yaml` has for each code what was found, and for each that is not well the sentence to send to whoever
can mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapter.errors import worst_exit_code

__all__ = ["Finding", "Group", "Status", "TypeLine", "Value", "exit_code_of"]

_TO_ASK = 5
#: A number or name in a sentence, or several names.
Value = str | int | tuple[str, ...]


class Group(StrEnum):
    """Parts of a check, in the order in which they are looked at and shown."""

    HERE = "here"
    REACH = "reach"
    SERVER = "server"
    ACCESS = "access"
    TYPES = "types"
    PUSH = "push"


class Status(StrEnum):
    """What a finding means: well; good to know; something to ask for; what stops us; not looked at."""

    OK = "ok"
    NOTE = "note"
    ASK = "ask"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        code: what was found, a key of ``words/check.yaml``.
        values: for the braces of its sentences; never patient content.
        failure: exit code where it stops us: 2 our settings, 4 the server refuses, 75 it does not answer.
    """

    group: Group
    code: str
    status: Status
    values: Mapping[str, Value] = field(default_factory=dict)
    failure: int = 0

    @property
    def exit_code(self) -> int:
        """What the command ends with if there is nothing worse."""
        return {Status.ASK: _TO_ASK, Status.FAILED: self.failure}.get(self.status, 0)


@dataclass(frozen=True, slots=True)
class TypeLine:
    """What was found of one resource type that the trial needs; None where it was not looked at, or is not told.

    Attributes:
        served: the CapabilityStatement names it.
        lacking: interactions, search parameters and includes that it does not name for it.
        scope: the token's scopes allow reading and searching it.
        sample: what a search for one of them gave: ``answered``, ``empty``, ``refused``, ``missing`` or ``failed``.
    """

    type: str
    served: bool | None = None
    lacking: tuple[str, ...] = ()
    scope: bool | None = None
    sample: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "type": self.type,
            "served": self.served,
            "lacking": list(self.lacking),
            "scope": self.scope,
            "sample": self.sample,
        }


def exit_code_of(findings: Iterable[Finding]) -> int:
    """The exit code of a check."""
    return worst_exit_code({found.exit_code for found in findings} - {0})
