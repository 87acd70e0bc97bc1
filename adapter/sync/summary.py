"""In: what a pull counted. Out: the closing object of the contract, and the exit code."""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.errors import worst_exit_code
from adapter.sync.sources import Missing, Mode, Requests

__all__ = ["PullSummary", "PutAside", "TypeSummary"]

_IN_PART = 5


class TypeSummary(msgspec.Struct):
    """Counts of one type: ``read`` is every line or entry, those put aside included."""

    read: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    quarantined: int = 0


class PutAside(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of ``quarantine``."""

    reason: str
    file: str | None = None
    url: str | None = None
    line: int | None = None
    reference: str | None = None


class PullSummary(msgspec.Struct):
    """What a pull did.

    ``missing`` names the types that could not be had, or not to their end; ``remote_exit_codes`` tells how the other
    side failed; ``notices`` are sentences for a person (stderr); ``mode`` and ``requests`` say how a server was asked.
    """

    site: str
    run: str
    complete: bool
    transaction_time: str | None
    types: dict[str, TypeSummary]
    quarantine: list[PutAside]
    missing: list[Missing]
    notices: list[str]
    remote_exit_codes: set[int]
    mode: Mode = "folder"
    requests: Requests | None = None

    @property
    def exit_code(self) -> int:
        """0 done, 5 in part, 4 or 75 where the other side failed on a type."""
        in_part = {_IN_PART} if self.quarantine or not self.complete else set()
        return worst_exit_code(self.remote_exit_codes | in_part)

    def as_object(self) -> dict[str, Any]:
        """The object of the contract; ``missing`` only where something is."""
        body: dict[str, Any] = {
            "site": self.site,
            "run": self.run,
            "complete": self.complete,
            "transaction_time": self.transaction_time,
            "types": {type_: msgspec.to_builtins(counts) for type_, counts in sorted(self.types.items())},
            "quarantine": [_entry(item) for item in self.quarantine],
        }
        if self.requests is not None:
            sent, retried, until = self.requests
            body |= {"mode": self.mode, "requests": {"sent": sent, "retried": retried}}
            if until is not None:
                body["certificate_until"] = until.isoformat()
        if self.missing:
            body["missing"] = [{"type": item.type, "reason": item.reason} for item in self.missing]
        return body

    def to_json(self) -> str:
        """The object on one line."""
        return msgspec.json.encode(self.as_object()).decode()


def _entry(item: PutAside) -> dict[str, Any]:
    keys = ("file", "url", "line", "reference", "reason")
    return {key: value for key in keys if (value := getattr(item, key)) is not None}
