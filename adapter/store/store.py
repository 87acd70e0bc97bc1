"""In: the store's path (and database url). Out: the open store: lake, runs, bookmarks, quarantine, verdicts, entities, outbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from sqlalchemy import select

from adapter.errors import ConfigurationError, ReluthError
from adapter.store.accounts import Accounts
from adapter.store.audit import AuditLine, AuditTrail, AuditWanted
from adapter.store.backup import Backup, back_up
from adapter.store.cards import Cards
from adapter.store.clock_leaps import goes_evenly
from adapter.store.decisions import Addition, Decision, Decisions
from adapter.store.digests import Digests
from adapter.store.engine import SetEngine
from adapter.store.entities import Entities
from adapter.store.forgetting import FORGET, Forgotten, Whom, forget
from adapter.store.kept_off import KeptOffList
from adapter.store.lake import Lake
from adapter.store.listing import ListingTable
from adapter.store.models import BookmarkRow
from adapter.store.outbox import Outbox
from adapter.store.provider import ProviderState
from adapter.store.purged import PurgedList
from adapter.store.purging import Purgeable, purge, purgeable
from adapter.store.quarantine import Quarantine, QuarantinedItem
from adapter.store.run_history import RunInfo, last_whole_run, note_failed_run, note_run, recent_runs
from adapter.store.runs import Run, begin_run
from adapter.store.segments import Origin
from adapter.store.signs import Signs
from adapter.store.site_lock import LockInfo, holder_of, unlock
from adapter.store.space import writing
from adapter.store.state import RESTORING, State, now, private_folder
from adapter.store.subjects import Subjects
from adapter.store.thinning import Lasting, thin
from adapter.store.verdicts import KeptVerdict, StoredVerdict, Verdicts, VerdictSizes

__all__ = ["BookmarkInfo", "Store"]


class BookmarkInfo(NamedTuple):
    """How far a type was pulled whole: the server's time, as it wrote it, when that was noted here, and which server (a base URL)."""

    site: str
    type: str
    transaction_time: str
    set_at: datetime
    server: str | None = None


class Store:
    """Everything that is kept, under one folder that only its owner may enter.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "var") as store:
    ...     store.lake.sites()
    []
    """

    def __init__(self, folder: Path, state: State) -> None:
        self.folder = folder
        self._state = state
        self._engine = SetEngine(private_folder(folder / "tmp"))
        self._decisions = Decisions(state)
        self._quarantine = Quarantine(state, folder / "quarantine")
        self._verdicts = Verdicts(state)
        self.accounts = Accounts(state)
        self.cards = Cards(state)
        self.digests = Digests(state)
        self.entities = Entities(state)
        self.kept_off = KeptOffList(state)
        self.listing = ListingTable(state)
        self.outbox = Outbox(state)
        self.subjects = Subjects(state)
        self.provider = ProviderState(state)
        self.purged = PurgedList(state)
        self.trail = AuditTrail(state)
        self.lake = Lake(folder, state, self._engine)

    @classmethod
    def open(cls, path: Path, database: str | None = None) -> Store:
        """Open a store, making what is not there yet.

        Args:
            path: its folder, made with mode 0700.
            database: SQLAlchemy url of the state, None for SQLite in the folder.

        Raises:
            ConfigurationError: the folder cannot be made or the database not opened.
        """
        try:
            folder = private_folder(Path(path).absolute())
            folder.chmod(0o700)
            if (folder / RESTORING).exists():
                problem = "a backup is being put back into it, or that was broken off: run `reluth restore` again"
                raise ConfigurationError("store.path", problem)
            # SQLite gives its journal the mode of its database.
            if database is None:
                # Not one that is there: closing it would drop the locks of this process on it (sqlite.org/howtocorrupt, 2.2).
                with suppress(FileExistsError):
                    os.close(os.open(folder / "state.sqlite", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise ConfigurationError("store.path", f"cannot be used ({error.strerror})") from None
        return cls(folder, State(folder, database))

    def close(self) -> None:
        """Close the databases."""
        self._engine.close()
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def spool(self, site: str) -> Path:
        """Folder of what pulls of a site have fetched and not stored yet; only the holder of its lock may change it."""
        return self.folder / "spool" / site

    # Runs, bookmarks, quarantine ----------------------------------------------------------------------------------

    def begin_run(self, site: str, kind: str) -> Run:
        """Take a site for one run (a context manager).

        Raises:
            BusyError: another living process holds it.
        """
        return begin_run(self._state, site, kind)

    def holder_of(self, site: str) -> LockInfo | None:
        """Who holds a site; None where nobody does."""
        return holder_of(self._state, site)

    def unlock(self, site: str, held: LockInfo) -> bool:
        """Let a site go whose owner, on another machine, is gone; see `adapter.store.site_lock.unlock`."""
        return unlock(self._state, site, held)

    def note_run(
        self, site: str, kind: str, *, begun: datetime, summary: str | None, complete: bool | None = None
    ) -> str:
        """Note a run that has ended and did not hold the site; without a summary (JSON) it failed. Gives its name."""
        return note_run(self._state, site, kind, begun=begun, summary=summary, complete=complete)

    def note_failed_run(self, site: str, kind: str, *, begun: datetime, error: ReluthError) -> str:
        """Note a run that failed before it held the site, and by what. Gives its name."""
        return note_failed_run(self._state, site, kind, begun=begun, error=error)

    def clock_goes_evenly(self, site: str, moment: datetime) -> bool:
        """Whether a site's runs of the last days tell of no leap of this machine's clock; see `clock_leaps`."""
        with self._state.session() as session:
            return goes_evenly(session, site, moment)

    def last_whole_run(self, kind: str, *, site: str) -> RunInfo | None:
        """The newest run of a kind and a site that did all it was to."""
        return last_whole_run(self._state, kind, site=site)

    def runs(
        self,
        kind: str | None = None,
        *,
        site: str | Collection[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[RunInfo]:
        """The newest runs (of a kind, of one or some sites), failed and open ones included, newest first."""
        return recent_runs(self._state, kind, site=site, limit=limit, offset=offset)

    def bookmarks(self, site: str | None = None) -> list[BookmarkInfo]:
        """How far each type of each site was pulled whole, by site and type."""
        query = select(BookmarkRow).order_by(BookmarkRow.site, BookmarkRow.type)
        if site is not None:
            query = query.where(BookmarkRow.site == site)
        with self._state.session() as session:
            return [
                BookmarkInfo(row.site, row.type, row.transaction_time, row.set_at, row.server)
                for row in session.scalars(query)
            ]

    def bookmark(self, site: str, type_: str) -> str | None:
        """Server time up to which a type was pulled whole, as the server wrote it."""
        with self._state.session() as session:
            return session.scalar(
                select(BookmarkRow.transaction_time).where(BookmarkRow.site == site, BookmarkRow.type == type_)
            )

    def bookmarked_elsewhere(self, site: str, server: str) -> set[str]:
        """Types of a site whose bookmarks are known to be times of another server than this one (a base URL)."""
        query = select(BookmarkRow.type).where(
            BookmarkRow.site == site, BookmarkRow.server.is_not(None), BookmarkRow.server != server
        )
        with self._state.session() as session:
            return set(session.scalars(query))

    def set_bookmark(self, site: str, type_: str, transaction_time: str) -> None:
        """Move a bookmark; a pull does it in the transaction of its commit instead."""
        row = {"site": site, "type": type_, "transaction_time": transaction_time, "set_at": now()}
        with self._state.session() as session:
            self._state.upsert(
                session, BookmarkRow, [row], keys=("site", "type"), update=("transaction_time", "set_at")
            )

    def quarantine(self, run: Run, raw: bytes, *, origin: Origin, reason: str, reference: str | None = None) -> None:
        """Put bytes aside; they are listed at the latest by `flush_quarantine`."""
        self._quarantine.add(run, raw, origin=origin, reason=reason, reference=reference)

    def flush_quarantine(self, run: Run) -> None:
        """List what the run has put aside."""
        self._quarantine.flush(run)

    def quarantined(self, site: str) -> list[QuarantinedItem]:
        """What was put aside at a site, each item once."""
        return self._quarantine.items(site)

    def newest_quarantined(self, site: str, *, limit: int) -> list[QuarantinedItem]:
        """What was put aside at a site last, newest first."""
        return self._quarantine.newest(site, limit=limit)

    def quarantine_reasons(self, site: str) -> list[tuple[str, int]]:
        """Why items lie aside at a site, and how many for each reason, most frequent first."""
        return self._quarantine.reasons(site)

    def quarantine_counts(self) -> dict[str, int]:
        """How many items lie aside, by site."""
        return self._quarantine.counts()

    def quarantined_raw(self, item: QuarantinedItem) -> bytes:
        """The bytes of an item."""
        return self._quarantine.raw(item)

    def damaged_quarantined(self, site: str) -> list[str]:
        """Keys of what was put aside at a site and is not there any more as it was."""
        return self._quarantine.damaged(site)

    def state_problems(self) -> list[str]:
        """What is wrong with the database of the state, as far as it tells."""
        return self._state.problems()

    def forget_quarantined(self, item: QuarantinedItem) -> None:
        """Remove the bytes of an item that a run took off the list with its commit."""
        self._quarantine.forget(item)

    def clear_quarantine(self, site: str) -> None:
        """Remove bytes of a site that no item lists; see `Quarantine.clear_leftovers`."""
        self._quarantine.clear_leftovers(site)

    def back_up(self, into: Path) -> Backup:
        """Make a backup in a folder of backups; see `backup.back_up`."""
        return back_up(self.folder, self._state, into)

    def last_backup(self) -> datetime | None:
        """When the last whole backup was made; None where there was none."""
        lines = self.trail.page(AuditWanted(sites=None, action="backup"), limit=1)
        return lines[0].at if lines else None

    def together(self) -> AbstractContextManager[None]:
        """What is kept within the block is one transaction, all of it or nothing; for a change and its line in the audit trail."""
        return self._state.together()

    # Verdicts -----------------------------------------------------------------------------------------------------

    def save_verdicts(self, verdicts: Iterable[StoredVerdict]) -> int:
        """Keep verdicts; see `Verdicts.save`."""
        return self._verdicts.save(verdicts)

    def latest_verdicts(self, trial: str, stage: str, *, site: str | None = None) -> Iterator[StoredVerdict]:
        """The last verdict of every patient, ordered by site and patient."""
        return self._verdicts.latest(trial, stage, site=site)

    def verdict_of(
        self, site: str, patient: str, *, trial: str, stage: str, on: date | None = None
    ) -> StoredVerdict | None:
        """The last verdict of one patient."""
        return self._verdicts.of(site, patient, trial=trial, stage=stage, on=on)

    def screened_people(self, site: str, *, limit: int) -> list[str]:
        """Some ``Patient/id`` of a site that have a verdict."""
        return self._verdicts.people(site, limit=limit)

    def first_verdicts(self, trial: str, stage: str, *, site: str) -> dict[str, datetime]:
        """When each patient of a site was first found, by ``Patient/id``."""
        return self._verdicts.first(trial, stage, site=site)

    def verdict_history(
        self, trial: str, stage: str, *, site: str, patients: Collection[str]
    ) -> dict[str, list[KeptVerdict]]:
        """All verdicts of some patients of a site, by ``Patient/id``, in the order in which they were made."""
        return self._verdicts.history(trial, stage, site=site, patients=patients)

    def verdict_sizes(self) -> dict[str, VerdictSizes]:
        """How many verdicts there are of each site, and what they take."""
        return self._verdicts.sizes()

    def damaged_verdicts(self) -> Iterator[int]:
        """Numbers of verdicts that are not as they were kept."""
        return self._verdicts.damaged()

    def thin_verdicts(self, site: str, *, before: datetime, since: datetime | None, lasting: Lasting) -> int:
        """Remove old verdicts that say nothing of their own; see `adapter.store.thinning.thin`."""
        return thin(self._state, site, before=before, since=since, lasting=lasting)

    # People -------------------------------------------------------------------------------------------------------

    def patient_key(self, site: str, patient: str) -> str:
        """The random key that stands for a patient in an address."""
        return self._decisions.patient_key(site, patient)

    def patient_by_key(self, key: str) -> tuple[str, str] | None:
        """(site, patient) of a key, None for an unknown one."""
        return self._decisions.patient_by_key(key)

    def add_candidate(self, site: str, patient: str, *, trial: str, by: str) -> None:
        """Put a patient on a trial's list by hand."""
        self._decisions.add_candidate(site, patient, trial=trial, by=by)

    def added_candidates(self, site: str, *, trial: str | None = None) -> set[str]:
        """Patients of a site that were added by hand."""
        return self._decisions.added_candidates(site, trial=trial)

    def decide(  # noqa: PLR0913 - a decision, and what its person saw
        self,
        site: str,
        patient: str,
        *,
        trial: str,
        state: str,
        reason: str,
        by: str,
        expected: int | None = None,
        note: str = "",
        seen: str | None = None,
    ) -> Decision:
        """Record a person's decision; see `Decisions.decide`."""
        said = self._decisions.decide
        return said(
            site, patient, trial=trial, state=state, reason=reason, by=by, expected=expected, note=note, seen=seen
        )

    def decisions(self, trial: str, *, site: str | None = None) -> dict[tuple[str, str], Decision]:
        """The standing decision of each patient, by (site, patient)."""
        return self._decisions.standing(trial, site=site)

    def decision_history(
        self, trial: str, *, site: str | None = None, patients: Collection[str] | None = None
    ) -> list[Decision]:
        """All decisions of a trial, by site, patient and version; of some patients only, where given."""
        return self._decisions.history(trial, site=site, patients=patients)

    def additions(self, site: str, *, trial: str, patients: Collection[str]) -> list[Addition]:
        """Who put some patients of a site on a trial's list by hand, and when; oldest first."""
        return self._decisions.additions(site, trial=trial, patients=patients)

    def forget(self, site: str, whom: Whom, *, by: str, reason: str) -> Forgotten:
        """Remove all that is kept of a person, by all their records, and keep them off; see `forgetting.forget`.

        What a pull that was broken off has fetched goes too.

        Raises:
            BusyError: another run works on the site; nothing was removed.
        """
        with self.begin_run(site, FORGET) as run, writing("the store"):
            found = forget(self.lake, self._quarantine, self._state, run=run, whom=whom, by=by, reason=reason)
            # Whose it is stands in the midst of it; the next pull fetches it again, without them.
            shutil.rmtree(self.spool(site), ignore_errors=True)
            return found

    def purgeable(self, site: str, *, before: datetime, signs: Signs, kept: Iterable[str]) -> list[Purgeable]:
        """Whose data may go; see `purging.purgeable`."""
        return purgeable(self.lake, self._state, site, before=before, signs=signs, kept=kept)

    def purge(
        self,
        run: Run,
        people: Sequence[Purgeable],
        *,
        numbers: Mapping[str, Collection[str]],
        signs: Signs,
        by: str,
    ) -> dict[str, int]:
        """Remove the data of some people, and list them, by a run that is committed with it; see `purging.purge`."""
        with writing("the store"):
            found = purge(self.lake, self._state, run=run, people=people, numbers=numbers, signs=signs, by=by)
        self._state.scrub()
        return found

    def audit(self, actor: str, action: str, *, subject: str, detail: str = "") -> None:
        """Add to the audit trail; ids only."""
        self._decisions.record(actor, action, subject=subject, detail=detail)

    def audit_trail(self) -> list[AuditLine]:
        """The whole audit trail, oldest first; `trail` reads it by page and site."""
        return self.trail.all()
