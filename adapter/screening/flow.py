"""In: the candidates of a trial. Out: how many persons stand at each step of its flow (CONSORT), each person at one step only.

What a person decided goes before what criteria say, for a decision stays when new data speak against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapter.criteria import Outcome
from adapter.screening.listed import Listed

__all__ = ["STEPS", "Flow", "flow_of"]

#: The steps, in groups: who is left out, who waits for a decision, whom the team follows, who is in the trial.
STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "excluded": ("criteria", "not-eligible", "declined", "not-registered"),
    "undecided": ("information", "ready", "met"),
    "followed": ("contacted", "screening", "eligible"),
    "enrolled": ("enrolled", "withdrawn"),
}
_BY_OUTCOME: Final[Mapping[Outcome, str]] = {
    Outcome.INELIGIBLE: "criteria",
    Outcome.NEEDS_INFORMATION: "information",
    Outcome.READY_FOR_INVESTIGATOR: "ready",
    Outcome.ELIGIBLE: "met",
}
_DECIDED = frozenset(step for steps in STEPS.values() for step in steps) - frozenset(_BY_OUTCOME.values())


@dataclass(frozen=True, slots=True)
class Flow:
    """Persons by step.

    Attributes:
        steps: by the names of `STEPS`, all of them.
        reasons: of those whom criteria leave out, how many fail on each: a criterion's id, or the outcome's own reason
            (deceased). Who fails on several is counted with each; most frequent first.
    """

    steps: Mapping[str, int]
    reasons: tuple[tuple[str, int], ...] = ()

    def of(self, group: str) -> int:
        """Persons in a group of `STEPS`."""
        return sum(self.steps[step] for step in STEPS[group])

    @property
    def retained(self) -> int:
        """Candidates who are not left out."""
        return sum(self.of(group) for group in STEPS if group != "excluded")

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            **{
                group: {"persons": self.of(group), **{step: self.steps[step] for step in STEPS[group]}}
                for group in STEPS
            },
            "retained": self.retained,
            "reasons": [{"reason": reason, "persons": persons} for reason, persons in self.reasons],
        }


def flow_of(people: Iterable[Listed]) -> Flow:
    """Where each of some candidates stands; who is no candidate any more is passed over."""
    steps: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for person in people:
        if not person.candidate:
            continue
        step = step_of(person)
        steps[step] += 1
        if step == "criteria":
            reason = person.verdict["outcome_reason"]
            reasons.update([reason] if reason else person.failed)
    return Flow({step: steps[step] for group in STEPS.values() for step in group}, ranked(reasons))


def step_of(person: Listed) -> str:
    """The one step of a candidate."""
    if person.state in _DECIDED:
        return person.state
    # A state of another trial's own making says no more than that somebody looked.
    return _BY_OUTCOME[person.outcome]


def ranked(reasons: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Most frequent first, the same order for the same counts; what nobody has is left out."""
    return tuple(sorted(((name, n) for name, n in reasons.items() if n), key=lambda pair: (-pair[1], pair[0])))
