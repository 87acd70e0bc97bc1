"""In: a site's client, and the topics that its administrator named. Out: the topic to subscribe to for each resource type.

A topic is looked for where a version of FHIR has it: as SubscriptionTopic (R4B, R5), as Basic in its place (R4 has no such
resource; Subscriptions R5 Backport, as HAPI reads them), and among those that the CapabilityStatement states.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from adapter.client.capability import Capability
from adapter.client.errors import UnusableAnswer
from adapter.client.search import SearchPage

__all__ = ["BACKPORT", "SearchingClient", "resources_of", "topics_by_type"]

#: Definitions of Subscriptions R5 Backport 1.1.0.
BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_DEFINITIONS: Final = "http://hl7.org/fhir/StructureDefinition/"
_BOTH: Final = frozenset({"create", "update"})
_COUNT = 200
_TOPIC = "SubscriptionTopic"
# R5 versions.html#extensions: an element of a version as an extension; HAPI takes those of 4.3 and 5.0.
_ELEMENT: Final = "extension-SubscriptionTopic."
_OF_TOPICS: Final = {"code": f"http://hl7.org/fhir/fhir-types|{_TOPIC}"}

Json = dict[str, Any]


class SearchingClient(Protocol):
    """What is needed of `adapter.client.SiteClient` to look for resources."""

    def search(
        self, resource_type: str, *, since: str | None = None, count: int = 500, params: Mapping[str, str] = ...
    ) -> Iterator[SearchPage]:
        """All resources of a type that answer to the parameters, page by page."""


def topics_by_type(client: SearchingClient, capability: Capability, *, named: Mapping[str, str]) -> dict[str, str]:
    """By resource type, the topic that tells of every creation and update of it.

    Args:
        client: of the site.
        capability: of its server.
        named: topics of the settings, by type; they go before those that are found.

    Raises:
        UnusableAnswer: an R4 server that states no topic, does not state the backport and has no topic to be found;
            or a named topic is none of those that it states.
        RemoteError: it cannot be asked.
    """
    stated = capability.of("Subscription")
    topics = list(_topics(client, capability))
    found: dict[str, str] = {}
    for topic in sorted(topics, key=lambda one: _text(one.get("url"))):
        for type_ in _told_of(topic):
            found.setdefault(type_, _text(topic["url"]))
    known = stated.topics | {_text(topic.get("url")) for topic in topics}
    is_backport = not capability.fhir_version.startswith("5.")
    if is_backport and not known and f"{BACKPORT}/backport-subscription" not in stated.profiles:
        raise UnusableAnswer(
            "CapabilityStatement",
            "states neither topics nor Subscriptions R5 Backport, and no topic is there: subscribe by criteria instead",
        )
    # A server that states no topic says nothing of which it has.
    strange = sorted(type_ for type_, url in named.items() if known and url.partition("|")[0] not in known)
    if strange:
        raise UnusableAnswer("CapabilityStatement", f"the topic named for {', '.join(strange)} is none of the server's")
    return found | dict(named)


def resources_of(
    client: SearchingClient, resource_type: str, params: Mapping[str, str] | None = None
) -> Iterator[Json]:
    """Every resource of a type, as it can be read.

    Raises:
        UnusableAnswer: the server says that some may be missing: they would be created a second time.
    """
    for page in client.search(resource_type, count=_COUNT, params=params or {}):
        if any(issue.is_loss for issue in page.issues):
            raise UnusableAnswer(f"GET {page.url}", "says that matches may be missing")
        for entry in page.entries:
            try:
                body = msgspec.json.decode(entry.raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if isinstance(body, dict) and body.get("resourceType") == resource_type:
                yield body


def _topics(client: SearchingClient, capability: Capability) -> Iterator[Json]:
    """Active topics, in the shape of R5."""
    if capability.fhir_version.startswith("5.") or _TOPIC in capability.types:
        found: Iterable[Json] = resources_of(client, _TOPIC)
    elif "code" in capability.of("Basic").search_params:
        found = map(_from_basic, resources_of(client, "Basic", _OF_TOPICS))
    else:
        found = ()
    return (topic for topic in found if topic.get("status") == "active" and _text(topic.get("url")))


def _told_of(topic: Json) -> Iterator[str]:
    """The types of which a topic tells every creation and update (R5 subscriptiontopic.html)."""
    for trigger in _tables(topic.get("resourceTrigger")):
        interactions = set(_strings(trigger.get("supportedInteraction"))) or _BOTH
        if interactions >= _BOTH and not trigger.keys() & {"queryCriteria", "fhirPathCriteria"}:
            yield _text(trigger.get("resource")).removeprefix(_DEFINITIONS)


def _from_basic(basic: Json) -> Json:
    """A topic that stands in extensions of a Basic resource; one that does not tell its status is active."""
    found: Json = {"status": "active", "resourceTrigger": []}
    for element in _tables(basic.get("extension")):
        name = _text(element.get("url")).rpartition(_ELEMENT)[2]
        if name == "resourceTrigger":
            found["resourceTrigger"].append(_trigger(_tables(element.get("extension"))))
        elif name in ("url", "status"):
            found[name] = _value(element)
    return found


def _trigger(parts: Collection[Json]) -> Json:
    found: Json = {"supportedInteraction": []}
    for part in parts:
        name = _text(part.get("url"))
        if name == "supportedInteraction":
            found[name].append(_value(part))
        else:
            # Of criteria it matters only that there are some.
            found[name] = _value(part)
    return found


def _value(extension: Json) -> object:
    return next((value for key, value in extension.items() if key.startswith("value")), None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _tables(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
