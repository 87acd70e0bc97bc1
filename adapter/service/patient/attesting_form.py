"""In: the questions of a patient, and what a form sent. Out: the form as a page shows it, what was typed in it; and the wish that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adapter.criteria import Question, Trial
from adapter.screening import words
from adapter.service.language import Language
from adapter.service.patient.attesting import AttestationRequest, AttestedAnswer, withdrawable

__all__ = ["Asking", "AskingGroup", "AttestingForm", "make_form", "read_form", "seen_in"]

_YES, _NO, _WITHDRAW = "yes", "no", "withdraw"
_SIGNED = "signed"
_SEEN = "seen:"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was attested and holds: ``until`` None for good; ``conflict``: two contradict each other."""

    answer: str
    given: str
    until: str | None
    here: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class Asking:
    """One sentence of the form; ``key`` is its linkId as an HTML id can be, ``answer`` and ``since`` what was typed, ``seen`` what was said of it."""

    link: str
    key: str
    sentence: str
    dated: bool
    asked: bool
    truth: str | None
    standing: Standing | None
    answer: str
    since: str
    wrong_day: bool
    seen: str


@dataclass(frozen=True, slots=True)
class AskingGroup:
    """The sentences of one criterion."""

    id: str
    kind: str
    label: str
    registry: str
    who: str
    lines: tuple[Asking, ...]


@dataclass(frozen=True, slots=True)
class AttestingForm:
    """The form: what waits for an answer or was answered, and all else that may be attested."""

    asked: tuple[AskingGroup, ...]
    others: tuple[AskingGroup, ...]
    signed: bool
    missing_signature: bool


def make_form(
    questions: Sequence[Question],
    trial: Trial,
    language: Language,
    *,
    seen: Mapping[str, str],
    sent: Mapping[str, str] | None = None,
) -> AttestingForm:
    """The form.

    Args:
        questions: in the order of the criteria.
        trial: words.
        language: the reader's.
        seen: by linkId, what has been said of the sentences that the reader is shown.
        sent: what was typed and could not be kept; None for a form that nobody has filled in.
    """
    typed = sent or {}
    lines = [(one, _line(one, typed, language, seen=seen.get(one.link, ""))) for one in questions]
    first = [(one, line) for one, line in lines if one.asked or one.standing or line.answer or line.since]
    rest = [pair for pair in lines if pair not in first]
    return AttestingForm(
        asked=_grouped(first, trial, language),
        others=_grouped(rest, trial, language),
        signed=_SIGNED in typed,
        missing_signature=sent is not None and _SIGNED not in typed,
    )


def read_form(sent: Mapping[str, str]) -> AttestationRequest | None:
    """The wish of a form; None where it is not signed, a day is none, or a field is none of ours."""
    if _SIGNED not in sent:
        return None
    try:
        return _read(sent)
    except ValueError:
        return None


def _read(sent: Mapping[str, str]) -> AttestationRequest:
    answers, withdrawn, seen = [], [], seen_in(sent)
    for name, value in sent.items():
        kind, _, link = name.partition(":")
        if kind != "answer" or not link:
            continue
        if value == _WITHDRAW:
            withdrawn.append(link)
        elif value in (_YES, _NO):
            since = sent.get(f"since:{link}", "").strip()
            day = date.fromisoformat(since) if since else None
            answers.append(AttestedAnswer(link=link, answer=value == _YES, since=day))
    return AttestationRequest(answers=answers, withdraw=withdrawn, seen=seen, signed=True)


def seen_in(sent: Mapping[str, str]) -> dict[str, str]:
    """By linkId, what the form that was sent had shown of its sentences."""
    return {name.removeprefix(_SEEN): value for name, value in sent.items() if name.startswith(_SEEN)}


def _is_wrong(day: str) -> bool:
    try:
        date.fromisoformat(day or "2000-01-01")
    except ValueError:
        return True
    return False


def _line(question: Question, typed: Mapping[str, str], language: Language, *, seen: str) -> Asking:
    since = typed.get(f"since:{question.link}", "").strip()
    answer = typed.get(f"answer:{question.link}", "")
    return Asking(
        link=question.link,
        key=question.link.replace(".", "-"),
        sentence=question.words[language],
        dated=question.dated,
        asked=question.asked,
        truth=None if question.truth is None else question.truth.name,
        standing=_standing(question, language),
        answer=answer if answer in (_YES, _NO, _WITHDRAW) else "",
        since=since,
        wrong_day=_is_wrong(since),
        seen=seen,
    )


def _standing(question: Question, language: Language) -> Standing | None:
    if not question.standing:
        return None
    say, newest = words(language), question.standing[0]
    return Standing(
        answer=_YES if newest.truth.name == "T" else _NO,
        given=say.day(newest.when.earliest),
        until=None if question.until is None else say.day(question.until),
        here=withdrawable(question),
        conflict=len({one.truth for one in question.standing}) > 1,
    )


def _grouped(lines: Sequence[tuple[Question, Asking]], trial: Trial, language: Language) -> tuple[AskingGroup, ...]:
    found = []
    for criterion in trial.criteria:
        mine = tuple(line for question, line in lines if question.criterion.id == criterion.id)
        if mine:
            found.append(
                AskingGroup(
                    id=criterion.id,
                    kind=criterion.kind,
                    label=criterion.label[language],
                    registry=criterion.text,
                    who=criterion.confirm[language],
                    lines=mine,
                )
            )
    # What is waited for comes first: it may be one sentence among a dozen that were answered.
    return tuple(sorted(found, key=lambda group: not any(line.asked for line in group.lines)))
