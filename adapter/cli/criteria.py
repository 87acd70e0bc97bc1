"""In: a trial, or two versions of one. Out: its criteria as FHIR or CQL; which stored patients change from the one version to the other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.opening import a_day, opened, settings_of, stage_of, today
from adapter.cli.options import Options
from adapter.cli.output import data, line, note, say_unreadable
from adapter.errors import DefectError, UsageError

if TYPE_CHECKING:
    from adapter.criteria import Trial
    from adapter.screening.compare import PatientChange, Versions

__all__ = ["criteria"]

_IN_PART = 5
_SHOWN = 20
#: Forms of the criteria, each with the FHIR versions that it is written in, the usual one first.
_FORMS = {
    "group": ("4.0.1", "4.3.0", "5.0.0"),
    "evidencevariable": ("5.0.0",),
    "cql": ("4.0.1",),
}

criteria = typer.Typer(
    help="Give the criteria to others; compare two versions.", rich_markup_mode=None, no_args_is_help=True
)


@criteria.command()
def export(
    ctx: typer.Context,
    form: Annotated[str, typer.Option("--as", help="group, evidencevariable or cql.")],
    trial: Annotated[
        str | None, typer.Option(help="Trial, or a folder with its documents; else the first of the settings.")
    ] = None,
    fhir_version: Annotated[
        str | None, typer.Option(help="4.0.1, 4.3.0 or 5.0.0 for a Group; an EvidenceVariable is always 5.0.0.")
    ] = None,
    lang: Annotated[str, typer.Option(help="en or fr: labels and remarks; the sentences stay as registered.")] = "en",
) -> None:
    """Print the criteria as a FHIR Group with its Library, as an EvidenceVariable, or as CQL."""
    from adapter.criteria.exchange import cql_library, evidence_variable, group_bundle
    from adapter.documents import code_system_names
    from adapter.screening import words

    options: Options = ctx.obj
    version = _version(form, fhir_version)
    language = words(lang).lang
    document = _trial(trial or settings_of(options).trials[0])
    if form == "evidencevariable":
        _resource(evidence_variable(document, language=language))
        return
    cql = cql_library(document, code_system_names())
    if form == "group":
        _resource(group_bundle(document, cql, language=language, fhir_version=version))
    else:
        sys.stdout.write(cql if cql.endswith("\n") else f"{cql}\n")


@criteria.command()
def diff(
    ctx: typer.Context,
    one: Annotated[str, typer.Argument(metavar="A", help="Trial, or a folder with its documents.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The other version: likewise.")],
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    on: Annotated[str | None, typer.Option(help="Reference date; else the recorded one, else today in Paris.")] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    overlay: Annotated[Path | None, typer.Option(help="Folder with the site's own documents.")] = None,
) -> None:
    """Show what differs between two versions of the criteria, and which stored patients change verdict; 5 if any does."""
    from adapter.screening import Asked
    from adapter.screening.compare import Versions, compare

    options: Options = ctx.obj
    asked = Asked(today=today(), stage=stage_of(stage), on=a_day(on, option="--on"))
    versions = Versions(_trial(one), _trial(other))
    if not options.json:
        _print_documents(versions, options)
    with opened(options) as room:
        for name in room.sites(site):
            for change in compare(room.store, versions, room.site(name, overlay), asked):
                if options.json:
                    data(change.to_json())
                else:
                    line(_patient(change))
    if options.json:
        data({"stage": str(asked.stage), **versions.to_json()})
    else:
        _print_counts(versions)
    note(options, f"{versions.compared} patients compared, {len(versions.patients)} change")
    if versions.unreadable:
        say_unreadable(tuple(sorted(versions.unreadable)))
    if versions.failed:
        names = ", ".join(sorted(versions.failed)[:_SHOWN])
        raise DefectError(f"a defect of ours: {len(versions.failed)} patients could not be compared: {names}")
    if versions.differ or versions.unreadable:
        raise typer.Exit(_IN_PART)


def _version(form: str, wanted: str | None) -> str:
    if form not in _FORMS:
        raise UsageError(f"--as {form}: it is {', '.join(_FORMS)}")
    versions = _FORMS[form]
    if wanted is not None and wanted not in versions:
        raise UsageError(f"--fhir-version {wanted}: {form} is written in {', '.join(versions)}")
    return wanted or versions[0]


def _trial(text: str) -> Trial:
    """A trial by its id, or by the folder of its documents."""
    from adapter.documents import load_trial, load_trial_folder, trials

    folder = Path(text)
    if text not in trials() and folder.is_dir():
        return load_trial_folder(folder)
    return load_trial(text)


def _resource(resource: dict[str, Any]) -> None:
    """A FHIR resource as JSON: its decimals as the numbers that they are."""
    import msgspec

    written = msgspec.json.Encoder(decimal_format="number").encode(resource)
    line(msgspec.json.format(written, indent=2).decode())


def _print_documents(versions: Versions, options: Options) -> None:
    before, after = versions.before, versions.after
    line(f"{before.acronym} {before.version} -> {after.acronym} {after.version}")
    for item in versions.documents:
        words = "" if item.before is item.after is None else f"  {_or_dash(item.before)} -> {_or_dash(item.after)}"
        line(f"  {item.where}  {item.what}{words}")
    if versions.documents and (before.id, before.version) == (after.id, after.version):
        note(options, f"the documents differ, and both say that they are version {after.version}")


def _patient(change: PatientChange) -> str:
    old, new = change.outcome
    outcome = str(new) if old is new else f"{old} -> {new}"
    parts = [f"{item.id} {_or_dash(item.before)}->{_or_dash(item.after)}" for item in change.criteria]
    if change.candidate[0] is not change.candidate[1]:
        parts.insert(0, "candidate now" if change.candidate[1] else "no candidate any more")
    name = f"{change.site}/{change.patient.removeprefix('Patient/')}"
    return f"{name:<24}  {outcome:<46}  {'  '.join(parts)}".rstrip()


def _print_counts(versions: Versions) -> None:
    for (old, new), count in sorted(versions.outcomes.items()):
        line(f"{count:>6}  {old} -> {new}")
    labels = {item.id: item.label["en"] for item in (*versions.before.criteria, *versions.after.criteria)}
    for change, count in versions.counts():
        line(f"{count:>6}  {change.id}  {_or_dash(change.before)} -> {_or_dash(change.after)}  {labels[change.id]}")


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
