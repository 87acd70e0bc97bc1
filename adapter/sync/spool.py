"""In: what arrives from a hospital's server, part by part. Out: the same on disk, and how far it came, whatever kills the process.

A *part* is what is fetched in one piece: a file of a bulk export, or one search with all its pages. Parts lie in the
spool's folder; the journal beside them says of each what is known, one JSON line a change, the last one of a part holds.
A line is written only once the bytes that it speaks of are on disk, so that nothing is believed that is not there, and a
part that is said to be done is never fetched again. The folder goes when what is in it is in the store, or is a week old.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final, Literal

import msgspec

from adapter.store import private_file, private_folder, writing

__all__ = ["Part", "Spool"]

_JOURNAL: Final = "journal.ndjson"
_SCHEME: Final = 1
_LENGTH: Final = struct.Struct(">Q")
#: Exports and searches that nobody has gone on with for so long say too little of how a hospital is now.
_OLDEST: Final = 7 * 86_400
_DIGITS: Final = 16


class Part(msgspec.Struct, omit_defaults=True):
    """One piece of what is fetched.

    Attributes:
        name: of its file in the spool.
        type: resource type; None where the file may hold any.
        state: ``waiting`` for (the rest of) its bytes, ``done``, or ``failed``.
        url: where it is had from; of a file of an export.
        kind: ``output``, ``deleted`` or ``error`` of an export; ``search``, ``history`` of a search.
        token: the server wants to know who asks.
        count: resources announced, where they were.
        bytes: of its file that are whole and on disk.
        lines: resources in it.
        matches: of these, what was searched for (the others came with them).
        next: of a search under way, the address of its next page; None before the first and after the last.
        pages: read so far.
        problems: what else went wrong with it, one sentence each: more may be missing than is there.
        reason: why it failed.
        exit_code: of that failure.
    """

    name: str
    type: str | None = None
    state: Literal["waiting", "done", "failed"] = "waiting"
    url: str = ""
    kind: Literal["output", "deleted", "error", "search", "history"] = "output"
    token: bool = False
    count: int | None = None
    bytes: int = 0
    lines: int = 0
    matches: int = 0
    next: str | None = None
    pages: int = 0
    problems: list[str] = []
    reason: str = ""
    exit_code: int = 0


class _Head(msgspec.Struct):
    """First line of a journal: what the spool is for."""

    scheme: int
    key: str


class _Entry(msgspec.Struct, omit_defaults=True):
    """A further line: a part as it is now, or some notes; a note of None is taken back."""

    part: Part | None = None
    notes: dict[str, str | None] = {}


_encode = msgspec.json.Encoder().encode
_head = msgspec.json.Decoder(_Head)
_entry = msgspec.json.Decoder(_Entry)


class Spool:
    """What of one fetch is on disk. Its methods may be called from several threads, a part's from one at a time.

    Attributes:
        resumed: an earlier fetch of the same was broken off, and this one goes on with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, Part] = {}
        self._notes: dict[str, str] = {}
        self._lock = Lock()
        self.resumed = False

    @classmethod
    def open(cls, folder: Path, *, key: str) -> Spool:
        """The spool of a fetch: the one that was broken off, where it was one of the same; else an empty one.

        Args:
            folder: of all spools of a site; only the holder of the site's lock may use it.
            key: says what is fetched: server, way, types. Each key has its own spool.

        Raises:
            StorageError: this machine has no room, or cannot write.
        """
        _clear_old(folder)
        spool = cls(folder / sha256(key.encode()).hexdigest()[:_DIGITS])
        with writing("the spool"):
            if spool._read(key):
                spool.resumed = True
            else:
                shutil.rmtree(spool._folder, ignore_errors=True)
                private_folder(spool._folder)
                spool._parts.clear()
                spool._notes.clear()
                spool._write(_encode(_Head(_SCHEME, key)))
        return spool

    # What is known ------------------------------------------------------------------------------------------------

    def parts(self) -> list[Part]:
        """All parts, in the order in which they were first told of."""
        with self._lock:
            return list(self._parts.values())

    def part(self, name: str) -> Part | None:
        """One part, as it was last kept."""
        with self._lock:
            return self._parts.get(name)

    def path(self, part: Part) -> Path:
        """The file of a part."""
        return self._folder / part.name

    def note(self, name: str) -> str | None:
        """A note of the source, e.g. the address of an export under way."""
        with self._lock:
            return self._notes.get(name)

    def keep(self, *parts: Part, notes: Mapping[str, str | None] | None = None) -> None:
        """Keep what is known now of parts, and notes; what is kept together is there together or not at all.

        Raises:
            StorageError: this machine has no room, or cannot write.
        """
        copies = [msgspec.structs.replace(part, problems=list(part.problems)) for part in parts]
        entries = [_Entry(part=part) for part in copies]
        if notes:
            entries.append(_Entry(notes=dict(notes)))
        with self._lock, writing("the spool"):
            self._write(_encode(entries))
            self._take(entries)

    # What arrived -------------------------------------------------------------------------------------------------

    def append(self, part: Part, resources: Iterable[bytes]) -> None:
        """Put resources behind those of a part, byte for byte; `keep` makes them count.

        Changes ``bytes`` and ``lines`` of the part. What was written and not kept is overwritten by the next call.

        Raises:
            StorageError: this machine has no room, or cannot write.
        """
        path = self.path(part)
        with writing(path.name), open(path, "r+b" if path.exists() else "w+b", opener=private_file) as file:
            file.truncate(part.bytes)
            file.seek(part.bytes)
            for resource in resources:
                # Their lengths before them: a resource from a Bundle may stand on several lines.
                file.write(_LENGTH.pack(len(resource)))
                file.write(resource)
                part.lines += 1
            file.flush()
            os.fsync(file.fileno())
            part.bytes = file.tell()

    def begin_anew(self, part: Part) -> None:
        """Forget what arrived of a part, as its rest cannot be had any more."""
        part.bytes = part.lines = part.matches = part.pages = 0
        part.next = part.count = None
        part.problems = []
        part.state, part.reason, part.exit_code = "waiting", "", 0
        self.keep(part)

    def resources(self, part: Part) -> Iterator[bytes]:
        """What was appended to a part."""
        if not part.bytes:
            return
        left = part.bytes
        with self.path(part).open("rb") as file:
            while left > 0:
                (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
                yield file.read(length)
                left -= _LENGTH.size + length

    def discard(self) -> None:
        """Remove all of it: it is in the store, or not wanted any more."""
        # The journal first: without it, what is left after a kill is nobody's.
        (self._folder / _JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._lock:
            self._parts.clear()
            self._notes.clear()

    # --------------------------------------------------------------------------------------------------------------

    def _read(self, key: str) -> bool:
        """Read the journal; False where it is of something else, or none."""
        try:
            content = (self._folder / _JOURNAL).read_bytes()
        except OSError:
            return False
        # The last line may have been cut by the kill; what it was about to say was not yet believed by anybody.
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        try:
            head = _head.decode(lines[0])
            if (head.scheme, head.key) != (_SCHEME, key):
                return False
            for line in lines[1:]:
                self._take(msgspec.json.decode(line, type=list[_Entry]))
        except (IndexError, msgspec.DecodeError):
            return False
        if len(whole) < len(content):
            os.truncate(self._folder / _JOURNAL, len(whole))
        return True

    def _take(self, entries: Iterable[_Entry]) -> None:
        for entry in entries:
            if entry.part is not None:
                self._parts[entry.part.name] = entry.part
            for name, value in entry.notes.items():
                if value is None:
                    self._notes.pop(name, None)
                else:
                    self._notes[name] = value

    def _write(self, line: bytes) -> None:
        path = self._folder / _JOURNAL
        with open(path, "ab", opener=private_file) as file:
            begun = file.tell()
            try:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                # Half a line would spoil the next one.
                os.truncate(path, begun)
                raise


def _clear_old(folder: Path) -> None:
    """Remove what was broken off long ago, and what a kill left of one that was being removed."""
    for spool in folder.glob("*"):
        journal = spool / _JOURNAL
        if not journal.exists() or time.time() - journal.stat().st_mtime > _OLDEST:
            shutil.rmtree(spool, ignore_errors=True)
