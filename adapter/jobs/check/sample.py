"""In: a site's server, resource types, how many of each. Out: a store of them that lives as long as the block: nothing is kept.

It lies in memory (``/dev/shm``) where the system has such a place, else in the folder that it is given.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter.client import SiteAddress, SiteClient
from adapter.errors import RemoteError
from adapter.fhir import ResourceProblem, summarise
from adapter.jobs.check.site import POLICY, SiteToCheck
from adapter.store import LakeWriter, Origin, Store

__all__ = ["sampled_store"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory; the folder made in it is private
_PAGE = 100


@contextmanager
def sampled_store(
    subject: SiteToCheck,
    *,
    site: str,
    types: Iterable[str],
    most: int,
    folder: Path | None = None,
    connect: Callable[[SiteAddress], SiteClient] | None = None,
) -> Iterator[tuple[Store, dict[str, int]]]:
    """A store with some resources of each type, gone with the block.

    Args:
        subject: the site.
        site: its name.
        types: to ask for.
        most: resources of a type.
        folder: where to put it if there is no place in memory; None for the system's own.
        connect: opens a connection, where it is not over the network.

    Yields:
        the store, and how many resources of each type are in it; a type that fails on the way has what came before.
    """
    opened = connect or (lambda address: SiteClient(address, policy=POLICY))
    place = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else folder
    with (
        tempfile.TemporaryDirectory(prefix="reluth-check-", dir=place) as made,
        Store.open(Path(made) / "store") as store,
        opened(subject.address) as client,
    ):
        counts: dict[str, int] = {}
        with store.begin_run(site, "check") as run:
            writer = store.lake.writer(run)
            for type_ in types:
                counts[type_] = _take(client, writer, type_, most)
            writer.commit(complete=False)
        yield store, counts


def _take(client: SiteClient, writer: LakeWriter, type_: str, most: int) -> int:
    taken = 0
    try:
        for page in client.search(type_, count=min(most, _PAGE)):
            for entry in page.entries:
                if taken >= most:
                    return taken
                try:
                    summary = summarise(entry.raw)
                except ResourceProblem:
                    continue
                if summary.type == type_:
                    writer.add(summary, entry.raw, Origin(page.url, None, is_url=True))
                    taken += 1
    except RemoteError:
        # What works was told by the check; a sample is what could be had.
        return taken
    return taken
