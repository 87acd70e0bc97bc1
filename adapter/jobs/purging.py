"""In: the settings, a site, a day. Out: the data of people without a sign removed once a day; who of those removed before is wanted back.

Nobody is removed whom the hospital's server could not give again, and nobody while somebody is wanted back: that pull comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from adapter.config import Settings
from adapter.documents import load_site, load_trial
from adapter.fhir import is_shared
from adapter.screening.candidates import identifiers_in
from adapter.screening.held_back import held_back_of
from adapter.screening.listing_records import open_records
from adapter.screening.narrow import signs_of
from adapter.store import Purgeable, Signs, Store, Wanted
from adapter.store.purging import PURGE
from adapter.store.stored_versions import versions_about
from adapter.sync import number_digests
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Identifier, Infusion, LabResult, Subject

__all__ = ["PurgeCounts", "look_for_wanted", "purge_site", "signs_at"]

_DAILY: Final = timedelta(hours=20)
#: So many persons go in one transaction.
_AT_ONCE: Final = 20_000
_KINDS: Final = ("subjects", "labs", "infusions")


class PurgeCounts(msgspec.Struct, frozen=True):
    """What was removed, or would be.

    Attributes:
        persons: whose data.
        versions: of resources, by type; of what would be removed they are not counted.
    """

    persons: int = 0
    versions: dict[str, int] = {}


def signs_at(settings: Settings, site: str) -> Signs:
    """What is a sign at a site, of any trial of the settings.

    Raises:
        DocumentError: a document of a trial or of the site is wrong.
    """
    configured = settings.sites.get(site)
    documents = load_site(site, None if configured is None else configured.overlay)
    return signs_of([load_trial(trial) for trial in settings.trials], documents)


def look_for_wanted(store: Store, site: str, signs: Signs | None = None) -> Wanted:
    """Who of those who were purged has to be read whole again, and note it.

    Somebody is who has been named since by a person, a card, what was loaded or what lies aside; any may be where something else is
    a sign than then.

    Args:
        store: open.
        site: whose.
        signs: as they are now, where they are to be looked at too.
    """
    since = store.purged.since(site)
    if since is None:
        return Wanted()
    aside = held_back_of(store, site)
    referred = {reference for _, reference in store.purged.references(site)}
    named = store.purged.among(site, store.purged.named(site) | aside.keys())
    if named:
        store.purged.want(site, named)
    if (
        (signs is not None and store.purged.signs(site) != signs.digest)
        or any(is_shared(one) and one in referred for one in aside)
        or _are_strangers_loaded(store, site, since=since)
    ):
        store.purged.want_all(site)
    return store.purged.wanted(site)


def purge_site(
    store: Store,
    settings: Settings,
    site: str,
    *,
    now: datetime,
    by: str,
    whole: bool = False,
    dry_run: bool = False,
) -> PurgeCounts | None:
    """Remove the data of people who came some time ago and have no sign of any trial.

    Args:
        store: open.
        settings: how long they are kept, the trials, the site.
        site: its name.
        now: aware time.
        by: who does it.
        whole: whenever it was done last, and whatever the clock did since.
        dry_run: only count them.

    Returns:
        what was removed; None where nobody may be: the settings keep everybody, the site has no server,
        somebody is wanted back first, it was done a short while ago, or the clock made a leap lately.

    Raises:
        DocumentError: a document of a trial or of the site is wrong.
        BusyError: another run works on the site, or somebody was decided on meanwhile.
    """
    days = settings.retention.non_candidates_days
    configured = settings.sites.get(site)
    if not days or configured is None or configured.base_url is None or site not in store.lake.sites():
        return None
    if not (whole or dry_run) and not _is_due(store, site, now):
        return None
    signs = signs_at(settings, site)
    if look_for_wanted(store, site, signs):
        return None
    before = now - timedelta(days=days)

    if dry_run:
        return PurgeCounts(len(_people(store, site, before=before, signs=signs)))
    persons, versions = 0, Counter[str]()
    while True:
        with store.begin_run(site, PURGE) as run:
            # Found while the site is held: nothing comes in between.
            people = _people(store, site, before=before, signs=signs)
            some = people[:_AT_ONCE]
            numbers = _digests(store, site, some)
            versions.update(store.purge(run, some, numbers=numbers, signs=signs, by=by))
        persons += len(some)
        if len(people) <= _AT_ONCE:
            return PurgeCounts(persons, dict(versions))


def _is_due(store: Store, site: str, now: datetime) -> bool:
    """Whether it is time by a clock that can be believed: to one that leapt ahead by years, everybody came long ago."""
    last = store.last_whole_run(PURGE, site=site)
    was_lately = last is not None and timedelta(0) <= now - last.started_at < _DAILY
    return not was_lately and store.clock_goes_evenly(site, now)


def _people(store: Store, site: str, *, before: datetime, signs: Signs) -> list[Purgeable]:
    people = store.purgeable(site, before=before, signs=signs, kept=held_back_of(store, site))
    loaded = {identifier for identifier, _ in _loaded(store, site)}
    if not loaded:
        return people
    told = _identifiers(store, site)
    return [one for one in people if not any(loaded & told.get(patient, set()) for patient in one.patients)]


def _digests(store: Store, site: str, people: Sequence[Purgeable]) -> dict[str, frozenset[str]]:
    """By record, what stands for the hospital's numbers, by which `find` and `why` know the person still."""
    patients = [patient for one in people for patient in one.patients]
    with open_records(store, site) as records:
        facts = records.facts(patients)
    return {patient: number_digests(store, site, told.numbers) for patient, told in facts.items() if told.numbers}


def _are_strangers_loaded(store: Store, site: str, *, since: datetime) -> bool:
    """Whether somebody was loaded since people were purged whom nobody's record here names: it may be one of theirs."""
    late = {identifier for identifier, at in _loaded(store, site) if at >= since}
    return bool(late) and not late <= set().union(*_identifiers(store, site).values())


def _loaded(store: Store, site: str) -> Iterator[tuple[Identifier, datetime]]:
    """By what those are named of whom something was loaded, and when it was."""
    for kind in _KINDS:
        for one in store.entities.all(site, kind):
            if isinstance(one.entity, Subject | LabResult | Infusion) and one.entity.patient is not None:
                yield one.entity.patient, one.at


def _identifiers(store: Store, site: str) -> dict[str, set[Identifier]]:
    """By ``Patient/id``, all that any version of a record names the person by."""
    people = list(store.lake.patients(site))
    found = {patient: {Identifier(system=REFERENCE_SYSTEM, value=patient)} for patient in people}
    for start in range(0, len(people), _AT_ONCE):
        for version in versions_about(store.lake, site, "Patient", people[start : start + _AT_ONCE]):
            found.setdefault(f"Patient/{version.id}", set()).update(identifiers_in(version.raw))
    return found
