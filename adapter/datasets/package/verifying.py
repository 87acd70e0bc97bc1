"""In: a package on disk and the store that it was made from. Out: each cell that is no longer what its source says, and whose doing it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapter.config import Settings
from adapter.datasets.formats import MANIFEST, manifest_problems
from adapter.datasets.package.comparing import CellChange, compare_folders
from adapter.datasets.package.export import Request, export
from adapter.datasets.package.reading_back import leaves
from adapter.datasets.package.replacing import workroom
from adapter.datasets.package.tracing import TRACE
from adapter.errors import UsageError
from adapter.store import Store

__all__ = ["Verified", "verify"]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a package.

    Attributes:
        files: each that is missing, changed or not named in the manifest.
        cells: each that differs from what the store gives now, those of the manifest and the trace too; `CellChange.old` is the
            package's, ``new`` the store's.
        sources: resources that are no longer as they were read, by the key that the package knows them by: ``changed``,
            ``deleted`` (or no longer exported) or ``new``.
    """

    files: tuple[str, ...]
    cells: tuple[CellChange, ...]
    sources: Mapping[str, Literal["changed", "deleted", "new"]]

    @property
    def sound(self) -> bool:
        """Nothing differs."""
        return not (self.files or self.cells or self.sources)


def verify(store: Store, settings: Settings, folder: Path) -> Verified:
    """Make a package again from its source, and compare.

    Args:
        store: that the package was made from.
        settings: of the sites.
        folder: the package.

    Raises:
        UsageError: there is no package, or one that was merged or made otherwise.
    """
    request = _request(folder)
    with workroom(store) as room:
        again = room / "package"
        export(store, settings, again, request, keep=False)
        files = tuple(manifest_problems(folder))
        cells = [change for change in compare_folders(folder, again) if change.file != TRACE]
        return Verified(
            files=files,
            cells=(*_facts(folder, again), *cells, *_trace(folder / TRACE, again / TRACE)),
            sources=_sources(_digests(folder / TRACE), _digests(again / TRACE)),
        )


def _request(folder: Path) -> Request:
    try:
        told = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        raise UsageError(f"{folder}: no package there (no {MANIFEST} that can be read)") from None
    if "merged" in told:
        raise UsageError(f"{folder}: a merged package is verified site by site, before it is merged")
    try:
        return Request(
            trial=told["trial"],
            format=msgspec.convert(told["format"], Literal["sdtm", "views", "fhir"]),
            sites=None if told["all_sites"] else tuple(told["sites"]),
            as_of=date.fromisoformat(told["as_of"]) if told["as_of"] else None,
            shift_dates=bool(told["shift_dates"]),
        )
    except (KeyError, ValueError, TypeError):
        raise UsageError(f"{folder}: its {MANIFEST} does not tell how it was made") from None


def _facts(folder: Path, again: Path) -> Iterator[CellChange]:
    """What a manifest says of its package, but for the sums of its files, which are compared themselves."""
    old, new = (leaves(_decoded(one)) for one in (folder, again))
    for name in [*old, *(name for name in new if name not in old)]:
        if old.get(name) != new.get(name):
            then, now = (None if cell is None else str(cell) for cell in (old.get(name), new.get(name)))
            yield CellChange(MANIFEST, "*", name, "changed", then, now)


def _decoded(folder: Path) -> dict[str, Any]:
    found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    return {name: value for name, value in found.items() if name != "files"}


def _table(path: Path) -> pa.Table | None:
    """A trace; None for one that is gone or damaged, which is told as a file and knows of no resource."""
    try:
        return pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException):
        return None


def _trace(old: Path, new: Path) -> Iterator[CellChange]:
    """Lines of the trace that differ in more than the sum of the source, which is told by resource."""
    if not old.exists():
        yield CellChange(TRACE, "*", "*", "added", None, None)
        return
    if old.read_bytes() == new.read_bytes():
        return
    tables = _table(old), _table(new)
    if tables[0] is None or tables[1] is None or tables[0].schema != tables[1].schema:
        yield CellChange(TRACE, "*", "*", "unreadable", None, None)
        return
    then, now = (_lines(table) for table in tables if table is not None)
    changed = [*(then - now), *(now - then)]
    for record in dict.fromkeys(changed):
        yield CellChange(TRACE, record, "*", "removed" if then[record] > now[record] else "added", None, None)
    if not changed and _are_same_digests(tables[0], tables[1]):
        # The same lines in other bytes, or in another order.
        yield CellChange(TRACE, "*", "*", "changed", None, None)


def _are_same_digests(old: pa.Table, new: pa.Table) -> bool:
    return Counter(old.column("digest").to_pylist()) == Counter(new.column("digest").to_pylist())


def _lines(table: pa.Table) -> Counter[str]:
    names = [name for name in table.column_names if name != "digest"]
    columns = [table.column(name).to_pylist() for name in names]
    return Counter(" ".join(_word(cell) for cell in line) for line in zip(*columns, strict=True))


def _word(cell: Any) -> str:
    return "-" if cell is None else ",".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def _digests(path: Path) -> dict[str, frozenset[str | None]]:
    """What is said of the bytes of each resource: the same in all lines, unless somebody wrote to them."""
    table = _table(path)
    if table is None or not {"resource", "digest"} <= set(table.column_names):
        return {}
    pairs = set(zip(table.column("resource").to_pylist(), table.column("digest").to_pylist(), strict=True))
    found: dict[str, set[str | None]] = {}
    for resource, digest in pairs:
        found.setdefault(resource, set()).add(digest)
    return {resource: frozenset(said) for resource, said in found.items()}


def _sources(then: Mapping[str, object], now: Mapping[str, object]) -> dict[str, Literal["changed", "deleted", "new"]]:
    found: dict[str, Literal["changed", "deleted", "new"]] = {}
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            found[key] = "deleted" if key not in now else "new" if key not in then else "changed"
    return found
