"""In: a number that somebody typed; a patient to put on the list. Out: who that is, where they stand or why they do not; and the adding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.documents import load_site
from adapter.errors import BusyError, DocumentError
from adapter.jobs import screen_site
from adapter.observe import logger
from adapter.screening import Asked, WorklistRow, explain, screen, words
from adapter.screening.hospital_records import deleted_people
from adapter.screening.listing import named_rows
from adapter.screening.listing_finding import deleted_under, is_patient, persons_named, purged_named
from adapter.service.desk import Desk
from adapter.service.language import Language
from adapter.service.worklist.reading import bring_up_to_date, masked, note_seen, sites_of
from adapter.store import Purged, Store

__all__ = ["Found", "Put", "find_patients", "put_on_list"]


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who is called so.

    Attributes:
        patient: ``Patient/id``, or the screening number where the reader may not see who it is.
        key: of the person's page; None for who is not listed.
        row: of the list; None for who is not on it.
        because: why they are not, sentence by sentence.
        is_deleted: the hospital has deleted the record.
        awaits_screening: the record makes them a candidate, but it came after the last screening.
        removed_at: their data were removed then, since nothing in them was a sign of any trial; None where they were not.
        awaits_pull: they are wanted back: the next pull of the whole site reads them again.
        may_add: the reader may put them on the list.
    """

    site: str
    patient: str
    key: str | None = None
    row: WorklistRow | None = None
    because: tuple[str, ...] = ()
    is_deleted: bool = False
    awaits_screening: bool = False
    removed_at: datetime | None = None
    awaits_pull: bool = False
    may_add: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """A patient was put on the list.

    Attributes:
        screened: the verdict is there; else it comes with the next screening.
        awaits_pull: their data were removed: the next pull of the whole site comes before that.
    """

    site: str
    patient: str
    key: str
    screened: bool
    awaits_pull: bool = False


def find_patients(
    desk: Desk, stage: Stage, number: str, *, site: str | None, language: Language, today: date
) -> list[Found]:
    """Everybody whom the reader may see and who is called so; who is on a list first.

    A hospital's number finds only where the reader may know who somebody is: elsewhere it would tell them.

    Args:
        desk: of the reader.
        stage: of the trial.
        number: as typed: a screening number, the id of a record, a number of the hospital.
        site: of one site only.
        language: of the reasons.
        today: the day as of which a patient who is not listed is looked at.
    """
    sites = sites_of(desk, site)
    if not sites or not number.strip():
        return []
    bring_up_to_date(desk, stage, sites, wait=-1)
    identity = [name for name in sites if desk.shows_identity(name)]
    number = number.strip().removeprefix("Patient/")
    rows = named_rows(desk.store, desk.trial, stage, sites=sites, identity=identity, number=number)
    note_seen(desk, "find", rows, sites=sites)
    found = [Found(row.site, masked(desk, row).patient, key=row.key, row=row) for row in rows]
    for name in identity:
        merges = desk.store.lake.merges(name)
        listed = {merges.get(row.patient, row.patient) for row in rows if row.site == name}
        gone = deleted_people(desk.store, name)
        people = persons_named(desk.store, name, number) - listed
        for person in sorted(people):
            desk.audit("find", subject=f"{name}/{person}")
            if person in gone:
                found.append(Found(name, person, is_deleted=True))
            else:
                found.append(_unlisted(desk, stage, name, person, language=language, today=today))
        away = [one for one in purged_named(desk.store, name, number) if one.person not in people | listed]
        for one in away:
            desk.audit("find", subject=f"{name}/{one.person}")
            found.append(_away(desk, name, one, is_deleted=one.person in gone))
        if not people and not listed and not away and deleted_under(desk.store, name, number):
            found.append(Found(name, f"Patient/{number}", is_deleted=True))
    return found


def put_on_list(desk: Desk, site: str, patient: str, *, today: date) -> Put | None:
    """Put a patient on the list by hand, and screen them at once; None for nobody whom this person may add.

    Args:
        desk: of the person.
        site: the patient's.
        patient: ``Patient/id``.
        today: the day of the screening.
    """
    if not desk.may(Permission.ADD, site) or not desk.shows_identity(site):
        return None
    if not _is_there(desk.store, site, patient):
        return _put_away(desk, site, patient)
    person = desk.store.lake.merges(site).get(patient, patient)
    with desk.store.together():
        desk.store.add_candidate(site, person, trial=desk.trial.id, by=desk.viewer.actor)
        desk.audit("add", subject=f"{site}/{person}", detail=desk.trial.id)
    key = desk.store.patient_key(site, person)
    try:
        told = load_site(site, desk.overlay(site))
        summary = screen_site(desk.store, told, [desk.trial], today=today, patients=[person])
    except (BusyError, DocumentError) as error:
        logger("service").info("added, not screened yet", site=site, reason=type(error).__name__)
        return Put(site, person, key, screened=False)
    return Put(site, person, key, screened=not summary.failed)


def _put_away(desk: Desk, site: str, patient: str) -> Put | None:
    """Put somebody on the list whose data were removed: the next pull of the whole site reads them again."""
    away = desk.store.purged.of(site, patient)
    if away is None or away.person in deleted_people(desk.store, site):
        return None
    with desk.store.together():
        desk.store.add_candidate(site, away.person, trial=desk.trial.id, by=desk.viewer.actor)
        desk.store.purged.want(site, [away.person])
        desk.audit("add", subject=f"{site}/{away.person}", detail=desk.trial.id)
    return Put(site, away.person, desk.store.patient_key(site, away.person), screened=False, awaits_pull=True)


def _away(desk: Desk, site: str, one: Purged, *, is_deleted: bool) -> Found:
    if is_deleted:
        return Found(site, one.person, is_deleted=True)
    awaits = one.wanted or bool(desk.store.purged.wanted(site).of_all)
    may_add = desk.may(Permission.ADD, site)
    return Found(site, one.person, removed_at=one.at, awaits_pull=awaits, may_add=may_add)


def _is_there(store: Store, site: str, patient: str) -> bool:
    if patient.partition("/")[0] != "Patient" or site not in store.lake.sites():
        return False
    person = store.lake.merges(site).get(patient, patient)
    return person not in deleted_people(store, site) and is_patient(store, site, patient)


def _unlisted(desk: Desk, stage: Stage, site: str, person: str, *, language: Language, today: date) -> Found:
    """Why somebody is not on the list, as `reluth why` tells it."""
    may_add = desk.may(Permission.ADD, site)
    say = words(language)
    try:
        told = load_site(site, desk.overlay(site))
    except DocumentError as error:
        logger("service").warning("overlay", site=site, problem=str(error))
        return Found(site, person, may_add=may_add)
    asked = Asked(today=today, stage=stage, patients=[person], save=False)
    verdict = next(iter(list(screen(desk.store, desk.trial, told, asked))), None)
    if verdict is None:
        return Found(site, person, may_add=may_add)
    if verdict.candidate:
        return Found(site, person, awaits_screening=True, may_add=may_add)
    resources = sum(len(one.resources) for one in desk.store.lake.records(site, [person]))
    explained = explain(verdict.to_json(), desk.trial, say, resources=resources)
    # The page has a button where the command line has a command.
    hint = say.phrase("add-hint", patient=f"{site}/{person.removeprefix('Patient/')}")
    lines = tuple(line.strip() for line in explained.because if line != hint)
    return Found(site, person, because=lines, may_add=may_add)
