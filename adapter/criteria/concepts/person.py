"""In: the Patient resources of a scene. Out: age and sex as intervals and sets, and whether the person lives."""

from __future__ import annotations

from datetime import date

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.scene import Scene
from adapter.criteria.tree import Age, Sex
from adapter.criteria.truth import Truth
from adapter.fhir import When, add_months, age_on, parse_when

__all__ = ["ages_on", "answer_age", "answer_sex", "birth", "deceased", "genders"]


def birth(scene: Scene) -> When | None:
    """The day of birth, as exactly as it is known; identities that disagree leave the span of both."""
    found = [when for person in scene.record.identities if (when := parse_when(person.birth_date)) is not None]
    if not found:
        return None
    # A merged identity may know only the year: the survivor's date holds when it lies inside the other's.
    narrow = min(found, key=lambda when: when.end - when.start)
    if all(other.start <= narrow.start and narrow.end <= other.end for other in found):
        return narrow
    return When(min(when.start for when in found), max(when.end for when in found))


def genders(scene: Scene) -> frozenset[str]:
    """``male`` and ``female`` that are possible: both where the record does not say or identities disagree."""
    found = {person.gender for person in scene.record.identities if person.gender}
    return frozenset(found) if len(found) == 1 and found <= {"male", "female"} else frozenset({"male", "female"})


def ages_on(scene: Scene, first: date, last: date) -> tuple[int, int] | None:
    """Lowest and highest completed years between two days, None without a date of birth."""
    born = birth(scene)
    return None if born is None else (age_on(born.latest, first), age_on(born.earliest, last))


def _evidence(scene: Scene, value: str | None) -> tuple[Evidence, ...]:
    person = scene.person
    if person is None:
        return ()
    return (Evidence(reference=person.reference, version=person.meta.version_id, value=value),)


def answer_age(node: Age, scene: Scene) -> Answer:
    """Completed years on the reference date."""
    born = birth(scene)
    person = scene.person
    wanted = (Wanted("birth-date"),)
    if born is None or person is None:
        return Answer(Truth.U, Reason.NO_DATA, _evidence(scene, None), wanted=wanted)
    youngest, oldest = age_on(born.latest, scene.on), age_on(born.earliest, scene.on)
    evidence = _evidence(scene, person.birth_date)
    if youngest >= node.at_least:
        return Answer(Truth.T, evidence=evidence)
    # Born on 29 February, a year is completed on 1 March of a common year: add_months would clamp to 28 February.
    birthdays = frozenset(_birthday(day, node.at_least) for day in (born.earliest, born.latest))
    if oldest < node.at_least:
        return Answer(Truth.F, evidence=evidence, changes=birthdays)
    return Answer(Truth.U, Reason.IMPRECISE_DATE, evidence, changes=birthdays, wanted=wanted)


def _birthday(born: date, years: int) -> date:
    day = add_months(born, 12 * years)
    return day if day.day == born.day else date(day.year, 3, 1)


def answer_sex(node: Sex, scene: Scene) -> Answer:
    """Administrative gender; other, unknown, absent or contradictory is open."""
    possible = genders(scene)
    person = scene.person
    evidence = _evidence(scene, person.gender if person else None)
    if len(possible) > 1:
        return Answer(Truth.U, Reason.NO_DATA, evidence, wanted=(Wanted("sex"),))
    return Answer(Truth.T if node.gender in possible else Truth.F, evidence=evidence)


def deceased(scene: Scene) -> bool:
    """Dead on or before the reference date, by any of the identities (clarifications.md 21)."""
    for person in scene.record.identities:
        if person.deceased_boolean:
            return True
        when = parse_when(person.deceased_date_time)
        if person.deceased_date_time is not None and (when is None or when.earliest <= scene.on):
            return True
    return False
