"""In: what coded data say of a sentence. Out: whether and how somebody attests it, and the truth of both together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from adapter.simulate.attestations import attest, not_before, way, weigh
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth

# Before a way of attesting: the records came later and open the question again (clarification 32).
EARLIER = "earlier:"
# What a calm patient near the trial needs to be told, because no hospital codes it.
_NEEDED = {"E10": "no", "E15": "no", "E16": "no", "E17": "no"}
# How often a sentence is attested where coded data leave it open, and where they decide it.
_NEAR, _NET, _OTHER = (0.5, 0.1), (0.08, 0.01), (0.01, 0.002)
_PART = 0.3


def answer(chart: Chart, wishes: Mapping[str, str], link: str, *, coded: Truth, newest: date | None = None) -> Truth:
    """The truth of a sentence with its attestation.

    A whole sentence is attested only where none of its parts is: which of the two would hold is nowhere said.

    Args:
        chart: the record.
        wishes: the story may say how under the sentence's linkId.
        link: criterion or part.
        coded: what coded data say of it.
        newest: the latest day of the records that speak of it: the attestation comes after them.
    """
    if "." not in link and any(known.startswith(f"{link}.") for known in chart.attested):
        return coded
    how = wishes.get(link) or _how(chart, link, coded)
    if how.startswith(EARLIER):
        # Every record came after the answer; alone they leave the sentence open, and that is how it stands.
        attest(chart, link, how.removeprefix(EARLIER))
        return coded
    return weigh(chart, link, not_before(how, newest, chart.on), coded=coded)


def _how(chart: Chart, link: str, coded: Truth) -> str:
    if chart.calm:
        return _NEEDED.get(link, "none") if chart.near and coded == "U" else "none"
    asked, told = _NEAR if chart.near else _NET if chart.neuroendocrine else _OTHER
    share = asked if coded == "U" else told
    if "." in link:
        share *= _PART
    return way(chart) if chart.chance(share) else "none"
