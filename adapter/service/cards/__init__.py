"""In: calls of CDS Hooks 2.0. Out: cards that say whether a patient may fit a trial, and feedback kept."""

from __future__ import annotations

from adapter.service.cards.answering import NotAtHand
from adapter.service.cards.reading import MalformedCall
from adapter.service.cards.room import PATH, CardRoom, base_of, room_of
from adapter.service.cards.tokens import Caller, TokenRefused

__all__ = ["PATH", "Caller", "CardRoom", "MalformedCall", "NotAtHand", "TokenRefused", "base_of", "room_of"]
