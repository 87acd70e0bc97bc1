"""In: the store, the side that a person chose. Out: the conflict settled and entered into the audit trail, or why it is not.

The pages, the API and the command line settle by it, so that all three do the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec

from adapter.errors import UsageError
from adapter.service.shapes import Shape
from adapter.store import Conflict, Store
from adapter.sync.settling import settle_conflict

__all__ = [
    "CHOICES",
    "Keep",
    "SettleRequest",
    "Settled",
    "Settlement",
    "SettlementKind",
    "choices_of",
    "seen_of",
    "settle",
]

Keep = Literal["ours", "hospital"]
CHOICES: tuple[Keep, ...] = ("ours", "hospital")
#: Where not both sides can be kept: of several resources one has to go at the hospital first; what cannot be read cannot
#: become ours.
_CHOICES_OF: dict[str, tuple[Keep, ...]] = {"duplicate": (), "unreadable": ("ours",)}
#: Columns of the audit trail and of a conflict.
_SUBJECT_LENGTH = 255
_ACTOR_LENGTH = 128


class SettleRequest(Shape):
    """Which side holds; with ``seen`` only if the conflict is still what was seen."""

    keep: Keep
    seen: str | None = None


class Settled(Shape):
    """A conflict that was settled."""

    number: int
    site: str
    kind: str
    key: str
    kept: Keep
    by: str


class SettlementKind(StrEnum):
    """What became of a wish to settle a conflict."""

    DONE = "done"
    UNKNOWN = "unknown"
    GONE = "gone"
    CHANGED = "changed"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of it; ``problem`` is a sentence in English where it is not done."""

    kind: SettlementKind
    conflict: Conflict | None = None
    problem: str = ""


def choices_of(cause: str) -> tuple[Keep, ...]:
    """Which sides a conflict of this cause can be settled by.

    >>> choices_of("both-changed"), choices_of("duplicate")
    (('ours', 'hospital'), ())
    """
    return _CHOICES_OF.get(cause, CHOICES)


def settle(store: Store, number: int, *, keep: Keep, by: str, seen: str | None = None) -> Settlement:
    """Settle a conflict as a person decided, and enter it into the audit trail.

    Args:
        store: open.
        number: the conflict's.
        keep: the side that holds.
        by: who decided.
        seen: the state of the conflict that they saw; None to settle whatever stands.
    """
    conflict = next((one for one in store.outbox.conflicts(closed=True) if one.number == number), None)
    if conflict is None:
        return Settlement(SettlementKind.UNKNOWN, problem=f"conflict {number}: there is none by this number")
    if conflict.closed_at is not None:
        return Settlement(SettlementKind.GONE, conflict, f"conflict {number}: it was settled meanwhile")
    if seen is not None and seen != seen_of(conflict):
        problem = f"conflict {number}: it has changed since it was looked at; look again"
        return Settlement(SettlementKind.CHANGED, conflict, problem)
    subject = f"{conflict.site}/{conflict.kind}/{conflict.key}"
    try:
        with store.together():
            settle_conflict(store, number, keep=keep, by=by[:_ACTOR_LENGTH])
            store.audit(by[:_ACTOR_LENGTH], "settle", subject=subject[:_SUBJECT_LENGTH], detail=f"kept {keep}")
    except UsageError as error:
        closed = number not in {one.number for one in store.outbox.conflicts(site=conflict.site)}
        # Between the look and the settling somebody else was faster; else this cause cannot be settled so.
        return Settlement(SettlementKind.GONE if closed else SettlementKind.IMPOSSIBLE, conflict, str(error))
    return Settlement(SettlementKind.DONE, conflict)


def seen_of(one: Conflict) -> str:
    """Another text for another state of a conflict: a later push may bring it up to date under the same number."""
    state = [one.version, one.cause, one.references, [msgspec.structs.astuple(field) for field in one.fields]]
    return hashlib.sha256(json.dumps(state).encode() + one.theirs).hexdigest()[:16]
