"""In: PATIENT as a person types it. Out: the site and the person in the store, whoever the record was merged into.

Somebody whose every resource the hospital has deleted is found by the tombstone, and one of whom nothing could be read by
what was put aside: nothing else knows the id.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.store import Store

__all__ = ["Person", "actor", "deleted_note", "find_person", "named_person", "purged_person"]

_PARIS = ZoneInfo("Europe/Paris")
_FORM = "a patient is SITE/ID, or the bare id where only one site has it"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is meant: ``patient`` is the surviving ``Patient/id``, ``asked`` the one that was typed."""

    site: str
    patient: str
    asked: str

    def __str__(self) -> str:
        return f"{self.site}/{self.patient.removeprefix('Patient/')}"


def find_person(store: Store, text: str, *, site: str | None = None) -> Person:
    """The person meant by ``icm/123``, ``icm/Patient/123``, ``Patient/123`` or ``123``.

    Args:
        store: where to look.
        text: as typed.
        site: the one asked for by an option of its own, for a bare id.

    Raises:
        UsageError: nobody of that id, or several sites have one, or had one that was deleted.
    """
    named, identity = _parse(text)
    if named is not None and site is not None and named != site:
        raise UsageError(f"{text}: is not at site {site}")
    site = named or site
    sites = store.lake.sites() if site is None else [site]
    asked = f"Patient/{identity}"
    found = [name for name in sites if asked in set(store.lake.patients(name))]
    known = "known"
    if not found:
        found = [name for name in sites if any(one.id == identity for one in store.lake.tombstones(name, "Patient"))]
        known = "deleted"
    if not found:
        # Of whom nothing could be read, what lies aside may be the only sign.
        from adapter.screening.held_back import held_back_of

        found = [name for name in sites if asked in held_back_of(store, name)]
        known = "known"
    if not found:
        where = "the store" if site is None else f"site {site}"
        if any(one.patient == asked and site in (None, one.site) for one in store.kept_off.all()):
            raise UsageError(
                f"{asked}: was forgotten, and nothing is taken of them any more; see `reluth forget --list`"
            )
        away = [name for name in store.purged.counts() if site in (None, name) and store.purged.of(name, asked)]
        if away:
            raise UsageError(
                f"{asked}: their data at {' and '.join(away)} were removed, as nothing in them was a sign of any trial "
                f"(retention.non_candidates_days); `reluth add {away[0]}/{identity}` has the next pull read them again"
            )
        raise UsageError(f"{asked}: unknown in {where}; {_FORM}")
    if len(found) > 1:
        raise UsageError(f"{asked}: {known} at {' and '.join(found)}; say which as {found[0]}/{identity}")
    return Person(found[0], store.lake.merges(found[0]).get(asked, asked), asked)


def named_person(text: str) -> Person | None:
    """The person meant by ``icm/123``, whether or not the store knows them; None for a bare id."""
    site, identity = _parse(text)
    return None if site is None else Person(site, f"Patient/{identity}", f"Patient/{identity}")


def purged_person(store: Store, text: str) -> Person | None:
    """The person meant by ``icm/123`` where their data were removed, by the record that stood for them; None for everybody else."""
    person = named_person(text)
    found = None if person is None else store.purged.of(person.site, person.patient)
    return None if person is None or found is None else Person(person.site, found.person, person.asked)


def deleted_note(store: Store, person: Person) -> str | None:
    """That the hospital has deleted every record of a person, and when a pull saw it; None where it has not."""
    from adapter.screening.hospital_records import deleted_people, deletion_seen

    if person.patient not in deleted_people(store, person.site):
        return None
    seen = deletion_seen(store, person.site, person.patient)
    when = "" if seen is None else f" (seen {seen.astimezone(_PARIS):%Y-%m-%d %H:%M}, Europe/Paris)"
    return f"{person}: the hospital has deleted this record{when}"


def actor() -> str:
    """Who runs this command, for the audit trail: the name they logged in by."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # No entry in the password file (containers): the audit trail still says that it was the command line.
        return "command-line"


def _parse(text: str) -> tuple[str | None, str]:
    match text.split("/"):
        case ["Patient", identity] | [identity]:
            site = None
        case [site, "Patient", identity] | [site, identity]:
            pass
        case _:
            raise UsageError(f"{_FORM}")
    if not identity or site == "":
        raise UsageError(_FORM)
    return site, identity
