"""In: a folder of ``<Type>.ndjson[.gz]``. Out: its lines as resources by type; what else is in it is named, and missing where it holds resources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from adapter.errors import UsageError
from adapter.fhir import RESOURCE_TYPES
from adapter.store import Origin
from adapter.sync.lines import read_lines
from adapter.sync.sources import Item, Missing, Mode, Problem, Progress, patient_first

__all__ = ["FolderSource"]


class _Head(msgspec.Struct):
    resourceType: str = ""


_NDJSON = re.compile(r"(?P<stem>.+)\.ndjson(?:\.gz)?", re.IGNORECASE)
#: Ways to pack that are not read here, where nobody can look what a file holds.
_PACKED = re.compile(r"(?P<stem>.+)\.ndjson\.(?:7z|br|bz2|lz4|lzma|rar|tar|tgz|xz|z|zip|zst|zstd)", re.IGNORECASE)
#: ``1.Observation.ndjson`` (SMART bulk-data-client), ``Observation.000.ndjson`` (smart-fetch), ``Observation_1``.
_BETWEEN = re.compile(r"[._-]")
#: A resource begins so, on one line or on many.
_RESOURCE = re.compile(r'\s*\{\s*"resourceType"\s*:\s*"(?P<type>[A-Za-z]+)"')
_FIRST_LINES, _LOOKED_AT = 3, 2**16


class FolderSource:
    """Resources handed over in files.

    Args:
        folder: with files named after resource types; folders in it are not entered.
        types: read only these; None for all.

    Raises:
        UsageError: no such folder.
    """

    def __init__(self, folder: Path, types: Collection[str] | None = None) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder.name}: no such folder")
        self._wanted = None if types is None else frozenset(types)
        self._files: dict[str, list[Path]] = {}
        self._left_out: list[str] = []
        self._missing: list[Missing] = []
        for path in sorted(folder.iterdir(), key=_natural):
            type_ = _type_of(path)
            if type_ is None:
                self._leave_out(path)
            elif self._wanted is not None and type_ not in self._wanted:
                self._left_out.append(f"{path.name}: not read, {type_} was not asked for")
            else:
                self._files.setdefault(type_, []).append(path)

    def _leave_out(self, path: Path) -> None:
        reason = f"{path.name}: not read, its name is not <ResourceType>.ndjson or .ndjson.gz"
        packed = _PACKED.fullmatch(path.name)
        held = _holds(path) if packed is None else _named(packed["stem"])
        if held is None:
            self._left_out.append(reason)
        else:
            self._missing.append(
                Missing(held, f"{reason}, and it holds resources{', packed in another way' if packed else ''}")
            )

    def types(self) -> list[str]:
        """The types that files are named after, sorted; Patient first."""
        return patient_first(self._files)

    def missing(self) -> list[Missing]:
        """Files that hold resources and are not read; whether a type without file is one without resources cannot be told."""
        return self._missing

    def notices(self) -> list[str]:
        """Files that are not read and hold no resources, and types asked for without a file."""
        absent = sorted((self._wanted or frozenset()) - self._files.keys())
        return self._left_out + [f"{type_}: no file in the folder" for type_ in absent]

    def since(self, bookmark: str) -> str | None:
        """Everything, always: a file has no time."""
        return None

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        """Nothing: the files are there."""

    def fetch(self, type_: str) -> Iterator[Item | Problem]:
        """The lines of a type's files, whatever type they turn out to hold."""
        for path in self._files[type_]:
            try:
                for line in read_lines(path):
                    origin = Origin(path.name, line.number)
                    if line.trouble is None:
                        yield Item(line.raw, origin, line.ended)
                    else:
                        yield Problem(line.raw, origin, line.trouble, incomplete=True)
            except OSError as error:
                yield Problem(b"", Origin(path.name), f"the file cannot be read ({error.strerror})", incomplete=True)

    @property
    def server(self) -> None:
        """None: a folder."""

    @property
    def mode(self) -> Mode:
        """From a folder."""
        return "folder"

    def requests(self) -> None:
        """None: there is no server."""

    @property
    def has_all(self) -> bool:
        """No: a folder may hold a part of what there is."""
        return False

    def can_confirm(self, type_: str) -> bool:
        """No: there is nobody to ask."""
        return False

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        """Nothing is known to be gone."""
        return set(), []

    def close(self) -> None:
        """Nothing: the files are not ours."""

    @property
    def transaction_time(self) -> str | None:
        """None: no server, no bookmark."""
        return None


def _holds(path: Path) -> str | None:
    """The type of the resource that a file begins with, if it does."""
    try:
        lines = [line.raw for line in islice(read_lines(path), _FIRST_LINES)]
    except OSError:
        return None
    begun = _RESOURCE.match(b"\n".join(lines)[:_LOOKED_AT].decode(errors="replace"))
    if begun is not None:
        return begun["type"] if begun["type"] in RESOURCE_TYPES else None
    try:
        found = msgspec.json.decode(lines[0] if lines else b"", type=_Head).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found in RESOURCE_TYPES else None


def _type_of(path: Path) -> str | None:
    named = _NDJSON.fullmatch(path.name)
    # A link to a file that is gone is one that cannot be read, and not one without a name.
    if named is None or path.is_dir():
        return None
    return _named(named["stem"])


def _named(stem: str) -> str | None:
    found = {part for part in _BETWEEN.split(stem) if part in RESOURCE_TYPES}
    return found.pop() if len(found) == 1 else None


def _natural(path: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", path.name)]
