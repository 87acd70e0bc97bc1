"""In: the reference date. Out: what all patients share: the centre, its doctors, the pharmacy's batches, the
study.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from adapter.simulate.chart import PRACTITIONERS, Resource
from adapter.simulate.moments import plus_months, written
from adapter.simulate.people import FAMILIES, MEN, WOMEN
from adapter.simulate.terms import (
    ATC,
    FINESS,
    FR_IDENTIFIER_TYPE,
    LOCAL_RECORD,
    LUTATHERA,
    RPPS,
    STUDY_CATEGORY,
    coding,
)

YEARS_OF_BATCHES = 9
STUDY = "reluth"
# Studies of others, by id, with their category: that of `unknown` names no kind.
OTHER_STUDIES: dict[str, dict[str, Any]] = {
    "interventional": {"text": "Interventional Study"},
    "interventional-coded": {"coding": [coding(STUDY_CATEGORY, "interventional")]},
    "interventional-french": {"text": "Interventionnelle, catégorie 1"},
    "observational": {"text": "Observational"},
    "observational-french": {"text": "Observationnelle"},
    "unknown": {"text": "Recherche clinique"},
}


def shared(on: date) -> Iterator[Resource]:
    """The resources that are written once, before the first patient."""
    updated = written(plus_months(on, -1), 360, "utc")
    for resource in (*_organizations(), *_practitioners(), *_batches(on), _study(), *_others()):
        yield {
            "resourceType": resource.pop("resourceType"),
            "id": resource.pop("id"),
            "meta": {"versionId": "1", "lastUpdated": updated},
            **resource,
        }


def _organizations() -> Iterator[Resource]:
    for identity, name, number in (
        ("org-centre", "Centre de cancérologie simulé", "999900001"),
        ("org-labo", "Laboratoire de biologie simulé", "999900002"),
    ):
        yield {
            "resourceType": "Organization",
            "id": identity,
            "identifier": [{"type": _type("FINEG"), "system": FINESS, "value": number}],
            "active": True,
            "name": name,
        }


def _type(code: str) -> dict[str, Any]:
    return {"coding": [coding(FR_IDENTIFIER_TYPE, code)]}


def _practitioners() -> Iterator[Resource]:
    for index in range(PRACTITIONERS):
        given = (WOMEN if index % 2 else MEN)[index]
        yield {
            "resourceType": "Practitioner",
            "id": f"prat-{index + 1:02d}",
            "identifier": [{"type": _type("RPPS"), "system": RPPS, "value": f"9990000{index + 1:04d}"}],
            "name": [{"family": FAMILIES[index * 5].upper(), "given": [given]}],
        }
    yield {
        "resourceType": "PractitionerRole",
        "id": "role-01",
        "practitioner": {"reference": "Practitioner/prat-02"},
        "organization": {"reference": "Organization/org-centre"},
    }


def _batches(on: date) -> Iterator[Resource]:
    """Two batches of Lutathera a month, from years before the reference date to three months after it."""
    for back in range(YEARS_OF_BATCHES * 12, -4, -1):
        month = plus_months(on.replace(day=1), -back)
        for half, day in (("a", 15), ("b", 28)):
            lot = f"{month.year:04d}-{month.month:02d}-{half}"
            yield {
                "resourceType": "Medication",
                "id": f"lutathera-{lot}",
                "code": {"coding": [coding(ATC, LUTATHERA)], "text": "LUTATHERA 370 MBq/mL"},
                "batch": {"lotNumber": f"L{lot}", "expirationDate": written(month.replace(day=day), 840)},
            }


def _study() -> Resource:
    return {
        "resourceType": "ResearchStudy",
        "id": STUDY,
        "identifier": [{"system": "http://clinicaltrials.gov", "value": "NCT04954820"}],
        "title": "ReLUTH",
        "status": "active",
    }


def _others() -> Iterator[Resource]:
    for number, (identity, category) in enumerate(OTHER_STUDIES.items(), 1):
        yield {
            "resourceType": "ResearchStudy",
            "id": identity,
            "identifier": [{"system": LOCAL_RECORD, "value": f"ETUDE-{number:03d}"}],
            "title": f"Étude simulée {number}",
            "status": "active",
            "category": [category],
        }
