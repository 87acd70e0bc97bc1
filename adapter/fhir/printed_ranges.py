"""In: nothing. Out: how a French laboratory prints a reference range as a text: its form, and the words that stand before it.

Reference: clarifications.md 17.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FEMALE_WORDS", "MALE_WORDS", "NORMAL_WORDS", "PRINTED_RANGE"]

#: ``N: 3,5 - 5,0``, ``< 41``, ``(10 - 40)``, ``VN 3.5-5 mmol/L``, ``Femme : < 35``: a word before, brackets around.
PRINTED_RANGE: Final = re.compile(r"\s*(?:(?P<word>[A-Za-zÀ-ÿ.]+)\s*:?\s*)?[(\[]?\s*(?P<range>[^()\[\]]*?)\s*[)\]]?\s*")
NORMAL_WORDS: Final = frozenset(
    {"n", "vn", "vr", "normal", "normale", "normales", "norme", "normes", "ref", "réf", "ref.", "réf."}
)
MALE_WORDS: Final = frozenset({"h", "m", "homme", "hommes", "male", "masculin", "men", "man"})
FEMALE_WORDS: Final = frozenset({"f", "femme", "femmes", "female", "féminin", "feminin", "women", "woman"})
