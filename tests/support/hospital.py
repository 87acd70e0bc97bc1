"""In: resources as dicts or bytes. Out: a folder of NDJSON as a hospital's export would be, and one made up small."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import msgspec


def write_feed(directory: Path, lines: dict[str, Iterable[bytes]], *, packed: bool = False) -> Path:
    """Write ``<Type>.ndjson`` (or ``.ndjson.gz``) for each type, one line a resource, and give the folder back."""
    directory.mkdir(parents=True, exist_ok=True)
    for resource_type, bodies in lines.items():
        content = b"".join(body + b"\n" for body in bodies)
        name = f"{resource_type}.ndjson"
        if packed:
            (directory / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (directory / name).write_bytes(content)
    return directory


def patient(name: str, *, updated: str = "2025-05-01T08:00:00.000+02:00", version: str = "1") -> bytes:
    """A patient of whom only the id is known."""
    meta = {"versionId": version, "lastUpdated": updated}
    return msgspec.json.encode({"resourceType": "Patient", "id": name, "meta": meta, "active": True})


def haemoglobin(name: str, *, of: str, updated: str = "2025-05-01T08:00:00.000+02:00", version: str = "1") -> bytes:
    """A haemoglobin of 12.10 g/dL, written with what a parser would not give back: trailing zero, escapes, blanks."""
    return (
        b'{"resourceType": "Observation", "id": "%b",  "meta": {"versionId": "%b", "lastUpdated": "%b"}, '
        b'"status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], '
        b'"text": "H\\u00e9moglobine \xc3\xa9"}, "subject": {"reference": "Patient/%b"}, '
        b'"effectiveDateTime": "2025-05-01", "valueQuantity": {"value": 12.10, "unit": "g/dL"}}'
    ) % (name.encode(), version.encode(), updated.encode(), of.encode())
