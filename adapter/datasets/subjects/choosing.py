"""In: the store, a trial, a site. Out: the subjects of whom data may leave, each with its number, its consent and the end of its data; who is not, counted.

A subject is who was loaded as one, or has a ResearchSubject of the trial in the lake; it is in the export only with a consent.
Nothing is known of the others behind this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapter.datasets.model import Finding
from adapter.datasets.source import RawResource
from adapter.datasets.subjects.consenting import ConsentState, consent_state, referred_consents
from adapter.datasets.subjects.history import UNKNOWN_SITE, read_pulled
from adapter.datasets.subjects.numbering import Candidate, numbered
from adapter.datasets.subjects.people import LeftOut, Person, Scope, people_of
from adapter.fhir import PARIS, Json, parse_when
from adapter.store import Store, StoredEntity
from mappings.entities import EventKind, Subject

__all__ = ["Chosen", "choose"]

_TEXTS: Final = {
    "history-differs": "The status, period or arm of a ResearchSubject is not what its own events come to: the events hold.",
    "history-not-read": "A ResearchSubject holds events that cannot be read, or cannot follow one another: the others hold.",
}


@dataclass(frozen=True)
class Chosen:
    """A subject of whom data may leave.

    Attributes:
        patient: ``Patient/id`` of the surviving identity.
        identities: it, and those that were merged into it.
        usubjid: the number.
        subject: history as recorded; its number and patient are the hospital's still.
        consented: the day of the consent.
        withdrawn: the day of the withdrawal, wherever it is told.
        cut: last day of the data; None for all.
        resources: all current ones of the person, by type; raw, so that few objects wait at once.
        sources: what the history was read from.
        consents: ``Consent/id`` of the forms of the trial.
        entity: the loaded subject, where it was loaded.
    """

    patient: str
    identities: tuple[str, ...]
    usubjid: str
    subject: Subject
    consented: date
    withdrawn: date | None
    cut: date | None
    resources: Mapping[str, tuple[RawResource, ...]]
    sources: tuple[RawResource, ...]
    consents: tuple[str, ...]
    entity: StoredEntity | None = None


def choose(store: Store, scope: Scope) -> tuple[list[Chosen], LeftOut]:
    """The subjects of a site of whom data may leave, sorted by number, and who is not among them.

    Their numbers are kept in the store.

    Raises:
        BusyError: another export gives numbers at this moment.
    """
    left_out = LeftOut()
    decided = _decisions(store, scope)
    known = [
        found
        for person in people_of(store, scope, left_out)
        if (found := _read(scope, person, decided, left_out)) is not None
    ]
    chosen = [_chosen(one, number) for one, number in numbered(store, scope, known, left_out)]
    return sorted(chosen, key=lambda one: one.usubjid), left_out


# --- whether and until when ------------------------------------------------------------------------------------------


def _read(scope: Scope, person: Person, decided: Mapping[str, date], left_out: LeftOut) -> Candidate | None:
    """What is known of one person; None, counted, where nothing may leave."""
    consents = person.bodies("Consent")
    referred = referred_consents(body for _, body in person.pulled)
    identifiers = scope.trial.identifiers
    first = consent_state(consents, identifiers, referred=referred, consented=None)
    subjects, doubts = _histories(scope, person, first.since)
    if not person.bodies("Patient"):
        left_out.add(
            "no-patient",
            "subject-without-patient",
            "A subject's patient is not in the lake: nothing is exported of it.",
        )
        return None
    told = [one.first(EventKind.CONSENTED) for one, _, _ in subjects]
    days = [date.fromisoformat(event.on) for event in told if event is not None]
    state = consent_state(consents, identifiers, referred=referred, consented=min(days, default=None))
    consented = min(days, default=state.since)
    if consented is None:
        left_out.counts["no-consent"] += 1
        return None
    noted = [decided[identity] for identity in person.identities if identity in decided]
    withdrawn, nothing = _withdrawal([one for one, _, _ in subjects], state, noted, consented)
    if nothing:
        left_out.counts["withdrawn-no-data"] += 1
        return None
    if scope.as_of is not None and consented > scope.as_of:
        left_out.counts["consented-after-cut"] += 1
        return None
    if not subjects:
        left_out.add(
            "no-history",
            "subject-not-read",
            "A ResearchSubject of the trial cannot be read: nothing is exported of it.",
        )
        return None
    if len({number for _, number, _ in subjects if number}) > 1:
        left_out.findings.append(
            Finding(
                code="two-subject-numbers",
                text="One patient has two subject numbers: the loaded one holds, else that of the newest resource.",
            )
        )
    if state.unsure:
        left_out.findings.append(
            Finding(
                code="consent-unsure",
                text="The consent forms of a subject agree and refuse on the same day: the refusal holds.",
            )
        )
    left_out.findings += [Finding(code=code, text=_TEXTS[code], domain="ResearchSubject") for code in doubts]
    subject, _, _ = subjects[0]
    number = next((number for _, number, _ in subjects if number), None)
    cut = min((day for day in (withdrawn, scope.as_of) if day is not None), default=None)
    return Candidate(
        person, subject, number, state, consented, withdrawn, cut, tuple(row for _, _, row in subjects if row)
    )


def _histories(
    scope: Scope, person: Person, consented: date | None
) -> tuple[list[tuple[Subject, str | None, RawResource | None]], list[str]]:
    """(subject, its number, the resource): the loaded one first, then the newest resource; and what is in doubt of them."""
    doubts: list[str] = []
    found: list[tuple[Subject, str | None, RawResource | None]] = []
    if person.entity is not None and isinstance(person.entity.entity, Subject):
        found.append((person.entity.entity, person.entity.entity.number, None))
    newest = sorted(person.pulled, key=lambda one: (_changed(one[1]), one[0].id), reverse=True)
    for row, body in newest:
        told = read_pulled(body, scope.study, site=scope.site_code or UNKNOWN_SITE, consented=consented)
        if told.doubt is not None:
            doubts.append(told.doubt)
        if told.subject is not None:
            found.append((told.subject, told.subject.number if told.has_number else None, row))
    return found, doubts


def _withdrawal(
    subjects: list[Subject], state: ConsentState, noted: list[date], consented: date
) -> tuple[date | None, bool]:
    """The first day on which anything says that the consent was taken back, and whether nothing at all may leave.

    What lies before the consent took nothing back: it was refused then, and given later.
    """
    events = [
        (date.fromisoformat(event.on), event.reason)
        for one in subjects
        for event in one.events
        if event.kind is EventKind.WITHDRAWN and event.on >= consented.isoformat()
    ]
    days = [*(day for day, _ in events), *(day for day in noted if day >= consented)]
    if state.until is not None:
        days.append(state.until)
    return min(days, default=None), state.nothing or any(reason == "no-data" for _, reason in events)


def _decisions(store: Store, scope: Scope) -> dict[str, date]:
    """By patient, the day on which a person noted on the worklist that they have withdrawn."""
    states = {one.id for one in scope.trial.states if one.research_subject_status == "withdrawn"}
    return {
        patient: decision.decided_at.astimezone(PARIS).date()
        for (_, patient), decision in store.decisions(scope.trial.id, site=scope.site).items()
        if decision.state in states
    }


def _chosen(one: Candidate, number: str) -> Chosen:
    return Chosen(
        patient=one.person.patient,
        identities=one.person.identities,
        usubjid=number,
        subject=one.subject,
        consented=one.consented,
        withdrawn=one.withdrawn,
        cut=one.cut,
        resources={name: tuple(items) for name, items in one.person.resources.items()},
        sources=one.used,
        consents=one.state.used,
        entity=one.person.entity,
    )


def _changed(body: Json) -> str:
    meta = body.get("meta")
    when = (
        parse_when(meta.get("lastUpdated"))
        if isinstance(meta, dict) and isinstance(meta.get("lastUpdated"), str)
        else None
    )
    return when.start.isoformat() if when is not None else ""
