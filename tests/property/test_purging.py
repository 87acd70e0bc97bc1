"""In: a hospital in which people come, change, are merged, deleted and treated. Out: whether a store whose non-candidates are purged says what one says that keeps everybody.

After each cycle, with the whole reading that it asks for, candidates and verdicts are the same to the byte, and so is what `reluth why` reads of
whoever is there. Before that reading nobody has a verdict on a part of their record.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.config import Settings, SiteSettings, load_settings
from adapter.criteria import Stage
from adapter.documents import load_site, load_trial
from adapter.jobs import look_for_wanted, purge_site, screen_site, signs_at
from adapter.store import Store
from adapter.sync import PullSummary, pull
from tests.support.changing_hospital import SERVER, Hospital, HospitalSource
from tests.support.records import ChartWriter
from tests.support.simulated import ON, SITE, TRIAL

LOCAL = "urn:example:local"
LATER = timedelta(days=31)
CONCEPT_MAP = """{"resourceType": "ConceptMap", "url": "urn:example:map", "status": "active",
 "group": [{"source": "urn:example:local", "target": "http://hl7.org/fhir/sid/icd-10",
 "element": [{"code": "TUM-GRELE", "target": [{"code": "C17.2", "equivalence": "equivalent"}]}]}]}"""


class Clinic:
    """A hospital with some people, of whom few have a sign."""

    def __init__(self, seed: int, overlay: Path) -> None:
        self.chance = random.Random(seed)
        self.overlay = overlay
        self.hospital = Hospital(load_trial(TRIAL).resource_types)
        self._number = 0
        self.hospital.put(*(self._product(name) for name in ("plain", "later")))
        for _ in range(14):
            self.admit()
        self.person("p1", {"condition": {"icd10": "C17.2"}})

    def _product(self, name: str, code: str = "N02BE01") -> dict[str, Any]:
        coding = {"system": "http://www.whocc.no/atc", "code": code}
        return {"resourceType": "Medication", "id": name, "code": {"coding": [coding]}}

    def person(self, id_: str, *entries: dict[str, Any]) -> None:
        """More of a person."""
        writer = ChartWriter(f"Patient/{id_}")
        for body in writer.write(entries):
            self._number += 1
            self.hospital.put({**body, "id": f"r{self._number}"})

    def anybody(self) -> str:
        return self.chance.choice(self.hospital.names("Patient")).partition("/")[2]

    # What happens ---------------------------------------------------------------------------------------------------

    def admit(self) -> None:
        """Somebody comes."""
        id_ = f"p{len(self.hospital.names('Patient')) + self.chance.randrange(10**6)}" if self._number else "p1"
        self.hospital.put({"resourceType": "Patient", "id": id_, "gender": "female", "birthDate": "1960-01-01"})
        self._number += 1
        self.lab(id_)
        product = self.chance.choice(["plain", "later"])
        if self.chance.random() < 0.4:
            self.person(id_, {"infusion": {"medication": f"Medication/{product}", "date": "2025-05-01"}})
        if self.chance.random() < 0.3:
            self.person(id_, {"condition": {"code": f"{LOCAL}|TUM-GRELE"}})

    def lab(self, id_: str | None = None) -> None:
        """A result, which may be the latest."""
        day = f"2025-05-{self.chance.randrange(1, 28):02}"
        value = self.chance.randrange(6, 15)
        self.person(id_ or self.anybody(), {"lab": {"of": "hb", "value": value, "unit": "g/dL", "date": day}})

    def give(self) -> None:
        """Somebody gets a product."""
        product = self.chance.choice(["plain", "later"])
        self.person(self.anybody(), {"infusion": {"medication": f"Medication/{product}", "date": "2025-05-01"}})

    def diagnose(self) -> None:
        """Somebody has a sign."""
        self.person(self.anybody(), {"condition": {"icd10": "C17.2", "recorded": "2025-05-10"}})

    def treat(self) -> None:
        """Somebody gets Lutathera."""
        self.person(self.anybody(), {"infusion": {"date": "2025-05-12"}})

    def name_the_product(self) -> None:
        """A product that many got turns out to be Lutathera."""
        self.hospital.put(self._product("later", "V10XX04"))

    def merge(self) -> None:
        """Two records become one."""
        old, new = self.anybody(), self.anybody()
        if old != new:
            record = self.hospital.body(f"Patient/{old}")
            record["link"] = [{"other": {"reference": f"Patient/{new}"}, "type": "replaced-by"}]
            self.hospital.put(record)
            self.lab(new)

    def bring_under_a_new_number(self) -> None:
        """Somebody gets a new record that replaces the one before."""
        old = self.anybody()
        self.admit_as(
            f"n{self.chance.randrange(10**6)}", link=[{"other": {"reference": f"Patient/{old}"}, "type": "replaces"}]
        )

    def admit_as(self, id_: str, **elements: Any) -> None:
        """Somebody comes with a sign."""
        self.hospital.put(
            {"resourceType": "Patient", "id": id_, "gender": "male", "birthDate": "1950-01-01", **elements}
        )
        self.person(id_, {"condition": {"icd10": "C17.2"}})
        self.lab(id_)

    def refute(self) -> None:
        """A diagnosis is taken back."""
        names = self.hospital.names("Condition")
        if names:
            body = self.hospital.body(self.chance.choice(names))
            system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
            body["verificationStatus"] = {"coding": [{"system": system, "code": "refuted"}]}
            self.hospital.put(body)

    def move(self) -> None:
        """A result was another person's."""
        body = self.hospital.body(self.chance.choice(self.hospital.names("Observation")))
        body["subject"] = {"reference": f"Patient/{self.anybody()}"}
        self.hospital.put(body)

    def correct(self) -> None:
        """A result was another one."""
        body = self.hospital.body(self.chance.choice(self.hospital.names("Observation")))
        body["valueQuantity"]["value"] = self.chance.randrange(6, 15)
        self.hospital.put(body)

    def delete(self) -> None:
        """A result is deleted."""
        self.hospital.delete(self.chance.choice(self.hospital.names("Observation")))

    def map_a_code(self) -> None:
        """The site's own code turns out to be a sign."""
        folder = self.overlay / "conceptmaps"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "own.json").write_text(CONCEPT_MAP)


USUAL: list[Callable[[Clinic], None]] = [
    Clinic.admit,
    Clinic.give,
    Clinic.lab,
    Clinic.lab,
    Clinic.correct,
    Clinic.move,
    Clinic.delete,
]
SELDOM: list[Callable[[Clinic], None]] = [
    Clinic.diagnose,
    Clinic.treat,
    Clinic.name_the_product,
    Clinic.merge,
    Clinic.bring_under_a_new_number,
    Clinic.refute,
    Clinic.map_a_code,
]


def settings_at(folder: Path, overlay: Path) -> Settings:
    overlay.mkdir(exist_ok=True)
    site = SiteSettings.model_validate({"base_url": SERVER, "overlay": overlay})
    return load_settings(None, store=folder).model_copy(update={"sites": {SITE: site}})


def read(store: Store, settings: Settings, hospital: Hospital, **more: Any) -> PullSummary:
    """Pull as `pull_site` does."""
    signs = signs_at(settings, SITE)
    back = bool(look_for_wanted(store, SITE, signs))
    source = HospitalSource(hospital, **more)
    return pull(store, source, site=SITE, full=back, brings_back=back, signs=signs)


def screened(store: Store, settings: Settings) -> dict[str, tuple[str, str]]:
    """The latest verdict of each person, and by what it was made."""
    trial = load_trial(TRIAL)
    site = load_site(SITE, settings.sites[SITE].overlay)
    assert not screen_site(store, site, [trial], today=ON).failed
    merges = store.lake.merges(SITE)
    latest = {
        one.patient: (one.content, one.input_hash)
        for one in store.latest_verdicts(TRIAL, Stage.REGISTRATION, site=SITE)
    }
    return {patient: kept for patient, kept in latest.items() if patient not in merges}


def records(store: Store) -> dict[str, tuple[tuple[str, ...], list[bytes]]]:
    return {one.patient: (one.merged, one.resources) for one in store.lake.records(SITE)}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(3, 40))])
def test_whoever_is_purged_misses_nothing(tmp_path: Path, seed: int) -> None:
    clinic = Clinic(seed, tmp_path / "overlay")
    settings = settings_at(tmp_path, tmp_path / "overlay")
    purged = 0
    previous: dict[str, tuple[tuple[str, ...], list[bytes]]] = {}
    with Store.open(tmp_path / "keeps") as keeps, Store.open(tmp_path / "purges") as purges:
        for step in range(9):
            for what in clinic.chance.sample(USUAL, 3):
                what(clinic)
            if step and clinic.chance.random() < 0.7:
                clinic.chance.choice(SELDOM)(clinic)
            assert read(keeps, settings, clinic.hospital).exit_code == 0
            first = read(purges, settings, clinic.hospital)
            expected = screened(keeps, settings)
            wanted = look_for_wanted(purges, SITE, signs_at(settings, SITE))
            # Nobody is half there.
            whole = records(keeps)
            away = purges.purged.patients(SITE)
            for patient, (merged, resources) in records(purges).items():
                if not wanted:
                    assert whole[patient] == (merged, resources)
                assert not {patient, *merged} & away.keys() or set(resources) <= {*previous.get(patient, ((), []))[1]}
            if wanted:
                assert first.exit_code == 5 or (step and clinic.overlay.joinpath("conceptmaps").is_dir())
                assert read(purges, settings, clinic.hospital).exit_code == 0
                assert records(purges) == whole
            assert not purges.purged.wanted(SITE)
            assert screened(purges, settings) == expected
            done = purge_site(purges, settings, SITE, now=datetime.now(UTC) + LATER, by="test", whole=True)
            assert done is not None
            purged += done.persons
            assert screened(purges, settings) == expected
            previous = records(purges)
    assert purged > 10
