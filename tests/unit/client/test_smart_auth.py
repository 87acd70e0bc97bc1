"""In: answers of a token endpoint. Out: proof of when tokens are asked for, what is told of a refusal, and what never is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest

from adapter.client import Clock, ForeignHost, RetryPolicy, SiteAddress, Unavailable, UnusableAnswer
from adapter.client.keys import make_key
from adapter.client.retry import RunBudget
from adapter.client.smart import SmartAuth, SmartClient, TokenRefused
from adapter.errors import RemoteError
from tests.unit.client.conftest import NOW, RecordedClock

BASE = "https://fhir.example.org/r4"
TOKEN_URL = "https://fhir.example.org/auth/token"
KEY = make_key("ES384")
GIVEN: dict[str, Any] = {"token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs"}
Given = dict[str, Any]


class Endpoint:
    """The site, seen through httpx: one SMART configuration, then one answer a token request; the last one stays."""

    def __init__(self, *answers: httpx.Response | Exception | Given, configuration: Given | None = None) -> None:
        self.answers = list(answers) or [GIVEN]
        self.configuration = {"token_endpoint": TOKEN_URL} if configuration is None else configuration
        self.urls: list[str] = []
        self.forms: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        assert "Authorization" not in request.headers
        if request.method == "GET":
            return httpx.Response(200, json=self.configuration)
        self.forms.append({name: values[0] for name, values in parse_qs(request.content.decode()).items()})
        number = len(self.forms)
        answer = self.answers[min(number, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json={"access_token": f"token-{number}", **answer})

    @property
    def claims(self) -> list[dict[str, Any]]:
        unchecked = {"verify_signature": False}
        return [jwt.decode(form["client_assertion"], options=unchecked) for form in self.forms]  # type: ignore[arg-type]


class Time(RecordedClock):
    """A clock whose time can be moved."""

    moved = 0.0

    def clock(self, *, jitter: float = 0.5) -> Clock:
        return Clock(sleep=self.sleep, monotonic=self.elapsed, now=lambda: NOW, jitter=lambda: jitter)

    def elapsed(self) -> float:
        return sum(self.waits) + self.moved


@pytest.fixture
def moving() -> Time:
    return Time()


Made = Callable[..., SmartAuth]


@pytest.fixture
def made(moving: Time) -> Made:
    """Makes what is tested, with a clock that never sleeps."""

    def make(endpoint: Endpoint, **more: Any) -> SmartAuth:
        client = SmartClient(
            "reluth", KEY, **{name: more.pop(name) for name in ("scopes", "token_url") if name in more}
        )
        hosts = more.pop("hosts", ())
        address = SiteAddress(BASE, hosts=hosts)
        given = {"policy": RetryPolicy(attempts=3), "clock": moving.clock(), **more}
        return SmartAuth(client, address=address, via=httpx.MockTransport(endpoint), **given)

    return make


def refusing(error: object = "invalid_client", *, status: int = 400, ahead: float = 0.0, **more: Any) -> httpx.Response:
    date = format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)
    return httpx.Response(
        status, json={"error": error, "error_description": "of Dupont", **more}, headers={"Date": date}
    )


def test_token_is_asked_for_once_and_used_until_shortly_before_its_end(made: Made, moving: Time) -> None:
    endpoint = Endpoint()
    auth = made(endpoint)
    first = [auth.authorization(), auth.authorization()]
    moving.moved = 239
    before = auth.authorization()
    moving.moved = 241
    after = auth.authorization()

    assert (first, before, after) == (["Bearer token-1"] * 2, "Bearer token-1", "Bearer token-2")
    assert endpoint.urls == [f"{BASE}/.well-known/smart-configuration", TOKEN_URL, TOKEN_URL]


@pytest.mark.parametrize(
    ("stated", "usable"),
    [(60, 47), ("600", 539), (None, 239), (0, 239), (-5, 239), ("soon", 239), (True, 239), ("inf", 239), ([], 239)],
)
def test_life_of_a_token_is_what_the_server_states_or_five_minutes(
    made: Made, moving: Time, stated: object, usable: float
) -> None:
    endpoint = Endpoint({"access_token": "t", "token_type": "bearer", "expires_in": stated}, GIVEN)
    auth = made(endpoint)
    auth.authorization()
    moving.moved = usable
    still = auth.authorization()
    moving.moved = usable + 2
    renewed = auth.authorization()

    assert (still, renewed) == ("Bearer t", "Bearer token-2")


def test_byte_order_mark_before_a_token_is_no_part_of_it(made: Made) -> None:
    told = b'\xef\xbb\xbf{"access_token":"t","token_type":"bearer"}'

    assert made(Endpoint(httpx.Response(200, content=told))).authorization() == "Bearer t"


def test_assertion_says_what_smart_asks_for(made: Made) -> None:
    endpoint = Endpoint()
    auth = made(endpoint, scopes=("system/Patient.rs", "system/Observation.rs"))
    auth.authorization()
    auth.renew("Bearer token-1")
    (form, _), (claims, other) = endpoint.forms, endpoint.claims
    header = jwt.get_unverified_header(form["client_assertion"])

    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert form["scope"] == "system/Patient.rs system/Observation.rs"
    assert (header["alg"], header["kid"], header["typ"]) == ("ES384", KEY.key_id, "JWT")
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("reluth", "reluth", TOKEN_URL)
    assert claims["iat"] < NOW.timestamp() < claims["exp"] <= NOW.timestamp() + 300
    assert claims["exp"] - claims["iat"] <= 300
    assert claims["jti"] != other["jti"]


def test_refused_token_is_renewed_once_for_all_who_were_refused(made: Made) -> None:
    endpoint = Endpoint()
    auth = made(endpoint)
    value = auth.authorization()
    renewed = [auth.renew(value), auth.renew(value), auth.renew(value)]

    assert (renewed, auth.authorization(), len(endpoint.forms)) == ([True] * 3, "Bearer token-2", 2)


def test_same_token_again_is_nothing_new_to_try(made: Made) -> None:
    auth = made(Endpoint(GIVEN | {"access_token": "always"}))

    assert not auth.renew(auth.authorization())


def test_many_workers_make_one_request(made: Made) -> None:
    endpoint, begin, values = Endpoint(), threading.Barrier(16), []
    auth = made(endpoint)

    def work() -> None:
        begin.wait(5)
        value = auth.authorization()
        begin.wait(5)
        assert auth.renew(value)
        values.append(auth.authorization())

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert (values, len(endpoint.forms)) == (["Bearer token-2"] * 16, 2)


def test_failure_is_shared_by_those_who_waited_for_it(made: Made) -> None:
    waiting, told = threading.Semaphore(0), []
    endpoint = Endpoint(refusing("invalid_scope"))

    def held(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            for _ in range(4):
                assert waiting.acquire(timeout=5)
            # The others are about to wait for the lock: none of them comes back before this answer.
            threading.Event().wait(0.2)
        return endpoint(request)

    auth = made(endpoint)
    auth._via = httpx.MockTransport(held)

    def work() -> None:
        waiting.release()
        try:
            auth.authorization()
        except TokenRefused as refused:
            told.append(refused.error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert (told, len(endpoint.forms)) == (["invalid_scope"] * 4, 1)


def test_failure_is_not_kept_for_those_who_come_later(made: Made) -> None:
    auth = made(Endpoint(refusing("invalid_scope"), GIVEN))
    with pytest.raises(TokenRefused):
        auth.authorization()

    assert auth.authorization() == "Bearer token-2"


def test_token_endpoint_that_fails_for_a_while_is_asked_again(made: Made, moving: Time) -> None:
    endpoint = Endpoint(httpx.Response(503, headers={"Retry-After": "7"}), httpx.ReadTimeout("slow"), GIVEN)
    budget = RunBudget(100)

    assert made(endpoint, budget=budget).authorization() == "Bearer token-3"
    assert moving.waits[0] >= 7
    assert len({claims["jti"] for claims in endpoint.claims}) == 3
    assert (len(moving.waits), budget.waited) == (2, sum(moving.waits))


def test_token_endpoint_that_never_answers_is_unavailable(made: Made) -> None:
    with pytest.raises(
        Unavailable, match=r"POST https://fhir\.example\.org/auth/token: answered 429, after 3 attempts"
    ):
        made(Endpoint(httpx.Response(429))).authorization()


def test_endless_failing_ends_with_the_budget_of_the_run(made: Made) -> None:
    with pytest.raises(Unavailable, match="retry_budget is used up"):
        made(Endpoint(httpx.Response(503, headers={"Retry-After": "60"})), budget=RunBudget(59)).authorization()


@pytest.mark.parametrize(
    ("error", "known"),
    [
        *((code, True) for code in ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client")),
        *((code, True) for code in ("unsupported_grant_type", "invalid_scope")),
        *((word, False) for word in ("of Dupont", "", None, 5, "dupont")),
    ],
)
def test_refusal_is_named_by_its_code_and_never_by_the_servers_words(made: Made, error: object, known: bool) -> None:
    with pytest.raises(TokenRefused) as refused:
        made(Endpoint(refusing(error, status=401))).authorization()

    assert (refused.value.error, refused.value.status, refused.value.exit_code) == (error if known else "", 401, 4)
    assert str(refused.value).startswith("POST https://fhir.example.org/auth/token: no token, answered 401 (")
    assert "upont" not in str(refused.value)


@pytest.mark.parametrize("ahead", [-7200.0, -400.0, 90.0, 86400.0])
@pytest.mark.parametrize("status", [400, 401])
def test_other_clock_of_the_server_is_learnt_from_its_refusal(
    made: Made, caplog: pytest.LogCaptureFixture, ahead: float, status: int
) -> None:
    endpoint = Endpoint(refusing(status=status, ahead=ahead), GIVEN)
    auth = made(endpoint)
    value = auth.authorization()
    auth.renew(value)
    first, second, third = endpoint.claims

    assert (value, auth.skew) == ("Bearer token-2", ahead)
    assert second["exp"] - first["exp"] == ahead == third["exp"] - first["exp"]
    assert second["iat"] - first["iat"] == ahead
    assert f"its clock differs from ours by {ahead:+.0f} s" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        refusing(ahead=3),
        refusing("invalid_scope", ahead=900),
        refusing(status=403, ahead=900),
        httpx.Response(400, json={"error": "invalid_client"}),
        httpx.Response(400, json={"error": "invalid_client"}, headers={"Date": "yesterday"}),
        httpx.Response(400, text="<html>"),
    ],
)
def test_refusal_that_is_not_about_time_is_final(made: Made, answer: httpx.Response) -> None:
    endpoint = Endpoint(answer)
    with pytest.raises(TokenRefused):
        made(endpoint).authorization()

    assert len(endpoint.forms) == 1


@pytest.mark.parametrize(("second", "told"), [(900.0, 900), (5000.0, 5000)])
def test_refusal_in_spite_of_the_right_time_is_final_and_tells_the_difference(
    made: Made, second: float, told: int
) -> None:
    endpoint = Endpoint(refusing(ahead=900), refusing(ahead=second))
    with pytest.raises(TokenRefused, match=rf"its clock differs from ours by \+{told} s"):
        made(endpoint).authorization()

    assert len(endpoint.forms) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, text="<html>"), "usable access_token"),
        (httpx.Response(200, json=[]), "usable access_token"),
        (httpx.Response(200, json={"token_type": "bearer"}), "usable access_token"),
        (httpx.Response(200, json={**GIVEN, "access_token": ""}), "usable access_token"),
        (httpx.Response(200, json={**GIVEN, "access_token": "a\r\nX: b"}), "usable access_token"),
        (httpx.Response(200, json={**GIVEN, "access_token": "t", "token_type": "mac"}), "another type"),
        (httpx.Response(200, json={"access_token": "t"}), "another type"),
        (httpx.Response(200, content=b" " * ((1 << 20) + 1)), "more than a token endpoint"),
        (httpx.Response(307, headers={"Location": "/elsewhere"}), "one address"),
        (httpx.Response(304), "one address"),
        (httpx.Response(304, headers={"Location": "?x=1"}), "one address"),
        (httpx.UnsupportedProtocol("ftp"), r"no answer \(UnsupportedProtocol\)"),
    ],
)
def test_answer_that_is_no_token_is_unusable(made: Made, answer: httpx.Response | Exception, said: str) -> None:
    endpoint = Endpoint(answer)
    with pytest.raises(UnusableAnswer, match=said):
        made(endpoint).authorization()

    assert len(endpoint.forms) == 1


@pytest.mark.parametrize("target", ["https://elsewhere.example.net/token", "http://fhir.example.org/auth/token"])
@pytest.mark.parametrize("status", [301, 302, 304, 307, 308])
def test_assertion_is_not_sent_after_a_redirect_elsewhere(made: Made, target: str, status: int) -> None:
    endpoint = Endpoint(httpx.Response(status, headers={"Location": target}))
    with pytest.raises(ForeignHost):
        made(endpoint).authorization()

    assert endpoint.urls[1:] == [TOKEN_URL]


def test_redirect_that_cannot_be_read_leads_nowhere(made: Made) -> None:
    with pytest.raises(ForeignHost, match="leads to an unreadable address"):
        made(Endpoint(httpx.Response(304, headers={"Location": "//e:x/"}))).authorization()


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.net/token",
        "http://fhir.example.org/auth/token",
        "https://u:p@fhir.example.org/t",
        "token",
    ],
)
@pytest.mark.parametrize("by", ["discovery", "setting"])
def test_token_endpoint_elsewhere_gets_nothing(made: Made, url: str, by: str) -> None:
    endpoint = Endpoint(configuration={"token_endpoint": url if by == "discovery" else TOKEN_URL})
    with pytest.raises(ForeignHost):
        made(endpoint, **({"token_url": url} if by == "setting" else {})).authorization()

    assert endpoint.forms == []


def test_token_endpoint_at_a_host_of_the_settings_is_asked(made: Made) -> None:
    url = "https://login.example.net:8443/token"
    endpoint = Endpoint(configuration={"token_endpoint": url})

    assert made(endpoint, hosts=("login.example.net:8443",)).authorization() == "Bearer token-1"
    assert (endpoint.urls[-1], endpoint.claims[0]["aud"]) == (url, url)


def test_token_url_of_the_settings_wins_and_what_the_server_takes_is_still_heeded(made: Made) -> None:
    stated = {"token_endpoint": "https://fhir.example.org/other", "capabilities": ["permission-v1"]}
    endpoint = Endpoint(configuration=stated)
    made(endpoint, token_url=TOKEN_URL).authorization()

    assert (endpoint.urls[-1], endpoint.forms[0]["scope"]) == (TOKEN_URL, "system/*.read")
    assert [claims["aud"] for claims in endpoint.claims] == [TOKEN_URL]


def test_token_url_of_the_settings_needs_no_configuration_of_the_server(made: Made) -> None:
    endpoint = Endpoint(configuration={})

    assert made(endpoint, token_url=TOKEN_URL).authorization() == "Bearer token-1"
    assert (endpoint.urls[-1], endpoint.claims[0]["aud"]) == (TOKEN_URL, TOKEN_URL)


def test_server_that_is_away_is_not_taken_for_one_without_a_configuration(made: Made) -> None:
    auth = made(Endpoint(), token_url=TOKEN_URL)
    auth._via = httpx.MockTransport(lambda _: httpx.Response(503))
    with pytest.raises(Unavailable):
        auth.authorization()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("system/Patient.rs openid", {"system/Patient.rs", "openid"}), ("", set()), (None, {"system/*.rs"})],
)
def test_granted_scopes_are_those_stated_or_those_asked_for(made: Made, stated: object, expected: set[str]) -> None:
    endpoint = Endpoint({**GIVEN, "scope": stated})

    assert made(endpoint).granted_scopes() == expected
    assert [form["scope"] for form in endpoint.forms] == ["system/*.rs"]


def test_scope_that_was_not_granted_is_told_in_our_words(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made(Endpoint(GIVEN | {"scope": "system/Patient.read of Dupont"})).authorization()

    assert "asked for and not granted as such: system/*.rs" in caplog.text
    assert "Dupont" not in caplog.text


def test_algorithm_that_the_server_does_not_state_is_told(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    stated = {"token_endpoint": TOKEN_URL, "token_endpoint_auth_signing_alg_values_supported": ["RS384"]}
    made(Endpoint(configuration=stated)).authorization()

    assert "other algorithms than ES384" in caplog.text


def test_neither_token_nor_assertion_is_ever_logged_or_shown(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint(refusing(ahead=900), httpx.Response(503), GIVEN, refusing("invalid_grant", ahead=900))
    auth = made(endpoint)
    value = auth.authorization()
    with pytest.raises(RemoteError) as refused:
        auth.renew(value)
    shown = f"{caplog.text} {refused.value} {refused.value!r} {auth!r} {vars(auth)!r}"

    secrets = [value.removeprefix("Bearer "), *(form["client_assertion"] for form in endpoint.forms)]
    assert len(secrets) == 5
    assert not [secret for secret in secrets if secret in shown]
