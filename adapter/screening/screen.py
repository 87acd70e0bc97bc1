"""In: the store, a trial, a site, what is asked. Out: `PatientVerdict` by patient, in bounded memory; verdicts saved.

Candidates only, unless asked for everybody: narrow by set queries, read the few records back raw, evaluate exactly.
What is saved is what a person works with, the verdicts of candidates; other patients' are given out and forgotten.
Whose record the hospital has deleted is not evaluated: the last verdict is kept, and a copy of it that says so.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Protocol

import msgspec

from adapter.criteria import Outcome, PatientVerdict, Stage, Trial, evaluate, reference_date
from adapter.errors import UsageError
from adapter.fhir import PatientRecord
from adapter.screening.held_back import about_person, held_back_of
from adapter.screening.hospital_records import RECORD_DELETED, as_deleted, deleted_people
from adapter.screening.narrow import possible_candidates
from adapter.screening.spool import Spool
from adapter.store import PatientResources, Store, StoredVerdict
from adapter.terminology import Site

__all__ = ["Asked", "Progress", "Screening", "screen"]

#: Records in hand at once: enough to ask for shared resources together, few enough for memory.
_BATCH = 64
_PATIENT = "Patient/"
_SAVE_BATCH = 200
_decode = msgspec.msgpack.Decoder(PatientVerdict).decode
_encode = msgspec.msgpack.Encoder().encode


class Progress(Protocol):
    """Told how many of how many records have been evaluated (None: not known beforehand)."""

    def __call__(self, done: int, total: int | None) -> None:
        """So many of so many."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One screening: whom, for which stage, as of when.

    Attributes:
        today: the day in Europe/Paris, where neither ``on`` nor the record gives one.
        stage: registration or randomisation.
        on: the reference date for everybody; None takes each subject's recorded date, else ``today``.
        patients: only these, candidates or not; None for all candidates.
        everyone: evaluate all patients, not only possible candidates.
        save: keep the verdicts of candidates in the state.
        progress: told how it goes.
    """

    today: date
    stage: Stage = Stage.REGISTRATION
    on: date | None = None
    patients: Collection[str] | None = None
    everyone: bool = False
    save: bool = True
    progress: Progress | None = None


@dataclass(slots=True)
class _Tally:
    evaluated: int = 0
    candidates: int = 0
    unreadable: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Screening(Iterator[PatientVerdict]):
    """The verdicts of one screening, one at a time; counts and unreadable resources are whole when it is exhausted.

    Attributes:
        site: the site's id.
    """

    def __init__(self, site: str, tally: _Tally, verdicts: Iterator[PatientVerdict]) -> None:
        self.site = site
        self._tally = tally
        self._verdicts = verdicts

    def __iter__(self) -> Screening:
        """Itself."""
        return self

    def __next__(self) -> PatientVerdict:
        """The next patient's verdict."""
        return next(self._verdicts)

    @property
    def evaluated(self) -> int:
        """Patients evaluated."""
        return self._tally.evaluated

    @property
    def candidates(self) -> int:
        """Candidates among them."""
        return self._tally.candidates

    @property
    def failed(self) -> tuple[str, ...]:
        """Patients on whose record a defect of ours stopped the evaluation, with its kind; they have no verdict."""
        return tuple(sorted(self._tally.failed))

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Resources (``Type/id``) that could not be read; each is a reason `not-read` where it could matter."""
        return tuple(sorted(set(self._tally.unreadable)))


def screen(store: Store, trial: Trial, site: Site, asked: Asked) -> Screening:
    """Screen one site's patients for a trial.

    Args:
        store: what was pulled, and where verdicts are kept.
        trial: whose criteria.
        site: how the site's records are to be read.
        asked: whom, for which stage, as of when.

    Returns:
        an iterator over the verdicts, ordered by patient: of candidates, or of all that were asked for by name or by
        ``everyone``.

    Raises:
        UsageError: the trial has no criterion at that stage: nobody could fail, and everybody would seem eligible.
    """
    if not any(asked.stage in criterion.stages for criterion in trial.criteria):
        raise UsageError(f"{trial.acronym} has no criterion at {asked.stage}")
    tally = _Tally()
    return Screening(site.id, tally, _verdicts(store, trial, site, asked=asked, tally=tally))


def _verdicts(store: Store, trial: Trial, site: Site, *, asked: Asked, tally: _Tally) -> Iterator[PatientVerdict]:
    merges = store.lake.merges(site.id)
    deleted = deleted_people(store, site.id)
    added = {merges.get(patient, patient) for patient in store.added_candidates(site.id, trial=trial.id)}
    # Whoever a person has decided on stands on the list, whatever the record says: they are told what it does say.
    decided = {merges.get(patient, patient) for _, patient in store.decisions(trial.id, site=site.id)}
    before: set[str] = set()
    to_mark: list[StoredVerdict] = []
    for saved in store.latest_verdicts(trial.id, asked.stage, site=site.id):
        person = merges.get(saved.patient, saved.patient)
        before.add(person)
        if person in deleted and (asked.patients is None or person in asked.patients):
            to_mark.append(saved)
    # A record in quarantine may be the only sign of a candidate: who has one is looked at exactly.
    evaluator = _Evaluator(store, trial, site, asked=asked, added=added, deleted=deleted)
    held_back = {merges.get(one, one) for one in evaluator.held_back_people()}
    wanted = _wanted(store, trial, site, asked=asked, extra=added | before | decided | held_back)
    show_all = asked.everyone or asked.patients is not None
    keeper = _Keeper(store, asked, known=before | decided)
    # Who is asked for by name is told about; nobody else hears of a record that is no more.
    passed_over = deleted if asked.patients is None else frozenset()
    with Spool(store.folder / "tmp") as spool:
        everybody = _records(store, site.id, wanted, held_back=held_back)
        records = (one for one in everybody if one.patient not in passed_over)
        while batch := list(islice(records, _BATCH)):
            for resources, verdict, input_hash in evaluator.batch(batch, tally):
                keeper.add(verdict, input_hash)
                if show_all or verdict.candidate:
                    spool.add(resources.patient, _encode(verdict))
            if asked.progress is not None:
                asked.progress(tally.evaluated, None if wanted is None else len(wanted))
        for saved in to_mark:
            keeper.mark_deleted(saved)
        keeper.flush()
        for content in spool:
            yield _decode(content)


def _wanted(store: Store, trial: Trial, site: Site, *, asked: Asked, extra: set[str]) -> set[str] | None:
    """Who is evaluated; None for everybody.

    Who is in the state already is looked at again: a corrected record may take a patient off the list, and the list
    must learn it.
    """
    if asked.patients is not None:
        return set(asked.patients)
    if asked.everyone:
        return None
    return possible_candidates(store, trial, site) | extra


def _records(store: Store, site: str, wanted: set[str] | None, *, held_back: set[str]) -> Iterator[PatientResources]:
    """Who is in the lake, and who is in the quarantine alone, with nothing that could be read."""
    missing = set(held_back) if wanted is None else held_back & wanted
    for one in store.lake.records(site, wanted):
        missing.discard(one.patient)
        yield one
    for patient in sorted(missing):
        yield PatientResources(patient, (), [])


class _Evaluator:
    """Records in, verdicts out, with the shared resources (Medication, ResearchStudy) that they refer to."""

    def __init__(
        self, store: Store, trial: Trial, site: Site, *, asked: Asked, added: set[str], deleted: Collection[str]
    ) -> None:
        self._store, self._trial, self._site, self._asked = store, trial, site, asked
        self._added, self._deleted = added, deleted
        self._held_back = held_back_of(store, site.id)
        self._documents = hashlib.sha256(repr((trial.id, trial.version, _plainly(site))).encode()).digest()

    def held_back_people(self) -> set[str]:
        """Who is named in the quarantine, not merged; and whoever's resources refer to a product or a study that lies there."""
        # Of whom nothing is here but that, a verdict would be one on a part of their record: they wait to be read again.
        named = {one for one in self._held_back if one.startswith(_PATIENT)}
        named -= self._store.purged.among(self._site.id, named)
        shared = {one for one in self._held_back if not one.startswith(_PATIENT)}
        return named | self._store.lake.referring(self._site.id, shared)

    def batch(
        self, people: Sequence[PatientResources], tally: _Tally
    ) -> Iterator[tuple[PatientResources, PatientVerdict, str]]:
        """The verdict of each person, and the hash of what it was made from."""
        aside = {
            person.patient: about_person(self._held_back, (person.patient, *person.merged), person.resources)
            for person in people
        }
        shared = self._store.lake.shared(self._site.id, set().union(*(needed for _, needed in aside.values())))
        for person in people:
            held_back, needed = aside[person.patient]
            own = {reference: shared[reference] for reference in sorted(needed) if reference in shared}
            try:
                record = PatientRecord.read(
                    person.patient, person.resources, merged=person.merged, shared=own, held_back=held_back
                )
                verdict = self._verdict(person.patient, record)
            except Exception as error:  # noqa: BLE001 - a defect of ours on one record must not hide all others
                tally.failed.append(f"{person.patient} ({type(error).__name__})")
                continue
            tally.evaluated += 1
            tally.candidates += verdict.candidate
            tally.unreadable.extend(record.unreadable)
            yield person, verdict, self._hash(person, [*own.values(), *held_back])

    def _verdict(self, patient: str, record: PatientRecord) -> PatientVerdict:
        asked = self._asked
        on = asked.on or reference_date(self._trial, record, asked.stage) or asked.today
        added = patient in self._added
        verdict = evaluate(self._trial, record, site=self._site, stage=asked.stage, on=on, added=added)
        if patient not in self._deleted:
            return verdict
        return replace(
            verdict,
            candidate=False,
            candidate_because=(),
            outcome=Outcome.INELIGIBLE,
            outcome_reason=RECORD_DELETED,
            permanent=False,
            flips_on=None,
            to_order=(),
        )

    def _hash(self, person: PatientResources, others: list[bytes]) -> str:
        found = hashlib.sha256(self._documents)
        for raw in (*person.resources, *others):
            found.update(hashlib.sha256(raw).digest())
        found.update(b"added" if person.patient in self._added else b"")
        return found.hexdigest()


def _plainly(site: Site) -> tuple[object, ...]:
    """What a site's documents say, in an order that is the same in every process (sets have none)."""
    return (
        site.id,
        sorted(site.icd10_systems),
        sorted(site.fasting_codes),
        site.completeness,
        sorted(site.concept_map.items()),
        sorted(site.unit_spellings.items()),
        site.limits,
        site.adverse_event_grade,
        sorted(site.aliases.items()),
    )


class _Keeper:
    """Saves the verdicts of candidates, of those who were one when last seen, and of those whom a person decided on."""

    def __init__(self, store: Store, asked: Asked, *, known: set[str]) -> None:
        self._store = store
        self._save = asked.save
        self._known = known
        self._at = datetime.now(UTC)
        self._run = f"screen-{self._at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._waiting: list[StoredVerdict] = []

    def add(self, verdict: PatientVerdict, input_hash: str) -> None:
        """Keep a verdict, if it is one to keep."""
        # Of a deleted record the verdict on what it said is kept, not one on what it left behind.
        if verdict.outcome_reason == RECORD_DELETED or not (verdict.candidate or verdict.patient in self._known):
            return
        self._keep(
            StoredVerdict(
                site=verdict.site,
                patient=verdict.patient,
                trial=verdict.trial,
                stage=verdict.stage,
                on=verdict.on,
                screened_at=self._at,
                run=self._run,
                content=msgspec.json.encode(verdict.to_json()).decode(),
                input_hash=input_hash,
            )
        )

    def mark_deleted(self, saved: StoredVerdict) -> None:
        """Keep the verdict of a record that was deleted since once more, marked; the one before it stays as it was."""
        content = msgspec.json.decode(saved.content)
        if content["outcome_reason"] == RECORD_DELETED:
            return
        self._keep(
            msgspec.structs.replace(
                saved,
                screened_at=self._at,
                run=self._run,
                content=msgspec.json.encode(as_deleted(content)).decode(),
                input_hash=hashlib.sha256(f"{RECORD_DELETED}:{saved.input_hash}".encode()).hexdigest(),
            )
        )

    def _keep(self, verdict: StoredVerdict) -> None:
        if not self._save:
            return
        self._waiting.append(verdict)
        if len(self._waiting) >= _SAVE_BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._store.save_verdicts(self._waiting)
        self._waiting = []
