"""A real HAPI FHIR server, searched: what it deleted is found, by its history or by asking, and a killed pull goes on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from adapter.client import SiteAddress, SiteClient
from adapter.config import SearchSettings
from adapter.store import Store
from adapter.sync import PullSummary, SearchSource, pull
from adapter.sync.stored_patients import stored_patients
from tests.support.hapi_server import load_patients, running_hapi, unload
from tests.support.hospital import haemoglobin, patient, write_feed
from tests.unit.store.making import live

pytestmark = pytest.mark.hapi

SITE = "hapi"
TYPES = ("Observation", "Patient")
PEOPLE = ("gone-p1", "gone-p2")
RESULTS = [f"gone-o{number:02}" for number in range(12)]


class Killed(BaseException):
    """The process ends here."""


class DyingAtPage(httpx.HTTPTransport):
    """The network, until a further page was asked for so many times; `asked` counts them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.asked = 0
        self._most = most

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, or die."""
        self.asked += "_getpages" in str(request.url)
        if self.asked > self._most:
            raise Killed
        return super().handle_request(request)


@pytest.fixture
def hapi(tmp_path: Path) -> Iterator[str]:
    """Two patients and their results; yields the base URL."""
    results = [haemoglobin(id_, of=PEOPLE[number % 2]) for number, id_ in enumerate(RESULTS)]
    feed = write_feed(tmp_path / "feed", {"Patient": [patient(id_) for id_ in PEOPLE], "Observation": results})
    base_url = running_hapi()
    loaded = load_patients(base_url, feed, PEOPLE)
    yield base_url
    unload(base_url, loaded)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


def searched(
    store: Store, base_url: str, *, full: bool = False, via: httpx.HTTPTransport | None = None, **settings: object
) -> PullSummary:
    with SiteClient(SiteAddress(base_url), via=via) as client:
        source = SearchSource(
            client,
            store.folder / "spool" / SITE,
            types=TYPES,
            settings=SearchSettings.model_validate(settings),
            patients=partial(stored_patients, store, SITE, TYPES),
        )
        return pull(store, source, site=SITE, full=full)


def delete(base_url: str, *references: str) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        for reference in references:
            assert client.delete(f"{base_url}/{reference}").status_code == httpx.codes.OK


def mine(store: Store) -> int:
    """How many resources of these patients are there."""
    found = live(store, SITE)
    return sum(len(found.get(f"Patient/{id_}", [])) for id_ in PEOPLE)


@pytest.mark.parametrize("plan", ["type", "patient"])
def test_what_hapi_deleted_is_found_in_its_history(store: Store, hapi: str, plan: str) -> None:
    searched(store, hapi, plan=plan)
    before = mine(store)
    delete(hapi, "Observation/gone-o01", "Observation/gone-o02")
    with httpx.Client(trust_env=False, timeout=60) as client:
        body = haemoglobin("gone-o02", of=PEOPLE[0])
        headers = {"Content-Type": "application/fhir+json"}
        # Deleted and made again: its history tells of a deletion, and it is there.
        again = client.put(f"{hapi}/Observation/gone-o02", content=body, headers=headers)
        assert again.status_code in (httpx.codes.OK, httpx.codes.CREATED), again.text

    summary = searched(store, hapi, plan=plan)

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert (before, summary.types["Observation"].deleted, mine(store)) == (14, 1, 13)


def test_what_hapi_deleted_is_found_by_a_full_pull(store: Store, hapi: str) -> None:
    searched(store, hapi, deletions="full")
    delete(hapi, "Observation/gone-o01")
    unseen = searched(store, hapi, deletions="full")
    summary = searched(store, hapi, deletions="full", full=True)

    assert unseen.types["Observation"].deleted == 0
    assert (summary.complete, summary.types["Observation"].deleted, mine(store)) == (True, 1, 13)


def test_killed_pull_of_hapi_goes_on_with_its_next_link(store: Store, hapi: str) -> None:
    with pytest.raises(Killed):
        searched(store, hapi, via=DyingAtPage(2), count=3, concurrency=1)
    rest = DyingAtPage(10_000)

    summary = searched(store, hapi, via=rest, count=3, concurrency=1)

    assert (summary.complete, summary.exit_code, mine(store)) == (True, 0, 14)
    undisturbed = DyingAtPage(10_000)
    with Store.open(store.folder.parent / "other") as other:
        searched(other, hapi, via=undisturbed, count=3, concurrency=1)
        assert live(other, SITE) == live(store, SITE)
    assert rest.asked == undisturbed.asked - 2
