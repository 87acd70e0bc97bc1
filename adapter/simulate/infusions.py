"""In: the day and standing of an infusion. Out: its MedicationAdministration, with the batch contained, referenced or
not sent.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from adapter.simulate.chart import Chart
from adapter.simulate.moments import Style, months_text, written
from adapter.simulate.terms import (
    ATC,
    INTRAVENOUS,
    LANREOTIDE,
    LOCAL_PHARMACY,
    LUTATHERA,
    SCT,
    UCUM,
    VIPIVOTIDE,
    coding,
    concept,
)

MBQ = {"unit": "MBq", "system": UCUM, "code": "MBq"}


def lot_of(day: date) -> str:
    """The batch that the centre's pharmacy held in that fortnight."""
    return f"{months_text(day)}-{'a' if day.day <= 15 else 'b'}"


def infuse(  # noqa: PLR0913 - one infusion, field by field
    chart: Chart,
    day: date,
    *,
    status: str = "completed",
    activity: int | None = None,
    lot: str | None = None,
    minute: int = 630,
    style: Style = "paris",
    partial: str = "",
    product: str = "lutathera",
) -> None:
    """Write one MedicationAdministration: batch contained, referenced or not sent; activity as measured."""
    body: dict[str, Any] = {"status": status, "subject": chart.subject()}
    _product(chart, body, day, product=product, lot=lot)
    if status == "not-done":
        body["statusReason"] = [{"text": "Plaquettes insuffisantes"}]
    if partial:
        body["effectiveDateTime"] = months_text(day) if partial == "month" else str(day.year)
    elif chart.chance(0.75):
        body["effectivePeriod"] = {"start": written(day, minute, style), "end": written(day, minute + 30, style)}
    else:
        body["effectiveDateTime"] = written(day, minute, "day" if chart.chance(0.2) else style)
    body["performer"] = [{"actor": chart.practitioner()}]
    if chart.net is not None and chart.chance(0.5) and product != "psma":
        body["reasonReference"] = [{"reference": f"Condition/{chart.net}"}]
    if status != "not-done":
        body["dosage"] = _dosage(chart, activity)
    identity = chart.name("inf")
    chart.add("MedicationAdministration", body, day=day, identity=identity)


def _product(chart: Chart, body: dict[str, Any], day: date, *, product: str, lot: str | None) -> None:
    if product == "text":
        body["medicationCodeableConcept"] = {"text": "Radiopharmaceutique 177Lu (préparation)"}
        return
    code = VIPIVOTIDE if product == "psma" else LUTATHERA
    name = "PLUVICTO 1000 MBq/mL" if product == "psma" else "LUTATHERA 370 MBq/mL"
    own = coding(LOCAL_PHARMACY, "PSMA177" if product == "psma" else "LUTA", name)
    both = {"coding": [own, coding(ATC, code)] if chart.chance(0.6) else [coding(ATC, code)], "text": name}
    way = "contained" if lot is not None else chart.rng.choice(("contained", "code", "reference"))
    if way == "contained":
        medication = {
            "resourceType": "Medication",
            "id": "m",
            "code": both,
            "batch": {
                "lotNumber": lot or f"L{lot_of(day)}-{chart.key}",
                "expirationDate": written(day + timedelta(days=2), 840),
            },
        }
        body["contained"] = [medication]
        body["medicationReference"] = {"reference": "#m"}
    elif way == "reference" and product == "lutathera":
        body["medicationReference"] = {"reference": f"Medication/lutathera-{lot_of(day)}"}
    else:
        body["medicationCodeableConcept"] = both


def _dosage(chart: Chart, activity: int | None) -> dict[str, Any]:
    measured = activity if activity is not None else chart.rng.randrange(7150, 7620)
    dose: dict[str, Any] = {"value": measured, **MBQ}
    if activity is None and chart.chance(0.15):
        dose = {
            "value": chart.rng.choice((Decimal("7.35"), Decimal("7.40"), Decimal("7.41"))),
            "unit": "GBq",
            "system": UCUM,
            "code": "GBq",
        }
    return {"text": "perfusion IV sur 30 min", "route": concept(SCT, INTRAVENOUS, text="voie IV"), "dose": dose}


def inject_analogue(chart: Chart, day: date) -> None:
    """Write one injection of the somatostatin analogue that most of these patients have every four weeks."""
    body = {
        "status": "completed",
        "medicationCodeableConcept": concept(ATC, LANREOTIDE, text="lanréotide 120 mg"),
        "subject": chart.subject(),
        "effectiveDateTime": written(day, 600),
    }
    chart.add("MedicationAdministration", body, day=day, identity=chart.name("inj"))
