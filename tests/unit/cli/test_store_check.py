"""Promises of `reluth store check`: one bit that changed in any file that the state lists is found, and its file named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.unit.jobs.test_thinning import screened
from tests.unit.store.making import observation, patient, write_folder

BAD = b'{"resourceType":"Observation","id":"bad","valueQuantity":17}'


@pytest.fixture
def store(tmp_path: Path) -> Path:
    lines = [observation(f"o{number}", "p", valueString="x" * number) for number in range(40)]
    files = {"Patient.ndjson": patient("p") + b"\n", "Observation.ndjson": b"\n".join([*lines, BAD, b""])}
    folder = tmp_path / "var"
    ran = reluth("--store", folder, "pull", "--from", write_folder(tmp_path / "in", files), "--site", "icm")

    assert ran.code == 5
    return folder


def check(store: Path) -> Ran:
    return reluth("--store", store, "store", "check")


@pytest.mark.parametrize("room", ["lake/icm/Observation", "index/icm/Observation", "quarantine/icm"])
@pytest.mark.parametrize("part", [1, 2, 3, 4, 5, 6, 7])
def test_one_changed_bit_is_found_wherever_it_is(store: Path, room: str, part: int) -> None:
    (path,) = (store / room).iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) * part // 8] ^= 1 << part
    path.write_bytes(content)

    ran = check(store)

    assert ran.code == 5, ran.err
    assert str(path.relative_to(store)) in ran.out


def test_what_was_put_aside_and_is_lost_is_found(store: Path) -> None:
    (path,) = (store / "quarantine" / "icm").iterdir()
    path.unlink()

    ran = check(store)

    assert (ran.code, ran.out) == (5, f"quarantine/icm/{path.name}: is not as it came\n")


def test_site_of_which_all_was_put_aside_is_checked_too(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", {"Observation.ndjson": BAD + b"\n"})
    reluth("--store", tmp_path / "var", "pull", "--from", folder, "--site", "icm")
    (path,) = (tmp_path / "var" / "quarantine" / "icm").iterdir()
    path.write_bytes(b"")

    assert check(tmp_path / "var").code == 5


def test_files_of_a_release_before_the_hashes_are_compared_by_what_they_hold(store: Path) -> None:
    with sqlite3.connect(store / "state.sqlite") as state:
        state.execute("update segment set raw_sha256 = null, index_sha256 = null")
    state.close()

    assert check(store).code == 0

    (path,) = (store / "lake" / "icm" / "Observation").iterdir()
    path.write_bytes(path.read_bytes()[:-9] + b"\0" * 9)

    assert check(store).code == 5


def test_index_of_the_state_that_lost_a_row_is_found(store: Path) -> None:
    with sqlite3.connect(store / "state.sqlite") as state:
        (page,) = state.execute("select rootpage from sqlite_master where name = 'ix_segment_site_type'").fetchone()
        (size,) = state.execute("pragma page_size").fetchone()
        state.execute("pragma wal_checkpoint(truncate)")
    state.close()
    content = bytearray((store / "state.sqlite").read_bytes())
    # An empty leaf (sqlite.org/fileformat2, 1.6).
    content[(page - 1) * size : page * size] = b"\x0a" + bytes(4) + size.to_bytes(2, "big") + bytes(size - 7)
    (store / "state.sqlite").write_bytes(content)

    ran = check(store)

    assert ran.code == 5
    assert "state.sqlite: " in ran.out


def test_lake_of_a_state_that_was_lost_is_named_and_left_as_it_is(store: Path, tmp_path: Path) -> None:
    written = [path for room in ("lake", "index") for path in (store / room).rglob("*.parquet")]
    # Of another second, whatever the machine's pace.
    moved = [path.rename(path.with_name("20250601T100000Z-000001-1.parquet")) for path in written]
    before = {path: path.read_bytes() for path in moved}
    for path in store.glob("state.sqlite*"):
        path.unlink()

    ran = check(store)
    again = reluth("--store", store, "pull", "--from", tmp_path / "in", "--site", "icm")

    assert ran.code == 5
    assert sorted(ran.out.splitlines()) == sorted(
        f"{path.relative_to(store)}: no run of this state wrote it" for path in before
    )
    assert again.code == 5
    assert {path: path.read_bytes() for path in before} == before


def keep_verdict(store: Path) -> None:
    with Store.open(store) as opened:
        screened(opened, "Patient/p", range(2), site="icm")


@pytest.mark.parametrize("change", ["content = zeroblob(9)", "content = 'plain'", f"content_hash = '{'0' * 64}'"])
def test_verdict_that_is_not_as_it_was_kept_is_found(store: Path, change: str) -> None:
    keep_verdict(store)
    assert check(store).code == 0
    with sqlite3.connect(store / "state.sqlite") as state:
        state.execute(f"update verdict set {change} where number = 2")
    state.close()

    ran = check(store)

    assert (ran.code, ran.out) == (5, "verdict 2: is not as it was kept\n")


def test_row_that_names_another_one_that_is_gone_is_found(store: Path) -> None:
    with sqlite3.connect(store / "state.sqlite") as state:
        state.execute("insert into account_role (account, site, role) values (99, 'icm', 'nurse')")
    state.close()

    ran = check(store)

    assert (ran.code, ran.out) == (5, "state.sqlite: row 1 of account_role names a row of account that is not there\n")
    assert "state: tables, keys and verdicts read, 1 problems" in ran.err


def test_stats_tell_what_verdicts_and_packages_take(store: Path) -> None:
    keep_verdict(store)
    trace = store / "datasets" / "trace"
    trace.mkdir(parents=True)
    (trace / "latest-nct04954820").write_bytes(b"x" * 64)
    found = reluth("--store", store, "store", "stats", "--json").object
    told = reluth("--store", store, "store", "stats").out

    assert found["verdicts"]["icm"]["verdicts"] == 2
    assert found["disk"]["datasets/trace"] == {"files": 1, "bytes": 64}
    assert found["disk"]["datasets/packages"] == {"files": 0, "bytes": 0}
    assert found["disk"]["state.sqlite"]["bytes"] > 4096
    assert "verdicts of icm: 2, 0.0 MB" in told
    assert "datasets/trace: 1 files, 0.0 MB" in told
