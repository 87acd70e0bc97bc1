"""In: when a first progression was, and which tumour board a story wants. Out: documents and attestations, and the
truth of I06.

A document is evidence only; an attested decision that is older than the progression belongs to an earlier treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from adapter.simulate.attestations import Answer, answered, attest, way
from adapter.simulate.chart import Chart
from adapter.simulate.facts import Days
from adapter.simulate.kleene import Truth, every
from adapter.simulate.moments import written
from adapter.simulate.terms import TERMS, coding

DATED = ("none", "first-course", "day-before", "same-day", "after")


def decided(answer: Answer, said_of: date | None, progressed: Days | None) -> Truth:
    """I06.a: the board has decided, after the progression that brings the patient back.

    Args:
        answer: what is attested.
        said_of: the `valueDate` of the decision; without it the day of the answer counts.
        progressed: the progression of I05; None where it is open or has no day.
    """
    day = said_of or answer.day
    if answer.truth == "T" and progressed is not None and day is not None and day < progressed.first:
        return "U"
    return answer.truth


def board(chart: Chart, wishes: Mapping[str, str], *, progressed: Days | None) -> Truth:
    """Write documents and answers, and give I06."""
    if chart.near or chart.neuroendocrine:
        _documents(chart)
    recent = progressed is not None and progressed.last > chart.day(60)
    if "I06.a" not in wishes and not chart.calm and not recent and chart.chance(0.1):
        return attest(chart, "I06", _how(chart, wishes, "I06"))
    how = _how(chart, wishes, "I06.a")
    said_of = _said_of(chart, wishes, how, progressed)
    told = decided(answered(chart, "I06.a", how, said_of=said_of), said_of, progressed)
    return every(told, attest(chart, "I06.b", _how(chart, wishes, "I06.b")))


def _how(chart: Chart, wishes: Mapping[str, str], link: str) -> str:
    if link in wishes:
        return wishes[link]
    if chart.calm:
        return "yes" if chart.near else "none"
    return way(chart) if chart.chance(0.75 if chart.near else 0.02) else "none"


def _said_of(chart: Chart, wishes: Mapping[str, str], how: str, progressed: Days | None) -> date | None:
    """The date beside the answer: only where one answer stands alone and the progression has its day."""
    if progressed is None or progressed.first != progressed.last or how not in ("yes", "by-role-yes"):
        return None
    kind = wishes.get("decided") or ("none" if chart.calm else chart.rng.choices(DATED, (50, 8, 5, 5, 12))[0])
    days = {"first-course": -500, "day-before": -1, "same-day": 0, "after": 3}
    if kind == "none":
        return None
    answered_on = chart.day(4 if how == "by-role-yes" else 1)
    return min(progressed.first + timedelta(days=days[kind]), answered_on)


def _documents(chart: Chart) -> None:
    for kind, words, share in (
        ("rcp-document", "Fiche RCP", 0.5),
        ("tumour-board-decision", "Décision de RCP", 0.2),
    ):
        if not chart.chance(share):
            continue
        day = chart.day(chart.rng.randrange(3, 120))
        body = {
            "status": "current",
            "type": {"coding": [coding(TERMS, kind)], "text": words},
            "subject": chart.subject(),
            "date": written(day, 1080),
            "content": [{"attachment": {"contentType": "application/pdf", "title": words}}],
        }
        chart.add("DocumentReference", body, day=day, identity=chart.name("doc"))
