"""In: what a trial's signals look like in records. Out: `Signs`; and who of some people has one in the index files of a lake."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq

from adapter.store.finding import CodeSearch, find_people, who_refers

__all__ = ["Signs"]

_SUBJECT = "ResearchSubject"


class Signs(msgspec.Struct, frozen=True):
    """What narrowing looks for at a site, of all trials together.

    Attributes:
        searches: of codes and texts, one a signal.
        any_subject: whoever takes part in any study has a sign.
    """

    searches: tuple[CodeSearch, ...] = ()
    any_subject: bool = False

    @property
    def digest(self) -> str:
        """Names what is looked for: with another one, whoever had no sign may have one."""
        told = [
            (sorted(one.codes), sorted(one.prefixes), one.text_pattern or "", sorted(one.types))
            for one in self.searches
        ]
        return sha256(repr((sorted(told), self.any_subject)).encode()).hexdigest()

    def people(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[str],
        references: Collection[tuple[str, str]] = (),
    ) -> tuple[set[str], bool]:
        """Patients, as resources name them, with a sign; and whether a resource that some others referred to has become one.

        Args:
            connection: has the table ``superseded``.
            files: of the index.
            references: type of a resource, and what it refers to; of people whose resources are not there.
        """
        found: set[str | None] = set()
        is_referred = False
        for search in self.searches:
            found |= find_people(connection, list(files), search)
            is_referred = is_referred or who_refers(connection, search, references)
        if self.any_subject:
            # The index does not hold a study's identifiers, and these are few.
            for file in files:
                if Path(file).parent.name == _SUBJECT:
                    found |= set(pq.read_table(file, columns=["patient"], partitioning=None)["patient"].to_pylist())
        return {patient for patient in found if patient is not None}, is_referred
