"""In: a folder. Out: a simulated centre: its whole feed, a store of most of it, screened, and who is what in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from adapter.config import Settings, load_settings
from adapter.documents import load_site, load_trial
from adapter.fhir import person_of
from adapter.screening import Asked, screen
from adapter.simulate import simulate
from adapter.store import Store
from adapter.sync import FolderSource, pull

__all__ = ["ON", "SITE", "TRIAL", "CdsCentre", "make_centre"]

SITE, TRIAL = "icm", "nct04954820"
ON = date(2025, 6, 1)
Json = dict[str, Any]


@dataclass
class CdsCentre:
    """A centre.

    Attributes:
        feed: folder of all resources; ``settings`` of a store that has all but those of ``unknown``.
        verdicts: by patient id, of everybody as the whole feed tells.
        unknown: ids of patients who may be candidates, and whom the store does not know.
        resources: by patient id, as in the feed.
    """

    feed: Path
    settings: Settings
    verdicts: dict[str, Json] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    resources: dict[str, list[Json]] = field(default_factory=dict)

    def of(self, outcome: str, *, candidate: bool = True, permanent: bool = False) -> list[str]:
        """Patients of an outcome whom the store knows."""
        return [
            name
            for name, one in self.verdicts.items()
            if (one["outcome"], one["candidate"], one["permanent"]) == (outcome, candidate, permanent)
            and name not in self.unknown
        ]

    def prefetch(self, name: str) -> Json:
        """What a client would give of a patient: a Bundle a type, null for none."""
        found: Json = {}
        for kind in load_trial(TRIAL).resource_types:
            if kind in ("Medication", "ResearchStudy"):
                continue
            of_kind = [one for one in self.resources[name] if one["resourceType"] == kind]
            value: Json = of_kind[0] if kind == "Patient" else {"resourceType": "Bundle", "type": "searchset"}
            if kind != "Patient":
                value["entry"] = [{"resource": one} for one in of_kind]
            found[kind[0].lower() + kind[1:]] = value
        return found


def make_centre(folder: Path, *, patients: int, unknown: int, seed: int = 1) -> CdsCentre:
    """Simulate, pull and screen; the first ``unknown`` patients who are ready, and of one record, are kept from the store."""
    feed, part = folder / "feed", folder / "part"
    simulate(feed, patients=patients, seed=seed, on=ON)
    (feed / "truth.ndjson").unlink()
    centre = CdsCentre(feed, load_settings(None, store=folder / "var"))
    centre.verdicts = _screened(folder / "whole", feed)
    ready = [
        name
        for name, one in centre.verdicts.items()
        if one["outcome"] == "ready-for-investigator" and not one["merged"]
    ]
    centre.unknown = tuple(ready[:unknown])
    left_out = {f"Patient/{name}" for name in centre.unknown}
    part.mkdir()
    for file in sorted(feed.iterdir()):
        kept = []
        for line in file.read_bytes().splitlines():
            head = msgspec.json.decode(line)
            person = f"Patient/{head['id']}" if head["resourceType"] == "Patient" else person_of(line)
            if person is not None:
                centre.resources.setdefault(person.partition("/")[2], []).append(json.loads(line))
            if person not in left_out:
                kept.append(line + b"\n")
        (part / file.name).write_bytes(b"".join(kept))
    _screened(folder / "var", part)
    return centre


def _screened(store: Path, feed: Path) -> dict[str, Json]:
    with Store.open(store) as opened:
        pull(opened, FolderSource(feed), site=SITE)
        asked = Asked(today=ON, everyone=True)
        found = screen(opened, load_trial(TRIAL), load_site(SITE), asked)
        return {one.patient.partition("/")[2]: one.to_json() for one in found}
