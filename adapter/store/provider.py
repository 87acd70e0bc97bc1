"""In: tokens given to the sponsor's clients, exports asked for, resources exported. Out: all of it kept, and what changed since a time.

A job belongs to whoever works on it; a process that was killed loses it to the next one, and so do threads of a service that ended.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import CursorResult, delete, func, insert, select, update

from adapter.store.provider_models import ProviderJobRow, ProviderResourceRow, ProviderTokenRow
from adapter.store.state import State, now

__all__ = ["JobState", "ProviderJob", "ProviderState", "ProviderToken"]

JobState = Literal["accepted", "running", "complete", "failed", "cancelled", "expired"]
_OPEN = ("accepted", "running")
#: Rows of a statement; a site's first export has hundreds of thousands.
_BATCH = 5000
#: What is known of an ended job is forgotten so long after its files.
_REMEMBERED = timedelta(days=7)


class ProviderToken(msgspec.Struct, frozen=True):
    """What an access token allows: whose it is, and its scopes."""

    client: str
    scopes: tuple[str, ...]


class ProviderJob(msgspec.Struct, frozen=True, kw_only=True):
    """An export.

    Attributes:
        id: random, part of its address.
        client: who asked for it.
        request: address of the kick-off.
        wanted: what it was understood as, JSON.
        progress: in words, for X-Progress.
        problem: why it failed, in a sentence without patient content.
        transaction_time: what was there then is in it.
        files: its files, JSON.
        attempts: how often somebody began to make it.
    """

    id: str
    client: str
    trial: str
    state: JobState
    request: str
    wanted: str
    owner: str
    attempts: int
    progress: str
    problem: str
    transaction_time: datetime | None
    files: str
    requested_at: datetime
    ended_at: datetime | None
    expires_at: datetime | None


class ProviderState:
    """Tokens, exports and exported resources in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    # Tokens -------------------------------------------------------------------------------------------------------

    def give_token(self, client: str, scopes: Iterable[str], *, until: datetime) -> str:
        """A new access token; only its digest is kept, and those that have expired are forgotten."""
        token = secrets.token_urlsafe(32)
        row = {"digest": _digest(token), "client": client, "scopes": " ".join(scopes), "expires_at": until}
        with self._state.session() as session:
            session.execute(delete(ProviderTokenRow).where(ProviderTokenRow.expires_at <= now()))
            session.execute(insert(ProviderTokenRow), [row])
        return token

    def token(self, offered: str) -> ProviderToken | None:
        """What a token allows; None for one that was not given, or has expired."""
        with self._state.session() as session:
            row = session.get(ProviderTokenRow, _digest(offered))
            if row is None or row.expires_at <= now():
                return None
            return ProviderToken(row.client, tuple(row.scopes.split()))

    # Jobs ---------------------------------------------------------------------------------------------------------

    def ask(self, *, client: str, trial: str, request: str, wanted: str, most: int) -> str | None:
        """Note that a client asks for an export.

        Args:
            client: who asks.
            trial: of which trial.
            request: address of the kick-off.
            wanted: what it was understood as, JSON.
            most: exports of this client that may be under way at once.

        Returns:
            the job's id; None where as many are under way.
        """
        job = secrets.token_urlsafe(24)
        row: dict[str, Any] = {
            "id": job,
            "client": client,
            "trial": trial,
            "state": "accepted",
            "request": request,
            "wanted": wanted,
            "owner": "",
            "attempts": 0,
            "progress": "waiting",
            "problem": "",
            "files": "[]",
            "requested_at": now(),
        }
        under_way = select(func.count()).where(ProviderJobRow.client == client, ProviderJobRow.state.in_(_OPEN))
        with self._state.session() as session:
            if (session.scalar(under_way) or 0) >= most:
                return None
            session.execute(insert(ProviderJobRow), [row])
        return job

    def job(self, job: str) -> ProviderJob | None:
        """A job, None for an unknown one."""
        with self._state.session() as session:
            row = session.get(ProviderJobRow, job)
            return None if row is None else _job(row)

    def jobs(self, *states: JobState) -> list[ProviderJob]:
        """All jobs in some states, oldest first."""
        query = select(ProviderJobRow).where(ProviderJobRow.state.in_(states))
        with self._state.session() as session:
            return [_job(row) for row in session.scalars(query.order_by(ProviderJobRow.requested_at))]

    def claim(self, job: str, owner: str) -> bool:
        """Take a job that waits; of two who try, one gets it."""
        taken = update(ProviderJobRow).where(ProviderJobRow.id == job, ProviderJobRow.state == "accepted")
        return self._changed(
            taken.values(state="running", owner=owner, attempts=ProviderJobRow.attempts + 1, progress="begun")
        )

    def progress(self, job: str, owner: str, told: str) -> bool:
        """Note how far a job is; False where it is not this owner's any more (it was cancelled)."""
        return self._changed(_owned(job, owner).values(progress=told[:128]))

    def complete(self, job: str, owner: str, *, at: datetime, files: str, expires_at: datetime) -> bool:
        """A job is made: its files are there. False where it is not this owner's any more."""
        made = _owned(job, owner).values(
            state="complete",
            owner="",
            progress="complete",
            transaction_time=at,
            files=files,
            ended_at=now(),
            expires_at=expires_at,
        )
        return self._changed(made)

    def fail(self, job: str, owner: str, problem: str) -> bool:
        """A job has failed; False where it is not this owner's any more."""
        failed = _owned(job, owner).values(state="failed", owner="", problem=problem, ended_at=now())
        return self._changed(failed)

    def release(self, job: str, owner: str) -> bool:
        """A job that somebody began waits again; False where it is not this owner's any more."""
        return self._changed(_owned(job, owner).values(state="accepted", owner="", progress="waiting"))

    def cancel(self, job: str) -> None:
        """A job is not wanted any more, whatever became of it."""
        self._changed(
            update(ProviderJobRow)
            .where(ProviderJobRow.id == job, ProviderJobRow.state.not_in(("cancelled", "expired")))
            .values(state="cancelled", owner="", ended_at=now(), files="[]")
        )

    def expire(self) -> list[str]:
        """Complete jobs whose time is over are expired from now on; their ids. Ended ones are forgotten after a week."""
        moment = now()
        over = (ProviderJobRow.state == "complete", ProviderJobRow.expires_at <= moment)
        with self._state.session() as session:
            found = list(session.scalars(select(ProviderJobRow.id).where(*over)))
            session.execute(update(ProviderJobRow).where(*over).values(state="expired", files="[]"))
            ended = (ProviderJobRow.state.not_in((*_OPEN, "complete")), ProviderJobRow.ended_at <= moment - _REMEMBERED)
            session.execute(delete(ProviderJobRow).where(*ended))
        return found

    def last_transaction_time(self, trial: str) -> datetime | None:
        """The latest time that a manifest of a trial, or a change, was dated."""
        jobs = select(func.max(ProviderJobRow.transaction_time)).where(ProviderJobRow.trial == trial)
        changed, deleted = (
            select(func.max(column)).where(ProviderResourceRow.trial == trial)
            for column in (ProviderResourceRow.changed_at, ProviderResourceRow.deleted_at)
        )
        with self._state.session() as session:
            times = [session.scalar(query) for query in (jobs, changed, deleted)]
        return max((time for time in times if time is not None), default=None)

    # Resources ----------------------------------------------------------------------------------------------------

    def note(
        self, trial: str, site: str, resource_type: str, digests: Mapping[str, str], *, at: datetime
    ) -> dict[str, datetime]:
        """Note what the feed holds of a type at a site now; what it held before and does not hold any more is deleted.

        Args:
            trial: its id.
            site: the site.
            resource_type: e.g. ``Observation``.
            digests: sha256 of each resource's line, by key.
            at: time of this export.

        Returns:
            when each resource changed last, by key.
        """
        place: dict[str, Any] = {"trial": trial, "site": site, "type": resource_type}
        known, gone = self._known(place), []
        changed = dict.fromkeys(digests, at)
        for key, (digest, changed_at, deleted_at) in known.items():
            if key not in digests:
                gone += [key] if deleted_at is None else []
            elif digests[key] == digest and deleted_at is None:
                changed[key] = changed_at
        rows = [
            place | {"key": key, "sha256": digests[key], "changed_at": at, "deleted_at": None}
            for key, moment in changed.items()
            if moment == at
        ]
        with self._state.session() as session:
            for batch in _batches(rows):
                self._state.upsert(
                    session,
                    ProviderResourceRow,
                    batch,
                    keys=(*place, "key"),
                    update=("sha256", "changed_at", "deleted_at"),
                )
            for keys in _batches(gone):
                buried = update(ProviderResourceRow).where(
                    *(getattr(ProviderResourceRow, name) == value for name, value in place.items()),
                    ProviderResourceRow.key.in_(keys),
                )
                session.execute(buried.values(deleted_at=at))
        return changed

    def deleted(self, trial: str, sites: Collection[str], *, since: datetime) -> list[tuple[str, str]]:
        """(type, key) of what is not there any more, and was at ``since``, or has come and gone after it."""
        query = (
            select(ProviderResourceRow.type, ProviderResourceRow.key)
            .where(ProviderResourceRow.trial == trial, ProviderResourceRow.site.in_(list(sites)))
            .where(ProviderResourceRow.deleted_at > since)
            .order_by(ProviderResourceRow.type, ProviderResourceRow.key)
        )
        with self._state.session() as session:
            return [(type_, key) for type_, key in session.execute(query)]

    def keys(self, trial: str, site: str, resource_type: str) -> list[str]:
        """Keys of a type that were there at the last export of a site, sorted."""
        query = (
            select(ProviderResourceRow.key)
            .where(ProviderResourceRow.trial == trial, ProviderResourceRow.site == site)
            .where(ProviderResourceRow.type == resource_type, ProviderResourceRow.deleted_at.is_(None))
            .order_by(ProviderResourceRow.key)
        )
        with self._state.session() as session:
            return list(session.scalars(query))

    # --------------------------------------------------------------------------------------------------------------

    def _known(self, place: Mapping[str, str]) -> dict[str, tuple[str, datetime, datetime | None]]:
        query = select(
            ProviderResourceRow.key,
            ProviderResourceRow.sha256,
            ProviderResourceRow.changed_at,
            ProviderResourceRow.deleted_at,
        ).where(*(getattr(ProviderResourceRow, name) == value for name, value in place.items()))
        with self._state.session() as session:
            return {key: (digest, changed, deleted) for key, digest, changed, deleted in session.execute(query)}

    def _changed(self, statement: Any) -> bool:
        with self._state.session() as session:
            return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def _owned(job: str, owner: str) -> Any:
    return update(ProviderJobRow).where(
        ProviderJobRow.id == job, ProviderJobRow.owner == owner, ProviderJobRow.state == "running"
    )


def _job(row: ProviderJobRow) -> ProviderJob:
    return ProviderJob(**{name: getattr(row, name) for name in ProviderJob.__struct_fields__})


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(items), _BATCH):
        yield items[begin : begin + _BATCH]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
