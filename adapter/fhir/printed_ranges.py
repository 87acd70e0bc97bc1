"""In: what a report says of a reference range in codes and words. Out: whether it is the normal one; how a French laboratory prints a range.

Reference: clarifications.md 17.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = [
    "FEMALE_WORDS",
    "MALE_WORDS",
    "NORMAL_WORDS",
    "OTHERS_WORDS",
    "PRINTED_RANGE",
    "KindCoding",
    "is_normal_kind",
]

#: R4 referencerange-meaning, its name in STU3, and a code that names no system.
_MEANINGS: Final = (
    "http://terminology.hl7.org/CodeSystem/referencerange-meaning",
    "http://hl7.org/fhir/referencerange-meaning",
    None,
)
_WORDS: Final = re.compile(r"[^\W\d_]+")

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


class KindCoding(NamedTuple):
    """One coding of what kind of range it is."""

    system: str | None
    code: str | None
    display: str | None


def is_normal_kind(codings: Sequence[KindCoding], text: str | None) -> bool:
    """Whether the kind of a range (``referenceRange.type``) is the normal one; others are therapeutic, treatment and so on.

    >>> is_normal_kind([], None), is_normal_kind([], "cible"), is_normal_kind([KindCoding("urn:lab", "normal", None)], None)
    (True, False, False)
    """
    # R4 observation.html: a range without type is the normal one.
    if not codings and text is None:
        return True
    standard = [one.code for one in codings if one.code and one.system in _MEANINGS]
    if standard:
        return "normal" in standard
    # What a code of the laboratory's own means, its words say; without any it may mean anything.
    texts = [text, *(one.display for one in codings)]
    words = {word.casefold() for told in texts if told is not None for word in _WORDS.findall(told)}
    return not NORMAL_WORDS.isdisjoint(words)
