"""In: nothing. Out: `Node`, what every node of an expression is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """Something that has an answer."""
