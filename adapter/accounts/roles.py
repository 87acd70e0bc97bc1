"""In: the roles that a person has at each site. Out: what they may see and do there, from one table (`GRANTS`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

__all__ = ["ALL_SITES", "GRANTS", "Permission", "Role", "Viewer"]

#: In the place of a site's id: at every site, those that come later included.
ALL_SITES: Final = "*"


class Role(StrEnum):
    """What a person is at a site."""

    INVESTIGATOR = "investigator"
    NURSE = "nurse"
    DATA_MANAGER = "data-manager"
    IT = "it"
    SPONSOR = "sponsor"


class Permission(StrEnum):
    """What may be seen or done at a site.

    ``identity`` shows who somebody is at the hospital; without it a person stands under the screening number. ``decide`` is
    for the steps of pre-screening, ``confirm`` for those that end it on medical grounds: eligible, not eligible, enrolled.
    """

    WORKLIST = "worklist"
    IDENTITY = "identity"
    ADD = "add"
    ATTEST = "attest"
    DECIDE = "decide"
    CONFIRM = "confirm"
    LOG = "log"
    FUNNEL = "funnel"
    RUNS = "runs"
    CONFLICTS = "conflicts"
    SETTLE = "settle"
    LOAD = "load"
    AUDIT = "audit"
    #: One's own account, the trial's texts: whoever is signed in.
    SIGNED_IN = "signed-in"


_EVERYBODY = frozenset({Permission.FUNNEL, Permission.SIGNED_IN})
_CARE = _EVERYBODY | {
    Permission.WORKLIST,
    Permission.IDENTITY,
    Permission.ADD,
    Permission.ATTEST,
    Permission.DECIDE,
    Permission.LOG,
    Permission.RUNS,
    Permission.CONFLICTS,
    Permission.AUDIT,
}

#: Who may what. The table of docs/security.md is made of it, and every route is tested against it.
GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.INVESTIGATOR: _CARE | {Permission.CONFIRM, Permission.SETTLE},
    Role.NURSE: _CARE,
    Role.DATA_MANAGER: _EVERYBODY
    | {
        Permission.WORKLIST,
        Permission.LOG,
        Permission.RUNS,
        Permission.CONFLICTS,
        Permission.SETTLE,
        Permission.LOAD,
        Permission.AUDIT,
    },
    Role.IT: _EVERYBODY | {Permission.RUNS, Permission.AUDIT},
    Role.SPONSOR: _EVERYBODY | {Permission.LOG},
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: a signed-in account, or whoever holds the one-time session of this machine.

    Attributes:
        actor: as the audit trail names them; never shown to other sites.
        name: as pages name them.
        roles: by site, or `ALL_SITES`.
        account: number of the account, None without accounts.
    """

    actor: str
    name: str
    roles: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    account: int | None = None

    @classmethod
    def of_this_machine(cls, actor: str) -> Viewer:
        """Without accounts: whoever may open the service's folder may do everything."""
        return cls(actor=actor, name=actor, roles={ALL_SITES: frozenset(Role)})

    def may(self, permission: Permission, site: str) -> bool:
        """Whether it is granted at a site.

        >>> nurse = Viewer("anna", "anna", {"icm": frozenset({Role.NURSE})})
        >>> nurse.may(Permission.DECIDE, "icm"), nurse.may(Permission.DECIDE, "other")
        (True, False)
        """
        return any(
            permission in GRANTS[role] for place in (site, ALL_SITES) for role in self.roles.get(place, frozenset())
        )

    def may_anywhere(self, permission: Permission) -> bool:
        """Whether it is granted at one site at least; one's own account is, whatever one is anywhere."""
        return permission is Permission.SIGNED_IN or any(
            permission in GRANTS[role] for roles in self.roles.values() for role in roles
        )

    def sites_with(self, permission: Permission, sites: Iterable[str]) -> list[str]:
        """Those of some sites at which it is granted, in their order."""
        return [site for site in sites if self.may(permission, site)]
