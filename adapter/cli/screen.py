"""In: whom to screen, and as of when. Out: one verdict a patient, by site and patient."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import Opened, a_day, opened, stage_of, today
from adapter.cli.options import Options
from adapter.cli.output import data, line, note, progress_bars, say_unreadable
from adapter.cli.patients import Person, deleted_note, find_person
from adapter.errors import DefectError, UsageError

if TYPE_CHECKING:
    from adapter.criteria import PatientVerdict, Trial
    from adapter.jobs import ScreenSummary
    from adapter.screening import Asked, Screening
    from adapter.store import Store

__all__ = ["run_screening", "screen"]

_IN_PART = 5
_MARKS = {True: "✓", False: "✗", None: "?"}


def screen(
    ctx: typer.Context,
    trial: Annotated[str | None, typer.Option(help="Trial; else those of the settings.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    on: Annotated[str | None, typer.Option(help="Reference date; else the recorded one, else today in Paris.")] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    patient: Annotated[str | None, typer.Option(help="Only this patient, SITE/ID, candidate or not.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All patients, not only candidates.")] = False,
    overlay: Annotated[Path | None, typer.Option(help="Folder with the site's own documents.")] = None,
) -> None:
    """Screen patients: verdicts on every criterion, for candidates or (--all) for everybody."""
    from adapter.criteria import Stage
    from adapter.jobs import look_for_wanted, noted_screening, signs_at
    from adapter.screening import Asked

    options: Options = ctx.obj
    day = a_day(on, option="--on")
    with opened(options) as room:
        asked = Asked(today=today(), stage=stage_of(stage), on=day, everyone=everyone)
        if patient is not None:
            person = find_person(room.store, patient, site=site)
            _say_deleted(room.store, person, options)
            site, asked = person.site, replace(asked, patients=(person.patient,))
        sites = room.sites(site)
        if not sites:
            note(options, "the store is empty: `reluth pull` fills it")
        unreadable: set[str] = set()
        waiting = 0
        documents = [room.trial(name) for name in ([trial] if trial else room.settings.trials)]
        # A trial that has nothing to ask at this stage is passed over beside others, and an error alone.
        at_stage = [one for one in documents if any(asked.stage in item.stages for item in one.criteria)]
        is_whole = (
            trial is None and patient is None and day in (None, asked.today) and asked.stage is Stage.REGISTRATION
        )
        for name in sites:
            # Of the kind "screen" is what a page or a metric may take for the last screening of the site.
            with noted_screening(room.store, name, kind="screen" if is_whole else "rescreen") as summary:
                for document in at_stage or documents:
                    run_screening(room, document, summary, asked=asked, options=options, overlay=overlay)
                if trial is not None and (away := _looked_for_others(room, documents, name)):
                    note(options, f"site {name}: {away}")
                    waiting += 1
                wanted = look_for_wanted(room.store, name, signs_at(room.settings, name))
                summary.waiting = wanted.persons
                if wanted:
                    note(options, f"site {name}: {wanted}")
            unreadable.update(summary.unreadable)
            waiting += summary.waiting
    if unreadable:
        say_unreadable(tuple(sorted(unreadable)))
    if unreadable or waiting:
        raise typer.Exit(_IN_PART)


def _looked_for_others(room: Opened, trials: list[Trial], site: str) -> str | None:
    """That people were purged for want of a sign of other trials than these; None where none were."""
    persons = room.store.purged.counts().get(site, 0)
    known = {room.trial(name).id for name in room.settings.trials}
    if not persons or {one.id for one in trials} <= known:
        return None
    return f"the data of {persons} persons were removed without looking for signs of this trial: put it into `trials` of the settings, and pull"


def _say_deleted(store: Store, person: Person, options: Options) -> None:
    """Of a record that is no more, what is left is screened as one that was deleted; where nothing is, that is all there is to say."""
    deleted = deleted_note(store, person)
    if deleted is None:
        return
    if not any(store.lake.records(person.site, [person.patient])):
        raise UsageError(f"{deleted}: nothing is left to screen; `reluth why {person}` tells what was found before")
    note(options, deleted)


def run_screening(
    room: Opened,
    trial: Trial,
    summary: ScreenSummary,
    *,
    asked: Asked,
    options: Options,
    overlay: Path | None = None,
    show: bool = True,
) -> None:
    """Screen one site, printing each verdict.

    Args:
        summary: names the site; what came out is added.
        show: print verdicts; False for the demo, which prints the worklist.
    """
    from adapter.screening import screen as screen_site

    site = summary.site
    outcomes: Counter[str] = Counter()
    with progress_bars(options) as bars:
        bar = bars.add_task(f"screen {site}", total=None)

        def progress(done: int, total: int | None) -> None:
            bars.update(bar, completed=done, total=total)

        screening = screen_site(room.store, trial, room.site(site, overlay), replace(asked, progress=progress))
        for verdict in screening:
            outcomes[verdict.outcome.value] += verdict.candidate
            if show and options.json:
                data(verdict.to_json())
            elif show:
                line(_line(verdict, trial))
    summary.add(trial.id, screening, outcomes)
    note(options, _summary(screening, trial, outcomes))
    if screening.failed:
        raise DefectError(
            f"a defect of ours: {len(screening.failed)} patients of site {site} have no verdict: {', '.join(screening.failed)}"
        )


def _line(verdict: PatientVerdict, trial: Trial) -> str:
    counts: Counter[bool | None] = Counter()
    failed = []
    for criterion in verdict.criteria:
        passes = trial.criterion(criterion.id).passes(criterion.truth)
        counts[passes] += 1
        if passes is False:
            failed.append(criterion.id)
    name = f"{verdict.site}/{verdict.patient.removeprefix('Patient/')}"
    marks = "  ".join(f"{_MARKS[passes]} {counts[passes]:>2}" for passes in (True, False, None))
    return f"{name:<24}  {verdict.outcome.value:<22}  {marks}  {' '.join(failed)}".rstrip()


def _summary(screening: Screening, trial: Trial, outcomes: Counter[str]) -> str:
    found = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()) if count)
    return (
        f"{trial.acronym}, site {screening.site}: {screening.evaluated} evaluated, {screening.candidates} candidates"
        f"{f' ({found})' if found else ''}"
    )
