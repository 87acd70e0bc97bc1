"""In: open conflicts and what a person chose. Out: proof of what that makes of both sides, and what cannot be chosen."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from adapter.errors import UsageError
from adapter.fhir import Json
from adapter.store import Store
from adapter.sync.settling import settle_conflict
from mappings.entities import InfusionStatus
from tests.support.push_server import PushServer
from tests.support.push_site import SITE, Desk, infusion, lab


@pytest.fixture
def desk(store: Store) -> Desk:
    """Of one result that both sides changed."""
    made = Desk(store, PushServer())
    made.load(lab(1))
    made.push()
    made.server.change(made.server.one("Observation").reference, lambda body: body["valueQuantity"].update(value=9))
    made.load(lab(1, "11.0"))
    made.push()
    return made


def test_conflict_is_told_as_it_was(desk: Desk) -> None:
    before = desk.conflict()

    assert settle_conflict(desk.store, before.number, keep="ours", by="investigator") == before
    (closed,) = desk.store.outbox.conflicts(closed=True)
    assert (closed.kept, closed.closed_by, desk.entry().state) == ("ours", "investigator", "pending")


def test_nothing_is_sent_by_settling(desk: Desk) -> None:
    asked = len(desk.server.requests)

    settle_conflict(desk.store, desk.conflict().number, keep="ours", by="investigator")

    assert len(desk.server.requests) == asked


@pytest.mark.parametrize("keep", ["ours", "hospital"])
def test_what_the_person_saw_is_what_both_sides_start_from(desk: Desk, keep: str) -> None:
    settle_conflict(desk.store, desk.conflict().number, keep=keep, by="investigator")

    ((known,),) = desk.store.outbox.counterparts(SITE).values()
    seen: Json = msgspec.json.decode(known.base)
    assert (known.server_version, known.sent_hash, seen["valueQuantity"]["value"]) == ("2", "", 9)
    assert desk.current(lab(1)).value == (Decimal("11.0") if keep == "ours" else 9)


@pytest.mark.parametrize("keep", ["ours", "hospital"])
def test_hospital_that_numbers_it_with_a_bare_word_can_be_settled_with(store: Store, keep: str) -> None:
    desk = Desk(store, PushServer())
    desk.load(lab(1))
    desk.push()
    reference = desk.server.one("Observation").reference

    def renumber(body: Json) -> None:
        body["identifier"].insert(0, {"system": "LOCAL", "value": "4711"})
        body["valueQuantity"]["value"] = 9

    desk.server.change(reference, renumber)
    desk.load(lab(1, "11.0"))
    desk.push()

    settle_conflict(store, desk.conflict().number, keep=keep, by="investigator")
    summary = desk.push()

    assert (summary.exit_code, desk.entry().state) == (0, "done")
    held = desk.server.get(reference)
    assert {"system": "LOCAL", "value": "4711"} in held["identifier"]
    assert held["valueQuantity"]["value"] == (11 if keep == "ours" else 9)


@pytest.mark.parametrize("keep", ["", "theirs", "both"])
def test_only_one_of_the_two_sides_can_be_kept(desk: Desk, keep: str) -> None:
    with pytest.raises(UsageError, match="it is ours or hospital"):
        settle_conflict(desk.store, desk.conflict().number, keep=keep, by="investigator")


def test_conflict_is_settled_once(desk: Desk) -> None:
    number = desk.conflict().number
    settle_conflict(desk.store, number, keep="ours", by="investigator")

    for unknown in (number, number + 99):
        with pytest.raises(UsageError, match=f"conflict {unknown}: there is none open"):
            settle_conflict(desk.store, unknown, keep="hospital", by="investigator")


def test_duplicate_cannot_be_settled_here(desk: Desk) -> None:
    first = desk.server.one("Observation")
    desk.server.put({key: value for key, value in desk.server.get(first.reference).items() if key != "id"})
    desk.push()

    with pytest.raises(UsageError, match=f"more than once .{first.reference}, Observation/"):
        settle_conflict(desk.store, desk.conflict().number, keep="ours", by="investigator")


def test_ours_that_was_loaded_anew_is_not_overwritten_by_what_was_chosen_before(desk: Desk) -> None:
    number = desk.conflict().number
    desk.load(lab(1, "10.0"))

    for keep in ("ours", "hospital"):
        with pytest.raises(UsageError, match="loaded anew"):
            settle_conflict(desk.store, number, keep=keep, by="investigator")
    assert desk.current(lab(1)).value == 10


def test_ours_that_is_loaded_anew_at_the_same_moment_is_not_overwritten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.store.entities, "put_over", lambda *_, **__: False)

    with pytest.raises(UsageError, match="loaded anew"):
        settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")
    assert desk.conflict().closed_at is None


def test_resource_that_became_another_things_cannot_become_ours(desk: Desk) -> None:
    desk.server.change(desk.server.one("Observation").reference, lambda body: body["identifier"][0].update(value="L77"))
    desk.push()

    with pytest.raises(UsageError, match="it has another number"):
        settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")


def test_infusion_is_settled_with_all_that_stands_beside_it(store: Store) -> None:
    desk = Desk(store, PushServer())
    desk.load(infusion())
    desk.push()
    request = desk.server.one("MedicationRequest").reference
    desk.server.change(
        request, lambda body: body["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"].update(value=3700)
    )
    desk.load(infusion(status=InfusionStatus.STOPPED, status_reason="pain", administered=Decimal(100)))
    desk.push()
    assert desk.conflict().cause == "both-changed"

    settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")
    desk.push()

    kept = desk.current(infusion())
    assert (kept.prescribed, kept.status) == (Decimal(3700), InfusionStatus.COMPLETED)
    assert desk.entry().state == "done"
    assert len(desk.server.all("MedicationAdministration")) == 2
