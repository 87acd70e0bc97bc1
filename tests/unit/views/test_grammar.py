"""FHIRPath expressions are read as the grammar says, and what cannot be read is refused with its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.views.grammar import parse_path
from adapter.views.lexer import PathFaultError, tokens
from adapter.views.syntax import Binary, Call, Constant, Index, Literal, Member, Negative, This

X, Y, Z = (Member(This(), name, place) for name, place in (("x", 0), ("y", 0), ("z", 0)))


def _plain(tree: object) -> object:
    """A tree as nested tuples, without positions."""
    match tree:
        case Binary(operator=operator, left=left, right=right):
            return (operator, _plain(left), _plain(right))
        case Member(source=This(), name=name):
            return name
        case Member(source=source, name=name):
            return (_plain(source), name)
        case Call(source=source, name=name, arguments=arguments):
            return (_plain(source), name, *map(_plain, arguments))
        case Index(source=source, index=index):
            return ("[]", _plain(source), _plain(index))
        case Literal(value=value):
            return value
        case Constant(name=name):
            return f"%{name}"
        case Negative(operand=operand):
            return ("neg", _plain(operand))
    return "this"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.y.z", (("x", "y"), "z")),
        ("x and y or z", ("or", ("and", "x", "y"), "z")),
        ("x or y and z", ("or", "x", ("and", "y", "z"))),
        ("x implies y or z", ("implies", "x", ("or", "y", "z"))),
        ("x = y and y != z", ("and", ("=", "x", "y"), ("!=", "y", "z"))),
        ("x + y * z", ("+", "x", ("*", "y", "z"))),
        ("(x + y) * z", ("*", ("+", "x", "y"), "z")),
        ("x - y - z", ("-", ("-", "x", "y"), "z")),
        ("-x.y", ("neg", ("x", "y"))),
        ("+x", "x"),
        ("x[0].y", (("[]", "x", 0), "y")),
        ("x.where(y = 'a').first()", (("x", "where", ("=", "y", "a")), "first")),
        ("value as Quantity", ("value", "as", "Quantity")),
        ("value is FHIR.Quantity", ("value", "is", ("FHIR", "Quantity"))),
        ("%c", "%c"),
        ("%`a b`", "%a b"),
        ("$this", "this"),
        ("$this.x", "x"),
        ("x.$this", "x"),
        ("{}", None),
        ("true", True),
        ("1", 1),
        ("1.50", Decimal("1.50")),
        (r"'it\'s \u00e9\n'", "it's é\n"),
        ("`div`", "div"),
        ("@2024-02", "2024-02"),
        ("@2024-02-01T10:00:00Z", "2024-02-01T10:00:00Z"),
        ("@2024T", "2024"),
        ("@T10:30", "10:30"),
        ("x // what it is\n.y", ("x", "y")),
        ("x /* what */ .y", ("x", "y")),
    ],
)
def test_path_is_read_as_the_grammar_says(text: str, expected: object) -> None:
    assert _plain(parse_path(text)) == expected


@pytest.mark.parametrize(
    ("text", "type_name"),
    [("@2024", "date"), ("@2024-01-01T", "dateTime"), ("@T10:30", "time"), ("1", "integer"), ("1.0", "decimal")],
)
def test_literal_has_its_type(text: str, type_name: str) -> None:
    tree = parse_path(text)

    assert isinstance(tree, Literal)
    assert tree.type == type_name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "character 1: expected a value or a name, found the end"),
        ("x.", "character 3: expected a name, found the end"),
        ("x y", "character 3: expected its end, found y"),
        ("x[0", "character 4: expected ], found the end"),
        ("x.where(y", r"character 10: expected \), found the end"),
        ("x = @@", "character 5: '@' begins nothing"),
        ("x > 5 'mg'", "a quantity cannot stand here"),
        ("x > 5 days", "a quantity cannot stand here"),
        ("$total", "expected a value or a name, found \\$total"),
        ("(" * 70 + "x" + ")" * 70, "nested deeper than 60"),
    ],
)
def test_path_that_cannot_be_read_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(PathFaultError, match=problem):
        parse_path(text)


def test_tokens_end_with_an_end() -> None:
    assert [token.kind for token in tokens("x.y")] == ["name", "symbol", "name", "end"]
