"""In: one subject of whom data may leave. Out: its pseudonymised resources, its line among the subjects, its verdicts, and the trace."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from adapter.datasets.pseudonymising import Notes, Pseudonymiser, TraceEntry, Work, identifying
from adapter.datasets.source import read
from adapter.datasets.staging.staged import StagedSubject, StagedVerdict
from adapter.datasets.subjects.choosing import Chosen
from adapter.datasets.subjects.history import UNKNOWN_SITE, leaving, research_subject
from adapter.datasets.subjects.people import Scope
from adapter.fhir import Json, When, age_on, parse_when
from adapter.pseudonyms import shift_date, shift_weeks
from adapter.store import KeptVerdict, Store
from mappings.elements import SUBJECT_SYSTEM, extension
from mappings.entities import EventKind, Subject

__all__ = ["MadeSubject", "SubjectMaker", "verdicts_of"]

#: HIPAA's Safe Harbor tells no age above 89; MR-001 says nothing of it, and few are so old that they may be known by it.
_OLDEST_TOLD: Final = 89
_SITE_CODE: Final = re.compile(r"[A-Za-z0-9]{1,8}", re.ASCII)
#: As long as an attestation holds by default (clarifications.md 11).
_VERDICT_HOLDS: Final = timedelta(days=28)
_TRUTHS: Final = frozenset("TFU")
_REASON = re.compile(r"[a-z]+(-[a-z]+){0,3}", re.ASCII)
#: The event of whose day the verdict of a stage is; the first that a subject has counts.
_STAGES: Final = {
    "registration": (EventKind.REGISTERED, EventKind.INELIGIBLE, EventKind.NOT_REGISTERED, EventKind.SCREENED),
    "randomisation": (EventKind.RANDOMISED, EventKind.RANDOMISATION_FAILED),
}


@dataclass
class MadeSubject:
    """What became of one subject: its line, its history with the days as they were, and by how many weeks they are moved."""

    subject: StagedSubject
    history: Subject
    weeks: int


@dataclass(frozen=True)
class _Identity:
    """Who the person is at the hospital: read here, and used to keep it out."""

    body: Json
    born: When | None
    numbers: frozenset[str]


class SubjectMaker:
    """Makes the subjects of one site.

    Args:
        pseudonymiser: of the site.
        scope: what the export asks.
        medications: of the feed, by the hospital's reference.
        notes: where findings go.
        shift_dates: move each subject's dates.
    """

    def __init__(
        self,
        pseudonymiser: Pseudonymiser,
        scope: Scope,
        medications: Mapping[str, str],
        notes: Notes,
        *,
        shift_dates: bool,
    ) -> None:
        self._pseudonymiser = pseudonymiser
        self._scope = scope
        self._medications = medications
        self._notes = notes
        self._shift_dates = shift_dates
        criteria = {criterion.id for criterion in scope.trial.criteria} | scope.trial.parts.keys()
        self._reasons = criteria | pseudonymiser.reasons
        self._arms = [arm.name for arm in scope.study.arms]

    def make(self, one: Chosen) -> tuple[MadeSubject, list[Json], list[TraceEntry]]:
        """The subject, all resources that leave of it, and where they are from."""
        scope, identity = self._scope, _identity(one)
        weeks = shift_weeks(scope.key, scope.trial.id, one.usubjid) if self._shift_dates else 0
        work = Work(
            usubjid=one.usubjid,
            notes=self._notes,
            cut=one.cut,
            strict=one.cut is not None and one.cut == one.withdrawn,
            weeks=weeks,
            born=identity.born,
            sex=identity.body.get("gender"),
            numbers=identity.numbers,
        )
        work.died_late = _died_late(one, identity.body, work)
        listed = [
            row
            for type_, rows in sorted(one.resources.items())
            for row in rows
            if type_ != "Patient" and (type_ != "Consent" or row.reference in one.consents)
        ]
        others = sum(row.reference not in one.consents for row in one.resources.get("Consent", ()))
        if others:
            self._notes.add("other-consent", "Consent", "", others)
        made = self._pseudonymiser.subject(listed, work, known=self._medications)
        history = leaving(
            one.subject,
            self._notes,
            usubjid=one.usubjid,
            consented=one.consented,
            withdrawn=one.withdrawn,
            cut=one.cut,
            reasons=self._reasons,
            arms=self._arms,
        )
        history = msgspec.structs.replace(history, site=self._site_code(history.site, work))
        key = self._pseudonymiser.key_of(f"ResearchSubject/{one.patient}")
        resource, moved = research_subject(history, identity=key, weeks=weeks)
        person = self._pseudonymiser.patient(identity.body, work)
        subject = self._subject(one, moved, identity, person, weeks=weeks)
        return (
            MadeSubject(subject, history, weeks),
            [_patient(person, subject), resource, *made.resources],
            [*made.trace, *self._trace(one, f"ResearchSubject/{key}")],
        )

    def _site_code(self, told: str, work: Work) -> str:
        """The sponsor's number of the site, as the settings or else the subject tell it."""
        found = self._scope.site_code or told
        return found if _SITE_CODE.fullmatch(found) and not work.identifies(found) else UNKNOWN_SITE

    def _subject(self, one: Chosen, moved: Subject, identity: _Identity, person: Json, *, weeks: int) -> StagedSubject:
        told = person.get("deceasedDateTime")
        when = parse_when(told) if isinstance(told, str) else None
        died = when.earliest if when is not None and when.is_one_day else None
        noted = next((date.fromisoformat(event.on) for event in moved.events if event.kind is EventKind.DIED), None)
        if died is not None and noted is not None and died != noted:
            self._notes.add("death-days-differ", "Patient", "deceasedDateTime")
        prefix = f"{self._scope.trial.acronym.upper()}-"
        sex = person.get("gender")
        return StagedSubject(
            usubjid=one.usubjid,
            subjid=one.usubjid.removeprefix(prefix),
            site=self._scope.site,
            site_code=moved.site,
            arm=moved.arm,
            sex=sex if isinstance(sex, str) else None,
            age=self._age(identity.born, one.consented),
            consented_on=shift_date(one.consented, weeks),
            events=moved.events,
            deceased=noted is not None or when is not None or person.get("deceasedBoolean") is True,
            died_on=died or noted,
        )

    def _age(self, born: When | None, consented: date) -> int | None:
        ages = {age_on(day, consented) for day in (born.earliest, born.latest)} if born is not None else set()
        if len(ages) != 1 or min(ages) < 0:
            self._notes.add("age-not-known", "Patient", "birthDate")
            return None
        age = ages.pop()
        if age > _OLDEST_TOLD:
            self._notes.add("age-capped", "Patient", "birthDate")
            return _OLDEST_TOLD + 1
        return age

    def _trace(self, one: Chosen, key: str) -> Iterator[TraceEntry]:
        """What the Patient and the ResearchSubject were made of."""
        patients = one.resources["Patient"]
        for row in patients:
            yield self._pseudonymiser.trace_of(f"Patient/{one.usubjid}", row)
        for row in (*one.sources, *patients):
            yield self._pseudonymiser.trace_of(key, row)
        for row in one.resources.get("Consent", ()):
            if row.reference in one.consents:
                yield self._pseudonymiser.trace_of(key, row)
        if one.entity is not None:
            digest = hashlib.sha256(msgspec.json.encode(one.entity.entity)).hexdigest()
            version = str(one.entity.version)
            yield TraceEntry(key, self._scope.site, "Subject", one.entity.key, version, digest)


def _identity(one: Chosen) -> _Identity:
    """The surviving Patient, or the first where the survivor itself is not in the lake."""
    rows = sorted(one.resources["Patient"], key=lambda row: (row.reference != one.patient, row.id))
    listed = [body for row in rows if (body := read(row)) is not None]
    body = dict(listed[0])
    born = parse_when(body.get("birthDate")) if isinstance(body.get("birthDate"), str) else None
    texts: list[object] = [identity.partition("/")[2] for identity in one.identities]
    texts.append(one.subject.patient.value)
    for other in listed:
        texts += _texts({name: other.get(name) for name in ("identifier", "telecom", "name", "address", "contact")})
        texts += _dates(other.get("birthDate"))
    if one.cut is not None and body.get("deceasedBoolean") is True:
        # Whether that was so before the data cut is not told.
        del body["deceasedBoolean"]
    return _Identity(body, born, identifying(texts))


def _died_late(one: Chosen, body: Json, work: Work) -> bool:
    """The record or the history tells a death after the end of the data."""
    told: list[Any] = [event.on for event in one.subject.events if event.kind is EventKind.DIED]
    told.append(body.get("deceasedDateTime"))
    days = [parse_when(day) for day in told if isinstance(day, str)]
    return any(work.is_after(day) for day in days if day is not None)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _dates(text: Any) -> list[str]:
    """A day as it may be written in a number: 19540312 and 12031954."""
    when = parse_when(text) if isinstance(text, str) else None
    if when is None or not when.is_one_day:
        return []
    return [when.earliest.strftime("%Y%m%d"), when.earliest.strftime("%d%m%Y")]


def _patient(person: Json, subject: StagedSubject) -> Json:
    """The Patient as the feed has it: the number, site and age before what the document allows."""
    extensions = [extension("site", "Code", subject.site_code)]
    if subject.age is not None:
        extensions.append(extension("age-at-consent", "Integer", subject.age))
    made: Json = {"resourceType": "Patient", "id": subject.usubjid, "meta": {"versionId": "1"}}
    made |= {"extension": extensions, "identifier": [{"system": SUBJECT_SYSTEM, "value": subject.usubjid}]}
    made |= {name: value for name, value in person.items() if name not in made}
    if subject.died_on is not None:
        # Of the Patient or, where that tells none, of the subject's history; the day is enough.
        made.pop("deceasedBoolean", None)
        made["deceasedDateTime"] = subject.died_on.isoformat()
    return made


# --- verdicts --------------------------------------------------------------------------------------------------------


def verdicts_of(
    store: Store, scope: Scope, made: Iterable[tuple[Chosen, MadeSubject]], notes: Notes
) -> list[StagedVerdict]:
    """The verdicts of the days that count: of the registration (or what stood in its place) and of the randomisation."""
    listed = list(made)
    patients = {identity for one, _ in listed for identity in one.identities}
    found: list[StagedVerdict] = []
    for stage, kinds in _STAGES.items():
        known = store.verdict_history(scope.trial.id, stage, site=scope.site, patients=patients)
        for one, subject in listed:
            day = next((date.fromisoformat(event.on) for kind in kinds if (event := subject.history.first(kind))), None)
            if day is None:
                continue
            kept = [verdict for identity in one.identities for verdict in known.get(identity, ())]
            standing = _of_day(kept, day)
            if standing is None:
                notes.add("verdict-missing", "Verdict", stage)
                continue
            found += _rows(standing, stage, subject)
    return found


def _of_day(kept: list[KeptVerdict], day: date) -> KeptVerdict | None:
    """The newest of that day, else the last of the four weeks before: an older one speaks of results that nobody decided on."""
    before = [one for one in kept if timedelta(0) <= day - one.verdict.on <= _VERDICT_HOLDS]
    return max(before, key=lambda one: (one.verdict.on, one.verdict.screened_at), default=None)


def _rows(kept: KeptVerdict, stage: str, made: MadeSubject) -> Iterator[StagedVerdict]:
    content = msgspec.json.decode(kept.verdict.content)
    on = kept.verdict.on + timedelta(weeks=made.weeks)
    for told in content.get("criteria", ()):
        truth, reason = told.get("truth"), told.get("reason")
        if truth in _TRUTHS:
            known = reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None
            yield StagedVerdict(made.subject.usubjid, stage, on, str(told["id"]), truth, known)
