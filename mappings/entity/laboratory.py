"""In: one laboratory result as a laboratory tells it. Out: the same, with one meaning and its unit."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from mappings.entity.fields import EntityError, Values, check_code, check_text, check_time, check_unique
from mappings.entity.values import Coding, Identifier

__all__ = ["LabResult", "LabStatus"]


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
        value: the number, in ``unit``.
        comparator: ``<``, ``<=``, ``>=`` or ``>`` before the number.
        unit: UCUM code of the value and of the reference range.
        unit_text: the unit as the laboratory prints it.
        text: the result in words, where it is no number.
        absent: why there is no result (code of data-absent-reason), where there is none.
        low: lower limit of the reference range, in ``unit``.
        high: upper limit of the reference range, in ``unit``.
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
        self._check_result()
        self._check_range()
        for field in ("unit", "absent", "subject"):
            if getattr(self, field) is not None:
                check_code(field, getattr(self, field))
        for field in ("unit_text", "text", "range_text", "name", "specimen"):
            check_text(field, getattr(self, field))
        for at, code in enumerate(self.interpretation):
            check_code(f"interpretation[{at}]", code)
        check_unique("interpretation", self.interpretation)

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
        elif self.unit is None:
            raise EntityError("unit", "is wanted beside a number (UCUM; `1` where it has none)")

    def _check_range(self) -> None:
        for field in ("low", "high"):
            limit: Decimal | None = getattr(self, field)
            if limit is None:
                continue
            if not limit.is_finite():
                raise EntityError(field, "a finite number is wanted")
            if self.unit is None:
                raise EntityError("unit", "is wanted beside a reference range")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise EntityError("high", "lies below the lower limit")
