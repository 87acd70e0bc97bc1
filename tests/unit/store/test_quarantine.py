"""Promises of the quarantine: bytes kept, each item once."""

from __future__ import annotations

from adapter.store import Origin, Store

BAD = b'{"resourceType":"Patient","id":"1"'


def _put(store: Store, *items: tuple[bytes, int]) -> None:
    with store.begin_run("icm", "pull") as run:
        for raw, number in items:
            store.quarantine(run, raw, origin=Origin("Patient.ndjson", number), reason="not JSON")
        store.flush_quarantine(run)


def test_quarantine_keeps_the_bytes(store: Store) -> None:
    _put(store, (BAD, 3))

    (item,) = store.quarantined("icm")
    assert store.quarantined_raw(item) == BAD
    assert (item.source, item.line, item.reason) == ("Patient.ndjson", 3, "not JSON")
    assert item.adapter_version
    assert store.quarantined("igr") == []


def test_quarantine_lists_the_same_bytes_once(store: Store) -> None:
    _put(store, (BAD, 3), (BAD, 4))
    _put(store, (BAD, 5), (b"other", 6))

    items = store.quarantined("icm")
    assert [(item.line, store.quarantined_raw(item)) for item in items] == [(5, BAD), (6, b"other")]


def test_quarantine_lists_what_had_no_bytes_by_its_place(store: Store) -> None:
    _put(store, (b"", 1), (b"", 2))
    _put(store, (b"", 1))

    assert [(item.line, store.quarantined_raw(item)) for item in store.quarantined("icm")] == [(1, b""), (2, b"")]


def test_quarantine_forgets_what_was_read_since(store: Store) -> None:
    _put(store, (BAD, 1), (b"other", 2))
    item = store.quarantined("icm")[0]
    with store.begin_run("icm", "pull") as run:
        run.commit([], mended=[item.key])
    store.forget_quarantined(item)

    assert [item.line for item in store.quarantined("icm")] == [2]
    assert len(list((store.folder / "quarantine" / "icm").iterdir())) == 1


def test_quarantine_lists_thousands_before_the_end(store: Store) -> None:
    with store.begin_run("icm", "pull") as run:
        for number in range(1_100):
            store.quarantine(run, b"", origin=Origin("f", number), reason="not JSON")
        assert len(store.quarantined("icm")) == 1_000
        store.flush_quarantine(run)
    assert len(store.quarantined("icm")) == 1_100
