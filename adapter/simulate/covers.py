"""In: which health cover a story wants. Out: Coverages, and the truth of I16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth
from adapter.simulate.terms import ACT, LOCAL_RECORD, coding


@dataclass(frozen=True, slots=True)
class Cover:
    """One Coverage. `shown` says where it is compulsory: type text, local code, act code, payor; empty: nowhere.

    Start and end are days before the reference date; None is not written.
    """

    shown: str = "text"
    status: str = "active"
    start: int | None = 2000
    end: int | None = None
    aid: bool = False
    payor: str = "Caisse primaire"


def affiliated(covers: Sequence[Cover]) -> Truth:
    """I16: an active compulsory cover holds on the reference date. State medical aid (AME) only asks."""
    for cover in covers:
        compulsory = bool(cover.shown) and not cover.aid and cover.status == "active"
        begun = cover.start is not None and cover.start >= 0
        if compulsory and begun and (cover.end is None or cover.end <= 0):
            return "T"
    return "U"


# Kind: weight and what is written. A complementary insurance alone is no social security.
KINDS: dict[str, tuple[int, tuple[Cover, ...]]] = {
    "met": (40, (Cover(),)),
    "none": (16, ()),
    "act-code": (6, (Cover("act"),)),
    "local-code": (4, (Cover("code"),)),
    "payor-cpam": (5, (Cover("payor", payor="CPAM de l'Hérault"),)),
    "payor-msa": (4, (Cover("payor", payor="MSA du Languedoc"),)),
    "ended-yesterday": (5, (Cover(end=1),)),
    "ends-today": (3, (Cover(start=400, end=0),)),
    "starts-today": (3, (Cover(start=0),)),
    "starts-tomorrow": (2, (Cover(start=-1),)),
    "ended-and-renewed": (4, (Cover(end=60), Cover("act", start=59))),
    "aid": (4, (Cover("", aid=True),)),
    "aid-by-cpam": (4, (Cover("payor", payor="CPAM de l'Hérault", aid=True),)),
    "no-period": (3, (Cover(start=None),)),
    "draft": (2, (Cover(status="draft"),)),
    "cancelled": (2, (Cover(status="cancelled"),)),
    "error": (2, (Cover(status="entered-in-error"),)),
    "complementary": (4, (Cover("", payor="Mutuelle des imagiers"),)),
}


def cover(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's covers, and give I16 with its attestation."""
    covers = KINDS[kind][1]
    for known in covers:
        _write(chart, known)
    truth = affiliated(covers)
    # Rights that ended or are of no known date keep their question open up to the day itself.
    newest = chart.on if covers and truth == "U" else chart.day(0) if kind == "starts-today" else None
    return answer(chart, wishes, "I16", coded=truth, newest=newest)


def _write(chart: Chart, cover: Cover) -> None:
    kind: dict[str, Any] = {}
    if cover.aid:
        kind["text"] = "AME"
    elif cover.shown == "text":
        kind["text"] = "AMO"
    elif not cover.shown:
        kind["text"] = "complémentaire santé"
    if cover.shown == "act":
        kind["coding"] = [coding(ACT, "PUBLICPOL")]
    elif cover.shown == "code":
        kind["coding"] = [coding(LOCAL_RECORD, "AMO")]
    body: dict[str, Any] = {"status": cover.status, "beneficiary": chart.subject(), "payor": [{"display": cover.payor}]}
    if kind:
        body["type"] = kind
    period = {
        name: chart.day(before).isoformat()
        for name, before in (("start", cover.start), ("end", cover.end))
        if before is not None
    }
    if period:
        body["period"] = period
    chart.add("Coverage", body, day=chart.day(60), identity=chart.name("cov"))
