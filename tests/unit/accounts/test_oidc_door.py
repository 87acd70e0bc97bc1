"""In: a provider that does what a real one will not. Out: nobody gets in by it."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.accounts.at_provider import AtProvider, ProviderRefusal, Returned, SignInRefused
from adapter.accounts.id_token import IdTokenError
from adapter.accounts.oidc import Grants, OtherPerson
from adapter.client.oidc import OidcClient, OidcProvider
from adapter.errors import RemoteError
from adapter.store import Account, Store
from tests.support.oidc_double import CLIENT_ID, ISSUER, NOW, ProviderDouble, ec_key, rsa_key, signed

CALLBACK = "https://reluth.hospital.example/oidc/callback"
GRANTS = Grants.read({"nurses": ["nurse@icm"]}, sites=["icm"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


class Door:
    """A service's side of the way, beside a double of the other."""

    def __init__(self, store: Store, double: ProviderDouble) -> None:
        client = OidcClient(issuer=ISSUER, client_id=CLIENT_ID, client_secret="kept")
        self.provider = OidcProvider(client, via=double.transport())
        self.at = AtProvider(self.provider, grants=GRANTS, now=lambda: NOW)
        self.store = store
        self.double = double

    def sent(self, state: str = "st4te") -> str:
        return self.at.begin(self.store, state=state, redirect_uri=CALLBACK, onward="/funnel")

    def enter(self, **changed: str | None) -> tuple[Account, str]:
        brought = self.double.back(self.sent(), **changed)
        return self.finish(brought)

    def finish(self, brought: dict[str, str]) -> tuple[Account, str]:
        returned = Returned(
            state=brought["state"],
            code=brought.get("code", ""),
            error=brought.get("error", ""),
            issuer=brought.get("iss"),
        )
        return self.at.finish(self.store, returned, redirect_uri=CALLBACK)


def test_double_that_does_nothing_wrong_lets_in(store: Store) -> None:
    account, onward = Door(store, ProviderDouble()).enter()

    assert (account.name, account.roles, onward) == ("anna", {"icm": frozenset({"nurse"})}, "/funnel")


@pytest.mark.parametrize(
    "key_and_algorithm",
    [(rsa_key(), "RS384"), (rsa_key(), "PS256"), (ec_key(), "ES256"), (ec_key("p384", curve="P-384"), "ES384")],
    ids=["RS384", "PS256", "ES256", "ES384"],
)
def test_algorithms_with_two_keys_are_taken(store: Store, key_and_algorithm: tuple[Any, str]) -> None:
    key, algorithm = key_and_algorithm
    double = ProviderDouble(
        keys=[key.as_dict(private=False)],
        claims={"at_hash": None},
        make=lambda claims: signed(claims, key=key, algorithm=algorithm),
    )

    assert Door(store, double).enter()[0].name == "anna"


def _unsigned(claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def _by_secret(claims: dict[str, Any], *, secret: bytes) -> str:
    # By hand: the library does not make what nobody should.
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "rsa"}, claims))
    said = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    proof = hmac.digest(secret, said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"


def _by_public_key(claims: dict[str, Any]) -> str:
    return _by_secret(claims, secret=rsa_key().as_pem(private=False))


def _by_client_secret(claims: dict[str, Any]) -> str:
    return _by_secret(claims, secret=b"kept")


def _by_other_key(claims: dict[str, Any]) -> str:
    return signed(claims, key=rsa_key("other"), kid="rsa")


def _changed_afterwards(claims: dict[str, Any]) -> str:
    head, _, tail = signed(claims, key=rsa_key()).split(".")
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "1"}).encode()).rstrip(b"=").decode()
    return f"{head}.{other}.{tail}"


def _by_key_within(claims: dict[str, Any]) -> str:
    other = rsa_key("other")
    return signed(claims, key=other, kid="rsa", jwk=other.as_dict(private=False))


@pytest.mark.parametrize(
    "make",
    [_unsigned, _by_public_key, _by_client_secret, _by_other_key, _changed_afterwards, _by_key_within, lambda _: "a.b"],
    ids=["none", "public-key", "client-secret", "other-key", "changed", "key-within", "garbage"],
)
def test_token_that_is_not_signed_by_a_key_of_the_provider_is_refused(
    store: Store, make: Callable[[dict[str, Any]], str]
) -> None:
    door = Door(store, ProviderDouble(make=make))

    with pytest.raises(IdTokenError):
        door.enter()
    assert store.accounts.all() == []


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        ({"iss": "https://id.other.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": [CLIENT_ID, "another"]}, "azp"),
        ({"aud": None}, "aud"),
        ({"azp": "another"}, "azp"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": NOW - 61}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": NOW + 61}, "iat"),
        ({"iat": NOW - 661}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + 61}, "nbf"),
        ({"at_hash": "another"}, "at_hash"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "x" * 256}, "sub"),
    ],
)
def test_token_with_a_wrong_claim_is_refused(store: Store, claims: dict[str, Any], named: str) -> None:
    door = Door(store, ProviderDouble(claims=claims))

    with pytest.raises(IdTokenError) as caught:
        door.enter()
    assert named in caught.value.problem
    assert store.accounts.all() == []


def test_token_for_us_among_others_is_taken_where_it_was_issued_to_us(store: Store) -> None:
    double = ProviderDouble(claims={"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID})

    assert Door(store, double).enter()[0].name == "anna"


def test_algorithm_that_the_provider_does_not_name_is_refused(store: Store) -> None:
    double = ProviderDouble(metadata={"id_token_signing_alg_values_supported": ["ES256"]})

    with pytest.raises(IdTokenError):
        Door(store, double).enter()


def test_provider_that_names_no_safe_algorithm_lets_nobody_in(store: Store) -> None:
    double = ProviderDouble(metadata={"id_token_signing_alg_values_supported": ["HS256", "none"]}, make=_by_public_key)

    with pytest.raises(IdTokenError):
        Door(store, double).enter()


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_short_rsa_key_is_refused(store: Store) -> None:
    weak = rsa_key("weak", bits=1024)
    double = ProviderDouble(keys=[weak.as_dict(private=False)], make=lambda claims: signed(claims, key=weak))

    with pytest.raises(IdTokenError):
        Door(store, double).enter()


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["x", {"kty": "RSA"}, {"kty": "RSA", "kid": "rsa", "n": "!", "e": "AQAB"}],
        [{"kty": "EC", "kid": "rsa", "crv": "P-256", "x": "AA", "y": "AA"}],
        [{**rsa_key().as_dict(private=False), "use": "enc"}],
        [{**rsa_key().as_dict(private=False), "alg": "PS256"}],
        [{"kty": "RSA", "kid": "rsa", "n": rsa_key().as_dict(private=False)["n"], "e": 7}],
    ],
)
def test_keys_that_do_not_fit_are_not_used(store: Store, keys: list[Any]) -> None:
    with pytest.raises(IdTokenError):
        Door(store, ProviderDouble(keys=keys)).enter()


def test_two_keys_and_none_named_is_refused(store: Store) -> None:
    keys = [rsa_key().as_dict(private=False), rsa_key("other").as_dict(private=False)]
    double = ProviderDouble(keys=keys, make=lambda claims: signed(claims, key=rsa_key(), kid=None))

    with pytest.raises(IdTokenError):
        Door(store, double).enter()


def test_key_that_was_changed_is_fetched_once_more(store: Store) -> None:
    double = ProviderDouble()
    door = Door(store, double)
    door.enter()
    double.keys = [rsa_key("new").as_dict(private=False)]
    double.make = lambda claims: signed(claims, key=rsa_key("new"))
    account, _ = door.enter()

    assert account.name == "anna"
    assert sum(one.url.path.endswith("/jwks") for one in double.asked) == 2


@pytest.mark.parametrize("issuer", ["https://id.other.example", None, ""])
def test_answer_of_another_issuer_is_refused_and_its_code_goes_nowhere(store: Store, issuer: str | None) -> None:
    door = Door(store, ProviderDouble())

    with pytest.raises(SignInRefused) as caught:
        door.enter(iss=issuer)
    assert caught.value.refusal is ProviderRefusal.FAILED
    assert not any(one.method == "POST" for one in door.double.asked)


def test_answer_without_issuer_is_taken_of_a_provider_that_never_names_it(store: Store) -> None:
    double = ProviderDouble(metadata={"authorization_response_iss_parameter_supported": None})

    assert Door(store, double).enter(iss=None)[0].name == "anna"


def test_state_holds_once_whatever_came_of_it(store: Store) -> None:
    door = Door(store, ProviderDouble())
    brought = door.double.back(door.sent())
    with pytest.raises(SignInRefused):
        door.finish({**brought, "error": "access_denied"})

    with pytest.raises(SignInRefused) as caught:
        door.finish(brought)
    assert caught.value.refusal is ProviderRefusal.LATE


@pytest.mark.parametrize(
    ("brought", "refusal"),
    [
        ({"error": "access_denied", "code": None}, ProviderRefusal.DENIED),
        ({"error": "server_error", "code": None}, ProviderRefusal.FAILED),
        ({"error": "access_denied"}, ProviderRefusal.DENIED),
        ({"code": None}, ProviderRefusal.FAILED),
        ({"state": "another"}, ProviderRefusal.LATE),
    ],
)
def test_answer_without_a_code_lets_nobody_in(
    store: Store, brought: dict[str, str | None], refusal: ProviderRefusal
) -> None:
    door = Door(store, ProviderDouble())

    with pytest.raises(SignInRefused) as caught:
        door.enter(**brought)
    assert caught.value.refusal is refusal
    assert not any(one.method == "POST" for one in door.double.asked)


def test_code_is_exchanged_with_the_verifier_of_its_browser_and_our_secret(store: Store) -> None:
    door = Door(store, ProviderDouble())
    door.enter()
    posted = door.double.form()

    assert posted["grant_type"] == "authorization_code"
    assert posted["redirect_uri"] == CALLBACK
    assert len(posted["code_verifier"]) >= 43
    assert "client_secret" not in posted
    assert door.double.basic() == (CLIENT_ID, "kept")


def test_userinfo_is_asked_only_where_the_token_lacks_groups(store: Store) -> None:
    told, missing = ProviderDouble(), ProviderDouble(claims={"groups": None})
    missing.userinfo = {"sub": "248289761001", "groups": ["nurses"]}

    entered = [Door(store, double).enter()[0].roles for double in (told, missing)]

    assert entered == [{"icm": {"nurse"}}] * 2
    assert [any(one.url.path.endswith("/userinfo") for one in double.asked) for double in (told, missing)] == [
        False,
        True,
    ]


@pytest.mark.parametrize("userinfo", [{"sub": "another", "groups": ["nurses"]}, {"groups": ["nurses"]}])
def test_userinfo_of_somebody_else_is_refused(store: Store, userinfo: dict[str, Any]) -> None:
    double = ProviderDouble(claims={"groups": None}, userinfo=userinfo)

    with pytest.raises(OtherPerson):
        Door(store, double).enter()
    assert store.accounts.all() == []


def test_same_sub_is_the_same_account_whatever_name_and_mail(store: Store) -> None:
    first, _ = Door(store, ProviderDouble()).enter()
    again, _ = Door(
        store,
        ProviderDouble(claims={"preferred_username": "durand", "name": "Anna Durand", "email": "durand@x.example"}),
    ).enter()

    kept = store.accounts.by_number(first.number)

    assert again.number == first.number
    assert kept is not None
    assert (kept.name, kept.display, kept.email) == ("anna", "Anna Durand", "durand@x.example")


def test_same_mail_is_not_the_same_account(store: Store) -> None:
    first, _ = Door(store, ProviderDouble()).enter()
    other, _ = Door(store, ProviderDouble(claims={"sub": "2"})).enter()

    assert other.number != first.number


@pytest.mark.parametrize("path", ["/token", "/jwks", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("fault", ["redirect", "huge", "endless", "down", "refused", "no-json", "list", "deep"])
def test_provider_at_fault_lets_nobody_in_and_is_not_quoted(store: Store, path: str, fault: str) -> None:
    double = ProviderDouble(answers={path: FAULTS[fault]})
    door = Door(store, double)

    with pytest.raises(RemoteError) as caught:
        door.enter()
    assert "s3cret" not in str(caught.value)
    assert all(one.url.host == "id.hospital.example" for one in double.asked)
    assert store.accounts.all() == []


def _down(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("s3cret")


FAULTS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "redirect": lambda _: httpx.Response(307, headers={"Location": "https://evil.example/s3cret"}),
    "huge": lambda _: httpx.Response(200, json={"keys": ["s3cret" * 300_000]}),
    "endless": lambda _: httpx.Response(200, content=(b"s3cret" * 10_000 for _ in range(10_000))),
    "down": _down,
    "refused": lambda _: httpx.Response(400, json={"error": "s3cret", "error_description": "s3cret"}),
    "no-json": lambda _: httpx.Response(200, text="<html>s3cret"),
    "list": lambda _: httpx.Response(200, json=["s3cret"]),
    "deep": lambda _: httpx.Response(200, content=b"[" * 100_000),
}
