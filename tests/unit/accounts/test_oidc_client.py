"""In: providers that say wrong things of themselves, or do not answer. Out: what is asked of them, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from adapter.client.errors import Refused, Unavailable, UnusableAnswer
from adapter.client.oidc import OidcClient, OidcProvider
from adapter.errors import ConfigurationError
from tests.support.oidc_double import CLIENT_ID, ISSUER, ProviderDouble


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def _provider(double: ProviderDouble, *, clock: Clock | None = None, **client: Any) -> OidcProvider:
    stated = {"issuer": ISSUER, "client_id": CLIENT_ID, "client_secret": "kept", **client}
    return OidcProvider(OidcClient(**stated), via=double.transport(), clock=clock or Clock())


def _redeemed(double: ProviderDouble, **client: Any) -> OidcProvider:
    provider = _provider(double, **client)
    provider.redeem("c0de", redirect_uri="https://here.example/cb", code_verifier="v" * 43)
    return provider


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.hospital.example",
        "https://id.hospital.example/?x=1",
        "https://id.hospital.example/#x",
        "https://me:pass@id.hospital.example",
        "ftp://127.0.0.1",
        "id.hospital.example",
        "https://",
    ],
)
def test_issuer_that_cannot_be_trusted_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigurationError, match=r"oidc\.issuer"):
        OidcClient(issuer=issuer, client_id=CLIENT_ID)


def test_scopes_without_openid_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"oidc\.scopes"):
        OidcClient(issuer=ISSUER, client_id=CLIENT_ID, scopes=("profile",))


def test_authorities_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ca_file"):
        OidcProvider(OidcClient(issuer=ISSUER, client_id=CLIENT_ID, ca_file=str(tmp_path / "none.pem")))


def test_secret_is_shown_by_no_representation() -> None:
    assert "kept" not in repr(OidcClient(issuer=ISSUER, client_id=CLIENT_ID, client_secret="kept"))


@pytest.mark.parametrize("issuer", ["https://id.other.example", f"{ISSUER}x", f"{ISSUER}/", ISSUER.upper(), None, 7])
def test_metadata_of_another_issuer_is_refused(issuer: object) -> None:
    with pytest.raises(UnusableAnswer, match="another issuer"):
        _provider(ProviderDouble(metadata={"issuer": issuer})).metadata()


def test_issuer_without_path_is_the_same_with_a_slash() -> None:
    double = ProviderDouble(metadata={"issuer": "https://id.hospital.example"})

    assert _provider(double, issuer="https://id.hospital.example/").metadata().issuer == "https://id.hospital.example"


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"]
)
@pytest.mark.parametrize(
    "url",
    [
        "http://id.hospital.example/x",
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://a:b@id.hospital.example/x",
        "javascript:alert(1)",
        "/x",
        7,
    ],
)
def test_address_that_is_not_safe_is_refused(name: str, url: object) -> None:
    with pytest.raises(UnusableAnswer, match=name):
        _provider(ProviderDouble(metadata={name: url})).metadata()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_address_that_is_needed_and_missing_is_refused(name: str) -> None:
    with pytest.raises(UnusableAnswer, match=name):
        _provider(ProviderDouble(metadata={name: None})).metadata()


def test_address_on_another_host_is_taken_over_https() -> None:
    double = ProviderDouble(metadata={"jwks_uri": "https://keys.hospital.example/jwks"})

    assert _provider(double).metadata().jwks_uri == "https://keys.hospital.example/jwks"


def test_metadata_and_keys_are_asked_for_once_while_they_are_fresh() -> None:
    double, clock = ProviderDouble(), Clock()
    provider = _provider(double, clock=clock)

    for _ in range(3):
        provider.keys()
    first = len(double.asked)
    clock.seconds += 601
    provider.keys()
    second = len(double.asked)
    clock.seconds += 3601
    provider.keys()

    assert (first, second, len(double.asked)) == (2, 3, 5)


def test_provider_that_is_down_is_not_asked_at_each_knock() -> None:
    def down(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("slow")

    double, clock = ProviderDouble(answers={"/.well-known/openid-configuration": down}), Clock()
    provider = _provider(double, clock=clock)
    for _ in range(3):
        with pytest.raises(Unavailable):
            provider.metadata()
    during = len(double.asked)
    clock.seconds += 6
    double.answers.clear()

    assert provider.metadata().issuer == ISSUER
    assert (during, len(double.asked)) == (1, 2)


def test_answer_that_drips_is_given_up() -> None:
    clock = Clock()

    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                clock.seconds += 5
                yield b" "

    double = ProviderDouble(answers={"/jwks": lambda _: httpx.Response(200, stream=Drip())})

    with pytest.raises(Unavailable, match="does not end"):
        _provider(double, clock=clock).keys()


def test_id_and_secret_are_encoded_before_they_are_shown() -> None:
    double = ProviderDouble()
    _redeemed(double, client_id="reluth: icm", client_secret="100% é+/")

    assert double.basic() == ("reluth: icm", "100% é+/")


def test_secret_is_posted_where_the_provider_takes_it_so_only() -> None:
    double = ProviderDouble(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    _redeemed(double)

    assert double.form()["client_secret"] == "kept"
    assert "authorization" not in double.asked[-1].headers


def test_client_without_a_secret_shows_its_id_alone() -> None:
    double = ProviderDouble()
    _redeemed(double, client_secret=None)

    assert double.form()["client_id"] == CLIENT_ID
    assert "client_secret" not in double.form()
    assert "authorization" not in double.asked[-1].headers


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": "invalid_client"}, r"registered there"),
        ({"error": "invalid_grant", "error_description": "s3cret"}, "invalid_grant"),
        ({"error": ["s3cret"]}, "no error"),
        (["s3cret"], "no error"),
    ],
)
def test_refusal_of_the_token_endpoint_says_what_mends_it_and_quotes_nothing(body: object, told: str) -> None:
    double = ProviderDouble(answers={"/token": lambda _: httpx.Response(401, json=body)})

    with pytest.raises(Refused, match=told) as caught:
        _redeemed(double)
    assert caught.value.status == 401
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("body", [{"access_token": "a"}, {"id_token": "a"}, {"id_token": 1, "access_token": "a"}])
def test_answer_that_lacks_a_token_is_refused(body: dict[str, Any]) -> None:
    double = ProviderDouble(answers={"/token": lambda _: httpx.Response(200, json=body)})

    with pytest.raises(UnusableAnswer):
        _redeemed(double)


def test_userinfo_is_shown_the_access_token_and_is_empty_where_there_is_none() -> None:
    double = ProviderDouble(userinfo={"sub": "1"})
    none = ProviderDouble(metadata={"userinfo_endpoint": None})

    assert _provider(double).userinfo("acc3ss") == {"sub": "1"}
    assert double.asked[-1].headers["authorization"] == "Bearer acc3ss"
    assert _provider(none).userinfo("acc3ss") == {}


def test_end_of_a_session_is_asked_for_without_saying_whose() -> None:
    url = _provider(ProviderDouble()).end_session_url(return_to="https://here.example/sign-in")
    own = ProviderDouble(metadata={"end_session_endpoint": f"{ISSUER}/logout?theme=1"})
    with_query = _provider(own).end_session_url(return_to="https://here.example/sign-in")

    asked = {"client_id": [CLIENT_ID], "post_logout_redirect_uri": ["https://here.example/sign-in"]}

    assert url is not None and parse_qs(urlsplit(url).query) == asked
    assert with_query is not None and parse_qs(urlsplit(with_query).query) == {"theme": ["1"], **asked}
    assert _provider(ProviderDouble(metadata={"end_session_endpoint": None})).end_session_url(return_to="x") is None
