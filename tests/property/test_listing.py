"""In: any sequence of what changes a worklist. Out: rows brought up to date after each are those that would be made from nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.fhir import summarise
from adapter.fhir.compare import encode_resource
from adapter.screening import read_worklist
from adapter.screening.attesting import Signature, Statement, attestation_of
from adapter.screening.listing import Search, every_row, read_page, refresh
from adapter.screening.listing_bins import Bin
from adapter.store import Origin, Store, StoredVerdict, Tombstone
from adapter.sync import FolderSource, pull
from tests.support.clinic import condition, patient, write_feed
from tests.support.screened import ON, SITE, TRIAL, criterion, verdict

PEOPLE = ("a", "b", "c", "d")
ANSWERS: tuple[tuple[str, tuple[dict[str, Any], ...], dict[str, Any]], ...] = (
    ("ready-for-investigator", (), {}),
    ("needs-information", (criterion("E07", "U", reason="no-data"),), {}),
    ("ineligible", (criterion("I11", "F"),), {"flips_on": "2025-07-01"}),
    ("ineligible", (criterion("E04", "T"),), {"permanent": True}),
    ("ineligible", (criterion("E16", "T"),), {}),
    ("needs-information", (), {"candidate": False}),
)
STATES = ("contacted", "eligible", "not-eligible", "declined", "enrolled", "new")

person = st.sampled_from(PEOPLE)
STEPS = st.one_of(
    st.tuples(st.just("screen"), st.lists(st.tuples(person, st.sampled_from(range(len(ANSWERS)))), max_size=3)),
    st.tuples(st.just("decide"), person, st.sampled_from(STATES), st.booleans()),
    st.tuples(st.just("add"), person),
    st.tuples(st.just("record"), person, st.booleans(), st.sampled_from(["", "2025-05-02", "2025-05-20"])),
    st.tuples(st.just("delete"), person),
    st.tuples(st.just("attest"), person),
    st.tuples(st.just("merge"), person, person),
    st.tuples(st.just("compact"), person),
)


@dataclass
class Ward:
    """A store, and a clock that goes on by a minute with each step."""

    store: Store
    folder: Path
    minute: int = 0
    saved: dict[str, str] = field(default_factory=dict)

    def now(self) -> datetime:
        self.minute += 1
        return datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=self.minute)

    def take(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def screen(self, found: list[tuple[str, int]]) -> None:
        at = self.now()
        rows = []
        for who, which in found:
            outcome, answers, more = ANSWERS[which]
            rows.append(
                StoredVerdict(
                    site=SITE,
                    patient=f"Patient/{who}",
                    trial=TRIAL,
                    stage="registration",
                    on=ON,
                    screened_at=at,
                    run="by-hand",
                    content=json.dumps(verdict(who, outcome, *answers, **more)),
                    input_hash=f"{which}",
                )
            )
        self.store.save_verdicts(rows)

    def decide(self, who: str, state: str, seen: bool) -> None:
        self.store.decide(
            SITE, f"Patient/{who}", trial=TRIAL, state=state, reason="other", by="nurse", seen="0" if seen else None
        )

    def add(self, who: str) -> None:
        self.store.add_candidate(SITE, f"Patient/{who}", trial=TRIAL, by="nurse")

    def record(self, who: str, active: bool, day: str) -> None:
        self._pull(patient(who, active=active, identifier=[{"system": "urn:ipp", "value": f"1 {who}{self.minute}"}]))
        if day:
            self._pull(condition(f"c-{who}", who, "C17.2", onsetDateTime=day))

    def merge(self, old: str, new: str) -> None:
        if old != new:
            self._pull(patient(old, link=[{"other": {"reference": f"Patient/{new}"}, "type": "replaced-by"}]))

    def compact(self, who: str) -> None:
        """Something comes, and stands in one segment with what was there before when the rows are brought up to date."""
        self.record(who, active=True, day="2025-05-20")
        with self.store.begin_run(SITE, "compact") as run:
            self.store.lake.compact(run, fan=2)
            run.commit([])

    def attest(self, who: str) -> None:
        """Something is signed, and the process ends before the person is screened with it."""
        by = Signature("anna", "Anna", self.now())
        told = encode_resource(attestation_of(f"Patient/{who}", load_trial(TRIAL), [Statement("I15", "yes", True)], by))
        with self.store.begin_run(SITE, "attest") as run:
            writer = self.store.lake.writer(run)
            writer.add(summarise(told), told, Origin("attested here by anna"))
            writer.commit()

    def delete(self, who: str) -> None:
        with self.store.begin_run(SITE, "pull") as run:
            self.store.lake.writer(run).commit(deleted=[Tombstone("Patient", who, run.last_seq)])

    def _pull(self, resource: dict[str, Any]) -> None:
        self.minute += 1
        feed = write_feed(self.folder / str(self.minute), [{**resource, "meta": {"versionId": str(self.minute)}}])
        pull(self.store, FolderSource(feed), site=SITE)


@contextmanager
def ward() -> Iterator[Ward]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "var") as store:
        yield Ward(store, Path(folder))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=1, max_size=9))
@example([("delete", "a"), ("add", "a")])
@example(
    [("merge", "a", "c"), ("decide", "a", "contacted", True), ("delete", "c"), ("record", "a", True, "2025-05-02")]
)
@example([("record", "b", True, ""), ("attest", "b"), ("screen", [("b", 0)]), ("attest", "a")])
@example([("compact", "b"), ("record", "a", False, ""), ("compact", "a"), ("delete", "b")])
def test_rows_brought_up_to_date_are_those_made_from_nothing(steps: list[tuple[Any, ...]]) -> None:
    trial = load_trial(TRIAL)
    with ward() as there:
        there.screen([(who, 0) for who in PEOPLE[:2]])
        for step in steps:
            there.take(step)
            assert refresh(there.store, trial, Stage.REGISTRATION, SITE)
            made = read_worklist(there.store, trial, Stage.REGISTRATION, site=SITE)
            kept = list(every_row(there.store, trial, Stage.REGISTRATION, sites=[SITE]))

            assert kept == made


def test_rows_are_those_of_the_right_day_again_once_a_clock_that_was_ahead_is_right() -> None:
    trial = load_trial(TRIAL)
    right, wrong = 0, 1
    with ward() as there:
        there.screen([("a", right)])
        there.store.note_run(SITE, "screen", begun=there.now(), summary="{}")
        there.minute += 20 * 365 * 24 * 60
        there.screen([("a", wrong)])
        there.store.note_run(SITE, "screen", begun=there.now(), summary="{}")
        refresh(there.store, trial, Stage.REGISTRATION, SITE)
        there.minute -= 20 * 365 * 24 * 60
        there.screen([("a", right)])
        refresh(there.store, trial, Stage.REGISTRATION, SITE)
        (row,) = every_row(there.store, trial, Stage.REGISTRATION, sites=[SITE])

        assert row.outcome == ANSWERS[right][0]
        assert [row] == read_worklist(there.store, trial, Stage.REGISTRATION, site=SITE)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=2, max_size=8), st.sampled_from(list(Bin)))
def test_pages_and_counts_are_those_of_the_whole_list(steps: list[tuple[Any, ...]], bin_: Bin) -> None:
    trial = load_trial(TRIAL)
    with ward() as there:
        there.screen([(who, which) for which, who in enumerate(PEOPLE)])
        for step in steps:
            there.take(step)
        refresh(there.store, trial, Stage.REGISTRATION, SITE)
        made = read_worklist(there.store, trial, Stage.REGISTRATION, site=SITE)
        parts = [
            read_page(there.store, trial, Stage.REGISTRATION, sites=[SITE], offset=at, limit=2)
            for at in range(0, len(made) + 1, 2)
        ]
        of_bin = read_page(there.store, trial, Stage.REGISTRATION, sites=[SITE], search=Search(bins=(bin_,)))

        assert [row for part in parts for row in part.rows] == made
        assert {part.total for part in parts} == {len(made)}
        assert of_bin.rows == [row for row in made if row.bin is bin_]
        assert parts[0].counts == {one: sum(row.bin is one for row in made) for one in Bin}
