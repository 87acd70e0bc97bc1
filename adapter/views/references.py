"""In: a Reference. Out: the key of the resource that it points to (SQL-on-FHIR v2, "getReferenceKey")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ibis

from adapter.fhir import RESOURCE_TYPES
from adapter.views.lexer import PathFaultError
from adapter.views.navigation import member
from adapter.views.values import Scope, Value

__all__ = ["reference_key"]

# FHIR references.html#literal, of any type or of one; a version of the target is the same target.
_LITERAL = r"^([A-Za-z][^ ]*/)?({type})/([A-Za-z0-9.\-]{{1,64}})(/_history/[A-Za-z0-9.\-]{{1,64}})?$"
_ANY = "[A-Z][A-Za-z]+"


def reference_key(source: Value, type_name: str | None) -> Value:
    """Key of the target, null where the reference is not literal or points to another type.

    Args:
        source: one or several of type Reference.
        type_name: type of resource that is wanted; None for any.

    Raises:
        PathFaultError: it is no Reference, or that is no type of resource.
    """
    if source.type not in ("Reference", "canonical", "uri"):
        raise PathFaultError(f"getReferenceKey() is of a Reference, not of {source.type}")
    if type_name is not None and type_name not in RESOURCE_TYPES:
        raise PathFaultError(f"{type_name} is not a type of resource")
    literal = member(source, "reference") if source.type == "Reference" else source
    pattern = _LITERAL.format(type=_ANY if type_name is None else type_name)

    def key(scope: Scope, text: Any) -> Any:
        found = scope.dialect.call(
            "regexp_extract", text, ibis.literal(pattern), ibis.literal(3, "int32"), result="string"
        )
        slow = found.nullif("")
        if type_name is None:
            return slow
        # Nearly all references are `Type/id`: those need no pattern, which costs more than reading the line did.
        start = f"{type_name}/"
        rest = scope.dialect.call("substr", text, ibis.literal(len(start) + 1, "int32"), result="string")
        return ibis.cases((text.startswith(start) & ~rest.contains("/") & (rest != ""), rest), else_=slow)

    def build(scope: Scope) -> Any:
        given = literal.build(scope)
        if not literal.many:
            return key(scope, given)
        keys = scope.dialect.map(given, lambda one: key(scope, one))
        return scope.dialect.filter(keys, lambda one: one.notnull())

    return replace(literal, type="string", build=build, shape=None, raw=False, chain=None)
