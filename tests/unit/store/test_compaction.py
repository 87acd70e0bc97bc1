"""In: stores with a segment for every small pull. Out: few segments, every version as it was; what is damaged is left, what is read stays."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from adapter.errors import DefectError, StorageError
from adapter.store import Store, Tombstone, compaction, lake, runs, shelf
from adapter.store.compaction import FAN, MOST_BYTES, MOST_ROWS, planned
from adapter.store.models import SegmentRow
from tests.unit.store.making import everything, fill, live, observation, patient, with_codes
from tests.unit.store.making import line as resource_line

SITE = "icm"


@dataclass(frozen=True)
class Size:
    rows: int
    raw_bytes: int


sizes = st.builds(Size, st.integers(1, MOST_ROWS), st.one_of(st.integers(1, 10_000), st.integers(10_000, MOST_BYTES)))


def merged_size(group: list[Size]) -> Size:
    return Size(sum(one.rows for one in group), sum(one.raw_bytes for one in group))


# Which are merged ---------------------------------------------------------------------------------------------------


@given(st.lists(sizes, max_size=60), st.sampled_from([2, FAN]))
def test_each_segment_is_in_one_group_at_most_and_no_group_is_too_large(segments: list[Size], fan: int) -> None:
    groups = planned(segments, fan=fan)
    taken = [id(one) for group in groups for one in group]

    assert len(taken) == len(set(taken))
    assert set(taken) <= {id(one) for one in segments}
    for group in groups:
        whole = merged_size(group)
        assert len(group) > 1
        assert whole.rows <= MOST_ROWS
        assert whole.raw_bytes <= MOST_BYTES


@given(st.lists(sizes, max_size=60))
def test_on_request_one_small_segment_is_left_at_most(segments: list[Size]) -> None:
    groups = planned(segments, fan=2)
    merged = {id(one) for group in groups for one in group}
    after = [one for one in segments if id(one) not in merged] + [merged_size(group) for group in groups]
    small = [one for one in after if one.rows < MOST_ROWS / 2 and one.raw_bytes < MOST_BYTES / 2]

    assert len(small) <= 1
    assert planned(after, fan=2) == []


@pytest.mark.parametrize("row_bytes", [300, 4_000])
def test_years_of_small_pulls_leave_few_segments_and_write_a_row_a_few_times(row_bytes: int) -> None:
    segments: list[Size] = []
    written = 0
    most = 0
    for _ in range(10_000):
        segments.append(Size(3, 3 * row_bytes))
        for group in planned(segments):
            gone = {id(one) for one in group}
            segments = [one for one in segments if id(one) not in gone] + [merged_size(group)]
            written += merged_size(group).raw_bytes
        most = max(most, len(segments))

    whole = merged_size(segments)
    full = max(whole.rows / MOST_ROWS, whole.raw_bytes / MOST_BYTES) * 2
    assert whole == Size(30_000, 30_000 * row_bytes)
    assert most <= 4 * FAN + full
    # What is smallest is written again and again, and it is small: a few kilobytes each time.
    assert written / whole.raw_bytes < 25


# What stays as it was -----------------------------------------------------------------------------------------------


@pytest.fixture
def worn(store: Store) -> Store:
    """A store after a year of small pulls: corrections, a deletion, a merger, a shared resource."""
    fill(store, [patient("1", links=[("replaces", "2")]), patient("2"), patient("3")])
    for number in range(20):
        fill(store, [observation(f"o{number % 7}", of="123"[number % 3], version=number, valueString=f"{number}")])
    fill(store, [resource_line("Medication", "m", code={"text": "Lutathera"})])
    with store.begin_run(SITE, "pull") as run:
        store.lake.writer(run).commit(deleted=[Tombstone("Observation", "o3", run.first_seq)])
    return store


def merge(store: Store, *, fan: int = FAN) -> dict[str, int]:
    with store.begin_run(SITE, "compact") as run:
        fewer = store.lake.compact(run, fan=fan)
        run.commit([])
        return fewer


def told(store: Store) -> dict[str, object]:
    """All that a reader can ask of the lake."""
    ids = [f"o{number}" for number in range(7)]
    return {
        "versions": everything(store),
        "live": live(store),
        "stats": store.lake.stats(),
        "origins": [store.lake.origins(SITE, "Observation", id_) for id_ in ids],
        "codes": with_codes(store, SITE, codes=["http://loinc.org|718-7"]),
        "shared": store.lake.shared(SITE, ["Medication/m"]),
        "merges": store.lake.merges(SITE),
        "mark": store.lake.mark(SITE),
    }


def files(store: Store, type_: str = "Observation") -> list[str]:
    return store.lake.index_files(SITE, type_)


@pytest.mark.parametrize("fan", [FAN, 2])
def test_merging_changes_nothing_but_the_number_of_files(worn: Store, fan: int) -> None:
    before = told(worn)
    assert len(files(worn)) == 20

    assert merge(worn, fan=fan) == {"Observation": 19}
    assert told(worn) == before
    assert len(files(worn)) == 1
    assert worn.lake.altered(SITE) == []
    assert merge(worn, fan=fan) == {}


def test_what_comes_after_a_merge_is_known_from_what_came_before(worn: Store) -> None:
    merge(worn)
    again = observation("o6", of="1", version=6, valueString="6")

    assert fill(worn, [again, observation("o6", of="1", version=99)])["Observation"].changed == 1
    assert [item.live for item in worn.lake.origins(SITE, "Observation", "o6")] == [False, False, True]


def test_few_segments_are_left_alone(store: Store) -> None:
    for number in range(FAN - 1):
        fill(store, [observation(f"o{number}", of="1")])

    assert merge(store) == {}
    assert merge(store, fan=2) == {"Observation": FAN - 2}


def test_sites_are_merged_for_themselves(worn: Store) -> None:
    for number in range(FAN):
        fill(worn, [observation(f"x{number}", of="9")], site="other")
    merge(worn)

    assert len(worn.lake.index_files("other", "Observation")) == FAN


# Who reads meanwhile ------------------------------------------------------------------------------------------------


def test_reader_that_began_before_goes_on(worn: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake, "_PASS_BYTES", 1)
    before = {person.patient: person for person in worn.lake.records(SITE)}
    reader = worn.lake.records(SITE)
    found = {(first := next(reader)).patient: first}
    merge(worn)
    fill(worn, [])

    assert found | {person.patient: person for person in reader} == before


def test_files_of_merged_segments_go_when_nobody_can_be_reading_them(
    worn: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [Path(file) for file in files(worn)]
    merge(worn)
    fill(worn, [observation("later", of="1")])
    assert all(path.is_file() for path in old)
    assert worn.lake.unknown_files() == []

    later = datetime.now(UTC) + shelf._READ_WITHIN + timedelta(minutes=1)
    monkeypatch.setattr(shelf, "now", lambda: later)
    before = told(worn)
    fill(worn, [])
    assert not any(path.exists() or _raw(path).exists() for path in old)
    assert told(worn) == before


def _raw(index: Path) -> Path:
    return index.parents[3] / "lake" / index.parent.parent.name / index.parent.name / index.name


# What goes wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_raw", [True, False])
def test_damaged_segment_is_left_for_the_check_to_name(worn: Store, of_raw: bool) -> None:
    index = Path(files(worn)[4])
    damaged = _raw(index) if of_raw else index
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)

    assert merge(worn) == {"Observation": 18}
    assert str(index) in files(worn)
    assert worn.lake.altered(SITE) == [damaged]


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def forget_digests(store: Store) -> None:
    """As of an earlier release, that noted none of its files."""
    with store._state.session() as session:
        session.execute(update(SegmentRow).values(raw_sha256=None, index_sha256=None))


def test_segments_of_which_no_digest_was_noted_are_merged(worn: Store) -> None:
    forget_digests(worn)
    before = told(worn)

    assert merge(worn) == {"Observation": 19}
    assert told(worn) == before


def with_another_byte(table: pa.Table) -> pa.Table:
    raw = [bytes(value).replace(b"718-7", b"718-8") for value in table["raw"].to_pylist()]
    return table.set_column(table.schema.get_field_index("raw"), "raw", pa.array(raw, pa.binary()))


def with_another_id(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("id"), "id", pa.array(["other"] * table.num_rows))


@pytest.mark.parametrize(
    ("of_raw", "change"),
    [
        (True, with_another_byte),
        (False, with_another_id),
        (False, lambda table: table.drop_columns(["links"])),
    ],
)
def test_rows_that_do_not_hold_together_are_not_merged(
    worn: Store, of_raw: bool, change: Callable[[pa.Table], pa.Table]
) -> None:
    forget_digests(worn)
    index = Path(files(worn)[4])
    rewritten(_raw(index) if of_raw else index, change)

    assert merge(worn) == {}
    assert len(files(worn)) == 20


class _Killed(BaseException):
    pass


def killed(*_: object, **__: object) -> None:
    raise _Killed


def test_kill_before_the_merge_is_committed_leaves_what_was(worn: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before, old = told(worn), files(worn)
    with monkeypatch.context() as patched:
        patched.setattr(runs.Run, "merge", killed)
        with pytest.raises(_Killed):
            merge(worn)

    assert (told(worn), files(worn)) == (before, old)
    folder = Path(old[0]).parent
    assert len(list(folder.iterdir())) == 21
    fill(worn, [])
    assert sorted(map(str, folder.iterdir())) == sorted(old)


def test_full_disk_is_told_and_loses_nothing(worn: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    before = told(worn)
    monkeypatch.setattr(compaction, "write_pair", full)
    with pytest.raises(StorageError):
        merge(worn)
    assert told(worn) == before


def test_segments_are_replaced_by_what_holds_as_many_rows_only(worn: Store) -> None:
    names = [Path(file).stem for file in files(worn)]
    less = runs.SegmentInfo("Observation", "less", rows=19, raw_bytes=1)
    with worn.begin_run(SITE, "compact") as run:
        for these, into in (
            (names, less),
            ([*names, "gone"], runs.SegmentInfo("Observation", "x", rows=20, raw_bytes=1)),
        ):
            with pytest.raises(DefectError):
                run.merge("Observation", these, into)
    assert len(files(worn)) == 20


# How far it has come ------------------------------------------------------------------------------------------------


def test_mark_tells_what_came_after_it_whatever_was_merged(worn: Store) -> None:
    mark = worn.lake.mark(SITE)
    for number in range(FAN):
        fill(worn, [observation(f"new{number}", of="1")])
    merge(worn, fan=2)
    found, first_seq = worn.lake.files_since(SITE, mark)

    assert len(found) == 1
    rows = pq.read_table(found[0], partitioning=None, filters=[("seq", ">=", first_seq)])
    assert sorted(rows["id"].to_pylist()) == [f"new{number}" for number in range(FAN)]
    assert worn.lake.mark(SITE).versions == mark.versions + FAN
    assert worn.lake.files_since(SITE, worn.lake.mark(SITE))[0] == []


def test_site_without_anything_has_come_nowhere(store: Store) -> None:
    assert store.lake.mark(SITE) == (0, 0)
    assert merge(store) == {}
