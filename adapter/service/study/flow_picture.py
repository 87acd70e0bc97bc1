"""In: the boxes of a flow. Out: where each goes, none on another, and the whole as a picture (SVG).

matplotlib is imported here: only who is asked for a picture imports this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.textpath import TextToPath

from adapter.screening.flow import STEPS
from adapter.service.pictures import as_svg
from adapter.service.study.flow import FlowBox

__all__ = ["Placed", "draw_flow", "place_boxes"]

# Points, in a picture that is as wide as the page's column.
_WIDTH = 740.0
_MARGIN, _GAP, _PADDING = 8.0, 26.0, 9.0
_TITLE, _TEXT, _SMALL = 11.0, 10.0, 9.0
_LEADING = 1.4
_INDENT: Final = {0: 0.0, 1: 0.0, 2: 12.0}
_FONT = "DejaVu Sans"
_INK, _LINE, _SOFT = "#17272e", "#0b4f5c", "#f3f6f6"


@dataclass(frozen=True, slots=True)
class Placed:
    """A box with its place, in points from the upper left corner; each row is a text with size, indent and weight."""

    box: FlowBox
    x: float
    y: float
    width: float
    height: float
    rows: tuple[tuple[str, float, float, bool], ...]

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Its middle, across."""
        return self.x + self.width / 2


def place_boxes(boxes: tuple[FlowBox, ...]) -> tuple[Placed, ...]:
    """Where the boxes go: each as high as its text, none on another.

    The main line goes down on the left, who is left out stands on the right, and those who are retained divide below.
    """
    by_name = {box.name: box for box in boxes}
    left, right = 0.42 * _WIDTH, 0.58 * _WIDTH - 2 * _MARGIN - _GAP
    beside = _MARGIN + left + _GAP
    patients = _placed(by_name["patients"], _MARGIN, _MARGIN, left)
    candidates = _placed(by_name["candidates"], _MARGIN, patients.bottom + _GAP, left)
    excluded = _placed(by_name["excluded"], beside, candidates.y, right)
    retained = _placed(by_name["retained"], _MARGIN, max(candidates.bottom, excluded.bottom) + _GAP, left)
    below = [box for box in boxes if box.name in STEPS and box.name != "excluded"]
    width = (_WIDTH - 2 * _MARGIN - _GAP / 2 * (len(below) - 1)) / len(below)
    last = [
        _placed(box, _MARGIN + at * (width + _GAP / 2), retained.bottom + 1.4 * _GAP, width)
        for at, box in enumerate(below)
    ]
    return (patients, candidates, excluded, retained, *last)


def draw_flow(boxes: tuple[FlowBox, ...]) -> bytes:
    """The flow as a picture (SVG); the same boxes give the same bytes."""
    placed = place_boxes(boxes)
    height = max(one.bottom for one in placed) + _MARGIN
    figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    for one in placed:
        _draw_box(axes, one)
    patients, candidates, excluded, retained, *last = placed
    _arrow(axes, (patients.middle, patients.bottom), (candidates.middle, candidates.y))
    _arrow(axes, (candidates.middle, candidates.bottom), (retained.middle, retained.y))
    across = candidates.y + candidates.height / 2
    _arrow(axes, (candidates.x + candidates.width, across), (excluded.x, across))
    bar = retained.bottom + 0.6 * _GAP
    axes.plot([retained.middle, retained.middle], [retained.bottom, bar], color=_LINE, linewidth=1.2)
    axes.plot([last[0].middle, last[-1].middle], [bar, bar], color=_LINE, linewidth=1.2)
    for one in last:
        _arrow(axes, (one.middle, bar), (one.middle, one.y))
    return as_svg(figure)


def _placed(box: FlowBox, x: float, y: float, width: float) -> Placed:
    rows: list[tuple[str, float, float, bool]] = []
    lines = [(box.text, _TITLE, 0, True)]
    lines += [(line.text, _TEXT if line.depth == 1 else _SMALL, line.depth, False) for line in box.lines]
    for text, size, depth, bold in lines:
        indent = _INDENT[depth]
        rows += [(part, size, indent, bold) for part in _wrapped(text, size, width - 2 * _PADDING - indent, bold=bold)]
    height = sum(size * _LEADING for _, size, _, _ in rows) + 2 * _PADDING
    return Placed(box, x, y, width, height, tuple(rows))


def _wrapped(text: str, size: float, room: float, *, bold: bool) -> list[str]:
    """A text in lines that are no wider than there is room, by the widths of a wide font: others need less."""
    lines: list[str] = []
    # A count stays with the word before it; only the ordinary blank is a place to break.
    for word in text.split(" "):
        if lines and _width(f"{lines[-1]} {word}", size, bold=bold) <= room:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _width(text: str, size: float, *, bold: bool) -> float:
    font = FontProperties(family=_FONT, weight="bold" if bold else "normal", size=size)
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def _draw_box(axes: Axes, one: Placed) -> None:
    ground = _SOFT if one.box.name == "excluded" else "white"
    style = "round,pad=0,rounding_size=4"
    corner = (one.x, one.y)
    axes.add_patch(
        FancyBboxPatch(corner, one.width, one.height, boxstyle=style, facecolor=ground, edgecolor=_LINE, linewidth=1.2)
    )
    y = one.y + _PADDING
    for text, size, indent, bold in one.rows:
        y += size * _LEADING
        axes.text(
            one.x + _PADDING + indent,
            y - size * (_LEADING - 1),
            text,
            fontsize=size,
            color=_INK,
            fontfamily=_FONT,
            fontweight="bold" if bold else "normal",
            verticalalignment="baseline",
            parse_math=False,
        )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=0, color=_LINE, linewidth=1.2
        )
    )
