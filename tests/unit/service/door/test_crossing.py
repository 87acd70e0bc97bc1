"""In: requests with the headers that browsers and programs send. Out: which of them may change something."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from adapter.service.door.crossing import ForeignRequest, form_token, from_here, same_origin, token_holds


def request(host: str = "127.0.0.1:8000", *, session: str = "", **headers: str) -> Request:
    told = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    encoded = [(name.encode(), value.encode()) for name, value in told.items()]
    # As the guard tells which session it has let in.
    state = {"session": session} if session else {}
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": encoded, "state": state}
    return Request(scope)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin", "origin": "null"},
        {"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "HTTP://127.0.0.1:8000"},
    ],
)
def test_request_of_our_own_page_or_of_a_program_is_from_here(headers: dict[str, str]) -> None:
    assert same_origin(request(**headers))
    from_here(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1:8000"},
        {"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:8001"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8000"},
        {"origin": "https://127.0.0.1"},
        {"origin": "http://evil.example"},
        {"origin": "http://evil.example/127.0.0.1:8000"},
        {"origin": "127.0.0.1:8000/"},
    ],
)
def test_request_of_another_page_is_foreign_also_of_another_port(headers: dict[str, str]) -> None:
    assert not same_origin(request(**headers))
    with pytest.raises(ForeignRequest):
        from_here(request(**headers))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("desk.chu.example", "https://desk.chu.example"),
        ("desk.chu.example:443", "https://desk.chu.example"),
        ("desk.chu.example", "https://desk.chu.example:443"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[::1]", "http://[::1]"),
    ],
)
def test_origin_is_ours_whether_or_not_it_names_the_usual_port(host: str, origin: str) -> None:
    assert same_origin(request(host, origin=origin))


def test_form_token_holds_in_its_own_session_only_and_does_not_tell_it() -> None:
    token = form_token(request(session="one"))

    assert token_holds(request(session="one"), token)
    assert not token_holds(request(session="two"), token)
    assert "one" not in token


def test_form_token_holds_for_nobody_without_a_session() -> None:
    nobody = request()

    assert not token_holds(nobody, form_token(nobody))


@pytest.mark.parametrize("offered", ["", "x", "one", "é\udcff", "0" * 64])
def test_form_token_that_was_not_given_out_does_not_hold(offered: str) -> None:
    assert not token_holds(request(session="one"), offered)
