"""In: a text of any length and script. Out: what a transport file can hold: plain ASCII, at most so many bytes, cut at words."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["folded", "pieces"]

#: Letters and signs that no decomposition makes plain.
_PLAIN: Final = str.maketrans(
    {
        "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
        "µ": "u", "\u03bc": "u", "α": "alpha", "β": "beta", "γ": "gamma", "≤": "<=", "≥": ">=", "±": "+/-", "×": "x",
        "·": ".", "°": " deg", "®": "", "™": "", "©": "", "\u2018": "'", "\u2019": "'", "«": '"', "»": '"', "\u201c": '"',
        "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2010": "-", "\u2011": "-", "\u2212": "-", "…": "...", "€": "EUR", "\u202f": " ", "\u00a0": " ",
    }
)  # fmt: skip


def folded(text: str) -> str:
    """The text in printable ASCII: letters without their marks, signs in words; what has no plain form becomes ``?``.

    >>> folded("Cœur ≥ 5 µmol/L, Évian®")
    'Coeur >= 5 umol/L, Evian'
    """
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN)).translate(_PLAIN)
    kept = (letter if letter.isascii() else "?" for letter in plain if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in kept).split())


def pieces(text: str, size: int) -> list[str]:
    """The text in pieces of at most ``size`` letters, parted at spaces where there is one in the later half.

    >>> pieces("one two three", 7)
    ['one two', 'three']
    """
    found = []
    rest = text.strip()
    while len(rest) > size:
        at = rest.rfind(" ", size // 2, size + 1)
        found.append(rest[: at if at > 0 else size].rstrip())
        rest = rest[at if at > 0 else size :].lstrip()
    return [*found, rest] if rest or not found else found
