"""In: a backup. Out: the store that it is of, where there was none; or (`--check`) whether the backup is whole, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import settings_of
from adapter.cli.options import Options
from adapter.cli.output import data, line, megabytes, note, say
from adapter.cli.patients import actor

if TYPE_CHECKING:
    from adapter.store import BackupManifest

__all__ = ["restore"]

_IN_PART = 5
#: What is not as it was, and whom it concerns.
_SENTENCES = (
    "what came, was decided, loaded or pushed since then is not in it: see `After a restore` in docs/operations.md before anything runs",
    "everybody has to sign in again, with the accounts and passwords of then: look at `reluth user list`",
    "who was forgotten since then is in it again, and is taken again: `reluth forget` them again, before anything is pulled",
)


def restore(
    ctx: typer.Context,
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="A folder that `reluth backup` made.")],
    check: Annotated[bool, typer.Option("--check", help="Only read the backup again; nothing is written.")] = False,
) -> None:
    """Put a backup back where there is no store yet."""
    options: Options = ctx.obj
    if check:
        _check(options, backup)
        return
    from adapter.store import restore as put_back

    store = settings_of(options).store
    manifest = put_back(backup, store.path, by=actor(), database=store.database)
    if options.json:
        data({"store": str(store.path), **_shape(backup, manifest), "problems": manifest.problems})
    note(
        options, f"{store.path}: the store of {_sites(manifest)}, as it was at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    for sentence in _SENTENCES:
        note(options, sentence)
    _end(manifest)


def _check(options: Options, backup: Path) -> None:
    from adapter.store import check_backup

    manifest, damaged = check_backup(backup)
    if options.json:
        data(
            {"ok": not damaged, **_shape(backup, manifest), "damaged": damaged, "problems": manifest.problems},
        )
    else:
        for problem in damaged:
            line(problem)
    told = "all is whole" if not damaged else f"{len(damaged)} problems"
    note(options, f"{len(manifest.files)} files, {megabytes(manifest.size)}, by release {manifest.version}: {told}")
    _end(manifest, damaged=bool(damaged))


def _end(manifest: BackupManifest, *, damaged: bool = False) -> None:
    for problem in manifest.problems:
        say(f"reluth: {problem}")
    if damaged or manifest.problems:
        raise typer.Exit(_IN_PART)


def _sites(manifest: BackupManifest) -> str:
    return ", ".join(manifest.sites) or "no site"


def _shape(backup: Path, manifest: BackupManifest) -> dict[str, object]:
    return {
        "backup": str(backup),
        "made_at": manifest.made_at,
        "version": manifest.version,
        "sites": manifest.sites,
        "files": len(manifest.files),
        "bytes": manifest.size,
    }
