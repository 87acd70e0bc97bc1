"""In: an allow-list document of one resource type. Out: its rules: what may stay of each element, checked; all that is not named goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapter.fhir import RESOURCE_TYPES
from adapter.terminology import Node

__all__ = ["LISTS", "PLAIN", "Rule", "TypeRules", "parse_type_rules"]

#: Kinds that are written as a bare word.
PLAIN: Final = frozenset(
    {
        "boolean",
        "coding",
        "concept",
        "date",
        "end",
        "integer",
        "lesion-label",
        "number",
        "period",
        "person",
        "quantity",
        "range",
        "reference",
    }
)
#: Lists of codes that the trial's own documents give (``list-of``).
LISTS: Final = frozenset({"attestation", "attestation-links"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What may stay of one element.

    Attributes:
        kind: one of `PLAIN`, or ``code``, ``list``, ``list-of``, ``object``, ``extension``.
        codes: of ``code``: the only ones allowed.
        systems: of ``concept``: those whose codes are known by a form that holds where they are named.
        name: of ``list-of``: which list.
        bounds: of ``integer``: the lowest and the highest.
        of: of ``list``: the rule of each entry.
        elements: of ``object``: by name, in the order in which they are written; of ``extension``: by URL, each an object of
            its ``value[x]``.
    """

    kind: str
    codes: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()
    name: str = ""
    bounds: tuple[int, int] | None = None
    of: Rule | None = None
    elements: Mapping[str, Rule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What may stay of a resource type.

    Attributes:
        version: of the document.
        elements: the rules, in the order in which the elements are written.
        dates: elements that say when it was, the first that is there counts.
        needed: without one of these the resource says nothing, and is left out.
        ongoing: elements that take another value where the end lies after a data cut: that value, and the codes that it is in place of.
        always: elements that FHIR wants and the hospital's are not exported of: a list with one concept, as ``system|code``.
        dropped: elements that are known and never leave; named so that their loss is told by name.
    """

    type: str
    version: str
    elements: Mapping[str, Rule]
    dates: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    ongoing: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    always: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()


def parse_type_rules(document: Node) -> TypeRules:
    """The rules of a document of kind ``pseudonymisation``.

    Raises:
        DocumentError: with the place of the fault.
    """
    document["kind"].one_of("pseudonymisation")
    document["profile"].one_of("MR-001")
    type_ = document["type"]
    if type_.text() not in RESOURCE_TYPES:
        raise type_.fault("names no resource type")
    elements = {name: _rule(node) for name, node in document["elements"].items()}
    if not elements:
        raise document["elements"].fault("names no element")
    for name in ("resourceType", "id", "meta"):
        if name in elements:
            raise document["elements"][name].fault("is written by the pseudonymiser itself")
    dates, needed = _names(document, "dates", elements), _names(document, "needed", elements)
    ongoing = _ongoing(document, elements)
    always = _always(document, elements)
    dropped = document.get("dropped")
    for node in dropped.elements() if dropped else ():
        if node.text() in elements:
            raise node.fault("is one of the elements")
    found = TypeRules(
        type=type_.text(),
        version=document["version"].text(),
        elements=elements,
        dates=dates,
        needed=needed,
        ongoing=ongoing,
        always=always,
        dropped=frozenset(dropped.texts()) if dropped else frozenset(),
    )
    document.close()
    return found


def _names(document: Node, key: str, elements: Mapping[str, Rule]) -> tuple[str, ...]:
    found = document.get(key)
    for node in found.elements() if found else ():
        if node.text() not in elements:
            raise node.fault("is none of the elements")
    return found.texts() if found else ()


def _ongoing(document: Node, elements: Mapping[str, Rule]) -> dict[str, tuple[str, frozenset[str]]]:
    told = list(document["ongoing"].items()) if "ongoing" in document else []
    found = {}
    for name, node in told:
        if name not in elements:
            raise node.fault("is none of the elements")
        entries = list(node.items())
        if len(entries) != 1:
            raise node.fault("expected one value, with the codes that it is in place of")
        ((value, codes),) = entries
        found[name] = (value, frozenset(codes.texts()))
    return found


def _always(document: Node, elements: Mapping[str, Rule]) -> dict[str, str]:
    told = list(document["always"].items()) if "always" in document else []
    for name, node in told:
        if name in elements or "|" not in node.text():
            raise node.fault("is one of the elements, or no system|code")
    return {name: node.text() for name, node in told}


def _rule(node: Node) -> Rule:
    if isinstance(node.value, str):
        return Rule(node.one_of(*sorted(PLAIN)))
    entries = list(node.items())
    if len(entries) != 1:
        raise node.fault("expected one rule")
    ((kind, told),) = entries
    match kind:
        case "code":
            return Rule("code", codes=frozenset(told.texts()))
        case "concept":
            return Rule("concept", systems=frozenset(told.texts()))
        case "list":
            return Rule("list", of=_rule(told))
        case "list-of":
            return Rule("list-of", name=told.one_of(*sorted(LISTS)))
        case "integer":
            low, high = _bounds(told)
            return Rule("integer", bounds=(low, high))
        case "object":
            return Rule("object", elements={name: _rule(child) for name, child in told.items()})
        case "extension":
            return Rule("extension", elements={url: _value_rule(child) for url, child in told.items()})
    raise node.fault(f"{kind} is no rule")


def _value_rule(node: Node) -> Rule:
    """Of an extension: one ``value[x]``."""
    entries = list(node.items())
    if len(entries) != 1 or not entries[0][0].startswith("value"):
        raise node.fault("expected one value[x]")
    return Rule("object", elements={entries[0][0]: _rule(entries[0][1])})


def _bounds(node: Node) -> tuple[int, int]:
    ends = [element.integer() for element in node.elements()]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise node.fault("expected two whole numbers, the lower first")
    return ends[0], ends[1]
