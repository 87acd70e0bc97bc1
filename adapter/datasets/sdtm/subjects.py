"""In: the subjects that are staged and the views on them. Out: their facts, early ones before any row is made, late ones after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from adapter.datasets.sdtm.dates import iso_day
from adapter.datasets.sdtm.documents import Design, Domain
from adapter.datasets.sdtm.events import Event, Stay, Told, put_elements, put_facts, put_visits, stay_of
from adapter.datasets.sdtm.frame import Draft, SubjectFacts
from adapter.datasets.sdtm.notes import Notes, Place
from adapter.datasets.sdtm.numbers import plain
from adapter.datasets.sdtm.tables import Tables, key_of
from adapter.terminology import Units

__all__ = ["StagedSubject", "put_late_facts", "put_reference_end", "subjects_of"]


class StagedSubject(Protocol):
    """A subject whose data may leave the site."""

    @property
    def usubjid(self) -> str:
        """The trial's pseudonym."""

    @property
    def subjid(self) -> str:
        """Its number within the site."""

    @property
    def site(self) -> str:
        """The site's id."""

    @property
    def site_code(self) -> str:
        """The sponsor's number of the site."""

    @property
    def consented_on(self) -> Any:
        """Day of the informed consent."""


def subjects_of(
    staged: Iterable[StagedSubject], tables: Tables, *, design: Design, units: Mapping[str, Units], notes: Notes
) -> dict[str, tuple[SubjectFacts, Told]]:
    """The facts of every subject that are known before any row is made, by USUBJID.

    Args:
        staged: the subjects.
        tables: of the views.
        design: of the study.
        units: unit spellings by site; the key ``""`` holds the general ones.
        notes: for what contradicts itself.
    """
    events, stays, patients = _by_subject(tables)
    paths = _paths(tables)
    found = {}
    for subject in sorted(staged, key=lambda one: one.usubjid):
        patient = patients.get(subject.usubjid, {})
        told = Told(
            events=tuple(sorted(events.get(subject.usubjid, ()), key=lambda one: (one.position, one.on))),
            stays=tuple(stays.get(subject.usubjid, ())),
            patient=patient,
            patient_resource=f"Patient/{subject.usubjid}" if patient else None,
            paths=paths,
        )
        site = f"Patient/{subject.usubjid}"
        facts = SubjectFacts(
            usubjid=subject.usubjid,
            values={"usubjid": subject.usubjid, "subjid": subject.subjid, "site_code": subject.site_code},
            sources={"site_code": (site, paths["site_code"])} if patient.get("site_code") is not None else {},
            units=units.get(subject.site, units[""]),
        )
        put_facts(facts, told, design, notes)
        if facts.values.get("consented_on") is None and subject.consented_on is not None:
            facts.values["consented_on"] = str(subject.consented_on)
        if not patient:
            notes.record("subject-without-patient", Place("DM", subject.usubjid), text=_WITHOUT_PATIENT)
        put_elements(facts, told, design)
        put_visits(facts, told, design, notes)
        found[subject.usubjid] = (facts, told)
    return found


_WITHOUT_PATIENT = "The feed holds no Patient of the subject: sex, age and death are not known."
#: Columns that facts are traced to, with the view that they are of.
_TRACED = {
    "age": "patient",
    "arm": "subject_event",
    "deceased": "patient",
    "deceased_date": "patient",
    "end": "encounter",
    "gender": "patient",
    "kind": "subject_event",
    "on": "subject_event",
    "reason": "subject_event",
    "site_code": "patient",
    "start": "encounter",
    "visit": "encounter",
}


def _paths(tables: Tables) -> dict[str, str]:
    known = tables.paths()
    return {name: known.get(view, {}).get(name, name) for name, view in _TRACED.items()}


def _by_subject(
    tables: Tables,
) -> tuple[dict[str, list[Event]], dict[str, list[Stay]], dict[str, Mapping[str, Any]]]:
    events: dict[str, list[Event]] = {}
    for row in tables.mappings("subject_event"):
        on = iso_day(str(row["on"])) if row.get("on") is not None else None
        if row.get("kind") is not None and on is not None:
            events.setdefault(key_of(row["usubjid"]), []).append(_event(row, on))
    stays: dict[str, list[Stay]] = {}
    for row in tables.mappings("encounter"):
        stay = stay_of(row)
        if stay is not None:
            stays.setdefault(key_of(row["usubjid"]), []).append(stay)
    patients: dict[str, Mapping[str, Any]] = {key_of(row["usubjid"]): row for row in tables.mappings("patient")}
    return events, stays, patients


def _event(row: Mapping[str, Any], on: str) -> Event:
    return Event(
        resource=f"ResearchSubject/{key_of(row['id'])}",
        position=_whole(row.get("position")) or 0,
        kind=str(row["kind"]),
        on=on,
        reason=row.get("reason"),
        cycle=_whole(row.get("cycle")),
        arm=row.get("arm"),
        visit=_whole(row.get("visit")),
        row=plain(row.get("row")),
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def put_late_facts(
    subjects: Mapping[str, tuple[SubjectFacts, Told]],
    design: Design,
    exposures: Sequence[Draft],
    places: Mapping[str, int],
    notes: Notes,
) -> None:
    """Write what the rows of EX tell of each subject: first and last exposure, the arm that was followed.

    Args:
        subjects: by USUBJID.
        design: of the study.
        exposures: rows of EX.
        places: of the variables of EX.
        notes: for infusions that the history and the records do not tell alike.
    """
    given: dict[str, list[tuple[str, str]]] = {}
    for draft in exposures:
        start = draft.frame[places["EXSTDTC"]]
        if start is not None:
            end = draft.frame[places["EXENDTC"]] if "EXENDTC" in places else None
            given.setdefault(draft.usubjid, []).append((start, end or start))
    for usubjid, (facts, told) in subjects.items():
        mine, values = given.get(usubjid, []), facts.values
        _compare(told, facts, [start for start, _ in mine], notes)
        # As precise as the dates of EX are (RFXSTDTC must agree with EXSTDTC).
        values["rfxstdtc"] = min((start for start, _ in mine), default=None)
        values["rfxendtc"] = max((end for _, end in mine), default=None)
        _put_actual_arm(facts, design)


def _compare(told: Told, facts: SubjectFacts, starts: Sequence[str], notes: Notes) -> None:
    """Tell infusions that only the history knows of, and those of one day, which are one (clinical-spec.md section 9)."""
    place, since = Place("EX", facts.usubjid), facts.values.get("study_treatment_from")
    days = {start[:_DAY] for start in starts}
    noted = [one for one in told.events if one.kind == "cycle" and since is not None and one.on >= str(since)]
    if len(noted) > len(days):
        notes.record("infusion-without-record", place, text=_WITHOUT_RECORD)
    if len(starts) > len(days):
        notes.record("infusions-of-one-day", place, "EXSTDTC", text=_OF_ONE_DAY)


_WITHOUT_RECORD: Final = "The subject's history tells of more infusions since the randomisation than there are records of: EX and ARMNRS lack one."
_OF_ONE_DAY: Final = (
    "Two infusions of one day, which differ in dose, status or time, may be one that was recorded twice: both are kept."
)
#: The end of a medication is planned as often as told; SE repeats the days of the events, and a follow-up begins the day after.
_NOT_KNOWN: Final = ("CMENDTC", "SESTDTC", "SEENDTC")
_DAY: Final = len("2024-05-20")


def put_reference_end(
    subjects: Mapping[str, tuple[SubjectFacts, Told]], domains: Iterable[tuple[Domain, Sequence[Draft]]]
) -> None:
    """Write the end of the reference period: of the participation, and while it lasts the last day of any record of the subject.

    What did not take place (``--OCCUR`` is N) has no day, and a planned end of a medication is none yet.

    Args:
        subjects: by USUBJID.
        domains: with their rows.
    """
    last: dict[str, str] = {}
    for usubjid, (facts, told) in subjects.items():
        if facts.values.get("rfstdtc") is None:
            continue
        over = facts.values.get("participation_ended_on")
        if over is not None:
            facts.values["rfendtc"] = over
        else:
            last[usubjid] = max((event.on for event in told.events), default="")
    for domain, drafts in domains:
        slots = [domain.places[one] for one in _dated(domain) if one in domain.places]
        occurred = domain.places.get(f"{domain.code}OCCUR")
        for draft in drafts if slots and last else ():
            known = last.get(draft.usubjid)
            if known is None or (occurred is not None and draft.frame[occurred] == "N"):
                continue
            for slot in slots:
                day = draft.frame[slot]
                # A partial date does not tell which day.
                if day is not None and len(day) >= _DAY and day[:_DAY] > known:
                    known = last[draft.usubjid] = day[:_DAY]
    for usubjid, day in last.items():
        subjects[usubjid][0].values["rfendtc"] = day or None


def _dated(domain: Domain) -> list[str]:
    names = (f"{domain.code}{part}" for part in ("DTC", "STDTC", "ENDTC"))
    return [name for name in names if name not in _NOT_KNOWN]


def _put_actual_arm(facts: SubjectFacts, design: Design) -> None:
    """The arm that was followed; where it is not the planned one, why (ARMNRS)."""
    values = facts.values
    arm, exposed = (
        design.arm(str(values["arm"])) if values.get("arm") is not None else None,
        values["rfxstdtc"] is not None,
    )
    if arm is None:
        values["arm_null_reason"] = values.get("no_arm_reason")
    elif arm.treated and not exposed:
        values["arm_null_reason"] = "ASSIGNED, NOT TREATED"
    elif exposed and not arm.treated:
        values["arm_null_reason"] = "UNPLANNED TREATMENT"
        values["unplanned_treatment"] = "Study treatment was given in an arm without treatment"
    else:
        values["actual_arm_code"], values["actual_arm_label"] = arm.code, arm.label
