"""In: a subject of a trial, or a ResearchSubject of R4, R4B or R5. Out: the ResearchSubject, or the subject.

Reference: clinical-spec.md section 8. R4 and R4B have the current status only, hence the whole history stands in extensions
(`mappings.subject_history`); R5 has ``progress`` (`mappings.subject_progress`). Extensions of the resource in all versions:

- ``urn:reluth:extension:trial`` (code): the product's id of the trial, whatever the study is referred to by;
- ``urn:reluth:extension:site`` (code): the sponsor's number of the site.

``consent`` is not written: no Consent is made here, and the day of the signature is an event. What a hospital put there stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapter.fhir import FhirVersion, Json, parse_when
from mappings.element_values import identified
from mappings.elements import OURS, SUBJECT_SYSTEM, extension, identifier, patient_reference, without_empty
from mappings.entities import EntityError, EventKind, Identifier, Study, Subject
from mappings.foreign import Element
from mappings.study_parts import arm_link
from mappings.subject_history import EVENT, day_in, event_extension, read_history
from mappings.subject_progress import progress_of, read_progress
from mappings.subject_status import STATUSES, Events, Make, Told, event_for, follow, status_of

__all__ = ["OWNED", "TRIAL_SYSTEM", "event_for", "from_fhir", "status_of", "to_fhir"]

#: Identifier.system of the product's own ids of trials, where nothing tells the study's official number.
TRIAL_SYSTEM: Final = f"{OURS}trial"

_TYPE: Final = "ResearchSubject"
_R4: Final = frozenset({"identifier", "status", "period", "study", "individual", "assignedArm", "actualArm"})
_R5: Final = frozenset(
    {
        "identifier",
        "status",
        "progress",
        "period",
        "study",
        "subject",
        "assignedComparisonGroup",
        "actualComparisonGroup",
    }
)
#: The elements that this mapper speaks of.
OWNED: Final[Mapping[FhirVersion, Mapping[str, frozenset[str]]]] = {
    FhirVersion.R4: {_TYPE: _R4},
    FhirVersion.R4B: {_TYPE: _R4},
    FhirVersion.R5: {_TYPE: _R5},
}

#: Events with which the participation ends (R4 ResearchSubject.period).
_ENDING: Final = frozenset({EventKind.WITHDRAWN, EventKind.RANDOMISATION_FAILED, EventKind.DIED, EventKind.ENDED})
#: Statuses of a participation that is over.
_ENDED: Final = frozenset({"withdrawn", "off-study"})
#: What a randomised subject's arm begins with: the first two cycles are given to all.
_CYCLES_BEFORE_ARMS: Final = 2


def to_fhir(subject: Subject, *, version: FhirVersion = FhirVersion.R4, study: Study | None = None) -> Json:
    """The ResearchSubject.

    Args:
        subject: the entity.
        version: R4 and R4B are written alike.
        study: refers to the study by its official number; without it, by the product's id of the trial.

    Raises:
        EntityError: the study is another one than the subject's.
    """
    if study is not None and study.id != subject.study:
        raise EntityError("study", "is another study than the subject's")
    history = [event_extension(event, at) for at, event in enumerate(subject.events, start=1)]
    is_r5 = version is FhirVersion.R5
    assigned, actual = subject.arm, subject.arm if _begun(subject) else None
    resource: Json = {
        "resourceType": _TYPE,
        "extension": [
            extension("trial", "Code", subject.study),
            extension("site", "Code", subject.site),
            *([] if is_r5 else history),
        ],
        "identifier": [identifier(Identifier(system=SUBJECT_SYSTEM, value=subject.number), use="official")],
        # R5's status is that of the record (publication-status), not of the subject.
        "status": "active" if is_r5 else status_of(subject),
    }
    if is_r5:
        resource["progress"] = progress_of(subject.events)
    resource |= {"period": _period(subject), "study": _study_reference(subject, study)}
    if is_r5:
        resource |= {
            "subject": patient_reference(subject.patient),
            "assignedComparisonGroup": arm_link(assigned) if assigned else None,
            "actualComparisonGroup": arm_link(actual) if actual else None,
        }
    else:
        resource |= {
            "individual": patient_reference(subject.patient),
            "assignedArm": assigned,
            "actualArm": actual,
        }
    return without_empty(resource)


def from_fhir(resource: Json, *, study: Study | None = None, site: str | None = None) -> Subject:
    """The subject that a ResearchSubject tells of.

    A status that a hospital changed becomes one more event, of the day on which the resource was changed; likewise an entry
    of ``progress`` that somebody else wrote. A resource that we did not write becomes a subject with the one event that its
    status stands for.

    Args:
        resource: of R4, R4B or R5; numbers as int or Decimal.
        study: the trial's, to know the reference of a resource that we did not write.
        site: the site that it was pulled from, for a resource that does not tell.

    Raises:
        MappingError: the resource lacks what a subject has, or tells what a subject cannot be.
    """
    element = Element(resource)
    if element.text("resourceType") != _TYPE:
        raise element.fail("resourceType", f"a {_TYPE} is wanted")
    element.refuse_modifiers()
    is_r5 = not element.has("individual") and any(element.has(name) for name in _R5 - _R4)
    trial, place, number = _trial(element, study), _site(element, site), _number(element)
    patient = _patient(element, "subject" if is_r5 else "individual")

    def make(events: Events) -> Subject:
        return Subject(study=trial, site=place, number=number, patient=patient, events=events)

    events = _events_r5(element, make, study) if is_r5 else _events_r4(element, make)
    subject = _checked(element, make, events)
    _check_arms(element, subject, is_r5=is_r5)
    if _is_ours(element):
        _check_period(element, subject)
    return subject


# --- writing -------------------------------------------------------------------------------------------------------


def _begun(subject: Subject) -> bool:
    """A cycle of the arm or a visit shows that it was begun."""
    return any(event.kind is EventKind.VISIT or (event.cycle or 0) > _CYCLES_BEFORE_ARMS for event in subject.events)


def _period(subject: Subject) -> Json:
    """From the registration to the end; who was never registered did not take part."""
    registered = subject.first(EventKind.REGISTERED)
    if registered is None:
        return {}
    ending = next((event for event in subject.events if event.kind in _ENDING), None)
    return without_empty({"start": registered.on, "end": ending.on if ending else None})


def _study_reference(subject: Subject, study: Study | None) -> Json:
    if study is None:
        return {"type": "ResearchStudy", "identifier": {"system": TRIAL_SYSTEM, "value": subject.study}}
    official = study.official
    return {
        "type": "ResearchStudy",
        "identifier": without_empty({"system": official.system, "value": official.value}),
    }


# --- reading: who, where, in which study ---------------------------------------------------------------------------


def _trial(element: Element, study: Study | None) -> str:
    """The product's id of the trial."""
    reference = element.child("study")
    named = reference.child("identifier") if reference else None
    system, value = (named.text("system"), named.text("value")) if named else (None, None)
    known = element.extension("trial")
    trial = known.needed("valueCode") if known else value if system == TRIAL_SYSTEM else None
    is_of_study = study is not None and any(
        value == one.value and (one.system in (None, system) or system is None) for one in study.identifiers
    )
    if trial is None:
        if study is None or not is_of_study:
            raise element.fail("study", "names no study that is known here")
        return study.id
    names_another = value is not None and (
        value != trial if system == TRIAL_SYSTEM else study is not None and study.id == trial and not is_of_study
    )
    if names_another:
        raise element.fail("study", "names another study than the extension trial")
    return trial


def _site(element: Element, site: str | None) -> str:
    known = element.extension("site")
    if known is not None:
        return known.needed("valueCode")
    if site is None:
        raise element.fail("extension", "the site is not told")
    return site


def _number(element: Element) -> str:
    """The trial's pseudonym; of a resource that we did not write, its only or its official identifier."""
    listed = [one for one in element.children("identifier") if one.has("value")]
    for kind in (
        [one for one in listed if one.text("system") == SUBJECT_SYSTEM],
        [one for one in listed if one.text("use") == "official"],
        listed,
    ):
        values = {one.needed("value") for one in kind}
        if len(values) > 1:
            raise element.fail("identifier", "more than one may be the subject's number")
        if values:
            return values.pop()
    raise element.fail("identifier", "the subject's number is missing")


def _patient(element: Element, name: str) -> Identifier:
    reference = element.child(name)
    if reference is None:
        raise element.fail(name, "is missing")
    if reference.text("type") not in (None, "Patient"):
        raise reference.fail("type", "a Patient is wanted")
    return identified(reference)


# --- reading: what happened ----------------------------------------------------------------------------------------


def _is_ours(element: Element) -> bool:
    """Events of ours stand in it."""
    return any(one.extension(EVENT) is not None for one in (element, *element.children("progress")))


def _events_r4(element: Element, make: Make) -> Events:
    status = element.needed("status")
    if status not in STATUSES:
        raise element.fail("status", "is no status of a ResearchSubject")
    events = read_history(element)
    if events:
        known = _checked(element, make, events)
        if status == status_of(known):
            return events
        on = _day_of_change(element, status, known)
    else:
        on = _day_of_status(element, status)
    try:
        return follow(make, events, Told(status, on, FhirVersion.R4, element.text("assignedArm")))
    except EntityError as error:
        raise element.fail(error.field, error.problem) from None


def _events_r5(element: Element, make: Make, study: Study | None) -> Events:
    if element.needed("status") != "active":
        raise element.fail("status", "the record is not in use: active is wanted")
    link = element.text("assignedComparisonGroup")
    arms = study.arms if study else ()
    arm = next((one.name for one in arms if arm_link(one.name) == link), link)
    changed = _day_changed(element) if _is_ours(element) else None
    events = read_progress(element, make, arm=arm, changed=changed)
    if not events:
        raise element.fail("progress", "is missing")
    return events


def _checked(element: Element, make: Make, events: Events) -> Subject:
    try:
        return make(events)
    except EntityError as error:
        raise element.fail(error.field, error.problem) from None


def _day_changed(element: Element) -> str | None:
    meta = element.child("meta")
    return day_in(meta, "lastUpdated") if meta else None


def _day_of_change(element: Element, status: str, known: Subject) -> str:
    """When a hospital changed the status of a resource of ours: the period where it tells that, else the last change."""
    period, ours = element.child("period"), _period(known)
    name = "end" if status in _ENDED else "start" if status == "pending-on-study" else None
    told = day_in(period, name) if period and name and name not in ours else None
    on = told or _day_changed(element)
    if on is None:
        raise element.fail("status", "was changed, and meta.lastUpdated does not tell when")
    return on


def _day_of_status(element: Element, status: str) -> str:
    """The day of the one event that stands for a foreign status."""
    period = element.child("period")
    start, end = (day_in(period, "start"), day_in(period, "end")) if period else (None, None)
    if status in _ENDED and end is not None:
        if start not in (None, end):
            raise element.fail("period.start", "tells a beginning whose registration and consent are not told")
        return end
    if start is None:
        raise element.fail("period.start", "is missing")
    return start


def _check_arms(element: Element, subject: Subject, *, is_r5: bool) -> None:
    """What a hospital says of the arms is not overwritten unseen."""
    names = ("assignedComparisonGroup", "actualComparisonGroup") if is_r5 else ("assignedArm", "actualArm")
    arm = subject.arm
    for name in names:
        told = element.text(name)
        if told is not None and (arm is None or told != (arm_link(arm) if is_r5 else arm)):
            raise element.fail(name, "differs from the arm of the randomisation")


def _check_period(element: Element, subject: Subject) -> None:
    """Likewise of the beginning and the end; a partial date that leaves our day possible says the same."""
    period, ours = element.child("period"), _period(subject)
    for name in ("start", "end"):
        text = period.text(name) if period else None
        if text is None:
            continue
        when = parse_when(text)
        agrees = when is not None and name in ours and str(when.earliest) <= ours[name] <= str(when.latest)
        if not agrees:
            raise element.fail(f"period.{name}", "differs from what the events tell")
