"""In: an authorised request under /api. Out: a patient's file; a decision or an attestation kept."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from adapter.criteria import Stage
from adapter.service.api import KEY_PATTERN, desk_of, problem, problems_of
from adapter.service.desk import Desk
from adapter.service.door.crossing import from_here
from adapter.service.patient.attesting import AttestationKept, AttestationRequest, attest_here
from adapter.service.patient.deciding import DecisionRequest, decide_here
from adapter.service.patient.file import Opened, open_patient
from adapter.service.rendering import today_of
from adapter.service.shapes import PatientFile, StandingDecision

__all__ = ["patient_api"]

patient_api = APIRouter(prefix="/api", tags=["screening"])

AnyDesk = Annotated[Desk, Depends(desk_of)]
AtStage = Annotated[Stage, Query(description="Stage of the trial.")]
Key = Annotated[str, Path(pattern=KEY_PATTERN, description="Random key of a patient, from the worklist.")]


def _json_only(request: Request) -> None:
    # A form of somebody else's page can send text without asking first, and no JSON.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)


def _opened(desk: Desk, key: str, stage: Stage) -> Opened:
    found = open_patient(desk, key, stage)
    if found is None:
        raise HTTPException(404)
    return found


@patient_api.get(
    "/patients/{key}",
    summary="One patient's verdicts",
    operation_id="patient",
    responses=problems_of(401, 403, 404, 422),
)
def patient(desk: AnyDesk, key: Key, stage: AtStage = Stage.REGISTRATION) -> PatientFile:
    """The last verdict at a stage, with what persons decided and attested; under the screening number for whom the identity is not."""
    opened = _opened(desk, key, stage)
    desk.audit("view-patient", subject=f"{opened.site}/{opened.patient}")
    return opened.file


@patient_api.post(
    "/patients/{key}/decisions",
    summary="Decide on a patient",
    operation_id="decide",
    dependencies=[Depends(from_here), Depends(_json_only)],
    response_model=StandingDecision,
    responses=problems_of(401, 403, 404, 409, 415, 422),
)
def decide(
    desk: AnyDesk, key: Key, wish: DecisionRequest, stage: AtStage = Stage.REGISTRATION
) -> StandingDecision | JSONResponse:
    """Record a decision on what was seen; refused where somebody decided meanwhile, or new data came."""
    made = decide_here(desk, _opened(desk, key, stage), wish)
    return made.decision if made.decision is not None else problem(made.kind.status, made.kind.detail)


@patient_api.post(
    "/patients/{key}/attestations",
    summary="Attest what only people know",
    operation_id="attest",
    dependencies=[Depends(from_here), Depends(_json_only)],
    response_model=AttestationKept,
    responses=problems_of(401, 403, 404, 409, 415, 422, 503),
)
def attest(
    request: Request, desk: AnyDesk, key: Key, wish: AttestationRequest, stage: AtStage = Stage.REGISTRATION
) -> AttestationKept | JSONResponse:
    """Keep signed statements as a QuestionnaireResponse of the site, and screen the patient with them."""
    made = attest_here(desk, _opened(desk, key, stage), wish, stage=stage, today=today_of(request))
    return made.kept if made.kept is not None else problem(made.kind.status, made.kind.detail)
