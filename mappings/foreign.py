"""In: a piece of a foreign resource. Out: the values in it, or a `MappingError` that names its path; never the value."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from adapter.fhir import Json
from mappings.elements import EXTENSION
from mappings.entities import Coding, Identifier

__all__ = ["Element", "MappingError"]


class MappingError(ValueError):
    """A foreign resource cannot be read as an entity.

    Args:
        reference: ``ResourceType/id``, as far as it tells.
        path: to the element, e.g. ``valueQuantity.value``.
        problem: what is wrong; never the value.
    """

    def __init__(self, reference: str, path: str, problem: str) -> None:
        self.reference = reference
        self.path = path
        self.problem = problem
        super().__init__(f"{reference}: {path}: {problem}")


class Element:
    """A piece of a foreign resource with the way to it; what is not as FHIR has it becomes a `MappingError`.

    Args:
        content: the JSON object.
        reference: ``ResourceType/id``.
        path: from the resource to this piece, "" for the resource itself.
    """

    def __init__(self, content: Json, *, reference: str = "", path: str = "") -> None:
        if not isinstance(content, dict):
            raise MappingError(reference or "resource", path or "/", "an object is wanted")
        self.content = content
        self.reference = reference or f"{content.get('resourceType', 'resource')}/{content.get('id', '?')}"
        self.path = path

    def fail(self, name: str, problem: str) -> MappingError:
        """The error for an element of this piece."""
        return MappingError(self.reference, f"{self.path}.{name}" if self.path else name, problem)

    def has(self, name: str) -> bool:
        """It is there."""
        return name in self.content

    def text(self, name: str) -> str | None:
        """A text or code; None where it is not there."""
        found = self.content.get(name)
        if found is not None and not isinstance(found, str):
            raise self.fail(name, "a text is wanted")
        return found

    def needed(self, name: str) -> str:
        """A text that has to be there."""
        found = self.text(name)
        if found is None:
            raise self.fail(name, "is missing")
        return found

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        found = self.content.get(name)
        if found is not None and not isinstance(found, bool):
            raise self.fail(name, "true or false is wanted")
        return found

    def whole(self, name: str) -> int | None:
        """An integer."""
        found = self.content.get(name)
        if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
            raise self.fail(name, "a whole number is wanted")
        return found

    def decimal(self, name: str) -> Decimal | None:
        """A number, exact."""
        found = self.content.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise self.fail(name, "a number read without loss is wanted")
        return Decimal(found)

    def child(self, name: str) -> Element | None:
        """An object within."""
        found = self.content.get(name)
        return None if found is None else self._within(name, found)

    def children(self, name: str) -> list[Element]:
        """The objects of a list; none where it is not there."""
        found = self.content.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            raise self.fail(name, "a list is wanted")
        return [self._within(f"{name}[{at}]", one) for at, one in enumerate(found)]

    def texts(self, name: str) -> list[str]:
        """The texts of a list."""
        found = self.content.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.fail(name, "a list of texts is wanted")
        return found

    def extensions(self, name: str) -> list[Element]:
        """Our extensions of a name."""
        return [one for one in self.children("extension") if one.content.get("url") == f"{EXTENSION}{name}"]

    def extension(self, name: str) -> Element | None:
        """Our extension of a name; the first where a foreign hand doubled it."""
        return next(iter(self.extensions(name)), None)

    def codings(self, *, systems: frozenset[str] | None = None) -> list[Coding]:
        """The Codings of a CodeableConcept that have a system and a code, of some systems only where they are named."""
        return [
            Coding(system=one.needed("system"), code=one.needed("code"), display=one.text("display"))
            for one in self.children("coding")
            if one.has("system") and one.has("code") and (systems is None or one.content["system"] in systems)
        ]

    def identifiers(self, name: str = "identifier") -> list[Identifier]:
        """The identifiers with a system and a value."""
        return [
            Identifier(system=one.needed("system"), value=one.needed("value"))
            for one in self.children(name)
            if one.has("system") and one.has("value")
        ]

    def identified(self, name: str) -> Identifier | None:
        """The identifier within a Reference."""
        reference = self.child(name)
        found = reference.child("identifier") if reference else None
        if found is None or not found.has("system") or not found.has("value"):
            return None
        return Identifier(system=found.needed("system"), value=found.needed("value"))

    def refuse_modifiers(self) -> None:
        """Raise where a modifierExtension changes the meaning in a way that nobody here knows (R4 extensibility.html)."""
        for path, found in _walk(self.content, self.path):
            if found.get("modifierExtension"):
                raise MappingError(self.reference, f"{path}.modifierExtension".lstrip("."), "is not known here")

    def _within(self, name: str, found: Any) -> Element:
        return Element(found, reference=self.reference, path=f"{self.path}.{name}" if self.path else name)


def _walk(content: Any, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(content, dict):
        yield path, content
        for key, value in content.items():
            yield from _walk(value, f"{path}.{key}" if path else key)
    elif isinstance(content, list):
        for at, value in enumerate(content):
            yield from _walk(value, f"{path}[{at}]")
