"""In: views, and the files of a feed by type of resource. Out: the tables of all views, in memory or as files, by one engine.

For tables in memory a file that several views are over (Observation, nearly all of a feed) is read once. Files are written batch by
batch as they are read, so that a large feed need not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from adapter.datasets.engines import ViewTable, Written
from adapter.datasets.engines.duckdb import opened
from adapter.datasets.engines.queries import Queries
from adapter.datasets.engines.sinks import Form
from adapter.views import ViewDefinition

__all__ = ["view_tables", "written_views"]


def view_tables(
    views: Iterable[ViewDefinition], files: Mapping[str, Path], *, queries: Queries | None = None
) -> dict[str, ViewTable]:
    """The tables of views by name, without those whose type of resource the feed has not.

    Args:
        views: as parsed.
        files: of the feed, by type of resource.
        queries: views that were compiled before.
    """
    listed = [view for view in views if view.resource in files]
    with opened(queries=queries) as engine:
        for type_ in sorted({view.resource for view in listed}):
            over = [view for view in listed if view.resource == type_]
            if len(over) > 1:
                engine.keep(over, files[type_])
        return {view.name: engine.run(view, [files[view.resource]]) for view in listed}


def written_views(
    views: Iterable[ViewDefinition],
    files: Mapping[str, Path],
    folder: Path,
    forms: Sequence[Form],
    *,
    queries: Queries | None = None,
) -> list[Written]:
    """Write the tables of views, each to a file of its name in every form; the file of a type that the feed has not is empty.

    Args:
        views: as parsed.
        files: of the feed, by type of resource.
        folder: that is there.
        forms: of the files.
        queries: views that were compiled before.

    Returns:
        One a file, view by view in their order, and form by form.
    """
    with opened(queries=queries) as engine:
        return [
            written
            for view in views
            for written in engine.write(
                view,
                [files[view.resource]] if view.resource in files else [],
                {form: folder / f"{view.name}.{form}" for form in forms},
            )
        ]
