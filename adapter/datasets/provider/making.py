"""In: what is wanted, the store. Out: an export's files: the pseudonymised feed of each site, narrowed to what is wanted.

Each site is staged by itself, so that whose line it is is known without looking into it. What a site's feed holds is noted each time,
whatever is wanted of it: only so is it known later what changed since.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from adapter.config import Settings
from adapter.criteria import Trial
from adapter.datasets.provider.files import DeletedWriter, ExportedFile, FileWriter, outcome_line
from adapter.datasets.provider.searching import TypeFilter, parse_filter
from adapter.datasets.provider.wanted import Wanted
from adapter.datasets.staging.feed_types import FEED_TYPES
from adapter.errors import DefectError
from adapter.store import Store, private_folder

__all__ = ["Cancelled", "Making", "Stage", "StagedFiles"]


class StagedFiles(Protocol):
    """What staging gives, as far as it is looked at here."""

    @property
    def files(self) -> Mapping[str, Path]:
        """NDJSON of each type."""


class Stage(Protocol):
    """Makes the pseudonymised feed of some sites: `adapter.datasets.staging.feed.stage`."""

    def __call__(
        self,
        store: Store,
        settings: Settings,
        trial: Trial,
        folder: Path,
        /,
        *,
        sites: Collection[str] | None = None,
        as_of: date | None = None,
        shift_dates: bool = False,
        numbers: Literal["text", "number"] = "text",
    ) -> StagedFiles:
        """The feed of ``sites``, in ``folder``."""


class Cancelled(Exception):
    """The export is not wanted any more, or the service ends."""


class _Keyed(msgspec.Struct):
    id: str


class Making:
    """Makes exports.

    Args:
        store: open.
        settings: all of them.
        trial: of whose subjects.
        stage: makes the feed of a site.
    """

    def __init__(self, store: Store, settings: Settings, trial: Trial, *, stage: Stage) -> None:
        self._store = store
        self._settings = settings
        self._trial = trial
        self._stage = stage

    def make(
        self, wanted: Wanted, folder: Path, *, at: datetime, tell: Callable[[str], None] = lambda told: None
    ) -> list[ExportedFile]:
        """Make one export.

        Args:
            wanted: what it shall hold.
            folder: of its files, which is made.
            at: its time.
            tell: is told how far it is, and raises `Cancelled` where it shall go no further.

        Raises:
            Cancelled: as ``tell`` did.
            ReluthError: the feed cannot be made.
        """
        private_folder(folder)
        filters = _by_type(wanted.filters)
        with ExitStack() as stack:
            writers: dict[str, FileWriter] = {}
            for number, site in enumerate(wanted.sites, 1):
                tell(f"site {number} of {len(wanted.sites)}")
                for type_, line in self._lines(site, folder.with_name(f"{folder.name}.feed"), wanted, at):
                    if type_ in filters and not _is_found(filters[type_], line):
                        continue
                    if type_ not in writers:
                        writers[type_] = stack.enter_context(FileWriter(folder, "output", type_))
                    writers[type_].write(line)
            tell("last files")
        files = [file for type_ in sorted(writers) for file in writers[type_].files]
        return [*files, *self._deleted(wanted, folder), *_remarks(wanted, folder)]

    def _lines(self, site: str, feed: Path, wanted: Wanted, at: datetime) -> Iterator[tuple[str, bytes]]:
        """(type, line) of what is wanted of a site, changed since the time that is asked for."""
        shutil.rmtree(feed, ignore_errors=True)
        try:
            staged = self._stage(
                self._store,
                self._settings,
                self._trial,
                private_folder(feed),
                sites=[site],
                shift_dates=self._settings.datasets.shift_dates,
                numbers="number",
            )
            if unknown := set(staged.files) - set(FEED_TYPES):
                raise DefectError(f"the feed holds types that are not served: {', '.join(sorted(unknown))}")
            for type_ in FEED_TYPES:
                file = staged.files.get(type_)
                changed = self._noted(site, type_, file, at)
                if file is None or type_ not in wanted.types:
                    continue
                for key, line in _keyed_lines(file):
                    if wanted.since is None or changed[key] > wanted.since:
                        yield type_, line
        finally:
            shutil.rmtree(feed, ignore_errors=True)

    def _noted(self, site: str, resource_type: str, file: Path | None, at: datetime) -> dict[str, datetime]:
        digests: dict[str, str] = {}
        if file is not None:
            digests = {key: hashlib.sha256(line).hexdigest() for key, line in _keyed_lines(file)}
        return self._store.provider.note(self._trial.id, site, resource_type, digests, at=at)

    def _deleted(self, wanted: Wanted, folder: Path) -> list[ExportedFile]:
        if wanted.since is None:
            return []
        gone = self._store.provider.deleted(self._trial.id, wanted.sites, since=wanted.since)
        return DeletedWriter.write(folder, [one for one in gone if one[0] in wanted.types])


def _remarks(wanted: Wanted, folder: Path) -> list[ExportedFile]:
    with FileWriter(folder, "error", "OperationOutcome") as writer:
        if wanted.remarks:
            writer.write(outcome_line(wanted.remarks))
    return writer.files


def _keyed_lines(file: Path) -> Iterator[tuple[str, bytes]]:
    decoder = msgspec.json.Decoder(_Keyed)
    with file.open("rb") as lines:
        for line in lines:
            bare = line.rstrip(b"\r\n")
            if bare:
                yield decoder.decode(bare).id, bare


def _by_type(filters: Collection[str]) -> dict[str, list[TypeFilter]]:
    found: dict[str, list[TypeFilter]] = {}
    for text in filters:
        parsed = parse_filter(text)
        found.setdefault(parsed.type, []).append(parsed)
    return found


def _is_found(filters: Collection[TypeFilter], line: bytes) -> bool:
    """Several searches of a type find what any of them finds (Bulk Data Access, _typeFilter)."""
    resource: dict[str, Any] = msgspec.json.decode(line)
    return any(one.finds(resource) for one in filters)
