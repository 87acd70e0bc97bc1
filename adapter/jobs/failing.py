"""In: a store, a site, a kind of work that begins with asking the site's server. Out: a run that tells by what it failed before it began.

A run holds its site and is there from its beginning. What goes wrong before (no connection, a refused token, a
certificate that cannot be read) would else stand in the log alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from adapter.errors import ReluthError, StorageError
from adapter.observe import logger
from adapter.store import Store

__all__ = ["failure_noted"]


@contextmanager
def failure_noted(store: Store, site: str, kind: str) -> Iterator[None]:
    """Whatever error of ours ends the block leaves a failed run; it goes on as it was.

    Args:
        store: open.
        site: a site of the settings.
        kind: of the run that was to begin.
    """
    begun = datetime.now(UTC)
    try:
        yield
    except ReluthError as error:
        try:
            store.note_failed_run(site, kind, begun=begun, error=error)
        except StorageError:
            # Why nothing was pulled is the cause; that nobody could write it down comes second.
            logger("jobs").warning("the failed run could not be noted", site=site, kind=kind)
        raise
