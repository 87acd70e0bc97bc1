"""In: nothing. Out: a clock that never sleeps but writes down how long it would have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapter.client import BearerAuth, Clock, RetryPolicy, SiteAddress, SiteClient

BASE_URL = "https://fhir.example.org/r4"
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


class RecordedClock:
    """Time passes only while sleeping."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def clock(self, *, jitter: float = 0.5) -> Clock:
        return Clock(sleep=self.sleep, monotonic=lambda: sum(self.waits), now=lambda: NOW, jitter=lambda: jitter)


@pytest.fixture
def recorded() -> RecordedClock:
    return RecordedClock()


@pytest.fixture
def client(recorded: RecordedClock) -> Iterator[SiteClient]:
    """A client with a token, which may also follow links to one further host."""
    address = SiteAddress(BASE_URL, hosts=("files.example.org:8443",), auth=BearerAuth("secret-token"))
    with SiteClient(address, policy=RetryPolicy(attempts=4), clock=recorded.clock()) as site:
        yield site
