"""In: writes and searches of ours, a real HAPI FHIR server. Out: proof that it takes them for what they mean."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import msgspec
import pytest

from adapter.client import NotFound, Refused, SiteAddress, SiteClient, TransactionEntry, identifier_query
from tests.support.hapi_server import running_hapi, unload

pytestmark = pytest.mark.hapi


class Written:
    """A client of the shared server, and resources under identifiers that no other test uses."""

    def __init__(self, client: SiteClient) -> None:
        self.client = client
        self.system = f"urn:uuid:{uuid.uuid4()}"
        self.locations: set[str] = set()

    def basic(self, value: str, *, word: str = "first") -> bytes:
        return msgspec.json.encode(
            {
                "resourceType": "Basic",
                "identifier": [{"system": self.system, "value": value}],
                "code": {"text": word},
            }
        )

    def create(self, *values: str) -> list[tuple[int, str, str]]:
        """Conditionally create a resource for each value: status, Type/id and version."""
        entries = [
            TransactionEntry(
                "POST",
                "Basic",
                self.basic(value),
                full_url=f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, self.system + value)}",
                if_none_exist=identifier_query(self.system, value),
            )
            for value in values
        ]
        told = []
        for outcome in self.client.transact(entries):
            assert outcome.location is not None and outcome.version is not None
            self.locations.add(outcome.location)
            told.append((outcome.status, outcome.location, outcome.version))
        return told

    def found(self, *values: str) -> dict[str, list[str]]:
        """By value, the Type/id of what carries it."""
        found = self.client.find("Basic", identifiers=[(self.system, value) for value in values])
        return {value: [f"Basic/{held.id}" for held in every] for (_, value), every in found.items()}


@pytest.fixture
def written() -> Iterator[Written]:
    base_url = running_hapi()
    with SiteClient(SiteAddress(base_url)) as client:
        made = Written(client)
        yield made
    unload(base_url, {"Basic": [location.removeprefix("Basic/") for location in sorted(made.locations)]})


def test_conditional_create_twice_is_one_resource(written: Written) -> None:
    first = written.create("1")
    second = written.create("1")

    assert (first[0][0], second[0][0]) == (201, 200)
    assert first[0][1:] == second[0][1:] == (first[0][1], "1")
    assert written.found("1") == {"1": [first[0][1]]}


@pytest.mark.parametrize("value", ["A,1", "A|1", "A\\1", "A$1", "A\\,|$", "A 1", "A&b=1", "A+1", "A%2C1", "É/1?#"])
def test_value_with_the_signs_of_a_search_is_found_and_created_once(written: Written, value: str) -> None:
    # What an unescaped sign would find instead.
    ((_, other, _), *_) = written.create("A", "1", "A1", "b=1")

    (first, location, _), (second, again, _) = written.create(value) + written.create(value)

    assert (first, second, again) == (201, 200, location)
    assert written.found(value, "A") == {value: [location], "A": [other]}


def test_sixty_identifiers_are_found_with_one_that_nobody_has(written: Written) -> None:
    values = [f"n{number:02}" for number in range(60)]
    locations = [location for _, location, _ in written.create(*values)]

    found = written.found(*values, "nobody")

    assert found == {value: [location] for value, location in zip(values, locations, strict=True)} | {"nobody": []}


def test_what_was_found_has_its_version_and_can_be_read_by_id(written: Written) -> None:
    ((_, location, version),) = written.create("1")
    (held,) = written.client.find("Basic", identifiers=[(written.system, "1")])[written.system, "1"]

    read = written.client.read("Basic", held.id)
    many = written.client.read_many("Basic", [held.id, "hapi-nobody"])

    assert (f"Basic/{held.id}", held.version, held.etag) == (location, version, 'W/"1"')
    assert (read.id, read.version, read.etag) == (held.id, held.version, held.etag)
    assert [msgspec.json.decode(raw)["id"] for raw in many.values()] == list(many) == [held.id]


def test_update_of_the_version_seen_is_done(written: Written) -> None:
    ((_, location, _),) = written.create("1")
    changed = msgspec.json.decode(written.basic("1", word="second")) | {"id": location.removeprefix("Basic/")}

    (outcome,) = written.client.transact(
        [TransactionEntry("PUT", location, msgspec.json.encode(changed), if_match='W/"1"')]
    )

    assert (outcome.status, outcome.location, outcome.version, outcome.etag) == (200, location, "2", 'W/"2"')


def test_update_of_a_version_that_is_no_more_is_refused_whole(written: Written) -> None:
    ((_, location, _),) = written.create("1")
    changed = msgspec.json.decode(written.basic("1", word="second")) | {"id": location.removeprefix("Basic/")}
    entries = [
        TransactionEntry("POST", "Basic", written.basic("beside")),
        TransactionEntry("PUT", location, msgspec.json.encode(changed), if_match='W/"7"'),
    ]

    with pytest.raises(Refused) as caught:
        written.client.transact(entries)

    assert caught.value.status in {409, 412}
    assert any(issue.is_error for issue in caught.value.issues)
    assert written.client.read("Basic", location.removeprefix("Basic/")).version == "1"
    assert written.found("beside") == {"beside": []}


def test_search_that_hapi_does_not_know_is_refused_with_its_issues(written: Written) -> None:
    entry = TransactionEntry("POST", "Basic", written.basic("1"), if_none_exist="no-such-parameter=1")

    with pytest.raises(Refused) as caught:
        written.client.transact([entry])

    assert caught.value.status == 400
    assert any(issue.is_error and issue.diagnostics for issue in caught.value.issues)
    assert written.found("1") == {"1": []}


def test_deleted_resource_is_found_no_more(written: Written) -> None:
    ((_, location, _),) = written.create("1")

    (outcome,) = written.client.transact([TransactionEntry("DELETE", location, if_match='W/"1"')])

    assert outcome.is_done
    assert written.found("1") == {"1": []}
    with pytest.raises(NotFound):
        written.client.read("Basic", location.removeprefix("Basic/"))


def test_what_hapi_states_of_writing_is_read(written: Written) -> None:
    capability = written.client.capability()
    basic = capability.of("Basic")

    assert capability.transaction
    assert (basic.conditional_create, basic.conditional_update) == (True, True)
    assert basic.versioning == "versioned-update"
