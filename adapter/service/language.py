"""In: a request, or a key of `mappings/words/pages/*.yaml`. Out: the reader's language, and the sentence in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal, cast, get_args

from starlette.requests import Request

from adapter.documents import read_documents
from adapter.errors import DocumentError

__all__ = ["LANGUAGES", "LANGUAGE_COOKIE", "Language", "Words", "choose_language", "load_words", "preferred_language"]

Language = Literal["fr", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
LANGUAGE_COOKIE = "reluth_lang"
_FOLDER = "words/pages"
_FORMS = {"one", "other"}


class Words:
    """The sentences of the pages in every language.

    Args:
        sentences: dotted key to language to text, or to its ``one`` and ``other`` forms.
    """

    def __init__(self, sentences: Mapping[str, Mapping[Language, str | Mapping[str, str]]]) -> None:
        self._sentences = sentences

    def say(self, key: str, language: Language, **values: object) -> str:
        """The sentence of a key; ``n`` among the values chooses between its forms.

        Raises:
            KeyError: no such sentence, or a value is missing: a defect of ours.
        """
        text = self._sentences[key][language]
        if not isinstance(text, str):
            text = text["one" if _is_one(cast(int, values["n"]), language) else "other"]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a sentence."""
        return key in self._sentences

    def keys(self) -> frozenset[str]:
        """All keys."""
        return frozenset(self._sentences)


@cache
def load_words() -> Words:
    """The sentences of the wheel.

    Raises:
        DocumentError: a sentence lacks a language, or stands in two files.
    """
    sentences: dict[str, dict[Language, str | dict[str, str]]] = {}
    for document, found in read_documents(_FOLDER).items():
        for key, sentence in _flatten(found.value, (), document):
            if key in sentences:
                raise DocumentError(document, "/" + key.replace(".", "/"), "stands in another file already")
            sentences[key] = sentence
    return Words(sentences)


def choose_language(request: Request) -> Language:
    """``?lang=``, else the remembered one, else what the browser prefers, else French."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wish in LANGUAGES:
            return wish
    return preferred_language(request.headers.get("accept-language", ""))


def preferred_language(header: str) -> Language:
    """The better liked of our languages in an Accept-Language header (RFC 9110 12.5.4); French when none is named.

    >>> preferred_language("de, en-GB;q=0.8, fr;q=0.5")
    'en'
    >>> preferred_language("de")
    'fr'
    """
    best: tuple[float, Language] = (0.0, "fr")
    for item in header.split(","):
        tag, _, parameters = item.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        weight = _weight(parameters)
        if language in LANGUAGES and weight > best[0]:
            best = (weight, language)
    return best[1]


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _is_one(number: int, language: Language) -> bool:
    # CLDR: French counts zero as one.
    return number in (0, 1) if language == "fr" else number == 1


def _flatten(node: Any, path: tuple[str, ...], document: str) -> list[tuple[str, dict[Language, str | dict[str, str]]]]:
    # YAML reads a bare `on` or `yes` as true: a key that is no text is a slip.
    if not isinstance(node, dict) or not node or not all(isinstance(name, str) for name in node):
        raise DocumentError(document, "/" + "/".join(path), "is not a sentence with fr and en")
    if set(node) == set(LANGUAGES):
        for text in node.values():
            if not isinstance(text, str) and not (isinstance(text, dict) and set(text) == _FORMS):
                raise DocumentError(document, "/" + "/".join(path), "is neither a text nor its forms one and other")
        return [(".".join(path), node)]
    return [pair for name, child in node.items() for pair in _flatten(child, (*path, name), document)]
