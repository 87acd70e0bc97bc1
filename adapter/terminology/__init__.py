"""In: codings, units and the documents that define them. Out: membership, translation, exact conversion. No I/O."""

from __future__ import annotations

from adapter.terminology.analytes import Analyte, UnitProblem, Units, parse_analytes, parse_units
from adapter.terminology.reading import Node
from adapter.terminology.site import (
    DOMAINS,
    Completeness,
    Site,
    SiteLimit,
    parse_completeness,
    parse_concept_map,
    parse_site,
    parse_site_units,
)
from adapter.terminology.systems import parse_systems
from adapter.terminology.valuesets import ATC, ICD10, ICD10_CM, ICDO3, TERMS, ValueSet, parse_value_sets, plain_code

__all__ = [
    "ATC",
    "DOMAINS",
    "ICD10",
    "ICD10_CM",
    "ICDO3",
    "TERMS",
    "Analyte",
    "Completeness",
    "Node",
    "Site",
    "SiteLimit",
    "UnitProblem",
    "Units",
    "ValueSet",
    "parse_analytes",
    "parse_completeness",
    "parse_concept_map",
    "parse_site",
    "parse_site_units",
    "parse_systems",
    "parse_units",
    "parse_value_sets",
    "plain_code",
]
