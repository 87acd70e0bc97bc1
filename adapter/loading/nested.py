"""In: one object of a JSON file. Out: the entity that it is, with what the site and the study tell filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapter.loading.cells import AMOUNT, CellError, value_class
from adapter.loading.checks import MOST_EVENTS, check_entity, check_unit
from adapter.loading.columns import COLUMNS, LOADABLE, Loadable
from adapter.loading.items import Twice
from adapter.loading.target import Rules
from mappings.entities import EntityError, Study, parse_entity
from mappings.entity.fields import CONTROL

__all__ = ["entity_of"]

_AMOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "labs": ("value", "low", "high"),
    "infusions": ("prescribed", "administered", "calibrated", "rate", "amino_acids.volume"),
}
_LONGEST_AMOUNT: Final = 60
_PART = re.compile(r"[^.\[\]]+")
#: A key that is none of ours is not repeated: where a file is not what it seems, it may be anything.
_KEYS: Final = frozenset(
    {part for columns in COLUMNS.values() for column in columns for part in _PART.findall(column.field)}
    | {"codes", "events", "code", "display", "intervention", "study"}
    | set(Study.__struct_fields__)
)
_RESULTS = {"labs": "result", "infusions": "infusion"}


def entity_of(kind: str, item: Any, rules: Rules) -> Loadable:
    """Read one object.

    Args:
        kind: ``study``, ``subjects``, ``labs`` or ``infusions``.
        item: as JSON gave it, numbers exact.
        rules: what it is checked with; never changed by it.

    Raises:
        CellError: it is no such entity; with the path of the field.
    """
    if not isinstance(item, dict):
        raise CellError(None, value_class(item), "an object is wanted")
    for path, value in _walk(item):
        if isinstance(value, Twice):
            raise CellError(path or None, "object", "has a key that stands twice")
        if isinstance(value, str) and CONTROL.search(value):
            raise CellError(path or None, value_class(value), "has control characters")
    for path in _AMOUNTS.get(kind, ()):
        _check_amount(path, _at(item, path))
    told = _filled(kind, item, rules)
    unit = told.get("unit")
    try:
        if kind == "labs" and isinstance(unit, str):
            check_unit(unit, rules.spellings)
        entity = parse_entity(LOADABLE[kind], told)
        check_entity(entity, rules)
    except EntityError as error:
        known = error.field != "entity"
        found = value_class(_at(told, error.field)) if known else None
        raise CellError(error.field if known else None, found, error.problem) from None
    return entity


def _filled(kind: str, item: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """The object with what its file need not say."""
    target = rules.target
    told = dict(item)
    if kind in _RESULTS and "id" in told:
        told["id"] = _identifier(told["id"], target.own_system(_RESULTS[kind]))
    if kind != "study" and "patient" in told:
        told["patient"] = _identifier(told["patient"], target.identifier_system)
    if kind == "subjects":
        told.setdefault("study", target.trial)
        if target.site_code is not None:
            told.setdefault("site", target.site_code)
        events = told.get("events")
        if isinstance(events, list):
            if len(events) > MOST_EVENTS:
                raise CellError("events", "list", f"has more than {MOST_EVENTS} events")
            told["events"] = [_with_intervention(event, rules) for event in events]
    return told


def _identifier(value: Any, system: str | None) -> Any:
    """A number alone is one of the hospital's own numbering."""
    if isinstance(value, str):
        value = {"value": value}
    if isinstance(value, dict) and "system" not in value and system is not None:
        return {"system": system, **value}
    return value


def _with_intervention(event: Any, rules: Rules) -> Any:
    if not isinstance(event, dict) or event.get("kind") != "randomised" or "intervention" in event:
        return event
    arm = event.get("arm")
    if not isinstance(arm, str):
        return event
    return {**event, "intervention": (rules.arms or {}).get(arm, False)}


def _check_amount(path: str, value: Any) -> None:
    """A text would go through `Decimal`, which takes ``1_0`` and ``1e5`` as well."""
    if isinstance(value, str) and not (len(value) <= _LONGEST_AMOUNT and AMOUNT.fullmatch(value)):
        raise CellError(path, value_class(value), "a number is wanted, with a decimal point")


def _walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value within, each after what it is in; a path goes as far as its keys are ours."""
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in _KEYS:
                    waiting.append((path, inner))
                else:
                    waiting.append((f"{path}.{key}" if path else key, inner))
        elif isinstance(value, list):
            waiting += [(f"{path}[{at}]", inner) for at, inner in enumerate(value)]


def _at(value: Any, path: str) -> Any:
    """What stands at a path, None where there is nothing."""
    for part in _PART.findall(path):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
