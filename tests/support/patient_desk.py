"""In: a folder. Out: a store with one ward of real records, pulled and screened, and the service over it as a viewer of one's choice sees it.

``Patient/ipp-1`` has had four cycles and has progressed; their file holds what a hospital may send and a browser must never run.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from adapter.accounts import Role, Viewer
from adapter.config import Settings, SiteSettings, load_settings
from adapter.documents import load_site, load_trial
from adapter.jobs import screen_site
from adapter.service import create_app
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.clinic import condition, write_feed

__all__ = [
    "HOME",
    "HOSTILE",
    "ON",
    "PATIENT",
    "SITE",
    "TRIAL",
    "Ward",
    "as_viewer",
    "cycle",
    "hidden_fields",
    "observation",
    "record",
    "send",
    "served",
    "ward",
]

HOME = "http://127.0.0.1:8000"
SITE = "icm"
TRIAL = "nct04954820"
ON = date(2025, 6, 1)
PATIENT = "Patient/ipp-1"
IPP_SYSTEM = "urn:oid:1.2.250.1.999.1"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
LOINC = "http://loinc.org"

Resource = dict[str, Any]


def observation(identity: str, code: str, value: str, unit: str, *, day: str, **more: Any) -> Resource:
    """A final Observation of ``ipp-1``."""
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {"versionId": "1"},
        "status": "final",
        "subject": {"reference": PATIENT},
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": day,
        "valueQuantity": {"value": int(value) if value.isdigit() else float(value), "unit": unit},
        **more,
    }


def cycle(identity: str, day: str) -> Resource:
    """A completed cycle of Lutathera."""
    return {
        "resourceType": "MedicationAdministration",
        "id": identity,
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
        "subject": {"reference": PATIENT},
        "effectiveDateTime": day,
    }


def record() -> Iterator[Resource]:
    """The resources of the ward."""
    yield {
        "resourceType": "Patient",
        "id": "ipp-1",
        "birthDate": "1960-05-04",
        "gender": "male",
        "identifier": [{"system": IPP_SYSTEM, "value": "N/42"}],
        "name": [{"family": "Nomdefamille"}],
    }
    yield condition("c17", "ipp-1", "C17.2")
    yield observation("hb-old", "718-7", "9.5", "g/dL", day="2024-11-02")
    yield observation("hb", "718-7", "121", "g/L", day="2025-05-20", referenceRange=[{"text": "N: 130 - 170"}])
    yield observation("plt", "777-3", "143", "G/L", day="2025-05-20")
    alt = observation("alt", "1742-6", "38", "U/L", day="2025-05-20")
    yield {**alt, "referenceRange": [{"high": {"value": 41, "unit": "U/L"}}]}
    words = observation("pnn", "26499-4", "1", "G/L", day="2025-05-20")
    del words["valueQuantity"]
    yield {**words, "valueString": HOSTILE}
    for number, day in enumerate(("2021-01-04", "2021-03-01", "2021-04-26", "2021-06-21")):
        yield cycle(f"cycle-{number + 1}", day)
    worse = {"coding": [{"system": "http://snomed.info/sct", "code": "271299001"}]}
    status = observation("status", "97509-4", "1", "", day="2024-10-01")
    del status["valueQuantity"]
    yield {**status, "valueCodeableConcept": worse}


@dataclass
class Ward:
    """A store and how to reach it."""

    settings: Settings
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The random key of ``ipp-1``."""
        return self.keys[PATIENT]

    @property
    def address(self) -> str:
        """The address of their page."""
        return f"/patients/{self.key}"

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, open."""
        with Store.open(self.settings.store.path) as opened:
            yield opened

    def pull(self, folder: Path, *resources: Resource) -> None:
        """Further resources come, and the ward is screened again."""
        with self.store() as store:
            pull(store, FolderSource(write_feed(folder, resources)), site=SITE)
            screen_site(store, load_site(SITE), [load_trial(TRIAL)], today=ON)


@cache
def _made() -> tuple[tempfile.TemporaryDirectory[str], str]:
    """A screened ward that is copied for each test, and the key of its patient; it goes when the tests end."""
    room = tempfile.TemporaryDirectory(prefix="reluth-ward-")
    atexit.register(room.cleanup)
    found = Ward(load_settings(None, store=Path(room.name) / "var"))
    found.pull(Path(room.name) / "feed", *record())
    with found.store() as store:
        return room, store.patient_key(SITE, PATIENT)


@contextmanager
def ward(folder: Path, **site: Any) -> Iterator[Ward]:
    """A screened ward; ``site``: settings of the site, as in ``[sites.icm]``."""
    room, key = _made()
    shutil.copytree(Path(room.name) / "var", folder / "var")
    told = {SITE: SiteSettings(identifier_system=IPP_SYSTEM, **site)}
    settings = load_settings(None, store=folder / "var").model_copy(update={"sites": told})
    yield Ward(settings, {PATIENT: key})


def as_viewer(app: Any, *roles: Role, site: str = SITE, name: str = "anna") -> Viewer:
    """Whoever asks from now on has these roles at a site, whatever session they show."""
    viewer = Viewer(name, f"{name.title()} Martin", {site: frozenset(roles)})
    app.state.access.viewer = lambda _session: viewer
    return viewer


@contextmanager
def served(found: Ward, *roles: Role, today: date = ON) -> Iterator[TestClient]:
    """A browser in English, of somebody with these roles at the site."""
    app = create_app(found.settings, token="t", today=lambda: today)
    as_viewer(app, *(roles or (Role.INVESTIGATOR,)))
    headers = {"Accept-Language": "en"}
    with TestClient(app, base_url=HOME, headers=headers) as client:
        client.cookies.set(app.state.access.cookie, "a-session-of-the-tests")
        yield client


def hidden_fields(text: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that is sent to an address."""
    form = re.search(rf'<form method="post" action="{re.escape(action)}[^"]*"[^>]*>(.*?)</form>', text, re.DOTALL)
    assert form is not None, f"no form for {action}"
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[1]))


def send(client: TestClient, address: str, fields: Mapping[str, str]) -> Any:
    """Send a form as a browser does, and do not follow."""
    return client.post(address, data=dict(fields), headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
