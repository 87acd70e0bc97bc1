"""In: one patient's verdict and the trial's words. Out: what the patient page shows, criterion by criterion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType

from adapter.criteria import Criterion, LabRange, Trial, Truth, attestable_links
from adapter.screening import words
from adapter.service.formats import effective, unit
from adapter.service.language import Language, load_words
from adapter.service.patient.evidence_words import day_in_words, value_in_words
from adapter.service.patient.redaction import Telling, plain_ranges
from adapter.service.shapes import (
    CriterionVerdict,
    DecidedRecord,
    Evidence,
    PartVerdict,
    PatientFile,
    StandingDecision,
    ToOrder,
    Verdict,
)

__all__ = [
    "Beside",
    "Entry",
    "EvidenceLine",
    "Group",
    "HistoryLine",
    "OrderLine",
    "PartLine",
    "Sheet",
    "decided",
    "decided_state",
    "make_history",
    "make_sheet",
]

#: Reasons that a person's word removes; for all others something must be ordered, sent again or mapped.
_FOR_A_PERSON = frozenset({"asks", "needs-attestation"})
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One resource that was looked at; ``parts`` names the parts of the criterion that cite it.

    ``range``: the reference range of the report, or the site's own limit. ``source``: what stands for the resource in an address.
    ``said`` and ``day``: value and date in words, for paper.
    """

    reference: str
    version: str | None
    effective: str | None
    sent: str | None
    converted: str | None
    parts: tuple[str, ...]
    range: str | None = None
    source: str | None = None
    said: str | None = None
    day: str | None = None


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
    attestable: bool
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
    """What happened: ``kind`` is outcome (of a screening), decision, attested, withdrawn or added; ``who`` is empty for a screening."""

    at: datetime | None
    kind: str
    what: str
    who: str = ""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page."""

    outcome: str
    mark: str
    groups: tuple[Group, ...]
    overview: tuple[tuple[str, tuple[Entry, ...]], ...]
    orders: tuple[OrderLine, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """What a page knows beside the verdict.

    Attributes:
        ranges: reference ranges of results, by reference, version and value as sent.
        token: what stands for a resource in an address.
        tell: how the value of a piece of evidence is told.
        hidden: resources are named by their types only, and ranges without words of the hospital.
    """

    ranges: Mapping[tuple[str, str | None, str | None], LabRange] = field(default_factory=dict)
    token: Callable[[str, str | None], str] | None = None
    tell: Telling = lambda item: item.value
    hidden: bool = False


def make_sheet(verdict: Verdict, trial: Trial, *, language: Language, today: date, beside: Beside = Beside()) -> Sheet:
    """The patient page of a verdict.

    Args:
        verdict: as kept.
        trial: words.
        language: the reader's.
        today: a date to order by that lies before it is marked.
        beside: ranges of results, and links to resources.
    """
    say = words(language)
    entries = [_entry(item, verdict, trial, language, beside=beside) for item in verdict.criteria]
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


def make_history(
    file: PatientFile, trial: Trial, language: Language, *, names: Mapping[str, str] = MappingProxyType({})
) -> tuple[HistoryLine, ...]:
    """All that screenings found and persons did, oldest first; nothing where that is one screening only.

    Args:
        file: as its reader may see it.
        trial: words.
        language: the reader's.
        names: how accounts are called, by the name under which the audit trail knows them.
    """
    say, page = words(language), load_words().say
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
        HistoryLine(
            one.decided_at,
            "decision",
            f"{_state(one.state, trial, language)} ({_why(one, language)})",
            names.get(one.decided_by, one.decided_by),
            one.note or None,
        )
        for one in file.decisions
    ]
    for event in file.attestations:
        who = (
            names.get(event.by, event.by)
            if event.here
            else ", ".join(filter(None, (event.by, page("patient.history-hospital", language))))
        )
        lines.append(HistoryLine(event.at, event.kind, _said(event.answers, language), who))
    on_list = page("patient.history-on-list", language)
    lines += [HistoryLine(one.at, "added", on_list, names.get(one.by, one.by)) for one in file.additions]
    return tuple(sorted(lines, key=lambda line: line.at or _BEFORE_ALL)) if len(lines) > 1 else ()


def _said(answers: Mapping[str, bool | None], language: Language) -> str:
    page = load_words().say
    return ", ".join(
        link if said is None else page(f"patient.history-{'yes' if said else 'no'}", language, link=link)
        for link, said in answers.items()
    )


def decided_state(file: PatientFile, trial: Trial, language: Language) -> str:
    """What a person decided, why and when; the state's name alone while nobody has."""
    if file.decision is None:
        return _state(file.state, trial, language)
    return decided(file.decision, trial, language)


def decided(decision: StandingDecision | DecidedRecord, trial: Trial, language: Language) -> str:
    """A decision: what, why and when."""
    label = _state(decision.state, trial, language)
    return f"{label} ({_why(decision, language)}), {words(language).day(decision.decided_at)}"


def _state(state: str, trial: Trial, language: Language) -> str:
    return next((known.label[language] for known in trial.states if known.id == state), state)


def _why(decision: StandingDecision | DecidedRecord, language: Language) -> str:
    say = words(language)
    known = decision.reason in say.codes("decision_reasons")
    return say.of("decision_reasons", decision.reason) if known else decision.reason


def _entry(item: CriterionVerdict, verdict: Verdict, trial: Trial, language: Language, *, beside: Beside) -> Entry:
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
        attestable=bool(attestable_links(criterion)),
        at_visit=criterion.at_screening_visit and outcome is None,
        flips=None if item.flips_on is None else say.day(item.flips_on),
        presumed=item.presumed,
        defaults=tuple(default.text[language] for default in criterion.defaults),
        parts=tuple(_part(part, criterion, language) for part in item.parts),
        evidence=_evidence(item, trial, language, beside=beside),
    )


def _part(part: PartVerdict, criterion: Criterion, language: Language) -> PartLine:
    label = next((known.label[language] for known in criterion.parts if known.id == part.id), part.id)
    reason = None if part.reason is None else words(language).reason(part.reason)
    return PartLine(part.id, label, part.truth, reason, part.presumed)


def _evidence(item: CriterionVerdict, trial: Trial, language: Language, *, beside: Beside) -> tuple[EvidenceLine, ...]:
    """Each piece of evidence once, those that decided the criterion first."""
    cited: dict[Evidence, list[str]] = {evidence: [] for evidence in item.evidence}
    for part in item.parts:
        for evidence in part.evidence:
            cited.setdefault(evidence, []).append(part.id)
    return tuple(_line(evidence, tuple(parts), trial, language, beside=beside) for evidence, parts in cited.items())


def _line(
    evidence: Evidence, parts: tuple[str, ...], trial: Trial, language: Language, *, beside: Beside
) -> EvidenceLine:
    converted = None
    if evidence.converted is not None:
        value = words(language).number(evidence.converted.value)
        converted = f"{value} {unit(evidence.converted.unit, language)}".strip()
    when = None if evidence.effective is None else effective(evidence.effective, language)
    told = beside.ranges.get((evidence.reference, evidence.version, evidence.value))
    sent = beside.tell(evidence)
    return EvidenceLine(
        evidence.reference.partition("/")[0] if beside.hidden else evidence.reference,
        None if beside.hidden else evidence.version,
        when,
        sent,
        converted,
        parts,
        range=None if told is None else _range(told, language, hidden=beside.hidden),
        source=None if beside.token is None or beside.hidden else beside.token(evidence.reference, evidence.version),
        said=converted or (None if sent is None else value_in_words(sent, trial, language)),
        day=None if evidence.effective is None else day_in_words(evidence.effective, language),
    )


def _range(told: LabRange, language: Language, *, hidden: bool) -> str:
    if told.printed:
        return "; ".join(plain_ranges(told) if hidden else told.printed)
    limits = [words(language).number(limit) for limit in told.site]
    return load_words().say("patient.range-site", language, limit=" / ".join(limits))


def _order(order: ToOrder, trial: Trial, language: Language, today: date) -> OrderLine:
    return OrderLine(
        what=trial.wanted_label(order.what, language),
        by=words(language).day(order.by),
        late=order.by < today,
        criteria=tuple(order.criteria),
    )
