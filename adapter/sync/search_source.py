"""In: a client of one hospital's FHIR server. Out: its resources by type, by search, from the bookmark on; what it deleted.

Everything is fetched into the spool first, several types at once, and each type in the way in which the server answers:
as a whole, or by patient. Pages skip and repeat where many resources share one ``_lastUpdated`` (hapi-fhir#3086), and
clocks differ: an overlap window is read again, and the store takes each version once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from adapter.client import Clock, Refused
from adapter.client.found import head_of
from adapter.config import SearchSettings
from adapter.errors import RemoteError, TransientError
from adapter.store import Origin
from adapter.sync.search_plan import (
    MEDICATION,
    PATIENT,
    REFUSES_POST,
    REFUSES_SEARCH,
    Batch,
    StoredPatients,
    TypePlan,
    Way,
    includes_of,
    parts_of,
    ways_of,
)
from adapter.sync.search_reader import Asked, PartReader, SearchClient, Stopped
from adapter.sync.sources import (
    Gone,
    Item,
    Missing,
    Mode,
    Problem,
    Progress,
    Requests,
    begin_before,
    confirmed,
    missing_of,
    moment_of,
    not_ahead,
    patient_first,
    served_of,
)
from adapter.sync.spool import Part, Spool

__all__ = ["SearchSource"]

_LATER: Final = TransientError.exit_code
#: A search that later pulls cannot finish either is begun anew after so many.
_MOST_TRIES: Final = 3

_Task = Callable[[], list["_Task"]]


class SearchSource:
    """Resources searched for, type by type.

    Args:
        client: open for as long as the source is used.
        spool: folder; only the holder of the site's lock may use it.
        types: what to read; a type that the server does not serve is missing, and named.
        settings: how the server is to be searched.
        patients: tells which patients the store knows, asked once a pull; see `stored_patients`.
        quiet: tells until when the server is to be left alone, None for not at all; see `quiet_until`.
    """

    def __init__(
        self,
        client: SearchClient,
        spool: Path,
        *,
        types: Collection[str],
        settings: SearchSettings | None = None,
        patients: Callable[[], StoredPatients] = StoredPatients,
        quiet: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._client = client
        self._folder = spool
        self._wanted = patient_first(types)
        self._settings = settings or SearchSettings()
        self._patients = patients
        self._quiet = quiet
        self._spool: Spool | None = None
        self._plans: dict[str, TypePlan] = {}
        self._stored = StoredPatients()
        self._came: set[str] | None = None
        self._times = Lock()

    # What there is ------------------------------------------------------------------------------------------------

    def types(self) -> list[str]:
        """The types that are wanted and served."""
        return served_of(self._wanted, self._client.capability().types)

    def missing(self) -> list[Missing]:
        """The types that are wanted and not served."""
        return missing_of(self._wanted, self._client.capability().types)

    def notices(self) -> list[str]:
        """Types that were not read as they were meant to be."""
        return [f"{type_}: {plan.notice}" for type_, plan in self._plans.items() if plan.notice]

    def since(self, bookmark: str) -> str | None:
        """The bookmark less the overlap; everything where the bookmark is no time."""
        return begin_before(bookmark, timedelta(minutes=self._settings.overlap_minutes), now=Clock().now())

    @property
    def server(self) -> str:
        """Of the client."""
        return self._client.root

    @property
    def mode(self) -> Mode:
        """By search."""
        return "search"

    def requests(self) -> Requests:
        """Of the client."""
        traffic = self._client.traffic
        return Requests(traffic.sent, traffic.retried, traffic.certificate_until)

    @property
    def has_all(self) -> bool:
        """A search without a time finds all that there is; ``deletions = "none"`` concludes nothing from it."""
        return self._settings.deletions != "none"

    # Fetching -----------------------------------------------------------------------------------------------------

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        """Search for all that is planned; what an earlier pull has begun is gone on with.

        Raises:
            TransientError: the server is to be left alone now, and nothing was begun before.
            StorageError: this machine has no room; what came is kept.
        """
        spool = self._open(plan)
        until = self._quiet()
        if until is not None and not self._plans:
            spool.discard()
            raise _left_alone(until)
        if not self._plans:
            spool.keep(notes={"time": None, "untimed": None})
        self._came = None
        self._stored = StoredPatients() if self._settings.plan == "type" else self._patients()
        reader = PartReader(self._client, spool, count=self._settings.count, began=self._begin_time)
        # By patient can be asked only when it is known who there is.
        first = [type_ for type_ in plan if type_ == PATIENT]
        for types in (first, [type_ for type_ in plan if type_ not in first]):
            self._work(reader, [partial(self._begin, reader, type_, plan[type_]) for type_ in types], progress)

    def _open(self, plan: Mapping[str, str | None]) -> Spool:
        """The spool, and of the types that an earlier pull has begun the plans of then, where they asked for no less."""
        told = (self._client.root, sorted(plan))
        spool = self._spool = Spool.open(self._folder, key=f"search {told!r}")
        self._plans = {}
        for type_, since in plan.items():
            kept = spool.note(_plan_note(type_))
            if kept is None:
                continue
            begun = msgspec.json.decode(kept, type=TypePlan)
            asked_less = begun.since is not None and since is None
            if begun.tries < _MOST_TRIES and not asked_less and any(map(_arrived, self._parts(spool, begun))):
                self._plans[type_] = msgspec.structs.replace(begun, tries=begun.tries + 1)
                self._keep_plan(type_, self._plans[type_])
        return spool

    def _work(self, reader: PartReader, tasks: list[_Task], progress: Progress) -> None:
        """Carry out tasks and those that follow from them, some at a time."""
        waiting = deque(tasks)
        done = 0
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="search") as pool:
            running: set[Future[list[_Task]]] = set()
            try:
                while waiting or running:
                    while waiting and len(running) < self._settings.concurrency:
                        running.add(pool.submit(waiting.popleft()))
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for one in ended:
                        waiting.extend(one.result())
                    done += len(ended)
                    progress.fetching("searches", done, done + len(waiting) + len(running))
            except BaseException:
                # Nothing is lost by it: each page that came is on disk.
                reader.stop()
                raise

    def _begin(self, reader: PartReader, type_: str, since: str | None) -> list[_Task]:
        """Find the way in which the server answers for a type, by reading a first part; the other parts follow."""
        begun = self._plans.get(type_)
        if begun is not None:
            return self._rest(reader, type_, begun)
        includes = self._included(type_)
        refusals: list[Refused] = []
        no_post = False
        for way in ways_of(type_, self._client.capability().of(type_), self._settings, since=since):
            if way.post and no_post:
                continue
            plan = self._make_plan(type_, way, since)
            try:
                for batch in plan.parts[:1]:
                    self._read(reader, Asked(type_, way, batch, includes))
            except Refused as refused:
                if not self._is_about(way, plan.parts[0], refused):
                    return self._rest(reader, type_, plan, but=plan.parts[0])
                refusals.append(refused)
                no_post |= way.post and refused.status in REFUSES_POST
            except RemoteError:
                # The others of a server that fails are asked for in a later pull.
                return []
            else:
                return self._rest(reader, type_, plan)
        self._give_up(type_, refusals[0])
        return []

    def _is_about(self, way: Way, batch: Batch, refused: Refused) -> bool:
        """A refusal is of the way of asking, so that another may be tried."""
        part = self._opened.part(batch.name)
        if part is not None and _arrived(part):
            return False
        return refused.status in REFUSES_SEARCH or (way.post and refused.status in REFUSES_POST)

    def _rest(self, reader: PartReader, type_: str, plan: TypePlan, *, but: Batch | None = None) -> list[_Task]:
        """What is still to be read of a type."""
        includes = self._included(type_)
        return [
            partial(self._try, reader, Asked(type_, plan.way, batch, includes))
            for batch in plan.all_parts()
            if batch != but and ((part := self._opened.part(batch.name)) is None or part.state != "done")
        ]

    def _try(self, reader: PartReader, asked: Asked) -> list[_Task]:
        """Read a part; one that fails costs itself only, and is named where the type is read from the spool."""
        with suppress(RemoteError, Stopped):
            self._read(reader, asked)
        return []

    def _read(self, reader: PartReader, asked: Asked) -> None:
        until = self._quiet()
        if until is None:
            reader.read(asked)
            return
        error = _left_alone(until)
        part = self._opened.part(asked.batch.name)
        assert part is not None, "a part is told of before it is read"
        self._opened.keep(msgspec.structs.replace(part, state="failed", reason=str(error), exit_code=error.exit_code))
        raise error

    def _make_plan(self, type_: str, way: Way, since: str | None) -> TypePlan:
        """The parts of a type in a way, all of them still to be read."""
        pulled = self._pulled() if way.by else set()
        parts = tuple(parts_of(type_, way, since=since, stored=self._stored, pulled=pulled))
        history = None
        if since is not None and self._looks_for_deletions(type_):
            history = Batch(f"{type_}.history", since, kind="history")
        refused_time = since is not None and not way.timed
        notice = "the server refuses to search by _lastUpdated; all of it is read" if refused_time else ""
        plan = TypePlan(since=since, way=way, parts=parts, history=history, notice=notice)
        fresh = [Part(name=batch.name, type=type_, kind=batch.kind) for batch in plan.all_parts()]
        self._keep_plan(type_, plan, *fresh)
        return plan

    def _keep_plan(self, type_: str, plan: TypePlan, *parts: Part) -> None:
        self._opened.keep(*parts, notes={_plan_note(type_): msgspec.json.encode(plan).decode()})
        self._plans[type_] = plan

    def _give_up(self, type_: str, refusal: Refused) -> None:
        """A type that is refused in all ways fails by the first refusal; Medications may come with what refers to them."""
        since = self._plans[type_].since
        bringing = [other for other in self.types() if self._included(other)] if type_ == MEDICATION else []
        if bringing:
            notice = f"cannot be searched for; they come with {', '.join(bringing)}"
            self._keep_plan(type_, TypePlan(since=since, notice=notice))
            return
        part = Part(name=f"{type_}.search", type=type_, kind="search")
        part.state, part.reason, part.exit_code = "failed", str(refusal), refusal.exit_code
        self._keep_plan(type_, TypePlan(since=since, parts=(Batch(part.name),)), part)

    def _looks_for_deletions(self, type_: str) -> bool:
        asked = self._settings.deletions
        return asked == "history" or (
            asked == "auto" and "history-type" in self._client.capability().of(type_).interactions
        )

    def _included(self, type_: str) -> list[str]:
        return includes_of(type_, self._wanted, self._client.capability())

    def _pulled(self) -> set[str]:
        """Ids of the patients that came with this pull."""
        if self._came is None and PATIENT in self._plans:
            parts = self._parts(self._opened, self._plans[PATIENT])
            raws = (raw for part in parts if part.kind == "search" for raw in self._opened.resources(part))
            heads = (head for raw in raws if (head := head_of(raw)) is not None)
            self._came = {head.id for head in heads if head.resource_type == PATIENT and head.id}
        return self._came or set()

    def _begin_time(self, time: str | None) -> None:
        """Keep the server's time before anything was read: whatever changes from then on is read again the next time."""
        with self._times:
            spool = self._opened
            known = spool.note("time")
            time = time and not_ahead(time, Clock().now())
            if time is None or (moment := moment_of(time)) is None:
                if known is None:
                    spool.keep(notes={"untimed": "yes"})
            elif known is None or ((earlier := moment_of(known)) is not None and moment < earlier):
                spool.keep(notes={"time": time})

    # Reading ------------------------------------------------------------------------------------------------------

    def fetch(self, type_: str) -> Iterator[Item | Problem | Gone]:
        """What came of a type, with those included, part by part."""
        spool = self._opened
        plan = self._plans.get(type_, TypePlan())
        failed: Part | None = None
        for part in self._parts(spool, plan):
            origin = Origin(part.url or f"{self._client.root}/{type_}", is_url=True)
            for raw in spool.resources(part):
                yield Gone(type_, raw.decode()) if part.kind == "history" else Item(raw, origin)
            for problem in part.problems:
                yield Problem(b"", origin, problem, incomplete=True)
            if part.state == "failed" or (part.state != "done" and failed is None):
                failed = part if failed is None or failed.state != "failed" else failed
        if plan.way.by and not self._knows_all_patients():
            reason = "asked for by patient, while not all patients could be read"
            yield Problem(b"", Origin(f"{self._client.root}/{type_}", is_url=True), reason, incomplete=True)
        if failed is not None:
            kind = TransientError if failed.exit_code == _LATER else RemoteError
            raise kind(failed.reason or f"{type_}: was not searched to its end")

    def _knows_all_patients(self) -> bool:
        if PATIENT not in self._plans:
            return True
        return all(
            part.state == "done" and not part.problems for part in self._parts(self._opened, self._plans[PATIENT])
        )

    def can_confirm(self, type_: str) -> bool:
        """The server can be asked by id, unless nothing is to be concluded from what it has not."""
        return self.has_all and type_ in self._client.capability().types

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        """Ask the server for resources by their ids.

        Raises:
            RemoteError: it refused or failed.
        """
        return confirmed(f"{self._client.root}/{type_}", ids, self._client.remaining(type_, ids))

    def close(self) -> None:
        """Let the disk forget what was fetched, but for types that a later pull can go on with."""
        spool = self._opened
        goes_on = False
        for type_, plan in self._plans.items():
            parts = self._parts(spool, plan)
            if any(part.exit_code == _LATER for part in parts) and any(map(_arrived, parts)):
                goes_on = True
                continue
            spool.keep(notes={_plan_note(type_): None})
            for part in parts:
                spool.begin_anew(part)
                spool.path(part).unlink(missing_ok=True)
        if not goes_on:
            spool.discard()

    @property
    def transaction_time(self) -> str | None:
        """The server's time at the first page; None where it does not tell."""
        return None if self._opened.note("untimed") else self._opened.note("time")

    # --------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _parts(spool: Spool, plan: TypePlan) -> list[Part]:
        return [part for batch in plan.all_parts() if (part := spool.part(batch.name)) is not None]

    @property
    def _opened(self) -> Spool:
        assert self._spool is not None, "nothing was prepared"
        return self._spool


def _arrived(part: Part) -> bool:
    return part.pages > 0 or part.state == "done"


def _plan_note(type_: str) -> str:
    return f"plan {type_}"


def _left_alone(until: datetime) -> TransientError:
    return TransientError(
        f"quiet_hours: the hospital's server is left alone until {until:%Y-%m-%d %H:%M} (Europe/Paris)"
    )
