"""In: a site of the store and the trials. Out: its candidates screened as of today, counts of what came out, a run that tells so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

import msgspec

from adapter.criteria import Stage, Trial
from adapter.errors import worst_exit_code
from adapter.screening import Asked, screen
from adapter.screening.listing import refresh
from adapter.store import Store
from adapter.terminology import Site

__all__ = ["ScreenSummary", "screen_site"]

_DEFECT = 1
_IN_PART = 5


class ScreenSummary(msgspec.Struct):
    """What a screening did.

    Attributes:
        site: whose patients.
        run: name of the run.
        evaluated: patients evaluated, over all trials.
        candidates: candidates among them.
        outcomes: candidates by trial and outcome.
        unreadable: resources that could not be read and were left out.
        failed: patients without a verdict, by a defect of ours.
    """

    site: str
    run: str
    evaluated: int = 0
    candidates: int = 0
    outcomes: dict[str, dict[str, int]] = {}
    unreadable: list[str] = []
    failed: list[str] = []

    @property
    def exit_code(self) -> int:
        """0 done, 5 where something could not be read, 1 where somebody has no verdict."""
        return worst_exit_code(({_DEFECT} if self.failed else set()) | ({_IN_PART} if self.unreadable else set()))

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
        summary = ScreenSummary(site.id, run.name)
        unreadable: set[str] = set()
        for trial in screened:
            for stage in Stage:
                asked = _asked(store, trial, site.id, stage=stage, patients=patients, today=today)
                if asked is None:
                    continue
                screening = screen(store, trial, site, asked)
                outcomes = Counter(verdict.outcome.value for verdict in screening if verdict.candidate)
                if stage is Stage.REGISTRATION:
                    summary.outcomes[trial.id] = dict(sorted(outcomes.items()))
                    summary.candidates += screening.candidates
                summary.evaluated += screening.evaluated
                summary.failed += screening.failed
                unreadable.update(screening.unreadable)
        summary.unreadable = sorted(unreadable)
        run.commit([], complete=summary.exit_code == 0)
        run.record(msgspec.json.encode(summary).decode())
    for trial in screened:
        for stage in Stage:
            # Else the first who opens the list would wait for it.
            refresh(store, trial, stage, site.id)
    return summary


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
