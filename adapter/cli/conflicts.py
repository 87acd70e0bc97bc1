"""In: the outbox, decisions, verdicts. Out: what a person must settle, by site; with ``--settle`` one conflict settled, audited.

What both sides say of a field is patient content: without ``--values`` only the fields' paths are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.opening import Opened, opened
from adapter.cli.options import Options
from adapter.cli.output import console, data, note
from adapter.cli.patients import actor
from adapter.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from adapter.service.language import Language
    from adapter.service.settling.unsettled import OpenConflict, Unsettled

__all__ = ["conflicts"]

_OPEN = 5


def conflicts(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    settle: Annotated[int | None, typer.Option(help="Number of the conflict to settle; --keep says how.")] = None,
    keep: Annotated[str | None, typer.Option(help="ours or hospital: the side that holds.")] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Show what both sides say of each field: patient content.")
    ] = False,
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """List what a person must settle: conflicts, what a hospital does not take, proposals; or settle a conflict."""
    options: Options = ctx.obj
    if (settle is None) != (keep is None):
        raise UsageError("--settle NUMBER and --keep ours|hospital go together")
    tongue = _language(lang)
    with opened(options) as room:
        if settle is not None and keep is not None:
            _settle(room, settle, keep, site=site, options=options)
            return
        from adapter.service.settling.unsettled import read_unsettled

        found = read_unsettled(room.store, room.trial(trial), site=room.known_site(site))
    if options.json:
        data(_object(found, values=values))
    elif found.is_empty:
        note(options, "nothing is to be settled")
    else:
        _print(found, tongue, values=values)
    raise typer.Exit(0 if found.is_empty else _OPEN)


def _settle(room: Opened, number: int, keep: str, *, site: str | None, options: Options) -> None:
    """Settle one; what cannot be done is a usage error that says why."""
    from adapter.service.settling.settlement import CHOICES, SettlementKind
    from adapter.service.settling.settlement import settle as settle_one

    chosen = next((choice for choice in CHOICES if choice == keep), None)
    if chosen is None:
        raise UsageError(f"--keep {keep}: it is {' or '.join(CHOICES)}")
    if site is not None and number not in {one.number for one in room.store.outbox.conflicts(site=site)}:
        raise UsageError(f"conflict {number}: site {site} has none open by this number")
    made = settle_one(room.store, number, keep=chosen, by=actor())
    if made.kind is not SettlementKind.DONE or made.conflict is None:
        raise UsageError(made.problem)
    one = made.conflict
    if options.json:
        data({"number": number, "site": one.site, "kind": one.kind, "key": one.key, "kept": chosen})
    note(options, f"conflict {number}: kept {chosen}; `reluth push --site {one.site}` carries it out")


def _language(lang: str) -> Language:
    from adapter.service.language import LANGUAGES

    found = next((known for known in LANGUAGES if known == lang), None)
    if found is None:
        raise UsageError(f"language {lang}: there are {' and '.join(sorted(LANGUAGES))}")
    return found


def _object(found: Unsettled, *, values: bool) -> dict[str, Any]:
    from adapter.service.settling.unsettled import counts_by_site

    plain = found.model_dump(mode="json")
    if not values:
        for conflict in plain["conflicts"]:
            conflict["fields"] = [{"path": field["path"]} for field in conflict["fields"]]
    return {"sites": counts_by_site(found), **plain}


def _print(found: Unsettled, tongue: Language, *, values: bool) -> None:
    from rich.text import Text

    from adapter.service.language import load_words
    from adapter.service.settling.unsettled import counts_by_site

    say = load_words()
    out = console()
    for site in counts_by_site(found):
        parts = (
            (site.conflicts, say.say("conflicts.conflicts", tongue)),
            (site.held, say.say("conflicts.states-held", tongue)),
            (site.refused, say.say("conflicts.states-refused", tongue)),
            (site.proposals, say.say("conflicts.proposals", tongue)),
        )
        counts = ", ".join(f"{name.lower()} {count}" for count, name in parts if count)
        out.print(Text(f"{site.site}  {counts}", style="bold"))
    if found.conflicts:
        _print_conflicts(out, found.conflicts, tongue, values=values)
    if found.waiting:
        _print_waiting(out, found, tongue)
    if found.proposals:
        _print_proposals(out, found, tongue)


def _print_conflicts(out: Console, found: Iterable[OpenConflict], tongue: Language, *, values: bool) -> None:
    from rich.text import Text

    from adapter.service.language import load_words
    from adapter.service.settling.listing import said

    names = ("conflict-number", "site", "entity", "cause", "since", "field")
    table = _table(out, "conflicts.conflicts", names, tongue)
    for one in found:
        paths = "\n".join(field.path for field in one.fields)
        entity = f"{said('kind', one.kind, tongue)} {one.key}"
        cause = said("cause", one.cause, tongue)
        since = f"{one.opened_at:%Y-%m-%d %H:%M}Z"
        table.add_row(*(Text(cell) for cell in (str(one.number), one.site, entity, cause, since, paths)))
    out.print(table)
    if not values:
        return
    say = load_words()
    for one in (one for one in found if one.fields):
        out.print(Text(say.say("conflicts.conflict", tongue, n=one.number), style="bold"))
        for field in one.fields:
            out.print(Text(f"  {field.path}"))
            for side, value in (("ours", field.ours), ("hospital", field.hospital)):
                shown = say.say("conflicts.says-nothing", tongue) if value is None else value
                out.print(Text(f"    {say.say(f'conflicts.{side}', tongue)}: {shown}"))


def _print_waiting(out: Console, found: Unsettled, tongue: Language) -> None:
    """By reason: whoever mends one often mends all of them."""
    from rich.text import Text

    from adapter.service.language import load_words
    from adapter.service.settling.listing import list_waiting, said

    say = load_words()
    _title(out, "conflicts.waiting", tongue)
    for place in list_waiting(found, tongue):
        for group in place.groups:
            head = f"{place.site}  {said('states', group.state, tongue)} {group.count}  {group.reason}"
            out.print(Text(head, style="bold"))
            out.print(Text(f"  {group.to_do}"))
            for one in group.lines:
                out.print(Text(f"    {one.kind} {one.key}{f'  ({one.detail})' if one.detail else ''}"))
            if group.more:
                out.print(Text(f"    {say.say('conflicts.more', tongue, n=group.more)}"))


def _print_proposals(out: Console, found: Unsettled, tongue: Language) -> None:
    from rich.text import Text

    from adapter.fhir import PARIS
    from adapter.service.settling.listing import outcome_words

    table = _table(out, "conflicts.proposals", ("patient", "decided", "outcome-then", "outcome-now", "changed"), tongue)
    for one in found.proposals:
        patient = f"{one.site}/{one.patient.removeprefix('Patient/')}"
        decided = f"{one.state}, {one.decided_by}, {one.decided_at.astimezone(PARIS):%Y-%m-%d}"
        cells = (patient, decided, outcome_words(one.then, tongue), outcome_words(one.now, tongue))
        table.add_row(*(Text(cell) for cell in (*cells, ", ".join(one.changed))))
    out.print(table)


def _table(out: Console, title: str, columns: Iterable[str], tongue: Language) -> Table:
    from rich import box
    from rich.table import Table

    from adapter.service.language import load_words

    say = load_words()
    _title(out, title, tongue)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in columns:
        table.add_column(say.say(f"conflicts.{name}", tongue), overflow="fold")
    return table


def _title(out: Console, key: str, tongue: Language) -> None:
    from rich.text import Text

    from adapter.service.language import load_words

    out.print()
    out.print(Text(load_words().say(key, tongue), style="bold underline"))
