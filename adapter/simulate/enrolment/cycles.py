"""In: a chart and a cycle of the second course. Out: the infusion with its batch and activity, amino acids,
prescription and Procedure; and the co-medication of the tumour.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from adapter.simulate.chart import Chart
from adapter.simulate.enrolment.codes import AMINO_ACIDS, COURSE_MARK, ours
from adapter.simulate.enrolment.journey import Cycle, Journey
from adapter.simulate.infusions import MBQ, infuse, inject_analogue
from adapter.simulate.moments import written
from adapter.simulate.terms import ATC, INTRAVENOUS, LOCAL_PHARMACY, LUTATHERA, OCTREOTIDE, SCT, UCUM, concept

PRESCRIBED: Final = 7400
_PLATELETS, _NAUSEA = "reason-platelets-low", "reason-nausea"
_WORDS: Final = {_PLATELETS: "Plaquettes insuffisantes", _NAUSEA: "Nausées et malaise"}


def refuse(chart: Chart, cycle: Cycle, visit: str) -> None:
    """Write the infusion that was not given on its planned day."""
    assert cycle.refused is not None
    infuse(chart, cycle.refused, status="not-done")
    given = chart.resources[-1]
    given["statusReason"] = [ours(_PLATELETS, _WORDS[_PLATELETS])]
    _belong(chart, given, visit, f"{cycle.number}N")


def give(chart: Chart, cycle: Cycle, visit: str) -> str:
    """Write a cycle, and give the id of the infusion's MedicationAdministration."""
    assert cycle.day is not None
    day = cycle.day
    within = {"reference": f"Encounter/{visit}"}
    _prescribe(chart, day - timedelta(days=7), day)
    procedure = chart.name("prrt")
    body: dict[str, Any] = {
        "status": cycle.status,
        "code": ours(COURSE_MARK, "Radiothérapie interne vectorisée"),
        "subject": chart.subject(),
        "encounter": within,
        "performedPeriod": {"start": written(day, 600), "end": written(day, 840)},
    }
    if cycle.status == "stopped":
        body["statusReason"] = ours(_NAUSEA, _WORDS[_NAUSEA])
    chart.add("Procedure", body, day=day, identity=procedure)
    part = chart.rng.randrange(2600, 4300) if cycle.status == "stopped" else None
    infuse(chart, day, status=cycle.status, activity=part)
    given = chart.resources[-1]
    if cycle.status == "stopped":
        given["statusReason"] = [ours(_NAUSEA, _WORDS[_NAUSEA])]
    given["partOf"] = [{"reference": f"Procedure/{procedure}"}]
    _belong(chart, given, visit, str(cycle.number))
    _amino_acids(chart, day, procedure, visit)
    return str(given["id"])


def _belong(chart: Chart, given: dict[str, Any], visit: str, number: str) -> None:
    """The pharmacy's number of an infusion, and the stay that it was given in."""
    given["identifier"] = [{"system": LOCAL_PHARMACY, "value": f"ADM{chart.key[1:7]}C{number}"}]
    given["context"] = {"reference": f"Encounter/{visit}"}


def _prescribe(chart: Chart, written_on: date, day: date) -> None:
    body = {
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": concept(ATC, LUTATHERA, text="LUTATHERA 370 MBq/mL"),
        "subject": chart.subject(),
        "authoredOn": written(written_on, 690),
        "requester": chart.practitioner(),
        "dosageInstruction": [
            {
                "timing": {"event": [day.isoformat()]},
                "route": concept(SCT, INTRAVENOUS, text="voie IV"),
                "doseAndRate": [{"doseQuantity": {"value": PRESCRIBED, **MBQ}}],
            }
        ],
    }
    chart.add("MedicationRequest", body, day=written_on, identity=chart.name("rx"))


def _amino_acids(chart: Chart, day: date, procedure: str, visit: str) -> None:
    """Over four hours, begun half an hour before the infusion (clinical-spec.md section 7)."""
    body = {
        "partOf": [{"reference": f"Procedure/{procedure}"}],
        "status": "completed",
        "medicationCodeableConcept": ours(AMINO_ACIDS, "Lysine 2,5 % / arginine 2,5 %, 1 L"),
        "subject": chart.subject(),
        "context": {"reference": f"Encounter/{visit}"},
        "effectivePeriod": {"start": written(day, 600), "end": written(day, 840)},
        "dosage": {
            "route": concept(SCT, INTRAVENOUS, text="voie IV"),
            "dose": {"value": 1000, "unit": "mL", "system": UCUM, "code": "mL"},
        },
    }
    chart.add("MedicationAdministration", body, day=day, identity=chart.name("aa"))


def accompany(chart: Chart, journey: Journey) -> None:
    """Write the somatostatin analogue of three subjects in four, and the rescue octreotide of some."""
    if chart.chance(0.75):
        day = journey.registered + timedelta(days=chart.rng.randrange(1, 12))
        while day <= journey.until:
            # The long-acting analogue pauses four weeks before an infusion, as the label of the product asks.
            if not any(timedelta(0) <= given - day < timedelta(days=28) for given in journey.given):
                inject_analogue(chart, day)
            day += timedelta(days=28)
    if chart.chance(0.3):
        authored = journey.registered + timedelta(days=chart.rng.randrange(0, 60))
        if authored <= journey.until:
            _rescue(chart, authored)


def _rescue(chart: Chart, authored: date) -> None:
    body = {
        "status": chart.rng.choice(("active", "completed")),
        "intent": "order",
        "medicationCodeableConcept": concept(ATC, OCTREOTIDE, text="octréotide 100 µg SC si besoin"),
        "subject": chart.subject(),
        "authoredOn": written(authored, 700),
        "dosageInstruction": [
            {
                "asNeededBoolean": True,
                "doseAndRate": [{"doseQuantity": {"value": Decimal(100), "unit": "µg", "system": UCUM, "code": "ug"}}],
            }
        ],
    }
    chart.add("MedicationRequest", body, day=authored, identity=chart.name("rx"))
