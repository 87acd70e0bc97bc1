"""In: lines of NDJSON, by kind and type. Out: the files of an export on disk, plain and packed, each with its digest and count.

Both forms are written at once, so that a `Range` of either means the same bytes whenever it is asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Self

import msgspec

from adapter.store import private_file, private_folder, writing

__all__ = ["PACKED", "DeletedWriter", "ExportedFile", "FileWriter", "bundle_of", "outcome_line"]

#: Ending of the packed form of a file.
PACKED: Final = ".gz"
FileKind = Literal["output", "deleted", "error"]
_MOST_LINES: Final = 100_000
_MOST_DELETED: Final = 1000
_LEVEL: Final = 5


class ExportedFile(msgspec.Struct, frozen=True):
    """A file of an export.

    Attributes:
        kind: resources, Bundles of what was deleted, or OperationOutcomes.
        type: of the resources in it.
        name: in the export's folder.
        count: lines.
        bytes: plain.
        sha256: of the plain form.
        packed_sha256: of the packed one.
    """

    kind: FileKind
    type: str
    name: str
    count: int
    bytes: int
    sha256: str
    packed_sha256: str


class FileWriter:
    """Writes the lines of one kind and type, in files of at most a hundred thousand each.

    Args:
        folder: of the export.
        kind: of the files.
        resource_type: of the lines' resources.
    """

    def __init__(self, folder: Path, kind: FileKind, resource_type: str) -> None:
        self._folder = private_folder(folder)
        self._kind: FileKind = kind
        self._type = resource_type
        self._one: _OneFile | None = None
        self.files: list[ExportedFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with writing("datasets/jobs"):
            self._end()

    def write(self, line: bytes) -> None:
        """One resource, without a line's end."""
        with writing("datasets/jobs"):
            if self._one is not None and self._one.count >= _MOST_LINES:
                self._end()
            if self._one is None:
                prefix = "" if self._kind == "output" else f"{self._kind}."
                self._one = _OneFile(self._folder / f"{prefix}{self._type}.{len(self.files)}.ndjson")
            self._one.write(line)

    def _end(self) -> None:
        one, self._one = self._one, None
        if one is not None:
            digest, packed = one.close()
            self.files.append(ExportedFile(self._kind, self._type, one.path.name, one.count, one.bytes, digest, packed))


class DeletedWriter:
    """Writes what was deleted as transaction Bundles (Bulk Data Access STU2, Response - Complete Status)."""

    @staticmethod
    def write(folder: Path, gone: Iterable[tuple[str, str]]) -> list[ExportedFile]:
        """The files, none where nothing was deleted.

        Args:
            folder: of the export.
            gone: (type, id) of each resource.
        """
        some: list[tuple[str, str]] = []
        with FileWriter(folder, "deleted", "Bundle") as writer:
            for one in gone:
                some.append(one)
                if len(some) >= _MOST_DELETED:
                    writer.write(bundle_of(some))
                    some.clear()
            if some:
                writer.write(bundle_of(some))
        return writer.files


def bundle_of(gone: Iterable[tuple[str, str]]) -> bytes:
    """One Bundle that deletes.

    >>> bundle_of([("Patient", "RELUTH-05-0001")]).partition(b'"entry":')[2].decode()
    '[{"request":{"method":"DELETE","url":"Patient/RELUTH-05-0001"}}]}'
    """
    entries = [{"request": {"method": "DELETE", "url": f"{type_}/{key}"}} for type_, key in gone]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def outcome_line(texts: Iterable[str]) -> bytes:
    """One OperationOutcome that warns."""
    issues = [{"severity": "warning", "code": "not-supported", "diagnostics": text} for text in texts]
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": issues})


class _OneFile:
    """A file and its packed form, while they are written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = self.bytes = 0
        self._digest = hashlib.sha256()
        with ExitStack() as stack:
            self._plain: IO[bytes] = stack.enter_context(open(path, "wb", opener=private_file))
            self._raw = stack.enter_context(open(path.with_name(path.name + PACKED), "wb", opener=private_file))
            # Neither a name nor a time in its head: the same lines are the same bytes.
            packed: Any = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=_LEVEL, mtime=0)
            self._packed: gzip.GzipFile = stack.enter_context(packed)
            self._open = stack.pop_all()

    def write(self, line: bytes) -> None:
        ended = line + b"\n"
        self._plain.write(ended)
        self._packed.write(ended)
        self._digest.update(ended)
        self.count += 1
        self.bytes += len(ended)

    def close(self) -> tuple[str, str]:
        """Digests of both forms, which are on disk now."""
        with self._open:
            self._packed.close()
            for file in (self._plain, self._raw):
                file.flush()
                os.fsync(file.fileno())
        with self.path.with_name(self.path.name + PACKED).open("rb") as file:
            return self._digest.hexdigest(), hashlib.file_digest(file, "sha256").hexdigest()
