"""In: settings, and how a site is pulled. Out: threads that keep each notified site's store and verdicts in step.

Started inside the service: `CatchUp.mark` is what a notification calls. A thread a site, each with a store of its own,
so that a hospital that answers slowly keeps no other waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapter.config import Settings
from adapter.criteria import Trial
from adapter.documents import load_site, load_trial
from adapter.jobs.feeds import feed_types
from adapter.jobs.notified import Marks, Pace, Worker
from adapter.jobs.parts import Outcome
from adapter.jobs.screening import screen_site
from adapter.observe import logger
from adapter.store import LakeMark, Store, seqs_after
from adapter.sync.quiet_hours import quiet_until
from adapter.terminology import Site

__all__ = ["CatchUp", "Changes", "Pull", "start_catch_up"]

#: Takes the thread's store, the site and the types to pull, None for all of the site's.
Pull = Callable[[Store, str, frozenset[str] | None], Outcome]

#: More people than this are screened as all candidates are: by set queries first.
_MOST_PEOPLE: Final = 500
_STOP_SECONDS: Final = 30.0
_OPEN_AGAIN: Final = 30.0


@dataclass(frozen=True, slots=True)
class _State:
    """What of a site's store tells whose record is another now."""

    mark: LakeMark
    deleted: frozenset[object]
    put_aside: frozenset[object]
    merges: Mapping[str, str]
    day: date


class Changes:
    """Whose records changed at a site between two times of asking.

    Args:
        store: open.
        site: its name.
        today: the day in Europe/Paris: with it verdicts change by themselves.
    """

    def __init__(self, store: Store, site: str, *, today: Callable[[], date]) -> None:
        self._store = store
        self._site = site
        self._today = today
        self._seen: _State | None = None

    def people(self) -> frozenset[str] | None:
        """Patients (``Patient/id``, also merged ones) whose record is another than at the last call.

        Returns:
            None where everybody's may be: at the first call, on another day, when something was deleted, put aside or
            mended, when a resource that is about no patient changed, and when they are many.
        """
        before, self._seen = self._seen, None
        now = self._state()
        people = None if before is None else self._between(before, now)
        # Kept only now: what could not be read is asked for again.
        self._seen = now
        return people

    def _state(self) -> _State:
        lake = self._store.lake
        return _State(
            mark=lake.mark(self._site),
            deleted=frozenset(lake.tombstones(self._site)),
            put_aside=frozenset(item.key for item in self._store.quarantined(self._site)),
            merges=lake.merges(self._site),
            day=self._today(),
        )

    def _between(self, before: _State, now: _State) -> frozenset[str] | None:
        same = (before.deleted, before.put_aside, before.day) == (now.deleted, now.put_aside, now.day)
        if not same:
            return None
        people: set[str] = set()
        arrived = 0
        files, first_seq = self._store.lake.files_since(self._site, before.mark)
        for file in files:
            # Where segments were merged, older versions stand there too.
            came = (pc.field("seq") >= first_seq) & (pc.field("seq") < seqs_after(now.mark.run))
            rows = pq.read_table(file, columns=["patient"], filters=came, partitioning=None)
            arrived += rows.num_rows
            found = set(rows.column("patient").to_pylist())
            # A Medication or a ResearchStudy: whoever refers to it has another record now.
            if None in found or len(people := people | found) > _MOST_PEOPLE:
                return None
        if before.mark.versions + arrived != now.mark.versions:
            return None
        for patient in before.merges.keys() | now.merges.keys():
            survivors = {before.merges.get(patient, patient), now.merges.get(patient, patient)}
            if len(survivors) > 1:
                people |= survivors
        return frozenset(people)


class CatchUp:
    """The sites that are kept in step, and where their notifications go."""

    def __init__(self, marks: Mapping[str, Marks], types: Mapping[str, Collection[str]]) -> None:
        self._marks = marks
        self._types = {site: frozenset(wanted) for site, wanted in types.items()}

    def mark(self, site: str, types: frozenset[str] | None) -> None:
        """Something changed at a site; of types that are not pulled from it, nothing is. Returns at once."""
        marks = self._marks.get(site)
        if marks is None:
            return
        wanted = None if types is None else types & self._types[site]
        if wanted is None or wanted:
            marks.mark(wanted)


@contextmanager
def start_catch_up(
    settings: Settings, pull: Pull, *, today: Callable[[], date], pace: Pace | None = None
) -> Iterator[CatchUp]:
    """Keep every site of the settings that has ``notifications`` in step, until the block ends.

    Each is pulled at the start, after notifications, and at intervals. A pull that is under way at the end is left
    alone after half a minute: it goes on from there the next time, as after a kill.

    Args:
        settings: store, trials and sites.
        pull: brings a site's changes into a store; its `BusyError` is waited for, its `TransientError` tried again.
        today: the day in Europe/Paris.
        pace: how soon and how often.

    Raises:
        DocumentError: a trial's or a site's document is wrong.
    """
    names = [name for name, site in settings.sites.items() if site.notifications is not None and site.base_url]
    wanted = feed_types(settings)
    marks = {name: Marks() for name in names}
    documents = [load_trial(trial) for trial in settings.trials]
    threads = []
    for name in names:
        site = load_site(name, settings.sites[name].overlay)
        arguments = (_Work(settings, site, documents, pull, today), marks[name], pace or Pace())
        threads.append(threading.Thread(target=_keep_in_step, args=arguments, name=f"catch-up {name}", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield CatchUp(marks, {name: wanted[name] for name in names})
    finally:
        for mark in marks.values():
            mark.close()
        for thread in threads:
            thread.join(_STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the thread of one site needs."""

    settings: Settings
    site: Site
    trials: Collection[Trial]
    pull: Pull
    today: Callable[[], date]


class _Steps:
    """How a site is pulled and screened in its thread's store."""

    def __init__(self, store: Store, work: _Work) -> None:
        self._store = store
        self._work = work
        self._changes = Changes(store, work.site.id, today=work.today)

    def pull(self, site: str, types: frozenset[str] | None) -> Outcome:
        """As the caller of `start_catch_up` does it."""
        return self._work.pull(self._store, site, types)

    def changed(self, site: str) -> frozenset[str] | None:
        """As the store tells it."""
        return self._changes.people()

    def screen(self, site: str, patients: frozenset[str] | None) -> Outcome:
        """For all trials of the settings."""
        work = self._work
        return screen_site(self._store, work.site, work.trials, today=work.today(), patients=patients, kind="rescreen")

    def quiet_seconds(self, site: str) -> float:
        """As the site's settings say."""
        now = datetime.now(UTC)
        until = quiet_until(self._work.settings.sites[site].quiet_hours, now)
        return 0.0 if until is None else (until - now).total_seconds()


def _keep_in_step(work: _Work, marks: Marks, pace: Pace) -> None:
    """The life of a site's thread."""
    store = work.settings.store
    while True:
        try:
            with Store.open(store.path, store.database) as opened:
                Worker(work.site.id, marks, _Steps(opened, work), pace=pace).run()
            return
        except Exception as error:  # noqa: BLE001 - a thread that ends would leave the site stale without a word
            logger("jobs").error("catch-up failed", site=work.site.id, error=type(error).__name__)
        if marks.pause(_OPEN_AGAIN):
            return
