"""In: a digest, a day, a recipient's hash. Out: who may send it now, and, for the next one, up to which verdict it told.

::

    (nothing) ──claim──▶ claimed ──end──▶ sent | empty | refused      done for the day
                 ▲          │
                 └──────────┴─ release ─▶ failed                      may be claimed at once
                 └─ a claim that is older than anybody takes to send: its process ended on the way
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

import msgspec
from sqlalchemy import CursorResult, and_, func, or_, select, update

from adapter.store.digest_models import DigestRow
from adapter.store.models import VerdictRow
from adapter.store.state import State

__all__ = ["STALE_CLAIM", "DigestKey", "DigestState", "Digests"]

#: One message takes at most `adapter.jobs.mail.delivery.LONGEST`; a claim this old belongs to nobody any more.
STALE_CLAIM: Final = timedelta(minutes=30)
_KEY = ("site", "recipient", "language", "slot", "day")


class DigestState(StrEnum):
    """What became of one digest of one day for one recipient."""

    CLAIMED = "claimed"
    SENT = "sent"
    EMPTY = "empty"
    REFUSED = "refused"
    FAILED = "failed"


_ENDED: Final = (DigestState.SENT, DigestState.EMPTY, DigestState.REFUSED)


class DigestKey(msgspec.Struct, frozen=True):
    """One digest of one day for one recipient.

    Attributes:
        recipient: hash of the address.
        slot: the time of day of its schedule.
    """

    site: str
    recipient: str
    language: str
    slot: str
    day: date


class _Candidacy(msgspec.Struct):
    candidate: bool


class Digests:
    """When which digest was sent to whom.

    A claim is noted before anything is sent and its end after: who ends in between is made good once the claim is stale, so
    that a digest arrives at least once, and twice only where a process ended, or a connection broke, after the server had
    taken it.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def claim(self, key: DigestKey, *, by: str, at: datetime) -> bool:
        """Take a digest to send it; two who try at once do not both get it.

        Args:
            key: which.
            by: names this process, and no other.
            at: aware time.

        Returns:
            False where it was sent, or somebody else is sending it.
        """
        given = msgspec.structs.asdict(key)
        row = {**given, "state": DigestState.CLAIMED.value, "claimed_by": by, "claimed_at": at, "attempts": 0}
        free = or_(
            DigestRow.state == DigestState.FAILED.value,
            and_(DigestRow.state == DigestState.CLAIMED.value, DigestRow.claimed_at < at - STALE_CLAIM),
            # Put there in this transaction: nobody has tried yet.
            DigestRow.attempts == 0,
        )
        taken = (
            update(DigestRow)
            .where(_is(key), free)
            .values(state=DigestState.CLAIMED.value, claimed_by=by, claimed_at=at, attempts=DigestRow.attempts + 1)
        )
        with self._state.session() as session:
            # Of two who put it there at once the second waits here for the first one's commit, and finds it claimed.
            self._state.upsert(session, DigestRow, [row], keys=_KEY, update=())
            return cast("CursorResult[Any]", session.execute(taken)).rowcount == 1

    def end(self, key: DigestKey, *, by: str, state: DigestState, at: datetime, seen: int | None) -> bool:
        """Note what became of a claim; it is done for the day.

        Args:
            key: which.
            by: who claimed it.
            state: sent, empty or refused.
            at: aware time.
            seen: number of the newest verdict that it tells of.

        Returns:
            False where somebody else has taken it meanwhile.
        """
        return self._move(key, by=by, values={"state": state.value, "ended_at": at, "seen": seen})

    def release(self, key: DigestKey, *, by: str) -> bool:
        """Give a claim back: it was not sent, and may be tried again."""
        return self._move(key, by=by, values={"state": DigestState.FAILED.value})

    def ended(self, site: str, *, language: str, slot: str, day: date) -> dict[str, DigestState]:
        """The recipients, by hash, for whom a digest of a day is done, and how."""
        query = select(DigestRow.recipient, DigestRow.state).where(
            DigestRow.site == site,
            DigestRow.language == language,
            DigestRow.slot == slot,
            DigestRow.day == day,
            DigestRow.state.in_([state.value for state in _ENDED]),
        )
        with self._state.session() as session:
            return {recipient: DigestState(state) for recipient, state in session.execute(query)}

    def seen(self, site: str, recipients: Collection[str]) -> dict[str, int]:
        """Up to which verdict each of some recipients, by hash, was told of a site by any digest; without those never told."""
        query = (
            select(DigestRow.recipient, func.max(DigestRow.seen))
            .where(DigestRow.site == site, DigestRow.recipient.in_(sorted(recipients)))
            # A mail that was refused told nobody anything.
            .where(DigestRow.state.in_([DigestState.SENT.value, DigestState.EMPTY.value]), DigestRow.seen.is_not(None))
            .group_by(DigestRow.recipient)
        )
        with self._state.session() as session:
            return {recipient: number for recipient, number in session.execute(query) if number is not None}

    # What was known when ------------------------------------------------------------------------------------------

    def newest_verdict(self, trial: str, stage: str, *, site: str) -> int:
        """Number of the newest verdict of a site; 0 where there is none."""
        query = select(func.max(VerdictRow.number)).where(*_of(trial, stage, site))
        with self._state.session() as session:
            return session.scalar(query) or 0

    def candidates_at(self, trial: str, stage: str, *, site: str, number: int) -> set[str]:
        """Who was a candidate by the newest verdict up to a number: what a digest that told up to it has told of."""
        with self._state.session() as session:
            rows = session.execute(_last_up_to(trial, stage, site=site, number=number))
            decode = msgspec.json.Decoder(_Candidacy).decode
            return {patient for patient, content in rows if decode(content).candidate}

    def _move(self, key: DigestKey, *, by: str, values: dict[str, Any]) -> bool:
        mine = update(DigestRow).where(
            _is(key), DigestRow.claimed_by == by, DigestRow.state == DigestState.CLAIMED.value
        )
        with self._state.session() as session:
            return cast("CursorResult[Any]", session.execute(mine.values(**values))).rowcount == 1


def _is(key: DigestKey) -> Any:
    return and_(*(getattr(DigestRow, name) == getattr(key, name) for name in _KEY))


def _of(trial: str, stage: str, site: str) -> tuple[Any, ...]:
    return VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site


def _last_up_to(trial: str, stage: str, *, site: str, number: int) -> Any:
    last = (
        select(func.max(VerdictRow.number).label("number"))
        .where(*_of(trial, stage, site), VerdictRow.number <= number)
        .group_by(VerdictRow.patient)
        .subquery()
    )
    query = select(VerdictRow.patient, VerdictRow.content).join(last, last.c.number == VerdictRow.number)
    return query.execution_options(yield_per=500)
