"""In: packages of every format. Out: that no byte of them says who a patient is, packed or unpacked."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.datasets import (
    Resource,
    centre,
    compiled_once,
    content_of,
    export_to,
    read_feed,
    settings_of,
    store_of,
)

#: So short, a text is found in any file.
_SHORT = 4


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    settings = settings_of(folder)
    with compiled_once(), store_of(settings, centre(folder / "F", 8, patients=20)) as store:
        for form in ("sdtm", "views", "fhir"):
            made = export_to(store, settings, folder / form, form)
            assert made.subjects >= 5
    return folder


def identifiers(patient: Resource) -> Iterator[tuple[str, str]]:
    """What a hospital knows a person by: kind and text."""
    for name in patient.get("name", []):
        yield "family name", name["family"]
        yield from (("given name", given) for given in name.get("given", []))
    if "birthDate" in patient:
        yield "date of birth", patient["birthDate"]
    yield "id", f"Patient/{patient['id']}"
    yield "id", patient["id"]
    yield from (("number", one["value"]) for one in patient.get("identifier", []))
    yield from (("telephone or mail", one["value"]) for one in patient.get("telecom", []))
    for address in patient.get("address", []):
        yield from (("street", line) for line in address.get("line", []))
        yield from (("place", address[part]) for part in ("city", "postalCode", "text") if part in address)


@pytest.mark.parametrize("form", ["sdtm", "views", "fhir"])
def test_no_identifier_of_any_patient_is_in_any_file(form: str, packages: Path) -> None:
    patients = [one for one in read_feed(packages / "F") if one["resourceType"] == "Patient"]
    wanted = {pair for one in patients for pair in identifiers(one) if len(pair[1]) >= _SHORT}
    kinds = {kind for kind, _ in wanted}
    assert len(patients) >= 20
    assert {"family name", "given name", "date of birth", "number", "id"} <= kinds
    found = set()
    for path in sorted((packages / form).rglob("*")):
        if path.is_file():
            content = content_of(path)
            folded = content.lower()
            # The trial's summary names the towns of the sponsor and of the sites, and some patients live in them.
            told = {pair for pair in wanted if path.stem != "ts" or pair[0] != "place"}
            for kind, text in told:
                for form_of_it in {text, json.dumps(text)[1:-1], re.sub(r"[^0-9A-Za-z]", "", text)}:
                    if _stands_in(form_of_it.lower().encode(), folded):
                        found.add((path.relative_to(packages).as_posix(), kind, text))

    assert found == set()


def _stands_in(text: bytes, content: bytes) -> bool:
    """As a word of its own: ``Roy`` is none in ``destroyed``, and digits of a sum none."""
    if len(text) < _SHORT or text not in content:
        return False
    return re.search(rb"(?<![0-9a-z])" + re.escape(text) + rb"(?![0-9a-z])", content) is not None


@pytest.mark.parametrize("form", ["sdtm", "views", "fhir"])
def test_no_id_of_the_hospitals_resources_is_in_any_file(form: str, packages: Path) -> None:
    ids = {one["id"].encode() for one in read_feed(packages / "F") if one["resourceType"] != "ResearchStudy"}
    ids = {one for one in ids if any(48 <= letter <= 57 for letter in one) and len(one) > 6}
    assert len(ids) > 1000
    for path in sorted((packages / form).rglob("*")):
        if path.is_file():
            words = set(re.findall(rb"[A-Za-z0-9.\-]{7,64}", content_of(path)))

            assert not words & ids, path.name


def test_a_planted_name_would_be_found(tmp_path: Path) -> None:
    """The search itself: it looks into what is packed."""
    pq.write_table(pa.table({"a": ["x" * 50, "Mme Lefèvre-Dupont"]}), tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(b'{"name": "dupont"}'))

    assert _stands_in(b"dupont", content_of(tmp_path / "a.parquet").lower())
    assert _stands_in(b"dupont", content_of(tmp_path / "a.ndjson.gz").lower())
