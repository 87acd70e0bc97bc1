"""In: a seed, a number of subjects and the day of the feed. Out: the calendar of each subject: registration, cycles,
arm, visits, scans, and how it ended.

The design of the trial is that of clinical-spec.md section 1: two cycles eight weeks apart, randomisation 1:1 (here
in permuted blocks of four), two more cycles or none, a visit every two months. What comes after the day of the feed
has not happened yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Final

from adapter.simulate.moments import plus_months

#: Names of the arms in the trial's document, and whether something is given there.
ARMS: Final = {"experimental": True, "control": False}
SITE: Final = "05"
EIGHT_WEEKS: Final = 56
VISITS: Final = 6
RECEPTOR_SCANS: Final = (3, 6)
# Registrations begin and end these many months before the day of the feed: the latest have less than twelve months of
# visits.
_FIRST, _LAST = 43, 13
_BLOCK = ("experimental", "experimental", "control", "control")
#: What becomes of every fifteen subjects.
FATES: Final = (
    *("withdrawn", "died", "failed", "progressed", "progressed", "progressed", "stopped", "delayed", "not-done"),
    *("completed",) * 6,
)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A planned infusion; `day` is None where it was never given, `refused` the day on which it was put off or given
    up.
    """

    number: int
    day: date | None
    status: str = "completed"
    refused: date | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A two-monthly visit after the randomisation."""

    number: int
    day: date


@dataclass(frozen=True, slots=True)
class Scan:
    """An assessment of the lesions: `visit` is the two-monthly visit it is for, None before the randomisation."""

    day: date
    visit: int | None = None
    worse: bool = False
    receptor: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    """One subject's way through the trial, as far as the day of the feed; `until` is its last day there."""

    position: int
    fate: str
    registered: date
    until: date
    randomised: date | None = None
    failed: date | None = None
    arm: str | None = None
    cycles: tuple[Cycle, ...] = ()
    visits: tuple[Visit, ...] = ()
    scans: tuple[Scan, ...] = ()
    progressed: date | None = None
    withdrawn: date | None = None
    no_data: bool = False
    died: date | None = None
    ended: date | None = None

    @property
    def number(self) -> str:
        """The trial's pseudonym."""
        return subject_number(self.position)

    @property
    def given(self) -> list[date]:
        """Days of infusions that were begun."""
        return [cycle.day for cycle in self.cycles if cycle.day is not None]


def subject_number(position: int) -> str:
    """The trial's pseudonym of the nth subject of the site."""
    return f"RELUTH-{SITE}-{position:04d}"


def journeys(seed: int, subjects: int, on: date) -> tuple[Journey, ...]:
    """The calendars of all enrolled subjects, in the order of their registration.

    Args:
        seed: the centre's seed.
        subjects: how many, 0 or more.
        on: day of the feed.
    """
    begun = [_begin(seed, position, subjects, on) for position in range(1, subjects + 1)]
    arms = _arms(seed, [journey for journey in begun if journey.randomised is not None])
    return tuple(_finish(seed, journey, arms.get(journey.position), on) for journey in begun)


def weekday(day: date) -> date:
    """The day, or the Monday after a weekend."""
    return day + timedelta(days=7 - day.weekday()) if day.weekday() >= 5 else day


def fate_of(seed: int, position: int) -> str:
    """What becomes of a subject: each deck of fates is dealt to fifteen in a row."""
    deck, place = divmod(position - 1, len(FATES))
    return Random(f"fates:{seed}:{deck}").sample(FATES, len(FATES))[place]


def _begin(seed: int, position: int, subjects: int, on: date) -> Journey:
    """As far as the randomisation, which no arm bears on."""
    rng = Random(f"journey:{seed}:{position}")
    first, last = plus_months(on, -_FIRST), plus_months(on, -_LAST)
    registered = weekday(first + (last - first) * (position - 1) // max(subjects - 1, 1))
    fate = fate_of(seed, position)
    one = weekday(registered + timedelta(days=rng.randrange(5, 15)))
    planned = weekday(one + timedelta(days=EIGHT_WEEKS + rng.randrange(4)))
    late = {"delayed": 14, "not-done": 21}.get(fate, 0)
    second = Cycle(2, planned + timedelta(days=late), "stopped" if fate == "stopped" else "completed")
    if fate == "not-done":
        second = replace(second, refused=planned)
    day = second.day or planned
    scan = Scan(weekday(day + timedelta(days=rng.randrange(28, 36))), worse=fate == "failed", receptor=True)
    decided = weekday(day + timedelta(days=rng.randrange(42, 47)))
    draft = Journey(position, fate, registered, on, cycles=(Cycle(1, one), second), scans=(scan,))
    # The first one to withdraw wants no data used; of the later ones every third leaves before the randomisation.
    if fate == "withdrawn":
        deck = (position - 1) // len(FATES)
        draft = replace(draft, no_data=deck == 0)
        if deck % 3 == 1:
            gone = weekday(one + timedelta(days=rng.randrange(20, 40)))
            return replace(draft, withdrawn=gone, cycles=draft.cycles[:1], scans=())
    if fate == "failed":
        return replace(draft, failed=decided, progressed=scan.day)
    return replace(draft, randomised=decided if decided <= on else None)


def _arms(seed: int, drawn: list[Journey]) -> dict[int, str]:
    """Arm by position, dealt in the order of the randomisations."""
    dealt: Iterator[str] = (
        arm for block in count() for arm in Random(f"block:{seed}:{block}").sample(_BLOCK, len(_BLOCK))
    )
    in_order = sorted(drawn, key=lambda journey: (journey.randomised or journey.until, journey.position))
    return {journey.position: next(dealt) for journey in in_order}


def _finish(seed: int, journey: Journey, arm: str | None, on: date) -> Journey:
    """The calendar after the randomisation, cut at the day of the feed or where the subject's study ends."""
    rng = Random(f"journey-after:{seed}:{journey.position}")
    if journey.randomised is None or arm is None:
        return _cut(journey, on)
    begin = journey.randomised
    visits = tuple(
        Visit(n, weekday(plus_months(begin, 2 * n) + timedelta(days=rng.randrange(-3, 5))))
        for n in range(1, VISITS + 1)
    )
    worse = 0
    if journey.fate == "progressed":
        worse = rng.randrange(1, VISITS)
    elif journey.fate == "died" and rng.random() < 0.6:
        worse = rng.randrange(1, 4)
    scans = tuple(
        Scan(
            weekday(visit.day - timedelta(days=rng.randrange(6, 10))),
            visit.number,
            worse=visit.number == worse,
            receptor=visit.number in RECEPTOR_SCANS,
        )
        for visit in visits
    )
    journey = replace(journey, arm=arm, visits=visits, scans=journey.scans + scans, ended=visits[-1].day)
    if worse:
        journey = replace(journey, progressed=next(scan.day for scan in scans if scan.worse))
    if ARMS[arm]:
        journey = replace(journey, cycles=journey.cycles + _two_more(rng, journey, begin))
    if journey.fate == "withdrawn":
        journey = replace(journey, withdrawn=weekday(begin + timedelta(days=rng.randrange(70, 300))))
    if journey.fate == "died":
        after = journey.progressed or begin + timedelta(days=60)
        journey = replace(journey, died=after + timedelta(days=rng.randrange(40, 140)))
    return _cut(journey, on)


def _two_more(rng: Random, journey: Journey, begin: date) -> tuple[Cycle, Cycle]:
    second = journey.given[-1]
    third = weekday(
        max(begin + timedelta(days=4), second + timedelta(days=EIGHT_WEEKS)) + timedelta(days=rng.randrange(4))
    )
    fourth = weekday(third + timedelta(days=EIGHT_WEEKS + rng.randrange(4)))
    if rng.random() < 0.1:
        return Cycle(3, third), Cycle(4, None, "not-done", refused=fourth)
    return Cycle(3, third), Cycle(4, fourth)


def _cut(journey: Journey, on: date) -> Journey:
    """Nothing after the feed, the withdrawal, the death or the end; no infusion and no scan after a progression."""
    ends = (journey.withdrawn, journey.failed, journey.died, journey.ended)
    until = min([on, *(day for day in ends if day is not None)])

    def past(day: date | None) -> date | None:
        return day if day is not None and day <= until else None

    stop = min(until, journey.progressed or until)
    cycles = [
        cycle
        for cycle in journey.cycles
        if (cycle.day or cycle.refused or stop) <= stop and (cycle.refused or stop) <= stop
    ]
    return replace(
        journey,
        until=until,
        cycles=tuple(cycles),
        visits=tuple(visit for visit in journey.visits if visit.day <= until and visit.day != journey.died),
        scans=tuple(scan for scan in journey.scans if scan.day <= stop),
        progressed=past(journey.progressed),
        withdrawn=past(journey.withdrawn),
        failed=past(journey.failed),
        died=past(journey.died),
        ended=past(journey.ended),
    )
