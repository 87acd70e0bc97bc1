"""In: a package on disk and a seed. Out: the same with one change in it, and what of it must be named: file, record, variable."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapter.datasets.formats import (
    data_date,
    read_package,
    write_dataset_json,
    write_manifest,
    write_parquet,
    write_xpt,
)
from adapter.datasets.model import Cell, Dataset, Row

__all__ = ["FORMATS", "Change", "fit_manifest", "tamper"]


@dataclass(frozen=True)
class Change:
    """What was done.

    Attributes:
        file: in the package.
        kind: ``changed`` for a cell; ``removed`` for what the package alone has, ``added`` for what it has no longer; ``unreadable``.
        variable: of the cell, ``*`` for a record or a file.
        record: what it must be called, None where several names would be right.
        alone: nothing else may be named.
    """

    file: str
    kind: str
    variable: str = "*"
    record: str | None = "*"
    alone: bool = True


def tamper(package: Path, rng: Random) -> Change:
    """Change one thing in a package; its manifest stays as it is."""
    form = next(name for name in ("sdtm", "views", "fhir") if (package / name).is_dir())
    return rng.choice(FORMATS[form])(package, rng)


def fit_manifest(package: Path) -> None:
    """Rewrite the manifest so that it fits the files, as one would who wants to hide a change."""
    told = json.loads((package / "manifest.json").read_text(encoding="utf-8"))
    del told["files"]
    write_manifest(package, told)


# Datasets -------------------------------------------------------------------------------------------------------------


def _dataset_cell(package: Path, rng: Random) -> Change:
    dataset, write, file = _dataset(package, rng)
    places = [at for at, one in enumerate(dataset.variables) if not _is_key(dataset, one.name)]
    row, place = rng.randrange(len(dataset.rows)), rng.choice(places)
    variable = dataset.variables[place]
    cells = list(dataset.rows[row].cells)
    cells[place] = _other(cells[place], variable.numeric, rng)
    write(_with_rows(dataset, [*dataset.rows[:row], _row(cells), *dataset.rows[row + 1 :]]))
    return Change(file, "changed", variable.name, _name(dataset, dataset.rows[row].cells))


def _dataset_row_removed(package: Path, rng: Random) -> Change:
    dataset, write, file = _dataset(package, rng, at_least=2)
    row = rng.randrange(len(dataset.rows))
    write(_with_rows(dataset, [*dataset.rows[:row], *dataset.rows[row + 1 :]]))
    name = _name(dataset, dataset.rows[row].cells)
    return Change(file, "added", record=name, alone=name is not None)


def _dataset_row_added(package: Path, rng: Random) -> Change:
    dataset, write, file = _dataset(package, rng)
    cells = list(dataset.rows[rng.randrange(len(dataset.rows))].cells)
    sequence = _sequence(dataset)
    if sequence is not None:
        cells[sequence] = Decimal(100_000)
    write(_with_rows(dataset, [*dataset.rows, _row(cells)]))
    return Change(file, "removed", record=_name(dataset, cells) if sequence is not None else None)


def _dataset(package: Path, rng: Random, *, at_least: int = 1) -> tuple[Dataset, Callable[[Dataset], None], str]:
    """A dataset in one of its forms, how it is written, and the file."""
    whole = read_package(package / "sdtm")
    dataset = rng.choice([one for one in whole.datasets if len(one.rows) >= at_least])
    day, form = data_date(whole), rng.choice(("xpt", "json", "ndjson", "parquet"))
    file = f"sdtm/{form}/{dataset.name.lower()}.{form}"
    path = package / file

    def write(changed: Dataset) -> None:
        if form == "xpt":
            write_xpt(changed, path, created=day)
        elif form == "parquet":
            write_parquet(changed, path, package=whole)
        else:
            write_dataset_json(changed, path, study=whole.study, created=day)

    return dataset, write, file


def _with_rows(dataset: Dataset, rows: list[Row]) -> Dataset:
    return msgspec.structs.replace(dataset, rows=tuple(rows))


def _row(cells: list[Cell]) -> Row:
    return Row(cells=tuple(cells), key="changed")


def _sequence(dataset: Dataset) -> int | None:
    names = [one.name for one in dataset.variables]
    return names.index(f"{dataset.name}SEQ") if f"{dataset.name}SEQ" in names else None


def _is_key(dataset: Dataset, name: str) -> bool:
    return name in ("USUBJID", f"{dataset.name}SEQ") or (_sequence(dataset) is None and name in _KEYS)


#: What tells records apart in datasets without --SEQ.
_KEYS = frozenset(
    (
        *("ARMCD", "ETCD", "IDVAR", "IDVARVAL", "IETESTCD", "QNAM", "RDOMAIN"),
        *("RELID", "TAETORD", "TSPARMCD", "TSSEQ", "VISITNUM"),
    )
)


def _name(dataset: Dataset, cells: Any) -> str | None:
    """The subject and the number, where it has both."""
    sequence = _sequence(dataset)
    names = [one.name for one in dataset.variables]
    if sequence is None or "USUBJID" not in names:
        return None
    return f"{cells[names.index('USUBJID')]} {cells[sequence]}"


def _other(cell: Any, numeric: bool, rng: Random) -> Cell:
    if numeric:
        return Decimal(1) if cell is None else Decimal(cell) + 1
    if cell is None:
        return "X"
    at = rng.randrange(len(cell))
    return f"{cell[:at]}{'Y' if cell[at] == 'X' else 'X'}{cell[at + 1 :]}"


# Views ----------------------------------------------------------------------------------------------------------------


def _csv_cell(package: Path, rng: Random) -> Change:
    path, rows = _csv(package, rng)
    line = rng.randrange(1, len(rows))
    place = rng.choice([at for at, name in enumerate(rows[0]) if name not in ("id", "usubjid")])
    rows[line][place] = str(_other(rows[line][place] or None, numeric=False, rng=rng))
    _write_csv(path, rows)
    return Change(_in(package, path), "changed", rows[0][place], None)


def _csv_row(package: Path, rng: Random) -> Change:
    path, rows = _csv(package, rng)
    if rng.random() < 0.5:
        rows.append([f"{cell}-new" for cell in rows[-1]])
        kind = "removed"
    else:
        del rows[rng.randrange(1, len(rows))]
        kind = "added"
    _write_csv(path, rows)
    return Change(_in(package, path), kind, record=None, alone=False)


def _csv(package: Path, rng: Random) -> tuple[Path, list[list[str]]]:
    path = rng.choice([one for one in sorted((package / "views").glob("*.csv")) if one.read_bytes().count(b"\n") > 2])
    with path.open(encoding="utf-8", newline="") as file:
        return path, list(csv.reader(file))


def _write_csv(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)


def _view_parquet_cell(package: Path, rng: Random) -> Change:
    paths = [one for one in sorted((package / "views").glob("*.parquet")) if pq.read_table(one).num_rows]
    path = rng.choice(paths)
    table = pq.read_table(path)
    names = [one.name for one in table.schema if one.type == pa.string() and one.name not in ("id", "usubjid")]
    name, row = rng.choice(names), rng.randrange(table.num_rows)
    cells = table.column(name).to_pylist()
    cells[row] = _other(cells[row], numeric=False, rng=rng)
    at = table.schema.get_field_index(name)
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(cells, pa.string())), path)
    return Change(_in(package, path), "changed", name, None)


# Resources ------------------------------------------------------------------------------------------------------------


def _resource_value(package: Path, rng: Random) -> Change:
    path, resources = _resources(package, rng)
    one = rng.choice(resources)
    name, holder, key = rng.choice([leaf for leaf in _leaves(one) if leaf[0] not in ("id", "resourceType")])
    value = holder[key]
    if isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, str):
        holder[key] = _other(value, numeric=False, rng=rng)
    else:
        holder[key] = value + 1
    _write_resources(path, resources)
    return Change(_in(package, path), "changed", name, f"{one['resourceType']}/{one['id']}")


def _resource_gone_or_new(package: Path, rng: Random) -> Change:
    path, resources = _resources(package, rng)
    at = rng.randrange(len(resources))
    name = f"{path.stem}/{resources[at]['id']}"
    if rng.random() < 0.5:
        del resources[at]
        _write_resources(path, resources)
        return Change(_in(package, path), "added", record=name)
    resources.insert(at, {**resources[at], "id": "knew"})
    _write_resources(path, resources)
    return Change(_in(package, path), "removed", record=f"{path.stem}/knew")


def _resources(package: Path, rng: Random) -> tuple[Path, list[dict[str, Any]]]:
    path = rng.choice(sorted((package / "fhir").glob("*.ndjson")))
    return path, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write_resources(path: Path, resources: list[dict[str, Any]]) -> None:
    lines = (json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in resources)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Name, container and key of each value that is no container."""
    pairs: list[tuple[Any, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, inner in pairs:
        name = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}" if path else str(key)
        if isinstance(inner, dict | list):
            yield from _leaves(inner, name)
        else:
            yield name, value, key


# Of all ---------------------------------------------------------------------------------------------------------------


def _file_removed(package: Path, rng: Random) -> Change:
    path = rng.choice(_all(package))
    path.unlink()
    return Change(_in(package, path), "added")


def _file_added(package: Path, rng: Random) -> Change:
    path = rng.choice(_all(package)).parent / "further.csv"
    path.write_text("a,b\n1,2\n")
    return Change(_in(package, path), "removed")


def _text_changed(package: Path, rng: Random) -> Change:
    """A character of a file that is no table."""
    names = ("findings.csv", "k-anonymity.json", "sdtm/define.xml", "sdtm/reviewers-guide.md", "datapackage.json")
    path = rng.choice([package / name for name in names if (package / name).is_file()])
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content))
    content[at] = ord("Y") if content[at] == ord("X") else ord("X")
    path.write_bytes(content)
    return Change(_in(package, path), "changed")


def _trace_line(package: Path, rng: Random) -> Change:
    path = package / "trace.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    return Change("trace.parquet", "added", record=None)


def _fact(package: Path, rng: Random) -> Change:
    path = package / "manifest.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["subjects"] += 1
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Change("manifest.json", "changed", "subjects")


def _all(package: Path) -> list[Path]:
    return [one for one in sorted(package.rglob("*")) if one.is_file() and one.name != "manifest.json"]


def _in(package: Path, path: Path) -> str:
    return path.relative_to(package).as_posix()


_ANY = (_file_removed, _file_added, _text_changed, _trace_line, _fact)
#: Ways to change a package, by format; the more telling ones stand twice.
FORMATS: dict[str, tuple[Callable[[Path, Random], Change], ...]] = {
    "sdtm": (_dataset_cell, _dataset_cell, _dataset_cell, _dataset_row_removed, _dataset_row_added, *_ANY),
    "views": (_csv_cell, _csv_cell, _csv_row, _view_parquet_cell, _view_parquet_cell, *_ANY),
    "fhir": (_resource_value, _resource_value, _resource_gone_or_new, *_ANY),
}
