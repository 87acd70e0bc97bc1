"""In: a chart, the infusions and what the blood showed. Out: AdverseEvents with CTCAE grade, seriousness, cause and
outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from adapter.simulate.chart import Chart
from adapter.simulate.enrolment.blood import Blood
from adapter.simulate.enrolment.codes import CAUSALITY, OCCURRENCE, SERIOUSNESS, SEVERITY, ours
from adapter.simulate.enrolment.journey import Journey
from adapter.simulate.terms import ADVERSE_EVENT_GRADE, ADVERSE_OUTCOME, coding

WORDS: Final = {
    "ae-fatigue": "Fatigue",
    "ae-nausea": "Nausées",
    "ae-vomiting": "Vomissements",
    "ae-diarrhoea": "Diarrhée",
    "ae-abdominal-pain": "Douleurs abdominales",
    "ae-alopecia": "Alopécie",
    "ae-back-pain": "Lombalgies",
    "ae-fever": "Fièvre",
    "ae-bowel-obstruction": "Occlusion intestinale",
    "ae-sepsis": "Sepsis",
    "ae-thrombocytopenia": "Thrombopénie",
    "ae-anaemia": "Anémie",
    "ae-lymphopenia": "Lymphopénie",
    "ae-neutropenia": "Neutropénie",
}
_LOW: Final = {
    "platelets": "ae-thrombocytopenia",
    "neutrophils": "ae-neutropenia",
    "lymphocytes": "ae-lymphopenia",
    "hemoglobin": "ae-anaemia",
}
# Seen in the days after an infusion: share of infusions, longest in days, highest grade.
_AFTER: Final = (
    ("ae-nausea", 0.35, 6, 2),
    ("ae-vomiting", 0.15, 3, 3),
    ("ae-fatigue", 0.3, 30, 2),
    ("ae-abdominal-pain", 0.12, 12, 3),
    ("ae-alopecia", 0.05, 120, 1),
)
# Seen at any time: share of subjects.
_ANY: Final = (
    ("ae-diarrhoea", 0.25, 20, 2),
    ("ae-back-pain", 0.18, 60, 2),
    ("ae-fever", 0.08, 4, 2),
    ("ae-fatigue", 0.12, 90, 2),
)
_SEVERITIES: Final = ("mild", "mild", "moderate", "severe", "severe", "severe")
_SEVERE: Final = 3
_FATAL: Final = 5


@dataclass(frozen=True, slots=True)
class Reaction:
    """One adverse event; `end` is None while it goes on, `cause` the infusion suspected and how likely it is one."""

    code: str
    grade: int
    start: date
    end: date | None
    cause: tuple[str, str] | None = None
    serious: str = "Non-serious"


def react(chart: Chart, journey: Journey, blood: Blood, infusions: dict[date, str]) -> None:
    """Write all adverse events of a subject, in the order in which they began.

    Args:
        chart: the record.
        journey: the calendar.
        blood: what was low.
        infusions: id of the MedicationAdministration by day.
    """
    found = [*_after_infusions(chart, journey, infusions), *_at_any_time(chart, journey)]
    found += _cytopenias(journey, blood, infusions)
    found += _hospitalised(chart, journey)
    if journey.died is not None and journey.progressed is None:
        start = journey.died - timedelta(days=chart.rng.randrange(3, 9))
        found.append(Reaction("ae-sepsis", _FATAL, start, journey.died, serious="SeriousResultsInDeath"))
    for reaction in sorted(found, key=lambda one: (one.start, one.code)):
        _write(chart, reaction, journey)


def _after_infusions(chart: Chart, journey: Journey, infusions: dict[date, str]) -> list[Reaction]:
    found = []
    for day, infusion in infusions.items():
        for code, share, longest, highest in _AFTER:
            if chart.chance(share):
                start = day + timedelta(days=chart.rng.randrange(0, 4))
                grade = chart.rng.choices(range(1, highest + 1), (60, 30, 5)[:highest])[0]
                cause = (infusion, chart.rng.choice(("Certain", "Probably-Likely", "Possible")))
                found.append(_one(chart, journey, (code, grade, longest), start, cause))
    return [one for one in found if one.start <= journey.until]


def _at_any_time(chart: Chart, journey: Journey) -> list[Reaction]:
    days = max((journey.until - journey.registered).days, 1)
    found = []
    for code, share, longest, highest in _ANY:
        if chart.chance(share):
            start = journey.registered + timedelta(days=chart.rng.randrange(1, days + 1))
            grade = chart.rng.choices(range(1, highest + 1), (70, 30)[:highest])[0]
            found.append(_one(chart, journey, (code, grade, longest), start, None))
    return [one for one in found if one.start <= journey.until]


def _one(
    chart: Chart, journey: Journey, kind: tuple[str, int, int], start: date, cause: tuple[str, str] | None
) -> Reaction:
    code, grade, longest = kind
    end = start + timedelta(days=chart.rng.randrange(1, longest + 1))
    return Reaction(code, grade, start, end if end <= journey.until else None, cause)


def _cytopenias(journey: Journey, blood: Blood, infusions: dict[date, str]) -> list[Reaction]:
    """Each run of results below the limit of grade 2; the last infusion before it is suspected."""
    found = []
    for low in blood.lows:
        before = [day for day in infusions if day < low.since]
        cause = (infusions[max(before)], "Probably-Likely") if before else None
        serious = "Serious" if low.grade > _SEVERE else "Non-serious"
        end = low.last if low.over and low.last <= journey.until else None
        found.append(Reaction(_LOW[low.analyte], low.grade, low.since, end, cause, serious))
    return found


def _hospitalised(chart: Chart, journey: Journey) -> list[Reaction]:
    """A bowel obstruction now and then, by the tumour and not by the treatment."""
    days = (journey.until - journey.registered).days
    if days < 60 or not chart.chance(0.06):
        return []
    start = journey.registered + timedelta(days=chart.rng.randrange(30, days))
    end = start + timedelta(days=chart.rng.randrange(4, 12))
    over = end if end <= journey.until else None
    return [Reaction("ae-bowel-obstruction", _SEVERE, start, over, serious="SeriousResultsInHospitalization")]


def _write(chart: Chart, reaction: Reaction, journey: Journey) -> None:
    outcome = "ongoing" if reaction.end is None else "fatal" if reaction.grade == _FATAL else "resolved"
    period = {"start": reaction.start.isoformat()}
    if reaction.end is not None:
        period["end"] = reaction.end.isoformat()
    body: dict[str, Any] = {
        "extension": [
            {"url": ADVERSE_EVENT_GRADE, "valueInteger": reaction.grade},
            {"url": OCCURRENCE, "valuePeriod": period},
        ],
        "actuality": "actual",
        "event": ours(reaction.code, WORDS[reaction.code]),
        "subject": chart.subject(),
        "date": reaction.start.isoformat(),
        "recordedDate": min(reaction.start + timedelta(days=chart.rng.randrange(0, 8)), journey.until).isoformat(),
        "seriousness": {"coding": [coding(SERIOUSNESS, reaction.serious)]},
        "severity": {"coding": [coding(SEVERITY, _SEVERITIES[reaction.grade])]},
        "outcome": {"coding": [coding(ADVERSE_OUTCOME, outcome)]},
    }
    if reaction.cause is not None:
        infusion, likely = reaction.cause
        assessed = [{"assessment": {"coding": [coding(CAUSALITY, likely)]}}]
        instance = {"reference": f"MedicationAdministration/{infusion}"}
        body["suspectEntity"] = [{"instance": instance, "causality": assessed}]
    chart.add("AdverseEvent", body, day=reaction.end or reaction.start, identity=chart.name("ae"))
