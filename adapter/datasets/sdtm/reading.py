"""In: the documents below mappings/sdtm, as nodes, and the columns of the views. Out: domains compiled to closures, or a `DocumentError`.

mappings/sdtm/README.md describes the language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapter.datasets.model import Codelist, Variable
from adapter.datasets.sdtm.derived import Derived, compile_derived
from adapter.datasets.sdtm.documents import Continued, Derivation, Domain, Source, Table, ViewColumns
from adapter.datasets.sdtm.expressions import Scope
from adapter.datasets.sdtm.frames import EARLY_FACTS, LATE_FACTS, STUDY_FACTS
from adapter.datasets.sdtm.lists import parse_label, parse_table, parse_variable
from adapter.datasets.sdtm.reading_source import Known, parse_source, parse_supplements
from adapter.terminology import Node

__all__ = ["FILLED", "parse_domain"]

_CLASSES: Final = (
    "FINDINGS",
    "EVENTS",
    "INTERVENTIONS",
    "SPECIAL PURPOSE",
    "TRIAL DESIGN",
    "RELATIONSHIP",
)
#: Filled by the engine itself.
FILLED: Final = ("STUDYID", "DOMAIN", "USUBJID")


def parse_domain(
    node: Node, *, tables: Mapping[str, Table], views: Mapping[str, ViewColumns], codelists: Mapping[str, Codelist]
) -> Domain:
    """A document of kind ``sdtm-domain``.

    Raises:
        DocumentError: it is wrong.
    """
    node["kind"].one_of("sdtm-domain")
    code = node["domain"].text()
    if not (code.isascii() and code.isalpha() and code.isupper() and len(code) == 2):
        raise node["domain"].fault("expected two capital letters")
    version = node["version"].text()
    own_tables = node.get("tables")
    if own_tables is not None:
        tables = {**tables, **{name: parse_table(name, one) for name, one in own_tables.items()}}
    variables, further = _variables(node["variables"], tables, codelists)
    keys = node["keys"].texts()
    places = {variable.name: at for at, variable in enumerate(variables)}
    for key in keys:
        if key not in places:
            raise node["keys"].fault(f"{key} is no variable of the domain")
    known = Known(code, version, places, tables, views)
    sources = [parse_source(one, known) for one in node["sources"].elements()]
    identities = [source.id for source in sources]
    if not sources or len(set(identities)) < len(identities):
        raise node["sources"].fault("expected sources, each with an id of its own")
    shared = node.get("derive")
    if shared is not None:
        _derive(shared, sources, known)
    supplements = node.get("supplemental")
    if supplements is not None:
        parse_supplements(supplements, sources, known)
    _settled(node["variables"], variables, sources)
    optional = frozenset(name for one in further if one[1] == "continued" for name in one[2].texts())
    found = Domain(
        code=code,
        label=parse_label(node["label"]),
        class_=node["class"].one_of(*_CLASSES),
        structure=node["structure"].text(),
        keys=keys,
        version=version,
        variables=variables,
        sources=sources,
        continued=tuple(_continued(name, how, where, places) for name, how, where in further),
        reference=all(source.view.startswith("@design") or source.inline is not None for source in sources),
        optional=optional,
    )
    node.close()
    return found


def _variables(
    node: Node, tables: Mapping[str, Table], codelists: Mapping[str, Codelist]
) -> tuple[tuple[Variable, ...], list[tuple[str, str, Node]]]:
    found: list[Variable] = []
    further = []
    for one in node.elements():
        variable, nodes = parse_variable(one, tables)
        if variable.name in {other.name for other in found}:
            raise one["name"].fault("stands twice")
        for codelist in (variable.codelist, *(value.codelist for value in variable.values)):
            if codelist is not None and codelist not in codelists:
                raise one.fault(f"there is no codelist {codelist}")
        found.append(variable)
        further += [(variable.name, name.pointer.rpartition("/")[2], name) for name in nodes]
    names = {variable.name for variable in found}
    for variable in found:
        for value in variable.values:
            for name in value.where:
                if name not in names:
                    raise node.fault(f"value level of {variable.name}: {name} is no variable of the domain")
    return tuple(found), further


def _continued(name: str, how: str, node: Node, places: Mapping[str, int]) -> Continued:
    if how == "overflow":
        if len(node.text()) > 7:
            raise node.fault("expected at most 7 letters: a digit follows")
        return Continued(name, places[name], stem=node.text())
    into = node.texts()
    for one in into:
        if one not in places:
            raise node.fault(f"{one} is no variable of the domain")
    return Continued(name, places[name], into=tuple(places[one] for one in into))


def _derive(node: Node, sources: list[Source], known: Known) -> None:
    """Compile the domain's derivations once for each source; those over whole domains once, over variables alone."""
    base = len(known.places)
    common = Scope(
        domain=known.domain,
        base=base,
        slots=dict(known.places),
        tables=known.tables,
        facts=LATE_FACTS,
        study=STUDY_FACTS,
    )
    for name, one in node.items():
        if name not in known.places:
            raise one.fault(f"{name} is no variable of the domain")
        slot = known.places[name]
        whole: Derived | None = None
        for source in sources:
            scope = known.scopes[source.id]
            scope.facts = LATE_FACTS
            if whole is None:
                made = compile_derived(one, common if _is_whole(one) else scope.of(name))
                whole = made if made.whole else None
            else:
                made = whole
            source.shared.append(Derivation(name, slot, made.fn, made.whole))
            scope.facts = EARLY_FACTS


def _is_whole(node: Node) -> bool:
    return isinstance(node.value, dict) and "last_before_exposure" in node.value


def _settled(node: Node, variables: tuple[Variable, ...], sources: list[Source]) -> None:
    """A required variable that nothing fills would make a package that is not valid."""
    for source in sources:
        filled = {one.variable for one in (*source.settings, *source.deferred)}
        filled |= {one.variable for one in (*source.derivations, *source.shared)}
        for variable in variables:
            mine = variable.name in FILLED or variable.name.endswith("SEQ")
            if variable.core == "Req" and not mine and variable.name not in filled:
                raise node.fault(f"{variable.name} is required, and the source {source.id} does not set it")
