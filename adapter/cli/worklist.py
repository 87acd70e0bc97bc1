"""In: the last screening and the decisions. Out: the candidates, in the order of what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened, stage_of
from adapter.cli.options import Options
from adapter.cli.output import console, data, note

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from adapter.criteria import Trial
    from adapter.screening import Words, WorklistRow

__all__ = ["print_worklist", "worklist"]

_STYLES = {
    "to-review": "bold",
    "new": "bold green",
    "eligible": "green",
    "no-longer-eligible": "red",
    "waiting": "yellow",
    "not-now": "magenta",
    "not-eligible": "dim",
    "declined": "dim",
    "enrolled": "dim",
}
#: Groups in which nothing is to be done are cut short: the worklist is for work.
_SHOWN = {"not-eligible": 5, "declined": 5, "enrolled": 5}


def worklist(
    ctx: typer.Context,
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """List the candidates of the last screening, what to do next first."""
    from adapter.screening import read_worklist, words

    options: Options = ctx.obj
    tongue = words(lang)
    with opened(options) as room:
        document = room.trial(trial)
        rows = read_worklist(room.store, document, stage_of(stage), site=room.known_site(site))
    if options.json:
        data({"trial": document.id, "stage": stage, "rows": [row.to_json() for row in rows]})
        return
    if not rows:
        note(options, "nobody is on the list: `reluth screen` looks for candidates")
        return
    print_worklist(rows, document, tongue)


def print_worklist(rows: Sequence[WorklistRow], trial: Trial, words: Words, *, at_most: int | None = None) -> None:
    """Print rows grouped by what to do next.

    Args:
        rows: in worklist order.
        at_most: rows of a group shown; groups in which nothing is to be done are cut short anyway.
    """
    from rich.text import Text

    out = console()
    days = sorted({row.on for row in rows})
    title = Text(f"{trial.acronym} · {words.of('stages', rows[0].stage)} · ", style="bold")
    title.append(words.phrase("as-of", day=" - ".join(dict.fromkeys(words.day(day) for day in (days[0], days[-1])))))
    out.print(title)
    # One width for all groups: columns that stand below one another can be compared.
    width = max(len(_name(row)) for row in rows)
    for group, members in groupby(rows, key=lambda row: row.bin):
        found = list(members)
        limit = min(_SHOWN.get(group, len(found)), len(found) if at_most is None else at_most)
        out.print()
        heading = Text(f"{words.of('bins', group)} ({len(found)})", style=_STYLES[group])
        heading.append(f"  {words.of('bin_notes', group)}", style="dim")
        out.print(heading)
        out.print(_table(found[:limit], trial, words, width=width))
        if len(found) > limit:
            out.print(Text(f"  … +{len(found) - limit}", style="dim"))


def _table(rows: Sequence[WorklistRow], trial: Trial, words: Words, *, width: int) -> Table:
    from rich import box
    from rich.table import Table

    from adapter.screening import next_step, standing

    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, expand=True, show_edge=False)
    patient, criteria, what, then = words.listing_of("columns")
    table.add_column(patient, width=width, no_wrap=True)
    table.add_column(criteria, width=14, no_wrap=True)
    table.add_column(what, ratio=3, overflow="fold")
    table.add_column(then, ratio=2, overflow="fold")
    for row in rows:
        table.add_row(_name(row), _marks(row), standing(row, trial, words), next_step(row, trial, words))
    return table


def _name(row: WorklistRow) -> str:
    return f"{row.site}/{row.patient.removeprefix('Patient/')}"


def _marks(row: WorklistRow) -> Text:
    from rich.text import Text

    marks = Text()
    for sign, count, style in (
        ("✓", row.passed, "green"),
        ("✗", len(row.failed), "red"),
        ("?", len(row.open), "yellow"),
    ):
        marks.append(f"{sign}{count:<3}", style=style if count else "dim")
    return marks
