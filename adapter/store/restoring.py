"""In: a backup, and where a store is to be. Out: the store, as it was when the backup was made; or nothing.

While it is being put back, a mark lies in the folder, and no command opens it. Who is killed on the way leaves the mark; the
next restore begins anew there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapter.errors import BusyError, DamagedError, UsageError
from adapter.store.backup_manifest import BackupManifest, UnreadableError, copy_file, read_manifest
from adapter.store.segments import sync_folder
from adapter.store.space import no_room, writing
from adapter.store.state import RESTORING, State, private_folder
from adapter.store.state_copy import STATE, copy_rows, is_empty, settle

__all__ = ["restore"]

#: Of the file system, at the root of a volume of its own.
_NOT_OURS = frozenset({"lost+found"})


def restore(backup: Path, folder: Path, *, by: str, database: str | None = None) -> BackupManifest:
    """Put a backup back.

    Args:
        backup: its folder.
        folder: of the store: not there, or empty.
        by: who does it, for the audit trail.
        database: url of the state, empty; None for SQLite in the folder.

    Returns:
        what the backup holds.

    Raises:
        UsageError: it is no backup, one of a later release, or there is something already where it is to be.
        DamagedError: files of the backup are not as they were written; nothing was put back.
        BusyError: it is being put back by another process.
        StorageError: there is no room; nothing is left of it.
    """
    manifest = read_manifest(backup)
    if database is not None and _is_in(folder, database):
        database = None
    if folder.absolute().resolve().is_relative_to(backup.resolve()):
        raise UsageError(f"{folder}: lies in the backup")
    detail = f"{manifest.made_at:%Y-%m-%dT%H:%M:%SZ}"
    with writing("the store"), _claimed(folder):
        if database is not None:
            with closing(State(folder, database)) as state:
                if not is_empty(state.engine):
                    raise UsageError("store.database: holds a state already: name an empty database")
        _copy(backup, folder, manifest)
        with closing(State(folder)) as state:
            settle(state, by=by, detail=detail)
            if database is not None:
                with closing(State(folder, database)) as other:
                    copy_rows(state.engine, other.engine)
        if database is not None:
            (folder / STATE).unlink()
        for path, _, _ in os.walk(folder):
            sync_folder(Path(path))
    return manifest


def _is_in(folder: Path, database: str) -> bool:
    """Whether a url names the file that the state has without one."""
    try:
        url = make_url(database)
    except ArgumentError:
        # Said when it is opened.
        return False
    return (
        bool(url.database)
        and url.get_backend_name() == "sqlite"
        and Path(url.database or "").resolve() == (folder / STATE).resolve()
    )


def _copy(backup: Path, folder: Path, manifest: BackupManifest) -> None:
    problems = []
    for path, file in manifest.files.items():
        target = folder / path
        private_folder(target.parent)
        try:
            if copy_file(backup / path, target) != file:
                problems.append(f"{path}: is not as it was written")
        except (FileNotFoundError, NotADirectoryError):
            problems.append(f"{path}: is missing")
        except UnreadableError as error:
            problems.append(f"{path}: cannot be read ({error})")
    if problems:
        raise DamagedError(str(backup), problems)


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """An empty folder that nobody else may use until the end of the block; if that fails, it is as it was."""
    is_new = not folder.exists()
    try:
        private_folder(folder)
        if not _is_free(folder):
            raise UsageError(f"{folder}: is not empty: a backup is put back where there is nothing yet")
    except OSError as error:
        if no_room(error) is not None or isinstance(error, PermissionError):
            raise
        raise UsageError(f"{folder}: cannot be used ({error.strerror})") from None
    mark = folder / RESTORING
    with _marked(folder, mark):
        try:
            folder.chmod(0o700)
            sync_folder(folder)
            yield
        except BaseException:
            _clear(folder)
            mark.unlink()
            if is_new:
                folder.rmdir()
            raise
        mark.unlink()
        sync_folder(folder)


@contextmanager
def _marked(folder: Path, mark: Path) -> Iterator[None]:
    """Holds the mark of a folder in which there is nothing else."""
    busy = BusyError(f"{folder}: another process puts a backup back into it")
    try:
        descriptor, is_left = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), False
    except FileExistsError:
        try:
            descriptor, is_left = os.open(mark, os.O_RDWR), True
        except FileNotFoundError:
            raise busy from None
    with os.fdopen(descriptor, "r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        if not os.fstat(descriptor).st_nlink:
            # It has just been done: what lies there is the store.
            raise busy
        if is_left:
            # Of a restore that was killed; nobody else wrote there, for the mark kept them out.
            _clear(folder)
        elif {path.name for path in folder.iterdir()} - _NOT_OURS - {RESTORING}:
            mark.unlink()
            raise busy
        yield


def _is_free(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()} - _NOT_OURS
    return not names or RESTORING in names


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name in _NOT_OURS or path.name == RESTORING:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
