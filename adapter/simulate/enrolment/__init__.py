"""In: how many of the centre's patients are enrolled. Out: their records from the registration to twelve months after
the randomisation, and those of the screen failures.
"""

from __future__ import annotations

from adapter.simulate.enrolment.journey import ARMS, Cycle, Journey, Scan, Visit, journeys
from adapter.simulate.enrolment.record import enrolled_patient, screen_failure

__all__ = ["ARMS", "Cycle", "Journey", "Scan", "Visit", "enrolled_patient", "journeys", "screen_failure"]
