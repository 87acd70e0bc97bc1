"""In: one form of an expression (``{table: ...}``, ``{date: ...}``). Out: a closure over a row's frame, and which columns it reads.

mappings/sdtm/README.md describes each; there are no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from adapter.datasets.sdtm.conditions import compile_condition
from adapter.datasets.sdtm.converting import compile_convert, compile_unit
from adapter.datasets.sdtm.dates import days_between, iso_day, iso_time
from adapter.datasets.sdtm.documents import Foreign, Read, Table
from adapter.datasets.sdtm.expressions import Compiled, Scope, compile_several, compile_value, place_of
from adapter.datasets.sdtm.frame import Fn, Frame, LeaveOutError
from adapter.datasets.sdtm.notes import SENTENCES
from adapter.datasets.sdtm.numbers import number_of, plain
from adapter.terminology import Node

__all__ = ["FORMS"]


def _table(node: Node, scope: Scope) -> Compiled:
    name = node["table"].text()
    table = scope.tables.get(name)
    if table is None:
        raise node["table"].fault(f"there is no table {name}")
    keys, reads, deferred = compile_several(node["by"], scope)
    if len(keys) != table.by:
        raise node["by"].fault(f"the table {name} is read by {table.by}")
    give = node.get("give")
    if give is not None and give.text() not in table.columns:
        raise give.fault(f"the table {name} has no column {give.text()}")
    column = table.columns[give.text()] if give is not None else None
    unmatched_node = node.get("unmatched")
    unmatched = unmatched_node.one_of("blank", "leave-out", "keep", "silent") if unmatched_node else "blank"
    if unmatched == "leave-out" and not scope.leaves_out:
        raise node["unmatched"].fault("the row is made already, it cannot be left out here")
    if unmatched == "keep" and column is None:
        raise node["unmatched"].fault("keep is for a single column: say which by give")
    code = _code(node, "unmapped-row" if unmatched == "leave-out" else "unmapped-code")
    fn = _looked_up(keys, table, column)
    return Compiled(
        fn if unmatched == "silent" else _or_told(scope, fn, keys, (table, unmatched, code)),
        reads,
        deferred,
        table.columns if column is None else None,
    )


def _code(node: Node, default: str) -> str:
    named = node.get("finding")
    return named.text() if named is not None else default


def _looked_up(keys: list[Fn], table: Table, column: int | None) -> Fn:
    rows = table.rows
    if len(keys) == 1:
        (only,) = keys
        if column is None:
            return lambda frame: rows.get((plain(only(frame)),))

        def single(frame: Frame) -> Any:
            row = rows.get((plain(only(frame)),))
            return None if row is None else row[column]

        return single

    def several(frame: Frame) -> Any:
        row = rows.get(tuple(plain(key(frame)) for key in keys))
        return row if row is None or column is None else row[column]

    return several


def _or_told(scope: Scope, fn: Fn, keys: list[Fn], how: tuple[Table, str, str]) -> Fn:
    """The same, with a finding for a key that is not in the table; a cell of the table that is empty is meant so."""
    table, unmatched, code = how
    domain, variable, run = scope.domain, scope.variable, scope.base + 2
    text, rows = SENTENCES.get(code, SENTENCES["unmapped-code"]), table.rows

    def told(frame: Frame) -> Any:
        found = fn(frame)
        if found is not None:
            return found
        values = tuple(plain(key(frame)) for key in keys)
        if None in values or values in rows:
            return None
        frame[run].notes.value(code, domain, variable, "|".join(str(value) for value in values), text=text)
        if unmatched == "leave-out":
            raise LeaveOutError
        return values[-1] if unmatched == "keep" else None

    return told


def _first_of(node: Node, scope: Scope) -> Compiled:
    parts, reads, deferred = compile_several(node["first_of"], scope)

    def first(frame: Frame) -> Any:
        for part in parts:
            value = part(frame)
            if value is not None:
                return value
        return None

    return Compiled(first, reads, deferred)


def _case(node: Node, scope: Scope) -> Compiled:
    branches, reads, deferred = [], frozenset[Read](), False
    for branch in node["case"].elements():
        when, then = compile_condition(branch["when"], scope), compile_value(branch["then"], scope)
        branch.close()
        branches.append((when.fn, then.fn))
        # Only what is taken over is traced, not what decides whether it is, or a constant would claim a source of its own.
        reads, deferred = reads | then.reads, deferred or then.deferred or when.deferred
    otherwise = node.get("else")
    if otherwise is None:
        last: Fn = lambda _: None  # noqa: E731
    else:
        other = compile_value(otherwise, scope)
        last, reads, deferred = other.fn, reads | other.reads, deferred or other.deferred

    def chosen(frame: Frame) -> Any:
        for when, then in branches:
            if when(frame):
                return then(frame)
        return last(frame)

    return Compiled(chosen, reads, deferred)


def _join(node: Node, scope: Scope) -> Compiled:
    parts, reads, deferred = compile_several(node["join"], scope)
    between = node.get("with")
    glue = str(between.value) if between is not None else ""

    def joined(frame: Frame) -> str | None:
        values = [plain(value) for part in parts if (value := part(frame)) is not None]
        return glue.join(values) if values else None  # type: ignore[arg-type]

    return Compiled(joined, reads, deferred)


def _one(keyword: str, make: Callable[[Any], Any]) -> Callable[[Node, Scope], Compiled]:
    """A form with one operand, whose value is made of that operand's alone."""

    def compiled(node: Node, scope: Scope) -> Compiled:
        part = compile_value(node[keyword], scope)
        fn = part.fn

        def made(frame: Frame) -> Any:
            value = fn(frame)
            return None if value is None else make(value)

        return Compiled(made, part.reads, part.deferred)

    return compiled


def _checked(keyword: str, make: Callable[[str], Any], code: str) -> Callable[[Node, Scope], Compiled]:
    """Likewise, with a finding where nothing can be made of it."""

    def compiled(node: Node, scope: Scope) -> Compiled:
        part = compile_value(node[keyword], scope)
        fn, base, domain, variable = part.fn, scope.base, scope.domain, scope.variable

        def made(frame: Frame) -> Any:
            value = fn(frame)
            if value is None:
                return None
            found = make(value)
            if found is None:
                frame[base + 2].notes.record(code, place_of(frame, base, domain), variable)
            return found

        return Compiled(made, part.reads, part.deferred)

    return compiled


def _extreme(keyword: str, take: Callable[[list[str]], str]) -> Callable[[Node, Scope], Compiled]:
    def compiled(node: Node, scope: Scope) -> Compiled:
        parts, reads, deferred = compile_several(node[keyword], scope)

        def made(frame: Frame) -> str | None:
            values = [value for part in parts if (value := part(frame)) is not None]
            return take(values) if values else None

        return Compiled(made, reads, deferred)

    return compiled


def _scale(node: Node, scope: Scope) -> Compiled:
    part, by = compile_value(node["scale"], scope), node["by"].decimal()
    fn = part.fn

    def scaled(frame: Frame) -> Decimal | None:
        number = number_of(fn(frame))
        return None if number is None else number * by

    return Compiled(scaled, part.reads, part.deferred)


def _days(node: Node, scope: Scope) -> Compiled:
    day, since = compile_value(node["days"], scope), compile_value(node["since"], scope)
    fn, start = day.fn, since.fn

    def between(frame: Frame) -> Decimal | None:
        then, first = fn(frame), start(frame)
        apart = days_between(str(first), str(then)) if first is not None and then is not None else None
        return None if apart is None else Decimal(apart)

    return Compiled(between, day.reads | since.reads, day.deferred or since.deferred)


def _asked(keyword: str, *, leave_out: bool) -> Callable[[Node, Scope], Compiled]:
    def compiled(node: Node, scope: Scope) -> Compiled:
        part = compile_value(node[keyword], scope)
        code, text = node["finding"].text(), node["text"].text()
        if leave_out and not scope.leaves_out:
            raise node.fault("the row is made already, it cannot be left out here")
        fn, base, domain, variable = part.fn, scope.base, scope.domain, scope.variable

        def asked(frame: Frame) -> Any:
            value = fn(frame)
            if value is None:
                frame[base + 2].notes.record(code, place_of(frame, base, domain), variable, text=text)
                if leave_out:
                    raise LeaveOutError
            return value

        return Compiled(asked, part.reads, part.deferred)

    return compiled


def _numbered(node: Node, scope: Scope) -> Compiled:
    part = compile_value(node["numbered"], scope)
    name = node["in"].text()
    if not (name.isascii() and name.isalnum() and len(name) <= 8):
        raise node["in"].fault("expected at most 8 letters")
    after_node, prefix_node, width_node = node.get("after"), node.get("prefix"), node.get("width")
    after = compile_value(after_node, scope).fn if after_node is not None else None
    prefix = str(prefix_node.value) if prefix_node is not None else ""
    width = width_node.integer() if width_node is not None else 1
    scope.numbered.append((name, part.fn, after))
    fn, base = part.fn, scope.base

    def numbered(frame: Frame) -> str | None:
        value = plain(fn(frame))
        if value is None:
            return None
        number = frame[base + 2].numbers.get(name, {}).get((frame[base].usubjid, value))
        return None if number is None else f"{prefix}{number:0{width}d}"

    return Compiled(numbered, frozenset(), deferred=True)


def _from(node: Node, scope: Scope) -> Compiled:
    name, column = node["from"].text(), node["give"].text()
    view = scope.views.get(name)
    if view is None:
        raise node["from"].fault(f"there is no view {name}")
    if column not in view.columns:
        raise node["give"].fault(f"the view {name} has no column {column}")
    scope.foreign_views.add(name)
    key = compile_value(node["id"], scope)
    unmatched = node.get("unmatched")
    told = unmatched is not None and unmatched.one_of("silent", "blank") == "blank"
    fn, base, domain, variable = key.fn, scope.base, scope.domain, scope.variable

    def given(frame: Frame) -> Any:
        wanted = fn(frame)
        if wanted is None:
            return None
        row = frame[base + 2].rows_of(name).get(wanted.rpartition("/")[2])
        if row is None:
            if told:
                frame[base + 2].notes.record("unmapped-code", place_of(frame, base, domain), variable)
            return None
        return row.get(column)

    return Compiled(given, frozenset({Foreign(name, column, fn)}), key.deferred)


#: The closed list of forms.
FORMS: Final[Mapping[str, Callable[[Node, Scope], Compiled]]] = {
    "case": _case,
    "convert": compile_convert,
    "date": _checked("date", iso_day, "not-a-date"),
    "datetime": _checked("datetime", iso_time, "not-a-date"),
    "days": _days,
    "earliest": _extreme("earliest", min),
    "first_of": _first_of,
    "from": _from,
    "join": _join,
    "latest": _extreme("latest", max),
    "needed": _asked("needed", leave_out=True),
    "number": _checked("number", number_of, "not-a-number"),
    "numbered": _numbered,
    "scale": _scale,
    "table": _table,
    "text": _one("text", plain),
    "unit": compile_unit,
    "upper": _one("upper", lambda value: plain(value).upper()),  # type: ignore[union-attr]
    "wanted": _asked("wanted", leave_out=False),
}
