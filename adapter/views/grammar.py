"""In: the text of a FHIRPath expression. Out: its tree (FHIRPath 2.0, "Grammar"; precedence as there).

Quantities, dates by calendar arithmetic and functions that SQL-on-FHIR v2 does not ask for are not read: they are faults of
the document, never passed over.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

from adapter.views.lexer import PathFaultError, Token, tokens
from adapter.views.syntax import Binary, Call, Constant, Index, Literal, Member, Negative, Path, This

__all__ = ["parse_path"]

# Loosest first; of one line, left to right.
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!="),
    ("<=", "<", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
_DEEPEST = 60


@cache
def parse_path(text: str) -> Path:
    """Tree of an expression.

    Raises:
        PathFaultError: it is not FHIRPath, or not of the part that is known here.

    >>> parse_path("name.first()")
    Call(source=Member(source=This(), name='name', position=0), name='first', arguments=(), position=5)
    """
    parser = _Parser(list(tokens(text)))
    found = parser.expression(0)
    parser.expect("end", "")
    return found


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self.words = words
        self.at = 0
        self.depth = 0

    @property
    def word(self) -> Token:
        return self.words[self.at]

    def next(self) -> Token:
        word = self.word
        self.at += 1
        return word

    def is_symbol(self, text: str) -> bool:
        return self.word.kind == "symbol" and self.word.text == text

    def expect(self, kind: str, text: str) -> Token:
        if self.word.kind != kind or (text and self.word.text != text):
            raise self.fault(f"expected {text or 'its end'!s}")
        return self.next()

    def fault(self, problem: str) -> PathFaultError:
        found = self.word.text or "the end"
        return PathFaultError(f"character {self.word.position + 1}: {problem}, found {found}")

    def expression(self, level: int) -> Path:
        if level == len(_LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while self.word.kind in ("symbol", "name") and self.word.text in _LEVELS[level]:
            operator = self.next()
            if operator.text in ("is", "as"):
                left = Call(left, operator.text, (self.type_name(),), operator.position)
            else:
                left = Binary(operator.text, left, self.expression(level + 1), operator.position)
        return left

    def type_name(self) -> Path:
        word = self.expect("name", "")
        found: Path = Member(This(), word.text, word.position)
        while self.is_symbol("."):
            self.next()
            word = self.expect("name", "")
            found = Member(found, word.text, word.position)
        return found

    def unary(self) -> Path:
        if self.is_symbol("-"):
            position = self.next().position
            return Negative(self.unary(), position)
        if self.is_symbol("+"):
            self.next()
            return self.unary()
        return self.steps()

    def steps(self) -> Path:
        found = self.term()
        while True:
            if self.is_symbol("."):
                self.next()
                found = self.invocation(found)
            elif self.is_symbol("["):
                position = self.next().position
                found = Index(found, self.nested(), position)
                self.expect("symbol", "]")
            else:
                return found

    def nested(self) -> Path:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fault(f"nested deeper than {_DEEPEST}")
        found = self.expression(0)
        self.depth -= 1
        return found

    def term(self) -> Path:
        word = self.word
        if word.kind == "name" and word.text in ("true", "false"):
            self.next()
            return Literal("boolean", word.text == "true")
        if word.kind == "name":
            return self.invocation(This())
        if self.is_symbol("("):
            self.next()
            found = self.nested()
            self.expect("symbol", ")")
            return found
        if self.is_symbol("{"):
            self.next()
            self.expect("symbol", "}")
            return Literal("string", None)
        if word.kind == "variable" and word.text == "$this":
            self.next()
            return This()
        return self.literal()

    def literal(self) -> Path:
        word = self.word
        if word.kind == "constant":
            self.next()
            return Constant(word.text, word.position)
        if word.kind == "string":
            self.next()
            return Literal("string", word.text)
        if word.kind == "number":
            self.next()
            if self.word.kind == "string" or (self.word.kind == "name" and self.word.text in _CALENDAR):
                raise self.fault("a quantity cannot stand here: compare its value and its code apart")
            return Literal("decimal", Decimal(word.text)) if "." in word.text else Literal("integer", int(word.text))
        if word.kind == "date":
            self.next()
            if word.text.startswith("T"):
                return Literal("time", word.text[1:])
            return Literal("dateTime" if "T" in word.text else "date", word.text.removesuffix("T"))
        raise self.fault("expected a value or a name")

    def invocation(self, source: Path) -> Path:
        if self.word.kind == "variable" and self.word.text == "$this":
            self.next()
            return source
        if self.word.kind != "name":
            raise self.fault("expected a name")
        word = self.next()
        if not self.is_symbol("("):
            return Member(source, word.text, word.position)
        self.next()
        arguments: list[Path] = []
        while not self.is_symbol(")"):
            arguments.append(self.nested())
            if not self.is_symbol(","):
                break
            self.next()
        self.expect("symbol", ")")
        return Call(source, word.text, tuple(arguments), word.position)


_CALENDAR = frozenset(
    name + ending
    for name in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for ending in ("", "s")
)
