"""In: one criterion as a document writes it, a record in short-hand. Out: its answer, and the day on which time alone changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from adapter.criteria import Reason, Trial, Truth
from adapter.criteria.answer import Answer
from adapter.criteria.answering import answer_criterion
from adapter.terminology import Site
from tests.support.records import Entry
from tests.unit.criteria.making import ON, PLAIN, scene, tiny, verdicts

__all__ = ["Question", "flips", "found", "told"]

#: A criterion of a document, or a trial whose first criterion is meant.
Question = Mapping[str, Any] | Trial


def _trial(question: Question) -> Trial:
    return question if isinstance(question, Trial) else tiny(question)


def found(question: Question, entries: Iterable[Entry], *, site: Site = PLAIN, on: date = ON, **more: Any) -> Answer:
    """The answer to the criterion, attestation included; open with a reason, decided without one."""
    trial = _trial(question)
    answer = answer_criterion(trial.criteria[0], scene(trial, entries, site=site, on=on, **more))
    assert (answer.truth is Truth.U) == (answer.reason is not None)
    return answer


def told(
    question: Question, *entries: Entry, site: Site = PLAIN, on: date = ON, **more: Any
) -> tuple[Truth, Reason | None]:
    """Truth and reason of that answer."""
    answer = found(question, entries, site=site, on=on, **more)
    return answer.truth, answer.reason


def flips(question: Question, *entries: Entry, site: Site = PLAIN, on: date = ON) -> date | None:
    """The first later day on which its truth is another one, nothing new being recorded."""
    return verdicts(_trial(question), entries, site=site, on=on).criteria[0].flips_on
