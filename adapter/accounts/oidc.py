"""In: what a provider says of a person (claims), and `oidc.grants`. Out: who they are here, and their roles by site.

Who somebody is, is their ``sub`` at the issuer: never a mail address or a name, which may be given to another person. What they
may do comes of the groups that the provider states: a group that is not in the settings gives nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from adapter.accounts.granting import parse_roles
from adapter.accounts.roles import Role
from adapter.errors import ConfigurationError, RemoteError, UsageError

__all__ = ["Grants", "OtherPerson", "Person", "person_of", "states_groups"]

_LONGEST_NAME: Final = 128
_LONGEST_MAIL: Final = 254
#: One address and nothing that could be a header or a second one; whether it exists, a mail server knows.
_MAIL: Final = re.compile(r"[^\s@<>,;:\"\\()\[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?")
#: By the first of these claims that says something.
_NAMES: Final = ("preferred_username", "email", "name", "sub")
_DISPLAYED: Final = ("name", "preferred_username", "email", "sub")


class OtherPerson(RemoteError):
    """The provider's UserInfo endpoint speaks of somebody else than its ID token (Core 5.3.2)."""

    def __init__(self) -> None:
        super().__init__("the provider's UserInfo is of another sub than its ID token")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a provider vouches for.

    Args:
        issuer: the provider.
        subject: who they are there, for good.
        name: by which they sign in there.
        display: as they are called.
        email: empty where there is none, or where the provider says that it is not verified.
        groups: as the provider states them.
    """

    issuer: str
    subject: str
    name: str
    display: str
    email: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grants:
    """Roles by group; made by `Grants.read`."""

    by_group: Mapping[str, Mapping[str, frozenset[Role]]]

    @classmethod
    def read(cls, written: Mapping[str, Collection[str]], *, sites: Collection[str]) -> Self:
        """The grants of the settings.

        Args:
            written: by group, each ``role@site`` or ``role@*``.
            sites: that are configured.

        Raises:
            ConfigurationError: a role or a site that there is not.

        >>> grants = Grants.read({"icm-nurses": ["nurse@icm"], "trial-office": ["data-manager@*"]}, sites=["icm"])
        >>> grants.roles({"icm-nurses", "canteen"}) == {"icm": {Role.NURSE}}
        True
        """
        found: dict[str, Mapping[str, frozenset[Role]]] = {}
        for group, roles in written.items():
            try:
                found[group] = parse_roles(roles, sites=sites)
            except UsageError as error:
                raise ConfigurationError(f"oidc.grants.{group}", str(error)) from None
        return cls(found)

    def roles(self, groups: Collection[str]) -> dict[str, frozenset[Role]]:
        """What the members of some groups are, by site; nothing for groups that are not in the settings."""
        found: dict[str, frozenset[Role]] = {}
        for group in sorted(groups):
            for site, roles in self.by_group.get(group, {}).items():
                found[site] = found.get(site, frozenset()) | roles
        return found


def states_groups(claims: Mapping[str, Any], *, claim: str) -> bool:
    """Whether claims say in which groups somebody is, be it in none."""
    return _found(claims, claim) is not None


def person_of(claims: Mapping[str, Any], more: Mapping[str, Any] | None = None, *, issuer: str, claim: str) -> Person:
    """Who somebody is.

    Args:
        claims: of the ID token, checked.
        more: of the UserInfo endpoint, where it was asked.
        issuer: the provider.
        claim: that holds the groups; a dot leads into an object, where no claim has the whole name.

    Raises:
        OtherPerson: ``more`` is of somebody else.
    """
    if more is not None and more.get("sub") != claims["sub"]:
        raise OtherPerson
    told = {**(more or {}), **claims}
    groups = _found(claims, claim)
    if groups is None and more is not None:
        groups = _found(more, claim)
    listed = groups if isinstance(groups, list) else [groups]
    return Person(
        issuer=issuer,
        subject=str(claims["sub"]),
        name=_first(told, _NAMES),
        display=_first(told, _DISPLAYED),
        email=_mail(told),
        groups=frozenset(group for group in listed if isinstance(group, str) and group),
    )


def _found(claims: Mapping[str, Any], path: str) -> object:
    if path in claims:
        return claims[path]
    node: object = claims
    for step in path.split("."):
        node = node.get(step) if isinstance(node, Mapping) else None
    return node


def _first(told: Mapping[str, Any], claims: Iterable[str]) -> str:
    return next((text for name in claims if (text := _line(told.get(name)))), "account")


def _line(value: object) -> str:
    """One line of text, without signs that change how the rest of a page is read."""
    if not isinstance(value, str):
        return ""
    seen = "".join(sign for sign in " ".join(value.split()) if unicodedata.category(sign)[0] != "C")
    return " ".join(seen.split())[:_LONGEST_NAME].strip()


def _mail(told: Mapping[str, Any]) -> str:
    value = told.get("email")
    # Core 5.1: without email_verified it is not known; some providers of hospitals leave it out.
    if told.get("email_verified", True) in {False, "false"} or not isinstance(value, str):
        return ""
    return value if len(value) <= _LONGEST_MAIL and _MAIL.fullmatch(value) else ""
