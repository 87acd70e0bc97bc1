"""In: the decision form of a patient's page. Out: the decision, and back to the page; or the page with all that was typed, and what is wrong."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from adapter.criteria import Stage
from adapter.service.api import KEY_PATTERN, desk_of
from adapter.service.desk import Desk
from adapter.service.door.crossing import FORM_FIELD, ForeignRequest, from_here, token_holds
from adapter.service.language import LANGUAGES
from adapter.service.patient.deciding import DecidingKind, DecisionMade, DecisionRequest, decide_here, tidy_note
from adapter.service.patient.file import open_patient
from adapter.service.patient.view import TypedDecision, patient_view
from adapter.service.rendering import stage_of

__all__ = ["ONLY", "ONLY_LANGUAGE", "back_to", "deciding_pages"]

#: The field and value by which a form that was sent back is shown in the other language, with what was typed; nothing is done.
ONLY, ONLY_LANGUAGE = "only", "language"

_MEANWHILE = frozenset({DecidingKind.DECIDED_MEANWHILE, DecidingKind.NEW_VERDICT})
_FIELD_OF = {
    DecidingKind.UNKNOWN_STATE: ("state", "no-state"),
    DecidingKind.UNKNOWN_REASON: ("reason", "no-reason"),
    DecidingKind.NEEDS_INVESTIGATOR: ("state", "needs-investigator"),
}

AnyDesk = Annotated[Desk, Depends(desk_of)]
Key = Annotated[str, Path(pattern=KEY_PATTERN)]

deciding_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def back_to(key: str, stage: Stage, *, told: str = "", language: str | None = None, anchor: str = "") -> Response:
    """To a patient's page, as a page of its own."""
    values = {"stage": "" if stage is Stage.REGISTRATION else str(stage), "told": told, "lang": language or ""}
    query = urlencode({name: value for name, value in values.items() if value})
    return RedirectResponse(f"/patients/{key}{'?' if query else ''}{query}{anchor}", status_code=303)


@deciding_pages.get("/patients/{key}/decisions")
def back_to_patient(request: Request, desk: AnyDesk, key: Key) -> Response:
    """The form's address, opened as a page: from a history."""
    stage = stage_of(request)
    if open_patient(desk, key, stage) is None:
        raise HTTPException(404)
    wish = request.query_params.get("lang")
    return back_to(key, stage, language=wish if wish in LANGUAGES else None, anchor="#decide")


@deciding_pages.post("/patients/{key}/decisions", dependencies=[Depends(from_here)])
def decide_by_form(
    request: Request,
    desk: AnyDesk,
    key: Key,
    *,
    state: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    version: Annotated[str, Form()] = "",
    seen: Annotated[str, Form()] = "",
    only: Annotated[str, Form()] = "",
    problem: Annotated[str, Form()] = "",
    token: Annotated[str, Form(alias=FORM_FIELD)] = "",
) -> Response:
    """Decide, then back to the page; who decided on something that is no more so is told what it is now, with the form as they sent it."""
    if not token_holds(request, token):
        raise ForeignRequest
    stage = stage_of(request)
    opened = open_patient(desk, key, stage)
    if opened is None:
        raise HTTPException(404)
    wish, wrong = _wish({"state": state, "reason": reason, "note": note, "version": version, "seen": seen})
    if only == ONLY_LANGUAGE:
        told = problem if problem in _MEANWHILE else None
        typed = TypedDecision(state=state, reason=reason, note=note, wrong=wrong, problem=told)
        return patient_view(request, desk, opened, stage, typed=typed)
    made = None if wish is None else decide_here(desk, opened, wish)
    if made is not None and made.kind is DecidingKind.DONE:
        return back_to(opened.file.key, stage, told="decided", anchor="#decide")
    if made is not None and made.kind is DecidingKind.FORBIDDEN:
        raise HTTPException(403)
    told = made.kind.value if made is not None and made.kind in _MEANWHILE else None
    if made is not None and made.kind in _FIELD_OF:
        field, key_of_word = _FIELD_OF[made.kind]
        wrong = {field: key_of_word}
    # What stands now is read again: it is what the form is about from here on.
    now = open_patient(desk, key, stage) or opened
    typed = TypedDecision(state=state, reason=reason, note=note, wrong=wrong, problem=told)
    return patient_view(request, desk, now, stage, typed=typed, status=_status(made))


def _status(made: DecisionMade | None) -> int:
    return 422 if made is None else made.kind.status


def _wish(sent: dict[str, str]) -> tuple[DecisionRequest | None, dict[str, str]]:
    """The wish of a form, or what is wrong with it by field."""
    wrong = {}
    if not sent["state"]:
        wrong["state"] = "no-state"
    if not sent["reason"]:
        wrong["reason"] = "no-reason"
    try:
        tidy_note(sent["note"])
    except ValueError:
        wrong["note"] = "bad-note"
    if wrong:
        return None, wrong
    try:
        return DecisionRequest.model_validate(sent), {}
    except ValidationError:
        # The hidden fields, or a choice that the form does not offer.
        return None, {"state": "no-state"}
