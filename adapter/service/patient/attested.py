"""In: the QuestionnaireResponses of a person in the store. Out: who attested what when, and who withdrew it: the history, oldest first; and what has been said of each sentence, to compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapter.criteria import Trial
from adapter.fhir import parse_when
from adapter.fhir.compare import decode_resource
from adapter.jobs.attesting import ATTESTED, WITHDRAWN
from adapter.screening.attesting import QUESTIONNAIRE
from adapter.service.shapes import AttestationEvent
from adapter.store import Store
from adapter.store.own import is_own
from adapter.store.stored_versions import StoredVersion, versions_about

__all__ = ["attestation_events", "last_said", "seen_of"]

_TYPE = "QuestionnaireResponse"
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def attestation_events(store: Store, trial: Trial, *, site: str, people: Sequence[str]) -> list[AttestationEvent]:
    """Every attestation of a trial about a person, on a page of ours or in the hospital's record, and every withdrawal.

    Args:
        store: open.
        trial: whose questionnaire.
        site: whose records.
        people: ``Patient/id`` of the person and of the records merged into it.
    """
    found: list[AttestationEvent] = []
    before: dict[str, dict[str, bool]] = {}
    for version in versions_about(store.lake, site, _TYPE, people):
        try:
            resource = decode_resource(version.raw)
        except ValueError:
            continue
        if str(resource.get("questionnaire", "")).partition("|")[0] != f"{QUESTIONNAIRE}{trial.id}":
            continue
        answers = dict(_answers(resource.get("item"))) if resource.get("status") == "completed" else {}
        found += _events(version, resource, answers, before.get(version.id))
        before[version.id] = answers
    return sorted(found, key=lambda one: one.at or _BEFORE_ALL)


def seen_of(events: Iterable[AttestationEvent]) -> dict[str, str]:
    """By linkId, for each sentence that was ever attested: another text after each further word on it.

    >>> seen_of([])
    {}
    """
    told: dict[str, list[str]] = {}
    for one in events:
        for link, said in one.answers.items():
            # Without the reference: it would be a trace of the hospital's number for those who may not know it.
            told.setdefault(link, []).append(json.dumps([str(one.at), one.kind, one.by, one.here, said]))
    return {link: hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16] for link, lines in told.items()}


def last_said(events: Iterable[AttestationEvent]) -> dict[str, bool | None]:
    """By linkId, the last word on each sentence that was ever attested; None where that is a withdrawal."""
    return {link: said for one in events for link, said in one.answers.items()}


def _events(
    version: StoredVersion, resource: Mapping[str, Any], answers: dict[str, bool], before: dict[str, bool] | None
) -> Iterator[AttestationEvent]:
    here = is_own(version.id)
    reference = f"{_TYPE}/{version.id}"
    gone = [link for link in before or {} if link not in answers]
    if gone:
        by = version.source.removeprefix(WITHDRAWN) if here else _author(resource)
        at = _moment(version.last_updated)
        lost: dict[str, bool | None] = dict.fromkeys(gone)
        yield AttestationEvent(at=at, kind="withdrawn", by=by, here=here, answers=lost, reference=reference)
    new: dict[str, bool | None] = {
        link: said for link, said in answers.items() if before is None or before.get(link) is not said
    }
    if new:
        by = version.source.removeprefix(ATTESTED) if here else _author(resource)
        at = _moment(resource.get("authored"))
        yield AttestationEvent(at=at, kind="attested", by=by, here=here, answers=new, reference=reference)


def _answers(items: object) -> Iterator[tuple[str, bool]]:
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        yield from _answers(item.get("item"))
        link, given = item.get("linkId"), item.get("answer")
        for answer in given if isinstance(given, list) else ():
            said = answer.get("valueBoolean") if isinstance(answer, dict) else None
            if isinstance(link, str) and isinstance(said, bool):
                yield link, said


def _author(resource: Mapping[str, Any]) -> str:
    author = resource.get("author")
    told = author if isinstance(author, dict) else {}
    return next((text for key in ("display", "reference") if isinstance(text := told.get(key), str)), "")


def _moment(text: object) -> datetime | None:
    when = parse_when(text) if isinstance(text, str) else None
    return when.start if when is not None and when.is_bounded else None
