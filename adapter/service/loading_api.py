"""In: an authorised POST of CSV or JSON under /api/load. Out: its good entities in the store, and the report of a load."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from adapter.accounts import Permission
from adapter.config import Settings
from adapter.errors import BusyError, UsageError
from adapter.loading import Content, Form, LoadReport, load, target_of, template
from adapter.service.api import problem, problems_of
from adapter.service.bodies import bounded_body
from adapter.service.door.crossing import from_here
from adapter.service.door.permissions import viewer_of
from adapter.store import Store

__all__ = ["MOST_BYTES", "loading_router"]

#: A year of a centre's laboratory results is a tenth of it.
MOST_BYTES = 20 * 1024 * 1024
#: None of them can be sent by the form of another page: a browser asks first (Fetch, CORS-safelisted request-header).
_FORMS = {"text/csv": Form.CSV, "application/json": Form.JSON, "application/x-ndjson": Form.NDJSON}
_FILE = "body"

Kind = Literal["study", "subjects", "labs", "infusions"]
AnyKind = Annotated[Kind, Path(description="What is loaded.")]
OfSite = Annotated[
    str | None, Query(max_length=64, description="Site of the settings; may be left out where there is only one.")
]
Correct = Annotated[
    bool, Query(description="Replace what is stored, even where events of a subject are lost or the patient changes.")
]


class RefusedRow(BaseModel):
    """One row that was not loaded: where, what kind of value stands there, and what is wrong with it."""

    model_config = ConfigDict(frozen=True)

    file: str
    row: int
    column: str | None
    value_class: str | None
    reason: str


class Loaded(BaseModel):
    """What a load did."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    site: str
    read: int
    new: int
    changed: int
    unchanged: int
    refused: list[RefusedRow]


def loading_router(settings: Settings) -> APIRouter:
    """The routes of `/api/load`.

    Args:
        settings: store and sites.
    """
    router = APIRouter(prefix="/api/load", tags=["loading"], responses=problems_of(401, 422))

    @router.post(
        "/{kind}",
        summary="Bring trial entities in",
        operation_id="load",
        response_model=Loaded,
        responses=problems_of(400, 403, 413, 415, 503),
        dependencies=[Depends(from_here)],
        openapi_extra=_BODY,
    )
    async def load_entities(request: Request, kind: AnyKind, site: OfSite = None, correct: Correct = False) -> Response:
        """Rows that are not right are named in the answer and left out; the others are kept, all in one transaction."""
        form = _FORMS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
        if form is None or (kind == "study" and form is Form.CSV):
            wanted = ", ".join(name for name in _FORMS if kind != "study" or name != "text/csv")
            return problem(415, f"The body is sent as {wanted}.")
        viewer = viewer_of(request)
        body = await bounded_body(request, MOST_BYTES)
        if body is None:
            return problem(413, f"At most {MOST_BYTES // 1024 // 1024} MB are taken at once.")

        def run() -> LoadReport | None:
            with Store.open(settings.store.path, settings.store.database) as store:
                target = target_of(settings, store, site=site)
                if viewer is None or not viewer.may(Permission.LOAD, target.site):
                    return None
                return load(store, Content(kind, body, _FILE, form), target=target, by=viewer.actor, correct=correct)

        try:
            report = await run_in_threadpool(run)
        except UsageError as error:
            return problem(400, f"{error}.")
        except BusyError:
            return problem(503, "Somebody else loads the same at this moment; nothing was kept. Try again.")
        if report is None:
            return problem(403, "Trial entities of this site are not yours to load.")
        return JSONResponse(Loaded.model_validate(report, from_attributes=True).model_dump())

    @router.get(
        "/{kind}/template",
        summary="A synthetic file that can be loaded",
        operation_id="load_template",
        response_class=Response,
        responses={200: {"description": "CSV, for a study JSON.", "content": {"text/csv": {}, "application/json": {}}}},
    )
    def load_template(kind: AnyKind, site: OfSite = None) -> Response:
        """The header and two rows; the study as JSON."""
        sites = settings.sites
        told = sites.get(site or (next(iter(sites)) if len(sites) == 1 else ""))
        text = template(kind, site_code=None if told is None else told.site_code)
        return Response(text, media_type="application/json" if kind == "study" else "text/csv; charset=utf-8")

    return router


_TEXT = {"schema": {"type": "string"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Columns and fields: docs/loading.md; `GET .../template` gives an example.",
        "content": {
            "text/csv": _TEXT,
            "application/json": {"schema": {"type": ["array", "object"], "items": {"type": "object"}}},
            "application/x-ndjson": _TEXT,
        },
    }
}
