"""In: nothing. Out: what a pull reads from: a source of resources by type, what it yields, and what all sources decide alike."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from datetime import MINYEAR, UTC, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from adapter.store import Origin
from adapter.sync.search_plan import PATIENT

__all__ = [
    "Gone",
    "Item",
    "Missing",
    "Mode",
    "Problem",
    "Progress",
    "Requests",
    "Silent",
    "Source",
    "begin_before",
    "confirmed",
    "instant_of",
    "missing_of",
    "moment_of",
    "not_ahead",
    "patient_first",
    "served_of",
]

#: How resources are had.
Mode = Literal["folder", "bulk", "search"]

_IN_PART = 5


class Item(NamedTuple):
    """One resource as it came; ``ended`` is False for the last line of a file without a line end."""

    raw: bytes
    origin: Origin
    ended: bool = True


class Problem(NamedTuple):
    """What came and is no resource, or did not come.

    Attributes:
        raw: the bytes, where there are any.
        origin: where they came from.
        reason: what is wrong.
        incomplete: more is missing than these bytes: the type is not whole.
        of_all: of what type that is, nobody knows: no type is whole.
        exit_code: what the command ends with for it.
    """

    raw: bytes
    origin: Origin
    reason: str
    incomplete: bool = False
    of_all: bool = False
    exit_code: int = _IN_PART


class Gone(NamedTuple):
    """The server says that it deleted this resource; the pull asks `Source.confirm` before it believes it."""

    type: str
    id: str


class Requests(NamedTuple):
    """How often a server was asked: requests sent, and of these the ones that followed a failed one.

    ``certificate_until`` tells when its certificate ends; None where it shows none.
    """

    sent: int
    retried: int
    certificate_until: datetime | None = None


class Missing(NamedTuple):
    """A type that was asked for and cannot be had at all."""

    type: str
    reason: str


def instant_of(time: str) -> datetime:
    """A server's time, to compare; one that cannot be read is before all others.

    >>> instant_of("2025-06-01T10:00:00+02:00") < instant_of("2025-06-01T09:00:00Z")
    True
    """
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment_of(time: str) -> datetime | None:
    """A time in UTC; None for what is none, or tells no zone.

    >>> moment_of("2025-06-01T10:00:00+02:00"), moment_of("2025-06-01T10:00:00"), moment_of("soon")
    (datetime.datetime(2025, 6, 1, 8, 0, tzinfo=datetime.timezone.utc), None, None)
    """
    try:
        moment = datetime.fromisoformat(time)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        # .NET writes the first day of year 1 where a time was not set; there is no moment before it.
        return None


def begin_before(bookmark: str, overlap: timedelta, *, now: datetime) -> str | None:
    """From when to read again: the bookmark less the overlap; None, for everything, where the bookmark is no time.

    So it is where the bookmark is still to come: what was changed since nobody knows when lies before it.

    >>> begin_before("2025-06-01T10:00:00.5+02:00", timedelta(minutes=5), now=datetime(2025, 6, 2, tzinfo=UTC))
    '2025-06-01T07:55:00Z'
    >>> begin_before("2025-06-01T10:00:00.5+02:00", timedelta(minutes=5), now=datetime(2025, 5, 2, tzinfo=UTC))
    """
    moment = moment_of(bookmark)
    if moment is None or moment.year == MINYEAR or moment - overlap > now:
        return None
    return (moment - overlap).isoformat(timespec="seconds").replace("+00:00", "Z")


def not_ahead(time: str, now: datetime) -> str:
    """A server's time; ours where the server's is ahead of it.

    A clock that is ahead is set right one day, and what changes from then on would lie before the bookmark.

    >>> not_ahead("2025-06-01T12:00:00+02:00", datetime(2025, 6, 1, 9, 30, tzinfo=UTC))
    '2025-06-01T09:30:00Z'
    >>> not_ahead("2025-06-01T12:00:00+02:00", datetime(2025, 6, 1, 10, 0, tzinfo=UTC))
    '2025-06-01T12:00:00+02:00'
    """
    moment = moment_of(time)
    if moment is None or moment <= now:
        return time
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def patient_first(types: Iterable[str]) -> list[str]:
    """Types in a fixed order, each once; Patient first: what is of a patient is stored after them.

    >>> patient_first(["Patient", "Observation", "Condition", "Patient"])
    ['Patient', 'Condition', 'Observation']
    """
    return sorted(set(types), key=lambda type_: (type_ != PATIENT, type_))


def served_of(wanted: Iterable[str], served: Container[str]) -> list[str]:
    """The types that are wanted and served, in the order in which they are wanted."""
    return [type_ for type_ in wanted if type_ in served]


def missing_of(wanted: Iterable[str], served: Container[str]) -> list[Missing]:
    """The types that are wanted and not served, in the order in which they are wanted."""
    return [Missing(type_, "the server does not serve this type") for type_ in wanted if type_ not in served]


def confirmed(place: str, ids: Collection[str], there: Mapping[str, bytes]) -> tuple[set[str], list[Item]]:
    """What `Source.confirm` answers, of what a server has.

    Args:
        place: where it was asked.
        ids: that it was asked for.
        there: those of them that it has, by id.
    """
    origin = Origin(place, is_url=True)
    return set(ids) - there.keys(), [Item(raw, origin) for raw in there.values()]


class Source(Protocol):
    """Where resources come from."""

    def types(self) -> list[str]:
        """What there is to read, in a fixed order."""

    def missing(self) -> list[Missing]:
        """What was asked for and is not there."""

    def notices(self) -> list[str]:
        """What is there and is not read, one sentence each."""

    def since(self, bookmark: str) -> str | None:
        """From when to read, given where the last whole read of a type stood; None for everything."""

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        """Fetch all that is planned; a fetch that was broken off is gone on with, by the plan of then.

        Args:
            plan: from when to read each type, None for everything; in the order of `types`.
            progress: is told how far it is.

        Raises:
            RemoteError: nothing can be had at all; what did arrive is kept for the next time.
            StorageError: this machine has no room; likewise.
        """

    def fetch(self, type_: str) -> Iterator[Item | Problem | Gone]:
        """The resources of a type, as prepared.

        Raises:
            RemoteError: the other side refused or failed; what was yielded before holds, the type is incomplete.
        """

    @property
    def server(self) -> str | None:
        """Base URL of the server that resources are had from, None where there is none."""

    @property
    def mode(self) -> Mode:
        """How resources are had."""

    def requests(self) -> Requests | None:
        """How often the server was asked so far; None where there is none."""

    @property
    def has_all(self) -> bool:
        """What does not come when everything is asked for is not there any more."""

    def can_confirm(self, type_: str) -> bool:
        """The server can be asked whether it still has resources of a type."""

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        """Of these resources: the ids of those that the server has not, and those that it has, as they are now.

        Raises:
            RemoteError: the other side refused or failed.
        """

    def close(self) -> None:
        """All that was fetched is in the store: it need not be kept any longer, unless something can still be had."""

    @property
    def transaction_time(self) -> str | None:
        """The server's time before anything was read, None where there is no server (then no bookmark moves)."""


class Progress(Protocol):
    """Who wants to show how far a pull is."""

    def start(self, type_: str) -> None:
        """A type begins to be stored."""

    def advance(self, type_: str, resources: int) -> None:
        """So many more resources of the type were stored."""

    def finish(self, type_: str) -> None:
        """A type is done."""

    def fetching(self, what: str, done: int, parts: int) -> None:
        """So many parts of so many are on disk (0 of 0: not known yet); ``what``: the server's own words, or a type."""


class Silent:
    """Shows nothing."""

    def start(self, type_: str) -> None:
        """Nothing."""

    def advance(self, type_: str, resources: int) -> None:
        """Nothing."""

    def finish(self, type_: str) -> None:
        """Nothing."""

    def fetching(self, what: str, done: int, parts: int) -> None:
        """Nothing."""
