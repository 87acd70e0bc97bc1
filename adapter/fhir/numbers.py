"""In: a Patient resource, or a number as somebody typed it. Out: the hospital's numbers as they are compared: without blanks, in one case."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

__all__ = ["fold_number", "folded_numbers", "numbers_of"]


def fold_number(text: str) -> str:
    """A number as it is compared: without blanks, in one case.

    >>> fold_number(" 2 85 07 AB ")
    '28507ab'
    """
    # PostgreSQL takes no NUL in a text: a number with one is nobody's, and no reason to fail.
    return "".join(text.split()).casefold().replace("\0", "\N{REPLACEMENT CHARACTER}")


class _Numbered(msgspec.Struct):
    """Of a Patient resource what numbers the person; whatever the hospital wrote there."""

    identifier: object = None


_read = msgspec.json.Decoder(_Numbered).decode


def numbers_of(raw: bytes) -> frozenset[str]:
    """The hospital's own numbers in a Patient resource, folded; none where it cannot be read."""
    try:
        return folded_numbers(_read(raw).identifier)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return frozenset()


def folded_numbers(identifiers: object) -> frozenset[str]:
    """The values of the identifiers of a Patient, folded."""
    return frozenset(_folded(identifiers))


def _folded(identifiers: object) -> Iterator[str]:
    for one in identifiers if isinstance(identifiers, list) else ():
        value = one.get("value") if isinstance(one, dict) else None
        if isinstance(value, str) and (number := fold_number(value)):
            yield number
