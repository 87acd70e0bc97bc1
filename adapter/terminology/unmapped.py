"""In: resources as sent, and what a trial reads of a site's records. Out: the codes and units that it cannot read, counted. No I/O.

A concept counts as unmapped when none of its codings is of a system that is read as it stands and none is translated by
a ConceptMap of the site (clinical-spec.md section 9: unmapped codes are counted and reported, never dropped). A LOINC
code that the trial does not need is not unmapped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from adapter.fhir import plain
from adapter.fhir.datatypes import CodeableConcept
from adapter.terminology.analytes import Analyte
from adapter.terminology.coded import OTHER, Carrier, concepts_of, shown, unit_as_sent, unit_shown, values_of
from adapter.terminology.vocabulary import Vocabulary

__all__ = ["Spread", "Tally", "UnknownUnit", "Unmapped", "UnmappedCode"]

#: A feed whose displays differ from result to result must not fill the memory.
_MOST_TEXTS, _MOST_UNITS = 200, 50
#: What was found out of codings and units is kept up to that many.
_MOST_KEPT = 20_000
_TEXTS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """The results of one code that came in one unit: how many, and from where to where, exactly as sent."""

    unit: str | None
    results: int
    low: Decimal | None
    high: Decimal | None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types, numbers as decimal texts."""
        low, high = (None if number is None else plain(number) for number in (self.low, self.high))
        return {"unit": self.unit, "results": self.results, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class UnmappedCode:
    """One code as sent; ``code`` is None where there is a text only, ``system`` where the code came without one.

    Attributes:
        element: where it stands, such as ``Observation.code``.
        displays: the most frequent displays as sent, cut and without control characters; they may hold anything.
        units: the most frequent unit first.
        first: first day of a result, YYYY-MM-DD.
    """

    element: str
    system: str | None
    code: str | None
    results: int
    persons: int
    displays: tuple[tuple[str, int], ...] = ()
    units: tuple[Spread, ...] = ()
    first: str | None = None
    last: str | None = None

    def to_json(self, *, displays: bool) -> dict[str, Any]:
        """Of JSON's own types; see `Unmapped.to_json`."""
        found: dict[str, Any] = {
            "element": self.element,
            "system": self.system,
            "code": self.code,
            "results": self.results,
            "persons": self.persons,
        }
        if displays:
            found |= {
                "displays": [{"text": text, "results": results} for text, results in self.displays],
                "units": [spread.to_json() for spread in self.units],
                "first": self.first,
                "last": self.last,
            }
        return found


@dataclass(frozen=True, slots=True)
class UnknownUnit:
    """A unit that keeps results of an analyte from being read: ``reason`` is unknown-unit, no-unit or ambiguous-unit."""

    analyte: str
    unit: str | None
    reason: str
    results: int
    persons: int


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What of a site's records cannot be read, most frequent first.

    Attributes:
        without_range: results of each analyte that came without a limit of normal, where one was looked for.
        unread: resources that could not be read at all.
    """

    site: str
    codes: tuple[UnmappedCode, ...] = ()
    units: tuple[UnknownUnit, ...] = ()
    without_range: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0

    @property
    def results(self) -> int:
        """Results under codes that cannot be read."""
        return sum(item.results for item in self.codes)

    def to_json(self, *, displays: bool = False) -> dict[str, Any]:
        """Of JSON's own types, numbers as decimal texts; ``displays``: with what the feed wrote beside its codes."""
        return {
            "site": self.site,
            "codes": [item.to_json(displays=displays) for item in self.codes],
            "units": [
                {
                    "analyte": item.analyte,
                    "unit": item.unit,
                    "reason": item.reason,
                    "results": item.results,
                    "persons": item.persons,
                }
                for item in self.units
            ],
        }


_Key = tuple[str, str | None, str | None]


class _Known(NamedTuple):
    """What the codings of a concept say: they are read, they ask a question whose answer is read, they name analytes."""

    is_read: bool
    asks: bool
    analytes: tuple[Analyte, ...]


def _is_empty(concept: CodeableConcept) -> bool:
    # Neither code nor text: there is nothing that a person could map.
    return not concept.coding and not (concept.text and concept.text.strip())


class _Count:
    """What is known of one code so far."""

    __slots__ = ("displays", "first", "last", "persons", "results", "units")

    def __init__(self) -> None:
        self.results = 0
        self.persons = 0
        self.displays: Counter[str] = Counter()
        self.units: dict[str | None, tuple[int, Decimal | None, Decimal | None]] = {}
        self.first: str | None = None
        self.last: str | None = None

    def add(self, texts: Collection[str], first: str | None, last: str | None) -> None:
        self.results += 1
        for text in texts:
            if text in self.displays or len(self.displays) < _MOST_TEXTS:
                self.displays[text] += 1
        self.first = min(filter(None, (self.first, first)), default=None)
        self.last = max(filter(None, (self.last, last)), default=None)

    def add_value(self, unit: str | None, low: Decimal | None, high: Decimal | None) -> None:
        if unit not in self.units and len(self.units) >= _MOST_UNITS:
            unit = OTHER
        results, lowest, highest = self.units.get(unit, (0, None, None))
        self.units[unit] = (
            results + 1,
            min((number for number in (lowest, low) if number is not None), default=None),
            max((number for number in (highest, high) if number is not None), default=None),
        )

    def spreads(self) -> tuple[Spread, ...]:
        found = [Spread(unit, *numbers) for unit, numbers in self.units.items()]
        return tuple(sorted(found, key=lambda spread: (-spread.results, spread.unit or "")))


class Tally:
    """Counts what cannot be read, resource by resource.

    Persons are counted by batches, so that their ids need not all be held at once: a person's resources belong into
    one batch, but for those `Tally.across` names.

    Args:
        vocabulary: what can be read.
        across: persons whose resources may come in several batches (merged identities).
    """

    def __init__(self, vocabulary: Vocabulary, *, across: Collection[str] = ()) -> None:
        self._vocabulary = vocabulary
        self._across = frozenset(across)
        self._codes: dict[_Key, _Count] = {}
        self._units: dict[tuple[str, str | None, str], list[int]] = {}
        self._ranges: Counter[str] = Counter()
        self._seen: set[tuple[object, str]] = set()
        self._seen_across: set[tuple[object, str]] = set()
        self._known: dict[tuple[tuple[str | None, str | None], ...], _Known] = {}
        self._problems: dict[tuple[str, str | None, str | None], str | None] = {}
        self._unread = 0

    def add(
        self, raw: bytes, *, persons: Collection[str] = (), first: str | None = None, last: str | None = None
    ) -> None:
        """Look at one current resource.

        Args:
            raw: as it came.
            persons: whom it is about; of a shared Medication, who was given it.
            first: first day of what it tells.
            last: last day.
        """
        try:
            concepts = concepts_of(raw)
        except (msgspec.MsgspecError, ArithmeticError):
            self._unread += 1
            return
        for element, concept, carrier in concepts:
            known = self._known_of(concept)
            if not known.is_read and not _is_empty(concept):
                self._count(element, concept, carrier, persons=persons, days=(first, last))
            if carrier is None:
                continue
            answer = carrier.value_codeable_concept
            if answer is not None and known.asks and not self._is_answer(answer):
                self._count("Observation.value", answer, None, persons=persons, days=(first, last))
            for analyte in known.analytes:
                self._measure(analyte, carrier, persons)

    def end_batch(self) -> None:
        """All resources of the persons so far were added."""
        self._seen.clear()

    def result(self) -> Unmapped:
        """What was counted."""
        codes = [
            UnmappedCode(
                element=element,
                system=system,
                code=code,
                results=count.results,
                persons=count.persons,
                displays=tuple(count.displays.most_common(_TEXTS_SHOWN)),
                units=count.spreads(),
                first=count.first,
                last=count.last,
            )
            for (element, system, code), count in self._codes.items()
        ]
        units = [UnknownUnit(*key, results=numbers[0], persons=numbers[1]) for key, numbers in self._units.items()]
        return Unmapped(
            site=self._vocabulary.site.id,
            codes=tuple(
                sorted(codes, key=lambda item: (-item.results, item.element, item.system or "", item.code or ""))
            ),
            units=tuple(sorted(units, key=lambda item: (-item.results, item.analyte, item.unit or ""))),
            without_range=dict(sorted(self._ranges.items())),
            unread=self._unread,
        )

    # Codes --------------------------------------------------------------------------------------------------------

    def _known_of(self, concept: CodeableConcept) -> _Known:
        """What the codings of a concept say; a lake has few different ones, in millions of resources."""
        key = tuple((coding.system, coding.code) for coding in concept.coding)
        known = self._known.get(key)
        if known is None:
            vocabulary = self._vocabulary
            known = _Known(
                is_read=any(vocabulary.reads(coding) for coding in concept.coding),
                asks=not vocabulary.questions.isdisjoint(vocabulary.standard(concept)),
                analytes=vocabulary.analytes_of(concept),
            )
            if len(self._known) < _MOST_KEPT:
                self._known[key] = known
        return known

    def _is_answer(self, concept: CodeableConcept) -> bool:
        words = (concept.text, *(coding.display for coding in concept.coding))
        said = {word.strip().casefold() for word in words if word}
        read = _is_empty(concept) or self._known_of(concept).is_read
        return read or not said.isdisjoint(self._vocabulary.answers)

    def _count(
        self,
        element: str,
        concept: CodeableConcept,
        carrier: Carrier | None,
        *,
        persons: Collection[str],
        days: tuple[str | None, str | None],
    ) -> None:
        named = next((item for item in concept.coding if item.system and item.code), None)
        named = named or next((item for item in concept.coding if item.code), None)
        key = (element, (named.system or None) if named else None, named.code if named else None)
        count = self._codes.setdefault(key, _Count())
        texts = [text for text in ((named.display if named else None) or concept.text,) if text and text.strip()]
        count.add([shown(text) for text in texts], *days)
        count.persons += self._new_persons(key, persons)
        if carrier is not None:
            for value in values_of(carrier):
                count.add_value(*value)

    def _new_persons(self, key: object, persons: Collection[str]) -> int:
        found = 0
        for person in persons:
            seen = self._seen_across if person in self._across else self._seen
            if (key, person) not in seen:
                seen.add((key, person))
                found += 1
        return found

    # Units and limits ---------------------------------------------------------------------------------------------

    def _measure(self, analyte: Analyte, carrier: Carrier, persons: Collection[str]) -> None:
        if (sent := unit_as_sent(carrier, self._vocabulary.site)) is None:
            return
        code, text = sent
        asked = (analyte.id, code, text)
        if asked not in self._problems:
            if len(self._problems) >= _MOST_KEPT:
                self._problems.clear()
            self._problems[asked] = self._vocabulary.unit_problem(analyte, code=code, text=text)
        problem = self._problems[asked]
        if problem is not None:
            printed = carrier.value_quantity is None and carrier.value_range is None
            key = (analyte.id, unit_shown(text or code, printed=printed), problem)
            numbers = self._units.setdefault(key, [0, 0])
            numbers[0] += 1
            numbers[1] += self._new_persons(key, persons)
        if analyte.id in self._vocabulary.ranged and not any(
            limit.low or limit.high or limit.text for limit in carrier.reference_range
        ):
            self._ranges[analyte.id] += 1
