"""In: a patient. Out: they are on the trial's list by a person's hand, whatever their record says; audited."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.cli.patients import actor, deleted_note, find_person, purged_person
from adapter.errors import UsageError

__all__ = ["add"]


def add(
    ctx: typer.Context,
    patient: Annotated[str, typer.Argument(help="SITE/ID, or the bare id where only one site has it.")],
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
) -> None:
    """Put a patient on the list by hand; the next screening evaluates them."""
    options: Options = ctx.obj
    with opened(options) as room:
        document = room.trial(trial)
        person = purged_person(room.store, patient) or find_person(room.store, patient)
        deleted = deleted_note(room.store, person)
        if deleted is not None:
            raise UsageError(f"{deleted}: nobody can be put on the list without one")
        by = actor()
        is_away = room.store.purged.of(person.site, person.patient) is not None
        with room.store.together():
            room.store.add_candidate(person.site, person.patient, trial=document.id, by=by)
            if is_away:
                room.store.purged.want(person.site, [person.patient])
            room.store.audit(by, "add", subject=f"{person.site}/{person.patient}", detail=document.id)
    if options.json:
        data({"trial": document.id, "site": person.site, "patient": person.patient, "added": True})
    if is_away:
        note(
            options,
            f"{person} is to be on the list of {document.acronym}; their data were removed: the next pull of {person.site} reads "
            "them again, and the next screening evaluates them",
        )
        return
    note(options, f"{person} is on the list of {document.acronym}; `reluth screen --patient {person}` evaluates them")
