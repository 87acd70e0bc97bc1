"""The same patients pulled from a folder and from a hospital's server over HTTP are the same store, byte for byte."""

from __future__ import annotations

from pathlib import Path

from adapter.client import SiteAddress, SiteClient
from adapter.service.hospital import serve_hospital
from adapter.store import Store
from adapter.sync import FolderSource, HttpSource, pull
from tests.unit.store.making import everything, line, live, patient, write_folder

TYPES = ("Medication", "Observation", "Patient")


def _feed(folder: Path, *, version: int = 1) -> Path:
    at = f"2025-05-{version:02}T08:00:00.000+02:00"
    patients = [patient(f"p{n}", version=version, updated=at) for n in range(12)]
    results = [
        b'{"resourceType": "Observation", "id": "o%d", "meta": {"versionId": "%d", "lastUpdated": "%b"}, '
        b'"status":"final","code":{"text":"H\\u00e9moglobine"},"subject":{"reference":"Patient/p%d"},'
        b'"valueQuantity":{"value":1.10}}' % (n, version, at.encode(), n % 12)
        for n in range(30)
    ]
    drugs = [line("Medication", "m1", version=version, updated=at)]
    files = {"Patient": patients, "Observation": results, "Medication": drugs}
    return write_folder(folder, {f"{type_}.ndjson": b"\n".join(lines) for type_, lines in files.items()})


def test_pull_over_http_is_the_pull_from_the_folder(tmp_path: Path) -> None:
    feed = _feed(tmp_path / "feed")
    with (
        Store.open(tmp_path / "files") as files,
        Store.open(tmp_path / "http") as http,
        serve_hospital(feed) as base_url,
        SiteClient(SiteAddress(base_url)) as client,
    ):
        from_files = pull(files, FolderSource(feed), site="icm")
        from_http = pull(http, HttpSource(client, TYPES, count=7), site="icm")
        again = pull(http, HttpSource(client, TYPES, count=7), site="icm")

        assert (from_http.complete, from_http.exit_code) == (True, 0)
        assert from_http.types == from_files.types
        assert from_http.transaction_time is not None
        assert sum(counts.new + counts.changed for counts in again.types.values()) == 0
        assert everything(http) == everything(files)
        assert live(http) == live(files)
        assert b'"value":1.10' in live(http)["Patient/p1"][0]


def test_pull_over_http_brings_what_changed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        for version in (1, 2):
            feed = _feed(tmp_path / "feed", version=version)
            with serve_hospital(feed) as base_url, SiteClient(SiteAddress(base_url)) as client:
                summary = pull(store, HttpSource(client, TYPES), site="icm", full=True)

        assert {type_: counts.changed for type_, counts in summary.types.items()} == {
            "Medication": 1,
            "Observation": 30,
            "Patient": 12,
        }
        assert store.lake.stats()["sites"]["icm"]["Observation"] == {"live": 30, "versions": 60}
