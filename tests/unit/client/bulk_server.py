"""In: what an exporting server answers, request by request. Out: a `BulkExport` that talks to it, and what it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from adapter.client import BearerAuth, RetryPolicy, RunBudget, SiteAddress, SiteAuth
from adapter.client.bulk import BulkExport
from adapter.client.transport import Transport
from tests.unit.client.conftest import BASE_URL, RecordedClock

__all__ = ["STATUS_URL", "TIME", "Server", "accepted", "going", "manifest", "outcome"]

STATUS_URL = f"{BASE_URL}/exports/7"
TIME = "2025-06-01T10:00:00Z"

Reply = httpx.Response | Exception


class Server:
    """Gives each request the next of its replies, the last one over and over; an exception is raised in its place."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.seen: list[httpx.Request] = []
        # A request that is sent again with another token is the same object.
        self.tokens: list[str | None] = []
        self.clock = RecordedClock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        reply = self.replies[min(len(self.seen), len(self.replies) - 1)]
        self.seen.append(request)
        self.tokens.append(request.headers.get("Authorization"))
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    @contextmanager
    def bulk(
        self,
        *,
        jitter: float = 0.5,
        policy: RetryPolicy | None = None,
        budget: RunBudget | None = None,
        auth: SiteAuth | None = None,
    ) -> Iterator[BulkExport]:
        address = SiteAddress(
            BASE_URL, hosts=("files.example.org:8443",), auth=BearerAuth("secret-token") if auth is None else auth
        )
        with Transport(
            address,
            policy=policy or RetryPolicy(attempts=4),
            clock=self.clock.clock(jitter=jitter),
            via=httpx.MockTransport(self),
            budget=budget,
        ) as transport:
            yield BulkExport(transport, BASE_URL)

    @property
    def waits(self) -> list[float]:
        return self.clock.waits


def accepted(location: str | None = STATUS_URL, *, status: int = 202) -> httpx.Response:
    """The answer to a kick-off."""
    return httpx.Response(status, headers={} if location is None else {"Content-Location": location})


def going(*, status: int = 202, **headers: str) -> httpx.Response:
    """An export that goes on."""
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def manifest(*urls: str, headers: Mapping[str, str] | None = None, **parts: Any) -> httpx.Response:
    """The manifest of an export that is ready."""
    output = [{"type": "Patient", "url": url} for url in urls]
    body = {"transactionTime": TIME, "requiresAccessToken": False, "output": output, **parts}
    return httpx.Response(200, headers=headers, content=msgspec.json.encode(body))


def outcome(status: int, code: str = "exception", *, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """An OperationOutcome that tells of an error."""
    issue = [{"severity": "error", "code": code, "diagnostics": "of Dupont"}]
    body = msgspec.json.encode({"resourceType": "OperationOutcome", "issue": issue})
    return httpx.Response(status, headers=headers, content=body)
