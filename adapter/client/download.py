"""In: files that a manifest names. Out: the same on disk, each accepted only when bytes, lines and announced count agree.

One instance serves any number of threads. What the server sends is kept as it is sent, packed if it was packed; it is unpacked
only to be checked.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from adapter.client.address import SiteAddress, without_query
from adapter.client.errors import NotFound, Refused, Unavailable, UnusableAnswer, issues_of
from adapter.client.fetching import Answer, Fetcher
from adapter.client.manifest import ExportFile
from adapter.client.part import Kept, PartFile
from adapter.client.retry import (
    Clock,
    Failed,
    RetryPolicy,
    RunBudget,
    attempting,
    is_retryable,
    retry_after_seconds,
)
from adapter.client.tally import Absurd, Spoiled, Tally
from adapter.client.transport import Traffic
from adapter.errors import StorageError

__all__ = ["Downloader", "Received"]

_OK: Final = 200
_PARTIAL: Final = 206
_ERRORS_FROM: Final = 400
_RANGE_NOT_SATISFIABLE: Final = 416
_GONE: Final = frozenset({404, 410})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
#: The same answer three times is the server's, and not the network's.
_MOST_SPOILED: Final = 3
#: Attempts are counted anew when so much has come: a large file over a poor line is had in many pieces.
_PROGRESS: Final = 2**20


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was accepted.

    Args:
        bytes: on disk, packed if it was packed.
        lines: that are not empty.
        etag: as the server told it.
    """

    bytes: int
    lines: int
    etag: str | None


@dataclass(slots=True)
class _Job:
    """One file under way."""

    file: ExportFile
    part: PartFile
    with_token: bool
    attempts: int = 0
    spoiled: int = 0

    @property
    def where(self) -> str:
        return without_query(self.file.url)

    def again(self, problem: str) -> Exception:
        """What came is not whole, and its bytes are of no use: from the start, a few times."""
        self.part.discard()
        self.spoiled += 1
        return UnusableAnswer(self.where, problem) if self.spoiled >= _MOST_SPOILED else Failed(problem)


class Downloader:
    """Downloads of one site; close it, or use it as a context manager.

    Args:
        address: the site.
        policy: bounds of retrying; of its budget only waits are taken, not the time in which bytes come.
        clock: sleep, time and jitter of retrying.
        budget: of the whole run; each wait for another attempt is taken from it.

    Attributes:
        traffic: what was sent so far.
    """

    def __init__(
        self,
        address: SiteAddress,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        budget: RunBudget | None = None,
    ) -> None:
        self.traffic = Traffic()
        self._fetcher = Fetcher(address)
        self._policy = policy or RetryPolicy()
        self._clock = clock or Clock()
        self._budget = budget
        self._stopped = threading.Event()
        # So that `stop` ends a wait of minutes too.
        self._sleep = self._pause if self._clock.sleep is time.sleep else self._clock.sleep

    def __enter__(self) -> Self:
        """The downloader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections; to be called when no download is under way."""
        self._fetcher.close()

    def stop(self) -> None:
        """End all downloads that are under way, and those to come, with `Unavailable`; what came in part stays."""
        self._stopped.set()

    def download(self, file: ExportFile, to: Path, *, with_token: bool) -> Received:
        """Fetch one file; ``to`` appears when it is whole and on disk, and not before.

        Args:
            file: of a manifest.
            to: its name; ``to.part`` and ``to.part.meta`` beside it hold what came so far, for this call or a later one.
            with_token: show who we are.

        Raises:
            NotFound: there is no such file any more.
            Refused: it is not given to us.
            UnusableAnswer: what comes is not what was announced, several times over, or not meant to be read.
            ForeignHost: it is had from a host that is not allowed; nothing was sent there.
            Unavailable: not had within the attempts; or stopped.
            StorageError: this machine has no room, or cannot write.
        """
        job = _Job(file, PartFile(to, file.url), with_token)
        while True:
            before = _bytes_of(job.part.kept())
            try:
                return attempting(
                    self._policy, self._waits_only(), lambda: self._once(job), where=job.where, budget=self._budget
                )
            except Unavailable:
                if self._stopped.is_set() or _bytes_of(job.part.kept()) < before + _PROGRESS:
                    raise

    def _once(self, job: _Job) -> Received:
        """One attempt, which goes on with what an earlier one left."""
        self._check_not_stopped(job)
        self.traffic.count(again=job.attempts > 0)
        job.attempts += 1
        try:
            kept, tally = _resumed(job.part)
            asked = {} if kept is None else {"Range": f"bytes={kept.bytes}-", "If-Range": kept.etag}
            with self._fetcher.get(job.file.url, asked, with_token=job.with_token) as answer:
                self._check_status(job, answer, kept)
                if answer.status == _OK:
                    kept, tally = None, Tally()
                return self._receive(job, answer, kept, tally)
        except Spoiled as error:
            raise job.again(str(error)) from None
        except Absurd as error:
            job.part.discard()
            raise UnusableAnswer(job.where, str(error)) from None
        except StorageError:
            if job.part.kept() is None:
                # Of no use for a later attempt, and there is no room.
                job.part.discard()
            raise
        finally:
            job.part.close()

    def _check_status(self, job: _Job, answer: Answer, kept: Kept | None) -> None:
        """Go on with 200, and with 206 where the rest was asked for."""
        status = answer.status
        if status == _OK or (status == _PARTIAL and kept is not None):
            return
        if status == _RANGE_NOT_SATISFIABLE and kept is not None:
            job.part.discard()
            raise Failed("its rest cannot be had")
        if is_retryable(status):
            asked = retry_after_seconds(answer.headers.get("Retry-After"), now=self._clock.now())
            raise Failed(f"answered {status}", asked, status=status)
        if status >= _ERRORS_FROM:
            raise (NotFound if status in _GONE else Refused)(job.where, status, issues_of(answer.head()))
        raise UnusableAnswer(job.where, f"answered {status} to a GET")

    def _receive(self, job: _Job, answer: Answer, kept: Kept | None, tally: Tally) -> Received:
        if answer.headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", "gzip", "x-gzip", ""}:
            raise UnusableAnswer(job.where, "packed in a way that was not asked for")
        etag = answer.headers.get("ETag")
        if kept is None:
            total, come = answer.length, 0
            job.part.begin(etag=_strong(etag), total=total)
        else:
            total, come = _rest(answer, kept), kept.bytes
            if total is None:
                raise job.again("its rest is that of another file")
            job.part.go_on(kept)
        for piece in answer.pieces():
            self._check_not_stopped(job)
            job.part.write(piece)
            tally.feed(piece)
            come += len(piece)
        if total is not None and come != total:
            raise Failed(f"{come} of {total} bytes came")
        count = job.file.count
        lines = tally.close(type_=job.file.type)
        if count is not None and lines != count:
            raise job.again(f"{lines} lines came, {count} were announced")
        if total is None and count is None and not answer.is_chunked and not tally.is_packed:
            # Cut at a line's end, it would look as whole as it does now.
            job.part.discard()
            raise UnusableAnswer(job.where, "how long the file is, is told nowhere: it may have been cut")
        return Received(job.part.finish(), lines, etag)

    def _waits_only(self) -> Clock:
        """Time that passes only in waits: a file may take hours to come, and yet be tried again when it breaks."""
        waited = 0.0

        def sleep(seconds: float) -> None:
            nonlocal waited
            waited += seconds
            self._sleep(seconds)

        return replace(self._clock, sleep=sleep, monotonic=lambda: waited)

    def _pause(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _check_not_stopped(self, job: _Job) -> None:
        if self._stopped.is_set():
            raise Unavailable(job.where, "the download was stopped", attempts=max(1, job.attempts))


def _resumed(part: PartFile) -> tuple[Kept | None, Tally]:
    """What is there of a file, counted; nothing where it is spoiled."""
    tally = Tally()
    kept = part.kept()
    if kept is None:
        return None, tally
    try:
        for piece in part.pieces(kept):
            tally.feed(piece)
            if not tally.is_packed and b"\0" in piece:
                # No JSON holds one: after a power cut, a file may be as long as it was and yet be empty.
                raise Spoiled("the part holds what was never sent")
    except (Spoiled, Absurd, StorageError):
        part.discard()
        return None, Tally()
    return kept, tally


def _rest(answer: Answer, kept: Kept) -> int | None:
    """Bytes of the whole file whose rest this is; None where it is not what was asked for."""
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if found is None:
        return None
    start, end, total = map(int, found.groups())
    as_asked = start == kept.bytes and end == total - 1 and kept.total in {None, total}
    return total if as_asked and answer.headers.get("ETag") == kept.etag else None


def _strong(etag: str | None) -> str | None:
    """An ETag that says the same of every byte (RFC 9110 8.8.3), or nothing."""
    return etag if etag is not None and len(etag) > 2 and etag.startswith('"') and etag.endswith('"') else None


def _bytes_of(kept: Kept | None) -> int:
    return 0 if kept is None else kept.bytes
