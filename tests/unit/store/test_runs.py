"""Promises of runs: one at a time for each site, none kept out by a dead one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from adapter.errors import BusyError, ReluthError, RemoteError, StateUnavailableError, StorageError
from adapter.store import Run, Store, site_lock
from adapter.store.models import SiteLockRow


def test_site_is_held_by_one_run(store: Store) -> None:
    with store.begin_run("icm", "pull"):
        with pytest.raises(BusyError, match=f"process {os.getpid()} on .* for 0 min"):
            store.begin_run("icm", "pull")
        store.begin_run("igr", "pull").close()
    store.begin_run("icm", "pull").close()


def test_site_is_free_after_an_error(store: Store) -> None:
    with pytest.raises(RuntimeError), store.begin_run("icm", "pull"):
        raise RuntimeError
    store.begin_run("icm", "pull").close()

    assert [run.state for run in store.runs("pull")] == ["failed", "failed"]


def test_run_that_failed_keeps_by_what(store: Store) -> None:
    with pytest.raises(RemoteError), store.begin_run("icm", "pull") as run:
        raise RemoteError("GET fhir.example.org/é: answered 403")

    (failed,) = store.runs("pull")
    assert (failed.state, failed.complete) == ("failed", None)
    assert json.loads(failed.summary or "") == {
        "site": "icm",
        "run": run.name,
        "exit_code": 4,
        "problem": "GET fhir.example.org/é: answered 403",
    }


def test_run_that_was_committed_stays_so_whatever_happens_after(store: Store) -> None:
    run = store.begin_run("icm", "pull")
    run.commit([], summary="{}")
    run.close(RemoteError("too late"))

    (kept,) = store.runs("pull")
    assert (kept.state, kept.complete, kept.summary) == ("committed", True, "{}")


def test_run_that_failed_before_it_began_is_noted_and_leaves_the_site_to_who_holds_it(store: Store) -> None:
    with store.begin_run("icm", "pull") as run:
        name = store.note_failed_run("icm", "pull", begun=datetime.now(UTC), error=BusyError("held"))
        run.commit([])

    failed, whole = store.runs("pull")
    assert (failed.name, failed.state, whole.state) == (name, "failed", "committed")
    assert json.loads(failed.summary or "") == {"site": "icm", "begun": False, "exit_code": 75, "problem": "held"}


def test_last_whole_run_is_found_behind_any_number_of_others(store: Store) -> None:
    assert store.last_whole_run("pull", site="icm") is None
    with store.begin_run("icm", "pull") as whole:
        whole.commit([])
    with store.begin_run("icm", "pull") as part:
        part.commit([], complete=False)
    for _ in range(3):
        store.note_failed_run("icm", "pull", begun=datetime.now(UTC), error=RemoteError("no"))
    for site, kind in (("igr", "pull"), ("icm", "push")):
        with store.begin_run(site, kind) as other:
            other.commit([])

    found = store.last_whole_run("pull", site="icm")
    assert found is not None
    assert found.name == whole.name


def test_lock_of_a_dead_process_is_taken_over(store: Store) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from adapter.store import Store\n"
        "store = Store.open(Path(sys.argv[1])); store.begin_run('icm', 'pull'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(store.folder)], check=False)
    assert done.returncode == -9

    with store.begin_run("icm", "pull") as run:
        assert run.number == 2


def _claim(store: Store, **values: object) -> None:
    with store._state.session() as session:
        session.execute(update(SiteLockRow).values(**values))


def test_lock_of_a_process_number_given_again_is_taken_over(store: Store) -> None:
    first = store.begin_run("icm", "pull")
    _claim(store, process_start="1")

    store.begin_run("icm", "pull").close()
    first.close()


def test_lock_of_a_process_whose_start_the_system_does_not_tell_is_respected(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.begin_run("icm", "pull"):
        monkeypatch.setattr(site_lock, "start_of", lambda pid: "")
        with pytest.raises(BusyError):
            store.begin_run("icm", "pull")


def test_site_that_could_not_be_let_go_for_want_of_room_is_not_held_by_its_own_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run: Run, _: ReluthError | None) -> None:
        site_lock._held.discard(run._lock.token)
        raise StorageError("the store's state", "database or disk is full")

    def fail() -> None:
        with store.begin_run("icm", "pull"):
            raise ValueError("the cause")

    with monkeypatch.context() as patched:
        patched.setattr(Run, "close", full)
        with pytest.raises(ValueError, match="the cause"):
            fail()

    with store.begin_run("icm", "pull") as again:
        assert again.number == 2
    assert [run.state for run in store.runs("pull")] == ["failed", "failed"]


@pytest.mark.parametrize(("failures", "left"), [(2, False), (99, True)])
def test_site_is_let_go_after_a_restart_of_the_database(
    store: Store, monkeypatch: pytest.MonkeyPatch, failures: int, left: bool
) -> None:
    waited: list[float] = []
    close = Run.close

    def gone(run: Run, error: ReluthError | None) -> None:
        if len(waited) < failures:
            raise StateUnavailableError("AdminShutdown")
        close(run, error)

    monkeypatch.setattr("adapter.store.runs.time.sleep", waited.append)
    monkeypatch.setattr(Run, "close", gone)
    with store.begin_run("icm", "pull"):
        pass

    assert [run.state for run in store.runs("pull")] == ["open" if left else "failed"]
    assert waited == [1.0, 2.0, 4.0, 8.0][:failures]


def test_lock_of_another_machine_is_respected(store: Store) -> None:
    with store.begin_run("icm", "pull"):
        _claim(store, host="elsewhere.example.org", pid=2**22 + 1)
        with pytest.raises(BusyError, match=r"elsewhere\.example\.org"):
            store.begin_run("icm", "pull")


@pytest.mark.parametrize("stale", [False, True])
def test_site_is_given_to_one_of_many_at_once(store: Store, stale: bool) -> None:
    if stale:
        store.begin_run("icm", "pull")
        _claim(store, process_start="1")
    gate = threading.Barrier(4)

    def begin() -> Run | None:
        gate.wait()
        try:
            return store.begin_run("icm", "pull")
        except BusyError:
            return None

    with ThreadPoolExecutor(4) as pool:
        runs = [future.result() for future in [pool.submit(begin) for _ in range(4)]]

    assert [run is None for run in runs].count(False) == 1
    for run in runs:
        if run is not None:
            run.close()


def test_run_that_lost_its_lock_does_not_free_the_new_owner(store: Store) -> None:
    lost = store.begin_run("icm", "pull")
    _claim(store, process_start="1")
    with store.begin_run("icm", "pull"):
        lost.close()
        with pytest.raises(BusyError):
            store.begin_run("icm", "pull")


def test_runs_tell_newest_first_what_became_of_them(store: Store) -> None:
    for complete in (True, False):
        with store.begin_run("icm", "pull") as run:
            run.commit([], complete=complete, summary='{"site":"icm"}')
    with store.begin_run("icm", "pull"):
        under_way, found, earlier = store.runs("pull")

    assert (under_way.state, earlier.complete) == ("open", True)
    assert (found.complete, found.state, found.summary) == (False, "committed", '{"site":"icm"}')
    assert found.ended_at is not None
    assert found.ended_at >= found.started_at
    assert store.runs("push") == []


def test_run_numbers_versions_above_every_earlier_run(store: Store, tmp_path: Path) -> None:
    with store.begin_run("icm", "pull") as run:
        first = [run.next_seq() for _ in range(3)]
    with store.begin_run("icm", "pull") as run:
        assert run.next_seq() > max(first)
    assert first == sorted(set(first))
