"""In: the truths that each part of a story supports. Out: one line of `truth.ndjson`.

The criteria here are those that this feed's coded data or attestations answer; the others have no truth yet.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from adapter.simulate.kleene import Truth

INCLUSIONS = ("I01", "I02", "I03", "I04", "I05", "I06", "I07", "I08", "I11", "I12", "I13", "I15")
EXCLUSIONS = ("E04", "E05", "E07", "E08", "E09", "E11", "E12", "E13", "E14", "E18")
REGISTRATION = INCLUSIONS + EXCLUSIONS
RANDOMISATION = ("I07", "I11", "I12", "E07", "E08", "E09", "E11", "E13")


def line(patient: str, *, on: date, story: str, truths: dict[str, Truth]) -> dict[str, Any]:
    """The truth of one surviving patient: both stages share the reference date."""
    return {
        "patient": f"Patient/{patient}",
        "on": on.isoformat(),
        "story": story,
        "registration": {name: truths[name] for name in REGISTRATION},
        "randomisation": {name: truths[name] for name in RANDOMISATION},
    }
