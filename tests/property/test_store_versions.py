"""Any order, any repetition, any split into runs of the same versions leaves the same store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.store import Store, writer
from tests.unit.store.making import everything, fill, live, observation, patient

IDS = ("a", "b", "c")
PEOPLE = ("1", "2")


@contextmanager
def _store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "var") as store:
        yield store


@st.composite
def _feed(draw: st.DrawFn) -> list[bytes]:
    """Versions of a few resources, told apart by number or by time (where neither is, arrival decides)."""
    lines = [patient("1", version=1), patient("2", links=[("replaced-by", "1")] if draw(st.booleans()) else ())]
    for id_ in IDS:
        by_number = draw(st.booleans())
        for place in draw(st.sets(st.integers(1, 12), max_size=4)):
            meta = {"version": place} if by_number else {"updated": f"2025-01-{place:02}T10:00:00Z"}
            lines.append(observation(id_, draw(st.sampled_from(PEOPLE)), **meta))
    return lines


@given(data=st.data(), feed=_feed())
@settings(max_examples=15, deadline=None)
def test_store_is_the_same_whatever_the_order_and_repetition(data: st.DataObject, feed: list[bytes]) -> None:
    again = data.draw(st.lists(st.sampled_from(feed), max_size=8))
    shuffled = data.draw(st.permutations(feed + again))
    cut = data.draw(st.integers(0, len(shuffled)))
    with _store() as plain, _store() as other:
        fill(plain, feed)
        for part in (shuffled[:cut], shuffled[cut:]):
            fill(other, part)

        assert everything(other) == everything(plain)
        assert live(other) == live(plain)
        assert other.lake.merges("icm") == plain.lake.merges("icm")


@given(contents=st.lists(st.integers(0, 3), min_size=1, max_size=8), cuts=st.sets(st.integers(1, 7)))
@settings(max_examples=15, deadline=None)
def test_last_arrival_is_current_where_nothing_else_tells(contents: list[int], cuts: set[int]) -> None:
    lines = [observation("a", "1", valueInteger=value) for value in contents]
    edges = [0, *sorted(cut for cut in cuts if cut < len(lines)), len(lines)]
    with _store() as store:
        for start, end in pairwise(edges):
            fill(store, lines[start:end])

        assert live(store) == {"Patient/1": [lines[-1]]}
        before = everything(store)
        fill(store, lines[edges[-2] :])
        assert everything(store) == before


@given(data=st.data(), feed=_feed())
@settings(max_examples=15, deadline=None)
def test_dealing_with_ids_in_parts_changes_nothing(data: st.DataObject, feed: list[bytes]) -> None:
    shuffled = data.draw(st.permutations(feed + data.draw(st.lists(st.sampled_from(feed), max_size=8))))
    cut = data.draw(st.integers(0, len(shuffled)))
    with _store() as plain, _store() as other:
        for part in (shuffled[:cut], shuffled[cut:]):
            counts = fill(plain, part)
            with mock.patch.object(writer, "_PART_ROWS", 2):
                assert fill(other, part) == counts

        assert everything(other) == everything(plain)
        assert live(other) == live(plain)
