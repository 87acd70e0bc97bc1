"""In: an authorised request under /api. Out: the worklist a page at a time; a patient found or added by number."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from adapter.criteria import Stage
from adapter.screening import Bin
from adapter.screening.listing import Search
from adapter.service.api import desk_of, problem, problems_of
from adapter.service.desk import Desk
from adapter.service.door.crossing import from_here
from adapter.service.language import choose_language
from adapter.service.rendering import today_of
from adapter.service.worklist.finding import Found, find_patients, put_on_list
from adapter.service.worklist.reading import Asked, masked, read_listing
from adapter.service.worklist.shapes import (
    Candidate,
    FindRequest,
    FindResult,
    FoundPatient,
    PutRequest,
    Worklist,
    WorklistRow,
)

__all__ = ["worklist_api"]

_MOST_ROWS = 1000
_MOST_OFFSET = 10_000_000

AnyDesk = Annotated[Desk, Depends(desk_of)]

worklist_api = APIRouter(prefix="/api", tags=["screening"])


def _json_only(request: Request) -> None:
    # A form of somebody else's page can send text without asking first, and no JSON.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)


_CHANGES = [Depends(from_here), Depends(_json_only)]


@worklist_api.get(
    "/worklist",
    summary="Candidates in the order of what to do next",
    operation_id="worklist",
    responses=problems_of(401, 403, 404, 422),
)
def worklist(
    desk: AnyDesk,
    stage: Annotated[Stage, Query(description="Stage of the trial.")] = Stage.REGISTRATION,
    bins: Annotated[list[Bin] | None, Query(alias="bin", description="Only of these bins.")] = None,
    site: Annotated[str | None, Query(description="Of one site only.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS)] = 200,
    offset: Annotated[int, Query(ge=0, le=_MOST_OFFSET)] = 0,
) -> Worklist:
    """A part of all candidates whose verdicts are kept; ``total`` tells how many there are."""
    asked = Asked(Search(bins=tuple(bins or ())), site=site)
    found, current = read_listing(desk, stage, asked, limit=limit, offset=offset)
    return Worklist.model_validate(
        {
            "trial": desk.trial.id,
            "stage": stage,
            "total": found.total,
            "limit": limit,
            "offset": offset,
            "up_to_date": current,
            "bins": found.counts,
            "rows": [masked(desk, row).to_json() for row in found.rows],
        }
    )


@worklist_api.post(
    "/find",
    summary="Find a patient by number",
    operation_id="find_patient",
    dependencies=_CHANGES,
    responses=problems_of(401, 403, 404, 415, 422),
)
def find(request: Request, desk: AnyDesk, wish: FindRequest) -> FindResult:
    """Who is called so, on the list or not; of who is not, why. A POST, for no number stands in an address."""
    found = find_patients(
        desk,
        wish.stage,
        wish.number,
        site=wish.site,
        language=choose_language(request),
        today=today_of(request),
    )
    return FindResult(stage=wish.stage, found=[_shape(desk, one) for one in found])


@worklist_api.post(
    "/candidates",
    summary="Put a patient on the list by hand",
    operation_id="add_candidate",
    dependencies=_CHANGES,
    status_code=201,
    response_model=Candidate,
    responses=problems_of(401, 403, 404, 415, 422),
)
def add_candidate(request: Request, desk: AnyDesk, wish: PutRequest) -> Candidate | JSONResponse:
    """The patient is screened at once, unless another run works on the site."""
    made = put_on_list(desk, wish.site, wish.patient, today=today_of(request))
    if made is None:
        return problem(404)
    return Candidate(trial=desk.trial.id, site=made.site, patient=made.patient, key=made.key, screened=made.screened)


def _shape(desk: Desk, one: Found) -> FoundPatient:
    row = None if one.row is None else WorklistRow.model_validate(masked(desk, one.row).to_json())
    return FoundPatient(
        site=one.site,
        patient=one.patient,
        key=one.key,
        listed=row is not None,
        is_deleted=one.is_deleted,
        awaits_screening=one.awaits_screening,
        removed_at=one.removed_at,
        awaits_pull=one.awaits_pull,
        because=list(one.because),
        row=row,
    )
