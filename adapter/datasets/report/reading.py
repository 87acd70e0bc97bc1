"""In: the folder of a package. Out: each subject's course through the trial, visits with their results, and what the package says of itself.

Only days count here: what is dated less exactly is told as not known, and never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from adapter.datasets.report.tables import Record, day_of, month_of, read_records
from adapter.errors import UsageError

__all__ = ["Arm", "Course", "Cut", "Laboratory", "Read", "Visit", "read_package"]

_PARQUET = Path("sdtm", "parquet")
#: RECIST 1.1, overall response (RS.RSTESTCD), and the answer that ends the control of the disease.
_OVERALL, _PROGRESSIVE = "OVRLRESP", "PD"
_NO = "N"
#: DS.DSDECOD of an end that the subject chose, or that took them out of sight.
_WITHDRAWN: Final = frozenset({"WITHDRAWAL BY SUBJECT", "LOST TO FOLLOW-UP"})
#: Dates from which it is seen how far the data reach.
_DATED: Final = {"dm": "RFENDTC", "ex": "EXSTDTC", "lb": "LBDTC", "rs": "RSDTC", "sv": "SVSTDTC"}
_OPTIONAL: Final = ("ds", "ec", "ex", "lb", "rs", "sv", "ts", "tv")


@dataclass(frozen=True, slots=True, order=True)
class Visit:
    """A planned visit; ``arm`` is the code of the only arm that it is planned in, None for all."""

    number: float
    name: str
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm; ``planned``: infusions that its subjects are to be given after the randomisation, None where no visit tells."""

    code: str
    label: str
    planned: int | None


@dataclass(slots=True)
class Course:
    """One subject.

    Attributes:
        subject: USUBJID.
        site: SITEID.
        arm: ARMCD, None for who was not randomised.
        consented: month of the consent.
        randomised_month: month of the randomisation; ``randomised`` is its day, as far as it is known.
        infusions: days of study infusions given; ``undated`` those without a day, ``omitted`` planned ones not done.
        responses: day and RECIST overall response, by day.
        progression: first day of progression after the randomisation.
        known: last day on which anything is known, or on which the participation ended.
    """

    subject: str
    site: str
    arm: str | None = None
    consented: str | None = None
    randomised: date | None = None
    randomised_month: str | None = None
    infusions: list[date] = field(default_factory=list)
    undated: int = 0
    omitted: int = 0
    responses: list[tuple[date, str]] = field(default_factory=list)
    progression: date | None = None
    died: date | None = None
    dead: bool = False
    withdrawn: date | None = None
    ended: date | None = None
    known: date | None = None

    @property
    def is_randomised(self) -> bool:
        """An arm was assigned, and it is known since when."""
        return self.arm is not None and self.randomised_month is not None

    @property
    def given(self) -> int:
        """Study infusions given."""
        return len(self.infusions) + self.undated


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Results by visit.

    Attributes:
        visits: planned ones that somebody came to, in order.
        attended: subjects who came, by visit number.
        results: subjects with a result, by test and visit number.
        names: of the tests, by code.
    """

    visits: tuple[Visit, ...]
    attended: Mapping[float, frozenset[str]]
    results: Mapping[tuple[str, float], frozenset[str]]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cut:
    """How far the data reach.

    Attributes:
        on: the data cut of the package, else the last day that is mentioned; None without any.
        asked: it is a data cut that was asked for.
        shifted: each subject's dates were moved: months of accrual say nothing.
    """

    on: date | None
    asked: bool
    shifted: bool


@dataclass(frozen=True, slots=True)
class Read:
    """A package.

    Attributes:
        study: STUDYID.
        target: planned number of subjects, None where the package does not tell.
        courses: by subject.
        missing: domains that are not there.
    """

    study: str
    target: int | None
    arms: tuple[Arm, ...]
    courses: tuple[Course, ...]
    laboratory: Laboratory
    cut: Cut
    missing: tuple[str, ...]


def read_package(folder: Path) -> Read:
    """Read what a report is made of.

    Args:
        folder: of a package; its domains lie in ``sdtm/parquet``.

    Raises:
        UsageError: it is no package of SDTM, or a file of it cannot be read.
    """
    place = folder / _PARQUET
    subjects = read_records(
        place,
        "dm",
        ("STUDYID", "USUBJID", "SITEID"),
        also=("ARMCD", "ARM", "RFSTDTC", "RFICDTC", "RFENDTC", "RFPENDTC", "DTHDTC", "DTHFL"),
    )
    if subjects is None:
        raise UsageError(
            f"{folder.name}: no {_PARQUET}/dm.parquet; `reluth export {folder.name} --format sdtm` makes it"
        )
    found = {
        "ds": read_records(place, "ds", ("USUBJID", "DSDECOD"), also=("DSSTDTC", "DSCAT", "DSSCAT")),
        "ec": read_records(place, "ec", ("USUBJID",), also=("ECOCCUR",)),
        "ex": read_records(place, "ex", ("USUBJID",), also=("EXSTDTC",)),
        "lb": read_records(
            place, "lb", ("USUBJID", "LBTESTCD"), also=("LBTEST", "LBORRES", "LBSTRESC", "VISITNUM", "LBDTC")
        ),
        "rs": read_records(place, "rs", ("USUBJID", "RSTESTCD"), also=("RSORRES", "RSSTRESC", "RSDTC")),
        "sv": read_records(place, "sv", ("USUBJID", "VISITNUM"), also=("VISIT", "SVOCCUR", "SVSTDTC")),
        "ts": read_records(place, "ts", ("TSPARMCD", "TSVAL")),
        "tv": read_records(place, "tv", ("VISITNUM",), also=("VISIT", "ARMCD")),
    }
    tables = {name: records or [] for name, records in found.items()}
    courses = _courses(subjects, tables)
    visits = _visits(tables)
    return Read(
        study=next((str(row["STUDYID"]) for row in subjects), ""),
        target=_target(tables["ts"]),
        arms=_arms(subjects, visits, planned=bool(tables["tv"])),
        courses=tuple(courses[name] for name in sorted(courses)),
        laboratory=_laboratory(tables, visits),
        cut=_cut(folder, {"dm": subjects, **tables}),
        missing=tuple(name for name in _OPTIONAL if found[name] is None),
    )


def _courses(subjects: Iterable[Record], tables: Mapping[str, list[Record]]) -> dict[str, Course]:
    courses: dict[str, Course] = {}
    for row in subjects:
        arm = row["ARMCD"]
        courses[row["USUBJID"]] = Course(
            subject=row["USUBJID"],
            site=row["SITEID"] or "?",
            arm=arm,
            consented=month_of(row["RFICDTC"]),
            randomised=day_of(row["RFSTDTC"]) if arm else None,
            randomised_month=month_of(row["RFSTDTC"]) if arm else None,
            died=day_of(row["DTHDTC"]),
            dead=row["DTHFL"] == "Y" or row["DTHDTC"] is not None,
            ended=day_of(row["RFPENDTC"]),
            known=day_of(row["RFENDTC"]),
        )
    for row, course in _of(courses, tables["ex"]):
        day = day_of(row["EXSTDTC"])
        if day is None:
            course.undated += 1
        else:
            course.infusions.append(day)
    for row, course in _of(courses, tables["ec"]):
        course.omitted += row["ECOCCUR"] == _NO
    for row, course in _of(courses, tables["rs"]):
        day, answer = day_of(row["RSDTC"]), row["RSSTRESC"] or row["RSORRES"]
        if row["RSTESTCD"] == _OVERALL and day is not None and answer:
            course.responses.append((day, answer))
    for row, course in _of(courses, tables["ds"]):
        _dispose(course, row)
    for course in courses.values():
        _finish(course)
    return courses


def _of(courses: Mapping[str, Course], records: Iterable[Record]) -> Iterable[tuple[Record, Course]]:
    return ((row, courses[row["USUBJID"]]) for row in records if row["USUBJID"] in courses)


def _dispose(course: Course, row: Record) -> None:
    day, what = day_of(row["DSSTDTC"]), row["DSDECOD"]
    if what == "RANDOMIZED":
        course.randomised = day or course.randomised
        course.randomised_month = month_of(row["DSSTDTC"]) or course.randomised_month
    elif what in _WITHDRAWN:
        course.withdrawn = day
    elif what == "DEATH":
        course.dead, course.died = True, course.died or day
    elif what == "PROGRESSIVE DISEASE" and day is not None:
        course.progression = min(day, course.progression or day)


def _finish(course: Course) -> None:
    course.infusions.sort()
    course.responses.sort()
    since = course.randomised
    worse = [day for day, answer in course.responses if answer == _PROGRESSIVE and (since is None or day >= since)]
    if course.progression is not None:
        worse.append(course.progression)
    course.progression = min(worse, default=None)
    days = [*course.infusions, *(day for day, _ in course.responses)]
    days += [day for day in (course.known, course.ended, course.died, course.withdrawn) if day is not None]
    course.known = max(days, default=None)


def _visits(tables: Mapping[str, list[Record]]) -> tuple[Visit, ...]:
    """The planned visits; where the package has no TV, those that somebody came to."""
    rows = tables["tv"] or tables["sv"]
    planned = {
        float(row["VISITNUM"]): Visit(float(row["VISITNUM"]), row["VISIT"] or "", row.get("ARMCD"))
        for row in rows
        if row["VISITNUM"] is not None
    }
    return tuple(planned[number] for number in sorted(planned))


def _arms(subjects: Iterable[Record], visits: Iterable[Visit], *, planned: bool) -> tuple[Arm, ...]:
    labels = {row["ARMCD"]: row["ARM"] or row["ARMCD"] for row in subjects if row["ARMCD"]}
    own = [visit.arm for visit in visits if visit.name.startswith("CYCLE")]
    return tuple(Arm(code, labels[code], own.count(code) if planned else None) for code in sorted(labels))


def _laboratory(tables: Mapping[str, list[Record]], visits: Iterable[Visit]) -> Laboratory:
    attended: dict[float, set[str]] = {}
    for row in tables["sv"]:
        if row["VISITNUM"] is not None and row["SVOCCUR"] != _NO:
            attended.setdefault(float(row["VISITNUM"]), set()).add(row["USUBJID"])
    results: dict[tuple[str, float], set[str]] = {}
    names: dict[str, str] = {}
    for row in tables["lb"]:
        if row["VISITNUM"] is None or not (row["LBORRES"] or row["LBSTRESC"]):
            continue
        number = float(row["VISITNUM"])
        if row["USUBJID"] in attended.get(number, ()):
            results.setdefault((row["LBTESTCD"], number), set()).add(row["USUBJID"])
            names[row["LBTESTCD"]] = row["LBTEST"] or row["LBTESTCD"]
    return Laboratory(
        visits=tuple(visit for visit in visits if visit.number in attended),
        attended={number: frozenset(people) for number, people in attended.items()},
        results={key: frozenset(people) for key, people in results.items()},
        names=dict(sorted(names.items())),
    )


def _target(parameters: Iterable[Record]) -> int | None:
    told = next((str(row["TSVAL"]) for row in parameters if row["TSPARMCD"] == "PLANSUB"), "")
    return int(told) if told.isascii() and told.isdigit() else None


def _cut(folder: Path, tables: Mapping[str, Iterable[Record]]) -> Cut:
    told = _manifest(folder)
    asked = day_of(told.get("as_of"))
    days = [day for name, variable in _DATED.items() for row in tables[name] if (day := day_of(row[variable]))]
    return Cut(asked or max(days, default=None), asked is not None, bool(told.get("shift_dates")))


def _manifest(folder: Path) -> Mapping[str, Any]:
    """What the package says of how it was made; nothing where it has no manifest that tells."""
    try:
        told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
