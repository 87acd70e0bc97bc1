"""In: what was pulled from a site. Out: the codes and units that the trial cannot read, with the closest targets, or a draft ConceptMap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import console, data, note

if TYPE_CHECKING:
    from adapter.criteria import Trial
    from adapter.screening import Words
    from adapter.terminology.suggestions import Suggestion
    from adapter.terminology.unmapped import UnknownUnit, Unmapped, UnmappedCode

__all__ = ["heads_of", "sent_code", "terms"]

_LONGEST = 80


def terms(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="The site.")],
    suggest: Annotated[bool, typer.Option("--suggest", help="With the closest targets; never applied.")] = False,
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="The site's documents, instead of the settings'.")] = None,
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """List a site's codes and units that cannot be read, most frequent first, as the feed writes them.

    With --suggest each comes with up to three targets; --suggest --json is a draft FHIR ConceptMap for a person to finish.
    """
    from rich.text import Text

    from adapter.screening import words
    from adapter.screening.closest import closest
    from adapter.screening.unread import unmapped_of
    from adapter.terminology.suggestions import draft_concept_map, icd10_lookalikes

    options: Options = ctx.obj
    tongue = words(lang)
    with opened(options) as room:
        room.sites(site)
        document, told = room.trial(trial), room.site(site, overlay)
        found = unmapped_of(room.store, document, told)
    pairs = closest(found, document, told) if suggest else [(item, ()) for item in found.codes]
    if options.json and suggest:
        data(
            draft_concept_map(
                site,
                pairs,
                comment=lambda item: tongue.of("unmapped", "draft-comment", score=item.score, why=_why(item, tongue)),
                title=tongue.of("unmapped", "draft-title", site=site),
            )
        )
        note(options, tongue.of("unmapped", "confirm"))
        return
    if options.json:
        data({"trial": document.id, **found.to_json(displays=True)})
        return
    out = console()
    for text in heads_of(found, tongue):
        out.print(Text(text, style="bold"))
    for item, suggestions in pairs:
        name = tongue.of("unmapped", "code", element=item.element, named=sent_code(item, tongue))
        out.print(Text(name, style="bold"))
        for text in _details(item, tongue):
            out.print(Text(f"    {text}"))
        for text in _suggested(suggestions, tongue) if suggest else ():
            out.print(Text(f"      {text}"))
    for unit in found.units:
        out.print(Text(_unit(unit, document, tongue)))
    if suggest and found.codes:
        for system in icd10_lookalikes(found.codes):
            out.print(Text(tongue.of("unmapped", "icd10", system=_fit(system))))
        out.print(Text(tongue.of("unmapped", "confirm")))


def sent_code(item: UnmappedCode, tongue: Words) -> str:
    """A code as sent, fit for a terminal; words where there is none."""
    if item.code is None:
        return tongue.of("unmapped", "no-code")
    system = _fit(item.system) if item.system is not None else tongue.of("unmapped", "no-system")
    return f"{system}|{_fit(item.code)}"


def _fit(text: str) -> str:
    from adapter.terminology.coded import shown

    return shown(text, _LONGEST)


def heads_of(found: Unmapped, tongue: Words) -> list[str]:
    """How much of a site cannot be read, one sentence for codes and one for units."""
    heads = []
    if found.codes:
        counts = {"codes": len(found.codes), "results": found.results}
        heads.append(tongue.of("unmapped", "codes-title", site=found.site, **counts))
    if found.units:
        heads.append(tongue.of("unmapped", "units-title", site=found.site, units=len(found.units)))
    return heads or [tongue.of("unmapped", "nothing", site=found.site)]


def _details(item: UnmappedCode, tongue: Words) -> list[str]:
    counts = tongue.of("unmapped", "counts", results=item.results, persons=item.persons)
    if item.first is not None and item.last is not None:
        counts = f"{counts}, {tongue.of('unmapped', 'days', first=item.first, last=item.last)}"
    lines = [" / ".join(text for text, _ in item.displays), counts]
    for spread in item.units:
        unit = spread.unit or tongue.of("unmapped", "no-unit")
        sent = spread.to_json()
        code = "values" if spread.low is not None else "no-values"
        ends = {"low": sent["low"], "high": sent["high"]} if spread.low is not None else {}
        lines.append(tongue.of("unmapped", code, unit=unit, results=spread.results, **ends))
    return [text for text in lines if text]


def _suggested(suggestions: Sequence[Suggestion], tongue: Words) -> list[str]:
    lines = []
    for item in suggestions:
        label = item.target.label[tongue.lang]
        named = f"{item.target.system}|{item.code}"
        why = _why(item, tongue)
        lines.append(tongue.of("unmapped", "suggestion", score=item.score, named=named, label=label, why=why))
    return lines or [tongue.of("unmapped", "no-suggestion")]


def _unit(unit: UnknownUnit, trial: Trial, tongue: Words) -> str:
    sent = unit.unit or tongue.of("unmapped", "no-unit")
    analyte = trial.wanted_label(unit.analyte, tongue.lang)
    counts = tongue.of("unmapped", "counts", results=unit.results, persons=unit.persons)
    text = tongue.of("unmapped", "unit", analyte=analyte, unit=sent, reason=tongue.reason(unit.reason))
    return f"{text} ({counts})"


def _why(suggestion: Suggestion, tongue: Words) -> str:
    return ", ".join(tongue.of("suggested_because", why.kind, detail=why.detail) for why in suggestion.why)
