"""In: feeds with one fault each, ``bad_input/<fault>/feed/*.ndjson``. Out: what is wrong is named, what is right is kept, no verdict is wrong.

Each feed goes the whole way: folder, store, screening, and once more. ``expect.yaml`` beside it says what the pull tells (``exit``, ``complete``,
``quarantine`` by file and line, lines ``read``) and what becomes of I11 for three patients: p1, whom the fault hits, and p2 and p3, whose
lines stand before and after it.
"""

from __future__ import annotations

from dataclasses import dataclass
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
#: Stands in every resource of every feed; nothing that is told about a feed may repeat it.
PATIENT_CONTENT = "cueil"

Verdicts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Seen:
    """What one state of the store tells: I11 by patient, what could not be read, what was put aside, what is held."""

    verdicts: Verdicts
    unreadable: tuple[str, ...]
    kept: dict[tuple[str, int | None], bytes]
    stats: dict[str, Any]


@dataclass(frozen=True)
class Journey:
    """One faulty feed, pulled and screened twice."""

    fault: str
    expected: dict[str, Any]
    summary: PullSummary
    first: Seen
    again: Seen

    def line(self, file: str, number: int) -> bytes:
        """A line of the feed as it stands there, without byte order mark and line end."""
        raw = (FOLDER / self.fault / "feed" / file).read_bytes().removeprefix(b"\xef\xbb\xbf")
        return raw.split(b"\n")[number - 1].rstrip(b"\r")


def _look(store: Store) -> Seen:
    asked = Asked(today=date(2025, 6, 1), on=date(2025, 6, 1), everyone=True, save=False)
    screening = screen(store, load_trial("nct04954820"), load_site("local"), asked)
    bodies = [verdict.to_json() for verdict in screening]
    verdicts = {
        body["patient"].removeprefix("Patient/"): next(item for item in body["criteria"] if item["id"] == "I11")
        for body in bodies
    }
    kept = {(item.source, item.line): store.quarantined_raw(item) for item in store.quarantined("local")}
    return Seen(verdicts, screening.unreadable, kept, store.lake.stats())


@pytest.fixture(scope="module", params=FAULTS)
def journey(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    fault = str(request.param)
    feed = FOLDER / fault / "feed"
    expected = yaml.safe_load((FOLDER / fault / "expect.yaml").read_text(encoding="utf-8"))
    with Store.open(tmp_path_factory.mktemp(fault) / "store") as store:
        summary = pull(store, FolderSource(feed), site="local")
        first = _look(store)
        pull(store, FolderSource(feed), site="local")
        return Journey(fault, expected, summary, first, _look(store))


def test_bad_input_turns_into_no_wrong_verdict_and_loses_no_neighbour(journey: Journey) -> None:
    wanted = journey.expected["I11"]

    found = {patient: {key: journey.first.verdicts[patient][key] for key in keys} for patient, keys in wanted.items()}

    assert set(journey.first.verdicts) == {"p1", "p2", "p3"}
    assert found == wanted


def test_bad_input_is_named_by_file_and_line_and_its_bytes_are_kept(journey: Journey) -> None:
    expected, told = journey.expected, journey.summary.as_object()

    places = [{"file": item["file"], "line": item["line"]} for item in told["quarantine"]]

    if "unreadable_or_quarantined" in expected:
        wanted = dict(expected["unreadable_or_quarantined"])
        assert (wanted.pop("reference") in journey.first.unreadable) != (wanted in places)
    else:
        assert places == expected["quarantine"]
        assert journey.first.unreadable == ()
        assert journey.summary.exit_code == expected["exit"]
        assert journey.summary.complete == expected.get("complete", journey.summary.complete)
    assert journey.first.kept == {(place["file"], place["line"]): journey.line(**_named(place)) for place in places}
    assert all(item["reason"] for item in told["quarantine"])
    assert PATIENT_CONTENT not in journey.summary.to_json()
    assert {type_: told["types"][type_]["read"] for type_ in expected["read"]} == expected["read"]


def _named(place: dict[str, Any]) -> dict[str, Any]:
    return {"file": place["file"], "number": place["line"]}


def test_bad_input_pulled_again_adds_nothing(journey: Journey) -> None:
    assert journey.again == journey.first
