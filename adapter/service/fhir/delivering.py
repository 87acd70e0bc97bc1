"""In: a file on disk, plain or packed, and a request for it. Out: its bytes, or a part of them, under a strong ETag.

RFC 9110 13 and 14: the packed form is another representation with an ETag and ranges of its own. A request for several ranges is answered
by the whole file, as a server may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from adapter.service.door.heads import wants_no_body
from adapter.service.fhir.refusals import outcome

__all__ = ["Representation", "accepts_packed", "deliver"]

_PIECE: Final = 2**18
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_OK: Final = 200
_PARTIAL: Final = 206
_NOT_MODIFIED: Final = 304
_UNSATISFIABLE: Final = 416


@dataclass(frozen=True, slots=True)
class Representation:
    """One form of a file.

    Attributes:
        path: where it is.
        media_type: of what is in it.
        sha256: of the form's bytes.
        packed: it is packed with gzip.
        cache: value of Cache-Control.
    """

    path: Path
    media_type: str
    sha256: str
    packed: bool = False
    cache: str = "no-store"

    @property
    def etag(self) -> str:
        """Strong: the same for the same bytes only."""
        return f'"{self.sha256}"'


def accepts_packed(request: Request) -> bool:
    """Whether who asks takes gzip (RFC 9110 12.5.3)."""
    told = ",".join(request.headers.getlist("accept-encoding")).lower()
    weights = {}
    for part in told.split(","):
        name, _, parameter = (piece.strip() for piece in part.partition(";"))
        weights[name] = not re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter)
    return weights.get("gzip", weights.get("x-gzip", False))


def deliver(request: Request, form: Representation) -> Response:
    """The file, the part of it that is asked for, or that it has not changed.

    Raises:
        FileNotFoundError: it is not there any more.
    """
    headers = {
        "ETag": form.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": form.cache,
        "Vary": "Accept-Encoding",
    }
    if form.packed:
        headers["Content-Encoding"] = "gzip"
    if _names(request.headers.get("if-none-match"), form.etag):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    # Opened now: what is thrown away while it is read is read to its end.
    file = form.path.open("rb")
    try:
        size = file.seek(0, 2)
        begin, end = 0, size
        status = _OK
        part = _part(request, form, size)
        if part is not None:
            begin, end = part
            status = _PARTIAL
            if begin >= end:
                file.close()
                return outcome(_UNSATISFIABLE, headers={"Content-Range": f"bytes */{size}"})
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        headers["Content-Length"] = str(end - begin)
        file.seek(begin)
    except BaseException:
        file.close()
        raise
    left = 0 if wants_no_body(request) else end - begin
    return StreamingResponse(_pieces(file, left), status_code=status, headers=headers, media_type=form.media_type)


def _part(request: Request, form: Representation, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last that are asked for; None for all. An empty part cannot be had."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != form.etag:
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    begin = int(found[1])
    if found[2] and int(found[2]) < begin:
        # No range at all (RFC 9110 14.1.1).
        return None
    return begin, min(size, int(found[2]) + 1) if found[2] else size


def _names(told: str | None, etag: str) -> bool:
    """Whether If-None-Match names an ETag, or any (RFC 9110 13.1.2: compared weakly)."""
    if told is None:
        return False
    return told.strip() == "*" or etag in {part.strip().removeprefix("W/") for part in told.split(",")}


def _pieces(file: IO[bytes], left: int) -> Iterator[bytes]:
    with file:
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
