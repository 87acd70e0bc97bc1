"""In: a text. Out: the same in printable ASCII, without blanks at its ends: what a SAS transport file holds."""

from __future__ import annotations

import unicodedata

__all__ = ["plain_text"]

#: What NFKD does not take apart; the Greek letters are those of proteins and isotopes.
_WORDS = {
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u00ab": '"',
    "\u00bb": '"',
    "\u00d7": "x",
    "\u00f7": "/",
    "\u00b1": "+/-",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2260": "<>",
    "\u00b0": " deg ",
    "\u00b5": "u",
    "\u03bc": "u",
    "\u03b1": "alpha",
    "\u03b2": "beta",
    "\u03b3": "gamma",
    "\u0153": "oe",
    "\u0152": "OE",
    "\u00e6": "ae",
    "\u00c6": "AE",
    "\u00df": "ss",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u0131": "i",
    "\u0142": "l",
    "\u0141": "L",
    "\u20ac": "EUR",
}
_TABLE = str.maketrans(_WORDS)


def plain_text(text: str) -> str:
    """A text as a transport file can hold it.

    Accents go (NFKD), signs become words, what has no ASCII at all becomes ``?``, a control character a blank; blanks at
    the ends go, because the format pads with them.

    >>> plain_text("Lutéthia 5 µmol/L ≥ 3")
    'Lutethia 5 umol/L >= 3'
    >>> plain_text("Σ\\t1 ")
    '? 1'
    """
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    folded = unicodedata.normalize("NFKD", text.translate(_TABLE)).translate(_TABLE)
    kept = (
        letter if letter.isascii() and letter.isprintable() else " " if unicodedata.category(letter)[0] in "CZ" else "?"
        for letter in folded
        if not unicodedata.combining(letter)
    )
    return "".join(kept).strip(" ")
