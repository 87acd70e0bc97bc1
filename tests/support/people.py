"""In: an open store, or a running service. Out: accounts by role and site, and browsers in which they have signed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request

from adapter.accounts import Passwords, Role
from adapter.service.door.crossing import FORM_FIELD, form_token
from adapter.store import Account, KeptPassword, Store

__all__ = ["HOME", "PASSWORD", "add_person", "browser_of", "fields", "form_of", "quick"]

HOME = "http://127.0.0.1:8000"
PASSWORD = "a walk by the sea"


def quick() -> Passwords:
    """Hashes that cost nothing: what is tested is not how long they take."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def add_person(
    store: Store, name: str, *, roles: Mapping[str, Iterable[Role]], password: str = PASSWORD, email: str = ""
) -> Account:
    """An account of a store, with a password that it has chosen."""
    kept = KeptPassword(quick().hash(password))
    wanted = {site: frozenset(given) for site, given in roles.items()}
    return store.accounts.add(name, roles=wanted, password=kept, display=name.title(), email=email)


def browser_of(app: FastAPI, account: Account) -> TestClient:
    """A browser in which an account has signed in, in English; the app has started."""
    access = app.state.access
    client = TestClient(app, base_url=HOME, raise_server_exceptions=False, follow_redirects=False)
    client.cookies.set(access.cookie, access.begin(account), domain="127.0.0.1")
    client.headers["Accept-Language"] = "en"
    return client


def form_of(client: TestClient) -> str:
    """What the forms of this browser's session carry."""
    session = next(cookie.value for cookie in client.cookies.jar if cookie.name.endswith("reluth_session"))
    return form_token(Request({"type": "http", "headers": [], "state": {"session": session}}))


def fields(client: TestClient, **more: str) -> dict[str, str]:
    """A form of this browser's session."""
    return {FORM_FIELD: form_of(client), **more}
