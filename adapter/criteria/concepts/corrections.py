"""In: the Observations of a scene. Out: `Corrections`: which result a correction of the same instant replaces.

A laboratory may send a correction under a new id, and leave the wrong result as it was (clinical-spec.md section 9). The
correction wins (clarifications.md 10), also where it says that there is no result, and not for the latest value only: a
worst value, a pregnancy test or a response that was taken back must not decide.
"""

from __future__ import annotations

from collections.abc import Hashable

from adapter.criteria.scene import USABLE, Scene
from adapter.criteria.truth import Truth
from adapter.fhir import When, when_of
from adapter.fhir.resources import Observation, ObservationComponent

__all__ = ["CORRECTING", "Carrier", "Corrections"]

Carrier = Observation | ObservationComponent

#: Observation.status of what replaces another result of the same instant.
CORRECTING = frozenset({"corrected", "amended"})


class Corrections:
    """The corrections of a scene; made once. Most records have none."""

    def __init__(self, scene: Scene) -> None:
        self._made: dict[Hashable, Carrier] = {}
        self._system_of = scene.site.system_of
        for observation in scene.record.observations:
            if observation.status not in CORRECTING:
                continue
            when = when_of(observation)
            if when.is_bounded:
                carriers: tuple[Carrier, ...] = (observation, *observation.component)
                for carrier in carriers:
                    self._made[self._question(observation, carrier, when)] = carrier

    def of(self, observation: Observation, carrier: Carrier) -> Truth:
        """Whether a correction replaces it: T at one instant; U where only the day is the same, which two samples may share."""
        return Truth.F if self.by(observation, carrier) is None else Truth.T if when_of(observation).exact else Truth.U

    def by(self, observation: Observation, carrier: Carrier) -> Carrier | None:
        """The correction of the same question, instant, site and focus; None for what is a correction itself, or not used."""
        if not self._made or observation.status in CORRECTING or observation.status not in USABLE:
            return None
        return self._made.get(self._question(observation, carrier, when_of(observation)))

    def _question(self, observation: Observation, carrier: Carrier, when: When) -> Hashable:
        names = self._system_of
        codes = frozenset(
            (names(coding.system) if coding.system else None, coding.code)
            for coding in carrier.code.coding
            if coding.code
        )
        return when, codes or carrier.code.text, observation.body_site, observation.focus
