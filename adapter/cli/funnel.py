"""In: the last screening, what was pulled. Out: attrition: persons, candidates, outcomes, how each criterion sorts them; and the codes that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened, stage_of
from adapter.cli.options import Options
from adapter.cli.output import console, data

if TYPE_CHECKING:
    from rich.console import Console

    from adapter.screening import Words
    from adapter.terminology.unmapped import Unmapped

__all__ = ["funnel"]

_LISTED = 10


def funnel(
    ctx: typer.Context,
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """Show how many patients each criterion takes away, which one alone keeps somebody out, and what cannot be read."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from adapter.screening import read_funnel, words
    from adapter.screening.unread import unmapped_of

    options: Options = ctx.obj
    tongue = words(lang)
    with opened(options) as room:
        document = room.trial(trial)
        site = room.known_site(site)
        told = [room.site(name) for name in room.store.lake.sites() if site in (None, name)]
        unmapped = [unmapped_of(room.store, document, one) for one in told]
        found = read_funnel(
            room.store, document, stage_of(stage), sites=None if site is None else [site], unmapped=unmapped
        )
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
    for unread in found.unmapped:
        _print_unmapped(out, unread, tongue)


def _print_unmapped(out: Console, found: Unmapped, tongue: Words) -> None:
    """A site's codes and units that cannot be read; no display among them, which may hold anything."""
    from rich.text import Text

    from adapter.cli.terms import heads_of, sent_code

    if not (found.codes or found.units):
        return
    for head in heads_of(found, tongue):
        out.print(Text(head, style="bold"))
    for item in found.codes[:_LISTED]:
        counts = tongue.of("unmapped", "counts", results=item.results, persons=item.persons)
        out.print(Text(f"  {item.element}  {sent_code(item, tongue)}  ({counts})"))
    for unit in found.units[:_LISTED]:
        counts = tongue.of("unmapped", "counts", results=unit.results, persons=unit.persons)
        sent = unit.unit or tongue.of("unmapped", "no-unit")
        out.print(Text(f"  {unit.analyte}  {sent}  ({counts})"))
    more = max(len(found.codes) - _LISTED, 0) + max(len(found.units) - _LISTED, 0)
    out.print(Text(tongue.of("unmapped", "see-terms", site=found.site, more=more)))
