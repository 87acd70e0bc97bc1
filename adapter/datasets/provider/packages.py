"""In: the folder of a finished package. Out: a copy of it below ``datasets/packages`` of the store, which is there whole or not at all, and never changes.

A package is known by the sha256 of its manifest, which tells the sha256 of every other file: the same package is one, however often it
is published.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from adapter.datasets.formats import MANIFEST, REPORT
from adapter.errors import UsageError
from adapter.observe import logger
from adapter.store import Store, private_file, private_folder, writing

__all__ = ["PackageFile", "PublishedPackage", "package", "packages", "publish"]

#: What the copy itself tells of its files; a package has no hidden ones.
_INDEX: Final = ".index.json"
_ID: Final = re.compile(r"[0-9a-f]{64}")
_MOST_FILES: Final = 10_000


class PackageFile(msgspec.Struct, frozen=True):
    """A file of a package: its path there, with ``/``."""

    path: str
    bytes: int
    sha256: str


class PublishedPackage(msgspec.Struct, frozen=True):
    """A package that was published.

    Attributes:
        id: sha256 of its manifest.
        files: sorted by path; the manifest is one of them.
        sites: whose subjects are in it, as its manifest says; None where that says nothing.
        folder: where it is.
    """

    id: str
    files: tuple[PackageFile, ...]
    sites: tuple[str, ...] | None
    folder: Path

    def file(self, path: str) -> PackageFile | None:
        """A file of it."""
        return next((file for file in self.files if file.path == path), None)

    def may_be_had(self, sites: Collection[str]) -> bool:
        """Whether a client limited to some sites may have it; one that is limited to none may have all."""
        return not sites or (self.sites is not None and set(self.sites) <= set(sites))


class _Index(msgspec.Struct):
    files: list[PackageFile]
    sites: list[str] | None


def publish(folder: Path, store: Store) -> str:
    """Put a copy of a finished package where the sponsor's clients can fetch it.

    Args:
        folder: as `reluth export` made it, with its manifest.
        store: open.

    Returns:
        its id, the sha256 of its manifest.

    Raises:
        UsageError: the folder holds no manifest, or what a package does not have, or files that are not as the manifest says.
        StorageError: there is no room for the copy.
    """
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise UsageError(f"{folder.name}: no {MANIFEST} can be read in it ({error.strerror})") from None
    told = _told(manifest, folder.name)
    package_id = hashlib.sha256(manifest).hexdigest()
    home = private_folder(store.folder / "datasets" / "packages")
    _sweep(home)
    with writing("datasets/packages"):
        copy = home / f".{package_id[:16]}-{secrets.token_hex(8)}"
        try:
            files = sorted((_copied(folder, path, copy) for path in _paths(folder)), key=lambda file: file.path)
            _check(files, told, folder.name)
            index = msgspec.json.encode(_Index(files, _sites(told)))
            _write(copy / _INDEX, index)
            return _named(copy, home / package_id, index)
        finally:
            shutil.rmtree(copy, ignore_errors=True)


def packages(store: Store) -> list[PublishedPackage]:
    """All packages that were published, by id."""
    home = store.folder / "datasets" / "packages"
    names = sorted(folder.name for folder in home.iterdir()) if home.is_dir() else []
    return [found for name in names if (found := package(store, name)) is not None]


def package(store: Store, package_id: str) -> PublishedPackage | None:
    """A published package, None for an unknown one."""
    if not _ID.fullmatch(package_id):
        return None
    folder = store.folder / "datasets" / "packages" / package_id
    try:
        index = msgspec.json.decode((folder / _INDEX).read_bytes(), type=_Index)
    except FileNotFoundError:
        return None
    sites = None if index.sites is None else tuple(index.sites)
    return PublishedPackage(package_id, tuple(index.files), sites, folder)


def _named(copy: Path, to: Path, index: bytes) -> str:
    try:
        copy.rename(to)
    except OSError:
        # There is one of this name: a folder that is not empty is not replaced.
        if not (to / _INDEX).is_file() or (to / _INDEX).read_bytes() != index:
            raise UsageError(f"{to.name[:12]}: a package with this manifest and other files is published") from None
    else:
        _synced(to.parent)
        logger("provider").info("package published", package=to.name[:12])
    return to.name


def _paths(folder: Path) -> Iterator[str]:
    count = 0
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or any(part.startswith(".") for part in PurePosixPath(relative).parts):
            raise UsageError(f"{relative}: a package has no links and no hidden files")
        # A report made of the package may lie beside its files; it is not published.
        if path.is_dir() or relative == REPORT:
            continue
        if not path.is_file() or (count := count + 1) > _MOST_FILES:
            raise UsageError(f"{relative}: not a file of a package, or one too many")
        yield relative


def _copied(folder: Path, path: str, copy: Path) -> PackageFile:
    to = copy / path
    private_folder(to.parent)
    digest, size = hashlib.sha256(), 0
    # The digest is of what is written: the file may be changed while it is read.
    with (folder / path).open("rb") as source, open(to, "wb", opener=private_file) as target:
        while piece := source.read(2**20):
            digest.update(piece)
            size += len(piece)
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    return PackageFile(path, size, digest.hexdigest())


def _check(files: Collection[PackageFile], told: dict[str, Any], name: str) -> None:
    """Every file is as the manifest says, and there is no other."""
    stated = _stated(told.get("files"))
    there = {file.path: file.sha256 for file in files if file.path != MANIFEST}
    wrong = sorted(path for path in {*stated, *there} if stated.get(path) != there.get(path))
    if wrong:
        raise UsageError(f"{name}: {len(wrong)} files are not as the manifest says, {wrong[0]} is the first")


def _stated(told: Any) -> dict[str, str]:
    """sha256 by path, of ``{path: sha256}``, ``{path: {sha256}}`` or ``[{path, sha256}]``."""
    if isinstance(told, dict):
        told = [
            {"path": path, "sha256": one} if isinstance(one, str) else {"path": path, **one}
            for path, one in told.items()
        ]
    try:
        return {str(one["path"]): str(one["sha256"]) for one in told}
    except (TypeError, KeyError):
        raise UsageError(f"{MANIFEST}: does not tell the sha256 of its files") from None


def _sites(told: dict[str, Any]) -> list[str] | None:
    options = told.get("options")
    sites = told.get("sites", options.get("sites") if isinstance(options, dict) else None)
    return sorted(map(str, sites)) if isinstance(sites, list | dict) else None


def _told(manifest: bytes, name: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(manifest, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"{name}: its {MANIFEST} is no JSON object") from None


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private_file) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _synced(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sweep(home: Path) -> None:
    """Copies that a killed process left."""
    for left in home.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
