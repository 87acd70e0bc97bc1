"""In: worklist rows as they were made, and what of them is asked for. Out: counts, and a page of rows, by SQL alone.

Who makes the rows, and when they have to be made anew, is the screening room's affair (`adapter.screening.listing`). Rows are
written in small transactions; a generation tells a writer that another one was faster.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from adapter.store.listing_inputs import Head, ListingInputs, Position
from adapter.store.listing_models import ListingContentRow, ListingRow, ListingStateRow
from adapter.store.models import PatientKeyRow, VerdictRow
from adapter.store.state import State

__all__ = ["Head", "ListingEntry", "ListingInputs", "ListingState", "ListingTable", "Overtaken", "Position", "Wanted"]

_BATCH = 500
_COLUMNS = (
    "bin",
    "place",
    "holding",
    "markers",
    "flips_on",
    "last_entry",
    "found_at",
    "number",
    "identifiers",
    "verdict",
    "screened_at",
)
_KEYS = ("trial", "stage", "site", "person")


class Overtaken(Exception):
    """Another process has written rows of this site since the state was read: read it again."""


class ListingEntry(msgspec.Struct, frozen=True):
    """One row; see `ListingRow`."""

    person: str
    bin: str
    place: bytes
    holding: str
    markers: str
    flips_on: date | None
    last_entry: date | None
    found_at: datetime
    number: str
    identifiers: str
    verdict: int
    screened_at: datetime
    content: str


class ListingState(NamedTuple):
    """Of which state of the site its rows are; no position while they are made for the first time."""

    generation: int
    position: Position | None
    merges: dict[str, str]


class Wanted(msgspec.Struct, frozen=True):
    """Which rows are asked for.

    Attributes:
        sites: of these sites only; none of no site.
        identity: sites at which the text is compared with what the hospital calls a patient too.
        bins: in one of these; all where none is named. Likewise ``markers``: with each of these.
        text: part of a screening number, or of a number of the hospital, folded.
        criterion: id of one that fails or is missing.
        found_since: first found then or later.
        order: ``next`` (what to do next), ``flips`` (first to change), ``last`` (last entry in the record), ``new`` (found last).
    """

    trial: str
    stage: str
    sites: tuple[str, ...]
    identity: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    text: str = ""
    criterion: str | None = None
    found_since: datetime | None = None
    order: str = "next"


class ListingTable:
    """The worklist as rows in the state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._locks: dict[tuple[str, str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def inputs(self, trial: str, stage: str, site: str) -> ListingInputs:
        """What rows of a site are made from."""
        return ListingInputs(self._state, trial=trial, stage=stage, site=site)

    # Reading ------------------------------------------------------------------------------------------------------

    def sites(self, trial: str, stage: str) -> list[str]:
        """Sites with a verdict, or with rows."""
        found: set[str] = set()
        with self._state.session() as session:
            for model in (VerdictRow, ListingStateRow):
                query = select(model.site).where(model.trial == trial, model.stage == stage).distinct()
                found.update(session.scalars(query))
        return sorted(found)

    def counts(self, trial: str, stage: str, *, sites: Collection[str]) -> dict[str, dict[str, int]]:
        """How many people are in each bin, by site; a bin or site with nobody is not told."""
        return self.counts_of(Wanted(trial, stage, tuple(sites)))

    def counts_of(self, wanted: Wanted) -> dict[str, dict[str, int]]:
        """The same of what is wanted, whatever bins it names."""
        query = select(ListingRow.site, ListingRow.bin, func.count()).where(*self._where(wanted, bins=False))
        found: dict[str, dict[str, int]] = {}
        with self._state.session() as session:
            for site, bin_, number in session.execute(query.group_by(ListingRow.site, ListingRow.bin)):
                found.setdefault(site, {})[bin_] = number
        return found

    def page(self, wanted: Wanted, *, offset: int = 0, limit: int = 50) -> list[str]:
        """The contents of some rows, in order."""
        query = select(ListingRow.site, ListingRow.person).where(*self._where(wanted)).order_by(*_order(wanted.order))
        with self._state.session() as session:
            people = [(site, person) for site, person in session.execute(query.offset(offset).limit(limit))]
            return list(self._contents(session, wanted, people))

    def every(self, wanted: Wanted) -> Iterator[str]:
        """The contents of all rows, in order, a few hundred in memory at once; as they were at the first."""
        query = select(ListingRow.site, ListingRow.person).where(*self._where(wanted)).order_by(*_order(wanted.order))
        with self._state.session() as session:
            people = [(site, person) for site, person in session.execute(query)]
        for start in range(0, len(people), _BATCH):
            with self._state.session() as session:
                yield from list(self._contents(session, wanted, people[start : start + _BATCH]))

    def named(self, wanted: Wanted, token: str) -> list[str]:
        """The contents of the rows of whoever is called exactly so (folded): screening number, or the hospital's own."""
        exact = msgspec.structs.replace(wanted, text=f" {token} ")
        return self.page(exact, limit=_BATCH)

    def _where(self, wanted: Wanted, *, bins: bool = True) -> list[ColumnElement[bool]]:
        return _where(wanted, self._state.engine.dialect.name, bins=bins)

    def _contents(self, session: Session, wanted: Wanted, people: list[tuple[str, str]]) -> Iterator[str]:
        query = select(ListingContentRow.site, ListingContentRow.person, ListingContentRow.content).where(
            ListingContentRow.trial == wanted.trial,
            ListingContentRow.stage == wanted.stage,
            tuple_(ListingContentRow.site, ListingContentRow.person).in_(people),
        )
        found = {(site, person): content for site, person, content in session.execute(query)} if people else {}
        # Who was taken off between two batches of an export is no longer there.
        yield from (found[one] for one in people if one in found)

    # Writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def making(self, trial: str, stage: str, site: str, *, wait: float) -> Iterator[bool]:
        """Whether this thread may bring a site's rows up to date: of this process one does it at a time.

        Args:
            trial: id of the trial.
            stage: of the trial.
            site: whose rows.
            wait: so many seconds for the other; negative for as long as it takes.
        """
        with self._lock:
            lock = self._locks.setdefault((trial, stage, site), threading.Lock())
        taken = lock.acquire(timeout=wait)
        try:
            yield taken
        finally:
            if taken:
                lock.release()

    def state(self, trial: str, stage: str, site: str) -> ListingState:
        """Of which state the rows of a site are."""
        key = {"trial": trial, "stage": stage, "site": site}
        with self._state.session() as session:
            row = session.get(ListingStateRow, (trial, stage, site))
            if row is not None:
                position = msgspec.json.decode(row.position, type=Position) if row.position else None
                return ListingState(row.generation, position, msgspec.json.decode(row.merges, type=dict[str, str]))
            fresh = {**key, "generation": 0, "position": "", "merges": "{}"}
            self._state.upsert(session, ListingStateRow, [fresh], keys=("trial", "stage", "site"), update=())
        return ListingState(0, None, {})

    def verdicts(self, trial: str, stage: str, site: str, people: Collection[str] | None = None) -> dict[str, Any]:
        """By person: number and time of the verdict that their row was made from."""
        query = select(ListingRow.person, ListingRow.verdict, ListingRow.screened_at).where(
            ListingRow.trial == trial, ListingRow.stage == stage, ListingRow.site == site
        )
        if people is not None and len(people) <= _BATCH:
            query = query.where(ListingRow.person.in_(sorted(people)))
        with self._state.session() as session:
            return {person: (number, at) for person, number, at in session.execute(query)}

    def write(
        self,
        trial: str,
        stage: str,
        site: str,
        *,
        generation: int,
        entries: Iterable[ListingEntry] = (),
        gone: Collection[str] = (),
        reached: tuple[Position, Mapping[str, str]] | None = None,
    ) -> int:
        """Write some rows, take others off; with ``reached`` note of which state all rows of the site are now.

        Returns:
            the generation to give next time.

        Raises:
            Overtaken: another one has written meanwhile; nothing was changed.
        """
        own = {"trial": trial, "stage": stage, "site": site}
        with self._state.session() as session:
            values: dict[str, Any] = {"generation": generation + 1}
            if reached is not None:
                position, merges = reached
                values["position"] = msgspec.json.encode(position).decode()
                values["merges"] = msgspec.json.encode(dict(merges)).decode()
            # First: on PostgreSQL the row's lock holds others back until this is committed, SQLite has one writer anyway.
            mine = update(ListingStateRow).where(*_key(ListingStateRow, own), ListingStateRow.generation == generation)
            if cast("CursorResult[Any]", session.execute(mine.values(**values))).rowcount != 1:
                raise Overtaken
            self._put(session, own, list(entries))
            for start in range(0, len(gone), _BATCH):
                part = sorted(gone)[start : start + _BATCH]
                for model in (ListingRow, ListingContentRow):
                    session.execute(delete(model).where(*_key(model, own), model.person.in_(part)))
        return generation + 1

    def _put(self, session: Session, own: dict[str, str], entries: list[ListingEntry]) -> None:
        rows = [{**own, **{name: getattr(one, name) for name in ("person", *_COLUMNS)}} for one in entries]
        contents = [{**own, "person": one.person, "content": one.content} for one in entries]
        for start in range(0, len(rows), _BATCH):
            self._state.upsert(session, ListingRow, rows[start : start + _BATCH], keys=_KEYS, update=_COLUMNS)
            part = contents[start : start + _BATCH]
            self._state.upsert(session, ListingContentRow, part, keys=_KEYS, update=("content",))

    def add_keys(self, site: str, keys: Mapping[str, str]) -> None:
        """Give patients of a site their random keys; who has one keeps it."""
        rows = [{"key": key, "site": site, "patient": patient} for patient, key in keys.items()]
        for start in range(0, len(rows), _BATCH):
            with self._state.session() as session:
                part = rows[start : start + _BATCH]
                self._state.upsert(session, PatientKeyRow, part, keys=("site", "patient"), update=())


def _key(model: Any, own: Mapping[str, str]) -> list[ColumnElement[bool]]:
    return [getattr(model, name) == value for name, value in own.items()]


def _where(wanted: Wanted, dialect: str, *, bins: bool = True) -> list[ColumnElement[bool]]:
    # Both look for it as it is: LIKE takes no notice of case in SQLite, and takes several times as long.
    place = func.strpos if dialect == "postgresql" else func.instr

    def has(column: Any, part: str) -> ColumnElement[bool]:
        return place(column, part) > 0

    # What no index finds is found fastest by reading the table from end to end: through an index each row costs a look-up of
    # its own. A column that is wrapped says so to both databases; SQLite is drawn to an index by any that is not.
    by_reading = bool(wanted.markers or wanted.criterion or wanted.text)

    def plain(column: Any) -> Any:
        return func.coalesce(column, "") if by_reading else column

    sites = plain(ListingRow.site)
    found = [
        plain(ListingRow.trial) == wanted.trial,
        plain(ListingRow.stage) == wanted.stage,
        sites == wanted.sites[0] if len(wanted.sites) == 1 else sites.in_(wanted.sites),
    ]
    if bins and len(wanted.bins) == 1:
        found.append(plain(ListingRow.bin) == wanted.bins[0])
    elif bins and wanted.bins:
        found.append(plain(ListingRow.bin).in_(wanted.bins))
    found += [has(ListingRow.markers, f" {marker} ") for marker in wanted.markers]
    if wanted.criterion is not None:
        found.append(has(ListingRow.holding, f" {wanted.criterion} "))
    if wanted.found_since is not None:
        found.append(ListingRow.found_at >= wanted.found_since)
    if wanted.text:
        own = and_(sites.in_(wanted.identity), has(ListingRow.identifiers, wanted.text))
        found.append(or_(has(ListingRow.number, wanted.text), own))
    return found


def _order(order: str) -> tuple[Any, ...]:
    place = ListingRow.place.asc()
    match order:
        case "flips":
            return (ListingRow.flips_on.is_(None), ListingRow.flips_on, place)
        case "last":
            return (ListingRow.last_entry.is_(None), ListingRow.last_entry.desc(), place)
        case "new":
            return (ListingRow.found_at.desc(), place)
        case _:
            return (place,)
