"""In: some people of a site. Out: what the worklist shows of their records beside verdicts, by set queries over the lake.

Year of birth, sex, numbers, whether the record is in use, the day of its last entry; and whose records have changed since a
state of the lake. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from adapter.fhir import folded_numbers
from adapter.store import Store
from adapter.store.own import OWN_PREFIX
from adapter.store.segments import bucket_of

__all__ = [
    "Arrived",
    "RecordFacts",
    "RecordReader",
    "changed_patients",
    "count_arrived",
    "open_records",
]

_PATIENT: Final = "Patient"
#: Of these a date is no day on which somebody saw the patient.
_NO_ENTRY: Final = (_PATIENT, "Coverage", "ResearchSubject", "ResearchStudy")
_ANSWERS: Final = "QuestionnaireResponse"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 10
_YEAR: Final = 4


class _Told(msgspec.Struct):
    """Of a Patient resource what the list shows; whatever the hospital wrote there."""

    active: object = None
    birthDate: object = None
    gender: object = None
    identifier: object = None


class _Answered(msgspec.Struct):
    """Of a QuestionnaireResponse which questionnaire it answers."""

    questionnaire: object = None


_read = msgspec.json.Decoder(_Told).decode
_read_answered = msgspec.json.Decoder(_Answered).decode


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What one Patient resource says; ``numbers`` are folded."""

    birth_year: int | None = None
    sex: str | None = None
    inactive: bool = False
    numbers: frozenset[str] = field(default=frozenset())


class RecordReader:
    """Asks the lake about many people at once.

    Args:
        connection: with the table ``superseded`` of the site.
        raw: files with the bytes of Patient resources.
        index: index files of resources that have a day.
        answers: index and raw files of QuestionnaireResponses.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        raw: Sequence[str] = (),
        index: Sequence[str] = (),
        answers: tuple[Sequence[str], Sequence[str]] = ((), ()),
    ) -> None:
        self._connection = connection
        self._raw, self._index = list(raw), list(index)
        self._answers, self._raw_answers = (list(files) for files in answers)

    def facts(self, patients: Collection[str]) -> dict[str, RecordFacts]:
        """What the Patient resources of some ids (``Patient/id``) say, of those that are there."""
        if not self._raw or not patients:
            return {}
        rows = self._connection.execute(
            """
            select r.patient, r.raw
            from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
            where list_contains($buckets, r.bucket) and r.bucket between $low and $high
                and r.patient in (select unnest($patients)) and r.type = 'Patient' and 'Patient/' || r.id = r.patient
            """,
            {"files": self._raw, "patients": sorted(patients), **_buckets(patients)},
        ).fetchall()
        return {patient: _facts(raw) for patient, raw in rows}

    def last_entries(self, until: Mapping[str, date]) -> dict[str, date]:
        """The last day that a resource of each patient is of, up to the day given: what is planned is no entry."""
        if not self._index or not until:
            return {}
        wanted = pa.table({"patient": list(until), "until": [str(day) for day in until.values()]})
        self._connection.register("asked_rows", wanted)
        try:
            rows = self._connection.execute(
                """
                select r.patient, max(left(r.start, 10))
                from read_parquet($files, hive_partitioning = false) r
                join asked_rows a on a.patient = r.patient anti join superseded using (seq)
                where list_contains($buckets, r.bucket) and r.bucket between $low and $high
                    and length(r.start) >= 10 and left(r.start, 10) <= a.until
                group by r.patient
                """,
                {"files": self._index, **_buckets(until)},
            ).fetchall()
        finally:
            self._connection.unregister("asked_rows")
        return {patient: day for patient, text in rows if (day := _day(text)) is not None}

    def last_attested(self, patients: Collection[str], questionnaire: str) -> dict[str, datetime]:
        """When something was last attested or withdrawn here of each patient, of those of whom anything was.

        Args:
            patients: their ids.
            questionnaire: canonical address, without a version.
        """
        if not self._answers or not patients:
            return {}
        # Of a hospital's own responses there may be a million: the index alone tells which are ours.
        ours = self._connection.execute(
            """
            select r.seq, r.patient, r.updated
            from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
            where list_contains($buckets, r.bucket) and r.bucket between $low and $high
                and starts_with(r.id, $own) and r.patient in (select unnest($patients))
            """,
            {"files": self._answers, "own": OWN_PREFIX, "patients": sorted(patients), **_buckets(patients)},
        ).fetchall()
        if not ours:
            return {}
        raw = self._connection.execute(
            """
            select r.seq, r.raw from read_parquet($files, hive_partitioning = false) r
            where list_contains($buckets, r.bucket) and r.bucket between $low and $high
                and r.seq in (select unnest($wanted))
            """,
            {
                "files": self._raw_answers,
                "wanted": [seq for seq, _, _ in ours],
                **_buckets({patient for _, patient, _ in ours}),
            },
        ).fetchall()
        asked = {seq for seq, body in raw if _answers(body) == questionnaire}
        found: dict[str, datetime] = {}
        for seq, patient, updated in ours:
            if seq in asked and updated is not None:
                at = _EPOCH + timedelta(microseconds=updated)
                found[patient] = max(at, found.get(patient, at))
        return found


@contextmanager
def open_records(store: Store, site: str) -> Iterator[RecordReader]:
    """A reader of a site's records, for as long as the ``with`` block."""
    types = {Path(file).parent.name for file in store.lake.index_files(site)}
    index = [file for type_ in sorted(types - set(_NO_ENTRY)) for file in store.lake.index_files(site, type_)]
    names = [Path(file).stem for file in store.lake.index_files(site, _PATIENT)]
    raw = [str(store.lake.raw_path(site, _PATIENT, name)) for name in names]
    if not raw and not index:
        with store.lake.engine.connection() as connection:
            yield RecordReader(connection)
        return
    answers = store.lake.index_files(site, _ANSWERS)
    raw_answers = [str(store.lake.raw_path(site, _ANSWERS, Path(file).stem)) for file in answers]
    with store.lake.marked(site) as connection:
        yield RecordReader(connection, raw, index, (answers, raw_answers))


class Arrived(NamedTuple):
    """Versions that came after a position: type and name of the segments that hold them, and their lowest sequence number.

    Where segments were merged, older versions stand in them too.
    """

    segments: Sequence[tuple[str, str]]
    first_seq: int

    def files(self, store: Store, site: str) -> list[str]:
        """Index files of the segments."""
        return [str(store.lake.index_path(site, type_, name)) for type_, name in self.segments]


def count_arrived(store: Store, site: str, arrived: Arrived) -> int:
    """How many versions came."""
    if not arrived.segments:
        return 0
    with store.lake.engine.connection() as connection:
        [(number,)] = connection.execute(
            "select count(*) from read_parquet($new, hive_partitioning = false) where seq >= $first_seq",
            {"new": arrived.files(store, site), "first_seq": arrived.first_seq},
        ).fetchall()
    return int(number)


def changed_patients(store: Store, site: str, arrived: Arrived, *, buried: Sequence[tuple[str, str]]) -> set[str]:
    """Patients (``Patient/id``) with a resource that came, or one that was deleted or was theirs before.

    Args:
        store: open.
        site: whose lake.
        arrived: what came.
        buried: type and id of what was deleted.
    """
    files = store.lake.index_files(site)
    new = arrived.files(store, site)
    if not files or not (new or buried):
        return {f"{type_}/{id_}" for type_, id_ in buried if type_ == _PATIENT}
    gone = pa.table(
        {
            "type": pa.array([type_ for type_, _ in buried], pa.string()),
            "id": pa.array([id_ for _, id_ in buried], pa.string()),
        }
    )
    with store.lake.engine.connection() as connection:
        connection.register("gone_rows", gone)
        came = "union select type, id from read_parquet($new, hive_partitioning = false) where seq >= $first_seq"
        rows = connection.execute(
            f"""
            with touched as (select type, id from gone_rows {came if new else ""})
            select distinct v.patient from read_parquet($files, hive_partitioning = false) v
            semi join touched t on t.type = v.type and t.id = v.id where v.patient is not null
            """,  # noqa: S608 - only texts of this file are put in; values are parameters
            {"files": files, **({"new": new, "first_seq": arrived.first_seq} if new else {})},
        ).fetchall()
        connection.unregister("gone_rows")
    return {row[0] for row in rows} | {f"{type_}/{id_}" for type_, id_ in buried if type_ == _PATIENT}


def _buckets(patients: Collection[str]) -> dict[str, Any]:
    found = sorted({bucket_of(patient) for patient in patients})
    return {"buckets": found, "low": found[0], "high": found[-1]}


def _facts(raw: bytes) -> RecordFacts:
    try:
        told = _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RecordFacts()
    born = told.birthDate if isinstance(told.birthDate, str) else ""
    year = born[:_YEAR]
    return RecordFacts(
        birth_year=int(year) if len(year) == _YEAR and year.isascii() and year.isdigit() else None,
        sex=told.gender if told.gender in ("male", "female", "other", "unknown") else None,
        inactive=told.active is False,
        numbers=folded_numbers(told.identifier),
    )


def _answers(raw: bytes) -> str | None:
    """The canonical address of the questionnaire, without its version."""
    try:
        named = _read_answered(raw).questionnaire
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return named.partition("|")[0] if isinstance(named, str) else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:_DAY])
    except ValueError:
        return None
