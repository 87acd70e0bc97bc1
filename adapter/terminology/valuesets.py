"""In: a value-set document and a coding. Out: whether the coding is in the set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapter.terminology.reading import Node

__all__ = ["ATC", "ICD10", "ICD10_CM", "ICDO3", "TERMS", "ValueSet", "parse_value_sets", "plain_code"]

ICD10 = "http://hl7.org/fhir/sid/icd-10"
#: The US one: not valid in CIM-10, and of the same categories for malignant tumours.
ICD10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
#: Ours, for what no standard code was verified (clarifications.md).
TERMS = "urn:reluth:terms"
ICDO3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
ATC = "http://www.whocc.no/atc"


def plain_code(system: str, code: str) -> str:
    """The code as it is compared: ICD-10 without dots and case, ATC without case, ICD-O-3 morphology with its slash.

    >>> plain_code(ICD10, "c17.2"), plain_code(ICDO3, "M82403")
    ('C172', '8240/3')
    """
    if system == ICD10:
        # CIM-10 extensions are written C17.20 or C17.2+0: the prefix decides.
        return code.strip().upper().replace(".", "").replace("+", "")
    if system == ATC:
        return code.strip().upper()
    if system == ICDO3:
        bare = code.strip().upper().removeprefix("M").removeprefix("-")
        return f"{bare[:4]}/{bare[4:]}" if len(bare) == 5 and bare.isdigit() else bare
    return code.strip()


@dataclass(frozen=True, slots=True, eq=False)
class ValueSet:
    """Codes of one code system; ``ranges`` are pairs of three-character ICD-10 categories, both ends in."""

    id: str
    system: str
    codes: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    ranges: tuple[tuple[str, str], ...] = ()
    label: Mapping[str, str] | None = None

    def has(self, system: str, code: str) -> bool:
        """Whether the code, of the standard system, is in the set."""
        if system != self.system:
            return False
        plain = plain_code(system, code)
        return (
            plain in self.codes
            or plain.startswith(self.prefixes)
            or any(low <= plain[:3] <= high for low, high in self.ranges)
        )


def parse_value_sets(document: Node) -> dict[str, ValueSet]:
    """The value sets of a document of kind ``value-sets``.

    Raises:
        DocumentError: with the place of the fault.
    """
    document["kind"].one_of("value-sets")
    systems = {name: node.text() for name, node in document["codesystems"].items()}
    found = {}
    for identity, node in document["value_sets"].items():
        system = systems.get(node["system"].text())
        if system is None:
            raise node["system"].fault("names no code system of this document")
        codes = [key for key, _ in node["codes"].items()] if "codes" in node else []
        plain = [plain_code(system, code) for code in codes]
        by_prefix = (match.one_of("prefix", "exact") if (match := node.get("match")) else "exact") == "prefix"
        ranges = [_pair(part) for part in node["ranges"].elements()] if "ranges" in node else []
        label = node.get("label")
        source = node.get("source")
        if source is None:
            raise node.fault("source is missing: a code without a source is a finding")
        source.text()
        found[identity] = ValueSet(
            id=identity,
            system=system,
            codes=frozenset() if by_prefix else frozenset(plain),
            prefixes=tuple(plain) if by_prefix else (),
            ranges=tuple(ranges),
            label=label.words() if label else None,
        )
        node.close()
    document.close()
    return found


def _pair(node: Node) -> tuple[str, str]:
    low, mark, high = node.text().partition("-")
    if not mark or len(low) != 3 or len(high) != 3 or low > high:
        raise node.fault("expected a range of categories such as C00-C76")
    return low, high
