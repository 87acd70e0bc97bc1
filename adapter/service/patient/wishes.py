"""In: what may become of a wish that a person sends. Out: the same, each with its status of HTTP and a sentence for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["WishKind"]


class WishKind(StrEnum):
    """What became of a wish.

    Attributes:
        status: of HTTP.
        detail: a sentence for programs; nothing of the patient is in it.
    """

    status: int
    detail: str

    def __new__(cls, value: str, status: int, detail: str = "") -> Self:
        """A member by its value, its status and its sentence."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.status = status
        made.detail = detail
        return made
