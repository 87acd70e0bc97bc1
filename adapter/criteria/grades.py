"""In: the document of kind ``grades``. Out: for each analyte the comparison that a value of a toxicity grade satisfies."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.criteria.tree import Comparison, Graded, Scale
from adapter.terminology import Analyte, Node

__all__ = ["parse_grades"]

_GRADES = {"g2": 2, "g3": 3, "g4": 4}


def parse_grades(document: Node, *, analytes: Mapping[str, Analyte]) -> dict[str, Graded]:
    """The grades by analyte; a value of a higher grade satisfies the comparison of a lower one too.

    Raises:
        DocumentError: with the place of the fault.
    """
    document["kind"].one_of("grades")
    document["name"].text()
    found = {}
    for identity, node in document["grades"].items():
        if identity not in analytes:
            raise node.fault("names no analyte")
        scale = node.get("of")
        operator, limits = ("lt", node["below"]) if "below" in node else ("gt", node["above"])
        for key, limit in limits.items():
            if key not in _GRADES:
                raise limit.fault(f"expected one of {', '.join(_GRADES)}")
        found[identity] = Graded(
            analytes[identity],
            Scale(scale.one_of("uln")) if scale else Scale.VALUE,
            tuple((_GRADES[key], Comparison(operator, limit.decimal())) for key, limit in limits.items()),
        )
        node.close()
    document.close()
    return found
