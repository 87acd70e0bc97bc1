"""In: events of a subject, or the extensions that hold them. Out: those extensions (the whole history, for R4 and R4B), or the events.

R4 and R4B have the current status only (clinical-spec.md section 8). The extension of one event, ``urn:reluth:extension:event``, is
complex; within it stand extensions of ours again: ``kind`` (code of `EventKind`), ``position`` (positiveInt: which event it
is, because several may fall on one day and a list may come back in another order), ``on`` (date), and as far as they belong to
the kind ``reason`` (code), ``cycle`` and ``visit`` (positiveInt), ``arm`` (code) and ``intervention`` (boolean). Their URLs are
whole ones, for an update tells by its URL what of an extension is ours and what a hospital added.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from adapter.fhir import Json, parse_when
from mappings.elements import EXTENSION, extension
from mappings.entities import EntityError, EventKind, SubjectEvent
from mappings.foreign import Element

__all__ = [
    "EVENT",
    "Recorded",
    "day_in",
    "event_extension",
    "in_order",
    "kind_in",
    "position_in",
    "read_event",
    "read_history",
]

#: Name of the extension.
EVENT: Final = "event"
_TYPES: Final = {
    "kind": "Code",
    "on": "Date",
    "reason": "Code",
    "cycle": "PositiveInt",
    "arm": "Code",
    "intervention": "Boolean",
    "visit": "PositiveInt",
}
_LAST: Final = 2**31


class Recorded(NamedTuple):
    """An event as it stands in a resource, with the element that holds it."""

    position: int
    event: SubjectEvent
    element: Element


def event_extension(event: SubjectEvent, position: int, *, without: frozenset[str] = frozenset()) -> Json:
    """The extension of one event.

    Args:
        event: what happened.
        position: which one it is, from 1.
        without: fields that another element holds.
    """
    parts = [extension("position", "PositiveInt", position)]
    for field, kind in _TYPES.items():
        value = getattr(event, field)
        if value is not None and field not in without:
            parts.append(extension(field, kind, value.value if isinstance(value, EventKind) else value))
    return {"url": f"{EXTENSION}{EVENT}", "extension": parts}


def read_history(resource: Element) -> tuple[SubjectEvent, ...]:
    """The events that an R4 resource holds, in the order in which they happened; none where it holds none."""
    found = [
        Recorded(position_in(one), read_event(one, on=_told(one, "on")), one) for one in resource.extensions(EVENT)
    ]
    return tuple(one.event for one in in_order(found))


def read_event(found: Element, *, on: str | None, **elsewhere: Any) -> SubjectEvent:
    """The event of one extension.

    Args:
        found: the extension.
        on: the day, wherever it stands.
        elsewhere: fields that another element holds.
    """
    if on is None:
        raise found.fail("on", "is missing")
    told = {field: _told(found, field) for field in _TYPES if field not in ("kind", "on")}
    try:
        return SubjectEvent(kind=kind_in(found), on=on, **{**told, **elsewhere})
    except EntityError as error:
        raise found.fail(error.field, error.problem) from None


def in_order(found: Iterable[Recorded]) -> list[Recorded]:
    """By day, and within a day as they were written."""
    return sorted(found, key=lambda one: (one.event.on, one.position))


def kind_in(found: Element) -> EventKind:
    """What happened."""
    code = _told(found, "kind")
    try:
        return EventKind(code)
    except ValueError:
        raise found.fail("kind", "is missing, or no kind of event that is known here") from None


def position_in(found: Element) -> int:
    """Which event it is; after all others where nothing tells."""
    position = found.extension("position")
    place = position.whole("valuePositiveInt") if position else None
    return _LAST if place is None else place


def day_in(element: Element, name: str) -> str | None:
    """The calendar day in Paris of a date or time; None where it is not there.

    Raises:
        MappingError: it is no date, or leaves more than one day possible.
    """
    text = element.text(name)
    if text is None:
        return None
    when = parse_when(text)
    if when is None or not when.is_one_day:
        raise element.fail(name, "a whole day is wanted")
    return when.earliest.isoformat()


def _told(found: Element, field: str) -> Any:
    """The value of a field of an event; None where it does not stand there."""
    told = found.extension(field)
    if told is None:
        return None
    name = f"value{_TYPES[field]}"
    value: object
    if _TYPES[field] == "PositiveInt":
        value = told.whole(name)
    elif _TYPES[field] == "Boolean":
        value = told.flag(name)
    else:
        value = told.text(name)
    if value is None:
        raise told.fail(name, "is missing")
    return value
