"""In: an Observation or a component of it, and an analyte. Out: `Reading`: the result as an exact interval in the analyte's unit, or why there is none.

The rules: clinical-spec.md sections 2 and 5; clarifications.md 9, 10, 16, 17, 20, 28.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from adapter.criteria.answer import Converted, Evidence, Reason
from adapter.criteria.concepts.corrections import CORRECTING
from adapter.criteria.meanings import Measured
from adapter.criteria.scene import Scene, evidence_of
from adapter.fhir import EXACT, NumberInterval, When, is_no_result, is_usable, plain, read_printed_number, when_of
from adapter.fhir.datatypes import CodeableConcept, Quantity, ReferenceRange
from adapter.fhir.resources import Observation, ObservationComponent
from adapter.terminology import Analyte, UnitProblem
from adapter.terminology.coded import UCUM

__all__ = ["Reading", "display", "read_result", "unworded"]

#: What a test of presence says as a truth value.
_BOOLEAN_WORDS = {True: "positive", False: "negative", None: None}
#: A number that is written with more characters is read each time.
_LONGEST_KEPT = 40
_NO_RESULT = Measured()


# A struct of msgspec: a record holds hundreds, and they are made several times faster than frozen dataclasses.
class Reading(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One result of one analyte.

    Attributes:
        carrier: the Observation, or the component of it, that holds the result.
        measured: what it says of the analyte.
        value, problem, factor, text: of that.
        artefact: the laboratory notes something that makes a low count doubtful.
        shown: the reading as evidence, by the unit that it is shown in; filled when it is asked for.
    """

    analyte: Analyte
    observation: Observation
    carrier: Observation | ObservationComponent
    when: When
    measured: Measured
    value: NumberInterval | None
    problem: Reason | None
    factor: Decimal | None
    text: str | None
    artefact: bool
    shown: dict[str, Evidence]

    @property
    def ranges(self) -> tuple[ReferenceRange, ...]:
        """The report's own reference ranges."""
        return self.carrier.reference_range

    @property
    def words(self) -> tuple[str, ...]:
        """Words of the result itself."""
        return _words_of(self.carrier)

    @property
    def notes(self) -> tuple[str, ...]:
        """Words beside it."""
        return _notes_of(self.observation)

    @property
    def evidence(self) -> Evidence:
        """The result as evidence, not converted."""
        found = self.shown.get("")
        if found is None:
            found = self.shown[""] = evidence_of(self.observation, self.text, self.when)
        return found

    @property
    def is_result(self) -> bool:
        """There is a result, readable or not; otherwise an earlier one is still the latest."""
        return self.value is not None or self.problem is not None

    @property
    def corrects(self) -> bool:
        """It replaces another result of the same instant."""
        return self.observation.status in CORRECTING


def read_result(
    analyte: Analyte, observation: Observation, carrier: Observation | ObservationComponent, scene: Scene
) -> Reading:
    """What an Observation, or a component of it, says of an analyte.

    Args:
        analyte: what was measured.
        observation: its time and status are those of the result.
        carrier: it, or a component of it.
        scene: gives codes and units of the site.
    """
    found = _measured(analyte, carrier, scene)
    artefact = bool(analyte.artefact_words) and any(
        mark in word.casefold()
        for word in _words_of(carrier) + _notes_of(observation)
        for mark in analyte.artefact_words
    )
    when = when_of(observation)
    return Reading(
        analyte, observation, carrier, when, found, found.value, found.problem, found.factor, found.text, artefact, {}
    )


def _words_of(carrier: Observation | ObservationComponent) -> tuple[str, ...]:
    words = (
        carrier.value_string,
        _BOOLEAN_WORDS.get(carrier.value_boolean),
        *_words(carrier.value_codeable_concept),
        *(word for concept in carrier.interpretation for word in _words(concept)),
    )
    return tuple(word for word in words if word)


def _notes_of(observation: Observation) -> tuple[str, ...]:
    return tuple(note.text for note in observation.note if note.text)


def unworded(observation: Observation) -> frozenset[str]:
    """What evidence may say of an Observation, as sent, that nobody put into words: numbers with their units, and codes."""
    found: set[str | None] = set()
    carriers: list[Observation | ObservationComponent] = [observation, *observation.component]
    for carrier in carriers:
        found.add(None if carrier.value_quantity is None else _quantity_text(carrier.value_quantity))
        found.add(None if carrier.value_integer is None else str(carrier.value_integer))
        if carrier.value_range is not None:
            found.add(_range_text(carrier.value_range.low, carrier.value_range.high))
        concepts = (carrier.value_codeable_concept, *carrier.interpretation)
        found |= {coding.code for concept in concepts if concept for coding in concept.coding}
    return frozenset(text for text in found if text)


def _quantity_text(quantity: Quantity) -> str | None:
    if quantity.value is None or not is_usable(quantity.value):
        return None
    number, unit = f"{quantity.comparator or ''}{plain(quantity.value)}", quantity.unit or quantity.code
    return f"{number} {unit}" if unit else number


def _range_text(low: Quantity | None, high: Quantity | None) -> str:
    return "-".join((_quantity_text(end) if end else None) or "" for end in (low, high))


def _words(concept: CodeableConcept | None) -> tuple[str, ...]:
    if concept is None:
        return ()
    return tuple(word for word in (concept.text, *(coding.display for coding in concept.coding)) if word)


def display(value: NumberInterval) -> str:
    """A value as decimal text, rounded for display."""
    if value.is_point:
        return plain(_short(value.low))
    return NumberInterval(_short(value.low), _short(value.high), value.low_open, value.high_open).text()


def _short(number: Decimal) -> Decimal:
    if not number.is_finite():
        return number
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -4:
        number = number.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN, context=EXACT)
    if number == number.to_integral_value():
        return number.quantize(Decimal(1), context=EXACT)
    return number.normalize(EXACT)


def _measured(analyte: Analyte, carrier: Observation | ObservationComponent, scene: Scene) -> Measured:
    quantity = carrier.value_quantity
    if quantity is not None and quantity.value is not None:
        return _quantity(analyte, quantity, scene)
    return _plausible(analyte, _unquantified(analyte, carrier, scene))


def _unquantified(analyte: Analyte, carrier: Observation | ObservationComponent, scene: Scene) -> Measured:
    if carrier.value_integer is not None:
        number = NumberInterval.exactly(Decimal(carrier.value_integer))
        return _converted(analyte, number, None, None, str(carrier.value_integer), scene)
    if carrier.value_range is not None:
        return _range(analyte, carrier.value_range.low, carrier.value_range.high, scene)
    coded = _coded(analyte, (carrier.value_codeable_concept, *carrier.interpretation), scene)
    if coded is not None:
        return coded
    if carrier.value_string is not None:
        return _printed(analyte, carrier.value_string, scene)
    concept = carrier.value_codeable_concept
    if concept is not None:
        text = concept.text or next((c.display or c.code for c in concept.coding), None)
        return _printed(analyte, text, scene) if text else Measured(problem=Reason.NOT_READ)
    others = (carrier.value_ratio, carrier.value_sampled_data, carrier.value_time, carrier.value_date_time)
    if (
        carrier.value_boolean is not None
        or carrier.value_period is not None
        or any(item is not None for item in others)
    ):
        return Measured(problem=Reason.NOT_READ)
    # Neither value nor component: a panel's head, or dataAbsentReason. There is no result.
    return _NO_RESULT


def _quantity(analyte: Analyte, quantity: Quantity, scene: Scene) -> Measured:
    """What a quantity with a number says, found once for all who have the same."""
    written = str(quantity.value)
    sent = (analyte.id, written, quantity.comparator, quantity.unit, quantity.system, quantity.code)
    found = scene.measured.get(sent)
    if found is None:
        found = _shown(analyte, _plausible(analyte, _number(analyte, quantity, scene)))
        if len(written) <= _LONGEST_KEPT:
            scene.measured.keep(sent, found)
    return found


def _shown(analyte: Analyte, found: Measured) -> Measured:
    """What was found, with how its value is displayed."""
    if found.value is None:
        return found
    return msgspec.structs.replace(found, converted=Converted(display(found.value), analyte.unit))


def _number(analyte: Analyte, quantity: Quantity, scene: Scene) -> Measured:
    assert quantity.value is not None
    if not is_usable(quantity.value):
        return Measured(problem=Reason.IMPLAUSIBLE)
    text = _quantity_text(quantity)
    interval = NumberInterval.from_comparator(quantity.comparator, quantity.value)
    if interval is None:
        return Measured(problem=Reason.COMPARATOR, text=text)
    # A code of another system than UCUM is no unit (laboratories put their own numbers there).
    ucum = quantity.system is None or scene.site.system_of(quantity.system) == UCUM
    return _converted(analyte, interval, quantity.code if ucum else None, quantity.unit, text, scene)


def _range(analyte: Analyte, low: Quantity | None, high: Quantity | None, scene: Scene) -> Measured:
    text = _range_text(low, high)
    ends = [_number(analyte, end, scene) if end and end.value is not None else None for end in (low, high)]
    for end in ends:
        if end is None or end.value is None or not end.value.is_point:
            return Measured(problem=(end.problem if end else None) or Reason.NOT_READ, text=text)
    first, second = (end for end in ends if end is not None)
    assert first.value
    assert second.value
    if first.value.low > second.value.high:
        return Measured(problem=Reason.NOT_READ, text=text)
    return Measured(NumberInterval(first.value.low, second.value.high), None, first.factor, text)


def _coded(analyte: Analyte, concepts: Iterable[CodeableConcept | None], scene: Scene) -> Measured | None:
    for concept in concepts:
        told = [
            (analyte.coded_values[key], coding.code)
            for coding in (concept.coding if concept else ())
            for key in scene.standard(coding)
            if key in analyte.coded_values
        ]
        if told:
            value, code = told[0]
            if any(other != value for other, _ in told):
                # One answer in two code systems that disagree.
                return Measured(problem=Reason.CONFLICT, text=code)
            return Measured(NumberInterval.exactly(value), None, Decimal(1), code)
    return None


def _printed(analyte: Analyte, text: str, scene: Scene) -> Measured:
    """What a printed result says, found once for all who have the same."""
    sent = (analyte.id, text)
    found = scene.measured.get(sent)
    if found is None:
        found = _shown(analyte, _plausible(analyte, _read_printed(analyte, text, scene)))
        if len(text) <= _LONGEST_KEPT:
            scene.measured.keep(sent, found)
    return found


def _read_printed(analyte: Analyte, text: str, scene: Scene) -> Measured:
    if is_no_result(text):
        return Measured(text=text)
    printed = read_printed_number(text)
    if printed is None or not all(
        is_usable(end) for end in (printed.interval.low, printed.interval.high) if end.is_finite()
    ):
        return Measured(problem=Reason.NOT_READ, text=text)
    return _converted(analyte, printed.interval, None, printed.unit, text, scene)


def _converted(
    analyte: Analyte, interval: NumberInterval, code: str | None, unit: str | None, text: str | None, scene: Scene
) -> Measured:
    try:
        factor = scene.units.factor(analyte, code=code, text=unit)
    except UnitProblem as problem:
        return Measured(problem=Reason(problem.reason), text=text)
    return Measured(interval.times(factor), None, factor, text)


def _plausible(analyte: Analyte, found: Measured) -> Measured:
    """What was found, without a value that nobody can have."""
    low, high = analyte.plausible
    if found.value is None or not (found.value.surely_below(low) or found.value.surely_above(high)):
        return found
    return Measured(problem=Reason.IMPLAUSIBLE, factor=found.factor, text=found.text)
