"""In: the raw JSON of a coded resource. Out: its concepts with the values that belong to them, units as sent, texts fit to be shown. No I/O.

Only the elements that unmapped codes are looked for in: whether a criterion can read a record is decided elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from adapter.fhir import is_usable, read_printed_number
from adapter.fhir.datatypes import CodeableConcept, CodeableReference, Quantity, Range, ReferenceRange
from adapter.terminology.site import Site

__all__ = ["CODED_TYPES", "OTHER", "UCUM", "Carrier", "concepts_of", "shown", "unit_as_sent", "unit_shown", "values_of"]

UCUM = "http://unitsofmeasure.org"

#: Resource types with a concept that a trial reads, and the elements that hold it.
CODED_TYPES: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("AllergyIntolerance.code",),
    "Condition": ("Condition.code",),
    "DiagnosticReport": ("DiagnosticReport.code",),
    "ImagingStudy": ("ImagingStudy.procedureCode",),
    "Medication": ("Medication.code",),
    "MedicationAdministration": ("MedicationAdministration.medication",),
    "Observation": ("Observation.code", "Observation.component.code", "Observation.value"),
    "Procedure": ("Procedure.code",),
}

_LONGEST_TEXT = 120
#: A printed result may go on in words, and with a name: what is longer than a unit is not kept.
_LONGEST_UNIT, _MOST_UNIT_WORDS = 24, 2
#: A word of a printed unit: in small letters, short, or with a sign that names have not. ``Dr Martin`` is none, nor is a long number.
_UNIT_WORD = re.compile(r"[a-zà-öø-ÿµ]+(?:[A-Z][a-z]?)?\.?|[^\W\d_]{1,3}|(?!.*\d{5})[^\W\d_]*[/%^*°²³\d].*")
#: Stands for a unit or a text that is not kept.
OTHER = "(other text)"


def shown(text: str, limit: int = _LONGEST_TEXT) -> str:
    """A text as sent, fit for a terminal: control characters and line ends gone, not longer than ``limit``.

    >>> shown("H\\x1b[31mb\\n  g")
    'H [31mb g'
    """
    # Cut first: normalising ten million characters to show a hundred would be a way to stop the service.
    head = text[: 4 * limit]
    return _flat(head, limit, len(head) < len(text))


@lru_cache(maxsize=4096)
def _flat(head: str, limit: int, is_cut: bool) -> str:
    kept = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in head)
    flat = " ".join(kept.split())
    return f"{flat[: limit - 1]}…" if is_cut or len(flat) > limit else flat


class Carrier(msgspec.Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """What a code and its value hang on: an Observation or one of its components."""

    code: CodeableConcept | None = None
    value_quantity: Quantity | None = None
    value_string: str | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_integer: int | None = None
    value_range: Range | None = None
    reference_range: tuple[ReferenceRange, ...] = ()


class _CodedResource(Carrier, frozen=True, kw_only=True):
    """The coded elements of all `CODED_TYPES` in one; R5 spellings beside those of R4."""

    resource_type: str
    medication_codeable_concept: CodeableConcept | None = None
    medication: CodeableReference | None = None
    procedure_code: tuple[CodeableConcept, ...] = ()
    procedure: Any = None
    contained: tuple[Any, ...] = ()
    component: tuple[Carrier, ...] = ()

    def concepts(self) -> Iterator[tuple[str, CodeableConcept, Carrier | None]]:
        """Element, concept, and what carries the value that belongs to it."""
        elements = CODED_TYPES.get(self.resource_type)
        if elements is None:
            return
        if self.resource_type == "Observation":
            for element, carrier in ((elements[0], self), *((elements[1], item) for item in self.component)):
                if carrier.code is not None:
                    yield element, carrier.code, carrier
            return
        own = (self.code, self.medication_codeable_concept, self.medication.concept if self.medication else None)
        imaging = self.procedure if isinstance(self.procedure, list) else []
        r5 = [msgspec.convert(item, CodeableReference).concept for item in imaging]
        for concept in (*own, *self.procedure_code, *r5):
            if concept is not None:
                yield elements[0], concept, None
        for raw in self.contained:
            if isinstance(raw, dict) and raw.get("resourceType") == "Medication" and raw.get("code") is not None:
                yield "Medication.code", msgspec.convert(raw["code"], CodeableConcept), None


_DECODER = msgspec.json.Decoder(_CodedResource)


def concepts_of(raw: bytes) -> list[tuple[str, CodeableConcept, Carrier | None]]:
    """The concepts of a resource of `CODED_TYPES`: element, concept, and what carries the value that belongs to it.

    Raises:
        msgspec.MsgspecError: an element has the wrong type.
    """
    return list(_DECODER.decode(raw).concepts())


def unit_shown(unit: str | None, *, printed: bool = False) -> str | None:
    """A unit fit to be shown; a text that is longer than a unit is not kept, None stands for none.

    Args:
        unit: as sent.
        printed: it stood behind a number in a text, where anything may stand.

    >>> unit_shown("mm Hg", printed=True), unit_shown("(Dr Martin)", printed=True)
    ('mm Hg', '(other text)')
    """
    if unit is None or not unit.strip():
        return None
    flat = shown(unit)
    words = flat.split()
    is_unit = len(flat) <= _LONGEST_UNIT and len(words) <= _MOST_UNIT_WORDS
    return flat if is_unit and (not printed or all(map(_UNIT_WORD.fullmatch, words))) else OTHER


def unit_as_sent(carrier: Carrier, site: Site) -> tuple[str | None, str | None] | None:
    """Coded and printed unit of a number; None where there is no number with a unit to look at."""
    quantity = carrier.value_quantity
    if quantity is None and carrier.value_range is not None:
        quantity = carrier.value_range.low or carrier.value_range.high
    if quantity is not None:
        # A code of another system than UCUM is no unit (laboratories put their own numbers there).
        coded = quantity.code if quantity.system is None or site.system_of(quantity.system) == UCUM else None
        return (coded, quantity.unit) if quantity.value is not None else None
    if carrier.value_string is not None and (printed := read_printed_number(carrier.value_string)) is not None:
        return None, printed.unit
    return (None, None) if carrier.value_integer is not None else None


def values_of(carrier: Carrier) -> Iterator[tuple[str | None, Decimal | None, Decimal | None]]:
    """Unit, lowest and highest number of a result."""
    quantity, span = carrier.value_quantity, carrier.value_range
    if quantity is not None:
        number = quantity.value if quantity.value is not None and is_usable(quantity.value) else None
        yield unit_shown(quantity.unit or quantity.code), number, number
    elif span is not None:
        ends = [
            end for end in (span.low, span.high) if end is not None and end.value is not None and is_usable(end.value)
        ]
        numbers = [end.value for end in ends if end.value is not None]
        yield (
            unit_shown(ends[0].unit or ends[0].code) if ends else None,
            min(numbers, default=None),
            max(numbers, default=None),
        )
    elif carrier.value_integer is not None:
        yield None, Decimal(carrier.value_integer), Decimal(carrier.value_integer)
    elif carrier.value_string is not None and (printed := read_printed_number(carrier.value_string)) is not None:
        ends_of = (printed.interval.low, printed.interval.high)
        finite = [number for number in ends_of if number.is_finite()]
        yield unit_shown(printed.unit, printed=True), min(finite, default=None), max(finite, default=None)
