"""In: the text of a FHIRPath expression. Out: its tokens (FHIRPath 2.0, "Lexical Elements")."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

__all__ = ["PathFaultError", "Token", "tokens"]

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | //[^\n]* | /\*.*?\*/)
    | (?P<date>@(?:T\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?
        | \d{4}(?:-\d{2}(?:-\d{2})?)?(?:T(?:\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?)?(?:Z|[+-]\d{2}:\d{2})?)?))
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]* | `(?:[^`\\]|\\.)*`)
    | (?P<variable>\$[A-Za-z]+)
    | (?P<constant>%(?:[A-Za-z_][A-Za-z0-9_]* | `[^`]*` | '[^']*'))
    | (?P<symbol><=|>=|!=|!~|[-+*/=<>~|&.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPED = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}


class PathFaultError(ValueError):
    """An expression cannot be read or compiled; the text says why and where.

    The reader of the view turns it into a `DocumentError` with the place in the document.
    """


class Token(msgspec.Struct, frozen=True):
    """A word of an expression: its kind, its text without quotes, where it starts."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> Iterator[Token]:
    """Words of an expression, an ``end`` last.

    Raises:
        PathFaultError: a character begins no word.

    >>> [(token.kind, token.text) for token in tokens("name[0].use = 'usual'")][:4]
    [('name', 'name'), ('symbol', '['), ('number', '0'), ('symbol', ']')]
    """
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PathFaultError(f"character {position + 1}: {text[position]!r} begins nothing that FHIRPath knows")
        kind, word = match.lastgroup or "", match.group()
        if kind != "space":
            yield Token(kind, _plain(kind, word), position)
        position = match.end()
    yield Token("end", "", position)


def _plain(kind: str, word: str) -> str:
    if kind == "string":
        return _unescaped(word[1:-1])
    if kind == "constant":
        return word[1:].strip("`'")
    if word.startswith("`"):
        return _unescaped(word[1:-1])
    return word.removeprefix("@") if kind == "date" else word


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        what = match.group(1)
        return chr(int(what[1:], 16)) if len(what) > 1 else _ESCAPES.get(what, what)

    return _ESCAPED.sub(one, text)
