"""In: a seed and a patient's number. Out: that patient's kind of story, from a named list, and what the story
insists on.

The first patients run through every kind once (so that any centre of 160 patients holds them all), each with
further findings packed in; after them the kinds come by weight, about 95 % of them other cancers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from adapter.simulate import bloodwork, body, comorbidity, decision, pregnancy, progression, prompts, prrt, vitals
from adapter.simulate.aspects import ASPECTS
from adapter.simulate.attestations import WAYS
from adapter.simulate.labs import PLOTS
from adapter.simulate.special import CLEAN, NEAR, SPECIAL
from adapter.simulate.tumours import NET, OTHER

# Sentences that coded data may decide, and that some first patients have attested besides.
ATTESTED = ("I09", "I10", "I14", "I16", "E01", "E03.a", "E03.b", "E06", "E10", "E15", "E16", "E17")
NET_SHARE, OTHER_SHARE = 44.0, 950.0


@dataclass(frozen=True, slots=True)
class Story:
    """A kind of patient: what it insists on always, and what its first appearance shows besides."""

    name: str
    weight: float
    wishes: Mapping[str, str]
    first: Mapping[str, str] = field(default_factory=dict)


_PEOPLE = (
    Story("minor", 1.5, {"tumour": "leukaemia", "age": "16", "birth": "full"}),
    Story("eighteen-today", 0.5, {"tumour": "melanoma", "born": "18-today"}),
    Story("eighteen-tomorrow", 0.5, {"tumour": "melanoma", "born": "18-tomorrow"}),
    Story("birth-year-straddles", 0.5, {"tumour": "melanoma", "born": "year-straddles"}),
    Story("birth-month-straddles", 0.5, {"tumour": "melanoma", "born": "month-straddles"}),
    Story("birth-absent", 0.3, {"tumour": "lung", "birth": "absent"}),
    Story("gender-unknown", 0.5, {"tumour": "lung", "gender": "unknown"}),
    Story("deceased", 0.5, {**NEAR, "deceased": "dateTime"}),
    Story("merged", 0.6, {**NEAR, "merge": "both"}),
    Story("merged-from-old", 0.4, {**NEAR, "merge": "old"}),
    Story("merged-from-new", 0.4, {**NEAR, "merge": "new"}),
    Story("duplicate-record", 0.4, {"tumour": "breast", "twin": "yes", "merge": "none"}),
)
_SPECIAL = tuple(Story(name, weight, wishes) for name, (weight, wishes) in SPECIAL.items())


def _others() -> list[Story]:
    total = sum(row.weight for row in OTHER.values())
    found = []
    for name, row in OTHER.items():
        wishes = {"tumour": name, **({"gender": "male"} if row.codes[0] == "C61" else {})}
        if name == "prostate-psma":
            wishes["course"] = "psma"
        found.append(Story(f"other-{name}", row.weight * OTHER_SHARE / total, wishes))
    return found


def _tumours() -> list[Story]:
    total = sum(row.weight for row in NET.values())
    found = []
    for name, row in NET.items():
        codes = " ".join(row.codes)
        gender = {"gender": "male"} if "C61" in codes else {"gender": "female"} if "D06" in codes else {}
        found.append(Story(f"net-{name}", row.weight * NET_SHARE / total, {"tumour": name, **gender}))
    return found


def _packed(number: int, story: Story) -> Story:
    """What the first appearance of a kind shows besides: one variant of every other aspect, by its number."""
    woman = story.wishes.get("gender", "female" if number % 2 == 0 else "male") == "female"
    half = number // 2
    tests = [name for name, _ in (pregnancy.WOMEN if woman else pregnancy.MEN)]
    first: dict[str, str] = {
        "gender": "female" if woman else "male",
        "age": "38" if woman else "58",
        "birth": "full",
        "ecog": vitals.ECOGS[number % len(vitals.ECOGS)][0],
        "pressure": vitals.PRESSURES[number % len(vitals.PRESSURES)][0],
        "hcg": tests[half % len(tests)],
        "feeding": ("no", "none", "no", "yes", "stale-yes")[half % 5],
        "brain": comorbidity.BRAIN[number % len(comorbidity.BRAIN)][0],
        "nephrotic": comorbidity.NEPHROTIC[half % len(comorbidity.NEPHROTIC)][0] if number % 3 == 0 else "none",
        "sugar": bloodwork.SUGARS[number % len(bloodwork.SUGARS)],
        "size": tuple(body.KINDS)[number % len(body.KINDS)],
        "prompt": prompts.KINDS[number % len(prompts.KINDS)],
        "decided": decision.DATED[number % len(decision.DATED)],
    }
    # Each menu starts at another place, so that the kinds of two aspects do not always meet.
    for offset, (name, aspect) in enumerate(ASPECTS.items()):
        first[name] = aspect.kinds[(number + 7 * offset) % len(aspect.kinds)]
    for offset, link in enumerate(ATTESTED):
        if (number + offset) % 4 == 0:
            first[link] = WAYS[(number // 4 + 5 * offset) % len(WAYS)][0]
    plots = tuple(PLOTS)
    analytes = (*CLEAN, "glucose_fasting")
    first[analytes[number % len(analytes)]] = f"{plots[number % len(plots)]}:good"
    if "albumin" not in first:
        clotting = bloodwork.CLOTTING[number % len(bloodwork.CLOTTING)]
        first["albumin"] = "plain:bad"
        first["prothrombin"] = f"{clotting}:{('good', 'bad', 'edge-good', 'edge-bad', 'high')[number % 5]}"
    if "creatinine" not in first:
        first["mdrd"] = bloodwork.REPORTED[number % len(bloodwork.REPORTED)]
    for offset, link in enumerate(("I08", "I15", "E14", "E18", "I13", "I06.a", "I06.b")):
        first[link] = WAYS[(number + 3 * offset) % len(WAYS)][0]
    if story.name.startswith("net-") and NET[story.wishes["tumour"]].proven:
        courses = [name for name in prrt.COURSES if name not in ("none", "psma")]
        first["course"] = courses[number % len(courses)]
        first["progression"] = progression.PROGRESSIONS[number % len(progression.PROGRESSIONS)][0]
        first["near"] = "yes"
    return Story(story.name, story.weight, story.wishes, {**first, **story.wishes})


STORIES: tuple[Story, ...] = (
    *_PEOPLE,
    *_SPECIAL,
    *_others(),
    *(_packed(number, story) for number, story in enumerate(_tumours())),
)
_TOTALS = tuple(accumulate(story.weight for story in STORIES))


def story_at(seed: int, index: int) -> Story:
    """The story of one patient; the first ones run through the list."""
    if index < 0:
        raise ValueError("a patient's number is 0 or more")
    if index < len(STORIES):
        return STORIES[index]
    return Random(f"story:{seed}:{index}").choices(STORIES, cum_weights=_TOTALS)[0]


def story_of(seed: int, index: int) -> str:
    """The name of one patient's kind of story."""
    return story_at(seed, index).name


def story_names() -> tuple[str, ...]:
    """Every kind of story, in the order in which the first patients tell them."""
    return tuple(story.name for story in STORIES)
