"""In: a kick-off, a look at an export, its cancelling, one of its files, by a client that is known. Out: the answers of Bulk Data Access.

STU2 and STU3: everything by GET or POST; the status by GET, with X-Progress and Retry-After while it is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

import msgspec
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import Response

from adapter.datasets.provider import FORMATS, Export, NotSupported, parse_wanted
from adapter.service.fhir.asking import JSON_KINDS, base_of, check_accepts, is_lenient
from adapter.service.fhir.delivering import Representation, accepts_packed, deliver
from adapter.service.fhir.groups import ALL, sites_of
from adapter.service.fhir.refusals import FhirRefused, outcome
from adapter.service.fhir.room import FhirRoom
from adapter.service.fhir.tokens import SponsorClient

__all__ = ["begin", "cancel", "file_of", "look"]

_FORBIDDEN: Final = "forbidden"
_TOO_MANY_SECONDS: Final = 30
#: (an export that is younger than so many seconds, is looked at again after so many).
_AGAIN: Final = ((10, 1), (60, 5))
_LATER: Final = 15


def begin(
    room: FhirRoom,
    client: SponsorClient,
    request: Request,
    *,
    parameters: Sequence[tuple[str, str]],
    group: str = ALL,
) -> Response:
    """Have an export made of the subjects of a Group.

    Raises:
        FhirRefused: it cannot be had so.
    """
    check_accepts(request, (*JSON_KINDS, *FORMATS[:2]))
    sites = sites_of(group, room.sites(client))
    if sites is None:
        raise FhirRefused(404, ("not-found", "There is no such Group for this client."))
    try:
        wanted = parse_wanted(parameters, lenient=is_lenient(request), may=client.may_read)
    except NotSupported as problem:
        forbidden = all(code == _FORBIDDEN for code, _ in problem.issues)
        raise FhirRefused(403 if forbidden else 400, *problem.issues) from None
    base = base_of(request, room.settings)
    query = f"?{request.url.query}" if request.url.query else ""
    told = f"{base}{request.url.path.removeprefix('/fhir')}{query}"
    job = room.exports.ask(client.name, msgspec.structs.replace(wanted, sites=tuple(sites)), request=told)
    if job is None:
        busy = "As many exports of this client are under way as there may be: wait for one, or cancel it."
        raise FhirRefused(429, ("throttled", busy), headers={"Retry-After": str(_TOO_MANY_SECONDS)})
    since = "" if wanted.since is None else f" since {wanted.since.isoformat()}"
    room.note(client, "datasets-export", sites=sites, detail=f"{job} {','.join(wanted.types)}{since}")
    return Response(status_code=202, headers={"Content-Location": f"{base}/jobs/{job}"})


def look(room: FhirRoom, client: SponsorClient, request: Request, job: str) -> Response:
    """How an export stands; its manifest once it is complete.

    Raises:
        FhirRefused: there is none of this id for this client, or it looks too often.
    """
    check_accepts(request, JSON_KINDS)
    export = _export(room, client, job)
    found = export.job
    if found.state == "failed":
        # STU2, Response - Error Status: the export has failed for good, whatever is asked again.
        return outcome(500, ("exception", found.problem))
    if found.state != "complete":
        age = (datetime.now(UTC) - found.requested_at).total_seconds()
        again = next((seconds for younger, seconds in _AGAIN if age < younger), _LATER)
        headers = {"Retry-After": str(again), "X-Progress": found.progress}
        if room.looks.is_too_soon(job, asked=again):
            raise FhirRefused(429, headers=headers)
        return Response(status_code=202, headers=headers)
    headers = {} if found.expires_at is None else {"Expires": format_datetime(found.expires_at, usegmt=True)}
    return JSONResponse(_manifest(export, base_of(request, room.settings)), headers=headers)


def cancel(room: FhirRoom, client: SponsorClient, job: str) -> Response:
    """The export and its files are not wanted any more.

    Raises:
        FhirRefused: there is none of this id for this client.
    """
    export = _export(room, client, job)
    room.exports.cancel(job)
    room.note(client, "datasets-cancel", sites=export.wanted.sites, detail=job)
    return Response(status_code=202)


def file_of(room: FhirRoom, client: SponsorClient, request: Request, *, job: str, name: str) -> Response:
    """One file of a complete export.

    Raises:
        FhirRefused: there is none of this name, or the token does not allow its type.
    """
    export = _export(room, client, job)
    file = export.file(name)
    if file is None or export.job.state != "complete":
        raise FhirRefused(404)
    types = (file.type,) if file.kind == "output" else export.wanted.types
    if not all(client.may_read(type_) for type_ in types):
        raise FhirRefused(403)
    check_accepts(request, FORMATS[:2])
    packed = accepts_packed(request)
    form = Representation(
        room.exports.path(job, file, packed=packed),
        FORMATS[0],
        file.packed_sha256 if packed else file.sha256,
        packed=packed,
    )
    try:
        answer = deliver(request, form)
    except FileNotFoundError:
        raise FhirRefused(404) from None
    room.note(client, "datasets-file", sites=export.wanted.sites, detail=f"{job} {name} {answer.status_code}")
    return answer


def _export(room: FhirRoom, client: SponsorClient, job: str) -> Export:
    export = room.exports.of(job, client.name)
    # Sites may have been taken from the client since it asked.
    if export is None or not set(export.wanted.sites) <= set(room.sites(client)):
        raise FhirRefused(404, ("not-found", "There is no such export for this client, or none any more."))
    return export


def _manifest(export: Export, base: str) -> dict[str, Any]:
    """STU2 and STU3, Response - Complete Status."""
    job = export.job
    assert job.transaction_time is not None, "a complete job has its time"
    listed: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": [], "error": []}
    for file in export.files:
        listed[file.kind].append(
            {"type": file.type, "url": f"{base}/jobs/{job.id}/files/{file.name}", "count": file.count}
        )
    return {
        "transactionTime": job.transaction_time.astimezone(UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "request": job.request,
        "requiresAccessToken": True,
        **listed,
    }
