"""In: the outbox of a site, and its server. Out: the server in step with it, the outbox told so, one summary.

::

    look        what of ours changed at the hospital since both sides last agreed
    render      entity -> resources; checked; references made literal            -> held, refused
    decide      ours, theirs, and what both last agreed on                       -> conflict, taken back, done
    send        transaction Bundles; what is uncertain or stale is decided anew  -> done, refused
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Final, Protocol

import msgspec

from adapter.client import SiteClient, Uncertain, transaction_bundle
from adapter.errors import RemoteError
from adapter.fhir import FhirVersion
from adapter.fhir.compare import differences, encode_resource
from adapter.store import Counterpart, OutboxEntry, OutboxState, Store
from adapter.store.outbox import DELETED_AT_HOSPITAL
from adapter.sync.comparing import Aside, Comparer, Item, Standing
from adapter.sync.deciding import Agreed, Clash, Name, Send, TakeBack, There, decide
from adapter.sync.looking import Looked, bookmark_name, look
from adapter.sync.push_summary import PushSummary, SetAside
from adapter.sync.references import References
from adapter.sync.rendering import KIND_ORDER, MAPPING
from adapter.sync.sending import MOST_ENTRIES, Plan, Sender, Sent, bundles_of
from mappings.entities import Entity, Study

__all__ = ["Preview", "PushProgress", "Pusher"]

_AT_ONCE: Final = 200
#: How often an entity is decided anew in one push before it is left for the next.
_ROUNDS: Final = 4
#: From this round on each entity is sent alone: one that makes the server fail costs itself only.
_ALONE_FROM: Final = 2
#: So many answers lost in a row, each of one entity, are not the entities' fault.
_MOST_LOST: Final = 3
_WAITING: Final = (OutboxState.PENDING, OutboxState.HELD, OutboxState.CONFLICT)


class PushProgress(Protocol):
    """Is told how far a push is."""

    def start(self, kind: str, entities: int) -> None:
        """So many of a kind are to be dealt with."""

    def advance(self, kind: str, entities: int) -> None:
        """So many more were."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a push would do.

    Attributes:
        summary: with what would be held, refused, left to a person.
        bundles: the transaction Bundles that would be sent.
        changes: of each write, its reference (or type where it is new) and the fields that would change: path, now, then.
    """

    summary: PushSummary
    bundles: list[bytes] = field(default_factory=list)
    changes: list[tuple[str, list[tuple[str, object, object]]]] = field(default_factory=list)


class Pusher:
    """Pushes one site's outbox.

    Args:
        store: open.
        client: of the site.
        site: its name.
        trials: studies by id, for the references of subjects.
        software: name and version of this product, for the Provenances.
        now: aware time.
        pause: waits so many seconds before what is uncertain is looked for.
    """

    def __init__(
        self,
        store: Store,
        client: SiteClient,
        *,
        site: str,
        trials: Mapping[str, Study],
        software: str,
        now: Callable[[], datetime],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._client = client
        self._site = site
        self._pause = pause
        self._references = References(client)
        self._comparer = Comparer(store, client, site=site, trials=trials, references=self._references)
        self._sender = Sender(client, at=now(), software=software)
        self._preview: Preview | None = None
        # One entity a transaction, and the answers that were lost in a row.
        self._alone = False
        self._lost: list[Uncertain] = []

    def push(self, *, version: FhirVersion, full: bool = False, progress: PushProgress | None = None) -> PushSummary:
        """Tell the server what is waiting, and take back what the hospital changed.

        Args:
            version: of FHIR at the server.
            full: look at every resource of ours, so that deletions are seen.
            progress: is told how far it is.

        Returns:
            the summary, also where the server failed on the way: what was done is done, the rest waits.

        Raises:
            BusyError: another run works on this site.
        """
        with self._store.begin_run(self._site, "push") as run:
            summary = PushSummary(self._site, run.name, version.value)
            self._run(summary, version=version, full=full, progress=progress)
            run.commit([], complete=summary.complete, summary=encode_resource(summary.as_object()).decode())
            return summary

    def preview(self, *, version: FhirVersion, full: bool = False) -> Preview:
        """What a push would do; reads from the server and changes nothing on either side."""
        summary = PushSummary(self._site, "", version.value)
        self._preview = Preview(summary)
        try:
            self._run(summary, version=version, full=full, progress=None)
            return self._preview
        finally:
            self._preview = None

    # --------------------------------------------------------------------------------------------------------------

    def _run(self, summary: PushSummary, *, version: FhirVersion, full: bool, progress: PushProgress | None) -> None:
        # An id of one server is the id of somebody else's resource at another.
        anew = self._store.outbox.is_elsewhere(self._site, self._client.root)
        if self._preview is None:
            self._store.outbox.begin_at(self._site, self._client.root)
            self._store.outbox.renew(self._site, mapping=MAPPING)
        counterparts = {} if anew else self._store.outbox.counterparts(self._site)
        looked = Looked()
        try:
            looked = look(self._store, self._client, [one for of in counterparts.values() for one in of], full=full)
            work = self._work(counterparts, looked, anew=anew)
            for kind, entries in groupby(work, key=lambda entry: entry.kind):
                of_kind = list(entries)
                if progress is not None:
                    progress.start(kind, len(of_kind))
                for start in range(0, len(of_kind), _AT_ONCE):
                    part = of_kind[start : start + _AT_ONCE]
                    self._deal_with(kind, part, Standing(version, counterparts, looked), summary)
                    if progress is not None:
                        progress.advance(kind, len(part))
            self._move_bookmarks(looked)
        except RemoteError as error:
            summary.remote_exit_codes.add(error.exit_code)
            summary.problem = str(error)
        if self._preview is None:
            summary.pending = self._store.outbox.counts(self._site).get(OutboxState.PENDING, 0)
        summary.complete = not (summary.exit_code or summary.problem)

    def _work(
        self, counterparts: Mapping[tuple[str, str], list[Counterpart]], looked: Looked, *, anew: bool
    ) -> list[OutboxEntry]:
        """Entries to deal with: those that wait, and those of which something changed at the hospital; ``anew`` all."""
        touched = looked.now.keys() | looked.strays.keys()
        moved = {
            key
            for key, known in counterparts.items()
            if any((one.type, one.system, one.value) in touched for one in known)
        }
        order = {kind: place for place, kind in enumerate(KIND_ORDER)}
        entries = [
            entry
            for entry in self._store.outbox.entries(self._site)
            if entry.state in _WAITING
            or (entry.kind, entry.key) in moved
            or (anew and entry.reason != DELETED_AT_HOSPITAL)
        ]
        return sorted(entries, key=lambda entry: (order[entry.kind], entry.key))

    def _deal_with(self, kind: str, entries: Sequence[OutboxEntry], site: Standing, summary: PushSummary) -> None:
        """Decide and send until nothing is left, or the rounds are over."""
        fresh = False
        for turn in range(_ROUNDS):
            if not entries:
                return
            if turn and self._preview is None:
                self._pause(2.0**turn / 2)
            keys = {entry.key for entry in entries}
            self._alone = turn >= _ALONE_FROM
            self._lost = []
            entries = self._round(kind, entries, site, summary, fresh=fresh)
            again = {entry.key for entry in entries}
            assert again <= keys, "only what was dealt with is dealt with again"
            fresh = True
        if entries and self._lost:
            summary.remote_exit_codes.add(self._lost[-1].exit_code)
            summary.problem = str(self._lost[-1])

    def _round(
        self, kind: str, entries: Sequence[OutboxEntry], site: Standing, summary: PushSummary, *, fresh: bool
    ) -> list[OutboxEntry]:
        """One look and one sending; the entries that have to be decided anew."""
        plans: list[Plan] = []
        standing: list[tuple[Item, Mapping[Name, There]]] = []
        items: dict[str, Item] = {}
        anew: list[OutboxEntry] = []
        for compared in self._comparer.views(kind, entries, site, fresh=fresh):
            if isinstance(compared, Aside):
                self._leave_unseen(compared.entry, site)
                self._set_aside(compared, summary)
                continue
            item, view = compared
            items[item.entry.key] = item
            match decide(view):
                case Agreed(there):
                    standing.append((item, there))
                case TakeBack(entity, there):
                    if self._preview is None:
                        self._take_back(item, entity, there, site)
                        anew.append(item.entry)
                    summary.taken_back += 1
                case Clash("other-content") if self._may_be_half_seen(item.entry, fresh=fresh):
                    anew.append(item.entry)
                case Clash() as clash:
                    self._clash(item, clash, summary)
                case Send(writes, there, then):
                    plans.append(Plan(item.entry, item.stored, item.rendered, writes, there, then))
        summary.unchanged += len(standing)
        if self._preview is not None:
            self._show(plans, summary)
            return []
        self._agreed(standing, site)
        return self._again(anew) + self._send(plans, items, site, summary)

    def _may_be_half_seen(self, entry: OutboxEntry, *, fresh: bool) -> bool:
        """Met for the first time: searches of several types are several moments, and somebody may be writing it right now."""
        return not fresh and entry.state is not OutboxState.CONFLICT and self._preview is None

    def _send(
        self, plans: Sequence[Plan], items: Mapping[str, Item], site: Standing, summary: PushSummary
    ) -> list[OutboxEntry]:
        """Send all plans; the entries that have to be decided anew."""
        again: list[OutboxEntry] = []
        for bundle in bundles_of(plans, most=1 if self._alone else MOST_ENTRIES):
            self._store.outbox.begin_sending([plan.entry for plan in bundle])
            sent = self._sender.send(bundle)
            # What was sent before, and not heard of, is no less uncertain by this.
            self._store.outbox.not_sent([plan.entry for plan in sent.undone if not plan.entry.uncertain])
            again += self._book(sent, items, site, summary)
            if sent.failure is not None:
                raise sent.failure
            self._lost = [*self._lost, sent.lost] if sent.lost is not None else []
            if self._alone and len(self._lost) >= _MOST_LOST:
                # Not one entity is at fault: the server has no answer for any.
                raise self._lost[-1]
        return again

    # What became of them ------------------------------------------------------------------------------------------

    def _book(self, sent: Sent, items: Mapping[str, Item], site: Standing, summary: PushSummary) -> list[OutboxEntry]:
        """Keep what became of a Bundle; the entries that have to be decided anew."""
        self._agreed([(items[plan.entry.key], there) for plan, there in sent.done], site)
        for plan, there in sent.begun:
            self._begun(items[plan.entry.key], there, site)
        for plan, _ in (*sent.done, *sent.begun):
            for write in plan.writes:
                summary.count(write.type, write.method)
        for plan, detail in sent.refused:
            self._set_aside(Aside(plan.entry, OutboxState.REFUSED, "server", detail), summary)
        for plan, doubled in sent.doubled:
            self._clash(items[plan.entry.key], Clash("duplicate", doubled), summary)
        return self._again([*(plan.entry for plan in sent.again), *(plan.entry for plan, _ in sent.begun)])

    def _agreed(self, agreed: Sequence[tuple[Item, Mapping[Name, There]]], site: Standing) -> None:
        if not agreed:
            return
        counterparts = [one for item, there in agreed for one in _counterparts(item, there)]
        gone = [one for item, there in agreed for name, one in item.known.items() if name not in there]
        self._store.outbox.done([item.entry for item, _ in agreed], counterparts, mapping=MAPPING)
        if gone:
            self._store.outbox.forget_counterparts(gone)
        for item, there in agreed:
            site.counterparts[item.entry.kind, item.entry.key] = _counterparts(item, there)

    def _begun(self, item: Item, there: Mapping[Name, There], site: Standing) -> None:
        """All is there that is to be; what is to go is decided in the next round."""
        written = _counterparts(item, there)
        self._store.outbox.begun(item.entry, written)
        names = {(one.type, one.system, one.value) for one in written}
        left = [one for name, one in item.known.items() if name not in names]
        site.counterparts[item.entry.kind, item.entry.key] = [*written, *left]

    def _take_back(self, item: Item, entity: Entity, there: Mapping[Name, There], site: Standing) -> None:
        """The hospital's change becomes a version of ours; what it lacks of ours is told it in the next round."""
        if not self._store.entities.put_over(item.stored, entity, by="hospital"):
            # Ours was loaded anew since it was compared: in the next round both have changed.
            return
        counterparts = [
            msgspec.structs.replace(
                one, server_id=at.id, server_version=at.version, sent_hash="", base=encode_resource(at.resource)
            )
            for name, one in item.known.items()
            if (at := there.get(name)) is not None
        ]
        self._store.outbox.keep_counterparts(counterparts)
        site.counterparts[item.entry.kind, item.entry.key] = counterparts

    def _again(self, entries: Iterable[OutboxEntry]) -> list[OutboxEntry]:
        """The entries as they stand now."""
        keys = {(entry.kind, entry.key) for entry in entries}
        if not keys:
            return []
        return [entry for entry in self._store.outbox.entries(self._site) if (entry.kind, entry.key) in keys]

    def _clash(self, item: Item, clash: Clash, summary: PushSummary) -> None:
        entry = item.entry
        references = sorted({f"{type_}/{there.id}" for type_, there in clash.there})
        if self._preview is None:
            theirs = b"[" + b",".join(encode_resource(there.resource) for _, there in clash.there) + b"]"
            self._store.outbox.open_conflict(
                entry, clash.cause, references=references, theirs=theirs, fields=clash.fields
            )
        detail = ", ".join(references)
        summary.conflicts.append(SetAside(entry.kind, entry.key, clash.cause, detail))

    def _set_aside(self, aside: Aside, summary: PushSummary) -> None:
        entry, detail = aside.entry, aside.detail
        if self._preview is None:
            self._store.outbox.put_aside(entry, aside.state, reason=aside.reason, detail=detail, mapping=MAPPING)
        told = summary.held if aside.state is OutboxState.HELD else summary.refused
        told.append(SetAside(entry.kind, entry.key, aside.reason, detail))

    def _leave_unseen(self, entry: OutboxEntry, site: Standing) -> None:
        """What the look saw of one that cannot be told was not dealt with, and no later look sees it: read it when it is decided."""
        unseen = [
            msgspec.structs.replace(one, server_version="")
            for one in site.counterparts.get((entry.kind, entry.key), [])
            if (one.type, one.system, one.value) in site.looked.now
        ]
        if unseen and self._preview is None:
            self._store.outbox.keep_counterparts(unseen)

    def _show(self, plans: Sequence[Plan], summary: PushSummary) -> None:
        assert self._preview is not None
        # What goes is taken away after all is written, in transactions of its own.
        later = [replace(plan, writes=plan.then, then=()) for plan in plans if plan.then]
        for bundle in (*bundles_of(plans), *bundles_of(later)):
            entries = [one for plan in bundle for one in self._sender.entries_of(plan)]
            self._preview.bundles.append(transaction_bundle(entries))
        for plan in (*plans, *later):
            for write in plan.writes:
                summary.count(write.type, write.method)
                if write.rendered is not None and write.there is None:
                    # What comes after it may refer to it.
                    self._references.assume(write.type, write.rendered.identifier, write.rendered.full_url)
                before = write.there.resource if write.there else {}
                reference = f"{write.type}/{write.there.id}" if write.there else write.type
                found = differences(before, write.body or {})
                self._preview.changes.append((reference, [(one.path, one.left, one.right) for one in found]))

    def _move_bookmarks(self, looked: Looked) -> None:
        """What was looked at was dealt with, stands in a conflict, or is read anew: the next look begins there."""
        if self._preview is None:
            for type_, time_ in looked.bookmarks.items():
                self._store.set_bookmark(self._site, bookmark_name(type_), time_)


def _counterparts(item: Item, there: Mapping[Name, There]) -> list[Counterpart]:
    rendered = {one.name: one for one in item.rendered}
    return [
        Counterpart(
            site=item.entry.site,
            type=name[0],
            system=name[1],
            value=name[2],
            kind=item.entry.kind,
            key=item.entry.key,
            server_id=at.id,
            server_version=at.version,
            sent_hash=rendered[name].digest,
            base=encode_resource(at.resource),
        )
        for name, at in there.items()
        if name in rendered
    ]
