"""In: a server with more than is asked for. Out: a store of so many resources of a type, and nothing left of it after the block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.client import RetryPolicy, SiteAddress, SiteClient
from adapter.config import SiteSettings
from adapter.jobs.check import SiteToCheck, sampled_store

BASE = "https://fhir.example.org/r4"
STATEMENT = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": []}]}


def _page(*resources: dict[str, Any], onward: str | None = None) -> dict[str, Any]:
    link = [] if onward is None else [{"relation": "next", "url": f"{BASE}/{onward}"}]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": link,
        "entry": [{"resource": one} for one in resources],
    }


def _patients(first: int, last: int) -> list[dict[str, Any]]:
    return [{"resourceType": "Patient", "id": str(number)} for number in range(first, last)]


def _answer(request: httpx.Request) -> httpx.Response:
    match request.url.path.removeprefix("/r4/"), "page" in request.url.params:
        case "metadata", _:
            return httpx.Response(200, json=STATEMENT)
        case "Patient", False:
            return httpx.Response(200, json=_page(*_patients(0, 3), onward="Patient?page=2"))
        case "Patient", True:
            return httpx.Response(200, json=_page(*_patients(3, 6)))
        case "Condition", False:
            broken = {"resourceType": "Condition", "id": "2", "code": "C17"}
            of = {"reference": "Patient/0"}
            sound = {"resourceType": "Condition", "id": "1", "subject": of}
            included = {"resourceType": "Patient", "id": "9"}
            return httpx.Response(200, json=_page(sound, broken, included, onward="Condition?page=2"))
        case _:
            return httpx.Response(403)


def _client(answer: Callable[[httpx.Request], httpx.Response]) -> Callable[[SiteAddress], SiteClient]:
    return lambda address: SiteClient(address, policy=RetryPolicy(attempts=1), via=httpx.MockTransport(answer))


@pytest.fixture
def subject() -> SiteToCheck:
    settings = SiteSettings.model_validate({"base_url": BASE})
    return SiteToCheck(settings, SiteAddress(BASE), ("Condition", "Patient"))


@pytest.mark.parametrize(("most", "taken"), [(2, 2), (4, 4), (200, 6)])
def test_a_sample_holds_no_more_than_is_asked_for(subject: SiteToCheck, most: int, taken: int) -> None:
    with sampled_store(subject, site="icm", types=("Patient",), most=most, connect=_client(_answer)) as (store, counts):
        live = store.lake.stats()["sites"]["icm"]["Patient"]["live"]

    assert (counts, live) == ({"Patient": taken}, taken)


def test_a_sample_takes_what_can_be_read_and_what_came_before_a_failure(subject: SiteToCheck) -> None:
    types = ("Condition", "Observation")
    with sampled_store(subject, site="icm", types=types, most=9, connect=_client(_answer)) as (store, counts):
        stored = store.lake.stats()["sites"]["icm"]

    assert counts == {"Condition": 1, "Observation": 0}
    assert stored == {"Condition": {"live": 1, "versions": 1}}


@pytest.mark.parametrize("in_memory", [True, False])
def test_nothing_of_a_sample_is_left(
    subject: SiteToCheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    memory, folder = tmp_path / "shm", tmp_path / "tmp"
    folder.mkdir()
    if in_memory:
        memory.mkdir()
    monkeypatch.setattr("adapter.jobs.check.sample._MEMORY", memory)
    used = memory if in_memory else folder
    with sampled_store(subject, site="icm", types=("Patient",), most=9, folder=folder, connect=_client(_answer)) as (
        store,
        _,
    ):
        mode = store.folder.parent.stat().st_mode & 0o077
        inside = store.folder.is_relative_to(used)

    assert (inside, mode) == (True, 0)
    assert list(used.iterdir()) == []


def test_nothing_of_a_sample_is_left_where_its_reader_fails(
    subject: SiteToCheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.jobs.check.sample._MEMORY", tmp_path / "none")

    def fail() -> None:
        with sampled_store(subject, site="icm", types=("Patient",), most=9, folder=tmp_path, connect=_client(_answer)):
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    assert list(tmp_path.iterdir()) == []
