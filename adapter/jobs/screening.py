"""In: a site of the store and the trials. Out: its candidates screened as of today, counts of what came out, a run that tells so.

A screening by hand does not hold the site, which is held against writers of its resources: it is noted when it has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from adapter.criteria import Stage, Trial
from adapter.errors import DefectError, ReluthError, worst_exit_code
from adapter.jobs.purging import look_for_wanted
from adapter.screening import Asked, Screening, screen
from adapter.screening.listing import refresh
from adapter.store import Store
from adapter.terminology import Site

__all__ = ["ScreenSummary", "noted_screening", "screen_site"]

_DEFECT = 1
_IN_PART = 5


class ScreenSummary(msgspec.Struct):
    """What a screening did.

    Attributes:
        site: whose patients.
        run: name of the run; empty in that of a screening by hand, which has a name when it has ended.
        evaluated: patients evaluated, over all trials.
        candidates: candidates among them.
        outcomes: candidates by trial and outcome.
        unreadable: resources that could not be read and were left out.
        failed: patients without a verdict, by a defect of ours.
        waiting: persons whose data were removed and who may have a sign since: they are on the list once the site is read anew.
    """

    site: str
    run: str
    evaluated: int = 0
    candidates: int = 0
    outcomes: dict[str, dict[str, int]] = {}
    unreadable: list[str] = []
    failed: list[str] = []
    waiting: int = 0

    @property
    def exit_code(self) -> int:
        """0 done, 5 where something could not be read or somebody waits to be, 1 where somebody has no verdict."""
        in_part = {_IN_PART} if self.unreadable or self.waiting else set()
        return worst_exit_code(({_DEFECT} if self.failed else set()) | in_part)

    def add(self, trial: str, screening: Screening, outcomes: Mapping[str, int]) -> None:
        """Count a screening whose verdicts have all been taken."""
        self.outcomes[trial] = dict(sorted(outcomes.items()))
        self.candidates += screening.candidates
        self.count(screening)

    def count(self, screening: Screening) -> None:
        """Count whom it evaluated, and what it left out."""
        self.evaluated += screening.evaluated
        self.failed += screening.failed
        self.unreadable = sorted({*self.unreadable, *screening.unreadable})

    def as_object(self) -> dict[str, Any]:
        """As JSON takes it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def screen_site(
    store: Store,
    site: Site,
    trials: Iterable[Trial],
    *,
    today: date,
    patients: Collection[str] | None = None,
    kind: str = "screen",
) -> ScreenSummary:
    """Verdicts anew: for registration, and for a later stage of those who have verdicts of it; they are kept.

    The site is held meanwhile: what is screened is one state of it, and the run tells when the last screening was.

    Args:
        store: open.
        site: how its records are read.
        trials: for which.
        today: the day in Europe/Paris.
        patients: only these, candidates or not; None for all candidates.
        kind: of the run.

    Raises:
        BusyError: another run works on this site.
    """
    screened = list(trials)
    with store.begin_run(site.id, kind) as run:
        summary = ScreenSummary(site.id, run.name, waiting=look_for_wanted(store, site.id).persons)
        for trial in screened:
            for stage in Stage:
                asked = _asked(store, trial, site.id, stage=stage, patients=patients, today=today)
                if asked is None:
                    continue
                screening = screen(store, trial, site, asked)
                outcomes = Counter(verdict.outcome.value for verdict in screening if verdict.candidate)
                if stage is Stage.REGISTRATION:
                    summary.add(trial.id, screening, outcomes)
                else:
                    summary.count(screening)
        run.commit([], complete=summary.exit_code == 0, summary=_told(summary))
    for trial in screened:
        for stage in Stage:
            # Else the first who opens the list would wait for it.
            refresh(store, trial, stage, site.id)
    return summary


@contextmanager
def noted_screening(store: Store, site: str, *, kind: str = "screen") -> Iterator[ScreenSummary]:
    """A screening that does not hold the site; the run is there when it has ended, also where a defect of ours ended it.

    A pull of hours may be under way: the verdicts are then of the lake as it was before.

    Args:
        store: open.
        site: whose patients.
        kind: of the run: ``screen`` for all candidates as of today, ``rescreen`` for some of them or another day.

    Yields:
        the summary to fill.
    """
    begun = datetime.now(UTC)
    summary = ScreenSummary(site, "")
    try:
        yield summary
    except DefectError:
        store.note_run(site, kind, begun=begun, summary=_told(summary), complete=False)
        raise
    except ReluthError:
        # Wrong from the beginning: arguments, settings, documents. Nobody was screened.
        raise
    except BaseException:
        store.note_run(site, kind, begun=begun, summary=None)
        raise
    store.note_run(site, kind, begun=begun, summary=_told(summary), complete=summary.exit_code == 0)


def _told(summary: ScreenSummary) -> str:
    return msgspec.json.encode(summary).decode()


def _asked(
    store: Store, trial: Trial, site: str, *, stage: Stage, patients: Collection[str] | None, today: date
) -> Asked | None:
    """Whom to screen at a stage; None for nobody."""
    if not any(stage in criterion.stages for criterion in trial.criteria):
        return None
    if stage is Stage.REGISTRATION:
        return Asked(today=today, stage=stage, patients=patients)
    merges = store.lake.merges(site)
    known = {merges.get(kept.patient, kept.patient) for kept in store.latest_verdicts(trial.id, stage, site=site)}
    if patients is not None:
        known &= {merges.get(patient, patient) for patient in patients}
    return Asked(today=today, stage=stage, patients=sorted(known)) if known else None
