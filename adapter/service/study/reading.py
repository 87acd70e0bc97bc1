"""In: the desk of whoever asks, a stage, perhaps one site. Out: the funnel of the sites that they may see, with the counts that they may know."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.documents import load_site
from adapter.errors import DocumentError
from adapter.screening import Funnel, Listed, add_up, funnel_of, in_steps, listed, persons_of, read_data
from adapter.screening.completeness import DatumPersons
from adapter.screening.flow import ranked
from adapter.service.desk import Desk
from adapter.service.study.kept import kept
from adapter.service.study.shapes import FunnelCounts

__all__ = ["STEP", "asked_sites", "funnel_shape", "read_funnel_of", "site_state", "told"]

#: Who does not work with the patients knows counts in steps of five persons.
STEP: Final = 5
_NOT_FOUND = 404


def asked_sites(desk: Desk, permission: Permission, site: str | None) -> list[str]:
    """The sites at which somebody is granted something: all of them, or the one that they ask for.

    Raises:
        HTTPException: 404, there is no such site for them.
    """
    sites = desk.sites_with(permission)
    if site is None:
        return sites
    if site not in sites:
        raise HTTPException(_NOT_FOUND)
    return [site]


def site_state(desk: Desk, stage: Stage, site: str) -> object:
    """What changes with the verdicts, decisions and records of a site; a few look-ups."""
    return desk.store.listing.inputs(desk.trial.id, stage, site).position(desk.trial.version)


def read_funnel_of(desk: Desk, stage: Stage, *, site: str | None = None) -> Funnel:
    """Persons per criterion, completeness, flow, and what of each site cannot be read.

    Raises:
        HTTPException: 404, the site asked for is not there for them.
    """
    sites = asked_sites(desk, Permission.FUNNEL, site)
    exact = all(desk.may(Permission.WORKLIST, name) for name in sites)
    stored = set(desk.store.lake.sites())
    parts = [_site_funnel(desk, stage, name) for name in sites if name in stored]
    return add_up((part if exact else in_steps(part, STEP) for part in parts), desk.trial, stage)


def funnel_shape(desk: Desk, stage: Stage, *, site: str | None = None) -> FunnelCounts:
    """The funnel as the API's object."""
    return FunnelCounts.model_validate(read_funnel_of(desk, stage, site=site).to_json())


def told(number: int, steps: int, *, parts: int = 1) -> str:
    """A count of a funnel as it may be said: exact, or as a bound.

    Args:
        number: as it stands in the funnel.
        steps: of the funnel.
        parts: of how many counts it is the sum: sites, steps of a group.
    """
    if steps == 1:
        return str(number)
    if number:
        return f"≥\N{NO-BREAK SPACE}{number}"
    return f"<\N{NO-BREAK SPACE}{steps * max(1, parts)}"


def _site_funnel(desk: Desk, stage: Stage, site: str) -> Funnel:
    state = site_state(desk, stage, site)
    found = kept(desk.store, ("funnel", stage, site), state, lambda: _made(desk, stage, site))
    unread = desk.unread(site)
    overridden = desk.store.cards.feedback_counts(desk.trial.id, [site])
    return replace(found, unmapped=() if unread is None else (unread,), overridden=ranked(overridden))


def _made(desk: Desk, stage: Stage, site: str) -> Funnel:
    people = listed(desk.store, desk.trial, stage, site=site)
    found = funnel_of(people, desk.trial, stage, site=site, patients=persons_of(desk.store, site))
    data = _data(desk, site, people)
    return replace(found, completeness=tuple(replace(one, data=data) for one in found.completeness))


def _data(desk: Desk, site: str, people: list[Listed]) -> tuple[DatumPersons, ...]:
    try:
        told_of = load_site(site, desk.overlay(site))
    except DocumentError:
        # `Desk.unread` has written it to the log; what cannot be looked for is not told.
        return ()
    return read_data(desk.store, desk.trial, told_of, [one.patient for one in people if one.candidate])
