"""In: the store, a site, a moment. Out: how much waits for people at the site, and what is new since a digest told of it: numbers only.

`News` holds nothing but numbers and the site's name in the settings: what is not in it can stand in no mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from adapter.accounts import GRANTS, Permission, Role
from adapter.config import Settings
from adapter.criteria import Outcome, Stage, Trial
from adapter.fhir import PARIS
from adapter.jobs.certificates import certificates_of
from adapter.jobs.feeds import feed_states
from adapter.screening import CLOSED_STATES, Bin, WorklistRow, read_worklist
from adapter.screening.listing import every_row, refresh
from adapter.screening.proposals import proposals
from adapter.store import OutboxState, Store
from adapter.store.outbox import DELETED_AT_HOSPITAL

__all__ = ["EXPIRES_WITHIN", "Gathered", "News", "gather", "granted", "tells"]

#: A verdict that time alone changes so soon is told of.
EXPIRES_WITHIN: Final = timedelta(days=7)
#: Bins of people for whom somebody has to look at the list now.
_TO_REVIEW: Final = frozenset({"to-review", "new"})
#: The pages of the service list this stage first.
_STAGE: Final = Stage.REGISTRATION
_TELLING: Final = frozenset({Permission.WORKLIST, Permission.CONFLICTS, Permission.RUNS})


@dataclass(frozen=True, slots=True)
class News:
    """What one recipient is told of a site; None where it is not for them.

    Attributes:
        site: its name in the settings.
        study: the trial's acronym.
        day: the day in France.
        bins: persons in each group of the worklist, in its order.
        fresh: candidates found since the last digest; all of them in the first one.
        first: nobody told this recipient of the site before.
        proposals: decisions that new data disagree with.
        expiring: verdicts that time alone changes within `EXPIRES_WITHIN`.
        conflicts: what both sides say differently.
        aside: entries that the hospital's server was not told, or did not take.
        stale: resource types whose feed is not in step.
        certificates: those that end so soon that a new one has to be asked for.
    """

    site: str
    study: str
    day: date
    bins: Mapping[str, int] | None = None
    fresh: int | None = None
    first: bool = False
    proposals: int | None = None
    expiring: int | None = None
    conflicts: int | None = None
    aside: int | None = None
    stale: int | None = None
    certificates: int | None = None

    @property
    def to_review(self) -> int:
        """Persons for whom somebody has to look at the list now."""
        return sum(number for name, number in (self.bins or {}).items() if name in _TO_REVIEW)

    @property
    def is_empty(self) -> bool:
        """Nothing is new and nothing waits."""
        people = (self.fresh, self.proposals, self.expiring, self.to_review)
        return not any((*people, self.conflicts, self.aside, self.stale, self.certificates))


@dataclass(frozen=True, slots=True)
class Gathered:
    """All there is to tell of a site at a moment, whoever may hear it; persons stay in here.

    Attributes:
        seen: number of the newest verdict that is told of.
    """

    news: News
    seen: int
    _open: frozenset[str]
    _trial: str
    _store: Store

    def for_reader(self, permissions: Collection[Permission], *, seen: int | None) -> News:
        """What somebody may hear.

        Args:
            permissions: what they are granted at the site.
            seen: up to which verdict they were told before; None for never.
        """
        news = self.news
        lists = Permission.WORKLIST in permissions
        settles = Permission.CONFLICTS in permissions
        runs = Permission.RUNS in permissions
        return replace(
            news,
            first=seen is None,
            bins=news.bins if lists else None,
            fresh=len(self._open - self._known(seen)) if lists else None,
            expiring=news.expiring if lists else None,
            proposals=news.proposals if settles else None,
            conflicts=news.conflicts if settles else None,
            aside=news.aside if settles else None,
            stale=news.stale if runs else None,
            certificates=news.certificates if runs else None,
        )

    def _known(self, seen: int | None) -> set[str]:
        if seen is None:
            return set()
        site = self.news.site
        known = self._store.digests.candidates_at(self._trial, _STAGE, site=site, number=seen)
        merges = self._store.lake.merges(site)
        return {merges.get(patient, patient) for patient in known}


def granted(roles: Collection[Role]) -> frozenset[Permission]:
    """What somebody with all of some roles at a site is granted there."""
    return frozenset().union(*(GRANTS[role] for role in roles))


def tells(permissions: Collection[Permission]) -> bool:
    """Whether a digest has anything for somebody with these permissions."""
    return not _TELLING.isdisjoint(permissions)


def gather(store: Store, settings: Settings, trial: Trial, *, site: str, now: datetime) -> Gathered:
    """Count what there is to tell of a site.

    Args:
        store: open.
        settings: all of them.
        trial: whose worklist it is.
        site: which.
        now: aware time.
    """
    # Before the list is read: whoever is found in between is told of twice rather than never.
    seen = store.digests.newest_verdict(trial.id, _STAGE, site=site)
    rows = _rows(store, trial, site)
    today = now.astimezone(PARIS).date()
    in_bin = Counter(str(row.bin) for row in rows)
    entries = store.outbox.entries(site, states=(OutboxState.HELD, OutboxState.REFUSED))
    feeds = feed_states(store, settings, now=now)
    news = News(
        site=site,
        study=trial.acronym,
        day=today,
        bins={str(name): in_bin[str(name)] for name in Bin},
        proposals=sum(len(proposals(store, trial, site=site, stage=stage)) for stage in Stage),
        expiring=sum(1 for row in rows if _expires(row, today)),
        conflicts=len(store.outbox.conflicts(site=site)),
        # Refused because a person settled it so: nothing of it waits.
        aside=sum(1 for entry in entries if entry.reason != DELETED_AT_HOSPITAL),
        stale=sum(1 for feed in feeds if feed.site == site and feed.stale),
        certificates=sum(one.is_short(now) for one in certificates_of(store, settings, sites=[site])),
    )
    undecided = frozenset(row.patient for row in rows if _is_open(row))
    return Gathered(news=news, seen=seen, _open=undecided, _trial=trial.id, _store=store)


def _rows(store: Store, trial: Trial, site: str) -> list[WorklistRow]:
    """The list as the pages show it; made from nothing where others keep writing it."""
    if refresh(store, trial, _STAGE, site):
        return list(every_row(store, trial, _STAGE, sites=[site]))
    return read_worklist(store, trial, _STAGE, site=site)


def _is_open(row: WorklistRow) -> bool:
    """Nobody has decided yet, and somebody may want to."""
    failed_for_good = row.outcome == Outcome.INELIGIBLE and row.permanent
    return row.state == "new" and not failed_for_good


def _expires(row: WorklistRow, today: date) -> bool:
    return row.flips_on is not None and row.flips_on <= today + EXPIRES_WITHIN and not _is_over(row)


def _is_over(row: WorklistRow) -> bool:
    return row.state in CLOSED_STATES or (row.outcome == Outcome.INELIGIBLE and row.permanent)
