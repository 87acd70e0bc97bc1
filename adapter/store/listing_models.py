"""In: nothing. Out: the tables of the worklist as rows, and of which state of the site they are, typed."""

from __future__ import annotations

__all__: list[str] = []
