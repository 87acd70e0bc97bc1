"""In: nothing. Out: the feed of a hospital that writes codes and units of its own, as FHIR resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.clinic import ATC, condition, patient

__all__ = ["HOSTILE", "LABO", "LOINC", "local_feed", "result"]

Resource = dict[str, Any]

LABO = "urn:hopital:labo"
LOINC = "http://loinc.org"
#: A display that would clear the screen, close a page's element, and go on for long.
HOSTILE = "\x1b[2J<script>alert(1)</script>\u202eM. Dupont\r\n" + "x" * 10_000


def result(
    identity: str, of: str, code: str, value: str | float, unit: str | None, *, system: str = LABO, **more: Any
) -> Resource:
    """A laboratory result; a text value is printed as French laboratories do."""
    coding = {"system": system, "code": code, "display": more.pop("display", code)}
    valued: Resource = {"valueString": value} if isinstance(value, str) else {"valueQuantity": {"value": value}}
    if unit is not None and "valueQuantity" in valued:
        valued["valueQuantity"]["unit"] = unit
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [coding]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2025-05-20T08:00:00+02:00",
        **valued,
        **more,
    }


def local_feed() -> Iterator[Resource]:
    """Three persons; the second has a merged record, and what is said beside a resource is why it is here."""
    yield patient("1")
    yield patient("2")
    yield patient("old-2", link=[{"other": {"reference": "Patient/2"}, "type": "replaced-by"}])
    yield patient("3")
    # Haemoglobin under a local code, in two units, for two persons in three records.
    yield result("hb-1", "1", "HB", 12.1, "g/dL", display="Hémoglobine", effectiveDateTime="2024-02-03")
    yield result("hb-2", "2", "HB", 118, "g/L", display="Hémoglobine")
    yield result("hb-3", "old-2", "HB", "9,8 g/dL", None, display="Hémoglobine")
    yield result("hb-dropped", "3", "HB", 1, "g/dL", display="Hémoglobine", status="entered-in-error")
    # Never to be taken for haemoglobin: another word, a unit that does not convert.
    yield result("hba1c", "1", "HBA1C", 6.1, "%", display="Hémoglobine glyquée (HbA1c)")
    # Results in grams: the target is the code for them.
    yield result("crea", "1", "CRE", 9.1, "mg/L", display="Créatinine")
    yield result("hostile", "3", "X1", 3, "g/dL", display=HOSTILE)
    # Read as they stand: LOINC beside a local code, LOINC that the trial does not need.
    both = result("plt", "1", "PLT", 210, "G/L")
    both["code"]["coding"].append({"system": LOINC, "code": "777-3"})
    yield both
    yield result("crp", "1", "1988-5", 4, "mg/L", system=LOINC)
    # Units: one that nobody knows, none, one in words that a name follows.
    yield result("alb-1", "1", "1751-7", 41, "u. arb.", system=LOINC)
    yield result("alb-2", "2", "1751-7", 39, None, system=LOINC)
    yield result("alb-3", "3", "1751-7", "40 selon M. Dupont au téléphone", None, system=LOINC)
    # A component of a coded panel, an answer to a question of ours, a text only.
    yield {
        **result("panel", "1", "57021-8", 0, None, system=LOINC),
        "component": [
            {"code": {"coding": [{"system": LABO, "code": "PNN"}]}, "valueQuantity": {"value": 3.2, "unit": "G/L"}}
        ],
    }
    recist = result("recist", "1", "recist-response", 0, None, system="urn:reluth:terms")
    del recist["valueQuantity"]
    yield {**recist, "valueCodeableConcept": {"coding": [{"system": LABO, "code": "MP", "display": "Progression"}]}}
    yield {**result("text", "3", "x", 7, "g/dL"), "code": {"text": "Ferritine"}}
    # Drugs, diagnoses, procedures; the Medication is shared by two administrations.
    yield {
        "resourceType": "Medication",
        "id": "vial",
        "code": {"coding": [{"system": "urn:hopital:pui", "code": "9001", "display": "LUTATHERA 370 MBq/mL"}]},
    }
    for number, of in enumerate(("1", "2", "2"), 1):
        yield {
            "resourceType": "MedicationAdministration",
            "id": f"infusion-{number}",
            "status": "completed",
            "medicationReference": {"reference": "Medication/vial"},
            "subject": {"reference": f"Patient/{of}"},
            "effectiveDateTime": f"2023-0{number}-01",
        }
    yield {
        "resourceType": "MedicationAdministration",
        "id": "coded",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": ATC, "code": "V10XX04"}]},
        "subject": {"reference": "Patient/3"},
        "effectiveDateTime": "2023-05-01",
    }
    yield condition("cim", "1", "C17.2", system="urn:hopital:cim10")
    yield condition("icd", "2", "C17.2")
