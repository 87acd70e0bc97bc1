"""In: what a pull has read. Out: nothing taken of those who were purged; who of them has a sign now; or all of them back, where it was read whole.

Half a record would be screened as if it were a whole one. So what comes of them is only looked at, and whoever they were merged with is
left as they were until all of them are read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapter.fhir import is_shared, numbers_of
from adapter.store import LakeWriter, Run, Signs, Store, Wanted
from adapter.sync.purged_numbers import number_digests

__all__ = ["PurgedRows"]

_PATIENT = "Patient"
_MERGES = ("replaced-by", "replaces")
_COLUMNS = ["type", "id", "patient", "references"]
_AT_ONCE = 16_384


class PurgedRows:
    """What a pull does about those who were purged.

    Args:
        store: open.
        run: of the pull.
        signs: of the trials; where they are not known, whatever comes of somebody is one.

    Attributes:
        left_out: how many resources were not taken.
    """

    def __init__(self, store: Store, run: Run, signs: Signs | None) -> None:
        self._store = store
        self._run = run
        self._signs = signs
        self._people = store.purged.patients(run.site)
        self.left_out = 0

    def __bool__(self) -> bool:
        """Somebody was purged at the site."""
        return bool(self._people)

    def bring_back(self) -> int:
        """Have nobody purged any more once the run is committed; how many persons there were."""
        self._store.purged.let_back(self._run)
        return len(set(self._people.values()))

    def settle(self, writer: LakeWriter) -> tuple[dict[str, set[str]], Wanted]:
        """Take nothing of them, and note who has a sign, with the commit of the run.

        Args:
            writer: of the pull; it has all that came.

        Returns:
            by type, ids of what is stored of somebody else and has become theirs; and how many have to be read whole again.
        """
        store, site = self._store, self._run.site
        files = writer.index_files()
        joined = self._joined(files)
        theirs = {**self._people, **joined}
        came: dict[str, dict[str, str]] = {}
        referred: set[tuple[str, str]] = set()
        listed = pa.array(list(theirs), pa.string())
        for file in files:
            for row in _rows(file, listed):
                came.setdefault(row["type"], {})[row["id"]] = row["patient"]
                referred |= {(row["type"], one) for one in row["references"] or () if is_shared(one)}
                self.left_out += 1
        persons = set(joined.values())
        wanted = {patient for patient, person in theirs.items() if person in persons}
        is_any = False
        if self._signs is None:
            wanted |= {patient for of_type in came.values() for patient in of_type.values()}
        else:
            references = store.purged.references(site) | referred
            signed, is_any = store.lake.signed(site, self._signs, staged=files, references=references)
            wanted |= signed & theirs.keys()
        moved = {type_: self._moved(type_, of_type) for type_, of_type in came.items()}
        numbers = {
            patient: number_digests(store, site, told)
            for patient, raw in writer.taken_of(_PATIENT, theirs)
            if (told := numbers_of(raw))
        }
        writer.leave_out(theirs)
        found = store.purged.note(
            self._run,
            joined=joined,
            numbers=numbers,
            wanted=wanted,
            references=referred,
            all_wanted=is_any,
            known=theirs,
        )
        return moved, found

    def _joined(self, files: Sequence[str]) -> dict[str, str]:
        """Records that what came merges with one of theirs, each with the record that stood for the person; with all of that person's."""
        links = [link for file in files for link in _links(file)]
        if not links:
            return {}
        merges = self._store.lake.merges(self._run.site)
        members: dict[str, set[str]] = {}
        for old, survivor in merges.items():
            members.setdefault(survivor, {survivor}).add(old)
        found: dict[str, str] = {}
        before = -1
        while len(found) > before:
            before = len(found)
            for ends in links:
                person = self._shared_person(ends, found)
                if person is None:
                    continue
                for one in ends:
                    whole = members.get(merges.get(one, one), {one})
                    found |= {member: person for member in whole if member not in self._people and member not in found}
                if self._people.keys() >= set(ends):
                    # Two of whom nothing is here are one person: both are wanted.
                    found |= {one: self._people[one] for one in ends}
        return found

    def _shared_person(self, ends: tuple[str, str], found: Mapping[str, str]) -> str | None:
        """The one of theirs whom two records are said to be, unless that is known; None where it is nobody of them."""
        persons = [self._people.get(one, found.get(one)) for one in ends]
        return None if persons[0] == persons[1] else next(one for one in persons if one is not None)

    def _moved(self, type_: str, owners: Mapping[str, str]) -> set[str]:
        """Of what came of them the ids of what is stored of somebody else."""
        stored = self._store.lake.patients_of(self._run.site, [f"{type_}/{id_}" for id_ in owners])
        return {id_ for id_, patient in owners.items() if stored.get(f"{type_}/{id_}", patient) != patient}


def _rows(file: str, patients: pa.Array) -> Iterator[dict[str, Any]]:
    """Rows of an index file that are about some people."""
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_AT_ONCE, columns=_COLUMNS):
            yield from batch.filter(pc.is_in(batch["patient"], value_set=patients)).to_pylist()


def _links(file: str) -> Iterator[tuple[str, str]]:
    """The records that an index file says are one person's, two by two."""
    if Path(file).parent.name != _PATIENT:
        return
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_AT_ONCE, columns=["patient", "links"]):
            for row in batch.to_pylist():
                for kind, _, other in (link.partition(" ") for link in row["links"] or ()):
                    if kind in _MERGES:
                        yield row["patient"], other
