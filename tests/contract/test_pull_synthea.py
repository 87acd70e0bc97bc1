"""Real Synthea output, which nobody here wrote, pulls whole: every line is in the store byte for byte."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from adapter.store import Store
from adapter.sync import FolderSource, pull

FEED = Path(__file__).resolve().parents[3] / "shared" / "feed" / "synthea-r4"


@pytest.mark.skipif(not FEED.is_dir(), reason="the Synthea feed beside the project is missing")
def test_synthea_is_in_the_store_byte_for_byte(tmp_path: Path) -> None:
    sent: list[bytes] = []
    for path in FEED.glob("*.ndjson.gz"):
        sent += gzip.decompress(path.read_bytes()).splitlines()
    with Store.open(tmp_path / "var") as store:
        summary = pull(store, FolderSource(FEED), site="local")
        kept = [raw for person in store.lake.records("local") for raw in person.resources]

    assert (summary.complete, summary.exit_code, summary.notices) == (True, 0, [])
    assert sum(counts.new for counts in summary.types.values()) == len(sent) > 26_000
    assert sorted(kept) == sorted(sent)
