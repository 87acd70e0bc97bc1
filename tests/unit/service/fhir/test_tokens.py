"""Promises of the token endpoint: a token for a proper assertion of a configured client, once, as narrow as it may be; for nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from adapter.client.keys import make_key, public_jwks
from adapter.config import Settings, load_settings
from adapter.errors import ConfigurationError
from adapter.service import create_app
from adapter.store import Store
from adapter.store.provider_models import ProviderTokenRow
from tests.support.sponsor import HOME, Sponsor, StagingDouble, assertion, provider, sponsor_settings, token_form

KEY, RSA_KEY, FOREIGN = make_key("ES384"), make_key("RS384"), make_key("ES384")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = sponsor_settings(
        tmp_path_factory.mktemp("tokens"),
        {"sponsor": KEY, "rsa": RSA_KEY, "narrow": KEY},
        narrow={"scopes": ["system/Patient.rs", "system/Observation.read"]},
    )
    with provider(settings, StagingDouble()) as (_, client):
        yield client


def asked(client: TestClient, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    answer = client.post("/fhir/token", data=form)
    found: dict[str, Any] = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, found


@pytest.mark.parametrize(("name", "key"), [("sponsor", KEY), ("rsa", RSA_KEY)], ids=["ES384", "RS384"])
def test_signed_assertion_gives_a_short_token(client: TestClient, name: str, key: Any) -> None:
    status, given = asked(client, token_form(assertion(key, name)))

    assert status == 200
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("bearer", 300, "system/*.rs")
    assert "." not in given["access_token"]


def test_configuration_names_the_endpoint_and_what_it_takes(client: TestClient) -> None:
    answer = client.get("/fhir/.well-known/smart-configuration", headers={"Accept": "text/html"})
    told = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert told["token_endpoint"] == f"{HOME}/fhir/token"
    assert told["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
    assert {"client-confidential-asymmetric", "permission-v1", "permission-v2"} <= set(told["capabilities"])


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "nobody"},
        {"sub": "narrow"},
        {"sub": None},
        {"aud": f"{HOME}/fhir"},
        {"aud": "https://elsewhere.example/token"},
        {"aud": [1]},
        {"exp": None},
        {"exp": lambda now: now - 60},
        {"exp": lambda now: now + 3600},
        {"exp": "soon"},
        {"jti": None},
        {"jti": 7},
        {"jti": ""},
        {"iat": lambda now: now + 3600},
        {"nbf": lambda now: now + 3600},
    ],
    ids=[
        "iss",
        "sub",
        "no-sub",
        "aud-base",
        "aud-foreign",
        "aud-list",
        "no-exp",
        "exp-past",
        "exp-far",
        "exp-word",
        "no-jti",
        "jti-number",
        "jti-empty",
        "iat",
        "nbf",
    ],
)
def test_assertion_that_does_not_hold_gives_none(client: TestClient, claims: dict[str, Any]) -> None:
    now = int(time.time())
    told = {name: value(now) if callable(value) else value for name, value in claims.items()}

    assert asked(client, token_form(assertion(KEY, "sponsor", **told))) == (401, {"error": "invalid_client"})


def test_assertion_of_another_key_gives_none(client: TestClient) -> None:
    foreign = assertion(FOREIGN, "sponsor")
    disguised = assertion(FOREIGN, "sponsor", head={"kid": KEY.key_id})
    of_another = assertion(RSA_KEY, "sponsor")
    without_kid = assertion(KEY, "sponsor", head={"kid": ""})

    for signed in (foreign, disguised, of_another, without_kid, "a.b.c", "", "x" * 10_000):
        assert asked(client, token_form(signed)) == (401, {"error": "invalid_client"})


def test_assertion_is_taken_once(client: TestClient) -> None:
    form = token_form(assertion(KEY, "sponsor"))

    assert asked(client, form)[0] == 200
    assert asked(client, form) == (401, {"error": "invalid_client"})


def test_assertion_is_not_taken_a_second_time_by_a_service_that_started_anew(tmp_path: Path) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    form = token_form(assertion(KEY, "sponsor"))
    statuses = []
    for _ in range(2):
        with provider(settings, StagingDouble()) as (_, client):
            statuses.append(asked(client, form)[0])

    assert statuses == [200, 401]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"client_assertion_type": "jwt"}, "invalid_request"),
        ({"scope": "patient/*.rs"}, "invalid_scope"),
        ({"scope": "system/*.cud"}, "invalid_scope"),
        ({"scope": "system/Observation.rs?category=laboratory"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_request_of_another_kind_gives_none(client: TestClient, form: dict[str, str], error: str) -> None:
    assert asked(client, token_form(assertion(KEY, "sponsor")) | form) == (400, {"error": error})


def test_request_that_is_no_form_gives_none(client: TestClient) -> None:
    form = token_form(assertion(KEY, "sponsor"))
    twice = client.post("/fhir/token", content="grant_type=client_credentials&grant_type=client_credentials")
    long = client.post(
        "/fhir/token", content=b"a=" + b"b" * 20_000, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert client.post("/fhir/token", json=form).json() == {"error": "invalid_request"}
    assert twice.json() == {"error": "invalid_request"}
    assert long.status_code == 413


@pytest.mark.parametrize(
    ("name", "scope", "granted"),
    [
        ("sponsor", "system/*.read", "system/*.read"),
        ("sponsor", "system/Patient.read system/Device.rs openid", "system/Patient.read system/Device.rs"),
        ("sponsor", "system/*.cruds", "system/*.rs"),
        ("sponsor", "system/Patient.r", "system/Patient.r"),
        ("narrow", "system/*.rs", "system/Patient.rs system/Observation.rs"),
        ("narrow", "system/*.read system/Condition.rs", "system/Patient.read system/Observation.read"),
        ("narrow", "system/Patient.rs", "system/Patient.rs"),
    ],
)
def test_scopes_are_given_as_asked_and_no_wider_than_allowed(
    client: TestClient, name: str, scope: str, granted: str
) -> None:
    status, given = asked(client, token_form(assertion(KEY, name), scope))

    assert (status, given["scope"]) == (200, granted)


def test_tokens_are_kept_as_digests_and_hold_until_they_expire(tmp_path: Path) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    with provider(settings, StagingDouble()) as (app, client):
        sponsor = Sponsor(client, KEY)
        token = sponsor.token()
        store: Store = app.state.desk.store
        with store._state.session() as session:
            row = session.scalars(select(ProviderTokenRow)).one()
            kept = f"{row.digest} {row.client} {row.scopes}"
            before = sponsor.get("/fhir/Group").status_code
            row.expires_at = row.expires_at.replace(year=2000)
        after = sponsor.get("/fhir/Group").status_code

    assert (before, after) == (200, 401)
    assert token not in kept
    assert token.encode() not in (tmp_path / "var/state.sqlite").read_bytes()


def test_token_of_a_client_that_was_taken_out_holds_no_longer(tmp_path: Path) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY, "other": FOREIGN})
    with provider(settings, StagingDouble()) as (_, client):
        token = Sponsor(client, KEY).token()
    fewer = settings.model_copy(
        update={
            "sponsor": settings.sponsor.model_copy(update={"clients": {"other": settings.sponsor.clients["other"]}})
        }
    )
    with provider(fewer, StagingDouble()) as (_, client):
        assert Sponsor(client, KEY, _token=token).get("/fhir/Group").status_code == 401


def test_without_clients_nobody_gets_in_and_nothing_is_at_work(tmp_path: Path) -> None:
    settings = Settings.model_validate({"store": {"path": tmp_path / "var"}})
    with TestClient(create_app(settings), base_url=HOME) as client:
        assert client.get("/fhir/metadata").status_code == 200
        assert asked(client, token_form(assertion(KEY, "sponsor"))) == (401, {"error": "invalid_client"})
        assert client.get("/fhir/$export", headers={"Authorization": "Bearer x"}).status_code == 401
    assert not (tmp_path / "var/datasets").exists()


def test_behind_a_proxy_the_public_address_is_the_audience(tmp_path: Path) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    public = Settings.model_validate(
        {**settings.model_dump(), "service": {"public_url": "https://reluth.chu.example/desk/"}}
    )
    with provider(public, StagingDouble()) as (_, client):
        told = client.get("/fhir/.well-known/smart-configuration").json()["token_endpoint"]
        statuses = [
            asked(client, token_form(assertion(KEY, "sponsor", aud=aud)))[0] for aud in (told, f"{HOME}/fhir/token")
        ]

    assert told == "https://reluth.chu.example/desk/fhir/token"
    assert statuses == [200, 401]


def test_audience_may_be_another_one_by_the_settings(tmp_path: Path) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    elsewhere = "https://gateway.example/token"
    told = settings.model_copy(update={"sponsor": settings.sponsor.model_copy(update={"audience": elsewhere})})
    with provider(told, StagingDouble()) as (_, client):
        assert asked(client, token_form(assertion(KEY, "sponsor", aud=elsewhere)))[0] == 200


@pytest.mark.parametrize(
    ("client", "setting"),
    [
        ({}, "sponsor.clients.x.jwks_file"),
        ({"jwks_url": "http://keys.example/jwks"}, "sponsor.clients.x.jwks_url"),
        ({"jwks_file": "a.json", "scopes": ["patient/*.rs"]}, "sponsor.clients.x.scopes"),
        ({"jwks_file": "a.json", "scopes": ["system/*.write"]}, "sponsor.clients.x.scopes"),
        ({"jwks_url": "https://keys.example/jwks", "ca_file": "/nowhere/ca.pem"}, "sponsor.clients.x.ca_file"),
    ],
)
def test_client_that_cannot_be_so_is_a_setting_to_mend(client: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        create_app(Settings.model_validate({"sponsor": {"clients": {"x": client}}}))

    assert raised.value.setting == setting


def test_settings_of_a_client_are_read_beside_their_file(tmp_path: Path) -> None:
    (tmp_path / "adapter.toml").write_text('[sponsor.clients.alpha]\njwks_file = "alpha.json"\npackages = true\n')
    (tmp_path / "alpha.json").write_text(json.dumps(public_jwks([KEY])))
    told = load_settings(tmp_path / "adapter.toml").sponsor

    assert told.clients["alpha"].jwks_file == tmp_path / "alpha.json"
    assert (told.clients["alpha"].packages, told.clients["alpha"].sites, told.keep_hours) == (True, [], 24)
