"""In: the analyte and unit documents, a quantity as sent. Out: its number in the analyte's own unit, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from adapter.terminology.reading import Node
from adapter.terminology.remembered import Remembered

__all__ = ["Analyte", "UnitProblem", "Units", "parse_analytes", "parse_units"]

#: Both micro signs occur, U+00B5 and U+03BC (clinical-spec.md section 5).
_MICRO = str.maketrans({"\u03bc": "µ", "\u00b5": "µ", "\u00a0": " ", "\u202f": " "})

_MOST_KNOWN = 4096


class UnitProblem(Exception):
    """A unit that cannot be used; ``reason`` is ``no-unit``, ``unknown-unit`` or ``ambiguous-unit``."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Analyte:
    """What is measured: the codes that name it (standard system, code), its unit, exact factors, plausible bounds."""

    id: str
    codes: frozenset[tuple[str, str]]
    unit: str
    factors: Mapping[str, Decimal]
    plausible: tuple[Decimal, Decimal]
    label: Mapping[str, str]
    ambiguous_units: frozenset[str] = frozenset()
    unitless: bool = False
    artefact_words: tuple[str, ...] = ()
    coded_values: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)


def _normal(text: str) -> str:
    return " ".join(text.translate(_MICRO).split())


@dataclass(frozen=True, slots=True)
class Units:
    """Spellings of units, those of a site before the general ones."""

    spellings: Mapping[str, str]
    site_spellings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: What was found for an analyte, a code and a text: a feed writes few units, very often.
    _known: Remembered[tuple[str, str | None, str | None], Decimal | str] = field(
        default_factory=lambda: Remembered(_MOST_KNOWN), init=False, compare=False, repr=False
    )

    def factor(self, analyte: Analyte, *, code: str | None, text: str | None) -> Decimal:
        """What to multiply a value by to get the analyte's own unit.

        Args:
            analyte: what was measured.
            code: the coded unit as sent (UCUM or not), if any.
            text: the printed unit as sent, if any.

        Raises:
            UnitProblem: no unit, an unknown one, or code and text that say different things.
        """
        key = (analyte.id, code, text)
        found = self._known.get(key)
        if found is None:
            try:
                found = self._factor(analyte, code, text)
            except UnitProblem as problem:
                found = problem.reason
            self._known.keep(key, found)
        if isinstance(found, str):
            raise UnitProblem(found)
        return found

    def _factor(self, analyte: Analyte, code: str | None, text: str | None) -> Decimal:
        # UCUM writes the unit of what has none as 1.
        written = [part for part in (code, text) if part and part.strip() and not (analyte.unitless and part == "1")]
        if not written:
            if analyte.unitless:
                return Decimal(1)
            raise UnitProblem("no-unit")
        known = {unit for part in written if (unit := self._unit(analyte, part)) is not None}
        if not known:
            raise UnitProblem("unknown-unit")
        if known & analyte.ambiguous_units:
            raise UnitProblem("ambiguous-unit")
        factors = {analyte.factors.get(unit) for unit in known}
        # `UI/L` beside the code `[iU]/L` says the same thing twice; `g/L` beside `g/dL` does not.
        if len(factors) > 1:
            raise UnitProblem("ambiguous-unit")
        factor = factors.pop()
        if factor is None:
            raise UnitProblem("unknown-unit")
        return factor

    def _unit(self, analyte: Analyte, written: str) -> str | None:
        spelling = _normal(written)
        folded = spelling.casefold()
        for key in ((analyte.id, folded), ("*", folded)):
            if key in self.site_spellings:
                return self.site_spellings[key]
        exact = self.spellings.get(spelling)
        usable = set(analyte.factors) | analyte.ambiguous_units
        if exact in usable:
            return exact
        # `G/L` is grams per litre for a haemoglobin and giga per litre for a count: the analyte tells which can be meant.
        matches = {unit for other, unit in self.spellings.items() if unit in usable and other.casefold() == folded}
        return matches.pop() if len(matches) == 1 else exact


def parse_units(document: Node) -> Units:
    """The unit spellings of a document of kind ``units``."""
    document["kind"].one_of("units")
    spellings: dict[str, str] = {}
    for unit, node in document["spellings"].items():
        for element in node.elements():
            spelling = _normal(element.text())
            if spellings.get(spelling, unit) != unit:
                raise element.fault(f"is already a spelling of {spellings[spelling]}")
            spellings[spelling] = unit
    document.close()
    return Units(spellings)


def parse_analytes(document: Node) -> dict[str, Analyte]:
    """The analytes of a document of kind ``analytes``."""
    document["kind"].one_of("analytes")
    systems = {name: node.text() for name, node in document["codesystems"].items()}
    if not systems:
        raise document["codesystems"].fault("names no code system")
    found = {}
    for identity, node in document["analytes"].items():
        bounds = tuple(element.decimal() for element in node["plausible"].elements())
        if len(bounds) != 2 or bounds[0] >= bounds[1]:
            raise node["plausible"].fault("expected two numbers, the lower first")
        ambiguous, unitless, words = node.get("ambiguous_units"), node.get("unitless"), node.get("artefact_words")
        coded = {
            (system, code): value.decimal()
            for system, values in (node["coded_values"].items() if "coded_values" in node else ())
            for code, value in values.items()
        }
        found[identity] = Analyte(
            id=identity,
            codes=frozenset((systems[name], code) for name in systems if name in node for code in node[name].texts()),
            unit=node["unit"].text(),
            factors={unit: factor.decimal() for unit, factor in node["factors"].items()},
            plausible=(bounds[0], bounds[1]),
            label=node["label"].words(),
            ambiguous_units=frozenset(ambiguous.texts()) if ambiguous else frozenset(),
            unitless=unitless.flag() if unitless else False,
            artefact_words=words.texts() if words else (),
            coded_values=coded,
        )
        if not found[identity].codes:
            raise node.fault("names no code")
        node.close()
    document.close()
    return found
