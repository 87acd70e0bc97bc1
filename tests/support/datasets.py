"""In: how many subjects. Out: a simulated centre's resources in a store, its packages, and what a package's files and records are.

A hospital that is changed step by step keeps what holds now, so that a store that only ever saw the last state can be made beside it.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from adapter.config import Settings
from adapter.datasets.engines import queries as engine_queries
from adapter.datasets.package.export import Exported, Request, export
from adapter.simulate import simulate
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.views import CompiledView, compile_view
from tests.support.changed_records import delete_records

__all__ = [
    "SITE",
    "TRIAL",
    "Hospital",
    "Resource",
    "bytes_of",
    "centre",
    "compiled_once",
    "content_of",
    "copy_numbers",
    "export_to",
    "keys_of",
    "numbers_in",
    "read_feed",
    "settings_of",
    "store_of",
    "write_feed",
]

SITE, TRIAL = "icm", "nct04954820"
ON = date(2025, 6, 1)
Resource = dict[str, Any]
#: Of a subject's Observations so many stay in a thinned feed: the rest is more of the same.
_KEPT = 40


def centre(folder: Path, subjects: int, *, seed: int = 3, patients: int | None = None) -> Path:
    """The feed of a centre, all of whose patients, or the last ones, are subjects."""
    simulate(folder, patients=patients or subjects, seed=seed, on=ON, enrolled=subjects)
    (folder / "truth.ndjson").unlink()
    return folder


def read_feed(folder: Path, *, thinned: bool = False) -> list[Resource]:
    """The resources of a feed, the last version of each; decimals exact."""
    found: dict[tuple[str, str], Resource] = {}
    for path in sorted(folder.glob("*.ndjson")):
        for line in path.read_bytes().splitlines():
            one = json.loads(line, parse_float=Decimal)
            found[one["resourceType"], one["id"]] = one
    if not thinned:
        return list(found.values())
    return list(_thinned(found.values()))


def _thinned(resources: Iterable[Resource]) -> Iterator[Resource]:
    results: dict[str, list[Resource]] = {}
    for one in resources:
        if one["resourceType"] == "Observation":
            results.setdefault(one["subject"]["reference"], []).append(one)
        else:
            yield one
    for some in results.values():
        kept = set(Random(0).sample(range(len(some)), min(_KEPT, len(some))))
        yield from (one for at, one in enumerate(some) if at in kept)


def write_feed(folder: Path, resources: Iterable[Resource]) -> Path:
    """Write resources as ``<Type>.ndjson``; the same resource is the same bytes every time."""
    folder.mkdir(parents=True)
    lines: dict[str, list[str]] = {}
    for one in resources:
        lines.setdefault(one["resourceType"], []).append(_line(one))
    for type_, some in lines.items():
        (folder / f"{type_}.ndjson").write_text("".join(some), encoding="utf-8")
    return folder


def _line(resource: Resource) -> str:
    """One line; a decimal is written with its own digits."""
    marks: list[str] = []

    def mark(value: object) -> str:
        assert isinstance(value, Decimal)
        marks.append(f"{value:f}")
        return f"\x00{len(marks) - 1}\x00"

    text = json.dumps(resource, default=mark)
    for at, digits in enumerate(marks):
        text = text.replace(f'"\\u0000{at}\\u0000"', digits)
    return f"{text}\n"


def settings_of(folder: Path, *sites: str, codes: Mapping[str, str] | None = None) -> Settings:
    """Settings of a store ``V`` in a folder."""
    told = codes or {SITE: "05"}
    return Settings.model_validate(
        {
            "store": {"path": folder / "V"},
            "sites": {site: {"site_code": told.get(site, "05")} for site in sites or (SITE,)},
        }
    )


@contextmanager
def store_of(settings: Settings, feed: Path, *, site: str = SITE) -> Iterator[Store]:
    """The store, with the feed pulled."""
    with Store.open(settings.store.path) as store:
        pull(store, FolderSource(feed), site=site)
        yield store


def export_to(store: Store, settings: Settings, folder: Path, form: Any = "sdtm", **more: Any) -> Exported:
    """A package."""
    return export(store, settings, folder, Request(trial=TRIAL, format=form, **more))


@contextmanager
def compiled_once() -> Iterator[None]:
    """Views are compiled once for all exports of a block: what is looked for is elsewhere."""
    views: dict[str, CompiledView] = {}
    queries: dict[str, str] = {}
    sql = CompiledView.sql.fget  # type: ignore[attr-defined]

    def once(view: Any, **more: Any) -> CompiledView:
        if view.name not in views:
            views[view.name] = compile_view(view, **more)
        return views[view.name]

    def said(self: CompiledView) -> str:
        key = f"{self.view.name} {self.depth}"
        if key not in queries:
            queries[key] = sql(self)
        return queries[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_queries, "compile_view", once)
        patch.setattr(CompiledView, "sql", property(said))
        yield


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file of a package."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def content_of(path: Path) -> bytes:
    """What is in a file, whatever it is packed in: names and cells of Parquet, in UTF-8."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix != ".parquet":
        return path.read_bytes()
    table = pq.read_table(path)
    said = [json.dumps(column.to_pylist(), default=str, ensure_ascii=False) for column in table.columns]
    metadata = b" ".join(part for pair in (table.schema.metadata or {}).items() for part in pair)
    return metadata + path.read_bytes() + "\n".join([*table.column_names, *said]).encode()


def numbers_in(package: Path) -> dict[tuple[str, str, int], frozenset[str]]:
    """Resources behind each numbered record: dataset, subject, number."""
    found: dict[tuple[str, str, int], set[str]] = {}
    for row in pq.read_table(package / "trace.parquet").to_pylist():
        if row["seq"] is not None and not row["dataset"].startswith("SUPP"):
            found.setdefault((row["dataset"], row["usubjid"], row["seq"]), set()).add(row["resource"])
    return {record: frozenset(resources) for record, resources in found.items()}


def keys_of(store: Store) -> dict[tuple[str, str, int], str]:
    """What each record that was ever numbered is known by: by dataset, subject and number."""
    with closing(sqlite3.connect(store.folder / "state.sqlite")) as connection:
        rows = connection.execute("select domain, usubjid, number, row_key from dataset_sequence")
        return {(domain, usubjid, number): key for domain, usubjid, number, key in rows}


def copy_numbers(old: Store, new: Store) -> None:
    """Give a store what another one keeps from export to export: its secret, its pseudonyms, the numbers of records."""
    (new.folder / "keys").mkdir(mode=0o700, exist_ok=True)
    shutil.copy2(old.folder / "keys/pseudonyms.key", new.folder / "keys/pseudonyms.key")
    with closing(sqlite3.connect(new.folder / "state.sqlite")) as connection:
        connection.execute("attach ? as old", [str(old.folder / "state.sqlite")])
        for table in ("subject_pseudonym", "dataset_sequence"):
            connection.execute(f"insert into {table} select * from old.{table}")
        connection.commit()


@dataclass
class Hospital:
    """What a hospital holds, and what it has withheld so far.

    Attributes:
        folder: for the feeds that it hands over.
        rng: of what becomes of it.
        there: by type and id.
        later: what is still to come.
    """

    folder: Path
    rng: Random
    there: dict[tuple[str, str], Resource] = field(default_factory=dict)
    later: list[Resource] = field(default_factory=list)
    _feeds: int = 0

    def open(self, store: Store, resources: Iterable[Resource]) -> None:
        """Hand over most of the resources; some come later."""
        for one in resources:
            if one["resourceType"] in ("Observation", "AdverseEvent", "Condition") and self.rng.random() < 0.2:
                self.later.append(one)
            else:
                self.there[one["resourceType"], one["id"]] = one
        self._hand_over(store, self.there.values())

    def step(self, store: Store) -> str:
        """New, corrected and deleted resources, some of each; what was done, in words."""
        sent: dict[tuple[str, str], Resource] = {}
        new = [self.later.pop(self.rng.randrange(len(self.later))) for _ in range(min(len(self.later), self._few()))]
        corrected = [_corrected(self.there[key], self.rng) for key in self._some(self._few())]
        for one in (*corrected, *new):
            sent[one["resourceType"], one["id"]] = one
        self.there |= sent
        if sent:
            self._hand_over(store, sent.values())
        gone = self._some(self._few())
        for key in gone:
            # Some of what was deleted comes again, as another version.
            self.later.append(_corrected(self.there.pop(key), self.rng))
        if gone:
            delete_records(store, SITE, *gone)
        return f"{len(new)} new, corrected {[one['resourceType'] for one in corrected]}, deleted {gone}"

    def write(self, folder: Path) -> Path:
        """What holds now, as a feed."""
        return write_feed(folder, self.there.values())

    def _hand_over(self, store: Store, resources: Iterable[Resource]) -> None:
        self._feeds += 1
        feed = write_feed(self.folder / f"feed-{self._feeds}", resources)
        assert pull(store, FolderSource(feed), site=SITE).complete

    def _few(self) -> int:
        return self.rng.choice((0, 1, 1, 2, 5))

    def _some(self, number: int) -> list[tuple[str, str]]:
        """Resources of types as often as each other: there are more Observations than all others together."""
        found: dict[tuple[str, str], None] = {}
        types = sorted({type_ for type_, _ in self.there})
        for _ in range(number):
            type_ = self.rng.choice(types)
            found[self.rng.choice(sorted(key for key in self.there if key[0] == type_))] = None
        return list(found)


def _corrected(resource: Resource, rng: Random) -> Resource:
    """Another version: its status, its value or its day differs, or nothing but the version."""
    found: Resource = json.loads(_line(resource), parse_float=Decimal)
    version = int(found.get("meta", {}).get("versionId", "1")) + 1
    found["meta"] = {**found.get("meta", {}), "versionId": str(version)}
    changes = []
    if "value" in found.get("valueQuantity", {}):
        changes += ["value", "unit"]
    if isinstance(found.get("status"), str) and found["resourceType"] == "Observation":
        changes.append("status")
    changes += [name for name in ("effectiveDateTime", "recordedDate", "date", "authoredOn") if name in found]
    change = rng.choice([*changes, "version"])
    if change == "value":
        found["valueQuantity"]["value"] = Decimal(found["valueQuantity"]["value"]) + rng.choice((1, Decimal("0.5"), 7))
    elif change == "unit":
        found["valueQuantity"] = {"value": found["valueQuantity"]["value"]}
    elif change == "status":
        found["status"] = rng.choice(("entered-in-error", "corrected", "final"))
    elif change != "version":
        day = rng.randint(1, 28)
        found[change] = f"{found[change][:8]}{day:02}{found[change][10:]}"
    return found
