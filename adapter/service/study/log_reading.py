"""In: the desk of whoever asks, a stage, perhaps one site. Out: the screening log of the sites that they may see, and its words."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.accounts import Permission
from adapter.criteria import Stage, Trial
from adapter.screening import LogRow, read_log, words
from adapter.service.desk import Desk
from adapter.service.language import Language, load_words
from adapter.service.study.kept import kept
from adapter.service.study.reading import asked_sites, site_state
from adapter.service.study.shapes import LogEntry

__all__ = ["ListedLog", "list_log", "log_entry", "log_rows"]


@dataclass(frozen=True, slots=True)
class ListedLog:
    """A row in a reader's language; ``failed`` are the numbers of the criteria."""

    row: LogRow
    eligible: str
    failed: str
    reason: str
    state: str
    decided_on: str


def log_rows(desk: Desk, stage: Stage, *, site: str | None = None) -> tuple[list[str], list[LogRow]]:
    """The sites that are shown, and the rows of the screening log, by site and number.

    Raises:
        HTTPException: 404, the site asked for is not there for them.
    """
    sites = asked_sites(desk, Permission.LOG, site)
    return sites, [row for name in sites for row in _rows(desk, stage, name)]


def log_entry(row: LogRow) -> LogEntry:
    """A row as the API's object."""
    return LogEntry.model_validate(row.to_json())


def list_log(row: LogRow, trial: Trial, language: Language) -> ListedLog:
    """A row in a reader's language."""
    known, say = load_words(), words(language)
    state = next((one.label[language] for one in trial.states if one.id == row.state), row.state)
    return ListedLog(
        row=row,
        eligible=known.say(f"log.eligible-{row.eligible}", language),
        failed=" ".join(row.failed),
        reason=_reason(row.reason_not_enrolled, trial, language),
        state=state,
        decided_on="" if row.decided_on is None else say.day(row.decided_on),
    )


def _rows(desk: Desk, stage: Stage, site: str) -> list[LogRow]:
    state = site_state(desk, stage, site)
    return kept(desk.store, ("log", stage, site), state, lambda: read_log(desk.store, desk.trial, stage, site=site))


def _reason(code: str | None, trial: Trial, language: Language) -> str:
    """Why somebody was not enrolled, in words; a code of an older document stays as it is."""
    if code is None:
        return ""
    if code == "criteria":
        return load_words().say("log.reason-criteria", language)
    label = next((one.label[language] for one in trial.criteria if one.id == code), None)
    if label is not None:
        return f"{code} {label}"
    say = words(language)
    for group in ("outcome_reasons", "decision_reasons"):
        if code in say.codes(group):
            return say.of(group, code)
    return code
