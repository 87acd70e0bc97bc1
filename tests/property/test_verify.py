"""In: packages that somebody changed, and sources that changed since. Out: that `verify` names each change, and none where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapter.config import Settings
from adapter.datasets.package import verifying
from adapter.datasets.package.comparing import CellChange, compare_folders
from adapter.datasets.package.export import Format, Request, export
from adapter.datasets.package.verifying import Verified, verify
from adapter.errors import UsageError
from adapter.pseudonyms import resource_key
from adapter.store import Store, pseudonym_key
from adapter.sync import FolderSource, pull
from tests.support.changed_records import delete_records
from tests.support.datasets import (
    SITE,
    TRIAL,
    Resource,
    centre,
    compiled_once,
    export_to,
    read_feed,
    settings_of,
    store_of,
    write_feed,
)
from tests.support.tampering import fit_manifest, tamper

FORMS: tuple[Format, ...] = ("sdtm", "views", "fhir")


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    with compiled_once():
        yield


@dataclass(frozen=True)
class Made:
    """A store and what was made of it: by format a package, and the same made once more."""

    store: Store
    settings: Settings
    folder: Path
    resources: list[Resource]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("made")
    resources = read_feed(centre(folder / "whole", 3), thinned=True)
    settings = settings_of(folder)
    with store_of(settings, write_feed(folder / "F", resources)) as store:
        for form in FORMS:
            export_to(store, settings, folder / form, form)
            export(store, settings, folder / f"{form}-again", Request(trial=TRIAL, format=form), keep=False)
        yield Made(store, settings, folder, resources)


@pytest.fixture
def rebuilt(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store does not change from one mutation to the next: what it gives is made once."""

    def give(_store: Store, _settings: Settings, folder: Path, request: Request, *, keep: bool) -> None:
        assert not keep and request == Request(trial=TRIAL, format=request.format)
        shutil.copytree(made.folder / f"{request.format}-again", folder)

    monkeypatch.setattr(verifying, "export", give)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.usefixtures("rebuilt")
def test_verify_names_every_injected_change(seed: int, made: Made, tmp_path: Path) -> None:
    check_mutation(seed, made, tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("hundred", range(10))
@pytest.mark.usefixtures("rebuilt")
def test_verify_names_each_of_1000_injected_changes(hundred: int, made: Made, tmp_path: Path) -> None:
    for seed in range(1000 + 100 * hundred, 1100 + 100 * hundred):
        check_mutation(seed, made, tmp_path)


def check_mutation(seed: int, made: Made, folder: Path) -> None:
    rng = Random(f"mutation {seed}")
    package = folder / f"package-{seed}"
    shutil.copytree(made.folder / FORMS[seed % len(FORMS)], package)
    change = tamper(package, rng)
    hidden = rng.random() < 0.5 and change.file != "manifest.json"
    if hidden:
        fit_manifest(package)
    found = verify(made.store, made.settings, package)

    named = [cell for cell in found.cells if cell.file == change.file and cell.kind == change.kind]
    named = [cell for cell in named if cell.variable == change.variable and change.record in (None, cell.record)]
    assert named, (change, found.cells[:5])
    assert not found.sound
    if change.alone:
        assert set(found.cells) == set(named) and len(named) == 1, (change, found.cells[:5])
    if change.file != "manifest.json":
        assert [problem.partition(":")[0] for problem in found.files] == ([] if hidden else [change.file])
    if change.file != "trace.parquet":
        assert not found.sources
    shutil.rmtree(package)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"as_of": date(2024, 3, 1)},
        {"shift_dates": True},
        {"as_of": date(2024, 3, 1), "shift_dates": True, "sites": (SITE,)},
    ],
    ids=["plain", "cut", "shifted", "all"],
)
def test_verify_has_nothing_to_say_of_an_untouched_package(
    form: str, options: dict[str, Any], made: Made, tmp_path: Path
) -> None:
    export_to(made.store, made.settings, tmp_path / "package", form, **options)

    assert verify(made.store, made.settings, tmp_path / "package") == Verified(files=(), cells=(), sources={})


@pytest.mark.usefixtures("rebuilt")
def test_verify_finds_a_resource_sum_that_was_changed_in_one_line_of_the_trace(made: Made, tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(made.folder / "sdtm", package)
    table = pq.read_table(package / "trace.parquet")
    digests = table.column("digest").to_pylist()
    digests[0] = "0" * 64
    at = table.schema.get_field_index("digest")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(digests)), package / "trace.parquet")
    fit_manifest(package)

    assert verify(made.store, made.settings, package).sources == {table.column("resource")[0].as_py(): "changed"}


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"\x00" * 4000])
@pytest.mark.usefixtures("rebuilt")
def test_verify_names_files_that_cannot_be_read(damage: bytes, made: Made, tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(made.folder / "sdtm", package)
    files = [
        "sdtm/xpt/lb.xpt",
        "sdtm/json/lb.json",
        "sdtm/ndjson/lb.ndjson",
        "sdtm/parquet/lb.parquet",
        "trace.parquet",
    ]
    for file in files:
        (package / file).write_bytes(damage)
    fit_manifest(package)
    found = verify(made.store, made.settings, package)

    assert {(cell.file, cell.kind) for cell in found.cells} == {(file, "unreadable") for file in files}


@pytest.mark.parametrize(
    "manifest", [b"{}", b"[]", b"{", b'{"trial": "nct04954820", "format": "doc", "all_sites": true, "as_of": null}']
)
def test_verify_refuses_a_manifest_that_does_not_tell_how_it_was_made(
    manifest: bytes, made: Made, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)

    with pytest.raises(UsageError):
        verify(made.store, made.settings, tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_verify_tells_a_correction_a_deletion_and_what_is_new_at_the_source(
    form: str, made: Made, tmp_path: Path
) -> None:
    results = [one for one in made.resources if one["resourceType"] == "Observation" and _is_plain_result(one)]
    events = [one for one in made.resources if one["resourceType"] == "AdverseEvent"]
    corrected, late, gone = results[0], results[1], events[0]
    settings = settings_of(tmp_path)
    first = [one for one in made.resources if one is not late]
    with store_of(settings, write_feed(tmp_path / "F", first)) as store:
        export_to(store, settings, tmp_path / "package", form)
        value = {**corrected["valueQuantity"], "value": Decimal(corrected["valueQuantity"]["value"]) + 1}
        again = {**corrected, "meta": {"versionId": "7"}, "valueQuantity": value}
        pull(store, FolderSource(write_feed(tmp_path / "F2", [again, late])), site=SITE)
        delete_records(store, SITE, ("AdverseEvent", gone["id"]))
        found = verify(store, settings, tmp_path / "package")
        key = pseudonym_key(store.folder)
        export_to(store, settings, tmp_path / "refreshed", form)

    names = {f"{one['resourceType']}/{one['id']}": one for one in (corrected, late, gone)}
    said = {f"{name.split('/')[0]}/{resource_key(key, SITE, name)}" for name in names}
    fates = dict(zip((corrected["id"], late["id"], gone["id"]), ("changed", "new", "deleted"), strict=True))
    assert found.files == ()
    assert set(found.sources) == said
    assert sorted(found.sources.values()) == sorted(fates.values())
    # The cells are those in which the package and a refreshed one differ.
    differing = [
        one for one in compare_folders(tmp_path / "package", tmp_path / "refreshed") if one.file != "trace.parquet"
    ]
    assert [one for one in found.cells if one.file not in ("manifest.json", "trace.parquet")] == differing
    _check_cells(form, differing, str(value["value"]))


def _check_cells(form: str, cells: list[CellChange], value: str) -> None:
    wanted = {
        "sdtm": ("sdtm/xpt/lb.xpt", "LBORRES", "sdtm/xpt/ae.xpt"),
        "views": ("views/laboratory.csv", "value", "views/adverse_event.csv"),
        "fhir": ("fhir/Observation.ndjson", "valueQuantity.value", "fhir/AdverseEvent.ndjson"),
    }
    file, variable, events = wanted[form]
    assert [one.new for one in cells if (one.file, one.variable) == (file, variable)] == [value]
    assert [one.kind for one in cells if one.file == events and one.variable == "*"] == ["removed"]
    assert "added" in [one.kind for one in cells if one.file == file]


def _is_plain_result(one: Resource) -> bool:
    """A number with the unit of the study's own, so that nothing else changes with it."""
    codes = {coding["code"] for coding in one["code"]["coding"]}
    return "718-7" in codes and one["status"] == "final" and one.get("valueQuantity", {}).get("code") == "g/dL"
