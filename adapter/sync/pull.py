"""In: a source of resources and the store. Out: every version in the store, bad ones put aside, one summary.

A bad line costs itself only; a type that fails costs itself only. What was read is seen all at once, at the end.
"""

from __future__ import annotations

from collections.abc import Collection

from adapter.errors import RemoteError
from adapter.fhir import RESOURCE_TYPES, ResourceProblem, summarise
from adapter.store import LakeWriter, Origin, Run, Store
from adapter.sync.sources import Item, Missing, Problem, Progress, Silent, Source
from adapter.sync.summary import PullSummary, PutAside, TypeSummary

__all__ = ["pull"]

_ADVANCE_EVERY = 500


def pull(
    store: Store,
    source: Source,
    *,
    site: str,
    full: bool = False,
    progress: Progress | None = None,
    types: Collection[str] | None = None,
) -> PullSummary:
    """Read a source into the store.

    Args:
        store: open.
        source: a hospital or a folder.
        site: whose resources these are.
        full: read everything, whatever the bookmarks say.
        progress: is told how far it is.
        types: of what the source has, only these.

    Returns:
        the summary; its ``exit_code`` tells whether all was well.

    Raises:
        BusyError: another run works on this site.
        RemoteError: the other side fails before any type is begun.
    """
    with store.begin_run(site, "pull") as run:
        work = _Pull(store, source, run, progress or Silent())
        wanted = [type_ for type_ in source.types() if types is None or type_ in types]
        absent = [item for item in source.missing() if types is None or item.type in types]
        for type_ in wanted:
            bookmark = None if full else store.bookmark(site, type_)
            work.read(type_, None if bookmark is None else source.since(bookmark))
        return work.close(absent)


class _Pull:
    """One pull under way."""

    def __init__(self, store: Store, source: Source, run: Run, progress: Progress) -> None:
        self._store = store
        self._source = source
        self._run = run
        self._progress = progress
        self._writer: LakeWriter = store.lake.writer(run)
        self._types: dict[str, TypeSummary] = {}
        self._aside: list[PutAside] = []
        self._missing: list[Missing] = []
        self._begun = 0
        self._whole: list[str] = []
        self._codes: set[int] = set()
        #: Put aside by earlier runs, by resource: one that is read well now is no longer missing.
        self._held_back = {item.reference: item for item in store.quarantined(run.site) if item.reference}
        self._mended: set[str] = set()
        self._faulty: set[str] = set()

    def read(self, type_: str, since: str | None) -> None:
        """Read one type to its end, or to where it fails."""
        self._begun += 1
        self._types.setdefault(type_, TypeSummary())
        self._progress.start(type_)
        whole = True
        waiting = 0
        try:
            for item in self._source.fetch(type_, since):
                whole &= self._take(type_, item)
                waiting += 1
                if waiting == _ADVANCE_EVERY:
                    self._progress.advance(type_, waiting)
                    waiting = 0
        except RemoteError as error:
            self._codes.add(error.exit_code)
            self._missing.append(Missing(type_, str(error)))
            whole = False
        self._progress.advance(type_, waiting)
        self._progress.finish(type_)
        if whole:
            self._whole.append(type_)

    def close(self, absent: list[Missing]) -> PullSummary:
        """Commit, and tell what was done."""
        self._missing += absent
        complete = not self._missing and len(self._whole) == self._begun
        time = self._source.transaction_time
        for reference in self._mended - self._faulty:
            self._store.release_quarantined(self._held_back[reference])
        self._store.flush_quarantine(self._run)
        counts = self._writer.commit(
            bookmarks={} if time is None else dict.fromkeys(self._whole, time), complete=complete
        )
        for type_, count in counts.items():
            entry = self._types.setdefault(type_, TypeSummary())
            entry.read += count.read
            entry.new += count.new
            entry.changed += count.changed
        summary = PullSummary(
            site=self._run.site,
            run=self._run.name,
            complete=complete,
            transaction_time=time,
            types=self._types,
            quarantine=self._aside,
            missing=self._missing,
            notices=self._source.notices(),
            remote_exit_codes=self._codes,
        )
        self._run.record(summary.to_json())
        return summary

    def _take(self, type_: str, item: Item | Problem) -> bool:
        """Store or put aside one item; False when something beyond it is missing."""
        if isinstance(item, Problem):
            self._put_aside(type_, item, None)
            return not item.incomplete
        try:
            summary = summarise(item.raw)
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
        self._writer.add(summary, item.raw, item.origin)
        if summary.reference in self._held_back:
            self._mended.add(summary.reference)
        return True

    def _put_aside(self, type_: str, problem: Problem, reference: str | None) -> None:
        origin: Origin = problem.origin
        if reference is not None:
            self._faulty.add(reference)
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
