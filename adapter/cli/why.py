"""In: a patient. Out: their verdicts in words, what decides first; or why they are not on the list."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import Opened, a_day, opened, stage_of, today
from adapter.cli.options import Options
from adapter.cli.output import console, data, say_unreadable
from adapter.cli.patients import Person, find_person
from adapter.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from adapter.criteria import Stage, Trial
    from adapter.screening import CriterionLine, Explanation, Words

__all__ = ["why"]

_IN_PART = 5
_EVIDENCE_SHOWN = 6
_STYLES = {True: "green", False: "bold red", None: "yellow"}
_MARKS = {True: "✓", False: "✗", None: "?"}


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
    from adapter.screening import Asked, explain, screen, words

    options: Options = ctx.obj
    tongue = words(lang)
    day = a_day(on, option="--on")
    with opened(options) as room:
        document = room.trial(trial)
        person = find_person(room.store, patient)
        asked = Asked(
            today=_default_day(room, document, person, stage_of(stage)),
            stage=stage_of(stage),
            on=day,
            patients=(person.patient,),
            save=False,
        )
        screening = screen(room.store, document, room.site(person.site, overlay), asked)
        verdict = next(screening, None)
        if verdict is None:
            raise UsageError(f"{person}: the store holds no resource of this patient")
        # The iterator closes its files when it is exhausted.
        list(screening)
        found = verdict.to_json()
        decision = room.store.decisions(document.id, site=person.site).get((person.site, person.patient))
        resources = sum(len(one.resources) for one in room.store.lake.records(person.site, [person.patient]))
        explanation = explain(found, document, tongue, resources=resources, decision=decision)
        unreadable = screening.unreadable
    if options.json:
        data({"listed": explanation.listed, "because": list(explanation.because), "verdict": found})
    else:
        _print(explanation, tongue)
    if unreadable:
        say_unreadable(unreadable)
        raise typer.Exit(_IN_PART)


def _default_day(room: Opened, trial: Trial, person: Person, stage: Stage) -> date:
    """What `why` tells is what the worklist shows: as of the day of the last screening, if there was one."""
    saved = room.store.verdict_of(person.site, person.patient, trial=trial.id, stage=stage)
    return today() if saved is None else saved.on


def _print(explanation: Explanation, words: Words) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(explanation.headline, style="bold"))
    for sentence in explanation.because:
        out.print(Text(sentence))
    if explanation.decision:
        out.print(Text(explanation.decision))
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
