"""In: elements that FHIR R5 has and R4 lacks. Out: the extensions that carry them on R4 and R4B, and the elements read back from them.

HL7 fixes their form (R5 versions.html#extensions): the URL names the R5 element; an element with children is an extension of
extensions whose URLs are the bare names of the children; a simple one has the R5 type as ``value[x]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapter.fhir import Json
from mappings.foreign import Element

__all__ = ["R5_EXTENSION", "R5_EXTENSIONS_OF", "as_extensions", "r5_extension", "read_r5_extension", "with_r5_elements"]

#: `R5_EXTENSION` + path of the R5 element, e.g. ``ResearchStudy.label``.
R5_EXTENSION: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"

#: Elements by their path: the R5 type of a simple one, or of each child of a complex one.
_SHAPES: Final[Mapping[str, str | Mapping[str, str]]] = {
    "ResearchStudy.associatedParty": {"name": "String", "role": "CodeableConcept", "party": "Reference"},
    "ResearchStudy.descriptionSummary": "Markdown",
    "ResearchStudy.label": {"type": "CodeableConcept", "value": "String"},
    "ResearchStudy.outcomeMeasure": {"name": "String", "type": "CodeableConcept", "description": "Markdown"},
    "ResearchStudy.progressStatus": {"state": "CodeableConcept", "actual": "Boolean", "period": "Period"},
    "ResearchStudy.recruitment": {"targetNumber": "UnsignedInt"},
}
#: Elements that stand once at most; all others are lists.
_SINGLE: Final = frozenset({"ResearchStudy.descriptionSummary", "ResearchStudy.recruitment"})
#: Children that are lists in R5.
_LISTS: Final = frozenset({"ResearchStudy.outcomeMeasure.type"})
#: URLs of the R5 extensions that a mapper speaks of, by resource type: as good as owned elements.
R5_EXTENSIONS_OF: Final[Mapping[str, frozenset[str]]] = {
    "ResearchStudy": frozenset(f"{R5_EXTENSION}{path}" for path in (*_SHAPES, "ResearchStudy.objective.description")),
}


def r5_extension(path: str, kind: str, value: Any) -> Json:
    """The extension for a simple R5 element: ``r5_extension("ResearchStudy.objective.description", "Markdown", text)``."""
    return {"url": f"{R5_EXTENSION}{path}", f"value{kind}": value}


def read_r5_extension(element: Element, path: str) -> Element | None:
    """The extension for a simple R5 element; None where it is not there."""
    url = f"{R5_EXTENSION}{path}"
    return next((one for one in element.children("extension") if one.content.get("url") == url), None)


def as_extensions(resource_type: str, elements: Mapping[str, Any]) -> list[Json]:
    """R5 elements of a resource as R4 extensions, in the order in which they stand.

    Args:
        resource_type: of the resource, e.g. ``ResearchStudy``.
        elements: by their R5 name, with the content that R5 gives them.

    >>> as_extensions("ResearchStudy", {"label": [{"value": "ReLUTH"}]})[0]["extension"]
    [{'url': 'value', 'valueString': 'ReLUTH'}]
    """
    found: list[Json] = []
    for name, value in elements.items():
        path = f"{resource_type}.{name}"
        for one in value if isinstance(value, list) else [value]:
            shape = _SHAPES[path]
            if isinstance(shape, str):
                found.append(r5_extension(path, shape, one))
            else:
                found.append({"url": f"{R5_EXTENSION}{path}", "extension": list(_children(one, shape))})
    return found


def _children(element: Json, shape: Mapping[str, str]) -> Iterator[Json]:
    for name, value in element.items():
        if name == "extension":
            # An extension on the R5 element stands beside its children.
            yield from value
        else:
            for one in value if isinstance(value, list) else [value]:
                yield {"url": name, f"value{shape[name]}": one}


def with_r5_elements(resource: Element) -> Element:
    """A resource with its R5 extensions turned into the elements that they stand for; the extensions stay.

    Faults found later have the R5 element's path.

    Raises:
        MappingError: an extension is not as FHIR has it.
    """
    kind = resource.content.get("resourceType")
    content = dict(resource.content)
    for one in resource.children("extension"):
        path = str(one.content.get("url")).removeprefix(R5_EXTENSION)
        shape = _SHAPES.get(path)
        resource_type, _, name = path.partition(".")
        if shape is None or resource_type != kind:
            continue
        value = _value(one) if isinstance(shape, str) else _element(one, path, shape)
        if path in _SINGLE:
            content.setdefault(name, value)
        else:
            listed = content.get(name, [])
            if not isinstance(listed, list):
                raise resource.fail(name, "a list is wanted")
            content[name] = [*listed, value]
    return Element(content, reference=resource.reference, path=resource.path)


def _element(extension: Element, path: str, shape: Mapping[str, str]) -> Json:
    found: Json = {}
    for one in extension.children("extension"):
        name = one.needed("url")
        if name not in shape:
            found.setdefault("extension", []).append(one.content)
        elif f"{path}.{name}" in _LISTS:
            found.setdefault(name, []).append(_value(one))
        else:
            found[name] = _value(one)
    return found


def _value(extension: Element) -> Any:
    found = [value for key, value in extension.content.items() if key.startswith("value")]
    if len(found) != 1:
        raise extension.fail("value[x]", "is missing, or there more than once")
    return found[0]
