"""In: a hospital's bulk export. Out: its files on disk, each whole or named, and from them the resources by type.

An export that was begun is gone on with after a kill: what is finished is on disk, what is not is fetched from where the
export still is. All that an export brings lies in the spool until it is in the store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from adapter.client import (
    Clock,
    Downloader,
    ExportFile,
    ExportRequest,
    Manifest,
    NotFound,
    Received,
    Refused,
    SiteClient,
    UnusableAnswer,
    issues_of,
    without_query,
)
from adapter.errors import RemoteError, TransientError
from adapter.fhir import RESOURCE_TYPES
from adapter.store import Origin
from adapter.sync.group_members import may_have_joined
from adapter.sync.lines import Line, read_lines
from adapter.sync.search_plan import StoredPatients
from adapter.sync.sources import (
    Gone,
    Item,
    Missing,
    Mode,
    Problem,
    Progress,
    Requests,
    begin_before,
    confirmed,
    instant_of,
    missing_of,
    not_ahead,
    patient_first,
    served_of,
)
from adapter.sync.spool import Part, Spool

__all__ = ["BulkOptions", "BulkSource"]

#: The export's own clock may be a little off what its resources say of themselves.
_OVERLAP: Final = timedelta(minutes=5)
_IN_PART: Final = 5
_LATER: Final = TransientError.exit_code
#: A file that the server cannot give is asked for in so many pulls; then there is a new export.
_MOST_TRIES: Final = 3
_DIGITS: Final = 12
_SEARCH: Final = "search-type"
_WITHHELD: Final = "the token's scopes do not cover this type"
_UNKNOWN_MEMBERS: Final = (
    "Group/{}: who its members are cannot be read, so all of them are exported anew each time, as those who joined it would be "
    "missing; have the server's owner allow reading it"
)
#: ``Patient/42`` at the end of a relative or absolute address.
_REFERENCE: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})$")


@dataclass(frozen=True, slots=True)
class BulkOptions:
    """How exports are asked for.

    Attributes:
        request: all but types and time.
        downloads: files at once.
        longest_poll: seconds between two looks at an export at most, whatever the server asks for.
    """

    request: ExportRequest
    downloads: int = 4
    longest_poll: float = 300.0


class _Request(msgspec.Struct):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct):
    request: _Request | None = None


class _Deleted(msgspec.Struct):
    """A Bundle of a ``deleted`` file (Bulk Data 2.0, Response - Complete Status)."""

    resourceType: str = ""
    entry: list[_Entry] = []


class BulkSource:
    """What a bulk export brings.

    Args:
        client: open for as long as the source is used.
        downloader: of the same site.
        spool: folder; only the holder of the site's lock may use it.
        types: what to read.
        options: how exports are asked for.
        patients: tells which patients the store knows, asked once an export of a Group; see `stored_patients`.
        withheld: of the types those that we may not read: an export leaves them out, as if nothing had changed.
        may_ask: called before each export and each file; raises where the hospital wants to be left alone now.
    """

    def __init__(
        self,
        client: SiteClient,
        downloader: Downloader,
        spool: Path,
        *,
        types: Collection[str],
        options: BulkOptions,
        may_ask: Callable[[], None] = lambda: None,
        patients: Callable[[], StoredPatients] = StoredPatients,
        withheld: Collection[str] = (),
    ) -> None:
        self._may_ask = may_ask
        self._withheld = withheld
        self._patients = patients
        self._client = client
        self._downloader = downloader
        self._folder = spool
        self._wanted = patient_first(types)
        self._options = options
        self._spool: Spool | None = None
        self._plan: dict[str, str | None] = {}
        self._notices: list[str] = []
        #: Names of parts whose signed address the last download was refused at.
        self._expired: set[str] = set()

    def types(self) -> list[str]:
        """The types that are wanted, and served to us."""
        served = served_of(self._wanted, self._client.capability().types)
        return [type_ for type_ in served if type_ not in self._withheld]

    def missing(self) -> list[Missing]:
        """The types that are wanted and not served, or not to us."""
        stated = self._client.capability().types
        unread = [Missing(type_, _WITHHELD) for type_ in self._wanted if type_ in self._withheld and type_ in stated]
        return missing_of(self._wanted, stated) + unread

    def notices(self) -> list[str]:
        """What came and was not asked for, and what the server remarks."""
        return self._notices

    def since(self, bookmark: str) -> str | None:
        """The bookmark less the overlap; everything where the bookmark is no time."""
        return begin_before(bookmark, _OVERLAP, now=Clock().now())

    @property
    def server(self) -> str:
        """Of the client."""
        return self._client.root

    @property
    def mode(self) -> Mode:
        """By export."""
        return "bulk"

    def requests(self) -> Requests:
        """Of client and downloads."""
        asked = (self._client.traffic, self._downloader.traffic)
        until = self._client.traffic.certificate_until
        return Requests(sum(one.sent for one in asked), sum(one.retried for one in asked), until)

    @property
    def has_all(self) -> bool:
        """An export without a time holds all that there is, unless it was narrowed."""
        asked = self._options.request
        return not asked.type_filters and not asked.elements

    # Fetching -----------------------------------------------------------------------------------------------------

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        """Have the exports made, and download their files.

        Raises:
            RemoteError: no export could be had; one that is being made goes on, and is asked for the next time.
            StorageError: this machine has no room; files that are whole are kept.
        """
        spool = self._spool = self._open(plan)
        # Types that were never read whole need all, and all types where somebody joined; the others what changed since the
        # oldest of their times, and that too where somebody joined: only so it is told what was deleted.
        joined = self._somebody_joined(spool)
        whole = tuple(type_ for type_, since in self._plan.items() if since is None or joined)
        times = {type_: since for type_, since in self._plan.items() if since is not None}
        if whole:
            self._list(spool, "0", replace(self._options.request, types=whole), progress)
        if times:
            self._list(
                spool, "1", replace(self._options.request, types=tuple(times), since=min(times.values())), progress
            )
        self._download(spool, progress)
        while self._expired:
            done = _done(spool)
            if not self._signed_anew(spool, progress):
                return
            self._download(spool, progress)
            if _done(spool) == done:
                return

    def _open(self, plan: Mapping[str, str | None]) -> Spool:
        """The spool of a fetch that was broken off, with its plan, where that asked for no less; else a new one."""
        told = (self._client.root, repr(self._options.request), sorted(plan))
        spool = Spool.open(self._folder, key=f"bulk {told!r}")
        kept = msgspec.json.decode(spool.note("plan") or "{}", type=dict[str, str | None])
        if spool.resumed and not _covers(kept, plan):
            spool.discard()
            spool, kept = Spool.open(self._folder, key=f"bulk {told!r}"), {}
        self._plan = kept or dict(plan)
        spool.keep(notes={"plan": msgspec.json.encode(self._plan).decode()})
        return spool

    def _somebody_joined(self, spool: Spool) -> bool:
        """Patients joined the Group since it was last exported, or may have: decided once for an export."""
        group = self._options.request.group
        timed = [type_ for type_, since in self._plan.items() if since is not None]
        if self._options.request.level != "group" or group is None or not timed:
            return False
        told = spool.note("joined")
        if told is None:
            stored = self._patients()
            # Who came with a pull in which a type failed is new to that type.
            known = set.intersection(*(stored.covered(type_) for type_ in timed)) | stored.left_out
            told = {True: "yes", False: "no", None: "unknown"}[may_have_joined(self._client, group, known)]
            spool.keep(notes={"joined": told})
        if told == "unknown":
            self._notices.append(_UNKNOWN_MEMBERS.format(group))
        return told != "no"

    def _list(self, spool: Spool, name: str, request: ExportRequest, progress: Progress) -> None:
        """Have one export made, and keep which files it has."""
        if spool.note(f"listed {name}") is not None:
            return
        self._may_ask()
        export = self._client.bulk()
        status = spool.note(f"status {name}")
        if status is not None:
            try:
                self._keep_listed(spool, name, status, self._wait(spool, name, status, progress))
                return
            except NotFound:
                # It was thrown away, or ran out, while nobody asked: it is made anew.
                pass
        status = export.kick_off(request)
        spool.keep(notes={f"status {name}": status})
        self._keep_listed(spool, name, status, self._wait(spool, name, status, progress))

    def _wait(self, spool: Spool, name: str, status: str, progress: Progress) -> Sequence[Manifest]:
        """The manifest, once the export is made. One that failed, or says nothing in pull after pull, is forgotten."""
        export = self._client.bulk()
        try:
            longest = self._options.longest_poll
            first = export.wait(status, tell=lambda told: progress.fetching(told, 0, 0), longest=longest)
            return list(export.pages(first, longest=longest))
        except KeyboardInterrupt:
            # Nobody waits for it any more (Bulk Data 2.0, Bulk Data Delete Request); a kill leaves it to be gone on with.
            export.cancel(status)
            spool.discard()
            raise
        except RemoteError as error:
            silent = int(spool.note("silent") or 0) + 1
            lost = error.exit_code != _LATER or silent >= _MOST_TRIES
            spool.keep(notes={"silent": None if lost else str(silent)} | ({f"status {name}": None} if lost else {}))
            raise

    def _keep_listed(self, spool: Spool, name: str, status: str, manifests: Sequence[Manifest]) -> None:
        files = []
        for page in manifests:
            for file in page.files:
                if file.type is None or file.kind != "output" or file.type in self._plan:
                    files.append((file, page.requires_access_token))
                else:
                    # No more is had of a patient than the trial needs.
                    self._notices.append(f"{file.type}: exported, though not asked for; not fetched")
        # Its own: a file of an export that is gone, or of the other one, must not be taken for one of this. A server that was
        # restarted in between may count its exports from the beginning, so that both have the same address.
        own = sha256(f"{name} {status}".encode()).hexdigest()[:_DIGITS]
        parts = [
            Part(
                name=f"{own}-{number:05d}.{file.kind}",
                type=file.type,
                url=file.url,
                kind=file.kind,
                token=token,
                count=file.count,
            )
            for number, (file, token) in enumerate(files)
        ]
        spool.keep(*parts, notes={f"listed {name}": not_ahead(manifests[0].transaction_time, Clock().now())})

    def _signed_anew(self, spool: Spool, progress: Progress) -> bool:
        """Take the addresses that the manifest tells now for files whose signed ones hold no longer; whether there are any.

        A signature lasts an hour or so, whoever makes it: less than a large export takes to come, or than quiet hours last.

        Raises:
            TransientError: the server does not say so now, or is to be left alone.
        """
        addresses: dict[str, str] = {}
        longest = self._options.longest_poll
        export = self._client.bulk()
        for status in self._statuses(spool):
            self._may_ask()
            try:
                first = export.wait(status, tell=lambda told: progress.fetching(told, 0, 0), longest=longest)
                for page in export.pages(first, longest=longest):
                    addresses |= {without_query(file.url): file.url for file in page.files}
            except TransientError:
                # What came is kept, and the rest asked for with the next pull.
                raise
            except RemoteError:
                continue
        renewed = False
        for part in spool.parts():
            address = addresses.get(without_query(part.url), part.url)
            if part.name in self._expired and address != part.url:
                part.url, renewed = address, True
                spool.keep(part)
        return renewed

    def _download(self, spool: Spool, progress: Progress) -> None:
        self._expired.clear()
        parts = spool.parts()
        # What failed in an earlier try may have been mended.
        waiting = iter([part for part in parts if part.state != "done"])
        done = _done(spool)
        progress.fetching("files", done, len(parts))
        with ThreadPoolExecutor(self._options.downloads, thread_name_prefix="download") as pool:
            running: set[Future[None]] = set()
            try:
                while True:
                    # As many as work at once: what has not begun need not be called off.
                    while len(running) < self._options.downloads and (part := next(waiting, None)) is not None:
                        self._may_ask()
                        running.add(pool.submit(self._fetch_file, spool, part))
                    if not running:
                        return
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for one in ended:
                        one.result()
                    done += len(ended)
                    progress.fetching("files", done, len(parts))
            except BaseException:
                # An interrupt, or no room: what is under way ends where it is, and is gone on with the next time.
                self._downloader.stop()
                raise

    def _fetch_file(self, spool: Spool, part: Part) -> None:
        assert part.kind in ("output", "deleted", "error"), "the spool of a search has another key"
        file = ExportFile(url=part.url, kind=part.kind, type=part.type, count=part.count)
        path = spool.path(part)
        try:
            # One that has its name is whole: the kill came between that and its being noted.
            received = _received(path) or self._downloader.download(file, path, with_token=part.token)
        except RemoteError as error:
            # One that is missing, or not what was announced, is named, and costs the others nothing.
            in_part = isinstance(error, NotFound | UnusableAnswer)
            part.state, part.reason = "failed", str(error)
            part.exit_code = _IN_PART if in_part else error.exit_code
            if isinstance(error, Refused) and not part.token:
                self._expired.add(part.name)
        else:
            part.state, part.reason, part.exit_code = "done", "", 0
            part.bytes, part.lines = received.bytes, received.lines
        spool.keep(part)

    # Reading ------------------------------------------------------------------------------------------------------

    def fetch(self, type_: str) -> Iterator[Item | Problem | Gone]:
        """The resources of a type's files; with the first type also what is said of all of them."""
        spool = self._opened
        is_first = type_ == next(iter(self._plan), None)
        for part in spool.parts():
            is_of_all = part.kind != "output" or part.type not in self._plan
            if not (is_first if is_of_all else part.type == type_):
                continue
            if part.state != "done":
                origin = Origin(_place(part), is_url=True)
                yield Problem(
                    b"", origin, part.reason or "was not fetched", True, is_of_all, part.exit_code or _IN_PART
                )
                continue
            yield from self._read(spool, part, is_of_all=is_of_all)

    def _read(self, spool: Spool, part: Part, *, is_of_all: bool) -> Iterator[Item | Problem | Gone]:
        for line in read_lines(spool.path(part)):
            origin = Origin(_place(part), line.number, is_url=True)
            if line.trouble is not None:
                yield Problem(line.raw, origin, line.trouble, True, is_of_all)
            elif part.kind == "deleted":
                yield from _deleted(line, origin)
            elif part.kind == "error":
                yield from self._remarks(line, origin)
            else:
                yield Item(line.raw, origin, line.ended)

    def _remarks(self, line: Line, origin: Origin) -> Iterator[Problem]:
        """What an OperationOutcome of the export says."""
        issues = issues_of(line.raw)
        losses = [issue for issue in issues if issue.is_loss]
        if losses or not issues:
            told = ", ".join(map(str, losses)) or "something that cannot be read"
            yield Problem(line.raw, origin, f"the export reports {told}: resources may be missing", True, True)
        else:
            self._notices += [f"{origin.source}: the export remarks {issue}" for issue in issues]

    def can_confirm(self, type_: str) -> bool:
        """The server can be searched too."""
        stated = self._client.capability().types.get(type_)
        return stated is not None and _SEARCH in stated.interactions

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        """Ask the server for resources by their ids."""
        return confirmed(f"{self._client.root}/{type_}", ids, self._client.remaining(type_, ids))

    def close(self) -> None:
        """Let the server and the disk forget the exports, unless a file may still be had at another time."""
        spool = self._opened
        tries = int(spool.note("tries") or 0) + 1
        if tries < _MOST_TRIES and any(part.exit_code == _LATER for part in spool.parts()):
            spool.keep(notes={"tries": str(tries)})
            return
        for status in self._statuses(spool):
            self._client.bulk().cancel(status)
        spool.discard()

    @staticmethod
    def _statuses(spool: Spool) -> list[str]:
        """Where the exports' statuses are had."""
        return [note for name in "01" if (note := spool.note(f"status {name}")) is not None]

    @property
    def transaction_time(self) -> str | None:
        """The earliest of the exports' times."""
        times = [note for name in "01" if (note := self._opened.note(f"listed {name}")) is not None]
        return min(times, key=instant_of, default=None)

    @property
    def _opened(self) -> Spool:
        assert self._spool is not None, "nothing was prepared"
        return self._spool


def _done(spool: Spool) -> int:
    return sum(part.state == "done" for part in spool.parts())


def _received(path: Path) -> Received | None:
    """What is there of a file that was checked and named; None where it was not."""
    if not path.exists():
        return None
    return Received(path.stat().st_size, sum(1 for _ in read_lines(path)), None)


def _deleted(line: Line, origin: Origin) -> Iterator[Gone | Problem]:
    """The deletions of one Bundle; what cannot be read among them is named."""
    try:
        bundle = msgspec.json.decode(line.raw, type=_Deleted)
    except msgspec.DecodeError:
        bundle = _Deleted()
    if bundle.resourceType != "Bundle":
        yield Problem(line.raw, origin, "no Bundle of deletions: some may be missing", True, True)
        return
    for entry in bundle.entry:
        found = _REFERENCE.search(entry.request.url) if entry.request is not None else None
        if found is None or entry.request is None or entry.request.method != "DELETE" or found[1] not in RESOURCE_TYPES:
            yield Problem(line.raw, origin, "an entry that is no deletion of a resource", True, True)
        else:
            yield Gone(found[1], found[2])


def _covers(kept: Mapping[str, str | None], wanted: Mapping[str, str | None]) -> bool:
    """A plan asked for no less than another one would."""
    if kept.keys() != wanted.keys():
        return False
    return all(
        since is None or ((later := wanted[type_]) is not None and instant_of(since) <= instant_of(later))
        for type_, since in kept.items()
    )


def _place(part: Part) -> str:
    """Where a file was had from, as it may be told: links to files hold their right of access in the query."""
    return without_query(part.url).removeprefix("GET ")
