"""In: one patient's verdict and the trial's words. Out: what the patient page shows, criterion by criterion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from adapter.criteria import Criterion, Trial, Truth
from adapter.screening import words
from adapter.service.formats import effective, unit
from adapter.service.language import Language
from adapter.service.shapes import (
    CriterionVerdict,
    Evidence,
    PartVerdict,
    PatientFile,
    StandingDecision,
    ToOrder,
    Verdict,
)

__all__ = [
    "Entry",
    "EvidenceLine",
    "Group",
    "HistoryLine",
    "OrderLine",
    "PartLine",
    "Sheet",
    "decided_state",
    "make_history",
    "make_sheet",
]

#: Reasons that a person's word removes; for all others something must be ordered, sent again or mapped.
_FOR_A_PERSON = frozenset({"asks", "needs-attestation"})


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One resource that was looked at; ``parts`` names the parts of the criterion that cite it."""

    reference: str
    version: str | None
    effective: str | None
    sent: str | None
    converted: str | None
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartLine:
    """A part's answer. It is yes, no or open, never good or bad: a part may be the exception inside an exclusion."""

    id: str
    label: str
    truth: str
    reason: str | None
    presumed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One criterion."""

    id: str
    kind: str
    label: str
    sentence: str
    mark: str
    verdict: str
    reason: str | None
    to_get: tuple[tuple[str, str], ...]
    would_decide: tuple[str, ...]
    who: str
    at_visit: bool
    flips: str | None
    presumed: bool
    defaults: tuple[str, ...]
    parts: tuple[PartLine, ...]
    evidence: tuple[EvidenceLine, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Criteria that ask for the same kind of action: failing, open-data, open-attest, passing."""

    id: str
    mark: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class OrderLine:
    """What to get."""

    what: str
    by: str
    late: bool
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """Something that a screening found (``kind`` is outcome) or a person decided (decision), and when."""

    at: datetime
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page."""

    outcome: str
    mark: str
    groups: tuple[Group, ...]
    overview: tuple[tuple[str, tuple[Entry, ...]], ...]
    orders: tuple[OrderLine, ...]
    because: tuple[str, ...]


def make_sheet(verdict: Verdict, trial: Trial, *, language: Language, today: date) -> Sheet:
    """The patient page of a verdict.

    Args:
        verdict: as kept.
        trial: words.
        language: the reader's.
        today: a date to order by that lies before it is marked.
    """
    say = words(language)
    entries = [_entry(item, verdict, trial, language) for item in verdict.criteria]
    reasons = {item.id: item.reason for item in verdict.criteria}

    def group_of(entry: Entry) -> str:
        if entry.mark != "open":
            return "failing" if entry.mark == "fail" else "passing"
        return "open-attest" if reasons[entry.id] in _FOR_A_PERSON else "open-data"

    groups = tuple(
        Group(group, mark, tuple(entry for entry in entries if group_of(entry) == group))
        for group, mark in (("failing", "fail"), ("open-data", "open"), ("open-attest", "open"), ("passing", "pass"))
    )
    kinds = ("inclusion", "exclusion")
    return Sheet(
        outcome=say.outcome(verdict.outcome, verdict.outcome_reason),
        mark={"ineligible": "fail", "needs-information": "open"}.get(verdict.outcome, "pass"),
        groups=groups,
        overview=tuple((kind, tuple(entry for entry in entries if entry.kind == kind)) for kind in kinds),
        orders=tuple(_order(order, trial, language, today) for order in verdict.to_order),
        because=tuple(
            say.phrase("signal-added") if signal == "added" else trial.signal_label(signal, language)
            for signal in verdict.candidate_because
        ),
    )


def make_history(file: PatientFile, trial: Trial, language: Language) -> tuple[HistoryLine, ...]:
    """What screenings found and persons decided, oldest first; nothing where that is one screening and no decision."""
    say = words(language)
    lines = [
        HistoryLine(
            kept.first_at,
            "outcome",
            say.outcome(kept.outcome, kept.outcome_reason)
            if kept.candidate or kept.outcome_reason
            else say.phrase("no-candidate"),
        )
        for kept in file.outcomes
    ]
    lines += [
        HistoryLine(one.decided_at, "decision", f"{_state(one.state, trial, language)} ({_why(one, language)})")
        for one in file.decisions
    ]
    return tuple(sorted(lines, key=lambda line: line.at)) if len(lines) > 1 else ()


def decided_state(file: PatientFile, trial: Trial, language: Language) -> str:
    """What a person decided, why and when; the state's name alone while nobody has."""
    label = _state(file.state, trial, language)
    if file.decision is None:
        return label
    return f"{label} ({_why(file.decision, language)}), {words(language).day(file.decision.decided_at.date())}"


def _state(state: str, trial: Trial, language: Language) -> str:
    return next((known.label[language] for known in trial.states if known.id == state), state)


def _why(decision: StandingDecision, language: Language) -> str:
    say = words(language)
    known = decision.reason in say.codes("decision_reasons")
    return say.of("decision_reasons", decision.reason) if known else decision.reason


def _entry(item: CriterionVerdict, verdict: Verdict, trial: Trial, language: Language) -> Entry:
    say = words(language)
    criterion = trial.criterion(item.id)
    outcome = criterion.passes(Truth(item.truth))
    # A failure that a new result may mend has something to order as well.
    orders = [order for order in verdict.to_order if item.id in order.criteria] if outcome is not True else []
    would_decide = criterion.wanted if outcome is None and not orders else ()
    return Entry(
        id=item.id,
        kind=criterion.kind,
        label=criterion.label[language],
        sentence=criterion.text,
        mark={True: "pass", False: "fail", None: "open"}[outcome],
        verdict=say.verdict(criterion.kind, outcome),
        reason=None if item.reason is None else say.reason(item.reason),
        to_get=tuple((trial.wanted_label(order.what, language), say.day(order.by)) for order in orders),
        would_decide=tuple(dict.fromkeys(trial.wanted_label(what, language) for what in would_decide)),
        who=criterion.confirm[language],
        at_visit=criterion.at_screening_visit and outcome is None,
        flips=None if item.flips_on is None else say.day(item.flips_on),
        presumed=item.presumed,
        defaults=tuple(default.text[language] for default in criterion.defaults),
        parts=tuple(_part(part, criterion, language) for part in item.parts),
        evidence=_evidence(item, language),
    )


def _part(part: PartVerdict, criterion: Criterion, language: Language) -> PartLine:
    label = next((known.label[language] for known in criterion.parts if known.id == part.id), part.id)
    reason = None if part.reason is None else words(language).reason(part.reason)
    return PartLine(part.id, label, part.truth, reason, part.presumed)


def _evidence(item: CriterionVerdict, language: Language) -> tuple[EvidenceLine, ...]:
    """Each piece of evidence once, those that decided the criterion first."""
    cited: dict[Evidence, list[str]] = {evidence: [] for evidence in item.evidence}
    for part in item.parts:
        for evidence in part.evidence:
            cited.setdefault(evidence, []).append(part.id)
    return tuple(_line(evidence, tuple(parts), language) for evidence, parts in cited.items())


def _line(evidence: Evidence, parts: tuple[str, ...], language: Language) -> EvidenceLine:
    converted = None
    if evidence.converted is not None:
        value = words(language).number(evidence.converted.value)
        converted = f"{value} {unit(evidence.converted.unit, language)}".strip()
    when = None if evidence.effective is None else effective(evidence.effective, language)
    return EvidenceLine(evidence.reference, evidence.version, when, evidence.value, converted, parts)


def _order(order: ToOrder, trial: Trial, language: Language, today: date) -> OrderLine:
    return OrderLine(
        what=trial.wanted_label(order.what, language),
        by=words(language).day(order.by),
        late=order.by < today,
        criteria=tuple(order.criteria),
    )
