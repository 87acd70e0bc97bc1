"""In: when a site's runs began. Out: whether this machine's clock leapt ahead between two of them, and whether it has gone on evenly since."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapter.store.models import RunRow

__all__ = ["SETTLED", "goes_evenly", "was_ahead"]

#: `reluth sync --every` takes 7 days at most: runs further apart tell of a leap, or of a machine that was off.
SETTLED = timedelta(days=8)


def was_ahead(session: Session, site: str, moment: datetime) -> bool:
    """The clock was ahead, and is not behind now: to the runs of the future it made a leap, and no run follows another one so late."""
    runs = select(RunRow.number, RunRow.started_at).where(RunRow.site == site)
    newest_first = RunRow.number.desc()
    last = session.execute(runs.where(RunRow.started_at > moment).order_by(newest_first).limit(1)).first()
    if last is None:
        return False
    past = runs.where(RunRow.started_at <= moment, RunRow.number < last.number)
    before = session.execute(past.order_by(newest_first).limit(1)).first()
    if before is None:
        return False
    leap = session.execute(runs.where(RunRow.number > before.number).order_by(RunRow.number).limit(1)).one()
    return bool(leap.started_at - before.started_at > SETTLED)


def goes_evenly(session: Session, site: str, moment: datetime) -> bool:
    """Nothing in the last days speaks for a leap: what is old by this clock is.

    A machine whose clock shows years too much is told by its next pull, as certificates have ended by then, or by a person.
    """
    runs = select(RunRow.number, RunRow.started_at).where(RunRow.site == site)
    lately = runs.where(RunRow.started_at > moment - SETTLED, RunRow.started_at <= moment)
    first = session.execute(lately.order_by(RunRow.number).limit(1)).first()
    if first is None:
        return False
    earlier = runs.where(RunRow.number < first.number).order_by(RunRow.number.desc()).limit(1)
    before = session.execute(earlier).first()
    return before is None or first.started_at - before.started_at <= SETTLED
