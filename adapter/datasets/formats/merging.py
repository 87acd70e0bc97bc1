"""In: packages of several sites, read back. Out: one package of all their subjects, sorted again by the keys."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapter.datasets.formats.package_files import joined_codelists
from adapter.datasets.formats.readback import ReadBack, first_difference
from adapter.datasets.model import Cell, Dataset, Package, Row, ValueLevel, Variable
from adapter.errors import UsageError

__all__ = ["merged", "sort_key", "sorted_rows"]

SortKey = tuple[tuple[int, object], ...]


def sort_key(cells: tuple[Cell, ...], places: tuple[int, ...]) -> SortKey:
    """What records are sorted by: missing first (as SAS does), texts by code point, numbers by value."""
    return tuple((0, 0) if cells[place] is None else (1, cells[place]) for place in places)


def sorted_rows(dataset: Dataset) -> tuple[Row, ...]:
    """A dataset's records in the order of its keys."""
    places = tuple(map(dataset.at, dataset.keys))
    return tuple(sorted(dataset.rows, key=lambda row: sort_key(row.cells, places)))


def merged(packages: Mapping[str, Package]) -> Package:
    """One package of several.

    Args:
        packages: by what each is called in an error (site or folder), as ``read_package`` gives them. The study, the standards, the
            trial design and all other reference datasets must be equal; each subject may stand in one of them only.

    Returns:
        A package of all datasets by name; lengths are the longest of all, codelists have the terms of all. It has no findings.

    Raises:
        UsageError: they are not of one study, a subject stands in two of them, or a dataset differs where it may not; the text
            names both packages and the first place.
    """
    if not packages:
        raise UsageError("no package to merge")
    (first_name, first), *others = packages.items()
    for name, other in others:
        _refuse_other_study(first_name, first, name, other)
    _refuse_twice(packages)
    names = sorted({dataset.name for package in packages.values() for dataset in package.datasets})
    return Package(
        study=first.study,
        standard=first.standard,
        terminology=first.terminology,
        datasets=tuple(_merged(name, packages) for name in names),
        codelists=joined_codelists([one.codelists for one in packages.values()]),
    )


def _refuse_other_study(first_name: str, first: Package, name: str, other: Package) -> None:
    for what in ("study", "standard", "terminology"):
        if getattr(first, what) != getattr(other, what):
            raise UsageError(f"{first_name} and {name} cannot be merged: they differ in their {what}")


def _refuse_twice(packages: Mapping[str, Package]) -> None:
    seen: dict[Cell, str] = {}
    for name, package in packages.items():
        subjects = {
            row.cells[dataset.at("USUBJID")]
            for dataset in package.datasets
            if any(one.name == "USUBJID" for one in dataset.variables)
            for row in dataset.rows
        } - {None}
        for subject in sorted(map(str, subjects)):
            if subject in seen:
                raise UsageError(f"the subject {subject} stands in {seen[subject]} and in {name}")
        seen.update(dict.fromkeys(subjects, name))


def _merged(name: str, packages: Mapping[str, Package]) -> Dataset:
    """One dataset of all packages that have it."""
    parts = {
        package_name: dataset
        for package_name, package in packages.items()
        for dataset in package.datasets
        if dataset.name == name
    }
    (first_name, first), *others = parts.items()
    if first.reference:
        _refuse_missing(name, first_name, parts, packages)
    for other_name, other in others:
        if first.reference != other.reference:
            raise UsageError(f"{first_name} and {other_name} differ: {name} is reference data in one of them only")
        if first.reference:
            place = first_difference(ReadBack.of(first), ReadBack.of(other))
            if place:
                raise UsageError(f"{first_name} and {other_name} differ in what must be equal: {place}")
        _refuse_other_shape(first_name, first, other_name, other)
    variables = tuple(
        _widest([dataset.variables[place] for dataset in parts.values()]) for place in range(len(first.variables))
    )
    if first.reference:
        return msgspec.structs.replace(first, variables=variables)
    rows = _together(first, [row for dataset in parts.values() for row in dataset.rows])
    together = msgspec.structs.replace(first, variables=variables, rows=rows)
    return msgspec.structs.replace(together, rows=sorted_rows(together))


def _together(dataset: Dataset, rows: list[Row]) -> tuple[Row, ...]:
    """All records; those of no subject (RELREC that relates whole datasets) are the same in each package, and stay once."""
    if not any(one.name == "USUBJID" for one in dataset.variables):
        return tuple(rows)
    place = dataset.at("USUBJID")
    common: dict[tuple[Cell, ...], Row] = {}
    for row in rows:
        if row.cells[place] is None:
            common.setdefault(row.cells, row)
    return (*common.values(), *(row for row in rows if row.cells[place] is not None))


def _refuse_missing(name: str, first_name: str, parts: Mapping[str, Dataset], packages: Mapping[str, Package]) -> None:
    for package_name in packages:
        if package_name not in parts:
            raise UsageError(
                f"{first_name} and {package_name} differ in what must be equal: {package_name} has no {name}"
            )


def _refuse_other_shape(first_name: str, first: Dataset, name: str, other: Dataset) -> None:
    """All but what the data themselves widen must be equal."""
    if (first.label, first.domain, first.class_, first.structure, first.keys) != (
        other.label,
        other.domain,
        other.class_,
        other.structure,
        other.keys,
    ) or [one.name for one in first.variables] != [one.name for one in other.variables]:
        raise UsageError(f"{first_name} and {name} differ in the description of {first.name}")
    for mine, yours in zip(first.variables, other.variables, strict=True):
        if _fixed(mine) != _fixed(yours):
            raise UsageError(f"{first_name} and {name} differ in the description of {first.name}.{mine.name}")


def _fixed(variable: Variable) -> Variable:
    """A variable without what the data make of it: its length, ``integer`` that had to become ``float``, its value levels."""
    kind = "float" if variable.type == "integer" else variable.type
    return msgspec.structs.replace(variable, length=0, type=kind, values=())


def _widest(variables: list[Variable]) -> Variable:
    """The one of several that holds the cells of all."""
    kinds = {one.type for one in variables}
    kind = variables[0].type if len(kinds) == 1 else "float"
    values: dict[str, ValueLevel] = {}
    for value in (value for one in variables for value in one.values):
        said = repr(sorted(value.where.items()))
        known = values.setdefault(said, value)
        if value.length > known.length:
            values[said] = msgspec.structs.replace(known, length=value.length)
    return msgspec.structs.replace(
        variables[0], length=max(one.length for one in variables), type=kind, values=tuple(values.values())
    )
