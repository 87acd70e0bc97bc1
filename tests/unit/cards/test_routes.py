"""Promises of the routes of CDS Hooks: whatever is sent, an answer that is documented, and never a defect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.client.keys import make_key, public_jwks
from adapter.config import CdsClientSettings, CdsSettings, ServiceSettings, Settings, SiteSettings
from adapter.errors import ConfigurationError
from adapter.service import create_app
from adapter.service.app import openapi_document
from tests.support.cds import ISSUER, CdsClient, bundle
from tests.support.screened import ON, SITE, screened_store

BASE = "http://127.0.0.1:8000"
VIEW = "/cds-services/reluth-patient-view"
SELECT = "/cds-services/reluth-order-select"
KEY = make_key("ES384")
Json = dict[str, Any]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "resourceType",
        "id",
        "meta",
        "status",
        "code",
        "subject",
        "effectiveDateTime",
        "valueQuantity",
        "medicationReference",
    ]
)
RESOURCE = st.builds(
    lambda told, more: told | more,
    st.sampled_from(
        [
            {"resourceType": "Patient", "id": "ready"},
            {"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/ready"}},
            {"resourceType": "MedicationRequest", "id": "m", "subject": {"reference": "Patient/ready"}},
            {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]},
        ]
    ),
    st.dictionaries(NAMES, ANY, max_size=4),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("routes")
    (folder / "keys.json").write_text(json.dumps(public_jwks([KEY])))
    with screened_store(folder) as found:
        told = found.model_copy(
            update={
                "sites": {SITE: SiteSettings(base_url="http://127.0.0.1:1/fhir")},
                "service": ServiceSettings.model_validate({"public_url": BASE}),
                "cds": CdsSettings(clients={"ehr": CdsClientSettings(issuer=ISSUER, keys_file=folder / "keys.json")}),
            }
        )
        with TestClient(create_app(told, today=lambda: ON), base_url=BASE, raise_server_exceptions=False) as client:
            yield client


def sent(service: TestClient, path: str, body: bytes, **headers: str) -> int:
    token = CdsClient(BASE, KEY).token(path)
    shown = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
    answer = service.post(path, content=body, headers=shown)
    kind = "application/json" if answer.status_code == 200 else "application/problem+json"

    assert answer.headers["content-type"] == kind
    return answer.status_code


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(
    st.sampled_from([VIEW, SELECT, f"{VIEW}/feedback"]),
    st.binary(max_size=200) | ANY.map(lambda x: json.dumps(x).encode()),
)
def test_any_body_is_answered(service: TestClient, path: str, body: bytes) -> None:
    assert sent(service, path, body) in (200, 400)


@FUZZ
@given(
    st.dictionaries(st.sampled_from(["patient", "observation", "condition", "flag", "x"]), ANY | RESOURCE, max_size=3),
    st.lists(RESOURCE, max_size=3),
)
def test_any_prefetch_and_any_order_is_answered(service: TestClient, prefetch: Json, drafts: list[Json]) -> None:
    client = CdsClient(BASE, KEY, "http://127.0.0.1:1/fhir")
    prefetch |= {"observation": bundle(*drafts)}
    view = client.body("ready", prefetch=prefetch)
    context = {"selections": [], "draftOrders": bundle(*drafts, kind="collection")}
    select = client.body("ready", hook="order-select", context=context, prefetch=prefetch)

    assert sent(service, VIEW, json.dumps(view).encode()) in (200, 400)
    assert sent(service, SELECT, json.dumps(select).encode()) in (200, 400)


@FUZZ
@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=80),
    st.sampled_from(["Bearer ", "bearer", ""]),
)
def test_any_token_is_refused(service: TestClient, token: str, scheme: str) -> None:
    answer = service.post(VIEW, content=b"{}", headers={"Authorization": f"{scheme}{token}"})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/cds-services/x", "/cds-services/x/feedback", "/cds-services/%00", f"/cds-services/{'y' * 5000}"]
)
def test_service_unknown_is_not_found(service: TestClient, path: str) -> None:
    assert service.post(path, json={}).status_code == 404


def test_method_that_is_not_offered_is_refused(service: TestClient) -> None:
    assert service.get(VIEW).status_code == 405
    assert service.put("/cds-services", json={}).status_code == 405


def test_without_clients_discovery_answers_and_nothing_else(tmp_path: Any) -> None:
    with (
        screened_store(tmp_path) as told,
        TestClient(create_app(told, today=lambda: ON), base_url=BASE) as service,
    ):
        assert service.get("/cds-services").status_code == 200
        assert sent(service, VIEW, b"{}") == 401


def test_settings_that_are_wrong_are_named_at_the_start(tmp_path: Any) -> None:
    with screened_store(tmp_path) as told:
        wrong = told.model_copy(update={"cds": CdsSettings(clients={"ehr": CdsClientSettings(issuer=ISSUER)})})
        with pytest.raises(ConfigurationError, match=r"cds\.clients\.ehr\.jku"):
            create_app(wrong, today=lambda: ON)


def test_routes_are_documented_with_what_they_take_and_give() -> None:
    paths = openapi_document()["paths"]
    call, feedback = paths["/cds-services/{service}"]["post"], paths["/cds-services/{service}/feedback"]["post"]

    assert {"200", "400", "401", "404", "412", "413", "415"} <= call["responses"].keys()
    assert "hookInstance" in call["requestBody"]["content"]["application/json"]["schema"]["required"]
    assert call["security"] == feedback["security"] == [{"cds": []}]
    assert "security" not in paths["/cds-services"]["get"]
    assert "application/problem+json" in call["responses"]["412"]["content"]
    assert Settings().cds.clients == {}
