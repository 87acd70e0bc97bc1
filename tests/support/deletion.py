"""In: a record, what was taken away from it, a way to judge. Out: `Explanation`: by which of the named mechanisms less data turned a decision round.

Less data may leave a criterion open. That it decides the other way round (T for F, F for T) is admitted by the mechanisms of `Mechanism` only.
Which one it was is found by putting back: the resource whose return mends the verdict is the one whose loss did it, and what that resource is,
beside what the wrong verdict cites instead, names the mechanism.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adapter.criteria import CriterionVerdict, PartVerdict, Trial, Truth
from adapter.criteria.answer import Reason
from adapter.fhir import summarise
from tests.support.simulated import Item, item_of

__all__ = ["Explanation", "Judge", "Mechanism", "are_opposite", "explain", "questions"]

#: The verdict on one criterion for a heap of resources.
Judge = Callable[[Sequence[Item]], CriterionVerdict]

#: The value set of the tumours that a finding can belong to, and those whose codes are an exception inside a sentence.
_MALIGNANCY = "malignancy"
_EXCEPTION_SETS = ("no_childbearing",)


class Mechanism(StrEnum):
    """How less data may decide the other way round."""

    LATEST = "latest value: an older one comes to light"
    OTHER = "worst or first value: another one comes to light"
    COUNT = "count of cycles"
    CONFLICT = "one side of a conflict"
    EXCEPTION = "record that holds an exception"
    MERGE = "merge link"
    ATTRIBUTION = "attribution"
    COMPLETENESS = "completeness declaration"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a verdict turned round; ``mechanism`` is None where nothing that is admitted explains it.

    Attributes:
        restored: ``Type/id`` of the resources whose return mends the verdict; empty when nothing does.
    """

    mechanism: Mechanism | None
    restored: tuple[str, ...]


def are_opposite(one: Truth, other: Truth) -> bool:
    """One is T and the other F."""
    return Truth.U not in (one, other) and one is not other


def explain(judge: Judge, kept: Sequence[Item], gone: Sequence[Item], *, trial: Trial) -> Explanation:
    """The mechanism by which the loss of ``gone`` turned the verdict round.

    Args:
        judge: the verdict on the criterion for a heap of resources.
        kept: what is left; the verdict on it is the wrong one.
        gone: what was taken away.
        trial: whose criterion it is.

    Returns:
        the first explained resource whose return alone mends the verdict; where only several together do, each of them
        must be explained, and the first names the mechanism.
    """
    wrong = judge(kept)
    alone = [item for item in gone if judge([*kept, item]).truth is not wrong.truth]
    for item in alone:
        found = _mechanism(judge, kept, item, trial=trial)
        if found is not None:
            return Explanation(found, (item.reference,))
    if alone:
        return Explanation(None, tuple(item.reference for item in alone))
    together = _fewest(judge, kept, gone, wrong.truth)
    found_all = [
        _mechanism(judge, [*kept, *(other for other in together if other is not item)], item, trial=trial)
        for item in together
    ]
    named = None if None in found_all or not found_all else found_all[0]
    return Explanation(named, tuple(item.reference for item in together))


def _fewest(judge: Judge, kept: Sequence[Item], gone: Sequence[Item], wrong: Truth) -> list[Item]:
    """Resources that mend the verdict together, none of which can be spared; none when all of them do not."""
    found = list(gone)
    if judge([*kept, *found]).truth is wrong:
        return []
    step = max(1, len(found) // 2)
    while True:
        at = 0
        while at < len(found):
            fewer = found[:at] + found[at + step :]
            if judge([*kept, *fewer]).truth is wrong:
                at += step
            else:
                found = fewer
        if step == 1:
            return found
        step = max(1, step // 2)


def _mechanism(judge: Judge, kept: Sequence[Item], item: Item, *, trial: Trial) -> Mechanism | None:
    """What the return of ``item`` to ``kept`` shows its loss to have been."""
    wrong, mended = judge(kept), judge([*kept, item])
    if item.type == "Patient":
        unlinked = item_of({key: value for key, value in item.body.items() if key != "link"})
        return Mechanism.MERGE if judge([*kept, unlinked]).truth is wrong.truth else None
    if Reason.CONFLICT in (mended.reason, *(part.reason for part in mended.parts)):
        return Mechanism.CONFLICT
    cited = _cited(kept, wrong)
    if wrong.presumed and not cited:
        return Mechanism.COMPLETENESS
    if _contradicts_a_person(judge, kept, item, wrong=wrong, mended=mended):
        return Mechanism.CONFLICT
    if item.type in ("MedicationAdministration", "Medication"):
        return Mechanism.COUNT if _tells_of_cycles(wrong, mended) else None
    if _is(item, trial, _MALIGNANCY):
        return Mechanism.ATTRIBUTION if any(other.type != "QuestionnaireResponse" for other in cited) else None
    return _value(item, cited, wrong=wrong, mended=mended, trial=trial) or _exception(item, mended, trial)


def _contradicts_a_person(
    judge: Judge, kept: Sequence[Item], item: Item, *, wrong: CriterionVerdict, mended: CriterionVerdict
) -> bool:
    """The record says one thing and a person, under the criterion or one of its exceptions, the other: what was lost is the record's side."""
    if item.type == "QuestionnaireResponse" or mended.truth is Truth.U:
        return False
    said = {
        other.reference
        for other in _cited(kept, wrong)
        if other.type == "QuestionnaireResponse"
        and any(link.partition(".")[0] == wrong.id for link in _links(other.body.get("item", ())))
    }
    unsaid = [other for other in kept if other.reference not in said]
    return bool(said) and judge([*unsaid, item]).truth is mended.truth


def _value(
    item: Item, cited: Sequence[Item], *, wrong: CriterionVerdict, mended: CriterionVerdict, trial: Trial
) -> Mechanism | None:
    """Another answer to the same question is what decides now; an older one, if the latest was lost."""
    if item.type == "Condition":
        return None
    own = questions(item, trial)
    whole = {f"answer:{name}" for name in (mended.id, *(part.id for part in mended.parts))}
    rivals = [other for other in cited if own & questions(other, trial)]
    # An attestation of the whole or a part is an answer to whatever a record tells of it, and the other way round (26, 32).
    rivals += [
        other
        for other in cited
        if (item.type == "QuestionnaireResponse") != (other.type == "QuestionnaireResponse")
        and whole & (own | questions(other, trial))
    ]
    # A grade and a Ki-67, one part's question under two codes.
    rivals += [other for other in cited if _answer_one_part(item, other, wrong, mended)]
    if not rivals:
        return None
    return Mechanism.LATEST if any(_is_older(other, item) for other in rivals) else Mechanism.OTHER


def _exception(item: Item, mended: CriterionVerdict, trial: Trial) -> Mechanism | None:
    if any(_is(item, trial, name) for name in _EXCEPTION_SETS):
        return Mechanism.EXCEPTION
    parts = {f"answer:{part.id}" for part in mended.parts}
    dotted = {link for link in questions(item, trial) if link.startswith(f"answer:{mended.id}.")}
    return Mechanism.EXCEPTION if dotted - parts else None


def questions(item: Item, trial: Trial) -> frozenset[str]:
    """What a resource answers: its codes, by analyte and value set where the trial has them, or the linkIds of its answers."""
    if item.type == "QuestionnaireResponse":
        return frozenset(f"answer:{link}" for link in _links(item.body.get("item", ())))
    found = set()
    for system, code in _codings(item):
        found.add(f"{system}|{code}")
        found |= {f"analyte:{name}" for name, analyte in trial.analytes.items() if (system, code) in analyte.codes}
        found |= {f"set:{name}" for name, codes in trial.value_sets.items() if codes.has(system, code)}
    # A consent or a coverage has no code of its own: it is of one kind.
    return frozenset(found or {f"type:{item.type}"})


def _links(items: Iterable[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        if any("valueBoolean" in answer for answer in item.get("answer", ())):
            yield str(item["linkId"])
        yield from _links(item.get("item", ()))


def _codings(item: Item) -> Iterator[tuple[str, str]]:
    body = item.body
    concepts = [body.get("code"), body.get("medicationCodeableConcept"), *body.get("procedureCode", ())]
    concepts += [component.get("code") for component in body.get("component", ())]
    for concept in concepts:
        for coding in (concept or {}).get("coding", ()):
            if "system" in coding and "code" in coding:
                yield coding["system"], coding["code"]


def _is(item: Item, trial: Trial, name: str) -> bool:
    return f"set:{name}" in questions(item, trial) if name in trial.value_sets else False


def _cited(kept: Sequence[Item], verdict: CriterionVerdict) -> list[Item]:
    references = _references(verdict)
    return [item for item in kept if item.reference in references]


def _references(*verdicts: CriterionVerdict | PartVerdict) -> set[str]:
    return {entry.reference for verdict in verdicts for entry in verdict.evidence}


def _tells_of_cycles(*verdicts: CriterionVerdict) -> bool:
    return any(
        reference.startswith("MedicationAdministration/") for verdict in verdicts for reference in _references(verdict)
    )


def _answer_one_part(item: Item, other: Item, wrong: CriterionVerdict, mended: CriterionVerdict) -> bool:
    if not item.type == other.type == "Observation":
        return False
    before = {part.id: _references(part) for part in mended.parts} or {mended.id: _references(mended)}
    after = {part.id: _references(part) for part in wrong.parts} or {wrong.id: _references(wrong)}
    return any(item.reference in before[name] and other.reference in after[name] for name in before)


def _is_older(one: Item, other: Item) -> bool:
    start, end = summarise(one.raw).start, summarise(other.raw).end
    return start is None or end is None or start <= end
