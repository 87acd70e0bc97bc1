"""In: seed, reference date and a patient's number. Out: that patient's resources and truth lines, the same
whatever the size of the centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from adapter.simulate import (
    adverse,
    allergies,
    bloodwork,
    cardiac,
    comorbidity,
    consents,
    covers,
    lesions,
    ornaments,
    othertumours,
    participation,
    people,
    pregnancy,
    prompts,
    radiation,
    scans,
    treatment,
    truth,
    tumours,
    vitals,
)
from adapter.simulate.answers import answer
from adapter.simulate.aspects import kind_of
from adapter.simulate.attestations import attest, file_answers, way, weigh
from adapter.simulate.chart import Chart, Resource
from adapter.simulate.kleene import Truth, some
from adapter.simulate.stories import STORIES, story_at

MANUAL = ("I08", "I15", "E14", "E18")
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
        found = record(chart, wishes)
        resources += chart.resources
        truths.append(truth.line(own, on=on, story=story.name, truths=found))
    return Record(story.name, resources, truths)


def record(chart: Chart, wishes: dict[str, str]) -> dict[str, Truth]:
    """Write the whole record of one person around the chart's reference date.

    Args:
        chart: empty; gets the resources.
        wishes: what the story insists on.

    Returns:
        the truth of every criterion that the written record supports on that date.
    """
    chart.draw = chart.rng.randrange(2, 21)
    row = tumours.NET.get(wishes["tumour"]) or tumours.OTHER[wishes["tumour"]]
    chart.neuroendocrine = wishes["tumour"] in tumours.NET
    chart.near = "near" in wishes or (chart.neuroendocrine and (chart.calm or chart.chance(_NEAR_SHARE)))
    found: dict[str, Truth] = {"I01": people.identify(chart, wishes)}
    found["I02"], found["E04"], found["E05"] = tumours.tumour(chart, row)
    ornaments.background(chart)
    prompts.prompt(chart, wishes)
    toxic, established = treatment.treat(chart, wishes, found, proven=row.proven)
    found["I07"] = weigh(chart, "I07", wishes.get("I07", "none"), coded=vitals.performance(chart, wishes))
    found["I11"] = weigh(chart, "I11", wishes.get("I11", "none"), coded=bloodwork.marrow(chart, wishes))
    found["I12"], found["E13"] = pregnancy.expectation(chart, wishes)
    found["E07"] = _organs(chart, wishes)
    found["E08"] = weigh(chart, "E08", wishes.get("E08", "none"), coded=bloodwork.nutrition(chart, wishes))
    found["E09"] = _sugar(chart, wishes)
    found["E11"] = vitals.pressure(chart, wishes)
    found["E12"] = comorbidity.brain(chart, wishes.get("brain") or _brain(chart))
    unresolved = adverse.adverse(chart, wishes, kind_of(chart, wishes, "events"))
    found["E03"] = some(toxic, unresolved)
    if established:
        found["E03"] = answer(chart, wishes, "E03", coded=found["E03"], newest=chart.on)
    found.update(_elsewhere(chart, wishes, proven=row.proven))
    found.update(_manual(chart, wishes))
    ornaments.adorn(chart)
    file_answers(chart)
    return found


def _elsewhere(chart: Chart, wishes: Mapping[str, str], *, proven: bool) -> dict[str, Truth]:
    """What stands in other departments' records: imaging, consent, cover, heart, radiotherapy, allergies, trials."""
    measured = kind_of(chart, wishes, "lesions")
    if measured not in ("none", "narrative") and not proven:
        measured = "narrative"  # lesions of no proven tumour belong to nobody
    return {
        "I09": scans.receptor_imaging(chart, wishes, kind_of(chart, wishes, "sstr")),
        "I10": lesions.lesions(chart, wishes, measured),
        "I14": consents.consent(chart, wishes, kind_of(chart, wishes, "consent")),
        "I16": covers.cover(chart, wishes, kind_of(chart, wishes, "cover")),
        "E06": radiation.radiation(chart, wishes, kind_of(chart, wishes, "marrow")),
        "E10": cardiac.heart(chart, wishes, kind_of(chart, wishes, "cardiac")),
        "E15": allergies.allergy(chart, wishes, kind_of(chart, wishes, "allergy")),
        "E16": participation.other_trial(chart, wishes, kind_of(chart, wishes, "trial")),
        "E17": othertumours.second_tumour(chart, wishes),
    }


def _sugar(chart: Chart, wishes: Mapping[str, str]) -> Truth:
    """E09: what a plain glucose clears is presumed, and an attestation against it holds (clarification 26)."""
    coded, how = bloodwork.sugar(chart, wishes), wishes.get("E09", "none")
    if how == "none":
        return coded
    presumed = wishes.get("sugar", "").startswith("plain") and coded == "F"
    return weigh(chart, "E09", how, coded="U" if presumed else coded)


def _organs(chart: Chart, wishes: Mapping[str, str]) -> Truth:
    """E07: any of its four parts, as attested where codes leave it open."""
    kind = wishes.get("nephrotic") or _pick(chart, comorbidity.NEPHROTIC)
    near = chart.near
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


def _brain(chart: Chart) -> str:
    if chart.calm:
        return "denied" if chart.near else "none"
    if not chart.near and chart.chance(0.9):
        return "none"
    return _pick(chart, comorbidity.BRAIN)


def _pick(chart: Chart, menu: tuple[tuple[str, int], ...]) -> str:
    if chart.calm:
        return menu[0][0]
    return chart.rng.choices([name for name, _ in menu], [weight for _, weight in menu])[0]


def _manual(chart: Chart, wishes: Mapping[str, str]) -> dict[str, Truth]:
    """The criteria that only a signed answer decides."""
    share = 0.75 if chart.near else 0.02

    def how(link: str) -> str:
        if link in wishes:
            return wishes[link]
        if chart.calm:
            return "none" if not chart.near else "no" if link.startswith("E") else "yes"
        return way(chart) if chart.chance(share) else "none"

    found = {name: attest(chart, name, how(name)) for name in MANUAL}
    if "I13" not in wishes and chart.near and chart.chance(0.2):
        found["I13"] = attest(chart, "I13.not-applicable", "yes")
    else:
        found["I13"] = attest(chart, "I13", how("I13"))
    return found
