"""In: what a verdict says, what a person has decided, what became of the record. Out: the one bin of the worklist that somebody is in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from adapter.criteria import Outcome

__all__ = ["Bin", "Facts", "bin_of"]


class Bin(StrEnum):
    """Groups of the worklist, in the order of what to do next."""

    TO_REVIEW = "to-review"
    NEW = "new"
    ELIGIBLE = "eligible"
    NO_LONGER_ELIGIBLE = "no-longer-eligible"
    WAITING = "waiting"
    NOT_NOW = "not-now"
    NOT_ELIGIBLE = "not-eligible"
    DECLINED = "declined"
    ENROLLED = "enrolled"


#: What patient or sponsor want: no verdict moves these.
_FINAL: Final = {
    "enrolled": Bin.ENROLLED,
    "declined": Bin.DECLINED,
    "not-registered": Bin.DECLINED,
    "withdrawn": Bin.DECLINED,
}
_GOING_ON: Final = frozenset({"contacted", "screening", "eligible"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the bin hangs on.

    Attributes:
        state: the decision state, ``new`` where nobody has decided.
        outcome: of the latest verdict.
        permanent: its failure cannot mend.
        candidate: the record, or a person, makes them one still; a deleted record makes nobody one.
        proposal: the latest verdict speaks against the decision, and did not when that was made.
    """

    state: str
    outcome: Outcome
    permanent: bool = False
    candidate: bool = True
    proposal: bool = False


def bin_of(facts: Facts) -> Bin:
    """The bin; there is one for everybody, so that a decision never makes somebody vanish.

    A failure that a person knew of when they went on all the same is theirs to answer for: it does not call somebody
    "no longer eligible". A new one does.

    >>> bin_of(Facts("contacted", Outcome.INELIGIBLE, proposal=True))
    <Bin.NO_LONGER_ELIGIBLE: 'no-longer-eligible'>
    """
    if facts.state in _FINAL:
        return _FINAL[facts.state]
    if facts.state == "not-eligible":
        return Bin.TO_REVIEW if facts.proposal else Bin.NOT_ELIGIBLE
    if not facts.candidate or (facts.proposal and facts.outcome is Outcome.INELIGIBLE):
        return Bin.NO_LONGER_ELIGIBLE
    if facts.state in _GOING_ON:
        return _going_on(facts)
    # A state of an older document is for a person to look at.
    return _undecided(facts) if facts.state == "new" else Bin.TO_REVIEW


def _going_on(facts: Facts) -> Bin:
    if facts.state == "eligible":
        return Bin.ELIGIBLE
    if facts.outcome is Outcome.NEEDS_INFORMATION:
        return Bin.WAITING
    mends = facts.outcome is Outcome.INELIGIBLE and not facts.permanent
    return Bin.NOT_NOW if mends else Bin.TO_REVIEW


def _undecided(facts: Facts) -> Bin:
    match facts.outcome:
        case Outcome.ELIGIBLE:
            return Bin.ELIGIBLE
        case Outcome.READY_FOR_INVESTIGATOR:
            return Bin.NEW
        case Outcome.NEEDS_INFORMATION:
            return Bin.WAITING
        case _:
            return Bin.NOT_ELIGIBLE if facts.permanent else Bin.NOT_NOW
