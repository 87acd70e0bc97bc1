"""In: nothing. Out: how a French laboratory prints a reference range as a text: its form, and the words that stand before it.

Reference: clarifications.md 17.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FEMALE_WORDS", "MALE_WORDS", "NORMAL_WORDS", "OTHERS_WORDS", "PRINTED_RANGE"]

#: ``N: 3,5 - 5,0``, ``< 41``, ``(10 - 40)``, ``VN 3.5-5 mmol/L``, ``Femme : < 35``: a word before, brackets around.
#: Possessive throughout: what is taken is not given back, or a text padded with blanks would be tried for hours.
PRINTED_RANGE: Final = re.compile(
    r"\s*+(?:(?P<word>[A-Za-zÀ-ÿ.]++)\s*+:?+\s*+)?+[(\[]?+\s*+"
    r"(?P<range>(?:[^()\[\]\s]++(?:\s++(?=[^()\[\]\s]))?+)*+)\s*+[)\]]?+\s*+"
)
NORMAL_WORDS: Final = frozenset(
    {
        "n",
        "vn",
        "vr",
        "normal",
        "normale",
        "normales",
        "norme",
        "normes",
        "ref",
        "réf",
        "ref.",
        "réf.",
        "reference",
        "référence",
        "références",
        "usuelle",
        "usuelles",
    }
)
MALE_WORDS: Final = frozenset({"h", "m", "homme", "hommes", "male", "masculin", "men", "man"})
FEMALE_WORDS: Final = frozenset({"f", "femme", "femmes", "female", "féminin", "feminin", "women", "woman"})
#: Words for whom, or for what, a range is that is not the normal one of an adult: an aim of treatment, pregnancy, childhood, after
#: a meal, an alarm. ``hors grossesse`` and ``non enceinte`` are everybody's.
OTHERS_WORDS: Final = re.compile(
    r"th[ée]rap|anticoag|\bavk\b|\bcibles?\b|\btargets?\b|\bobjectif|critical|critique|alarm|alert"
    r"|(?<!hors )(?<!hors-)grossesse|(?<!non )(?<!non-)enceinte|(?<!non )(?<!non-)(?<!not )pregnan|trimest|gestation|am[ée]norrh|\bsa\b"
    r"|f[oœ]e?t(us|al)|nouveau|newborn|n[ée]onat|nourrisson|infant|enfant|child|p[ée]diat|adolesc|post.?prandi",
    re.IGNORECASE,
)
