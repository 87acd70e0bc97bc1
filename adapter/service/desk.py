"""In: the store and the trial's document. Out: worklist, patient, funnel, runs and trial.

Pages take them as the screening room gives them, the API as its own objects (``..._shape``).
The only module of the service that reads data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from adapter.config import Settings
from adapter.criteria import Criterion, Stage, Trial
from adapter.documents import load_site, load_trial
from adapter.errors import DocumentError
from adapter.observe import logger
from adapter.screening import Funnel, WorklistRow, read_funnel, read_worklist
from adapter.screening.hospital_records import RecordState, as_deleted, deleted_people, inactive_people
from adapter.screening.unread import unmapped_of
from adapter.service.settling import Keep, Settlement, settle
from adapter.service.shapes import (
    FunnelCounts,
    KeptOutcome,
    PatientFile,
    Quarantined,
    RunEntry,
    Runs,
    StandingDecision,
    TrialTexts,
    TypeCounts,
    Verdict,
    Worklist,
)
from adapter.service.unsettled import Unsettled, read_proposals, read_unsettled
from adapter.store import Conflict, Decision, KeptVerdict, RunInfo, Store
from adapter.terminology.unmapped import Unmapped

__all__ = ["Desk", "open_desk"]

_NEW = "new"
_PULL = "pull"


class Desk:
    """What pages and API are made of.

    Args:
        store: open.
        trial: the trial that this service is about.
        overlays: folder of a site's documents, by site; one that is missing has told us nothing.
    """

    def __init__(self, store: Store, trial: Trial, overlays: Mapping[str, Path | None] | None = None) -> None:
        self._store = store
        self._overlays = overlays or {}
        self._unmapped: dict[str, tuple[object, Unmapped]] = {}
        self.trial = trial

    @property
    def store(self) -> Store:
        """The open store, for what is told of it as a whole: readiness and metrics."""
        return self._store

    def worklist(self, stage: Stage) -> list[WorklistRow]:
        """Candidates in the order of what to do next."""
        return read_worklist(self._store, self.trial, stage)

    def worklist_shape(self, stage: Stage) -> Worklist:
        """The worklist as the API's object."""
        rows = [row.to_json() for row in self.worklist(stage)]
        return Worklist.model_validate({"trial": self.trial.id, "stage": stage, "rows": rows})

    def patient(self, key: str, stage: Stage) -> PatientFile | None:
        """One patient's last verdict, None for an unknown key or one that was not screened at this stage.

        A record that the hospital has deleted since takes nothing away: the verdict is marked, and all that led to it stays.
        """
        named = self._store.patient_by_key(key)
        if named is None:
            return None
        site, patient = named
        # An address kept from before two records were merged leads to the record that stayed.
        merges = self._store.lake.merges(site)
        patient = merges.get(patient, patient)
        # Who was merged since the last screening stands under the old record's verdict until the next one.
        people = [patient, *sorted(old for old, new in merges.items() if new == patient)]
        read = partial(self._store.verdict_of, site, trial=self.trial.id, stage=stage)
        stored = next((kept for one in people if (kept := read(one))), None)
        if stored is None:
            return None
        history = self._store.verdict_history(self.trial.id, stage, site=site, patients=people)
        decided = [one for one in self._store.decision_history(self.trial.id, site=site) if one.patient in people]
        decisions = [_decision(one) for one in sorted(decided, key=lambda one: one.decided_at)]
        record = self._record(site, patient)
        content = json.loads(stored.content)
        return PatientFile(
            key=self._store.patient_key(site, patient),
            record=record,
            state=decisions[-1].state if decisions else _NEW,
            decision=decisions[-1] if decisions else None,
            screened_at=stored.screened_at,
            verdict=Verdict.model_validate(as_deleted(content) if record is RecordState.DELETED else content),
            outcomes=_outcomes([kept for found in history.values() for kept in found]),
            decisions=decisions,
        )

    def _record(self, site: str, patient: str) -> RecordState:
        if patient in deleted_people(self._store, site):
            return RecordState.DELETED
        inactive = inactive_people(self._store, site, [patient])
        return RecordState.INACTIVE if inactive else RecordState.ACTIVE

    def funnel(self, stage: Stage) -> Funnel:
        """Persons per criterion, and what of each site cannot be read."""
        found = [self._unread(site) for site in self._store.lake.sites()]
        return read_funnel(self._store, self.trial, stage, unmapped=[one for one in found if one is not None])

    def _unread(self, site: str) -> Unmapped | None:
        """What cannot be read, looked for once for each state of the lake: that reads the bytes of what is in doubt.

        None where the site's documents are wrong: pull and screen refuse them too, and say so; the page goes on.
        """
        lake = self._store.lake
        state = (tuple(lake.index_files(site)), tuple(lake.tombstones(site)))
        kept = self._unmapped.get(site)
        if kept is None or kept[0] != state:
            try:
                told = load_site(site, self._overlays.get(site))
            except DocumentError as error:
                logger("service").warning("overlay", site=site, problem=str(error))
                return None
            kept = (state, unmapped_of(self._store, self.trial, told))
            self._unmapped[site] = kept
        return kept[1]

    def funnel_shape(self, stage: Stage) -> FunnelCounts:
        """The funnel as the API's object."""
        return FunnelCounts.model_validate(self.funnel(stage).to_json())

    def runs(self) -> Runs:
        """The newest pulls, whatever became of them, and what stands in quarantine."""
        found = self._store.runs(_PULL)
        sites = sorted({run.site for run in found} | set(self._store.lake.sites()))
        items = [item for site in sites for item in self._store.quarantined(site)]
        return Runs(
            runs=[_run(run) for run in found],
            quarantine=[
                Quarantined(
                    site=item.site,
                    source=item.source,
                    line=item.line,
                    reference=item.reference,
                    reason=item.reason,
                    seen_at=item.seen_at,
                )
                for item in items
            ],
        )

    def unsettled(self, *, site: str | None = None) -> Unsettled:
        """What waits for a person: conflicts, entries held or refused, proposals."""
        return read_unsettled(self._store, self.trial, site=site)

    def conflict(self, number: int) -> Conflict | None:
        """A conflict, open or settled."""
        return next((one for one in self._store.outbox.conflicts(closed=True) if one.number == number), None)

    def settle(self, number: int, *, keep: Keep, by: str, seen: str | None) -> Settlement:
        """Settle a conflict; see `settling.settle`."""
        return settle(self._store, number, keep=keep, by=by, seen=seen)

    def proposed(self, stage: Stage, *, site: str | None = None) -> frozenset[str]:
        """Random keys of the patients whose newest screening disagrees with a person's decision."""
        return frozenset(one.key for one in read_proposals(self._store, self.trial, stage, site=site))

    def trial_shape(self, trial_id: str) -> TrialTexts | None:
        """The trial as the API's object, None for an id that is not its own."""
        trial = self.trial
        if trial_id != trial.id:
            return None
        return TrialTexts.model_validate(
            {
                "id": trial.id,
                "version": trial.version,
                "title": trial.title,
                "acronym": trial.acronym,
                "criteria": [_criterion(criterion) for criterion in trial.criteria],
                "signals": [
                    {
                        "id": signal.id,
                        "resource_types": list(signal.resource_types),
                        "codes": list(signal.codes),
                        "prefixes": list(signal.prefixes),
                        "text": signal.text,
                    }
                    for signal in trial.signals
                ],
                "states": [
                    {
                        "id": state.id,
                        "research_subject_status": state.research_subject_status,
                        "label": dict(state.label),
                    }
                    for state in trial.states
                ],
                "open_questions": [
                    {"id": question.id, "criteria": list(question.criteria), "text": dict(question.text)}
                    for question in trial.open_questions
                ],
            }
        )


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """The desk over the store of the settings, for their first trial.

    Raises:
        ConfigurationError: the store cannot be opened.
        DocumentError: the trial's document is wrong.
    """
    trial = load_trial(settings.trials[0])
    with Store.open(settings.store.path, settings.store.database) as store:
        yield Desk(store, trial, {name: site.overlay for name, site in settings.sites.items()})


def _criterion(criterion: Criterion) -> dict[str, Any]:
    return {
        "id": criterion.id,
        "kind": criterion.kind,
        "stages": sorted(criterion.stages),
        "automation": criterion.automation,
        "text": criterion.text,
        "label": dict(criterion.label),
        "confirm": dict(criterion.confirm),
        "defaults": [{"id": default.id, "text": dict(default.text)} for default in criterion.defaults],
        "parts": [{"id": part.id, "label": dict(part.label)} for part in criterion.parts],
        "wanted": list(criterion.wanted),
        "at_screening_visit": criterion.at_screening_visit,
    }


def _decision(decision: Decision) -> StandingDecision:
    return StandingDecision(
        state=decision.state,
        reason=decision.reason,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
    )


def _outcomes(kept: Iterable[KeptVerdict]) -> list[KeptOutcome]:
    """What verdicts came to, oldest first, each as long as it stays the same once."""
    found: list[KeptOutcome] = []
    for one in sorted(kept, key=lambda one: one.first_at):
        content = json.loads(one.verdict.content)
        told = {key: content[key] for key in ("candidate", "outcome", "outcome_reason")}
        if not found or found[-1].model_dump(include=set(told)) != told:
            found.append(KeptOutcome(first_at=one.first_at, on=one.verdict.on, **told))
    return found


def _run(run: RunInfo) -> RunEntry:
    # A run that died wrote no summary.
    summary: dict[str, Any] = {} if run.summary is None else json.loads(run.summary)
    return RunEntry(
        site=run.site,
        run=run.name,
        kind=run.kind,
        state=run.state,
        complete=run.complete,
        started_at=run.started_at,
        ended_at=run.ended_at,
        transaction_time=summary.get("transaction_time"),
        mode=summary.get("mode"),
        requests=summary.get("requests"),
        types={name: TypeCounts.model_validate(counts) for name, counts in summary.get("types", {}).items()},
    )
