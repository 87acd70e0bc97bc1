"""In: the tables of the state. Out: what a call of CDS Hooks asks of them and writes to them, each made once.

Of tables and not of mapped classes: a call asks for a few cells, and making the questions took longer than the answers.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import String, Table, bindparam, exists, insert, select
from sqlalchemy.orm import DeclarativeBase

from adapter.store.card_models import CardFeedbackRow, CardRow, CardTokenRow
from adapter.store.models import AddedCandidateRow, AuditRow, DecisionRow, PatientKeyRow, VerdictRow

__all__ = ["DECIDED", "ONE_OF_EACH", "OVERRIDDEN", "OVERRIDES", "TO_AUDIT", "TO_CARDS", "TO_TOKENS"]

OVERRIDDEN: Final = "overridden"


def _table(model: type[DeclarativeBase]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


_SITE, _TRIAL, _STAGE, _PATIENT = (bindparam(name, type_=String) for name in ("site", "trial", "stage", "patient"))
#: Every record of the person; the one that survives is `_PATIENT`.
_PATIENTS = bindparam("patients", expanding=True, type_=String)

_cards, _feedback = _table(CardRow), _table(CardFeedbackRow)
_verdict, _decision = _table(VerdictRow).c, _table(DecisionRow).c
_key, _added = _table(PatientKeyRow).c, _table(AddedCandidateRow).c

#: The last verdict, the random key, whether somebody added them: one row.
ONE_OF_EACH: Final = select(
    select(_verdict.content)
    .where(_verdict.site == _SITE, _verdict.patient == _PATIENT)
    .where(_verdict.trial == _TRIAL, _verdict.stage == _STAGE)
    .order_by(_verdict.screened_at.desc(), _verdict.number.desc())
    .limit(1)
    .scalar_subquery(),
    select(_key.key).where(_key.site == _SITE, _key.patient == _PATIENT).scalar_subquery(),
    exists().where(_added.site == _SITE, _added.patient.in_(_PATIENTS), _added.trial == _TRIAL),
)
#: The standing decision.
DECIDED: Final = (
    select(_decision.state, _decision.decided_at)
    .where(_decision.site == _SITE, _decision.patient.in_(_PATIENTS), _decision.trial == _TRIAL)
    .order_by(_decision.number.desc())
    .limit(1)
)
#: Cards that were overridden, oldest first.
OVERRIDES: Final = (
    select(_cards.c.service, _cards.c.signature, _feedback.c.reason, _feedback.c.received_at)
    .select_from(_cards.join(_feedback, _feedback.c.card == _cards.c.uuid))
    .where(_cards.c.site == _SITE, _cards.c.patient.in_(_PATIENTS), _cards.c.trial == _TRIAL)
    .where(_feedback.c.outcome == OVERRIDDEN)
    .order_by(_feedback.c.number)
)
TO_CARDS: Final = insert(_cards)
TO_TOKENS: Final = insert(_table(CardTokenRow))
TO_AUDIT: Final = insert(_table(AuditRow))
