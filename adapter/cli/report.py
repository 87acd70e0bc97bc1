"""In: the folder of a package. Out: its report, one HTML file beside the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.errors import UsageError

__all__ = ["report"]


def report(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder of a package of the format sdtm.")],
    lang: Annotated[str, typer.Option(help="Language: fr or en.")] = "fr",
    subjects: Annotated[
        bool, typer.Option("--subjects", help="Name the subjects' courses by their pseudonyms (USUBJID).")
    ] = False,
) -> None:
    """Tell how the trial goes, from a package: accrual, infusions, laboratory, disease control at 6 months, courses."""
    from adapter.datasets.report import write_report
    from adapter.datasets.report.words import LANGUAGES

    options: Options = ctx.obj
    language = next((one for one in LANGUAGES if one == lang), None)
    if language is None:
        raise UsageError(f"--lang {lang}: there are {' and '.join(LANGUAGES)}")
    if not directory.is_dir():
        raise UsageError(f"report {directory}: no such folder")
    path = write_report(directory, language=language, named=subjects)
    if options.json:
        data({"report": str(path)})
    note(options, f"{path}: open it in a browser")
