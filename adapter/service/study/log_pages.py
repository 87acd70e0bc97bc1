"""In: an authorised GET from a browser. Out: the screening log and the audit trail, as pages and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.screening import write_log
from adapter.service.api import desk_of
from adapter.service.desk import Desk
from adapter.service.language import choose_language, load_words
from adapter.service.rendering import page, stage_of, today_of
from adapter.service.study.addresses import address
from adapter.service.study.audit_reading import (
    FIRST_DAY,
    LAST_DAY,
    AuditAsked,
    audit_lines,
    read_audit,
    subject_of_sites,
)
from adapter.service.study.log_reading import list_log, log_rows
from adapter.service.study.shapes import AuditEntry
from adapter.spreadsheets import safe_cell

__all__ = ["log_pages"]

_ROWS_A_PAGE = 50
_LINES_A_PAGE = 100
_MOST_PAGES = 1_000_000
_MOST_LINES = 2**53
_LONGEST = 128
_NOT_FOUND = 404
_UNPROCESSABLE = 422
_AUDIT_COLUMNS: Final = ("number", "at", "actor", "action", "subject", "detail")
_CSV: Final = "text/csv; charset=utf-8"

AnyDesk = Annotated[Desk, Depends(desk_of)]
OfSite = Annotated[str | None, Query(max_length=64)]

log_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@log_pages.get("/log")
def log_page(
    request: Request,
    desk: AnyDesk,
    site: OfSite = None,
    number: Annotated[int, Query(alias="page", ge=1, le=_MOST_PAGES)] = 1,
    *,
    whole: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    """The screening log (ICH E6 8.3.20), a page at a time, or all of it, to print."""
    stage, language = stage_of(request), choose_language(request)
    sites, rows = log_rows(desk, stage, site=site or None)
    pages = 1 if whole else max(1, -(-len(rows) // _ROWS_A_PAGE))
    if number > pages:
        raise HTTPException(_NOT_FOUND)
    first = (number - 1) * _ROWS_A_PAGE
    shown = rows if whole else rows[first : first + _ROWS_A_PAGE]
    desk.audit("view-log", subject=subject_of_sites(sites), detail=f"{desk.trial.id} {stage}")

    return page(
        request,
        "log.html",
        trial=desk.trial,
        stage=stage,
        site=site or None,
        sites=desk.sites_with(Permission.LOG),
        shown_sites=sites,
        rows=[list_log(row, desk.trial, language) for row in shown],
        total=len(rows),
        first=first + 1,
        page_number=number,
        pages=pages,
        turns=[
            (name, address("/log", stage=stage, site=site, page=other) if other != number else None)
            for name, other in (
                ("first", 1),
                ("previous", max(1, number - 1)),
                ("next", min(pages, number + 1)),
                ("last", pages),
            )
        ],
        whole=whole,
        whole_address=address("/log", stage=stage, site=site, all="true"),
        csv_address=address("/log.csv", stage=stage, site=site),
        today=today_of(request),
    )


@log_pages.get("/log.csv")
def log_csv(request: Request, desk: AnyDesk, site: OfSite = None) -> Response:
    """The whole screening log of a stage as CSV, reasons by code."""
    stage = stage_of(request)
    sites, rows = log_rows(desk, stage, site=site or None)
    desk.audit("export-log", subject=subject_of_sites(sites), detail=f"{desk.trial.id} {stage}")
    out = io.StringIO()
    write_log(rows, out)
    name = "-".join(("screening-log", desk.trial.id, stage, *([site] if site else [])))
    return Response(out.getvalue(), media_type=_CSV, headers=_as_file(name))


@log_pages.get("/audit")
def audit_page(
    request: Request, desk: AnyDesk, before: Annotated[int | None, Query(ge=1, le=_MOST_LINES)] = None
) -> Response:
    """Who saw or changed what and when, newest first."""
    asked, language = _asked(request), choose_language(request)
    found = read_audit(desk, asked, limit=_LINES_A_PAGE, before=before)
    desk.audit("view-audit", subject=subject_of_sites(desk.sites_with(Permission.AUDIT)))
    filters = {"action": asked.action, "actor": asked.actor, "day": asked.day, "patient": asked.patient}
    known = load_words()
    keys = known.keys()
    actions = sorted(
        (known.say(key, language), key.removeprefix("audit.action-")) for key in keys if key.startswith("audit.action-")
    )
    names = {code: name for name, code in actions}
    return page(
        request,
        "audit.html",
        trial=desk.trial,
        lines=[(line, names.get(line.action, line.action)) for line in found.lines],
        asked=asked,
        actions=actions,
        newest=address("/audit", **filters) if before is not None else None,
        older=address("/audit", **filters, before=found.older) if found.older is not None else None,
        csv_address=address("/audit.csv", **filters),
        everything=address("/audit"),
    )


@log_pages.get("/audit.csv")
def audit_csv(request: Request, desk: AnyDesk) -> Response:
    """The lines that are asked for as CSV, newest first, in bounded memory."""
    found = audit_lines(desk, _asked(request))
    desk.audit("view-audit", subject=subject_of_sites(desk.sites_with(Permission.AUDIT)), detail="csv")
    return StreamingResponse(_csv_of(found), media_type=_CSV, headers=_as_file("audit"))


def _asked(request: Request) -> AuditAsked:
    """What of the trail a form asks for; an empty field asks for nothing.

    Raises:
        HTTPException: 422, a day that is none, a name that is too long; 404, what cannot be a patient's key.
    """
    given = {name: request.query_params.get(name) or None for name in ("action", "actor", "day", "patient")}
    if any(value is not None and len(value) > _LONGEST for value in given.values()):
        raise HTTPException(_UNPROCESSABLE)
    try:
        day = None if given["day"] is None else date.fromisoformat(given["day"])
    except ValueError:
        raise HTTPException(_UNPROCESSABLE) from None
    if day is not None and not FIRST_DAY <= day <= LAST_DAY:
        raise HTTPException(_UNPROCESSABLE)
    return AuditAsked(given["action"], given["actor"], day, given["patient"])


def _csv_of(entries: Iterable[AuditEntry]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_AUDIT_COLUMNS)
    for entry in entries:
        writer.writerow(
            [
                safe_cell(value)
                for value in (
                    entry.number,
                    entry.at.isoformat(timespec="seconds"),
                    entry.actor,
                    entry.action,
                    entry.subject,
                    entry.detail,
                )
            ]
        )
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def _as_file(name: str) -> dict[str, str]:
    # A site's name is a folder's name: letters, digits, '.', '_' and '-'.
    return {"Content-Disposition": f'attachment; filename="{name}.csv"'}
