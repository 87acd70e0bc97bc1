"""In: what a person wants to attest of a patient. Out: it kept, with the new verdict, or why it was not; what was typed is never lost.

Optimistic, as a decision is: whoever attests or withdraws names what they saw of each sentence. Where somebody else has said another
thing of it since, they are told and may send the same again, knowing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from adapter.accounts import Permission
from adapter.criteria import Outcome, Question, Stage, questions_of
from adapter.errors import BusyError
from adapter.jobs.attesting import StaleAttestationError, attest
from adapter.screening.attesting import Signature, SignedForm, Statement
from adapter.screening.hospital_records import RecordState
from adapter.service.desk import Desk
from adapter.service.language import Language
from adapter.service.patient.attested import attestation_events, last_said, seen_of
from adapter.service.patient.file import Opened, open_patient
from adapter.service.patient.wishes import WishKind
from adapter.store.own import is_own

__all__ = [
    "AttestationKept",
    "AttestationMade",
    "AttestationRequest",
    "AttestedAnswer",
    "AttestingKind",
    "attest_here",
    "questions_for",
    "withdrawable",
]

_PARIS: Final = ZoneInfo("Europe/Paris")
#: More than any trial asks.
_MOST: Final = 500

Link = Annotated[str, Field(min_length=1, max_length=64)]
Seen = Annotated[str, Field(max_length=64)]


class AttestedAnswer(BaseModel):
    """One sentence that is true, or is not; ``since``: the day of the fact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    link: Link
    answer: bool
    since: date | None = None


class AttestationRequest(BaseModel):
    """What a person attests, and what they do not answer any more; ``signed``: they say that it is so.

    ``seen``: what they saw of the sentences they speak of, as ``attested`` of the patient's file has it; one that is left out was
    never attested as far as they know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answers: list[AttestedAnswer] = Field(default=[], max_length=_MOST)
    withdraw: list[Link] = Field(default=[], max_length=_MOST)
    seen: dict[Link, Seen] = Field(default={}, max_length=_MOST)
    signed: Literal[True]


class AttestationKept(BaseModel):
    """What was kept: the new QuestionnaireResponse, those of which something was taken back, and what the new verdict comes to."""

    model_config = ConfigDict(frozen=True)

    reference: str | None
    withdrawn: list[str]
    by: str
    outcome: Outcome
    to_answer: list[str] = Field(description="Sentences that still wait for a person.")


class AttestingKind(WishKind):
    """What became of a wish."""

    DONE = "done", 200
    FORBIDDEN = "forbidden", 403, "Your role at this site does not attest."
    NOTHING = "nothing", 422, "Nothing is attested and nothing withdrawn."
    UNKNOWN_SENTENCE = "unknown-sentence", 422, "The trial has no such sentence at this stage."
    TWICE = "twice", 422, "One sentence is answered twice."
    DAY_TO_COME = "day-to-come", 422, "The day of a fact lies in the future."
    NOT_OURS = "not-ours", 409, "What is to be withdrawn was not attested here."
    ATTESTED_MEANWHILE = (
        "attested-meanwhile",
        409,
        "Somebody attested or withdrew one of these sentences meanwhile; read the file again.",
    )
    NO_RECORD = "no-record", 409, "The hospital's record is deleted, or cannot be read with the site's documents."
    BUSY = "busy", 503, "Another run works on this site; nothing was kept. Send it again in a moment."


@dataclass(frozen=True, slots=True)
class AttestationMade:
    """What became of a wish."""

    kind: AttestingKind
    kept: AttestationKept | None = None


def questions_for(desk: Desk, opened: Opened, stage: Stage, today: date) -> tuple[Question, ...]:
    """What may be attested of a patient; nothing where the record is gone or cannot be read."""
    if opened.record is None or opened.reading is None or opened.file.record is RecordState.DELETED:
        return ()
    return questions_of(desk.trial, opened.record, site=opened.reading, stage=stage, on=today)


def withdrawable(question: Question) -> bool:
    """Whether what holds was attested here: what stands in the hospital's record is for the hospital to take back."""
    return any(is_own(one.evidence.reference.partition("/")[2]) for one in question.standing)


def attest_here(
    desk: Desk,
    opened: Opened,
    wish: AttestationRequest,
    *,
    stage: Stage,
    today: date,
    language: Language = "fr",
) -> AttestationMade:
    """Attest, if nothing stands against it, and screen the patient again.

    Args:
        desk: of whoever attests.
        opened: the patient as they are now.
        wish: what is attested and withdrawn.
        stage: of the trial.
        today: the service's day; an attestation is of this day.
        language: in which the sentences were read; they are kept with the answers.
    """
    asked = {one.link: one for one in questions_for(desk, opened, stage, today)}
    kind = _hindrance(desk, opened, wish, asked=asked, today=today)
    if kind is not None or opened.reading is None:
        return AttestationMade(kind or AttestingKind.NO_RECORD)
    form = SignedForm(
        by=Signature(desk.viewer.actor, desk.viewer.name, _moment(today)),
        statements=tuple(
            Statement(one.link, asked[one.link].words[language], one.answer, one.since) for one in wish.answers
        ),
        withdrawn=tuple(wish.withdraw),
    )
    try:
        made = attest(
            desk.store,
            opened.reading,
            opened.patient,
            trial=desk.trial,
            form=form,
            today=today,
            is_as_seen=lambda: _is_as_seen(desk, opened, wish),
        )
    except BusyError:
        return AttestationMade(AttestingKind.BUSY)
    except StaleAttestationError:
        return AttestationMade(AttestingKind.ATTESTED_MEANWHILE)
    now = open_patient(desk, opened.file.key, stage)
    left = questions_for(desk, now, stage, today) if now is not None else ()
    return AttestationMade(
        AttestingKind.DONE,
        AttestationKept(
            reference=made.reference if opened.file.identified else None,
            withdrawn=list(made.withdrawn) if opened.file.identified else [],
            by=desk.viewer.actor,
            outcome=(now or opened).verdict.outcome,
            to_answer=[one.link for one in left if one.asked],
        ),
    )


def _hindrance(
    desk: Desk, opened: Opened, wish: AttestationRequest, *, asked: dict[str, Question], today: date
) -> AttestingKind | None:
    links = [*(one.link for one in wish.answers), *wish.withdraw]
    if not desk.may(Permission.ATTEST, opened.site):
        return AttestingKind.FORBIDDEN
    if not asked:
        return AttestingKind.NO_RECORD
    if not links:
        return AttestingKind.NOTHING
    if any(link not in asked for link in links):
        return AttestingKind.UNKNOWN_SENTENCE
    if len(set(links)) < len(links):
        return AttestingKind.TWICE
    if any(one.since is not None and one.since > today for one in wish.answers):
        return AttestingKind.DAY_TO_COME
    if not _is_as_seen(desk, opened, wish):
        return AttestingKind.ATTESTED_MEANWHILE
    return None if all(withdrawable(asked[link]) for link in wish.withdraw) else AttestingKind.NOT_OURS


def _is_as_seen(desk: Desk, opened: Opened, wish: AttestationRequest) -> bool:
    """Whether nobody has said another thing of these sentences than what is wished since the person saw them.

    Who says the same at the same moment (a double click, a program that lost the answer) is not told that somebody was faster.
    """
    events = attestation_events(desk.store, desk.trial, site=opened.site, people=opened.people)
    now, said = seen_of(events), last_said(events)
    wished: dict[str, bool | None] = {one.link: one.answer for one in wish.answers} | dict.fromkeys(wish.withdraw)
    return all(
        wish.seen.get(link, "") == now.get(link, "") or (link in said and said[link] is told)
        for link, told in wished.items()
    )


def _moment(today: date) -> datetime:
    """Now, on the service's day, so that what is attested counts on that day."""
    return datetime.combine(today, datetime.now(_PARIS).time(), tzinfo=_PARIS)
