"""In: a folder. Out: a running service over two sites, one with a list longer than a page, and accounts of several roles."""

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
from adapter.config import load_settings
from adapter.service import create_app
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull
from tests.support.clinic import condition, patient, write_feed
from tests.support.people import HOME, add_person, browser_of
from tests.support.screened import ON, SITE, TRIAL, criterion, verdict, verdicts

__all__ = ["MANY", "OTHER", "LongList", "long_list", "save_at"]

#: So many of the first site wait for a datum, beside one patient for each place of the worklist.
MANY = 120
OTHER = "chu"


@dataclass
class LongList:
    """The service, and browsers of its people by name: ``nurse``, ``manager`` (no identities), ``far`` (other site), ``both``."""

    app: FastAPI
    folder: Path

    @property
    def store(self) -> Store:
        """The service's own."""
        store: Store = self.app.state.desk.store
        return store

    def browser(self, name: str) -> TestClient:
        """Somebody who has signed in."""
        account = self.store.accounts.by_name(name)
        assert account is not None
        return browser_of(self.app, account)

    def key(self, identity: str, site: str = SITE) -> str:
        """Random key of a patient."""
        return self.store.patient_key(site, f"Patient/{identity}")


@contextmanager
def long_list(folder: Path) -> Iterator[LongList]:
    """The service over such a store."""
    settings = load_settings(None, store=folder / "var")
    with Store.open(settings.store.path) as store:
        _fill(store, folder)
    app = create_app(settings, today=lambda: ON)
    with TestClient(app, base_url=HOME):
        yield LongList(app, folder)


def save_at(store: Store, site: str, *found: dict[str, Any], at: datetime | None = None) -> None:
    """Keep verdicts as a screening of a site does."""
    store.save_verdicts(
        StoredVerdict(
            site=site,
            patient=one["patient"],
            trial=TRIAL,
            stage=one["stage"],
            on=ON,
            screened_at=at or datetime(2025, 6, 1, 9, 30, tzinfo=UTC),
            run="by-hand",
            content=json.dumps({**one, "site": site}),
            input_hash=f"by-hand-{at}",
        )
        for one in found
    )


def _fill(store: Store, folder: Path) -> None:
    people = [patient(one["patient"].removeprefix("Patient/")) for one in verdicts()]
    people += [patient(f"p{number:03d}") for number in range(MANY)]
    numbered = [{"system": "urn:ipp", "value": "80 012 AB"}]
    people = [{**one, "identifier": numbered} if one["id"] == "low" else one for one in people]
    here = [
        *people,
        patient("unlisted", identifier=[{"system": "urn:ipp", "value": "77/4"}], gender="female"),
        condition("c-unlisted", "unlisted", "C50.9"),
        condition("c-low", "low", "C17.2", recordedDate="2025-05-02"),
    ]
    pull(store, FolderSource(write_feed(folder / "here", here)), site=SITE)
    pull(store, FolderSource(write_feed(folder / "there", [patient("far")])), site=OTHER)
    missing = criterion("E07", "U", reason="no-data")
    save_at(store, SITE, *verdicts(), *(verdict(f"p{n:03d}", "needs-information", missing) for n in range(MANY)))
    save_at(store, OTHER, verdict("far", "ready-for-investigator"))
    store.decide(SITE, "Patient/declined", trial=TRIAL, state="declined", reason="patient-declined", by="nurse")
    add_person(store, "nurse", roles={SITE: [Role.NURSE]})
    add_person(store, "manager", roles={SITE: [Role.DATA_MANAGER]})
    add_person(store, "far", roles={OTHER: [Role.INVESTIGATOR]})
    add_person(store, "both", roles={SITE: [Role.NURSE], OTHER: [Role.DATA_MANAGER]})
