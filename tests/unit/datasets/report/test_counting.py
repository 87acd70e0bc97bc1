"""Accrual, infusions and laboratory: counts with their denominators, nothing counted twice, what is not known told as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.datasets.report import Read, read_package
from adapter.datasets.report.counting import LabRow, accrual_of, infusions_of, laboratory_rows
from adapter.datasets.report.swimming import lanes_of
from adapter.errors import UsageError
from tests.support.package_tables import write_package
from tests.unit.datasets.report.trial import package, subject, tables, who


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return read_package(package(tmp_path / "p"))


def test_accrual_is_by_month_without_gaps_and_by_site(read: Read) -> None:
    found = accrual_of(read.courses)

    assert (found.months[0], found.months[-1], len(found.months)) == ("2025-01", "2025-11", 11)
    assert (found.consented[0], sum(found.consented)) == (7, 7)
    assert dict(zip(found.months, found.randomised, strict=True))["2025-02"] == 4
    assert {site: [sum(cell[at] for cell in cells) for at in (0, 1)] for site, cells in found.sites} == {
        "05": [4, 3],
        "31": [3, 3],
    }
    assert (read.target, found.undated) == (146, 0)


def test_months_that_are_not_known_are_told(tmp_path: Path) -> None:
    rows = [subject(1, "LUT2", "2025", RFICDTC="2025"), subject(2, "LUT2", "2025-03")]
    found = accrual_of(read_package(write_package(tmp_path / "p", {"dm": rows})).courses)

    assert (sum(found.consented), sum(found.randomised), found.undated) == (1, 1, 2)


def test_infusions_are_told_against_what_the_protocol_plans(read: Read) -> None:
    treated, watched = (infusions_of(arm, read.courses) for arm in read.arms)

    assert (treated.planned, treated.given, treated.omitted, treated.open) == (6, 3, 1, 2)
    assert treated.subjects == (1, 1, 1)
    assert (watched.planned, watched.given, watched.subjects) == (0, 0, (3,))


def test_infusions_without_a_plan_are_not_told_to_be_as_planned(tmp_path: Path) -> None:
    read = read_package(package(tmp_path / "p", "tv"))
    treated = infusions_of(read.arms[0], read.courses)

    assert (treated.planned, treated.given, treated.open) == (None, 3, None)


def test_laboratory_counts_subjects_with_a_result_of_those_who_came(read: Read) -> None:
    rows = {row.code: row.cells for row in laboratory_rows(read.laboratory)}

    assert [visit.name for visit in read.laboratory.visits] == ["RANDOMISATION", "MONTH 6"]
    assert rows == {"HGB": ((1, 2), (1, 1)), "PLAT": ((2, 2), (0, 1))}


def test_what_few_are_tested_for_is_not_missing_in_the_others() -> None:
    assert LabRow("HGB", "Hemoglobin", ((2, 4), (3, 6))).is_usual
    assert not LabRow("HCG", "Pregnancy test", ((1, 4), (3, 6))).is_usual


def test_courses_tell_months_and_no_dates(read: Read) -> None:
    lanes = lanes_of(read.courses, read.cut, named=True)
    first, second, third = (next(lane for lane in lanes if lane.name == who(number)) for number in (1, 2, 3))

    assert (first.infusions, first.progression, first.ongoing) == ((0.1, 2.0), None, True)
    assert second.progression == 4.2
    assert (third.withdrawal, third.end, third.ongoing) == (2.0, 2.0, False)
    assert next(lane for lane in lanes if lane.name == who(5, "31")).death == 3.1
    assert len(lanes) == 6


def test_courses_without_names_bear_running_numbers_in_another_order_than_the_pseudonyms(read: Read) -> None:
    lanes = lanes_of(read.courses, read.cut, named=False)

    assert [lane.name for lane in lanes] == ["1", "2", "3", "4", "5", "6"]
    assert [(lane.arm, lane.end) for lane in lanes] == sorted(
        ((lane.arm, lane.end) for lane in lanes), key=lambda pair: (pair[0], -pair[1])
    )


def test_progression_before_the_randomisation_is_why_somebody_takes_part(read: Read) -> None:
    assert next(course for course in read.courses if course.subject == who(1)).progression is None


def test_cut_is_the_packages_or_the_last_day_that_it_mentions(tmp_path: Path) -> None:
    told = read_package(package(tmp_path / "told", as_of="2026-01-31", shift_dates=True)).cut
    found = read_package(package(tmp_path / "found")).cut

    assert (str(told.on), told.asked, told.shifted) == ("2026-01-31", True, True)
    assert (str(found.on), found.asked, found.shifted) == ("2025-12-10", False, False)


def test_folder_that_is_no_package_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"dm\.parquet"):
        read_package(tmp_path)


def test_domain_without_a_variable_is_refused_by_name(tmp_path: Path) -> None:
    wrong = {**tables(), "lb": [{"USUBJID": who(1)}]}

    with pytest.raises(UsageError, match=r"lb\.parquet: has no variable LBTESTCD"):
        read_package(write_package(tmp_path / "p", wrong))


def test_file_that_is_no_parquet_is_refused_by_name(tmp_path: Path) -> None:
    folder = package(tmp_path / "p")
    (folder / "sdtm" / "parquet" / "ex.parquet").write_bytes(b"no parquet")

    with pytest.raises(UsageError, match=r"ex\.parquet: is no Parquet file"):
        read_package(folder)
