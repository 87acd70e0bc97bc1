"""In: the id of a resource in the lake. Out: whether it was made here, and so is none that a hospital could send, or miss.

What a person attests on a page becomes a resource of the lake like those that were pulled; no server has it, so that it does not
come with a full read must not be taken for its deletion.
"""

from __future__ import annotations

import secrets
from typing import Final

__all__ = ["OWN_PREFIX", "is_own", "own_id"]

#: What the id of a resource of ours begins with.
OWN_PREFIX: Final = "reluth-attestation-"


def own_id() -> str:
    """The id of a new resource of ours; random, so that it says nothing, and no two stores make the same.

    >>> is_own(own_id()), is_own("9")
    (True, False)
    """
    return f"{OWN_PREFIX}{secrets.token_hex(16)}"


def is_own(identity: str) -> bool:
    """Whether a resource of this id was made here."""
    return identity.startswith(OWN_PREFIX)
