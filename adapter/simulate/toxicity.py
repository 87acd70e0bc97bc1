"""In: which blood results a story wants around the first course. Out: those results, and the truth of E03.a.

The days are those of the first cycle to 56 days after the last one; the worst value counts, so every value is kept in
the story's account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from adapter.simulate import analytes as lab
from adapter.simulate.analytes import Analyte
from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Truth
from adapter.simulate.labs import CLUMPS
from adapter.simulate.prrt import Course
from adapter.simulate.results import Result, Written, choose, emit

D = Decimal
AFTER = timedelta(days=56)
# CTCAE 5.0, grade 4: below (10*9/L); creatinine above so many times its upper limit.
BELOW = {"platelets": D(25), "neutrophils": D("0.5"), "leukocytes": D(1)}
LYMPHOPENIA = D("0.2")
TIMES = "6"
NEEDED = ("platelets", "neutrophils", "leukocytes", "creatinine")


@dataclass(frozen=True, slots=True)
class Blood:
    """One usable result: quantity, day, and what it supports; `clumps` were noted on the smear."""

    name: str
    day: date
    result: Result
    clumps: bool = False

    def grade_4(self) -> Truth:
        """Is it surely of grade 4 (T), surely not (F), or may it be (U)?"""
        if self.name == "creatinine":
            return self.result.over(TIMES)
        truth = self.result.below(BELOW.get(self.name, LYMPHOPENIA))
        return "U" if truth == "T" and (self.clumps or self.name == "lymphocytes") else truth


def grade_4(on: date, cycles: Sequence[date], blood: Sequence[Blood]) -> Truth:
    """E03.a: grade 4 toxicity of blood or kidney in the first course.

    Args:
        on: reference date.
        cycles: days of the cycles of an established first course; empty decides nothing.
        blood: every usable result of the record.
    """
    if not cycles:
        return "U"
    end = cycles[-1] + AFTER
    inside = [known for known in blood if cycles[0] <= known.day <= min(end, on)]
    grades = {known.grade_4() for known in inside}
    if "T" in grades:
        return "T"
    if "U" in grades or on < end:
        return "U"
    bounds = [*cycles, end]
    for first, last in pairwise(bounds):
        seen = {known.name for known in inside if first < known.day <= last}
        if not seen.issuperset(NEEDED):
            return "U"
    return "F"


# Kind: weight; what it adds to complete results, as `analyte level place` (place: a cycle's number, or `before`, `end`,
# `beyond`, `first`), what it leaves out, or how else it differs.
KINDS: dict[str, tuple[int, str]] = {
    "complete": (40, ""),
    "none": (16, "omit all"),
    "lowest-platelets": (4, "platelets low 3"),
    "platelets-25": (3, "platelets grade-3 2"),
    "platelets-24": (4, "platelets grade-4 3"),
    "neutrophils-half": (2, "neutrophils grade-3 1"),
    "neutrophils-under": (3, "neutrophils grade-4 1"),
    "leukocytes-one": (2, "leukocytes grade-3 4"),
    "leukocytes-under": (2, "leukocytes grade-4 4"),
    "creatinine-six": (3, "creatinine 600 4"),
    "creatinine-over-six": (3, "creatinine 601 4"),
    "creatinine-no-limit": (2, "creatinine none 2"),
    "gap": (5, "omit 2"),
    "gap-of-one": (4, "omit leukocytes 3"),
    "gap-at-end": (3, "omit 4"),
    "before-first": (3, "platelets grade-4 before"),
    "last-day": (3, "platelets grade-4 end"),
    "beyond": (3, "platelets grade-4 beyond"),
    "clumps": (4, "platelets clumps-low 2"),
    "clumps-normal": (2, "platelets clumps-normal 2"),
    "lymphopenia": (4, "lymphocytes grade-4 2"),
    "lymphocytes-limit": (2, "lymphocytes grade-3 2"),
    "comparator": (3, "platelets under-100 2"),
    "comparator-sure": (2, "platelets over-100 2"),
    "no-unit": (3, "platelets unread 3"),
    "not-measured": (2, "platelets clotted 3"),
    "preliminary": (2, "platelets preliminary 3"),
    "error": (2, "platelets error 3"),
    "corrected": (2, "platelets corrected 3"),
}


def first_course_toxicity(chart: Chart, wishes: Mapping[str, str], course: Course, *, kind: str) -> Truth:
    """Write the blood results around the first course, and give E03.a with its attestation."""
    blood: list[Blood] = []
    if course.cycles:
        _complete(chart, course.cycles, blood, KINDS[kind][1])
        newest = max((known.day for known in blood if known.day <= chart.on), default=None)
        return answer(chart, wishes, "E03.a", coded=grade_4(chart.on, course.cycles, blood), newest=newest)
    if course.last is None and course.i03 != "T" and kind in ("platelets-24", "complete"):
        # Counts of a treatment that is no established first course decide nothing, however low.
        _put(chart, [], lab.PLATELETS, chart.day(700), "grade-4")
    return "U"  # and nobody attests: whether that would count without an established course is nowhere said


def _complete(chart: Chart, cycles: Sequence[date], blood: list[Blood], deviation: str) -> None:
    name, level, place = [*deviation.split(), "", "", ""][:3]
    end = cycles[-1] + AFTER
    for number, first in enumerate(cycles, 1):
        last = cycles[number] if number < len(cycles) else end
        # What is still within the month of the reference date belongs to the other stories' windows.
        omitted = name == "omit" and level in ("all", str(number))
        if omitted or first + timedelta(days=27) > chart.day(29):
            continue
        day = first + timedelta(days=8 + chart.rng.randrange(min(19, (last - first).days - 8)))
        for analyte in (lab.PLATELETS, lab.NEUTROPHILS, lab.LEUKOCYTES, lab.CREATININE):
            if name != "omit" or level != analyte.name or place != str(number):
                _put(chart, blood, analyte, day, "usual")
    if name not in ("", "omit"):
        analyte = next(known for known in _ANALYTES if known.name == name)
        _put(chart, blood, analyte, _place(cycles, place), level)


def _place(cycles: Sequence[date], place: str) -> date:
    if place.isdigit():
        return cycles[min(int(place), len(cycles)) - 1] + timedelta(days=7)
    end = cycles[-1] + AFTER
    return {"before": cycles[0] - timedelta(days=4), "end": end, "beyond": end + timedelta(days=1)}[place]


_ANALYTES = (lab.PLATELETS, lab.NEUTROPHILS, lab.LEUKOCYTES, lab.LYMPHOCYTES, lab.CREATININE)


def _put(chart: Chart, blood: list[Blood], analyte: Analyte, day: date, level: str) -> None:
    when = When(day, 480)
    if analyte is lab.CREATININE:
        _creatinine(chart, blood, when, level)
    elif level in ("unread", "clotted"):
        printed = choose(chart, analyte, "good")
        text = "prélèvement coagulé" if level == "clotted" else f"{printed.figure:f}".replace(".", ",")
        emit(chart, analyte, printed, when=when, options={"value": {"valueString": text}})
        if level == "unread":
            blood.append(Blood(analyte.name, day, Result()))
    elif level in ("preliminary", "error"):
        status = "preliminary" if level == "preliminary" else "entered-in-error"
        emit(chart, analyte, choose(chart, analyte, "grade-4"), when=when, options={"status": status})
    elif level == "corrected":
        identity = chart.name("obs")
        first = When(day, 480, identity=identity)
        emit(chart, analyte, choose(chart, analyte, "grade-4"), when=first, options={"status": "preliminary"})
        second = When(day, 480, identity=identity, version=2)
        result = emit(chart, analyte, choose(chart, analyte, "usual"), when=second, options={"status": "corrected"})
        blood.append(Blood(analyte.name, day, result))
    else:
        _plain(chart, blood, analyte, when, level)


def _plain(chart: Chart, blood: list[Blood], analyte: Analyte, when: When, level: str) -> None:
    options: dict[str, Any] = {}
    if level.startswith("clumps"):
        options["note"] = CLUMPS
        printed = choose(chart, analyte, "grade-4" if level.endswith("low") else "normal")
    elif level.endswith("-100"):
        printed = Written(analyte.spellings[0], D(100), D(0), "<" if level.startswith("under") else ">")
    else:
        printed = choose(chart, analyte, level)
    result = emit(chart, analyte, printed, when=when, options=options)
    blood.append(Blood(analyte.name, when.day, result, clumps=level.startswith("clumps")))


def _creatinine(chart: Chart, blood: list[Blood], when: When, level: str) -> None:
    spelling = lab.CREATININE.spellings[0]
    figure = D(level) if level.isdigit() else D(chart.rng.randrange(55, 118))
    options = {} if level == "none" else {"uln": D(100)}
    result = emit(chart, lab.CREATININE, Written(spelling, figure, D(0)), when=when, options=options)
    blood.append(Blood("creatinine", when.day, result))
