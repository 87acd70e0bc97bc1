"""In: a site. Out: whose data were removed since nothing in them was a sign of any trial, and who of them is wanted back.

Of a person whose record is not whole here nothing is taken: a verdict on the part that came since would be a wrong one. They come
back together, with a pull that reads the site whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Update, delete, func, select, update
from sqlalchemy.orm import Session

from adapter.store.models import Base, KeptOffRow
from adapter.store.purge_models import PurgedNumberRow, PurgedReferenceRow, PurgedRow, PurgedSiteRow
from adapter.store.runs import Run
from adapter.store.state import State, now

__all__ = ["Purged", "PurgedList", "Wanted"]

#: They name people, and keep nobody.
_LISTS: Final = (PurgedRow.__tablename__, PurgedNumberRow.__tablename__, KeptOffRow.__tablename__)
_AT_ONCE = 500


class Purged(msgspec.Struct, frozen=True):
    """One record (``Patient/id``) of which nothing is here, the one that stood for the person, and since when.

    Attributes:
        first_run: number of the run that brought the Patient resource first; None where it never came.
        wanted: a sign came since, or somebody named them.
    """

    patient: str
    person: str
    first_run: int | None
    wanted: bool
    at: datetime


class Wanted(msgspec.Struct, frozen=True):
    """How many of those who were purged at a site have to be read whole again: some by name, or any of all of them."""

    people: int = 0
    of_all: int = 0

    def __bool__(self) -> bool:
        """Somebody has."""
        return bool(self.persons)

    @property
    def persons(self) -> int:
        """How many, at most."""
        return self.of_all or self.people

    def __str__(self) -> str:
        """As a sentence for a person."""
        if self.of_all:
            return (
                f"any of the {self.of_all} persons whose data were removed may have a sign now; "
                "the next pull of the whole site reads it anew"
            )
        return (
            f"{self.people} persons have a sign since their data were removed, and are on no list yet; "
            "the next pull of the whole site reads it anew"
        )


class PurgedList:
    """Who was purged, in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def all(self, site: str) -> list[Purged]:
        """Everybody of a site, by patient."""
        columns = (PurgedRow.patient, PurgedRow.person, PurgedRow.first_run, PurgedRow.wanted, PurgedRow.at)
        query = select(*columns).where(PurgedRow.site == site).order_by(PurgedRow.patient)
        with self._state.session() as session:
            return [Purged(*row) for row in session.execute(query)]

    def patients(self, site: str) -> dict[str, str]:
        """``Patient/id`` of every record of theirs, with that of the one that stood for the person."""
        query = select(PurgedRow.patient, PurgedRow.person).where(PurgedRow.site == site)
        with self._state.session() as session:
            return {patient: person for patient, person in session.execute(query.order_by(PurgedRow.patient))}  # noqa: C416 - rows are no pairs to a type checker

    def among(self, site: str, patients: Iterable[str]) -> set[str]:
        """Those of some records (``Patient/id``) that are theirs."""
        listed = sorted(set(patients))
        found: set[str] = set()
        with self._state.session() as session:
            for start in range(0, len(listed), _AT_ONCE):
                some = PurgedRow.patient.in_(listed[start : start + _AT_ONCE])
                found |= set(session.scalars(select(PurgedRow.patient).where(PurgedRow.site == site, some)))
        return found

    def since(self, site: str) -> datetime | None:
        """When the first of them was purged; None where nobody is."""
        with self._state.session() as session:
            return session.scalar(select(func.min(PurgedRow.at)).where(PurgedRow.site == site))

    def of(self, site: str, patient: str) -> Purged | None:
        """One record; None where it is not of somebody who was purged."""
        with self._state.session() as session:
            row = session.get(PurgedRow, (site, patient))
            return None if row is None else Purged(row.patient, row.person, row.first_run, row.wanted, row.at)

    def numbered(self, site: str, digests: Collection[str]) -> list[Purged]:
        """Records that gave a number of one of these digests."""
        query = select(PurgedNumberRow.patient).where(
            PurgedNumberRow.site == site, PurgedNumberRow.digest.in_(sorted(digests))
        )
        with self._state.session() as session:
            patients = sorted(set(session.scalars(query)))
        return [found for patient in patients if (found := self.of(site, patient)) is not None]

    def named(self, site: str) -> set[str]:
        """Whoever stands in a table of the state that keeps people from being purged: by a verdict, a decision, a card."""
        with self._state.session() as session:
            return named_people(session, site)

    def counts(self) -> dict[str, int]:
        """How many persons were purged, by site."""
        query = select(PurgedRow.site, func.count(PurgedRow.person.distinct())).group_by(PurgedRow.site)
        with self._state.session() as session:
            return {site: int(count) for site, count in session.execute(query.order_by(PurgedRow.site))}

    def references(self, site: str) -> set[tuple[str, str]]:
        """What their resources referred to and is about no patient, with the type of these resources."""
        query = select(PurgedReferenceRow.type, PurgedReferenceRow.reference).where(PurgedReferenceRow.site == site)
        with self._state.session() as session:
            return {(type_, reference) for type_, reference in session.execute(query)}

    def signs(self, site: str) -> str | None:
        """The digest of what was a sign when they were purged; None where nobody was."""
        with self._state.session() as session:
            return session.scalar(select(PurgedSiteRow.signs).where(PurgedSiteRow.site == site))

    def wanted(self, site: str) -> Wanted:
        """How many have to be read whole again."""
        people = select(func.count(PurgedRow.person.distinct())).where(PurgedRow.site == site)
        with self._state.session() as session:
            every = session.scalar(select(PurgedSiteRow.all_wanted).where(PurgedSiteRow.site == site))
            if every:
                return Wanted(of_all=session.scalar(people) or 0)
            return Wanted(session.scalar(people.where(PurgedRow.wanted)) or 0)

    def note(
        self,
        run: Run,
        *,
        joined: Mapping[str, str],
        numbers: Mapping[str, Collection[str]],
        wanted: Collection[str],
        references: Collection[tuple[str, str]],
        all_wanted: bool,
        known: Mapping[str, str],
    ) -> Wanted:
        """Keep with the commit of a run what it found of them.

        Args:
            run: of a pull.
            joined: records that were merged with theirs, each with the one that stood for the person: they wait with them.
            numbers: digests of the hospital's numbers, by record.
            wanted: who has to be read whole again.
            references: what more their resources refer to, by type of these.
            all_wanted: any of them may have to be.
            known: all of theirs, ``joined`` ones too, each with the one that stands for the person.

        Returns:
            how many have to be, once it is committed.
        """
        site = run.site
        first_runs = dict.fromkeys(joined, run.number)

        def change(session: Session) -> None:
            keep_purged(session, self._state, site, people=joined, first_runs=first_runs)
            keep_numbers(session, self._state, site, numbers)
            keep_references(session, self._state, site, references)
            want(session, site, wanted)
            if all_wanted:
                want_all(session, site)

        run.also.append(change)
        before = self.wanted(site)
        if all_wanted or before.of_all:
            return Wanted(of_all=len(set(known.values())))
        with self._state.session() as session:
            query = select(PurgedRow.person).where(PurgedRow.site == site, PurgedRow.wanted)
            waiting = set(session.scalars(query))
        return Wanted(len(waiting | {known[patient] for patient in wanted}))

    def note_try(self, run: Run) -> None:
        """Keep with the commit of a run that it read everything, and not all of it came."""
        tried = update(PurgedSiteRow).where(PurgedSiteRow.site == run.site).values(tried_at=now())
        run.also.append(lambda session: _execute(session, tried))

    def tried(self, site: str) -> datetime | None:
        """When everything was read last to have them back, and not all of it came; None where it was not."""
        with self._state.session() as session:
            return session.scalar(select(PurgedSiteRow.tried_at).where(PurgedSiteRow.site == site))

    def let_back(self, run: Run) -> None:
        """Have nobody of a run's site purged any more, with its commit."""
        run.also.append(lambda session: let_back(session, run.site))

    def want(self, site: str, patients: Collection[str]) -> None:
        """Have some of them read whole again."""
        with self._state.session() as session:
            want(session, site, patients)

    def want_all(self, site: str) -> None:
        """Have all of them read whole again."""
        with self._state.session() as session:
            want_all(session, site)


def named_people(session: Session, site: str) -> set[str]:
    """``Patient/id`` of whoever stands in a table of the state: verdicts, decisions, additions, keys, numbers, cards, the list."""
    found: set[str] = set()
    for table in Base.metadata.sorted_tables:
        if table.name in _LISTS or "site" not in table.columns:
            continue
        for name in ("patient", "person"):
            if name in table.columns:
                found |= set(session.scalars(select(table.c[name]).where(table.c.site == site).distinct()))
    return found


def keep_purged(
    session: Session,
    state: State,
    site: str,
    *,
    people: Mapping[str, str],
    first_runs: Mapping[str, int],
    wanted: bool = False,
) -> None:
    """Put people on the list; who is on it stays as they are.

    Args:
        people: records, each with the one that stands for the person.
        first_runs: of those whose Patient resource came, the run that brought it first.
        wanted: whether they are wanted back from the beginning.
    """
    at = now()
    rows = [
        {
            "site": site,
            "patient": patient,
            "person": person,
            "first_run": first_runs.get(patient),
            "wanted": wanted,
            "at": at,
        }
        for patient, person in sorted(people.items())
    ]
    state.upsert(session, PurgedRow, rows, keys=("site", "patient"), update=())


def keep_numbers(session: Session, state: State, site: str, numbers: Mapping[str, Collection[str]]) -> None:
    """Note by which numbers, as digests, records of theirs are found."""
    rows = [
        {"site": site, "digest": digest, "patient": patient}
        for patient, digests in sorted(numbers.items())
        for digest in sorted(digests)
    ]
    state.upsert(session, PurgedNumberRow, rows, keys=("site", "digest", "patient"), update=())


def keep_references(session: Session, state: State, site: str, references: Iterable[tuple[str, str]]) -> None:
    """Note what resources of theirs referred to, by type of these."""
    rows = [{"site": site, "type": type_, "reference": reference} for type_, reference in sorted(references)]
    state.upsert(session, PurgedReferenceRow, rows, keys=("site", "type", "reference"), update=())


def keep_signs(session: Session, state: State, site: str, digest: str) -> None:
    """Note what was a sign when people of a site were purged."""
    row = {"site": site, "signs": digest, "all_wanted": False}
    state.upsert(session, PurgedSiteRow, [row], keys=("site",), update=("signs",))


def want(session: Session, site: str, patients: Collection[str]) -> None:
    """Have some of them read whole again."""
    listed = sorted(patients)
    for start in range(0, len(listed), _AT_ONCE):
        some = PurgedRow.patient.in_(listed[start : start + _AT_ONCE])
        session.execute(update(PurgedRow).where(PurgedRow.site == site, some).values(wanted=True))


def want_all(session: Session, site: str) -> None:
    """Have all of them read whole again."""
    session.execute(update(PurgedSiteRow).where(PurgedSiteRow.site == site).values(all_wanted=True))


def _execute(session: Session, statement: Update) -> None:
    session.execute(statement)


def settle_site(session: Session, site: str) -> None:
    """Where nobody of a site is on the list any more, nobody is wanted back either."""
    if session.scalar(select(PurgedRow.patient).where(PurgedRow.site == site).limit(1)) is None:
        let_back(session, site)


def let_back(session: Session, site: str) -> None:
    """Nobody of a site is purged any more: all of it was read."""
    for model in (PurgedRow, PurgedNumberRow, PurgedReferenceRow, PurgedSiteRow):
        session.execute(delete(model).where(model.site == site))
