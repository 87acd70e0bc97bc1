"""In: a value for a CSV file. Out: its cell as text, which no spreadsheet takes for a formula."""

from __future__ import annotations

from typing import Final

__all__ = ["FORMULA_SIGNS", "safe_cell"]

#: What a spreadsheet takes for the start of a formula, or reads on after (OWASP, CSV injection): the full-width forms, too, which some
#: make plain ones of.
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: object) -> str:
    """A cell of a CSV; a list is joined by blanks, nothing is empty.

    >>> safe_cell("=1+1"), safe_cell(["I01", "E04"]), safe_cell(None), safe_cell("\uff1d1")
    ("'=1+1", 'I01 E04', '', "'\uff1d1")
    """
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
