"""In: runs that have ended, or never held their site. Out: a row of each, and what is known of them, newest first."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from adapter.errors import ReluthError
from adapter.store.models import RunRow
from adapter.store.site_lock import check_site
from adapter.store.state import State, now

__all__ = ["RunInfo", "failure_told", "last_whole_run", "note_failed_run", "note_run", "recent_runs", "run_name"]


class RunInfo:
    """What is known of a run: name, site, kind, state (open, committed, failed), complete, summary (JSON).

    The summary of a run that failed holds ``exit_code`` and ``problem``, and ``begun`` false where it failed before it
    held the site; one that was killed has none.
    """

    def __init__(self, row: RunRow) -> None:
        self.name = row.name
        self.site = row.site
        self.kind = row.kind
        self.state = row.state
        self.complete = row.complete
        self.summary = row.summary
        self.started_at: datetime = row.started_at
        self.ended_at: datetime | None = row.ended_at


def note_run(
    state: State, site: str, kind: str, *, begun: datetime, summary: str | None, complete: bool | None = None
) -> str:
    """Note a run that has ended and did not hold the site: it changed nothing of the lake.

    Args:
        state: the database.
        site: whose.
        kind: of work.
        begun: when.
        summary: closing object (JSON); None for one that failed.
        complete: whether all was done.

    Returns:
        its name.
    """
    # Never open: the next run that takes the site would take it for one that was left behind.
    ended = "failed" if summary is None else "committed"
    row = RunRow(site=check_site(site), kind=kind, state=ended, complete=complete, started_at=begun)
    return _note(state, row, summary)


def note_failed_run(state: State, site: str, kind: str, *, begun: datetime, error: ReluthError) -> str:
    """Note a run that failed before it held the site: nobody was reached, or nobody could be asked.

    Args:
        state: the database.
        site: whose.
        kind: of work.
        begun: when.
        error: what it failed by.

    Returns:
        its name.
    """
    row = RunRow(site=check_site(site), kind=kind, state="failed", started_at=begun)
    return _note(state, row, failure_told(site, error, begun=False))


def _note(state: State, row: RunRow, summary: str | None) -> str:
    with state.session() as session:
        row.name, row.summary, row.ended_at = secrets.token_hex(16), summary, now()
        session.add(row)
        session.flush()
        row.name = run_name(row)
        return row.name


def failure_told(site: str, error: ReluthError, **more: object) -> str:
    """What is kept of an error: its text names resources and addresses at most."""
    return json.dumps({"site": site, **more, "exit_code": error.exit_code, "problem": str(error)}, ensure_ascii=False)


def run_name(row: RunRow) -> str:
    """What a run is called: when it began, and its number."""
    return f"{row.started_at:%Y%m%dT%H%M%SZ}-{row.number:06d}"


def recent_runs(
    state: State, kind: str | None, *, site: str | Collection[str] | None, limit: int, offset: int = 0
) -> list[RunInfo]:
    """The newest runs, of a kind and of a site (or of some sites) where these are given, whatever became of them.

    Args:
        state: the database.
        kind: pull, screen, push, attest; None for all.
        site: one site or several; None for all.
        limit: at most so many.
        offset: after so many of the newest were passed over.
    """
    query = select(RunRow).order_by(RunRow.number.desc()).limit(limit).offset(offset)
    if kind is not None:
        query = query.where(RunRow.kind == kind)
    if site is not None:
        query = query.where(RunRow.site.in_([site] if isinstance(site, str) else list(site)))
    with state.session() as session:
        return [RunInfo(row) for row in session.scalars(query)]


def last_whole_run(state: State, kind: str, *, site: str) -> RunInfo | None:
    """The newest run of a kind and a site that did all it was to, however many have failed since."""
    query = (
        select(RunRow)
        .where(RunRow.site == site, RunRow.kind == kind, RunRow.state == "committed", RunRow.complete.is_(True))
        .order_by(RunRow.number.desc())
        .limit(1)
    )
    with state.session() as session:
        row = session.scalars(query).first()
        return None if row is None else RunInfo(row)
