"""In: a store that was put back as it was, and a server that was pushed to since. Out: proof that nothing is created twice, and neither side loses anything."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.store import OutboxState, Store, restore
from tests.support.push_server import PushServer
from tests.support.push_site import Desk, lab, study

DONE = (OutboxState.DONE, False)


def pushing(store: Store, server: PushServer) -> Desk:
    made = Desk(store, server)
    made.trials = {"nct04954820": study()}
    return made


@pytest.fixture
def server() -> PushServer:
    return PushServer()


@pytest.fixture
def desk(store: Store, server: PushServer, tmp_path: Path) -> Iterator[Desk]:
    """The desk of a store that was backed up after the first result was pushed, and restored after more was."""
    before = pushing(store, server)
    before.load(lab(1), lab(2))
    before.push()
    done = store.back_up(tmp_path / "backups")
    before.load(lab(1, "13.0"), lab(3), lab(4))
    before.push()
    restore(done.folder, tmp_path / "again", by="it")
    with Store.open(tmp_path / "again") as opened:
        yield pushing(opened, server)


def test_what_was_pushed_since_the_backup_is_taken_over_and_not_created_twice(desk: Desk, server: PushServer) -> None:
    known = {one.reference: one.version for one in server.all("Observation")}
    desk.push(full=True)
    # Loaded again.
    desk.load(lab(3))
    desk.push()

    assert desk.current(lab(1)).value == Decimal("13.0")
    assert desk.states() == {"L1": DONE, "L2": DONE, "L3": DONE}
    assert {one.reference: one.version for one in server.all("Observation")} == known


def test_what_is_loaded_otherwise_than_it_was_pushed_is_for_a_person(desk: Desk, server: PushServer) -> None:
    known = len(server.all("Observation"))
    desk.load(lab(1, "11.0"), lab(4, "10.0"))
    desk.push(full=True)

    assert {key: state for key, (state, _) in desk.states().items()} == {
        "L1": OutboxState.CONFLICT,
        "L2": OutboxState.DONE,
        "L4": OutboxState.CONFLICT,
    }
    assert len(server.all("Observation")) == known
