"""In: a `Timeline` and a language. Out: its facts as rows of a table, what has no date included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapter.criteria import Evidence, Infused, Point, Series, Stated, Timeline
from adapter.screening import words
from adapter.service.formats import effective, unit
from adapter.service.language import Language, load_words
from adapter.service.patient.redaction import Telling
from adapter.service.patient.timeline import limits_text, series_name

__all__ = ["TimelineRow", "has_picture", "timeline_rows"]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One fact: when, what, as sent and converted, the criteria's limits, what is to be said of it, and where it stands."""

    when: str | None
    what: str
    sent: str | None
    converted: str | None
    limits: str
    remark: str
    reference: str
    version: str | None


def has_picture(timeline: Timeline) -> bool:
    """Whether there is anything with a date to draw."""
    whens = [one.when for one in timeline.infused] + [one.when for one in timeline.stated]
    whens += [point.when for one in timeline.series for point in one.points if point.value is not None]
    return any(when.is_bounded for when in whens)


def timeline_rows(
    timeline: Timeline, language: Language, *, tell: Telling = lambda item: item.value
) -> tuple[TimelineRow, ...]:
    """Cycles, then the disease, then each analyte, the newest first.

    Args:
        timeline: what to show.
        language: of its words.
        tell: how the value of a piece of evidence is told.
    """
    infused = [_cycle(one, item, language, tell) for one in timeline.infused for item in one.evidence]
    stated = [_status(one, language, tell) for one in timeline.stated]
    return (
        *reversed(infused),
        *reversed(stated),
        *(row for one in timeline.series for row in _results(one, language, tell)),
    )


def _row(
    item: Evidence, language: Language, tell: Telling, *, what: str, limits: str = "", remark: Sequence[str] = ()
) -> TimelineRow:
    converted = None
    if item.converted is not None:
        converted = f"{words(language).number(item.converted.value)} {unit(item.converted.unit, language)}".strip()
    return TimelineRow(
        when=None if item.effective is None else effective(item.effective, language),
        what=what,
        sent=tell(item),
        converted=converted,
        limits=limits,
        remark=", ".join(load_words().say(f"timeline.{key}", language) for key in remark),
        reference=item.reference,
        version=item.version,
    )


def _cycle(one: Infused, item: Evidence, language: Language, tell: Telling) -> TimelineRow:
    what = load_words().say(f"timeline.cycle-{one.course}", language)
    return _row(item, language, tell, what=what, remark=() if one.completed else ("not-completed",))


def _status(one: Stated, language: Language, tell: Telling) -> TimelineRow:
    what = load_words().say(f"timeline.said-{one.said}", language)
    return _row(one.evidence, language, tell, what=what, remark=() if one.sure else ("not-sure",))


def _results(series: Series, language: Language, tell: Telling) -> Iterator[TimelineRow]:
    name, limits = series_name(series, language), limits_text(series, language)
    for point in reversed(series.points):
        yield _row(point.evidence, language, tell, what=name, limits=limits, remark=tuple(_remarks(point)))


def _remarks(point: Point) -> Iterator[str]:
    if not point.usable:
        yield "not-final"
    if point.value is None:
        yield "not-read"
