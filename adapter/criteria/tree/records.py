"""In: nothing. Out: nodes that ask whether a coded record is there: conditions, events, consent, cover, allergies, studies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from adapter.criteria.attestation import Validity
from adapter.criteria.tree.base import Node
from adapter.criteria.truth import Truth
from adapter.terminology import Analyte, ValueSet

__all__ = [
    "Allergy",
    "Coded",
    "Condition",
    "Coverage",
    "DatedEvent",
    "MarrowFraction",
    "OtherStudy",
    "OtherTumour",
    "SignedConsent",
]


@dataclass(frozen=True, slots=True)
class Condition(Node):
    """A Condition of the value set is on record.

    ``clinical``: clinical statuses that count, empty for any. ``current_days``: undated or older than that it is no
    longer surely current. ``complete``: the domain whose declared completeness, over the ``complete_days`` before the
    reference date and on it, turns absence into F, presumed. ``absent``: what it means that there is none, beyond a declared completeness.
    """

    value_set: ValueSet
    clinical: tuple[str, ...] = ()
    current_days: int | None = None
    complete: str | None = None
    complete_days: int = 0
    absent: Truth = Truth.U
    attestable: bool = False
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class Coded(Node):
    """A Condition or Procedure with a code of the value set is on record; absence is open."""

    value_set: ValueSet


@dataclass(frozen=True, slots=True)
class DatedEvent(Node):
    """An event of ``deciding`` (Condition, Procedure, MedicationAdministration) happened ``within`` that long.

    Those of ``asking`` leave it open until the ``controlled`` attestation: true makes it F, false T. ``complete``: the
    domain whose declared completeness over the window turns absence into F, presumed. ``wanted``: the attestation that answers.
    """

    deciding: tuple[ValueSet, ...]
    within: Validity
    complete: str
    wanted: str
    asking: tuple[ValueSet, ...] = ()
    controlled: str | None = None


@dataclass(frozen=True, slots=True)
class OtherTumour(Node):
    """A tumour of ``value_set`` that is not the study tumour was diagnosed or active ``within`` that long.

    ``excepted``: tumours that the ``controlled`` attestation answers. ``alert``: shown only.
    """

    value_set: ValueSet
    excepted: ValueSet
    controlled: str
    alert: ValueSet
    within: Validity
    complete: str


@dataclass(frozen=True, slots=True)
class MarrowFraction(Node):
    """More than ``above`` percent of the marrow were irradiated from outside; ``courses`` without a fraction ask."""

    analyte: Analyte
    above: Decimal
    courses: tuple[ValueSet, ...]


@dataclass(frozen=True, slots=True)
class SignedConsent(Node):
    """The trial's own consent is signed and in force."""


@dataclass(frozen=True, slots=True)
class Coverage(Node):
    """A health cover of one of ``types`` is in force.

    ``types``: ``system|code``, or a code or text of any system. ``payors``: words of a payor's name that say the same. ``asks``: types
    that never prove. ``excludes``: words of a type or payor that make it none of these. ``hints``: systems of a person's identifiers that are shown, and decide nothing.
    """

    types: tuple[str, ...]
    payors: tuple[str, ...]
    asks: tuple[str, ...]
    excludes: tuple[str, ...]
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allergy(Node):
    """A confirmed, active allergy to a substance of ``substances`` is on record.

    ``asking`` codes and words in ``asking_text`` leave it open; ``none`` is the statement that there is no known allergy.
    """

    substances: tuple[ValueSet, ...]
    asking: tuple[ValueSet, ...]
    asking_text: re.Pattern[str]
    none: ValueSet
    complete: str


@dataclass(frozen=True, slots=True)
class OtherStudy(Node):
    """The person takes part in another interventional study, or did in the last ``within_days``."""

    within_days: int
    complete: str
