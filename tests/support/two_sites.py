"""In: a folder. Out: a store of two sites, each with three screened patients, decisions, a proposal, conflicts, a line put aside; accounts of every role.

What belongs to a site says so: ``planted-icm`` stands in everything of ICM that a page might show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.config import Settings, SiteSettings, load_settings
from adapter.service import create_app
from adapter.store import Account, Origin, Store, StoredVerdict
from adapter.sync import FolderSource, pull
from tests.support.people import HOME, add_person
from tests.support.screened import ON, TRIAL, criterion, evidence, verdict
from tests.support.unsettled import open_lab_conflict

__all__ = ["NUMBER", "SITES", "TwoSites", "two_sites", "two_sites_store"]

SITES = ("icm", "chu")
#: The hospital's number of every patient planted here; `unsettled.lab` is about the same one.
NUMBER = "800012345"
_SCREENED_AT = datetime(2025, 6, 1, 9, 30, tzinfo=UTC)
_SYSTEM = "urn:example:ipp"


@dataclass(frozen=True)
class TwoSites:
    """The running service over such a store.

    Attributes:
        app: started.
        people: an account of each role at each site, by role and site.
        both: an investigator of the first site who is the sponsor's at the second one.
        keys: random key of a patient of each site.
        conflicts: number of an open conflict of each site.
    """

    app: FastAPI
    people: dict[tuple[Role, str], Account]
    both: Account
    keys: dict[str, str]
    conflicts: dict[str, int]


def two_sites_store(folder: Path) -> Settings:
    """Fill a store; it is closed again."""
    told = load_settings(None, store=folder / "var")
    sites = {site: SiteSettings(identifier_system=_SYSTEM) for site in SITES}
    settings = told.model_copy(update={"sites": sites})
    with Store.open(settings.store.path) as store:
        for site in SITES:
            _fill(store, site, folder / f"feed-{site}")
        for role in Role:
            for site in SITES:
                add_person(store, f"{role}-{site}", roles={site: [role]}, email=f"{role}@{site}.example")
        add_person(store, "both", roles={SITES[0]: [Role.INVESTIGATOR], SITES[1]: [Role.SPONSOR]})
    return settings


@contextmanager
def two_sites(folder: Path) -> Iterator[TwoSites]:
    """The service over such a store."""
    settings = two_sites_store(folder)
    app = create_app(settings, today=lambda: ON)
    with TestClient(app, base_url=HOME):
        store: Store = app.state.desk.store
        yield TwoSites(
            app=app,
            people={(role, site): _account(store, f"{role}-{site}") for role in Role for site in SITES},
            both=_account(store, "both"),
            keys={site: store.patient_key(site, f"Patient/planted-{site}") for site in SITES},
            conflicts={site: store.outbox.conflicts(site=site)[0].number for site in SITES},
        )


def _account(store: Store, name: str) -> Account:
    found = store.accounts.by_name(name)
    assert found is not None
    return found


def _fill(store: Store, site: str, feed: Path) -> None:
    feed.mkdir()
    people = [_person(f"planted-{site}{more}", year) for more, year in (("", "1960"), ("-2", "1955"), ("-3", "1950"))]
    haemoglobin = {
        "resourceType": "Observation",
        "id": f"hb-planted-{site}",
        "meta": {"versionId": "1"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/planted-{site}"},
        "effectiveDateTime": "2025-05-20",
        "valueQuantity": {"value": 12.1, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
    }
    (feed / "Patient.ndjson").write_text("".join(f"{json.dumps(one)}\n" for one in people) + '{"resourceType"\n')
    (feed / "Observation.ndjson").write_text(f"{json.dumps(haemoglobin)}\n")
    pull(store, FolderSource(feed), site=site)
    shown = evidence(f"Observation/hb-planted-{site}", "12,1 g/dL", converted=("12.1", "g/dL"))
    fails = criterion("I11", "F", evidence=[shown], flips_on="2025-06-18")
    _save(store, site, verdict(f"planted-{site}", "ineligible", fails, merged=[f"Patient/before-planted-{site}"]))
    _save(store, site, verdict(f"planted-{site}-2", "ready-for-investigator"))
    _save(store, site, verdict(f"planted-{site}-3", "ready-for-investigator"))
    store.decide(
        site, f"Patient/planted-{site}-2", trial=TRIAL, state="declined", reason="patient-declined", by=f"nurse-{site}"
    )
    store.decide(
        site, f"Patient/planted-{site}-3", trial=TRIAL, state="contacted", reason="to-contact", by=f"nurse-{site}"
    )
    _save(store, site, verdict(f"planted-{site}-3", "ineligible", fails), at=datetime.now(UTC))
    store.audit(f"nurse-{site}", "view-patient", subject=f"{site}/Patient/planted-{site}")

    def both(theirs: dict[str, Any]) -> None:
        theirs["status"] = "amended"
        theirs["subject"]["reference"] = f"Patient/planted-{site}"
        theirs["note"] = [{"text": f"planted-{site}"}]

    # One to settle, and one that stays.
    for number in (f"L-planted-{site}", f"L-planted-{site}-2"):
        open_lab_conflict(store, number, change=both, site=site)
    with store.begin_run(site, "pull") as run:
        store.quarantine(
            run,
            b"{",
            origin=Origin(f"Patient-planted-{site}.ndjson", 1),
            reason="is not JSON",
            reference=f"Patient/planted-{site}",
        )
        store.flush_quarantine(run)


def _person(identity: str, year: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": identity,
        "identifier": [{"system": _SYSTEM, "value": NUMBER}],
        "gender": "female",
        "birthDate": f"{year}-05-04",
    }


def _save(store: Store, site: str, found: dict[str, Any], *, at: datetime = _SCREENED_AT) -> None:
    found = {**found, "site": site}
    kept = StoredVerdict(
        site=site,
        patient=found["patient"],
        trial=TRIAL,
        stage=found["stage"],
        on=ON,
        screened_at=at,
        run=f"by-hand-{site}",
        content=json.dumps(found),
        input_hash=f"by-hand-{site}" if at == _SCREENED_AT else f"later-{site}",
    )
    store.save_verdicts([kept])
