"""In: a derived expression of a domain document. Out: a closure over a row, or over all rows of the domain.

What is derived needs the subject's reference dates, elements and visits, which are there only when the rows of all domains are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from adapter.datasets.sdtm.dates import days_between, study_day
from adapter.datasets.sdtm.expressions import Scope, compile_value
from adapter.datasets.sdtm.frame import Draft, Fn, Frame, SubjectFacts, Value, Visit
from adapter.datasets.sdtm.numbers import number_of, plain
from adapter.terminology import Node

__all__ = ["Derived", "compile_derived", "epoch_of", "visit_of"]

_DAY: Final = 10


class Derived(NamedTuple):
    """A closure for one row, or with ``whole`` one that writes its place in all rows."""

    fn: Fn | Callable[[Sequence[Draft], int], None]
    whole: bool = False


def compile_derived(node: Node, scope: Scope) -> Derived:
    """A derived expression, or one of the others.

    Raises:
        DocumentError: it is none, or names what is not there.
    """
    if isinstance(node.value, dict):
        form = next((key for key in node.value if key in _FORMS), None)
        if form is not None:
            found = _FORMS[form](node, scope)
            node.close()
            return found
    return Derived(compile_value(node, scope).fn)


def _day(node: Node, scope: Scope) -> Derived:
    at, base = compile_value(node["day"], scope).fn, scope.base

    def day(frame: Frame) -> Value:
        when, reference = at(frame), frame[base].values.get("rfstdtc")
        if when is None or reference is None:
            return None
        found = study_day(when, reference)
        return None if found is None else Decimal(found)

    return Derived(day)


def epoch_of(facts: SubjectFacts, when: str) -> str | None:
    """The epoch that a day falls into; an element ends the day before the next starts, the last one on its own last day."""
    if len(when) < _DAY:
        return None
    day = when[:_DAY]
    if day not in facts.epoch_on:
        facts.epoch_on[day] = _epoch_on(facts, day)
    return facts.epoch_on[day]


def _epoch_on(facts: SubjectFacts, day: str) -> str | None:
    found = None
    for element in facts.elements:
        if element.start[:_DAY] > day:
            break
        if element.end is None or day < element.end[:_DAY] or (element.last and day == element.end[:_DAY]):
            found = element.epoch
    return found


def _epoch(node: Node, scope: Scope) -> Derived:
    at, base = compile_value(node["epoch"], scope).fn, scope.base

    def epoch(frame: Frame) -> Value:
        when = at(frame)
        return None if when is None else epoch_of(frame[base], when)

    return Derived(epoch)


def visit_of(facts: SubjectFacts, when: str | None, encounter: str | None) -> Visit | None:
    """The visit that something belongs to: that of its encounter; else by its day, the nearest in whose window it lies."""
    if encounter is not None and encounter in facts.by_encounter:
        return facts.by_encounter[encounter]
    if when is None or len(when) < _DAY:
        return None
    day = when[:_DAY]
    if day not in facts.visit_on:
        facts.visit_on[day] = _visit_on(facts, day)
    return facts.visit_on[day]


def _visit_on(facts: SubjectFacts, when: str) -> Visit | None:
    best: tuple[int, int] | None = None
    found = None
    for place, visit in enumerate(facts.visits):
        if not visit.occurred:
            continue
        early, late = days_between(when, visit.start), days_between(visit.end or visit.start, when)
        if early is None or late is None:
            continue
        away = max(early, late, 0)
        if early <= visit.before and late <= visit.after and (best is None or (away, place) < best):
            best, found = (away, place), visit
    return found


def _visit(node: Node, scope: Scope) -> Derived:
    at = compile_value(node["visit"], scope).fn
    encounter_node = node.get("encounter")
    encounter = compile_value(encounter_node, scope).fn if encounter_node is not None else None
    give: Literal["number", "name", "day"] = node["give"].one_of("number", "name", "day")  # type: ignore[assignment]
    base = scope.base

    def visit(frame: Frame) -> Value:
        key = encounter(frame) if encounter is not None else None
        found = visit_of(frame[base], at(frame), key.rpartition("/")[2] if key is not None else None)
        if found is None:
            return None
        if give == "day":
            return None if found.day is None else Decimal(found.day)
        return found.number if give == "number" else found.name

    return Derived(visit)


def _range(node: Node, scope: Scope) -> Derived:
    value, low, high = (compile_value(node[name], scope).fn for name in ("range", "low", "high"))
    otherwise_node = node.get("otherwise")
    otherwise: Fn = compile_value(otherwise_node, scope).fn if otherwise_node is not None else lambda _: None

    def indicator(frame: Frame) -> Any:
        number, bottom, top = number_of(value(frame)), number_of(low(frame)), number_of(high(frame))
        if number is None or (bottom is None and top is None):
            return otherwise(frame)
        if bottom is not None and number < bottom:
            return "LOW"
        if top is not None and number > top:
            return "HIGH"
        return "NORMAL"

    return Derived(indicator)


def _link(node: Node, scope: Scope) -> Derived:
    return Derived(compile_value(node["link"], scope).fn)


def _last_before_exposure(node: Node, scope: Scope) -> Derived:
    value, at = compile_value(node["last_before_exposure"], scope).fn, compile_value(node["at"], scope).fn
    by = [compile_value(one, scope).fn for one in node["by"].elements()]

    def flag(drafts: Sequence[Draft], slot: int) -> None:
        last: dict[tuple[str | None, ...], tuple[tuple[str, bool, str], Draft]] = {}
        for draft in drafts:
            frame = draft.frame
            exposure = draft.facts.values.get("rfxstdtc") if draft.facts is not None else None
            when = at(frame)
            if exposure is None or when is None or value(frame) is None or not _before(when, str(exposure)):
                continue
            group = (draft.usubjid, *(plain(one(frame)) for one in by))
            # Of one time the correction, which may be told to the day only; the key decides among others.
            order = (when, draft.corrects, draft.key)
            if group not in last or order > last[group][0]:
                last[group] = (order, draft)
        for _, draft in last.values():
            draft.frame[slot] = "Y"

    return Derived(flag, whole=True)


def _before(when: str, exposure: str) -> bool:
    """Certainly before the first exposure: an earlier day, or an earlier time of the same day where both are told."""
    if len(when) < _DAY:
        return False
    if when[:_DAY] != exposure[:_DAY]:
        return when[:_DAY] < exposure[:_DAY]
    return len(when) > _DAY and len(exposure) > _DAY and when < exposure


#: The closed list of derived forms.
_FORMS: Final[Mapping[str, Callable[[Node, Scope], Derived]]] = {
    "day": _day,
    "epoch": _epoch,
    "last_before_exposure": _last_before_exposure,
    "link": _link,
    "range": _range,
    "visit": _visit,
}
