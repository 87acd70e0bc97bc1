"""In: tables of views, as an engine gives them. Out: their rows as texts and exact numbers, by subject and in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, Protocol

from adapter.datasets.sdtm.documents import ViewColumns
from adapter.datasets.sdtm.frame import SubjectFacts, Value
from adapter.datasets.sdtm.rows import PLACE, RowIn
from adapter.errors import DefectError

__all__ = ["Column", "Tables", "View"]


class Column(Protocol):
    """A column of a view."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def path(self) -> str:
        """Its FHIRPath in the resource."""


class View(Protocol):
    """What an engine gives for a view: a table of pyarrow and its columns."""

    @property
    def name(self) -> str:
        """Of the view."""

    @property
    def table(self) -> Any:
        """A ``pyarrow.Table``."""

    @property
    def columns(self) -> Sequence[Column]:
        """In the order of the table."""

    @property
    def uncast(self) -> Mapping[str, int]:
        """Values that could not be read, by column."""


def _text(value: Any) -> Value:
    """A text or an exact number of what an engine gives; a decimal of a view is the text that was written."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    raise DefectError(f"a view gives a {type(value).__name__}, which no dataset holds")


_PLAIN: Final = ("string", "large_string", "string_view")


class Tables:
    """The tables of a package's views, each turned into rows once."""

    def __init__(self, tables: Mapping[str, View], shapes: Mapping[str, ViewColumns]) -> None:
        self._tables = tables
        self._shapes = shapes
        self._rows: dict[str, list[dict[str, Value]]] = {}

    def paths(self) -> dict[str, dict[str, str]]:
        """FHIRPath of each column, by view; ``[#]`` stands where the place of the row in its resource belongs."""
        return {
            name: {column.name: self._placed(name, column.path) for column in view.columns}
            for name, view in self._tables.items()
        }

    def _placed(self, view: str, path: str) -> str:
        shape = self._shapes.get(view)
        through = shape.repeated[1] if shape is not None and shape.repeated is not None else None
        if through is None or not path.startswith(f"{through}."):
            return path
        return f"{through}{PLACE}{path[len(through) :]}"

    def columns(self, name: str, wanted: Sequence[str]) -> list[tuple[Value, ...]]:
        """The rows of a view with these columns, by ``usubjid`` and ``id``; a column that it lacks is empty."""
        view = self._tables.get(name)
        if view is None or view.table.num_rows == 0:
            return []
        here = set(view.table.column_names)
        parts = [_values(view.table.column(one)) if one in here else [None] * view.table.num_rows for one in wanted]
        return list(zip(*parts, strict=True))

    def rows_in(
        self, name: str, wanted: Sequence[str], facts_of: Callable[[Any], SubjectFacts | None]
    ) -> Iterable[RowIn]:
        """The rows of a view of subjects of the package, sorted by subject and resource; others are passed over."""
        whose, which = wanted.index("usubjid"), wanted.index("id")
        prefix = self._shapes[name].resource
        rows = sorted(self.columns(name, wanted), key=lambda row: (row[whose] or "", row[which] or ""))
        for row in rows:
            facts = facts_of(row[whose])
            if facts is not None:
                yield RowIn(row, facts, f"{prefix}/{key_of(row[which])}")

    def by_key(self, name: str) -> dict[str, dict[str, Value]]:
        """The rows of a view by the key of their resource; the first where it has several."""
        found: dict[str, dict[str, Value]] = {}
        for row in self.mappings(name):
            found.setdefault(key_of(row["id"]), row)
        return found

    def holding(self, resource: str, keys: Container[str]) -> dict[str, str]:
        """Which view has a row of each of these resources of a type: the first by name where several have."""
        found: dict[str, str] = {}
        for name in sorted(self._tables):
            shape = self._shapes.get(name)
            if shape is not None and shape.resource == resource:
                for (value,) in self.columns(name, ("id",)):
                    if value in keys:
                        found.setdefault(str(value), name)
        return found

    def mappings(self, name: str) -> list[dict[str, Value]]:
        """The rows of a view as mappings, in the engine's order."""
        known = self._rows.get(name)
        if known is None:
            view = self._tables.get(name)
            names = [column.name for column in view.columns] if view is not None else []
            known = [dict(zip(names, row, strict=True)) for row in self.columns(name, names)]
            self._rows[name] = known
        return known


def key_of(value: Any) -> str:
    """The key of a resource, whether its type stands before it or not."""
    return str(value).rpartition("/")[2]


def _values(column: Any) -> list[Value]:
    values: list[Any] = column.to_pylist()
    if str(column.type) in _PLAIN and "" not in values:
        return values
    return [_text(value) for value in values]
