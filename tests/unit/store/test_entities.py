"""In: entities loaded one after another. Out: proof that each version is kept, and each change stands in the outbox."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from adapter.errors import BusyError, DefectError
from adapter.store import OutboxState, PutCounts, Store
from adapter.store.models import EntityRow
from mappings.entities import LabResult
from tests.support.push_site import SITE, infusion, lab, study, subject


def put(store: Store, *entities: object, source: str = "a.csv") -> PutCounts:
    return store.entities.put_all(SITE, entities, source=source, by="nurse")  # type: ignore[arg-type]


def amounts(store: Store, key: str) -> list[Decimal | None]:
    found = [one.entity for one in store.entities.versions(SITE, "labs", key)]
    return [one.value for one in found if isinstance(one, LabResult)]


def key_of(store: Store) -> str:
    (entry,) = store.outbox.entries(SITE)
    return entry.key


def test_entities_are_counted_as_new_changed_and_unchanged(store: Store) -> None:
    assert put(store, lab(1), lab(2)) == PutCounts(new=2)
    assert put(store, lab(1), lab(2, "9"), lab(3)) == PutCounts(new=1, changed=1, unchanged=1)


def test_all_kinds_come_back_as_they_were(store: Store) -> None:
    told = {"study": study(), "subjects": subject(), "labs": lab(1), "infusions": infusion()}
    put(store, *told.values())

    assert {kind: [one.entity for one in store.entities.all(SITE, kind)] for kind in told} == {
        kind: [entity] for kind, entity in told.items()
    }


def test_each_version_is_kept_with_its_source(store: Store) -> None:
    put(store, lab(1, "12.1"), source="a.csv")
    put(store, lab(1, "11.0"), source="b.csv")
    put(store, lab(1, "12.1"), source="c.csv")

    versions = store.entities.versions(SITE, "labs", key_of(store))
    assert [(one.version, one.source, one.by) for one in versions] == [
        (1, "a.csv", "nurse"),
        (2, "b.csv", "nurse"),
        (3, "c.csv", "nurse"),
    ]
    assert amounts(store, key_of(store)) == [Decimal("12.1"), Decimal("11.0"), Decimal("12.1")]
    current = store.entities.get(SITE, "labs", key_of(store))
    assert current is not None and current.version == 3


def test_unchanged_entity_makes_no_version_and_leaves_its_entry(store: Store) -> None:
    put(store, lab(1))
    store.outbox.done(store.outbox.entries(SITE), [], mapping="1")
    put(store, lab(1))

    (entry,) = store.outbox.entries(SITE)
    assert (entry.state, entry.version) == (OutboxState.DONE, 1)


def test_changed_entity_is_pending_and_as_uncertain_as_before(store: Store) -> None:
    put(store, lab(1))
    store.outbox.begin_sending(store.outbox.entries(SITE))
    put(store, lab(1, "9"))

    (entry,) = store.outbox.entries(SITE)
    assert (entry.state, entry.version, entry.uncertain) == (OutboxState.PENDING, 2, True)


def test_changed_entity_stays_in_the_conflict_that_nobody_settled(store: Store) -> None:
    put(store, lab(1), lab(2))
    first, _ = store.outbox.entries(SITE)
    store.outbox.open_conflict(first, "both-changed", references=["Observation/1"])

    put(store, lab(1, "9"), lab(2, "9"))

    assert [(one.state, one.reason, one.version) for one in store.outbox.entries(SITE)] == [
        ("conflict", "both-changed", 2),
        ("pending", "", 2),
    ]


def test_many_entities_are_kept_at_once(store: Store) -> None:
    put(store, *(lab(at) for at in range(1203)))
    assert put(store, *(lab(at, "9") for at in range(1203))) == PutCounts(changed=1203)

    keys = [one.key for one in store.outbox.entries(SITE)]
    assert len(store.entities.some(SITE, "labs", [*keys, "none"])) == len(keys) == 1203


def test_nothing_is_kept_where_one_cannot_be(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, lab(1))

    def broken(*_: object, **__: object) -> None:
        raise IntegrityError("", {}, Exception())

    monkeypatch.setattr(store._state, "upsert", broken)
    with pytest.raises(BusyError, match="site icm"):
        put(store, lab(1, "9"), lab(2))

    assert len(store.entities.all(SITE, "labs")) == 1
    assert amounts(store, key_of(store)) == [Decimal("12.1")]


def test_sites_and_kinds_do_not_meet(store: Store) -> None:
    put(store, lab(1))
    store.entities.put_all("other", [lab(1, "9")], source="x", by="y")

    assert amounts(store, key_of(store)) == [Decimal("12.1")]
    assert store.entities.get(SITE, "infusions", key_of(store)) is None
    assert store.entities.get("nowhere", "labs", key_of(store)) is None


def test_hospitals_takes_the_place_of_the_version_that_it_was_compared_with(store: Store) -> None:
    put(store, lab(1))
    over = store.entities.all(SITE, "labs")[0]

    assert store.entities.put_over(over, lab(1, "9"), by="hospital")
    assert amounts(store, over.key) == [Decimal("12.1"), Decimal(9)]
    assert store.outbox.entries(SITE)[0].state == "pending"


def test_hospitals_does_not_take_the_place_of_a_version_that_came_since(store: Store) -> None:
    put(store, lab(1))
    over = store.entities.all(SITE, "labs")[0]
    put(store, lab(1, "11"))

    assert not store.entities.put_over(over, lab(1, "9"), by="hospital")
    assert amounts(store, over.key) == [Decimal("12.1"), Decimal(11)]


def test_hospitals_does_not_take_the_place_of_one_that_is_gone(store: Store) -> None:
    put(store, lab(1))
    over = store.entities.all(SITE, "labs")[0]
    with store._state.session() as session:
        session.execute(update(EntityRow).values(is_current=False))

    assert not store.entities.put_over(over, lab(1, "9"), by="hospital")


def test_another_entity_never_takes_the_place_of_ours(store: Store) -> None:
    put(store, lab(1))
    over = store.entities.all(SITE, "labs")[0]

    with pytest.raises(DefectError):
        store.entities.put_over(over, lab(2), by="hospital")


def test_version_put_at_the_same_moment_is_left_to_the_faster_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, lab(1))
    over = store.entities.all(SITE, "labs")[0]

    def faster(*_: object, **__: object) -> None:
        raise IntegrityError("", {}, Exception())

    monkeypatch.setattr(store.entities, "_put", faster)
    assert not store.entities.put_over(over, lab(1, "9"), by="hospital")
