"""In: a patient, why. Out: nothing of them in the store, and nothing taken of them any more; audited."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, line, note
from adapter.cli.patients import Person, actor, find_person, named_person
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.cli.opening import Opened
    from adapter.jobs.forgetting import Removed

__all__ = ["forget"]


def forget(
    ctx: typer.Context,
    patient: Annotated[
        str | None, typer.Argument(help="SITE/ID, or the bare id where only one site has it.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="objection, erasure or mistake.")] = "erasure",
    even_subject: Annotated[bool, typer.Option("--even-subject", help="Also who was registered in a trial.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Let them come back: with the next full pull.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Show of whom nothing is taken.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove all that the store holds of a patient, and take nothing of them any more; it cannot be had back from the store."""
    options: Options = ctx.obj
    if show:
        if patient is not None:
            raise UsageError("--list shows everybody: it takes no patient")
        _list(options)
        return
    if patient is None:
        raise UsageError(
            "PATIENT is wanted: SITE/ID, or the bare id where only one site has it; --list shows who was forgotten"
        )
    if undo:
        _undo(options, patient)
        return
    from adapter.jobs.forgetting import REASONS, forget_person

    if reason not in REASONS:
        raise UsageError(f"--reason {reason}: it is one of {', '.join(REASONS)}")
    with opened(options) as room:
        person = _person(room, patient)
        if sys.stdin.isatty() and not yes:
            typer.confirm(f"Remove all that is stored of {person}, for good?", abort=True, err=True)
        trials = [room.trial(trial) for trial in room.settings.trials]
        found = forget_person(
            room.store,
            person.site,
            person.patient,
            trials=trials,
            reason=reason,
            by=actor(),
            even_subject=even_subject,
        )
    _tell(options, person, found)


def _person(room: Opened, text: str) -> Person:
    """Who is meant: somebody in the store, or, where the site is named, somebody who is to be kept off before anything came."""
    try:
        return find_person(room.store, text)
    except UsageError:
        person = named_person(text)
        if person is None or person.site not in {*room.settings.sites, *room.store.lake.sites()}:
            raise
        return person


def _tell(options: Options, person: Person, found: Removed) -> None:
    removed = found.removed
    if options.json:
        data(
            {
                "site": person.site,
                "patient": person.patient,
                "records": list(found.patients),
                "versions": removed.versions,
                "quarantined": removed.quarantined,
                "rows": removed.rows,
                "at_hospital": list(found.at_hospital),
                "in_packages": found.in_packages,
            }
        )
    if removed.is_nothing:
        note(options, f"{person}: nothing was stored; nothing will be taken")
    else:
        note(
            options,
            f"{person}: removed {sum(removed.versions.values())} versions of resources, {removed.quarantined} items of the "
            f"quarantine, {sum(removed.rows.values())} entries of verdicts, decisions and what was loaded; nothing more will be taken",
        )
    if found.at_hospital:
        note(options, f"the hospital's server still has what was pushed: {', '.join(found.at_hospital)}")
    if found.in_packages:
        note(options, "packages for the sponsor, and datasets/trace, still hold them under their subject number")
    note(options, "backups are not looked into: delete those that hold them; the audit trail keeps the id")


def _undo(options: Options, text: str) -> None:
    person = named_person(text)
    if person is None:
        raise UsageError("say which site's patient may come back, as SITE/ID")
    by = actor()
    with opened(options) as room, room.store.together():
        if not room.store.kept_off.remove(person.site, person.patient):
            raise UsageError(f"{person}: was not forgotten")
        room.store.audit(by, "forget-undo", subject=f"{person.site}/{person.patient}")
    if options.json:
        data({"site": person.site, "patient": person.patient, "kept_off": False})
    note(options, f"{person} may come back: `reluth pull --site {person.site} --full` brings what the hospital has")


def _list(options: Options) -> None:
    with opened(options) as room:
        found = room.store.kept_off.all()
    if options.json:
        listed = [
            {"site": one.site, "patient": one.patient, "person": one.person, "reason": one.reason, "at": one.at}
            for one in found
        ]
        data({"kept_off": listed})
        return
    for one in found:
        line(f"{one.site}/{one.patient.removeprefix('Patient/')} {one.reason} {one.at:%Y-%m-%d}")
    note(options, f"{len(found)} records are kept off" if found else "nobody is kept off")
