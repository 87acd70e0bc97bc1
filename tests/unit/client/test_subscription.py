"""In: Subscriptions that a server holds. Out: proof of what is created, renewed, left and removed, and that only ours is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from adapter.client import (
    Capability,
    EntryOutcome,
    Issue,
    Refused,
    SearchEntry,
    SearchPage,
    TransactionEntry,
    TypeCapability,
    Unavailable,
    UnusableAnswer,
)
from adapter.client.hook import Hook, notification_hook
from adapter.client.subscription import TAGS, Subscribed, Subscriptions, advice
from adapter.errors import ConfigurationError

ENDPOINT = "https://reluth.chu.example/notify/icm"
SECRET = "a-secret-of-the-tests-0123456789"
HOOK = Hook(ENDPOINT, SECRET)
TYPES = ("Condition", "Observation")
TOPIC = {
    "resourceType": "SubscriptionTopic",
    "id": "t",
    "url": "https://fhir.example.org/topics/any",
    "status": "active",
    "resourceTrigger": [
        {"resource": "http://hl7.org/fhir/StructureDefinition/Observation"},
        {"resource": "Condition", "supportedInteraction": ["create", "update", "delete"]},
    ],
}

Json = dict[str, Any]
NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Server:
    """Holds Subscriptions, and activates them when they are looked at for the second time."""

    def __init__(self, version: str = "4.0.1", served: Sequence[str] = (*TYPES, "Subscription")) -> None:
        self.capability_ = Capability(version, types={type_: TypeCapability() for type_ in served})
        self.held: dict[str, Json] = {}
        self.topics: list[Json] = []
        self.asked: list[tuple[str, Json]] = []
        self.wants_filter = False
        self.writes: list[str] = []
        self.refusals: dict[str, Exception] = {}
        self.issues: tuple[Issue, ...] = ()
        self.outcome: EntryOutcome | None = None
        self.searches: list[Exception | None] = []

    def capability(self) -> Capability:
        return self.capability_

    def search(
        self, resource_type: str, *, since: str | None = None, count: int = 500, params: Mapping[str, str] = NO_PARAMS
    ) -> Iterator[SearchPage]:
        self.asked.append((resource_type, dict(params)))
        refusal = self.searches.pop(0) if self.searches else None
        if refusal is not None:
            raise refusal
        bodies = self.topics if resource_type in ("SubscriptionTopic", "Basic") else list(self.held.values())
        raws = [msgspec.json.encode(body) for body in bodies]
        entries = tuple(SearchEntry(raw, "match") for raw in raws)
        yield SearchPage(
            url=resource_type, number=1, entries=entries, issues=self.issues, transaction_time=None, total=None
        )
        for body in self.held.values():
            if body["status"] == "requested":
                body["status"] = "active"

    def transact(self, entries: Sequence[TransactionEntry]) -> list[EntryOutcome]:
        [entry] = entries
        body = msgspec.json.decode(entry.resource) if entry.resource else {}
        about = body.get("criteria") or body.get("topic") or entry.url
        for part, error in self.refusals.items():
            if part in about:
                raise error
        if self.outcome is not None:
            return [self.outcome]
        if self.wants_filter and body and "_criteria" not in body:
            return [EntryOutcome(422)]
        self.writes.append(f"{entry.method} {about} {entry.if_match or ''}".strip())
        if entry.method == "DELETE":
            del self.held[entry.url.partition("/")[2]]
            return [EntryOutcome(204)]
        name = body.get("id") or f"s{len(self.held) + 1}"
        version = str(int(self.held.get(name, {"meta": {"versionId": "0"}})["meta"]["versionId"]) + 1)
        self.held[name] = body | {"id": name, "meta": body["meta"] | {"versionId": version}}
        return [EntryOutcome(201 if entry.method == "POST" else 200, f"Subscription/{name}", version)]

    def put(self, name: str, **told: Any) -> Json:
        """A Subscription that somebody else made."""
        body = {
            "resourceType": "Subscription",
            "id": name,
            "meta": {"versionId": "7"},
            "status": "active",
            "criteria": "Observation?",
            "channel": {"type": "rest-hook", "endpoint": f"{ENDPOINT}/Observation"},
            **told,
        }
        self.held[name] = body
        return body


@pytest.fixture
def server() -> Server:
    return Server()


def subscriptions(server: Server, hook: Hook = HOOK, *, topics: Mapping[str, str] | None = None) -> Subscriptions:
    return Subscriptions(server, hook, topics=topics, sleep=lambda seconds: None)


def outcomes(told: list[Subscribed]) -> list[tuple[str, str]]:
    return [(one.type, one.outcome) for one in told]


def test_subscription_is_made_for_each_type_with_secret_and_without_content(server: Server) -> None:
    told = subscriptions(server).ensure(TYPES)
    condition, observation = server.held.values()

    assert [(one.type, one.outcome, one.id, one.status) for one in told] == [
        ("Condition", "created", "s1", "active"),
        ("Observation", "created", "s2", "active"),
    ]
    assert (condition["criteria"], observation["criteria"]) == ("Condition?", "Observation?")
    assert observation["channel"] == {
        "type": "rest-hook",
        "endpoint": f"{ENDPOINT}/Observation",
        "header": [f"Authorization: Bearer {SECRET}"],
    }


def test_subscribing_twice_writes_once(server: Server) -> None:
    subscriptions(server).ensure(TYPES)
    server.writes.clear()
    told = subscriptions(server).ensure(TYPES)

    assert outcomes(told) == [("Condition", "kept"), ("Observation", "kept")]
    assert server.writes == []


def spoil_channel(body: Json, **told: Any) -> None:
    body["channel"] = body["channel"] | told


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(status="error"),
        lambda body: body.update(status="off"),
        lambda body: body.update(end="2027-01-01T00:00:00Z"),
        lambda body: spoil_channel(body, payload="application/fhir+json"),
        lambda body: spoil_channel(body, header=["Authorization: Bearer another"]),
        lambda body: body["channel"].pop("header"),
        lambda body: spoil_channel(body, endpoint="https://elsewhere.example/x"),
        lambda body: body.update(criteria="Observation?code=718-7"),
    ],
    ids=["error", "off", "end", "payload", "old-secret", "no-header", "endpoint", "criteria"],
)
def test_subscription_that_is_not_as_it_should_be_is_renewed_by_its_version(
    server: Server, spoil: Callable[[Json], None]
) -> None:
    subscriptions(server).ensure(["Observation"])
    sound = copy.deepcopy(server.held["s1"])
    spoil(server.held["s1"])
    server.writes.clear()
    told = subscriptions(server).ensure(["Observation"])

    assert [(one.outcome, one.id, one.status) for one in told] == [("renewed", "s1", "active")]
    assert server.writes == ['PUT Observation? W/"1"']
    assert server.held["s1"] | {"meta": sound["meta"]} == sound


def test_subscription_made_by_hand_at_our_endpoint_becomes_ours(server: Server) -> None:
    server.put("by-hand", contact=[{"system": "phone", "value": "1"}])
    told = subscriptions(server).ensure(["Observation"])

    assert outcomes(told) == [("Observation", "renewed")]
    assert server.writes == ['PUT Observation? W/"7"']
    assert server.held["by-hand"]["contact"] and server.held["by-hand"]["meta"]["tag"][0]["system"] == TAGS


def test_second_one_of_ours_for_a_type_is_removed(server: Server) -> None:
    subscriptions(server).ensure(["Observation"])
    server.held["s9"] = server.held["s1"] | {"id": "s9", "status": "error"}
    told = subscriptions(server).ensure(["Observation"])

    assert [(one.outcome, one.id) for one in told] == [("kept", "s1"), ("removed", "s9")]
    assert list(server.held) == ["s1"]


def test_type_that_is_no_longer_wanted_is_removed(server: Server) -> None:
    subscriptions(server).ensure(TYPES)
    told = subscriptions(server).ensure(["Condition"])

    assert outcomes(told) == [("Condition", "kept"), ("Observation", "removed")]


def test_removing_takes_ours_only_and_names_those_at_our_endpoint(server: Server) -> None:
    subscriptions(server).ensure(TYPES)
    server.put("by-hand")
    server.put("other", channel={"type": "rest-hook", "endpoint": "https://other.example/notify/icm/Observation"})
    subscriptions(server, Hook("https://reluth.chu.example/notify/icm2", SECRET)).ensure(["Observation"])
    told = subscriptions(server).remove()

    assert [(one.type, one.outcome, one.id) for one in told] == [
        ("Condition", "removed", "s1"),
        ("Observation", "left", "by-hand"),
        ("Observation", "removed", "s2"),
    ]
    assert sorted(server.held) == ["by-hand", "other", "s5"]


def test_type_that_is_refused_costs_itself_only(server: Server) -> None:
    refused = Refused("POST https://fhir.example.org/r4", 422, (Issue("error", "business-rule"),))
    server.refusals["Condition"] = refused
    told = subscriptions(server).ensure(TYPES)

    assert outcomes(told) == [("Condition", "failed"), ("Observation", "created")]
    assert told[0].error is refused
    assert told[0].as_object()["problem"] == str(refused)


def test_server_that_does_not_answer_is_not_asked_for_each_type(server: Server) -> None:
    gone = Unavailable("POST https://fhir.example.org/r4", "no answer", attempts=6)
    server.refusals["Condition"] = gone
    told = subscriptions(server).ensure(TYPES)

    assert [(one.outcome, one.error) for one in told] == [("failed", gone), ("failed", gone)]
    assert server.writes == []


def test_one_that_cannot_be_removed_costs_itself_only(server: Server) -> None:
    subscriptions(server).ensure(TYPES)
    server.refusals["Subscription/s1"] = Refused("POST https://fhir.example.org/r4", 409)
    told = subscriptions(server).remove()

    assert [(one.outcome, one.id) for one in told] == [("failed", "s1"), ("removed", "s2")]


def test_entry_that_was_not_carried_out_is_a_refusal(server: Server) -> None:
    server.outcome = EntryOutcome(422, issues=(Issue("error", "business-rule"),))
    [told] = subscriptions(server).ensure(["Observation"])

    assert told.outcome == "failed"
    assert "422 (error/business-rule)" in str(told.error)


def test_status_that_cannot_be_looked_at_is_told_as_requested(server: Server) -> None:
    server.searches = [None, Unavailable("GET Subscription", "no answer", attempts=6)]
    [told] = subscriptions(server).ensure(["Observation"])

    assert (told.outcome, told.status) == ("created", "requested")


def test_type_that_is_not_served_is_named(server: Server) -> None:
    told = subscriptions(server).ensure(["Observation", "ResearchSubject"])

    assert outcomes(told) == [("Observation", "created"), ("ResearchSubject", "not-served")]


def test_server_without_subscriptions_is_left_alone() -> None:
    server = Server(served=TYPES)

    with pytest.raises(UnusableAnswer, match="states no Subscription"):
        subscriptions(server).ensure(TYPES)
    assert server.writes == []


def test_search_that_may_lack_matches_creates_nothing(server: Server) -> None:
    server.issues = (Issue("error", "timeout"),)

    with pytest.raises(UnusableAnswer, match="may be missing"):
        subscriptions(server).ensure(TYPES)
    assert server.writes == []


def test_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(HOOK)


# R5: topics of the server


def test_server_of_r5_is_subscribed_by_its_topic_with_ids_only() -> None:
    server = Server("5.0.0")
    server.topics = [TOPIC]
    first = subscriptions(server).ensure(TYPES)
    again = subscriptions(server).ensure(TYPES)
    body = server.held["s2"]

    assert outcomes(first) == [("Condition", "created"), ("Observation", "created")]
    assert outcomes(again) == [("Condition", "kept"), ("Observation", "kept")]
    assert (body["topic"], body["content"], body["endpoint"]) == (TOPIC["url"], "id-only", f"{ENDPOINT}/Observation")
    assert body["parameter"] == [{"name": "Authorization", "value": f"Bearer {SECRET}"}]


@pytest.mark.parametrize(
    "narrowed",
    [
        {"status": "retired"},
        {"resourceTrigger": [{"resource": "Observation", "supportedInteraction": ["create"]}]},
        {"resourceTrigger": [{"resource": "Observation", "queryCriteria": {"current": "status=final"}}]},
        {"resourceTrigger": [{"resource": "Observation", "fhirPathCriteria": "%current.status = 'final'"}]},
    ],
)
def test_topic_that_tells_of_a_part_only_is_not_taken(narrowed: Json) -> None:
    server = Server("5.0.0")
    server.topics = [TOPIC | narrowed]
    [told] = subscriptions(server).ensure(["Observation"])

    assert told.outcome == "failed"
    assert "no topic of the server" in str(told.error)


# R4 with topics: Subscriptions R5 Backport

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
URL = "https://fhir.example.org/topics/any"


def element(name: str, **value: Any) -> Json:
    return {"url": f"http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.{name}", **value}


def basic(*parts: Json, status: str | None = "active", type_: str = "Observation") -> Json:
    """A topic in the place of SubscriptionTopic, which R4 has not."""
    trigger = [{"url": "resource", "valueUri": f"http://hl7.org/fhir/StructureDefinition/{type_}"}, *parts]
    stated = [] if status is None else [element("status", valueCode=status)]
    extension = [element("url", valueUri=URL), *stated, element("resourceTrigger", extension=trigger)]
    return {"resourceType": "Basic", "id": "t", "extension": extension}


def r4_server(
    version: str = "4.0.1", *, topics: frozenset[str] = frozenset(), profiles: frozenset[str] = frozenset()
) -> Server:
    server = Server(version)
    server.capability_ = Capability(
        version,
        types={
            "Condition": TypeCapability(),
            "Observation": TypeCapability(),
            "Basic": TypeCapability(search_params=frozenset({"code"})),
            "Subscription": TypeCapability(topics=topics, profiles=profiles),
        },
    )
    return server


def interactions(*codes: str) -> list[Json]:
    return [{"url": "supportedInteraction", "valueCode": code} for code in codes]


def test_r4_server_is_subscribed_by_topic_in_the_form_of_the_backport() -> None:
    server = r4_server()
    server.topics = [basic(*interactions("create", "update"))]
    first = subscriptions(server, topics={}).ensure(["Observation"])
    again = subscriptions(server, topics={}).ensure(["Observation"])
    body = server.held["s1"]

    assert (outcomes(first), outcomes(again)) == ([("Observation", "created")], [("Observation", "kept")])
    assert body["meta"]["profile"] == [f"{BACKPORT}/backport-subscription"]
    assert body["criteria"] == URL
    assert body["channel"] == {
        "type": "rest-hook",
        "endpoint": f"{ENDPOINT}/Observation",
        "header": [f"Authorization: Bearer {SECRET}"],
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]},
    }
    assert not body.keys() & {"_criteria", "topic"}
    assert ("Basic", {"code": "http://hl7.org/fhir/fhir-types|SubscriptionTopic"}) in server.asked


def test_r4_server_with_topics_is_subscribed_by_criteria_unless_topics_are_asked_for() -> None:
    server = r4_server(topics=frozenset({URL}))
    subscriptions(server).ensure(["Observation"])

    assert server.held["s1"]["criteria"] == "Observation?"
    assert "Basic" not in {type_ for type_, _ in server.asked}


def test_r4b_server_is_asked_for_its_own_topics_and_subscribed_by_the_backport() -> None:
    server = r4_server("4.3.0")
    server.capability_ = Capability("4.3.0", types={**server.capability_.types, "SubscriptionTopic": TypeCapability()})
    server.topics = [TOPIC]
    told = subscriptions(server, topics={}).ensure(TYPES)

    assert outcomes(told) == [("Condition", "created"), ("Observation", "created")]
    assert server.held["s1"]["criteria"] == TOPIC["url"]
    assert "_payload" in server.held["s1"]["channel"]


@pytest.mark.parametrize(
    "topic",
    [
        basic(*interactions("create")),
        basic({"url": "queryCriteria", "extension": [{"url": "current", "valueString": "status=final"}]}),
        basic({"url": "fhirPathCriteria", "valueString": "%current.status = 'final'"}),
        basic(type_="Condition"),
    ],
    ids=["creations", "query", "path", "another-type"],
)
def test_topic_of_r4_that_does_not_tell_of_every_change_is_not_taken(topic: Json) -> None:
    server = r4_server()
    server.topics = [topic]
    [told] = subscriptions(server, topics={}).ensure(["Observation"])

    assert told.outcome == "failed"
    assert "no topic of the server tells of every change of Observation" in str(told.error)
    assert server.writes == []


def test_topic_of_r4_without_a_status_or_interactions_tells_of_all() -> None:
    server = r4_server()
    server.topics = [basic(status=None)]

    assert outcomes(subscriptions(server, topics={}).ensure(["Observation"])) == [("Observation", "created")]


def test_server_that_states_nothing_of_topics_is_not_subscribed_by_topic() -> None:
    server = r4_server()
    for topics in ({}, {"Observation": URL}):
        with pytest.raises(UnusableAnswer, match="subscribe by criteria instead"):
            subscriptions(server, topics=topics).ensure(["Observation"])

    assert server.writes == []


@pytest.mark.parametrize(
    ("topics", "profiles"),
    [(frozenset({URL}), frozenset()), (frozenset(), frozenset({f"{BACKPORT}/backport-subscription"}))],
)
def test_topic_that_the_settings_name_is_taken_where_the_server_states_topics_or_the_backport(
    topics: frozenset[str], profiles: frozenset[str]
) -> None:
    server = r4_server(topics=topics, profiles=profiles)
    told = subscriptions(server, topics={"Observation": URL}).ensure(TYPES)

    assert outcomes(told) == [("Condition", "failed"), ("Observation", "created")]
    assert server.held["s1"]["criteria"] == URL


def test_topic_that_the_settings_name_goes_before_one_that_is_found() -> None:
    server = Server("5.0.0")
    named = "https://fhir.example.org/topics/mine"
    server.topics = [TOPIC, TOPIC | {"url": named, "resourceTrigger": []}]
    subscriptions(server, topics={"Observation": named}).ensure(["Observation"])

    assert server.held["s1"]["topic"] == named


def test_topic_that_the_server_has_not_is_not_subscribed_to() -> None:
    server = r4_server(topics=frozenset({URL}))

    with pytest.raises(UnusableAnswer, match="the topic named for Observation is none of the server's"):
        subscriptions(server, topics={"Observation": "https://fhir.example.org/topics/other"}).ensure(TYPES)
    assert server.writes == []


def test_server_that_wants_a_filter_gets_one_that_lets_all_through() -> None:
    server = r4_server(topics=frozenset({URL}))
    server.wants_filter = True
    first = subscriptions(server, topics={"Observation": URL}).ensure(["Observation"])
    again = subscriptions(server, topics={"Observation": URL}).ensure(["Observation"])

    assert (outcomes(first), outcomes(again)) == ([("Observation", "created")], [("Observation", "kept")])
    filters = [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": "Observation?"}]
    assert server.held["s1"]["_criteria"] == {"extension": filters}


@pytest.mark.parametrize("status", [401, 403, 412])
def test_refusal_that_no_filter_mends_is_told_at_once(status: int) -> None:
    server = r4_server(topics=frozenset({URL}))
    server.refusals[URL] = Refused("POST https://fhir.example.org/r4", status)
    [told] = subscriptions(server, topics={"Observation": URL}).ensure(["Observation"])

    assert (told.outcome, server.writes) == ("failed", [])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(
            _criteria={
                "extension": [
                    {"url": f"{BACKPORT}/backport-filter-criteria", "valueString": "Observation?status=final"}
                ]
            }
        ),
        lambda body: body["channel"].pop("_payload"),
        lambda body: spoil_channel(
            body,
            _payload={"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "full-resource"}]},
        ),
        lambda body: body.update(criteria="Observation?"),
    ],
    ids=["filter", "no-content", "full-content", "criteria"],
)
def test_subscription_to_a_topic_that_is_not_as_it_should_be_is_renewed(spoil: Callable[[Json], None]) -> None:
    server = r4_server(topics=frozenset({URL}))
    subscriptions(server, topics={"Observation": URL}).ensure(["Observation"])
    sound = copy.deepcopy(server.held["s1"])
    spoil(server.held["s1"])
    told = subscriptions(server, topics={"Observation": URL}).ensure(["Observation"])

    assert outcomes(told) == [("Observation", "renewed")]
    assert server.held["s1"] | {"meta": sound["meta"]} == sound


def test_subscription_of_r5_that_somebody_narrowed_is_renewed() -> None:
    server = Server("5.0.0")
    server.topics = [TOPIC]
    subscriptions(server).ensure(["Observation"])
    server.held["s1"]["filterBy"] = [{"filterParameter": "code", "value": "718-7"}]
    told = subscriptions(server).ensure(["Observation"])

    assert outcomes(told) == [("Observation", "renewed")]
    assert "filterBy" not in server.held["s1"]


# The hook


@pytest.mark.parametrize("endpoint", ["https://reluth.chu.example", "http://127.0.0.1:8000/", "http://[::1]:8000"])
def test_hook_is_the_endpoint_and_the_site(endpoint: str) -> None:
    hook = notification_hook("icm", endpoint=endpoint, secret=SECRET)

    assert hook.endpoint == f"{endpoint.rstrip('/')}/notify/icm"


@pytest.mark.parametrize(
    ("endpoint", "secret", "key"),
    [
        ("http://reluth.chu.example", SECRET, "sites.icm.notifications.endpoint"),
        ("ftp://reluth.chu.example", SECRET, "sites.icm.notifications.endpoint"),
        ("https://reluth.chu.example/?a=b", SECRET, "sites.icm.notifications.endpoint"),
        ("https://me:word@reluth.chu.example/", SECRET, "sites.icm.notifications.endpoint"),
        ("https://reluth.chu.example", "short", "sites.icm.notifications.secret"),
        ("https://reluth.chu.example", f"{SECRET}\r\nX-Other: 1", "sites.icm.notifications.secret"),
        ("https://reluth.chu.example", f"{SECRET} blank", "sites.icm.notifications.secret"),
    ],
)
def test_hook_that_would_show_the_secret_is_refused_by_its_key(endpoint: str, secret: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        notification_hook("icm", endpoint=endpoint, secret=secret)

    assert caught.value.setting == key
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "forbidden", "right"),
        (422, "security", "right"),
        (409, "conflict", "again"),
        (422, "not-supported", "rest-hook"),
        (404, "not-found", "rest-hook"),
        (400, "too-costly", "later"),
        (422, "business-rule", "criteria"),
    ],
)
def test_advice_follows_the_codes_of_the_outcome(status: int, code: str, said: str) -> None:
    assert said in advice(Refused("POST x", status, (Issue("error", code),)))
