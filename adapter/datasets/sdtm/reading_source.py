"""In: a source of a domain document, as a node. Out: its view's columns, its names and its expressions, compiled in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.datasets.sdtm.conditions import compile_condition
from adapter.datasets.sdtm.derived import compile_derived
from adapter.datasets.sdtm.documents import (
    Check,
    Corrected,
    Derivation,
    First,
    Read,
    Setting,
    Source,
    Supplement,
    Table,
    ViewColumns,
)
from adapter.datasets.sdtm.expressions import Compiled, Scope, compile_value
from adapter.datasets.sdtm.frames import EARLY_FACTS, LATE_FACTS, OWN, STUDY_FACTS
from adapter.datasets.sdtm.lists import parse_label
from adapter.terminology import Node

__all__ = ["Known", "parse_source", "parse_supplements"]


@dataclass(slots=True)
class Known:
    """What the sources of a domain share.

    Attributes:
        domain: two letters.
        version: of the document.
        places: of the variables.
        tables: by id.
        views: by name.
        scopes: of the sources that have been read, by id.
    """

    domain: str
    version: str
    places: Mapping[str, int]
    tables: Mapping[str, Table]
    views: Mapping[str, ViewColumns]
    scopes: dict[str, Scope] = field(default_factory=dict)


def parse_source(node: Node, known: Known) -> Source:
    """One source.

    Raises:
        DocumentError: it is wrong.
    """
    identity = node["id"].text()
    view, resource, columns, inline = _view(node, known)
    base = len(known.places)
    slots = dict(known.places)
    first_column = base + 3
    for at, column in enumerate(columns):
        if column in slots or column in ("subject", "study"):
            raise node.fault(f"the column {column} has a name that is taken")
        slots[column] = first_column + at
    scope = Scope(
        domain=known.domain,
        base=base,
        slots=slots,
        tables=known.tables,
        facts=EARLY_FACTS,
        study=STUDY_FACTS,
        views=known.views,
        reads={column: frozenset[Read]({column}) for column in columns},
    )
    known.scopes[identity] = scope
    # Variables have no value before they are set; a name that is read too early is a fault of the document.
    for name in known.places:
        del slots[name]
    source = Source(
        id=identity,
        mapping=f"{known.domain}/{identity}@{known.version}",
        view=view,
        resource=resource,
        columns=columns,
        width=0,
        base=base,
        inline=inline,
    )
    next_slot = _names(node, source, scope, first_column + len(columns))
    _set(node, source, scope, known)
    key = node.get("key")
    source.key = [compile_value(one, scope).fn for one in key.elements()] if key is not None else []
    source.checks = [_check(one, scope, known) for one in _elements(node.get("checks"))]
    for name, place in known.places.items():
        slots.setdefault(name, place)
    _first(node, source, scope)
    _corrected(node, source, scope)
    own = node.get("derive")
    if own is not None:
        scope.facts, scope.leaves_out = LATE_FACTS, False
        for name, one in own.items():
            if name not in known.places:
                raise one.fault(f"{name} is no variable of the domain")
            made = compile_derived(one, scope.of(name))
            if made.whole:
                raise one.fault("belongs into the domain's derive, it looks at all rows")
            source.derivations.append(Derivation(name, known.places[name], made.fn))
        scope.facts = EARLY_FACTS
    scope.leaves_out = False
    source.width = next_slot
    source.numbered = scope.numbered
    source.foreign_views = scope.foreign_views
    node.close()
    return source


def _elements(node: Node | None) -> list[Node]:
    return list(node.elements()) if node is not None else []


def _view(node: Node, known: Known) -> tuple[str, str, tuple[str, ...], tuple[tuple[Any, ...], ...] | None]:
    """Name, type of resource, columns; and closures where the rows stand in the document."""
    if "rows" in node:
        return _inline(node["rows"], known)
    name, told = node["view"].text(), node.get("resource")
    if name in OWN:
        return name, "", OWN[name], None
    view = known.views.get(name)
    if view is None:
        raise node["view"].fault(f"there is no view {name}")
    if told is not None and told.text() != view.resource:
        raise told.fault(f"the view {name} reads {view.resource}")
    for column in ("id", "usubjid"):
        if column not in view.columns:
            raise node["view"].fault(f"the view {name} has no column {column}")
    return name, view.resource, view.columns, None


def _inline(node: Node, known: Known) -> tuple[str, str, tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    scope = Scope(domain=known.domain, base=0, slots={}, tables=known.tables, facts=frozenset(), study=STUDY_FACTS)
    rows = [{name: compile_value(cell, scope).fn for name, cell in row.items()} for row in node.elements()]
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return "", "", columns, tuple(tuple(row.get(name) for name in columns) for row in rows)


def _names(node: Node, source: Source, scope: Scope, next_slot: int) -> int:
    """``each`` and ``let``: names of the row, in the order in which they are computed."""
    each, let = node.get("each"), node.get("let")
    if each is not None:
        names: dict[str, int] = {}
        reads: dict[str, frozenset[Read]] = {}
        for part in each.elements():
            overlay = []
            for name, one in part.items():
                made = compile_value(one, scope)
                if made.rows is not None or made.deferred:
                    raise one.fault("expected a value")
                names.setdefault(name, next_slot + len(names))
                reads[name] = reads.get(name, frozenset()) | made.reads
                overlay.append((names[name], made.fn))
            source.each.append(overlay)
        next_slot += len(names)
        scope.slots |= names
        scope.reads |= reads
    where = node.get("where")
    if where is not None:
        # Before `let`, for a row that is not wanted must not leave a finding about a code of its.
        source.where = compile_condition(where, scope).fn
    for name, one in let.items() if let is not None else ():
        if not name.islower() or name in ("subject", "study"):
            raise one.fault("a name in lower case is wanted that is not taken")
        made = compile_value(one, scope)
        scope.slots[name] = next_slot
        scope.reads[name] = made.reads
        if made.deferred:
            raise one.fault("what is numbered belongs into set")
        if made.rows is not None:
            scope.rows[name] = made.rows
        source.lets.append((next_slot, made.fn))
        next_slot += 1
    return next_slot


def _set(node: Node, source: Source, scope: Scope, known: Known) -> None:
    for name, one in node["set"].items():
        if name not in known.places:
            raise one.fault(f"{name} is no variable of the domain")
        scope.variable = name
        made: Compiled = compile_value(one, scope)
        if made.rows is not None:
            raise one.fault("a table gives a whole row here: say which column by give")
        slot = known.places[name]
        setting = Setting(name, slot, made.fn, made.reads)
        (source.deferred if made.deferred else source.settings).append(setting)
        scope.slots[name] = slot
        scope.reads[name] = made.reads
        if made.deferred:
            scope.deferred.add(name)
    scope.variable = None


def _check(node: Node, scope: Scope, known: Known) -> Check:
    variable, row, severity = node.get("variable"), node.get("row"), node.get("severity")
    if variable is not None and variable.text() not in known.places:
        raise variable.fault("is no variable of the domain")
    found = Check(
        fn=compile_condition(node["when"], scope).fn,
        finding=node["finding"].text(),
        text=node["text"].text(),
        leave_out=row is not None and row.one_of("keep", "leave-out") == "leave-out",
        variable=variable.text() if variable is not None else None,
        severity="error" if severity is not None and severity.one_of("warning", "error") == "error" else "warning",
    )
    node.close()
    return found


def _first(node: Node, source: Source, scope: Scope) -> None:
    first = node.get("first")
    if first is None:
        return
    by = tuple(compile_value(one, scope).fn for one in first["by"].elements())
    after, finding = compile_value(first["after"], scope).fn, first.get("finding")
    source.first = First(by, after) if finding is None else First(by, after, finding.text(), first["text"].text())
    first.close()


def _corrected(node: Node, source: Source, scope: Scope) -> None:
    corrected = node.get("corrected")
    if corrected is None:
        return
    by = tuple(compile_value(one, scope).fn for one in corrected["by"].elements())
    at, when = compile_value(corrected["at"], scope).fn, compile_condition(corrected["when"], scope).fn
    source.corrected = Corrected(by, at, when)
    corrected.close()


def parse_supplements(node: Node, sources: list[Source], known: Known) -> None:
    """Supplemental qualifiers, for one source or for all."""
    for one in node.elements():
        name, evaluator, named = one["name"].text(), one.get("evaluator"), one.get("source")
        if not (name.isascii() and name.isalnum() and name.isupper() and len(name) <= 8):
            raise one["name"].fault("expected at most 8 capital letters and digits")
        meant = [source for source in sources if named is None or source.id == named.text()]
        if not meant:
            raise one.fault("there is no source of that id")
        label, origin = parse_label(one["label"]), one["origin"].one_of("Collected", "Derived", "Assigned")
        for source in meant:
            made = compile_value(one["value"], known.scopes[source.id].of(name))
            source.supplements.append(
                Supplement(
                    name=name,
                    label=label,
                    fn=made.fn,
                    origin=origin,
                    evaluator=evaluator.text() if evaluator is not None else None,
                    reads=made.reads,
                )
            )
        one.close()
