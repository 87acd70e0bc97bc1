"""In: a name and a password. Out: the account, or nobody; the audit trail says which.

Whoever is refused is told the same, after the same time: that a name is known, or an account locked, is told to nobody.
"""

from __future__ import annotations

from adapter.accounts.lockout import lock_after
from adapter.accounts.passwords import Passwords, password_problem
from adapter.errors import UsageError
from adapter.observe import logger
from adapter.store import Account, KeptPassword, Store

__all__ = ["SigningIn", "account_subject"]

_NOBODY = "nobody"


def account_subject(account: Account) -> str:
    """An account in the audit trail."""
    return f"account/{account.name}"


class SigningIn:
    """Checks passwords against the accounts of a store.

    Args:
        store: open.
        passwords: how they are hashed.
    """

    def __init__(self, store: Store, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords

    def enter(self, name: str, password: str) -> Account | None:
        """The account of a name and its password, None for anything else.

        Raises:
            BusyError: too many sign in at once.
        """
        account = self._store.accounts.by_name(name)
        if account is None:
            with self._passwords.room():
                self._passwords.verify(None, password)
            # Not in the audit trail: whoever reaches the door could write there, and a name may be a password mistyped.
            logger("accounts").warning("sign-in refused", reason="unknown")
            return None
        if not self.confirm(account, password):
            return None
        self._store.audit(account.name, "sign-in", subject=account_subject(account), detail="password")
        return account

    def confirm(self, account: Account, password: str) -> bool:
        """Whether it is the password of an account; a wrong one counts, one for which there is no room does not.

        Raises:
            BusyError: too many sign in at once.
        """
        with self._passwords.room():
            return self._confirmed(account, password)

    def change(self, account: Account, password: str) -> None:
        """Give an account the password that its owner chose; all its sessions end.

        Raises:
            UsageError: it may not be one.
            BusyError: too many sign in at once.
        """
        problem = password_problem(password, name=account.name)
        if problem is not None:
            raise UsageError(problem.sentence())
        with self._passwords.room():
            kept = KeptPassword(self._passwords.hash(password))
        with self._store.together():
            self._store.accounts.set_password(account.number, kept)
            self._store.audit(account.name, "user-password", subject=account_subject(account), detail="own")

    def _confirmed(self, account: Account, password: str) -> bool:
        accounts = self._store.accounts
        kept = accounts.password_hash(account.number)
        if kept is None or not accounts.begin_attempt(account.number, lock=lock_after):
            self._passwords.verify(None, password)
            logger("accounts").warning("sign-in refused", reason="locked", account=account.number)
            return False
        if not self._passwords.verify(kept, password) or not accounts.succeed(account.number, hash_=kept):
            self._store.audit(_NOBODY, "sign-in-refused", subject=account_subject(account), detail="password")
            return False
        if self._passwords.is_outdated(kept):
            accounts.rehash(account.number, was=kept, hash_=self._passwords.hash(password))
        return True
