"""In: patients with their subject numbers, keys of records. Out: the pseudonym of each, and the number of each record, the same for good.

What an export cannot work out anew from the lake: everything else of a package is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, cast

import msgspec
from sqlalchemy import Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from adapter.errors import BusyError
from adapter.store.state import State, now
from adapter.store.subject_models import DatasetSequenceRow, SubjectPseudonymRow

__all__ = ["Pseudonym", "Sequences", "Subjects"]

_AT_ONCE = 500


class Pseudonym(msgspec.Struct, frozen=True):
    """One subject's number: whose it is, and whether it was given here."""

    site: str
    patient: str
    usubjid: str
    assigned: bool = False


class Sequences:
    """Numbers of records within a subject and a domain; new ones are kept when the context ends without an error.

    >>> import tempfile, pathlib
    >>> from adapter.store import Store
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(pathlib.Path(folder)) as store:
    ...     with store.subjects.sequences("nct04954820") as sequences:
    ...         [sequences.number("LB", "RELUTH-05-0001", key) for key in ("Observation/ka", "Observation/kb", "Observation/ka")]
    [1, 2, 1]
    """

    def __init__(self, state: State, trial: str, usubjids: Collection[str] | None) -> None:
        self._state = state
        self._trial = trial
        self._known: dict[tuple[str, str], dict[str, int]] = {}
        self._highest: dict[tuple[str, str], int] = {}
        self._new: list[dict[str, Any]] = []
        row = DatasetSequenceRow
        query = select(row.domain, row.usubjid, row.row_key, row.number).where(row.trial == trial)
        with state.session() as session:
            for part in [None] if usubjids is None else _parts(sorted(usubjids)):
                for domain, usubjid, key, number in session.execute(
                    query if part is None else query.where(row.usubjid.in_(part))
                ):
                    self._known.setdefault((domain, usubjid), {})[key] = number
        for place, numbers in self._known.items():
            self._highest[place] = max(numbers.values())

    def number(self, domain: str, usubjid: str, key: str) -> int:
        """The number of a record; a new one gets the next of its subject and domain, and no number is given twice.

        Args:
            domain: two letters.
            usubjid: the subject.
            key: what the record is known by within both, at most 200 characters.
        """
        place = (domain, usubjid)
        numbers = self._known.setdefault(place, {})
        found = numbers.get(key)
        if found is None:
            found = self._highest[place] = self._highest.get(place, 0) + 1
            numbers[key] = found
            self._new.append(
                {"trial": self._trial, "usubjid": usubjid, "domain": domain, "row_key": key, "number": found}
            )
        return found

    def save(self) -> None:
        """Keep the new numbers, all or none.

        Raises:
            BusyError: another export gives numbers to the same subjects at the same moment.
        """
        if not self._new:
            return
        try:
            with self._state.session() as session:
                # Into the table: by the mapped class tens of thousands of records took half a second.
                session.execute(insert(cast(Table, DatasetSequenceRow.__table__)), self._new)
        except IntegrityError:
            raise BusyError("another export numbers the same subjects' records; start this one again") from None
        self._new = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.save()


class Subjects:
    """Pseudonyms and record numbers in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pseudonyms(self, trial: str) -> list[Pseudonym]:
        """All of a trial, by subject number."""
        row = SubjectPseudonymRow
        with self._state.session() as session:
            found = session.scalars(select(row).where(row.trial == trial).order_by(row.usubjid))
            return [Pseudonym(one.site, one.patient, one.usubjid, one.assigned) for one in found]

    def of_site(self, site: str) -> list[Pseudonym]:
        """All of a site, of whatever trial, by trial and subject number."""
        row = SubjectPseudonymRow
        with self._state.session() as session:
            found = session.scalars(select(row).where(row.site == site).order_by(row.trial, row.usubjid))
            return [Pseudonym(one.site, one.patient, one.usubjid, one.assigned) for one in found]

    def keep(self, trial: str, pseudonyms: Iterable[Pseudonym], *, merged: Mapping[tuple[str, str], str]) -> None:
        """Note who stands behind which number; what was noted of the same person or number before is replaced.

        Args:
            trial: its id.
            pseudonyms: those that hold now, each person and each number once.
            merged: by site and ``Patient/id``, identities that another one stands for now; their entries go.

        Raises:
            BusyError: another export does the same at this moment.
        """
        listed = list(pseudonyms)
        row = SubjectPseudonymRow
        known = {(one.site, one.patient): one for one in self.pseudonyms(trial)}
        changed = [one for one in listed if known.get((one.site, one.patient)) != one]
        numbers = {one.usubjid for one in changed}
        gone = [
            place
            for place, one in known.items()
            if place in merged or one.usubjid in numbers or place in {(new.site, new.patient) for new in changed}
        ]
        if not changed and not gone:
            return
        try:
            with self._state.session() as session:
                for site, patient in gone:
                    session.execute(delete(row).where(row.trial == trial, row.site == site, row.patient == patient))
                if changed:
                    rows = [{"trial": trial, "noted_at": now(), **msgspec.structs.asdict(one)} for one in changed]
                    session.execute(insert(row), rows)
        except IntegrityError:
            raise BusyError("another export gives subject numbers; start this one again") from None

    def next_number(self, trial: str, prefix: str, *, taken: Iterable[str] = ()) -> int:
        """The next free number after those that begin with a prefix (``RELUTH-05-``).

        Args:
            trial: its id.
            prefix: what the numbers begin with.
            taken: numbers that are told elsewhere and not noted yet.
        """
        pattern = re.compile(re.escape(prefix) + r"(\d{1,9})")
        told = [*taken, *(one.usubjid for one in self.pseudonyms(trial))]
        used = [int(found[1]) for number in told if (found := pattern.fullmatch(number))]
        return max(used, default=0) + 1

    def sequences(self, trial: str, usubjids: Collection[str] | None = None) -> Sequences:
        """Numbers of the records of a trial's subjects (a context manager); of some subjects only, where named."""
        return Sequences(self._state, trial, usubjids)


def _parts(items: list[str]) -> list[list[str]]:
    return [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
