"""In: a resource as decoded JSON, and a version of FHIR. Out: what is wrong with it, each with its path and without its value.

Checked are the structure (elements, cardinality, choices, types of values, resource types that a reference may point to)
and the required bindings, of the resource, of what it contains and of the entries of a Bundle. Invariants (FHIRPath) and
the weaker bindings are the business of the HL7 validator.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import msgspec

from adapter.fhir.bindings import Binding, required_binding
from adapter.fhir.names import RESOURCE_TYPES
from adapter.fhir.primitives import primitive_fault
from adapter.fhir.structure import (
    ANY_RESOURCE,
    SIBLING,
    Element,
    Elements,
    elements_of,
    has_resource_type,
    is_checked,
)
from adapter.fhir.versions import FhirVersion, Json

__all__ = ["Problem", "problems"]

# Deeper than any resource that means something; a limit, because a foreign one may nest extensions without end.
_DEEPEST = 48
_ELEMENT_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
_TYPE_OF_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?\Z")


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong with a resource.

    ``path`` is like ``ResearchStudy.arm[0].name``. ``code`` is one of resource-type, not-checked, unknown-element, missing,
    cardinality, choice, type, value, empty, inexact, binding, reference, depth. ``message`` never holds a value of the resource.
    """

    path: str
    code: str
    message: str


def problems(resource: Json, version: FhirVersion) -> list[Problem]:
    """What is wrong with a resource in a version of FHIR; nothing where the list is empty.

    Args:
        resource: decoded JSON; numbers as int or Decimal.
        version: the version of FHIR to hold it against.

    >>> resource = {"resourceType": "Procedure", "status": "finished", "subject": {"reference": "Patient/1"}}
    >>> [(problem.path, problem.code) for problem in problems(resource, FhirVersion.R4)]
    [('Procedure.status', 'binding')]
    """
    checking = _Checking(version)
    checking.resource(resource, path="", depth=0)
    return checking.found


class _Checking:
    """One walk through a resource along the elements of its types."""

    def __init__(self, version: FhirVersion) -> None:
        self.version = version
        self.found: list[Problem] = []
        self._contained: frozenset[str] = frozenset()

    def resource(self, resource: Any, *, path: str, depth: int) -> None:
        """Check a whole resource; ``path`` is empty for the outermost."""
        if not isinstance(resource, dict):
            self._add(path or "Resource", "type", "is no JSON object")
            return
        name = resource.get("resourceType")
        if not isinstance(name, str) or not has_resource_type(self.version, name):
            self._add(
                f"{path}.resourceType".lstrip("."), "resource-type", f"names no resource type of FHIR {self.version}"
            )
            return
        path = path or name
        if not is_checked(self.version, name):
            self._add(path, "not-checked", f"has a type whose elements in FHIR {self.version} are not known here")
            return
        outer = self._contained
        # What is contained shares the anchors of its container (R4 references.html#contained).
        if not re.search(r"\.contained\[\d+\]$", path):
            self._contained = _contained_ids(resource)
        self._members(resource, name, path=path, depth=depth)
        self._contained = outer

    def _add(self, path: str, code: str, message: str) -> None:
        self.found.append(Problem(path, code, message))

    def _members(self, value: Json, type_name: str, *, path: str, depth: int) -> None:
        elements = elements_of(self.version, type_name)
        is_resource = type_name in RESOURCE_TYPES
        for key, item in value.items():
            if key == "resourceType" and is_resource:
                continue
            element = elements.get(key)
            if element is None:
                shown = key if isinstance(key, str) and _ELEMENT_NAME.fullmatch(key) else "?"
                self._add(f"{path}.{shown}", "unknown-element", f"is no element of {type_name} in FHIR {self.version}")
                continue
            owner = "Resource" if is_resource and key == "language" else type_name
            binding = required_binding(self.version, owner, key)
            for part, part_path in self._parts(item, element, value.get(_sibling(key)), path=f"{path}.{key}"):
                self._part(part, element, binding, path=part_path, depth=depth + 1)
        self._presence(value, elements, path=path)

    def _presence(self, value: Json, elements: Elements, *, path: str) -> None:
        """Required elements, and choices of which at most one may be there."""
        # A primitive may have extensions in place of its value (R4 extensibility.html#Special-Case).
        present = {
            key.removeprefix("_") for key, item in value.items() if key in elements and _says_something(key, item)
        }
        required_choices = set()
        chosen: dict[str, int] = defaultdict(int)
        for name, element in elements.items():
            if element.choice is None:
                if element.required and name not in present:
                    self._add(f"{path}.{name}", "missing", "is required")
                continue
            chosen[element.choice] += name in present
            if element.choice_required:
                required_choices.add(element.choice)
        for choice, count in chosen.items():
            if count > 1:
                self._add(f"{path}.{choice}[x]", "choice", "has more than one value")
            elif not count and choice in required_choices:
                self._add(f"{path}.{choice}[x]", "missing", "is required")

    def _parts(self, item: Any, element: Element, sibling: Any, *, path: str) -> list[tuple[Any, str]]:
        """The single values of an element with their paths, after a look at how often it stands there."""
        if not element.is_list:
            if isinstance(item, list):
                self._add(path, "cardinality", "holds a list where one value is allowed")
                return []
            return [(item, path)]
        if not isinstance(item, list):
            self._add(path, "cardinality", "holds one value where a list is wanted")
            return []
        if not item:
            self._add(path, "empty", "is empty")
        # In a list of primitives, null keeps the place of what stands in the list beside it (R4 json.html#primitive).
        pairs = element.is_primitive or element.type == SIBLING
        beside = sibling if pairs and isinstance(sibling, list) else []
        return [
            (part, f"{path}[{index}]")
            for index, part in enumerate(item)
            if part is not None or index >= len(beside) or beside[index] is None
        ]

    def _part(self, part: Any, element: Element, binding: Binding | None, *, path: str, depth: int) -> None:
        if part is None:
            self._add(path, "empty", "is null")
        elif element.is_primitive:
            self._primitive(part, element, binding, path=path)
        elif depth > _DEEPEST:
            self._add(path, "depth", "is nested too deep")
        elif element.type == ANY_RESOURCE:
            self.resource(part, path=path, depth=depth)
        elif not isinstance(part, dict):
            self._add(path, "type", "is no JSON object")
        elif not part:
            self._add(path, "empty", "is empty")
        else:
            self._members(part, element.type, path=path, depth=depth)
            if binding is not None and not _has_coding_of(binding, part):
                self._add(path, "binding", f"has no coding of {binding.value_set} in FHIR {self.version}")
            self._reference(part, element, path=path)

    def _primitive(self, part: Any, element: Element, binding: Binding | None, *, path: str) -> None:
        fault = primitive_fault(element.type, part)
        if fault is not None:
            self._add(path, *fault)
        elif binding is not None and not binding.allows(part):
            self._add(path, "binding", f"is no code of {binding.value_set} in FHIR {self.version}")

    def _reference(self, reference: Json, element: Element, *, path: str) -> None:
        """The type that a reference points to, as far as it tells, and whether what it says to be contained is."""
        if element.type == "CodeableReference" and isinstance(reference.get("reference"), dict):
            reference, path = reference["reference"], f"{path}.reference"
        elif element.type != "Reference":
            return
        literal = reference.get("reference")
        named = reference.get("type")
        if isinstance(literal, str):
            if literal.startswith("#") and len(literal) > 1 and literal[1:] not in self._contained:
                self._add(path, "reference", "points to a contained resource that is not there")
            elif (pointed := _TYPE_OF_REFERENCE.search(literal)) and not literal.startswith("urn:"):
                named = pointed[1]
        if element.targets and isinstance(named, str) and named in RESOURCE_TYPES and named not in element.targets:
            self._add(path, "reference", f"may point to {', '.join(sorted(element.targets))} only")


def _sibling(key: str) -> str:
    return key[1:] if key.startswith("_") else f"_{key}"


def _says_something(key: str, item: Any) -> bool:
    return not key.startswith("_") or not isinstance(item, dict) or bool(item.get("extension"))


def _contained_ids(resource: Json) -> frozenset[str]:
    contained = resource.get("contained")
    if not isinstance(contained, list):
        return frozenset()
    ids = (part.get("id") for part in contained if isinstance(part, dict))
    return frozenset(name for name in ids if isinstance(name, str))


def _has_coding_of(binding: Binding, concept: Json) -> bool:
    codings = concept.get("coding")
    return isinstance(codings, list) and any(
        isinstance(coding, dict)
        and coding.get("system") == binding.system
        and isinstance(coding.get("code"), str)
        and binding.allows(coding["code"])
        for coding in codings
    )
