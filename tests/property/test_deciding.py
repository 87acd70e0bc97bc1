"""In: any sequence of loads, changes at the hospital, pushes that fail in any way, and settlements. Out: proof that nothing is lost."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import UsageError
from adapter.store import OutboxState, Store
from adapter.sync.settling import settle_conflict
from mappings import laboratory
from mappings.entities import LabResult, entity_key
from tests.support.push_server import Fault, Json, PushServer, answer, cut, half, lost
from tests.support.push_site import Desk, lab

_sites = (f"site-{number}" for number in itertools.count())
FOREIGN = "https://hospital.example/ward"

numbers = st.integers(1, 3)
amounts = st.integers(9, 12)
FAULTS: dict[str, list[Fault]] = {
    "none": [],
    "lost": [lost()],
    "cut": [cut()],
    "lost, then cut": [lost(), *[cut()] * 20],
    "500": [answer(500)] * 20,
    "500 once": [answer(500)],
    "not json": [lambda server, entries: (server.carry_out(entries), answer(200, "<html>")(server, entries))[1]],
    "412": [answer(412)],
    "422": [answer(422)],
    "401": [answer(401)],
    "503": [answer(503)] * 3,
    "half says": [half(1, "says")],
    "half 500": [half(2, "500")],
    "half cut": [half(3, "cut"), *[cut()] * 20],
}
actions = st.one_of(
    st.tuples(st.just("load"), numbers, amounts),
    st.tuples(st.just("change"), numbers, amounts),
    st.tuples(st.just("foreign"), numbers, amounts),
    st.tuples(st.just("break"), numbers, st.just(0)),
    st.tuples(st.just("copy"), numbers, st.just(0)),
    st.tuples(st.just("push"), st.sampled_from(sorted(FAULTS)), st.booleans()),
    st.tuples(st.just("die"), st.just("lost"), st.just(0)),
    st.tuples(st.just("settle"), st.sampled_from(["ours", "hospital"]), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.just(0)),
)


class _World:
    """Both sides, and what has to hold of them whatever happens."""

    def __init__(self, store: Store) -> None:
        self.server = PushServer()
        self.desk = Desk(store, self.server, site=next(_sites))
        self.copied: set[str] = set()

    def act(self, name: str, what: object, more: object) -> None:
        act: Callable[[object, object], None] = getattr(self, f"_{name}")
        act(what, more)
        self.check()

    def _load(self, number: object, value: object) -> None:
        self.desk.load(lab(str(number), str(value), low=None))

    def _change(self, number: object, value: object) -> None:
        self._at_hospital(number, lambda body: body["valueQuantity"].update(value=value))

    def _foreign(self, number: object, value: object) -> None:
        self._at_hospital(number, lambda body: body.update(extension=[{"url": FOREIGN, "valueInteger": value}]))

    def _break(self, number: object, _: object) -> None:
        self._at_hospital(number, lambda body: body["valueQuantity"].pop("code", None))

    def _copy(self, number: object, _: object) -> None:
        for reference in self._references(number)[:1]:
            self.copied.add(f"L{number}")
            self.server.put({key: value for key, value in self.server.get(reference).items() if key != "id"})

    def _push(self, fault: object, full: object) -> None:
        self.server.faults.extend(FAULTS[str(fault)])
        self.desk.push(full=bool(full))
        self.server.faults.clear()
        self.check_done()

    def _die(self, fault: object, _: object) -> None:
        self.server.faults.extend(FAULTS[str(fault)])
        self.desk.push_and_die()
        self.server.faults.clear()

    def _settle(self, keep: object, _: object) -> None:
        for conflict in self.desk.store.outbox.conflicts(site=self.desk.site)[:1]:
            try:
                settle_conflict(self.desk.store, conflict.number, keep=str(keep), by="investigator")
            except UsageError:
                return

    def _wait(self, _: object, __: object) -> None:
        self.server.pass_time(3600)

    def check(self) -> None:
        """No duplicate of ours, and nothing overwritten that is not kept with us."""
        doubled = {name.rpartition("|")[2] for name in self.server.doubles()}
        assert doubled <= self.copied
        known = self._known()
        foreign: dict[str, object] = {}
        for one in self.server.log:
            if one.type != "Observation" or one.body is None:
                continue
            before = next((v for v in self.server.history(one.reference) if v.version == one.version - 1), None)
            if one.by == "push" and before is not None and before.by == "hospital" and before.body is not None:
                assert _value(before.body) in known[_number(before.body)]
            if one.by == "hospital":
                foreign[one.reference] = _foreign(one.body)
            # Content that only the hospital writes is still there after each write of ours.
            assert _foreign(one.body) == foreign.get(one.reference)

    def check_done(self) -> None:
        """What is done is at the server as we have it; what is not done is told why, or waits."""
        for key, entry in self.desk.entries().items():
            if entry.state is not OutboxState.DONE:
                continue
            (reference,) = self._references(key.removeprefix("L"))
            current = self.desk.current(lab(key.removeprefix("L")))
            assert laboratory.from_fhir(self.server.get(reference)) == current
            assert not entry.uncertain

    def check_loads(self) -> None:
        """A version of ours that was never told is not replaced by one of the hospital's, but by a person."""
        for key, entry in self.desk.entries().items():
            versions = self.desk.store.entities.versions(self.desk.site, entry.kind, entry.key)
            written = {_value(one.body) for one in self.server.log if one.body and _number(one.body) == key}
            for before, after in itertools.pairwise(versions):
                if after.by == "hospital":
                    assert _plain(before.entity) in written

    def _known(self) -> dict[str, set[object]]:
        """Values of each result that our history or a conflict holds."""
        known: dict[str, set[object]] = {f"L{number}": set() for number in (1, 2, 3)}
        for key, entry in self.desk.entries().items():
            for version in self.desk.store.entities.versions(self.desk.site, entry.kind, entry.key):
                known[key].add(_plain(version.entity))
        for conflict in self.desk.store.outbox.conflicts(site=self.desk.site, closed=True):
            for told in msgspec.json.decode(conflict.theirs, type=list[Json]):
                known[_number(told)].add(_value(told))
        return known

    def _references(self, number: object) -> list[str]:
        return [one.reference for one in self.server.all("Observation") if _number(one.body or {}) == f"L{number}"]

    def _at_hospital(self, number: object, change: Callable[[Json], object]) -> None:
        for reference in self._references(number)[:1]:
            self.server.change(reference, change)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "var") as opened:
        yield opened


def _course(store: Store, steps: list[tuple[str, object, object]], *, ignores_if_match: bool) -> None:
    world = _World(store)
    world.server.ignores_if_match = ignores_if_match
    for step in [("load", 1, 12), ("load", 2, 12), ("push", "none", False), *steps]:
        world.act(*step)
    world.check_loads()

    # However it went: once the server works, all is told, or is a person's to settle.
    world.act("push", "none", True)
    states = {entry.state for entry in world.desk.entries().values()}
    assert states <= {OutboxState.DONE, OutboxState.CONFLICT, OutboxState.REFUSED}
    before = len(world.server.log)
    world.act("push", "none", True)
    assert len(world.server.log) == before


@given(steps=st.lists(actions, max_size=12), ignores_if_match=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_doubled_or_overwritten(
    store: Store, steps: list[tuple[str, object, object]], ignores_if_match: bool
) -> None:
    _course(store, steps, ignores_if_match=ignores_if_match)


@pytest.mark.prove
@given(steps=st.lists(actions, max_size=25), ignores_if_match=st.booleans())
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_doubled_or_overwritten_in_long_courses(
    store: Store, steps: list[tuple[str, object, object]], ignores_if_match: bool
) -> None:
    _course(store, steps, ignores_if_match=ignores_if_match)


def _number(body: Json) -> str:
    listed = body.get("identifier", [])
    return str(listed[0]["value"]) if isinstance(listed, list) and listed else ""


def _value(body: Json) -> Decimal | None:
    told = body.get("valueQuantity", {})
    # A broken one is another content than the whole one of the same amount.
    return Decimal(str(told["value"])) if "code" in told else None


def _foreign(body: Json) -> object:
    return next((one["valueInteger"] for one in body.get("extension", []) if one["url"] == FOREIGN), None)


def _plain(entity: object) -> Decimal | None:
    assert isinstance(entity, LabResult) and entity_key(entity)
    return entity.value
