"""In: codes, code prefixes, a text pattern. Out: which persons have a current resource that holds one: a set query."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import duckdb
import pyarrow as pa

from adapter.fhir.summary import LONG_TEXT

__all__ = ["CodeSearch", "find_people", "who_refers"]


class CodeSearch(NamedTuple):
    """What is looked for: a resource that holds one of the codes or texts, or refers to a shared one that does.

    Attributes:
        codes: exact, as ``system|code``.
        prefixes: ``system|C17``; the code is compared without dots and case (ICD-10).
        text_pattern: RE2, without case, searched in ``CodeableConcept.text`` and displays.
        types: resource types of patients to look into; none for all. Shared resources (Medication) are always
            looked into, and count for resources of these types that refer to them.
    """

    codes: frozenset[str]
    prefixes: frozenset[str]
    text_pattern: str | None
    types: frozenset[str]


def find_people(connection: duckdb.DuckDBPyConnection, files: list[str], search: CodeSearch) -> set[str]:
    """Patients of whom a search finds something, as their resources name them; the connection has the table ``superseded``.

    Resources without a patient that match are looked for a second time: who refers to them has the code too.
    """
    _register(connection, "wanted_code", sorted(search.codes))
    _register(connection, "wanted_prefix", sorted(_normal(prefix) for prefix in search.prefixes))
    _register(connection, "wanted_type", sorted(search.types))
    # Distinct codes first: a lake holds few thousand of them, in millions of resources.
    connection.execute(
        """
        create or replace temp table matching as
        with vocabulary as (select distinct unnest(codes) as code from read_parquet($files, hive_partitioning = false)),
        -- Verdicts read past blanks around a code and the plus sign of the PMSI's extensions.
        parted as (
            select code, split_part(code, '|', 1) || '|' as system,
                regexp_replace(substr(code, length(split_part(code, '|', 1)) + 2), '^[\\s\\x{a0}]+|[\\s\\x{a0}]+$', '', 'g') as bare
            from vocabulary
        ),
        normal as (
            select code, system || bare as exact,
                system || lower(replace(replace(bare, '.', ''), '+', '')) as folded
            from parted
        )
        select code from normal
        where code in (select value from wanted_code) or exact in (select value from wanted_code)
            or exists (select 1 from wanted_prefix p where starts_with(folded, p.value))
        """,
        {"files": files},
    )
    text = ""
    parameters: dict[str, object] = {"files": files}
    if search.text_pattern is not None:
        text = """
            union
            select patient, type, id from
                (select patient, type, id, unnest(texts) as written from current_row)
            where regexp_matches(written, $pattern, 'i') or written = $long
        """
        # What is too long for the index may hold it: whether it does is seen in the record.
        parameters |= {"pattern": search.text_pattern, "long": LONG_TEXT}
    connection.execute(
        f"""
        create or replace temp table hit as
        with current_row as (
            select patient, type, id, codes, texts
            from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
        )
        select patient, type, id from (select patient, type, id, unnest(codes) as code from current_row)
        where code in (select code from matching)
        {text}
        """,  # noqa: S608 - only texts of this file are put in; values are parameters
        parameters,
    )
    only = "(select count(*) from wanted_type) = 0 or r.type in (select value from wanted_type)"
    rows = connection.execute(
        f"""
        select r.patient from hit r where r.patient is not null and ({only})
        union
        select r.patient from (
            select patient, type, unnest("references") as target
            from read_parquet($files, hive_partitioning = false) anti join superseded using (seq)
            where patient is not null
        ) r join hit h on h.patient is null and h.type || '/' || h.id = r.target
        where {only}
        """,  # noqa: S608 - only texts of this file are put in; values are parameters
        {"files": files},
    ).fetchall()
    return {patient for (patient,) in rows}


def who_refers(
    connection: duckdb.DuckDBPyConnection, search: CodeSearch, references: Collection[tuple[str, str]]
) -> bool:
    """Whether one of these (type of a resource, what it refers to) refers to something that the search found, which was just run."""
    if not references:
        return False
    rows = connection.execute("select distinct type || '/' || id from hit where patient is null").fetchall()
    found = {reference for (reference,) in rows}
    return any(to in found and (not search.types or type_ in search.types) for type_, to in references)


def _normal(prefix: str) -> str:
    system, _, code = prefix.partition("|")
    return f"{system}|{code.replace('.', '').lower()}"


def _register(connection: duckdb.DuckDBPyConnection, name: str, values: Iterable[str]) -> None:
    table = pa.table({"value": pa.array(list(values), pa.string())})
    connection.register(f"{name}_rows", table)
    connection.execute(f"create or replace temp table {name} as select value from {name}_rows")  # noqa: S608 - only texts of this file are put in; values are parameters
    connection.unregister(f"{name}_rows")
