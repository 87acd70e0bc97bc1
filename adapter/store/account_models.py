"""In: nothing. Out: the tables of accounts, their roles at sites, sessions, sign-ins under way, typed."""

from __future__ import annotations

__all__: list[str] = []
