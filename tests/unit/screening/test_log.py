"""In: the screened clinic and decisions. Out: the screening log: pseudonymous, complete, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import time_machine

from adapter.criteria import Stage, Trial
from adapter.screening import Asked, LogRow, read_log, screen, screening_number, write_log
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ON, patient, refute, write_feed

ROW = LogRow(
    number="CLINIC-ABCDEFGH",
    site="clinic",
    screened_on=date(2025, 6, 1),
    eligible="no",
    outcome="ineligible",
    failed=("I01", "E04"),
    open=("I14",),
    state="not-eligible",
    reason_not_enrolled="E04",
    decided_on=date(2025, 6, 2),
)


@pytest.fixture
def screened(store: Store, trial: Trial) -> Store:
    """The store after one screening of everybody."""
    on = date.fromisoformat(ON)
    list(screen(store, trial, Site.plain("clinic"), Asked(today=on, on=on, everyone=True)))
    return store


def _row(store: Store, trial: Trial, identity: str) -> LogRow:
    number = screening_number("clinic", store.patient_key("clinic", f"Patient/{identity}"))
    return next(row for row in read_log(store, trial, Stage.REGISTRATION) if row.number == number)


def _decide(store: Store, trial: Trial, identity: str, *, state: str, reason: str) -> None:
    store.decide("clinic", f"Patient/{identity}", trial=trial.id, state=state, reason=reason, by="nurse")


def test_log_holds_no_hospital_id(screened: Store, trial: Trial) -> None:
    out = io.StringIO()

    write_log(read_log(screened, trial, Stage.REGISTRATION), out)

    assert "CLINIC-" in out.getvalue()
    assert not any(name in out.getvalue() for name in ("Patient/", "intestinal", "pancreatic", "survivor"))


def test_log_number_is_the_same_at_every_screening(screened: Store, trial: Trial) -> None:
    first = [row.number for row in read_log(screened, trial, Stage.REGISTRATION)]
    on = date(2025, 6, 2)
    list(screen(screened, trial, Site.plain("clinic"), Asked(today=on, on=on)))

    second = [row.number for row in read_log(screened, trial, Stage.REGISTRATION)]

    assert first == second
    assert len(set(first)) == len(first)


def test_log_number_does_not_give_the_page_key_away(screened: Store) -> None:
    key = screened.patient_key("clinic", "Patient/intestinal")

    assert key not in screening_number("clinic", key)
    assert key[:6].upper() not in screening_number("clinic", key)


def test_log_tells_failed_criteria_and_pending_ones_apart(screened: Store, trial: Trial) -> None:
    child, open_one = _row(screened, trial, "child"), _row(screened, trial, "intestinal")

    assert (child.eligible, child.failed, child.reason_not_enrolled) == ("no", ("I01",), "criteria")
    assert (open_one.eligible, open_one.failed, open_one.reason_not_enrolled) == ("pending", (), None)


@pytest.mark.parametrize(
    ("state", "reason", "eligible", "told"),
    [
        ("declined", "patient-declined", "yes", "patient-declined"),
        ("not-eligible", "E07", "no", "E07"),
        ("enrolled", "criteria-met", "yes", None),
        ("contacted", "to-contact", "pending", None),
    ],
)
def test_log_tells_what_a_person_decided(
    screened: Store, trial: Trial, state: str, reason: str, eligible: str, told: str | None
) -> None:
    _decide(screened, trial, "intestinal", state=state, reason=reason)

    row = _row(screened, trial, "intestinal")

    assert (row.state, row.eligible, row.reason_not_enrolled) == (state, eligible, told)
    assert row.decided_on is not None


def test_day_of_a_decision_is_that_of_the_sites(screened: Store, trial: Trial) -> None:
    with time_machine.travel(datetime(2025, 6, 2, 22, 30, tzinfo=UTC), tick=False):
        _decide(screened, trial, "intestinal", state="contacted", reason="to-contact")

    # Half past midnight there.
    assert _row(screened, trial, "intestinal").decided_on == date(2025, 6, 3)


def test_log_csv_has_a_heading_and_a_line_a_person() -> None:
    out = io.StringIO()

    write_log([ROW], out)

    read = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert read[0]["failed_criteria"] == "I01 E04"
    assert read[0]["screening_number"] == "CLINIC-ABCDEFGH"
    assert read[0]["decided_on"] == "2025-06-02"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_log_csv_has_no_cell_that_a_spreadsheet_runs(start: str) -> None:
    out = io.StringIO()

    write_log([replace(ROW, reason_not_enrolled=f"{start}1+1")], out)

    read = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert read[0]["reason_not_enrolled"].startswith("'")


def test_log_csv_quotes_a_comma() -> None:
    out = io.StringIO()

    write_log([replace(ROW, reason_not_enrolled="a,b")], out)

    assert next(csv.DictReader(io.StringIO(out.getvalue())))["reason_not_enrolled"] == "a,b"


def test_log_keeps_who_is_no_candidate_any_more(screened: Store, trial: Trial, tmp_path: Path) -> None:
    refute(screened, tmp_path, "intestinal")
    on = date.fromisoformat(ON)
    list(screen(screened, trial, Site.plain("clinic"), Asked(today=on, on=on)))

    row = _row(screened, trial, "intestinal")

    assert (row.eligible, row.reason_not_enrolled) == ("no", "not-a-candidate")


def test_log_tells_that_a_candidate_died(screened: Store, trial: Trial, tmp_path: Path) -> None:
    died = patient("intestinal", deceasedDateTime="2025-05-30", meta={"versionId": "2"})
    pull(screened, FolderSource(write_feed(tmp_path / "died", [died])), site="clinic")
    on = date.fromisoformat(ON)
    list(screen(screened, trial, Site.plain("clinic"), Asked(today=on, on=on)))

    row = _row(screened, trial, "intestinal")

    assert (row.eligible, row.reason_not_enrolled) == ("no", "deceased")
