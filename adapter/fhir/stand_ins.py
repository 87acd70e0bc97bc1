"""In: a resource that cannot be read, or one that holds others. Out: what stands for it in a record: that there is one, and its code.

What stands in has no value, so it decides nothing; but a question about it stays open, and an older result is not taken
for the latest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from adapter.fhir.datatypes import CodeableConcept, Coding, Period
from adapter.fhir.faulty import as_far_as_told
from adapter.fhir.resources import (
    DiagnosticReport,
    ImagingStudy,
    Observation,
    Procedure,
    Resource,
)
from adapter.fhir.stand_in_kinds import KINDS, SHARED_KINDS, Maker
from adapter.fhir.summary import ID_FORM, person_of_body, walked

__all__ = ["DROPPED", "remains_of", "stand_in_of", "stand_ins_within"]

#: Statuses of what did not happen or was written by mistake, of any resource type.
DROPPED = frozenset({"entered-in-error", "cancelled", "not-done"})


def stand_in_of(raw: bytes) -> Resource | None:
    """What can be told of a faulty resource: that there is one, and its code; never its time, status or value."""
    body = as_far_as_told(raw)
    identity = body.get("id") if isinstance(body, dict) else None
    if not isinstance(identity, str):
        return None
    return _made(body, identity, {**KINDS, **SHARED_KINDS})


def remains_of(raw: bytes) -> tuple[str, tuple[CodeableConcept, ...]]:
    """The type of a faulty resource, and every coding and text that can be told of it, wherever it stands there.

    They decide nothing of it; but where one of them is a sign that is looked for, it may be one.
    """
    body = as_far_as_told(raw)
    if not isinstance(body, dict) or not isinstance(name := body.get("resourceType"), str):
        return "", ()
    found = walked(body)
    codings = (coding.rpartition("|") for coding in found.codes)
    concepts = [CodeableConcept(coding=(Coding(system=system, code=code),)) for system, _, code in codings]
    return name, (*concepts, *(CodeableConcept(text=text) for text in found.texts))


def stand_ins_within(raw: bytes, *, people: Collection[str]) -> list[Resource]:
    """What stands for the resources in ``contained``, as ``Type/id#id``, by number where they have no id; a result or an examination has its own time.

    Args:
        people: the person's references; what names somebody else is not of this record.
    """
    if b'"contained"' not in raw:
        return []
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if not isinstance(body, dict) or not isinstance(body.get("contained"), list) or _is_dropped(body):
        return []
    own = f"{body.get('resourceType')}/{body.get('id')}"
    found = []
    for number, item in enumerate(body["contained"], start=1):
        if isinstance(item, dict):
            identity = item.get("id")
            # What is no id is shown to nobody: its place tells as well which it is.
            is_id = isinstance(identity, str) and ID_FORM.fullmatch(identity)
            found.append(_stand_in_within(item, f"{own}#{identity if is_id else number}", people))
    return [item for item in found if item is not None]


def _stand_in_within(body: dict[str, Any], reference: str, people: Collection[str]) -> Resource | None:
    named = person_of_body(body)
    if _is_dropped(body) or (named is not None and named not in people):
        return None
    found = _made(body, reference, KINDS)
    return msgspec.structs.replace(found, **_times(body, type(found))) if isinstance(found, _TIMED) else found


def _is_dropped(body: dict[str, Any]) -> bool:
    status = body.get("status")
    return isinstance(status, str) and status in DROPPED


#: What lies within others and has its own time, also where that is its container's.
_TIMED = (DiagnosticReport, ImagingStudy, Observation, Procedure)
_MOMENTS = {
    "effective_date_time": "effectiveDateTime",
    "performed_date_time": "performedDateTime",
    "started": "started",
}
_PERIODS = {"effective_period": "effectivePeriod", "performed_period": "performedPeriod"}


def _times(body: dict[str, Any], kind: type[Resource]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, element in _MOMENTS.items():
        if name in kind.__struct_fields__ and isinstance(day := body.get(element), str):
            found[name] = day
    for name, element in _PERIODS.items():
        if name in kind.__struct_fields__ and isinstance(period := body.get(element), dict):
            ends = {end: period.get(end) for end in ("start", "end")}
            found[name] = Period(**{end: day for end, day in ends.items() if isinstance(day, str)})
    return found


def _made(body: dict[str, Any], identity: str, kinds: Mapping[str, Maker]) -> Resource | None:
    name = body.get("resourceType")
    maker = kinds.get(name) if isinstance(name, str) else None
    return None if maker is None else maker(body, identity)
