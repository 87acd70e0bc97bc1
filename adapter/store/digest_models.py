"""In: nothing. Out: the tables of digests that were sent, typed."""

from __future__ import annotations

__all__: list[str] = []
