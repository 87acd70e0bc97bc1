"""In: a dataset's variables. Out: the Define-XML elements that describe them: items, value lists, conditions, methods and comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any

import odmlib.define_2_1.model as define

from adapter.datasets.formats.dataset_json import item_oid
from adapter.datasets.model import Cell, Dataset, Origin, Row, ValueLevel, Variable

__all__ = ["ItemElements", "described"]

#: Define-XML 2.1 has no ``decimal``: it is a float with its digits (4.2.1 DataType).
_TYPES = {"decimal": "float"}
_WITH_LENGTH = frozenset({"text", "integer", "float"})


def described(text: str) -> Any:
    """An element ``Description`` in English."""
    words = define.TranslatedText(_content=text)
    words.lang = "en"
    return define.Description(TranslatedText=[words])


class ItemElements:
    """The elements that variables need beside their dataset, gathered over all datasets.

    Args:
        codelists: OIDs of the codelists that are written, by their id.

    Attributes:
        items: ``ItemDef``, one a variable and one a value level.
        lists: ``ValueListDef``.
        wheres: ``WhereClauseDef``.
        methods: ``MethodDef``.
        comments: ``CommentDef``.
    """

    def __init__(self, codelists: Mapping[str, str]) -> None:
        self._codelists = codelists
        self.items: list[Any] = []
        self.lists: list[Any] = []
        self.wheres: dict[str, Any] = {}
        self.methods: list[Any] = []
        self.comments: list[Any] = []
        self._groups: dict[tuple[str, ...], dict[tuple[Cell, ...], list[Row]]] = {}

    def references(self, dataset: Dataset) -> list[Any]:
        """The ``ItemRef`` of a dataset's variables, in their order; their definitions are gathered."""
        self._groups.clear()
        return [self._reference(dataset, place, cells) for place, cells in enumerate(dataset.columns())]

    def comment(self, oid: str, text: str) -> str:
        """Gather a comment; returns its OID."""
        self.comments.append(define.CommentDef(OID=oid, Description=described(text)))
        return oid

    def _reference(self, dataset: Dataset, place: int, column: tuple[Cell, ...]) -> Any:
        variable = dataset.variables[place]
        oid = item_oid(dataset, variable.name)
        reference: dict[str, Any] = {
            "ItemOID": oid,
            "OrderNumber": place + 1,
            "Mandatory": "Yes" if variable.core == "Req" else "No",
            "Role": variable.role,
        }
        if variable.name in dataset.keys:
            reference["KeySequence"] = dataset.keys.index(variable.name) + 1
        reference |= self._method(oid, variable.name, variable.origin)
        item = self._item(oid, variable, variable, column)
        if variable.values:
            item.ValueListRef = define.ValueListRef(ValueListOID=f"VL.{dataset.name}.{variable.name}")
        self.items.append(item)
        if variable.values:
            self._value_list(dataset, place)
        return define.ItemRef(**reference)

    def _method(self, oid: str, name: str, origin: Origin) -> dict[str, str]:
        if origin.type != "Derived":
            return {}
        method = f"MT.{oid.removeprefix('IT.')}"
        words = origin.method or "Derived by the mapping document of its domain."
        self.methods.append(
            define.MethodDef(OID=method, Name=f"Method of {name}", Type="Computation", Description=described(words))
        )
        return {"MethodOID": method}

    def _item(self, oid: str, variable: Variable, facts: Variable | ValueLevel, column: Iterable[Cell]) -> Any:
        kind = _TYPES.get(facts.type, facts.type)
        attributes: dict[str, Any] = {
            "OID": oid,
            "Name": variable.name,
            "DataType": kind,
            "SASFieldName": variable.name,
        }
        if kind in _WITH_LENGTH:
            attributes["Length"] = max(facts.length, 1)
        if kind == "float":
            attributes["SignificantDigits"] = _fraction_digits(column)
        if facts.comment:
            attributes["CommentOID"] = self.comment(f"COM.{oid.removeprefix('IT.')}", facts.comment)
        item = define.ItemDef(**attributes, Description=described(variable.label))
        if codelist := self._codelists.get(facts.codelist or ""):
            item.CodeListRef = define.CodeListRef(CodeListOID=codelist)
        item.Origin = [_origin(facts.origin or variable.origin)]
        return item

    def _value_list(self, dataset: Dataset, place: int) -> None:
        variable = dataset.variables[place]
        references = []
        for number, value in enumerate(variable.values, start=1):
            oid = f"{item_oid(dataset, variable.name)}.{_token(value.where) or number}"
            if oid in {one.OID for one in self.items}:
                oid = f"{oid}.{number}"
            column = [row.cells[place] for row in self._rows(dataset, value.where)]
            self.items.append(self._item(oid, variable, value, column))
            reference = define.ItemRef(
                ItemOID=oid,
                OrderNumber=number,
                Mandatory="No",
                **self._method(oid, variable.name, value.origin or variable.origin),
            )
            reference.WhereClauseRef = [define.WhereClauseRef(WhereClauseOID=self._where(dataset, value.where))]
            references.append(reference)
        self.lists.append(define.ValueListDef(OID=f"VL.{dataset.name}.{variable.name}", ItemRef=references))

    def _rows(self, dataset: Dataset, where: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
        """The records that a condition holds for; those of a dataset are gone through once for all its conditions of some variables."""
        names = tuple(where)
        groups = self._groups.get(names)
        if groups is None:
            groups = self._groups[names] = {}
            places = tuple(map(dataset.at, names))
            for row in dataset.rows:
                groups.setdefault(tuple(row.cells[place] for place in places), []).append(row)
        for wanted in product(*where.values()):
            yield from groups.get(wanted, ())

    def _where(self, dataset: Dataset, where: Mapping[str, tuple[str, ...]]) -> str:
        """The OID of a condition; equal conditions of several variables are one."""
        said = repr((dataset.name, sorted(where.items())))
        if said not in self.wheres:
            oid = f"WC.{dataset.name}.{_token(where)}"
            if oid in {one.OID for one in self.wheres.values()}:
                oid = f"{oid}.{len(self.wheres) + 1}"
            checks = [
                define.RangeCheck(
                    Comparator="EQ" if len(wanted) == 1 else "IN",
                    SoftHard="Soft",
                    ItemOID=item_oid(dataset, name),
                    CheckValue=[define.CheckValue(_content=one) for one in wanted],
                )
                for name, wanted in where.items()
            ]
            self.wheres[said] = define.WhereClauseDef(OID=oid, RangeCheck=checks)
        found: str = self.wheres[said].OID
        return found


def _origin(origin: Origin) -> Any:
    found = define.Origin(Type=origin.type)
    if origin.source:
        found.Source = origin.source
    if origin.method and origin.type != "Derived":
        found.Description = described(origin.method)
    return found


def _fraction_digits(column: Iterable[Cell]) -> int:
    """The most digits that a number has behind its point."""
    # Told apart as they are written: 7.40 and 7.4 are equal, and have not as many.
    written = {str(cell) for cell in column if isinstance(cell, Decimal)}
    return max((-min(_exponent(Decimal(cell)), 0) for cell in written), default=0)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _token(where: Mapping[str, tuple[str, ...]]) -> str:
    """A condition as a part of an OID."""
    return re.sub(r"[^A-Za-z0-9]+", "_", ".".join("_".join(wanted) for wanted in where.values()))[:60].strip("_")
