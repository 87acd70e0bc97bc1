"""In: a site of the settings and the outbox. Out: the site's server in step with it, and what was not told, named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import Opened, opened, today
from adapter.cli.options import Options
from adapter.cli.output import data, line, note, progress_bars, say
from adapter.cli.patients import actor
from adapter.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.progress import Progress, TaskID

    from adapter.client import SiteClient
    from adapter.config import SiteSettings
    from adapter.fhir import FhirVersion
    from adapter.sync import Preview, Pusher, PushProgress, PushSummary, SetAside
    from mappings.entities import Study

__all__ = ["push", "push_site"]

_LISTED = 20


def push(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="Site of the settings.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the Bundles and the fields that would change; send nothing.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Look at every resource of ours there, so that deletions are seen too.")
    ] = False,
) -> None:
    """Tell a hospital's server what is new or changed here, and take back what was changed there."""
    from adapter.client import SiteClient
    from adapter.jobs import configured_site
    from adapter.jobs.connecting import site_address

    options: Options = ctx.obj
    with opened(options, make=True) as room:
        configured = configured_site(room.settings, site)
        if dry_run:
            with SiteClient(site_address(site, configured)) as client:
                version = _version(site, configured, client.capability().fhir_version)
                preview = _pusher(room, client, site).preview(version=version, full=full)
            _show(preview, options)
            raise typer.Exit(preview.summary.exit_code)
        with progress_bars(options) as bars:
            summary, left = push_site(room, site, full=full, progress=_Bars(bars))
        counts = room.store.outbox.counts(site)
    for sentence in left:
        note(options, sentence)
    _tell(summary, options, counts=counts)
    raise typer.Exit(summary.exit_code)


def push_site(
    room: Opened, site: str, *, full: bool = False, progress: PushProgress | None = None
) -> tuple[PushSummary, list[str]]:
    """Push a site of the settings.

    Returns:
        the summary; and what was not entered into the outbox, one sentence each.

    Raises:
        ConfigurationError: the site is not in the settings, or its server speaks another FHIR version.
        RemoteError: the server cannot be reached, or refuses before anything is looked at.
        BusyError: another run works on this site.
    """
    from contextlib import ExitStack

    from adapter.client import SiteClient
    from adapter.jobs import configured_site, failure_noted
    from adapter.jobs.connecting import site_address

    configured = configured_site(room.settings, site)
    with ExitStack() as stack:
        with failure_noted(room.store, site, "push"):
            client = stack.enter_context(SiteClient(site_address(site, configured)))
            version = _version(site, configured, client.capability().fhir_version)
        left = _add_candidates(room, site, configured)
        return _pusher(room, client, site).push(version=version, full=full, progress=progress), left


def _pusher(room: Opened, client: SiteClient, site: str) -> Pusher:
    from datetime import UTC, datetime

    from adapter.observe import product
    from adapter.sync import Pusher

    return Pusher(
        room.store,
        client,
        site=site,
        trials=_studies(room, site),
        software=product(),
        now=lambda: datetime.now(UTC),
    )


def _version(site: str, configured: SiteSettings, stated: str) -> FhirVersion:
    from adapter.fhir import parse_fhir_version

    if stated != configured.fhir_version:
        raise ConfigurationError(
            f"sites.{site}.fhir_version", f"is {configured.fhir_version}, the server states {stated}"
        )
    return parse_fhir_version(stated)


def _studies(room: Opened, site: str) -> dict[str, Study]:
    """Studies by id: those loaded for the site, else as they are shipped."""
    from adapter.documents import load_study
    from mappings.entities import Study

    found: dict[str, Study] = {}
    for trial in room.settings.trials:
        try:
            found[trial] = load_study(trial)
        except UsageError:
            # A trial without a study document: its subjects name it by their own study once that is loaded.
            continue
    loaded = (stored.entity for stored in room.store.entities.all(site, "study"))
    return found | {study.id: study for study in loaded if isinstance(study, Study)}


def _add_candidates(room: Opened, site: str, configured: SiteSettings) -> list[str]:
    """Enter the worklist's candidates into the outbox, where the site wants that; what is left out, one sentence each."""
    if not configured.push_candidates:
        return []
    from adapter.screening.candidates import candidate_subjects

    left: list[str] = []
    for trial_id in room.settings.trials:
        trial = room.trial(trial_id)
        subjects, listed, refused = candidate_subjects(
            room.store,
            trial,
            site=site,
            identifier_system=configured.identifier_system,
            on=today(),
            site_code=configured.site_code,
        )
        room.store.entities.put_all(site, [*subjects, listed], source="worklist", by=actor())
        left += [f"{place}: a candidate is left as it is: {reason}" for place, _, reason in refused]
    return left


def _show(preview: Preview, options: Options) -> None:
    """The Bundles as they would be sent, one a line; then for people what would change."""
    from adapter.fhir.compare import shown_value

    for bundle in preview.bundles:
        line(bundle.decode())
    for reference, fields in preview.changes:
        note(options, f"{reference}: {len(fields)} fields")
        for path, before, after in fields:
            note(options, f"  {path}: {shown_value(before) or '-'} -> {shown_value(after) or '-'}")
    _name(preview.summary, options)
    note(options, "nothing was sent; candidates of the worklist are entered at the push itself")


def _tell(summary: PushSummary, options: Options, *, counts: Mapping[str, int]) -> None:
    if options.json:
        data(summary.as_object())
    for type_, writes in sorted(summary.types.items()):
        parts = [f"{number} {name}" for name, number in _counts(writes) if number]
        note(options, f"{type_}: {', '.join(parts)}")
    back = f", {summary.taken_back} changed by the hospital and taken back" if summary.taken_back else ""
    note(options, f"site {summary.site}: {counts.get('done', 0)} of {sum(counts.values())} entities stand there{back}")
    _name(summary, options)
    if summary.pending:
        note(options, f"{summary.pending} entities wait for the next push")
    if summary.problem:
        say(f"reluth: {summary.problem}")


def _counts(writes: object) -> Iterable[tuple[str, int]]:
    return ((name, getattr(writes, name)) for name in ("created", "updated", "deleted"))


def _name(summary: PushSummary, options: Options) -> None:
    """Everything that was not told, by name: it is why the exit code is not 0."""
    for what, items in (("held", summary.held), ("refused", summary.refused), ("conflict", summary.conflicts)):
        for item in items[:_LISTED]:
            say(f"{what}: {_one(item)}")
        if len(items) > _LISTED:
            say(f"{what}: and {len(items) - _LISTED} more; --json lists them all")
    if summary.conflicts:
        note(options, "a person settles conflicts: reluth conflicts")


def _one(item: SetAside) -> str:
    return f"{item.kind} {item.key}: {item.reason}{f' ({item.detail})' if item.detail else ''}"


class _Bars:
    """A progress bar a kind."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, kind: str, entities: int) -> None:
        """A bar for the kind."""
        self._tasks[kind] = self._bars.add_task(f"push {kind}", total=entities)

    def advance(self, kind: str, entities: int) -> None:
        """So many more."""
        self._bars.advance(self._tasks[kind], entities)
