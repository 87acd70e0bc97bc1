"""In: the study's documents, the subjects with their elements and visits, their failed criteria. Out: the rows of the engine's own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from adapter.criteria import Trial
from adapter.datasets.sdtm.documents import Design
from adapter.datasets.sdtm.events import Told
from adapter.datasets.sdtm.frame import SubjectFacts, Value
from adapter.datasets.sdtm.frames import OWN
from adapter.datasets.sdtm.rows import RowIn
from mappings.entities import Study

__all__ = ["StagedVerdict", "own_rows", "study_facts"]


class StagedVerdict(Protocol):
    """The truth of one criterion for a subject, as it was known on a day."""

    @property
    def usubjid(self) -> str:
        """Whose."""

    @property
    def stage(self) -> str:
        """``registration`` or ``randomisation``."""

    @property
    def on(self) -> Any:
        """The day."""

    @property
    def criterion(self) -> str:
        """Id of the criterion."""

    @property
    def truth(self) -> str:
        """``T``, ``F`` or ``U``."""


def own_rows(
    name: str,
    *,
    trial: Trial,
    study: Study,
    design: Design,
    subjects: Mapping[str, tuple[SubjectFacts, Told]],
    verdicts: Sequence[StagedVerdict],
) -> list[RowIn]:
    """The rows of one of the engine's own tables."""
    if name.startswith("@design"):
        told: Mapping[str, Callable[[], Iterable[Mapping[str, Value]]]] = {
            "@design-arms": lambda: _arms(design),
            "@design-criteria": lambda: [_criterion(trial, one.id) for one in trial.criteria],
            "@design-elements": lambda: _elements(design),
            "@design-study": lambda: _secondary(study),
            "@design-visits": lambda: _visits(design),
        }
        return [
            RowIn(tuple(row.get(column) for column in OWN[name]), None, f"{name[1:]}/{at}")
            for at, row in enumerate(told[name]())
        ]
    if name == "@failed":
        return list(_failed(trial, subjects, verdicts))
    of_one = {"@subjects": _subject, "@elements": _subject_elements, "@visits": _subject_visits}[name]
    return [row for facts, _ in subjects.values() for row in of_one(facts)]


def study_facts(study: Study, design: Design) -> dict[str, Value]:
    """Facts of the study by name (`frames.STUDY_FACTS`)."""
    eudract = next((one.value for one in study.identifiers if one.type == "EudraCT"), None)
    protocol = next((one.value for one in study.identifiers if one.type == "Sponsor protocol code"), None)
    outcome = next((one for one in study.outcomes if one.kind == "primary"), None)
    objective = next((one for one in study.objectives if one.kind == "primary"), None)
    return {
        "arms": Decimal(len(study.arms)),
        "country": study.country,
        "end": study.end,
        "eudract": eudract,
        "id": design.study_id,
        "indication": "; ".join(study.conditions) or None,
        "objective": (objective.description or objective.name) if objective is not None else None,
        "official": study.official.value,
        "primary_outcome": outcome.name if outcome is not None else None,
        "primary_outcome_time": outcome.time_frame if outcome is not None else None,
        "protocol": protocol,
        "sponsor": study.sponsor,
        "start": study.start,
        "target": Decimal(study.target) if study.target is not None else None,
        "title": study.title,
    }


# --- trial design ------------------------------------------------------------------------------------------------------


def _arms(design: Design) -> Iterator[dict[str, Value]]:
    for arm in design.arms:
        for order, step in enumerate(arm.steps, start=1):
            element = design.element(step.element)
            yield {
                "arm_code": arm.code,
                "arm_label": arm.label,
                "order": Decimal(order),
                "code": step.element,
                "name": element.name if element is not None else None,
                "branch": step.branch,
                "transition": step.transition,
                "epoch": element.epoch if element is not None else None,
            }


def _elements(design: Design) -> Iterator[dict[str, Value]]:
    for one in design.elements:
        yield {
            "code": one.code,
            "name": one.name,
            "start_rule": one.start_rule,
            "end_rule": one.end_rule,
            "duration": one.duration,
        }


def _visits(design: Design) -> Iterator[dict[str, Value]]:
    for one in design.visits:
        arm = design.arm(one.arm)
        yield {
            "number": one.number,
            "name": one.name,
            "day": Decimal(one.day) if one.day is not None else None,
            "arm_code": arm.code if arm is not None else None,
            "arm_label": arm.label if arm is not None else None,
            "start_rule": one.start_rule,
            "end_rule": one.end_rule,
        }


def _secondary(study: Study) -> Iterator[dict[str, Value]]:
    outcomes = (one for one in study.outcomes if one.kind == "secondary")
    for place, one in enumerate(outcomes, start=1):
        yield {"secondary": one.name, "place": Decimal(place)}


def _criterion(trial: Trial, identity: str) -> dict[str, Value]:
    """A criterion with its number among its kind, as its id says it: E07 is exclusion 07."""
    criterion = trial.criterion(identity)
    number = "".join(letter for letter in identity if letter.isdigit())
    return {"criterion": identity, "kind": criterion.kind, "number": f"{int(number or 0):02d}", "text": criterion.text}


# --- subjects ----------------------------------------------------------------------------------------------------------


def _subject(facts: SubjectFacts) -> Iterator[RowIn]:
    values = {**facts.values, "usubjid": facts.usubjid}
    yield RowIn(tuple(values.get(name) for name in OWN["@subjects"]), facts, f"Patient/{facts.usubjid}", facts.sources)


def _subject_elements(facts: SubjectFacts) -> Iterator[RowIn]:
    for one in facts.elements:
        begin, end = one.sources
        origins = {name: source for name, source in (("start", begin), ("end", end)) if source is not None}
        values = (facts.usubjid, one.code, one.name, one.epoch, one.start, one.end, Decimal(one.order))
        resource = begin[0] if begin is not None else f"Patient/{facts.usubjid}"
        yield RowIn(values, facts, f"{resource}#{one.code}", origins)


def _subject_visits(facts: SubjectFacts) -> Iterator[RowIn]:
    for one in facts.visits:
        what, start, end = one.paths
        origins = {
            "number": (one.resource, what),
            "name": (one.resource, what),
            "start": (one.resource, start),
            "end": (one.resource, end),
        }
        day = Decimal(one.day) if one.day is not None else None
        told = (one.start, one.end) if one.occurred else (None, None)
        values = (facts.usubjid, one.number, one.name, day, *told, "Y" if one.occurred else "N")
        yield RowIn(values, facts, f"{one.resource}#{one.number}", origins)


_KINDS: Final = ("ineligible", "randomisation-failed")


def _failed(
    trial: Trial, subjects: Mapping[str, tuple[SubjectFacts, Told]], verdicts: Sequence[StagedVerdict]
) -> Iterator[RowIn]:
    """Criteria that a subject failed: those that somebody recorded as the reason, then those that the records fail."""
    known = {one.id: one for one in trial.criteria}
    seen = set()
    for facts, told in subjects.values():
        for event in told.events:
            if event.kind in _KINDS and event.reason in known:
                stage = "registration" if event.kind == "ineligible" else "randomisation"
                seen.add((facts.usubjid, event.reason, stage))
                row = {**_criterion(trial, event.reason), "stage": stage, "on": event.on, "usubjid": facts.usubjid}
                origins = {
                    name: event.source(told.paths, path)
                    for name, path in (("criterion", "reason"), ("number", "reason"), ("kind", "reason"), ("on", "on"))
                }
                yield RowIn(
                    tuple(row.get(name) for name in OWN["@failed"]),
                    facts,
                    f"{event.resource}#{event.reason}|{stage}",
                    origins,
                )
    for verdict in verdicts:
        key = (verdict.usubjid, verdict.criterion, verdict.stage)
        criterion = known.get(verdict.criterion)
        if criterion is None or verdict.usubjid not in subjects or key in seen:
            continue
        if verdict.truth != ("F" if criterion.kind == "inclusion" else "T"):
            continue
        seen.add(key)
        facts = subjects[verdict.usubjid][0]
        row = {
            **_criterion(trial, verdict.criterion),
            "stage": verdict.stage,
            "on": str(verdict.on),
            "usubjid": verdict.usubjid,
        }
        yield RowIn(
            tuple(row.get(name) for name in OWN["@failed"]),
            facts,
            f"Verdict/{verdict.criterion}#{verdict.stage}",
            {},
        )
