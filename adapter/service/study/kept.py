"""In: something that takes long to make, and the state it was made of. Out: the same again, as long as the state is the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

__all__ = ["kept"]

Made = TypeVar("Made")

_made: WeakKeyDictionary[object, dict[Hashable, tuple[object, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def kept(owner: object, name: Hashable, state: object, make: Callable[[], Made]) -> Made:
    """What was made last under a name, or made anew where the state is another one.

    Args:
        owner: goes with it; an open store.
        name: of what is kept; one state of each name is.
        state: compared with the one it was made of; read before it is made, for what changes meanwhile makes the next one new.
        make: takes long. Two who ask at once may both make it.
    """
    with _lock:
        found = _made.setdefault(owner, {}).get(name)
    if found is not None and found[0] == state:
        return cast("Made", found[1])
    made = make()
    with _lock:
        _made.setdefault(owner, {})[name] = (state, made)
    return made
