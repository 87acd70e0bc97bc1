"""In: which lines of the audit trail are wanted, of which sites. Out: those lines, newest first, a page at a time.

A line's subject begins with its site (``icm/Patient/1``), or names several sites joined by blanks (a list over all of them).
Lines of accounts, of the door and of backups (``user-*``, ``sign-*``, ``backup*``, ``restore``) are of no site, whatever their
subject reads like.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select

from adapter.store.models import AuditRow
from adapter.store.state import State

__all__ = ["AuditLine", "AuditTrail", "AuditWanted"]

#: Actions whose subject is an account, the whole store or nobody.
_OF_NO_SITE = ("user-", "sign-", "backup", "restore")
_READ_AT_ONCE = 1000


class AuditLine(msgspec.Struct, frozen=True):
    """Who did what to whom, by ids only; ``number`` orders the lines as they were written."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str

    @property
    def of_no_site(self) -> bool:
        """Whether the line is about an account, the door or a backup."""
        return self.action.startswith(_OF_NO_SITE)


class AuditWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines.

    Attributes:
        sites: only lines of these sites; None for all lines, those of no site included. An empty one wants nothing.
        action: only this action.
        actor: only what this person did.
        since: aware time, from which on; ``until`` up to which, itself not included.
        patients: only lines of these (site, ``Patient/id``) pairs, a person's merged records.
    """

    sites: Collection[str] | None = ()
    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    patients: Collection[tuple[str, str]] | None = None


class AuditTrail:
    """The audit trail in the state, for reading; it is written by `Store.audit` only, and never changed."""

    def __init__(self, state: State) -> None:
        self._state = state

    def page(self, wanted: AuditWanted, *, limit: int, before: int | None = None) -> list[AuditLine]:
        """Lines, newest first.

        Args:
            wanted: which.
            limit: at most so many.
            before: only lines written before that of this number. A number of lines to pass over would not do: each look
                at the trail adds a line to it.
        """
        query = _query(wanted).order_by(AuditRow.number.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.number < before)
        with self._state.session() as session:
            return [_line(row) for row in session.scalars(query)]

    def lines(self, wanted: AuditWanted) -> Iterator[AuditLine]:
        """All lines, newest first, in bounded memory; each thousand is read in a transaction of its own."""
        before: int | None = None
        while found := self.page(wanted, limit=_READ_AT_ONCE, before=before):
            yield from found
            before = found[-1].number

    def all(self) -> list[AuditLine]:
        """The whole trail, oldest first."""
        with self._state.session() as session:
            return [_line(row) for row in session.scalars(select(AuditRow).order_by(AuditRow.number))]


def _query(wanted: AuditWanted) -> Select[AuditRow]:
    query = select(AuditRow)
    if wanted.sites is not None:
        of_a_site = [~_begins(AuditRow.action, start) for start in _OF_NO_SITE]
        query = query.where(and_(*of_a_site, or_(literal(False), *(_is_of(site) for site in wanted.sites))))
    if wanted.action is not None:
        query = query.where(AuditRow.action == wanted.action)
    if wanted.actor is not None:
        query = query.where(AuditRow.actor == wanted.actor)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditRow.at < wanted.until)
    if wanted.patients is not None:
        query = query.where(or_(literal(False), *(_concerns(*pair) for pair in wanted.patients)))
    return query


def _is_of(site: str) -> ColumnElement[bool]:
    return or_(_begins(AuditRow.subject, f"{site}/"), _has_word(AuditRow.subject, site))


def _concerns(site: str, patient: str) -> ColumnElement[bool]:
    named = f"{site}/{patient}"
    # A list over one site names its patients without the site, one over several with it.
    listed = and_(AuditRow.subject == site, _has_word(AuditRow.detail, patient))
    return or_(
        AuditRow.subject == named, _begins(AuditRow.subject, f"{named}/"), listed, _has_word(AuditRow.detail, named)
    )


def _begins(column: ColumnElement[str] | object, start: str) -> ColumnElement[bool]:
    # LIKE takes no notice of case in SQLite, and site "a" must not see lines of site "A".
    return func.substr(column, 1, len(start)) == start


def _has_word(column: object, word: str) -> ColumnElement[bool]:
    padded = literal(" ").op("||")(column).op("||")(" ")
    return func.replace(padded, f" {word} ", "") != padded


def _line(row: AuditRow) -> AuditLine:
    return AuditLine(row.number, row.at, row.actor, row.action, row.subject, row.detail)
