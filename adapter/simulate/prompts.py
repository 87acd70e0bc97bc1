"""In: a chart. Out: what only prompts a question: guardianship, addiction, palliative care, contraception. No truth
hangs on it.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapter.simulate.chart import Chart
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Diagnosis
from adapter.simulate.terms import LOCAL_RECORD, coding

KINDS = ("none", "guardian", "alcohol", "palliative", "contraception")
_SHARES = (("guardian", 0.03), ("alcohol", 0.03), ("palliative", 0.03), ("contraception", 0.08))


def prompt(chart: Chart, wishes: Mapping[str, str]) -> None:
    """Write what the story asks for, or a share of each near the trial."""
    wished = wishes.get("prompt")
    for kind, share in _SHARES:
        if wished == kind or (wished is None and chart.near and not chart.calm and chart.chance(share)):
            _write(chart, kind)


def _write(chart: Chart, kind: str) -> None:
    day = chart.day(140)
    if kind == "guardian":
        words = chart.rng.choice(("Tutelle", "Curatelle renforcée", "Sauvegarde de justice"))
        body = {
            "status": "active",
            "code": {"coding": [coding(LOCAL_RECORD, "PROTEC", words)], "text": words},
            "subject": chart.subject(),
            "period": {"start": day.isoformat()},
        }
        chart.add("Flag", body, day=day, identity=chart.name("flag"))
    elif kind == "contraception":
        body = {
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "Contraception orale (désogestrel 75 µg)"},
            "subject": chart.subject(),
            "authoredOn": day.isoformat(),
        }
        chart.add("MedicationRequest", body, day=day, identity=chart.name("rx"))
    else:
        diagnose(chart, Diagnosis("F10" if kind == "alcohol" else "Z51.5", recorded=day))
