"""In: a request, an opened patient. Out: the patient's page, with its forms as they were sent where they could not be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from adapter.accounts import Permission
from adapter.criteria import LabRange, Stage, Timeline, lab_ranges, timeline_of
from adapter.service.desk import Desk
from adapter.service.language import choose_language, load_words
from adapter.service.patient.deciding import MOST_NOTE, reasons_of, states_for
from adapter.service.patient.file import Opened
from adapter.service.patient.redaction import value_teller
from adapter.service.patient.sheet import Beside, decided, decided_state, make_history, make_sheet
from adapter.service.patient.sources import source_token
from adapter.service.patient.timeline_table import has_picture, timeline_rows
from adapter.service.rendering import page, today_of
from adapter.store.accounts import Account

__all__ = ["TypedDecision", "account_names", "patient_view", "read_timeline", "sheet_values"]


@dataclass(frozen=True, slots=True)
class TypedDecision:
    """A decision that was typed and could not be kept, and what is wrong: by field (state, reason, note), or as a whole (``problem``)."""

    state: str = ""
    reason: str = ""
    note: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def read_timeline(desk: Desk, opened: Opened, request: Request) -> Timeline | None:
    """What the record tells up to today; None where it is gone, or cannot be read with the site's documents."""
    if opened.record is None or opened.reading is None:
        return None
    on = max(opened.verdict.on, today_of(request))
    return timeline_of(desk.trial, opened.record, site=opened.reading, on=on)


def sheet_values(request: Request, desk: Desk, opened: Opened, stage: Stage) -> dict[str, Any]:
    """What a patient's page and the printed sheet have in common."""
    language, file = choose_language(request), opened.file
    timeline = read_timeline(desk, opened, request)
    ranges: dict[tuple[str, str | None, str | None], LabRange] = {}
    if opened.record is not None and opened.reading is not None:
        ranges = lab_ranges(desk.trial, opened.record, site=opened.reading, on=opened.verdict.on)
    token = partial(source_token, file.key)
    tell = value_teller(opened.record, identified=file.identified)
    # Of the verdict with all its references: what is shown of them is settled line by line.
    verdict = opened.verdict
    sheet = make_sheet(
        verdict,
        desk.trial,
        language=language,
        today=today_of(request),
        beside=Beside(ranges=ranges, token=token, tell=tell, hidden=not file.identified),
    )
    return {
        "trial": desk.trial,
        "stage": stage,
        "query": "" if stage is Stage.REGISTRATION else f"?stage={stage}",
        "file": file,
        "sheet": sheet,
        "state": decided_state(file, desk.trial, language),
        "elsewhere": [(one, decided(one, desk.trial, language)) for one in file.decided_elsewhere],
        "timeline": timeline,
        "pictured": timeline is not None and has_picture(timeline),
        "timeline_rows": () if timeline is None else timeline_rows(timeline, language, tell=tell),
        "token": token,
    }


def patient_view(
    request: Request,
    desk: Desk,
    opened: Opened,
    stage: Stage,
    *,
    typed: TypedDecision | None = None,
    status: int = 200,
) -> Response:
    """The page.

    Args:
        request: in whose language.
        desk: of whoever reads it.
        opened: the patient.
        stage: of the trial.
        typed: what was typed into the decision form and could not be kept.
        status: of the answer.
    """
    language, file = choose_language(request), opened.file
    # Where nobody has decided, nothing can disagree: that is the rule, and saves the reading of a whole site.
    proposed = file.decision is not None and file.key in desk.proposed(stage, site=opened.site)
    offered, withheld = states_for(desk, opened.site)
    told = _told(request, desk, opened) if typed is None else None
    names = account_names(desk.store.accounts.all())
    return page(
        request,
        "patient.html",
        status=status,
        **sheet_values(request, desk, opened, stage),
        history=make_history(file, desk.trial, language, names=names),
        decided_by=None if file.decision is None else names.get(file.decision.decided_by, file.decision.decided_by),
        proposed=proposed,
        may_decide=desk.may(Permission.DECIDE, opened.site),
        may_attest=desk.may(Permission.ATTEST, opened.site),
        offered=offered,
        withheld=withheld,
        reasons=reasons_of(desk.trial, file.verdict, language),
        typed=typed or TypedDecision(),
        kept=typed is not None and desk.may(Permission.DECIDE, opened.site),
        most_note=MOST_NOTE,
        told=None if told is None else load_words().say(f"patient.told-{told}", language),
    )


def account_names(accounts: Iterable[Account]) -> dict[str, str]:
    """How accounts are called, by name; of two that are called alike the name is told too."""
    known = list(accounts)
    shared = Counter(one.display for one in known)
    return {
        one.name: f"{one.display} ({one.name})" if shared[one.display] > 1 else one.display
        for one in known
        if one.display
    }


def _told(request: Request, desk: Desk, opened: Opened) -> str | None:
    """What became of the last form, as the store tells it too: an address alone can claim nothing."""
    wish, file, actor = request.query_params.get("told"), opened.file, desk.viewer.actor
    if wish == "decided" and file.decision is not None and file.decision.decided_by == actor:
        return wish
    if wish == "attested" and any(one.here and one.by == actor for one in file.attestations):
        return wish
    return None
