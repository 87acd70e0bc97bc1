"""In: how many subjects, for how many months, and a seed. Out: a study with synthetic enrolled subjects, all that is told of them, and the hospital's Patients.

The same for the same arguments. ``name`` stands in every identifier, so that two tests on one server do not meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import takewhile
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from adapter.documents import load_study
from adapter.fhir import Json
from mappings.entities import (
    AminoAcids,
    Batch,
    Coding,
    Entity,
    EventKind,
    Extravasation,
    Identifier,
    Infusion,
    InfusionStatus,
    Interruption,
    LabResult,
    LabStatus,
    Study,
    StudyIdentifier,
    Subject,
    SubjectEvent,
)

__all__ = ["Enrolment", "enrolled"]

PARIS: Final = ZoneInfo("Europe/Paris")
ATC: Final = "http://www.whocc.no/atc"
SCT: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
FINESS: Final = "urn:oid:1.2.250.1.71.4.2.2"
RPPS: Final = "urn:oid:1.2.250.1.71.4.2.1"
TRIAL: Final = "nct04954820"
FIRST_DAY: Final = date(2022, 1, 10)
WEEK: Final = timedelta(weeks=1)
VISITS_OF_12_MONTHS: Final = 13
RECRUITING: Final = 27


@dataclass(frozen=True)
class Analyte:
    """A laboratory quantity: LOINC and local code, UCUM unit, limits, usual level, decimals, what a cycle makes of it."""

    loinc: str
    local: str
    unit: str
    printed: str
    low: str | None
    high: str | None
    level: str
    places: int
    after_cycle: float = 1.0


#: Codes and units of clinical-spec.md sections 5 and 6.
ANALYTES: Final = (
    Analyte("718-7", "HB", "g/dL", "g/dL", "12.0", "16.0", "12.4", 1, 0.96),
    Analyte("26499-4", "PNN", "10*9/L", "G/L", "1.50", "7.00", "3.60", 2, 0.8),
    Analyte("777-3", "PLQ", "10*9/L", "G/L", "150", "400", "210", 0, 0.75),
    Analyte("6690-2", "LEUC", "10*9/L", "G/L", "4.00", "10.00", "6.10", 2, 0.85),
    Analyte("26474-7", "LYMPH", "10*9/L", "G/L", "1.00", "4.00", "1.60", 2, 0.6),
    Analyte("14682-9", "CREA", "umol/L", "µmol/L", "60", "105", "82", 0, 1.02),
    Analyte("77147-7", "MDRD", "mL/min/{1.73_m2}", "mL/min/1,73 m²", None, None, "78", 0, 0.98),
    Analyte("1742-6", "ALAT", "U/L", "UI/L", "7", "40", "27", 0),
    Analyte("1920-8", "ASAT", "U/L", "UI/L", "8", "40", "25", 0),
    Analyte("14631-6", "BILT", "umol/L", "µmol/L", "3", "17", "9", 0),
    Analyte("1751-7", "ALB", "g/L", "g/L", "35", "50", "41", 0),
    Analyte("14749-6", "GLUC", "mmol/L", "mmol/L", "3.9", "6.1", "5.2", 1),
)


@dataclass(frozen=True)
class Enrolment:
    """A study, its subjects, and what is told of them."""

    name: str
    study: Study
    subjects: tuple[Subject, ...]
    labs: tuple[LabResult, ...]
    infusions: tuple[Infusion, ...]

    @property
    def entities(self) -> tuple[Entity, ...]:
        """All of them, the study first."""
        return (self.study, *self.subjects, *self.labs, *self.infusions)

    @cached_property
    def patients(self) -> list[Json]:
        """The hospital's own records of the persons, with ids and numbers of the hospital."""
        return [
            {
                "resourceType": "Patient",
                "id": f"{self.name}-{one.patient.value}",
                "identifier": [
                    {"use": "usual", "system": one.patient.system, "value": one.patient.value},
                    {"system": f"urn:example:{self.name}:dossier", "value": f"D{at:05}"},
                ],
                "gender": ("female", "male")[at % 2],
                "birthDate": str(1940 + at % 45),
            }
            for at, one in enumerate(self.subjects)
        ]


def enrolled(number: int = 146, *, name: str | None = None, months: int = 12, seed: int = 1) -> Enrolment:
    """Subjects over all recruiting sites with their whole way through the trial.

    Args:
        number: of subjects; 146 are planned.
        name: goes into every identifier, those of the study too; None for the study as it is shipped.
        months: of laboratory results, in 4-weekly samples of 12 analytes each.
        seed: of the chance in it.
    """
    study = load_study(TRIAL)
    if name is not None:
        numbered = StudyIdentifier(value=name, use="official", system="urn:example:registry")
        study = msgspec.structs.replace(study, id=name, identifiers=(numbered, *_secondary(study, name)))
    name = name or "reluth"
    people = [_Person(at, name, study.id, Random(f"{seed}/{at}")) for at in range(number)]
    samples = 1 + months * (VISITS_OF_12_MONTHS - 1) // 12
    return Enrolment(
        name=name,
        study=study,
        subjects=tuple(one.subject for one in people),
        labs=tuple(result for one in people for result in one.labs(samples)),
        infusions=tuple(infusion for one in people for infusion in one.infusions()),
    )


def _secondary(study: Study, name: str) -> list[StudyIdentifier]:
    return [
        msgspec.structs.replace(one, use="secondary", value=f"{name}:{one.value}")
        for one in study.identifiers
        if one.use == "secondary"
    ]


class _Person:
    """One subject under way."""

    def __init__(self, at: int, name: str, study: str, rng: Random) -> None:
        self.rng = rng
        self.name = name
        self.at = at
        self.patient = Identifier(system=f"urn:example:{name}:ipp", value=f"{800_000 + at * 7}")
        self.number = f"{name.upper()}-{1 + at % RECRUITING:02}-{1 + at // RECRUITING:04}"
        self.begin = FIRST_DAY + timedelta(days=at * 5)
        self.subject = Subject(
            study=study,
            site=f"{1 + at % RECRUITING:02}",
            number=self.number,
            patient=self.patient,
            events=tuple(self._events()),
        )

    # The way through the trial ------------------------------------------------------------------------------------

    def _events(self) -> list[SubjectEvent]:
        """As the protocol orders them; one of six ends early, one of twelve is still under way."""
        whole = sorted(self._whole_way(), key=lambda event: event.on)
        fate = self.at % 12
        if fate == 5:
            return whole[: 9 + self.at % 7]
        if fate in (3, 9):
            cut = whole[: 8 + self.at % 8]
            last = date.fromisoformat(cut[-1].on) + WEEK
            kinds = (EventKind.WITHDRAWN, EventKind.DIED, EventKind.PROGRESSION)
            ended = SubjectEvent(kind=EventKind.ENDED, on=str(last + WEEK), reason="other")
            return [*cut, SubjectEvent(kind=kinds[self.at % 3], on=str(last)), ended]
        if fate == 7:
            failed = EventKind.RANDOMISATION_FAILED
            return [*whole[:9], SubjectEvent(kind=failed, on=self._day(12), reason="E02")]
        return whole

    def _whole_way(self) -> list[SubjectEvent]:
        kinds = (
            EventKind.PRE_SCREENED,
            EventKind.REVIEWED,
            EventKind.SCREENING,
            EventKind.SCREENED,
            EventKind.ELIGIBLE,
            EventKind.CONSENTED,
            EventKind.REGISTERED,
        )
        before = [SubjectEvent(kind=kind, on=self._day(at - len(kinds) + 1)) for at, kind in enumerate(kinds)]
        given = [SubjectEvent(kind=EventKind.CYCLE, on=self._day(week), cycle=at) for at, week in ((1, 1), (2, 9))]
        treated = self.at % 2 == 0
        arm = "experimental" if treated else "control"
        randomised = SubjectEvent(kind=EventKind.RANDOMISED, on=self._day(12), arm=arm, intervention=treated)
        if treated:
            given += [
                SubjectEvent(kind=EventKind.CYCLE, on=self._day(week), cycle=at) for at, week in ((3, 17), (4, 25))
            ]
            given.append(SubjectEvent(kind=EventKind.TREATMENT_OVER, on=self._day(26)))
        visits = [SubjectEvent(kind=EventKind.VISIT, on=self._day(12 + 9 * at), visit=at) for at in range(1, 6)]
        return [*before, *given, randomised, *visits]

    def _day(self, week: int) -> str:
        return str(self.begin + week * WEEK)

    @property
    def _last(self) -> date:
        """After it nothing more is told of the person."""
        over = {EventKind.ENDED, EventKind.DIED, EventKind.WITHDRAWN, EventKind.RANDOMISATION_FAILED}
        return next((date.fromisoformat(one.on) for one in self.subject.events if one.kind in over), date.max)

    # Laboratory ---------------------------------------------------------------------------------------------------

    def labs(self, samples: int) -> list[LabResult]:
        """Every four weeks from the registration to the end."""
        days = (self.begin + 4 * at * WEEK for at in range(samples))
        until = takewhile(lambda day: day <= self._last, days)
        return [self._result(at, day, analyte) for at, day in enumerate(until) for analyte in ANALYTES]

    def _result(self, at: int, day: date, analyte: Analyte) -> LabResult:
        drawn = datetime.combine(day, time(8, 5 * self.rng.randrange(12)), PARIS)
        told: dict[str, Any] = {
            "id": Identifier(system=f"urn:example:{self.name}:results", value=f"{self.at:04}-{at:02}-{analyte.local}"),
            "patient": self.patient,
            "codes": (
                Coding(system=LOINC, code=analyte.loinc),
                Coding(system=f"urn:example:{self.name}:analyses", code=analyte.local),
            ),
            "effective": drawn.isoformat(),
            "issued": (drawn + timedelta(hours=2, minutes=self.rng.randrange(60))).isoformat(),
            "subject": self.number,
            "name": analyte.local,
            "unit": analyte.unit,
            "unit_text": analyte.printed,
            "laboratory": Identifier(system=FINESS, value=f"{340_000_000 + self.at % RECRUITING}"),
        }
        chance = self.rng.random()
        if chance < 0.01:
            return LabResult(**told | {"unit": None, "unit_text": None}, text="prélèvement coagulé")
        if chance < 0.015:
            return LabResult(**told, absent="not-performed", status=LabStatus.CANCELLED)
        given = sum(event.cycle is not None and event.on <= str(day) for event in self.subject.events)
        level = float(analyte.level) * analyte.after_cycle**given * self.rng.gauss(1, 0.08)
        value = round(Decimal(level), analyte.places)
        low = Decimal(analyte.low) if analyte.low else None
        high = Decimal(analyte.high) if analyte.high else None
        sign = "H" if high is not None and value > high else "L" if low is not None and value < low else "N"
        if low is not None or high is not None:
            told["interpretation"] = (sign,)
        return LabResult(**told, value=value, low=low, high=high)

    # Infusions ----------------------------------------------------------------------------------------------------

    def infusions(self) -> list[Infusion]:
        """One for each cycle: given, stopped, interrupted or beside the vein; and those that were put off before."""
        found: list[Infusion] = []
        for event in self.subject.events:
            if event.cycle is not None:
                found += self._cycle(event.cycle, date.fromisoformat(event.on))
        return found

    def _cycle(self, cycle: int, day: date) -> list[Infusion]:
        kind = (self.at * 4 + cycle) % 25
        found = [self._put_off(cycle, day - WEEK)] if kind == 4 else []
        begun = datetime.combine(day, time(10, 30), PARIS)
        ended = begun + timedelta(minutes=30 + self.rng.randrange(10))
        told = self._common(f"{self.at:04}-{cycle}") | {
            "cycle": cycle,
            "start": begun.isoformat(),
            "end": ended.isoformat(),
            "administered": Decimal(7400 + self.rng.randrange(-150, 120)) + Decimal("0.5"),
            "calibrated": Decimal(7400),
            "calibration_time": begun.replace(hour=12, minute=0).isoformat(),
            "batch": Batch(number=f"LOT-{day:%y%W}", expires=(begun + timedelta(hours=50)).isoformat()),
            "body_site": "avant-bras gauche" if self.at % 3 else "avant-bras droit",
            "amino_acids": AminoAcids(
                product="Lysine 2,5 % / arginine 2,5 %",
                start=(begun - timedelta(minutes=30)).isoformat(),
                end=(begun + timedelta(hours=3, minutes=30)).isoformat(),
                volume=Decimal(1000),
            ),
            "extravasation": Extravasation(
                occurred=kind in (9, 17), note="œdème au point de ponction" if kind == 9 else None
            ),
        }
        if kind == 13:
            told |= {"status": InfusionStatus.STOPPED, "status_reason": "malaise", "administered": Decimal("3120.0")}
        else:
            told |= {"status": InfusionStatus.COMPLETED}
        if kind in (2, 21):
            pause = begun + timedelta(minutes=11)
            told["interruptions"] = (
                Interruption(start=pause.isoformat(), end=(pause + timedelta(minutes=4)).isoformat(), reason="nausées"),
            )
        return [*found, Infusion(**told)]

    def _put_off(self, cycle: int, day: date) -> Infusion:
        told = self._common(f"{self.at:04}-{cycle}-0") | {"status": InfusionStatus.NOT_DONE, "cycle": cycle}
        return Infusion(**told, planned=str(day), status_reason="plaquettes insuffisantes")

    def _common(self, value: str) -> dict[str, Any]:
        return {
            "id": Identifier(system=f"urn:example:{self.name}:infusions", value=value),
            "patient": self.patient,
            "product": Coding(system=ATC, code="V10XX04", display="lutetium (177Lu) oxodotreotide"),
            "course": 2,
            "prescribed": Decimal(7400),
            "route": Coding(system=SCT, code="47625008", display="Intravenous route"),
            "subject": self.number,
            "performer": Identifier(system=RPPS, value=f"1000000{self.at % RECRUITING:04}"),
        }
