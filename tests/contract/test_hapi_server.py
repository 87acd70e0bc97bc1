"""In: resources in real HAPI FHIR JPA servers, R4 and R5. Out: proof that the client reads from them what was put in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from adapter.client import NotFound, SiteAddress, SiteClient
from tests.support.hapi_server import load_patients, running_hapi, unload
from tests.support.hospital import haemoglobin, patient, write_feed

pytestmark = pytest.mark.hapi

OLD = (
    b'{"resourceType":"Patient","id":"hapi-old","active":false,'
    b'"link":[{"other":{"reference":"Patient/hapi-p1"},"type":"replaced-by"}]}'
)
LOT = b'{"resourceType":"Medication","id":"hapi-lot","code":{"text":"Lutathera"}}'
INFUSION = (
    b'{"resourceType":"MedicationAdministration","id":"hapi-infusion","status":"completed",'
    b'"medicationReference":{"reference":"Medication/hapi-lot"},"subject":{"reference":"Patient/hapi-old"},'
    b'"performer":[{"actor":{"reference":"Practitioner/not-in-the-feed"}}],"effectiveDateTime":"2024-05"}'
)
OBSERVATIONS = [haemoglobin(f"hapi-o{n:02}", of=f"hapi-p{n % 2 + 1}") for n in range(1, 22)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, list[str]]]]:
    directory = write_feed(
        tmp_path_factory.mktemp("feed"),
        {
            "Patient": [patient("hapi-p1"), patient("hapi-p2"), patient("hapi-not-chosen"), OLD],
            "Observation": [*OBSERVATIONS, haemoglobin("hapi-other", of="hapi-not-chosen")],
            "MedicationAdministration": [INFUSION],
            "Medication": [LOT, b'{"resourceType":"Medication","id":"hapi-unused"}'],
        },
    )
    base_url = running_hapi()
    resources = load_patients(base_url, directory, ["hapi-p1", "Patient/hapi-p2"])
    yield base_url, resources
    unload(base_url, resources)


def ids_by_search(client: SiteClient, resource_type: str, *, since: str | None = None) -> list[str]:
    """Ids of this module's resources, in the order they came; the server may hold those of other tests too."""
    raws = [entry.raw for page in client.search(resource_type, since=since, count=5) for entry in page.entries]
    names = [msgspec.json.decode(raw)["id"] for raw in raws]
    return [name for name in names if name.startswith("hapi-")]


def test_loading_takes_the_merged_and_what_is_pointed_to(loaded: tuple[str, dict[str, list[str]]]) -> None:
    assert {resource_type: len(names) for resource_type, names in loaded[1].items()} == {
        "Patient": 3,
        "Observation": 21,
        "MedicationAdministration": 1,
        "Medication": 1,
    }


@pytest.mark.parametrize("resource_type", ["Patient", "Observation", "MedicationAdministration", "Medication"])
def test_paging_through_hapi_gives_each_resource_once(
    loaded: tuple[str, dict[str, list[str]]], resource_type: str
) -> None:
    base_url, resources = loaded
    with SiteClient(SiteAddress(base_url)) as client:
        names = ids_by_search(client, resource_type)

    assert sorted(names) == sorted(resources[resource_type])


def test_hapi_states_what_a_pull_needs(loaded: tuple[str, dict[str, list[str]]]) -> None:
    with SiteClient(SiteAddress(loaded[0])) as client:
        capability = client.capability()

    assert capability.fhir_version == "4.0.1"
    assert (
        capability.lacks({"Observation": ("read", "search-type", "_lastUpdated"), "ResearchSubject": ("read",)}) == ()
    )


def test_numbers_from_hapi_keep_their_digits(loaded: tuple[str, dict[str, list[str]]]) -> None:
    with SiteClient(SiteAddress(loaded[0])) as client:
        found = client.read("Observation", "hapi-o01")

    assert re.search(rb'"value"\s*:\s*12\.10\b', found.raw)
    assert found.etag is not None


def test_since_the_servers_own_time_finds_nothing_older(loaded: tuple[str, dict[str, list[str]]]) -> None:
    with SiteClient(SiteAddress(loaded[0])) as client:
        first = next(iter(client.search("Patient", count=5)))
        assert first.transaction_time is not None
        later = ids_by_search(client, "Patient", since="2999-01-01T00:00:00Z")
        earlier = ids_by_search(client, "Patient", since="2020-01-01T00:00:00Z")

    assert (later, len(earlier)) == ([], 3)


def test_unknown_id_is_not_found(loaded: tuple[str, dict[str, list[str]]]) -> None:
    with SiteClient(SiteAddress(loaded[0])) as client, pytest.raises(NotFound):
        client.read("Patient", "hapi-nobody")


@pytest.fixture(scope="module")
def r5() -> Iterator[httpx.Client]:
    headers = {"Content-Type": "application/fhir+json"}
    base_url = running_hapi("r5")
    with httpx.Client(base_url=base_url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def subject_r5(value: str, status: str = "active") -> dict[str, Any]:
    """A subject in the words of R5, known to this module's tests by its identifier."""
    return {
        "resourceType": "ResearchSubject",
        "identifier": [{"system": "urn:example:subject", "value": value}],
        "status": status,
        "study": {"reference": "ResearchStudy/hapi-study"},
        "subject": {"reference": "Patient/hapi-p1"},
        "progress": [{"startDate": "2025-03-01"}],
    }


def transact(client: httpx.Client, *entries: tuple[dict[str, Any], dict[str, str]]) -> httpx.Response:
    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": resource, "request": request} for resource, request in entries],
    }
    return client.post("", json=body)


def create_unless_known(value: str) -> dict[str, str]:
    condition = f"identifier=urn:example:subject|{value}"
    return {"method": "POST", "url": "ResearchSubject", "ifNoneExist": condition}


def subjects(client: httpx.Client, value: str) -> list[dict[str, Any]]:
    answer = client.get("/ResearchSubject", params={"identifier": f"urn:example:subject|{value}"}).raise_for_status()
    return [entry["resource"] for entry in answer.json().get("entry", [])]


def test_hapi_of_r5_states_and_gives_r5(r5: httpx.Client) -> None:
    created = r5.post("/ResearchSubject", json=subject_r5("read")).raise_for_status().json()
    with SiteClient(SiteAddress(str(r5.base_url))) as client:
        capability = client.capability()
        found = msgspec.json.decode(client.read("ResearchSubject", created["id"]).raw)

    assert capability.fhir_version == "5.0.0"
    assert found["progress"] == [{"startDate": "2025-03-01"}]


def test_transaction_of_r5_creates_once(r5: httpx.Client) -> None:
    answers = [transact(r5, (subject_r5("once"), create_unless_known("once"))).raise_for_status() for _ in range(2)]

    assert [answer.json()["entry"][0]["response"]["status"][:3] for answer in answers] == ["201", "200"]
    assert len(subjects(r5, "once")) == 1


def test_transaction_of_r5_updates_the_version_it_names(r5: httpx.Client) -> None:
    transact(r5, (subject_r5("update"), create_unless_known("update"))).raise_for_status()
    [known] = subjects(r5, "update")
    changed = subject_r5("update", "retired") | {"id": known["id"]}
    put = {"method": "PUT", "url": f"ResearchSubject/{known['id']}", "ifMatch": 'W/"1"'}
    first = transact(r5, (changed, put))
    again = transact(r5, (subject_r5("beside"), create_unless_known("beside")), (changed | {"status": "draft"}, put))
    [kept] = subjects(r5, "update")

    assert (first.status_code, again.status_code) == (200, 409)
    assert (kept["status"], kept["meta"]["versionId"]) == ("retired", "2")
    assert subjects(r5, "beside") == []


def test_hapi_is_one_for_each_version(loaded: tuple[str, dict[str, list[str]]], r5: httpx.Client) -> None:
    assert (running_hapi(), running_hapi("r5")) == (loaded[0], str(r5.base_url).rstrip("/"))
    assert running_hapi() != running_hapi("r5")
