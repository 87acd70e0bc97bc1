"""In: feeds with one fault each, ``bad_input/<fault>/feed/*.ndjson``. Out: what is wrong is named, what is right is kept, no verdict is wrong.

Each feed goes the whole way: folder, store, screening. ``expect.yaml`` beside it says what the pull tells (``exit``, ``complete``, ``quarantine`` by
file and line, lines ``read``) and what becomes of I11 for three patients: p1, whom the fault hits, and p2 and p3 before and after it in the file.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.documents import load_site, load_trial
from adapter.screening import Asked, screen
from adapter.store import Store
from adapter.sync import FolderSource, PullSummary, pull

FOLDER = Path(__file__).parent / "bad_input"
FAULTS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
#: Stands in every resource of every feed; nothing that is said about a feed may repeat it.
PATIENT_CONTENT = "cueil"


def _expected(fault: str) -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / fault / "expect.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def _pulled(store: Store, fault: str) -> PullSummary:
    return pull(store, FolderSource(FOLDER / fault / "feed"), site="local")


def _screened(store: Store) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    asked = Asked(today=date(2025, 6, 1), on=date(2025, 6, 1), everyone=True, save=False)
    screening = screen(store, load_trial("nct04954820"), load_site("local"), asked)
    found = {}
    for verdict in screening:
        body = verdict.to_json()
        found[body["patient"].removeprefix("Patient/")] = next(item for item in body["criteria"] if item["id"] == "I11")
    return found, screening.unreadable


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_turns_into_no_wrong_verdict_and_loses_no_neighbour(fault: str, tmp_path: Path) -> None:
    expected = _expected(fault)

    with Store.open(tmp_path / "store") as store:
        _pulled(store, fault)
        found, _ = _screened(store)

    told = {patient: {key: found[patient][key] for key in wanted} for patient, wanted in expected["I11"].items()}
    assert set(found) == {"p1", "p2", "p3"}
    assert told == expected["I11"]


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_named_by_file_and_line_and_its_bytes_are_kept(fault: str, tmp_path: Path) -> None:
    expected = _expected(fault)

    with Store.open(tmp_path / "store") as store:
        summary = _pulled(store, fault)
        _, unreadable = _screened(store)
        kept = {(item.source, item.line): store.quarantined_raw(item) for item in store.quarantined("local")}
    told = summary.as_object()
    places = [{"file": item["file"], "line": item["line"]} for item in told["quarantine"]]

    if "unreadable_or_quarantined" in expected:
        wanted = dict(expected["unreadable_or_quarantined"])
        reference = wanted.pop("reference")
        assert (reference in unreadable) != (wanted in places)
    else:
        assert places == expected["quarantine"]
        assert unreadable == ()
        assert summary.exit_code == expected["exit"]
        assert summary.complete == expected.get("complete", summary.complete)
    lines = {(item["file"], item["line"]): _line(fault, item["file"], item["line"]) for item in places}
    assert kept == lines
    assert all(item["reason"] for item in told["quarantine"])
    assert PATIENT_CONTENT not in summary.to_json()
    assert {type_: told["types"][type_]["read"] for type_ in expected["read"]} == expected["read"]


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_pulled_again_adds_nothing(fault: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        _pulled(store, fault)
        stats, kept, found = store.lake.stats(), store.quarantined("local"), _screened(store)
        _pulled(store, fault)

        assert store.lake.stats() == stats
        assert len(store.quarantined("local")) == len(kept)
        assert _screened(store) == found


def _line(fault: str, file: str, line: int) -> bytes:
    raw = (FOLDER / fault / "feed" / file).read_bytes().removeprefix(b"\xef\xbb\xbf")
    return raw.split(b"\n")[line - 1].rstrip(b"\r")
