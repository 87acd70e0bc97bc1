"""In: ids and a few elements. Out: small FHIR resources as lines, and stores that hold them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from adapter.fhir import summarise
from adapter.store import CodeSearch, Origin, Signs, Store, TypeCounts

LOINC = "http://loinc.org"


def line(type_: str, id_: str, *, version: object = None, updated: str | None = None, **elements: Any) -> bytes:
    """One resource on one line."""
    meta: dict[str, str] = {}
    if version is not None:
        meta["versionId"] = str(version)
    if updated is not None:
        meta["lastUpdated"] = updated
    return msgspec.json.encode({"resourceType": type_, "id": id_, **({"meta": meta} if meta else {}), **elements})


def patient(id_: str, *, links: Iterable[tuple[str, str]] = (), **elements: Any) -> bytes:
    """A Patient, with merge links as pairs of kind and id."""
    link: Any = [{"other": {"reference": f"Patient/{other}"}, "type": kind} for kind, other in links]
    return line("Patient", id_, **(elements | {"link": link} if link else elements))


def observation(id_: str, of: str, *, code: str = "718-7", **elements: Any) -> bytes:
    """An Observation of a patient."""
    return line(
        "Observation",
        id_,
        status="final",
        code={"coding": [{"system": LOINC, "code": code}]},
        subject={"reference": f"Patient/{of}"},
        **elements,
    )


def fill(store: Store, lines: Iterable[bytes], *, site: str = "icm") -> Mapping[str, TypeCounts]:
    """Put lines into a store by one run."""
    with store.begin_run(site, "pull") as run:
        writer = store.lake.writer(run)
        for number, raw in enumerate(lines, 1):
            writer.add(summarise(raw), raw, Origin("test.ndjson", number))
        return writer.commit()


def with_codes(
    store: Store,
    site: str,
    *,
    codes: Iterable[str] = (),
    prefixes: Iterable[str] = (),
    text_pattern: str | None = None,
    types: Iterable[str] = (),
) -> set[str]:
    """Who has a current resource with one of the codes or texts."""
    search = CodeSearch(frozenset(codes), frozenset(prefixes), text_pattern, frozenset(types))
    return store.lake.signed(site, Signs((search,)))[0]


def live(store: Store, site: str = "icm") -> dict[str, list[bytes]]:
    """What is current, by surviving patient."""
    return {person.patient: person.resources for person in store.lake.records(site)}


def everything(store: Store, site: str = "icm") -> list[tuple[str, str, bytes]]:
    """Every version that the visible segments hold: type, id, bytes; sorted."""
    found = []
    for file in store.lake.index_files(site):
        table = pq.read_table(file.replace(f"{store.folder}/index/", f"{store.folder}/lake/"), partitioning=None)
        found += [(row["type"], row["id"], row["raw"]) for row in table.select(["type", "id", "raw"]).to_pylist()]
    return sorted(found)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with files of these bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def fill_disk_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Have the disk be full when a file is synced for the ``call``-th time."""
    calls: list[int] = []
    real = os.fsync

    def full(descriptor: int) -> None:
        calls.append(1)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "any")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
