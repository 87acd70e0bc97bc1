"""In: the candidates of a site, what was pulled. Out: for how many of them each datum of the trial's criteria is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from adapter.criteria import Trial
from adapter.screening.coverage import stored_about
from adapter.store import Store
from adapter.terminology import Site

__all__ = ["DatumPersons", "SiteCompleteness", "read_data"]


@dataclass(frozen=True, slots=True)
class DatumPersons:
    """For how many candidates a datum is on record.

    Attributes:
        what: its id: an analyte, a value set, or a question; ``kind`` says which.
        criteria: which ask for it.
    """

    what: str
    kind: str
    label: Mapping[str, str]
    criteria: tuple[str, ...]
    persons: int


@dataclass(frozen=True, slots=True)
class SiteCompleteness:
    """How complete the records of a site's candidates are.

    Attributes:
        criteria: by id the candidates for whom the data of the criterion are there: it passes, fails, or waits for a
            person's word only.
        data: each datum; empty where nobody has looked.
    """

    site: str
    candidates: int
    criteria: Mapping[str, int]
    data: tuple[DatumPersons, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "site": self.site,
            "candidates": self.candidates,
            "criteria": dict(self.criteria),
            "data": [
                {"what": one.what, "kind": one.kind, "criteria": list(one.criteria), "persons": one.persons}
                for one in self.data
            ],
        }


def read_data(store: Store, trial: Trial, site: Site, people: Collection[str]) -> tuple[DatumPersons, ...]:
    """For how many of some people each datum of a trial is on record, in the order of the criteria.

    Args:
        store: what was pulled.
        trial: whose criteria ask.
        site: how its records are read.
        people: ``Patient/id`` of the candidates' surviving records.
    """
    return tuple(
        DatumPersons(need.what, need.kind, need.label, tuple(need.criteria), stored.persons)
        for need, stored in stored_about(store, trial, site, people).values()
    )
