"""In: packages of views or of FHIR, of several sites. Out: their tables and files one after the other, and who is in them.

Nothing is read anew and nothing changed: a row, a line, stands in the joined package as it stood in its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapter.datasets.formats import Field, Resource, write_datapackage
from adapter.errors import UsageError

__all__ = ["Person", "join_feeds", "join_views", "people_of_feeds", "people_of_views"]

#: Site's number, sex and age of one subject.
Person = tuple[str, str, int | None]

_PATIENTS: Final = "patient"
_DATAPACKAGE: Final = "datapackage.json"
_SITE, _AGE = "urn:reluth:extension:site", "urn:reluth:extension:age-at-consent"


# Views ----------------------------------------------------------------------------------------------------------------


def people_of_views(packages: Sequence[Path]) -> list[Person]:
    """Who is in packages of views.

    Args:
        packages: folders.

    Raises:
        UsageError: a subject stands in two of them.
    """
    columns = ["usubjid", "site_code", "gender", "age"]
    told = {path: pq.read_table(path / f"views/{_PATIENTS}.parquet", columns=columns).to_pylist() for path in packages}
    return _each_once(
        (path, row["usubjid"], (row["site_code"] or "", row["gender"] or "unknown", row["age"]))
        for path, rows in told.items()
        for row in rows
    )


def join_views(packages: Sequence[Path], part: Path) -> dict[str, int]:
    """Write the tables of all packages, each one after the other, with ``datapackage.json``.

    Args:
        packages: folders of packages of views, in the order in which their rows are to stand.
        part: an empty folder.

    Returns:
        Rows by view.

    Raises:
        UsageError: two packages have not the same views with the same columns.
    """
    first, *others = packages
    said = _described(first)
    for other in others:
        _refuse_other_columns(first, said, other)
    (part / "views").mkdir()
    rows: dict[str, int] = {}
    resources = []
    for one in said["resources"]:
        path = Path(one["path"])
        if path.suffix == ".parquet":
            tables = [pq.read_table(package / path) for package in packages]
            pq.write_table(pa.concat_tables(tables), part / path, compression="zstd")
            rows[path.stem] = sum(table.num_rows for table in tables)
        else:
            _join_csv([package / path for package in packages], part / path)
        fields = tuple(Field(**field) for field in one["schema"]["fields"])
        count = sum(_described_rows(package, one["path"]) for package in packages)
        resources.append(Resource(name=path.stem, path=one["path"], fields=fields, rows=count))
    write_datapackage(part, resources, name=said["name"], title=said["title"])
    return rows


def _described(package: Path) -> dict[str, Any]:
    return msgspec.json.decode((package / _DATAPACKAGE).read_bytes(), type=dict[str, Any])


def _described_rows(package: Path, path: str) -> int:
    return sum(int(one["rows"]) for one in _described(package)["resources"] if one["path"] == path)


def _refuse_other_columns(first: Path, said: dict[str, Any], other: Path) -> None:
    """Views that differ, or their columns: tables that were made by other documents are not one table."""
    one, two = ({each["path"]: each["schema"] for each in found["resources"]} for found in (said, _described(other)))
    for path in sorted(one.keys() | two.keys()):
        if one.get(path) != two.get(path):
            raise UsageError(f"{first.name} and {other.name} cannot be merged: they differ in the columns of {path}")


def _join_csv(files: Sequence[Path], target: Path) -> None:
    with target.open("wb") as out:
        for at, file in enumerate(files):
            with file.open("rb") as told:
                heading = told.readline()  # names of columns, which hold no line's end
                if at == 0:
                    out.write(heading)
                shutil.copyfileobj(told, out)


# FHIR -----------------------------------------------------------------------------------------------------------------


class _Extension(msgspec.Struct, rename="camel"):
    url: str | None = None
    value_code: str | None = None
    value_integer: int | None = None


class _Patient(msgspec.Struct):
    id: str
    gender: str | None = None
    extension: list[_Extension] = []


def people_of_feeds(packages: Sequence[Path]) -> list[Person]:
    """Who is in packages of FHIR.

    Args:
        packages: folders.

    Raises:
        UsageError: a subject stands in two of them.
    """
    return _each_once((path, one.id, _person(one)) for path in packages for one in _patients(path))


def _patients(package: Path) -> Iterator[_Patient]:
    file = package / "fhir/Patient.ndjson"
    if file.exists():
        with file.open("rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line, type=_Patient)


def _person(patient: _Patient) -> Person:
    site = next((one.value_code for one in patient.extension if one.url == _SITE), None)
    age = next((one.value_integer for one in patient.extension if one.url == _AGE), None)
    return site or "", patient.gender or "unknown", age


def join_feeds(packages: Sequence[Path], part: Path) -> dict[str, int]:
    """Write the NDJSON of all packages, type by type.

    Args:
        packages: folders of packages of FHIR, in the order in which their lines are to stand.
        part: an empty folder.

    Returns:
        Resources by type.
    """
    (part / "fhir").mkdir()
    counts: dict[str, int] = {}
    for name in sorted({file.name for package in packages for file in (package / "fhir").glob("*.ndjson")}):
        with (part / "fhir" / name).open("wb") as out:
            for package in packages:
                if (package / "fhir" / name).exists():
                    with (package / "fhir" / name).open("rb") as lines:
                        counts[name.removesuffix(".ndjson")] = counts.get(name.removesuffix(".ndjson"), 0) + sum(
                            out.write(line) > 0 for line in lines
                        )
    return counts


def _each_once(told: Iterable[tuple[Path, str, Person]]) -> list[Person]:
    seen: dict[str, str] = {}
    people = []
    for path, subject, person in told:
        if subject in seen:
            raise UsageError(f"the subject {subject} stands in {seen[subject]} and in {path.name}")
        seen[subject] = path.name
        people.append(person)
    return people
