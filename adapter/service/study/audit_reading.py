"""In: the desk of whoever asks, what of the audit trail they want. Out: the lines of the sites that they may see, as they may know them.

Lines of accounts and of the door are of no site: who may see the trail of all sites sees them. A patient stands under the
screening number where the hospital's id may not be known, and whatever else is of a site under its kind alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from adapter.accounts import ALL_SITES, Permission
from adapter.criteria import Stage
from adapter.screening import number_of
from adapter.service.desk import Desk
from adapter.service.redaction import without_ids
from adapter.service.study.shapes import AuditEntry, AuditPage
from adapter.store import AuditLine, AuditWanted

__all__ = ["FIRST_DAY", "LAST_DAY", "AuditAsked", "audit_lines", "read_audit", "subject_of_sites"]

#: Days that can be asked for.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)

_PARIS = ZoneInfo("Europe/Paris")
_SUBJECT_LENGTH = 255
_NOT_FOUND = 404
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: A patient in a text of the trail, with the site where a line is about several.
_PATIENT: Final = re.compile(r"(?:\b([A-Za-z0-9][A-Za-z0-9._-]*)/)?\bPatient/([^\s,;()]+)")


@dataclass(frozen=True, slots=True)
class AuditAsked:
    """What of the trail is asked for: an action, what somebody did, a day in Paris, a patient by the random key."""

    action: str | None = None
    actor: str | None = None
    day: date | None = None
    patient: str | None = None


def read_audit(desk: Desk, asked: AuditAsked, *, limit: int, before: int | None = None) -> AuditPage:
    """A page of the trail, newest first.

    Args:
        desk: of whoever asks.
        asked: which lines.
        limit: at most so many.
        before: only lines written before that of this number.

    Raises:
        HTTPException: 404, the patient asked for is not there for them.
    """
    found = desk.store.trail.page(_wanted(desk, asked), limit=limit + 1, before=before)
    shown = found[:limit]
    return AuditPage(
        lines=list(_Reader(desk).entries(shown)), older=shown[-1].number if len(found) > limit and shown else None
    )


def audit_lines(desk: Desk, asked: AuditAsked) -> Iterator[AuditEntry]:
    """All lines that are asked for, newest first, in bounded memory.

    Raises:
        HTTPException: 404, the patient asked for is not there for them; before the first line.
    """
    wanted = _wanted(desk, asked)
    return _Reader(desk).entries(desk.store.trail.lines(wanted))


def subject_of_sites(sites: Iterable[str]) -> str:
    """Sites joined by blanks, as the subject of a line about all of them; no name is cut.

    >>> subject_of_sites(["icm", "igr"])
    'icm igr'
    """
    found = ""
    for site in sites:
        longer = f"{found} {site}".lstrip()
        if len(longer) > _SUBJECT_LENGTH:
            break
        found = longer
    return found


def _wanted(desk: Desk, asked: AuditAsked) -> AuditWanted:
    since = None if asked.day is None else _midnight(asked.day)
    until = None if asked.day is None else _midnight(asked.day + timedelta(days=1))
    return AuditWanted(
        sites=None if desk.may(Permission.AUDIT, ALL_SITES) else desk.sites_with(Permission.AUDIT),
        action=_text(asked.action),
        actor=_text(asked.actor),
        since=since,
        until=until,
        patients=None if asked.patient is None else _records(desk, asked.patient),
    )


def _text(asked: str | None) -> str | None:
    # PostgreSQL takes no NUL in a text; no line has one either.
    return None if asked is None else asked.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=_PARIS)


def _records(desk: Desk, key: str) -> set[tuple[str, str]]:
    """All records of the person behind a key."""
    found = desk.store.patient_by_key(key) if _KEY.fullmatch(key) else None
    if found is None or not desk.may(Permission.AUDIT, found[0]):
        raise HTTPException(_NOT_FOUND)
    site, patient = found
    merges = desk.store.lake.merges(site)
    person = merges.get(patient, patient)
    return {(site, person), *((site, old) for old, new in merges.items() if new == person)}


@dataclass(slots=True)
class _Reader:
    """Makes lines fit for one reader; numbers are looked up once."""

    desk: Desk
    numbers: dict[tuple[str, str], str] = field(default_factory=dict)

    def entries(self, lines: Iterable[AuditLine]) -> Iterator[AuditEntry]:
        """The lines as this reader may know them."""
        for line in lines:
            subject, detail, key = self._told(line)
            yield AuditEntry(
                number=line.number,
                at=line.at,
                actor=line.actor,
                action=line.action,
                subject=subject,
                detail=detail,
                key=key,
            )

    def _told(self, line: AuditLine) -> tuple[str, str, str | None]:
        if line.of_no_site:
            return line.subject, line.detail, None
        places = [word.partition("/") for word in line.subject.split()]
        seen = [(site, rest) for site, _, rest in places if self.desk.may(Permission.AUDIT, site)]
        sites = {site for site, _ in seen}
        subject = " ".join(self._subject(site, rest) for site, rest in seen)
        whole = len(seen) == len(places)
        key = None
        if len(places) == 1 and seen and seen[0][1].startswith("Patient/"):
            (site, rest) = seen[0]
            if self.desk.may(Permission.WORKLIST, site):
                key = self.desk.store.patient_key(site, "/".join(rest.split("/")[:2]))
        return subject, self._detail(line.detail, sites, whole=whole), key

    def _subject(self, site: str, rest: str) -> str:
        if not rest or self.desk.shows_identity(site):
            return f"{site}/{rest}" if rest else site
        kind, _, name = rest.partition("/")
        if kind != "Patient":
            return f"{site}/{kind}"
        return self._number(site, name.partition("/")[0])

    def _detail(self, text: str, sites: set[str], *, whole: bool) -> str:
        if not whole:
            # A line about several sites, not all of them this reader's: only what names its site is theirs.
            named = [found for found in _PATIENT.finditer(text) if found[1] in sites]
            return " ".join(self._patient(found[1], found[2]) for found in named)
        only = next(iter(sites)) if len(sites) == 1 else None
        if all(self.desk.shows_identity(site) for site in sites):
            return text

        def patient(found: re.Match[str]) -> str:
            site = found[1] if found[1] in sites else only
            return "Patient" if site is None else self._patient(site, found[2])

        return without_ids(_PATIENT.sub(patient, text))

    def _patient(self, site: str, name: str) -> str:
        return f"{site}/Patient/{name}" if self.desk.shows_identity(site) else self._number(site, name)

    def _number(self, site: str, name: str) -> str:
        merges = self.desk.store.lake.merges(site)
        patient = merges.get(f"Patient/{name}", f"Patient/{name}")
        known = self.numbers.get((site, patient))
        if known is None:
            known = number_of(self.desk.store, self.desk.trial, Stage.REGISTRATION, site=site, patient=patient)
            self.numbers[site, patient] = known
        return known
