"""In: a patient, a state and a reason. Out: a person's decision, kept beside all earlier ones; audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.cli.patients import Person, actor, deleted_note, find_person
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.criteria import Trial
    from adapter.store import Store

__all__ = ["decide"]


def decide(
    ctx: typer.Context,
    patient: Annotated[str, typer.Argument(help="SITE/ID, or the bare id where only one site has it.")],
    state: Annotated[str, typer.Argument(help="Decision state, e.g. to-review, contacted, declined.")],
    reason: Annotated[str, typer.Option(help="A reason code, or the id of a criterion, e.g. E07.")],
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
) -> None:
    """Record what a person decided about a patient."""
    options: Options = ctx.obj
    with opened(options) as room:
        document = room.trial(trial)
        _check(document, state, reason)
        person = find_person(room.store, patient)
        deleted = deleted_note(room.store, person)
        known = _is_known(room.store, document, person)
        if deleted is not None and not known:
            raise UsageError(
                f"{deleted}, and they were never on the list of {document.acronym}: there is nothing to decide"
            )
        by = actor()
        with room.store.together():
            made = room.store.decide(person.site, person.patient, trial=document.id, state=state, reason=reason, by=by)
            detail = f"{document.id} {state} {reason}"
            room.store.audit(by, "decide", subject=f"{person.site}/{person.patient}", detail=detail)
    if options.json:
        found = {"trial": document.id, "site": made.site, "patient": made.patient, "version": made.version}
        data({**found, "state": made.state, "reason": made.reason})
    if deleted is not None:
        note(options, deleted)
    note(options, f"{person}: {state} ({reason})")
    if not known:
        note(options, f"no screening has looked at them yet: `reluth screen --patient {person}` puts them on the list")


def _is_known(store: Store, trial: Trial, person: Person) -> bool:
    """Whether the trial has a verdict or a decision on the person, under any of their records, or somebody added them."""
    from adapter.criteria import Stage

    merges = store.lake.merges(person.site)
    people = {person.patient, *(old for old, survivor in merges.items() if survivor == person.patient)}
    return (
        not people.isdisjoint(store.added_candidates(person.site, trial=trial.id))
        or bool(store.decision_history(trial.id, site=person.site, patients=people))
        or any(
            store.verdict_of(person.site, one, trial=trial.id, stage=stage) is not None
            for one in people
            for stage in Stage
        )
    )


def _check(trial: Trial, state: str, reason: str) -> None:
    """Codes only: a free text would carry patient content into logs and packages."""
    from adapter.screening import words

    states = [one.id for one in trial.states]
    if state not in states:
        raise UsageError(f"state {state}: it is one of {', '.join(states)}")
    codes = words("en").codes("decision_reasons")
    if reason not in codes and reason not in {criterion.id for criterion in trial.criteria}:
        raise UsageError(f"--reason {reason}: it is the id of a criterion, or one of {', '.join(codes)}")
