"""In: the folder that a package is wanted in, or a store. Out: an empty folder that takes its place when all in it is written; one to work in.

Whoever looks at the wanted folder sees the package that was there or the new one, and never a half one. What an export that was
killed left beside it is found by its name, and cleared by the next one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from adapter.datasets.formats import MANIFEST
from adapter.errors import BusyError, UsageError
from adapter.store import Store, private_folder, writing

__all__ = ["replacing", "workroom"]

#: A folder's lock is made for it alone; an export that has just ended may take it away between the two steps of locking.
_TRIES = 100
_ROOM = "datasets-"


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write a package to; a package that is there is replaced when the block ends without an error.

    Args:
        folder: for the package; made with those above it where they are missing.

    Raises:
        UsageError: it holds something else than a package, or cannot be made or replaced.
        BusyError: another export writes to it at this moment.
        StorageError: there is no room.
    """
    target = Path(os.path.realpath(folder))
    if not target.name:
        raise UsageError(f"{folder}: no folder for a package")
    old = target.with_name(f".{target.name}.old")
    _refuse_others(folder, target)
    with writing(target.name), _locked(folder, target.with_name(f".{target.name}.part")) as part:
        if old.exists() and not target.exists():
            # An export was killed after it had put the old package aside, and before the new one was in its place.
            old.rename(target)
        _clear(old)
        try:
            yield part
            _refuse_others(folder, target)
            _put(part, target, old)
        except BaseException:
            _clear(part)
            raise
        # From here on another export may have made a folder of the part's name.
        _clear(old)


def _put(part: Path, target: Path, old: Path) -> None:
    try:
        if target.exists():
            target.rename(old)
        part.rename(target)
    except OSError as error:
        if old.exists() and not target.exists():
            old.rename(target)
        if error.errno == errno.EBUSY:
            raise UsageError(f"{target.name}: a mount point cannot be replaced; name a folder in it") from None
        raise


@contextmanager
def workroom(store: Store) -> Iterator[Path]:
    """An empty folder in the store that is gone after the block; what killed processes left in theirs goes as well.

    Raises:
        StorageError: there is no room.
    """
    with writing("tmp"):
        home = private_folder(store.folder / "tmp")
        for left in home.glob(f"{_ROOM}*"):
            with suppress(OSError), _held(left):
                _clear(left)
    with ExitStack() as stack:
        room = _made(home, stack)
        try:
            yield room
        finally:
            _clear(room)


def _made(home: Path, stack: ExitStack) -> Path:
    for _ in range(_TRIES):
        with writing("tmp"):
            room = Path(tempfile.mkdtemp(prefix=_ROOM, dir=home))
        # Another process may sweep it away before it is locked.
        with suppress(FileNotFoundError, BlockingIOError):
            if _is_same(room, stack.enter_context(_held(room))):
                return room
    raise BusyError("tmp: no folder to work in can be kept")


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """Lock a folder for this process.

    Raises:
        BlockingIOError: another one has it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    finally:
        os.close(handle)


def _refuse_others(folder: Path, target: Path) -> None:
    """A folder that is no package of ours is nobody's to throw away."""
    try:
        there = target.exists()
        free = not there or (target.is_dir() and ((target / MANIFEST).is_file() or not any(target.iterdir())))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror})") from None
    if not free:
        raise UsageError(f"{folder}: is there already, and is no package that could be replaced")


@contextmanager
def _locked(folder: Path, part: Path) -> Iterator[Path]:
    """Make the folder, empty, and hold it: the lock goes with the process, so that what a killed one left is nobody's."""
    with ExitStack() as stack:
        for _ in range(_TRIES):
            try:
                part.mkdir(parents=True, mode=0o700, exist_ok=True)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    raise
                raise UsageError(f"{folder}: cannot be made ({error.strerror})") from None
            try:
                handle = stack.enter_context(_held(part))
            except FileNotFoundError:
                continue
            except BlockingIOError:
                raise BusyError(f"{folder}: another export writes to it at this moment") from None
            if _is_same(part, handle):
                for left in part.iterdir():
                    _clear(left)
                yield part
                return
        raise BusyError(f"{folder}: other exports write to it at this moment")


def _is_same(part: Path, handle: int) -> bool:
    """Not renamed or removed between its making and its locking."""
    with suppress(FileNotFoundError):
        return os.path.samestat(part.stat(), os.fstat(handle))
    return False


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
