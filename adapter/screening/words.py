"""In: a code of the contract and a language. Out: the words for it, from ``mappings/words/screening.yaml``, or another document.

Pages, command line and log say the same thing the same way because they all ask here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from adapter.documents import read_document
from adapter.errors import DocumentError, UsageError
from adapter.fhir import PARIS

__all__ = ["LANGUAGES", "Words", "words"]

LANGUAGES = ("en", "fr")
_SCREENING = "words/screening.yaml"
#: Days of which a date is only known to be one: as `adapter.fhir.When.text` writes them.
_SPAN = re.compile(r"(?P<first>\d{4}-\d\d-\d\d)?\.\.(?P<last>\d{4}-\d\d-\d\d)?")


class Words:
    """The words of one language.

    Args:
        lang: ``en`` or ``fr``.
        document: the parsed document.
        file: its name, for errors.
    """

    def __init__(self, lang: str, document: Mapping[str, Any], file: str = _SCREENING) -> None:
        self.lang = lang
        self._document = document
        self._file = file

    def of(self, group: str, code: str, **values: object) -> str:
        """The words for ``code`` of ``group``, its braces filled in.

        Raises:
            DocumentError: the document lacks the entry or the language.
        """
        entry = self._document.get(group, {}).get(code)
        if entry is None:
            raise DocumentError(self._file, f"/{group}", f"has no entry {code}")
        text = entry.get(self.lang) if isinstance(entry, Mapping) else None
        if not isinstance(text, str):
            raise DocumentError(self._file, f"/{group}/{code}", f"has no {self.lang} text")
        return text.format(**values) if values else text

    def codes(self, group: str) -> tuple[str, ...]:
        """All codes of a group, in the document's order."""
        return tuple(self._document.get(group, {}))

    def listing_of(self, group: str) -> tuple[str, ...]:
        """The words of all codes of a group."""
        return tuple(self.of(group, code) for code in self.codes(group))

    def phrase(self, code: str, **values: object) -> str:
        """A phrase with its braces filled in."""
        return self.of("phrases", code, **values)

    def reason(self, code: str) -> str:
        """Why a statement is open."""
        return self.of("reasons", code)

    def outcome(self, code: str, reason: str | None = None) -> str:
        """An outcome, with its own reason in brackets where it has one."""
        text = self.of("outcomes", code)
        return f"{text} ({self.of('outcome_reasons', reason)})" if reason else text

    def verdict(self, kind: str, passes: bool | None) -> str:
        """What a criterion's answer means for the patient: an exclusion that is true "applies"."""
        if passes is None:
            return self.of("verdicts", "open")
        return self.of("verdicts", f"{kind}-{'passes' if passes else 'fails'}")

    def day(self, when: date | str) -> str:
        """A day as people write it; a text that is no whole day (``2024-05``) stays as it is. A moment is of its day in Paris.

        >>> words("fr").day("2025-06-01"), words("en").day("2025-05-31T22:30:00Z")
        ('1er juin 2025', '1 June 2025')
        """
        try:
            day = _day_of(when)
        except ValueError:
            return str(when)
        months = self._document["languages"]["months"][self.lang]
        form = "first_day" if day.day == 1 else "day"
        return self.of("languages", form, day=day.day, month=months[day.month - 1], year=day.year)

    def dated(self, when: str) -> str:
        """The date of a piece of evidence: a day, or the ends of the span that it lies in, which is not known to begin it.

        >>> words("en").dated("2025-05-20"), words("en").dated("..2023-07-02")
        ('20 May 2025', '2 July 2023 at the latest')
        """
        span = _SPAN.fullmatch(when)
        if span is None:
            return self.day(when)
        ends = {name: self.day(day) for name, day in span.groupdict().items() if day is not None}
        kind = "between" if len(ends) > 1 else "from" if "first" in ends else "until"
        return self.of("spans", kind, **ends) if ends else when

    def number(self, decimal_text: str) -> str:
        """A decimal text with the language's decimal sign."""
        return decimal_text.replace(".", self.of("languages", "decimal_sign"))

    def listing(self, items: Iterable[str], *, limit: int | None = None) -> str:
        """Items joined by commas; past ``limit`` the rest is counted."""
        found = list(items)
        if limit is None or len(found) <= limit:
            return ", ".join(found)
        return f"{', '.join(found[:limit])} +{len(found) - limit}"


@lru_cache
def words(lang: str, file: str = _SCREENING) -> Words:
    """The words of a language.

    Args:
        lang: ``en`` or ``fr``.
        file: document of ``mappings``, e.g. ``words/check.yaml``.

    Raises:
        UsageError: there is no such language.
        DocumentError: the document is missing or not YAML.
    """
    if lang not in LANGUAGES:
        raise UsageError(f"language {lang}: there are {' and '.join(LANGUAGES)}")
    return Words(lang, _document(file), file)


@lru_cache
def _document(file: str = _SCREENING) -> Mapping[str, Any]:
    document = read_document(file).value
    if not isinstance(document, dict):
        raise DocumentError(file, "", "is not a mapping")
    return document


def _day_of(when: date | str) -> date:
    told = when
    if isinstance(told, str):
        told = datetime.fromisoformat(told) if "T" in told else date.fromisoformat(told[:10])
    if not isinstance(told, datetime):
        return told
    try:
        return told.date() if told.tzinfo is None else told.astimezone(PARIS).date()
    except OverflowError:
        # The first and the last day that there is.
        return told.date()
