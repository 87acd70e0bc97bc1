"""In: the sentences of the patient's pages. Out: each is said by a template or a module, and what a refusal needs is written."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from adapter.documents import load_trial
from adapter.service.language import load_words
from adapter.service.patient.attesting import AttestingKind
from adapter.service.patient.deciding import DecidingKind, reasons_of
from adapter.service.shapes import Verdict
from tests.support.screened import TRIAL, verdicts

_ROOMS = ("attest", "decide", "patient", "print", "source", "timeline")
_KEY = rf"((?:{'|'.join(_ROOMS)})\.[a-z0-9-]*)"
_WHOLE = re.compile(rf'"{_KEY}"(?! ?~)')
#: A key whose last part is filled in: by a template, or by a module.
_BEGUN = re.compile(rf'"{_KEY}" ~|f"{_KEY}\{{')


def _sources() -> str:
    room = files("adapter.service")
    folders = (room, *(item for item in room.iterdir() if item.is_dir()))
    return "\n".join(
        item.read_text(encoding="utf-8")
        for folder in folders
        for item in folder.iterdir()
        if item.name.endswith((".html", ".py"))
    )


def _keys() -> set[str]:
    return {key for key in load_words().keys() if key.startswith(tuple(f"{room}." for room in _ROOMS))}  # noqa: SIM118 - no mapping


def test_every_sentence_of_the_patients_pages_is_said() -> None:
    text = _sources()
    said = set(_WHOLE.findall(text))
    begun = tuple({found for pair in _BEGUN.findall(text) for found in pair if found and not found.endswith(".")})

    # What is begun by the room alone: refusals of the decision form, and the overview's kinds and groups.
    rest = {key for key in _keys() - said if not key.startswith(begun)}
    groups = {"inclusion", "exclusion", "failing", "open-data", "open-attest", "passing"}
    refusals = {"decided-meanwhile", "new-verdict", "wrong", "no-state", "no-reason", "bad-note", "needs-investigator"}
    remarks = {"not-final", "not-read", "not-completed", "not-sure"}
    kinds = {"inclusion-criterion", "exclusion-criterion"}
    assert rest == {
        *(f"patient.{name}" for name in groups | kinds),
        *(f"decide.{name}" for name in refusals),
        *(f"timeline.{name}" for name in remarks),
    }


def test_every_sentence_that_the_patients_pages_say_is_written() -> None:
    said = {key for key in _WHOLE.findall(_sources()) if not key.endswith(".html")}

    assert said - _keys() == set()


@pytest.mark.parametrize("kind", [kind for kind in AttestingKind if kind is not AttestingKind.DONE])
def test_every_refusal_of_an_attestation_is_written(kind: AttestingKind) -> None:
    assert load_words().has(f"attest.problem-{kind}")


@pytest.mark.parametrize("kind", [DecidingKind.DECIDED_MEANWHILE, DecidingKind.NEW_VERDICT])
def test_every_clash_of_a_decision_is_written(kind: DecidingKind) -> None:
    assert load_words().has(f"decide.{kind}")


def test_every_group_of_reasons_is_written() -> None:
    low = next(item for item in verdicts() if item["patient"] == "Patient/low")

    for group in reasons_of(load_trial(TRIAL), Verdict.model_validate(low), "fr"):
        assert load_words().has(f"decide.reasons-{group.id}")


def test_every_kind_of_mark_and_history_is_written() -> None:
    names = [f"timeline.cycle-{name}" for name in ("first", "uncertain", "later")]
    names += [f"timeline.said-{name}" for name in ("worsened", "controlled", "neither", "unread")]
    names += [f"patient.history-{name}" for name in ("outcome", "decision", "attested", "withdrawn", "added")]
    names += [f"patient.sex-{name}" for name in ("male", "female", "other", "unknown")]

    assert [name for name in names if not load_words().has(name)] == []
