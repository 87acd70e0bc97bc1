"""In: what was read of a package, a language. Out: one HTML file: no script, nothing fetched, no time of day; same package, same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from adapter.datasets.formats import REPORT
from adapter.datasets.report.control import FATES, WINDOW_DAYS, Control, Interval, control_of
from adapter.datasets.report.counting import Accrual, LabRow, accrual_of, infusions_of, laboratory_rows
from adapter.datasets.report.pictures import draw_accrual, draw_control, draw_infusions, draw_laboratory, draw_lanes
from adapter.datasets.report.reading import Read, read_package
from adapter.datasets.report.swimming import lanes_of
from adapter.datasets.report.words import Language, Say

__all__ = ["page_of", "write_report"]


def write_report(folder: Path, *, language: Language = "fr", named: bool = False, target: int | None = None) -> Path:
    """Write the report of a package into its folder; one that is there is replaced.

    Args:
        folder: of a package made by ``reluth export --format sdtm``.
        language: of its words.
        named: the courses bear the subjects' pseudonyms (USUBJID), not running numbers.
        target: planned number of subjects, where the package does not tell.

    Returns:
        Its path.

    Raises:
        UsageError: it is no such package, or a file of it cannot be read.
    """
    path = folder / REPORT
    text = page_of(read_package(folder), language=language, named=named, target=target)
    part = folder / f"{REPORT}.part"
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)
    return path


def page_of(read: Read, *, language: Language, named: bool = False, target: int | None = None) -> str:
    """The report as text; see ``write_report``."""
    say = Say(language)
    planned = read.target if read.target is not None else target
    accrual = accrual_of(read.courses)
    infusions = [infusions_of(arm, read.courses) for arm in read.arms]
    labs = laboratory_rows(read.laboratory)
    control = [control_of(arm, read.courses, read.cut) for arm in read.arms]
    lanes = lanes_of(read.courses, read.cut, named=named)
    randomised = sum(course.is_randomised for course in read.courses)
    return _template().render(
        language=language,
        say=say,
        read=read,
        target=planned,
        randomised=randomised,
        accrual=accrual,
        cumulative=list(accumulate(accrual.randomised)),
        infusions=infusions,
        most=max((len(one.subjects) for one in infusions), default=0),
        labs=labs,
        lab_total=_lab_total(labs),
        control=control,
        fates=FATES,
        rate=lambda one, of: _rate(one, say, of),
        window=WINDOW_DAYS,
        lanes=lanes,
        lanes_hidden=randomised - len(lanes),
        named=named,
        pictures=_pictures(read, accrual, say, planned=planned, parts=(infusions, labs, control, lanes)),
    )


def _pictures(
    read: Read, accrual: Accrual, say: Say, *, planned: int | None, parts: tuple[Sequence[Any], ...]
) -> dict[str, str]:
    """The pictures of what there is something to show of."""
    infusions, labs, control, lanes = parts
    found = {}
    if accrual.months:
        found["accrual"] = draw_accrual(accrual, planned, say)
    if infusions:
        found["infusions"] = draw_infusions(infusions, say)
    if labs:
        found["laboratory"] = draw_laboratory(labs, read.laboratory.visits, say)
    if any(one.due for one in control):
        found["control"] = draw_control(control, say)
    if lanes:
        found["courses"] = draw_lanes(lanes, say)
    return found


def _rate(one: Control, say: Say, of: str) -> str | None:
    interval: Interval | None = getattr(one, f"of_{of}")
    if interval is None:
        return None
    count, total = one.fates["controlled"], getattr(one, of)
    shares = {"share": count / total, "low": interval.low, "high": interval.high}
    return say("control.rate", count=count, total=total, **{name: say.share(value) for name, value in shares.items()})


def _lab_total(rows: Sequence[LabRow]) -> list[tuple[int, int]]:
    """All usual tests together, by visit: what few need (a pregnancy test) is not missing in the others."""
    rows = [row for row in rows if row.is_usual] or list(rows)
    return [
        (sum(cell[0] for cell in cells), sum(cell[1] for cell in cells))
        for cells in zip(*(row.cells for row in rows), strict=True)
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("adapter.datasets.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
