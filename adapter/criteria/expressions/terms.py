"""In: the documents of a trial. Out: `Terms`, what its expressions may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapter.criteria.attestation import Validity
from adapter.criteria.prepared import Concepts
from adapter.criteria.tree import Graded
from adapter.terminology import Analyte, Node, ValueSet

__all__ = ["Terms", "flag_of", "integer_of", "text_of", "validity"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What expressions may name."""

    analytes: Mapping[str, Analyte]
    value_sets: Mapping[str, ValueSet]
    criterion: str = ""
    concepts: Concepts = field(default_factory=Concepts)
    grades: Mapping[str, Graded] = field(default_factory=dict)

    def analyte(self, node: Node) -> Analyte:
        """The analyte of this name."""
        return self.analytes[node.one_of(*sorted(self.analytes))]

    def value_set(self, node: Node) -> ValueSet:
        """The value set of this name."""
        return self.value_sets[node.one_of(*sorted(self.value_sets))]

    def value_sets_of(self, node: Node) -> tuple[ValueSet, ...]:
        """The value sets of a list of names."""
        return tuple(self.value_set(element) for element in node.elements())

    def graded(self, node: Node) -> tuple[Graded, ...]:
        """The grades of a list of analytes."""
        return tuple(self.grades[element.one_of(*sorted(self.grades))] for element in node.elements())

    def need(self, node: Node, *kinds: str) -> None:
        """Refuse an expression whose prepared concept the trial has not got.

        Raises:
            DocumentError: with the place of the expression.
        """
        names = {
            "treatment-courses": self.concepts.courses,
            "tumour": self.concepts.tumour,
            "disease-status": self.concepts.status,
        }
        for kind in kinds:
            if names[kind] is None:
                raise node.fault(f"needs a concept of kind {kind}")


def validity(node: Node) -> Validity:
    """``{days: 28}``, ``{months: 12}`` or ``for-good``."""
    if node.value == "for-good":
        return Validity()
    found = Validity(months=node["months"].integer()) if "months" in node else Validity(days=node["days"].integer())
    node.close()
    return found


def integer_of(node: Node | None, default: int = 0) -> int:
    """A whole number, or the default where the key is missing."""
    return node.integer() if node else default


def text_of(node: Node | None) -> str | None:
    """A text, None where the key is missing."""
    return node.text() if node else None


def flag_of(node: Node | None) -> bool:
    """True or false; false where the key is missing."""
    return node.flag() if node else False
