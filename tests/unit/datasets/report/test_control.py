"""Disease control at 6 months: each randomised subject has one fate, denominators are told, intervals are exact."""

from __future__ import annotations

from datetime import date
from math import comb
from pathlib import Path

import pytest

from adapter.datasets.report import Course, Cut, exact_interval, read_package
from adapter.datasets.report.control import control_of, fate_of
from tests.unit.datasets.report.trial import package

DAY = date(2025, 2, 1)
LATE = Cut(date(2026, 2, 1), asked=True, shifted=False)


def course(*responses: tuple[str, str], **more: date | bool | None) -> Course:
    found = Course("RELUTH-05-0001", "05", arm="LUT2", randomised=DAY, randomised_month="2025-02")
    found.responses = [(date.fromisoformat(day), answer) for day, answer in responses]
    for name, value in more.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("one", "fate"),
    [
        (course(("2025-08-01", "SD")), "controlled"),
        (course(("2025-07-18", "CR")), "controlled"),
        (course(("2025-07-17", "CR")), "not-evaluable"),
        (course(("2025-12-01", "PR")), "controlled"),
        (course(("2025-08-01", "NON-CR/NON-PD")), "controlled"),
        (course(("2025-08-01", "NE")), "not-evaluable"),
        (course(("2025-08-01", "SD"), progression=date(2025, 8, 15)), "progressed"),
        (course(("2025-08-01", "SD"), progression=date(2025, 8, 16)), "controlled"),
        (course(("2025-12-01", "SD"), progression=date(2025, 10, 1)), "not-evaluable"),
        (course(("2025-08-01", "SD"), died=date(2025, 8, 10), dead=True), "died"),
        (course(progression=date(2025, 6, 1), died=date(2025, 7, 1), dead=True), "progressed"),
        (course(withdrawn=date(2025, 4, 1)), "not-evaluable"),
        (course(), "not-evaluable"),
        (course(randomised=None), "not-evaluable"),
    ],
)
def test_fate_is_told_by_what_happened_up_to_the_end_of_the_window(one: Course, fate: str) -> None:
    assert fate_of(one, LATE) == fate


def test_who_takes_part_and_whose_window_is_not_over_is_not_due() -> None:
    assert fate_of(course(), Cut(date(2025, 8, 15), asked=True, shifted=False)) == "not-due"
    assert fate_of(course(), Cut(date(2025, 8, 16), asked=True, shifted=False)) == "not-evaluable"
    assert (
        fate_of(course(withdrawn=date(2025, 4, 1)), Cut(date(2025, 5, 1), asked=True, shifted=False)) == "not-evaluable"
    )


def test_every_randomised_subject_is_counted_once(tmp_path: Path) -> None:
    read = read_package(package(tmp_path / "p"))
    treated, watched = (control_of(arm, read.courses, read.cut) for arm in read.arms)

    assert treated.fates == {"controlled": 1, "progressed": 1, "died": 0, "not-evaluable": 1, "not-due": 0}
    assert watched.fates == {"controlled": 1, "progressed": 0, "died": 1, "not-evaluable": 0, "not-due": 1}
    assert [(one.randomised, one.due, one.evaluable) for one in (treated, watched)] == [(3, 3, 2), (3, 2, 2)]


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Published values: Clopper-Pearson, 95 %.
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (15, 20, 0.5090, 0.9134),
    ],
)
def test_interval_is_that_of_the_tables(count: int, total: int, low: float, high: float) -> None:
    found = exact_interval(count, total)

    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(("count", "total"), [(1, 3), (37, 73), (72, 73), (146, 146)])
def test_interval_leaves_no_more_than_its_tails(count: int, total: int) -> None:
    found = exact_interval(count, total)

    def chance(share: float, counts: range) -> float:
        return sum(comb(total, k) * share**k * (1 - share) ** (total - k) for k in counts)

    assert found.low <= count / total <= found.high
    assert chance(found.low, range(count, total + 1)) == pytest.approx(0.025, abs=1e-6)
    assert count == total or chance(found.high, range(count + 1)) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(("count", "total"), [(1, 0), (-1, 3), (4, 3)])
def test_interval_of_what_is_no_share_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="total above 0"):
        exact_interval(count, total)
