"""In: the overlay documents of one site. Out: `Site`: how its codes, units and gaps are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from adapter.terminology.analytes import Units
from adapter.terminology.reading import Node
from adapter.terminology.valuesets import ICD10

__all__ = [
    "DOMAINS",
    "Completeness",
    "Site",
    "SiteLimit",
    "parse_completeness",
    "parse_concept_map",
    "parse_site",
    "parse_site_units",
]

#: Domains that a site may declare complete (clarifications.md, "How a site tells us more").
DOMAINS = ("medication-administration", "condition", "laboratory", "allergy", "study-participation")

#: Equivalences of an R4 ConceptMap that say "the same or a kind of it"; relationship codes of R5 likewise.
_SAME = frozenset({"equal", "equivalent", "wider", "subsumes", "source-is-narrower-than-target"})


@dataclass(frozen=True, slots=True)
class Completeness:
    """The site declares that its feed of ``domain`` lacks nothing from ``start`` to ``end``."""

    domain: str
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class SiteLimit:
    """The upper limit of normal of one analyte where the site's reports carry none."""

    analyte: str
    high: Decimal
    unit: str
    gender: str | None = None
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """How the records of one site are to be read.

    Attributes:
        aliases: the code system that each other name of one stands for; what the site says of a name holds before it.
    """

    id: str
    icd10_systems: frozenset[str] = frozenset({ICD10})
    fasting_codes: frozenset[tuple[str, str]] = frozenset()
    completeness: tuple[Completeness, ...] = ()
    concept_map: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)
    unit_spellings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    limits: tuple[SiteLimit, ...] = ()
    adverse_event_grade: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    _units: dict[int, tuple[Units, Units]] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def plain(cls, identity: str) -> Site:
        """A site without an overlay."""
        return cls(identity)

    def complete_until(self, domain: str, start: date, end: date) -> date | None:
        """The last day of a declaration that covers every day from ``start`` to ``end``, None without one."""
        ends = [
            item.end for item in self.completeness if item.domain == domain and item.start <= start and item.end >= end
        ]
        return max(ends, default=None)

    def standard(self, system: str, code: str) -> tuple[tuple[str, str], ...]:
        """The coding itself in its standard system, and what the site's ConceptMaps make of it."""
        if system in self.aliases and not self.translates(system, code):
            system = self.system_of(system)
        plain = ICD10 if system in self.icd10_systems else system
        return ((plain, code), *self.concept_map.get((system, code), ()))

    def translates(self, system: str, code: str) -> bool:
        """A document of the site says what this coding means, as it is sent."""
        return (system, code) in self.concept_map or (system, code) in self.fasting_codes

    def system_of(self, name: str) -> str:
        """The code system that a name stands for: as the site declares it, else by its other names."""
        return ICD10 if name in self.icd10_systems else self.aliases.get(name, name)

    def names_of(self, system: str) -> tuple[str, ...]:
        """A code system, and the other names under which a feed may send its codes."""
        declared = sorted(self.icd10_systems - {system}) if system == ICD10 else []
        others = [name for name, stands_for in self.aliases.items() if stands_for == system]
        return tuple(dict.fromkeys((system, *declared, *others)))

    def units(self, general: Units) -> Units:
        """The general unit spellings with the site's own before them."""
        if not self.unit_spellings:
            return general
        if id(general) not in self._units:
            self._units[id(general)] = (general, replace(general, site_spellings=self.unit_spellings))
        return self._units[id(general)][1]


def parse_completeness(document: Node) -> tuple[Completeness, ...]:
    """The declarations of ``completeness.yaml``: a list of domain, from, to, declared_by, on."""
    found = []
    for node in document.elements():
        start, end = node["from"].day(), node["to"].day()
        if end < start:
            raise node["to"].fault("lies before from")
        node["declared_by"].text()
        node["on"].day()
        found.append(Completeness(node["domain"].one_of(*DOMAINS), start, end))
        node.close()
    return tuple(found)


def parse_site(document: Node, site: Site) -> Site:
    """``site.yaml`` on top of ``site``: icd10_systems, fasting_codes, uln, adverse_event_grade."""
    systems, fasting, limits = document.get("icd10_systems"), document.get("fasting_codes"), document.get("uln")
    grade = document.get("adverse_event_grade")
    document.close()
    return replace(
        site,
        icd10_systems=site.icd10_systems | set(systems.texts() if systems else ()),
        fasting_codes=frozenset(_coding(element) for element in fasting.elements()) if fasting else frozenset(),
        limits=tuple(_limit(element) for element in limits.elements()) if limits else (),
        adverse_event_grade=grade.text() if grade else None,
    )


def _coding(node: Node) -> tuple[str, str]:
    system, mark, code = node.text().rpartition("|")
    if not mark or not system or not code:
        raise node.fault("expected system|code")
    return system, code


def _limit(node: Node) -> SiteLimit:
    gender, start, end = node.get("gender"), node.get("from"), node.get("to")
    found = SiteLimit(
        analyte=node["analyte"].text(),
        high=node["high"].decimal(),
        unit=node["unit"].text(),
        gender=gender.one_of("male", "female") if gender else None,
        start=start.day() if start else None,
        end=end.day() if end else None,
    )
    node.close()
    return found


def parse_concept_map(document: Node) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    """Source coding to target codings of a FHIR ConceptMap (R4 or R5); unmatched and inexact rows map to nothing."""
    document["resourceType"].one_of("ConceptMap")
    found: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for group in document["group"].elements():
        source, target = group["source"].text(), group["target"].text()
        for element in group["element"].elements():
            targets: list[Any] = list(element["target"].elements()) if "target" in element else []
            codes = tuple((target, row["code"].text()) for row in targets if _says_same(row))
            if codes:
                key = (source, element["code"].text())
                found[key] = (*found.get(key, ()), *codes)
    return found


def _says_same(row: Node) -> bool:
    kind = row.get("equivalence") or row.get("relationship")
    if kind is None:
        raise row.fault("equivalence is missing")
    return kind.text() in _SAME


def parse_site_units(document: Node) -> dict[tuple[str, str], str]:
    """``units.yaml`` of a site: a list of analyte (or ``*``), spelling, unit."""
    found = {}
    for node in document.elements():
        analyte = node["analyte"].text()
        found[(analyte, " ".join(node["spelling"].text().split()).casefold())] = node["unit"].text()
        node.close()
    return found
