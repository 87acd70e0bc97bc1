"""In: a real HAPI FHIR server, before and after a pull. Out: what `reluth check` tells of it, and that a check leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapter.documents import load_trial
from tests.support.cli import Ran, reluth
from tests.support.hapi_server import load_patients, running_hapi, unload
from tests.support.hospital import haemoglobin, write_feed

pytestmark = pytest.mark.hapi

SITE = "check"
NAME = "Quimper"
PATIENT = (
    b'{"resourceType":"Patient","id":"check-p1","gender":"female","birthDate":"1960-05-04",'
    b'"name":[{"family":"' + NAME.encode() + b'"}]}'
)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = write_feed(
        tmp_path_factory.mktemp("feed"),
        {"Patient": [PATIENT], "Observation": [haemoglobin(f"check-o{n}", of="check-p1") for n in range(3)]},
    )
    url = running_hapi()
    resources = load_patients(url, folder, ["check-p1"])
    yield url
    unload(url, resources)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_url: str) -> Path:
    monkeypatch.chdir(tmp_path)
    settings = f'[store]\npath = "var"\n[sites.{SITE}]\nbase_url = "{base_url}"\nidentifier_system = "urn:oid:1.2.3"\n'
    (tmp_path / "adapter.toml").write_text(settings)
    (tmp_path / "adapter.toml").chmod(0o600)
    return tmp_path


def _check(*more: str) -> Ran:
    return reluth("check", "--site", SITE, *more)


def test_check_tells_of_every_type_that_the_trial_needs_before_anything_was_pulled(room: Path) -> None:
    ran = _check("--json")
    found = ran.object
    types = {line["type"]: line for line in found["connection"]["types"]}
    codes = {one["code"]: one["status"] for one in found["connection"]["findings"]}

    assert set(types) == set(load_trial("nct04954820").resource_types)
    assert {line["served"] for line in types.values()} == {True}
    assert [line["lacking"] for line in types.values() if line["lacking"]] == []
    assert (types["Patient"]["sample"], types["Observation"]["sample"]) == ("answered", "answered")
    assert {"statement": "ok", "version": "ok", "clock": "ok", "types-stated": "ok", "push-possible": "ok"}.items() <= (
        codes.items()
    )
    assert found["connection"]["complete"] is True


def test_check_looks_at_a_sample_and_keeps_nothing_of_it(room: Path) -> None:
    ran = _check("--json", "--sample", "2")
    found = ran.object
    data = {item["what"]: item for item in found["data"]}

    assert found["covered"] == "sample"
    assert found["sampled"] >= 3
    assert 1 <= data["hemoglobin"]["results"] <= 2
    assert [gap for item in found["data"] for gap in item["gaps"] if gap["kind"] == "no-data"] == []
    assert sorted(path.name for path in room.iterdir()) == ["adapter.toml"]


def test_check_without_a_sample_says_that_a_pull_comes_next(room: Path) -> None:
    ran = _check("--sample", "0")

    assert ran.code == 0
    assert f"`reluth pull --site {SITE}` comes next" in " ".join(ran.out.split())
    assert "HAPI FHIR Server" in ran.out


def test_check_after_a_pull_tells_of_all_that_is_stored(room: Path) -> None:
    with (room / "adapter.toml").open("a") as settings:
        settings.write('types = ["Observation", "Patient"]\n')
    assert reluth("pull", "--site", SITE).code == 0
    found = _check("--json").object

    assert (found["covered"], found["sampled"]) == ("stored", None)
    assert {item["what"]: item for item in found["data"]}["hemoglobin"]["results"] >= 3
    assert {one["code"] for one in found["connection"]["findings"]} >= {"store-private"}


def test_check_shows_no_patient_content(room: Path) -> None:
    ran = [_check(), _check("--json"), _check("--lang", "fr")]

    assert not any(NAME in one.out + one.err or "check-p1" in one.out + one.err for one in ran)


def test_check_says_the_same_each_time(room: Path) -> None:
    assert [one["code"] for one in _check("--json").object["connection"]["findings"]] == [
        one["code"] for one in _check("--json").object["connection"]["findings"]
    ]


def test_check_names_a_server_of_another_version(room: Path, base_url: str) -> None:
    (room / "adapter.toml").write_text(f'[sites.{SITE}]\nbase_url = "{base_url}"\nfhir_version = "5.0.0"\n')
    ran = _check("--json", "--sample", "0")
    other = next(one for one in ran.object["connection"]["findings"] if one["code"] == "version-other")

    assert ran.code == 2
    assert other["values"] == {"stated": "4.0.1", "wanted": "5.0.0"}
    assert "fhir_version" in other["do"]


def test_check_of_a_bulk_site_looks_for_the_export_that_hapi_states(room: Path, base_url: str) -> None:
    (room / "adapter.toml").write_text(f'[sites.{SITE}]\nbase_url = "{base_url}"\nmode = "bulk"\n')
    codes = {one["code"] for one in _check("--json", "--sample", "0").object["connection"]["findings"]}
    stated = httpx.get(f"{base_url}/metadata", timeout=60).text

    assert (("export" in codes) or ("export-missing" in codes)) and not {"export", "export-missing"} <= codes
    assert ("export" in codes) is ('"patient-export"' in stated or '"export"' in stated)


def test_check_writes_one_object_on_stdout_and_the_rest_on_stderr(room: Path) -> None:
    ran = _check("--json", "--sample", "0")

    assert json.loads(ran.out)["site"] == SITE
    assert "asking" in ran.err
