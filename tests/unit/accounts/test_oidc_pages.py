"""In: browsers at the addresses of sign-in at a provider. Out: where they are sent, what they keep, what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import AnyHttpUrl, SecretStr

from adapter.accounts.at_provider import AtProvider
from adapter.accounts.oidc import Grants
from adapter.client.oidc import OidcClient, OidcProvider
from adapter.config import OidcSettings, ServiceSettings, Settings, SiteSettings, StoreSettings
from adapter.errors import ConfigurationError
from adapter.service import create_app
from adapter.service.door.oidc_pages import open_provider
from tests.support.oidc_double import CLIENT_ID, ISSUER, NOW, ProviderDouble

PUBLIC = "https://reluth.hospital.example"


def _settings(folder: Path, *, oidc: dict[str, Any] | None = None, public_url: str | None = PUBLIC) -> Settings:
    stated = {
        "issuer": AnyHttpUrl(ISSUER),
        "client_id": CLIENT_ID,
        "client_secret": SecretStr("kept"),
        "grants": {"nurses": ["nurse@icm"]},
        **(oidc or {}),
    }
    return Settings(
        store=StoreSettings(path=folder / "var"),
        service=ServiceSettings(public_url=AnyHttpUrl(public_url) if public_url else None),
        sites={"icm": SiteSettings()},
        oidc=OidcSettings(**stated),
    )


class House:
    """A service, and a double of the provider beside it."""

    def __init__(self, settings: Settings) -> None:
        self.double = ProviderDouble()
        self.app = create_app(settings)
        client = OidcClient(issuer=ISSUER, client_id=CLIENT_ID, client_secret="kept")
        grants = Grants.read({"nurses": ["nurse@icm"]}, sites=["icm"])
        self.clock = 0.0
        provider = OidcProvider(client, via=self.double.transport(), clock=lambda: self.clock)
        self.app.state.oidc = AtProvider(provider, grants=grants, now=lambda: NOW)

    def browser(self, home: str = PUBLIC) -> TestClient:
        return TestClient(self.app, base_url=home, follow_redirects=False, headers={"Accept-Language": "en"})

    def forget_metadata(self) -> None:
        """As after an hour."""
        self.clock = 1e9

    def back(self, browser: TestClient, **changed: str | None) -> dict[str, str]:
        return self.double.back(browser.get("/oidc/start").headers["location"], **changed)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(_settings(tmp_path))
    # The service runs while this client is open; browsers of tests are others.
    with TestClient(made.app, base_url=PUBLIC):
        yield made


def test_browser_of_the_public_address_comes_back_to_it_with_cookies_of_this_host_only(house: House) -> None:
    browser = house.browser()
    started = browser.get("/oidc/start")
    entered = browser.get("/oidc/callback", params=house.double.back(started.headers["location"]))
    cookies = [*started.headers.get_list("set-cookie"), *entered.headers.get_list("set-cookie")]

    given = [one for one in cookies if "Max-Age=0" not in one]

    assert "redirect_uri=https%3A%2F%2Freluth.hospital.example%2Foidc%2Fcallback" in started.headers["location"]
    assert house.double.form()["redirect_uri"] == f"{PUBLIC}/oidc/callback"
    assert [one.partition("=")[0] for one in given] == ["__Host-reluth_sign_in", "__Host-reluth_session"]
    assert all("Secure" in one and "HttpOnly" in one and "Path=/" in one for one in given)
    assert browser.get("/account").status_code == 200


def test_state_and_secrets_of_the_flow_are_kept_nowhere_in_the_clear(house: House, tmp_path: Path) -> None:
    browser = house.browser()
    brought = house.back(browser)

    kept = b"".join(file.read_bytes() for file in (tmp_path / "var").rglob("state.sqlite*"))

    assert brought["state"].encode() not in kept
    assert browser.cookies["__Host-reluth_sign_in"] not in brought["state"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state=x&code=y",
        "state=&code=",
        "state=.&code=y",
        "state=x&state=y&code=z",
        "code=z",
        f"state={'x' * 5000}&code=y",
        "state=%ED%A0%80.x&code=y",
    ],
)
def test_answer_that_was_not_asked_for_is_refused(house: House, query: str) -> None:
    browser = house.browser()
    house.back(browser)
    refused = browser.get(f"/oidc/callback?{query}")

    assert refused.status_code == 400
    assert "set-cookie" not in refused.headers
    assert not any(one.method == "POST" for one in house.double.asked)


def test_answer_with_something_twice_is_refused(house: House) -> None:
    browser = house.browser()
    brought = house.back(browser)
    refused = browser.get("/oidc/callback", params=[*brought.items(), ("code", "another")])

    assert refused.status_code == 400


def test_browser_without_the_cookie_is_refused_and_uses_nothing_up(house: House) -> None:
    browser, other = house.browser(), house.browser()
    brought = house.back(browser)
    other.cookies.set("__Host-reluth_sign_in", "x" * 43)

    refused = [one.get("/oidc/callback", params=brought).status_code for one in (house.browser(), other)]

    assert refused == [400, 400]
    assert browser.get("/oidc/callback", params=brought).status_code == 200


def test_error_of_the_provider_is_told_in_our_words(house: House) -> None:
    browser = house.browser()
    brought = house.back(browser, code=None, error="access_denied")
    refused = browser.get("/oidc/callback", params={**brought, "error_description": "<b>s3cret</b>"})

    assert refused.status_code == 403
    assert "s3cret" not in refused.text and "access_denied" not in refused.text


@pytest.mark.parametrize(("language", "said"), [("fr", "Service de connexion"), ("en", "Sign-in service")])
def test_provider_that_does_not_answer_is_told_in_both_languages(house: House, language: str, said: str) -> None:
    def down(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("s3cret")

    house.double.answers["/.well-known/openid-configuration"] = down
    refused = house.browser().get("/oidc/start", headers={"Accept-Language": language})

    assert refused.status_code == 502
    assert said in refused.text
    assert "s3cret" not in refused.text


def test_pages_of_the_door_are_under_the_same_policy_as_all(house: House) -> None:
    browser = house.browser()
    entered = browser.get("/oidc/callback", params=house.back(browser))

    assert "script-src 'none'" in entered.headers["content-security-policy"]
    assert entered.headers["cache-control"] == "no-store"
    assert entered.headers["referrer-policy"] == "no-referrer"


def test_first_answer_does_not_hold_for_a_second_host(tmp_path: Path) -> None:
    house = House(_settings(tmp_path, public_url=None))
    with TestClient(house.app, base_url="http://127.0.0.1:8000"):
        refused = house.browser("http://evil.example").get("/oidc/start")
        own = house.browser("http://localhost:8000").get("/oidc/start")

    assert refused.status_code == 400
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8000%2Foidc%2Fcallback" in own.headers["location"]


@pytest.mark.parametrize("path", ["/oidc/start", "/oidc/callback"])
def test_without_a_provider_there_is_no_such_address(tmp_path: Path, path: str) -> None:
    settings = Settings(store=StoreSettings(path=tmp_path / "var"))
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as browser:
        assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    ("oidc", "named"),
    [
        ({"issuer": AnyHttpUrl("http://id.hospital.example")}, r"oidc\.issuer"),
        ({"scopes": ["profile"]}, r"oidc\.scopes"),
        ({"grants": {"nurses": ["nurse@elsewhere"]}}, r"oidc\.grants\.nurses"),
        ({"grants": {"nurses": ["doctor@icm"]}}, r"oidc\.grants\.nurses"),
    ],
)
def test_settings_that_cannot_hold_are_refused_at_the_start(tmp_path: Path, oidc: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        open_provider(_settings(tmp_path, oidc=oidc))


@pytest.mark.parametrize("silent", [True, False], ids=["down", "no-end-session"])
def test_session_ends_here_where_it_cannot_be_ended_at_the_provider(house: House, silent: bool) -> None:
    browser = house.browser()
    browser.get("/oidc/callback", params=house.back(browser))
    token = browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    house.double.metadata["end_session_endpoint"] = None
    if silent:
        house.double.answers["/.well-known/openid-configuration"] = lambda _: httpx.Response(503)
    house.forget_metadata()
    left = browser.post("/sign-out", data={"csrf": token})

    assert left.status_code == 303
    assert browser.get("/account").status_code == 303


def test_session_of_a_local_account_ends_without_the_provider(house: House) -> None:
    store, access = house.app.state.desk.store, house.app.state.access
    account = store.accounts.add("paul", roles={"icm": ["nurse"]}, password=None)
    browser = house.browser()
    browser.cookies.set(access.cookie, access.begin(account))
    token = browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    left = browser.post("/sign-out", data={"csrf": token})

    assert left.status_code == 303
    assert house.double.asked == []
    assert browser.get("/account").status_code == 303
