"""In: a parsed mapping document. Out: its values, each checked; a fault points to its place as ``file#json-pointer``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from adapter.errors import DocumentError

__all__ = ["Node"]

_MISSING = object()


class Node:
    """A place in a document.

    Args:
        value: what stands there, as YAML or JSON gave it.
        file: the document's name.
        pointer: JSON pointer to the place.
    """

    __slots__ = ("_asked", "file", "pointer", "value")

    def __init__(self, value: Any, file: str, pointer: str = "") -> None:
        self.value = value
        self.file = file
        self.pointer = pointer
        self._asked: set[str] = set()

    def fault(self, problem: str) -> DocumentError:
        """An error that points here."""
        return DocumentError(self.file, self.pointer, problem)

    def _child(self, key: str | int, value: Any) -> Node:
        escaped = str(key).replace("~", "~0").replace("/", "~1")
        return Node(value, self.file, f"{self.pointer}/{escaped}")

    def mapping(self) -> Mapping[str, Any]:
        """The value, which must be a mapping with text keys."""
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            raise self.fault("expected a mapping")
        return self.value

    def __contains__(self, key: str) -> bool:
        return key in self.mapping()

    def __getitem__(self, key: str) -> Node:
        self._asked.add(key)
        value = self.mapping().get(key, _MISSING)
        if value is _MISSING:
            raise self.fault(f"{key} is missing")
        return self._child(key, value)

    def get(self, key: str) -> Node | None:
        """The child, or None when it is absent."""
        self._asked.add(key)
        return self[key] if key in self else None  # noqa: SIM401 - a Node is no dict: this is its get

    def items(self) -> Iterator[tuple[str, Node]]:
        """Key and child, in the document's order."""
        for key, value in self.mapping().items():
            self._asked.add(key)
            yield key, self._child(key, value)

    def elements(self) -> Iterator[Node]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self.fault("expected a list")
        for index, value in enumerate(self.value):
            yield self._child(index, value)

    def close(self) -> None:
        """Refuse keys that nobody asked for: a misspelt key must not be passed over."""
        unknown = sorted(set(self.mapping()) - self._asked)
        if unknown:
            raise self.fault(f"unknown key {unknown[0]}")

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fault("expected a text")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(element.text() for element in self.elements())

    def one_of(self, *allowed: str) -> str:
        """A text of a closed list."""
        text = self.text()
        if text not in allowed:
            raise self.fault(f"expected one of {', '.join(allowed)}")
        return text

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.fault("expected true or false")
        return self.value

    def integer(self) -> int:
        """A whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.fault("expected a whole number")
        return self.value

    def decimal(self) -> Decimal:
        """A number written as text, or a whole one: a YAML number with a point would have gone through a float."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return Decimal(self.value)
        if isinstance(self.value, str):
            try:
                found = Decimal(self.value)
            except InvalidOperation:
                found = Decimal("NaN")
            if found.is_finite():
                return found
        raise self.fault('expected a number in quotes, such as "1.5"')

    def day(self) -> date:
        """A calendar day."""
        if isinstance(self.value, date) and type(self.value) is date:
            return self.value
        if isinstance(self.value, str):
            try:
                return date.fromisoformat(self.value)
            except ValueError:
                pass
        raise self.fault("expected a day, YYYY-MM-DD")

    def words(self) -> dict[str, str]:
        """A text in French and English."""
        found = {"fr": self["fr"].text(), "en": self["en"].text()}
        self.close()
        return found
