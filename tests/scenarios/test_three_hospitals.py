"""The 160 patients that hold every kind of story: the same verdicts from a folder, from our hospital and from HAPI."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.client import SiteAddress, SiteClient
from adapter.config import SearchSettings
from adapter.criteria import Stage
from adapter.documents import load_site, load_trial
from adapter.screening import Asked, screen
from adapter.service.hospital import serve_hospital
from adapter.simulate import simulate, story_names
from adapter.store import Store
from adapter.sync import FolderSource, SearchSource, Source, pull
from tests.support.hapi_server import hapi_server, load_patients

PATIENTS = 160
ON = date(2025, 6, 1)
Verdicts = dict[tuple[str, Stage], dict[str, Any]]


def _verdicts(source: Source, folder: Path) -> Verdicts:
    """Pull into a store of its own and screen everybody at both stages; evidence versions are the server's own."""
    trial, site = load_trial("nct04954820"), load_site("icm")
    with Store.open(folder) as store:
        summary = pull(store, source, site="icm")

        assert summary.exit_code == 0, summary.to_json()

        found = {}
        for stage in Stage:
            asked = Asked(today=ON, on=ON, stage=stage, everyone=True, save=False)
            for verdict in screen(store, trial, site, asked):
                content = json.loads(json.dumps(verdict.to_json()), object_hook=_without_version)
                found[verdict.patient, stage] = content
    return found


def _without_version(node: dict[str, Any]) -> dict[str, Any]:
    if "reference" in node:
        node.pop("version", None)
    return node


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    summary = simulate(folder, patients=PATIENTS, seed=11)

    assert set(summary.stories) == set(story_names())

    return folder


@pytest.fixture(scope="module")
def from_folder(feed: Path, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    return _verdicts(FolderSource(feed, load_trial("nct04954820").resource_types), tmp_path_factory.mktemp("store"))


def _over_http(base_url: str, folder: Path) -> Verdicts:
    with SiteClient(SiteAddress(base_url)) as client:
        types = load_trial("nct04954820").resource_types
        source = SearchSource(client, folder / "spool", types=types, settings=SearchSettings(count=200))
        return _verdicts(source, folder)


def test_our_hospital_gives_the_verdicts_of_the_folder(feed: Path, from_folder: Verdicts, tmp_path: Path) -> None:
    with serve_hospital(feed) as base_url:
        found = _over_http(base_url, tmp_path)

    assert found == from_folder
    assert len(found) >= 2 * PATIENTS


@pytest.mark.hapi
def test_hapi_gives_the_verdicts_of_the_folder(feed: Path, from_folder: Verdicts, tmp_path: Path) -> None:
    patients = [json.loads(line)["id"] for line in (feed / "Patient.ndjson").read_text(encoding="utf-8").splitlines()]
    with hapi_server() as base_url:
        load_patients(base_url, feed, patients)
        found = _over_http(base_url, tmp_path)

    assert found == from_folder
