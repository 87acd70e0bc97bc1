"""In: sites, what was exported of them last. Out: Groups: the subjects of each site, and of all of them.

A Group is read from what was exported, so that it can name nobody of whom nothing may be had; before the first export it names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from adapter.criteria import Trial
from adapter.store import Store

__all__ = ["ALL", "group", "group_id", "sites_of"]

#: Id of the Group of all subjects.
ALL: Final = "all"
_NO_ID: Final = re.compile(r"[^A-Za-z0-9\-.]")


def group_id(site: str) -> str:
    """Id of a site's Group; R4 datatypes.html#id has no underscore.

    >>> group_id("chu_nord"), group_id("all")
    ('chu-nord', 'site-all')
    """
    plain = _NO_ID.sub("-", site)
    return f"site-{plain}" if plain == ALL else plain


def sites_of(wanted: str, sites: Collection[str]) -> list[str] | None:
    """The sites whose subjects a Group is of, None for a Group that is not there.

    Args:
        wanted: the Group's id.
        sites: those that whoever asks may have.
    """
    if wanted == ALL:
        return sorted(sites)
    found = [site for site in sorted(sites) if group_id(site) == wanted]
    return found or None


def group(wanted: str, sites: Collection[str], *, store: Store, trial: Trial) -> dict[str, Any]:
    """A Group resource (R4).

    Args:
        wanted: its id.
        sites: whose subjects are in it.
        store: open.
        trial: of which they are subjects.
    """
    members = sorted(key for site in sites for key in store.provider.keys(trial.id, site, "Patient"))
    found: dict[str, Any] = {
        "resourceType": "Group",
        "id": wanted,
        "active": True,
        "type": "person",
        "actual": True,
        "name": f"{trial.acronym}: subjects of {'all sites' if wanted == ALL else wanted}",
        "quantity": len(members),
    }
    # R4 json.html: an array is not empty.
    if members:
        found["member"] = [{"entity": {"reference": f"Patient/{key}"}} for key in members]
    return found
