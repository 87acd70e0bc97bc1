"""In: what became of entities at a server. Out: proof that the outbox keeps it, and what it never does."""

from __future__ import annotations

import msgspec
import pytest

from adapter.errors import UsageError
from adapter.store import Counterpart, FieldChange, OutboxEntry, OutboxState, Store
from adapter.store.outbox import DELETED_AT_HOSPITAL
from tests.support.push_site import SITE, lab


def put(store: Store, *numbers: int, value: str = "12.1") -> list[OutboxEntry]:
    store.entities.put_all(SITE, [lab(number, value) for number in numbers], source="a.csv", by="nurse")
    return entries(store)


def entries(store: Store) -> list[OutboxEntry]:
    return store.outbox.entries(SITE)


def counterpart(entry: OutboxEntry, id_: str = "7", base: bytes = b"{}") -> Counterpart:
    return Counterpart(SITE, "Observation", "urn:x", entry.key, entry.kind, entry.key, id_, "1", "hash", base)


def test_entry_is_uncertain_from_before_it_is_sent_until_an_answer(store: Store) -> None:
    (entry,) = put(store, 1)

    store.outbox.begin_sending([entry])
    assert [(one.uncertain, one.attempts, one.state) for one in entries(store)] == [(True, 1, "pending")]

    store.outbox.not_sent([entry])
    assert [(one.uncertain, one.attempts, one.state) for one in entries(store)] == [(False, 1, "pending")]


def test_done_keeps_where_it_is_in_the_same_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = put(store, 1, 2)
    store.outbox.begin_sending([first, second])

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(store.outbox, "_close", broken)
        with pytest.raises(RuntimeError):
            store.outbox.done([first, second], [counterpart(first)], mapping="1")
    assert [(one.state, one.uncertain) for one in entries(store)] == [("pending", True)] * 2
    assert store.outbox.counterparts(SITE) == {}

    store.outbox.done([first], [counterpart(first)], mapping="1")
    assert [(one.state, one.uncertain, one.mapping) for one in entries(store)] == [
        ("done", False, "1"),
        ("pending", True, ""),
    ]
    assert store.outbox.counterparts(SITE) == {("labs", first.key): [counterpart(first)]}


def test_entity_that_changed_while_it_was_sent_stays_pending(store: Store) -> None:
    (entry,) = put(store, 1)
    store.outbox.begin_sending([entry])
    put(store, 1, value="9")

    store.outbox.done([entry], [counterpart(entry)], mapping="1")

    assert [(one.state, one.version, one.uncertain) for one in entries(store)] == [("pending", 2, False)]
    assert store.outbox.counterparts(SITE)["labs", entry.key] == [counterpart(entry)]


@pytest.mark.parametrize("state", [OutboxState.HELD, OutboxState.REFUSED])
def test_entity_that_changed_while_it_was_put_aside_stays_pending(store: Store, state: OutboxState) -> None:
    (entry,) = put(store, 1)
    put(store, 1, value="9")

    store.outbox.put_aside(entry, state, reason="server", detail="422", mapping="1")

    assert [(one.state, one.reason) for one in entries(store)] == [("pending", "")]


@pytest.mark.parametrize("state", [OutboxState.HELD, OutboxState.REFUSED])
def test_entry_put_aside_says_why_and_is_as_uncertain_as_before(store: Store, state: OutboxState) -> None:
    (entry,) = put(store, 1)
    store.outbox.begin_sending([entry])

    store.outbox.put_aside(entry, state, reason="server", detail="422", mapping="1")

    assert [(one.state, one.reason, one.detail, one.uncertain) for one in entries(store)] == [
        (state, "server", "422", True)
    ]


def test_another_mapping_renews_what_was_told_or_refused(store: Store) -> None:
    told, refused, held, left = put(store, 1, 2, 3, 4)
    store.outbox.done([told], [], mapping="1")
    store.outbox.put_aside(refused, OutboxState.REFUSED, reason="server", mapping="1")
    store.outbox.put_aside(held, OutboxState.HELD, reason="patient-missing", mapping="1")
    store.outbox.put_aside(left, OutboxState.REFUSED, reason=DELETED_AT_HOSPITAL, mapping="1")

    assert store.outbox.renew(SITE, mapping="1") == 0
    assert store.outbox.renew(SITE, mapping="2") == 2
    assert [one.state for one in entries(store)] == ["pending", "pending", "held", "refused"]


def test_entries_are_told_by_state_and_counted(store: Store) -> None:
    first, _ = put(store, 1, 2)
    store.outbox.done([first], [], mapping="1")

    assert [one.key for one in store.outbox.entries(SITE, states=[OutboxState.DONE])] == [first.key]
    assert store.outbox.counts(SITE) == {"done": 1, "pending": 1}
    assert store.outbox.sites() == [SITE]
    assert store.outbox.counts("nowhere") == {}


def test_counterparts_are_kept_once_by_identifier_and_forgotten(store: Store) -> None:
    (entry,) = put(store, 1)
    store.outbox.keep_counterparts([counterpart(entry)])
    store.outbox.keep_counterparts([counterpart(entry, "8", b'{"a":"\xc3\xa9"}')])

    assert store.outbox.counterparts(SITE) == {("labs", entry.key): [counterpart(entry, "8", b'{"a":"\xc3\xa9"}')]}

    store.outbox.forget_counterparts([counterpart(entry)])
    assert store.outbox.counterparts(SITE) == {}


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_conflict_holds_what_both_sides_say_and_is_brought_up_to_date(store: Store) -> None:
    (entry,) = put(store, 1)
    fields = [FieldChange("Observation.status", '"final"', None)]
    store.outbox.open_conflict(entry, "both-changed", references=["Observation/2", "Observation/1"], fields=fields)
    store.outbox.open_conflict(entry, "duplicate", references=["Observation/3"], theirs=b'[{"a":1.10}]')

    (conflict,) = store.outbox.conflicts(site=SITE)
    assert (conflict.cause, conflict.references, conflict.theirs) == ("duplicate", ("Observation/3",), b'[{"a":1.10}]')
    assert (conflict.fields, conflict.version, conflict.closed_at) == ((), 1, None)
    assert [(one.state, one.reason, one.uncertain) for one in entries(store)] == [("conflict", "duplicate", False)]
    assert store.outbox.conflicts(site="other") == []


def test_settling_closes_the_conflict_and_makes_the_entity_pending(store: Store) -> None:
    (entry,) = put(store, 1)
    store.outbox.open_conflict(entry, "both-changed", references=["Observation/1"])
    number = store.outbox.conflicts()[0].number

    store.outbox.settle(number, kept="ours", by="investigator", counterparts=[counterpart(entry)])

    assert store.outbox.conflicts() == []
    (closed,) = store.outbox.conflicts(closed=True)
    assert (closed.kept, closed.closed_by) == ("ours", "investigator")
    assert [(one.state, one.reason) for one in entries(store)] == [("pending", "")]
    assert store.outbox.counterparts(SITE)["labs", entry.key] == [counterpart(entry)]
    with pytest.raises(UsageError, match=f"conflict {number}: there is none open"):
        store.outbox.settle(number, kept="ours", by="investigator", counterparts=[])


def test_sides_that_agree_again_close_the_conflict_whatever_the_state_of_the_entry(store: Store) -> None:
    first, second = put(store, 1, 2)
    for entry in (first, second):
        store.outbox.open_conflict(entry, "both-changed", references=[])
    pending = msgspec.structs.replace(first, state=OutboxState.PENDING)

    store.outbox.done([pending], [], mapping="1")

    assert [one.key for one in store.outbox.conflicts()] == [second.key]
    assert [one.closed_by for one in store.outbox.conflicts(closed=True) if one.key == first.key] == ["push"]


def test_new_conflict_after_a_settled_one_has_a_number_of_its_own(store: Store) -> None:
    (entry,) = put(store, 1)
    store.outbox.open_conflict(entry, "both-changed", references=[])
    first = store.outbox.conflicts()[0].number
    store.outbox.settle(first, kept="ours", by="x", counterparts=[])
    store.outbox.open_conflict(entry, "both-changed", references=[])

    assert [one.number != first for one in store.outbox.conflicts()] == [True]
    assert len(store.outbox.conflicts(closed=True)) == 2
