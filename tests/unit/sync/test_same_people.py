"""Promises of a pull about whom its ids name: the records of two people never become one because a server was exchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import ConfigurationError
from adapter.store import Store
from adapter.sync import FolderSource, PullSummary, pull
from tests.support.told_source import Server
from tests.unit.store.making import live, observation, write_folder

A, B = "https://a.example.org/fhir", "https://b.example.org/fhir"


def person(id_: str, *, born: str | None = "1950-01-01", number: str | None = None, family: str | None = None) -> bytes:
    told: dict[str, Any] = {"resourceType": "Patient", "id": id_}
    if born is not None:
        told["birthDate"] = born
    if number is not None:
        told["identifier"] = [{"system": "urn:ipp", "value": number}]
    if family is not None:
        told["name"] = [{"family": family}]
    return json.dumps(told).encode()


def pulled(store: Store, server: str | None, *people: bytes, types: tuple[str, ...] = ("Patient",)) -> PullSummary:
    brings = {"Patient": list(people), "Observation": [observation("o", "1", version=1)]}
    return pull(store, Server({type_: brings[type_] for type_ in types}, server=server), site="icm")


def some(count: int, **told: Any) -> list[bytes]:
    return [person(str(number), **told) for number in range(count)]


def test_server_with_other_people_under_the_ids_is_refused_and_nothing_of_it_stored(store: Store) -> None:
    pulled(store, A, person("1", number="41", family="Ada"), types=("Patient", "Observation"))
    before = live(store)

    with pytest.raises(ConfigurationError, match="1 of 1 people are others than under the same ids before") as refused:
        pulled(store, B, person("1", born="1961-05-05", number="77", family="Curie"), types=("Patient", "Observation"))

    assert "icm" in str(refused.value)
    assert not [word for word in ("1961", "1950", "77", "41", "Ada", "Curie") if word in str(refused.value)]
    assert live(store) == before
    assert [run.state for run in store.runs("pull", site="icm")] == ["failed", "committed"]


@pytest.mark.parametrize(
    "now",
    [
        person("1", number="41", family="Ada"),
        person("1", born="1961-05-05", number="0 41"),
        person("1", born="1961-05-05", number="77", family="ADA "),
        person("1", number="41", family="Curie"),
        person("1", number="77", family="Curie"),
        person("1", born=None, number="77", family="Curie"),
        b'{"resourceType":"Patient","id":"1","birthDate":7,"identifier":[7],"name":[{"family":7},8]}',
    ],
    ids=["same", "number", "family", "married", "birth-date", "nothing-to-compare", "unreadable"],
)
def test_server_that_moved_with_its_people_is_read(store: Store, now: bytes) -> None:
    pulled(
        store, A, person("1", number="041", family="Ada") if b"0 41" in now else person("1", number="41", family="Ada")
    )

    assert pulled(store, B, now).complete


@pytest.mark.parametrize("number", ["41", "77", None])
def test_number_that_two_hospitals_both_give_makes_nobody_the_same(store: Store, number: str | None) -> None:
    pulled(store, A, person("1", number="41", family="Ada"))

    with pytest.raises(ConfigurationError):
        pulled(store, B, person("1", born="1961-05-05", number=number, family="Curie"))


def test_most_people_tell_what_a_server_is(store: Store) -> None:
    pulled(store, A, *some(9))
    corrected = [*some(5), *(person(str(number), born="1961-05-05") for number in range(5, 9))]

    assert pulled(store, B, *corrected).complete


@pytest.mark.parametrize("server", [A, None], ids=["server", "folder"])
@pytest.mark.parametrize(("changed", "refused"), [(9, False), (10, True)])
def test_ids_given_anew_behind_the_same_address_are_refused_from_ten_people_on(
    store: Store, tmp_path: Path, server: str | None, changed: int, refused: bool
) -> None:
    def read(name: str, people: list[bytes]) -> PullSummary:
        if server is not None:
            return pulled(store, server, *people)
        lines = b"".join(one + b"\n" for one in people)
        return pull(store, FolderSource(write_folder(tmp_path / name, {"Patient.ndjson": lines})), site="icm")

    read("first", some(changed))
    others = some(changed, born="1961-05-05")
    if refused:
        with pytest.raises(ConfigurationError, match="wants a name of its own"):
            read("second", others)
    else:
        assert read("second", others).complete


def test_another_server_is_not_read_without_its_people(store: Store) -> None:
    pulled(store, A, person("1"), types=("Patient", "Observation"))

    with pytest.raises(ConfigurationError, match="a pull of all types has to tell first"):
        pulled(store, B, types=("Observation",))
    assert pulled(store, A, types=("Observation",)).complete


def test_new_people_of_another_server_are_nobody_else(store: Store) -> None:
    pulled(store, A, *some(3))

    assert pulled(store, B, *some(3), *(person(f"n{number}", born="1961-05-05") for number in range(40))).complete
