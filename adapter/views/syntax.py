"""In: nothing. Out: the nodes of a parsed FHIRPath expression, as far as SQL-on-FHIR v2 needs the language.

Positions are offsets into the text of the expression.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

__all__ = ["Binary", "Call", "Constant", "Index", "Literal", "Member", "Negative", "Path", "This"]


class This(msgspec.Struct, frozen=True):
    """``$this``, or what a path starts from where it does not say so."""


class Literal(msgspec.Struct, frozen=True):
    """A value that stands in the expression.

    Attributes:
        type: name of the FHIR type: ``string boolean integer decimal date dateTime time``.
        value: of a date or time the text as written, without ``@``. None is the empty collection ``{}``.
    """

    type: str
    value: str | bool | int | Decimal | None


class Constant(msgspec.Struct, frozen=True):
    """``%name``."""

    name: str
    position: int = 0


class Member(msgspec.Struct, frozen=True):
    """``source.name``."""

    source: Path
    name: str
    position: int = 0


class Index(msgspec.Struct, frozen=True):
    """``source[index]``."""

    source: Path
    index: Path
    position: int = 0


class Call(msgspec.Struct, frozen=True):
    """``source.name(arguments)``."""

    source: Path
    name: str
    arguments: tuple[Path, ...]
    position: int = 0


class Binary(msgspec.Struct, frozen=True):
    """``left operator right``."""

    operator: str
    left: Path
    right: Path
    position: int = 0


class Negative(msgspec.Struct, frozen=True):
    """``-operand``."""

    operand: Path
    position: int = 0


Path: TypeAlias = This | Literal | Constant | Member | Index | Call | Binary | Negative
