"""In: a process that is killed between the parts of a change. Out: none of them, or all; the same again does what is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter.cli.patients import actor
from adapter.store import Origin, Store
from tests.support.cli import reluth
from tests.support.killed_cli import Moment, reluth_killed_at
from tests.support.unsettled import fill_unsettled
from tests.unit.store.making import everything, fill, observation, patient

#: Runs `reluth`, and is killed (not ended: no handler runs) when a line of this action is about to be written.
_KILLED = """
import os, signal, sys
from adapter.cli import main
from adapter.store import Origin, Store
audit = Store.audit
def killed(self, by, action, **more):
    if action == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    audit(self, by, action, **more)
Store.audit = killed
sys.exit(main(sys.argv[2:]))
"""
LABS = "id,patient,patient_system,loinc,effective,value,unit\nR1,1,urn:example:patient,718-7,2025-05-20,12.1,g/dL\n"
TRIAL = "nct04954820"


def decided(store: Store) -> int:
    return len(store.decision_history(TRIAL, patients=["Patient/1"]))


def added(store: Store) -> int:
    return len(store.added_candidates("icm"))


def loaded(store: Store) -> int:
    return sum(one.source.endswith("labs.csv") and one.key.endswith("R1") for one in store.entities.all("icm", "labs"))


def settled(store: Store) -> int:
    return 5 - len(store.outbox.conflicts(site="icm"))


def accounts(store: Store) -> int:
    return len(store.accounts.all())


@pytest.mark.parametrize(
    ("action", "arguments", "count"),
    [
        ("decide", ("decide", "icm/1", "contacted", "--reason", "to-contact"), decided),
        ("add", ("add", "icm/1"), added),
        ("load", ("load", "labs", "labs.csv", "--site", "icm", "--correct"), loaded),
        ("settle", ("conflicts", "--settle", "1", "--keep", "hospital"), settled),
        ("settle", ("conflicts", "--settle", "3", "--keep", "hospital"), settled),
        ("user-add", ("user", "add", "zoe", "--role", "nurse@icm"), accounts),
    ],
)
def test_change_and_its_line_are_there_both_or_neither(
    tmp_path: Path, action: str, arguments: tuple[str, ...], count: Callable[[Store], int]
) -> None:
    (tmp_path / "labs.csv").write_text(LABS)
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient("1")])
        fill_unsettled(store)

    def run(*begin: str) -> int:
        command = [sys.executable, "-c", *begin, "--store", str(tmp_path / "var"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode

    def there() -> tuple[int, list[tuple[str, str]]]:
        with Store.open(tmp_path / "var") as store:
            return count(store), [(line.actor, line.action) for line in store.audit_trail()]

    assert run(_KILLED, action) == -signal.SIGKILL
    assert there() == (0, [])
    assert run("import sys; from adapter.cli import main; sys.exit(main())") == 0
    assert there() == (1, [(actor(), action)])


MOMENTS = [
    (("removal", "write_pair", 1, False), False),
    (("removal", "write_pair", 1, True), False),
    (("run", "leave_out", 2, True), False),
    (("run", "commit", 1, False), False),
    (("run", "commit", 1, True), False),
    (("shelf", "clear_leftovers", 2, False), True),
    (("quarantine", "clear_leftovers", 1, False), True),
    (("state", "scrub", 1, False), True),
]


@pytest.mark.parametrize(("moment", "is_done"), MOMENTS)
def test_person_is_forgotten_whole_or_not_at_all_and_the_same_again_ends_it(
    tmp_path: Path, moment: Moment, *, is_done: bool
) -> None:
    var = tmp_path / "var"
    secret = b"Lagarrigue-Forgotten"
    faulty = b'{"resourceType":"Observation","id":"a9","subject":{"reference":"Patient/a"},"note":"' + secret
    with Store.open(var) as store:
        fill(store, [patient("a", name=[{"family": secret.decode()}]), patient("b"), observation("b1", "b")])
        fill(store, [observation("a1", "a"), observation("b2", "b"), patient("c")])
        store.decide("icm", "Patient/a", trial=TRIAL, state="new", reason="other", by="x", note=secret.decode())
        with store.begin_run("icm", "pull") as run:
            store.quarantine(run, faulty, origin=Origin("x.ndjson", 1), reason="cut", reference="Observation/a9")
            store.flush_quarantine(run)
            run.commit([])
        before = everything(store)
    others = [row for row in before if row[1] not in ("a", "a1")]

    command = ("--store", str(var), "forget", "icm/a")
    assert reluth_killed_at(moment, *command, folder=tmp_path) == -signal.SIGKILL
    with Store.open(var) as store:
        assert everything(store) == (others if is_done else before)
        lines = [line.action for line in store.audit_trail()]
        decided = len(store.decision_history(TRIAL))
        aside = len(store.quarantined("icm"))
        assert (lines, decided, aside) == ((["forget"], 0, 0) if is_done else ([], 1, 1))
    assert reluth(*command).code == 0
    with Store.open(var) as store:
        assert everything(store) == others
        assert (store.state_problems(), store.lake.unknown_files()) == ([], [])
    assert [path for path in var.rglob("*") if path.is_file() and secret in path.read_bytes()] == []
