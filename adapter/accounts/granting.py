"""In: roles as written, ``nurse@icm``; an account of the store. Out: roles by site; the account as a viewer.

The same form holds on the command line and for the groups of a provider (``[oidc] grants``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from adapter.accounts.roles import ALL_SITES, Role, Viewer
from adapter.errors import UsageError
from adapter.store import Account, fold_name

__all__ = ["account_name", "parse_roles", "viewer_of_account", "written_roles"]

#: No colon: ``service:`` and the like stand for no account in the audit trail. No ``~``: it tells namesakes of a provider apart.
_NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")
_KNOWN = frozenset(Role)


def account_name(text: str) -> str:
    """A name by which somebody may sign in, as it is kept.

    >>> account_name("Anna.Roux")
    'anna.roux'

    Raises:
        UsageError: it is none.
    """
    name = fold_name(text)
    if not _NAME.fullmatch(name):
        raise UsageError(
            "a name begins with a letter or a digit, then letters, digits and . _ - + @, 64 characters at most"
        )
    return name


def parse_roles(written: Iterable[str], *, sites: Collection[str]) -> dict[str, frozenset[Role]]:
    """Roles by site.

    >>> parse_roles(["nurse@icm", "investigator@icm"], sites=["icm"])["icm"] == {Role.NURSE, Role.INVESTIGATOR}
    True

    Args:
        written: each as ``role@site``, or ``role@*`` for every site.
        sites: that are known.

    Raises:
        UsageError: one is not written so, or names an unknown role or site.
    """
    found: dict[str, set[Role]] = {}
    for text in written:
        role, at, site = text.partition("@")
        if not at or role not in _KNOWN:
            raise UsageError(f"role {text}: it is written ROLE@SITE, and ROLE is one of {', '.join(Role)}")
        if site != ALL_SITES and site not in sites:
            known = ", ".join(sorted(sites)) or "none yet"
            raise UsageError(f"role {text}: site {site or '(none)'} is unknown ({known}); {ALL_SITES} is every site")
        found.setdefault(site, set()).add(Role(role))
    return {site: frozenset(roles) for site, roles in sorted(found.items())}


def written_roles(roles: Mapping[str, Collection[str]]) -> list[str]:
    """Roles as they are written.

    >>> written_roles({"icm": {"nurse", "investigator"}, "*": {"it"}})
    ['it@*', 'investigator@icm', 'nurse@icm']
    """
    return [f"{role}@{site}" for site in sorted(roles) for role in sorted(map(str, roles[site]))]


def viewer_of_account(account: Account) -> Viewer:
    """An account as the one who asks.

    Without a password of its own it may see nothing but its own account. A role that this release does not know grants nothing.
    """
    roles = {
        site: frozenset(Role(role) for role in given if role in _KNOWN)
        for site, given in ({} if account.must_change_password else account.roles).items()
    }
    return Viewer(actor=account.name, name=account.display, roles=roles, account=account.number)
