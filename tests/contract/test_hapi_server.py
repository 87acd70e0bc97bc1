"""In: twenty-odd resources in a real HAPI FHIR JPA server. Out: proof that the client reads from it what was put in."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
