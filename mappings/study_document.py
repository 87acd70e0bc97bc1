"""In: a trial's study document, and its criteria. Out: the study, or the fault as ``file#json-pointer``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapter.errors import DocumentError
from adapter.terminology import Node
from mappings.entities import Characteristic, EntityError, Study, parse_entity

__all__ = ["parse_study"]

_STEP = re.compile(r"\w+")


def parse_study(node: Node, *, trial: str, characteristics: Iterable[Characteristic]) -> Study:
    """A study from its document, whose keys are the fields of `Study`.

    Args:
        node: the document, of ``kind: study``.
        trial: the id that it has to have.
        characteristics: the eligibility criteria, which the trial's criteria document holds; they are not repeated.

    Raises:
        DocumentError: a key is missing, unknown or wrong.
    """
    node["kind"].one_of("study")
    node["id"].one_of(trial)
    if "characteristics" in node:
        raise node["characteristics"].fault("stands in the criteria document")
    told = {key: value for key, value in node.mapping().items() if key != "kind"}
    told["characteristics"] = [{"id": one.id, "text": one.text, "exclude": one.exclude} for one in characteristics]
    try:
        return parse_entity(Study, told)
    except EntityError as error:
        raise _fault(node, error) from None


def _fault(node: Node, error: EntityError) -> DocumentError:
    """The fault where the field stands: ``sites[2].city`` is ``/sites/2/city``; what is missing or unknown, at its owner."""
    steps = [] if error.field == "entity" else _STEP.findall(error.field)
    problem = error.problem
    if steps and problem == "is missing":
        problem = f"{steps.pop()} is missing"
    return DocumentError(node.file, "".join(f"/{step}" for step in steps), problem)
