"""In: the store, a trial, a stage, a site. Out: the worklist as rows in the state, brought up to date; pages and counts of them.

::

    position now == position of the rows?  ──yes──▶ nothing to do: a few index look-ups
          │ no
    whose verdict, decision, record, merger is new since?  ──▶ their rows are made anew, in small transactions
          │ (another release or trial document, or the lake was written anew: everybody's)
    note the position that was read at the start: what came in meanwhile is found the next time

What stands in the state is always what `adapter.screening.worklist.read_worklist` would say (tests/property/test_listing.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

import msgspec

from adapter.criteria import Stage, Trial
from adapter.fhir import PARIS, fold_number
from adapter.observe import logger, release
from adapter.screening.listing_bins import Bin
from adapter.screening.listing_records import Arrived, changed_patients, count_arrived
from adapter.screening.listing_row import MARKERS, WorklistRow, place_of
from adapter.screening.listing_rows import Made, RowMaker
from adapter.store import Store, seqs_after
from adapter.store.listing import ListingEntry, ListingInputs, ListingState, Overtaken, Position, Wanted

__all__ = [
    "NEW_DAYS",
    "ORDERS",
    "ListingPage",
    "Search",
    "count_bins",
    "every_row",
    "named_rows",
    "read_page",
    "refresh",
]

#: Whoever was first found so many days ago, or later, is new.
NEW_DAYS: Final = 7
ORDERS: Final = ("next", "flips", "last", "new")
#: Counts with the release: rows of another version are made anew.
_VERSION: Final = 2
#: Each time another process was faster it has written a part of the work.
_TRIES: Final = 50
_decode = msgspec.json.Decoder(WorklistRow).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for of the list.

    Attributes:
        text: part of a number; compared folded.
        markers: of `MARKERS`, or ``new``.
        today: tells who is new.
    """

    bins: tuple[Bin, ...] = ()
    text: str = ""
    markers: tuple[str, ...] = ()
    criterion: str | None = None
    order: str = "next"
    today: date | None = None


class ListingPage(NamedTuple):
    """A part of the list.

    Attributes:
        rows: of this part, in order.
        total: how many rows there are of all that was asked for.
        counts: by bin, of everything but the bins that was asked for.
    """

    rows: list[WorklistRow]
    total: int
    counts: dict[Bin, int]


def refresh(store: Store, trial: Trial, stage: Stage, site: str, *, wait: float = -1) -> bool:
    """Bring the rows of a site up to date.

    Args:
        store: open.
        trial: whose list.
        stage: of the trial.
        site: whose people.
        wait: so many seconds for another thread that is at it; negative for as long as it takes.

    Returns:
        whether they are; False where another one is still at it.
    """
    inputs = store.listing.inputs(trial.id, stage, site)
    made_by = f"{_VERSION} {release()} {trial.version}"
    if store.listing.state(trial.id, stage, site).position == inputs.position(made_by):
        return True
    with store.listing.making(trial.id, stage, site, wait=wait) as mine:
        if not mine:
            return False
        for _ in range(_TRIES):
            try:
                _bring(store, trial, stage, site=site, made_by=made_by)
            except Overtaken:
                continue
            return True
    logger("screening").warning("worklist not up to date: other processes keep writing it", site=site)
    return False


def read_page(
    store: Store,
    trial: Trial,
    stage: Stage,
    *,
    sites: Sequence[str],
    identity: Collection[str] = (),
    search: Search | None = None,
    offset: int = 0,
    limit: int = 50,
) -> ListingPage:
    """A part of the list as it stands in the state; `refresh` first.

    Args:
        store: open.
        trial: whose list.
        stage: of the trial.
        sites: of these only.
        identity: sites at which a text may be part of what the hospital calls a patient; elsewhere of the screening number only.
        search: what is asked for, None for everything.
        offset: rows to pass over.
        limit: rows at most.
    """
    wanted = _wanted(trial, stage, sites, identity, search or Search())
    counts = count_bins(store.listing.counts_of(wanted).values())
    named = wanted.bins or tuple(Bin)
    rows = [_decode(content) for content in store.listing.page(wanted, offset=offset, limit=limit)]
    return ListingPage(rows, sum(counts[Bin(name)] for name in named), counts)


def every_row(
    store: Store,
    trial: Trial,
    stage: Stage,
    *,
    sites: Sequence[str],
    identity: Collection[str] = (),
    search: Search | None = None,
) -> Iterator[WorklistRow]:
    """All rows that are asked for, in order, a few hundred in memory at once; arguments as for `read_page`."""
    for content in store.listing.every(_wanted(trial, stage, sites, identity, search or Search())):
        yield _decode(content)


def named_rows(
    store: Store, trial: Trial, stage: Stage, *, sites: Sequence[str], identity: Collection[str], number: str
) -> list[WorklistRow]:
    """The rows of whoever is called exactly so: by the screening number, or where identity is shown by the hospital's."""
    wanted = _wanted(trial, stage, sites, identity, Search())
    return [_decode(content) for content in store.listing.named(wanted, fold_number(number))]


def count_bins(by_site: Collection[dict[str, int]]) -> dict[Bin, int]:
    """How many people are in each bin, over some sites; those with nobody too."""
    return {bin_: sum(found.get(bin_, 0) for found in by_site) for bin_ in Bin}


def _wanted(trial: Trial, stage: Stage, sites: Sequence[str], identity: Collection[str], search: Search) -> Wanted:
    since = None
    if "new" in search.markers and search.today is not None:
        since = datetime.combine(search.today - timedelta(days=NEW_DAYS), time(), tzinfo=PARIS)
    return Wanted(
        trial=trial.id,
        stage=stage,
        sites=tuple(sites),
        identity=tuple(identity),
        bins=tuple(str(one) for one in search.bins),
        markers=tuple(one for one in search.markers if one in MARKERS),
        text=fold_number(search.text),
        criterion=search.criterion,
        found_since=since,
        order=search.order,
    )


# Making rows anew --------------------------------------------------------------------------------------------------


def _bring(store: Store, trial: Trial, stage: Stage, *, site: str, made_by: str) -> None:
    before = store.listing.state(trial.id, stage, site)
    inputs = store.listing.inputs(trial.id, stage, site)
    # Read first: what comes in while rows are made is after it.
    now = inputs.position(made_by)
    if before.position == now:
        return
    maker = RowMaker(store, trial, stage, site=site)
    changed = _changed(store, inputs, maker, before=before, now=now, site=site)
    write = _Writer(store, trial, stage, site=site, generation=before.generation)
    everybody = maker.everybody() if changed is None else changed
    for part, made in maker.make(everybody):
        listed = {one.person for one in made}
        write.rows([_entry(one) for one in made], gone=[person for person in part if person not in listed])
    gone: set[str] = set()
    if changed is None:
        gone = store.listing.verdicts(trial.id, stage, site).keys() - everybody
    write.end(now, maker.merges, gone=gone)


def _changed(
    store: Store, inputs: ListingInputs, maker: RowMaker, *, before: ListingState, now: Position, site: str
) -> set[str] | None:
    """The persons whose rows may have changed; None for everybody."""
    then = before.position
    if then is None or then.made_by != now.made_by:
        return None
    if then.screened_at is not None and (now.screened_at is None or now.screened_at < then.screened_at):
        # A clock that was ahead was set right: what has been screened since is dated before what was seen.
        return None
    segments, versions = inputs.segments_since(then)
    arrived = Arrived(segments, seqs_after(then.run))
    if versions - count_arrived(store, site, arrived) != then.versions:
        # Written anew, or somebody was forgotten: what is in it is no longer a continuation of what was.
        return None
    patients: set[str] = set()
    buried = inputs.buried_since(then)
    if segments or buried or now.tombstones != then.tombstones:
        patients |= changed_patients(store, site, arrived, buried=buried)
    patients |= _remerged(before.merges, maker.merges)
    if (then.decision, then.decisions) != (now.decision, now.decisions):
        new = inputs.decided_since(then)
        # Two that were made at once need not be seen in the order of their numbers.
        patients |= set(new) if len(new) == now.decisions - then.decisions else inputs.all_decided()
    if (then.added, then.added_at) != (now.added, now.added_at):
        patients |= inputs.all_added()
    people = maker.persons(patients)
    if (then.verdict, then.screened_at, then.screened) != (now.verdict, now.screened_at, now.screened):
        made = store.listing.verdicts(*inputs.of)
        for head in inputs.screened_since(then):
            person = maker.merges.get(head.patient, head.patient)
            if made.get(person) != (head.number, head.screened_at):
                people.add(person)
    # Who is no person any more has a row to lose.
    return people | patients


def _remerged(before: dict[str, str], now: dict[str, str]) -> set[str]:
    """All whom a new, changed or undone merger concerns."""
    found: set[str] = set()
    for old in before.keys() | now.keys():
        if before.get(old) != now.get(old):
            found |= {old, before.get(old, old), now.get(old, old)}
    return found


class _Writer:
    """Writes rows of a site as long as nobody else does."""

    def __init__(self, store: Store, trial: Trial, stage: Stage, *, site: str, generation: int) -> None:
        self._table = store.listing
        self._of = (trial.id, str(stage), site)
        self._generation = generation

    def rows(self, entries: Sequence[ListingEntry], *, gone: Collection[str]) -> None:
        self._generation = self._table.write(*self._of, generation=self._generation, entries=entries, gone=gone)

    def end(self, position: Position, merges: dict[str, str], *, gone: Collection[str]) -> None:
        self._table.write(*self._of, generation=self._generation, gone=gone, reached=(position, merges))


def _entry(made: Made) -> ListingEntry:
    row = made.row
    return ListingEntry(
        person=made.person,
        bin=row.bin,
        place=place_of(row),
        holding=_spaced((*row.failed, *row.missing)),
        markers=_spaced(row.markers),
        flips_on=row.flips_on,
        last_entry=row.last_entry,
        found_at=made.found_at,
        number=_spaced((fold_number(row.number),)),
        identifiers=_spaced(made.names),
        verdict=made.head.number,
        screened_at=made.head.screened_at,
        content=_encode(row).decode(),
    )


def _spaced(names: Sequence[str]) -> str:
    """Each between blanks, so that one is found whole."""
    return f" {' '.join(names)} "
