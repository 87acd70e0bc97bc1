"""In: a folder, a size, a seed. Out: a synthetic French cancer centre as FHIR R4 NDJSON, with the truth that its
stories support.
"""

from __future__ import annotations

from adapter.simulate.stories import story_names, story_of
from adapter.simulate.writing import SimulationSummary, simulate

__all__ = ["SimulationSummary", "simulate", "story_names", "story_of"]
