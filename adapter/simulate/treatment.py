"""In: a chart and a story's wishes for the treatment with Lutathera. Out: infusions, what came of them, and the truths
of I03 to I06, E01, E02 and E03.a.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from adapter.simulate import afterwards, decision, progression, prrt, toxicity
from adapter.simulate.answers import answer
from adapter.simulate.aspects import kind_of
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import leap_anchor

_COURSES = tuple(name for name, (weight, _) in prrt.COURSES.items() if weight)
_COURSE_WEIGHTS = tuple(prrt.COURSES[name][0] for name in _COURSES)
_WISHES, _WISH_WEIGHTS = zip(*progression.PROGRESSIONS, strict=True)
# Plots that would put made-up counts between the cycles of a course that has only just ended.
_SETTLED = ("hemoglobin", "neutrophils", "platelets", "leukocytes", "lymphocytes", "creatinine")


def treat(chart: Chart, wishes: dict[str, str], found: dict[str, Truth], *, proven: bool) -> tuple[Truth, bool]:
    """Write a treatment with what followed.

    Args:
        chart: the record.
        wishes: the story's; a course that has only just ended settles the month's counts in it.
        found: gets I03, I04, I05, I06, E01 and E02.
        proven: a usable result names a neuroendocrine tumour for the statuses to belong to.

    Returns:
        the truth of E03.a, and whether a first course with days is established.
    """
    name = wishes.get("course") or (
        "none" if not chart.near or chart.calm else chart.rng.choices(_COURSES, _COURSE_WEIGHTS)[0]
    )
    quiet = not proven or name in prrt.QUIET
    wish = _wish(chart, wishes, name, quiet=quiet)
    course = prrt.COURSES[name][1](_plan(chart, name, wish))
    outcome = progression.progression(chart, course, wish)
    if name == "just-finished":
        chart.recent = True
        wishes.update(dict.fromkeys(_SETTLED, "plain:good"))
    found["I03"], found["I04"], found["I05"] = course.i03, outcome.i04, outcome.i05
    found["I06"] = decision.board(chart, wishes, progressed=outcome.progressed)
    best = "none" if quiet or name == "just-finished" else kind_of(chart, wishes, "best")
    again = "none" if quiet else kind_of(chart, wishes, "again")
    found["E01"], newest = afterwards.first_response(chart, course, outcome, kind=best)
    if course.last is not None or name == "none":
        # Attested alone it is fine without a course; beside one that is not established nobody says.
        found["E01"] = answer(chart, wishes, "E01", coded=found["E01"], newest=newest)
    found["E02"] = afterwards.second_response(chart, wishes, course, outcome, kind=again, wish=wish)
    toxic = "none" if name in prrt.QUIET else kind_of(chart, wishes, "toxicity")
    return toxicity.first_course_toxicity(chart, wishes, course, kind=toxic), bool(course.cycles)


def _wish(chart: Chart, wishes: Mapping[str, str], name: str, *, quiet: bool) -> str:
    wish = wishes.get("progression") or str(chart.rng.choices(_WISHES, _WISH_WEIGHTS)[0])
    if quiet or name == "just-finished":
        return "none"
    if name in prrt.AGAIN and wish.startswith("attested"):
        return "late"
    if name == "second-after-366" and wish not in ("early", "recist-early", "edge-minus"):
        return "early"
    return wish


def _plan(chart: Chart, name: str, wish: str) -> prrt.Plan:
    plan = prrt.Plan(chart, chart.day(chart.rng.randrange(620, 1200)))
    if name in prrt.AGAIN:
        plan.last = chart.day(chart.rng.randrange(900, 1300))
        plan.second = plan.last + timedelta(days=chart.rng.randrange(560, 760))
    elif name in ("four", "reduced") and wish in ("edge", "edge-minus", "edge-utc") and chart.chance(0.3):
        plan.last = leap_anchor(chart.on)
    return plan
