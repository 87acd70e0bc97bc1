"""In: a ViewDefinition, a version of FHIR, an engine's dialect. Out: one Ibis expression over the raw resources, and what a reader must declare.

The table that the expression reads has a column for each element of the resource that the view names, ``resourceType`` and
``id``. Besides the view's columns the expression gives one for each that can fail to hold what came, with how many values it
could not hold, or whether it could not (``name?``), and ``?deeper`` where a ``repeat`` did not reach the bottom: the runner counts and takes them off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import ibis
import ibis.expr.datatypes as dt
from ibis.expr import types as ir

from adapter.errors import DocumentError
from adapter.fhir.structure import has_resource_type
from adapter.fhir.versions import FhirVersion
from adapter.views.comparing import truth
from adapter.views.conversions import CHECKED_TYPES, convert, data_type
from adapter.views.definition import ViewColumn, ViewDefinition
from adapter.views.dialects import DUCKDB, Dialect
from adapter.views.parts import Carried, Part
from adapter.views.resolving import Place, constant_value, resolve
from adapter.views.selecting import Selecting, pointed
from adapter.views.shape import Shape
from adapter.views.values import Build, Scope, Value

__all__ = ["DEEPER", "NO_TYPE", "SOURCE", "CompiledView", "compile_view", "deeper", "uncast_name"]

#: Name of the table that the expression reads.
SOURCE = "resources"
#: Name of the column that tells how many elements lie deeper than a ``repeat`` was unrolled.
DEEPER = "?deeper"
#: Levels that a ``repeat`` is unrolled at first.
DEPTH = 4
#: What an engine's message holds when a line holds no resource.
NO_TYPE = "not-a-resource"
#: What a failure that names its place begins with; engines put words of their own around it.
_FAILURE = "view-failure"


@dataclass(frozen=True)
class CompiledView:
    """A view as an engine runs it.

    Attributes:
        view: what was compiled.
        version: of FHIR.
        expression: over the table `SOURCE`; None where the query was kept when the view was compiled before.
        shape: of the resource: what is to be declared.
        columns: of the table, in order.
        checked: names of columns with a count of values that they could not hold.
        dialect: of the engine.
        depth: levels that each ``repeat`` is unrolled; 0 where there is none.
        query: in the engine's words, where it was kept.
    """

    view: ViewDefinition
    version: FhirVersion
    expression: ir.Table | None
    shape: Shape
    columns: tuple[ViewColumn, ...]
    checked: tuple[str, ...]
    dialect: Dialect
    depth: int
    query: str = ""

    @property
    def sql(self) -> str:
        """The query in the engine's words."""
        return self._sql

    @cached_property
    def _sql(self) -> str:
        return self.dialect.sql(self.expression) if self.expression is not None else self.query

    def failure(self, message: str) -> DocumentError | None:
        """The fault of the view that an engine's error tells of; None where it is of another kind."""
        _, found, rest = message.partition(f"{_FAILURE}|")
        if not found:
            return None
        pointer, resource = rest.split("|")[:2]
        problem = f"{resource} has more than one value there: add first(), or collection: true"
        return DocumentError(self.view.file, pointer, problem)


def uncast_name(column: str) -> str:
    """Name of the column that counts what another could not hold."""
    return f"{column}?"


def compile_view(
    view: ViewDefinition,
    *,
    version: FhirVersion = FhirVersion.R4,
    dialect: Dialect = DUCKDB,
    depth: int = DEPTH,
    strict: bool = True,
) -> CompiledView:
    """Compile a view.

    Args:
        view: as parsed.
        version: of FHIR.
        dialect: of the engine.
        depth: levels to unroll a ``repeat``.
        strict: an element that the version of FHIR lacks is a fault; else it is one that is never there.

    Raises:
        DocumentError: an expression names what is not there, or does what cannot be done.
    """
    return _compiled(view, version, dialect, depth, strict)


# The views of a package are few, and each is asked for several times: writing one out costs more than running it on a
# small centre's data.
@lru_cache(maxsize=256)
def _compiled(
    view: ViewDefinition,
    version: FhirVersion,
    dialect: Dialect,
    depth: int,
    strict: bool,
) -> CompiledView:
    if not has_resource_type(version, view.resource):
        raise DocumentError(view.file, "/resource", f"FHIR {version.name} has no {view.resource}")
    shape = Shape(view.resource, version, lenient=not strict)
    shape.child("resourceType")
    shape.child("id")
    place = _place(view, shape)
    selecting = Selecting(view.file, depth)
    part = selecting.all(view.selects, place)
    conditions = [_condition(view, place, index) for index in range(len(view.where))]
    table = ibis.table({name: child.all for name, child in sorted(shape.children.items())}, name=SOURCE)
    scope = Scope(table, dialect)
    expression, checked = _Writing(view, part, scope, selecting.deeper).expression(conditions)
    paths = selecting.paths
    return CompiledView(
        view=view,
        version=version,
        expression=expression,
        shape=shape,
        columns=tuple(
            ViewColumn(
                one.name,
                _type(one),
                " | ".join(paths[one.name]),
                collection=one.column.collection,
                description=one.column.description,
            )
            for one in part.columns
        ),
        checked=checked,
        dialect=dialect,
        depth=depth if selecting.deeper else 0,
    )


def _place(view: ViewDefinition, shape: Shape) -> Place:
    def unwritten(_: Scope) -> Any:
        raise DocumentError(view.file, "", "the resource itself is no value: name what is in it")

    resource = Value(view.resource, many=False, build=unwritten, shape=shape, resource=True)
    constants = {}
    for index, constant in enumerate(view.constants):
        with pointed(view.file, f"/constant/{index}"):
            constants[constant.name] = constant_value(constant.type, constant.value)
    return Place(resource, resource, constant_value("integer", 0), constants)


def _condition(view: ViewDefinition, place: Place, index: int) -> Build:
    expression = view.where[index]
    with pointed(view.file, expression.pointer):
        return truth(resolve(expression.tree, place))


def _type(one: Carried) -> str:
    return one.column.type or ("string" if one.type == "nothing" else one.type)


@dataclass(frozen=True)
class _Writing:
    """Writes the expression of a view that is resolved."""

    view: ViewDefinition
    part: Part
    scope: Scope
    deeper: list[Build]

    def expression(self, conditions: list[Build]) -> tuple[ir.Table, tuple[str, ...]]:
        """The table, and the names of its columns that count."""
        kept = self.scope.table.filter(self._of_type())
        for condition in conditions:
            kept = kept.filter(condition(self.scope).fill_null(False))
        carried = kept.select(**self._carried())
        for number in range(len(self.part.lists)):
            name = f"?rows{number}"
            others = [each for each in carried.columns if each != name]
            carried = carried.select(*others, **{name: carried[name].unnest()})
        return self._final(carried)

    def _of_type(self) -> Any:
        """A line without a type is no resource: passed over, it would be lost without a word."""
        given = self.scope.table.resourceType
        message = ibis.literal(f"{NO_TYPE}|").concat(ibis.coalesce(self.scope.table.id, ""))
        return given.isnull().ifelse(self.scope.dialect.fail(message, dt.boolean), given == self.view.resource)

    def _carried(self) -> dict[str, Any]:
        scope = self.scope
        fields = {one.name: one.value.build(scope) for one in self.part.single if one.value is not None}
        fields |= {f"?rows{number}": rows.build(scope) for number, rows in enumerate(self.part.lists)}
        if self.deeper:
            counts = [ibis.coalesce(build(scope).length(), 0) for build in self.deeper]
            fields[DEEPER] = sum(counts[1:], start=counts[0]).cast("int64")
        if any(one.many and not one.column.collection for one in self.part.columns):
            fields["?id"] = ibis.coalesce(scope.table.id, "?")
        return fields

    def _final(self, table: ir.Table) -> tuple[ir.Table, tuple[str, ...]]:
        given = {one.name: table[one.name] for one in self.part.single}
        for number, rows in enumerate(self.part.lists):
            given |= {one.name: table[f"?rows{number}"][one.name] for one in rows.columns}
        columns, received = {}, {}
        for one in self.part.columns:
            with pointed(self.view.file, one.column.path.pointer):
                columns[one.name], raw = self._column(one, given[one.name], table)
            if raw is not None:
                received[uncast_name(one.name)] = raw
        if self.deeper:
            received[DEEPER] = table[DEEPER]
        # In a select of its own: an engine works out twice what stands twice in one.
        held = table.select(**columns, **received)
        checked = tuple(one for one in self.part.columns if uncast_name(one.name) in received)
        counts = {uncast_name(one.name): _lost(one, held) for one in checked}
        told = {DEEPER: held[DEEPER]} if self.deeper else {}
        final = held.select(*columns, **counts, **told) if counts else held
        return final, tuple(one.name for one in checked)

    def _column(self, one: Carried, given: Any, table: ir.Table) -> tuple[Any, Any]:
        """A column, and what it was made of where it can fail to hold that."""
        target = _type(one)
        dialect = self.scope.dialect

        def converted(value: Any) -> Any:
            found = convert(value, source=one.type, raw=one.raw, target=target, dialect=dialect)
            return found if found.type() == data_type(target) else found.cast(data_type(target))

        fails = target in CHECKED_TYPES and (one.raw or one.type == "string")
        if one.column.collection:
            if not one.many:
                given = given.isnull().ifelse(ibis.null(dt.Array(given.type())), ibis.array([given]))
            changed = dialect.map(given, converted)
            found = dialect.filter(changed, lambda each: each.notnull()) if fails else changed
            listed = ibis.coalesce(found, dialect.empty(dt.Array(data_type(target))))
            return listed, ibis.coalesce(given.length(), 0) if fails else None
        if one.many:
            given = self._single(one, given, table)
        return converted(given), given if fails else None

    def _single(self, one: Carried, given: Any, table: ir.Table) -> Any:
        dialect = self.scope.dialect
        where = ibis.literal(f"{_FAILURE}|{one.column.path.pointer}|{self.view.resource}/")
        message = where.concat(table["?id"], "|")
        found = dialect.at(given, 0)
        return (given.length() > 1).ifelse(dialect.fail(message, found.type()), found)


def _lost(one: Carried, held: ir.Table) -> Any:
    """How many values a column could not hold; of a single one, whether."""
    received = held[uncast_name(one.name)]
    if one.column.collection:
        return received - held[one.name].length()
    return received.notnull() & held[one.name].isnull()


def deeper(compiled: CompiledView, depth: int) -> CompiledView:
    """The same view, unrolled further."""
    return compile_view(
        compiled.view,
        version=compiled.version,
        dialect=compiled.dialect,
        depth=depth,
        strict=not compiled.shape.lenient,
    )
