"""In: the store's index, what a trial reads of a site. Out: the stored codes and units that cannot be read, and how much there is of each datum.

The index holds every coding of a resource, whatever its element (`adapter.fhir.summarise`): it tells which resources may
have something unmapped. Only the raw bytes of these are read, and what is counted is counted on them. A concept with
a text and no code is found where its resource has no other code that could be the concept's: a component that is a
text only, beside a coded panel, is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from adapter.store import Store
from adapter.store.versions import mark_superseded
from adapter.terminology.coded import CODED_TYPES, UCUM
from adapter.terminology.unmapped import Tally, Unmapped
from adapter.terminology.valuesets import ICD10, ICD10_CM, TERMS
from adapter.terminology.vocabulary import Vocabulary

__all__ = ["Stored", "count_stored", "read_unmapped", "stored_codes"]

_LOINC = "http://loinc.org"
_ATC = "http://www.whocc.no/atc"
_NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
#: Systems of which a code in a resource is the code that is looked for, not that of some other element of it.
_TELLING: Mapping[str, frozenset[str]] = {
    "Condition": frozenset({ICD10, ICD10_CM}),
    "DiagnosticReport": frozenset({_LOINC, TERMS}),
    "ImagingStudy": frozenset({TERMS}),
    "Medication": frozenset({_ATC}),
    "MedicationAdministration": frozenset({_ATC}),
    "Observation": frozenset({_LOINC, TERMS, _NCIT}),
    "Procedure": frozenset({TERMS}),
}
#: LOINC answers and answer lists stand in values.
_ANSWERS = ("LA", "LL")
_BATCH_ROWS = 200_000
_FETCH = 2048
_NO_BUCKET = -1
_BUCKETS = 256


@dataclass(frozen=True, slots=True)
class Stored:
    """How much the store holds of one datum: current results, persons, and the last day of a result."""

    results: int = 0
    persons: int = 0
    last: str | None = None


def read_unmapped(store: Store, vocabulary: Vocabulary, types: Collection[str]) -> Unmapped:
    """What of the current records of a site cannot be read.

    Args:
        store: what was pulled.
        vocabulary: what can be read, of one site.
        types: the resource types that the trial reads.
    """
    site = vocabulary.site.id
    merges = store.lake.merges(site)
    tally = Tally(vocabulary, across={*merges, *merges.values()})
    names = sorted(set(types) & CODED_TYPES.keys())
    with _current(store, site, names, merges) as connection:
        if connection is None:
            return tally.result()
        _mark_suspects(connection, vocabulary)
        given = _given(connection)
        raw = [
            str(store.lake.raw_path(site, Path(file).parent.name, Path(file).stem))
            for file in _files(store, site, names)
        ]
        for low, high in _batches(connection):
            for patient, reference, first, last, body in _bodies(connection, raw, low, high):
                persons = given.get(reference, ()) if patient is None else (merges.get(patient, patient),)
                tally.add(body, persons=persons, first=first, last=last)
            tally.end_batch()
    return tally.result()


def count_stored(
    store: Store,
    site: str,
    items: Mapping[str, tuple[Collection[str], Collection[str]]],
    *,
    people: Collection[str] | None = None,
) -> dict[str, Stored]:
    """How much the store holds of each datum, by the index alone.

    Args:
        store: what was pulled.
        site: whose records.
        items: by name the resource types and the codes, ``system|code`` as sent. A shared resource (Medication) counts
            for those that refer to it.
        people: only what is about these (``Patient/id`` of the records that survive); None for everybody.

    Returns:
        one entry an item, empty ones too.
    """
    merges = store.lake.merges(site)
    found = {name: Stored() for name in items}
    rows = [(code, type_, name) for name, (types, codes) in items.items() for type_ in types for code in codes]
    with _current(store, site, sorted({row[1] for row in rows}), merges) as connection:
        if connection is None or not rows:
            return found
        _register(connection, "item_code", ("code", "type", "name"), rows)
        _register(connection, "counted_person", ("id",), [(person,) for person in people or ()])
        among = "" if people is None else "where coalesce(m.survivor, a.patient) in (select id from counted_person)"
        counted = connection.execute(
            f"""
            with hit as (
                select c.seq, c.type, c.id, c.patient, c."end", i.name
                from (select seq, type, id, patient, "end", unnest(codes) as code from current_row) c
                join item_code i on i.code = c.code and i.type = c.type
            ), about as (
                select seq, patient, "end", name from hit where patient is not null
                union all
                select r.seq, r.patient, r."end", h.name
                from (select seq, patient, "end", unnest("references") as target from current_row where patient is not null) r
                join hit h on h.patient is null and h.type || '/' || h.id = r.target
            )
            select name, count(distinct seq), count(distinct coalesce(m.survivor, a.patient)), max("end")
            from about a left join merged m on m.old = a.patient {among} group by name
            """  # noqa: S608 - a condition of this function
        ).fetchall()
    return found | {name: Stored(results, persons, last) for name, results, persons, last in counted}


def stored_codes(store: Store, site: str, types: Collection[str]) -> dict[str, set[str]]:
    """The distinct codes of the current resources, ``system|code`` as sent, by resource type."""
    found: dict[str, set[str]] = {name: set() for name in types}
    with _current(store, site, sorted(types), {}) as connection:
        if connection is not None:
            for type_, code in connection.execute("select distinct type, unnest(codes) from current_row").fetchall():
                found[type_].add(code)
    return found


# Inside -----------------------------------------------------------------------------------------------------------


def _files(store: Store, site: str, types: Iterable[str]) -> list[str]:
    return [file for name in types for file in store.lake.index_files(site, name)]


@contextmanager
def _current(
    store: Store, site: str, types: list[str], merges: Mapping[str, str]
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection with the view ``current_row``, or None where nothing of these types is stored."""
    files = _files(store, site, types)
    if not files:
        yield None
        return
    with store.lake.engine.connection() as connection:
        mark_superseded(connection, files, store.lake.tombstones(site))
        _register(connection, "merged", ("old", "survivor"), list(merges.items()))
        # A view takes no parameters; the list of files is put in as literals of our own making.
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        connection.execute(
            f"""
            create or replace temp view current_row as
            select seq, type, id, patient, bucket, status, start, "end", codes, "references"
            from read_parquet([{listed}], hive_partitioning = false) r anti join superseded using (seq)
            where status is distinct from 'entered-in-error'
            """  # noqa: S608 - paths of the store's own files, quoted
        )
        yield connection


def _mark_suspects(connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> None:
    """Make the table ``suspect`` (seq, bucket, ...): resources that may hold something that cannot be read."""
    words = connection.execute("select distinct type, unnest(codes) from current_row").fetchall()
    local, telling, measured, fitting = [], [], [], []
    units = {code for _, code in words if code.startswith(f"{UCUM}|")}
    for type_, word in words:
        system, _, code = word.partition("|")
        mapped = vocabulary.translates(system, code)
        if not (mapped or vocabulary.reads_system(system)):
            local.append((type_, word))
            continue
        standard = vocabulary.site.standard(system, code)
        if mapped or any(_is_telling(type_, *coding) for coding in standard):
            telling.append((type_, word))
        if type_ == "Observation":
            fasting = vocabulary.by_code.get((system, code), ())
            for analyte in {
                item.id: item for coding in standard for item in vocabulary.by_code.get(coding, fasting)
            }.values():
                measured.append((word, analyte.id))
                if analyte.id not in vocabulary.ranged:
                    fitting += [
                        (analyte.id, unit)
                        for unit in units
                        if vocabulary.unit_problem(analyte, code=unit.partition("|")[2], text=None) is None
                    ]
    _register(connection, "local_code", ("type", "code"), local)
    _register(connection, "telling_code", ("type", "code"), telling)
    _register(connection, "measured_code", ("code", "analyte"), measured)
    _register(connection, "fitting_unit", ("analyte", "code"), sorted(set(fitting)))
    connection.execute(
        """
        create or replace temp table suspect as
        with coded as (select seq, type, unnest(codes) as code from current_row),
        strange as (select distinct seq from coded semi join local_code using (type, code)),
        told as (select distinct seq from coded semi join telling_code using (type, code)),
        measuring as (select distinct seq, analyte from coded join measured_code using (code) where type = 'Observation'),
        -- With one analyte and a coded unit that fits it there is nothing to find.
        single as (select seq, any_value(analyte) as analyte from measuring group by seq having count(*) = 1),
        fit as (select distinct seq from single join coded using (seq) semi join fitting_unit using (analyte, code)),
        wanted as (
            select seq from strange
            union select seq from current_row anti join told using (seq)
            union select seq from measuring anti join fit using (seq)
        )
        select seq, type, id, patient, bucket, start, "end" from current_row semi join wanted using (seq)
        """
    )


def _is_telling(type_: str, system: str, code: str) -> bool:
    return system in _TELLING.get(type_, frozenset()) and not (system == _LOINC and code.startswith(_ANSWERS))


def _given(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Who was given each suspect Medication that is nobody's own."""
    rows = connection.execute(
        """
        select distinct r.target, coalesce(m.survivor, r.patient)
        from (select patient, unnest("references") as target from current_row where patient is not null) r
        join suspect s on s.patient is null and s.type || '/' || s.id = r.target
        left join merged m on m.old = r.patient
        order by 1, 2
        """
    ).fetchall()
    found: dict[str, list[str]] = {}
    for target, patient in rows:
        found.setdefault(target, []).append(patient)
    return {target: tuple(patients) for target, patients in found.items()}


def _batches(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """Ranges of buckets, first to last, each with about so many suspects: a person's resources lie in one bucket."""
    counted = connection.execute("select count(*) from suspect where bucket >= 0").fetchone()
    size = max(1, _BUCKETS * _BATCH_ROWS // max(counted[0] if counted else 0, _BATCH_ROWS))
    yield _NO_BUCKET, _NO_BUCKET
    for low in range(0, _BUCKETS, size):
        yield low, min(low + size, _BUCKETS) - 1


def _bodies(
    connection: duckdb.DuckDBPyConnection, files: list[str], low: int, high: int
) -> Iterator[tuple[str | None, str, str | None, str | None, bytes]]:
    found = connection.execute(
        """
        select s.patient, s.type || '/' || s.id, s.start, s."end", r.raw
        from read_parquet($files, hive_partitioning = false) r join suspect s on s.seq = r.seq
        where r.bucket between $low and $high and s.bucket between $low and $high
        """,
        {"files": files, "low": low, "high": high},
    )
    while rows := found.fetchmany(_FETCH):
        yield from rows


def _register(
    connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], rows: Collection[tuple[str, ...]]
) -> None:
    """A temporary table of texts."""
    table = pa.table({column: pa.array([row[at] for row in rows], pa.string()) for at, column in enumerate(columns)})
    connection.register(f"{name}_rows", table)
    connection.execute(f"create or replace temp table {name} as select * from {name}_rows")  # noqa: S608 - names of this file
    connection.unregister(f"{name}_rows")
