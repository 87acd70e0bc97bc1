"""In: a folder of ``<Type>.ndjson[.gz]``. Out: where each current version lies, and its exact bytes on demand.

Only ids, times and offsets are kept in memory, so that a large centre is served without holding one body.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import re
import shutil
import tempfile
import weakref
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from adapter.errors import ConfigurationError
from adapter.fhir import READ_TYPES

__all__ = ["FeedIndex", "TypeIndex", "index_feed", "instant_of", "micros"]

_log = logging.getLogger(__name__)

_FEED_FILE = re.compile(r"([A-Z][A-Za-z]+)\.ndjson(\.gz)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNVERSIONED = -1
_NO_FILE = -1
_NUMBER = re.compile(r"[0-9]{1,18}")
_BOM = b"\xef\xbb\xbf"
_UNZIP_CHUNK = 1 << 20


class _Meta(msgspec.Struct):
    versionId: object = None
    lastUpdated: object = None


class _Reference(msgspec.Struct):
    reference: object = None


class _Head(msgspec.Struct):
    """What a search needs of a resource; all else is skipped unread."""

    resourceType: str
    id: str
    meta: _Meta | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    beneficiary: _Reference | None = None
    individual: _Reference | None = None

    def patient_key(self) -> str:
        """``Patient/id`` that the resource is about, or ``""``."""
        for element in (self.subject, self.patient, self.beneficiary, self.individual):
            if element is not None and isinstance(element.reference, str):
                parts = element.reference.split("/")
                if parts[-2:-1] == ["Patient"]:
                    return f"Patient/{parts[-1]}"
        return ""


def instant_of(text: object) -> datetime | None:
    """A FHIR instant or dateTime with a time, or None when ``text`` is not one; without an offset it is UTC.

    >>> instant_of("2025-06-01T10:00:00+02:00").isoformat()
    '2025-06-01T08:00:00+00:00'
    >>> instant_of("2025-06") is None
    True
    """
    if not isinstance(text, str) or "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 in UTC, exact."""
    return (moment - _EPOCH) // _MICROSECOND


@dataclass(slots=True, weakref_slot=True, eq=False)
class TypeIndex:
    """The current version of each resource of one type; a row is its place in these columns."""

    resource_type: str
    descriptor: int
    ids: list[str] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))
    updated: array[int] = field(default_factory=lambda: array("q"))
    rows: dict[str, int] = field(default_factory=dict)
    by_patient: dict[str, array[int]] = field(default_factory=dict)
    by_updated: array[int] = field(default_factory=lambda: array("q"))

    def raw(self, row: int) -> bytes:
        """The resource as it stands in the file, byte for byte.

        Raises:
            OSError: the file was shortened after it was indexed.
        """
        # pread has no shared position: any number of requests may read at once.
        body = os.pread(self.descriptor, self.lengths[row], self.offsets[row])
        if len(body) != self.lengths[row]:
            raise OSError(f"{self.resource_type}.ndjson was shortened while it was served")
        return body

    def updated_at(self, row: int) -> datetime:
        """``meta.lastUpdated``, or the file's time where the resource has none."""
        return _EPOCH + timedelta(microseconds=self.updated[row])


@dataclass(frozen=True, slots=True)
class FeedIndex:
    """All types of a folder; ``fingerprint`` changes with the files, so that a page token of others is noticed."""

    types: Mapping[str, TypeIndex]
    fingerprint: str


def index_feed(directory: Path) -> FeedIndex:
    """Read every ``<Type>.ndjson[.gz]`` of ``directory`` once and note where its resources lie.

    Lines that hold no resource of the file's type are left out with a warning that names file and line.

    Raises:
        ConfigurationError: the folder is missing, holds no such file or one type twice, or a gzip file is broken.
    """
    files: dict[str, Path] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        name = _FEED_FILE.fullmatch(path.name)
        if name is None:
            continue
        if name[1] in files:
            raise ConfigurationError("hospital directory", f"holds {files[name[1]].name} and {path.name}: keep one")
        files[name[1]] = path
    if not files:
        raise ConfigurationError("hospital directory", "holds no <Type>.ndjson or <Type>.ndjson.gz")
    stamp = hashlib.sha256()
    types: dict[str, TypeIndex] = {}
    for resource_type, path in files.items():
        status = path.stat()
        stamp.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        types[resource_type] = _index_file(resource_type, path, file_time=status.st_mtime_ns // 1000)
    # A server offers a type of which it holds nothing yet: an empty answer is not a missing type.
    types |= {name: TypeIndex(resource_type=name, descriptor=_NO_FILE) for name in READ_TYPES - types.keys()}
    return FeedIndex(types=types, fingerprint=stamp.hexdigest()[:16])


def _index_file(resource_type: str, path: Path, *, file_time: int) -> TypeIndex:
    index = TypeIndex(resource_type=resource_type, descriptor=_open(path))
    # Closed with its index, so that no request can find the file shut and no caller has to remember.
    weakref.finalize(index, os.close, index.descriptor)
    builder = _Builder(index, file_time=file_time)
    decoder = msgspec.json.Decoder(_Head)
    for number, (offset, line) in enumerate(_lines(index.descriptor), start=1):
        if not line:
            continue
        try:
            head = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _log.warning("not served: %s line %d is not a resource with resourceType and id", path.name, number)
            continue
        if head.resourceType != resource_type:
            _log.warning("not served: %s line %d is of another resource type", path.name, number)
            continue
        builder.add(head, offset=offset, length=len(line))
    builder.finish()
    return index


def _version_of(value: object) -> int:
    """A versionId that can be compared, else `_UNVERSIONED` (R4 resource.html#Meta: it need not be a number)."""
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else _UNVERSIONED


class _Builder:
    """Fills a TypeIndex line by line; holds what only the choice between versions needs."""

    def __init__(self, index: TypeIndex, *, file_time: int) -> None:
        self._index = index
        self._file_time = file_time
        self._versions = array("q")
        self._dated = bytearray()
        self._patients: list[str] = []

    def add(self, head: _Head, *, offset: int, length: int) -> None:
        """Enter one resource, unless a later version of it is there already."""
        meta = head.meta or _Meta()
        version = _version_of(meta.versionId)
        moment = instant_of(meta.lastUpdated)
        updated = micros(moment) if moment else self._file_time
        index = self._index
        row = index.rows.get(head.id)
        if row is None:
            index.rows[head.id] = len(index.ids)
            index.ids.append(head.id)
            index.offsets.append(offset)
            index.lengths.append(length)
            index.updated.append(updated)
            self._versions.append(version)
            self._dated.append(moment is not None)
            self._patients.append(head.patient_key())
        elif self._is_newer(row, version=version, updated=updated, dated=moment is not None):
            index.offsets[row], index.lengths[row], index.updated[row] = offset, length, updated
            self._versions[row], self._dated[row] = version, moment is not None
            self._patients[row] = head.patient_key()

    def _is_newer(self, row: int, *, version: int, updated: int, dated: bool) -> bool:
        """Versions decide where both lines have one, then the times; otherwise the last line holds."""
        held = self._versions[row]
        if _UNVERSIONED not in (version, held) and version != held:
            return version > held
        if dated and self._dated[row]:
            return updated >= self._index.updated[row]
        return True

    def finish(self) -> None:
        """Build what searches go through: rows by patient and rows by time."""
        index = self._index
        for row, patient in enumerate(self._patients):
            if patient:
                index.by_patient.setdefault(patient, array("q")).append(row)
        index.by_updated = array("q", sorted(range(len(index.ids)), key=index.updated.__getitem__))


def _open(path: Path) -> int:
    """A descriptor of the file's plain bytes; a gzip file is unpacked beside no name at all."""
    if path.suffix != ".gz":
        return os.open(path, os.O_RDONLY)
    # mkstemp makes it 0600; unlinked at once, it is gone whatever ends this process.
    descriptor, name = tempfile.mkstemp(prefix="reluth-hospital-")
    Path(name).unlink()
    try:
        with gzip.open(path, "rb") as packed, os.fdopen(os.dup(descriptor), "wb") as plain:
            shutil.copyfileobj(packed, plain, _UNZIP_CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        os.close(descriptor)
        raise ConfigurationError("hospital directory", f"{path.name} is not a whole gzip file") from None
    return descriptor


def _lines(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each line, without a byte order mark, surrounding blanks and the line end."""
    offset = 0
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for line in file:
            start = len(_BOM) if offset == 0 and line.startswith(_BOM) else 0
            body = line[start:].strip()
            yield offset + line.index(body, start), body
            offset += len(line)
