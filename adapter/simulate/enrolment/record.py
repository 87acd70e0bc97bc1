"""In: seed, a patient's number and the calendar of their trial. Out: that patient's record: one that fits the trial
at the registration, and what followed; or that of a screen failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Final

from adapter.simulate import truth
from adapter.simulate.chart import Chart
from adapter.simulate.enrolment import blood, cycles, reactions, scans, subject, visits
from adapter.simulate.enrolment.codes import CYCLE_VISIT, FOLLOW_UP_VISIT, SCREENING_VISIT
from adapter.simulate.enrolment.journey import Cycle, Journey, Scan, subject_number, weekday
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import plus_months
from adapter.simulate.patient import Record, record
from adapter.simulate.special import CLEAN, NEAR
from mappings.entities import EventKind

# Tumours that the trial takes, each the only malignancy on record.
_TUMOURS: Final = (
    *("ileum-g1", "ileum-g2", "ileum-grade-stated", "metastases", "carcinoid-syndrome"),
    *("duodenum", "appendix", "caecum", "rectum"),
)
_USUAL: Final = (8, 8, 4, 6, 3, 1, 1, 2, 1)
# Written here in the shape of the follow-up, or by the trial itself.
_OWN: Final = {"lesions": "none", "sstr": "none", "consent": "none", "mdrd": "none"}
ENROLLED, FAILED = "enrolled", "screen-failure"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record at the registration: the truths that it supports, its lesions, and the creatinine of the screening in
    umol/L.
    """

    chart: Chart
    found: dict[str, Truth]
    tumours: scans.Tumours
    creatinine: int


def enrolled_patient(seed: int, index: int, journey: Journey, on: date) -> Record:
    """Write an enrolled subject.

    Args:
        seed: the centre's seed.
        index: the patient's number in the centre, 0 first.
        journey: the subject's calendar.
        on: day of the feed.

    Returns:
        the resources, with the truth at the registration.
    """
    rng = Random(f"enrolled:{seed}:{journey.position}")
    entry = _eligible(rng, index, journey.registered, {})
    chart = entry.chart
    signed, consent = _consent(chart)
    line = truth.line(chart.key, on=chart.on, story=ENROLLED, truths=entry.found)
    after = replace(chart, on=on)
    bedside = visits.Bedside(_weight(chart), rng.randrange(112, 138), rng.choice((0, 0, 1)))
    state = blood.levels_of(chart, journey.given, creatinine=entry.creatinine)
    infusions = _treat_and_see(after, journey, entry.tumours, (bedside, state))
    cycles.accompany(after, journey)
    reactions.react(after, journey, state, infusions)
    _end(after, journey, state)
    events = subject.history(journey, screened=signed - timedelta(days=rng.randrange(3, 20)), signed=signed)
    subject.participate(after, journey.number, events, consent=consent)
    return Record(ENROLLED, after.resources, [line])


def screen_failure(seed: int, index: int, position: int, on: date) -> Record:
    """Write somebody who signed and was not registered: a count was too low, or the consent was taken back.

    Args:
        seed: the centre's seed.
        index: the patient's number in the centre.
        position: of the subject at the site, after the enrolled ones.
        on: day of the feed.
    """
    rng = Random(f"failure:{seed}:{position}")
    decided = weekday(plus_months(on, -40) + timedelta(days=rng.randrange(0, 850)))
    low = position % 2 == 0
    wishes = {"platelets": "plain:bad"} if low else {}
    entry = _eligible(rng, index, decided, wishes)
    chart, found = entry.chart, entry.found
    signed, consent = _consent(chart)
    if low:
        refused = subject.event(EventKind.INELIGIBLE, decided, reason="I11")
    else:
        found["I14"] = "F"
        subject.sign(chart, decided, status="inactive")
        refused = subject.event(EventKind.NOT_REGISTERED, decided, reason="consent-withdrawn")
    screened = subject.event(EventKind.SCREENING, signed - timedelta(days=rng.randrange(3, 20)))
    events = (screened, subject.event(EventKind.CONSENTED, signed), refused)
    subject.participate(chart, subject_number(position), events, consent=consent)
    line = truth.line(chart.key, on=decided, story=FAILED, truths=found)
    return Record(FAILED, chart.resources, [line])


def _eligible(rng: Random, index: int, on: date, wishes: dict[str, str]) -> Entry:
    """A record that fits the trial on that day, but for what is wished otherwise."""
    gender = rng.choice(("male", "female"))
    height = rng.randrange(164, 190) if gender == "male" else rng.randrange(152, 176)
    weight = round(height * height / 10000 * rng.uniform(20, 29))
    age = min(max(round(rng.gauss(63, 11)), 36), 84)
    creatinine = round(blood.creatinine_for(rng.uniform(58, 105), age=age, female=gender == "female"))
    key = f"p{index:06d}"
    chart = Chart(rng, on, key, [key], calm=True)
    told = {
        **NEAR,
        **CLEAN,
        **_OWN,
        "tumour": rng.choices(_TUMOURS, _USUAL)[0],
        "gender": gender,
        "age": str(age),
        "creatinine": f"plain:{creatinine} umol/L",
        "birth": "full",
        "deceased": "no",
        "size": f"{height}/{weight}",
        **wishes,
    }
    found = record(chart, told)
    # The trial's own participation is written by the trial alone.
    chart.resources[:] = [one for one in chart.resources if one["resourceType"] != "ResearchSubject"]
    tumours = scans.find(chart, on - timedelta(days=rng.randrange(14, 29)))
    scans.uptake(chart, tumours, on - timedelta(days=rng.randrange(29, 60)), None)
    visits.encounter(chart, SCREENING_VISIT, 1, chart.day(chart.draw))
    found["I09"] = found["I10"] = found["I14"] = "T"
    return Entry(chart, found, tumours, creatinine)


def _consent(chart: Chart) -> tuple[date, str]:
    """Signed some days before the visit at which the trial's examinations were made."""
    signed = weekday(chart.day(chart.draw + chart.rng.randrange(3, 8)))
    return signed, subject.sign(chart, signed)


def _weight(chart: Chart) -> Decimal:
    """The last weight before the registration."""
    for resource in reversed(chart.resources):
        if resource["resourceType"] == "Observation" and resource["code"].get("text") == "Poids":
            return Decimal(resource["valueQuantity"]["value"])
    return Decimal(chart.rng.randrange(58, 84))


def _treat_and_see(
    chart: Chart, journey: Journey, tumours: scans.Tumours, states: tuple[visits.Bedside, blood.Blood]
) -> dict[date, str]:
    """Cycles, the check before the randomisation and the two-monthly visits, day by day; gives the infusions by day."""
    given: dict[date, str] = {}
    planned = {scan.visit: scan for scan in journey.scans}
    steps: list[tuple[date, Callable[[], None]]] = []
    for cycle in journey.cycles:
        if cycle.refused is not None:
            steps.append((cycle.refused, partial(_put_off, chart, cycle, states[1])))
        if cycle.day is not None:
            steps.append((cycle.day, partial(_infuse, chart, cycle, states, given)))
    checked = journey.randomised or journey.failed
    if checked is not None and checked <= journey.until:
        check = partial(
            _visit,
            chart,
            (SCREENING_VISIT, 2, checked),
            states,
            partial(_look, chart, tumours, planned.pop(None, None)),
        )
        steps.append((checked, check))
    for visit in journey.visits:
        look = partial(_look, chart, tumours, planned.pop(visit.number, None))
        steps.append((visit.day, partial(_visit, chart, (FOLLOW_UP_VISIT, visit.number, visit.day), states, look)))
    # What is left was made shortly before a visit that did not take place any more.
    steps += [(scan.day, partial(_look, chart, tumours, scan, None)) for scan in planned.values()]
    for _, step in sorted(steps, key=lambda one: one[0]):
        step()
    return given


def _put_off(chart: Chart, cycle: Cycle, state: blood.Blood) -> None:
    assert cycle.refused is not None
    visit = visits.encounter(chart, CYCLE_VISIT, cycle.number, cycle.refused, cancelled=True)
    state.thin = cycle.refused - timedelta(days=1)
    blood.sample(chart, state, state.thin, visit)
    cycles.refuse(chart, cycle, visit)


def _infuse(chart: Chart, cycle: Cycle, states: tuple[visits.Bedside, blood.Blood], given: dict[date, str]) -> None:
    assert cycle.day is not None
    visit = visits.encounter(chart, CYCLE_VISIT, cycle.number, cycle.day)
    blood.sample(chart, states[1], cycle.day - timedelta(days=chart.rng.randrange(1, 4)), visit)
    visits.examine(chart, states[0], cycle.day, visit)
    given[cycle.day] = cycles.give(chart, cycle, visit)


def _visit(
    chart: Chart,
    planned: tuple[str, int, date],
    states: tuple[visits.Bedside, blood.Blood],
    look: Callable[[str], None],
) -> None:
    kind, number, day = planned
    visit = visits.encounter(chart, kind, number, day)
    look(visit)
    blood.sample(chart, states[1], day - timedelta(days=chart.rng.randrange(1, 5)), visit, tumour_marker=True)
    visits.examine(chart, states[0], day, visit)


def _look(chart: Chart, tumours: scans.Tumours, scan: Scan | None, visit: str | None) -> None:
    if scan is None:
        return
    scans.assess(chart, tumours, scan, visit)
    if scan.receptor:
        scans.uptake(chart, tumours, scan.day, visit)


def _end(chart: Chart, journey: Journey, state: blood.Blood) -> None:
    """The consent taken back, with the routine care that goes on after it; the death."""
    if journey.withdrawn is not None:
        subject.sign(chart, journey.withdrawn, status="inactive", deny=journey.no_data)
        later = journey.withdrawn + timedelta(days=45)
        if later <= chart.on:
            blood.sample(chart, state, later, None)
    if journey.died is not None:
        subject.die(chart, journey.died)
