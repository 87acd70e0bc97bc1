"""In: the screened clinic. Out: the worklist: who is on it, in what order, what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from adapter.criteria import Stage, Trial
from adapter.documents import load_trial
from adapter.screening import Asked, Bin, WorklistRow, next_step, read_worklist, screen, standing, words
from adapter.screening.listing_row import place_of
from adapter.screening.worklist import unsigned
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ON, patient, refute, write_feed

ASKED = Asked(today=date.fromisoformat(ON), on=date.fromisoformat(ON))
ROW = WorklistRow(
    site="clinic",
    patient="Patient/1",
    key="k",
    on=date(2025, 6, 1),
    stage="registration",
    bin=Bin.WAITING,
    state="new",
    decision_reason=None,
    outcome="needs-information",
    outcome_reason=None,
    permanent=False,
    because=("intestinal-tumour",),
    passed=3,
    failed=(),
    missing=("I11", "E07"),
    at_visit=("I14",),
    to_order=({"what": "alt", "by": "2025-06-10", "for": ["E07"]},),
    flips_on=None,
)
READY = replace(ROW, bin=Bin.NEW, outcome="ready-for-investigator")


@pytest.fixture
def screened(store: Store, trial: Trial) -> Store:
    """The store after one screening."""
    list(screen(store, trial, Site.plain("clinic"), replace(ASKED, everyone=True)))
    return store


def _rows(store: Store, trial: Trial) -> dict[str, WorklistRow]:
    return {row.patient.removeprefix("Patient/"): row for row in read_worklist(store, trial, Stage.REGISTRATION)}


def test_worklist_has_the_candidates_and_nobody_else(screened: Store, trial: Trial) -> None:
    found = set(_rows(screened, trial))

    assert found == {"child", "intestinal", "pancreatic", "subject", "survivor", "treated", "undotted"}


def test_worklist_tells_a_failure_for_good_from_one_that_time_mends(screened: Store, trial: Trial) -> None:
    rows = _rows(screened, trial)

    assert rows["child"].bin is Bin.NOT_NOW
    assert rows["child"].failed == ("I01",)
    assert rows["pancreatic"].bin is Bin.NOT_ELIGIBLE
    assert rows["intestinal"].bin is Bin.WAITING


def test_worklist_comes_in_the_order_of_what_to_do_next(screened: Store, trial: Trial) -> None:
    bins = [row.bin for row in read_worklist(screened, trial, Stage.REGISTRATION)]

    assert bins == sorted(bins, key=list(Bin).index)


def test_worklist_puts_the_fewest_missing_first_and_visit_items_aside() -> None:
    little = replace(ROW, patient="Patient/2", missing=("I11",), at_visit=("I12", "I13", "I14", "I15"))
    much = replace(ROW, patient="Patient/1", missing=("I11", "E07"), at_visit=())

    assert sorted([much, little], key=place_of) == [little, much]


def test_worklist_puts_the_first_to_change_first_among_those_who_wait() -> None:
    never = replace(ROW, bin=Bin.NOT_NOW, patient="Patient/1", failed=("I11",), to_order=())
    later = replace(never, patient="Patient/2", flips_on=date(2025, 9, 1))
    sooner = replace(never, patient="Patient/3", flips_on=date(2025, 7, 1))

    assert sorted([never, later, sooner], key=place_of) == [sooner, later, never]


def test_worklist_counts_add_up_to_all_criteria_of_the_stage(screened: Store, trial: Trial) -> None:
    expected = sum(1 for criterion in trial.criteria if Stage.REGISTRATION in criterion.stages)

    counts = [row.passed + len(row.failed) + len(row.open) for row in _rows(screened, trial).values()]

    assert set(counts) == {expected}


def test_worklist_moves_a_closing_decision_to_the_end(screened: Store, trial: Trial) -> None:
    screened.decide(
        "clinic", "Patient/intestinal", trial=trial.id, state="declined", reason="patient-declined", by="nurse"
    )

    rows = read_worklist(screened, trial, Stage.REGISTRATION)

    assert (rows[-1].patient, rows[-1].bin, rows[-1].state) == ("Patient/intestinal", Bin.DECLINED, "declined")


def test_worklist_keeps_an_open_decision_where_the_work_is(screened: Store, trial: Trial) -> None:
    screened.decide("clinic", "Patient/intestinal", trial=trial.id, state="contacted", reason="to-contact", by="nurse")

    row = _rows(screened, trial)["intestinal"]

    assert (row.bin, row.state, row.decision_reason) == (Bin.WAITING, "contacted", "to-contact")


def test_worklist_takes_the_decision_on_a_merged_record_along(screened: Store, trial: Trial) -> None:
    screened.decide("clinic", "Patient/old", trial=trial.id, state="contacted", reason="to-contact", by="nurse")

    assert _rows(screened, trial)["survivor"].state == "contacted"


def test_worklist_has_one_row_for_two_records_merged_since(screened: Store, trial: Trial, tmp_path: Path) -> None:
    merged = patient("undotted", link=[{"other": {"reference": "Patient/intestinal"}, "type": "replaced-by"}])
    pull(screened, FolderSource(write_feed(tmp_path / "merged", [merged])), site="clinic")

    assert "undotted" not in _rows(screened, trial)
    assert "intestinal" in _rows(screened, trial)


def test_worklist_keeps_who_was_merged_into_a_record_not_screened_yet(
    screened: Store, trial: Trial, tmp_path: Path
) -> None:
    merged = patient("undotted", link=[{"other": {"reference": "Patient/breast"}, "type": "replaced-by"}])
    pull(screened, FolderSource(write_feed(tmp_path / "merged", [merged])), site="clinic")

    before = set(_rows(screened, trial))
    list(screen(screened, trial, Site.plain("clinic"), ASKED))
    after = set(_rows(screened, trial))

    assert "undotted" in before
    assert "breast" not in before
    assert "undotted" not in after
    assert "breast" in after


def test_worklist_shows_a_decision_on_who_is_no_candidate_any_more(
    screened: Store, trial: Trial, tmp_path: Path
) -> None:
    for identity in ("intestinal", "undotted"):
        refute(screened, tmp_path, identity)
    screened.decide("clinic", "Patient/undotted", trial=trial.id, state="contacted", reason="to-contact", by="nurse")
    list(screen(screened, trial, Site.plain("clinic"), ASKED))

    rows = _rows(screened, trial)

    assert rows["undotted"].bin is Bin.NO_LONGER_ELIGIBLE
    assert rows["undotted"].markers == ("proposal",)
    assert next_step(rows["undotted"], trial, words("en")) == "look at what changed, then decide again"
    assert "intestinal" not in rows


def test_worklist_row_names_patients_by_random_key(screened: Store, trial: Trial) -> None:
    row = _rows(screened, trial)["intestinal"]

    assert screened.patient_by_key(row.key) == ("clinic", "Patient/intestinal")
    assert "intestinal" not in row.key


def test_worklist_json_is_of_json_types(trial: Trial) -> None:
    found = replace(ROW, flips_on=date(2025, 7, 1)).to_json()

    assert found["counts"] == {"passed": 3, "failed": 0, "open": 3}
    assert (found["bin"], found["on"], found["flips_on"]) == ("waiting", "2025-06-01", "2025-07-01")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (replace(ROW, bin=Bin.ELIGIBLE, outcome="eligible"), "register the patient"),
        (replace(READY, missing=("I06", "I08")), "review, then attest: I06, I08"),
        (replace(READY, bin=Bin.TO_REVIEW, missing=("I06",)), "review, then attest: I06"),
        (replace(READY, missing=()), "review, then attest: I14"),
        (replace(READY, bin=Bin.TO_REVIEW, outcome="eligible"), "review, then decide"),
        (replace(ROW, to_order=()), "find out: I11, E07"),
        (replace(ROW, to_order=(), to_attest=("E07",)), "find out: I11"),
        (replace(ROW, bin=Bin.TO_REVIEW, markers=("proposal",)), "look at what changed, then decide again"),
        (replace(ROW, bin=Bin.NO_LONGER_ELIGIBLE), "look at why, then record the decision"),
        (replace(ROW, bin=Bin.NOT_NOW, flips_on=date(2025, 7, 1)), "look again on 1 July 2025"),
        (replace(ROW, bin=Bin.NOT_NOW), "look again by 10 June 2025: get ALT"),
        (replace(ROW, bin=Bin.NOT_NOW, to_order=()), "look again when a new result is in"),
        (replace(ROW, bin=Bin.NOT_ELIGIBLE), "record the decision"),
        (replace(ROW, bin=Bin.NOT_ELIGIBLE, state="not-eligible"), "nothing"),
        (replace(ROW, bin=Bin.DECLINED, state="declined"), "nothing"),
        (replace(ROW, bin=Bin.ENROLLED, state="enrolled"), "nothing"),
    ],
)
def test_next_step_says_what_to_do(row: WorklistRow, expected: str, trial: Trial) -> None:
    assert next_step(row, trial, words("en")) == expected


def test_next_step_names_what_to_order_and_by_when(trial: Trial) -> None:
    step = next_step(ROW, trial, words("fr"))

    assert step == f"obtenir {trial.wanted_label('alt', 'fr')} au plus tard le 10 juin 2025"


def test_standing_shows_what_fails_before_what_is_missing(trial: Trial) -> None:
    failing = replace(ROW, failed=("E04",))

    assert standing(failing, trial, words("en")).startswith("E04 ")
    assert standing(ROW, trial, words("en")).startswith("I11 ")
    assert standing(replace(ROW, to_attest=("E07",)), trial, words("en")).endswith("; and 1 to attest")
    assert "2 statements await" in standing(READY, trial, words("en"))
    assert standing(replace(ROW, outcome_reason="deceased"), trial, words("en")) == "recorded as deceased"


def test_what_data_alone_decided_is_still_to_be_signed() -> None:
    trial = load_trial("nct04954820")
    said = {
        "reference": "QuestionnaireResponse/1",
        "version": None,
        "effective": None,
        "value": None,
        "converted": None,
    }
    found = {"reference": "Observation/1", "version": None, "effective": None, "value": None, "converted": None}
    criteria = [
        {"id": "I01", "truth": "T", "evidence": [found], "parts": []},
        {"id": "I04", "truth": "T", "evidence": [found], "parts": []},
        {"id": "I05", "truth": "T", "evidence": [found, said], "parts": []},
        {"id": "I02", "truth": "T", "evidence": [], "parts": [{"evidence": [said]}]},
        {"id": "E10", "truth": "F", "evidence": [], "parts": []},
        {"id": "E16", "truth": "U", "evidence": [], "parts": []},
    ]

    # Automatic ones need no signature, signed ones have it, open ones are named elsewhere.
    assert unsigned({"criteria": criteria}, trial) == ["I04", "E10"]
