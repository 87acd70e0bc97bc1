"""In: a site of the settings. Out: its resources in the store, fetched in the way that the settings say."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from adapter.client import Capability, Downloader, ExportRequest, RunBudget, SiteAuth, SiteClient
from adapter.client.scopes import withheld
from adapter.client.smart import SmartAuth
from adapter.config import Settings, SiteSettings
from adapter.errors import ConfigurationError, TransientError
from adapter.jobs.connecting import site_address
from adapter.jobs.failing import failure_noted
from adapter.jobs.feeds import needed_types
from adapter.jobs.purging import look_for_wanted, signs_at
from adapter.jobs.site_names import require_own_name
from adapter.store import Store
from adapter.sync import BulkOptions, BulkSource, CombinedSource, Progress, PullSummary, SearchSource, Source, pull
from adapter.sync.quiet_hours import quiet_until
from adapter.sync.search_plan import OF_PATIENTS, PATIENT, StoredPatients
from adapter.sync.stored_patients import stored_patients

__all__ = ["configured_site", "pull_site"]

_SEARCH: Final = "search-type"
#: Where not all of it came, a hospital is not asked for everything once more before.
_AGAIN: Final = timedelta(hours=6)


def configured_site(settings: Settings, site: str) -> SiteSettings:
    """A site of the settings.

    Raises:
        ConfigurationError: there is none of this name.
    """
    configured = settings.sites.get(site)
    if configured is None:
        known = ", ".join(settings.sites) or "none"
        raise ConfigurationError(f"sites.{site}", f"is not in the settings (there: {known})")
    return configured


def pull_site(
    store: Store,
    settings: Settings,
    site: str,
    *,
    full: bool = False,
    accept_deletions: bool = False,
    types: Collection[str] | None = None,
    progress: Progress | None = None,
) -> PullSummary:
    """Pull a site of the settings from its FHIR server.

    Where somebody whose data were removed has a sign since, everything is read, so that nobody of the site is without theirs.

    A pull that fails before its run has begun leaves a failed run, too; quiet hours are no failure, and leave none.

    Args:
        store: open.
        settings: all of them.
        site: name of the site.
        full: everything, not only what changed.
        accept_deletions: see `adapter.sync.pull`.
        types: of what is pulled from the site, only these.
        progress: is told how far it is.

    Raises:
        ConfigurationError: the site is not in the settings, its server is known to the store under another name or has other
            people than before, or it speaks another FHIR version than they say.
        BusyError: another run works on this site.
        RemoteError: it cannot be reached, or refuses; in its quiet hours it is not asked.
    """
    configured = configured_site(settings, site)
    budget = RunBudget(configured.retry_budget)
    signs = None
    brings_back = False
    with failure_noted(store, site, "pull"):
        require_own_name(store, settings, site)
        wanted = configured.types or needed_types(settings)
        if types is not None:
            wanted = [type_ for type_ in wanted if type_ in set(types)]
        address = site_address(site, configured, budget=budget)
        if store.purged.since(site) is not None:
            signs = signs_at(settings, site)
            # Only a pull of all types can tell that everything of somebody came.
            is_wanted = bool(look_for_wanted(store, site, signs))
            keeps_everybody = not settings.retention.non_candidates_days
            tried = store.purged.tried(site)
            is_due = full or tried is None or datetime.now(UTC) - tried >= _AGAIN
            brings_back = types is None and ((is_wanted and is_due) or (full and keeps_everybody))
    _respect_quiet_hours(configured)
    with ExitStack() as stack:
        with failure_noted(store, site, "pull"):
            client = stack.enter_context(SiteClient(address, budget=budget))
            stated = client.capability().fhir_version
            if stated != configured.fhir_version:
                raise ConfigurationError(
                    f"sites.{site}.fhir_version", f"is {configured.fhir_version}, the server states {stated}"
                )
            unread = _withheld(address.auth, wanted) if configured.mode == "bulk" else []
        spool = store.spool(site)
        search = partial(
            SearchSource,
            client,
            spool,
            settings=configured.search,
            patients=lambda: stored_patients(store, site, wanted),
            quiet=lambda: quiet_until(configured.quiet_hours, datetime.now(UTC)),
        )
        source: Source = search(types=wanted)
        if configured.mode == "bulk":
            options = _bulk_options(configured)
            searched = _not_exported(wanted, options, client.capability())
            exported = BulkSource(
                client,
                stack.enter_context(Downloader(address, budget=budget)),
                spool,
                types=[type_ for type_ in wanted if type_ not in searched],
                options=options,
                may_ask=lambda: _respect_quiet_hours(configured),
                patients=lambda: _known_patients(store, site, wanted),
                withheld=unread,
            )
            source = CombinedSource([exported, search(types=searched)]) if searched else exported
        return pull(
            store,
            source,
            site=site,
            full=full or brings_back,
            accept_deletions=accept_deletions,
            progress=progress,
            own_addresses=configured.addresses,
            signs=signs,
            brings_back=brings_back,
        )


def _withheld(auth: SiteAuth | None, types: Collection[str]) -> list[str]:
    """Types that the token does not let us read; a search for them is refused, an export of them may be silent."""
    return withheld(auth.granted_scopes(), types) if isinstance(auth, SmartAuth) else []


def _known_patients(store: Store, site: str, types: Collection[str]) -> StoredPatients:
    """Whom the store knows; those too who were put aside and are named so in each pull, or an export would never find all it wants."""
    stored = stored_patients(store, site, types)
    aside = [item.reference or "" for item in store.quarantined(site)]
    named = {one.partition("/")[2]: 0 for one in aside if one.startswith(f"{PATIENT}/")}
    return msgspec.structs.replace(stored, first_run=named | dict(stored.first_run))


def _bulk_options(configured: SiteSettings) -> BulkOptions:
    told = configured.bulk
    request = ExportRequest(
        types=(),
        level=told.level or ("patient" if configured.group is None else "group"),
        group=configured.group,
        type_filters=tuple(told.type_filters),
        elements=tuple(told.elements),
        organize_output_by=told.organize_output_by,
        partial_manifests=told.partial_manifests,
        post=told.method == "post",
    )
    return BulkOptions(request, downloads=told.downloads)


def _not_exported(types: Collection[str], options: BulkOptions, capability: Capability) -> list[str]:
    """Types that an export of patients leaves out, or refuses (HAPI-0512), and that the server can be searched for."""
    if options.request.level == "system":
        return []
    return [
        type_
        for type_ in types
        if type_ not in OF_PATIENTS | {PATIENT} and _SEARCH in capability.of(type_).interactions
    ]


def _respect_quiet_hours(configured: SiteSettings) -> None:
    until = quiet_until(configured.quiet_hours, datetime.now(UTC))
    if until is not None:
        raise TransientError(
            f"the hospital wants to be left alone until {until:%H:%M} (quiet_hours): run it again then"
        )
