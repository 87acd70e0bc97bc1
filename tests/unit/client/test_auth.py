"""In: requests and refusals. Out: proof of which Authorization header is sent, and that a refused one is renewed once."""

from __future__ import annotations

import base64

import httpx
import pytest

from adapter.client import BasicAuth, BearerAuth, SiteAuth
from adapter.client.auth import HttpxAuth
from adapter.errors import RemoteError

URL = "https://fhir.example.org/r4/Basic"


class Renewable:
    """Tokens ``1``, ``2``, ...; ``left`` more of them, then none, or an error."""

    def __init__(self, left: int, error: Exception | None = None) -> None:
        self.left = left
        self.error = error
        self.number = 1
        self.refused: list[str] = []

    def authorization(self) -> str:
        return f"Bearer {self.number}"

    def renew(self, refused: str) -> bool:
        self.refused.append(refused)
        if self.error is not None:
            raise self.error
        self.left -= 1
        self.number += self.left >= 0
        return self.left >= 0


class Wants:
    """A server that wants one value, and keeps what it was sent."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.sent: list[tuple[str, bytes]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        given = request.headers["Authorization"]
        self.sent.append((given, request.content))
        return httpx.Response(200 if given == self.value else 401)


def _post(auth: SiteAuth, server: Wants) -> int:
    with httpx.Client(auth=HttpxAuth(auth), transport=httpx.MockTransport(server)) as client:
        return client.post(URL, content=b"{}").status_code


def test_value_that_holds_is_sent_once() -> None:
    server, auth = Wants("Bearer 1"), Renewable(1)

    assert _post(auth, server) == 200
    assert (server.sent, auth.refused) == ([("Bearer 1", b"{}")], [])


def test_refused_value_is_renewed_and_the_whole_request_sent_again() -> None:
    server, auth = Wants("Bearer 2"), Renewable(1)

    assert _post(auth, server) == 200
    assert server.sent == [("Bearer 1", b"{}"), ("Bearer 2", b"{}")]
    assert auth.refused == ["Bearer 1"]


@pytest.mark.parametrize(("left", "requests"), [(5, 2), (0, 1)])
def test_value_refused_again_or_not_renewed_is_the_answer(left: int, requests: int) -> None:
    server, auth = Wants("another"), Renewable(left)

    assert _post(auth, server) == 401
    assert (len(server.sent), len(auth.refused)) == (requests, 1)


def test_error_of_renewing_goes_through_as_it_is() -> None:
    with pytest.raises(RemoteError, match="no token"):
        _post(Renewable(0, RemoteError("no token")), Wants("another"))


@pytest.mark.parametrize("auth", [BearerAuth("t"), BasicAuth("u", "p")])
def test_fixed_credentials_have_nothing_new_to_try(auth: SiteAuth) -> None:
    server = Wants("another")

    assert _post(auth, server) == 401
    assert len(server.sent) == 1


def test_bearer_is_sent_as_it_is_and_basic_in_utf_8() -> None:
    _, _, encoded = BasicAuth("réluth", "mot:de passe").authorization().partition(" ")

    assert BearerAuth("t").authorization() == "Bearer t"
    assert base64.b64decode(encoded).decode() == "réluth:mot:de passe"


@pytest.mark.parametrize("auth", [BearerAuth("secret"), BasicAuth("u", "secret")])
def test_credentials_do_not_show(auth: SiteAuth) -> None:
    assert "secret" not in repr(auth)
    assert "c2VjcmV0" not in repr(auth)
