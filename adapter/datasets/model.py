"""In: nothing. Out: what a package consists of: datasets of rows, their variables and codelists, findings, and each cell's source.

A cell is a text, an exact number or nothing; SAS has no other kinds, and a date is a text of ISO 8601 (SDTMIG 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

__all__ = [
    "Cell",
    "CellSource",
    "Codelist",
    "CodelistTerm",
    "DataType",
    "Dataset",
    "Finding",
    "Origin",
    "Package",
    "Row",
    "Study",
    "ValueLevel",
    "Variable",
]

Cell = str | Decimal | None
#: Define-XML 2.1 data types that are used here; the last three hold numbers, the others texts.
DataType = Literal["text", "datetime", "date", "partialDatetime", "durationDatetime", "integer", "float", "decimal"]


class CodelistTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a codelist allows.

    Attributes:
        value: as submitted.
        code: of the NCI Thesaurus (``C64848``), None for a term of the sponsor's own.
        decode: in words.
    """

    value: str
    code: str | None = None
    decode: str | None = None


class Codelist(msgspec.Struct, frozen=True, kw_only=True):
    """The values that a variable may hold.

    Attributes:
        id: e.g. ``LBTESTCD``.
        name: in words.
        code: of the NCI Thesaurus, None for a list of the sponsor's own.
        extensible: a value that is not in it is allowed, and told.
        terms: the ones that are used, in their order.
    """

    id: str
    name: str
    terms: tuple[CodelistTerm, ...]
    code: str | None = None
    extensible: bool = False


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a variable's values come from (Define-XML 2.1 4.3: ``Collected Derived Assigned Protocol Predecessor``).

    Attributes:
        type: the kind.
        source: ``Sponsor``, ``Investigator``, ``Subject`` or ``Vendor``; None where the kind needs none.
        method: how it is derived, in words; for a derived variable.
    """

    type: Literal["Collected", "Derived", "Assigned", "Protocol", "Predecessor"]
    source: Literal["Sponsor", "Investigator", "Subject", "Vendor"] | None = None
    method: str | None = None


class ValueLevel(msgspec.Struct, frozen=True, kw_only=True):
    """What a variable holds where another one has a value: ``LBSTRESN`` where ``LBTESTCD`` is ``HGB``.

    Attributes:
        where: names of variables with the values they must have, all of them.
        type: data type there.
        length: longest text, or digits of a number.
        codelist: id of the codelist there.
        origin: of the values there; None for that of the variable.
        comment: in words.
    """

    where: Mapping[str, tuple[str, ...]]
    type: DataType
    length: int
    codelist: str | None = None
    origin: Origin | None = None
    comment: str | None = None


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a dataset.

    Attributes:
        name: at most 8 characters, A-Z and digits.
        label: at most 40 bytes of ASCII.
        type: data type.
        length: longest text in bytes, or digits of a number.
        core: ``Req``, ``Exp`` or ``Perm`` (SDTMIG).
        role: ``Identifier``, ``Topic``, ``Timing``, ``Record Qualifier`` and so on.
        origin: where its values come from.
        codelist: id of a codelist.
        comment: in words.
        values: value-level metadata.
    """

    name: str
    label: str
    type: DataType
    length: int
    core: Literal["Req", "Exp", "Perm"]
    role: str
    origin: Origin
    codelist: str | None = None
    comment: str | None = None
    values: tuple[ValueLevel, ...] = ()

    @property
    def numeric(self) -> bool:
        """Its cells are numbers."""
        return self.type in ("integer", "float", "decimal")


class CellSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where some cells of a row came from.

    Attributes:
        variables: names of the cells' variables.
        resource: of the pseudonymised feed, ``Observation/<key>``.
        path: FHIRPath of the view's column in that resource.
        mapping: id and version of the mapping, ``LB/laboratory@1.0.0``.
    """

    variables: tuple[str, ...]
    resource: str
    path: str
    mapping: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One record: a cell for each variable of its dataset, in their order.

    Attributes:
        cells: text, exact number or None; an empty text is None.
        key: what the record is known by within its subject and domain, whatever stands in its cells: the source
            resource and the place in it (``Observation/k3f...#component=2``). Its ``--SEQ`` is kept under this key.
        sources: of every cell that is neither derived nor assigned.
    """

    cells: tuple[Cell, ...]
    key: str
    sources: tuple[CellSource, ...] = ()


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One domain's records.

    Attributes:
        name: ``LB``, ``SUPPAE``, ``RELREC``; at most 8 characters.
        label: at most 40 bytes of ASCII.
        domain: two letters; for ``SUPPAE`` that is ``AE``.
        class_: observation class of SDTMIG 3.4: ``FINDINGS``, ``EVENTS``, ``INTERVENTIONS``, ``SPECIAL PURPOSE``,
            ``TRIAL DESIGN`` or ``RELATIONSHIP``.
        structure: what one record is, in words.
        keys: names of the variables that it is sorted by and that make a record unique.
        variables: in the order of the dataset.
        rows: sorted by the keys.
        reference: it holds no subject's data.
    """

    name: str
    label: str
    domain: str
    class_: str
    structure: str
    keys: tuple[str, ...]
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    reference: bool = False

    def at(self, name: str) -> int:
        """Place of a variable.

        Raises:
            KeyError: there is none of that name.
        """
        for place, variable in enumerate(self.variables):
            if variable.name == name:
                return place
        raise KeyError(name)

    def cell(self, row: Row, name: str) -> Cell:
        """A record's cell of a variable."""
        return row.cells[self.at(name)]

    def columns(self) -> list[tuple[Cell, ...]]:
        """The cells of each variable, in the variables' order: one pass over the records in place of one a variable."""
        width = len(self.variables)
        if self.rows and all(len(row.cells) == width for row in self.rows):
            return list(zip(*[row.cells for row in self.rows], strict=True))
        return [tuple([row.cells[place] for row in self.rows]) for place in range(width)]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody must look at: a value that was blanked, not mapped, or cannot be so.

    Attributes:
        code: which kind, in lower case with hyphens (``lab-without-unit``); docs/datasets.md lists them.
        severity: ``error``: the package is not valid because of it; ``warning``: it is, and something is missing.
        text: a sentence without any value of a patient.
        domain: or type of resource, where it belongs to one.
        variable: or element.
        subject: the trial's pseudonym.
        resource: of the pseudonymised feed.
        value: a code, a unit or a term that is not mapped, and names nobody: only what a codelist, a unit table or a
            code system could hold. None wherever it might be a person's.
        count: how often.
    """

    code: str
    text: str
    severity: Literal["error", "warning"] = "warning"
    domain: str | None = None
    variable: str | None = None
    subject: str | None = None
    resource: str | None = None
    value: str | None = None
    count: int = 1


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """The study as a package names it.

    Attributes:
        id: ``STUDYID``.
        name: acronym.
        title: official title.
        protocol: the protocol's own name.
    """

    id: str
    name: str
    title: str
    protocol: str


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a sponsor's package is written from.

    Attributes:
        study: as named.
        standard: implementation guide and its version, e.g. ``SDTMIG 3.4``.
        terminology: controlled terminology and its date, e.g. ``2025-09-26``; None where it is not known.
        datasets: by name.
        codelists: the ones that the datasets' variables name.
        findings: what somebody must look at.
    """

    study: Study
    standard: str
    terminology: str | None
    datasets: tuple[Dataset, ...]
    codelists: tuple[Codelist, ...]
    findings: tuple[Finding, ...] = ()

    def dataset(self, name: str) -> Dataset:
        """One of them.

        Raises:
            KeyError: there is none of that name.
        """
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        raise KeyError(name)
