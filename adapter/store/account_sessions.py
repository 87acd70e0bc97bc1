"""In: an account that has signed in; a browser sent to a provider. Out: a token once, later whose it is; where the browser wanted to go.

Tokens are random and given out once: the state holds their hashes, which are of no use to whoever reads it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from adapter.store.account_models import AccountRow, SessionRow, SignInFlowRow
from adapter.store.state import State, now

__all__ = ["AccountSessions", "SignInFlow"]

#: How exactly it is known when a session was last used: to write at each request would be too often.
_SEEN_EVERY = timedelta(minutes=1)


class SignInFlow(msgspec.Struct, frozen=True):
    """What a browser that comes back from a provider is held to (OpenID Connect Core 3.1.2, RFC 7636)."""

    nonce: str
    code_verifier: str
    next: str


class AccountSessions:
    """Sessions of accounts, and sign-ins under way, in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def begin_session(self, account: int, *, lasting: timedelta) -> str:
        """A new session of an account.

        Args:
            account: its number.
            lasting: when it ends at the latest.

        Returns:
            the token, which is kept nowhere here.
        """
        token = secrets.token_urlsafe(32)
        at = now()
        with self._state.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at <= at))
            session.add(
                SessionRow(token_hash=_hash(token), account=account, created_at=at, seen_at=at, expires_at=at + lasting)
            )
        return token

    def session_account(self, token: str, *, idle: timedelta) -> int | None:
        """Number of the account whose session this is, and the session seen just now.

        Args:
            token: as the browser offers it.
            idle: how long a session may go unused.

        Returns:
            None: it was not given out, has ended, or its account is disabled.
        """
        at = now()
        with self._state.session() as session:
            row = session.get(SessionRow, _hash(token))
            enabled = row and session.scalar(
                select(AccountRow.number).where(AccountRow.number == row.account, AccountRow.disabled_at.is_(None))
            )
        if row is None:
            return None
        if enabled is None or row.expires_at <= at or row.seen_at + idle <= at:
            self.end_session(token)
            return None
        if at - row.seen_at >= min(_SEEN_EVERY, idle / 10):
            # An update, never an insert: a session that ended meanwhile does not come back.
            with self._state.session() as session:
                session.execute(update(SessionRow).where(SessionRow.token_hash == row.token_hash).values(seen_at=at))
        return row.account

    def end_session(self, token: str) -> None:
        """This session holds no longer."""
        with self._state.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == _hash(token)))

    def end_sessions(self, account: int, *, within: Session | None = None) -> None:
        """No session of an account holds any longer.

        Args:
            account: its number.
            within: the transaction of what makes them end; else one of its own.
        """
        query = delete(SessionRow).where(SessionRow.account == account)
        if within is not None:
            within.execute(query)
            return
        with self._state.session() as session:
            session.execute(query)

    # At a provider ------------------------------------------------------------------------------------------------

    def begin_flow(self, state: str, flow: SignInFlow, *, lasting: timedelta) -> None:
        """Remember a browser that is sent to a provider by a random state, of which only the hash is kept."""
        at = now()
        row = SignInFlowRow(
            state_hash=_hash(state),
            nonce=flow.nonce,
            code_verifier=flow.code_verifier,
            next=flow.next,
            expires_at=at + lasting,
        )
        with self._state.session() as session:
            session.execute(delete(SignInFlowRow).where(SignInFlowRow.expires_at <= at))
            session.add(row)

    def take_flow(self, state: str) -> SignInFlow | None:
        """What was remembered, once; None for a state that is unknown, used or too old."""
        query = (
            delete(SignInFlowRow)
            .where(SignInFlowRow.state_hash == _hash(state))
            .returning(SignInFlowRow.nonce, SignInFlowRow.code_verifier, SignInFlowRow.next, SignInFlowRow.expires_at)
        )
        with self._state.session() as session:
            row = session.execute(query).first()
        if row is None or row.expires_at <= now():
            return None
        return SignInFlow(nonce=row.nonce, code_verifier=row.code_verifier, next=row.next)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
