"""In: a site, people who were forgotten. Out: who is kept off the store: nothing of them is taken until somebody lets them come back.

The hospital's id is all that is kept of them; without it the next pull would bring everything again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import delete, select

from adapter.store.models import KeptOffRow
from adapter.store.state import State, now

__all__ = ["MERGED", "KeptOff", "KeptOffList"]

#: Why a record is kept off that nobody named: it was merged with one that somebody did.
MERGED: Final = "merged"


class KeptOff(msgspec.Struct, frozen=True):
    """One record (``Patient/id``) of which nothing is taken, the record that stood for the person, why (a code), and since when."""

    site: str
    patient: str
    person: str
    reason: str
    at: datetime


class KeptOffList:
    """Who is kept off, in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def all(self, site: str | None = None) -> list[KeptOff]:
        """Everybody, by site and patient; of one site only, where given."""
        query = select(KeptOffRow).order_by(KeptOffRow.site, KeptOffRow.patient)
        if site is not None:
            query = query.where(KeptOffRow.site == site)
        with self._state.session() as session:
            return [KeptOff(row.site, row.patient, row.person, row.reason, row.at) for row in session.scalars(query)]

    def patients(self, site: str) -> dict[str, str]:
        """``Patient/id`` of every record of a site, with that of the one that stood for the person."""
        return {one.patient: one.person for one in self.all(site)}

    def add(self, site: str, patients: Mapping[str, str], *, reason: str) -> None:
        """Take nothing of these records any more; what is on the list already stays as it is.

        Args:
            site: whose.
            patients: records, each with the one that stands for the person.
            reason: a code.
        """
        rows = [
            {"site": site, "patient": patient, "person": person, "reason": reason, "at": now()}
            for patient, person in sorted(patients.items())
        ]
        with self._state.session() as session:
            self._state.upsert(session, KeptOffRow, rows, keys=("site", "patient"), update=())

    def remove(self, site: str, patient: str) -> int:
        """Let a person come back, by any of their records; how many records there were."""
        listed = self.patients(site)
        persons = {person for one, person in listed.items() if patient in (one, person)}
        with self._state.session() as session:
            session.execute(delete(KeptOffRow).where(KeptOffRow.site == site, KeptOffRow.person.in_(sorted(persons))))
        return sum(person in persons for person in listed.values())
