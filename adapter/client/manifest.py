"""In: the body of a finished export's status. Out: its manifest: the files, when it was true, and where it goes on.

Bulk Data Access STU2, STU3 (manifests in several pages) and the 4.0 ballot (``outcome`` in the place of ``error``). What
is unknown is passed over; what is known and has the wrong shape is refused, for a file overlooked is data lost.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = ["ExportFile", "Manifest", "parse_manifest"]

_BOM = b"\xef\xbb\xbf"
_NO_SHAPE = "not a manifest of the Bulk Data Access guide"


class ExportFile(msgspec.Struct, frozen=True):
    """One file of an export.

    Attributes:
        url: where it is had; whoever fetches it checks the host.
        kind: resources, Bundles of what was deleted, or OperationOutcomes.
        type: of an output file's resources; None where the manifest does not say, or sorts its files in another way.
        count: lines announced.
    """

    url: str
    kind: Literal["output", "deleted", "error"]
    type: str | None = None
    count: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """A manifest, or one page of it.

    Attributes:
        transaction_time: FHIR instant: what was changed before is in the export.
        requires_access_token: the files are had with the token only.
        files: in the order of the manifest, each URL once.
        next: address of a further page.
    """

    transaction_time: str
    requires_access_token: bool
    files: tuple[ExportFile, ...]
    next: str | None = None


class _File(msgspec.Struct):
    url: str
    # As sent: a type of the wrong shape is none; a count is looked at below.
    type: object = None
    count: object = None


class _Link(msgspec.Struct):
    relation: object = None
    url: object = None


class _Manifest(msgspec.Struct):
    transactionTime: str
    requiresAccessToken: object = None
    output: list[_File] | None = None
    deleted: list[_File] | None = None
    error: list[_File] | None = None
    outcome: list[_File] | None = None
    link: list[_Link] | None = None


def parse_manifest(body: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: not JSON, cut off, or no manifest.

    >>> body = b'{"transactionTime":"2025-06-01T10:00:00Z","output":[{"type":"Patient","url":"https://h/1","count":2}]}'
    >>> parse_manifest(body).files
    (ExportFile(url='https://h/1', kind='output', type='Patient', count=2),)
    """
    try:
        read = msgspec.json.decode(body.removeprefix(_BOM), type=_Manifest)
    except msgspec.ValidationError:
        raise ValueError(_NO_SHAPE) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not whole JSON") from None
    # STU2 export.html#response---complete-status: the token is needed unless it says false.
    needs_token = read.requiresAccessToken is not False
    lists: tuple[tuple[Literal["output", "deleted", "error"], list[_File] | None], ...] = (
        ("output", read.output),
        ("deleted", read.deleted),
        ("error", read.error),
        ("error", read.outcome),
    )
    files: dict[str, ExportFile] = {}
    for kind, listed in lists:
        for file in listed or []:
            # One URL listed twice is one file: fetched twice, it would be counted twice.
            files.setdefault(file.url, _export_file(file, kind))
    return Manifest(_instant(read.transactionTime), needs_token, tuple(files.values()), _next(read.link or []))


def _export_file(file: _File, kind: Literal["output", "deleted", "error"]) -> ExportFile:
    if not file.url:
        raise ValueError("a file of the manifest has no url")
    type_ = file.type if isinstance(file.type, str) and file.type else None
    return ExportFile(file.url, kind, type_ if kind == "output" else None, _count(file.count))


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        # Seen of servers that write all numbers as text.
        return int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError("the count of a file in the manifest is no number")


def _instant(text: str) -> str:
    """The bookmark of the next pull: one that cannot be read would make it fetch everything, or nothing."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("the manifest's transactionTime is no instant")
    return text


def _next(links: list[_Link]) -> str | None:
    for link in links:
        if link.relation == "next":
            if not isinstance(link.url, str) or not link.url:
                raise ValueError("the manifest goes on at an address that it does not tell")
            return link.url
    return None
