"""In: which consents a story wants. Out: Consents, the trial's own ResearchSubject where it names one, and the truth of
I14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.centre import STUDY
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import written
from adapter.simulate.terms import CONSENT_SCOPE, LOCAL_RECORD, coding

TRIAL_NAMES = ("NCT04954820", "PROICM 2021-04 REL", "PROICM2021-04REL", "2021-001306-30")


@dataclass(frozen=True, slots=True)
class Paper:
    """One Consent, signed `before` days before the reference date (None: no date), at a minute of that day.

    `names` says how it names the trial: identifier, policy, subject (the trial's ResearchSubject points to it), or
    nothing. `period` is the provision's, in days before the reference date; None is open.
    """

    status: str = "active"
    before: int | None = 3
    names: str = "identifier"
    scope: str = "research"
    deny: bool = False
    period: tuple[int, int | None] | None = None
    minute: int = 960


def consented(papers: Sequence[Paper]) -> Truth:
    """I14: the latest paper of the trial, on or before the reference date, is a consent in force."""
    own = [
        paper
        for paper in papers
        if paper.scope == "research" and paper.names and paper.status != "entered-in-error" and _signed(paper)
    ]
    dated = [paper for paper in own if paper.before is not None]
    if not dated or len(dated) < len(own):
        return "U"
    latest = min(((paper.before, -paper.minute) for paper in dated), key=lambda at: (at[0] or 0, at[1]))
    found = {_says(paper) for paper in dated if (paper.before, -paper.minute) == latest}
    return found.pop() if len(found) == 1 else "U"


def _signed(paper: Paper) -> bool:
    return paper.before is None or paper.before >= 0


def _says(paper: Paper) -> Truth:
    if paper.status in ("rejected", "inactive"):
        return "F"
    if paper.status != "active":
        return "U"
    if paper.deny:
        return "F"
    if paper.period is not None:
        begun, over = paper.period
        if begun < 0 or (over is not None and over > 0):
            return "U"
    return "T"


# Kind: weight and what is written.
KINDS: dict[str, tuple[int, tuple[Paper, ...]]] = {
    "met": (30, (Paper(),)),
    "none": (12, ()),
    "same-day": (4, (Paper(before=0, minute=600),)),
    "day-after": (4, (Paper(before=-1),)),
    "policy": (4, (Paper(names="policy"),)),
    "by-subject": (5, (Paper(names="subject"),)),
    "reuse": (6, (Paper(names=""),)),
    "care": (4, (Paper(names="", scope="treatment"),)),
    "care-named": (2, (Paper(scope="treatment"),)),
    "rejected": (4, (Paper("rejected"),)),
    "withdrawn": (4, (Paper(before=40), Paper("inactive", 5))),
    "signed-again": (3, (Paper("rejected", 60), Paper(before=6))),
    "deny": (3, (Paper(deny=True),)),
    "over": (3, (Paper(before=60, period=(60, 1)),)),
    "over-today": (2, (Paper(before=60, period=(60, 0)),)),
    "not-begun": (2, (Paper(period=(-2, None)),)),
    "draft": (3, (Paper("draft"),)),
    "proposed": (2, (Paper("proposed"),)),
    "error": (3, (Paper("entered-in-error"),)),
    "error-beside": (2, (Paper(before=9), Paper("entered-in-error", 2))),
    "undated": (3, (Paper(before=None),)),
    "disagree": (2, (Paper(), Paper("inactive"))),
    "withdrawn-later": (2, (Paper(before=8), Paper("inactive", -2))),
}


def consent(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's papers, and give I14 with its attestation."""
    papers = KINDS[kind][1]
    pointed = [identity for paper, identity in _written(chart, papers) if paper.names == "subject"]
    if pointed or (chart.near and chart.chance(0.1)):
        _subject(chart, pointed)
    changing = any(paper.before is None or paper.period is not None for paper in papers)
    days = [chart.day(paper.before) for paper in papers if paper.before is not None and paper.before >= 0]
    newest = chart.on if changing else max(days, default=None)
    return answer(chart, wishes, "I14", coded=consented(papers), newest=newest)


def _written(chart: Chart, papers: Sequence[Paper]) -> list[tuple[Paper, str]]:
    return [(paper, _paper(chart, paper)) for paper in papers]


def _paper(chart: Chart, paper: Paper) -> str:
    day = chart.on if paper.before is None else chart.day(paper.before)
    ours = bool(paper.names)
    policy = "NCT04954820" if paper.names == "policy" else "urn:oid:1.2.250.1.999.1.7"
    body: dict[str, Any] = {
        "status": paper.status,
        "scope": {"coding": [coding(CONSENT_SCOPE, paper.scope)]},
        "category": [{"text": "Consentement à la recherche" if ours else "Non-opposition à la réutilisation"}],
        "patient": chart.subject(),
        "policy": [{"uri": policy}],
    }
    if paper.names == "identifier":
        body["identifier"] = [{"system": LOCAL_RECORD, "value": chart.rng.choice(TRIAL_NAMES)}]
    elif not ours:
        body["identifier"] = [{"system": LOCAL_RECORD, "value": "réutilisation des données de soins"}]
    if paper.before is not None:
        body["dateTime"] = written(day, paper.minute)
    if paper.deny or paper.period is not None:
        body["provision"] = _provision(chart, paper)
    return chart.add("Consent", body, day=day, identity=chart.name("consent"))


def _provision(chart: Chart, paper: Paper) -> dict[str, Any]:
    provision: dict[str, Any] = {"type": "deny" if paper.deny else "permit"}
    if paper.period is not None:
        begun, over = paper.period
        provision["period"] = {"start": chart.day(begun).isoformat()}
        if over is not None:
            provision["period"]["end"] = chart.day(over).isoformat()
    return provision


def _subject(chart: Chart, consents: Sequence[str]) -> None:
    """The patient as a subject of the trial itself, which is no other participation."""
    body: dict[str, Any] = {
        "status": "screening",
        "study": {"reference": f"ResearchStudy/{STUDY}"},
        "individual": chart.subject(),
        "period": {"start": (chart.on - timedelta(days=5)).isoformat()},
    }
    if consents:
        body["consent"] = {"reference": f"Consent/{consents[0]}"}
    chart.add("ResearchSubject", body, day=chart.day(5), identity=chart.name("subj"))
