"""In: a site's client, and where we want to be told of changes. Out: FHIR Subscriptions there: created, renewed, left, removed.

One Subscription a resource type. R4 and R4B subscription.html: rest-hook with criteria ``Type?`` and no payload: a notification
says that something changed, never what. R5 subscription.html, and where it is wanted Subscriptions R5 Backport in R4 and R4B: a
topic of the server's own that tells of every change of the type, with ids only. What a notification says is never believed: it
is a reason to read again (`adapter.service.notifications`).

A Subscription of ours carries a tag made of its endpoint, so that two installations never take each other's for their own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import msgspec

from adapter.client.capability import Capability
from adapter.client.errors import Refused, UnusableAnswer
from adapter.client.hook import Hook
from adapter.client.subscription_topics import BACKPORT, SearchingClient, resources_of, topics_by_type
from adapter.client.transaction import EntryOutcome, TransactionEntry
from adapter.errors import RemoteError, TransientError

__all__ = ["Subscribed", "SubscriptionClient", "Subscriptions", "advice"]

#: Meta.tag.system of ours.
TAGS: Final = "urn:reluth:subscription"
_DIGITS: Final = 40
_REASON: Final = "ReLUTH adapter: something of this type changed, read it again"
_STANDING = frozenset({"active", "requested"})
# A server activates what is requested within a second or so (HAPI 8.8.0: 0.3 s).
_LOOKS, _LOOK_EVERY = 6, 0.5
_CHANNELS: Final = "http://terminology.hl7.org/CodeSystem/subscription-channel-type"
_FILTER: Final = f"{BACKPORT}/backport-filter-criteria"
#: Refusals that a filter would not mend.
_NOT_OF_FORM: Final = frozenset({401, 403, 404, 405, 409, 412})

Json = dict[str, Any]
Outcome = Literal["created", "renewed", "kept", "removed", "left", "not-served", "failed"]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What became of the Subscription of one type.

    Args:
        type: the resource type.
        outcome: ``kept`` stood already; ``left``: somebody else's at our endpoint, not removed; ``not-served``:
            the server does not serve the type; ``failed``: see ``error``.
        id: on that server, ``""`` when unknown.
        status: as the server tells it (``active``, ``requested``, ``error``, ``off``), ``""`` when unknown.
        error: why it failed.
    """

    type: str
    outcome: Outcome
    id: str = ""
    status: str = ""
    error: RemoteError | None = None

    def as_object(self) -> Json:
        """For JSON: ``problem`` only where there is one."""
        told = {"type": self.type, "outcome": self.outcome, "id": self.id or None, "status": self.status or None}
        return told if self.error is None else told | {"problem": str(self.error)}


class SubscriptionClient(SearchingClient, Protocol):
    """What is needed of `adapter.client.SiteClient`."""

    def capability(self) -> Capability:
        """What the server says it can do."""

    def transact(self, entries: Sequence[TransactionEntry]) -> list[EntryOutcome]:
        """Carry out all of the entries or none of them."""


def advice(refused: Refused) -> str:
    """What to ask the server's owner for, by the codes of the OperationOutcome, else by the status.

    >>> advice(Refused("POST https://fhir.example.org/r4", 403))
    'ask for the right to read, create, update and delete Subscription resources'
    """
    codes = {issue.code for issue in refused.issues if issue.is_error}
    if refused.status in {401, 403} or codes & {"security", "login", "forbidden", "expired", "suppressed"}:
        return "ask for the right to read, create, update and delete Subscription resources"
    if refused.status in {409, 412} or codes & {"conflict", "lock-error"}:
        return "it was changed meanwhile: run the same command again"
    if refused.status in {404, 405, 501} or codes & {"not-supported", "not-found"}:
        return (
            "the server takes no such Subscriptions: ask for rest-hook Subscriptions on this type, or pull at intervals"
        )
    if codes & {"throttled", "too-costly", "no-store", "timeout", "transient"}:
        return "the server is busy: run the same command later"
    return "ask which criteria, channel and endpoint the server takes"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A Subscription that the server holds."""

    body: Json = field(repr=False)

    @property
    def id(self) -> str:
        return _text(self.body.get("id"))

    @property
    def status(self) -> str:
        return _text(self.body.get("status"))

    @property
    def if_match(self) -> str | None:
        version = _text(_table(self.body.get("meta")).get("versionId"))
        return f'W/"{version}"' if version else None

    @property
    def tags(self) -> set[str]:
        stated = _tables(_table(self.body.get("meta")).get("tag"))
        return {_text(tag.get("code")) for tag in stated if tag.get("system") == TAGS}

    @property
    def endpoint(self) -> str:
        return _text(_table(self.body.get("channel")).get("endpoint")) or _text(self.body.get("endpoint"))

    @property
    def about(self) -> str:
        """Criteria of R4 (with the backport a topic too), topic of R5."""
        return _text(self.body.get("criteria")) or _text(self.body.get("topic"))

    @property
    def filters(self) -> set[str]:
        """What narrows a topic (backport); of R5 it matters only that something does."""
        stated = _tables(_table(self.body.get("_criteria")).get("extension"))
        found = {_text(one.get("valueString")) for one in stated if one.get("url") == _FILTER}
        return found | ({"filterBy"} if self.body.get("filterBy") else set())


@dataclass(frozen=True, slots=True)
class _Form:
    """How to subscribe; ``topics`` by resource type, None for criteria."""

    topics: Mapping[str, str] | None = None
    is_r5: bool = False


class Subscriptions:
    """The Subscriptions at one site that tell us of changes.

    Args:
        client: of the site.
        hook: where to be told.
        topics: to subscribe by topic also in R4 and R4B; named topics by resource type, which go before those that are found.
        sleep: between two looks at what the server has not activated yet.
    """

    def __init__(
        self,
        client: SubscriptionClient,
        hook: Hook,
        *,
        topics: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._hook = hook
        self._named = topics
        self._sleep = sleep

    def ensure(self, types: Collection[str]) -> list[Subscribed]:
        """Have one Subscription a type: created where there is none, renewed where it is not as it should be.

        Those of ours for other types are removed. Doing it twice is doing it once.

        Returns:
            one entry a type, in order, and one for each that was removed. A type that is refused costs itself only.

        Raises:
            RemoteError: the server takes no Subscriptions at all, none by topic where that is wanted, or cannot be asked for
                those that there are.
        """
        capability = self._serves()
        form = self._form(capability)
        standing = self._standing()
        told: list[Subscribed] = []
        stop: TransientError | None = None
        for type_ in sorted(set(types)):
            if type_ not in capability.types:
                told.append(Subscribed(type_, "not-served"))
                continue
            if stop is not None:
                # Waiting for each type anew would take hours.
                told.append(Subscribed(type_, "failed", error=stop))
                continue
            try:
                told += self._ensure(type_, standing, form)
            except TransientError as error:
                stop = error
                told.append(Subscribed(type_, "failed", error=error))
            except RemoteError as error:
                told.append(Subscribed(type_, "failed", error=error))
        if stop is None:
            told += [self._removed(one) for one in standing if self._is_ours(one) and self._type(one) not in types]
        return self._activated(told)

    def remove(self) -> list[Subscribed]:
        """Remove the Subscriptions that we made, and name those at our endpoint that somebody else made.

        Raises:
            RemoteError: the server takes no Subscriptions at all, or cannot be asked for those that there are.
        """
        self._serves()
        told: list[Subscribed] = []
        for one in self._standing():
            if self._is_ours(one):
                told.append(self._removed(one))
            elif one.endpoint == self._hook.endpoint or one.endpoint.startswith(f"{self._hook.endpoint}/"):
                told.append(Subscribed(self._type(one), "left", one.id, one.status))
        return sorted(told, key=lambda one: (one.type, one.id))

    def _serves(self) -> Capability:
        capability = self._client.capability()
        if "Subscription" not in capability.types:
            raise UnusableAnswer("CapabilityStatement", "states no Subscription: pull this site at intervals instead")
        return capability

    def _standing(self) -> list[_Standing]:
        """Every Subscription there, by id: not every server can search them by url or tag, and there are few."""
        found = {
            one["id"]: _Standing(one) for one in resources_of(self._client, "Subscription") if _text(one.get("id"))
        }
        return [found[name] for name in sorted(found)]

    def _form(self, capability: Capability) -> _Form:
        is_r5 = capability.fhir_version.startswith("5.")
        if not is_r5 and self._named is None:
            return _Form()
        return _Form(topics_by_type(self._client, capability, named=self._named or {}), is_r5=is_r5)

    def _ensure(self, type_: str, standing: Collection[_Standing], form: _Form) -> Iterator[Subscribed]:
        wanted = self._wanted(type_, form)
        endpoint = self._endpoint(type_)
        tag = _tag(endpoint)
        about = _Standing(wanted).about
        found = [one for one in standing if tag in one.tags or (one.endpoint == endpoint and one.about == about)]
        # One that is as it should be first; of two that are not, the one that we made.
        unnarrowed = f"{type_}?"
        found.sort(key=lambda one: (not _is_as_wanted(one, wanted, unnarrowed), tag not in one.tags, one.id))
        if not found:
            yield self._write_wanted(type_, wanted)
            return
        first, *others = found
        if _is_as_wanted(first, wanted, unnarrowed):
            yield Subscribed(type_, "kept", first.id, first.status)
        else:
            # What else it holds (a contact, an end that the server set) was put there by somebody, but for these.
            gone = {"error", "end", "text", "_criteria", "filterBy"}
            kept = {key: value for key, value in first.body.items() if key not in gone}
            yield self._write_wanted(type_, kept | wanted | {"id": first.id}, over=first)
        yield from (self._removed(one) for one in others if tag in one.tags)

    def _removed(self, one: _Standing) -> Subscribed:
        entry = TransactionEntry("DELETE", f"Subscription/{one.id}", if_match=one.if_match)
        try:
            return self._write(self._type(one), entry, "removed")
        except RemoteError as error:
            return Subscribed(self._type(one), "failed", one.id, one.status, error)

    def _write_wanted(self, type_: str, body: Json, *, over: _Standing | None = None) -> Subscribed:
        def write(body: Json) -> Subscribed:
            raw = msgspec.json.encode(body)
            if over is None:
                return self._write(type_, TransactionEntry("POST", "Subscription", raw), "created")
            entry = TransactionEntry("PUT", f"Subscription/{over.id}", raw, if_match=over.if_match)
            return self._write(type_, entry, "renewed")

        try:
            return write(body)
        except Refused as refused:
            if "_payload" not in _table(body.get("channel")) or refused.status in _NOT_OF_FORM:
                raise
        # HAPI 8.8.0 refuses a topic without a filter (HAPI-0011), which the guide does not ask for; this one lets all through.
        return write(body | {"_criteria": {"extension": [{"url": _FILTER, "valueString": f"{type_}?"}]}})

    def _write(self, type_: str, entry: TransactionEntry, outcome: Outcome) -> Subscribed:
        [done] = self._client.transact([entry])
        if not done.is_done:
            raise Refused(f"{entry.method} Subscription", done.status, done.issues)
        location = done.location or entry.url
        return Subscribed(type_, outcome, location.partition("/")[2], "" if outcome == "removed" else "requested")

    def _activated(self, told: list[Subscribed]) -> list[Subscribed]:
        """The same with the status that the server gives to what it was asked for."""
        for look in range(_LOOKS):
            if not any(one.status == "requested" for one in told):
                break
            if look:
                self._sleep(_LOOK_EVERY)
            try:
                status = {one.id: one.status for one in self._standing()}
            except RemoteError:
                # All is done; only how it stands is not known.
                break
            told = [
                one
                if one.outcome in {"removed", "failed"} or one.id not in status
                else Subscribed(one.type, one.outcome, one.id, status[one.id])
                for one in told
            ]
        return told

    # What ours look like ------------------------------------------------------------------------------------------

    def _endpoint(self, type_: str) -> str:
        # The type in the path: a notification without content still says of which type.
        return f"{self._hook.endpoint}/{type_}"

    def _is_ours(self, one: _Standing) -> bool:
        return one.endpoint.startswith(f"{self._hook.endpoint}/") and _tag(one.endpoint) in one.tags

    def _type(self, one: _Standing) -> str:
        """The type that it is about, as its endpoint or its criteria say."""
        in_path = one.endpoint.removeprefix(self._hook.endpoint).strip("/").partition("/")[0]
        return in_path or one.about.partition("?")[0]

    def _wanted(self, type_: str, form: _Form) -> Json:
        endpoint = self._endpoint(type_)
        common: Json = {
            "resourceType": "Subscription",
            "meta": {"tag": [{"system": TAGS, "code": _tag(endpoint)}]},
            "status": "requested",
            "reason": _REASON,
        }
        header = [f"Authorization: {self._hook.authorization}"]
        channel = {"type": "rest-hook", "endpoint": endpoint, "header": header}
        if form.topics is None:
            return common | {"criteria": f"{type_}?", "channel": channel}
        if type_ not in form.topics:
            raise UnusableAnswer("SubscriptionTopic", f"no topic of the server tells of every change of {type_}")
        topic = form.topics[type_]
        if not form.is_r5:
            content = {"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}
            return common | {
                "meta": {"profile": [f"{BACKPORT}/backport-subscription"], **common["meta"]},
                "criteria": topic,
                "channel": channel | {"payload": "application/fhir+json", "_payload": {"extension": [content]}},
            }
        return common | {
            "topic": topic,
            "channelType": {"system": _CHANNELS, "code": "rest-hook"},
            "endpoint": endpoint,
            "parameter": [{"name": "Authorization", "value": self._hook.authorization}],
            "contentType": "application/fhir+json",
            "content": "id-only",
        }


def _is_as_wanted(one: _Standing, wanted: Json, unnarrowed: str) -> bool:
    """Nothing to renew: it stands, without an end, and says what we would say; of filters only the one that filters nothing.

    A server that does not give the header back is told anew each time: whether it is the right one cannot be seen.
    """
    stated = one.body
    if one.status not in _STANDING or "end" in stated:
        return False
    if _text(_table(stated.get("channel")).get("payload")) and "payload" not in _table(wanted.get("channel")):
        # Somebody had whole resources sent.
        return False
    if one.filters - {unnarrowed}:
        return False
    tags = {_text(tag["code"]) for tag in wanted["meta"]["tag"]}
    told = wanted.keys() - {"meta", "status", "reason"}
    return tags <= one.tags and all(_holds(stated.get(key), wanted[key]) for key in told)


def _holds(stated: object, wanted: object) -> bool:
    """Whether all that is wanted is stated; a server may add to it."""
    if isinstance(wanted, dict):
        return isinstance(stated, dict) and all(_holds(stated.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(stated, list) and all(any(_holds(one, value) for one in stated) for value in wanted)
    return stated == wanted


def _tag(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode()).hexdigest()[:_DIGITS]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _table(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
