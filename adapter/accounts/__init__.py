"""In: who signs in. Out: accounts, their roles at each site, and what a role may do."""

from __future__ import annotations

from adapter.accounts.granting import account_name, parse_roles, viewer_of_account, written_roles
from adapter.accounts.lockout import lock_after
from adapter.accounts.passwords import PasswordProblem, Passwords, made_password, password_problem
from adapter.accounts.roles import ALL_SITES, GRANTS, Permission, Role, Viewer
from adapter.accounts.signing_in import SigningIn, account_subject

__all__ = [
    "ALL_SITES",
    "GRANTS",
    "PasswordProblem",
    "Passwords",
    "Permission",
    "Role",
    "SigningIn",
    "Viewer",
    "account_name",
    "account_subject",
    "lock_after",
    "made_password",
    "parse_roles",
    "password_problem",
    "viewer_of_account",
    "written_roles",
]
