"""In: seed, reference date and a patient's number. Out: that patient's resources and truth lines, the same
whatever the size of the centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from adapter.simulate import (
    bloodwork,
    comorbidity,
    ornaments,
    people,
    pregnancy,
    progression,
    prrt,
    truth,
    tumours,
    vitals,
)
from adapter.simulate.attestations import attest, file_answers, way, weigh
from adapter.simulate.chart import Chart, Resource
from adapter.simulate.kleene import Truth, every, some
from adapter.simulate.moments import leap_anchor
from adapter.simulate.stories import STORIES, Story, story_at

MANUAL = ("I08", "I15", "E14", "E18")
_COURSES = tuple(name for name, (weight, _) in prrt.COURSES.items() if weight)
_COURSE_WEIGHTS = tuple(prrt.COURSES[name][0] for name in _COURSES)
_NEAR_SHARE = 0.32


@dataclass(frozen=True, slots=True)
class Record:
    """What one number of the centre's list writes."""

    story: str
    resources: list[Resource]
    truths: list[dict[str, Any]]


def patient(seed: int, index: int, on: date) -> Record:
    """Write one patient (two records of one person where the story is a duplicate).

    Args:
        seed: the centre's seed.
        index: the patient's number, 0 first.
        on: reference date.
    """
    story = story_at(seed, index)
    calm = index < len(STORIES)
    wishes = dict(story.first if calm and story.first else story.wishes)
    key = f"p{index:06d}"
    keys = [key, f"{key}b"] if wishes.pop("twin", "") else [key]
    resources: list[Resource] = []
    truths: list[dict[str, Any]] = []
    for nth, own in enumerate(keys):
        if len(keys) > 1:
            wishes["twin"] = keys[1 - nth]
        chart = Chart(Random(f"{seed}:{index}:{nth}"), on, own, [own], calm)
        found = _write(chart, wishes, story)
        resources += chart.resources
        truths.append(truth.line(own, on=on, story=story.name, truths=found))
    return Record(story.name, resources, truths)


def _write(chart: Chart, wishes: dict[str, str], story: Story) -> dict[str, Truth]:
    chart.draw = chart.rng.randrange(2, 21)
    row = tumours.NET.get(wishes["tumour"]) or tumours.OTHER[wishes["tumour"]]
    neuroendocrine = wishes["tumour"] in tumours.NET
    near = "near" in wishes or (neuroendocrine and (chart.calm or chart.chance(_NEAR_SHARE)))
    found: dict[str, Truth] = {"I01": people.identify(chart, wishes)}
    found["I02"], found["E04"], found["E05"] = tumours.tumour(chart, row)
    found["I03"], found["I04"], found["I05"] = _treatment(chart, wishes, near=near, proven=row.proven)
    found["I07"] = vitals.performance(chart, wishes)
    found["I11"] = bloodwork.marrow(chart, wishes)
    found["I12"], found["E13"] = pregnancy.expectation(chart, wishes)
    found["E07"] = _organs(chart, wishes, near=near)
    found["E08"] = bloodwork.nutrition(chart, wishes)
    found["E09"] = bloodwork.sugar(chart, wishes)
    found["E11"] = vitals.pressure(chart, wishes)
    found["E12"] = comorbidity.brain(chart, wishes.get("brain") or _brain(chart, near=near))
    found.update(_manual(chart, wishes, near=near))
    ornaments.adorn(chart, neuroendocrine=neuroendocrine, near=near)
    file_answers(chart)
    return found


def _treatment(chart: Chart, wishes: Mapping[str, str], *, near: bool, proven: bool) -> tuple[Truth, Truth, Truth]:
    """Infusions and what came of them: I03, I04, I05."""
    name = wishes.get("course") or (
        "none" if not near or chart.calm else chart.rng.choices(_COURSES, _COURSE_WEIGHTS)[0]
    )
    wish = wishes.get("progression") or _outcome(chart)
    if not proven or name in prrt.QUIET:
        wish = "none"
    plan = prrt.Plan(chart, chart.day(chart.rng.randrange(620, 1200)))
    if name == "second-course":
        plan.last = chart.day(chart.rng.randrange(900, 1300))
        plan.second = plan.last + timedelta(days=chart.rng.randrange(560, 760))
        if wish.startswith("attested"):
            wish = "late"
    elif name in ("four", "reduced") and wish in ("edge", "edge-minus", "edge-utc") and chart.chance(0.3):
        plan.last = leap_anchor(chart.on)
    if name == "second-after-366" and wish not in ("early", "recist-early", "edge-minus"):
        wish = "early"
    course = prrt.COURSES[name][1](plan)
    i04, i05 = progression.progression(chart, course, wish)
    return course.i03, i04, i05


def _outcome(chart: Chart) -> str:
    names, weights = zip(*progression.PROGRESSIONS, strict=True)
    return str(chart.rng.choices(names, weights)[0])


def _organs(chart: Chart, wishes: Mapping[str, str], *, near: bool) -> Truth:
    """E07: any of its four parts, as attested where codes leave it open."""
    kind = wishes.get("nephrotic") or _pick(chart, comorbidity.NEPHROTIC)
    habit = "no" if near else "none"
    if not chart.calm:
        habit = chart.rng.choices(("no", "none", "other"), (55, 20, 25) if near else (6, 92, 2))[0]
    nephrotic = comorbidity.nephrotic(chart, kind, wishes.get("E07.b") or (way(chart) if habit == "other" else habit))
    share = 0.4 if near else 0.02
    cause = wishes.get("due") or (
        chart.rng.choice(("today-yes", "today-no")) if not chart.calm and chart.chance(share) else "none"
    )
    due = attest(chart, "E07.due-to-malignancy", cause)
    slow, raised, jaundiced = bloodwork.liver_and_kidney(chart, wishes, due=due)
    coded = some(slow, nephrotic, raised, jaundiced)
    return weigh(chart, "E07", wishes.get("E07", "none"), coded=coded)


def _brain(chart: Chart, *, near: bool) -> str:
    if chart.calm:
        return "denied" if near else "none"
    if not near and chart.chance(0.9):
        return "none"
    return _pick(chart, comorbidity.BRAIN)


def _pick(chart: Chart, menu: tuple[tuple[str, int], ...]) -> str:
    if chart.calm:
        return menu[0][0]
    return chart.rng.choices([name for name, _ in menu], [weight for _, weight in menu])[0]


def _manual(chart: Chart, wishes: Mapping[str, str], *, near: bool) -> dict[str, Truth]:
    """The criteria that only a signed answer decides."""
    share = 0.75 if near else 0.02

    def how(link: str) -> str:
        if link in wishes:
            return wishes[link]
        if chart.calm:
            return "none" if not near else "no" if link.startswith("E") else "yes"
        return way(chart) if chart.chance(share) else "none"

    found = {name: attest(chart, name, how(name)) for name in MANUAL}
    if "I06.a" not in wishes and not chart.calm and chart.chance(0.1):
        found["I06"] = attest(chart, "I06", how("I06"))
    else:
        found["I06"] = every(attest(chart, "I06.a", how("I06.a")), attest(chart, "I06.b", how("I06.b")))
    if "I13" not in wishes and near and chart.chance(0.2):
        found["I13"] = attest(chart, "I13.not-applicable", "yes")
    else:
        found["I13"] = attest(chart, "I13", how("I13"))
    return found
