"""In: tables, codelists and variables of the SDTM documents, as nodes. Out: them, checked for what a transport file can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

from adapter.datasets.model import Codelist, CodelistTerm, DataType, Origin, ValueLevel, Variable
from adapter.datasets.sdtm.documents import Table
from adapter.terminology import Node

__all__ = ["parse_codelists", "parse_label", "parse_table", "parse_variable"]

_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{0,7}")
_CODE: Final = re.compile(r"C[0-9]{3,7}")
_LONGEST: Final = 200
_ORIGINS: Final = ("Collected", "Derived", "Assigned", "Protocol", "Predecessor")
_PEOPLE: Final = ("Sponsor", "Investigator", "Subject", "Vendor")


def parse_table(identity: str, node: Node) -> Table:
    """A table: ``by``, ``columns`` and ``rows``; the caller has asked for ``kind`` and ``id`` where they stand."""
    keys, columns = node["by"].texts(), node["columns"].texts()
    if not keys or len(set(columns)) < len(columns):
        raise node["columns"].fault("a column stands twice, or nothing to read it by")
    rows: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
    for row in node["rows"].elements():
        cells = tuple(_cell(element) for element in row.elements())
        if len(cells) != len(keys) + len(columns):
            raise row.fault(f"expected {len(keys) + len(columns)} values")
        key = cells[: len(keys)]
        if key in rows:
            raise row.fault("a row with this key stands twice")
        rows[key] = cells[len(keys) :]
    node.close()
    return Table(identity, len(keys), {name: at for at, name in enumerate(columns)}, rows)


def _cell(node: Node) -> str | None:
    if node.value is None:
        return None
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return str(node.value)
    return node.text()


def parse_codelists(node: Node) -> dict[str, Codelist]:
    """The codelists of a document of kind ``sdtm-codelists``."""
    node["kind"].one_of("sdtm-codelists")
    found = {}
    for identity, one in node["codelists"].items():
        terms = []
        for value, term in one["terms"].items():
            told = term if term.value is not None else None
            terms.append(
                CodelistTerm(
                    value=value,
                    code=_ncit(told.get("code")) if told is not None else None,
                    decode=told["decode"].text() if told is not None and "decode" in told else None,
                )
            )
            if told is not None:
                told.close()
        extensible = one.get("extensible")
        found[identity] = Codelist(
            id=identity,
            name=parse_label(one["name"], longest=_LONGEST),
            code=_ncit(one.get("code")),
            extensible=extensible.flag() if extensible is not None else False,
            terms=tuple(terms),
        )
        one.close()
    node.close()
    return found


def _ncit(node: Node | None) -> str | None:
    if node is None or node.value is None:
        return None
    if not _CODE.fullmatch(node.text()):
        raise node.fault("expected a code of the NCI Thesaurus, C and digits")
    return node.text()


def parse_label(node: Node, *, longest: int = 40) -> str:
    """A label: ASCII, at most so many bytes, or a transport file would cut it without a word."""
    text = node.text()
    if not text.isascii() or len(text) > longest:
        raise node.fault(f"expected at most {longest} letters of ASCII")
    return text


def parse_variable(node: Node, tables: Mapping[str, Table]) -> tuple[Variable, tuple[Node, ...]]:
    """A variable, and the nodes that the domain reads further (``overflow``, ``continued``).

    Raises:
        DocumentError: something of it a transport file or Define-XML could not hold.
    """
    name = node["name"].text()
    if not _NAME.fullmatch(name):
        raise node["name"].fault("expected at most 8 capital letters and digits, a letter first")
    kind: Any = node["type"].one_of(*get_args(DataType))
    length = node["length"].integer()
    if not 0 < length <= _LONGEST:
        raise node["length"].fault(f"expected 1 to {_LONGEST}")
    core: Any = node["core"].one_of("Req", "Exp", "Perm")
    codelist, comment, values = node.get("codelist"), node.get("comment"), node.get("values")
    further = tuple(one for one in (node.get("overflow"), node.get("continued")) if one is not None)
    found = Variable(
        name=name,
        label=parse_label(node["label"]),
        type=kind,
        length=length,
        core=core,
        role=node["role"].text(),
        origin=_origin(node["origin"]),
        codelist=codelist.text() if codelist is not None else None,
        comment=parse_label(comment, longest=1000) if comment is not None else None,
        values=_values(values, tables) if values is not None else (),
    )
    node.close()
    return found, further


def _origin(node: Node) -> Origin:
    kind: Any = node["type"].one_of(*_ORIGINS)
    source_node, method = node.get("source"), node.get("method")
    source: Any = source_node.one_of(*_PEOPLE) if source_node is not None else None
    if kind == "Derived" and method is None:
        raise node.fault("a derived variable wants a method")
    found = Origin(type=kind, source=source, method=method.text() if method is not None else None)
    node.close()
    return found


def _values(node: Node, tables: Mapping[str, Table]) -> tuple[ValueLevel, ...]:
    if isinstance(node.value, dict):
        return _values_of_table(node, tables)
    found = []
    for one in node.elements():
        where = {name: texts.texts() for name, texts in one["where"].items()}
        found.append(_value_level(one, where))
    return tuple(found)


def _value_level(node: Node, where: Mapping[str, tuple[str, ...]]) -> ValueLevel:
    kind: Any = node["type"].one_of(*get_args(DataType))
    codelist, origin, comment = node.get("codelist"), node.get("origin"), node.get("comment")
    found = ValueLevel(
        where=where,
        type=kind,
        length=node["length"].integer(),
        codelist=codelist.text() if codelist is not None else None,
        origin=_origin(origin) if origin is not None else None,
        comment=comment.text() if comment is not None else None,
    )
    node.close()
    return found


def _values_of_table(node: Node, tables: Mapping[str, Table]) -> tuple[ValueLevel, ...]:
    table = tables.get(node["table"].text())
    if table is None:
        raise node["table"].fault("there is no such table")
    columns = {name: column.text() for name, column in node["where"].items()}
    for column in columns.values():
        if column not in table.columns:
            raise node["where"].fault(f"the table has no column {column}")
    found: dict[tuple[str, ...], ValueLevel] = {}
    for row in table.rows.values():
        cells = tuple(row[table.columns[column]] or "" for column in columns.values())
        if "" not in cells and cells not in found:
            found[cells] = _value_level(
                Node(
                    {key: value for key, value in node.mapping().items() if key not in ("table", "where")},
                    node.file,
                    node.pointer,
                ),
                {name: (cell,) for name, cell in zip(columns, cells, strict=True)},
            )
    return tuple(found.values())
