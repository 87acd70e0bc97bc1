"""In: rows by column. Out: files of them, and what loading them does; all of it synthetic."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from adapter.loading import Content, Form, LoadReport, Target, load
from adapter.store import Store
from mappings.entities import Infusion, LabResult, Subject, entity_key

__all__ = [
    "PATIENTS",
    "TARGET",
    "infusion",
    "infusions_of",
    "lab",
    "labs_of",
    "load_csv",
    "load_json",
    "reasons",
    "subjects_of",
    "table",
]

PATIENTS = "urn:example:patient"
TARGET = Target("icm", "nct04954820", identifier_system=PATIENTS, site_code="05")


def table(*rows: dict[str, str], separator: str = ",", end: str = "\n") -> str:
    """A CSV file; the columns are those of all rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, delimiter=separator, lineterminator=end, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def lab(identity: str = "R1", **more: str) -> dict[str, str]:
    """A row of a laboratory result that can be loaded."""
    plain = {
        "id": identity,
        "patient": "P1",
        "loinc": "718-7",
        "effective": "2025-05-20",
        "value": "12.1",
        "unit": "g/dL",
    }
    return {**plain, **more}


def infusion(identity: str = "I1", **more: str) -> dict[str, str]:
    """A row of an infusion that can be loaded."""
    plain = {"id": identity, "patient": "P1", "product": "V10XX04", "status": "completed"}
    return {**plain, "start": "2025-07-10T10:30:00+02:00", **more}


def load_csv(
    store: Store, kind: str, text: str | bytes, *, target: Target = TARGET, correct: bool = False
) -> LoadReport:
    """Load a CSV file."""
    data = text.encode() if isinstance(text, str) else text
    return load(store, Content(kind, data, "rows.csv"), target=target, by="tester", correct=correct)


def load_json(store: Store, kind: str, items: Any, *, target: Target = TARGET, correct: bool = False) -> LoadReport:
    """Load a JSON file; a text is taken as it is."""
    text = items if isinstance(items, str) else json.dumps(items)
    return load(
        store, Content(kind, text.encode(), "rows.json", Form.JSON), target=target, by="tester", correct=correct
    )


def reasons(report: LoadReport) -> list[tuple[int, str | None, str | None]]:
    """Row, column and class of value of what was refused."""
    return [(refused.row, refused.column, refused.value_class) for refused in report.refused]


def labs_of(store: Store, site: str = "icm") -> dict[str, LabResult]:
    """The stored results by the value of their identifier."""
    found = [one.entity for one in store.entities.all(site, "labs")]
    return {one.id.value: one for one in found if isinstance(one, LabResult)}


def infusions_of(store: Store) -> dict[str, Infusion]:
    """The stored infusions by the value of their identifier."""
    found = [one.entity for one in store.entities.all("icm", "infusions")]
    return {one.id.value: one for one in found if isinstance(one, Infusion)}


def subjects_of(store: Store) -> dict[str, Subject]:
    """The stored subjects by number."""
    found = [one.entity for one in store.entities.all("icm", "subjects")]
    return {entity_key(one): one for one in found if isinstance(one, Subject)}
