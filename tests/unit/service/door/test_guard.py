"""In: requests from outside. Out: what a session may see, with headers that keep it in; logs that hold nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from adapter.config import ServiceSettings, Settings
from adapter.errors import StateUnavailableError, StorageError
from adapter.service import create_app
from adapter.service.desk import Desk
from adapter.service.door.access import SESSION_COOKIE
from adapter.service.door.guard import SECURITY_HEADERS
from adapter.service.notifications import NOTIFY_PREFIX
from tests.unit.service.conftest import HOME, TOKEN

CLOSED_PAGES = ["/", "/patients/abc", "/funnel", "/runs", "/nothing-here", "/docs"]
CLOSED_API = [
    "/api/worklist",
    "/api/patients/abc",
    "/api/funnel",
    "/api/runs",
    "/api/trials/nct04954820",
    "/api/openapi.json",
]


@pytest.mark.parametrize("path", CLOSED_PAGES)
def test_page_without_session_tells_how_to_get_in(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)

    assert answer.status_code == 401
    assert "reluth serve" in answer.text


@pytest.mark.parametrize("path", CLOSED_API)
def test_api_without_session_answers_a_problem(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 401


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/readyz", "/static/style.css", "/static/icon.svg"])
def test_health_and_style_need_no_session(stranger: TestClient, path: str) -> None:
    assert stranger.get(path).status_code == 200


def test_every_route_but_the_open_ones_is_closed(app: FastAPI, stranger: TestClient) -> None:
    document = stranger.app.openapi()  # type: ignore[attr-defined]
    paths = [path.replace("{key}", "abc").replace("{trial_id}", "abc") for path in document["paths"]]

    answers = {path: stranger.get(path).status_code for path in paths}

    # What hooks there are is no secret; what they tell is.
    told = {"/healthz", "/metrics", "/readyz", "/cds-services"}
    assert {path for path, status in answers.items() if status == 200} == told
    # What proves itself with each call; asked for with another method than its own it goes no further.
    own_proof = (NOTIFY_PREFIX, "/cds-services/")
    assert {status for path, status in answers.items() if path.startswith(own_proof)} == {405}
    assert {status for path, status in answers.items() if not path.startswith(own_proof)} == {200, 401}


def test_login_gives_a_session_that_scripts_and_other_sites_cannot_use(stranger: TestClient) -> None:
    answer = stranger.get("/login", params={"token": TOKEN}, follow_redirects=False)

    cookie, form = answer.headers.get_list("set-cookie")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} == set(cookie.split("; ")[1:])
    assert form.startswith('reluth_form="";')
    assert TOKEN not in cookie


def test_link_of_another_site_is_followed_by_a_page_that_asks_again(stranger: TestClient) -> None:
    # A terminal in the browser is such a site: the cookie that its link has given does not come with what the link leads to.
    told = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    stranger.get("/login", params={"token": TOKEN}, headers=told, follow_redirects=False)
    cookies = dict(stranger.cookies)
    stranger.cookies.clear()
    step = stranger.get("/", headers=told)
    again = stranger.get("/", headers={"Sec-Fetch-Site": "same-origin"})
    stranger.cookies.update(cookies)

    assert (step.status_code, again.status_code) == (200, 401)
    assert '<meta http-equiv="refresh" content="0;url=/">' in step.text
    assert stranger.get("/", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_login_a_second_time_is_refused(stranger: TestClient) -> None:
    stranger.get("/login", params={"token": TOKEN}, follow_redirects=False)

    answer = stranger.get("/login", params={"token": TOKEN}, follow_redirects=False)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("token", "status"), [("", 401), ("wrong", 403)])
def test_login_without_the_token_is_refused_and_repeats_nothing(stranger: TestClient, token: str, status: int) -> None:
    answer = stranger.get("/login", params={"token": token, "lang": "en"})

    assert answer.status_code == status
    assert "wrong" not in answer.text.replace("/login?lang", "")
    assert "token=" not in answer.text


def test_token_never_leaves_by_referer(stranger: TestClient) -> None:
    answer = stranger.get("/login", params={"token": TOKEN}, follow_redirects=False)

    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/worklist", "/login?token=x", "/static/style.css"])
def test_host_of_another_name_is_refused_everywhere(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "evil.example:8000"})

    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_host_that_is_configured_gets_in(settings: Settings) -> None:
    service = settings.service.model_copy(update={"hosts": ["desk.chu.example"]})
    app = create_app(settings.model_copy(update={"service": service}))
    with TestClient(app, base_url="http://desk.chu.example") as client:
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/funnel", "/runs", "/nothing", "/api/worklist", "/api/nothing", "/healthz", "/login"]
)
def test_answers_carry_the_security_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert answer.headers["cache-control"] == "no-store"


def test_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = dict(item.split(" ", 1) for item in SECURITY_HEADERS["Content-Security-Policy"].split("; "))

    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == "'none'"
    assert "unsafe" not in str(policy)


def test_defect_is_a_500_that_tells_nothing_of_the_record(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_args: Any) -> None:
        raise ValueError("Jeanne Martin, born 1960-05-04")

    monkeypatch.setattr(Desk, "sites_with", break_down)
    page, api = client.get("/"), client.get("/api/worklist")
    log = "".join(capfd.readouterr())

    assert (page.status_code, api.status_code) == (500, 500)
    assert api.headers["content-type"] == "application/problem+json"
    assert "Martin" not in page.text + api.text + log
    assert "ValueError" in log


@pytest.mark.parametrize("error", [StateUnavailableError("AdminShutdown"), StorageError("the lake", "no space")])
def test_store_that_does_not_answer_is_a_503_that_says_to_try_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: StorageError
) -> None:
    def gone(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(Desk, "sites_with", gone)
    page, api = client.get("/"), client.get("/api/worklist")

    assert (page.status_code, api.status_code) == (503, 503)
    assert "see what is recorded" in client.get("/", headers={"Accept-Language": "en"}).text
    assert api.headers["content-type"] == "application/problem+json"


def test_defect_in_the_error_page_itself_is_still_answered(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_args: Any) -> None:
        raise ValueError("no words")

    monkeypatch.setattr("adapter.service.rendering._environment", break_down)
    answer = client.get("/")

    assert answer.status_code == 500
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/static/other.css", "/static/../app.py", "/static/%2e%2e/app.py", "/static/"])
def test_only_the_named_static_files_are_served(stranger: TestClient, path: str) -> None:
    assert stranger.get(path).status_code in (401, 404)


@pytest.mark.parametrize(
    ("public", "host", "told"),
    [
        ("https://reluth.example.org", "reluth.example.org", "max-age=31536000"),
        ("https://reluth.example.org:8443", "RELUTH.example.org:8443", "max-age=31536000"),
        ("https://reluth.example.org", "127.0.0.1:8000", None),
        ("https://reluth.example.org", "other.example.org", None),
        ("https://localhost:8443", "localhost:8443", None),
        ("http://reluth.example.org", "reluth.example.org", None),
        (None, "127.0.0.1:8000", None),
    ],
)
def test_browser_is_told_to_come_by_tls_only_where_it_did(
    settings: Settings, public: str | None, host: str, told: str | None
) -> None:
    service = ServiceSettings.model_validate({"public_url": public, "hosts": ["other.example.org"]})
    app = create_app(settings.model_copy(update={"service": service}), token=TOKEN)
    with TestClient(app, base_url=HOME) as client:
        answers = [client.get(path, headers={"Host": host}) for path in ("/", "/healthz", "/static/style.css")]

    assert {answer.headers.get("strict-transport-security") for answer in answers} == {told}


def test_websocket_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


def test_session_of_one_service_is_none_in_another(client: TestClient, settings: Settings) -> None:
    with TestClient(create_app(settings, token="other"), base_url=HOME, cookies=dict(client.cookies)) as other:
        assert other.get("/").status_code == 401


def test_head_sends_headers_and_no_body(app: FastAPI, stranger: TestClient) -> None:
    # Seen from the server: the client of other tests leaves the body away by itself.
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "HEAD",
        "path": "/static/style.css",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000")],
    }
    asyncio.run(app(scope, receive, send))
    begun, *bodies = sent

    assert begun["status"] == 200
    assert dict(begun["headers"])[b"content-length"] == str(len(stranger.get("/static/style.css").content)).encode()
    assert [message["body"] for message in bodies] == [b""]


def test_head_of_the_link_that_works_once_leaves_it_to_whoever_opens_it(stranger: TestClient) -> None:
    looked = stranger.head("/login", params={"token": TOKEN})
    opened = stranger.get("/login", params={"token": TOKEN}, follow_redirects=False)

    assert (looked.status_code, opened.status_code) == (405, 303)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_take_no_other_method(client: TestClient, method: str) -> None:
    assert client.request(method, "/funnel").status_code == 405


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/find", "application/json"),
        ("/api/candidates", "application/json"),
        ("/find", "application/x-www-form-urlencoded"),
        ("/find", "multipart/form-data; boundary=b"),
        ("/sign-out", "application/x-www-form-urlencoded"),
    ],
)
def test_body_that_is_longer_than_any_that_is_meant_is_not_read_with_a_session_either(
    client: TestClient, path: str, kind: str, is_announced: bool
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" if "multipart" in kind else b'"'
        for _ in range(40):
            yield b"x" * 100_000

    body = b"x" * 2_000_000 if is_announced else pieces()
    answer = client.post(path, content=body, headers={"Content-Type": kind, "Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 413
    assert answer.headers["cache-control"] == "no-store"
