"""In: a package that is prepared. Out: its folder: XPT, Dataset-JSON (two forms), Parquet, Define-XML; and the package again, from Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Literal

from adapter.datasets.formats.dataset_json import read_dataset_json, write_dataset_json
from adapter.datasets.formats.define_xml import define_xml
from adapter.datasets.formats.parquet import read_described, read_parquet, write_parquet
from adapter.datasets.formats.readback import ReadBack, first_difference
from adapter.datasets.formats.xpt import read_xpt, write_xpt
from adapter.datasets.model import Codelist, Package
from adapter.errors import UsageError

__all__ = ["data_date", "joined_codelists", "read_back", "read_package", "unequal_files", "write_sdtm"]

#: The day of a package without any date: the first one of SAS.
_NO_DAY = date(1960, 1, 1)
_FORMS: tuple[Literal["json", "ndjson"], ...] = ("json", "ndjson")
_READERS = {".xpt": read_xpt, ".json": read_dataset_json, ".ndjson": read_dataset_json, ".parquet": read_parquet}


def data_date(package: Package) -> date:
    """The last day that any ``--DTC`` of a package names: what its files say of when they were made, if nothing else is known.

    The same data give the same day, and no clock is asked.
    """
    days: set[str] = set()
    for dataset in package.datasets:
        places = [place for place, variable in enumerate(dataset.variables) if variable.name.endswith("DTC")]
        for place in places:
            days.update({cell[:10] for row in dataset.rows if isinstance(cell := row.cells[place], str)})
    return max(filter(None, map(_day, days)), default=_NO_DAY)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2024-01-01") else None
    except ValueError:
        return None


def write_sdtm(package: Package, folder: Path, *, created: date | None = None) -> list[Path]:
    """Write a package: ``xpt/``, ``json/``, ``ndjson/``, ``parquet/`` with a file a dataset, and ``define.xml``.

    Args:
        package: as ``prepared`` gives it. Datasets without records have no file.
        folder: made if it is missing, ``DIR/sdtm``.
        created: the day that the files name as theirs, e.g. of the data cut; default ``data_date``.

    Returns:
        The files, in their order.

    Raises:
        DefectError: something that a format cannot hold.
    """
    day = created or data_date(package)
    for name in ("xpt", *_FORMS, "parquet"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    written, beside = [], []
    # Parquet files are written by Arrow while the others are made here.
    with ThreadPoolExecutor(max_workers=1) as arrow:
        for dataset in package.datasets:
            if not dataset.rows:
                continue
            name = dataset.name.lower()
            xpt, parquet = folder / "xpt" / f"{name}.xpt", folder / "parquet" / f"{name}.parquet"
            beside.append(arrow.submit(write_parquet, dataset, parquet, package=package))
            write_xpt(dataset, xpt, created=day)
            forms = [folder / form / f"{name}.{form}" for form in _FORMS]
            write_dataset_json(dataset, *forms, study=package.study, created=day)
            written += [xpt, parquet, *forms]
    for one in beside:
        one.result()
    define = folder / "define.xml"
    define.write_bytes(define_xml(package, created=day))
    return sorted([*written, define])


def read_back(path: Path) -> ReadBack:
    """Read a dataset's file in whichever of the formats it is, by its ending.

    Raises:
        UsageError: it is of no format of a dataset, or broken.
    """
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise UsageError(f"{path.name}: no file of a dataset")
    return reader(path)


def unequal_files(package: Package, files: Iterable[Path]) -> list[str]:
    """Where files do not give a package's cells back.

    Args:
        package: as written.
        files: of it; ``define.xml`` and what else is no dataset is passed over.

    Returns:
        A line a file: its name and the first cell that differs. Empty where all are cell-identical.
    """
    expected = {one.name.lower(): ReadBack.of(one) for one in package.datasets}
    problems = []
    for path in files:
        if path.suffix in _READERS:
            wanted = expected.get(path.stem)
            found = first_difference(read_back(path), wanted) if wanted else "a dataset that the package has not"
            problems += [f"{path.name}: {found}"] if found else []
    return problems


def read_package(folder: Path) -> Package:
    """Read a written package with all that its documents said, from its Parquet files.

    Args:
        folder: as given to ``write_sdtm``.

    Returns:
        The package, its datasets by name; its rows have no keys and sources, and it has no findings (``findings.csv`` holds them).

    Raises:
        UsageError: there is none, or its files are of several packages.
    """
    described = [read_described(path) for path in sorted((folder / "parquet").glob("*.parquet"))]
    if not described:
        raise UsageError(f"{folder.name}: no SDTM package in it (no parquet/*.parquet)")
    first = described[0]
    for one in described:
        if (one.study, one.standard, one.terminology) != (first.study, first.standard, first.terminology):
            raise UsageError(f"{folder.name}: its files are of several packages")
    return Package(
        study=first.study,
        standard=first.standard,
        terminology=first.terminology,
        datasets=tuple(one.dataset for one in described),
        codelists=joined_codelists([one.codelists for one in described]),
    )


def joined_codelists(several: Iterable[Iterable[Codelist]]) -> tuple[Codelist, ...]:
    """Codelists of several files or packages by id, each with the terms of all, in the order of their coming.

    Raises:
        UsageError: one id stands for two codelists, or one value for two terms.
    """
    found: dict[str, Codelist] = {}
    for codelist in (one for some in several for one in some):
        known = found.setdefault(codelist.id, codelist)
        if (known.name, known.code, known.extensible) != (codelist.name, codelist.code, codelist.extensible):
            raise UsageError(f"the codelist {codelist.id} is not the same in all files")
        terms = {term.value: term for term in known.terms}
        for term in codelist.terms:
            if terms.setdefault(term.value, term) != term:
                raise UsageError(f"the codelist {codelist.id} gives a value two meanings")
        if len(terms) > len(known.terms):
            found[codelist.id] = Codelist(
                id=known.id, name=known.name, code=known.code, extensible=known.extensible, terms=tuple(terms.values())
            )
    return tuple(found[one] for one in sorted(found))
