"""In: a `Timeline` and a language. Out: it as a picture (SVG): cycles, disease status, results with the limits of the criteria.

Kinds differ by shape, not by colour alone; what the picture shows stands in a table beside it. matplotlib is loaded when a picture is
asked for. Only its object interface is used: no state is shared between requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from adapter.criteria import Limit, Point, Series, Timeline
from adapter.fhir import When, plain
from adapter.screening import words
from adapter.service.formats import unit
from adapter.service.language import Language, load_words
from adapter.service.pictures import as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_timeline", "limits_text", "series_name", "series_unit"]

_SIGNS: Final = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
_INK, _SOFT, _LINE = "#17272e", "#4a5c64", "#d5dee0"
_POINT, _LIMIT, _WINDOW, _REFERENCE = "#0b4f5c", "#9d1c2b", "#fdf2dd", "#74480a"
_FONT: Final = ("DejaVu Sans", "sans-serif")
#: What a person sees first; told by the shape as well.
_OF_STATUS: Final = {"worsened": "#9d1c2b", "controlled": "#1b6b3a", "neither": "#4a5c64", "unread": "#4a5c64"}
#: Shape and whether it is filled; no shape is both a cycle's and a status's.
_CYCLES: Final = {"first": ("o", True), "uncertain": ("o", False), "later": ("s", True)}
_SAID: Final = {"worsened": ("^", True), "controlled": ("P", True), "neither": ("D", False), "unread": ("x", True)}
_LEGEND_SIZE, _TEXT_SIZE, _SMALL = 8.5, 9.0, 7.5
_SHORT_YEARS: Final = 3
_SHORT: Final = 23
_MONTHS_OF_QUARTERS: Final = (1, 4, 7, 10)
_DAYS_OF_YEAR: Final = 366


@dataclass(frozen=True, slots=True)
class _Layout:
    """Inches: width, height of the part with cycles and status, of one row of results; how many stand side by side."""

    width: float
    top: float
    row: float
    columns: int


_WIDE = _Layout(width=11.0, top=1.75, row=1.3, columns=2)
_COMPACT = _Layout(width=11.0, top=1.35, row=0.95, columns=4)


def draw_timeline(timeline: Timeline, language: Language, *, compact: bool = False) -> bytes:
    """The picture; the same timeline gives the same bytes.

    Args:
        timeline: what to show; what has no date at all stands in the table only.
        language: of its words.
        compact: for a printed page.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded for who asks for a picture

    layout = _COMPACT if compact else _WIDE
    series = [one for one in timeline.series if any(_is_drawn(point) for point in one.points)]
    rows = ceil(len(series) / layout.columns)
    height = layout.top + rows * layout.row
    figure = Figure(figsize=(layout.width, height), dpi=72)
    first, last = _span(timeline, series)
    _draw_events(_axes(figure, layout, height, None), timeline, language)
    for place, one in enumerate(series):
        axes = _axes(figure, layout, height, place)
        axes.axvspan(
            (timeline.on - timedelta(days=one.window_days)).toordinal(),
            timeline.on.toordinal() + 1,
            color=_WINDOW,
            lw=0,
        )
        _draw_series(axes, one, language, compact=compact)
    for axes in figure.axes:
        _draw_time(axes, first, last, timeline.on)
    return as_svg(figure)


def _limit_text(limit: Limit, language: Language) -> str:
    # As the criterion compares with it: "> 8", "0–2".
    say = words(language)
    low = say.number(plain(limit.value))
    if limit.high is not None:
        return f"{low}–{say.number(plain(limit.high))}"
    return f"{_SIGNS.get(limit.operator, '')} {low}".strip()


def limits_text(series: Series, language: Language) -> str:
    """The limits of a series by criterion: ``E07 > 2.5, > 5``."""
    found: dict[str, list[Limit]] = {}
    for limit in series.limits:
        found.setdefault(limit.criterion, []).append(limit)
    return "; ".join(
        f"{name} {', '.join(_limit_text(limit, language) for limit in sorted(limits, key=lambda one: one.value))}"
        for name, limits in found.items()
    )


def series_name(series: Series, language: Language) -> str:
    """What is measured; of a rate made of creatinine the rate."""
    if series.scale.value == "mdrd":
        return load_words().say("timeline.mdrd", language)
    return series.words[language]


def series_unit(series: Series, language: Language) -> str:
    """The unit of a series as clinicians write it."""
    return unit(series.unit, language)


def _axes(figure: Figure, layout: _Layout, height: float, place: int | None) -> Axes:
    """The part for events (None), or the n-th part for results."""
    left, right, gap, above, below = 0.55, 0.15, 0.6, 0.3, 0.27
    if place is None:
        box = (0.95, height - layout.top + below + 0.12, layout.width - 0.95 - right, layout.top - 0.62 - below)
    else:
        row, column = divmod(place, layout.columns)
        width = (layout.width - left - right - gap * (layout.columns - 1)) / layout.columns
        bottom = height - layout.top - (row + 1) * layout.row + below
        box = (left + column * (width + gap), bottom, width, layout.row - above - below)
    axes = figure.add_axes((box[0] / layout.width, box[1] / height, box[2] / layout.width, box[3] / height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_SOFT)
    axes.tick_params(colors=_SOFT, labelsize=_SMALL, labelfontfamily="DejaVu Sans", length=2.5)
    return axes


def _is_drawn(point: Point) -> bool:
    return point.value is not None and point.when.is_bounded


def _span(timeline: Timeline, series: Sequence[Series]) -> tuple[date, date]:
    whens = [one.when for one in timeline.infused] + [one.when for one in timeline.stated]
    whens += [point.when for one in series for point in one.points]
    days = [day for when in whens if when.is_bounded for day in (when.earliest, when.latest)]
    first, last = min([timeline.on, *days]), max([timeline.on, *days])
    margin = timedelta(days=max(10, (last - first).days // 40))
    return first - margin, last + margin


def _draw_time(axes: Axes, first: date, last: date, on: date) -> None:
    axes.set_xlim(first.toordinal(), last.toordinal())
    axes.axvline(on.toordinal(), color=_REFERENCE, linestyle="-.", linewidth=1)
    ticks = list(_ticks(first, last))
    axes.set_xticks([day.toordinal() for day, _ in ticks], [label for _, label in ticks])


def _ticks(first: date, last: date) -> Iterator[tuple[date, str]]:
    """The first days of years; within few years, of quarters too."""
    years = last.year - first.year
    short = (last - first).days < _SHORT_YEARS * _DAYS_OF_YEAR // 2
    step = max(1, years // 6)
    for year in range(first.year, last.year + 1):
        for month in _MONTHS_OF_QUARTERS if short else (1,):
            day = date(year, month, 1)
            if first <= day <= last and (short or year % step == 0):
                yield day, f"{year}" if month == 1 else f"{year}-{month:02d}"


def _draw_events(axes: Axes, timeline: Timeline, language: Language) -> None:
    say = load_words().say
    for one in timeline.infused:
        shape, filled = _CYCLES[one.course]
        _draw_mark(axes, one.when, 1, shape=shape, filled=filled and one.completed)
    for stated in timeline.stated:
        shape, filled = _SAID[stated.said]
        _draw_mark(axes, stated.when, 0, shape=shape, filled=filled and stated.sure, color=_OF_STATUS[stated.said])
    axes.set_ylim(-0.6, 1.6)
    axes.set_yticks([1, 0], [say("timeline.cycles", language), say("timeline.status", language)])
    axes.tick_params(axis="y", labelsize=_TEXT_SIZE, colors=_INK, length=0)
    shown = [
        (*_CYCLES[name], _POINT, f"timeline.cycle-{name}") for name in _CYCLES if _has(timeline.infused, "course", name)
    ]
    shown += [
        (*_SAID[name], _OF_STATUS[name], f"timeline.said-{name}")
        for name in _SAID
        if _has(timeline.stated, "said", name)
    ]
    for shape, filled, color, key in shown:
        axes.plot([], [], label=say(key, language), **_marker(shape, filled, color))
    axes.plot([], [], color=_REFERENCE, linestyle="-.", linewidth=1, label=say("timeline.reference", language))
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(shown) + 1,
        frameon=False,
        prop={"family": _FONT, "size": _LEGEND_SIZE},
        labelcolor=_INK,
        handletextpad=0.3,
        columnspacing=1.2,
        borderaxespad=0.1,
    )


def _has(items: Sequence[object], name: str, value: str) -> bool:
    return any(getattr(item, name) == value for item in items)


def _marker(shape: str, filled: bool, color: str) -> dict[str, Any]:
    face = color if filled else "white"
    return {"marker": shape, "color": color, "markerfacecolor": face, "markersize": 6, "linestyle": "none"}


def _draw_mark(axes: Axes, when: When, y: float, *, shape: str, filled: bool, color: str = _POINT) -> None:
    """A mark on its day, or a bar over the days on which it may have been."""
    if not when.is_bounded:
        return
    low, high = when.earliest.toordinal(), when.latest.toordinal()
    if high > low:
        axes.plot([low, high], [y, y], color=color, linewidth=1)
    axes.plot([(low + high) / 2], [y], **_marker(shape, filled, color))


def _draw_series(axes: Axes, series: Series, language: Language, *, compact: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415 - as above

    drawn = [point for point in series.points if _is_drawn(point)]
    heights: list[float] = []
    for point in drawn:
        heights += _draw_point(axes, point)
    seen = dict.fromkeys(
        number for limit in series.limits for number in (limit.value, limit.high) if number is not None
    )
    low, high = min(heights), max(heights)
    low, high = min([low, *map(float, seen)]), max([high, *map(float, seen)])
    margin = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    axes.set_ylim(low - margin, high + margin)
    for number in seen:
        axes.axhline(float(number), color=_LIMIT, linestyle="--", linewidth=1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words(language).number(f"{value:g}")))
    name, units = series_name(series, language), series_unit(series, language)
    # On paper four stand side by side: units are in the table of the page.
    title = _short(name) if compact or not units else f"{name} ({units})"
    style: dict[str, Any] = {"fontfamily": _FONT, "parse_math": False, "pad": 3}
    axes.set_title(title, loc="left", fontsize=_SMALL if compact else _TEXT_SIZE, color=_INK, **style)
    axes.set_title(limits_text(series, language), loc="right", fontsize=_SMALL, color=_LIMIT, **style)


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _draw_point(axes: Axes, point: Point) -> list[float]:
    """Draw a result; the numbers that have to be in sight. A bound is a triangle that points to where the value lies."""
    assert point.value is not None
    ends = [float(end) for end in (point.value.low, point.value.high) if end.is_finite()]
    if not ends:
        return [0.0]
    shape = "o" if len(ends) > 1 else "v" if point.value.high.is_finite() else "^"
    x = (point.when.earliest.toordinal() + point.when.latest.toordinal()) / 2
    if ends[0] != ends[-1]:
        axes.plot([x, x], ends, color=_POINT, linewidth=1)
    _draw_mark(axes, point.when, sum(ends) / len(ends), shape=shape, filled=point.usable)
    return ends
