"""In: sites of the settings, and servers that the store was fed from. Out: names that have come to mean another hospital, or none.

Verdicts, decisions and pseudonyms hang on the name of a site. One that is changed in the settings would make every person of the
hospital a second one, on whom nobody has decided; two that are swapped would mix the people of two hospitals.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from adapter.config import Settings
from adapter.errors import ConfigurationError
from adapter.fhir.bases import plain_base
from adapter.store import Store

__all__ = ["SiteLeft", "require_own_name", "sites_left"]


@dataclass(frozen=True, slots=True)
class SiteLeft:
    """A site whose server the settings do not name any more: its people stand as they were, and nobody is screened again.

    Attributes:
        server: base URL of the server that it was fed from.
        renamed_to: the site of the settings that has this server now, None for none.
    """

    site: str
    server: str
    renamed_to: str | None


def require_own_name(store: Store, settings: Settings, site: str) -> None:
    """Refuse to pull under a name what the store has under another one.

    Two names for one server are none to refuse where the settings have both: two departments, each with its Group.

    Raises:
        ConfigurationError: it is so.
    """
    base_url = settings.sites[site].base_url
    if base_url is None:
        return
    here = plain_base(base_url)
    fed = {mark.site for mark in store.bookmarks() if mark.server is not None and plain_base(mark.server) == here}
    if site in fed:
        return
    for other in sorted(fed):
        told = settings.sites.get(other)
        if told is None or told.base_url is None or plain_base(told.base_url) != here:
            raise ConfigurationError(
                f"sites.{site}.base_url",
                f"is the server that the store knows as {other}: its people, and what was decided on them, stand under that name. "
                f"Nothing was asked of it. Call the site {other} again, or begin a store of its own",
            )


def sites_left(store: Store, settings: Settings, *, sites: Collection[str] | None = None) -> list[SiteLeft]:
    """Sites that a server fed and that have none in the settings, by name; those that a folder fed are not among them.

    Args:
        store: open.
        settings: all of them.
        sites: only these; None for all of the store.
    """
    now = {
        plain_base(told.base_url): name for name, told in sorted(settings.sites.items()) if told.base_url is not None
    }
    fed = {mark.site: mark.server for mark in store.bookmarks() if mark.server is not None}
    return [
        SiteLeft(site, server, now.get(plain_base(server)))
        for site, server in sorted(fed.items())
        if (sites is None or site in sites) and ((told := settings.sites.get(site)) is None or told.base_url is None)
    ]
