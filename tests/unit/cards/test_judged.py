"""Verdicts kept in memory: only while the very same is asked, of so many persons."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from adapter.fhir import summarise
from adapter.screening.fresh import Fresh
from adapter.screening.live_records import Person
from adapter.service.cards import judged
from adapter.service.cards.judged import Judged, Question
from adapter.terminology import Site

RAW = b'{"resourceType": "Observation", "id": "1", "subject": {"reference": "Patient/1"}}'


def _question(patient: str = "Patient/1", raw: bytes = RAW) -> Question:
    person = Person("icm", patient, (patient,), {}, {})
    return Question(person, Site(id="icm"), date(2025, 6, 1), False, (Fresh(summarise(raw), raw),), ())


def _asked(kept: Judged, question: Question, *, trial: str = "trial") -> int:
    found: list[int] = []

    def find() -> dict[str, str]:
        found.append(1)
        return {"outcome": "eligible"}

    assert kept.answer(trial, question, find) == {"outcome": "eligible"}
    return len(found)


def test_the_same_question_is_answered_once() -> None:
    kept, question = Judged(), _question()
    again = replace(question, fresh=(Fresh(question.fresh[0].summary, bytes(bytearray(RAW))),))

    assert [_asked(kept, question), _asked(kept, again)] == [1, 0]


@pytest.mark.parametrize(
    "changed",
    [
        {"person": _question().person},
        {"site": Site(id="icm")},
        {"today": date(2025, 6, 2)},
        {"is_added": True},
        {"faulty": (b"{}",)},
        {"fresh": ()},
        {"fresh": _question(raw=RAW.replace(b'"id": "1"', b'"id": "2"')).fresh},
    ],
    ids=lambda one: next(iter(one)),
)
def test_whatever_else_is_another_question(changed: dict[str, Any]) -> None:
    kept, question = Judged(), _question()
    _asked(kept, question)

    assert _asked(kept, replace(question, **changed)) == 1


def test_another_trial_is_another_question() -> None:
    kept, question = Judged(), _question()
    _asked(kept, question)

    assert _asked(kept, question, trial="other") == 1


def test_that_nothing_is_to_be_said_is_kept_too() -> None:
    kept, question = Judged(), _question()
    found: list[int] = []

    def find() -> None:
        found.append(1)

    assert kept.answer("trial", question, find) is None
    assert kept.answer("trial", question, find) is None
    assert found == [1]


def test_no_more_persons_are_kept_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "_KEPT", 2)
    kept = Judged()
    questions = [_question(f"Patient/{at}") for at in range(3)]
    for question in questions:
        _asked(kept, question)

    assert [_asked(kept, question) for question in reversed(questions)] == [0, 0, 1]
