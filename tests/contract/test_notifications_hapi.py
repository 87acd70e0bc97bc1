"""In: a new result in a real HAPI with Subscriptions of ours. Out: proof that the patient's verdict follows within seconds, however told."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from adapter.client import SiteAddress, SiteClient
from adapter.client.hook import notification_hook
from adapter.client.subscription import Subscriptions
from adapter.config import Settings, load_settings
from adapter.jobs.catch_up import CatchUp, start_catch_up
from adapter.jobs.notified import Pace
from adapter.service import create_app
from adapter.service.notifications import notification_router
from adapter.store import Store
from adapter.sync import PullSummary, pull
from adapter.sync.search_source import SearchSource
from tests.support.cli import reluth_process
from tests.support.hapi_server import running_hapi, unload

pytestmark = pytest.mark.hapi

SITE = "icm"
TRIAL = "nct04954820"
TYPES = ("Patient", "Condition", "Observation")
TODAY = date(2025, 6, 1)
SECRET = "secret-of-the-notification-tests"
#: No pull at an interval, so that only a notification can bring what the tests wait for.
TOLD = Pace(settle=0.3, rest=0.1, every=3600.0, again=0.2)
# HAPI hands on what changed every few seconds (5 at most).
LIMIT = 40.0
SOON = 15.0


class Ward:
    """A patient at HAPI, a store and a service of ours that HAPI can reach."""

    def __init__(self, base_url: str, folder: Path, *, fhir_version: str = "4.0.1", more: str = "") -> None:
        self.base_url = base_url
        self.folder = folder
        self._fhir_version = fhir_version
        #: Settings of the site's notifications.
        self._more = more
        #: Port that HAPI is told instead of the service's own.
        self.port_told: int | None = None
        self.patient = f"notified-{uuid.uuid4().hex[:12]}"
        self.pulls: list[frozenset[str] | None] = []
        self._catch_up: CatchUp | None = None
        self._made: dict[str, list[str]] = {"Patient": [], "Condition": [], "Observation": []}
        self._numbers = itertools.count(1)

    # At the hospital

    def put(self, resource: dict[str, Any]) -> None:
        resource_type, name = resource["resourceType"], resource["id"]
        httpx.put(
            f"{self.base_url}/{resource_type}/{name}",
            content=json.dumps(resource),
            headers={"Content-Type": "application/fhir+json"},
            timeout=60,
            trust_env=False,
        ).raise_for_status()
        if name not in self._made[resource_type]:
            self._made[resource_type].append(name)

    def admit(self) -> None:
        """A patient with a tumour of the small intestine, and a haemoglobin that passes."""
        self.put({"resourceType": "Patient", "id": self.patient, "birthDate": "1960-05-04", "gender": "male"})
        tumour = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C17.2"}]}
        self.put(
            {
                "resourceType": "Condition",
                "id": f"{self.patient}-c",
                "subject": {"reference": f"Patient/{self.patient}"},
                "code": tumour,
                "recordedDate": "2023-03-01",
            }
        )
        self.measure(12.1)

    def measure(self, haemoglobin: float) -> None:
        number = next(self._numbers)
        self.put(
            {
                "resourceType": "Observation",
                "id": f"{self.patient}-o{number}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
                "subject": {"reference": f"Patient/{self.patient}"},
                "effectiveDateTime": f"2025-05-{20 + number}T08:00:00+02:00",
                "valueQuantity": {
                    "value": haemoglobin,
                    "unit": "g/dL",
                    "system": "http://unitsofmeasure.org",
                    "code": "g/dL",
                },
            }
        )

    def discharge(self) -> None:
        unload(self.base_url, {name: ids for name, ids in self._made.items() if ids})

    # Here

    def settings(self, port: int = 1) -> Settings:
        file = self.folder / "adapter.toml"
        file.write_text(
            f'[store]\npath = "var"\n[sites.{SITE}]\nbase_url = "{self.base_url}"\ntypes = {list(TYPES)}\n'
            f'fhir_version = "{self._fhir_version}"\n[sites.{SITE}.notifications]\nsecret = "{SECRET}"\n'
            f'endpoint = "http://127.0.0.1:{self.port_told or port}"\n{self._more}\n'
        )
        return load_settings(file)

    def pull(self, store: Store, site: str, types: frozenset[str] | None) -> PullSummary:
        self.pulls.append(types)
        with SiteClient(SiteAddress(self.base_url)) as client:
            source = SearchSource(client, store.folder / "spool" / site, types=TYPES if types is None else types)
            return pull(store, source, site=site)

    @contextmanager
    def serving(self, pace: Pace = TOLD) -> Iterator[str]:
        """What of the service takes notifications, with its catch-up, until the block ends; yields its address."""
        with listening() as listener:
            settings = self.settings(listener.getsockname()[1])
            with start_catch_up(settings, self.pull, today=lambda: TODAY, pace=pace) as catch_up:
                app = FastAPI()
                app.include_router(notification_router(settings, catch_up.mark))
                with served_at(listener, app) as address:
                    yield address

    @contextmanager
    def serving_all(self) -> Iterator[str]:
        """The same with the service as `reluth serve` runs it."""
        with listening() as listener:
            settings = self.settings(listener.getsockname()[1])
            with served_at(listener, create_app(settings, token="one-time", today=lambda: TODAY)) as address:
                yield address

    def truth(self) -> str | None:
        """Of the haemoglobin of the latest verdict."""
        with Store.open(self.folder / "var") as store:
            kept = store.verdict_of(SITE, f"Patient/{self.patient}", trial=TRIAL, stage="registration")
        if kept is None:
            return None
        [criterion] = [one for one in json.loads(kept.content)["criteria"] if one["id"] == "I11"]
        [part] = [one for one in criterion["parts"] if one["id"] == "I11.a"]
        return str(part["truth"])

    def subscribe(self, *arguments: str) -> list[tuple[str, str, str | None]]:
        """`reluth subscribe`: type, outcome and status of each."""
        # In a process of its own: the service's threads write to the stderr of this one all the while.
        ran = reluth_process(
            "--config", self.folder / "adapter.toml", "--json", "subscribe", "--site", SITE, *arguments
        )
        assert ran.code == 0, ran.err
        assert SECRET not in ran.out + ran.err
        found = ran.object["subscriptions"]
        return [(one["type"], one["outcome"], one["status"]) for one in found]


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


@contextmanager
def served_at(listener: socket.socket, app: FastAPI) -> Iterator[str]:
    """An app until the block ends; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(LIMIT)


def until(holds: Callable[[], bool], limit: float = LIMIT) -> float:
    """Seconds until something holds."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() < begun + limit, "it did not come to pass"
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    found = Ward(running_hapi(), tmp_path)
    found.admit()
    yield found
    found.discharge()


@pytest.fixture
def subscribed(ward: Ward) -> Iterator[str]:
    """A ward that HAPI tells of changes, through with its start; the service's address."""
    with ward.serving() as address:
        until(lambda: ward.truth() == "T")
        ward.subscribe()
        yield address
        ward.subscribe("--remove")


@pytest.fixture
def served(ward: Ward) -> Iterator[str]:
    """A ward through with its start, of which only the test tells; the service's address."""
    with ward.serving() as address:
        until(lambda: ward.truth() == "T")
        yield address


def settle(ward: Ward) -> int:
    """Pulls so far, once HAPI has told of all that was done before."""
    seen = -1
    while seen != len(ward.pulls):
        seen = len(ward.pulls)
        time.sleep(6)
    return seen


def test_subscribing_is_done_once_and_undone(ward: Ward) -> None:
    ward.settings(port=9)
    first, again = ward.subscribe(), ward.subscribe()
    removed, gone = ward.subscribe("--remove"), ward.subscribe("--remove")

    assert first == [(name, "created", "active") for name in sorted(TYPES)]
    assert again == [(name, "kept", "active") for name in sorted(TYPES)]
    assert removed == [(name, "removed", None) for name in sorted(TYPES)]
    assert gone == []


def test_hapi_of_r5_takes_subscriptions_to_its_topics_only() -> None:
    base_url = running_hapi("r5")
    topic = {
        "resourceType": "SubscriptionTopic",
        "id": "notified-observations",
        "url": "https://fhir.example.org/topics/notified-observations",
        "status": "active",
        "resourceTrigger": [{"resource": "Observation", "supportedInteraction": ["create", "update"]}],
    }
    hook = notification_hook(SITE, endpoint="http://127.0.0.1:9", secret=SECRET)
    with (
        httpx.Client(headers={"Content-Type": "application/fhir+json"}, timeout=60, trust_env=False) as hospital,
        SiteClient(SiteAddress(base_url)) as client,
    ):
        hospital.put(f"{base_url}/SubscriptionTopic/{topic['id']}", json=topic).raise_for_status()
        subscriptions = Subscriptions(client, hook)
        told = [subscriptions.ensure(["Condition", "Observation"]) for _ in range(2)]
        removed = subscriptions.remove()
    unload(base_url, {"SubscriptionTopic": [str(topic["id"])]})

    assert [[(one.type, one.outcome, one.status) for one in found] for found in told] == [
        [("Condition", "failed", ""), ("Observation", "created", "active")],
        [("Condition", "failed", ""), ("Observation", "kept", "active")],
    ]
    assert [(one.type, one.outcome) for one in removed] == [("Observation", "removed")]


ELEMENTS = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"


def topic_of_r4(type_: str) -> dict[str, Any]:
    """As HAPI reads it: R4 has no SubscriptionTopic."""
    interactions = [{"url": "supportedInteraction", "valueCode": code} for code in ("create", "update")]
    return {
        "resourceType": "Basic",
        "id": f"topic-{type_.lower()}",
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
        "extension": [
            {"url": f"{ELEMENTS}.url", "valueUri": f"https://fhir.example.org/topics/{type_}"},
            {
                "url": "http://hl7.org/fhir/4.3/StructureDefinition/extension-SubscriptionTopic.resourceTrigger",
                "extension": [{"url": "resource", "valueUri": type_}, *interactions],
            },
        ],
    }


def topic_of_r5(type_: str) -> dict[str, Any]:
    return {
        "resourceType": "SubscriptionTopic",
        "id": f"topic-{type_.lower()}",
        "url": f"https://fhir.example.org/topics/{type_}",
        "status": "active",
        "resourceTrigger": [{"resource": type_, "supportedInteraction": ["create", "update"]}],
    }


@contextmanager
def topics_at(base_url: str, topic_of: Callable[[str], dict[str, Any]]) -> Iterator[None]:
    """A topic for each type at HAPI, until the block ends."""
    topics = [topic_of(type_) for type_ in TYPES]
    made = {topics[0]["resourceType"]: [topic["id"] for topic in topics]}
    with httpx.Client(headers={"Content-Type": "application/fhir+json"}, timeout=60, trust_env=False) as hospital:
        for topic in topics:
            hospital.put(f"{base_url}/{topic['resourceType']}/{topic['id']}", json=topic).raise_for_status()
    try:
        yield
    finally:
        unload(base_url, made)


def test_new_result_told_by_topic_in_r4_is_a_new_verdict(tmp_path: Path) -> None:
    ward = Ward(running_hapi(), tmp_path, more="by_topic = true")
    ward.admit()
    with topics_at(ward.base_url, topic_of_r4), ward.serving():
        until(lambda: ward.truth() == "T")
        first, again = ward.subscribe(), ward.subscribe()
        before = settle(ward)
        ward.measure(6.0)
        seconds = until(lambda: ward.truth() == "F")
        caused = settle(ward) - before
        removed = ward.subscribe("--remove")
    ward.discharge()

    assert first == [(name, "created", "active") for name in sorted(TYPES)]
    assert again == [(name, "kept", "active") for name in sorted(TYPES)]
    assert removed == [(name, "removed", None) for name in sorted(TYPES)]
    assert seconds < SOON
    assert set(ward.pulls[before:]) == {frozenset({"Observation"})}
    assert caused <= 3


@contextmanager
def showing_the_secret(address: str) -> Iterator[int]:
    """A proxy before the service that puts the secret into what has none; yields its port.

    HAPI 8.8.0 keeps Subscription.parameter of R5 and does not send it as a header.
    """

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {"Content-Type": self.headers["Content-Type"], "Authorization": f"Bearer {SECRET}"}
            answer = httpx.post(f"{address}{self.path}", content=body, headers=headers, trust_env=False)
            self.send_response(answer.status_code)
            if "Content-Type" in answer.headers:
                self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(LIMIT)
        server.server_close()


def test_new_result_told_by_topic_in_r5_is_a_new_verdict(tmp_path: Path) -> None:
    ward = Ward(running_hapi("r5"), tmp_path, fhir_version="5.0.0")
    ward.admit()
    with topics_at(ward.base_url, topic_of_r5), ward.serving() as address, showing_the_secret(address) as port:
        until(lambda: ward.truth() == "T")
        ward.port_told = port
        ward.settings()
        told = ward.subscribe()
        before = settle(ward)
        ward.measure(6.0)
        seconds = until(lambda: ward.truth() == "F")
        caused = settle(ward) - before
        ward.subscribe("--remove")
    ward.discharge()

    assert told == [(name, "created", "active") for name in sorted(TYPES)]
    assert seconds < SOON
    assert set(ward.pulls[before:]) == {frozenset({"Observation"})}
    assert caused <= 3


def test_new_result_at_the_hospital_is_a_new_verdict_within_seconds(ward: Ward, subscribed: str) -> None:
    del subscribed
    before = settle(ward)
    ward.measure(6.0)
    seconds = until(lambda: ward.truth() == "F")

    assert seconds < SOON
    assert ward.pulls[before:] == [frozenset({"Observation"})]


def test_service_follows_what_hapi_tells_it_and_lets_nobody_else_in(ward: Ward) -> None:
    (ward.folder / "var").mkdir(mode=0o700)
    with ward.serving_all() as address, httpx.Client(base_url=address, trust_env=False) as client:
        until(lambda: ward.truth() == "T")
        ward.subscribe()
        ward.measure(6.0)
        until(lambda: ward.truth() == "F")
        ward.subscribe("--remove")
        proxied = {"Host": "reluth.chu.example", "Authorization": f"Bearer {SECRET}"}
        answers = [
            client.post(f"/notify/{SITE}", headers=proxied).status_code,
            client.post(f"/notify/{SITE}").status_code,
            client.get("/api/worklist", headers=proxied).status_code,
            client.get("/api/worklist").status_code,
        ]

    assert answers == [200, 401, 400, 401]


def test_many_changes_at_once_are_few_pulls(ward: Ward, subscribed: str) -> None:
    del subscribed
    before = settle(ward)
    for value in (12.0, 11.9, 11.8, 11.7, 11.6, 11.5, 11.4, 11.3, 6.0):
        ward.measure(value)
    until(lambda: ward.truth() == "F")

    assert 1 <= len(ward.pulls) - before <= 3


def test_many_notifications_of_one_change_are_one_pull(ward: Ward, served: str) -> None:
    before = len(ward.pulls)
    with httpx.Client(headers={"Authorization": f"Bearer {SECRET}"}, trust_env=False) as client:
        answers = [client.post(f"{served}/notify/{SITE}/Observation").status_code for _ in range(30)]
    until(lambda: len(ward.pulls) > before)
    time.sleep(1)

    assert answers == [200] * 30
    assert ward.pulls[before:] == [frozenset({"Observation"})]


def test_forged_body_changes_nothing_but_causes_a_re_read(ward: Ward, served: str) -> None:
    before = len(ward.pulls)
    forged = {
        "resourceType": "Observation",
        "id": f"{ward.patient}-o1",
        "meta": {"versionId": "99"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/{ward.patient}"},
        "effectiveDateTime": "2025-05-30",
        "valueQuantity": {"value": 2.0, "unit": "g/dL"},
    }
    with Store.open(ward.folder / "var") as store:
        stats = store.lake.stats()
    answer = httpx.put(
        f"{served}/notify/{SITE}/Observation/{ward.patient}-o1",
        json=forged,
        headers={"Authorization": f"Bearer {SECRET}"},
        trust_env=False,
    )
    until(lambda: len(ward.pulls) > before)
    time.sleep(1)

    assert (answer.status_code, ward.truth()) == (200, "T")
    with Store.open(ward.folder / "var") as store:
        assert store.lake.stats() == stats


def test_wrong_secret_is_refused_and_causes_nothing(ward: Ward, served: str) -> None:
    before = len(ward.pulls)
    answers = [
        httpx.post(f"{served}/notify/{SITE}/Observation", headers=headers, trust_env=False).status_code
        for headers in ({}, {"Authorization": "Bearer another-secret-0123456789"})
    ]
    time.sleep(1)

    assert answers == [401, 401]
    assert len(ward.pulls) == before


def test_change_that_nobody_was_told_of_is_caught_up_at_the_start(ward: Ward) -> None:
    with ward.serving():
        until(lambda: ward.truth() == "T")
    ward.measure(6.0)
    time.sleep(0.5)
    unheard = ward.truth()
    with ward.serving():
        until(lambda: ward.truth() == "F")

    assert (unheard, ward.pulls) == ("T", [None, None])


def test_lost_notification_is_caught_up_at_the_interval(ward: Ward) -> None:
    with ward.serving(Pace(rest=0.1, every=1.0)):
        until(lambda: ward.truth() == "T")
        ward.measure(6.0)
        until(lambda: ward.truth() == "F")

    assert set(ward.pulls) == {None}
