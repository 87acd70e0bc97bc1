"""Promises of the spool: what it says is there is there, whatever cut it off; what it does not say is fetched again."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from adapter.errors import StorageError
from adapter.sync.spool import Part, Spool

ODD = b'{\n  "resourceType": "Patient",\r\n  "id": "a"}'


def journal(folder: Path) -> Path:
    (found,) = folder.glob("*/journal.ndjson")
    return found


def opened(folder: Path, key: str = "k") -> Spool:
    return Spool.open(folder, key=key)


def test_resources_come_back_byte_for_byte_with_their_line_ends(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    part = Part("Patient.search")
    spool.append(part, [ODD, b"", b"{}"])
    spool.append(part, [ODD])
    part.state = "done"
    spool.keep(part)

    again = opened(tmp_path)

    (kept,) = again.parts()
    assert (again.resumed, kept.state, kept.lines) == (True, "done", 4)
    assert list(again.resources(kept)) == [ODD, b"", b"{}", ODD]


def test_what_was_written_and_not_kept_is_not_there_and_is_overwritten(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    part = Part("p")
    spool.append(part, [b"first"])
    spool.keep(part)
    spool.append(part, [b"a longer one that nobody heard of"])

    again = opened(tmp_path)
    (kept,) = again.parts()
    assert list(again.resources(kept)) == [b"first"]
    again.append(kept, [b"x"])
    again.keep(kept)

    (last,) = opened(tmp_path).parts()
    assert list(again.resources(last)) == [b"first", b"x"]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_line_of_the_journal_that_was_cut_says_nothing(tmp_path: Path, cut: int) -> None:
    spool = opened(tmp_path)
    spool.keep(Part("a", state="done"), notes={"status": "here"})
    spool.keep(Part("a", state="failed"))
    path = journal(tmp_path)
    os.truncate(path, path.stat().st_size - cut)

    again = opened(tmp_path)
    again.keep(Part("b"))

    assert [(part.name, part.state) for part in opened(tmp_path).parts()] == [("a", "done"), ("b", "waiting")]
    assert opened(tmp_path).note("status") == "here"


def test_spool_of_something_else_is_another_one(tmp_path: Path) -> None:
    opened(tmp_path, "one").keep(Part("a"))

    other = opened(tmp_path, "two")

    assert (other.resumed, other.parts()) == (False, [])
    assert opened(tmp_path, "one").resumed


def test_journal_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    opened(tmp_path).keep(Part("a"))
    journal(tmp_path).write_bytes(b"\0\0\0\n\0\0\n")

    assert not opened(tmp_path).resumed
    assert opened(tmp_path).parts() == []


def test_spool_that_nobody_went_on_with_for_a_week_is_gone(tmp_path: Path) -> None:
    opened(tmp_path).keep(Part("a"))
    long_ago = time.time() - 8 * 86_400
    os.utime(journal(tmp_path), (long_ago, long_ago))

    assert not opened(tmp_path).resumed


def test_discarded_spool_leaves_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    part = Part("a")
    spool.append(part, [b"1"])
    spool.keep(part, notes={"n": "1"})

    spool.discard()

    assert list(tmp_path.iterdir()) == []
    assert (spool.parts(), spool.note("n"), opened(tmp_path).resumed) == ([], None, False)


def test_note_can_be_taken_back(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.keep(notes={"a": "1", "b": "2"})
    spool.keep(notes={"a": None})

    assert (opened(tmp_path).note("a"), opened(tmp_path).note("b")) == (None, "2")


def test_part_begun_anew_knows_nothing_of_before(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    part = Part("a", next="https://h/next", pages=2, count=9, matches=3, problems=["x"])
    spool.append(part, [b"old"])
    spool.begin_anew(part)
    spool.append(part, [b"new"])
    spool.keep(part)

    (kept,) = opened(tmp_path).parts()
    assert kept == Part("a", bytes=kept.bytes, lines=1)
    assert list(spool.resources(kept)) == [b"new"]


def test_files_of_the_spool_are_its_owners_only(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    part = Part("a")
    spool.append(part, [b"1"])
    spool.keep(part)

    for path in (tmp_path / "spool").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_full_disk_is_one_clear_error_and_spoils_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    part = Part("a")
    spool.append(part, [b"kept"])
    spool.keep(part)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(StorageError, match="make room"):
            spool.append(part, [b"x" * 10_000])
        with pytest.raises(StorageError, match="the spool"):
            spool.keep(notes={"long": "x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)

    again = opened(tmp_path)
    (kept,) = again.parts()
    again.keep(notes={"short": "1"})
    assert list(again.resources(kept)) == [b"kept"]
    assert (opened(tmp_path).note("short"), opened(tmp_path).note("long")) == ("1", None)
