"""In: what a test runs. Out: the events that it wrote to the log."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import structlog

from adapter.observe import configure

__all__ = ["logged"]


@contextlib.contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The events of the block, in a list that is filled at its end."""
    events: list[dict[str, Any]] = []
    with contextlib.redirect_stderr(io.StringIO()) as err:
        configure(json=True)
        try:
            yield events
        finally:
            structlog.reset_defaults()
            events += [json.loads(line) for line in err.getvalue().splitlines()]
