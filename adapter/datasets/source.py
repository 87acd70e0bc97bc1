"""In: the store, a site, some people. Out: their current resources byte for byte, each with where it lies; shared ones by reference.

The bytes are what every number is read from: a `Decimal` digit by digit, never a float.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import cast

import duckdb
import msgspec

from adapter.fhir import Json
from adapter.store import Store

__all__ = ["RawResource", "count_of_others", "decode", "read", "read_of_people", "read_of_type", "read_shared"]

# A literal without a point stays an int; all others become the decimal that is written.
_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode

_COLUMNS = "r.type, r.id, r.version, r.seq, r.sha256, r.patient, r.raw"


class RawResource(msgspec.Struct, frozen=True, gc=False):
    """One current resource as it lies in the lake.

    Attributes:
        seq: its place in the lake.
        patient: ``Patient/id`` as the resource names the person, not followed through merges; None for none.
    """

    type: str
    id: str
    version: str | None
    seq: int
    sha256: bytes
    patient: str | None
    raw: bytes

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.id}"


def decode(raw: bytes) -> Json:
    """A resource; numbers are int or Decimal.

    Raises:
        msgspec.MsgspecError: it is no JSON object.
        ArithmeticError: a number that is none.
    """
    found = _DECODE(raw)
    if not isinstance(found, dict):
        raise msgspec.ValidationError("no object")
    return cast("Json", found)


def read(row: RawResource) -> Json | None:
    """The resource; None where it cannot be read."""
    try:
        return decode(row.raw)
    except (msgspec.MsgspecError, ArithmeticError, RecursionError, UnicodeDecodeError):
        return None


def read_of_type(store: Store, site: str, type_: str) -> list[RawResource]:
    """All current resources of a type, sorted by id."""
    files = _files(store, site, [type_])
    if not files:
        return []
    with store.lake.marked(site) as connection:
        found = connection.execute(
            f"select {_COLUMNS} from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)"  # noqa: S608 - constants
            " order by r.id",
            {"files": files},
        )
        return list(_rows(found))


def read_of_people(store: Store, site: str, patients: Collection[str], types: Collection[str]) -> list[RawResource]:
    """The current resources of some types about some people, sorted by type and id.

    Args:
        store: open.
        site: whose.
        patients: ``Patient/id`` of every identity wanted, merged ones included.
        types: resource types.
    """
    files = _files(store, site, types)
    if not files or not patients:
        return []
    with store.lake.marked(site) as connection:
        found = connection.execute(
            f"select {_COLUMNS} from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)"  # noqa: S608 - constants
            " where r.patient in (select unnest($patients)) order by r.type, r.id",
            {"files": files, "patients": sorted(patients)},
        )
        return list(_rows(found))


def count_of_others(store: Store, site: str, patients: Collection[str], types: Collection[str]) -> dict[str, int]:
    """How many current resources of other types than these there are about some people, by type."""
    files = [index for index in store.lake.index_files(site) if Path(index).parent.name not in types]
    if not files or not patients:
        return {}
    with store.lake.marked(site) as connection:
        rows = connection.execute(
            "select type, count(*) from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)"
            " where r.patient in (select unnest($patients)) group by type order by type",
            {"files": files, "patients": sorted(patients)},
        ).fetchall()
    return dict(rows)


def read_shared(store: Store, site: str, references: Collection[str]) -> dict[str, RawResource]:
    """Current resources that are about no patient (Medication, ResearchStudy), by reference."""
    pairs = sorted(reference.partition("/")[::2] for reference in references)
    files = _files(store, site, {type_ for type_, _ in pairs})
    if not files:
        return {}
    with store.lake.marked(site) as connection:
        found = connection.execute(
            f"select {_COLUMNS} from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)"  # noqa: S608 - constants
            " where r.patient is null and r.type || '/' || r.id in (select unnest($wanted)) order by r.type, r.id",
            {"files": files, "wanted": [f"{type_}/{id_}" for type_, id_ in pairs]},
        )
        return {row.reference: row for row in _rows(found)}


def _files(store: Store, site: str, types: Collection[str]) -> list[str]:
    lake = store.lake
    return [
        str(lake.raw_path(site, type_, Path(index).stem))
        for type_ in sorted(types)
        for index in lake.index_files(site, type_)
    ]


def _rows(found: duckdb.DuckDBPyConnection) -> Iterator[RawResource]:
    while rows := found.fetchmany(5_000):
        for row in rows:
            yield RawResource(*row)
