"""In: a source of resources and the store. Out: every version in the store, deletions too, bad ones put aside, one summary.

First everything is fetched onto disk, then it is stored. A bad line costs itself only; a type that fails costs itself only.
What was read is seen all at once, at the end. That a resource is gone is believed only once the server was asked for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from adapter.errors import RemoteError, StorageError
from adapter.fhir import RESOURCE_TYPES, ResourceProblem, Summariser
from adapter.observe import logger
from adapter.store import LakeWriter, Origin, Run, Signs, Store, Tombstone, TypeCounts, writing
from adapter.store.kept_off import MERGED
from adapter.store.own import is_own
from adapter.sync.addresses import Addresses
from adapter.sync.keeping_off import KeepingOff
from adapter.sync.mending import Mending
from adapter.sync.purged_rows import PurgedRows
from adapter.sync.same_people import SamePeople
from adapter.sync.search_plan import PATIENT
from adapter.sync.sources import Gone, Item, Missing, Problem, Progress, Silent, Source, instant_of
from adapter.sync.summary import PullSummary, PutAside, TypeSummary

__all__ = ["pull"]

_ADVANCE_EVERY = 500
_UNREAD: Final = (
    "what came holds lines that cannot be read; {} stored resources that did not come any more may be among them, and are "
    "not taken for deleted"
)
_OLDER: Final = (
    "{}: {} resources have an older version on the server than was stored before; what the server has now holds. If it was "
    "restored from a backup, read all of it: pull --full"
)
_KEPT_OFF: Final = "{} resources of people who were forgotten came and were not taken"
_JOINED: Final = (
    "{} records were merged with ones that were forgotten: nothing more of them is taken, what is stored of them is not removed; "
    "`reluth forget --list` names them"
)
_PURGED: Final = "{} resources of people whose data were removed came and were not taken"
_BACK: Final = "{} persons whose data were removed were read again: the store has the whole site"
_BUNDLE: Final = "Bundle"
_HOLDS_OTHERS: Final = "a Bundle: what it holds is not read; its resources have to come one a line"
#: So many of a type may be gone at once, however few there are.
_FEW = 20


def pull(  # noqa: PLR0913 - a pull, and what it is to look out for
    store: Store,
    source: Source,
    *,
    site: str,
    full: bool = False,
    accept_deletions: bool = False,
    progress: Progress | None = None,
    types: Collection[str] | None = None,
    own_addresses: Collection[str] = (),
    signs: Signs | None = None,
    brings_back: bool = False,
) -> PullSummary:
    """Read a source into the store.

    Args:
        store: open.
        source: a hospital or a folder.
        site: whose resources these are.
        full: read everything, whatever the bookmarks say, and find what is no longer there.
        accept_deletions: believe it also where more than half of a type is no longer there.
        progress: is told how far it is.
        types: of what the source has, only these.
        own_addresses: base URLs of the site's server, beside that of the source: what is named under others is not this site's.
        signs: by which it is told who of those who were purged is wanted back; without them whoever anything comes of is.
        brings_back: everything is read, so that nobody is purged any more where all of it came; it goes with ``full``.

    Returns:
        the summary; its ``exit_code`` tells whether all was well.

    Raises:
        BusyError: another run works on this site.
        ConfigurationError: those who come are other people than those of the store under the same ids; nothing was stored.
        RemoteError: the other side fails before any type is begun.
        StorageError: this machine has no room: nothing of this pull is in the store, and what was fetched is kept.
    """
    with store.begin_run(site, "pull") as run, writing("the store"):
        store.clear_quarantine(site)
        shown = progress or Silent()
        wanted = [type_ for type_ in source.types() if types is None or type_ in types]
        absent = [item for item in source.missing() if types is None or item.type in types]
        bookmarks = {type_: None if full else store.bookmark(site, type_) for type_ in wanted}
        run.server = source.server
        # What another server had before a time of its own says nothing of this one.
        elsewhere = set() if source.server is None else store.bookmarked_elsewhere(site, source.server)
        plan = {
            type_: None if mark is None or type_ in elsewhere else source.since(mark)
            for type_, mark in bookmarks.items()
        }
        source.prepare(plan, shown)
        own = [*own_addresses, *([] if source.server is None else [source.server])]
        addresses = Addresses(own or None)
        people = SamePeople(store, site, server=source.server, moved=PATIENT in elsewhere)
        begin = partial(_Pull, store, source, run, shown, people, accept_deletions=accept_deletions, signs=signs)
        work = begin(addresses=addresses)
        work.read_all(wanted)
        if addresses.is_contradicted:
            # Only a folder has no address, and it can be read again: what was believed of it before stood on half of it.
            work.discard()
            addresses = Addresses(addresses.found())
            work = begin(addresses=addresses)
            work.read_all(wanted)
        people.require(wanted)
        # Where a bookmark cannot be begun from, nobody says what was deleted since.
        anew = {type_ for type_ in wanted if plan[type_] is None and bookmarks[type_] is not None}
        for type_ in [*wanted, *work.said_gone_besides(wanted)]:
            work.find_gone(type_, full=full or type_ in anew)
        for type_ in work.types_taken():
            work.find_overtaken(type_)
        work.find_moved_away()
        # A type that was never read whole holds nobody back: nothing of it was had before either.
        read_before = {type_ for type_ in (*wanted, *(one.type for one in absent)) if store.bookmark(site, type_)}
        work.settle_purged(read_before if brings_back and source.server is not None else None)
        summary = work.close(absent)
        source.close()
        work.compact()
        return summary


class _Pull:
    """One pull under way."""

    def __init__(
        self,
        store: Store,
        source: Source,
        run: Run,
        progress: Progress,
        people: SamePeople,
        *,
        addresses: Addresses,
        accept_deletions: bool = False,
        signs: Signs | None = None,
    ) -> None:
        self._store = store
        self._source = source
        self._run = run
        self._progress = progress
        self._people = people
        self._writer: LakeWriter = store.lake.writer(run)
        self._summariser = Summariser()
        self._addresses = addresses
        self._types: dict[str, TypeSummary] = {}
        self._aside: list[PutAside] = []
        self._missing: list[Missing] = []
        self._begun = 0
        self._whole: list[str] = []
        self._none_whole = False
        self._accept_deletions = accept_deletions
        self._said_gone: dict[str, set[str]] = {}
        self._deleted: list[Tombstone] = []
        self._overruled: dict[str, set[str]] = {}
        self._notices: list[str] = []
        self._codes: set[int] = set()
        self._keeping_off = KeepingOff(store, run.site)
        self._purged = PurgedRows(store, run, signs)
        #: Put aside by earlier runs: what is read well now is no longer missing.
        self._mending = Mending(store.quarantined(run.site), store.quarantined_raw)
        #: Types of which lines came that do not even tell which resource they are.
        self._nameless: set[str] = set()

    def read_all(self, types: Collection[str]) -> None:
        """Read each of some types."""
        for type_ in types:
            self.read(type_)

    def discard(self) -> None:
        """Drop what was read."""
        self._writer.discard()

    def read(self, type_: str) -> None:
        """Read one type to its end, or to where it fails."""
        self._begun += 1
        self._types.setdefault(type_, TypeSummary())
        self._progress.start(type_)
        whole = True
        waiting = 0
        try:
            for item in self._source.fetch(type_):
                whole &= self._take(type_, item)
                waiting += 1
                if waiting == _ADVANCE_EVERY:
                    self._progress.advance(type_, waiting)
                    waiting = 0
        except RemoteError as error:
            self._fail(type_, error)
            whole = False
        self._progress.advance(type_, waiting)
        self._progress.finish(type_)
        if whole:
            self._whole.append(type_)

    def said_gone_besides(self, wanted: Collection[str]) -> list[str]:
        """Types of which something is said to be gone, and that this pull does not read; the store may have them."""
        return sorted(self._said_gone.keys() - set(wanted))

    def find_gone(self, type_: str, *, full: bool) -> None:
        """Find what the hospital deleted: what it says is gone, and after a full read what did not come any more."""
        said = self._said_gone.pop(type_, set())
        finds_missed = full and self._source.has_all and type_ in self._whole and not self._none_whole
        if not said and not finds_missed:
            return
        lake, site = self._store.lake, self._run.site
        can_confirm = self._source.can_confirm(type_)
        # What was made here no server has: that it does not come says nothing.
        live, aside = _theirs(lake.live_ids(site, type_)), self._mending.ids(type_)
        # What came and cannot be read did come.
        came = self._writer.ids(type_) | self._mending.faulty(type_)
        told = said & (live | came | aside)
        missed = self._missed(type_, live | aside, came) if finds_missed else set()
        if not told | missed:
            return
        # As of the beginning of an export: what came with it is there, or was made again.
        gone, seq = (told | missed) - came, self._run.first_seq
        if can_confirm:
            try:
                gone, found = self._source.confirm(type_, sorted(told | missed))
            except RemoteError as error:
                self._fail(type_, error)
                return
            for item in found:
                # Pages skip: it did not come though it is there, or it changed since it came.
                self._take(type_, item)
            seq = self._run.last_seq
        if len(gone & missed & live) > max(_FEW, len(live) // 2) and not self._accept_deletions:
            self._missing.append(
                Missing(
                    type_,
                    f"{len(gone & missed & live)} of {len(live)} stored resources did not come any more, and are not taken for "
                    "deleted; if they are: pull --full --accept-deletions",
                )
            )
            self._whole.remove(type_)
            gone -= missed - told
        self._bury(type_, gone, seq)
        if gone & live:
            self._types.setdefault(type_, TypeSummary()).deleted += len(gone & live)

    def _bury(self, type_: str, gone: set[str], seq: int) -> None:
        self._deleted += [Tombstone(type_, id_, seq) for id_ in sorted(gone)]
        for id_ in gone:
            self._mending.gone(f"{type_}/{id_}")

    def types_taken(self) -> list[str]:
        """Types of which something came that can be read."""
        return self._writer.types()

    def find_overtaken(self, type_: str) -> None:
        """Find of what came the resources whose stored versions seem newer, and are not what the server has now.

        Versions order what comes out of its order. A server that was restored from a backup, or gives the id of a deleted
        resource again, counts on from a lower number (R4 resource.html#Meta promises no order): what it has now holds.
        """
        ids = self._writer.overtaken(type_)
        if not ids:
            return
        if self._source.can_confirm(type_):
            try:
                gone, found = self._source.confirm(type_, sorted(ids))
            except RemoteError as error:
                self._fail(type_, error)
                return
            for item in found:
                self._take(type_, item)
            self._bury(type_, gone, self._run.last_seq)
            self._types.setdefault(type_, TypeSummary()).deleted += len(gone)
            # What came was of another moment, where the server has now what is stored.
            ids = self._writer.overtaken(type_) & ids - gone
        elif not self._is_latest(type_):
            return
        if ids:
            self._overruled[type_] = ids
            self._notices.append(_OLDER.format(type_, len(ids)))

    def find_moved_away(self) -> None:
        """Bury what is stored of somebody else, and has become that of a person of whom nothing is taken."""
        for type_ in self._keeping_off.types():
            moved = self._keeping_off.moved(type_, taken=self._writer.ids(type_))
            self._bury(type_, moved, self._run.last_seq)
            if moved:
                self._types.setdefault(type_, TypeSummary()).deleted += len(moved)
        if self._keeping_off.left_out:
            self._notices.append(_KEPT_OFF.format(self._keeping_off.left_out))
        if self._keeping_off.joined:
            self._notices.append(_JOINED.format(len(self._keeping_off.joined)))

    def settle_purged(self, back_with: Collection[str] | None) -> None:
        """Have all who were purged back, or take nothing of them.

        Args:
            back_with: types that bring them back where all of them were read whole; None for a pull that brings nobody back.
        """
        if not self._purged:
            return
        if back_with is not None and not self._none_whole and set(back_with) <= set(self._whole):
            self._notices.append(_BACK.format(self._purged.bring_back()))
            return
        if back_with is not None:
            self._store.purged.note_try(self._run)
        moved, wanted = self._purged.settle(self._writer)
        for type_, ids in moved.items():
            self._bury(type_, ids, self._run.last_seq)
            if ids:
                self._types.setdefault(type_, TypeSummary()).deleted += len(ids)
        for type_ in self._overruled:
            self._overruled[type_] &= self._writer.ids(type_)
        if self._purged.left_out:
            self._notices.append(_PURGED.format(self._purged.left_out))
        if wanted:
            self._missing.append(Missing(PATIENT, str(wanted)))

    def _is_latest(self, type_: str) -> bool:
        """What came is of a later moment than what was read of a type before; nobody knows it of a folder."""
        time, mark = self._source.transaction_time, self._store.bookmark(self._run.site, type_)
        return time is not None and (mark is None or instant_of(mark) <= instant_of(time))

    def _missed(self, type_: str, kept: set[str], came: set[str]) -> set[str]:
        """Of what is kept of a type, what did not come any more and may be gone."""
        if self._source.can_confirm(type_):
            return kept - came
        # An export of patients need not bring what is about none of them.
        missed = _theirs(self._store.lake.live_ids(self._run.site, type_, about_patients=True)) - came
        if missed and type_ in self._nameless:
            # Any of them may be what could not be read, and there is nobody to ask.
            self._missing.append(Missing(type_, _UNREAD.format(len(missed))))
            self._not_whole(type_)
            return set()
        return missed

    def close(self, absent: list[Missing]) -> PullSummary:
        """Commit, and tell what was done."""
        self._missing += absent
        if self._none_whole:
            self._whole.clear()
        complete = not self._missing and len(self._whole) == self._begun
        time = self._source.transaction_time
        self._store.flush_quarantine(self._run)
        mended = self._mending.mended()
        summary = PullSummary(
            site=self._run.site,
            run=self._run.name,
            complete=complete,
            transaction_time=time,
            types=self._types,
            quarantine=self._aside,
            missing=self._missing,
            notices=[*self._source.notices(), *self._addresses.notices(), *self._notices],
            remote_exit_codes=self._codes,
            mode=self._source.mode,
            requests=self._source.requests(),
        )
        self._store.kept_off.add(self._run.site, self._keeping_off.joined, reason=MERGED)
        self._writer.commit(
            bookmarks={} if time is None else dict.fromkeys(self._whole, time),
            deleted=self._deleted,
            overruled=self._overruled,
            mended=[item.key for item in mended],
            complete=complete,
            told=partial(_told, summary),
        )
        for item in mended:
            self._store.forget_quarantined(item)
        return summary

    def compact(self) -> None:
        """Merge what small pulls have left behind; what was pulled is in the store, whatever becomes of it."""
        try:
            self._store.lake.compact(self._run)
        except StorageError as error:
            logger("sync").warning("segments could not be merged", site=self._run.site, problem=str(error))

    def _fail(self, type_: str, error: RemoteError) -> None:
        self._codes.add(error.exit_code)
        self._missing.append(Missing(type_, str(error)))
        self._not_whole(type_)

    def _not_whole(self, type_: str) -> None:
        if type_ in self._whole:
            self._whole.remove(type_)

    def _take(self, type_: str, item: Item | Problem | Gone) -> bool:
        """Store or put aside one item; False when something beyond it is missing."""
        if isinstance(item, Gone):
            self._said_gone.setdefault(item.type, set()).add(item.id)
            return True
        if isinstance(item, Problem):
            self._put_aside(type_, item, None)
            self._codes.add(item.exit_code)
            self._none_whole |= item.of_all
            return not item.incomplete
        try:
            summary = self._summariser.summarise(item.raw)
            if summary.type == _BUNDLE:
                # Nobody would look into it: what it holds were lost without a word.
                raise ResourceProblem(_HOLDS_OTHERS, summary.reference)
            summary = self._addresses.settled(summary)
        except ResourceProblem as problem:
            found = (problem.reference or "").partition("/")[0]
            self._put_aside(
                found if found in RESOURCE_TYPES else type_,
                Problem(item.raw, item.origin, problem.reason),
                problem.reference,
            )
            # A bad last line without line end: the file was cut, and nobody knows what stood after it.
            return item.ended
        except (RecursionError, ValueError) as error:
            # Absurd nesting or a number of thousands of digits: one line must not stop the others.
            self._put_aside(type_, Problem(item.raw, item.origin, f"cannot be read ({type(error).__name__})"), None)
            return item.ended
        if not self._keeping_off.is_theirs(summary):
            self._people.take(summary.type, summary.id, item.raw)
            self._writer.add(summary, item.raw, item.origin)
        self._mending.read(summary)
        return True

    def _put_aside(self, type_: str, problem: Problem, reference: str | None) -> None:
        origin: Origin = problem.origin
        if self._keeping_off.is_of_theirs(problem.raw, reference):
            return
        if reference is not None and "/" in reference:
            self._mending.put_aside(reference)
        elif problem.raw:
            self._nameless.add(type_)
        self._store.quarantine(self._run, problem.raw, origin=origin, reason=problem.reason, reference=reference)
        counts = self._types.setdefault(type_, TypeSummary())
        counts.quarantined += 1
        counts.read += 1 if problem.raw else 0
        self._aside.append(
            PutAside(
                problem.reason,
                file=None if origin.is_url else origin.source,
                url=origin.source if origin.is_url else None,
                line=origin.line,
                reference=reference,
            )
        )


def _told(summary: PullSummary, counts: Mapping[str, TypeCounts]) -> str:
    """The closing summary with what the commit found to be new."""
    for type_, count in counts.items():
        entry = summary.types.setdefault(type_, TypeSummary())
        entry.read += count.read
        entry.new += count.new
        entry.changed += count.changed
    return summary.to_json()


def _theirs(ids: set[str]) -> set[str]:
    """Ids of resources that the hospital has, or had."""
    return {one for one in ids if not is_own(one)}
