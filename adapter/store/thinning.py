"""In: a site, a time before which verdicts are old. Out: of old verdicts that all say the same, those that count and one a week; the others go.

What counts stays for ever: the first and the last of those that say the same, so every change; what a person saw or had
before them when they decided; all of a day on which a subject of the trial has an event; all of a subject; the newest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from adapter.store.models import DecisionRow, VerdictRow
from adapter.store.state import State

__all__ = ["Lasting", "thin"]

#: Of two there is none between.
_FEWEST = 3
#: SQLite allows 32,766 variables in a statement.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Lasting:
    """Whose verdicts, and of which days, all stay.

    Attributes:
        patients: ``Patient/id``, of the site.
        days: reference dates.
    """

    patients: Collection[str] = field(default_factory=frozenset)
    days: Collection[date] = field(default_factory=frozenset)


class _Decided(NamedTuple):
    patient: str
    seen: str | None
    at: datetime


def thin(state: State, site: str, *, before: datetime, since: datetime | None, lasting: Lasting) -> int:
    """Remove what says nothing of its own; a transaction for each patient, so that a kill between two harms nothing.

    Args:
        state: the database.
        site: whose verdicts.
        before: those that were made, and made again, before this are old.
        since: those that were first made before this were gone through already; None for all.
        lasting: whose verdicts, and of which days, all stay.

    Returns:
        how many were removed.
    """
    span = [VerdictRow.site == site, VerdictRow.first_screened_at < before]
    if since is not None:
        span.append(VerdictRow.first_screened_at >= since)
    whose = (VerdictRow.trial, VerdictRow.stage, VerdictRow.patient)
    many = select(*whose).where(*span).group_by(*whose).having(func.count() >= _FEWEST).order_by(*whose)
    with state.session() as session:
        people = [tuple(row) for row in session.execute(many)]
        # Whoever decides from now on sees a newest verdict, which stays.
        decisions = _decisions(session, site)
    removed = 0
    for trial, stage, patient in people:
        if patient in lasting.patients:
            continue
        mine = (VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.patient == patient)
        order = (VerdictRow.first_screened_at, VerdictRow.number)
        with state.session() as session:
            rows = list(session.scalars(select(VerdictRow).where(*span, *mine).order_by(*order)))
            stay = _decided_on(decisions[trial], rows) | {row.number for row in rows if row.on_date in lasting.days}
            gone = [number for number in _said_on_both_sides(rows) if number not in stay]
            session.expunge_all()
            removed += _remove(session, gone, before=before)
    return removed


def _said_on_both_sides(rows: Sequence[VerdictRow]) -> Iterator[int]:
    """Numbers of those that say what the one before and the one after say, and are not the last of their week."""
    said = [_said(row.content) for row in rows]
    newest = max(rows, key=lambda row: (row.screened_at, row.number)).number
    for at in range(1, len(rows) - 1):
        same = said[at - 1] == said[at] == said[at + 1]
        if same and _week(rows[at]) == _week(rows[at + 1]) and rows[at].number != newest:
            yield rows[at].number


def _said(content: str) -> dict[str, Any]:
    """A verdict but for its day, and the days by which something is to be ordered, which follow it."""
    told: dict[str, Any] = msgspec.json.decode(content)
    told.pop("on", None)
    told["to_order"] = [{**item, "by": None} for item in told.get("to_order", ())]
    return told


def _week(row: VerdictRow) -> tuple[int, int]:
    year, week, _ = row.on_date.isocalendar()
    return year, week


def _decisions(session: Session, site: str) -> dict[str, list[_Decided]]:
    columns = (DecisionRow.trial, DecisionRow.patient, DecisionRow.seen, DecisionRow.decided_at)
    found: dict[str, list[_Decided]] = defaultdict(list)
    for trial, patient, seen, at in session.execute(select(*columns).where(DecisionRow.site == site)):
        found[trial].append(_Decided(patient, seen, at))
    return found


def _decided_on(decisions: Sequence[_Decided], rows: Sequence[VerdictRow]) -> set[int]:
    """Numbers of what was seen by a person who decided, under whatever id, and of what stood when this patient was decided on."""
    by_input: dict[str | None, list[VerdictRow]] = defaultdict(list)
    for row in rows:
        by_input[row.input_hash].append(row)
    stay: set[int] = set()
    for one in decisions:
        for kept in (by_input.get(one.seen, ()), rows if one.patient == rows[0].patient else ()):
            if kept:
                stay.add(
                    max((row for row in kept if row.first_screened_at <= one.at), key=_made, default=kept[0]).number
                )
    return stay


def _made(row: VerdictRow) -> tuple[datetime, int]:
    return row.first_screened_at, row.number


def _remove(session: Session, numbers: Sequence[int], *, before: datetime) -> int:
    removed = 0
    # SQLite gives the highest number again once its row is gone, and a digest knows verdicts by their number.
    highest = select(func.max(VerdictRow.number)).scalar_subquery()
    for start in range(0, len(numbers), _AT_ONCE):
        part = VerdictRow.number.in_(numbers[start : start + _AT_ONCE])
        # A screening as of an old day may have made one of them again meanwhile.
        gone = delete(VerdictRow).where(part, VerdictRow.screened_at < before, VerdictRow.number < highest)
        done = session.execute(gone.execution_options(synchronize_session=False))
        removed += cast("CursorResult[Any]", done).rowcount
    return removed
