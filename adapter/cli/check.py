"""In: what was pulled from a site. Out: for each datum of the trial how much there is, and what to ask the site for (then exit 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import console, data

if TYPE_CHECKING:
    from adapter.screening import Words
    from adapter.screening.coverage import Coverage, Datum, Gap

__all__ = ["check"]

_IN_PART = 5
_NAMED = 5


def check(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="The site.")],
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="The site's documents, instead of the settings'.")] = None,
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """Check how far a site's records answer the trial's criteria: codes, units, limits of normal, and what to ask the site for.

    What was pulled is checked; the connection itself (server, token, searches) is checked in a later version.
    """
    from adapter.screening import words
    from adapter.screening.coverage import read_coverage

    options: Options = ctx.obj
    tongue = words(lang)
    with opened(options) as room:
        room.sites(site)
        found = read_coverage(room.store, room.trial(trial), room.site(site, overlay))
    if options.json:
        data(_to_json(found, tongue))
    else:
        _print(found, tongue)
    if not found.is_whole:
        raise typer.Exit(_IN_PART)


def _sentence(datum: Datum, gap: Gap, tongue: Words) -> str:
    named = tongue.listing(gap.named, limit=_NAMED)
    return tongue.of("gaps", gap.kind, label=datum.label[tongue.lang], results=gap.results, named=named)


def _to_json(found: Coverage, tongue: Words) -> dict[str, Any]:
    by_criterion: dict[str, list[str]] = {}
    for datum in found.data:
        for criterion in datum.criteria:
            by_criterion.setdefault(criterion, []).append(datum.what)
    return {
        "site": found.site,
        "trial": found.trial,
        "complete": found.is_whole,
        "criteria": [{"id": identity, "data": by_criterion[identity]} for identity in sorted(by_criterion, key=_order)],
        "data": [
            {
                "what": datum.what,
                "kind": datum.kind,
                "label": datum.label[tongue.lang],
                "criteria": list(datum.criteria),
                "results": datum.stored.results,
                "persons": datum.stored.persons,
                "last": datum.stored.last,
                "gaps": [
                    {
                        "kind": gap.kind,
                        "results": gap.results,
                        "named": list(gap.named),
                        "sentence": _sentence(datum, gap, tongue),
                    }
                    for gap in datum.gaps
                ],
            }
            for datum in found.data
        ],
        "unmapped": {
            "codes": len(found.unmapped.codes),
            "results": found.unmapped.results,
            "units": len(found.unmapped.units),
        },
    }


def _order(identity: str) -> tuple[bool, str]:
    # Inclusions before exclusions, as the protocol has them.
    return identity.startswith("E"), identity


def _print(found: Coverage, tongue: Words) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    whole = sum(1 for datum in found.data if not datum.gaps)
    counts = {"complete": whole, "data": len(found.data)}
    out.print(Text(tongue.of("coverage", "title", site=found.site, trial=found.trial, **counts), style="bold"))
    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(tongue.listing_of("coverage_columns")):
        table.add_column(heading, justify="right" if place in (2, 3) else "left")
    for datum in found.data:
        names = [tongue.of("gap_names", gap.kind, results=gap.results) for gap in datum.gaps]
        table.add_row(
            Text(datum.label[tongue.lang]),
            " ".join(datum.criteria),
            str(datum.stored.persons),
            str(datum.stored.results),
            datum.stored.last or "",
            Text(", ".join(names)),
        )
    out.print(table)
    sentences = dict.fromkeys(_sentence(datum, gap, tongue) for datum in found.data for gap in datum.gaps)
    if sentences:
        out.print(Text(tongue.of("coverage", "to-ask"), style="bold"))
    for sentence in sentences:
        out.print(Text(f"- {sentence}"))
    if found.unmapped.codes or found.unmapped.units:
        left = {"codes": len(found.unmapped.codes), "units": len(found.unmapped.units)}
        out.print(Text(tongue.of("coverage", "rest", site=found.site, **left)))
