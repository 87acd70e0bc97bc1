"""In: a store, whoever works on it, and a folder for its backups. Out: a new folder in it that holds the store as it was at one moment.

The state is copied first, of one moment; it says which files of the lake and the quarantine count. These never change, so they
can be copied while others write. What vanishes meanwhile (a merge long ago, an item that was mended) is asked for in a newer
copy of the state. A file that the backup before has already is linked to that one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapter.errors import BusyError, DamagedError, UsageError
from adapter.store.backup_manifest import (
    BackedUpFile,
    BackupManifest,
    UnreadableError,
    copy_file,
    read_manifest,
    write_manifest,
)
from adapter.store.segments import digest_of, sync_folder
from adapter.store.space import no_room, writing
from adapter.store.state import State, now, private_file, private_folder
from adapter.store.state_copy import STATE, Listed, list_files, snapshot

__all__ = ["Backup", "back_up"]

_NAME = "%Y%m%dT%H%M%SZ"
_IS_NAME = re.compile(r"\d{8}T\d{6}Z")
_IS_PARTIAL = re.compile(rf"\.{_IS_NAME.pattern}\.partial")
#: So often the state is copied anew, where files that it named have gone meanwhile.
_ROUNDS = 10
#: What is made again or is of nobody's use later (docs/store.md); lake, index and quarantine are copied as the state names them.
_LEFT_OUT = frozenset(
    {"lake", "index", "quarantine", "spool", "tmp", "datasets/jobs", "datasets/queries.json", "lost+found"}
)
_LEFT_OUT_ENDINGS = (".tmp", ".lock", "-wal", "-shm", "-journal")


class Backup(NamedTuple):
    """One that was made: where, what it holds, and how many of its files are those of the backup before."""

    folder: Path
    manifest: BackupManifest
    linked: int


def back_up(folder: Path, state: State, into: Path) -> Backup:
    """Make a backup.

    Args:
        folder: the store's.
        state: its state, open.
        into: the folder of backups; made where it is not there.

    Raises:
        UsageError: backups cannot lie there.
        BusyError: another backup is being written there.
        StorageError: there is no room; nothing of the backup is left.
        DamagedError: the state is damaged: a copy of it would be no backup.
    """
    home = _home(into, folder)
    with writing("the backup"), _alone(home):
        made_at = now()
        name = made_at.strftime(_NAME)
        if (home / name).exists():
            raise BusyError(f"{into}: a backup was made in this second")
        partial = home / f".{name}.partial"
        partial.mkdir(mode=0o700)
        try:
            copying = _Copying(folder, state, partial, before=_newest(home))
            manifest = copying.all(made_at)
            write_manifest(partial, manifest)
            partial.rename(home / name)
            sync_folder(home)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Backup(home / name, manifest, copying.linked)


class _Copying:
    """The copying of a store.

    Args:
        folder: the store's.
        state: open.
        into: a new folder.
        before: the backup before with its manifest, None where there is none.
    """

    def __init__(self, folder: Path, state: State, into: Path, *, before: tuple[Path, BackupManifest] | None) -> None:
        self._folder = folder
        self._state = state
        self._into = into
        self._before = before
        self._files: dict[str, BackedUpFile] = {}
        self._problems: dict[str, str] = {}
        self._linked: set[str] = set()

    @property
    def linked(self) -> int:
        """How many files are those of the backup before."""
        return len(self._linked)

    def all(self, made_at: datetime) -> BackupManifest:
        """Copy everything."""
        listed = self._listed()
        self._others()
        problems = [f"{path}: {problem}" for path, problem in sorted(self._problems.items())]
        files = dict(sorted(self._files.items()))
        return BackupManifest(
            made_at=made_at, revision=listed.revision, sites=listed.sites, files=files, problems=problems
        )

    def _listed(self) -> Listed:
        """State, lake, index and quarantine; gives what the state names."""
        lacking: set[str] = set()
        for _ in range(_ROUNDS):
            copy = snapshot(self._state, self._into)
            listed = list_files(copy)
            for path in {*self._files, *self._problems} - listed.files.keys():
                self._drop(path)
            gone = {path for path, digest in listed.files.items() if not self._has(path, digest)}
            if gone <= lacking:
                # It was not there before the state was read that names it still: it is lost.
                self._problems |= dict.fromkeys(gone, "is missing in the store")
                self._files[STATE] = BackedUpFile(digest_of(copy), copy.stat().st_size)
                (self._into / ".migrate.lock").unlink(missing_ok=True)
                return listed
            lacking = gone
        raise BusyError("the store changes faster than it can be copied: try again when less is done")

    def _others(self) -> None:
        """Keys, packages and their traces, and whatever else lies there; until it is the same before and after."""
        seen: dict[str, tuple[int, int]] = {}
        for _ in range(_ROUNDS):
            found = {path: stamp for path, stamp in _others(self._folder) if not self._is_state(path)}
            for path in {*seen, *found}:
                if seen.get(path) != found.get(path):
                    self._drop(path)
            if found == seen:
                lacking = found.keys() - self._files.keys() - self._problems.keys()
                self._problems |= dict.fromkeys(lacking, "is a link that leads nowhere")
                return
            for path in found:
                self._has(path, None)
            seen = found

    def _has(self, path: str, digest: str | None) -> bool:
        """Copy a file that is not copied yet; False where it is not there."""
        if path in self._files or path in self._problems:
            return True
        target = self._into / path
        private_folder(target.parent)
        try:
            linked = self._link(path, digest)
            # A file may be a link to another disk; what it leads to is copied.
            found = linked or copy_file((self._folder / path).resolve(), target)
        except FileNotFoundError:
            return False
        except UnreadableError as error:
            target.unlink(missing_ok=True)
            self._problems[path] = f"cannot be read in the store ({error})"
            return True
        if linked:
            self._linked.add(path)
        elif digest is not None and found.sha256 != digest:
            self._problems[path] = "is not as it was written, in the store already"
        self._files[path] = found
        return True

    def _is_state(self, path: str) -> bool:
        """Whether it is the state's own file: copied as any other, it would be of no moment, and lose SQLite's locks of this process."""
        url = self._state.engine.url
        named = url.database if url.get_backend_name() == "sqlite" else None
        return path == STATE or (named is not None and (self._folder / path).resolve() == Path(named).resolve())

    def _link(self, path: str, digest: str | None) -> BackedUpFile | None:
        """Take a file from the backup before, where that has the same bytes still."""
        if self._before is None:
            return None
        folder, manifest = self._before
        kept = manifest.files.get(path)
        if kept is None or kept.sha256 != (digest or digest_of(self._folder / path)):
            return None
        try:
            if (folder / path).is_symlink() or digest_of(folder / path) != kept.sha256:
                return None
            os.link(folder / path, self._into / path)
        except OSError:
            # A file system without links, or a file that cannot be read there any more: it is copied.
            return None
        return kept

    def _drop(self, path: str) -> None:
        if self._files.pop(path, None) is not None:
            (self._into / path).unlink()
        self._problems.pop(path, None)
        self._linked.discard(path)


def _others(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """What the state does not name and cannot be had again: path, size and time of change."""
    entered = set()
    for at, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        place = Path(at).relative_to(folder)
        # A link may lead back to where it lies.
        real = os.path.realpath(at)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        # Folders with a dot are under way.
        folders[:] = [
            name for name in folders if not name.startswith(".") and (place / name).as_posix() not in _LEFT_OUT
        ]
        for name in names:
            path = (place / name).as_posix()
            if path in _LEFT_OUT or name.endswith(_LEFT_OUT_ENDINGS):
                continue
            try:
                found = (folder / path).stat()
            except FileNotFoundError:
                # A link that leads nowhere; or it has just gone, and so it has when this is listed again.
                yield path, (0, 0)
                continue
            if stat.S_ISREG(found.st_mode):
                yield path, (found.st_size, found.st_mtime_ns)


def _refuse(error: OSError) -> None:
    """A folder that cannot be read: passed over, it would be missing in the backup, and nobody told."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _home(into: Path, folder: Path) -> Path:
    """The folder of backups, made where it is not there."""
    home = into.absolute().resolve()
    if home.is_relative_to(folder.resolve()):
        raise UsageError(f"{into}: lies in the store: a backup there is lost with it")
    if (home / "backup.json").exists():
        raise UsageError(f"{into}: is a backup itself: name the folder that it lies in")
    try:
        return private_folder(home)
    except OSError as error:
        if no_room(error) is not None or isinstance(error, PermissionError):
            raise
        raise UsageError(f"{into}: cannot be used ({error.strerror})") from None


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """While no other backup is written there; what killed ones left is removed."""
    with open(home / ".backup.lock", "a", opener=private_file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{home}: another backup is being written there") from None
        except OSError as error:
            raise UsageError(f"{home}: cannot be locked ({error.strerror}): name a folder where that can be") from None
        for left in home.iterdir():
            if _IS_PARTIAL.fullmatch(left.name):
                shutil.rmtree(left)
        yield


def _newest(home: Path) -> tuple[Path, BackupManifest] | None:
    for folder in sorted(home.iterdir(), reverse=True):
        if _IS_NAME.fullmatch(folder.name):
            try:
                return folder, read_manifest(folder)
            except (UsageError, DamagedError):
                continue
    return None
