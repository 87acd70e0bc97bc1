"""In: two trials, as their documents describe them. Out: what differs between the documents, place by place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from adapter.criteria.trial import Criterion, Part, Trial
from adapter.terminology import Analyte, ValueSet

__all__ = ["Difference", "differences"]

#: What the documents call them, where it is another word than the value's.
_DOCUMENT_WORDS = {"node": "rule", "signals": "candidate_when"}
#: Nothing stands there.
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two versions differ.

    Attributes:
        where: the id of a criterion, part, value set or signal, else the name of the document's entry.
        what: the path below it, such as ``rule.comparison.limit``; ``added`` and ``removed`` for a whole one.
        before: what stood there, where it can be written in a word; likewise ``after``.
    """

    where: str
    what: str
    before: str | None = None
    after: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {"where": self.where, "what": self.what, "from": self.before, "to": self.after}


def differences(before: Trial, after: Trial) -> list[Difference]:
    """What differs: version and other entries of the trial first, then criteria and parts in their order.

    A value set or an analyte that changed is told once, under its own id, and not again in every rule that names it.
    """
    found: list[Difference] = []
    for entry in fields(before):
        old, new = getattr(before, entry.name), getattr(after, entry.name)
        # What is only kept at hand is no part of the documents.
        if entry.name != "criteria" and entry.compare:
            found += _entry(_DOCUMENT_WORDS.get(entry.name, entry.name), old, new)
    found += _each(_by_id(before.criteria), _by_id(after.criteria))
    return list(dict.fromkeys(found))


def _entry(name: str, old: Any, new: Any) -> Iterator[Difference]:
    """An entry of the trial: things with ids one by one, anything else as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _each(old, new, prefix=f"{name}.")
    elif _has_ids(old) and _has_ids(new):
        yield from _each(_by_id(old), _by_id(new), prefix=f"{name}.")
    else:
        yield from _below(name, "", old, new)


def _has_ids(value: Any) -> bool:
    return isinstance(value, tuple) and all(hasattr(item, "id") for item in value)


def _are_words(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _named(value: Any) -> Any:
    """The ids in place of value sets and analytes that a rule names."""
    if isinstance(value, tuple) and value and all(isinstance(item, ValueSet | Analyte) for item in value):
        return tuple(item.id for item in value)
    return value


def _by_id(things: tuple[Any, ...]) -> dict[str, Any]:
    return {thing.id: thing for thing in things}


def _each(old: Mapping[str, Any], new: Mapping[str, Any], *, prefix: str = "") -> Iterator[Difference]:
    for identity in dict.fromkeys((*old, *new)):
        where = f"{prefix}{identity}"
        if identity not in old:
            yield Difference(where, "added")
        elif identity not in new:
            yield Difference(where, "removed")
        else:
            yield from _below(where, "", old[identity], new[identity])


def _below(where: str, path: str, old: Any, new: Any) -> Iterator[Difference]:
    """The places below a path where two values differ."""
    if old == new:
        return
    if isinstance(old, Criterion) and isinstance(new, Criterion):
        yield from _fields(where, path, old, new, but="parts")
        yield from _each(_by_id(old.parts), _by_id(new.parts))
    elif isinstance(old, ValueSet | Analyte) and type(old) is type(new) and path:
        # Named in a rule: another one is another rule, the same one with other content stands under its own id.
        if old.id != new.id:
            yield Difference(where, path, old.id, new.id)
    elif is_dataclass(old) and type(old) is type(new):
        yield from _fields(where, path, old, new)
    else:
        yield from _collected(where, path, old, new)


def _collected(where: str, path: str, old: Any, new: Any) -> Iterator[Difference]:
    """Below a list, a mapping or a set; else the values themselves."""
    old, new = _named(old), _named(new)
    if _has_ids(old) and _has_ids(new):
        for item in _each(_by_id(old), _by_id(new)):
            yield replace(item, where=where, what=f"{_join(path, item.where)} {item.what}")
    elif old == new:
        return
    elif _are_words(old) and _are_words(new) and set(old) != set(new):
        yield Difference(
            where, path or "changed", _listed(frozenset(old) - set(new)), _listed(frozenset(new) - set(old))
        )
    elif isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new) and not _are_words(old):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _below(where, _join(path, str(index + 1)), one, other)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _below(where, _join(path, str(key)), old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, frozenset) and isinstance(new, frozenset):
        yield Difference(where, path or "changed", _listed(old - new), _listed(new - old))
    else:
        yield Difference(where, path or "changed", _word(old), _word(new))


def _fields(where: str, path: str, old: Any, new: Any, *, but: str = "") -> Iterator[Difference]:
    for item in fields(old):
        name = _DOCUMENT_WORDS.get(item.name, item.name) if isinstance(old, Criterion | Part) else item.name
        if item.name != but and item.compare:
            yield from _below(where, _join(path, name), getattr(old, item.name), getattr(new, item.name))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _listed(items: frozenset[Any]) -> str | None:
    written = [_word(item) or "?" for item in items]
    return ", ".join(sorted(written)) or None


def _word(value: Any) -> str | None:
    """A value in a word; None for what has no short form."""
    match value:
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case str() | int() | Decimal():
            return str(value)
        case re.Pattern():
            return str(value.pattern)
        case tuple() if _are_words(value):
            return ", ".join(value) or None
        case ValueSet() | Analyte():
            return value.id
    # A node of another kind: its name says which.
    return type(value).__name__ if is_dataclass(value) else None
