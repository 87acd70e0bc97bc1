"""Promises of reading a client's keys: from the configured address, over https, no redirect, bounded."""

from __future__ import annotations

import httpx
import pytest

from adapter.client.errors import Refused, Unavailable, UnusableAnswer
from adapter.client.jwks import LARGEST_JWKS, check_jku, fetch_jwks
from adapter.errors import ConfigurationError

URL = "https://ehr.example.org/jwks.json?tenant=7"


def answering(answer: httpx.Response | Exception, asked: list[httpx.Request] | None = None) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle)


def test_keys_are_read_as_they_were_sent() -> None:
    asked: list[httpx.Request] = []

    assert fetch_jwks(URL, via=answering(httpx.Response(200, content=b'{"keys": []}'), asked)) == b'{"keys": []}'
    assert [str(request.url) for request in asked] == [URL]
    assert "authorization" not in asked[0].headers


def test_redirect_is_not_followed() -> None:
    asked: list[httpx.Request] = []
    answer = httpx.Response(302, headers={"Location": "https://evil.example.org/jwks"})
    with pytest.raises(UnusableAnswer, match="redirects"):
        fetch_jwks(URL, via=answering(answer, asked))

    assert len(asked) == 1


def test_answer_that_is_too_long_is_not_read_on() -> None:
    with pytest.raises(UnusableAnswer, match="64 KiB"):
        fetch_jwks(URL, via=answering(httpx.Response(200, content=b"x" * (LARGEST_JWKS + 1))))


@pytest.mark.parametrize("status", [401, 404, 500])
def test_refusal_is_told_without_the_query(status: int) -> None:
    with pytest.raises(Refused) as raised:
        fetch_jwks(URL, via=answering(httpx.Response(status)))

    assert "tenant" not in str(raised.value)


def test_server_that_does_not_answer_is_told_without_the_query() -> None:
    with pytest.raises(Unavailable) as raised:
        fetch_jwks(URL, via=answering(httpx.ConnectTimeout("tenant=7")))

    assert "tenant" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://ehr.example.org/jwks", "http://127.0.0.1:8080/jwks", "http://localhost/jwks"])
def test_address_that_nobody_can_change_on_the_way_is_taken(url: str) -> None:
    check_jku(url, setting="cds.clients.ehr.jku")


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example.org/jwks",
        "ftp://ehr.example.org",
        "https://u:p@ehr.example.org/",
        "https://h/#k",
        "jwks",
        "",
    ],
)
def test_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cds\.clients\.ehr\.jku"):
        check_jku(url, setting="cds.clients.ehr.jku")
