"""In: the truths that each part of a story supports. Out: one line of `truth.ndjson`: all 34 criteria, each at the
stages that it has.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from adapter.simulate.kleene import Truth

# `clinical-spec.md` section 1: E02 exists only at randomisation, ten items are looked at there.
INCLUSIONS = tuple(f"I{number:02d}" for number in range(1, 17))
EXCLUSIONS = tuple(f"E{number:02d}" for number in range(1, 19))
REGISTRATION = tuple(name for name in INCLUSIONS + EXCLUSIONS if name != "E02")
RANDOMISATION = ("I07", "I11", "I12", "E02", "E03", "E07", "E08", "E09", "E11", "E13")


def line(patient: str, *, on: date, story: str, truths: dict[str, Truth]) -> dict[str, Any]:
    """The truth of one surviving patient: both stages share the reference date."""
    return {
        "patient": f"Patient/{patient}",
        "on": on.isoformat(),
        "story": story,
        "registration": {name: truths[name] for name in REGISTRATION},
        "randomisation": {name: truths[name] for name in RANDOMISATION},
    }
