"""In: the raw JSON of one resource. Out: whether it holds a modifierExtension, which may turn what it says into its opposite."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["is_modified"]


def is_modified(raw: bytes, resource_type: str) -> bool:
    """Whether a modifierExtension may turn into its opposite what a resource says: none is known here (R4 extensibility.html#modifierExtension).

    Who a person is stays known: without it nothing could be said at all.
    """
    if b'"modifierExtension"' not in raw or resource_type == "Patient":
        return False
    stack: list[Any] = [msgspec.json.decode(raw)]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("modifierExtension"):
                return True
            stack += node.values()
        elif isinstance(node, list):
            stack += node
    return False
