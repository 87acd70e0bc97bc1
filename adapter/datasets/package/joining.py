"""In: packages of views or of FHIR, of several sites. Out: their tables and files one after the other, and who is in them.

Nothing is read anew and nothing changed: a row, a line, stands in the joined package as it stood in its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow.parquet as pq

from adapter.datasets.formats import Field, Resource, write_datapackage
from adapter.errors import UsageError

__all__ = ["Joined", "Person", "join_feeds", "join_views"]

#: Site's number, sex and age of one subject.
Person = tuple[str, str, int | None]

_PATIENTS: Final = "patient"
_DATAPACKAGE: Final = "datapackage.json"
_SITE, _AGE = "urn:reluth:extension:site", "urn:reluth:extension:age-at-consent"


class Joined(NamedTuple):
    """Who is in the joined package, and its records by view or by type of resource."""

    people: list[Person]
    records: dict[str, int]


# Views ----------------------------------------------------------------------------------------------------------------


def join_views(packages: Sequence[Path], part: Path) -> Joined:
    """Write the tables of all packages, each one after the other, with ``datapackage.json``.

    Args:
        packages: folders of packages of views, in the order in which their rows are to stand.
        part: an empty folder.

    Raises:
        UsageError: two packages have not the same views with the same columns, or a subject stands in two of them.
    """
    told = {package: _described(package) for package in packages}
    _refuse_other_columns(told)
    people = _each_once((package, *one) for package in packages for one in _people_of_views(package))
    (part / "views").mkdir()
    said = told[packages[0]]
    records: dict[str, int] = {}
    resources = []
    for one in said["resources"]:
        path = Path(one["path"])
        join = _join_parquet if path.suffix == ".parquet" else _join_csv
        join([package / path for package in packages], part / path)
        rows = sum(
            each["rows"] for found in told.values() for each in found["resources"] if each["path"] == one["path"]
        )
        fields = tuple(Field(**field) for field in one["schema"]["fields"])
        resources.append(Resource(name=path.stem, path=one["path"], fields=fields, rows=rows))
        records[path.stem] = rows
    write_datapackage(part, resources, name=said["name"], title=said["title"])
    return Joined(people, records)


def _described(package: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode((package / _DATAPACKAGE).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise UsageError(f"{package.name}: no {_DATAPACKAGE}, so its tables are not described") from None


def _refuse_other_columns(told: Mapping[Path, dict[str, Any]]) -> None:
    """Views that differ, or their columns: tables that were made by other documents are not one table."""
    columns = {
        package.name: {each["path"]: each["schema"] for each in found["resources"]} for package, found in told.items()
    }
    (first_name, first), *others = columns.items()
    for name, other in others:
        for path in sorted(first.keys() | other.keys()):
            if first.get(path) != other.get(path):
                raise UsageError(f"{first_name} and {name} cannot be merged: they differ in the columns of {path}")


def _people_of_views(package: Path) -> Iterator[tuple[str, Person]]:
    columns = ["usubjid", "site_code", "gender", "age"]
    for row in pq.read_table(package / f"views/{_PATIENTS}.parquet", columns=columns).to_pylist():
        yield row["usubjid"], (row["site_code"] or "", row["gender"] or "unknown", row["age"])


def _join_parquet(files: Sequence[Path], target: Path) -> None:
    with pq.ParquetWriter(target, pq.read_schema(files[0]), compression="zstd") as out:
        for file in files:
            out.write_table(pq.read_table(file))


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


def join_feeds(packages: Sequence[Path], part: Path) -> Joined:
    """Write the NDJSON of all packages, type by type.

    Args:
        packages: folders of packages of FHIR, in the order in which their lines are to stand.
        part: an empty folder.

    Raises:
        UsageError: a subject stands in two of them.
    """
    people = _each_once((package, *one) for package in packages for one in _people_of_feed(package))
    (part / "fhir").mkdir()
    records: dict[str, int] = {}
    for name in sorted({file.name for package in packages for file in (package / "fhir").glob("*.ndjson")}):
        with (part / "fhir" / name).open("wb") as out:
            records[name.removesuffix(".ndjson")] = sum(
                out.write(line) > 0 for package in packages for line in _lines(package / "fhir" / name)
            )
    return Joined(people, records)


def _people_of_feed(package: Path) -> Iterator[tuple[str, Person]]:
    for line in _lines(package / "fhir/Patient.ndjson"):
        one = msgspec.json.decode(line, type=_Patient)
        site = next((found.value_code for found in one.extension if found.url == _SITE), None)
        age = next((found.value_integer for found in one.extension if found.url == _AGE), None)
        yield one.id, (site or "", one.gender or "unknown", age)


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of a file; none of a type that a package does not hold."""
    if file.exists():
        with file.open("rb") as lines:
            yield from lines


def _each_once(told: Iterable[tuple[Path, str, Person]]) -> list[Person]:
    seen: dict[str, str] = {}
    people = []
    for package, subject, person in told:
        if subject in seen:
            raise UsageError(f"the subject {subject} stands in {seen[subject]} and in {package.name}")
        seen[subject] = package.name
        people.append(person)
    return people
