"""In: a wish to decide on a patient, with what its person saw. Out: the decision, or why it was not taken; nothing of the wish is lost.

Optimistic: whoever decides names the decision and the verdict that they saw. Where either is another one now, they are told and may
send the same again, knowing it. What is sent twice (a double click, a program that lost the answer) is decided once.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapter.accounts import Permission
from adapter.criteria import DecisionState, Trial, Truth
from adapter.screening import words
from adapter.service.desk import Desk
from adapter.service.language import Language
from adapter.service.patient.file import Opened
from adapter.service.patient.wishes import WishKind
from adapter.service.shapes import StandingDecision, Verdict
from adapter.store import Decision, StaleDecisionError

__all__ = [
    "MOST_NOTE",
    "DecidingKind",
    "DecisionMade",
    "DecisionRequest",
    "ReasonGroup",
    "decide_here",
    "reasons_of",
    "states_for",
    "tidy_note",
]

MOST_NOTE: Final = 2_000
#: The largest version that every database's integer holds.
_MOST_VERSION: Final = 2**31 - 1
_LAYOUT: Final = frozenset("\n\t")


def tidy_note(text: str) -> str:
    """A note with one kind of line end and no space around it.

    Raises:
        ValueError: it holds signs that no one types (PostgreSQL refuses some), or is too long.
    """
    tidy = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in _LAYOUT for sign in tidy):
        raise ValueError("the note holds control characters")
    if len(tidy) > MOST_NOTE:
        raise ValueError(f"the note is longer than {MOST_NOTE} characters")
    return tidy


class DecisionRequest(BaseModel):
    """What a person decides, and what they saw: ``version`` and ``seen`` of the patient's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: str = Field(min_length=1, max_length=32)
    reason: str = Field(min_length=1, max_length=64)
    # The length counts when it is tidied: a browser sends two signs for the end of a line.
    note: Annotated[str, Field(json_schema_extra={"maxLength": MOST_NOTE}), AfterValidator(tidy_note)] = ""
    version: int = Field(ge=0, le=_MOST_VERSION)
    seen: str = Field(min_length=1, max_length=64)


class DecidingKind(WishKind):
    """What became of a wish."""

    DONE = "done", 200
    UNKNOWN_STATE = "unknown-state", 422, "There is no such state in the trial."
    UNKNOWN_REASON = "unknown-reason", 422, "The reason is the id of a criterion, or a code of the list."
    FORBIDDEN = "forbidden", 403, "Your role at this site does not decide on patients."
    NEEDS_INVESTIGATOR = (
        "needs-investigator",
        403,
        "This state ends pre-screening on medical grounds: an investigator decides.",
    )
    DECIDED_MEANWHILE = "decided-meanwhile", 409, "Somebody decided on this patient meanwhile; read the file again."
    NEW_VERDICT = "new-verdict", 409, "New data came since the verdict that you saw; read the file again."


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """What became of a wish, and the decision where it was taken."""

    kind: DecidingKind
    decision: StandingDecision | None = None


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Reasons that belong together: ``id`` names the heading, each option is a code and its words."""

    id: str
    options: tuple[tuple[str, str], ...]


def states_for(desk: Desk, site: str) -> tuple[list[DecisionState], list[DecisionState]]:
    """The states that this person may choose at a site, and those that only an investigator may."""
    confirming = desk.may(Permission.CONFIRM, site)
    offered = [state for state in desk.trial.states if confirming or not state.confirms]
    return offered, [state for state in desk.trial.states if state not in offered]


def reasons_of(trial: Trial, verdict: Verdict, language: Language) -> tuple[ReasonGroup, ...]:
    """Reason codes: criteria that fail, those that are open, the list's own, the other criteria."""
    say = words(language)
    found: dict[str, list[tuple[str, str]]] = {"failing": [], "open": [], "codes": [], "others": []}
    for item in verdict.criteria:
        criterion = trial.criterion(item.id)
        passes = criterion.passes(Truth(item.truth))
        group = {True: "others", False: "failing", None: "open"}[passes]
        found[group].append((item.id, f"{item.id} · {criterion.label[language]}"))
    found["codes"] = [(code, say.of("decision_reasons", code)) for code in say.codes("decision_reasons")]
    shown = {item.id for item in verdict.criteria}
    rest = [one for one in trial.criteria if one.id not in shown]
    found["others"] += [(one.id, f"{one.id} · {one.label[language]}") for one in rest]
    return tuple(ReasonGroup(name, tuple(options)) for name, options in found.items() if options)


def decide_here(desk: Desk, opened: Opened, wish: DecisionRequest) -> DecisionMade:
    """Decide on a patient, if nothing stands against it.

    Args:
        desk: of whoever decides.
        opened: the patient as they are now.
        wish: what is decided, and what its person saw.
    """
    kind = _hindrance(desk, opened, wish)
    if kind is DecidingKind.DECIDED_MEANWHILE:
        return _sent_twice(desk, opened, wish)
    if kind is not None:
        return DecisionMade(kind)
    try:
        with desk.store.together():
            made = desk.store.decide(
                opened.site,
                opened.patient,
                trial=desk.trial.id,
                state=wish.state,
                reason=wish.reason,
                by=desk.viewer.actor,
                expected=wish.version,
                note=wish.note,
                seen=wish.seen,
            )
            # Codes only: the note stays where who the patient is may be seen.
            detail = f"{desk.trial.id} {wish.state} {wish.reason}"
            desk.audit("decide", subject=f"{opened.site}/{opened.patient}", detail=detail)
    except StaleDecisionError:
        return _sent_twice(desk, opened, wish)
    return _done(made, opened)


def _sent_twice(desk: Desk, opened: Opened, wish: DecisionRequest) -> DecisionMade:
    """The decision that stands, where it is this very wish of this person; else somebody decided meanwhile."""
    made = desk.store.decision_history(desk.trial.id, site=opened.site, patients=[opened.patient])
    last = max(made, key=lambda one: one.version, default=None)
    if last is None or last.decided_by != desk.viewer.actor or last.version != wish.version + 1:
        return DecisionMade(DecidingKind.DECIDED_MEANWHILE)
    same = (last.state, last.reason, last.note, last.seen) == (wish.state, wish.reason, wish.note, wish.seen)
    return _done(last, opened) if same else DecisionMade(DecidingKind.DECIDED_MEANWHILE)


def _done(made: Decision, opened: Opened) -> DecisionMade:
    return DecisionMade(
        DecidingKind.DONE,
        StandingDecision(
            state=made.state,
            reason=made.reason,
            decided_by=made.decided_by,
            decided_at=made.decided_at,
            version=made.version,
            note=made.note if opened.file.identified else None,
        ),
    )


def _hindrance(desk: Desk, opened: Opened, wish: DecisionRequest) -> DecidingKind | None:
    state = next((one for one in desk.trial.states if one.id == wish.state), None)
    codes = {*words("en").codes("decision_reasons"), *(one.id for one in desk.trial.criteria)}
    if not desk.may(Permission.DECIDE, opened.site):
        return DecidingKind.FORBIDDEN
    if state is None:
        return DecidingKind.UNKNOWN_STATE
    if wish.reason not in codes:
        return DecidingKind.UNKNOWN_REASON
    if state.confirms and not desk.may(Permission.CONFIRM, opened.site):
        return DecidingKind.NEEDS_INVESTIGATOR
    if wish.version != opened.file.version:
        return DecidingKind.DECIDED_MEANWHILE
    return DecidingKind.NEW_VERDICT if wish.seen != opened.file.seen else None
