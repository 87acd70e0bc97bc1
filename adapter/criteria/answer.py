"""In: what a statement's evaluation found. Out: `Answer`: truth, reason where it is open, evidence, and when time alone changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from adapter.criteria.truth import Truth, all_of, any_of, negate

__all__ = ["Answer", "Converted", "Evidence", "Reason", "Wanted", "combine_all", "combine_any", "invert"]


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


@dataclass(frozen=True, slots=True)
class Converted:
    """A value in the unit that the criterion compares in; ``value`` is decimal text, rounded for display only."""

    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One resource that was looked at: which version of it, when it is from, what it says as sent and converted."""

    reference: str
    version: str | None = None
    effective: str | None = None
    value: str | None = None
    converted: Converted | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What would decide an open statement: ``what`` is an analyte, a concept or an attestation's linkId."""

    what: str
    attestation: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one statement.

    Attributes:
        truth: T, F or U.
        reason: set when, and only when, truth is U.
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

    def __post_init__(self) -> None:
        if (self.truth is Truth.U) != (self.reason is not None):
            raise ValueError("an open answer has a reason, a decided one has none")

    @property
    def shown(self) -> tuple[Evidence, ...]:
        """Evidence and context, each resource's finding once."""
        return tuple(dict.fromkeys((*self.evidence, *self.context)))

    @classmethod
    def unknown(cls, reason: Reason, *evidence: Evidence, attestable: bool = False) -> Answer:
        """An open answer."""
        return cls(Truth.U, reason, tuple(evidence), attestable=attestable)


def _merge(answers: tuple[Answer, ...], truth: Truth, *, one_suffices: bool) -> Answer:
    # The parts that carry the outcome are those that share it. Where one suffices, the best founded of them counts.
    deciding = tuple(answer for answer in answers if answer.truth is truth)
    every_or_any = all if one_suffices else any
    open_ = truth is Truth.U
    return Answer(
        truth=truth,
        reason=deciding[0].reason,
        evidence=tuple(dict.fromkeys(item for answer in deciding for item in answer.evidence)),
        # An ALT of 3 ULN is worth showing while the question for its cause is what is open.
        context=tuple(dict.fromkeys(item for answer in answers for item in answer.shown)) if open_ else (),
        presumed=not open_ and every_or_any(answer.presumed for answer in deciding),
        attestable=open_ and all(answer.attestable for answer in deciding),
        attested=not open_ and every_or_any(answer.attested for answer in deciding),
        changes=frozenset().union(*(answer.changes for answer in answers)),
        wanted=tuple(dict.fromkeys(item for answer in deciding for item in answer.wanted)) if open_ else (),
    )


def combine_all(*answers: Answer) -> Answer:
    """The conjunction, carried by the parts that decide it; the reason is that of the first open part."""
    truth = all_of(answer.truth for answer in answers)
    return _merge(answers, truth, one_suffices=truth is Truth.F)


def combine_any(*answers: Answer) -> Answer:
    """The disjunction, carried by the parts that decide it; the reason is that of the first open part."""
    truth = any_of(answer.truth for answer in answers)
    return _merge(answers, truth, one_suffices=truth is Truth.T)


def invert(answer: Answer) -> Answer:
    """The negation, on the same evidence."""
    return replace(answer, truth=negate(answer.truth))
