"""In: the subjects of a site before they have a number. Out: the number of each, the sponsor's or the next free one; who cannot have theirs, counted.

A number that is, or holds, one by which the hospital knows the person is no pseudonym: the subject is not exported.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapter.datasets.model import Finding
from adapter.datasets.source import RawResource
from adapter.datasets.subjects.consenting import ConsentState
from adapter.datasets.subjects.people import LeftOut, Person, Scope
from adapter.pseudonyms import keyed_digest
from adapter.store import Pseudonym, Store
from mappings.entities import Subject

__all__ = ["Candidate", "numbered"]

#: What a subject's number looks like: a short word, and groups of a few digits (``RELUTH-05-0001``, ``FR05-012``, ``05-0001``). A
#: name has no digits, a record number has more in a row, a date has three groups and no word.
_NUMBER: Final = re.compile(r"[A-Za-z]{1,12}-?\d{1,6}(-\d{1,6}){0,2}|\d{1,6}(-\d{1,6})?", re.ASCII)
_SHORTEST: Final = 5


@dataclass
class Candidate:
    """What was read of one person before a number is settled."""

    person: Person
    subject: Subject
    number: str | None
    state: ConsentState
    consented: date
    withdrawn: date | None
    cut: date | None
    used: tuple[RawResource, ...]


def _unlike(read: list[Candidate], left_out: LeftOut) -> list[Candidate]:
    """Those whose number is nobody else's."""
    counts = Counter(one.number for one in read if one.number is not None)
    kept = []
    for one in read:
        if one.number is not None and counts[one.number] > 1:
            left_out.add(
                "number-refused",
                "subject-number-twice",
                "Two patients have the same subject number: neither is exported.",
            )
        elif one.number is not None and _is_hospital_number(one.number, one.person):
            left_out.add(
                "number-refused",
                "subject-number-is-hospital-number",
                "A subject number is, or holds, a number by which the hospital knows the person: nothing is exported of the subject.",
            )
        elif one.number is not None and not _NUMBER.fullmatch(one.number):
            left_out.add(
                "number-refused",
                "subject-number-refused",
                "A subject number is no pseudonym: a short word and groups of up to six digits are wanted, RELUTH-05-0001.",
            )
        else:
            kept.append(one)
    return kept


def _is_hospital_number(number: str, person: Person) -> bool:
    """It equals one of the person's identifiers or ids, or holds one of five characters or more."""
    told: list[object] = [identity.partition("/")[2] for identity in person.identities]
    for body in person.bodies("Patient"):
        told += [one.get("value") for one in body.get("identifier") or () if isinstance(one, dict)]
    if person.entity is not None and isinstance(person.entity.entity, Subject):
        told.append(person.entity.entity.patient.value)
    plain = _plain(number)
    known = {_plain(text) for text in told if isinstance(text, str)} - {""}
    return any(plain == one or (len(one) >= _SHORTEST and one in plain) for one in known)


def _plain(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def numbered(store: Store, scope: Scope, read: list[Candidate], left_out: LeftOut) -> list[tuple[Candidate, str]]:
    """Give each a number: the one told, the one that was given before, or the next free one; and keep who has which."""
    trial = scope.trial.id
    standing = {(one.site, one.patient): one for one in store.subjects.pseudonyms(trial)}
    read = _unlike(read, left_out)
    kept: list[Pseudonym] = []
    found: list[tuple[Candidate, str]] = []
    taken = {one.number for one in read if one.number is not None}

    # By the day of the consent, then by what no hospital's number shows through.
    def order(each: Candidate) -> tuple[bool, date, bytes]:
        return each.number is None, each.consented, keyed_digest(scope.key, scope.site, each.person.patient)

    for one in sorted(read, key=order):
        person = one.person
        before = next(
            (standing[scope.site, each] for each in person.identities if (scope.site, each) in standing), None
        )
        number, assigned = one.number, False
        if number is None and before is not None and before.usubjid not in taken:
            number, assigned = before.usubjid, before.assigned
        if number is None:
            if scope.site_code is None:
                left_out.add(
                    "no-number",
                    "no-site-code",
                    "A subject has no number, and the settings name no site_code to make one with.",
                )
                continue
            prefix = f"{scope.trial.acronym.upper()}-{scope.site_code}-"
            number, assigned = f"{prefix}{store.subjects.next_number(trial, prefix, taken=taken):04}", True
        taken.add(number)
        owner = next((each for each in standing.values() if each.usubjid == number), None)
        if owner is not None and (
            owner.site != scope.site or (owner.patient not in person.identities and not owner.assigned)
        ):
            left_out.add(
                "number-refused",
                "subject-number-twice",
                "A subject number was another patient's before: nothing is exported of the subject.",
            )
            continue
        if before is not None and before.usubjid != number:
            left_out.findings.append(
                Finding(
                    code="subject-number-changed",
                    text="A subject has another number than in the export before.",
                    subject=number,
                )
            )
        kept.append(Pseudonym(scope.site, person.patient, number, assigned))
        found.append((one, number))
    merged = {(scope.site, each): one.person.patient for one in read for each in one.person.identities[1:]}
    store.subjects.keep(trial, kept, merged=merged)
    return found
