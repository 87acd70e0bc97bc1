"""In: accounts with the hash of a password, or the issuer and subject of a provider. Out: the same found again; attempts counted; sessions.

What a role may do, and what a good password is, is known above (`adapter.accounts`); here roles are words and passwords hashes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapter.errors import UsageError
from adapter.store.account_models import AccountRoleRow, AccountRow
from adapter.store.account_sessions import AccountSessions
from adapter.store.models import AuditRow
from adapter.store.state import State, now

__all__ = ["Account", "Accounts", "KeptPassword", "fold_name"]

_EVERY_SITE = "*"
_SHORT_NAME = 56
_NAMESAKES = 100_000
#: Of an actor in the audit trail.
_LONGEST: Final = 128


class KeptPassword(msgspec.Struct, frozen=True):
    """A password as it is kept; one that another person made holds for choosing an own one only."""

    hash: str
    one_time: bool = False

    def __repr__(self) -> str:
        return f"KeptPassword(one_time={self.one_time})"


class Account(msgspec.Struct, frozen=True):
    """Who may sign in, and as what at which site; ``name`` is how the audit trail names them."""

    number: int
    name: str
    display: str
    email: str
    roles: dict[str, frozenset[str]]
    created_at: datetime
    disabled_at: datetime | None = None
    issuer: str | None = None
    has_password: bool = False
    password_changed_at: datetime | None = None
    failed_count: int = 0
    locked_until: datetime | None = None

    @property
    def must_change_password(self) -> bool:
        """It was given a one-time password, and has chosen none of its own."""
        return self.has_password and self.password_changed_at is None


def fold_name(text: str) -> str:
    """A name as it is kept and compared: compatible signs alike, capitals alike.

    >>> fold_name(" Anna "), fold_name("ANNA")
    ('anna', 'anna')
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


class Accounts(AccountSessions):
    """Accounts, roles and sessions in the state."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._state = state

    # Reading ------------------------------------------------------------------------------------------------------

    def any_enabled(self) -> bool:
        """Whether anybody can sign in."""
        query = select(AccountRow.number).where(AccountRow.disabled_at.is_(None)).limit(1)
        with self._state.session() as session:
            return session.scalar(query) is not None

    def all(self) -> list[Account]:
        """All accounts, disabled ones included, by name."""
        with self._state.session() as session:
            return [_account(session, row) for row in session.scalars(select(AccountRow).order_by(AccountRow.name))]

    def by_name(self, name: str) -> Account | None:
        """The account of a name, however it is capitalised."""
        if "\0" in name:
            # PostgreSQL takes none in a text, and no name has one.
            return None
        with self._state.session() as session:
            row = session.scalar(select(AccountRow).where(AccountRow.name == fold_name(name)))
            return None if row is None else _account(session, row)

    def by_number(self, number: int) -> Account | None:
        """The account of a number."""
        with self._state.session() as session:
            row = session.get(AccountRow, number)
            return None if row is None else _account(session, row)

    def password_hash(self, number: int) -> str | None:
        """What a password of the account is compared with; None where it has none."""
        with self._state.session() as session:
            return session.scalar(select(AccountRow.password_hash).where(AccountRow.number == number))

    def addresses(self, *, site: str, roles: Iterable[str]) -> list[str]:
        """Mail addresses of the enabled accounts that are one of ``roles`` at a site."""
        query = (
            select(AccountRow.email)
            .join(AccountRoleRow, AccountRoleRow.account == AccountRow.number)
            .where(AccountRow.disabled_at.is_(None), AccountRow.email != "")
            .where(AccountRoleRow.site.in_((site, _EVERY_SITE)), AccountRoleRow.role.in_([str(role) for role in roles]))
            .distinct()
            .order_by(AccountRow.email)
        )
        with self._state.session() as session:
            return list(session.scalars(query))

    # Keeping ------------------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        roles: Mapping[str, Collection[str]],
        password: KeptPassword | None,
        display: str = "",
        email: str = "",
    ) -> Account:
        """A new account.

        Args:
            name: by which it signs in.
            roles: by site, or ``*``.
            password: as kept; None: it cannot sign in by one.
            display: as pages name it; else its name.
            email: for digests; may be empty.

        Raises:
            UsageError: the name is taken.
        """
        row = _new_row(fold_name(name), display=display, email=email)
        _put_password(row, password)
        try:
            with self._state.session() as session:
                session.add(row)
                session.flush()
                _put_roles(session, row.number, roles)
                return _account(session, row)
        except IntegrityError:
            raise UsageError(f"account {row.name}: there is one by this name already") from None

    def at_provider(self, *, issuer: str, subject: str) -> Account | None:
        """The account of somebody whom a provider vouches for, None where they have not been here.

        Args:
            issuer: the provider.
            subject: who they are there, for good.
        """
        query = select(AccountRow.number).where(AccountRow.issuer == issuer, AccountRow.subject == subject)
        with self._state.session() as session:
            number = session.scalar(query)
        return None if number is None else self.by_number(number)

    def keep_display(self, number: int, display: str) -> None:
        """As what pages name somebody from now on; the audit trail goes on naming the account."""
        with self._state.session() as session:
            session.execute(update(AccountRow).where(AccountRow.number == number).values(display=display[:128]))

    def from_provider(
        self, *, issuer: str, subject: str, name: str, email: str, roles: Mapping[str, Collection[str]]
    ) -> Account:
        """The account of somebody whom a provider vouches for, made the first time; roles and mail as the provider says now.

        It is found by issuer and subject only: a name at the provider never leads to a local account. One that was disabled
        here stays so: look at ``disabled_at``. A new account, and other roles than before, stand in the audit trail, in the same
        transaction: no person of ours gave them.
        """
        wanted = {site: frozenset(map(str, given)) for site, given in roles.items() if given}
        for _ in range(3):
            try:
                with self._state.session() as session:
                    row = session.scalar(
                        select(AccountRow).where(AccountRow.issuer == issuer, AccountRow.subject == subject)
                    )
                    if row is None:
                        row = _new_row(_free_name(session, name), display=name.strip()[:128], email=email)
                        row.issuer, row.subject = issuer, subject
                        session.add(row)
                        session.flush()
                        _put_roles(session, row.number, wanted)
                        _note(session, row, "user-add", " ".join(sorted(_written(wanted))))
                    else:
                        row.email = email
                        before = _roles_of(session, row.number)
                        if before != wanted:
                            _put_roles(session, row.number, wanted)
                            _note(session, row, "user-role", _changed(_written(before), _written(wanted)))
                            self.end_sessions(row.number, within=session)
                    return _account(session, row)
            except IntegrityError:
                # Two first sign-ins at once: now it is there.
                continue
        raise UsageError("the account of a provider could not be made")  # pragma: no cover - three clashes in a row

    def set_roles(self, number: int, roles: Mapping[str, Collection[str]]) -> Account:
        """Give an account other roles; its sessions end."""
        with self._state.session() as session:
            row = _known(session, number)
            _put_roles(session, number, roles)
            self.end_sessions(number, within=session)
            return _account(session, row)

    def set_password(self, number: int, password: KeptPassword) -> Account:
        """Give an account another password; its sessions end, wrong ones are forgotten."""
        with self._state.session() as session:
            row = _known(session, number)
            _put_password(row, password)
            row.failed_count, row.locked_until = 0, None
            self.end_sessions(number, within=session)
            return _account(session, row)

    def rehash(self, number: int, *, was: str, hash_: str) -> None:
        """Keep the same password by newer parameters, unless it was changed meanwhile."""
        query = update(AccountRow).where(AccountRow.number == number, AccountRow.password_hash == was)
        with self._state.session() as session:
            session.execute(query.values(password_hash=hash_))

    def disable(self, number: int) -> Account:
        """Nobody signs in by it any more, and its sessions end."""
        with self._state.session() as session:
            row = _known(session, number)
            row.disabled_at = row.disabled_at or now()
            self.end_sessions(number, within=session)
            return _account(session, row)

    def enable(self, number: int) -> Account:
        """Let it sign in again, and forget wrong passwords."""
        with self._state.session() as session:
            row = _known(session, number)
            row.disabled_at, row.failed_count, row.locked_until = None, 0, None
            return _account(session, row)

    def unlock(self, number: int) -> Account:
        """Forget wrong passwords."""
        with self._state.session() as session:
            row = _known(session, number)
            row.failed_count, row.locked_until = 0, None
            return _account(session, row)

    # Attempts -----------------------------------------------------------------------------------------------------

    def begin_attempt(self, number: int, *, lock: Callable[[int], timedelta | None]) -> bool:
        """Count a password as wrong before it is compared, so that many at once are not more than the rule allows.

        Args:
            number: of the account.
            lock: how long so many wrong passwords in a row lock it; None: not yet.

        Returns:
            whether it may be compared at all: the account is neither locked nor disabled.
        """
        at = now()
        # One statement looks and counts: between two of them another attempt would fit.
        query = (
            update(AccountRow)
            .where(AccountRow.number == number, AccountRow.disabled_at.is_(None))
            .where(or_(AccountRow.locked_until.is_(None), AccountRow.locked_until <= at))
            .values(failed_count=AccountRow.failed_count + 1)
            .returning(AccountRow.failed_count)
        )
        with self._state.session() as session:
            failed = session.scalar(query)
            if failed is None:
                return False
            locked = lock(failed)
            if locked is not None:
                session.execute(update(AccountRow).where(AccountRow.number == number).values(locked_until=at + locked))
            return True

    def succeed(self, number: int, *, hash_: str) -> bool:
        """The password was right: forget wrong ones.

        Returns:
            whether it still is: a password changed meanwhile, or an account disabled, lets nobody in.
        """
        query = (
            update(AccountRow)
            .where(AccountRow.number == number, AccountRow.disabled_at.is_(None), AccountRow.password_hash == hash_)
            .values(failed_count=0, locked_until=None)
        )
        with self._state.session() as session:
            return cast("CursorResult[Any]", session.execute(query)).rowcount == 1


def _new_row(name: str, *, display: str, email: str) -> AccountRow:
    return AccountRow(name=name, display=display or name, email=email, created_at=now(), failed_count=0)


def _put_password(row: AccountRow, password: KeptPassword | None) -> None:
    row.password_hash = None if password is None else password.hash
    row.password_changed_at = None if password is None or password.one_time else now()


def _put_roles(session: Session, number: int, roles: Mapping[str, Collection[str]]) -> None:
    session.execute(delete(AccountRoleRow).where(AccountRoleRow.account == number))
    session.add_all(
        AccountRoleRow(account=number, site=site, role=role)
        for site, given in roles.items()
        for role in sorted({str(role) for role in given})
    )
    session.flush()


def _note(session: Session, row: AccountRow, action: str, detail: str) -> None:
    """A line of the audit trail on what a provider's groups did to an account; a colon stands in no account's name."""
    actor = f"provider:{urlsplit(row.issuer or '').netloc}"[:_LONGEST]
    session.add(AuditRow(at=now(), actor=actor, action=action, subject=f"account/{row.name}", detail=detail))


def _written(roles: Mapping[str, Collection[str]]) -> set[str]:
    """As they are written on the command line."""
    return {f"{role}@{site}" for site, given in roles.items() for role in given}


def _changed(before: set[str], after: set[str]) -> str:
    return " ".join(
        [*(f"+{text}" for text in sorted(after - before)), *(f"-{text}" for text in sorted(before - after))]
    )


def _roles_of(session: Session, number: int) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in session.scalars(select(AccountRoleRow).where(AccountRoleRow.account == number)):
        found.setdefault(row.site, set()).add(row.role)
    return {site: frozenset(found[site]) for site in sorted(found)}


def _known(session: Session, number: int) -> AccountRow:
    row = session.get(AccountRow, number)
    if row is None:
        raise UsageError(f"account {number}: there is none by this number")
    return row


def _free_name(session: Session, wanted: str) -> str:
    """The name of the provider, told apart from others of ours: ``~`` is in no local name."""
    kept = "".join(sign if sign.isalnum() or sign in "._@+-" else "." for sign in fold_name(wanted))
    base = kept[:_SHORT_NAME].strip(".") or "account"
    names = (base, *(f"{base}~{n}" for n in range(2, _NAMESAKES)))
    return next(
        name for name in names if session.scalar(select(AccountRow.number).where(AccountRow.name == name)) is None
    )


def _account(session: Session, row: AccountRow) -> Account:
    return Account(
        number=row.number,
        name=row.name,
        display=row.display,
        email=row.email,
        roles=_roles_of(session, row.number),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        issuer=row.issuer,
        has_password=row.password_hash is not None,
        password_changed_at=row.password_changed_at,
        failed_count=row.failed_count,
        locked_until=row.locked_until,
    )
