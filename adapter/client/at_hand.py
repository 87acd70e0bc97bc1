"""In: a site's address, types, how to search each. Out: what the server has of them now, as far as it came in time.

For an answer that somebody waits for: no attempt is repeated, and what is not there when the time is over is left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import httpx

from adapter.client.address import SiteAddress
from adapter.client.retry import RetryPolicy
from adapter.client.searching import Searching
from adapter.client.transport import Transport
from adapter.errors import RemoteError

__all__ = ["AtHand", "fetch_at_hand"]

_WORKERS = 6
_COUNT = "1000"
#: More resources of one type than any patient has.
_MOST = 20_000


@dataclass(frozen=True, slots=True)
class AtHand:
    """What came in time.

    Attributes:
        raws: resources, as the server wrote them.
        whole: types of which nothing is missing.
    """

    raws: tuple[bytes, ...]
    whole: frozenset[str]


def fetch_at_hand(
    address: SiteAddress,
    wanted: Mapping[str, tuple[str, str]],
    *,
    seconds: float,
    via: httpx.BaseTransport | None = None,
) -> AtHand:
    """All resources of some types that one search parameter leads to.

    Args:
        address: of the site, with what shows who asks; requests go nowhere else.
        wanted: the search parameter and its value, by type: ``{"Observation": ("patient", "1")}``.
        seconds: for all of it.
        via: the httpx transport, where it is not the network.

    Returns:
        what came; a type that was refused, unavailable, cut off or too late is not whole.
    """
    until = time.monotonic() + seconds
    raws: list[bytes] = []
    whole: set[str] = set()
    transport = Transport(address, policy=RetryPolicy(attempts=1, budget=seconds), via=via)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="at-hand")
    try:
        searching = Searching(transport, address.root)
        asked: dict[Future[list[bytes]], str] = {
            pool.submit(_all_of, searching, name, by, until=until): name for name, by in wanted.items()
        }
        done, _ = wait(asked, timeout=seconds)
        for future in done:
            try:
                raws += future.result()
            except (RemoteError, _NotWholeError):
                continue
            whole.add(asked[future])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        # Whoever still reads has its connection closed, and ends.
        transport.close()
    return AtHand(tuple(raws), frozenset(whole))


class _NotWholeError(Exception):
    """The time is over, there is more than a patient can have, or the server says that something is missing."""


def _all_of(searching: Searching, name: str, by: tuple[str, str], *, until: float) -> list[bytes]:
    found: list[bytes] = []
    for page in searching.pages(searching.question(name, [by, ("_count", _COUNT)])):
        if time.monotonic() > until or len(found) > _MOST:
            raise _NotWholeError
        if any(issue.is_loss for issue in page.issues):
            raise _NotWholeError
        found += [entry.raw for entry in page.entries]
    return found
