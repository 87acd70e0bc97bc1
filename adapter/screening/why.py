"""In: one patient's verdict (the contract's object) and a language. Out: `Explanation`: why, in words, by criterion.

What decides comes first: what fails, then what is open, then what passes. For a patient who is not listed: which
signals were looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter.criteria import Criterion, Trial, Truth
from adapter.screening.hospital_records import RECORD_DELETED
from adapter.screening.words import Words
from adapter.store import Decision

__all__ = ["CriterionLine", "Explanation", "Found", "decision_words", "explain"]


@dataclass(frozen=True, slots=True)
class Found:
    """One resource that was looked at, in words.

    Attributes:
        value: as sent, and as converted where that differs.
        day: when it is from, in words; as written where it is no whole day.
    """

    reference: str
    day: str | None
    value: str | None

    def __str__(self) -> str:
        return " · ".join(part for part in (self.value, self.day, self.reference) if part)


@dataclass(frozen=True, slots=True)
class CriterionLine:
    """One criterion in words.

    Attributes:
        passes: True, False, or None while it is open.
        verdict: ``met``, ``applies``, ``open``, ...
        why_open: the reason in words, None when decided.
        missing: names of what to get to close it.
        who: who can supply or confirm it.
        notes: presumed, changes by time, settled at the visit, failure for good.
        defaults: operational readings the coordinating centre has yet to confirm.
        parts: each part in words.
        found: the evidence.
    """

    id: str
    kind: str
    label: str
    text: str
    passes: bool | None
    verdict: str
    why_open: str | None
    missing: tuple[str, ...]
    who: str
    notes: tuple[str, ...]
    defaults: tuple[str, ...]
    parts: tuple[str, ...]
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A patient's verdicts in words.

    Attributes:
        listed: whether they are a candidate.
        because: why they are listed; or, line by line, why they are not.
        failing: criteria that fail; ``open`` and ``passing`` the others, in registry order.
    """

    headline: str
    listed: bool
    because: tuple[str, ...]
    counts: str
    decision: str | None
    to_order: tuple[str, ...]
    failing: tuple[CriterionLine, ...]
    open: tuple[CriterionLine, ...]
    passing: tuple[CriterionLine, ...]


def explain(
    verdict: Mapping[str, Any], trial: Trial, words: Words, *, resources: int = 0, decision: Decision | None = None
) -> Explanation:
    """Put a verdict in words.

    Args:
        verdict: the contract's object (`PatientVerdict.to_json`).
        trial: whose criteria it is about.
        words: of the reader's language.
        resources: how many resources the record holds, told where the patient is not listed.
        decision: the standing decision, if there is one.
    """
    lines = [_criterion(item, verdict, trial, words) for item in verdict["criteria"]]
    groups = {passes: tuple(line for line in lines if line.passes is passes) for passes in (True, False, None)}
    outcome = words.outcome(verdict["outcome"], verdict["outcome_reason"])
    counts = words.phrase("counts", passed=len(groups[True]), failed=len(groups[False]), open=len(groups[None]))
    because = _because(verdict, trial, words, resources=resources)
    if not verdict["candidate"]:
        if verdict["outcome_reason"] != RECORD_DELETED:
            # Nothing is evaluated of a record that is no more: what is told of it is its last verdict.
            because.append(words.phrase("evaluated-anyway", outcome=outcome, counts=counts))
        outcome = outcome if verdict["outcome_reason"] else words.phrase("no-candidate")
    return Explanation(
        headline=words.phrase(
            "headline",
            patient=_name(verdict),
            trial=trial.acronym,
            stage=words.of("stages", verdict["stage"]),
            day=words.phrase("as-of", day=words.day(verdict["on"])),
            outcome=outcome,
        ),
        listed=bool(verdict["candidate"]),
        because=tuple(because),
        counts=counts,
        decision=None if decision is None else words.phrase("decided", **decision_words(decision, trial, words)),
        to_order=tuple(
            words.phrase(
                "order",
                what=trial.wanted_label(item["what"], words.lang),
                day=words.day(item["by"]),
                criteria=words.listing(item["for"]),
            )
            for item in verdict["to_order"]
        ),
        failing=groups[False],
        open=groups[None],
        passing=groups[True],
    )


def _name(verdict: Mapping[str, Any]) -> str:
    return f"{verdict['site']}/{verdict['patient'].removeprefix('Patient/')}"


def _because(verdict: Mapping[str, Any], trial: Trial, words: Words, *, resources: int) -> list[str]:
    found = []
    if verdict["merged"]:
        found.append(words.phrase("merged", patients=words.listing(verdict["merged"])))
    if verdict["candidate"]:
        signals = (
            words.phrase("signal-added") if signal == "added" else trial.signal_label(signal, words.lang)
            for signal in verdict["candidate_because"]
        )
        return [*found, words.phrase("listed-because", signals=words.listing(signals))]
    found.append(words.phrase("not-listed", patient=_name(verdict), trial=trial.acronym))
    if verdict["outcome_reason"] is not None:
        return [*found, words.phrase(f"not-listed-{verdict['outcome_reason']}")]
    found.append(words.phrase("not-listed-no-signal", resources=resources))
    for signal in trial.signals:
        codes = [coding.rpartition("|")[2] for coding in signal.codes]
        codes += [f"{coding.rpartition('|')[2]}*" for coding in signal.prefixes]
        codes += signal.study
        line = words.phrase(
            "signal-codes",
            signal=signal.label[words.lang],
            codes=words.listing(codes),
            types=words.listing(signal.resource_types),
        )
        text = f" {words.phrase('signal-text', pattern=signal.text)}" if signal.text else ""
        found.append(f"  {line}{text}")
    return [*found, words.phrase("add-hint", patient=_name(verdict))]


def _criterion(item: Mapping[str, Any], verdict: Mapping[str, Any], trial: Trial, words: Words) -> CriterionLine:
    criterion = trial.criterion(item["id"])
    passes = criterion.passes(Truth(item["truth"]))
    wanted = [order["what"] for order in verdict["to_order"] if criterion.id in order["for"]] if passes is None else []
    return CriterionLine(
        id=criterion.id,
        kind=criterion.kind,
        label=criterion.label[words.lang],
        text=criterion.text,
        passes=passes,
        verdict=words.verdict(criterion.kind, passes),
        why_open=None if item["reason"] is None else words.reason(item["reason"]),
        missing=tuple(trial.wanted_label(what, words.lang) for what in wanted),
        who=criterion.confirm[words.lang],
        notes=tuple(_notes(item, criterion, words, passes=passes)),
        defaults=tuple(default.text[words.lang] for default in criterion.defaults),
        parts=tuple(_part(part, criterion, words) for part in item["parts"]),
        found=tuple(_found(evidence, words) for evidence in item["evidence"]),
    )


def _notes(item: Mapping[str, Any], criterion: Criterion, words: Words, *, passes: bool | None) -> list[str]:
    notes = []
    if item["presumed"]:
        notes.append(words.phrase("presumed"))
    if item["flips_on"] is not None:
        notes.append(words.phrase("flips-on", day=words.day(item["flips_on"])))
    if passes is None and criterion.at_screening_visit:
        notes.append(words.phrase("at-screening-visit"))
    return notes


def _part(part: Mapping[str, Any], criterion: Criterion, words: Words) -> str:
    label = next((one.label[words.lang] for one in criterion.parts if one.id == part["id"]), "")
    truth = words.of("truths", part["truth"])
    if part["reason"] is not None:
        truth = words.reason(part["reason"])
    text = words.phrase("part", id=f"{part['id']} {label}".rstrip(), truth=truth)
    return f"{text} ({words.phrase('presumed')})" if part["presumed"] else text


def _found(evidence: Mapping[str, Any], words: Words) -> Found:
    value, converted = evidence["value"], evidence["converted"]
    if converted is not None:
        number = words.number(converted["value"])
        same = value is not None and value.replace(",", ".").split() == [converted["value"], converted["unit"]]
        if value is None:
            value = f"{number} {converted['unit']}"
        elif not same:
            value = words.phrase("converted", sent=value, value=number, unit=converted["unit"])
    effective = evidence["effective"]
    return Found(
        reference=evidence["reference"], day=None if effective is None else words.dated(effective), value=value
    )


def decision_words(decision: Decision, trial: Trial, words: Words) -> dict[str, str]:
    """State, reason and day of a decision, for the braces of a phrase."""
    state = next((one.label[words.lang] for one in trial.states if one.id == decision.state), decision.state)
    known = decision.reason in words.codes("decision_reasons")
    reason = words.of("decision_reasons", decision.reason) if known else decision.reason
    return {"state": state, "reason": reason, "day": words.day(decision.decided_at)}
