"""In: a Group and who is known. Out: proof that who joins it is noticed, or that it is not known whether somebody did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.client import ExportRequest, NotFound, Refused, Unavailable
from adapter.client.found import Found
from adapter.store import Store, Whom
from adapter.sync import BulkOptions, PullSummary, pull
from adapter.sync.group_members import may_have_joined
from adapter.sync.stored_patients import stored_patients
from tests.unit.sync.test_bulk_source import Hospital, hospital, source, unavailable

__all__ = ["hospital"]

URL = "https://fhir.hospital.example/r4/Group/g"


class Groups:
    def __init__(self, *members: Any, error: Exception | None = None, raw: bytes | None = None) -> None:
        body = {"resourceType": "Group", "id": "g", "member": list(members)}
        self._raw = msgspec.json.encode(body) if raw is None else raw
        self._error = error

    def read(self, resource_type: str, resource_id: str) -> Found:
        assert (resource_type, resource_id) == ("Group", "g")
        if self._error is not None:
            raise self._error
        return Found(self._raw, None, "g")


def member(reference: str) -> dict[str, Any]:
    return {"entity": {"reference": reference}}


@pytest.mark.parametrize(
    ("groups", "joined"),
    [
        (Groups(member("Patient/1"), member("https://fhir.hospital.example/r4/Patient/2")), False),
        (Groups(member("Patient/1"), member("Patient/3")), True),
        (Groups(member("Patient/1"), member("Practitioner/3")), False),
        (Groups(), None),
        (Groups(member("Patient/1"), {"entity": {"identifier": {"value": "7"}}}), None),
        (Groups(raw=b'{"resourceType":"Group","id":"g","actual":false}'), None),
        (Groups(raw=b"<html>"), None),
        (Groups(error=NotFound(f"GET {URL}", 404)), None),
        (Groups(error=Refused(f"GET {URL}", 403)), None),
    ],
    ids=range(9),
)
def test_who_joined_is_told_as_far_as_the_group_tells(groups: Groups, joined: bool | None) -> None:
    assert may_have_joined(groups, "g", {"1", "2"}) is joined


def test_server_that_does_not_answer_is_asked_again_later() -> None:
    with pytest.raises(Unavailable):
        may_have_joined(Groups(error=unavailable()), "g", {"1"})


# The export ------------------------------------------------------------------------------------------------------------

Puller = Callable[..., PullSummary]


@pytest.fixture
def puller(store: Store, hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> Puller:
    def once(*members: str, error: Exception | None = None) -> PullSummary:
        groups = Groups(*(member(f"Patient/{one}") for one in members), error=error)
        monkeypatch.setattr(Hospital, "read", lambda self, *asked: groups.read(*asked), raising=False)
        wanted = ("Patient", "Observation")
        exported = source(
            hospital,
            store,
            wanted,
            options=BulkOptions(ExportRequest(level="group", group="g"), downloads=1),
            patients=lambda: stored_patients(store, "icm", wanted),
        )
        return pull(store, exported, site="icm")

    return once


def asked(hospital: Hospital) -> list[tuple[tuple[str, ...], bool]]:
    found = [(request.types, request.since is not None) for request in hospital.asked]
    hospital.asked.clear()
    return found


BOTH = ("Patient", "Observation")


def test_group_that_nobody_joined_is_exported_from_the_bookmark_on(puller: Puller, hospital: Hospital) -> None:
    puller("p")
    assert asked(hospital) == [(BOTH, False)]

    assert puller("p").exit_code == 0
    assert asked(hospital) == [(BOTH, True)]


def test_group_that_somebody_joined_is_exported_whole_and_what_was_deleted_is_asked_for(
    puller: Puller, hospital: Hospital
) -> None:
    puller("p")
    asked(hospital)

    puller("p", "newcomer")

    assert asked(hospital) == [(BOTH, False), (BOTH, True)]


def test_member_who_was_forgotten_has_not_joined_each_time(puller: Puller, hospital: Hospital, store: Store) -> None:
    store.forget("icm", Whom("Patient/gone", ("Patient/gone",)), by="dpo", reason="objection")
    puller("p", "gone")
    asked(hospital)

    puller("p", "gone")
    assert asked(hospital) == [(BOTH, True)]

    store.kept_off.remove("icm", "Patient/gone")
    puller("p", "gone")
    assert asked(hospital) == [(BOTH, False), (BOTH, True)]


def test_group_that_cannot_be_read_is_exported_whole_and_the_reason_told(puller: Puller, hospital: Hospital) -> None:
    puller("p")
    asked(hospital)

    summary = puller(error=Refused(f"GET {URL}", 403))

    assert asked(hospital) == [(BOTH, False), (BOTH, True)]
    assert any("who its members are cannot be read" in notice for notice in summary.notices)


def test_who_came_when_a_type_failed_is_new_to_that_type(puller: Puller, hospital: Hospital, store: Store) -> None:
    puller("p")
    store.set_bookmark("icm", "Observation", "2025-05-01T08:00:00Z")
    asked(hospital)

    puller("p")

    assert asked(hospital) == [(BOTH, False), (BOTH, True)]


def test_folder_of_the_spool_is_gone_afterwards(puller: Puller, store: Store) -> None:
    puller("p")
    puller("p", "newcomer")

    assert [path for path in Path(store.folder / "spool").rglob("*") if path.is_file()] == []
