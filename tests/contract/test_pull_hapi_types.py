"""All types that the trial reads come from a real HAPI by search and by export, with nothing in the settings but the address."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapter.simulate import simulate
from adapter.store import Store
from tests.support.cli import reluth
from tests.support.fault_clock import SkippingClock
from tests.support.hapi_server import load_patients, running_hapi, unload

pytestmark = pytest.mark.hapi

PATIENTS = 12
#: Simulated, and of no use to the trial's criteria: not pulled (design 4.4).
_NOT_READ = frozenset({"Encounter", "Organization", "Practitioner"})
#: HAPI asks to be left alone for two minutes while it exports for two seconds.
_REAL_SECONDS = 0.5


def _live(folder: Path) -> set[str]:
    with Store.open(folder) as store:
        types = store.lake.stats()["sites"]["icm"]
        return {f"{type_}/{id_}" for type_ in types for id_ in store.lake.live_ids("icm", type_)}


def test_hapi_gives_every_type_that_the_trial_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SkippingClock(real=_REAL_SECONDS).install(monkeypatch)
    simulate(tmp_path / "feed", patients=PATIENTS, seed=5)
    lines = (tmp_path / "feed" / "Patient.ndjson").read_bytes().splitlines()
    base_url = running_hapi()
    loaded = load_patients(base_url, tmp_path / "feed", [msgspec.json.decode(line)["id"] for line in lines])
    expected = {f"{type_}/{id_}" for type_, ids in loaded.items() for id_ in ids}
    found = {}
    try:
        for mode in ("search", "bulk"):
            settings = tmp_path / f"{mode}.toml"
            settings.write_text(f'[sites.icm]\nbase_url = "{base_url}"\nmode = "{mode}"\n', encoding="utf-8")
            ran = reluth("--config", settings, "--store", tmp_path / mode, "pull", "--site", "icm", "--json")
            assert (ran.code, ran.object["complete"], ran.object["mode"]) == (0, True, mode), ran.err
            found[mode] = _live(tmp_path / mode)
    finally:
        unload(base_url, loaded)

    assert {"Medication", "MedicationAdministration", "ResearchSubject"} <= loaded.keys()
    read = {reference for reference in expected if reference.partition("/")[0] not in _NOT_READ}
    assert read <= found["search"]
    assert found["bulk"] == found["search"]
