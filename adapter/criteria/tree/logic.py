"""In: nothing. Out: nodes that put answers together, and the one that a person answers."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.criteria.answer import Reason
from adapter.criteria.tree.base import Node
from adapter.criteria.truth import Truth
from adapter.terminology import ValueSet

__all__ = [
    "All",
    "Any",
    "Attested",
    "Case",
    "Cases",
    "CrossCheck",
    "Fallback",
    "Not",
    "OnlyRefutes",
    "Open",
    "PartOf",
    "TruthOf",
    "WithAttestation",
]


@dataclass(frozen=True, slots=True)
class All(Node):
    """Every one of ``of`` (Kleene)."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any(Node):
    """At least one of ``of`` (Kleene)."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The negation."""

    of: Node


@dataclass(frozen=True, slots=True)
class Open(Node):
    """Open for a stated reason; the outcome of a case."""

    reason: Reason
    wanted: str | None = None
    attestable: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """When ``condition`` is proven the outcome holds: a node, or a plain truth on the condition's evidence."""

    condition: Node
    outcome: Node | Truth


@dataclass(frozen=True, slots=True)
class Cases(Node):
    """The first case whose condition is proven (T) decides; open ones are passed over; else ``otherwise``."""

    cases: tuple[Case, ...]
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Fallback(Node):
    """The first, unless it has no data at all in its window: then the second."""

    first: Node
    second: Node


@dataclass(frozen=True, slots=True)
class OnlyRefutes(Node):
    """Data that may refute the statement (then F, presumed) but never prove it (then open, ``asks`` for ``wanted``)."""

    of: Node
    wanted: str


@dataclass(frozen=True, slots=True)
class CrossCheck(Node):
    """``decides`` decides; without data for it ``against`` does; the two decided differently are a conflict."""

    decides: Node
    against: Node


@dataclass(frozen=True, slots=True)
class PartOf(Node):
    """The answer to a part (attestation included): ``part`` of ``criterion``."""

    criterion: str
    part: str


@dataclass(frozen=True, slots=True)
class TruthOf(Node):
    """The answer to another criterion."""

    criterion: str


@dataclass(frozen=True, slots=True)
class Attested(Node):
    """What a person attested under this linkId.

    ``since_days``: an attested date must lie that far back. ``shows``: Conditions to show to whom is asked. ``not_before``:
    a criterion; attested of a day before the record that proves it, it is too old. ``reopened_by``: an expression; where
    records later than the attestation alone do not refute it, the attestation does not speak of them.
    """

    link: str
    since_days: int | None = None
    shows: ValueSet | None = None
    not_before: str | None = None
    reopened_by: Node | None = None


@dataclass(frozen=True, slots=True)
class WithAttestation(Node):
    """What coded data give for ``of``, and what a person attested under ``link``; of ``after_cycles`` of the second course not before them."""

    link: str
    of: Node
    after_cycles: int | None = None
