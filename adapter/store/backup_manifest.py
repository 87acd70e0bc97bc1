"""In: the folder of a backup. Out: what it says that it holds, and which of its files are not as they were written.

A backup is laid out as the store is; ``backup.json`` beside it names each file with its SHA-256. It is written last, so a
folder without it is no backup.
"""

from __future__ import annotations

import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

import msgspec

from adapter.errors import DamagedError, UsageError
from adapter.observe import release
from adapter.store.segments import digest_of, sync_folder
from adapter.store.state import known_revisions, private_file
from adapter.store.state_copy import STATE

__all__ = [
    "BackedUpFile",
    "BackupManifest",
    "UnreadableError",
    "check_backup",
    "copy_file",
    "read_manifest",
    "write_manifest",
]

_NAME = "backup.json"
_FORMAT = 1
_CHUNK = 2**20


class BackedUpFile(msgspec.Struct, frozen=True):
    """One file of a backup, as it was written."""

    sha256: str
    size: int


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds.

    Attributes:
        made_at: the store is as it was then.
        version: the release that made it.
        revision: of the state's tables.
        sites: that have something in the lake.
        files: by path in the store's folder.
        problems: what was lost or altered in the store already, a sentence each, with the file's path.
    """

    format: int = _FORMAT
    made_at: datetime
    version: str = msgspec.field(default_factory=release)
    revision: str
    sites: list[str]
    files: dict[str, BackedUpFile]
    problems: list[str]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files.values())


class UnreadableError(Exception):
    """A file is there and cannot be read, as on a disk that fails; the text is the system's."""


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Make a folder a backup: what it holds is on the disk before this is."""
    for path, _, _ in os.walk(folder):
        sync_folder(Path(path))
    temporary = folder / f".{_NAME}.tmp"
    with open(temporary, "xb", opener=private_file) as out:
        out.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        out.flush()
        os.fsync(out.fileno())
    temporary.rename(folder / _NAME)
    sync_folder(folder)


def read_manifest(folder: Path) -> BackupManifest:
    """What a backup says that it holds.

    Raises:
        UsageError: it is no backup, or one of a later release.
        DamagedError: its manifest cannot be read.
    """
    try:
        written = (folder / _NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{folder}: is no backup: it has no {_NAME}, nor has one that was broken off") from None
    except OSError as error:
        raise UsageError(f"{folder}: its {_NAME} cannot be read ({error.strerror})") from None
    try:
        told = msgspec.json.decode(written, type=dict[str, msgspec.Raw])
        form = msgspec.json.decode(told.get("format", b"0"), type=int)
        if form > _FORMAT:
            version = msgspec.json.decode(told.get("version", b'"?"'), type=str)
            raise UsageError(f"{folder}: was made by a later release ({version}): upgrade this one")
        found = msgspec.json.decode(written, type=BackupManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise DamagedError(str(folder), [f"{_NAME}: is not as it was written"]) from None
    if found.revision not in known_revisions():
        raise UsageError(
            f"{folder}: was made by a later release ({found.version}, revision {found.revision}): upgrade this one"
        )
    if STATE not in found.files or not all(map(_is_below, found.files)):
        raise DamagedError(str(folder), [f"{_NAME}: is not as it was written"])
    return found


def check_backup(folder: Path) -> tuple[BackupManifest, list[str]]:
    """Read a backup again; gives its manifest, and what is wrong with which file.

    Raises:
        UsageError: it is no backup, or one of a later release.
        DamagedError: its manifest cannot be read.
    """
    manifest = read_manifest(folder)
    problems = [
        f"{path}: {problem}" for path, file in manifest.files.items() if (problem := _problem(folder / path, file))
    ]
    return manifest, problems


def _problem(path: Path, file: BackedUpFile) -> str | None:
    if path.is_symlink() or not path.is_file():
        return "is missing"
    try:
        whole = path.stat().st_size == file.size and digest_of(path) == file.sha256
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if whole else "is not as it was written"


def _is_below(path: str) -> bool:
    """Whether it is a path in the folder: what a manifest names is written where it says."""
    parts = PurePosixPath(path).parts
    return bool(parts) and str(PurePosixPath(path)) == path and "\0" not in path and not {"/", ".."} & set(parts)


def copy_file(source: Path, target: Path) -> BackedUpFile:
    """Copy a file to a name that is not there yet, onto the disk, and read it back from there.

    Raises:
        FileNotFoundError: the source is not there.
        UnreadableError: the source cannot be read.
        DamagedError: the disk does not give back what was written.
        OSError: the target cannot be written.
    """
    digest, size = sha256(), 0
    try:
        read = os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise UnreadableError(os.strerror(error.errno or 0)) from None
    with read, open(target, "xb", opener=private_file) as out:
        while True:
            try:
                chunk = read.read(_CHUNK)
            except OSError as error:
                raise UnreadableError(os.strerror(error.errno or 0)) from None
            if not chunk:
                break
            digest.update(chunk)
            out.write(chunk)
            size += len(chunk)
        out.flush()
        os.fsync(out.fileno())
        if hasattr(os, "posix_fadvise"):
            # Else it is read back from memory, whatever the disk has of it.
            os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if digest_of(target) != digest.hexdigest():
        raise DamagedError(target.name, ["the disk does not give back what was written on it"])
    return BackedUpFile(digest.hexdigest(), size)
