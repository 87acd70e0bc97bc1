"""In: exports that the sponsor's clients ask for. Out: each made by a thread of the service, one after the other, and thrown away in time.

A job is in the state, its files below ``datasets/jobs`` of the store. A service that ends, or is killed, leaves its job to the next
one, which makes it anew; one that fails twice that way has failed. Of two services over one store, one makes exports at a time: only so
does the order of their times say which has seen what.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from adapter.config import Settings
from adapter.criteria import Trial
from adapter.datasets.provider.files import PACKED, ExportedFile
from adapter.datasets.provider.making import Cancelled, Making, Stage
from adapter.datasets.provider.wanted import Wanted
from adapter.errors import ReluthError
from adapter.observe import logger
from adapter.store import Store, private_folder
from adapter.store.processes import start_of
from adapter.store.provider import ProviderJob

__all__ = ["Export", "Exports"]

#: A job that two processes began and did not end ends no third one.
_MOST_ATTEMPTS: Final = 2
_LOOK_SECONDS: Final = 30.0
_LOCK_SECONDS: Final = 0.2
_LEAVE_SECONDS: Final = 10.0
_MILLISECOND: Final = timedelta(milliseconds=1)
_CUT_OFF: Final = "The service was stopped twice while it made this export: ask for it anew."
_NOT_NOW: Final = "The service cannot make the export now: ask for it later."
_FAILED: Final = "The export could not be made; the log of the service says why."
#: Tokens of the threads of this process that make exports now.
_at_work: set[str] = set()


class _Owner(msgspec.Struct, frozen=True):
    host: str
    pid: int
    start: str
    token: str


class Export(msgspec.Struct, frozen=True):
    """An export as its client may see it."""

    job: ProviderJob
    wanted: Wanted
    files: tuple[ExportedFile, ...]

    def file(self, name: str) -> ExportedFile | None:
        """A file of it by its name."""
        return next((file for file in self.files if file.name == name), None)


class Exports:
    """The exports of a store; a context manager, within which they are made.

    Args:
        store: open for longer than this.
        settings: clients, how long files are kept, and all that staging needs.
        trial: of whose subjects.
        stage: makes a pseudonymised feed; None for `adapter.datasets.staging.feed.stage`.
    """

    def __init__(self, store: Store, settings: Settings, trial: Trial, *, stage: Stage | None = None) -> None:
        self._store = store
        self._settings = settings.sponsor
        self._trial = trial
        self._making = Making(store, settings, trial, stage=_staging() if stage is None else stage)
        self._folder = private_folder(store.folder / "datasets" / "jobs")
        start = start_of(os.getpid()) or ""
        self._owner = msgspec.json.encode(
            _Owner(socket.gethostname(), os.getpid(), start, secrets.token_hex(16))
        ).decode()
        self._ends = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        _at_work.add(self._owner)
        self._thread = threading.Thread(target=self._work, name="exports", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_LEAVE_SECONDS)
        _at_work.discard(self._owner)
        # Whether or not the thread has ended: what it still does is nobody's, and comes to nothing.
        for job in self._store.provider.jobs("running"):
            self._store.provider.release(job.id, self._owner)

    # For clients ----------------------------------------------------------------------------------------------------

    def ask(self, client: str, wanted: Wanted, *, request: str) -> str | None:
        """Have an export made.

        Args:
            client: who asks.
            wanted: what it shall hold.
            request: address of the kick-off.

        Returns:
            the job's id; None where this client has as many under way as it may.
        """
        job = self._store.provider.ask(
            client=client,
            trial=self._trial.id,
            request=request,
            wanted=msgspec.json.encode(wanted).decode(),
            most=self._settings.exports_at_once,
        )
        self._wake.set()
        return job

    def of(self, job: str, client: str) -> Export | None:
        """A client's own export; None where it has none of this id, or none any more."""
        found = self._store.provider.job(job)
        if found is None or found.client != client or found.trial != self._trial.id:
            return None
        if found.state in ("cancelled", "expired") or self._is_over(found):
            return None
        return Export(
            found,
            msgspec.json.decode(found.wanted, type=Wanted),
            tuple(msgspec.json.decode(found.files, type=list[ExportedFile])),
        )

    def cancel(self, job: str) -> None:
        """An export is not wanted any more: its files go now, or when the thread that makes it notices."""
        self._store.provider.cancel(job)
        self._throw_away(job)

    def path(self, job: str, file: ExportedFile, *, packed: bool) -> Path:
        """Where a file of a complete export is."""
        return self._folder / job / (file.name + (PACKED if packed else ""))

    # The thread -----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._ends.is_set():
            self._wake.clear()
            try:
                self._sweep()
                for job in self._store.provider.jobs("accepted"):
                    if not self._ends.is_set():
                        self._do(job)
            except Exception as error:  # noqa: BLE001 - the thread lives as long as the service
                logger("provider").error("exports", error=type(error).__name__, place=_place(error))
            self._wake.wait(_LOOK_SECONDS)

    def _do(self, job: ProviderJob) -> None:
        with self._alone() as is_alone:
            if is_alone and self._store.provider.claim(job.id, self._owner):
                try:
                    self._make(job)
                except Cancelled:
                    self._store.provider.release(job.id, self._owner)
                except Exception as error:  # noqa: BLE001 - whatever it is, the client is told that there is no export
                    # The texts of our own errors hold nothing of a person; those of others may.
                    told = {"problem": str(error)} if isinstance(error, ReluthError) else {}
                    logger("provider").error("export failed", error=type(error).__name__, place=_place(error), **told)
                    problem = _NOT_NOW if isinstance(error, ReluthError) and error.retryable else _FAILED
                    self._store.provider.fail(job.id, self._owner, problem)
                finally:
                    shutil.rmtree(self._under_way(job.id), ignore_errors=True)

    def _make(self, job: ProviderJob) -> None:
        wanted = msgspec.json.decode(job.wanted, type=Wanted)
        at = self._time()
        folder = self._under_way(job.id)
        shutil.rmtree(folder, ignore_errors=True)
        files = self._making.make(wanted, folder, at=at, tell=lambda told: self._tell(job.id, told))
        self._tell(job.id, "last files")
        self._throw_away(job.id)
        folder.rename(self._folder / job.id)
        done = self._store.provider.complete(
            job.id,
            self._owner,
            at=at,
            files=msgspec.json.encode(files).decode(),
            expires_at=datetime.now(UTC) + timedelta(hours=self._settings.keep_hours),
        )
        if not done:
            self._throw_away(job.id)
        lines = sum(file.count for file in files)
        logger("provider").info("export", job=job.id[:8], client=job.client, files=len(files), lines=lines)

    def _tell(self, job: str, told: str) -> None:
        if self._ends.is_set() or not self._store.provider.progress(job, self._owner, told):
            raise Cancelled

    def _time(self) -> datetime:
        """Now, and later than every export before: in milliseconds, as the manifest will tell it."""
        moment = datetime.now(UTC)
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        last = self._store.provider.last_transaction_time(self._trial.id)
        return moment if last is None else max(moment, last + _MILLISECOND)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """While no other thread or process makes an export; False where the service ends before."""
        with (self._folder / ".lock").open("a") as lock:
            while not self._ends.is_set():
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._ends.wait(_LOCK_SECONDS)
                    continue
                yield True
                return
            yield False

    # What is left over ----------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        provider = self._store.provider
        for job in provider.jobs("running"):
            if job.owner != self._owner and _is_left(job.owner):
                if job.attempts >= _MOST_ATTEMPTS:
                    provider.fail(job.id, job.owner, _CUT_OFF)
                else:
                    provider.release(job.id, job.owner)
        for expired in provider.expire():
            self._throw_away(expired)
        # In this order: a job runs before its folder is made.
        folders = [folder for folder in self._folder.iterdir() if folder.is_dir()]
        known = {job.id for job in provider.jobs("running", "complete")}
        for folder in folders:
            if folder.name.partition(".")[0] not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_over(self, job: ProviderJob) -> bool:
        return job.state == "complete" and (job.expires_at is None or job.expires_at <= datetime.now(UTC))

    def _under_way(self, job: str) -> Path:
        return self._folder / f"{job}.making"

    def _throw_away(self, job: str) -> None:
        shutil.rmtree(self._folder / job, ignore_errors=True)


def _is_left(owner: str) -> bool:
    """Whether nobody works any more as this owner."""
    told = msgspec.json.decode(owner, type=_Owner)
    if told.host != socket.gethostname():
        # Another machine's processes cannot be seen from here.
        return False
    start = start_of(told.pid)
    if start is None or (start and told.start not in ("", start)):
        return True
    return told.pid == os.getpid() and owner not in _at_work


def _staging() -> Stage:
    from adapter.datasets.staging.feed import stage  # noqa: PLC0415 - only where exports are made: it brings much with it

    made: Stage = stage
    return made


def _place(error: BaseException) -> str:
    frames: Any = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"
