"""In: one laboratory result as a laboratory tells it. Out: the same, with one meaning and its unit."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from adapter.fhir import is_ucum
from mappings.entity.fields import EntityError, Values, check_code, check_text, check_time, check_unique
from mappings.entity.values import Coding, Identifier

__all__ = ["LabResult", "LabStatus"]


# R4 CodeSystem/data-absent-reason, the same in R4B and R5.
# fmt: off
_ABSENT: Final = frozenset((
    "as-text", "asked-declined", "asked-unknown", "error", "masked", "negative-infinity", "not-a-number",
    "not-applicable", "not-asked", "not-performed", "not-permitted", "positive-infinity", "temp-unknown", "unknown",
    "unsupported",
))
# R4 CodeSystem/v3-ObservationInterpretation, without its groupings; a validator refuses any other code of the system.
_INTERPRETATIONS: Final = frozenset((
    "<", ">", "A", "AA", "AC", "B", "CAR", "D", "DET", "E", "EX", "EXP", "H", "H>", "HH", "HM", "HU", "HX", "I", "IE",
    "IND", "L", "L<", "LL", "LU", "LX", "MS", "N", "NCL", "ND", "NEG", "NR", "NS", "OBX", "POS", "QCF", "R", "RR",
    "S", "SDD", "SYN-R", "SYN-S", "TOX", "U", "UNE", "VS", "W", "WR",
))
# fmt: on
# UCUM section 2 (2): a code is printable US-ASCII without blanks.
_UNIT: Final = re.compile(r"[!-~]+")


class LabStatus(StrEnum):
    """How far a result is final (the codes of FHIR Observation.status that a laboratory uses)."""

    REGISTERED = "registered"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    CORRECTED = "corrected"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered-in-error"
    UNKNOWN = "unknown"


class LabResult(Values, frozen=True, kw_only=True):
    """One laboratory result.

    Attributes:
        id: the laboratory's own identifier of the result.
        patient: the hospital's own number of the person.
        codes: what was measured: LOINC where it is known, and the local code as it came; at least one.
        effective: when the sample was taken.
        status: how far it is final.
        value: the number, in ``unit``, or where that has no code in ``unit_text``.
        comparator: ``<``, ``<=``, ``>=`` or ``>`` before the number.
        unit: UCUM code of the value and of the reference range. What is no code of UCUM becomes ``unit_text``.
        unit_text: the unit as the laboratory prints it; None where that is the UCUM code.
        text: the result in words, where it is no number.
        absent: why there is no result (code of data-absent-reason), where there is none.
        low: lower limit of the reference range, in the unit of the value.
        high: upper limit of the reference range, in the unit of the value.
        range_text: the reference range as printed.
        name: what was measured, in the laboratory's words.
        subject: the trial's pseudonym, where the person is a subject.
        issued: when the result was released, with time of day.
        specimen: what was examined, in words.
        laboratory: who measured it, e.g. by FINESS number.
        interpretation: codes of v3-ObservationInterpretation, e.g. ``H``.
    """

    id: Identifier
    patient: Identifier
    codes: tuple[Coding, ...]
    effective: str
    status: LabStatus = LabStatus.FINAL
    value: Decimal | None = None
    comparator: str | None = None
    unit: str | None = None
    unit_text: str | None = None
    text: str | None = None
    absent: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    range_text: str | None = None
    name: str | None = None
    subject: str | None = None
    issued: str | None = None
    specimen: str | None = None
    laboratory: Identifier | None = None
    interpretation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a result that says nothing, or more than one thing."""
        if not self.codes:
            raise EntityError("codes", "at least one is wanted")
        check_unique("codes", ((one.system, one.code) for one in self.codes))
        check_time("effective", self.effective)
        check_time("issued", self.issued, moment=True)
        self._check_unit()
        self._check_result()
        self._check_range()
        if self.subject is not None:
            check_code("subject", self.subject)
        if self.absent is not None and self.absent not in _ABSENT:
            raise EntityError("absent", "a code of data-absent-reason is wanted, e.g. not-performed")
        for field in ("unit_text", "text", "range_text", "name", "specimen"):
            check_text(field, getattr(self, field))
        for at, code in enumerate(self.interpretation):
            if code not in _INTERPRETATIONS:
                raise EntityError(f"interpretation[{at}]", "a code of v3-ObservationInterpretation is wanted, e.g. H")
        check_unique("interpretation", self.interpretation)

    def _check_unit(self) -> None:
        if self.unit is None:
            return
        if not _UNIT.fullmatch(self.unit):
            raise EntityError("unit", "a UCUM code is wanted: no blanks, no accents, no micro sign (`umol/L`)")
        if is_ucum(self.unit):
            if self.unit_text == self.unit:
                # A unit that is printed as its code says nothing more, and an Observation shows the code where there is no text.
                msgspec.structs.force_setattr(self, "unit_text", None)
            return
        # No code, whatever it was taken for: under UCUM's name it would be a false one (R4 datatypes.html#Quantity).
        msgspec.structs.force_setattr(self, "unit_text", self.unit_text or self.unit)
        msgspec.structs.force_setattr(self, "unit", None)

    def _has_unit(self) -> bool:
        """A unit with a code, or one that is known to have none: a text that could be a code leaves open what is meant."""
        return self.unit is not None or (self.unit_text is not None and not is_ucum(self.unit_text))

    def _check_result(self) -> None:
        told = [name for name in ("value", "text", "absent") if getattr(self, name) is not None]
        if len(told) != 1:
            raise EntityError(told[1] if told else "value", "exactly one of value, text and absent is wanted")
        if self.comparator not in (None, "<", "<=", ">=", ">"):
            raise EntityError("comparator", "is <, <=, >= or >")
        if self.value is None:
            if self.comparator is not None:
                raise EntityError("comparator", "belongs to a number only")
        elif not self.value.is_finite():
            raise EntityError("value", "a finite number is wanted")
        elif not self._has_unit():
            raise EntityError("unit", "is wanted beside a number (UCUM; `1` where it has none)")

    def _check_range(self) -> None:
        for field in ("low", "high"):
            limit: Decimal | None = getattr(self, field)
            if limit is None:
                continue
            if not limit.is_finite():
                raise EntityError(field, "a finite number is wanted")
            if not self._has_unit():
                raise EntityError("unit", "is wanted beside a reference range")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise EntityError("high", "lies below the lower limit")
