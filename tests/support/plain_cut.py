"""In: a folder of FHIR NDJSON and a day. Out: the folder as it would have stood on the evening of that day.

What is dated later goes, subjects who consented later are none yet, what ended later has not ended; corrections of what is
older stay, for a cut is one of the events and not of the database.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.support.datasets import write_feed
from tests.support.plain_feed import Resource, day_of

__all__ = ["write_cut"]

_EVENT: Final = "urn:reluth:extension:event"
_STARTS: Final = (
    "effectiveDateTime",
    "performedDateTime",
    "started",
    "date",
    "dateTime",
    "authoredOn",
    "authored",
    "onsetDateTime",
    "recordedDate",
)
_PERIODS: Final = ("effectivePeriod", "performedPeriod", "period", "onsetPeriod")


def write_cut(feed: Path, folder: Path, day: str) -> Path:
    """Write the feed as it was on a day."""
    kept = []
    for path in sorted(feed.glob("*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line, parse_float=Decimal)
            if "resourceType" in one and (found := _cut(one, day)) is not None:
                kept.append(found)
    return write_feed(folder, kept)


def _later(when: Any, day: str) -> bool:
    return isinstance(when, str) and (day_of(when) or "")[: len(day)] > day


def _cut(one: Resource, day: str) -> Resource | None:
    if one["resourceType"] == "ResearchSubject":
        return _subject(one, day)
    started = next((one[name] for name in _STARTS if name in one), None)
    started = next((one[name].get("start") for name in _PERIODS if name in one), started)
    if _later(started, day):
        return None
    for name in _PERIODS:
        if _later(one.get(name, {}).get("end"), day):
            one[name] = {"start": one[name]["start"]}
    if _later(one.get("deceasedDateTime"), day):
        del one["deceasedDateTime"]
    for extension in one.get("extension", ()):
        if _later(extension.get("valuePeriod", {}).get("end"), day):
            # What ends later has not ended yet.
            extension["valuePeriod"] = {"start": extension["valuePeriod"]["start"]}
            one["outcome"]["coding"][0]["code"] = "ongoing"
    return one


def _subject(one: Resource, day: str) -> Resource | None:
    kinds = []
    kept = []
    for extension in one.get("extension", ()):
        told = {part["url"].rpartition(":")[2]: part for part in extension.get("extension", ())}
        if extension["url"] == _EVENT:
            if told["on"]["valueDate"] > day:
                continue
            kinds.append(told["kind"]["valueCode"])
        kept.append(extension)
    if "identifier" in one and "consented" not in kinds:
        return None
    if len(kept) < len(one.get("extension", ())):
        one["status"] = _status(kinds, treated=one.get("assignedArm") == "experimental")
        one["extension"] = kept
        one.get("period", {}).pop("end", None)
        if "registered" not in kinds:
            one.pop("period", None)
        if "randomised" not in kinds:
            one.pop("assignedArm", None)
            one.pop("actualArm", None)
    return one


def _status(kinds: list[str], *, treated: bool) -> str:
    """What clinical-spec.md section 8 says of somebody to whom this happened, the last of it last."""
    if {"treatment-over", "progression"} & set(kinds):
        return "follow-up"
    if "randomised" in kinds:
        return "on-study-intervention" if treated else "on-study-observation"
    if "cycle" in kinds:
        return "on-study"
    return "pending-on-study" if {"registered", "consented"} & set(kinds) else "screening"
