"""In: what happens to a subject of ReLUTH. Out: events in an order that the protocol knows, or an `EntityError`.

Reference: clinical-spec.md section 8 (the table of events); protocol: two cycles of the second PRRT, randomisation, two more
or two-monthly visits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mappings.entity.fields import DAY, EntityError, Values, check_code, check_time
from mappings.entity.values import Identifier

__all__ = ["EventKind", "Subject", "SubjectEvent"]


class EventKind(StrEnum):
    """What happens to a subject of ReLUTH, from the first look at the record to the end."""

    PRE_SCREENED = "pre-screened"
    REVIEWED = "reviewed"
    SCREENING = "screening"
    SCREENED = "screened"
    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    NOT_REGISTERED = "not-registered"
    CONSENTED = "consented"
    REGISTERED = "registered"
    CYCLE = "cycle"
    RANDOMISED = "randomised"
    RANDOMISATION_FAILED = "randomisation-failed"
    VISIT = "visit"
    TREATMENT_OVER = "treatment-over"
    PROGRESSION = "progression"
    WITHDRAWN = "withdrawn"
    DIED = "died"
    ENDED = "ended"


_BEFORE = frozenset(
    {
        EventKind.PRE_SCREENED,
        EventKind.REVIEWED,
        EventKind.SCREENING,
        EventKind.SCREENED,
        EventKind.ELIGIBLE,
        EventKind.INELIGIBLE,
        EventKind.NOT_REGISTERED,
        EventKind.CONSENTED,
    }
)
_WITH_REASON = frozenset(
    {EventKind.INELIGIBLE, EventKind.NOT_REGISTERED, EventKind.RANDOMISATION_FAILED, EventKind.ENDED}
)
#: After these a subject's study is over; only death and the formal end may still be told.
_CLOSING = frozenset({EventKind.WITHDRAWN, EventKind.RANDOMISATION_FAILED})
_CYCLES_BEFORE_RANDOMISATION: Final = 2
_CYCLES: Final = 4


class SubjectEvent(Values, frozen=True, kw_only=True):
    """One event.

    Attributes:
        kind: what happened.
        on: the day, YYYY-MM-DD.
        reason: a code: the id of a criterion (``E07``) or of a decision reason; wanted for ineligible, not-registered,
            randomisation-failed and ended.
        cycle: 1 to 4, of the second PRRT; for a cycle only.
        arm: name of the arm; for the randomisation only.
        intervention: whether something is given in that arm; for the randomisation only.
        visit: number of the two-monthly visit, from 1; for a visit only.
    """

    kind: EventKind
    on: str
    reason: str | None = None
    cycle: int | None = None
    arm: str | None = None
    intervention: bool | None = None
    visit: int | None = None

    def __post_init__(self) -> None:
        """Refuse what does not belong to the kind."""
        check_time("on", self.on, day=True)
        if len(self.on) != DAY:
            raise EntityError("on", "a day without a time is wanted (YYYY-MM-DD)")
        if self.reason is not None:
            check_code("reason", self.reason)
        elif self.kind in _WITH_REASON:
            raise EntityError("reason", f"is wanted for {self.kind}")
        self._belongs("cycle", EventKind.CYCLE)
        self._belongs("arm", EventKind.RANDOMISED)
        self._belongs("intervention", EventKind.RANDOMISED)
        self._belongs("visit", EventKind.VISIT)
        if self.arm is not None:
            check_code("arm", self.arm)
        if self.cycle is not None and not 1 <= self.cycle <= _CYCLES:
            raise EntityError("cycle", f"is 1 to {_CYCLES}")
        if self.visit is not None and not 1 <= self.visit < 1000:
            raise EntityError("visit", "is a number from 1")

    def _belongs(self, field: str, kind: EventKind) -> None:
        if (getattr(self, field) is not None) != (self.kind is kind):
            problem = f"is wanted for {kind}" if self.kind is kind else f"belongs to {kind} only"
            raise EntityError(field, problem)


class Subject(Values, frozen=True, kw_only=True):
    """A person in a study, from pre-screening to the end.

    Attributes:
        study: the product's id of the trial.
        site: the sponsor's number of the site, e.g. ``05``.
        number: the trial's pseudonym, e.g. ``RELUTH-05-0001``; never a hospital's number.
        patient: the hospital's own number of the person; never leaves the site.
        events: in the order in which they happened; at least one.
    """

    study: str
    site: str
    number: str
    patient: Identifier
    events: tuple[SubjectEvent, ...]

    def __post_init__(self) -> None:
        """Refuse an order of events that the protocol does not know."""
        check_code("study", self.study)
        check_code("site", self.site)
        check_code("number", self.number)
        if self.number == self.patient.value:
            raise EntityError("number", "is the hospital's number: a pseudonym is wanted")
        if not self.events:
            raise EntityError("events", "at least one is wanted")
        for at, event in enumerate(self.events):
            _follow(self.events[:at], event, f"events[{at}]")

    def first(self, kind: EventKind) -> SubjectEvent | None:
        """The first event of a kind."""
        return next((event for event in self.events if event.kind is kind), None)

    @property
    def arm(self) -> str | None:
        """The arm that the subject was randomised to."""
        event = self.first(EventKind.RANDOMISED)
        return event.arm if event else None


def _follow(before: tuple[SubjectEvent, ...], event: SubjectEvent, path: str) -> None:
    """Refuse an event that cannot come after those before it."""
    kinds = [one.kind for one in before]
    if before and event.on < before[-1].on:
        raise EntityError(f"{path}.on", "lies before the event before it")
    if EventKind.ENDED in kinds or (EventKind.DIED in kinds and event.kind is not EventKind.ENDED):
        raise EntityError(f"{path}.kind", "nothing follows the end of a subject's study")
    if _CLOSING & set(kinds) and event.kind not in (EventKind.DIED, EventKind.ENDED):
        raise EntityError(f"{path}.kind", "only death or the end follows a withdrawal or a failed randomisation")
    problem = _out_of_order(kinds, before, event)
    if problem is not None:
        raise EntityError(f"{path}.{problem[0]}", problem[1])


def _out_of_order(
    kinds: list[EventKind], before: tuple[SubjectEvent, ...], event: SubjectEvent
) -> tuple[str, str] | None:
    """(field, problem) of an event that comes too early or too late."""
    kind = event.kind
    registered, randomised = EventKind.REGISTERED in kinds, EventKind.RANDOMISED in kinds
    if kind in _BEFORE:
        if registered and kind is not EventKind.CONSENTED:
            return "kind", "belongs before the registration"
        return None
    if kind is EventKind.REGISTERED:
        if registered:
            return "kind", "there is one registration only"
        return None if EventKind.CONSENTED in kinds else ("kind", "the consent comes before the registration")
    if kind in (EventKind.WITHDRAWN, EventKind.DIED, EventKind.ENDED):
        return None
    if not registered:
        return "kind", "the registration comes before it"
    return _on_study_out_of_order(before, event, randomised=randomised)


def _on_study_out_of_order(
    before: tuple[SubjectEvent, ...], event: SubjectEvent, *, randomised: bool
) -> tuple[str, str] | None:
    kind = event.kind
    if kind is EventKind.CYCLE:
        return _cycle_out_of_order(before, event, randomised=randomised)
    if kind in (EventKind.RANDOMISED, EventKind.RANDOMISATION_FAILED) and randomised:
        return "kind", "there is one randomisation only"
    if kind in (EventKind.VISIT, EventKind.TREATMENT_OVER) and not randomised:
        return "kind", "the randomisation comes before it"
    if kind is EventKind.VISIT and any((one.visit or 0) >= (event.visit or 0) for one in before):
        return "visit", "comes after a visit of the same or a higher number"
    return None


def _cycle_out_of_order(
    before: tuple[SubjectEvent, ...], event: SubjectEvent, *, randomised: bool
) -> tuple[str, str] | None:
    given = [one.cycle for one in before if one.cycle is not None]
    cycle = event.cycle or 0
    if given and cycle <= given[-1]:
        return "cycle", "comes after a cycle of the same or a higher number"
    if any(one.kind is EventKind.TREATMENT_OVER for one in before):
        return "kind", "the treatment is over"
    if (cycle > _CYCLES_BEFORE_RANDOMISATION) is not randomised:
        return "cycle", "1 and 2 come before the randomisation, 3 and 4 after it"
    if randomised and not any(one.intervention for one in before):
        return "cycle", "nothing is given in this arm"
    return None
