"""In: the nodes that compare a measurement, age or sex. Out: CQL definitions of what is compared, for FHIR 4.0.1 with its model's own types.

Numbers are compared as UCUM quantities by the engine, not by the factors of the analytes' document: what UCUM cannot read
(``G/L`` is gauss per litre there) or cannot convert (mol to g) is null. The MDRD equation is the exception: it needs one unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from adapter.criteria.tree import BloodPressure, Comparison, DeIndexed, Hcg, Laboratory, Prothrombin, Scale
from adapter.terminology import Analyte, Units

__all__ = [
    "PRELUDE",
    "Definitions",
    "blood_pressure",
    "de_indexed",
    "exists_in_window",
    "hcg",
    "laboratory",
    "prothrombin",
    "quoted",
    "system_function",
    "ucum_spellings",
]

#: What every library begins with, after its header. ``Now()`` is the moment given to the engine: noon of the reference date in Paris.
PRELUDE = """\
// The calendar day at the time zone offset of the evaluation; a date without a time is the day itself. CQL knows no time
// zone: over a change to or from summer time, times within an hour of midnight may fall on the neighbouring day.
define function "Day"(at DateTime):
  if hour from at is null then date from at
  else date from (at + System.Quantity { value: (timezoneoffset from Now()) - (timezoneoffset from at), unit: 'hours' })

// Both ends in; null for a partial date that lies across an end, and for no time at all.
define function "Inside"(at DateTime, first Date):
  "Day"(at) >= first and "Day"(at) <= "ReferenceDate"

define function "Unit"(quantity FHIR.Quantity):
  if quantity.system.value is null or "Standard"(quantity.system.value) = 'http://unitsofmeasure.org'
    then Coalesce(quantity.code.value, quantity.unit.value) else quantity.unit.value

// Null with a comparator and without a unit that is known: engines stop at one that UCUM does not know.
define function "Measured"(quantity FHIR.Quantity, unit String):
  if quantity.value.value is null or quantity.comparator.value is not null or unit is null
    then null else System.Quantity { value: quantity.value.value, unit: unit }

// Of a ratio or a score, which carries no unit.
define function "Counted"(quantity FHIR.Quantity, unit String):
  if quantity.value.value is null or quantity.comparator.value is not null or (unit is null and "Unit"(quantity) is not null)
    then null else System.Quantity { value: quantity.value.value, unit: '1' }

// The report's normal ranges for this person; one with a text alone, or with words in place of the codes of a sex, fits nobody.
define function "Ranges"(ranges List<FHIR.Observation.ReferenceRange>, at DateTime):
  ranges R
    where (not exists R.type.coding or exists (R.type.coding C
          where C.code.value = 'normal' and (C.system.value is null
            or C.system.value = 'http://terminology.hl7.org/CodeSystem/referencerange-meaning'
            or C.system.value = 'http://hl7.org/fhir/referencerange-meaning') return all C))
      and (not exists R.appliesTo or exists ((flatten (R.appliesTo A return all A.coding)) C
        where C.system.value = 'http://hl7.org/fhir/administrative-gender' and C.code.value = Patient.gender.value return all C))
      and (R.age is null or (
        (R.age.low is null or CalculateAgeInYearsAt(Patient.birthDate.value, "Day"(at)) >= R.age.low.value.value)
        and (R.age.high is null or CalculateAgeInYearsAt(Patient.birthDate.value, "Day"(at)) <= R.age.high.value.value))
        ) is not false
    return all R

// The end of the only range that fits.
define function "Upper limit"(ranges List<FHIR.Observation.ReferenceRange>, at DateTime):
  if Count("Ranges"(ranges, at)) = 1 then First("Ranges"(ranges, at)).high else null

define function "Lower limit"(ranges List<FHIR.Observation.ReferenceRange>, at DateTime):
  if Count("Ranges"(ranges, at)) = 1 then First("Ranges"(ranges, at)).low else null

define function "Times"(quantity System.Quantity, factor Decimal):
  if quantity.value > 0.0 then System.Quantity { value: quantity.value * factor, unit: quantity.unit } else null

define "Usable observations":
  [Observation] O where O.status.value in { 'final', 'amended', 'corrected' } return all O

// Every result, of an Observation or of a component; ``at`` is null for a Period.
define "Results":
  flatten {
    ("Usable observations" O
      return all Tuple {
        at: Coalesce((O.effective as FHIR.dateTime).value, (O.effective as FHIR.instant).value),
        codes: (O.code.coding C return all "Standard"(C.system.value) + '|' + C.code.value),
        value: O.value, interpretation: O.interpretation, ranges: O.referenceRange, note: O.note }),
    flatten ("Usable observations" O
      where exists O.component
      return all (O.component P
        return all Tuple {
          at: Coalesce((O.effective as FHIR.dateTime).value, (O.effective as FHIR.instant).value),
          codes: (P.code.coding C return all "Standard"(C.system.value) + '|' + C.code.value),
          value: P.value, interpretation: P.interpretation, ranges: P.referenceRange, note: O.note }))
  }
"""

_POSITIVE = "{ 'positif', 'positive', 'pos' }"
_NEGATIVE = "{ 'négatif', 'negatif', 'négative', 'negative', 'neg', 'nég' }"


def quoted(text: str) -> str:
    """A CQL string.

    >>> quoted("d'abord")
    "'d\\\\'abord'"
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def system_function(names: Mapping[str, str]) -> str:
    """The function that gives the code system that a name stands for: itself, where it is no other name of one."""
    cases = "".join(f"\n    when {quoted(name)} then {quoted(system)}" for name, system in sorted(names.items()))
    said = f"case system{cases}\n    else system end" if cases else "system"
    return f'// Feeds send code systems under other names too: an OID, or with https.\ndefine function "Standard"(system String):\n  {said}\n'


@dataclass
class Definitions:
    """The definitions of a library, in the order in which each was first needed; functions are among them."""

    units: Units
    functions: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: Callable[[], str] | str) -> str:
        """Define a name once.

        Returns:
            the reference to it.
        """
        if name not in self.texts:
            written = text if isinstance(text, str) else text()
            self.texts[name] = written
        return f'"{name}"'

    def retrieval(self, analyte: Analyte) -> str:
        """All usable results of an analyte: Observations and their components."""
        return self.add(analyte.id, lambda: self._results(analyte))

    def _results(self, analyte: Analyte) -> str:
        named = " or ".join(f"{quoted(f'{system}|{code}')} in R.codes" for system, code in sorted(analyte.codes))
        there = "(R.value is not null or exists R.interpretation)" if analyte.coded_values else "R.value is not null"
        return f'"Results" R where ({named}) and {there} return all R'

    def unit_function(self, analyte: Analyte) -> str:
        """The function that gives the UCUM code of a result's unit, spellings read as the documents say, or null."""
        known = sorted(ucum_spellings(analyte, self.units).items())
        cases = "\n    ".join(f"when {quoted(text)} then {quoted(unit)}" for text, unit in known)
        name = f"Unit of {analyte.id}"
        self.functions.setdefault(
            name, f'(quantity FHIR.Quantity):\n  case "Unit"(quantity)\n    {cases}\n    else null end'
        )
        return f'"{name}"'

    def read(self, value: str, analyte: Analyte) -> str:
        """A FHIR quantity as a CQL one."""
        function = "Counted" if analyte.unitless else "Measured"
        return f'"{function}"({value}, {self.unit_function(analyte)}({value}))'

    def quantity(self, result: str, analyte: Analyte) -> str:
        """What a result counts, as a CQL quantity."""
        found = self.read(f"({result}.value as FHIR.Quantity)", analyte)
        if not analyte.unitless:
            return found
        integer = (
            f"({result}.value as FHIR.integer) I return System.Quantity {{ value: ToDecimal(I.value), unit: '1' }}"
        )
        parts = [found, f"({integer})"]
        if analyte.coded_values:
            name = f"Score of {analyte.id}"
            self.functions.setdefault(name, _score(analyte))
            parts.append(f'"{name}"(({result}.value as FHIR.CodeableConcept).coding)')
            parts.append(f'"{name}"(flatten ({result}.interpretation I return all I.coding))')
        return f"Coalesce({', '.join(parts)})"

    def window(self, analyte: Analyte, days: int | None) -> str:
        """The results that lie in the last ``days`` (None: at any time before), or may lie there."""
        results = self.retrieval(analyte)
        return self.add(_named(analyte, days), f"{results} R where {_inside(days)} is not false return all R")

    def latest(self, analyte: Analyte, days: int | None) -> str:
        """The latest result; null when the time of one of them cannot be placed."""
        kept = self.window(analyte, days)
        return self.add(
            f"latest {_named(analyte, days)}",
            f"if exists ({kept} R where {_inside(days)} is null return all R) then null\n  else Last({kept} R return all R sort by at)",
        )

    def amount(self, analyte: Analyte, days: int | None) -> str:
        """The latest result as a quantity, null when it cannot be read or nobody can have meant it."""
        latest = self.latest(analyte, days)
        return self.add(
            f"amount of {_named(analyte, days)}", lambda: _plausible(self.quantity(latest, analyte), analyte)
        )

    def number(self, analyte: Analyte, days: int | None) -> str:
        """The latest result as a number in the analyte's own unit, by the factors of its document."""
        latest = self.latest(analyte, days)
        cases = " ".join(
            f"when {quoted(unit)} then {_decimal(str(analyte.factors[unit]))}" for unit in _ucum_units(analyte)
        )
        low, high = (_decimal(str(bound)) for bound in analyte.plausible)
        unit = self.unit_function(analyte)
        return self.add(
            f"number of {_named(analyte, days)}",
            f"({latest}.value as FHIR.Quantity) Q\n"
            f"  let number: if Q.comparator.value is not null then null else Q.value.value * (case {unit}(Q) {cases} else null end)\n"
            f"  return if number < {low} or number > {high} then null else number",
        )

    def mdrd(self, analyte: Analyte, days: int) -> str:
        """The MDRD of the latest creatinine; null without a whole date of birth and a sex."""
        latest, number = self.latest(analyte, days), self.number(analyte, days)
        return self.add(
            f"MDRD of {_named(analyte, days)}",
            "if day from Patient.birthDate.value is null or hour from (" + latest + ".at) is null and day from ("
            f"{latest}.at) is null then null\n"
            f"  else 175.0 * Power({number} / 88.4, -1.154)\n"
            f'    * Power(ToDecimal(Max({{ 1, CalculateAgeInYearsAt(Patient.birthDate.value, "Day"({latest}.at)) }})), -0.203)\n'
            "    * (case Patient.gender.value when 'female' then 0.742 when 'male' then 1.0 else null end)",
        )


def _named(analyte: Analyte, days: int | None) -> str:
    return analyte.id if days is None else f"{analyte.id}, {days} days"


def _inside(days: int | None) -> str:
    first = "@1800-01-01" if days is None else f'"ReferenceDate" - {days} days'
    return f'"Inside"(R.at, {first})'


def ucum_spellings(analyte: Analyte, units: Units) -> dict[str, str]:
    """The unit texts that are read, and the UCUM code that each stands for."""
    known = {unit: unit for unit in _ucum_units(analyte)}
    spelled = {text: unit for text, unit in units.spellings.items() if unit in known}
    # Both micro signs occur; the documents' own is U+00B5.
    return known | spelled | {text.replace("\u00b5", "\u03bc"): unit for text, unit in spelled.items()}


def _ucum_units(analyte: Analyte) -> list[str]:
    """The UCUM codes that are read; a name of ours for what one site's unit counts is none."""
    return sorted(
        unit for unit in analyte.factors if unit.partition("{")[0] not in analyte.ambiguous_units or "{" not in unit
    )


def _decimal(text: str) -> str:
    return text if "." in text else f"{text}.0"


def _score(analyte: Analyte) -> str:
    """The number that the first known coding of an answer stands for."""
    cases = []
    for system in sorted({system for system, _ in analyte.coded_values}):
        values = " ".join(
            f"when {quoted(code)} then {_decimal(str(number))}"
            for (of, code), number in sorted(analyte.coded_values.items())
            if of == system
        )
        cases.append(f"when {quoted(system)} then (case C.code.value {values} else null end)")
    return (
        "(codings List<FHIR.Coding>):\n"
        '  (First((codings C return all (case "Standard"(C.system.value)\n    '
        + "\n    ".join(cases)
        + "\n    else null end)) N where N is not null return all N)) N return System.Quantity { value: N, unit: '1' }"
    )


def _unit(analyte: Analyte) -> str:
    return "1" if analyte.unitless else analyte.unit


def _amount(number: object, analyte: Analyte) -> str:
    return f"{number} {quoted(_unit(analyte))}"


def _plausible(quantity: str, analyte: Analyte) -> str:
    low, high = analyte.plausible
    return f"({quantity}) Q return if Q < {_amount(low, analyte)} or Q > {_amount(high, analyte)} then null else Q"


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _compared(value: str, comparison: Comparison, limit: Callable[[object], str]) -> str:
    if comparison.operator == "between":
        return f"({value} >= {limit(comparison.limit)} and {value} <= {limit(comparison.high)})"
    return f"({value} {_SIGNS[comparison.operator]} {limit(comparison.limit)})"


def laboratory(node: Laboratory, into: Definitions) -> str | None:
    """The comparison of the latest result, None for a scale that CQL does not know."""
    analyte, days = node.analyte, node.window_days
    if node.scale is Scale.MDRD:
        return _compared(into.mdrd(analyte, days), node.comparison, lambda limit: _decimal(str(limit)))
    latest, amount = into.latest(analyte, days), into.amount(analyte, days)
    if node.scale is Scale.VALUE:
        found = _compared(amount, node.comparison, lambda limit: _amount(limit, analyte))
    elif node.scale is Scale.ULN:
        limit = into.add(
            f"upper limit of {_named(analyte, days)}",
            into.read(f'"Upper limit"({latest}.ranges, {latest}.at)', analyte),
        )
        found = _compared(amount, node.comparison, lambda factor: f'"Times"({limit}, {_decimal(str(factor))})')
    else:
        return None
    if not analyte.artefact_words:
        return found
    words = quoted("|".join(sorted(analyte.artefact_words)))
    marked = into.add(
        f"artefact in {_named(analyte, days)}",
        f"exists ({latest}.note N where ReplaceMatches(Lower(N.text.value), {words}, '') != Lower(N.text.value) return all N)",
    )
    return f"(if {found} is false and {marked} then null else {found})"


def exists_in_window(node: Laboratory, into: Definitions) -> str:
    """Whether there is any result at all in the window."""
    return f"exists {into.window(node.analyte, node.window_days)}"


def de_indexed(node: DeIndexed, into: Definitions) -> str:
    """The MDRD times the body surface (Mosteller) over 1.73."""
    mdrd = into.mdrd(node.creatinine, node.window_days)
    height, weight = into.number(node.height, None), into.number(node.weight, None)
    value = f"({mdrd} * Power({height} * {weight} / 3600.0, 0.5) / 1.73)"
    return _compared(value, node.comparison, lambda limit: _decimal(str(limit)))


def prothrombin(node: Prothrombin, into: Definitions) -> str:
    """The latest of the variants is normal: the percentage not below its lower limit, the others not above their upper one."""
    judged = []
    for analyte in (node.percent, *node.others):
        low = analyte is node.percent
        limit = into.read(f'"{"Lower" if low else "Upper"} limit"(R.ranges, R.at)', analyte)
        value = f"({_plausible(into.quantity('R', analyte), analyte)})"
        judged.append(
            f"({into.window(analyte, node.window_days)} R\n"
            f"      return all Tuple {{ at: R.at, normal: {value} {'>=' if low else '<='} {limit} }})"
        )
    name = f"prothrombin, {node.window_days} days"
    listed = into.add(name, "flatten {\n    " + ",\n    ".join(judged) + "\n  }")
    return into.add(
        f"normal {name}",
        f"if exists ({listed} R where {_inside(node.window_days)} is null return all R) then null\n"
        f"  else Last({listed} R return all R sort by at).normal",
    )


def hcg(node: Hcg, into: Definitions) -> str:
    """One positive test of the window outweighs any negative one; an unread one leaves it open."""
    kept = into.window(node.analyte, node.window_days)
    value = f"({_plausible(into.quantity('R', node.analyte), node.analyte)})"
    limit = into.read('"Upper limit"(R.ranges, R.at)', node.analyte)
    said = "{ Lower((R.value as FHIR.string).value), Lower((R.value as FHIR.CodeableConcept).text.value) }"
    display = "((R.value as FHIR.CodeableConcept).coding) C where Lower(C.display.value) in"
    name = f"tests by {_named(node.analyte, node.window_days)}"
    tests = into.add(
        name,
        f"{kept} R\n"
        f"    let words: {said}\n"
        f"    return all (case when {_inside(node.window_days)} is null then 'open'\n"
        f"      when exists (words W where W in {_POSITIVE} return all W) or exists ({display} {_POSITIVE} return all C) then 'positive'\n"
        f"      when exists (words W where W in {_NEGATIVE} return all W) or exists ({display} {_NEGATIVE} return all C) then 'negative'\n"
        f"      when {value} > {limit} then 'positive'\n"
        f"      when {value} <= {limit} then 'negative'\n"
        "      else 'open' end)",
    )
    found, other = ("true", "false") if node.positive else ("false", "true")
    return (
        f"(case when 'positive' in {tests} then {found} when 'open' in {tests} then null"
        f" when 'negative' in {tests} then {other} else null end)"
    )


def blood_pressure(node: BloodPressure, into: Definitions) -> str:
    """At or above either limit on the latest days: the last systolic and diastolic reading of each, when of one instant."""
    lists = {}
    for analyte, limit in ((node.systolic, node.systolic_limit), (node.diastolic, node.diastolic_limit)):
        value = f"({_plausible(into.quantity('R', analyte), analyte)})"
        lists[analyte.id] = into.add(
            f"{analyte.id} readings, {node.window_days} days",
            f"{into.window(analyte, node.window_days)} R\n"
            f'    return all Tuple {{ at: R.at, on: "Day"(R.at), high: {value} >= {_amount(limit, analyte)} }}',
        )
    systolic, diastolic = lists[node.systolic.id], lists[node.diastolic.id]
    every = f"flatten {{ {systolic}, {diastolic} }}"
    days = into.add(f"blood pressure days, {node.window_days} days", f"({every}) R return R.on sort desc")
    unsure = f"exists (({every}) R where {_inside(node.window_days)} is null return all R)"
    judged = []
    for index in range(node.days):
        day = f"({days}[{index}])"
        last = f"Last(({every}) R where R.on = {day} return all R sort by at).at"
        sides = [
            f"(if Last({side} R where R.on = {day} return all R sort by at).at = {last}\n"
            f"        then Last({side} R where R.on = {day} return all R sort by at).high else null)"
            for side in (systolic, diastolic)
        ]
        judged.append(
            into.add(
                f"high on day {index + 1} of {node.window_days} days",
                f"if {unsure} then null else\n    ({' or '.join(sides)})",
            )
        )
    # Fewer days than asked for can refute only: a day that is not there has no answer and must not be taken for one.
    none_high = " and ".join(f"({judged[index]} is false or Count({days}) <= {index})" for index in range(node.days))
    return f"(case when {' and '.join(judged)} then true when exists {days} and {none_high} then false else null end)"
