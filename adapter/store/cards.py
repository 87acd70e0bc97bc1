"""In: a card that was shown, what a person did with it, a token that was used. Out: all of it kept, and counted.

Beside it what a card must know of a person's decision, asked for one patient at a time: a card is made in a moment.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapter.store.card_models import CardFeedbackRow, CardRow, CardTokenRow
from adapter.store.card_queries import DECIDED, ONE_OF_EACH, OVERRIDDEN, OVERRIDES, TO_AUDIT, TO_CARDS, TO_TOKENS
from adapter.store.state import State, now

__all__ = ["CardFeedback", "Cards", "Decided", "KnownPerson", "Override", "ShownCard"]

#: Used tokens that have expired are dropped this often.
_SWEEP = timedelta(minutes=1)


class ShownCard(msgspec.Struct, frozen=True):
    """A card as it was shown.

    Attributes:
        signature: of the answers to all criteria; the same as long as the verdict says the same.
        suggestion: uuid of its suggestion, None without one.
    """

    uuid: str
    service: str
    hook_instance: str
    trial: str
    site: str
    patient: str
    client: str
    user: str
    outcome: str
    signature: str
    suggestion: str | None


class CardFeedback(msgspec.Struct, frozen=True):
    """What a person did with a card.

    Attributes:
        outcome: ``accepted`` or ``overridden``.
        reason: a code of ours, ``other`` for one of theirs, empty without one.
        comment: as written; may hold patient content.
        outcome_at: when it was done, as the client tells.
    """

    outcome: str
    outcome_at: datetime
    reason: str = ""
    comment: str = ""


class Override(msgspec.Struct, frozen=True):
    """A card about a patient that was overridden."""

    service: str
    signature: str
    reason: str
    at: datetime


class Decided(msgspec.Struct, frozen=True):
    """The standing decision on a patient."""

    state: str
    at: datetime


class KnownPerson(msgspec.Struct, frozen=True):
    """What the state knows of a person that a card must heed.

    Attributes:
        verdict: the last one, as the contract's JSON; None where nothing was kept.
        decided: the standing decision.
        overrides: cards about them that were overridden, oldest first.
        key: their random key, None as long as none was made.
        is_added: somebody put them on the list by hand.
    """

    verdict: str | None
    decided: Decided | None
    overrides: tuple[Override, ...]
    key: str | None
    is_added: bool


class Cards:
    """Cards of CDS Hooks in the state, what was answered to them, and tokens used."""

    def __init__(self, state: State) -> None:
        self._state = state
        # SQLite lets who waits for its lock sleep for longer and longer; one process's own writers stand in line instead.
        self._line = threading.Lock()
        self._swept: datetime | None = None

    # Tokens -------------------------------------------------------------------------------------------------------

    def use_token(self, issuer: str, number: str, *, until: datetime) -> bool:
        """Note that a token is used; of two at once one is refused.

        Args:
            issuer: its ``iss``.
            number: its ``jti``.
            until: from then on it is refused for its age.

        Returns:
            False where it was used before.
        """
        digest = hashlib.sha256(f"{len(issuer)}:{issuer}{number}".encode("utf-8", "surrogatepass")).hexdigest()
        try:
            with self._writing() as session:
                session.execute(TO_TOKENS, [{"digest": digest, "expires_at": until}])
                if self._swept is None or now() - self._swept > _SWEEP:
                    self._swept = now()
                    session.execute(delete(CardTokenRow).where(CardTokenRow.expires_at < self._swept))
        except IntegrityError:
            return False
        return True

    # Cards --------------------------------------------------------------------------------------------------------

    def show(self, card: ShownCard, *, actor: str) -> None:
        """Keep a card that is shown, and note it in the audit trail, both or neither."""
        with self._writing() as session:
            session.execute(TO_CARDS, [msgspec.structs.asdict(card) | {"shown_at": now()}])
            session.execute(TO_AUDIT, [_noted(actor, "card-shown", card)])

    def of(self, uuid: str) -> ShownCard | None:
        """A card that was shown, None for an unknown one."""
        with self._state.session() as session:
            row = session.get(CardRow, uuid)
            if row is None:
                return None
            return ShownCard(**{name: getattr(row, name) for name in ShownCard.__struct_fields__})

    def take_feedback(self, told: Sequence[tuple[ShownCard, CardFeedback]], *, actor: str) -> None:
        """Keep what was done with cards and note it in the audit trail, all of it or nothing.

        What was told before changes nothing.
        """
        received = now()
        rows = [msgspec.structs.asdict(one) | {"card": card.uuid, "received_at": received} for card, one in told]
        with self._writing() as session:
            self._state.upsert(session, CardFeedbackRow, rows, keys=("card", "outcome", "outcome_at"), update=())
            if told:
                lines = [_noted(actor, "card-feedback", card, one.outcome) for card, one in told]
                session.execute(TO_AUDIT, lines)

    def feedback_counts(self, trial: str, sites: Collection[str]) -> dict[str, int]:
        """Persons whose card was overridden at some sites, by the reason that was given last.

        Args:
            trial: its id.
            sites: only these.

        Returns:
            persons by code of ``decision_reasons``; ``other`` holds reasons of the client's own, and the empty text none.
        """
        query = (
            select(CardRow.site, CardRow.patient, CardFeedbackRow.reason)
            .join(CardFeedbackRow, CardFeedbackRow.card == CardRow.uuid)
            .where(CardRow.trial == trial, CardRow.site.in_(list(sites)), CardFeedbackRow.outcome == OVERRIDDEN)
            .order_by(CardFeedbackRow.number)
        )
        with self._state.session() as session:
            last = {(site, patient): reason for site, patient, reason in session.execute(query)}
        return dict(sorted(Counter(last.values()).items()))

    # The patient --------------------------------------------------------------------------------------------------

    def known(self, site: str, patients: Sequence[str], *, trial: str, stage: str) -> KnownPerson:
        """What the state knows of a person, in one transaction.

        Args:
            site: the site.
            patients: ``Patient/id`` of each of their records, the one that survives first.
            trial: its id.
            stage: of the verdict.
        """
        told = {"site": site, "patient": patients[0], "patients": list(patients), "trial": trial, "stage": stage}
        with self._state.session() as session:
            found, key, added = session.execute(ONE_OF_EACH, told).one()
            standing = session.execute(DECIDED, told).first()
            return KnownPerson(
                verdict=found,
                decided=None if standing is None else Decided(*standing),
                overrides=tuple(Override(*row) for row in session.execute(OVERRIDES, told)),
                key=key,
                is_added=bool(added),
            )

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._line, self._state.session() as session:
            yield session


def _noted(actor: str, action: str, card: ShownCard, *more: str) -> dict[str, object]:
    """A line of the audit trail, as `Decisions.record` writes them, in the transaction of what it tells."""
    detail = " ".join((card.service, card.uuid, *more))
    subject = f"{card.site}/{card.patient}"
    return {"at": now(), "actor": actor, "action": action, "subject": subject, "detail": detail}
