"""In: the store and settings of a running service. Out: discovery, cards and feedback for the routes, in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from starlette.requests import Request

from adapter.config import Settings
from adapter.documents import load_trial
from adapter.fhir import Json
from adapter.observe import logger
from adapter.screening.words import words
from adapter.service.cards.answering import Answering, actor_of
from adapter.service.cards.building import REASON_SYSTEM
from adapter.service.cards.reading import Outcome, read_call, read_feedback
from adapter.service.cards.services import HookService, discovery_of, services_of
from adapter.service.cards.tokens import Caller, Callers
from adapter.store import Store
from adapter.store.cards import CardFeedback, ShownCard

__all__ = ["PATH", "CardRoom", "base_of", "room_of"]

PATH = "/cds-services"
_OTHER = "other"


class CardRoom:
    """What the routes of CDS Hooks need.

    Args:
        store: open.
        settings: clients, sites, trials, the address of this service.
        today: the day in Europe/Paris.

    Raises:
        ConfigurationError: a client has no keys, or from where anybody could change them.
    """

    def __init__(self, store: Store, settings: Settings, *, today: Callable[[], date]) -> None:
        self.services = services_of(load_trial(trial) for trial in settings.trials)
        self.callers = Callers(settings.cds, base_of(settings), store=store)
        self._answering = Answering(store, settings, today)
        self._store = store
        self._reasons = frozenset(words("en").codes("decision_reasons"))

    def discovery(self) -> Json:
        """The services."""
        return discovery_of(self.services.values())

    def answer(self, service: HookService, caller: Caller, body: bytes, *, lang: str) -> list[dict[str, Any]]:
        """The cards of a call.

        Raises:
            MalformedCall: the body is no call of this hook.
            NotAtHand: nothing can be said without data that are not there.
            DocumentError: the site's documents are wrong.
        """
        return self._answering.answer(service, caller, read_call(body, hook=service.hook), lang=lang)

    def take_feedback(self, service: HookService, caller: Caller, body: bytes) -> tuple[int, int]:
        """Keep what was done with cards.

        Returns:
            how many entries were kept, and how many are of cards that this client was never shown by this service.

        Raises:
            MalformedCall: the body is no feedback.
        """
        told = read_feedback(body)
        taken: list[tuple[ShownCard, CardFeedback]] = []
        for one in told:
            card = self._store.cards.of(one.card)
            if card is None or card.client != caller.name[:64] or card.service != service.id:
                continue
            if not one.is_override and card.suggestion not in one.suggestions:
                continue
            taken.append((card, self._feedback(one)))
        self._store.cards.take_feedback(taken, actor=actor_of(caller))
        unknown = len(told) - len(taken)
        if unknown:
            logger("cards").warning("feedback to unknown cards", client=caller.name, entries=unknown)
        return len(taken), unknown

    def _feedback(self, one: Outcome) -> CardFeedback:
        if not one.is_override:
            return CardFeedback("accepted", one.at, comment=one.comment)
        reason = ""
        if one.reason is not None:
            system, code = one.reason
            # A client may offer reasons of its own beside ours: what they are called is not ours to keep.
            reason = code if system == REASON_SYSTEM and code in self._reasons else _OTHER
        return CardFeedback("overridden", one.at, reason=reason or "", comment=one.comment)


def base_of(settings: Settings) -> str | None:
    """The address below which clients call ``/cds-services``; None where the settings tell none."""
    told = settings.cds.audience or (None if settings.service.public_url is None else str(settings.service.public_url))
    return None if told is None else told.rstrip("/").removesuffix(PATH)


def room_of(request: Request) -> CardRoom:
    """The room of the running service."""
    room: CardRoom = request.app.state.cards
    return room
