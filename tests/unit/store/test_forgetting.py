"""In: a store, a person who is to be forgotten. Out: no byte of them but an id in the audit trail, everybody else as before, whatever happens meanwhile."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, inspect

from adapter.errors import BusyError, ConfigurationError, DefectError, StorageError
from adapter.store import Origin, Store, StoredVerdict, Tombstone, Whom, removal, segments
from adapter.store.digests import DigestKey, DigestState
from adapter.store.models import Base, PackedText
from adapter.store.runs import SegmentInfo
from tests.unit.store.making import everything, fill, live, observation, patient

SITE = "icm"
SECRET = "Lagarrigue-Forgotten"


def whom(*ids: str) -> Whom:
    return Whom(f"Patient/{ids[0]}", tuple(f"Patient/{one}" for one in ids))


def forget(store: Store, *ids: str) -> Any:
    return store.forget(SITE, whom(*ids), by="dpo", reason="objection")


def put_aside(store: Store, raw: bytes, reference: str | None) -> None:
    with store.begin_run(SITE, "pull") as run:
        store.quarantine(run, raw, origin=Origin("x.ndjson", 1), reason="not JSON", reference=reference)
        store.flush_quarantine(run)
        run.commit([])


def files_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


@pytest.fixture
def filled(store: Store) -> Store:
    """Two people, each with results in segments of their own and shared ones."""
    fill(store, [patient("a", name=[{"family": SECRET}]), patient("b"), observation("a1", "a"), observation("b1", "b")])
    fill(store, [observation("a2", "a", note=[{"text": SECRET}])])
    fill(store, [observation("b2", "b")])
    return store


def test_person_is_gone_and_everybody_else_is_as_before(filled: Store) -> None:
    others = [row for row in everything(filled) if row[1].startswith("b")]
    record = live(filled)["Patient/b"]
    found = forget(filled, "a")

    assert found.versions == {"Patient": 1, "Observation": 2}
    assert everything(filled) == others
    assert live(filled) == {"Patient/b": record}
    assert list(filled.lake.patients(SITE)) == ["Patient/b"]
    [run] = filled.runs("forget", site=SITE)
    assert (run.state, run.complete) == ("committed", True)


def test_line_of_the_audit_trail_tells_who_did_it_and_nothing_of_the_person(filled: Store) -> None:
    forget(filled, "a")
    [line] = filled.audit_trail()

    assert (line.actor, line.action, line.subject) == ("dpo", "forget", "icm/Patient/a")
    assert line.detail == "objection: 3 versions, 0 put aside, 0 rows"


def test_no_file_keeps_a_byte_of_the_person(filled: Store) -> None:
    put_aside(
        filled,
        b'{"resourceType":"Observation","id":"a9","subject":{"reference":"Patient/a"},"x":"%s' % SECRET.encode(),
        None,
    )
    filled.decide(SITE, "Patient/a", trial="t", state="new", reason="x", by="z", note=SECRET)
    # What was merged is kept for readers under way: it must not be kept for this.
    with filled.begin_run(SITE, "compact") as run:
        filled.lake.compact(run, fan=2)
        run.commit([])
    files = {path for path, _ in files_of(filled.folder)}
    forget(filled, "a")

    assert not [path for path, content in files_of(filled.folder) if SECRET.encode() in content]
    lake = {path for path in files if "lake" in path.parts or "index" in path.parts}
    left = {path for path, _ in files_of(filled.folder)} & lake
    listed = {Path(file) for file in filled.lake.index_files(SITE)}
    assert {path for path in left if "index" in path.parts} <= listed
    assert not list((filled.folder / "quarantine" / SITE).iterdir())
    assert filled.lake.altered(SITE) == []


def test_what_a_pull_has_left_half_fetched_goes_with_them(filled: Store) -> None:
    spool = filled.spool(SITE) / "search-0"
    spool.mkdir(parents=True)
    (spool / "Patient.search").write_text(SECRET)
    other = filled.spool("other")
    other.mkdir(parents=True)
    forget(filled, "a")

    assert not filled.spool(SITE).exists()
    assert other.is_dir()


def test_digest_that_told_of_them_tells_of_the_next_verdict_all_the_same(filled: Store) -> None:
    on, at = date(2025, 6, 1), datetime(2025, 6, 1, 8, tzinfo=UTC)

    def saved(name: str, digest: str) -> int:
        filled.save_verdicts([StoredVerdict(SITE, f"Patient/{name}", "t", "registration", on, at, "run", "{}", digest)])
        return filled.digests.newest_verdict("t", "registration", site=SITE)

    saved("b", "1")
    newest = saved("a", "2")
    key = DigestKey(SITE, "reader", "en", "08:00", on)
    assert filled.digests.claim(key, by="me", at=at)
    assert filled.digests.end(key, by="me", state=DigestState.SENT, at=at, seen=newest)
    forget(filled, "a")
    told = filled.digests.seen(SITE, ["reader"])["reader"]

    assert saved("b", "3") > told


def test_every_table_that_names_a_person_is_cleared(filled: Store) -> None:
    """A table that is added later, and forgotten here, fails this."""
    named = {
        table.name: column
        for table in Base.metadata.tables.values()
        for column in ("patient", "person")
        if column in table.columns
    }
    # Whoever is kept off has to be known by an id.
    del named["kept_off"]
    with filled._state.session() as session:
        for name, column in named.items():
            table = Base.metadata.tables[name]
            session.execute(insert(table).values(**{**_any_row(table), "site": SITE, column: "Patient/a"}))
            session.execute(insert(table).values(**{**_any_row(table, 1), "site": SITE, column: "Patient/b"}))
    found = forget(filled, "a")

    assert set(found.rows) == set(named)
    with filled._state.session() as session:
        for name, column in named.items():
            table = Base.metadata.tables[name]
            left = {getattr(row, column) for row in session.execute(table.select())}
            # A subject's number is never given again: its row stays, of nobody.
            left -= {one for one in left if name == "subject_pseudonym" and one.startswith("forgotten-")}
            assert left == {"Patient/b"}, name


def _any_row(table: Any, number: int = 0) -> dict[str, Any]:
    """A value for each column that wants one."""
    made: dict[type, Any] = {str: f"x{number}", int: number + 1, bytes: b"x", bool: False}
    found: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable or column.autoincrement is True:
            continue
        kind = str if isinstance(column.type, PackedText) else column.type.python_type
        if kind in made:
            found[column.name] = made[kind]
        elif "date" in str(column.type).lower() and "time" not in str(column.type).lower():
            found[column.name] = date(2025, 6, 1)
        else:
            found[column.name] = datetime(2025, 6, 1, tzinfo=UTC)
    return found


def test_what_was_put_aside_of_them_goes_and_that_of_others_stays(filled: Store) -> None:
    mine = b'{"resourceType":"Observation","id":"a9","subject":{"reference":"Patient/a"},"valueQuantity":{"value":'
    theirs = mine.replace(b"Patient/a", b"Patient/b")
    put_aside(filled, mine, None)
    put_aside(filled, theirs, None)
    # A version that tells no person, of a resource that is known to be theirs.
    put_aside(filled, b'{"resourceType":"Observation","id":"a1","status":', "Observation/a1")
    found = forget(filled, "a")

    [left] = filled.quarantined(SITE)
    assert (found.quarantined, filled.quarantined_raw(left)) == (2, theirs)


def test_resource_that_had_been_somebody_elses_is_not_given_back_to_them(store: Store) -> None:
    fill(store, [patient("a"), patient("b"), observation("o", "b", version=1)])
    fill(store, [observation("o", "a", version=2)])
    forget(store, "a")

    assert live(store)["Patient/b"] == [patient("b")]


def test_resource_that_was_taken_from_them_stays_with_whom_it_is_of(store: Store) -> None:
    fill(store, [patient("a"), patient("b"), observation("o", "a", version=1)])
    fill(store, [observation("o", "b", version=2)])
    forget(store, "a")

    assert live(store)["Patient/b"] == [observation("o", "b", version=2), patient("b")]


def test_deletion_of_a_resource_of_others_stays_though_one_of_its_versions_was_theirs(store: Store) -> None:
    fill(store, [patient("a"), patient("b"), observation("o", "a", version=1)])
    fill(store, [observation("o", "b", version=2)])
    with store.begin_run(SITE, "pull") as run:
        run.commit([], deleted=[Tombstone("Observation", "o", run.last_seq)])
    forget(store, "a")

    assert live(store)["Patient/b"] == [patient("b")]


def test_all_records_of_a_merged_person_go(store: Store) -> None:
    fill(store, [patient("a", links=[("replaced-by", "c")]), patient("c"), observation("a1", "a"), patient("b")])
    forget(store, "c", "a")

    assert live(store) == {"Patient/b": [patient("b")]}
    assert store.kept_off.patients(SITE) == {"Patient/a": "Patient/c", "Patient/c": "Patient/c"}
    assert store.kept_off.remove(SITE, "Patient/a") == 2
    assert store.kept_off.all() == []


def test_other_sites_are_left_alone(filled: Store) -> None:
    fill(filled, [patient("a"), observation("a1", "a")], site="other")
    forget(filled, "a")

    assert live(filled, "other") == {"Patient/a": [observation("a1", "a"), patient("a")]}
    assert filled.kept_off.patients("other") == {}


def test_nobody_can_be_forgotten_twice_or_before_anything_came(store: Store) -> None:
    fill(store, [patient("b")])
    assert forget(store, "a").is_nothing
    assert forget(store, "a").is_nothing
    assert [one.patient for one in store.kept_off.all()] == ["Patient/a"]


# When something is in the way ---------------------------------------------------------------------------------------


def test_site_that_is_worked_on_is_left_alone(filled: Store) -> None:
    before = everything(filled)
    with filled.begin_run(SITE, "pull"), pytest.raises(BusyError):
        forget(filled, "a")
    assert everything(filled) == before


def test_damaged_segment_is_named_and_nothing_is_changed(filled: Store) -> None:
    before = everything(filled)
    damaged = filled.lake.raw_path(SITE, "Observation", Path(filled.lake.index_files(SITE, "Observation")[0]).stem)
    written = damaged.read_bytes()
    damaged.write_bytes(written + b" ")
    with pytest.raises(ConfigurationError, match=f"Observation/{damaged.name} is not as it was written"):
        forget(filled, "a")
    damaged.write_bytes(written)

    assert everything(filled) == before
    assert (filled.audit_trail(), filled.kept_off.all()) == ([], [])


def test_full_disk_changes_nothing_and_the_same_again_does_it(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(filled)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(removal, "write_pair", full)
        with pytest.raises(StorageError):
            forget(filled, "a")
    assert everything(filled) == before
    forget(filled, "a")
    assert list(live(filled)) == ["Patient/b"]


@pytest.mark.parametrize("at", ["leave_out", "commit"])
def test_what_is_broken_off_before_its_end_changes_nothing(
    filled: Store, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    before = everything(filled)
    filled.decide(SITE, "Patient/a", trial="t", state="new", reason="x", by="z")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken off")

    with monkeypatch.context() as patched:
        patched.setattr(f"adapter.store.runs.Run.{at}", broken)
        with pytest.raises(RuntimeError, match="broken off"):
            forget(filled, "a")
    assert everything(filled) == before
    assert len(filled.decision_history("t")) == 1
    assert (filled.audit_trail(), filled.kept_off.all()) == ([], [])
    forget(filled, "a")
    assert filled.lake.unknown_files() == []


def test_files_that_are_left_by_a_kill_after_the_commit_go_with_the_next_run(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(filled, b'{"resourceType":"Observation","id":"a1","status":', "Observation/a1")
    with monkeypatch.context() as patched:
        patched.setattr("adapter.store.quarantine.Quarantine.clear_leftovers", lambda *_: None)
        patched.setattr("adapter.store.shelf.Shelf.clear_leftovers", lambda *_: None)
        forget(filled, "a")
    assert list((filled.folder / "quarantine" / SITE).iterdir())
    with filled.begin_run(SITE, "pull") as run:
        filled.lake.writer(run)
        filled.clear_quarantine(SITE)

    assert not list((filled.folder / "quarantine" / SITE).iterdir())
    listed = {Path(file).name for file in filled.lake.index_files(SITE)}
    assert {path.name for path in (filled.folder / "index" / SITE).rglob("*.parquet")} == listed


def test_segment_is_replaced_by_a_smaller_one_only(filled: Store) -> None:
    name = Path(filled.lake.index_files(SITE, "Observation")[0]).stem
    with filled.begin_run(SITE, "forget") as run:
        same = segments_info(name)
        with pytest.raises(DefectError, match="changed while rows were taken out"):
            run.leave_out("Observation", name, same)


def segments_info(name: str) -> SegmentInfo:
    return SegmentInfo("Observation", name, rows=2, raw_bytes=1)


def test_columns_are_those_of_any_segment(filled: Store) -> None:
    forget(filled, "a")
    for file in filled.lake.index_files(SITE):
        index = segments.read_rows(Path(file))
        raw = segments.read_rows(filled.lake.raw_path(SITE, Path(file).parent.name, Path(file).stem))
        assert (raw.schema.names, index.schema.names) == tuple(one.names for one in segments.SCHEMAS)


def test_table_is_there_after_a_migration(store: Store) -> None:
    assert "kept_off" in inspect(store._state.engine).get_table_names()
