"""The same patients pulled from a folder and from a hospital's server over HTTP are the same store, byte for byte."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx
import pytest

from adapter.client import SiteAddress, SiteClient
from adapter.config import SearchSettings
from adapter.service.hospital import serve_hospital
from adapter.store import Store
from adapter.sync import FolderSource, PullSummary, pull
from adapter.sync.search_source import SearchSource
from adapter.sync.stored_patients import stored_patients
from tests.unit.store.making import everything, line, live, patient, write_folder

SITE = "icm"
TYPES = ("Medication", "Observation", "Patient")


def _feed(folder: Path, *, version: int = 1, people: int = 12) -> Path:
    at = f"2025-05-{version:02}T08:00:00.000+02:00"
    patients = [patient(f"p{n}", version=version, updated=at) for n in range(people)]
    results = [
        b'{"resourceType": "Observation", "id": "o%d", "meta": {"versionId": "%d", "lastUpdated": "%b"}, '
        b'"status":"final","code":{"text":"H\\u00e9moglobine"},"subject":{"reference":"Patient/p%d"},'
        b'"valueQuantity":{"value":1.10}}' % (n, version, at.encode(), n % people)
        for n in range(30)
    ]
    drugs = [line("Medication", "m1", version=version, updated=at)]
    files = {"Patient": patients, "Observation": results, "Medication": drugs}
    return write_folder(folder, {f"{type_}.ndjson": b"\n".join(lines) for type_, lines in files.items()})


def _pull(store: Store, client: SiteClient, *, full: bool = False, **settings: object) -> PullSummary:
    source = SearchSource(
        client,
        store.folder / "spool" / SITE,
        types=TYPES,
        settings=SearchSettings.model_validate({"count": 7} | settings),
        patients=partial(stored_patients, store, SITE, TYPES),
    )
    return pull(store, source, site=SITE, full=full)


@pytest.mark.parametrize("plan", ["type", "patient"])
@pytest.mark.parametrize("post", [True, False])
def test_pull_over_http_is_the_pull_from_the_folder(tmp_path: Path, plan: str, post: bool) -> None:
    feed = _feed(tmp_path / "feed")
    with (
        Store.open(tmp_path / "files") as files,
        Store.open(tmp_path / "http") as http,
        serve_hospital(feed) as base_url,
        SiteClient(SiteAddress(base_url)) as client,
    ):
        from_files = pull(files, FolderSource(feed), site=SITE)
        from_http = _pull(http, client, plan=plan, post=post)
        again = _pull(http, client, plan=plan, post=post)

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
                summary = _pull(store, client, full=True)

        assert {type_: counts.changed for type_, counts in summary.types.items()} == {
            "Medication": 1,
            "Observation": 30,
            "Patient": 12,
        }
        assert store.lake.stats()["sites"]["icm"]["Observation"] == {"live": 30, "versions": 60}


def test_full_pull_over_http_finds_who_is_gone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        for people in (12, 10):
            feed = _feed(tmp_path / "feed", people=people)
            with serve_hospital(feed) as base_url, SiteClient(SiteAddress(base_url)) as client:
                summary = _pull(store, client, full=True)

        assert (summary.complete, summary.types["Patient"].deleted) == (True, 2)
        assert sorted(live(store)) == sorted(f"Patient/p{n}" for n in range(10))


def test_pull_over_http_goes_on_on_a_server_that_was_started_anew(tmp_path: Path) -> None:
    feed = _feed(tmp_path / "feed")
    with Store.open(tmp_path / "var") as store:
        with serve_hospital(feed) as base_url:
            dying = _DyingAt("_page=", times=3)
            with SiteClient(SiteAddress(base_url), via=dying) as client, pytest.raises(_Killed):
                _pull(store, client, concurrency=1)
        # Its records were loaded anew: links of before are answered 410.
        _feed(tmp_path / "feed", version=2)
        port = int(base_url.split(":")[2].split("/")[0])
        with serve_hospital(feed, port=port) as base_url, SiteClient(SiteAddress(base_url)) as client:
            summary = _pull(store, client, concurrency=1)

        assert (summary.complete, summary.exit_code) == (True, 0)
        assert summary.types["Observation"].read == 30
        # Patients were all there before the kill: the overlap brings what changed since, in the next pull.
        assert summary.types["Patient"].read == 12


class _Killed(BaseException):
    """The process ends here."""


class _DyingAt(httpx.HTTPTransport):
    """The network, until a request of a kind was sent so many times."""

    def __init__(self, mark: str, *, times: int) -> None:
        super().__init__()
        self._mark = mark
        self._left = times

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, or die."""
        self._left -= self._mark in str(request.url)
        if self._left < 0:
            raise _Killed
        return super().handle_request(request)
