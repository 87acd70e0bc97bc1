"""In: what a statement's evaluation found. Out: `Answer`: truth, reason where it is open, evidence, and when time alone changes it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from itertools import chain
from typing import Any, TypeVar

import msgspec

from adapter.criteria.truth import Truth, all_of, any_of, negate

__all__ = ["Answer", "Converted", "Evidence", "Reason", "Wanted", "combine_all", "combine_any", "invert"]


_T = TypeVar("_T")


class Reason(StrEnum):
    """Why a statement is open (design 4.1; a closed list)."""

    NO_DATA = "no-data"
    TOO_OLD = "too-old"
    NO_UNIT = "no-unit"
    UNKNOWN_UNIT = "unknown-unit"
    AMBIGUOUS_UNIT = "ambiguous-unit"
    NO_REFERENCE_RANGE = "no-reference-range"
    IMPRECISE_DATE = "imprecise-date"
    COMPARATOR = "comparator"
    CONFLICT = "conflict"
    STATUS = "status"
    IMPLAUSIBLE = "implausible"
    UNATTRIBUTED = "unattributed"
    COURSE_UNDECIDED = "course-undecided"
    ASKS = "asks"
    NEEDS_ATTESTATION = "needs-attestation"
    NOT_READ = "not-read"


class Converted(msgspec.Struct, frozen=True, gc=False):
    """A value in the unit that the criterion compares in; ``value`` is decimal text, rounded for display only."""

    value: str
    unit: str


class Evidence(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One resource that was looked at: which version of it, when it is from, what it says as sent and converted."""

    reference: str
    version: str | None = None
    effective: str | None = None
    value: str | None = None
    converted: Converted | None = None

    def but(self, **changes: Any) -> Evidence:
        """The same evidence with other values for some attributes."""
        return msgspec.structs.replace(self, **changes)


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """What would decide an open statement: ``what`` is an analyte, a concept or an attestation's linkId."""

    what: str
    attestation: bool = False


# A struct of msgspec: thousands are made and changed for one patient, and these are made several times faster than
# frozen dataclasses.
class Answer(msgspec.Struct, frozen=True, gc=False):
    """The answer to one statement.

    Attributes:
        truth: T, F or U.
        reason: set when, and only when, truth is U (held by property test: a check here would be made for every answer).
        evidence: the resources that decided it, or that were looked at in vain.
        presumed: it rests on a declared completeness, not on a record.
        attestable: (U) a person's attestation alone would close it, no data is missing.
        attested: it rests on a person's attestation.
        context: resources to show beside an open answer that do not keep it open themselves.
        changes: days on which time alone may change it (windows that close, birthdays).
        wanted: what to get to close it.
    """

    truth: Truth
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()
    presumed: bool = False
    attestable: bool = False
    attested: bool = False
    context: tuple[Evidence, ...] = ()
    changes: frozenset[date] = frozenset()
    wanted: tuple[Wanted, ...] = ()

    @property
    def shown(self) -> tuple[Evidence, ...]:
        """Evidence and context, each resource's finding once."""
        return tuple(dict.fromkeys((*self.evidence, *self.context))) if self.context else self.evidence

    def but(self, **changes: Any) -> Answer:
        """The same answer with other values for some attributes."""
        return msgspec.structs.replace(self, **changes)


def _merge(answers: tuple[Answer, ...], truth: Truth, *, one_suffices: bool) -> Answer:
    # The parts that carry the outcome are those that share it. Where one suffices, the best founded of them counts.
    deciding = [answer for answer in answers if answer.truth is truth]
    changes = answers[0].changes
    for answer in answers:
        if answer.changes and answer.changes is not changes:
            changes = changes | answer.changes
    first = deciding[0]
    if len(deciding) == 1 and truth is not Truth.U:
        # In most cases one part decides.
        return Answer(truth, None, first.evidence, presumed=first.presumed, attested=first.attested, changes=changes)
    evidence = first.evidence
    if len(deciding) > 1:
        evidence = _each_once([answer.evidence for answer in deciding])
    if truth is not Truth.U:
        every_or_any = all if one_suffices else any
        return Answer(
            truth,
            evidence=evidence,
            presumed=every_or_any([answer.presumed for answer in deciding]),
            attested=every_or_any([answer.attested for answer in deciding]),
            changes=changes,
        )
    return Answer(
        truth,
        first.reason,
        evidence,
        attestable=all(answer.attestable for answer in deciding),
        # An ALT of 3 ULN is worth showing while the question for its cause is what is open.
        context=_each_once([answer.shown for answer in answers if answer.evidence or answer.context]),
        changes=changes,
        wanted=first.wanted if len(deciding) == 1 else _each_once([answer.wanted for answer in deciding]),
    )


def _each_once(groups: list[tuple[_T, ...]]) -> tuple[_T, ...]:
    """All items, each where it comes first."""
    some = [group for group in groups if group]
    return tuple(dict.fromkeys(chain.from_iterable(some))) if some else ()


def combine_all(*answers: Answer) -> Answer:
    """The conjunction, carried by the parts that decide it; the reason is that of the first open part."""
    truth = all_of([answer.truth for answer in answers])
    return _merge(answers, truth, one_suffices=truth is Truth.F)


def combine_any(*answers: Answer) -> Answer:
    """The disjunction, carried by the parts that decide it; the reason is that of the first open part."""
    truth = any_of([answer.truth for answer in answers])
    return _merge(answers, truth, one_suffices=truth is Truth.T)


def invert(answer: Answer) -> Answer:
    """The negation, on the same evidence."""
    return answer.but(truth=negate(answer.truth))
