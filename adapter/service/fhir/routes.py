"""In: a request under /fhir. Out: what the server says of itself, tokens, Groups, exports: to clients of the settings only.

No answer has CORS headers: clients are servers, and a page of another origin has nothing to ask here. The routes are described by
the CapabilityStatement, not by the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from adapter.observe import logger
from adapter.service.fhir.asking import JSON_KINDS, base_of, bounded, check_accepts, is_lenient, parameters_of
from adapter.service.fhir.exporting import begin, cancel, file_of, look
from adapter.service.fhir.groups import ALL, group, group_id, sites_of
from adapter.service.fhir.refusals import FHIR_JSON, FhirRefused, FhirRoute
from adapter.service.fhir.room import FhirRoom, fhir_room
from adapter.service.fhir.statement import capability_statement, smart_configuration
from adapter.service.fhir.tokens import NoToken, SponsorClient

__all__ = ["fhir_api"]

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FORM_BYTES: Final = 16 * 1024
_MOST_FIELDS: Final = 20
#: RFC 6749 5.2: 401 says that it is about who the client is.
_TOKEN_STATUS: Final = {"invalid_client": 401}

fhir_api = APIRouter(prefix="/fhir", route_class=FhirRoute, include_in_schema=False)
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
GroupId = Annotated[str, Path(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
FileName = Annotated[str, Path(pattern=r"^[A-Za-z0-9.]{1,128}$")]


# Open to everybody ----------------------------------------------------------------------------------------------------


@fhir_api.get("/metadata")
def metadata(request: Request) -> Response:
    """What this server can do."""
    check_accepts(request, JSON_KINDS)
    base = base_of(request, request.app.state.settings)
    return _fhir(capability_statement(base))


@fhir_api.get("/.well-known/smart-configuration")
def configuration(request: Request) -> Response:
    """Where tokens are asked for; as JSON whatever is accepted (SMART App Launch 2.x)."""
    base = base_of(request, request.app.state.settings)
    return JSONResponse(smart_configuration(base, f"{base}/token"))


@fhir_api.post("/token")
async def token(request: Request) -> Response:
    """A token for a signed assertion."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return _no_token("invalid_request")
    body = await bounded(request, _MOST_FORM_BYTES)
    return await run_in_threadpool(_token, request, body)


def _token(request: Request, body: bytes) -> Response:
    room = fhir_room(request)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return _no_token("invalid_request")
    form = dict(pairs)
    if len(form) < len(pairs):
        # RFC 6749 3.2: no parameter stands twice.
        return _no_token("invalid_request")
    try:
        given = room.office.give(form, f"{base_of(request, room.settings)}/token")
    except NoToken as refused:
        logger("provider").info("no token", error=refused.error, reason=refused.reason)
        return _no_token(refused.error)
    content = {
        "access_token": given.value,
        "token_type": "bearer",
        "expires_in": given.seconds,
        "scope": " ".join(given.scopes),
    }
    return JSONResponse(content, headers={"Pragma": "no-cache"})


def _no_token(error: str) -> Response:
    return JSONResponse({"error": error}, status_code=_TOKEN_STATUS.get(error, 400))


# Groups ---------------------------------------------------------------------------------------------------------------


@fhir_api.get("/Group")
def search_groups(request: Request) -> Response:
    """The Groups that this client may export, as a searchset."""
    room, client = _called(request)
    check_accepts(request, JSON_KINDS)
    _check_may_see(client)
    sites = room.sites(client)
    names = [ALL, *dict.fromkeys(map(group_id, sites))]
    unknown = {name for name, _ in request.query_params.multi_items()} - {"_id", "_format"}
    if unknown and not is_lenient(request):
        raise FhirRefused(400, ("not-supported", "Groups are searched for by _id."))
    for value in request.query_params.getlist("_id"):
        names = [name for name in names if name in value.split(",")]
    base = base_of(request, room.settings)
    entries = [
        {
            "fullUrl": f"{base}/Group/{name}",
            "resource": group(name, sites_of(name, sites) or (), store=room.store, trial=room.trial),
            "search": {"mode": "match"},
        }
        for name in names
    ]
    found: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{base}/Group"}],
    }
    return _fhir(found | ({"entry": entries} if entries else {}))


@fhir_api.get("/Group/{group_name}")
def read_group(request: Request, group_name: GroupId) -> Response:
    """A Group: the subjects of a site, or of all."""
    room, client = _called(request)
    check_accepts(request, JSON_KINDS)
    _check_may_see(client)
    sites = sites_of(group_name, room.sites(client))
    if sites is None:
        raise FhirRefused(404)
    return _fhir(group(group_name, sites, store=room.store, trial=room.trial))


# Exports --------------------------------------------------------------------------------------------------------------


@fhir_api.api_route("/$export", methods=["GET", "POST"])
async def export_system(request: Request) -> Response:
    """An export of all subjects that this client may have."""
    return await _begun(request, ALL)


@fhir_api.api_route("/Group/{group_name}/$export", methods=["GET", "POST"])
async def export_group(request: Request, group_name: GroupId) -> Response:
    """An export of the subjects of a Group."""
    return await _begun(request, group_name)


async def _begun(request: Request, group_name: str) -> Response:
    # Who asks comes first: nobody's body is read.
    room, client = await run_in_threadpool(_called, request)
    parameters = await parameters_of(request)
    return await run_in_threadpool(begin, room, client, request, parameters=parameters, group=group_name)


@fhir_api.get("/jobs/{job}")
def export_status(request: Request, job: JobId) -> Response:
    """How an export stands."""
    room, client = _called(request)
    return look(room, client, request, job)


@fhir_api.delete("/jobs/{job}")
def export_cancel(request: Request, job: JobId) -> Response:
    """An export is not wanted any more."""
    room, client = _called(request)
    return cancel(room, client, job)


@fhir_api.get("/jobs/{job}/files/{name}")
def export_file(request: Request, job: JobId, name: FileName) -> Response:
    """One file of an export."""
    room, client = _called(request)
    return file_of(room, client, request, job=job, name=name)


# ----------------------------------------------------------------------------------------------------------------------


def _called(request: Request) -> tuple[FhirRoom, SponsorClient]:
    room = fhir_room(request)
    return room, room.client(request)


def _check_may_see(client: SponsorClient) -> None:
    """Members of a Group are references to Patients."""
    if not (client.may_read("Group") or client.may_read("Patient")):
        raise FhirRefused(403)


def _fhir(content: dict[str, Any]) -> Response:
    return JSONResponse(content, media_type=FHIR_JSON)
