"""In: a language. Out: the words of a report, numbers and shares as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, get_args

from adapter.documents import read_document
from adapter.errors import DocumentError

__all__ = ["LANGUAGES", "Language", "Say"]

Language = Literal["fr", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_FILE: Final = "words/report.yaml"
_NBSP = "\N{NO-BREAK SPACE}"


class Say:
    """The words of one language.

    Args:
        language: the reader's.
    """

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of ``group.name``, its braces filled in.

        Raises:
            DocumentError: there is none in this language.
        """
        group, _, name = key.partition(".")
        text = _document().get(group, {}).get(name, {}).get(self.language)
        if text is None:
            raise DocumentError(_FILE, f"/{group}/{name}", f"has no {self.language} text")
        return text.format(**values)

    def number(self, value: float, digits: int = 1) -> str:
        """A number with so many decimals, and the language's decimal sign."""
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if self.language == "fr" else text

    def share(self, value: float) -> str:
        """A share of 1 as a percentage.

        >>> Say("fr").share(0.125), Say("en").share(0.125)
        ('12,5\\xa0%', '12.5%')
        """
        return f"{self.number(100 * value)}{_NBSP if self.language == 'fr' else ''}%"


@cache
def _document() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    found: Mapping[str, Mapping[str, Mapping[str, str]]] = read_document(_FILE).value
    return found
