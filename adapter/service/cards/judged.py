"""In: what a person's verdict is asked for with. Out: the verdict, found once for as long as the very same is asked.

A record is opened again and again, by one nurse and the next, and the same newer results come with each call until they
are pulled. Of so many persons the last verdict is kept, in memory only.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from adapter.screening.fresh import Fresh
from adapter.screening.live_records import Person
from adapter.terminology import Site

__all__ = ["Judged", "Question"]

_KEPT: Final = 256

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """All that a verdict of somebody in the store follows from, beside the trial.

    Attributes:
        person: as `LiveRecords` gave them: another object as soon as anything was pulled.
        site: its documents; another object as soon as a file of theirs changes.
        fresh: resources over what is stored.
        faulty: resources about the person that cannot be read.
    """

    person: Person
    site: Site
    today: date
    is_added: bool
    fresh: tuple[Fresh, ...]
    faulty: tuple[bytes, ...]

    def told(self) -> bytes:
        """A digest of what was given, byte for byte: the resources themselves are not kept."""
        found = hashlib.sha256()
        for raw in (*(one.raw for one in self.fresh), b"", *self.faulty):
            found.update(len(raw).to_bytes(8))
            found.update(raw)
        return found.digest()


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, and what it was asked with: the stored record and the documents by identity, what was given by its digest."""

    person: Person
    site: Site
    today: date
    is_added: bool
    told: bytes
    verdict: Json | None

    def answers(self, question: Question, told: bytes) -> bool:
        return (
            self.person is question.person
            and self.site is question.site
            and (self.today, self.is_added, self.told) == (question.today, question.is_added, told)
        )


class Judged:
    """Verdicts of the persons who were asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    def answer(self, trial: str, question: Question, find: Callable[[], Json | None]) -> Json | None:
        """The verdict, kept or found.

        Args:
            trial: its id.
            question: what it follows from.
            find: finds it; None for whom it is not for.
        """
        name, told = (question.site.id, question.person.patient, trial), question.told()
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.answers(question, told):
                self._known.move_to_end(name)
                return known.verdict
        # Not under the lock: others' answers take their time too.
        found = find()
        with self._lock:
            self._known[name] = _Known(
                question.person, question.site, question.today, question.is_added, told, verdict=found
            )
            self._known.move_to_end(name)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found
