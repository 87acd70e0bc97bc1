"""In: the last screening. Out: attrition: persons, candidates, outcomes, and how each criterion sorts them."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter.cli.opening import opened, stage_of
from adapter.cli.options import Options
from adapter.cli.output import console, data

__all__ = ["funnel"]


def funnel(
    ctx: typer.Context,
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """Show how many patients each criterion takes away, and which one alone keeps somebody out."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from adapter.screening import read_funnel, words

    options: Options = ctx.obj
    tongue = words(lang)
    with opened(options) as room:
        document = room.trial(trial)
        found = read_funnel(room.store, document, stage_of(stage), site=site)
    if options.json:
        data(found.to_json())
        return
    out = console()
    out.print(Text(tongue.phrase("funnel", patients=found.patients, candidates=found.candidates), style="bold"))
    for outcome, count in found.outcomes.items():
        out.print(f"  {count:>5}  {tongue.outcome(outcome)}")
    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(tongue.listing_of("funnel_columns")):
        table.add_column(heading, justify="left" if place == 0 else "right")
    for counts in found.criteria:
        label = document.criterion(counts.id).label[tongue.lang]
        numbers = (counts.passed, counts.failed, counts.open, counts.sole_failing)
        table.add_row(f"{counts.id} {label}", *(str(number) for number in numbers))
    out.print(table)
