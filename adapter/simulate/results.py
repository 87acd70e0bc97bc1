"""In: a quantity, a level and a way of writing. Out: one laboratory Observation (or component) and what a reader
may conclude from it.

`Result` is the story's account: an interval of the canonical quantity with the upper limit that was printed, or
why there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapter.simulate.analytes import Analyte, Spelling
from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Span, Truth, exactly
from adapter.simulate.terms import GENDER, LOCAL_LAB, LOINC, UCUM, coding

D = Decimal
SPACES = (" ", "\u00a0", "\u202f")


@dataclass(frozen=True, slots=True)
class Result:
    """What the record supports for one quantity; `span` is None when nothing can be concluded."""

    span: Span | None = None
    limit: Decimal | None = None
    day: date | None = None

    def above(self, limit: Decimal) -> Truth:
        """Is the quantity above the limit?"""
        return "U" if self.span is None else self.span.above(limit)

    def below(self, limit: Decimal) -> Truth:
        """Is the quantity below the limit?"""
        return "U" if self.span is None else self.span.below(limit)

    def over(self, multiple: str) -> Truth:
        """Is the quantity above that multiple of its printed upper limit?"""
        return "U" if self.limit is None else self.above(self.limit * D(multiple))


# Both support nothing; two names, because a story means two things: no usable result, or one that nobody can read.
NOTHING = Result()
UNREADABLE = Result()


@dataclass(frozen=True, slots=True)
class Written:
    """A number as printed: unit, figure, printed upper limit, comparator."""

    spelling: Spelling
    figure: Decimal
    limit: Decimal
    comparator: str = ""


def french(figure: Decimal, space: str = " ") -> str:
    """Decimal comma and a space between thousands."""
    return f"{figure:,f}".replace(",", space).replace(".", ",")


def choose(chart: Chart, analyte: Analyte, level: str, target: Decimal | None = None) -> Written:
    """A printed figure of that level: a boundary keeps to units that can print it exactly."""
    spelling = chart.rng.choice(analyte.spellings)
    if target is not None:
        return Written(spelling, spelling.printed(target), D(0))
    low, high = analyte.levels[level]
    if low == high:
        return _edge(chart, analyte, low)
    share = D(chart.rng.randrange(1001)) / 1000
    limit = spelling.printed(analyte.uln) if analyte.relative else D(0)
    canonical = low + (high - low) * share
    if analyte.relative:
        canonical = canonical * limit * spelling.factor
    return Written(spelling, spelling.printed(canonical), limit)


def _edge(chart: Chart, analyte: Analyte, target: Decimal) -> Written:
    fits = []
    for spelling in analyte.spellings:
        limit = spelling.printed(analyte.uln) if analyte.relative else D(0)
        canonical = target * limit * spelling.factor if analyte.relative else target
        figure = spelling.printed(canonical)
        if figure * spelling.factor == canonical:
            fits.append(Written(spelling, figure, limit))
    return chart.rng.choice(fits)


def value_of(chart: Chart, printed: Written, form: str | None = None) -> dict[str, Any]:
    """`valueQuantity` or `valueString`, in one of the ways of the feed."""
    form = form or ("quantity" if chart.chance(0.8) else "text")
    spelling, figure = printed.spelling, printed.figure
    if form == "text":
        comparator = printed.comparator + (chart.rng.choice((" ", "")) if printed.comparator else "")
        space = chart.rng.choice(SPACES) if figure >= 1000 else " "
        number = french(figure, space) if chart.chance(0.85) or figure >= 1000 else f"{figure:f}"
        return {"valueString": f"{comparator}{number}{chart.rng.choice((' ', ' ', chr(0xA0)))}{spelling.text}"}
    quantity: dict[str, Any] = {"value": figure, "unit": spelling.text}
    if printed.comparator:
        quantity["comparator"] = printed.comparator
    if spelling.code is not None:
        quantity["system"] = UCUM
        quantity["code"] = spelling.code
    return {"valueQuantity": quantity}


def code_of(chart: Chart, analyte: Analyte, spelling: Spelling, *, local_only: bool = False) -> dict[str, Any]:
    """Local code beside LOINC, in either order, or alone."""
    own = coding(LOCAL_LAB, analyte.local, analyte.title)
    if local_only:
        return {"coding": [own], "text": analyte.title}
    standard = coding(LOINC, chart.rng.choice(spelling.loinc))
    draw = chart.rng.random()
    pair = [own, standard] if draw < 0.8 else [standard, own] if draw < 0.9 else [standard]
    return {"coding": pair, "text": analyte.title}


def _quantity(figure: Decimal, spelling: Spelling) -> dict[str, Any]:
    quantity: dict[str, Any] = {"value": figure, "unit": spelling.text}
    if spelling.code is not None:
        quantity["system"] = UCUM
        quantity["code"] = spelling.code
    return quantity


def ranges_of(
    chart: Chart, analyte: Analyte, printed: Written, form: str
) -> tuple[list[dict[str, Any]], Decimal | None]:
    """Reference ranges in one of the feed's ways, and the upper limit (canonical) that they support for this person."""
    spelling, limit = printed.spelling, printed.limit
    supported = limit * spelling.factor
    if form == "missing":
        return [], None
    if form == "unparsable":
        return [{"text": "voir notice du laboratoire"}], None
    if form == "text":
        text = chart.rng.choice(
            (f"< {french(limit)}", f"N: {french(limit / 10)} - {french(limit)}", f"<{french(limit)}")
        )
        return [{"text": text}], supported
    if form == "other-unit":
        other = chart.rng.choice(analyte.spellings)
        high = other.printed(limit * spelling.factor)
        return [{"high": _quantity(high, other)}], high * other.factor
    if form == "by-sex":
        wrong = {"male": "female", "female": "male"}[str(chart.gender)]
        mine = {"high": _quantity(limit, spelling), "appliesTo": [_sex(str(chart.gender))]}
        other_sex = {"high": _quantity(limit * 3, spelling), "appliesTo": [_sex(wrong)]}
        return ([mine, other_sex] if chart.chance(0.5) else [other_sex, mine]), supported
    if form == "by-age":
        child = {"high": _quantity(limit * 3, spelling), "age": {"high": _years(17)}}
        adult = {"high": _quantity(limit, spelling), "age": {"low": _years(18)}}
        return ([child, adult] if chart.chance(0.5) else [adult, child]), supported
    low = spelling.printed(limit * spelling.factor / 10)
    return [{"low": _quantity(low, spelling), "high": _quantity(limit, spelling)}], supported


def _sex(gender: str) -> dict[str, Any]:
    return {"coding": [coding(GENDER, gender)], "text": "Hommes" if gender == "male" else "Femmes"}


def _years(age: int) -> dict[str, Any]:
    return {"value": age, "unit": "ans", "system": UCUM, "code": "a"}


def range_form(chart: Chart) -> str:
    """How the limits are printed this time; those by sex or age only where the person's own are certain."""
    if chart.calm:
        return "numeric"
    form = chart.rng.choices(
        ("numeric", "text", "other-unit", "by-sex", "by-age", "missing", "unparsable"), (62, 12, 6, 8, 6, 4, 2)
    )[0]
    if form == "by-sex" and chart.gender not in ("male", "female"):
        return "numeric"
    if form == "by-age" and not (chart.born and min(chart.ages(chart.day(400))) >= 18):
        return "numeric"
    return form


def span_of(printed: Written) -> Span:
    """The canonical interval that a printed figure stands for."""
    figure = printed.figure
    span = {
        "": exactly(figure),
        "<": Span(None, figure, high_open=True),
        "<=": Span(None, figure),
        ">": Span(figure, None, low_open=True),
        ">=": Span(figure, None),
    }[printed.comparator]
    return span.scaled(printed.spelling.factor)


def emit(
    chart: Chart, analyte: Analyte, printed: Written, *, when: When, options: dict[str, Any] | None = None
) -> Result:
    """Write one result.

    Args:
        chart: the record that it joins.
        analyte: the quantity.
        printed: figure, unit and comparator.
        when: its time, id and version.
        options: `status`, `value` (a value element instead of the printed one), `local_only`, `form`, `ranges`,
            `component`, `fixed` (a reference range as it stands), `uln` (canonical upper limit), `note`, `more`
            (further elements).

    Returns:
        what this result supports if it is the one that decides.
    """
    wanted = options or {}
    body: dict[str, Any] = dict(wanted.get("value") or value_of(chart, printed, wanted.get("form")))
    limit: Decimal | None = None
    if analyte.relative:
        ranges, limit = ranges_of(chart, analyte, printed, wanted.get("ranges") or range_form(chart))
        if ranges:
            body["referenceRange"] = ranges
    elif "fixed" in wanted:
        body["referenceRange"] = [wanted["fixed"]]
    elif "uln" in wanted:
        high = printed.spelling.printed(wanted["uln"])
        body["referenceRange"] = [{"high": _quantity(high, printed.spelling)}]
        limit = high * printed.spelling.factor
    if "note" in wanted:
        body["note"] = [{"text": wanted["note"]}]
    code = code_of(chart, analyte, printed.spelling, local_only=bool(wanted.get("local_only")))
    if wanted.get("component"):
        panel = {"coding": [coding(LOCAL_LAB, "FORM", "Formule sanguine")], "text": "Formule sanguine"}
        body = {"component": [{"code": code, **body}]}
        code = panel
    body |= wanted.get("more", {})
    if chart.chance(0.4):
        body["performer"] = [{"reference": "Organization/org-labo"}]
    chart.observe(code, body, when=when, status=wanted.get("status", "final"))
    return Result(span_of(printed), limit, when.day)
