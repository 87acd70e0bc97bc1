"""In: nothing. Out: the tables of cards of CDS Hooks, feedback, tokens used, typed."""

from __future__ import annotations

__all__: list[str] = []
