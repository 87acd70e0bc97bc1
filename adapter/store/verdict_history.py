"""In: the store, a trial and a stage. Out: every verdict that is kept of a patient, oldest first, and when the first was made."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

import msgspec
from sqlalchemy import func, select

from adapter.store.models import VerdictRow
from adapter.store.store import Store
from adapter.store.verdicts import StoredVerdict, _stored

__all__ = ["KeptVerdict", "first_verdicts", "verdict_history"]

#: SQLite allows 32,766 variables in a statement.
_AT_ONCE = 500


class KeptVerdict(msgspec.Struct, frozen=True):
    """One verdict, and since when the store has known it."""

    first_at: datetime
    verdict: StoredVerdict


def first_verdicts(store: Store, trial: str, stage: str, *, site: str) -> dict[str, datetime]:
    """When each patient of a site was first found, by ``Patient/id``."""
    query = (
        select(VerdictRow.patient, func.min(VerdictRow.first_screened_at, type_=VerdictRow.first_screened_at.type))
        .where(VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site)
        .group_by(VerdictRow.patient)
    )
    with store._state.session() as session:
        return dict(session.execute(query).all())


def verdict_history(
    store: Store, trial: str, stage: str, *, site: str, patients: Collection[str]
) -> dict[str, list[KeptVerdict]]:
    """All verdicts of some patients of a site, by ``Patient/id``, in the order in which they were made."""
    found: dict[str, list[KeptVerdict]] = {}
    for part in _parts(sorted(set(patients))):
        query = (
            select(VerdictRow)
            .where(VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site)
            .where(VerdictRow.patient.in_(part))
            .order_by(VerdictRow.patient, VerdictRow.first_screened_at, VerdictRow.number)
        )
        with store._state.session() as session:
            for row in session.scalars(query):
                found.setdefault(row.patient, []).append(KeptVerdict(row.first_screened_at, _stored(row)))
    return found


def _parts(patients: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(patients), _AT_ONCE):
        yield patients[start : start + _AT_ONCE]
