"""In: an authorised request from a browser. Out: the attestation form of a patient; what was attested, kept, or the form as it was sent and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.criteria import Stage, reference_date
from adapter.service.api import KEY_PATTERN, desk_of
from adapter.service.desk import Desk
from adapter.service.door.crossing import FORM_FIELD, ForeignRequest, from_here, token_holds
from adapter.service.language import choose_language
from adapter.service.patient.attesting import AttestingKind, attest_here, questions_for
from adapter.service.patient.attesting_form import make_form, read_form, seen_in
from adapter.service.patient.deciding_pages import ONLY, ONLY_LANGUAGE, back_to
from adapter.service.patient.file import Opened, open_patient
from adapter.service.rendering import page, stage_of, today_of

__all__ = ["attesting_pages"]

_UNPROCESSABLE = 422
#: More fields than any trial's form has; a longer form is cut by the framework with 400.
_MOST_FIELDS = 1_000

AnyDesk = Annotated[Desk, Depends(desk_of)]
Key = Annotated[str, Path(pattern=KEY_PATTERN)]

attesting_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


async def _sent(request: Request) -> dict[str, str]:
    """The fields of a form whose names hang on the trial; files are no part of it."""
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


@attesting_pages.get("/patients/{key}/attestations")
def attestation_form(request: Request, desk: AnyDesk, key: Key) -> Response:
    """What only people know of a patient."""
    opened = _opened(request, desk, key)
    desk.audit("view-patient", subject=f"{opened.site}/{opened.patient}")
    return _form_page(request, desk, opened)


@attesting_pages.post("/patients/{key}/attestations", dependencies=[Depends(from_here)])
def attest_by_form(
    request: Request, desk: AnyDesk, key: Key, sent: Annotated[Mapping[str, str], Depends(_sent)]
) -> Response:
    """Attest, then to the patient's page with the new verdict."""
    if not token_holds(request, sent.get(FORM_FIELD, "")):
        raise ForeignRequest
    opened = _opened(request, desk, key)
    if sent.get(ONLY) == ONLY_LANGUAGE:
        return _form_page(request, desk, opened, sent=sent)
    wish = read_form(sent)
    if wish is None:
        return _form_page(request, desk, opened, sent=sent, status=_UNPROCESSABLE)
    made = attest_here(
        desk, opened, wish, stage=stage_of(request), today=today_of(request), language=choose_language(request)
    )
    if made.kind is AttestingKind.DONE:
        return back_to(opened.file.key, stage_of(request), told="attested")
    return _form_page(request, desk, opened, sent=sent, status=made.kind.status, problem=made.kind.value)


def _opened(request: Request, desk: Desk, key: str) -> Opened:
    found = open_patient(desk, key, stage_of(request))
    if found is None:
        raise HTTPException(404)
    if not desk.may(Permission.ATTEST, found.site):
        raise HTTPException(403)
    return found


def _form_page(
    request: Request,
    desk: Desk,
    opened: Opened,
    *,
    sent: Mapping[str, str] | None = None,
    status: int = 200,
    problem: str | None = None,
) -> Response:
    language, stage, today = choose_language(request), stage_of(request), today_of(request)
    questions = questions_for(desk, opened, stage, today)
    # Who sends again knows what they were told; of what came while they typed they are told when they send.
    is_told = sent is None or problem == AttestingKind.ATTESTED_MEANWHILE
    seen = opened.file.attested if is_told else seen_in(sent or {})
    fixed = None if opened.record is None else reference_date(desk.trial, opened.record, stage)
    return page(
        request,
        "attest.html",
        status=status,
        trial=desk.trial,
        stage=stage,
        query="" if stage is Stage.REGISTRATION else f"?stage={stage}",
        file=opened.file,
        form=make_form(questions, desk.trial, language, seen=seen, sent=sent),
        problem=problem,
        kept=sent is not None and bool(questions),
        # What is attested today does not count on a day that is past (clarifications.md 27).
        counts_from=fixed if fixed is not None and fixed < today else None,
        today=today,
    )
