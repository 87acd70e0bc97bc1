"""In: a patient. Out: their verdicts in words, what decides first; or why they are not on the list.

Of a record that the hospital has deleted, the last verdict kept and the last decision.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from adapter.cli.opening import Opened, a_day, opened, stage_of, today
from adapter.cli.options import Options
from adapter.cli.output import console, data, say_unreadable
from adapter.cli.patients import Person, find_person
from adapter.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from adapter.criteria import Stage, Trial
    from adapter.screening import Asked, CriterionLine, Explanation, Words
    from adapter.screening.hospital_records import RecordState
    from adapter.screening.same_number import DecidedElsewhere
    from adapter.store import Decision, Store

__all__ = ["why"]

_IN_PART = 5
_EVIDENCE_SHOWN = 6
_STYLES = {True: "green", False: "bold red", None: "yellow"}
_MARKS = {True: "✓", False: "✗", None: "?"}


class _Told(NamedTuple):
    """What there is to tell of a person; ``verdict`` is None where nothing of a deleted record was kept."""

    person: Person
    record: RecordState
    verdict: dict[str, Any] | None
    decision: Decision | None
    resources: int
    elsewhere: tuple[DecidedElsewhere, ...] = ()
    unreadable: tuple[str, ...] = ()


def why(
    ctx: typer.Context,
    patient: Annotated[str, typer.Argument(help="SITE/ID, or the bare id where only one site has it.")],
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    on: Annotated[
        str | None, typer.Option(help="Reference date; else the recorded one, else that of the last screening.")
    ] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
    overlay: Annotated[Path | None, typer.Option(help="Folder with the site's own documents.")] = None,
) -> None:
    """Tell why a patient is where they are on the list, criterion by criterion; or why they are not on it."""
    from adapter.screening import Asked, explain, words

    options: Options = ctx.obj
    tongue = words(lang)
    day = a_day(on, option="--on")
    at = stage_of(stage)
    with opened(options) as room:
        document = room.trial(trial)
        person = find_person(room.store, patient)
        asked = Asked(
            today=_default_day(room, document, person, at), stage=at, on=day, patients=(person.patient,), save=False
        )
        told = _told(room, document, person, asked=asked, overlay=overlay)
    explanation = None
    if told.verdict is not None:
        explanation = explain(told.verdict, document, tongue, resources=told.resources, decision=told.decision)
    if options.json:
        data(_object(told, explanation, tongue))
    elif explanation is not None:
        _print(told, explanation, document, tongue)
    else:
        _print_deleted(told, document, at, tongue)
    if told.unreadable:
        say_unreadable(told.unreadable)
        raise typer.Exit(_IN_PART)


def _told(room: Opened, trial: Trial, person: Person, *, asked: Asked, overlay: Path | None) -> _Told:
    from adapter.screening import screen
    from adapter.screening.hospital_records import RecordState
    from adapter.screening.same_number import decided_elsewhere

    store = room.store
    record = _record(store, person)
    found = _kept(store, trial, person, asked.stage) if record is RecordState.DELETED else None
    unreadable: tuple[str, ...] = ()
    if found is None:
        screening = screen(store, trial, room.site(person.site, overlay), asked)
        # The iterator closes its files when it is exhausted.
        verdict = next(iter(list(screening)), None)
        if verdict is None and record is not RecordState.DELETED:
            raise UsageError(f"{person}: the store holds no resource of this patient")
        found = None if verdict is None else verdict.to_json()
        unreadable = screening.unreadable
    resources = sum(len(one.resources) for one in store.lake.records(person.site, [person.patient]))
    merges, configured = store.lake.merges(person.site), room.settings.sites.get(person.site)
    people = [person.patient, *(old for old, survivor in merges.items() if survivor == person.patient)]
    system = None if configured is None else configured.identifier_system
    elsewhere = decided_elsewhere(store, trial, person.site, people, system=system)
    return _Told(
        person,
        record,
        found,
        _decision(store, trial, person),
        resources,
        elsewhere=tuple(elsewhere),
        unreadable=unreadable,
    )


def _record(store: Store, person: Person) -> RecordState:
    from adapter.screening.hospital_records import RecordState, deleted_people, inactive_people

    if person.patient in deleted_people(store, person.site):
        return RecordState.DELETED
    inactive = inactive_people(store, person.site, [person.patient])
    return RecordState.INACTIVE if inactive else RecordState.ACTIVE


def _kept(store: Store, trial: Trial, person: Person, stage: Stage) -> dict[str, Any] | None:
    """The last verdict on what a deleted record said: what is left of the record, if anything, would tell another story."""
    from adapter.screening.hospital_records import as_deleted

    merges = store.lake.merges(person.site)
    people = [person.patient, *sorted(old for old, survivor in merges.items() if survivor == person.patient)]
    kept = (store.verdict_of(person.site, one, trial=trial.id, stage=stage) for one in people)
    saved = next((one for one in kept if one is not None), None)
    return None if saved is None else as_deleted(msgspec.json.decode(saved.content))


def _decision(store: Store, trial: Trial, person: Person) -> Decision | None:
    """The last decision on the person, under whichever of their records it was made."""
    merges = store.lake.merges(person.site)
    decisions = store.decisions(trial.id, site=person.site)
    found = [one for (_, who), one in decisions.items() if merges.get(who, who) == person.patient]
    return max(found, key=lambda one: one.number, default=None)


def _default_day(room: Opened, trial: Trial, person: Person, stage: Stage) -> date:
    """What `why` tells is what the worklist shows: as of the day of the last screening, if there was one."""
    saved = room.store.verdict_of(person.site, person.patient, trial=trial.id, stage=stage)
    return today() if saved is None else saved.on


def _object(told: _Told, explanation: Explanation | None, words: Words) -> dict[str, Any]:
    decision = told.decision
    made = ("state", "reason", "decided_by", "decided_at")
    return {
        "listed": explanation is not None and explanation.listed,
        "because": [*_of_the_record(told, words), *(() if explanation is None else explanation.because)],
        "record": str(told.record),
        "decision": None if decision is None else {key: msgspec.to_builtins(getattr(decision, key)) for key in made},
        "decided_elsewhere": [
            {"patient": one.patient, "record": "deleted" if one.is_deleted else "active"}
            | {key: msgspec.to_builtins(getattr(one.decision, key)) for key in made}
            for one in told.elsewhere
        ],
        "verdict": told.verdict,
    }


def _of_the_record(told: _Told, words: Words) -> list[str]:
    """What the hospital has done with the record, that the verdict does not say."""
    from adapter.screening.hospital_records import RecordState

    person = told.person
    found = []
    if person.asked != person.patient:
        found.append(words.phrase("merged-into", asked=person.asked, patient=person.patient))
    if told.record is RecordState.INACTIVE:
        found.append(words.phrase("inactive-told"))
    if told.record is RecordState.DELETED and told.verdict is None:
        found.append(words.phrase("deleted-headline", patient=person))
    return found


def _print_deleted(told: _Told, trial: Trial, stage: Stage, words: Words) -> None:
    from rich.text import Text

    from adapter.screening.why import decision_words

    out = console()
    for line in _of_the_record(told, words):
        out.print(Text(line, style="bold"))
    out.print(Text(words.phrase("deleted-unscreened", trial=trial.acronym, stage=words.of("stages", stage))))
    if told.decision is not None:
        out.print(Text(words.phrase("decided", **decision_words(told.decision, trial, words))))
    for line in _elsewhere(told, trial, words):
        out.print(Text(line))


def _elsewhere(told: _Told, trial: Trial, words: Words) -> list[str]:
    """What was decided on other records of the same number."""
    from adapter.screening.why import decision_words

    return [
        words.phrase(
            "decided-elsewhere-deleted" if one.is_deleted else "decided-elsewhere",
            patient=f"{told.person.site}/{one.patient.removeprefix('Patient/')}",
            **decision_words(one.decision, trial, words),
        )
        for one in told.elsewhere
    ]


def _print(told: _Told, explanation: Explanation, trial: Trial, words: Words) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(explanation.headline, style="bold"))
    for sentence in (*_of_the_record(told, words), *explanation.because):
        out.print(Text(sentence))
    decided = () if explanation.decision is None else (explanation.decision,)
    for line in (*decided, *_elsewhere(told, trial, words)):
        out.print(Text(line))
    if not explanation.listed:
        return
    out.print(Text(explanation.counts))
    groups = (("failing", explanation.failing), ("opening", explanation.open), ("passing", explanation.passing))
    for heading, lines in groups:
        if not lines:
            continue
        out.print()
        out.print(Text(f"{words.phrase(heading)} ({len(lines)})", style="bold underline"))
        for line in lines:
            for text in _criterion(line, words):
                out.print(text)
    if explanation.to_order:
        out.print()
        out.print(Text(words.phrase("to-order"), style="bold underline"))
        for item in explanation.to_order:
            out.print(Text(f"  - {item}"))


def _criterion(line: CriterionLine, words: Words) -> list[Text]:
    from rich.text import Text

    head = Text("  ")
    head.append(f"{_MARKS[line.passes]} {line.id}", style=_STYLES[line.passes])
    head.append(f" {line.label}{words.phrase('colon')}")
    head.append(line.verdict, style=_STYLES[line.passes])
    if line.why_open:
        head.append(f" ({line.why_open})")
    details = []
    if line.missing:
        details.append(words.phrase("missing", what=words.listing(line.missing)))
    if line.passes is None:
        details.append(words.phrase("supplied-by", who=line.who))
    details += line.notes
    shown = line.found[:_EVIDENCE_SHOWN]
    evidence = [str(found) for found in shown]
    if len(line.found) > len(shown):
        evidence.append(f"+{len(line.found) - len(shown)}")
    if line.passes is not True:
        details += line.parts
    details += evidence
    # Readings that the coordinating centre has not confirmed stay visible as such, whatever the verdict.
    details += [words.phrase("default", text=text) for text in line.defaults]
    return [head, *(Text(f"        {detail}", style="dim" if detail in evidence else "") for detail in details)]
