"""In: a folder. Out: a simulated centre as the product sees it (pulled over HTTP, screened, with accounts), and what happens there next.

All goes by `reluth`: the pull of the hospital's FHIR server, the screening, the accounts. Passwords are as invented as the patients.
"""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from adapter.config import Settings, load_settings
from adapter.service import create_app
from adapter.service.hospital import serve_hospital
from adapter.simulate import simulate
from adapter.store import Store
from tests.support.cli import reluth, reluth_process
from tests.support.serving import serving

__all__ = ["FIRST_DAY", "OTHER_SITE", "PASSWORDS", "PEOPLE", "SITE", "TRIAL", "Centre", "Chosen", "make_centre"]

SITE: Final = "icm"
OTHER_SITE: Final = "rennes"
TRIAL: Final = "nct04954820"
FIRST_DAY: Final = date(2025, 6, 1)
_SEED: Final = 7
#: Each patient of the simulator's list of stories is there from 150 on.
_PATIENTS, _ELSEWHERE = 150, 12
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_IPP: Final = "urn:oid:1.2.250.1.999.1.3"

#: Who has an account: role, and the name that pages show.
PEOPLE: Final[Mapping[str, tuple[str, str]]] = {
    "nurse": (f"nurse@{SITE}", "Nurse of ICM"),
    "investigator": (f"investigator@{SITE}", "Investigator of ICM"),
    "elsewhere": (f"nurse@{OTHER_SITE}", "Nurse of Rennes"),
    "sponsor": ("sponsor@*", "Sponsor"),
}
PASSWORDS: Final[Mapping[str, str]] = {name: f"a walk by the sea, {name[::-1]}" for name in PEOPLE}

Json = dict[str, Any]


@dataclass(frozen=True)
class Chosen:
    """A patient of the story.

    Attributes:
        patient: ``Patient/id``; ``key`` of their page, ``number`` at the hospital.
        verdict: as the first screening found it.
    """

    patient: str
    key: str
    number: str
    verdict: Json = field(repr=False)

    @property
    def name(self) -> str:
        """As pages write it."""
        return self.patient.partition("/")[2]


@dataclass
class Centre:
    """A store of two hospitals, and the hospitals themselves.

    Attributes:
        folder: of all that there is.
        today: what the pages take for today; screenings are as of it.
    """

    folder: Path
    today: date
    _ports: dict[str, int] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "adapter.toml"

    @property
    def settings(self) -> Settings:
        """As the settings file has them."""
        return load_settings(self.config)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, open."""
        settings = self.settings
        with Store.open(settings.store.path, settings.store.database) as opened:
            yield opened

    @contextmanager
    def served(self) -> Iterator[str]:
        """The service as `reluth serve` makes it, but for its day."""
        with serving(create_app(self.settings, today=lambda: self.today)) as address:
            yield address

    def next_day(self) -> None:
        """A night passes."""
        self.today += timedelta(days=1)

    # The hospital -------------------------------------------------------------------------------------------------

    def feed(self, site: str = SITE) -> Path:
        """The files that a hospital's server serves."""
        return self.folder / "feed" / site

    def add_result(self, chosen: Chosen, identity: str, code: str, value: str, unit: str) -> None:
        """A laboratory result of today reaches the hospital's server."""
        result = {
            "resourceType": "Observation",
            "id": identity,
            "meta": {"versionId": "1", "lastUpdated": datetime.now(UTC).isoformat(timespec="seconds")},
            "status": "final",
            "category": [{"coding": [{"system": _CATEGORY, "code": "laboratory"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": chosen.patient},
            "effectiveDateTime": str(self.today),
            "valueQuantity": {"value": int(value), "unit": unit},
        }
        with (self.feed() / "Observation.ndjson").open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")

    def pull_and_screen(self, site: str = SITE) -> None:
        """What `reluth sync` does every quarter of an hour, as two commands and processes of their own."""
        with serve_hospital(self.feed(site), port=self._ports[site]):
            self._run("pull", "--site", site)
        self._run("screen", "--site", site, "--on", str(self.today))

    def _run(self, *arguments: str) -> None:
        ran = reluth_process("--config", self.config, "--quiet", *arguments)
        assert ran.code == 0, f"reluth {arguments[0]} ended with {ran.code}: {ran.err}"

    # Who is who ---------------------------------------------------------------------------------------------------

    def suiting(self, suits: Callable[[Json], bool]) -> list[Chosen]:
        """The patients of the centre whose verdict is such."""
        with self.store() as store:
            kept = [
                (one.patient, json.loads(one.content))
                for one in store.latest_verdicts(TRIAL, "registration", site=SITE)
            ]
            return [
                Chosen(patient, store.patient_key(SITE, patient), self._number(patient), verdict)
                for patient, verdict in kept
                if suits(verdict)
            ]

    def find(self, suits: Callable[[Json], bool]) -> Chosen:
        """The first of them."""
        found = self.suiting(suits)
        assert found, "the simulated centre has no such patient"
        return found[0]

    def unlisted(self) -> list[str]:
        """The hospital's numbers of those who are in the store, and are no candidates."""
        with self.store() as store:
            listed = {saved.patient for saved in store.latest_verdicts(TRIAL, "registration", site=SITE)}
        others = [one for one in self._people() if f"Patient/{one['id']}" not in listed]
        return [self._number(f"Patient/{one['id']}") for one in others if one.get("active") and "link" not in one]

    def _people(self) -> list[Json]:
        return [json.loads(line) for line in (self.feed() / "Patient.ndjson").read_text("utf-8").splitlines()]

    def _number(self, patient: str) -> str:
        person = next(one for one in self._people() if f"Patient/{one['id']}" == patient)
        return str(next(one["value"] for one in person["identifier"] if one["system"] == _IPP))


def make_centre(folder: Path, *, first_day: date = FIRST_DAY) -> Centre:
    """Simulate two hospitals, pull and screen both, make the accounts.

    Args:
        folder: empty.
        first_day: around which the records are written, and as of which they are screened.
    """
    centre = Centre(folder, first_day)
    for site, size in ((SITE, _PATIENTS), (OTHER_SITE, _ELSEWHERE)):
        centre._ports[site] = _free_port()
        simulate(centre.feed(site), patients=size, seed=_SEED, on=first_day)
        (centre.feed(site) / "truth.ndjson").unlink()
    centre.config.write_text(_settings(centre._ports), encoding="utf-8")
    for site in centre._ports:
        centre.pull_and_screen(site)
    for name, (role, display) in PEOPLE.items():
        with patch("sys.stdin", io.StringIO(f"{PASSWORDS[name]}\n")):
            ran = reluth(
                *("--config", centre.config, "--quiet", "user", "add", name),
                *("--role", role, "--display", display, "--password-stdin"),
            )
        assert ran.code == 0, ran.err
    return centre


def _settings(ports: Mapping[str, int]) -> str:
    lines = [f'trials = ["{TRIAL}"]', "[store]", 'path = "var"']
    for site, port in ports.items():
        lines += [
            f"[sites.{site}]",
            f'base_url = "http://127.0.0.1:{port}/fhir"',
            f'identifier_system = "{_IPP}"',
            f'record_url = "https://record.{site}.example/patients/{{number}}"',
        ]
    return "\n".join([*lines, ""])


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
