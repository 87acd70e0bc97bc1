"""In: a chart. Out: the rest of a hospital record: stays, documents, procedures, cover, consents, allergies, other
diagnoses. No truth hangs on them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from adapter.simulate.centre import STUDY
from adapter.simulate.chart import Chart
from adapter.simulate.moments import written
from adapter.simulate.terms import (
    ACT,
    ALLERGY_CLINICAL,
    ALLERGY_VERIFICATION,
    ATC,
    CLINICAL,
    CONSENT_SCOPE,
    ICD10,
    LANREOTIDE,
    LOCAL_RECORD,
    LOCAL_STAY,
    OCTREOTIDE,
    SCT,
    TERMS,
    VERIFICATION,
    coding,
    concept,
)


def adorn(chart: Chart, *, neuroendocrine: bool, near: bool) -> None:
    """Write a share of each kind; more of them for the patients whom the trial concerns."""
    _stay(chart)
    if chart.chance(0.5):
        _cover(chart)
    for code, share in (("I10", 0.2), ("E11", 0.1), ("F17.2", 0.05), ("I48", 0.03), ("F10", 0.01)):
        if chart.chance(share):
            _diagnosis(chart, code)
    if neuroendocrine:
        _scan(chart)
        _analogue(chart)
        _document(chart)
    elif chart.chance(0.1):
        _radiotherapy(chart)
    if chart.chance(0.3 if near else 0.02):
        _allergy(chart)
    if near:
        _consent(chart)
        _subject(chart)


def _stay(chart: Chart) -> None:
    day = chart.day(chart.draw)
    body = {
        "identifier": [{"system": LOCAL_STAY, "value": f"7{int(chart.key[1:7]):08d}"}],
        "status": "finished",
        "class": coding(ACT, "AMB", "ambulatory"),
        "subject": chart.subject(),
        "period": {"start": written(day, 450), "end": written(day, 1020)},
        "serviceProvider": {"reference": "Organization/org-centre"},
    }
    chart.add("Encounter", body, day=day, identity=chart.name("enc"))


def _cover(chart: Chart) -> None:
    body: dict[str, Any] = {
        "status": "active",
        "type": {"coding": [coding(ACT, "PUBLICPOL")], "text": "AMO"},
        "beneficiary": chart.subject(),
        "period": {"start": chart.day(2000).isoformat()},
        "payor": [{"display": "CPAM"}],
    }
    if chart.chance(0.1):
        body["period"]["end"] = chart.day(1).isoformat()
    chart.add("Coverage", body, day=chart.day(60), identity=chart.name("cov"))


def _diagnosis(chart: Chart, code: str) -> None:
    day = chart.day(chart.rng.randrange(30, 2500))
    body = {
        "clinicalStatus": concept(CLINICAL, "active"),
        "verificationStatus": concept(VERIFICATION, "confirmed"),
        "code": concept(ICD10, code),
        "subject": chart.subject(),
        "recordedDate": day.isoformat(),
    }
    chart.add("Condition", body, day=day, identity=chart.name("cond"))


def _scan(chart: Chart) -> None:
    day = chart.day(chart.rng.randrange(10, 200))
    body = {
        "status": "completed",
        "code": {"coding": [coding(TERMS, "sstr-pet-68ga")], "text": "TEP aux analogues de la somatostatine"},
        "subject": chart.subject(),
        "performedDateTime": written(day, 870),
    }
    chart.add("Procedure", body, day=day, identity=chart.name("proc"))


def _analogue(chart: Chart) -> None:
    if chart.chance(0.4):
        day = chart.day(chart.rng.randrange(5, 60))
        drug = concept(ATC, LANREOTIDE, text="lanréotide 120 mg")
        body = {
            "status": "completed",
            "medicationCodeableConcept": drug,
            "subject": chart.subject(),
            "effectiveDateTime": written(day, 600),
        }
        chart.add("MedicationAdministration", body, day=day, identity=chart.name("inf"))


def _radiotherapy(chart: Chart) -> None:
    day = chart.day(chart.rng.randrange(60, 1500))
    body = {
        "status": "completed",
        "code": concept(SCT, "1217123003", text="Radiothérapie externe"),
        "subject": chart.subject(),
        "performedPeriod": {"start": day.isoformat(), "end": (day + timedelta(days=35)).isoformat()},
    }
    chart.add("Procedure", body, day=day, identity=chart.name("proc"))


def _document(chart: Chart) -> None:
    if not chart.chance(0.5):
        return
    day = chart.day(chart.rng.randrange(3, 120))
    body = {
        "status": "current",
        "type": {"coding": [coding(TERMS, "rcp-document")], "text": "Fiche RCP"},
        "subject": chart.subject(),
        "date": written(day, 1080),
        "content": [{"attachment": {"contentType": "application/pdf", "title": "Fiche RCP"}}],
    }
    chart.add("DocumentReference", body, day=day, identity=chart.name("doc"))


def _allergy(chart: Chart) -> None:
    body = {
        "clinicalStatus": concept(ALLERGY_CLINICAL, "active"),
        "verificationStatus": concept(ALLERGY_VERIFICATION, chart.rng.choice(("confirmed", "unconfirmed"))),
        "type": "allergy",
        "code": concept(ATC, OCTREOTIDE) if chart.chance(0.1) else {"text": "Pénicilline"},
        "patient": chart.subject(),
    }
    chart.add("AllergyIntolerance", body, day=chart.day(700), identity=chart.name("all"))


def _consent(chart: Chart) -> None:
    if not chart.chance(0.4):
        return
    study = chart.chance(0.5)
    title = "NCT04954820" if study else "réutilisation des données de soins"
    body = {
        "identifier": [{"system": LOCAL_RECORD, "value": title}],
        "status": "active",
        "scope": {"coding": [coding(CONSENT_SCOPE, "research")]},
        "category": [{"text": "Consentement à la recherche" if study else "Non-opposition"}],
        "patient": chart.subject(),
        "dateTime": written(chart.day(3), 960),
        "policy": [{"uri": "urn:reluth:consent:nct04954820" if study else "urn:reluth:consent:care-data"}],
    }
    chart.add("Consent", body, day=chart.day(3), identity=chart.name("consent"))


def _subject(chart: Chart) -> None:
    if chart.chance(0.1):
        body = {
            "status": "screening",
            "study": {"reference": f"ResearchStudy/{STUDY}"},
            "individual": chart.subject(),
        }
        chart.add("ResearchSubject", body, day=chart.day(5), identity=chart.name("subj"))
