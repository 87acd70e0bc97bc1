"""In: the folders ``sdtm`` and ``views`` of ``mappings``. Out: all SDTM documents, read, checked against each other and compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from adapter.datasets.model import Codelist, Variable
from adapter.datasets.sdtm.documents import Documents, Domain, Foreign, Relation, Table, ViewColumns
from adapter.datasets.sdtm.frames import VIEWS
from adapter.datasets.sdtm.lists import parse_codelists, parse_table
from adapter.datasets.sdtm.reading import parse_domain
from adapter.datasets.sdtm.reading_design import parse_design, parse_relations, parse_supplemental
from adapter.documents import load_views, read_documents
from adapter.errors import DocumentError
from adapter.terminology import Node

__all__ = ["load_domains", "parse_documents", "view_columns"]

_KINDS: Final = ("sdtm-study", "sdtm-codelists", "sdtm-table", "sdtm-domain", "sdtm-relations", "sdtm-supplemental")
#: Documents below mappings/sdtm that others read.
_OTHERS: Final = ("core-waivers",)


@lru_cache(maxsize=1)
def load_domains() -> Documents:
    """The SDTM documents that are shipped.

    Raises:
        DocumentError: one is wrong.
    """
    load_views()  # refuses a wrong view by its place, before its columns are read here
    views = {name: view_columns(node) for name, node in _views(read_documents("views"))}
    return parse_documents(read_documents("sdtm"), views)


def _views(files: Mapping[str, Node]) -> Iterator[tuple[str, Node]]:
    for node in files.values():
        yield node["name"].text(), node


def view_columns(node: Node) -> ViewColumns:
    """The columns that a ViewDefinition names, wherever they stand in it."""
    names: list[str] = []
    repeated: list[tuple[str, str]] = []

    def walk(value: Any) -> None:
        if isinstance(value, list):
            for one in value:
                walk(one)
        elif isinstance(value, dict):
            for column in value.get("column", ()):
                names.append(column["name"])
                if column.get("path") == "%rowIndex" and "forEach" in value:
                    repeated.append((column["name"], value["forEach"]))
            for key in ("select", "unionAll"):
                walk(value.get(key, ()))

    walk(node["select"].value)
    return ViewColumns(node["resource"].text(), tuple(dict.fromkeys(names)), repeated[0] if repeated else None)


def parse_documents(files: Mapping[str, Node], views: Mapping[str, ViewColumns]) -> Documents:
    """The SDTM documents of a folder.

    Args:
        files: by name; each says its ``kind``.
        views: by name.

    Raises:
        DocumentError: one is wrong, missing or there twice.
    """
    by_kind: dict[str, list[Node]] = {kind: [] for kind in _KINDS}
    for node in files.values():
        kind = node["kind"].one_of(*_KINDS, *_OTHERS)
        if kind in by_kind:
            by_kind[kind].append(node)
    codelists = _codelists(by_kind["sdtm-codelists"])
    tables = _tables(by_kind["sdtm-table"])
    domains: dict[str, Domain] = {}
    for node in by_kind["sdtm-domain"]:
        domain = parse_domain(node, tables=tables, views=views, codelists=codelists)
        if domain.code in domains:
            raise node["domain"].fault("stands in another document too")
        domains[domain.code] = domain
    relations: tuple[Relation, ...] = ()
    relrec: tuple[Variable, ...] = ()
    supp: tuple[Variable, ...] = ()
    for node in by_kind["sdtm-relations"]:
        relations, relrec = parse_relations(node, domains, codelists)
    for node in by_kind["sdtm-supplemental"]:
        supp = parse_supplemental(node, codelists)
    if len(by_kind["sdtm-study"]) != 1:
        raise DocumentError("sdtm", "", "exactly one document of kind sdtm-study is wanted")
    design = parse_design(by_kind["sdtm-study"][0])
    return Documents(
        design=design,
        domains=tuple(domains[code] for code in sorted(domains)),
        relations=relations,
        relrec=relrec,
        supp=supp,
        codelists=codelists,
        shapes=dict(views),
        views=_read_views(tuple(domains.values()), views),
    )


def _read_views(domains: tuple[Domain, ...], views: Mapping[str, ViewColumns]) -> tuple[str, ...]:
    """The views that are read: those of sources, those that an expression looks into, and the engine's."""
    named = {source.view for domain in domains for source in domain.sources}
    for domain in domains:
        for source in domain.sources:
            for reads in (*(one.reads for one in source.settings), *(one.reads for one in source.supplements)):
                named |= {read.view for read in reads if isinstance(read, Foreign)}
            named |= source.foreign_views
    return tuple(sorted((named | set(VIEWS)) & set(views)))


def _codelists(nodes: list[Node]) -> dict[str, Codelist]:
    found: dict[str, Codelist] = {}
    for node in nodes:
        for identity, one in parse_codelists(node).items():
            if identity in found:
                raise node["codelists"][identity].fault("stands in another document too")
            found[identity] = one
    return found


def _tables(nodes: list[Node]) -> dict[str, Table]:
    found: dict[str, Table] = {}
    for node in nodes:
        node["kind"].one_of("sdtm-table")
        identity = node["id"].text()
        if identity in found:
            raise node["id"].fault("stands in another document too")
        found[identity] = parse_table(identity, node)
    return found
