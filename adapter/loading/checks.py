"""In: an entity that is right by itself, and whose it is. Out: nothing, or an `EntityError`: it does not fit what is known besides."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapter.fhir import is_usable
from adapter.loading.columns import LOINC, Loadable
from adapter.loading.target import Rules
from adapter.store import StoredEntity
from mappings.entities import EntityError, EventKind, Identifier, Infusion, LabResult, Study, Subject

__all__ = ["MOST_EVENTS", "check_against_stored", "check_entity", "check_person", "check_unit", "is_loinc"]

#: A life in a trial has fewer: the order of more would take long to check.
MOST_EVENTS: Final = 500
#: As long as the store keeps them.
_LONGEST_KEY: Final = 255
#: As a spreadsheet shows a whole number of more than eleven digits, and writes it into a CSV file.
_SHORTENED: Final = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]{1,3}")
#: Format characters (a zero-width space, a direction mark) and spaces of all kinds, line separators among them.
_UNSEEN: Final = frozenset({"Cf", "Zl", "Zp", "Zs"})
_LOINC: Final = re.compile(r"[0-9]{1,7}-[0-9]")


def check_entity(entity: Loadable, rules: Rules) -> None:
    """Refuse what does not fit the site, the study or the terminology."""
    match entity:
        case Study():
            _check_length("id", entity.id)
        case Subject():
            _check_subject(entity, rules)
        case LabResult():
            _check_identifiers(entity, laboratory=entity.laboratory)
            _check_amounts(entity, "value", "low", "high")
            for at, code in enumerate(entity.codes):
                if code.system == LOINC and not is_loinc(code.code):
                    raise EntityError(f"codes[{at}].code", "is no LOINC code: its check digit is wrong")
        case Infusion():
            _check_identifiers(entity, performer=entity.performer)
            if entity.batch is not None:
                _check_number("batch.number", entity.batch.number)
            _check_amounts(entity, "prescribed", "administered", "calibrated", "rate")
            if entity.amino_acids is not None and not _usable(entity.amino_acids.volume):
                raise EntityError("amino_acids.volume", "has too many digits")


def check_against_stored(entity: Loadable, standing: StoredEntity) -> None:
    """Refuse to take from what is stored under the same key: another person's, the history of a subject, the hospital's change.

    Every stored event has to come again, unchanged and in its order; others may stand before, between and after them. What the
    hospital changed has to be as it is there.
    """
    stored = standing.entity
    if getattr(entity, "patient", None) != getattr(stored, "patient", None):
        raise EntityError("patient", "is stored for another person under the same key")
    if isinstance(entity, Subject) and isinstance(stored, Subject):
        coming = iter(entity.events)
        # Each is looked for after the one before it.
        if any(event not in coming for event in stored.events):
            raise EntityError(
                "events",
                f"of the {len(stored.events)} events that are stored not all come again: load the whole history",
            )
    elif standing.is_hospitals and entity != stored:
        raise EntityError("id", "was changed at the hospital since it was loaded, and this would undo it")


def check_person(entity: Loadable, subjects: Mapping[str, Subject]) -> None:
    """Refuse a result or an infusion under a pseudonym that is another person's: it would be sent to the hospital so.

    Args:
        entity: what is loaded.
        subjects: those that are stored at the site, by number.
    """
    if not isinstance(entity, LabResult | Infusion) or entity.subject is None:
        return
    named = subjects.get(entity.subject)
    if named is None:
        # A file may come before that of its subjects; but this person has a number already.
        if any(subject.patient == entity.patient for subject in subjects.values()):
            raise EntityError("subject", "is not loaded, and the person is loaded as another subject")
    elif named.patient.system == entity.patient.system and named.patient.value != entity.patient.value:
        # Of a person who has a number in each of two numberings nothing can be said.
        raise EntityError("subject", "is the pseudonym of another person than the patient")


def check_unit(unit: str, spellings: Mapping[str, str]) -> None:
    """Refuse what a laboratory prints where a UCUM code is wanted, with the code that it means.

    >>> check_unit("g/dl", {"g/dl": "g/dL"})
    >>> check_unit("G/L", {"G/L": "10*9/L"})
    Traceback (most recent call last):
    mappings.entity.fields.EntityError: unit: is a printed unit; the UCUM code is wanted: `10*9/L`
    """
    if unit in spellings.values():
        return
    spelling = " ".join(unit.replace("\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}").split())
    found = {spellings[spelling]} if spelling in spellings else set()
    found = found or {code for other, code in spellings.items() if other.casefold() == spelling.casefold()}
    # UCUM knows the litre by either letter.
    if any(code.replace("l", "L") == unit.replace("l", "L") for code in found):
        return
    if found:
        wanted = " or ".join(f"`{code}`" for code in sorted(found))
        raise EntityError("unit", f"is a printed unit; the UCUM code is wanted: {wanted}")


def is_loinc(code: str) -> bool:
    """Whether a code has the form of LOINC and the check digit that belongs to it (LOINC Users' Guide, Mod 10).

    >>> is_loinc("718-7"), is_loinc("718-8"), is_loinc("HB")
    (True, False, False)
    """
    if not _LOINC.fullmatch(code):
        return False
    number, _, digit = code.partition("-")
    doubled = [int(one) * (2 if at % 2 == 0 else 1) for at, one in enumerate(reversed(number))]
    return (10 - sum(one // 10 + one % 10 for one in doubled) % 10) % 10 == int(digit)


def _check_subject(subject: Subject, rules: Rules) -> None:
    _check_length("number", subject.number)
    _check_number("number", subject.number)
    _check_length("patient.system", subject.patient.system)
    _check_number("patient.value", subject.patient.value)
    if subject.study != rules.target.trial:
        raise EntityError("study", f"is another trial than {rules.target.trial}, which is loaded")
    if rules.target.site_code is not None and subject.site != rules.target.site_code:
        raise EntityError("site", "is not the number of this site in the settings (site_code)")
    for at, event in enumerate(subject.events):
        if event.kind is not EventKind.RANDOMISED:
            continue
        arms = rules.arms
        if arms is None:
            raise EntityError(f"events[{at}].arm", "the study is not known: load it first (`reluth load study`)")
        if event.arm is None or event.arm not in arms:
            raise EntityError(f"events[{at}].arm", f"is none of the study's arms: {', '.join(arms)}")
        if event.intervention is not arms[event.arm]:
            raise EntityError(f"events[{at}].intervention", "is not what the study says of that arm")


def _check_identifiers(entity: LabResult | Infusion, **others: Identifier | None) -> None:
    for field, one in {"id": entity.id, "patient": entity.patient, **others}.items():
        if one is not None:
            _check_length(f"{field}.system", one.system)
            _check_number(f"{field}.value", one.value)


def _check_number(field: str, number: str) -> None:
    """Refuse a number by which nothing could be found again, or two things would be taken for one."""
    if _SHORTENED.fullmatch(number):
        raise EntityError(field, "a number written out is wanted: a spreadsheet has shortened it, and digits are lost")
    if any(one != " " and unicodedata.category(one) in _UNSEEN for one in number):
        raise EntityError(field, "has characters that are not seen, or blanks that are no plain ones")


def _check_length(field: str, text: str) -> None:
    if len(text) > _LONGEST_KEY:
        raise EntityError(field, f"has more than {_LONGEST_KEY} characters")


def _check_amounts(entity: LabResult | Infusion, *fields: str) -> None:
    for field in fields:
        if not _usable(getattr(entity, field)):
            raise EntityError(field, "has too many digits")


def _usable(amount: Decimal | None) -> bool:
    return amount is None or is_usable(amount)
