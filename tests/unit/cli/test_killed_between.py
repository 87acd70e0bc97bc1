"""In: a process that is killed after a change and before its line of the audit trail. Out: neither of them; the same again does both."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter.cli.patients import actor
from adapter.store import Store
from tests.support.unsettled import fill_unsettled
from tests.unit.store.making import fill, patient

#: Runs `reluth`, and is killed (not ended: no handler runs) when a line of this action is about to be written.
_KILLED = """
import os, signal, sys
from adapter.cli import main
from adapter.store import Store
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
