"""Promises of CDS Hooks 2.0 over HTTP: a signed client, its key server, a hospital's FHIR server, and who should hear nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from adapter.client.keys import make_key
from adapter.config import CdsClientSettings, SiteSettings
from adapter.service.hospital import serve_hospital
from adapter.store import Store
from tests.support.cds import ISSUER, CdsClient, KeyServer, bundle, cds_service, key_server, order
from tests.support.cds_centre import ON, SITE, TRIAL, CdsCentre, make_centre

VIEW = "/cds-services/reluth-patient-view"
TOKEN = "fhir-token-0123456789"
KEY = make_key("ES384")
Json = dict[str, Any]


@dataclass
class World:
    """Everything at once; ``elsewhere`` is a site whose server answers with redirects to a host that nobody named."""

    centre: CdsCentre
    client: CdsClient
    keys: KeyServer
    other: CdsClient
    redirecting: Redirecting

    def store(self) -> Store:
        return Store.open(self.centre.settings.store.path)


@dataclass
class Redirecting:
    """A FHIR server that sends everybody elsewhere, and the listener there."""

    url: str
    asked: list[str]
    listener: socket.socket

    def heard(self) -> bool:
        """Whether anybody connected to where they were sent."""
        self.listener.settimeout(0.2)
        try:
            self.listener.accept()[0].close()
        except TimeoutError:
            return False
        return True


@contextmanager
def redirecting() -> Iterator[Redirecting]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = Redirecting("", [], listener)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told.asked.append(self.headers.get("Authorization", ""))
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{listener.getsockname()[1]}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            told.url = f"http://127.0.0.1:{server.server_address[1]}/fhir"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield told
            finally:
                server.shutdown()
                thread.join(5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    centre = make_centre(tmp_path_factory.mktemp("cards"), patients=60, unknown=3)
    with serve_hospital(centre.feed) as fhir, key_server(KEY) as keys, redirecting() as away:
        sites = {
            SITE: SiteSettings(base_url=fhir),
            "elsewhere": SiteSettings(base_url=away.url, push_candidates=True),
        }
        clients = {
            "ehr": CdsClientSettings(issuer=ISSUER, jku=keys.url),
            "limited": CdsClientSettings(issuer="https://limited.example.org", jku=keys.url, sites=["elsewhere"]),
        }
        settings = centre.settings.model_copy(update={"sites": sites})
        with cds_service(settings, clients, today=lambda: ON) as base:
            client = CdsClient(base, KEY, fhir)
            other = CdsClient(base, KEY, fhir, issuer="https://limited.example.org")
            yield World(centre, client, keys, other, away)


def authorization(**more: Any) -> Json:
    return {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "subject": "us",
    } | more


def one_card(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    cards = answer.json()["cards"]
    assert len(cards) == 1
    return dict(cards[0])


def test_discovery_answers_to_anybody(world: World) -> None:
    answer = httpx.get(f"{world.client.base}/cds-services", trust_env=False)

    assert answer.status_code == 200
    assert {(one["id"], one["hook"]) for one in answer.json()["services"]} == {
        ("reluth-patient-view", "patient-view"),
        ("reluth-order-select", "order-select"),
    }
    assert "access-control-allow-origin" not in answer.headers


def test_card_of_a_stored_verdict_has_all_that_the_specification_asks_for(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    card = one_card(world.client.view(name))

    assert len(card["summary"]) < 140
    assert (card["indicator"], card["selectionBehavior"]) == ("info", "at-most-one")
    assert card["source"] == {"label": "ReLUTH, pre-screening", "url": "https://clinicaltrials.gov/study/NCT04954820"}
    assert all(set(one) == {"code", "system", "display"} for one in card["overrideReasons"])
    (link,) = card["links"]
    assert link["type"] == "absolute"
    assert link["url"].startswith(f"{world.client.base}/patients/")
    assert name not in link["url"]
    (suggestion,) = card["suggestions"]
    (action,) = suggestion["actions"]
    resource = action["resource"]
    assert (action["type"], resource["resourceType"], resource["status"]) == (
        "create",
        "ResearchSubject",
        "potential-candidate",
    )
    assert resource["individual"] == {"reference": f"Patient/{name}"}
    assert "null" not in json.dumps(card)


def test_card_is_in_the_language_of_the_reader(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]

    assert "peut convenir" in one_card(world.client.view(name, lang="fr-FR, en;q=0.5"))["summary"]
    assert "may fit" in one_card(world.client.view(name, lang="en-GB"))["summary"]
    assert "peut convenir" in one_card(world.client.view(name, lang="de"))["summary"]


def test_card_names_nobody_and_shows_no_value(world: World) -> None:
    for name in world.centre.of("ineligible")[:5]:
        card = one_card(world.client.view(name))
        person = next(one for one in world.centre.resources[name] if one["resourceType"] == "Patient")
        words = [word for told in person.get("name", []) for word in (told.get("family"), *told.get("given", []))]
        told = json.dumps({"summary": card["summary"], "detail": card["detail"]}, ensure_ascii=False)

        assert name not in told
        assert not any(word in told for word in words if word)


def test_nobody_who_cannot_be_a_candidate_gets_a_card(world: World) -> None:
    silent = world.centre.of("ineligible", permanent=True)[:5] + world.centre.of("ineligible", candidate=False)[:5]

    assert len(silent) >= 6
    for name in silent:
        assert world.client.view(name).json() == {"cards": []}


@pytest.mark.parametrize("state", ["declined", "not-eligible", "enrolled"])
def test_decision_for_good_silences_the_card(world: World, state: str) -> None:
    name = world.centre.of("ready-for-investigator")[{"declined": 1, "not-eligible": 2, "enrolled": 3}[state]]
    assert one_card(world.client.view(name))
    with world.store() as store:
        store.decide(SITE, f"Patient/{name}", trial=TRIAL, state=state, reason="other", by="nurse")

    assert world.client.view(name).json() == {"cards": []}


def test_nobody_but_staff_gets_a_card(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]

    assert world.client.view(name, context={"userId": f"Patient/{name}"}).json() == {"cards": []}


def test_each_card_is_kept_and_audited(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    card = one_card(world.client.view(name))
    with world.store() as store:
        kept = store.cards.of(card["uuid"])
        line = store.audit_trail()[-1]

    assert kept is not None
    assert (kept.patient, kept.client, kept.user) == (f"Patient/{name}", "ehr", "Practitioner/7")
    assert (line.actor, line.action, line.subject) == ("cds:ehr:Practitioner/7", "card-shown", f"{SITE}/Patient/{name}")


# What is newer, what is not there -----------------------------------------------------------------------------------


def platelets(of: str, value: int, **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "brand-new",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2025-06-01T07:00:00+02:00",
        "valueQuantity": {"value": value, "unit": "G/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"},
    } | more


def test_newer_result_in_the_prefetch_counts(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    before = one_card(world.client.view(name, prefetch=world.centre.prefetch(name)))
    after = one_card(world.client.view(name, prefetch={"observation": bundle(platelets(name, 20))}))

    assert "may fit" in before["summary"]
    assert "not now: I11" in after["summary"]
    assert "suggestions" not in after
    assert one_card(world.client.view(name))["summary"] == before["summary"]


def test_result_of_another_patient_in_the_prefetch_does_not_count(world: World) -> None:
    name, another = world.centre.of("ready-for-investigator")[0], world.centre.of("needs-information")[0]
    foreign = {"observation": bundle(platelets(another, 20)), "patient": {"resourceType": "Patient", "id": another}}

    assert "may fit" in one_card(world.client.view(name, prefetch=foreign))["summary"]


def test_result_that_cannot_be_read_is_not_passed_over(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    broken = platelets(name, 200) | {"valueQuantity": "20 G/L"}

    assert "missing" in one_card(world.client.view(name, prefetch={"observation": bundle(broken)}))["summary"]


@pytest.mark.parametrize(
    "prefetch",
    [
        None,
        {},
        {"patient": None, "observation": None},
        {"observation": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}},
        {"observation": "x", "condition": 5, "flag": []},
    ],
)
def test_prefetch_without_anything_changes_nothing(world: World, prefetch: Any) -> None:
    name = world.centre.of("ready-for-investigator")[0]

    assert "may fit" in one_card(world.client.view(name, prefetch=prefetch))["summary"]


def test_patient_unknown_to_the_store_is_judged_by_a_whole_prefetch(world: World) -> None:
    name = world.centre.unknown[0]
    card = one_card(world.client.view(name, prefetch=world.centre.prefetch(name)))

    assert "may fit" in card["summary"]
    assert "links" not in card


def test_card_is_silent_about_who_was_forgotten_whatever_is_sent_with_the_call(world: World) -> None:
    name = world.centre.unknown[0]
    prefetch = world.centre.prefetch(name)
    with world.store() as store:
        store.kept_off.add(SITE, {f"Patient/{name}": f"Patient/{name}"}, reason="objection")
        silent = world.client.view(name, prefetch=prefetch)
        store.kept_off.remove(SITE, f"Patient/{name}")

    assert silent.json() == {"cards": []}
    assert one_card(world.client.view(name, prefetch=prefetch))


@pytest.mark.parametrize("left_out", ["patient", "condition", "medicationAdministration"])
def test_patient_unknown_to_the_store_is_not_judged_by_a_part(world: World, left_out: str) -> None:
    name = world.centre.unknown[0]
    part = {key: value for key, value in world.centre.prefetch(name).items() if key != left_out}

    assert world.client.view(name, prefetch=part).status_code == 412


def test_patient_unknown_to_the_store_with_a_type_missing_is_told_so(world: World) -> None:
    name = world.centre.unknown[0]
    part = {key: value for key, value in world.centre.prefetch(name).items() if key != "coverage"}
    card = one_card(world.client.view(name, prefetch=part))

    assert "missing" in card["summary"]
    assert "**Not everything was at hand:** Coverage." in card["detail"]


def test_patient_unknown_to_the_store_is_fetched_with_the_token(world: World) -> None:
    name = world.centre.unknown[1]
    assert world.client.view(name).status_code == 412
    card = one_card(world.client.view(name, fhirAuthorization=authorization()))

    assert "may fit" in card["summary"]


def test_patient_nobody_knows_cannot_be_told_of(world: World) -> None:
    assert world.client.view("no-such-patient", fhirAuthorization=authorization()).status_code == 412


# Where nothing may go -----------------------------------------------------------------------------------------------


def test_server_that_is_not_configured_is_never_asked(world: World) -> None:
    name = world.centre.unknown[0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        foreign = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        answer = world.client.view(name, fhirServer=foreign, fhirAuthorization=authorization())
        listener.settimeout(0.2)

        assert answer.status_code == 412
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("spelling", ["{}/", "{}//", "{}?x=1", "{}#x", "http://u@{}"])
def test_server_is_known_by_its_address_and_nothing_else(world: World, spelling: str) -> None:
    fhir = world.client.fhir_server or ""
    given = spelling.format(fhir.removeprefix("http://") if spelling.startswith("http") else fhir)
    name = world.centre.of("ready-for-investigator")[0]

    assert world.client.view(name, fhirServer=given).status_code == (200 if spelling.endswith("/") else 412)


def test_redirect_elsewhere_is_not_followed_with_the_token(world: World) -> None:
    world.redirecting.asked.clear()
    answer = world.client.view("1", fhirServer=world.redirecting.url, fhirAuthorization=authorization())

    assert answer.status_code == 412
    assert set(world.redirecting.asked) == {f"Bearer {TOKEN}"}
    assert not world.redirecting.heard()


def test_client_limited_to_sites_hears_nothing_of_others(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    body = world.other.body(name)

    assert world.other.send(VIEW, body).status_code == 412


# Orders -------------------------------------------------------------------------------------------------------------


def test_order_of_the_treatment_warns_and_another_order_says_nothing(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]

    assert one_card(world.client.select(name, order("V10XX04", of=name)))["indicator"] == "warning"
    assert world.client.select(name, order("V10XX05", of=name)).json() == {"cards": []}


# Feedback -----------------------------------------------------------------------------------------------------------


def feedback(client: CdsClient, *told: Json) -> httpx.Response:
    return client.send(f"{VIEW}/feedback", {"feedback": list(told)})


def test_card_put_away_is_silent_counted_and_its_comment_kept(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[4]
    card = one_card(world.client.view(name))
    reason = {
        "reason": {"code": "other-trial", "system": card["overrideReasons"][0]["system"]},
        "userComment": "Mme Dupont",
    }
    told = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": reason,
        "outcomeTimestamp": "2025-06-01T08:00:00Z",
    }

    assert feedback(world.client, told).json() == {"taken": 1, "unknown": 0}
    assert feedback(world.client, told).json() == {"taken": 1, "unknown": 0}
    assert world.client.view(name).json() == {"cards": []}
    changed = one_card(world.client.view(name, prefetch={"observation": bundle(platelets(name, 20))}))
    assert "not now" in changed["summary"]
    with world.store() as store:
        assert store.cards.feedback_counts(TRIAL, [SITE])["other-trial"] == 1
        assert store.cards.feedback_counts(TRIAL, ["elsewhere"]) == {}
        lines = [line for line in store.audit_trail() if line.action == "card-feedback"]
    assert {line.subject for line in lines if card["uuid"] in line.detail} == {f"{SITE}/Patient/{name}"}
    assert not any("Dupont" in line.detail for line in lines)


def test_suggestion_taken_is_noted_and_decides_nothing(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    card = one_card(world.client.view(name))
    taken = [{"id": card["suggestions"][0]["uuid"]}]
    told = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": taken,
        "outcomeTimestamp": "2025-06-01T08:00:00Z",
    }

    assert feedback(world.client, told).json() == {"taken": 1, "unknown": 0}
    assert one_card(world.client.view(name))
    with world.store() as store:
        assert (SITE, f"Patient/{name}") not in store.decisions(TRIAL)


def test_feedback_to_cards_never_shown_to_this_client_is_passed_over(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    card = one_card(world.client.view(name))
    told = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": datetime.now(UTC).isoformat()}
    unknown = told | {"card": "00000000-0000-4000-8000-000000000000"}

    assert feedback(world.other, told).json() == {"taken": 0, "unknown": 1}
    assert feedback(world.client, unknown).json() == {"taken": 0, "unknown": 1}
    assert one_card(world.client.view(name))


# Who calls, and how -------------------------------------------------------------------------------------------------


def test_call_without_a_token_or_with_a_used_one_is_refused(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    body, token = world.client.body(name), world.client.token(VIEW)
    bare = httpx.post(f"{world.client.base}{VIEW}", json=body, trust_env=False)

    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
    assert bare.headers["content-type"] == "application/problem+json"
    assert world.client.send(VIEW, body, token=token).status_code == 200
    assert world.client.send(VIEW, body, token=token).status_code == 401
    assert (
        world.client.send(VIEW, body, token=world.client.token("/cds-services/reluth-order-select")).status_code == 401
    )


def test_key_that_is_new_is_fetched_and_one_elsewhere_is_not(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    with key_server(make_key("RS384")) as foreign:
        stranger = CdsClient(world.client.base, foreign.keys[0], world.client.fhir_server)
        token = stranger.token(VIEW, head={"jku": foreign.url})

        assert stranger.send(VIEW, stranger.body(name), token=token).status_code == 401
        assert foreign.asked == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{}", 400), (b"", 400), (b"[" * 100_000, 400), (b" " * (5 * 2**20 + 1), 413)],
)
def test_body_that_is_no_call_is_refused(world: World, body: bytes, status: int) -> None:
    answer = world.client.send(VIEW, body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_call_of_another_hook_type_or_service_is_refused(world: World) -> None:
    name = world.centre.of("ready-for-investigator")[0]
    body = world.client.body(name)

    assert world.client.send(VIEW, body | {"hook": "order-select"}).status_code == 400
    assert world.client.send("/cds-services/another", body).status_code == 404
    assert world.client.send(VIEW, body, **{"Content-Type": "text/plain"}).status_code == 415
    assert world.client.view("../../x").status_code == 400
