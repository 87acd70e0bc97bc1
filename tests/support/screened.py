"""In: a folder. Out: a store in it: seven screened patients, one in each place of the worklist, and one line put aside.

Verdicts are written by hand, so that the pages' promises do not hang on what the evaluator finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from adapter.config import Settings, load_settings
from adapter.documents import load_trial
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull

__all__ = ["HOSTILE", "ON", "SITE", "TRIAL", "fill_store", "row_of", "save", "screened_store", "verdict"]

SITE = "icm"
TRIAL = "nct04954820"
ON = date(2025, 6, 1)
#: A value that a hospital may send and a browser must never run.
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"

Json = dict[str, Any]


def evidence(
    reference: str, value: str | None = None, *, converted: tuple[str, str] | None = None, **more: Any
) -> Json:
    """One piece of evidence."""
    shown = None if converted is None else {"value": converted[0], "unit": converted[1]}
    plain = {"reference": reference, "version": "1", "effective": "2025-05-20", "value": value, "converted": shown}
    return {**plain, **more}


def answer(identity: str, truth: str, **more: Any) -> Json:
    """The verdict on a criterion or, without ``parts`` and ``flips_on``, on a part."""
    return {"id": identity, "truth": truth, "presumed": False, "reason": None, "evidence": [], **more}


def criterion(identity: str, truth: str, **more: Any) -> Json:
    """The verdict on a criterion."""
    return {**answer(identity, truth), "flips_on": None, "parts": [], **more}


def verdict(patient: str, outcome: str, *answers: Json, **more: Any) -> Json:
    """A verdict in which every criterion passes, or awaits a person, but those given."""
    given = {item["id"]: item for item in answers}
    found = []
    for known in load_trial(TRIAL).criteria:
        if "registration" not in known.stages:
            continue
        passing = "T" if known.kind == "inclusion" else "F"
        asks = known.automation == "manual" or known.at_screening_visit
        usual = criterion(known.id, "U", reason="needs-attestation") if asks else criterion(known.id, passing)
        found.append(given.get(known.id, usual))
    return {
        "trial": TRIAL,
        "criteria_version": "0.1.0",
        "site": SITE,
        "patient": f"Patient/{patient}",
        "merged": [],
        "stage": "registration",
        "on": str(ON),
        "candidate": True,
        "candidate_because": ["lutathera"],
        "outcome": outcome,
        "outcome_reason": None,
        "permanent": False,
        "flips_on": None,
        "to_order": [],
        "criteria": found,
        **more,
    }


def verdicts() -> Iterator[Json]:
    """One patient for each place of the worklist; the id says which."""
    haemoglobin = evidence(
        "Observation/hb", "12,1 g/dL", converted=("12.1", "g/dL"), effective="2025-05-20T08:30:00+02:00", version="2"
    )
    platelets = evidence("Observation/plt", "70 G/L", converted=("70", "10*9/L"), effective="2025-05")
    alt = evidence("Observation/alt", HOSTILE)
    low = criterion(
        "I11",
        "F",
        evidence=[platelets],
        flips_on="2025-06-18",
        parts=[answer("I11.a", "T", evidence=[haemoglobin]), answer("I11.c", "F", evidence=[platelets])],
    )
    liver = criterion(
        "E07",
        "U",
        reason="no-reference-range",
        evidence=[alt],
        parts=[
            answer("E07.b", "F", presumed=True),
            answer("E07.c", "U", reason="no-reference-range", evidence=[alt]),
        ],
    )
    order = [{"what": "alt", "by": "2025-06-10", "for": ["E07"]}]
    undecided = criterion("I04", "U", reason="course-undecided")
    presumed = criterion("E05", "F", presumed=True)
    yield verdict("ready", "ready-for-investigator", presumed, flips_on="2025-06-17")
    yield verdict("liver", "needs-information", liver, to_order=order)
    yield verdict("course", "needs-information", liver, undecided)
    yield verdict("low", "ineligible", low, flips_on="2025-06-18", merged=["Patient/low-before"])
    yield verdict("pancreas", "ineligible", criterion("E04", "T", evidence=[evidence("Condition/c25")]), permanent=True)
    yield verdict("deceased", "ineligible", permanent=True, outcome_reason="deceased")
    yield verdict("declined", "ready-for-investigator")


def fill_store(store: Store, feed: Path) -> None:
    """Pull a small feed with one bad line, save the verdicts, decide on one patient."""
    feed.mkdir()
    people = [json.dumps({"resourceType": "Patient", "id": item["patient"].split("/")[1]}) for item in verdicts()]
    (feed / "Patient.ndjson").write_text("\n".join([*people, '{"resourceType": "Patient", "id"', ""]))
    pull(store, FolderSource(feed), site=SITE)
    save(store, *verdicts())
    store.decide(SITE, "Patient/declined", trial=TRIAL, state="declined", reason="patient-declined", by="nurse")


def save(store: Store, *found: Json) -> None:
    """Keep verdicts as a screening does."""
    store.save_verdicts(
        StoredVerdict(
            site=SITE,
            patient=item["patient"],
            trial=TRIAL,
            stage=item["stage"],
            on=ON,
            screened_at=datetime(2025, 6, 1, 9, 30, tzinfo=UTC),
            run="by-hand",
            content=json.dumps(item),
            input_hash="by-hand",
        )
        for item in found
    )


@contextmanager
def screened_store(folder: Path) -> Iterator[Settings]:
    """Settings of a filled store; the store itself is closed, the service opens its own."""
    settings = load_settings(None, store=folder / "var")
    with Store.open(settings.store.path) as store:
        fill_store(store, folder / "feed")
    yield settings


def row_of(rows: list[Json], patient: str) -> Json:
    """The worklist row of a patient."""
    return next(row for row in rows if row["patient"] == f"Patient/{patient}")
