"""In: a chart, a story's wishes, and the name of an aspect. Out: which kind of it this patient shows.

An aspect is one subject of the criteria (imaging, consent, toxicity...) with its menu of kinds. A calm patient near
the trial shows the kind that passes; patients of other departments mostly show none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from adapter.simulate import (
    adverse,
    afterwards,
    allergies,
    cardiac,
    consents,
    covers,
    lesions,
    participation,
    radiation,
    sstr,
    toxicity,
)
from adapter.simulate.chart import Chart


@dataclass(frozen=True, slots=True)
class Aspect:
    """Kinds with running weights; what passes; `others` is the share of other patients who show some kind, or `usual`
    the kind that they show.
    """

    kinds: tuple[str, ...]
    weights: tuple[int, ...]
    passing: str
    tumour: float = 0.4
    others: float = 0.0
    usual: str = ""


def _aspect(menu: Mapping[str, int], passing: str, **shares: float | str) -> Aspect:
    return Aspect(tuple(menu), tuple(accumulate(menu.values())), passing, **shares)  # type: ignore[arg-type]


def _weights(kinds: Mapping[str, tuple[object, ...]]) -> dict[str, int]:
    return {name: int(kind[0]) for name, kind in kinds.items()}  # type: ignore[call-overload]


ASPECTS: dict[str, Aspect] = {
    "sstr": _aspect(_weights(sstr.KINDS), "met", tumour=0.7),
    "lesions": _aspect(_weights(lesions.KINDS), "met", tumour=0.6),
    "consent": _aspect(_weights(consents.KINDS), "met", tumour=0.1, others=0.002),
    "cover": _aspect(_weights(covers.KINDS), "met", tumour=0.6, others=0.5, usual="met"),
    "best": _aspect(dict(afterwards.BEST), "none", tumour=0.0),
    "again": _aspect(dict(afterwards.AGAIN), "sd", tumour=0.0),
    "toxicity": _aspect(_weights(toxicity.KINDS), "complete", tumour=0.0),
    "events": _aspect(_weights(adverse.KINDS), "none", tumour=0.1),
    "marrow": _aspect(_weights(radiation.KINDS), "met", tumour=0.4, others=0.1, usual="course"),
    "cardiac": _aspect(_weights(cardiac.KINDS), "none", tumour=0.3, others=0.03),
    "allergy": _aspect(_weights(allergies.KINDS), "none-known", tumour=0.4, others=0.04),
    "trial": _aspect(_weights(participation.KINDS), "none", tumour=0.3, others=0.02),
}


def kind_of(chart: Chart, wishes: Mapping[str, str], name: str) -> str:
    """The kind of that aspect which this patient shows: wished for, calm, or by weight."""
    if name in wishes:
        return wishes[name]
    aspect = ASPECTS[name]
    if chart.calm:
        return aspect.passing if chart.near else "none"
    if chart.near or (chart.neuroendocrine and chart.chance(aspect.tumour)):
        return chart.rng.choices(aspect.kinds, cum_weights=aspect.weights)[0]
    if chart.neuroendocrine or not aspect.others or not chart.chance(aspect.others):
        return "none"
    return aspect.usual or chart.rng.choices(aspect.kinds, cum_weights=aspect.weights)[0]
