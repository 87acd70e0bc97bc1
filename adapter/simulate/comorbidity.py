"""In: which other conditions a story wants. Out: nephrotic syndrome and brain metastases, and the truths of E07.b
and E12 that they support.
"""

from __future__ import annotations

from datetime import timedelta

from adapter.simulate.attestations import answered, attest, weigh
from adapter.simulate.chart import Chart
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Diagnosis, the_day
from adapter.simulate.kleene import Truth

NEPHROTIC = (
    ("none", 94),
    ("active", 2),
    ("relapse", 1),
    ("recurrence", 1),
    ("remission", 1),
    ("inactive", 1),
    ("resolved", 1),
    ("refuted", 1),
)
BRAIN = (
    ("none", 30),
    ("denied", 34),
    ("denied-stale", 3),
    ("denied-by-role", 3),
    ("denied-by-patient", 2),
    ("denied-draft", 2),
    ("denied-changed", 2),
    ("coded", 4),
    ("coded-stable", 4),
    ("coded-stable-168", 2),
    ("coded-stable-167", 2),
    ("coded-untreated", 3),
    ("coded-unstable", 3),
    ("coded-partly", 3),
    ("coded-denied", 3),
    ("provisional", 1),
    ("refuted", 1),
    ("refuted-denied", 2),
    ("error-denied", 2),
    ("later-denied", 2),
)


def nephrotic(chart: Chart, kind: str, attested: str) -> Truth:
    """E07.b: an active nephrotic syndrome. Without one on record only an attestation says that there is none."""
    coded: Truth = "U"
    if kind in ("active", "relapse", "recurrence"):
        _condition(chart, "N04", clinical=kind)
        coded = "T"
    elif kind in ("remission", "inactive", "resolved"):
        _condition(chart, "N04", clinical=kind)
    elif kind == "refuted":
        _condition(chart, "N04", verification="refuted")
    return weigh(chart, "E07.b", attested, coded=coded)


# Twenty-four weeks: day 168 counts.
STABLE = timedelta(days=168)
_ITEMS = ("E12.treated", "E12.stable-24-weeks", "E12.imaging-documented")
_DENIALS = {
    "denied-stale": "stale-no",
    "denied-by-role": "by-role-no",
    "denied-by-patient": "by-patient-no",
    "denied-draft": "draft-no",
    "denied-changed": "changed-to-no",
}


def brain(chart: Chart, kind: str) -> Truth:
    """E12: brain metastases, unless treated, stable for 24 weeks and documented (clarification 14)."""
    if kind == "none":
        return "U"
    if kind == "denied" or kind in _DENIALS:
        return attest(chart, "E12", _DENIALS.get(kind, "no"))
    standing, _, rest = kind.partition("-")
    if standing == "coded":
        _condition(chart, "C79.3")
        return _exception(chart, rest)
    if standing == "provisional":
        _condition(chart, "C79.3", verification="provisional")
        return "U"
    if standing == "later":
        _condition(chart, "C79.3", before=-6)
    else:
        _condition(chart, "C79.3", verification="refuted" if standing == "refuted" else "entered-in-error")
    return attest(chart, "E12", "no" if rest == "denied" else "none")


def _exception(chart: Chart, rest: str) -> Truth:
    """What is attested beside a coded C79.3."""
    if rest.startswith("stable"):
        days = rest.partition("-")[2]
        since = chart.on - timedelta(days=int(days)) if days else None
        for item in _ITEMS:
            answered(chart, item, "yes", said_of=since if item == _ITEMS[1] else None)
        return "T" if since is not None and since > chart.on - STABLE else "F"
    if rest == "untreated":
        return "T" if attest(chart, _ITEMS[0], "no") == "F" else "U"
    if rest == "unstable":
        attest(chart, _ITEMS[0], "yes")
        return "T" if attest(chart, _ITEMS[1], "no") == "F" else "U"
    if rest == "partly":
        attest(chart, _ITEMS[0], "yes")
        attest(chart, _ITEMS[1], "yes")
    elif rest == "denied":
        attest(chart, "E12", "no")
    return "U"


def _condition(
    chart: Chart, code: str, *, clinical: str = "active", verification: str = "confirmed", before: int = 220
) -> None:
    day = chart.day(before)
    diagnose(chart, Diagnosis(code, verification, clinical, the_day(day), day))
