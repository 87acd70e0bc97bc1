"""In: the rules of a resource type. Out: a function that makes the pseudonymised resource of a raw one; made once, called for each resource.

The rules become closures, so that a resource costs a look-up and a call for each element that is named, and nothing for those
that are not: what no rule names is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from adapter.datasets.pseudonymising.codes import KnownCodes
from adapter.datasets.pseudonymising.r5 import NEW_IN_R5
from adapter.datasets.pseudonymising.rules import Rule, TypeRules
from adapter.datasets.pseudonymising.values import UnitTable, date_value, decimal_value, quantity_value
from adapter.datasets.pseudonymising.work import Pending, Work
from adapter.fhir import Json, normalise_reference, parse_when

__all__ = ["LESION_SYSTEM", "Compiled", "Tables"]

#: Identifier.system of a lesion's label.
LESION_SYSTEM: Final = "urn:reluth:lesion"
_LABEL = re.compile(r"(T|NT|N|NEW)\d{1,2}", re.ASCII)
_MOST_INTEGER: Final = 9_999_999

Keep = Callable[[Any, Work], Any]
_MOST_PLANS: Final = 4096


@dataclass(frozen=True)
class Tables:
    """What the rules look up: codes and units of one site and trial, and the lists of codes of the trial's documents."""

    codes: KnownCodes
    units: UnitTable
    lists: Mapping[str, frozenset[str]]


class _Plan(NamedTuple):
    """The elements of a shape that are named, in the order of the document, and the notes on those that are not."""

    kept: list[tuple[str, Keep]]
    dropped: list[tuple[str, str, str]]


class Compiled:
    """The rules of one type, ready to be called."""

    def __init__(self, rules: TypeRules, tables: Tables, *, is_r5: bool = False) -> None:
        self.rules = rules
        self._is_r5 = is_r5
        make = _Maker(rules.type, tables)
        self._elements = {
            name: (at, make.element(rule, name)) for at, (name, rule) in enumerate(rules.elements.items())
        }
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._named = frozenset(rules.elements) | {"resourceType", "id", "meta"}
        self._ongoing = {
            name: (_fixed(rules.elements[name], value), codes) for name, (value, codes) in rules.ongoing.items()
        }

        self._always = {name: [_concept(value)] for name, value in rules.always.items()}

    def when_after(self, body: Json, work: Work) -> bool | None:
        """Whether what a resource tells lies after the subject's data end; None where it does not say when it was."""
        for name in self.rules.dates:
            told = body.get(name)
            if told is None:
                continue
            if isinstance(told, str):
                when = parse_when(told)
            elif isinstance(told, dict):
                # What has begun counts from then on; when it ends is a matter of its own.
                start = told.get("start")
                first = start if start is not None else told.get("end")
                when = parse_when(first) if isinstance(first, str) else None
            else:
                when = None
            return None if when is None else work.is_after(when)
        return None

    def pseudonymise(self, body: Json, work: Work, *, identity: str, version: str | None) -> Json | None:
        """What may leave of a resource; None where what is needed of it may not.

        Args:
            body: of R4, numbers as int or Decimal.
            work: the subject.
            identity: the id that it gets.
            version: what its version is called.
        """
        type_ = self.rules.type
        found: Json = {"resourceType": type_, "id": identity}
        if version is not None:
            found["meta"] = {"versionId": version}
        work.ended_late = False
        shape = tuple(body)
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._plan(shape)
        for name, keep in plan.kept:
            value = body[name]
            if value is not None:
                kept = keep(value, work)
                if kept is not None:
                    found[name] = kept
        for note in plan.dropped:
            work.notes.add(*note)
        found |= self._always
        if work.ended_late:
            # Only what says that it has ended: what was cancelled, or is an error, stays so.
            found |= {
                name: value
                for name, (value, codes) in self._ongoing.items()
                if name in found and not codes.isdisjoint(_codes(found[name]))
            }
        for name in self.rules.needed:
            if name not in found:
                work.notes.add("resource-left-out", type_, name)
                return None
        return found

    def _plan(self, shape: tuple[str, ...]) -> _Plan:
        """What is to be done with a resource that has these elements: worked out once, as a feed has few shapes, very often."""
        kept = sorted(name for name in shape if name in self._elements)
        kept.sort(key=lambda name: self._elements[name][0])
        dropped = [self._dropped(name) for name in shape if name not in self._named]
        plan = _Plan([(name, self._elements[name][1]) for name in kept], dropped)
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[shape] = plan
        return plan

    def _dropped(self, name: str) -> tuple[str, str, str]:
        """The note of an element that no rule names. The name comes from the feed: only one that is known is repeated."""
        type_ = self.rules.type
        if name in self.rules.dropped:
            return "not-exported", type_, name
        if not self._is_r5:
            return "not-exported", type_, "(other)"
        return "r5-not-exported", type_, name if name in NEW_IN_R5.get(type_, ()) else "(other)"


def _fixed(rule: Rule, value: str) -> Any:
    return _concept(value) if rule.kind == "concept" else value


def _codes(value: Any) -> Iterator[str]:
    """The code of an element, or those of its codings."""
    if isinstance(value, str):
        yield value
    else:
        yield from (coding["code"] for coding in value["coding"])


def _concept(text: str) -> Json:
    system, _, code = text.rpartition("|")
    return {"coding": [{"system": system, "code": code}]}


class _Maker:
    """Makes the closures; ``place`` (type and path) is what their notes name."""

    def __init__(self, type_: str, tables: Tables) -> None:
        self._type = type_
        self._tables = tables

    def element(self, rule: Rule, path: str) -> Keep:
        """The closure of one rule."""
        make: Callable[[Rule, str], Keep] = getattr(self, "_" + rule.kind.replace("-", "_"))
        return make(rule, path)

    # Values -------------------------------------------------------------------------------------------------------

    def _boolean(self, _: Rule, path: str) -> Keep:
        place = (self._type, path)

        def keep(value: Any, work: Work) -> bool | None:
            if isinstance(value, bool):
                return value
            work.notes.add("value-blanked", *place)
            return None

        return keep

    def _integer(self, rule: Rule, path: str) -> Keep:
        low, high = rule.bounds or (-_MOST_INTEGER, _MOST_INTEGER)
        place = (self._type, path)

        def keep(value: Any, work: Work) -> int | None:
            is_number = isinstance(value, int) and not isinstance(value, bool)
            if is_number and low <= value <= high and not work.identifies(value):
                return int(value)
            work.notes.add("number-blanked", *place)
            return None

        return keep

    def _number(self, _: Rule, path: str) -> Keep:
        place = (self._type, path)
        return lambda value, work: decimal_value(value, work, place)

    def _date(self, _: Rule, path: str) -> Keep:
        place = (self._type, path)
        return lambda value, work: date_value(value, work, place)

    def _end(self, _: Rule, path: str) -> Keep:
        place = (self._type, path)
        return lambda value, work: date_value(value, work, place, ending=True)

    def _period(self, _: Rule, path: str) -> Keep:
        ends = {"start": Rule("date"), "end": Rule("end")}
        return self._object(Rule("object", elements=ends), path)

    def _quantity(self, _: Rule, path: str) -> Keep:
        place, units = (self._type, path), self._tables.units
        return lambda value, work: quantity_value(value, work, place, units)

    def _range(self, _: Rule, path: str) -> Keep:
        return self._object(Rule("object", elements={"low": Rule("quantity"), "high": Rule("quantity")}), path)

    # Codes --------------------------------------------------------------------------------------------------------

    def _code(self, rule: Rule, path: str) -> Keep:
        return self._among(rule.codes, path)

    def _list_of(self, rule: Rule, path: str) -> Keep:
        return self._among(self._tables.lists[rule.name], path)

    def _among(self, allowed: frozenset[str], path: str) -> Keep:
        place = (self._type, path)

        def keep(value: Any, work: Work) -> str | None:
            if isinstance(value, str) and value in allowed:
                return value
            work.notes.add("code-blanked", *place)
            return None

        return keep

    def _coding(self, _: Rule, path: str) -> Keep:
        place, codes = (self._type, path), self._tables.codes

        def keep(value: Any, work: Work) -> Json | None:
            for system, code in codes.codings([value]):
                if not work.identifies(code):
                    return {"system": system, "code": code}
            work.notes.add("code-blanked", *place)
            return None

        return keep

    def _concept(self, rule: Rule, path: str) -> Keep:
        place, standard, named = (self._type, path), self._tables.codes.standard, rule.systems

        def keep(value: Any, work: Work) -> Json | None:
            listed = value.get("coding") if isinstance(value, dict) else None
            kept: list[Json] = []
            for one in listed if isinstance(listed, list) else ():
                if isinstance(one, dict):
                    for system, code in standard(one.get("system"), one.get("code"), named=named):
                        coding = {"system": system, "code": code}
                        if coding not in kept and not work.identifies(code):
                            kept.append(coding)
            if kept:
                return {"coding": kept}
            work.notes.add("code-blanked", *place)
            return None

        return keep

    def _lesion_label(self, _: Rule, path: str) -> Keep:
        place = (self._type, path)

        def keep(value: Any, work: Work) -> list[Json] | None:
            for one in value if isinstance(value, list) else ():
                label = one.get("value") if isinstance(one, dict) else None
                if isinstance(label, str) and _LABEL.fullmatch(label):
                    return [{"system": LESION_SYSTEM, "value": label}]
            work.notes.add("value-blanked", *place)
            return None

        return keep

    # References ---------------------------------------------------------------------------------------------------

    def _person(self, _: Rule, path: str) -> Keep:
        return lambda _value, work: {"reference": f"Patient/{work.usubjid}"}

    def _reference(self, _: Rule, path: str) -> Keep:
        place = (self._type, path)

        def keep(value: Any, work: Work) -> Json | None:
            literal = value.get("reference") if isinstance(value, dict) else None
            target = normalise_reference(literal) if isinstance(literal, str) else None
            if target is None:
                work.notes.add("reference-dropped", *place)
                return None
            if target.startswith("Patient/"):
                # Of whom, is known by the person's own element only: another person may stand here.
                work.notes.add("reference-dropped", *place)
                return None
            found: Json = {"reference": ""}
            work.pending.append(Pending(found, "reference", target, place))
            return found

        return keep

    # Structures ---------------------------------------------------------------------------------------------------

    def _list(self, rule: Rule, path: str) -> Keep:
        assert rule.of is not None  # a list's rule is parsed with what it is of
        each, place = self.element(rule.of, path), (self._type, path)

        def keep(value: Any, work: Work) -> list[Any] | None:
            if not isinstance(value, list):
                work.notes.add("value-blanked", *place)
                return None
            kept = [found for one in value if one is not None and (found := each(one, work)) is not None]
            return kept or None

        return keep

    def _object(self, rule: Rule, path: str) -> Keep:
        parts = [(name, self.element(of, f"{path}.{name}")) for name, of in rule.elements.items()]
        place = (self._type, path)

        def keep(value: Any, work: Work) -> Json | None:
            if not isinstance(value, dict):
                work.notes.add("value-blanked", *place)
                return None
            found: Json = {}
            for name, part in parts:
                told = value.get(name)
                if told is not None:
                    kept = part(told, work)
                    if kept is not None:
                        found[name] = kept
            return found or None

        return keep

    def _extension(self, rule: Rule, path: str) -> Keep:
        known = {url: self._object(of, f"{path}({at})") for at, (url, of) in enumerate(rule.elements.items(), 1)}
        place = (self._type, path)

        def keep(value: Any, work: Work) -> list[Json] | None:
            found: list[Json] = []
            for one in value if isinstance(value, list) else ():
                url = one.get("url") if isinstance(one, dict) else None
                part = known.get(url) if isinstance(url, str) else None
                if part is None:
                    work.notes.add("not-exported", *place)
                    continue
                kept = part(one, work)
                if kept is not None:
                    found.append({"url": url, **kept})
            return found or None

        return keep
