"""In: the cells of a package. Out: that each one that was collected leads to a resource of the hospital that says so."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from adapter.datasets.formats import read_package
from adapter.datasets.package.tracing import Traced, trace
from adapter.errors import UsageError
from adapter.store import Store
from adapter.terminology import Node
from adapter.views import parse_view
from tests.support.cli import reluth
from tests.support.datasets import TRIAL, Resource, centre, compiled_once, export_to, read_feed, settings_of, store_of
from tests.support.view_interpreter import rows

#: Told as collected by their document, and worked out where the record is silent: elements that begin or end with none of its events,
#: infusions of which the subject's history alone tells.
WORKED_OUT = frozenset({("SE", "SESTDTC"), ("SE", "SEENDTC"), ("EC", "ECOCCUR")})
Record = tuple[str, str | None, int | None]


@dataclass(frozen=True)
class Made:
    """A store, its package with domains, its feed as the package's makers saw it, and the hospital's own lines."""

    store: Store
    folder: Path
    feed: dict[str, Resource]
    lines: dict[str, set[bytes]]
    cells: dict[tuple[Record, str], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("traced")
    settings = settings_of(folder)
    (folder / "adapter.toml").write_text(f'[store]\npath = "{folder / "V"}"\n\n[sites.icm]\nsite_code = "05"\n')
    with compiled_once(), store_of(settings, centre(folder / "F", 3)) as store:
        export_to(store, settings, folder / "fhir", "fhir")
        export_to(store, settings, folder / "sdtm")
        feed = {f"{one['resourceType']}/{one['id']}": one for one in read_feed(folder / "fhir/fhir")}
        yield Made(store, folder, feed, _lines(folder / "F"), dict(_cells(folder / "sdtm")))


def _lines(folder: Path) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for path in folder.glob("*.ndjson"):
        for line in path.read_bytes().splitlines():
            one = json.loads(line)
            found.setdefault(f"{one['resourceType']}/{one['id']}", set()).add(line)
    return found


def _cells(package: Path) -> Iterator[tuple[tuple[Record, str], Any]]:
    """Every cell that a hospital or a person told, by record and variable."""
    for dataset in read_package(package / "sdtm").datasets:
        names = [one.name for one in dataset.variables]
        if dataset.reference or "USUBJID" not in names or dataset.name == "RELREC":
            continue
        sequence = f"{dataset.domain}SEQ"
        for row in dataset.rows:
            number = row.cells[names.index(sequence)] if sequence in names else None
            record = (dataset.name, str(row.cells[names.index("USUBJID")]), None if number is None else int(number))
            for variable, cell in zip(dataset.variables, row.cells, strict=True):
                if variable.origin.type == "Collected" and cell is not None:
                    yield (record, variable.name), cell


def test_every_collected_cell_is_traced(made: Made) -> None:
    traced = {
        ((row["dataset"], row["usubjid"], row["seq"]), variable)
        for row in pq.read_table(made.folder / "sdtm/trace.parquet").to_pylist()
        for variable in row["variables"]
    }
    lacking = {(record[0], variable) for record, variable in made.cells if (record, variable) not in traced}

    assert len(made.cells) > 3_000
    assert {one for one in lacking if not one[0].startswith("SUPP")} <= WORKED_OUT


def test_trace_of_200_cells_leads_to_what_the_hospital_wrote(made: Made) -> None:
    chosen = Random(200).sample(sorted(one for one in made.cells if _is_asked(one)), 200)
    said = verbatim = 0
    for record, variable in chosen:
        found = [one for one in trace(made.store, TRIAL, record) if variable in one.variables]
        assert found, (record, variable)
        values = []
        for one in found:
            assert one.reference is not None and one.origin is not None and one.origin.live, (record, variable)
            assert one.sha256 in {hashlib.sha256(line).hexdigest() for line in made.lines[one.reference]}
            values += _values(one, made.feed[one.resource])
        assert values, (record, variable, found[0].path)
        leaves = {leaf for one in found for leaf in _leaves(_line(one, made))}
        plain = [value for value in values if _is_plain(value)]
        said += bool(plain)
        verbatim += any(_is_among(value, leaves) for value in plain)
        if variable.endswith(("DTC", "ORRES")) and record[0] in ("LB", "VS", "AE", "CM"):
            assert any(_is_said(made.cells[record, variable], value) for value in values), (record, variable, values)

    # Codes of the site are translated and ages are counted; days and numbers stand in the hospital's own bytes.
    assert said > 50
    assert verbatim == said


def _is_asked(cell: tuple[Record, str]) -> bool:
    (dataset, *_), variable = cell
    return not dataset.startswith("SUPP") and (dataset, variable) not in WORKED_OUT


def _line(one: Traced, made: Made) -> Any:
    assert one.reference is not None
    return next(
        json.loads(line, parse_float=Decimal, parse_int=Decimal)
        for line in made.lines[one.reference]
        if hashlib.sha256(line).hexdigest() == one.sha256
    )


def _values(one: Traced, resource: Resource) -> list[Any]:
    """What stands at a FHIRPath, by an interpreter of the tests' own; of ``a | b`` what stands at either."""
    found: list[Any] = []
    for path in re.split(r" \| (?=(?:[^']*'[^']*')*[^']*$)", one.path):
        view = {
            "resourceType": "ViewDefinition",
            "name": "one",
            "status": "draft",
            "resource": resource["resourceType"],
            "select": [{"column": [{"name": "value", "path": path, "collection": True}]}],
        }
        for row in rows(parse_view(Node(view, "one.json")), [resource]):
            found += [value for value in row["value"] or [] if value is not None]
    return found


def _is_plain(value: Any) -> bool:
    """A day or a number with a point: what stands in the record as it is, and not by chance."""
    return (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value) is not None) or (
        isinstance(value, Decimal) and "." in str(value)
    )


def _is_among(value: Any, leaves: set[str]) -> bool:
    text = str(value)[:10]
    return any(text in leaf or text in leaf.replace(",", ".") for leaf in leaves)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield str(value)


def _is_said(cell: Any, value: Any) -> bool:
    try:
        return Decimal(str(cell).lstrip("<>=")) == Decimal(str(value))
    except InvalidOperation:
        return str(cell)[:10] == str(value)[:10] or str(value) in str(cell)


def test_trace_on_the_command_line_names_version_path_mapping_and_run(made: Made) -> None:
    config = ["--config", str(made.folder / "adapter.toml")]
    record = next(record for record, _ in made.cells if record[0] == "LB")
    prose = reluth(*config, "trace", "lb", str(record[1]), str(record[2]))
    told = reluth(*config, "--json", "trace", "LB", str(record[1]), str(record[2]))
    package = reluth(*config, "--json", "trace", *map(str, record), "--package", str(made.folder / "sdtm"))

    assert (prose.code, told.code, package.code) == (0, 0, 0)
    assert told.objects == package.objects
    one = told.objects[0]
    assert one["mapping"].startswith("LB/") and "@" in one["mapping"]
    assert one["reference"].startswith("Observation/") and one["origin"]["source"] == "Observation.ndjson"
    for word in (one["path"], one["reference"], one["sha256"], one["mapping"], one["origin"]["run"]):
        assert word in prose.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["LB", "RELUTH-05-0001", "99999"], "nothing was read"),
        (["LB", "RELUTH-99-0001", "1"], "nothing was read"),
        (["XX", "RELUTH-05-0001", "1"], "nothing was read"),
        (["LB", "RELUTH-05-0001", "1", "--trial", "nct00000000"], "no package"),
        (["LB", "RELUTH-05-0001", "1", "--package", "nowhere"], "no package there"),
    ],
)
def test_trace_of_an_unknown_record_is_a_usage_error(made: Made, arguments: list[str], words: str) -> None:
    ran = reluth("--config", made.folder / "adapter.toml", "trace", *arguments)

    assert (ran.code, ran.out, words in ran.err) == (2, "", True)


def test_trace_of_a_package_that_was_made_elsewhere_says_so(made: Made, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was not made here"):
        trace(made.store, TRIAL, ("LB", "RELUTH-05-0001", 1), package_id="0" * 64)
    (tmp_path / "manifest.json").write_text("{}")
    ran = reluth("--config", made.folder / "adapter.toml", "trace", "LB", "RELUTH-05-0001", "1", "--package", tmp_path)

    assert (ran.code, "was not made here" in ran.err) == (2, True)
