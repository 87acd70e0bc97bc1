"""In: PATIENT as a person types it. Out: the site and the person in the store, whoever the record was merged into."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.store import Store

__all__ = ["Person", "actor", "find_person"]

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
        UsageError: nobody of that id, or several sites have one.
    """
    named, identity = _parse(text)
    if named is not None and site is not None and named != site:
        raise UsageError(f"{text}: is not at site {site}")
    site = named or site
    sites = store.lake.sites() if site is None else [site]
    asked = f"Patient/{identity}"
    found = [name for name in sites if asked in set(store.lake.patients(name))]
    if not found:
        where = "the store" if site is None else f"site {site}"
        raise UsageError(f"{asked}: unknown in {where}; {_FORM}")
    if len(found) > 1:
        raise UsageError(f"{asked}: known at {' and '.join(found)}; say which as {found[0]}/{identity}")
    return Person(found[0], store.lake.merges(found[0]).get(asked, asked), asked)


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
