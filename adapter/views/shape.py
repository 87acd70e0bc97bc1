"""In: a type of FHIR and the elements that a view names. Out: what an engine's reader has to declare, and no more.

The elements are those of the fhir.resources models, so a view over an element that the version does not have is a fault of
the document whatever the data holds. Every leaf is declared as a text: an engine's reader that meets ``"<5"`` where a number
is declared gives null without a word or stops, and numbers pass through a double.
"""

from __future__ import annotations

import ibis.expr.datatypes as dt

from adapter.fhir.structure import ANY_RESOURCE, Element, elements_of
from adapter.fhir.versions import FhirVersion
from adapter.views.lexer import PathFaultError

__all__ = ["Shape"]


class Shape:
    """An element of which a view names something, or a resource.

    Args:
        type_name: its type, in the way of fhir.resources (``PatientContact``).
        version: version of FHIR.
        is_list: it may be there more than once.
        lenient: an element that the type does not have is one that is never there, as FHIRPath has it, and no fault.
    """

    __slots__ = ("children", "is_list", "lenient", "type", "version")

    def __init__(self, type_name: str, version: FhirVersion, *, is_list: bool = False, lenient: bool = False) -> None:
        self.type = type_name
        self.version = version
        self.is_list = is_list
        self.lenient = lenient
        self.children: dict[str, Shape] = {}

    def element(self, name: str) -> Element | None:
        """The definition of a child, by its name in JSON; None where the type has none of that name."""
        if name == "resourceType" and self.type[0].isupper():
            return Element("code")
        try:
            return elements_of(self.version, self.type).get(name)
        except KeyError:  # a primitive, or a type that the models lack
            return None

    def choices(self, name: str) -> dict[str, str]:
        """Types of a choice ``name[x]`` with the name of the element of each; none where it is no choice."""
        try:
            elements = elements_of(self.version, self.type)
        except KeyError:
            return {}
        return {
            element.type: key for key, element in elements.items() if element.choice == name and not key.startswith("_")
        }

    def child(self, name: str) -> Shape:
        """Declare a child, if that has not been done.

        Raises:
            PathFaultError: the type has no such element.
        """
        if name not in self.children:
            element = self.element(name)
            if element is None or name.startswith("_"):
                raise PathFaultError(f"{self.type} has no element {name} in FHIR {self.version.name}")
            self.children[name] = Shape(element.type, self.version, is_list=element.is_list, lenient=self.lenient)
        return self.children[name]

    def as_resource(self, type_name: str) -> Shape:
        """The same place, where it holds a resource of any type, seen as one of a type.

        What is declared through either is declared for both, since they are read from the same JSON.
        """
        if self.type != ANY_RESOURCE:
            raise PathFaultError(f"{self.type} is not {type_name}")
        seen = Shape(type_name, self.version, is_list=self.is_list, lenient=self.lenient)
        self.child_of_resource()
        seen.children = self.children
        return seen

    def child_of_resource(self) -> None:
        """Declare ``resourceType`` of a resource of any type."""
        self.children.setdefault("resourceType", Shape("code", self.version))

    def agrees_with(self, other: Shape, *, whole: bool = False) -> bool:
        """What both declare, they declare alike: as a text, or with parts.

        Args:
            other: of the same type.
            whole: all that the other declares is declared here.
        """
        for name, theirs in other.children.items():
            mine = self.children.get(name)
            if mine is None:
                if whole:
                    return False
            elif (
                mine.is_list != theirs.is_list
                or bool(mine.children) != bool(theirs.children)
                or not mine.agrees_with(theirs, whole=whole)
            ):
                return False
        return True

    def absorb(self, other: Shape) -> None:
        """Declare what another shape of the same type declares."""
        for name, theirs in other.children.items():
            mine = self.children.setdefault(
                name, Shape(theirs.type, self.version, is_list=theirs.is_list, lenient=self.lenient)
            )
            mine.absorb(theirs)

    @property
    def one(self) -> dt.DataType:
        """Data type of one of them: a text where nothing in it is named."""
        if not self.children:
            return dt.string
        return dt.Struct({name: child.all for name, child in sorted(self.children.items())})

    @property
    def all(self) -> dt.DataType:
        """Data type of the element."""
        return dt.Array(self.one) if self.is_list else self.one
