"""In: who somebody is at an OpenID provider. Out: their account here, if they have one; as what they are shown, kept as the provider says now."""

from __future__ import annotations

from sqlalchemy import select, update

from adapter.store.account_models import AccountRow
from adapter.store.accounts import Account, Accounts

__all__ = ["account_at_provider", "keep_display"]


def account_at_provider(accounts: Accounts, *, issuer: str, subject: str) -> Account | None:
    """The account of somebody whom a provider vouches for, None where they have not been here.

    Args:
        accounts: of the state.
        issuer: the provider.
        subject: who they are there, for good.
    """
    query = select(AccountRow.number).where(AccountRow.issuer == issuer, AccountRow.subject == subject)
    with accounts._state.session() as session:
        number = session.scalar(query)
    return None if number is None else accounts.by_number(number)


def keep_display(accounts: Accounts, number: int, display: str) -> None:
    """As what pages name somebody from now on; the audit trail goes on naming the account."""
    with accounts._state.session() as session:
        session.execute(update(AccountRow).where(AccountRow.number == number).values(display=display[:128]))
