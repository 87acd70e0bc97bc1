"""In: a site of the store and the trials. Out: its candidates screened as of today, counts of what came out, a run that tells so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from adapter.criteria import Stage, Trial
from adapter.errors import worst_exit_code
from adapter.screening import Asked, screen
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


def screen_site(store: Store, site: Site, trials: Iterable[Trial], *, today: date) -> ScreenSummary:
    """Screen the candidates of a site for registration, and keep their verdicts.

    The site is held meanwhile: what is screened is one state of it, and the run tells when the last screening was.

    Args:
        store: open.
        site: how its records are read.
        trials: for which.
        today: the day in Europe/Paris.

    Raises:
        BusyError: another run works on this site.
    """
    with store.begin_run(site.id, "screen") as run:
        summary = ScreenSummary(site.id, run.name)
        unreadable: set[str] = set()
        for trial in trials:
            if not any(Stage.REGISTRATION in criterion.stages for criterion in trial.criteria):
                continue
            screening = screen(store, trial, site, Asked(today=today))
            outcomes = Counter(verdict.outcome.value for verdict in screening if verdict.candidate)
            summary.outcomes[trial.id] = dict(sorted(outcomes.items()))
            summary.evaluated += screening.evaluated
            summary.candidates += screening.candidates
            summary.failed += screening.failed
            unreadable.update(screening.unreadable)
        summary.unreadable = sorted(unreadable)
        run.commit([], complete=summary.exit_code == 0)
        run.record(msgspec.json.encode(summary).decode())
        return summary
