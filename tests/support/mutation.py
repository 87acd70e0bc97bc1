"""In: a simulated resource, a random source. Out: the same resource as another hospital might have written it, or a later one; for property tests.

None of these is meant to keep the meaning: the laws that are tested hold for every record.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.simulated import Item, item_of

__all__ = ["again", "mutated", "postponed"]

Body = dict[str, Any]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Elements that tell when; those of a reference range, a person's birth or the feed itself do not.
_NO_TIMES = ("meta", "birthDate", "identifier", "batch")
_STATUSES = ("final", "amended", "corrected", "preliminary", "entered-in-error", "cancelled", "unknown")
_TIMES = (
    "effectiveDateTime",
    "onsetDateTime",
    "performedDateTime",
    "authored",
    "recordedDate",
    "dateTime",
    "date",
    "started",
)


def mutated(item: Item, random: Random) -> Item:
    """The resource with one thing changed, where that thing is there to be changed."""
    body = dict(item.body)
    random.choice(_MUTATIONS)(body, random)
    return item_of(body)


def again(item: Item, suffix: str) -> Item:
    """The same under another id."""
    return item_of({**item.body, "id": f"{item.body['id']}{suffix}"})


def postponed(item: Item, *, beyond: date, random: Random, suffix: str) -> Item:
    """The same under another id, every day that it tells moved past ``beyond``, to one and the same distance."""
    shift = timedelta(days=random.randrange(1, 60))
    body = {key: value if key in _NO_TIMES else _moved(value, beyond + shift) for key, value in item.body.items()}
    return item_of({**body, "id": f"{body['id']}{suffix}"})


def _moved(value: Any, day: date) -> Any:
    match value:
        case dict():
            return {key: inner if key in _NO_TIMES else _moved(inner, day) for key, inner in value.items()}
        case list():
            return [_moved(inner, day) for inner in value]
        case str() if _DAY.match(value):
            return f"{day}{value[10:]}"
        case str() if re.fullmatch(r"\d{4}(-\d{2})?", value):
            return str(day)
    return value


def _status(body: Body, random: Random) -> None:
    if "status" in body and body["resourceType"] == "Observation":
        body["status"] = random.choice(_STATUSES)


def _value(body: Body, random: Random) -> None:
    quantity = body.get("valueQuantity")
    if quantity and "value" in quantity:
        value = Decimal(str(quantity["value"])) * random.choice((Decimal("0.2"), Decimal("0.9"), Decimal(3)))
        body["valueQuantity"] = {**quantity, "value": value}


def _comparator(body: Body, random: Random) -> None:
    if body.get("valueQuantity"):
        body["valueQuantity"] = {**body["valueQuantity"], "comparator": random.choice(("<", "<=", ">", ">="))}


def _no_unit(body: Body, _: Random) -> None:
    if body.get("valueQuantity"):
        body["valueQuantity"] = {key: value for key, value in body["valueQuantity"].items() if key == "value"}


def _no_range(body: Body, _: Random) -> None:
    body.pop("referenceRange", None)


def _coarse(body: Body, random: Random) -> None:
    """Only the month or the year is known."""
    for element in _TIMES:
        if isinstance(body.get(element), str):
            body[element] = body[element][: random.choice((4, 7, 10))]


def _undated(body: Body, _: Random) -> None:
    for element in _TIMES:
        body.pop(element, None)


def _moved_back(body: Body, random: Random) -> None:
    shift = timedelta(days=random.choice((-400, -40, -3, -1, 1, 3, 40)))
    for element in _TIMES:
        text = body.get(element)
        if isinstance(text, str) and _DAY.match(text):
            body[element] = f"{date.fromisoformat(text[:10]) + shift}{text[10:]}"


def _loose(body: Body, _: Random) -> None:
    """Tied to nothing any more."""
    for element in ("focus", "specimen", "encounter", "context", "partOf", "derivedFrom"):
        body.pop(element, None)


def _unsure(body: Body, random: Random) -> None:
    if "verificationStatus" in body:
        status = random.choice(("unconfirmed", "refuted", "entered-in-error", "provisional"))
        body["verificationStatus"] = {"coding": [{"code": status}]}


def _ended(body: Body, random: Random) -> None:
    if "clinicalStatus" in body:
        body["clinicalStatus"] = {
            "coding": [{"code": random.choice(("inactive", "resolved", "remission", "recurrence"))}]
        }


def _answered_otherwise(body: Body, random: Random) -> None:
    if body["resourceType"] == "QuestionnaireResponse" and body.get("item"):
        at = random.randrange(len(body["item"]))
        items = [dict(item) for item in body["item"]]
        items[at]["answer"] = [
            {**answer, "valueBoolean": not answer["valueBoolean"]} if "valueBoolean" in answer else answer
            for answer in items[at].get("answer", ())
        ]
        body["item"] = items


_MUTATIONS: tuple[Callable[[Body, Random], None], ...] = (
    _status,
    _value,
    _comparator,
    _no_unit,
    _no_range,
    _coarse,
    _undated,
    _moved_back,
    _loose,
    _unsure,
    _ended,
    _answered_otherwise,
)
