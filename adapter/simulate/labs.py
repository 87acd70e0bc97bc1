"""In: a quantity, a level and a plot (how a laboratory's results come about over time). Out: the Observations, and
what they support.

Every plot tells by construction which result decides: the last usable one of the 28 days before the reference
date, both ends included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapter.simulate.analytes import PLATELETS, Analyte, Spelling
from adapter.simulate.chart import Chart, When
from adapter.simulate.moments import Style
from adapter.simulate.results import NOTHING, UNREADABLE, Result, Written, choose, emit
from adapter.simulate.terms import ABSENT

D = Decimal
WINDOW = 28
LOW_PLATELETS = D(80)
CLUMPS = "Présence d'amas plaquettaires, contrôle sur tube citraté conseillé"
NO_RESULT = ("hémolysé", "prélèvement coagulé", "en cours", "ND", "non fait", "annulé")
UNREAD = ("traces", "voir CR")
Level = Callable[[], Written]


@dataclass(slots=True)
class Draft:
    """One quantity's results under way: `wanted` prints a figure of the level asked for, `opposite` one of the other
    side.
    """

    chart: Chart
    analyte: Analyte
    wanted: Level
    opposite: Level

    def put(self, printed: Written, when: When, **options: Any) -> Result:
        """Write one result of this quantity."""
        return emit(self.chart, self.analyte, printed, when=when, options=options)

    def at(self, before: int, minute: int = 0, style: Style = "paris", **more: Any) -> When:
        """A time on the day that many days before the reference date; morning unless said."""
        return When(self.chart.day(before), minute or 420 + self.chart.rng.randrange(8) * 30, style, **more)

    def at_draw(self, **more: Any) -> When:
        """The patient's blood sample of the month."""
        return self.at(self.chart.draw, 480, **more)


def _plain(draft: Draft) -> Result:
    for before in (95, 190, 400):
        if draft.chart.chance(0.12) and not draft.chart.recent:
            draft.put(draft.opposite() if draft.chart.chance(0.3) else draft.wanted(), draft.at(before))
    return draft.put(draft.wanted(), draft.at_draw())


def _clumps(draft: Draft) -> Result:
    """Clumps noted: a low count is undecided, a normal one decides (clarification 9)."""
    if draft.analyte is not PLATELETS:
        return _plain(draft)
    printed = draft.wanted()
    if printed.figure * printed.spelling.factor < LOW_PLATELETS:
        draft.put(printed, draft.at_draw(), note=CLUMPS)
        return UNREADABLE
    return draft.put(choose(draft.chart, PLATELETS, "normal"), draft.at_draw(), note=CLUMPS)


def _history(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(min(draft.chart.draw + 3, WINDOW), 430))
    draft.put(draft.opposite(), draft.at(60))
    return draft.put(draft.wanted(), draft.at_draw())


def _later_same_day(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(draft.chart.draw, 430))
    return draft.put(draft.wanted(), draft.at(draft.chart.draw, 900))


def _twice(draft: Draft) -> Result:
    printed = draft.wanted()
    ranges = "numeric"
    result = draft.put(printed, draft.at_draw(), ranges=ranges)
    draft.put(printed, draft.at_draw(), ranges=ranges)
    return result


def _clash(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at_draw(), ranges="numeric")
    draft.put(draft.opposite(), draft.at_draw(), ranges="numeric")
    return UNREADABLE


def _corrected_instant(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at_draw())
    return draft.put(draft.wanted(), draft.at_draw(), status=draft.chart.rng.choice(("corrected", "amended")))


def _versions(draft: Draft) -> Result:
    identity = draft.chart.name("obs")
    first = draft.chart.rng.choice(("preliminary", "final"))
    draft.put(draft.opposite(), draft.at_draw(identity=identity), status=first)
    second = draft.chart.rng.choice(("final", "corrected")) if first == "preliminary" else "corrected"
    result = draft.put(draft.wanted(), draft.at_draw(identity=identity, version=2), status=second)
    if draft.chart.chance(0.3):  # servers do not promise an order
        written = draft.chart.resources
        written[-1], written[-2] = written[-2], written[-1]
    return result


def _preliminary_last(draft: Draft) -> Result:
    result = draft.put(draft.wanted(), draft.at_draw())
    draft.put(draft.opposite(), draft.at(1), status=draft.chart.rng.choice(("preliminary", "registered")))
    return result


def _preliminary_only(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at_draw(), status="preliminary")
    return NOTHING


def _error_last(draft: Draft) -> Result:
    result = draft.put(draft.wanted(), draft.at_draw())
    draft.put(
        draft.opposite(), draft.at(1), status=draft.chart.rng.choice(("entered-in-error", "cancelled", "unknown"))
    )
    return result


def _no_result_last(draft: Draft) -> Result:
    result = draft.put(draft.wanted(), draft.at_draw())
    draft.put(draft.wanted(), draft.at(1), value={"valueString": draft.chart.rng.choice(NO_RESULT)})
    return result


def _no_result_only(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at_draw(), value={"valueString": draft.chart.rng.choice(NO_RESULT)})
    return NOTHING


def _data_absent(draft: Draft) -> Result:
    reason = {"coding": [{"system": ABSENT, "code": "error"}]}
    draft.put(draft.wanted(), draft.at_draw(), value={"dataAbsentReason": reason})
    return NOTHING


def _unread_last(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at(min(draft.chart.draw + 2, WINDOW)))
    draft.put(draft.wanted(), draft.at(1), value={"valueString": draft.chart.rng.choice(UNREAD)})
    return UNREADABLE


def _other_value(draft: Draft, value: dict[str, Any]) -> Result:
    if draft.chart.chance(0.4):
        draft.put(draft.wanted(), draft.at(min(draft.chart.draw + 4, WINDOW), 430))
    draft.put(draft.wanted(), draft.at_draw(), value=value)
    return UNREADABLE


def _no_unit(draft: Draft) -> Result:
    figure = draft.wanted().figure
    if draft.chart.chance(0.5):
        return _other_value(draft, {"valueQuantity": {"value": figure}})
    return _other_value(draft, {"valueString": f"{figure:f}".replace(".", ",")})


def _unknown_unit(draft: Draft) -> Result:
    return _other_value(draft, {"valueQuantity": {"value": draft.wanted().figure, "unit": "u. arb."}})


def _ambiguous(draft: Draft) -> Result:
    if draft.analyte.ambiguous is None:
        return _unknown_unit(draft)
    figure, unit = draft.analyte.ambiguous
    return _other_value(draft, {"valueQuantity": {"value": D(figure), "unit": unit}})


def _implausible(draft: Draft) -> Result:
    figure, unit = draft.analyte.slip
    return _other_value(draft, {"valueQuantity": {"value": D(figure), "unit": unit}})


def _absent(draft: Draft) -> Result:
    return NOTHING


def _stale(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at(WINDOW + 1 + draft.chart.rng.randrange(80)))
    return NOTHING


def _window_first_day(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(WINDOW + 1))
    return draft.put(draft.wanted(), draft.at(WINDOW))


def _day_before_window(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at(WINDOW + 1))
    return NOTHING


def _utc_in_first(draft: Draft) -> Result:
    # Half past midnight in Paris is still the day before in UTC: inside the window.
    return draft.put(draft.wanted(), draft.at(WINDOW, 30, "utc"))


def _utc_in_last(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(draft.chart.draw, 430))
    return draft.put(draft.wanted(), draft.at(0, 1410, "utc"))


def _utc_out_last(draft: Draft) -> Result:
    # Half past midnight in Paris on the day after; the UTC text still shows the reference date.
    result = draft.put(draft.wanted(), draft.at_draw())
    draft.put(draft.opposite(), draft.at(-1, 30, "utc"))
    return result


def _winter(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(WINDOW + 1, 30, "winter"))
    return draft.put(draft.wanted(), draft.at(WINDOW, 30, "winter"))


def _future_last(draft: Draft) -> Result:
    result = draft.put(draft.wanted(), draft.at_draw())
    draft.put(draft.opposite(), draft.at(-3))
    return result


def _future_only(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at(-2))
    return NOTHING


def _local_only(draft: Draft) -> Result:
    draft.put(draft.wanted(), draft.at_draw(), local_only=True)
    return NOTHING


def _day_alone(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(min(draft.chart.draw + 3, WINDOW), 430))
    return draft.put(draft.wanted(), draft.at_draw(style="day"))


def _day_agrees(draft: Draft) -> Result:
    printed = draft.wanted()
    draft.put(printed, draft.at_draw(style="day"), ranges="numeric")
    return draft.put(printed, draft.at_draw(), ranges="numeric")


def _day_clashes(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at_draw(style="day"), ranges="numeric")
    draft.put(draft.wanted(), draft.at_draw(), ranges="numeric")
    return UNREADABLE


def _month(draft: Draft) -> Result:
    start = draft.chart.day(WINDOW)
    # A month that begins with the window could lie inside it as a whole: a year never does.
    draft.put(draft.wanted(), When(start, form="year" if start.day == 1 else "month"))
    return UNREADABLE


def _period(draft: Draft) -> Result:
    return draft.put(draft.wanted(), draft.at_draw(form="period"))


def _instant(draft: Draft) -> Result:
    return draft.put(draft.wanted(), draft.at_draw(form="instant"))


def _component(draft: Draft) -> Result:
    draft.put(draft.opposite(), draft.at(45), component=True)
    return draft.put(draft.wanted(), draft.at_draw(), component=True)


def _text(draft: Draft) -> Result:
    return draft.put(draft.wanted(), draft.at_draw(), form="text", ranges="text")


def _bounded(draft: Draft, *, away: bool) -> Result:
    """A comparator that points away from the level's own figure: sure when the figure is far on its side, open
    otherwise.
    """
    printed = draft.wanted()
    higher = printed.figure * printed.spelling.factor > draft.opposite().figure * printed.spelling.factor
    comparator = (">" if higher else "<") if away else ("<" if higher else ">")
    bounded = Written(printed.spelling, printed.figure, printed.limit, comparator)
    return draft.put(bounded, draft.at_draw(), ranges="numeric")


def _bounded_sure(draft: Draft) -> Result:
    return _bounded(draft, away=True)


def _bounded_open(draft: Draft) -> Result:
    return _bounded(draft, away=False)


PLOTS: dict[str, tuple[int, Callable[[Draft], Result]]] = {
    "plain": (420, _plain),
    "absent": (60, _absent),
    "history": (60, _history),
    "later-same-day": (15, _later_same_day),
    "twice": (30, _twice),
    "clash": (10, _clash),
    "corrected-instant": (15, _corrected_instant),
    "versions": (20, _versions),
    "preliminary-last": (20, _preliminary_last),
    "preliminary-only": (8, _preliminary_only),
    "error-last": (20, _error_last),
    "no-result-last": (20, _no_result_last),
    "no-result-only": (8, _no_result_only),
    "data-absent": (6, _data_absent),
    "unread-last": (10, _unread_last),
    "no-unit": (12, _no_unit),
    "unknown-unit": (6, _unknown_unit),
    "ambiguous": (8, _ambiguous),
    "implausible": (8, _implausible),
    "stale": (25, _stale),
    "window-first-day": (20, _window_first_day),
    "day-before-window": (15, _day_before_window),
    "utc-in-first": (12, _utc_in_first),
    "utc-in-last": (12, _utc_in_last),
    "utc-out-last": (12, _utc_out_last),
    "winter": (12, _winter),
    "future-last": (15, _future_last),
    "future-only": (6, _future_only),
    "local-only": (15, _local_only),
    "day-alone": (15, _day_alone),
    "day-agrees": (8, _day_agrees),
    "day-clashes": (8, _day_clashes),
    "month": (8, _month),
    "period": (10, _period),
    "instant": (10, _instant),
    "component": (25, _component),
    "text": (30, _text),
    "clumps": (12, _clumps),
    "bounded-sure": (12, _bounded_sure),
    "bounded-open": (10, _bounded_open),
}
_NAMES = tuple(PLOTS)
_WEIGHTS = tuple(weight for weight, _ in PLOTS.values())


def levels(chart: Chart, analyte: Analyte, level: str) -> tuple[Level, Level]:
    """Printers of the wanted level and of one on the other side of the threshold."""
    other = "bad" if level.endswith("good") or level in ("mid", "edge-mid", "high") else "good"
    return (lambda: choose(chart, analyte, level)), (lambda: choose(chart, analyte, other))


def plot_name(chart: Chart) -> str:
    """A plot by weight; a calm chart is plain."""
    return "plain" if chart.calm else chart.rng.choices(_NAMES, _WEIGHTS)[0]


def run(draft: Draft, plot: str) -> Result:
    """Write the results of one quantity by the named plot."""
    return PLOTS[plot][1](draft)


def spelled(analyte: Analyte, text: str) -> Spelling:
    """The analyte's first spelling with that text."""
    return next(spelling for spelling in analyte.spellings if spelling.text == text)
