"""In: counts, courses, words. Out: pictures as SVG to stand in a page: the same counts give the same bytes, text stays text, nothing is fetched.

Kinds differ by shape or hatching, not by colour alone; what a picture shows stands in a table beside it.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from adapter.datasets.report.control import Control
from adapter.datasets.report.counting import Accrual, Infusions, LabRow
from adapter.datasets.report.reading import Visit
from adapter.datasets.report.swimming import Lane
from adapter.datasets.report.words import Say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_accrual", "draw_control", "draw_infusions", "draw_laboratory", "draw_lanes"]

_INK, _SOFT, _LINE = "#17272e", "#4a5c64", "#d5dee0"
_BRAND, _GOOD, _BAD, _OPEN = "#0b4f5c", "#1b6b3a", "#9d1c2b", "#8ba0a6"
_ARMS: Final = ("#0b4f5c", "#74480a", "#5a3a78", "#4a5c64")
_FONT: Final = "DejaVu Sans"
_WIDTH: Final = 9.6
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reluth",
    "font.family": _FONT,
    "font.size": 9,
}
#: Settings of matplotlib are global.
_LOCK = threading.Lock()
_HALF, _PERCENT = 0.5, 100
_MOST_TICKS = 14


def draw_accrual(accrual: Accrual, target: int | None, say: Say) -> str:
    """Consents and randomisations, cumulated by month, with the target."""
    figure, axes = _figure(3.4)
    places = range(len(accrual.months))
    for counts, key, style, color in (
        (accrual.consented, "accrual.consented", "--", _SOFT),
        (accrual.randomised, "accrual.randomised", "-", _BRAND),
    ):
        axes.step(places, list(accumulate(counts)), where="post", label=say(key), linestyle=style, color=color)
    if target is not None:
        axes.axhline(target, color=_BAD, linestyle=":", label=say("accrual.target", n=target))
    axes.set_ylim(bottom=0)
    every = max(1, -(-len(accrual.months) // _MOST_TICKS))
    axes.set_xticks(list(places)[::every], accrual.months[::every], rotation=45, ha="right")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False)
    return _svg(figure, "accrual")


def draw_infusions(arms: Sequence[Infusions], say: Say) -> str:
    """A bar an arm: given, not done, remaining."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - it takes long to import, and few ask for a report

    figure, axes = _figure(0.9 + 0.6 * max(1, len(arms)))
    places = list(range(len(arms)))[::-1]
    begun = [0] * len(arms)
    for key, color, hatch in (("given", _BRAND, ""), ("omitted", _BAD, "//"), ("open", "#ffffff", "")):
        widths = [getattr(one, key) or 0 for one in arms]
        axes.barh(
            places,
            widths,
            left=begun,
            height=0.55,
            label=say(f"infusions.{key}"),
            color=color,
            hatch=hatch,
            edgecolor=_INK,
        )
        begun = [at + width for at, width in zip(begun, widths, strict=True)]
    axes.set_yticks(places, [one.arm.code for one in arms])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False)
    return _svg(figure, "infusions")


def draw_laboratory(rows: Sequence[LabRow], visits: Sequence[Visit], say: Say) -> str:
    """A map of percentages; each is written in its cell."""
    figure, axes = _figure(1.2 + 0.24 * len(rows))
    for at, row in enumerate(rows):
        for column, (count, total) in enumerate(row.cells):
            share = count / total if total else 0.0
            axes.add_patch(_cell(column, at, share))
            axes.text(
                column + _HALF,
                at + _HALF,
                say.number(_PERCENT * share, 0),
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if share > _HALF else _INK,
            )
    axes.set_xlim(0, len(visits))
    axes.set_ylim(len(rows), 0)
    axes.set_xticks([at + _HALF for at in range(len(visits))], [one.name for one in visits], rotation=45, ha="right")
    axes.set_yticks([at + _HALF for at in range(len(rows))], [row.code for row in rows])
    axes.tick_params(length=0)
    return _svg(figure, "laboratory")


def draw_control(arms: Sequence[Control], say: Say) -> str:
    """The rate of each arm with its exact interval."""
    figure, axes = _figure(0.9 + 0.5 * max(1, len(arms)))
    for place, one in zip(range(len(arms))[::-1], arms, strict=True):
        if one.of_due is None:
            continue
        axes.plot([_PERCENT * one.of_due.low, _PERCENT * one.of_due.high], [place, place], color=_BRAND, linewidth=2)
        axes.plot([_PERCENT * one.fates["controlled"] / one.due], [place], marker="D", color=_BRAND, markersize=7)
    axes.set_xlim(0, _PERCENT)
    axes.set_ylim(-_HALF, max(1, len(arms)) - _HALF)
    axes.set_yticks(list(range(len(arms)))[::-1], [one.arm.code for one in arms])
    axes.set_xlabel(say("control.axis"))
    return _svg(figure, "control")


def draw_lanes(lanes: Sequence[Lane], say: Say) -> str:
    """The swimmer plot."""
    figure, axes = _figure(1.0 + 0.17 * max(4, len(lanes)))
    codes = list(dict.fromkeys(lane.arm for lane in lanes))
    colors = {code: _ARMS[at % len(_ARMS)] for at, code in enumerate(codes)}
    for code in codes:
        own = [(place, lane.end) for place, lane in enumerate(lanes) if lane.arm == code]
        places, ends = zip(*own, strict=True)
        axes.barh(
            places, ends, height=0.62, color=f"{colors[code]}40", edgecolor=colors[code], linewidth=0.6, label=code
        )
    marks = {"infusion": ("o", _INK), "progression": ("^", _BAD), "death": ("X", _INK), "withdrawal": ("s", "#74480a")}
    points: dict[str, list[tuple[float, int]]] = {name: [] for name in marks}
    for place, lane in enumerate(lanes):
        points["infusion"] += [(at, place) for at in lane.infusions]
        for name in ("progression", "death", "withdrawal"):
            at = getattr(lane, name)
            if at is not None:
                points[name].append((at, place))
        if lane.ongoing:
            axes.annotate(
                "",
                (lane.end + 0.55, place),
                (lane.end, place),
                arrowprops={"arrowstyle": "->", "color": colors[lane.arm]},
            )
    for name, (shape, color) in marks.items():
        if points[name]:
            across, up = zip(*points[name], strict=True)
            style: dict[str, Any] = {"marker": shape, "color": color, "linestyle": "none", "markersize": 4.5}
            axes.plot(across, up, label=say(f"courses.{name}"), zorder=3, **style)
    axes.set_ylim(len(lanes) - _HALF, -_HALF)
    axes.set_xlim(0, max([lane.end for lane in lanes], default=0.0) + 1)
    axes.set_yticks(range(len(lanes)), [lane.name for lane in lanes])
    axes.tick_params(axis="y", labelsize=6.5, length=0)
    axes.set_xlabel(say("courses.axis"))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=6, frameon=False)
    return _svg(figure, "courses")


def _figure(height: float) -> tuple[Figure, Axes]:
    import matplotlib as mpl  # noqa: PLC0415 - it takes long to import, and few ask for a report
    from matplotlib.figure import Figure  # noqa: PLC0415

    with _LOCK, mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(_WIDTH, height), dpi=72, layout="constrained")
        axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_SOFT)
    axes.tick_params(colors=_SOFT, labelcolor=_INK)
    return figure, axes


def _cell(column: int, row: int, share: float) -> Any:
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - as above

    # From white to the brand's colour; the figure in the cell tells the same.
    shade = tuple(1 - share * (1 - part / 255) for part in (0x0B, 0x4F, 0x5C))
    return Rectangle((column, row), 1, 1, facecolor=shade, edgecolor=_LINE, linewidth=0.6)


def _svg(figure: Figure, name: str) -> str:
    """The picture without the frame of a file, its ids with a prefix of their own: several stand in one page."""
    import matplotlib as mpl  # noqa: PLC0415 - as above

    out = io.StringIO()
    with _LOCK, mpl.rc_context(_SETTINGS):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    return re.sub(
        r'(<svg [^>]*?) width="[^"]*"', rf'\1 role="img" aria-labelledby="{name}-alt"', text, count=1
    ).replace("<svg ", '<svg class="picture" ', 1)
