"""In: what is to be written of many entities. Out: transaction Bundles sent, and of each entity what became of it.

A Bundle that the server refuses is halved until the entity that it refuses stands alone, so that one bad entity costs
itself only. After an answer that was lost nothing is sent again before it was looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapter.client import EntryOutcome, Issue, Refused, SiteClient, TransactionEntry, Uncertain
from adapter.errors import RemoteError
from adapter.fhir.compare import encode_resource
from adapter.store import OutboxEntry, StoredEntity
from adapter.sync.deciding import Name, There, Write
from adapter.sync.finding import Finder
from adapter.sync.provenance import provenance_of, removal_of
from adapter.sync.rendering import MAPPING, Rendered

__all__ = ["MOST_ENTRIES", "NoTransactions", "Plan", "Sender", "Sent", "bundles_of"]

#: Half of them Provenances. HAPI takes thousands, a gateway before it may not.
MOST_ENTRIES: Final = 200
_DENIED: Final = frozenset({401, 403})
_NO_SUCH: Final = frozenset({404, 405, 501})
_NO_TRANSACTIONS: Final = frozenset({405, 501})
#: A version or a condition does not hold any more: HAPI answers 409 to a stale If-Match, others 412.
_STALE: Final = frozenset({409, 410, 412})
_CONFLICT: Final = 409
_CREATED: Final = 201
#: Of one entry in an answer that says that others were done: it will not be taken the next time either.
_REFUSED: Final = frozenset({400, 413, 415, 422})


class NoTransactions(RemoteError):
    """The server takes no transaction Bundles."""

    def __init__(self, where: str, status: int) -> None:
        super().__init__(
            f"{where}: answered {status} to a transaction: the server has to take transaction Bundles at its base URL"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written of one entity, ``then`` taken away, and what of it stands at the server and stays."""

    entry: OutboxEntry
    stored: StoredEntity
    rendered: Sequence[Rendered]
    writes: Sequence[Write]
    there: Mapping[Name, There]
    then: Sequence[Write] = ()

    @property
    def takes_away(self) -> bool:
        """It only deletes."""
        return all(write.body is None for write in self.writes)


@dataclass(slots=True)
class Sent:
    """What became of plans.

    Attributes:
        done: with what stands at the server now.
        begun: likewise, of those that have something left to be taken away.
        again: to be looked at again: the server moved meanwhile, or the answer was lost.
        lost: the last answer that was lost, where one was.
        refused: with the codes of the refusal.
        doubled: with further resources found under the same identifier.
        undone: surely nothing of them was done; those refused among them.
        failure: why the sending ended before its end. What is in no list was sent, and what became of it is not known.
    """

    done: list[tuple[Plan, dict[Name, There]]] = field(default_factory=list)
    begun: list[tuple[Plan, dict[Name, There]]] = field(default_factory=list)
    again: list[Plan] = field(default_factory=list)
    lost: Uncertain | None = None
    refused: list[tuple[Plan, str]] = field(default_factory=list)
    doubled: list[tuple[Plan, list[tuple[str, There]]]] = field(default_factory=list)
    undone: list[Plan] = field(default_factory=list)
    failure: RemoteError | None = None


class Sender:
    """Sends plans to one server.

    Args:
        client: of the site.
        at: when, aware; stands in the Provenances.
        software: name and version of this product.
    """

    def __init__(self, client: SiteClient, *, at: datetime, software: str) -> None:
        self._client = client
        self._finder = Finder(client)
        self._at = at
        self._software = software

    def send(self, plans: Sequence[Plan]) -> Sent:
        """One transaction for these plans, or several where the server refuses it as a whole.

        A failure that is nobody's (no token, no answer, no transactions) is told in what is returned: an earlier half may
        have been done.
        """
        sent = Sent()
        self._send(plans, sent)
        return sent

    def _send(self, plans: Sequence[Plan], sent: Sent) -> None:
        if sent.failure is not None:
            sent.undone += plans
            return
        entries = [entry for plan in plans for entry in self.entries_of(plan)]
        try:
            outcomes = self._client.transact(entries)
        except Uncertain as lost:
            sent.lost = lost
            sent.again += plans
        except Refused as refusal:
            self._refused(plans, refusal, sent)
        except RemoteError as failure:
            sent.failure = failure
            sent.undone += plans
        else:
            self._finish(plans, outcomes, sent)

    def _refused(self, plans: Sequence[Plan], refusal: Refused, sent: Sent) -> None:
        """The whole Bundle was refused: by whom, or because of whom?"""
        # A resource that is gone is answered 404 too; 405 and 501 are not said of one.
        no_such = refusal.status in _NO_SUCH and not any(write.there for plan in plans for write in plan.writes)
        if refusal.status in _DENIED:
            sent.failure = refusal
        elif no_such or refusal.status in _NO_TRANSACTIONS:
            sent.failure = NoTransactions(refusal.where, refusal.status)
        elif len(plans) > 1:
            half = len(plans) // 2
            self._send(plans[:half], sent)
            self._send(plans[half:], sent)
            return
        elif (refusal.status in _STALE or refusal.status in _NO_SUCH) and not _is_referred_to(plans[0], refusal):
            sent.again += plans
        else:
            sent.refused.append((plans[0], _told(refusal.status, refusal.issues)))
        sent.undone += plans

    def _finish(self, plans: Sequence[Plan], outcomes: list[EntryOutcome], sent: Sent) -> None:
        answers = iter(outcomes)
        answered = [(plan, [next(answers) for _ in range(len(plan.writes) + 1)]) for plan in plans]
        whole = [(plan, of_plan) for plan, of_plan in answered if all(one.is_done for one in of_plan)]
        for plan, of_plan in answered:
            refused = next((one for one in of_plan if one.status in _REFUSED), None)
            if refused is not None:
                sent.refused.append((plan, _told(refused.status, refused.issues)))
            elif not all(one.is_done for one in of_plan):
                # Servers that carry out a transaction in part: what is missing of an entity is looked at again.
                sent.again.append(plan)
        try:
            found = self._read_back(whole)
        except RemoteError as failure:
            sent.failure = failure
            return
        for plan, of_plan in whole:
            self._settle(plan, of_plan, found, sent)

    def _settle(
        self, plan: Plan, outcomes: list[EntryOutcome], found: Mapping[Name, Sequence[There]], sent: Sent
    ) -> None:
        there = dict(plan.there)
        for write, outcome in zip(plan.writes, outcomes, strict=False):
            if write.body is None:
                there.pop(write.name, None)
                continue
            seen = found.get(write.name, ())
            if len(seen) > 1:
                sent.doubled.append((plan, [(write.type, one) for one in seen]))
                return
            if write.there is None and outcome.status != _CREATED:
                # If-None-Exist found it: somebody was faster, and wrote what we have not compared yet.
                sent.again.append(plan)
                return
            told = _as_told(write, outcome)
            standing = seen[0] if seen else told
            if standing is None or (told is not None and told.id and standing.id != told.id):
                sent.again.append(plan)
                return
            there[write.name] = standing
        (sent.begun if plan.then else sent.done).append((plan, there))

    def _read_back(self, answered: Iterable[tuple[Plan, list[EntryOutcome]]]) -> dict[Name, list[There]]:
        """What stands under the identifiers of what was created: a server may ignore If-None-Exist."""
        created = [write for plan, _ in answered for write in plan.writes if write.method == "POST"]
        return self._finder.find((write.name, write.body) for write in created if write.body is not None)

    def entries_of(self, plan: Plan) -> list[TransactionEntry]:
        """The entries of one entity: its writes, and one Provenance of all of them."""
        entries = [self._entry(write) for write in plan.writes]
        record = provenance_of(
            plan.stored,
            plan.entry,
            targets=_targets(plan, entries),
            created=all(write.method == "POST" for write in plan.writes),
            at=self._at,
            software=self._software,
        )
        record["entity"] += [removal_of(write.name) for write in plan.writes if write.body is None]
        # Two pushers at the same moment write one resource, and so one record of it.
        versions = [f"{'/'.join(write.name)}@{write.there.version if write.there else ''}" for write in plan.writes]
        entry = plan.entry
        known_by = (entry.kind, entry.key, str(entry.version), MAPPING, str(entry.attempts), *versions)
        record, query = self._finder.conditioned(record, *known_by)
        return [*entries, TransactionEntry("POST", "Provenance", encode_resource(record), if_none_exist=query)]

    def _entry(self, write: Write) -> TransactionEntry:
        if write.there is not None:
            reference = f"{write.type}/{write.there.id}"
            body = None if write.body is None else encode_resource(write.body)
            return TransactionEntry(write.method, reference, body, if_match=_etag(write.there))
        assert write.rendered is not None, "what is created was rendered"
        assert write.body is not None, "what is created has a body"
        resource, query = self._finder.conditioned(write.body, *write.name[1:])
        url = write.rendered.full_url
        return TransactionEntry("POST", write.type, encode_resource(resource), full_url=url, if_none_exist=query)


def bundles_of(plans: Iterable[Plan], *, most: int = MOST_ENTRIES) -> Iterator[list[Plan]]:
    """Plans in their order, an entity's writes always together, at most so many entries a Bundle."""
    bundle: list[Plan] = []
    size = 0
    for plan in plans:
        cost = len(plan.writes) + 1
        if bundle and size + cost > most:
            yield bundle
            bundle, size = [], 0
        bundle.append(plan)
        size += cost
    if bundle:
        yield bundle


def _is_referred_to(plan: Plan, refusal: Refused) -> bool:
    """The server keeps what another resource refers to, a Provenance at least, and no other look changes that."""
    return plan.takes_away and refusal.status == _CONFLICT


def _targets(plan: Plan, entries: Sequence[TransactionEntry]) -> list[str]:
    """What is written; where something is only taken away, the main resource, for no server takes a reference to what is gone."""
    written = [entry.full_url or entry.url for entry in entries if entry.resource is not None]
    main = plan.rendered[0]
    return written or [f"{main.type}/{plan.there[main.name].id}"]


def _etag(there: There) -> str | None:
    return f'W/"{there.version}"' if there.version else None


def _as_told(write: Write, outcome: EntryOutcome) -> There | None:
    """The resource as the answer lets us know it: what was sent, with the id and version that it got."""
    id_ = outcome.location.partition("/")[2] if outcome.location else (write.there.id if write.there else "")
    if not id_ or not outcome.version or write.body is None:
        return None
    return There(id_, outcome.version, write.body)


def _told(status: int, issues: Iterable[Issue]) -> str:
    """Status, codes and paths of a refusal; never its free text."""
    return ", ".join([str(status), *(str(issue) for issue in issues if issue.is_error)])
