"""In: every diagnosis of a record. Out: the histories that a second tumour may have, and the truth of E17.

The study tumour is what is coded C17 to C20 (with C17, the others of these only ask), or D37.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart
from adapter.simulate.facts import Diagnosis, newest_of, the_day, the_year
from adapter.simulate.kleene import Truth, negate, some
from adapter.simulate.moments import plus_months

LOWER_BOWEL = ("C18", "C19", "C20")
EXCEPTED = ("C44", "D06")
MONTHS = 60
_LAST_SITE = 76


def solid(icd: str) -> bool:
    """C00 to C76, C80, C97, of ICD-10: not a metastasis, not of the blood."""
    if not icd.startswith("C") or not icd[1:3].isdigit():
        return False
    return int(icd[1:3]) <= _LAST_SITE or icd.startswith(("C80", "C97"))


def other_tumour(on: date, diagnoses: Sequence[Diagnosis], *, controlled: Truth = "U") -> Truth:
    """E17: another solid tumour, diagnosed or active in the last five years.

    Args:
        on: reference date.
        diagnoses: everything coded.
        controlled: the attested answer for what the sentence excepts, when treated and controlled.
    """
    counted = [known for known in diagnoses if not known.dropped and not known.later_than(on)]
    ileal = any(known.icd.startswith("C17") for known in counted)
    found: list[Truth] = []
    excepted = False
    for known in counted:
        timely = _timely(known, on)
        if timely == "F":
            continue
        if known.icd.startswith(EXCEPTED):
            excepted = True
        elif known.icd.startswith("C80") or (ileal and known.icd.startswith(LOWER_BOWEL)):
            found.append("U")
        elif solid(known.icd) and not known.icd.startswith(("C17", *LOWER_BOWEL)):
            found.append(timely if known.confirmed else "U")
    if excepted:
        found.append(negate(controlled))
    return some(*found) if found else "U"


def _timely(known: Diagnosis, on: date) -> Truth:
    start = plus_months(on, -MONTHS)
    if known.abatement is not None and known.abatement.last < start:
        return "F"
    if known.onset is not None and known.onset.within(start, on):
        return "T"
    if known.abatement is None:
        return "T" if known.clinical in ("active", "recurrence", "relapse") else "U"
    return "T" if known.abatement.within(start, on) else "U"


def _history(
    months: int | None, days: int = 0, *, over: int | None = None, clinical: str = "remission"
) -> Callable[[date], dict[str, Any]]:
    def built(on: date) -> dict[str, Any]:
        told: dict[str, Any] = {"clinical": clinical, "onset": None, "recorded": on - timedelta(days=200)}
        if months is not None:
            told["onset"] = the_day(plus_months(on, -months) - timedelta(days=days))
            told["recorded"] = told["onset"].first
        if over is not None:
            told["abatement"] = the_day(plus_months(on, -over))
        return told

    return built


def _year(on: date) -> dict[str, Any]:
    return {"clinical": "inactive", "onset": the_year(plus_months(on, -MONTHS)), "recorded": on - timedelta(days=200)}


# What may be told of a tumour beside the first: months since its diagnosis, and since its end.
HISTORIES: dict[str, Callable[[date], dict[str, Any]]] = {
    "two-years": _history(24, clinical="active"),
    "five-years": _history(60),
    "day-over-five-years": _history(60, 1),
    "over-eight-years": _history(108, over=96),
    "over-three-years": _history(108, over=36),
    "relapse": _history(120, clinical="relapse"),
    "undated": _history(None, clinical="inactive"),
    "year": _year,
    "later": lambda on: {"onset": None, "recorded": on + timedelta(days=6)},
}


def history(name: str, on: date) -> Mapping[str, Any]:
    """The dates and standing of that history, as fields of a Diagnosis."""
    return HISTORIES[name](on)


def second_tumour(chart: Chart, wishes: Mapping[str, str]) -> Truth:
    """E17 of everything that the chart has coded, with what is attested."""
    told = chart.attested.get("E17.treated-and-controlled", "U")
    listed = [d for d in chart.diagnoses if d.icd.startswith(EXCEPTED) or solid(d.icd)]
    newest = newest_of(*(d.newest() for d in listed if not d.later_than(chart.on)))
    return answer(chart, wishes, "E17", coded=other_tumour(chart.on, chart.diagnoses, controlled=told), newest=newest)
