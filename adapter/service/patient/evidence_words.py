"""In: the value and the date of a piece of evidence, as kept. Out: both in a reader's words, for a page on which nothing can be looked up.

The patient's page shows what was sent as it was sent; on the printed sheet a code says nothing, and there is no link to follow.
"""

from __future__ import annotations

import re

from adapter.criteria import Trial
from adapter.screening.words import Words, words
from adapter.service.formats import effective
from adapter.service.language import Language

__all__ = ["day_in_words", "value_in_words"]

#: An attestation: linkId, answer, and the day of the fact where that is asked for.
_ATTESTED = re.compile(r"(?P<link>[A-Z]\d+(?:\.[\w-]+)*) = (?P<said>true|false)(?:, (?P<day>\S+))?")
#: A status, and what else is told: ``completed, 7271 MBq``.
_WITH_STATUS = re.compile(r"[\w-]+, .+")
#: When a consent holds, or a subject was in a trial: ``2024-05-01..2025-05-01``, with an end left out where it is open.
_SPAN = re.compile(r"(?P<start>[\d-]*)\.\.(?P<end>[\d-]*)")
#: The same, ended on a day that is not told exactly.
_SPAN_UNSURE = re.compile(r"\.\.(?P<end>[\d-]+\.\.[\d-]+)")
_NUMBER = re.compile(r"\d+\.\d+(?= )")


def value_in_words(value: str, trial: Trial, language: Language) -> str:
    """A value in words; what no word is known for stays as it was sent.

    Args:
        value: of the evidence, as sent.
        trial: whose attestations have names.
        language: the reader's.
    """
    attested = _ATTESTED.fullmatch(value)
    if attested is not None:
        return _answer(attested, trial, language)
    if _WITH_STATUS.fullmatch(value) is not None:
        # A consent tells a status, whether it permits, and for how long; a coverage its kind before the status.
        number = words(language).number
        parts = (_span(part, language) or _code(part, language) for part in value.split(", "))
        return ", ".join(_NUMBER.sub(lambda found: number(found[0]), part) for part in parts)
    return effective(_code(value, language), language)


def day_in_words(value: str, language: Language) -> str:
    """The day in Paris of a piece of evidence, without a time of day; of a span its ends.

    >>> day_in_words("2025-05-20T08:30:00+02:00", "en"), day_in_words("..2023-07-02", "en")
    ('20 May 2025', '2 July 2023 at the latest')
    """
    return words(language).day(value) if "T" in value else effective(value, language)


def _span(part: str, language: Language) -> str | None:
    """From when to when something holds or held; None where that is not what is told."""
    unsure = _SPAN_UNSURE.fullmatch(part)
    if unsure is not None:
        return _say(language).phrase("span-end-unsure", end=effective(unsure["end"], language))
    span = _SPAN.fullmatch(part)
    if span is None:
        return None
    ends = {name: effective(day, language) for name, day in span.groupdict().items() if day}
    return _say(language).phrase("-".join(["span", *ends]), **ends) if ends else None


def _answer(attested: re.Match[str], trial: Trial, language: Language) -> str:
    say = _say(language)
    answer = say.phrase("yes" if attested["said"] == "true" else "no")
    # Of the criterion itself the row of the sheet says what was asked.
    if "." in attested["link"]:
        link = attested["link"]
        told = trial.attestation_words.get(link)
        asked = trial.wanted_label(link, language) if told is None else told[language].rstrip(".")
        # The answer first: a long question is cut off on paper.
        answer = say.phrase("asked", what=asked, answer=answer)
    return answer if attested["day"] is None else f"{answer}, {effective(attested['day'], language)}"


def _code(code: str, language: Language) -> str:
    say = _say(language)
    return say.of("codes", code) if code in say.codes("codes") else code


def _say(language: Language) -> Words:
    return words(language, "words/evidence.yaml")
