"""DM, SE, SV, DS and IE of the shipped documents, from the events, visits and death of a few subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from adapter.datasets.model import Finding, Package
from tests.support.sdtm_subject import CONSENTED, CYCLES, ONE, PATIENT, REGISTERED, TREATED, WATCHED, infusion
from tests.support.sdtm_views import Subject, Verdict, event_rows, made, records


def _package(*events: Mapping[str, Any], patient: Mapping[str, Any] | None = PATIENT, **more: Any) -> Package:
    views: dict[str, list[dict[str, Any]]] = {
        name: more.pop(name) for name in ("encounter", "medication_administration") if name in more
    }
    patients: Sequence[Mapping[str, Any]] = [patient] if patient is not None else []
    return made({"subject_event": event_rows(ONE, *events), "patient": patients, **views}, **more)


def _codes(package: Package, domain: str) -> list[str]:
    return [one.code for one in package.findings if one.domain == domain]


@pytest.mark.parametrize(
    ("events", "infusions", "found"),
    [
        pytest.param([CONSENTED, REGISTERED, *CYCLES, TREATED], ["2024-06-03"], ("LUT2", "LUT2", None), id="treated"),
        pytest.param([CONSENTED, REGISTERED, *CYCLES, WATCHED], [], ("OBS", "OBS", None), id="watched"),
        pytest.param([CONSENTED, REGISTERED, *CYCLES, TREATED], [], ("LUT2", None, "ASSIGNED, NOT TREATED"), id="not-treated"),
        pytest.param([CONSENTED, REGISTERED, *CYCLES, WATCHED], ["2024-06-03"], ("OBS", None, "UNPLANNED TREATMENT"), id="unplanned"),
        pytest.param([CONSENTED, REGISTERED, *CYCLES], ["2024-01-20"], (None, None, "NOT ASSIGNED"), id="no-arm"),
        pytest.param([CONSENTED], [], (None, None, "NOT ASSIGNED"), id="in-screening"),
        pytest.param(
            [CONSENTED, {"kind": "ineligible", "on": "2024-01-09", "reason": "E07"}], [], (None, None, "SCREEN FAILURE"), id="failed"
        ),
        pytest.param([CONSENTED, REGISTERED, {**TREATED, "arm": "third"}], [], (None, None, "NOT ASSIGNED"), id="unknown-arm"),
    ],
)  # fmt: skip
def test_arm_is_empty_only_where_a_reason_says_why(
    events: list[dict[str, Any]], infusions: list[str], found: tuple[str | None, ...]
) -> None:
    rows = [infusion(f"m{at}", day) for at, day in enumerate(infusions)]
    demographics = _package(*events, medication_administration=rows).dataset("DM")

    assert records(demographics, "ARMCD", "ACTARMCD", "ARMNRS") == [found]


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([CONSENTED, REGISTERED, *CYCLES], "subject-without-arm"),
        ([CONSENTED, REGISTERED, {**TREATED, "arm": "third"}], "arm-unknown"),
        ([CONSENTED], "screening-not-closed"),
    ],
)
def test_subject_without_an_arm_is_found(events: list[dict[str, Any]], code: str) -> None:
    package = _package(*events)

    found = next(one for one in package.findings if one.domain == "DM")
    assert (found.code, found.subject, found.severity) == (code, ONE, "warning")


def test_reference_dates_are_those_of_randomisation_exposure_and_end() -> None:
    rows = [infusion("m1", "2024-06-03"), infusion("m2", "2024-07-29"), infusion("m0", "2024-01-20")]
    ended = {"kind": "ended", "on": "2025-05-26", "reason": "completed"}
    package = _package(CONSENTED, REGISTERED, *CYCLES, TREATED, ended, medication_administration=rows)

    names = ("RFICDTC", "RFSTDTC", "RFXSTDTC", "RFXENDTC", "RFENDTC", "RFPENDTC")
    assert records(package.dataset("DM"), *names) == [
        ("2024-01-02", "2024-05-20", "2024-06-03T10:30", "2024-07-29T11:00", "2025-05-26", "2025-05-26")
    ]
    # As precise as EXSTDTC (sdtm-mapping.md, traps).
    assert records(package.dataset("EX"), "EXSTDTC")[0] == ("2024-06-03T10:30",)


def test_participation_that_lasts_has_no_end_and_the_last_day_as_reference() -> None:
    visit = {"kind": "visit", "on": "2024-07-22", "visit": 1}
    package = _package(CONSENTED, REGISTERED, *CYCLES, WATCHED, visit)

    assert records(package.dataset("DM"), "RFENDTC", "RFPENDTC") == [("2024-07-22", None)]


@pytest.mark.parametrize(
    ("patient", "found"),
    [
        (PATIENT, (None, None)),
        (PATIENT | {"deceased_date": "2024-09-01"}, ("2024-09-01", "Y")),
        (PATIENT | {"deceased": True}, (None, "Y")),
        (PATIENT | {"deceased": False}, (None, None)),
    ],
)
def test_death_is_told_by_its_day_or_its_flag(patient: dict[str, Any], found: tuple[str | None, str | None]) -> None:
    package = _package(CONSENTED, REGISTERED, *CYCLES, WATCHED, patient=patient)

    assert records(package.dataset("DM"), "DTHDTC", "DTHFL") == [found]


def test_death_without_an_event_is_a_disposition() -> None:
    package = _package(CONSENTED, REGISTERED, patient=PATIENT | {"deceased_date": "2024-09-01"})

    last = records(package.dataset("DS"), "DSDECOD", "DSSTDTC")[-1]
    assert last == ("DEATH", "2024-09-01")


def test_death_with_an_event_is_one_disposition() -> None:
    died = {"kind": "died", "on": "2024-09-01"}
    ended = {"kind": "ended", "on": "2024-09-05", "reason": "died"}
    package = _package(CONSENTED, REGISTERED, died, ended, patient=PATIENT | {"deceased_date": "2024-09-01"})

    assert [row for row in records(package.dataset("DS"), "DSDECOD") if row == ("DEATH",)] == [("DEATH",)]
    assert ("OTHER",) not in records(package.dataset("DS"), "DSDECOD")


def test_death_with_two_days_has_the_records_in_every_domain() -> None:
    died = {"kind": "died", "on": "2024-09-03"}
    package = _package(CONSENTED, REGISTERED, WATCHED, died, patient={**PATIENT, "deceased_date": "2024-09-01"})

    assert records(package.dataset("DM"), "DTHDTC", "RFPENDTC", "RFENDTC") == [("2024-09-01",) * 3]
    assert records(package.dataset("DS"), "DSDECOD", "DSSTDTC", "DSDTC")[-1] == ("DEATH", "2024-09-01", "2024-09-01")
    assert records(package.dataset("SE"), "SEENDTC")[-1] == ("2024-09-01",)


def test_demographics_hold_no_birth_date_and_no_race() -> None:
    package = _package(CONSENTED, REGISTERED)

    names = {one.name for one in package.dataset("DM").variables}
    assert "BRTHDTC" not in names
    assert records(package.dataset("DM"), "AGE", "AGEU", "SEX", "RACE", "ETHNIC", "COUNTRY", "SITEID") == [
        (62, "YEARS", "F", "NOT REPORTED", "NOT REPORTED", "FRA", "05")
    ]


@pytest.mark.parametrize("gender", ["other", "unknown", None])
def test_sex_that_is_not_told_is_u(gender: str | None) -> None:
    package = _package(CONSENTED, REGISTERED, patient=PATIENT | {"gender": gender})

    assert records(package.dataset("DM"), "SEX") == [("U",)]


def test_subject_without_a_patient_stays_and_is_found() -> None:
    package = _package(CONSENTED, REGISTERED, patient=None)

    assert records(package.dataset("DM"), "USUBJID", "SEX", "AGE", "AGEU") == [(ONE, "U", None, None)]
    assert {"subject-without-patient", "age-not-known"} <= set(_codes(package, "DM"))


def test_elements_begin_where_the_one_before_ends() -> None:
    over = {"kind": "treatment-over", "on": "2024-07-29"}
    ended = {"kind": "ended", "on": "2025-05-26", "reason": "completed"}
    package = _package(CONSENTED, REGISTERED, *CYCLES, TREATED, over, ended)

    names = ("ETCD", "EPOCH", "SESTDTC", "SEENDTC", "SESTDY", "SEENDY")
    assert records(package.dataset("SE"), *names) == [
        ("SCRN", "SCREENING", "2024-01-02", "2024-01-20", -139, -121),
        ("PRRT2", "SCREENING", "2024-01-20", "2024-05-20", -121, 1),
        ("LUT2", "TREATMENT", "2024-05-20", "2024-07-30", 1, 72),
        ("FUP", "FOLLOW-UP", "2024-07-30", "2025-05-26", 72, 372),
    ]


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([CONSENTED, REGISTERED, WATCHED], [("SCRN", 1), ("OBS", 3)]),
        (
            [CONSENTED, REGISTERED, {"kind": "progression", "on": "2024-03-01"}],
            [("SCRN", 1)],
        ),  # never randomised: no follow-up
        (
            [CONSENTED, REGISTERED, WATCHED, {"kind": "progression", "on": "2024-07-01"}],
            [("SCRN", 1), ("OBS", 3), ("FUP", 4)],
        ),
    ],
)
def test_element_has_the_order_that_its_arm_gives_it(
    events: list[dict[str, Any]], found: list[tuple[str, int]]
) -> None:
    assert records(_package(*events).dataset("SE"), "ETCD", "TAETORD") == found


def test_last_infusion_is_in_the_treatment_though_the_treatment_is_over_that_day() -> None:
    over = {"kind": "treatment-over", "on": "2024-07-29"}
    rows = [infusion("m1", "2024-06-03"), infusion("m2", "2024-07-29")]
    package = _package(CONSENTED, REGISTERED, *CYCLES, TREATED, over, medication_administration=rows)

    assert records(package.dataset("EX"), "EPOCH") == [("TREATMENT",), ("TREATMENT",)]


def test_element_that_would_begin_after_the_end_is_none() -> None:
    progression = {"kind": "progression", "on": "2024-09-01"}
    died = {"kind": "died", "on": "2024-09-01"}
    package = _package(CONSENTED, REGISTERED, *CYCLES, WATCHED, progression, died)

    assert records(package.dataset("SE"), "ETCD", "SEENDTC")[-1] == ("OBS", "2024-09-01")


def test_element_that_lasts_has_no_end() -> None:
    package = _package(CONSENTED, REGISTERED, *CYCLES, WATCHED)

    assert records(package.dataset("SE"), "ETCD", "SEENDTC")[-1] == ("OBS", None)


def _stay(key: str, kind: str, visit: int, start: str, **more: Any) -> dict[str, Any]:
    return {
        "id": key, "usubjid": ONE, "status": "finished", "visit_kind": f"visit-{kind}", "visit": visit,
        "start": start, "end": start, **more,
    }  # fmt: skip


def test_visits_are_encounters_and_what_events_tell_beside_them() -> None:
    stays = [
        _stay("e1", "screening", 1, "2024-01-08T07:30:00+01:00", end="2024-01-08T17:00:00+01:00"),
        _stay("e2", "follow-up", 1, "2024-07-22"),
        _stay("e3", "follow-up", 2, "2024-09-20", status="cancelled"),
        {"id": "e4", "usubjid": ONE, "status": "finished", "start": "2024-02-02"},
    ]
    package = _package(CONSENTED, REGISTERED, *CYCLES, WATCHED, encounter=stays)

    assert records(package.dataset("SV"), "VISITNUM", "VISIT", "SVOCCUR", "SVSTDTC", "SVENDTC") == [
        (1, "SCREENING", "Y", "2024-01-08T07:30", "2024-01-08T17:00"),
        (2, "CYCLE 1", "Y", "2024-01-20", "2024-01-20"),
        (3, "CYCLE 2", "Y", "2024-03-16", "2024-03-16"),
        (4, "RANDOMISATION", "Y", "2024-05-20", "2024-05-20"),
        (7, "MONTH 2", "Y", "2024-07-22", "2024-07-22"),
        (8, "MONTH 4", "N", None, None),
    ]


@pytest.mark.parametrize("status", ["planned", "entered-in-error"])
def test_visit_that_is_still_to_come_or_was_an_error_is_not_told_as_missed(status: str) -> None:
    stays = [_stay("e1", "follow-up", 1, "2024-07-22", status=status)]
    package = _package(CONSENTED, REGISTERED, *CYCLES, WATCHED, encounter=stays)

    assert {occurred for (occurred,) in records(package.dataset("SV"), "SVOCCUR")} == {"Y"}
    assert (7,) not in records(package.dataset("SV"), "VISITNUM")


def test_visit_that_is_not_planned_is_left_out_and_found() -> None:
    package = _package(CONSENTED, REGISTERED, encounter=[_stay("e1", "follow-up", 99, "2024-07-22")])

    assert [row for row in records(package.dataset("SV"), "VISITNUM") if row != (1,)] == []
    assert _codes(package, "SV") == ["visit-not-planned"]


def test_visit_with_two_encounters_lasts_over_both_and_is_found() -> None:
    stays = [_stay("e2", "follow-up", 1, "2024-07-24"), _stay("e1", "follow-up", 1, "2024-07-22")]
    package = _package(CONSENTED, REGISTERED, WATCHED, encounter=stays)

    assert records(package.dataset("SV"), "VISITNUM", "SVSTDTC", "SVENDTC")[-1] == (7, "2024-07-22", "2024-07-24")
    assert _codes(package, "SV") == ["visit-repeated"]


def test_events_out_of_order_and_after_death_are_found() -> None:
    late = {"kind": "visit", "on": "2024-10-01", "visit": 1}
    package = _package(
        CONSENTED, REGISTERED, WATCHED, late, {"kind": "visit", "on": "2024-07-20", "visit": 2},
        patient=PATIENT | {"deceased_date": "2024-09-01"},
    )  # fmt: skip

    assert {"dates-out-of-order", "event-after-death"} <= set(_codes(package, "DM"))


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"kind": "ended", "reason": "completed"}, ("COMPLETED", "COMPLETED", "STUDY PARTICIPATION")),
        ({"kind": "ended", "reason": "lost-to-follow-up"}, ("LOST TO FOLLOW-UP", "LOST TO FOLLOW-UP", "STUDY PARTICIPATION")),
        ({"kind": "ended", "reason": "moved"}, ("OTHER", "MOVED", "STUDY PARTICIPATION")),
        ({"kind": "withdrawn"}, ("WITHDRAWAL BY SUBJECT", "WITHDRAWAL BY SUBJECT", "STUDY PARTICIPATION")),
        ({"kind": "progression"}, ("PROGRESSIVE DISEASE", "PROGRESSIVE DISEASE", "STUDY TREATMENT")),
        ({"kind": "treatment-over"}, ("COMPLETED", "COMPLETED", "STUDY TREATMENT")),
        (
            {"kind": "randomisation-failed", "reason": "E02"},
            ("FAILURE TO MEET RANDOMIZATION CRITERIA", "FAILURE TO MEET RANDOMIZATION CRITERIA", "STUDY PARTICIPATION"),
        ),
    ],
)  # fmt: skip
def test_disposition_is_what_ended_and_why(event: dict[str, Any], found: tuple[str, str, str]) -> None:
    package = _package(CONSENTED, REGISTERED, {"on": "2024-09-01", **event})

    assert records(package.dataset("DS"), "DSDECOD", "DSTERM", "DSSCAT")[-1] == found
    assert ("unmapped-code" in _codes(package, "DS")) == (found[0] == "OTHER")


def test_withdrawal_before_the_registration_is_one_disposition_though_told_twice() -> None:
    left = {"kind": "not-registered", "on": "2024-01-09", "reason": "consent-withdrawn"}
    package = _package(CONSENTED, left, {"kind": "withdrawn", "on": "2024-01-09"})

    disposition = package.dataset("DS")
    assert records(disposition, "DSDECOD") == [("INFORMED CONSENT OBTAINED",), ("WITHDRAWAL BY SUBJECT",)]
    assert disposition.rows[-1].key.endswith("#not-registered|2")


def test_end_of_treatment_and_of_participation_on_one_day_are_two_dispositions() -> None:
    over, ended = (
        {"kind": "treatment-over", "on": "2025-05-20"},
        {"kind": "ended", "on": "2025-05-20", "reason": "completed"},
    )
    package = _package(CONSENTED, REGISTERED, *CYCLES, TREATED, over, ended)

    assert records(package.dataset("DS"), "DSDECOD", "DSSCAT")[-2:] == [
        ("COMPLETED", "STUDY PARTICIPATION"),
        ("COMPLETED", "STUDY TREATMENT"),
    ]


def test_failure_before_the_randomisation_is_in_no_follow_up() -> None:
    progression = {"kind": "progression", "on": "2024-05-10"}
    failed = {"kind": "randomisation-failed", "on": "2024-05-20", "reason": "E02"}
    package = _package(CONSENTED, REGISTERED, *CYCLES, progression, failed)

    assert records(package.dataset("SE"), "ETCD", "SEENDTC") == [("SCRN", "2024-01-20"), ("PRRT2", "2024-05-20")]
    assert records(package.dataset("DS"), "DSDECOD", "EPOCH")[-1] == (
        "FAILURE TO MEET RANDOMIZATION CRITERIA",
        "SCREENING",
    )


def test_milestones_are_in_their_order_with_study_days() -> None:
    package = _package({"kind": "pre-screened", "on": "2023-12-01"}, CONSENTED, REGISTERED, *CYCLES, WATCHED)

    assert records(package.dataset("DS"), "DSDECOD", "DSCAT", "DSSTDTC", "DSSTDY", "EPOCH") == [
        ("INFORMED CONSENT OBTAINED", "PROTOCOL MILESTONE", "2024-01-02", -139, "SCREENING"),
        ("REGISTERED", "PROTOCOL MILESTONE", "2024-01-10", -131, "SCREENING"),
        ("RANDOMIZED", "PROTOCOL MILESTONE", "2024-05-20", 1, "OBSERVATION"),
    ]


def test_failed_criteria_are_those_recorded_and_those_that_the_records_fail() -> None:
    verdicts = [
        Verdict(ONE, "I01", "T"),
        Verdict(ONE, "I07", "F"),
        Verdict(ONE, "E07", "T"),
        Verdict(ONE, "I07", "F"),
        Verdict(ONE, "E08", "F"),
        Verdict(ONE, "E09", "U"),
        Verdict("RELUTH-05-0099", "E09", "T"),
    ]
    package = _package(CONSENTED, {"kind": "ineligible", "on": "2024-01-09", "reason": "E07"}, verdicts=verdicts)

    failed = package.dataset("IE")
    assert records(failed, "IETESTCD", "IECAT", "IEORRES", "IESTRESC", "IEDTC") == [
        ("EXCL07", "EXCLUSION", "Y", "Y", "2024-01-09"),
        ("INCL07", "INCLUSION", "N", "N", "2024-01-10"),
    ]
    assert [bool(row.sources) for row in failed.rows] == [True, False]
    criteria = dict(records(package.dataset("TI"), "IETESTCD", "IETEST"))
    assert all(criteria[code] == text for code, text in records(failed, "IETESTCD", "IETEST"))


def test_consent_that_only_the_staging_knows_is_the_informed_consent() -> None:
    package = _package(REGISTERED, subjects=[Subject(consented_on=date(2024, 1, 3))])

    assert records(package.dataset("DM"), "RFICDTC") == [("2024-01-03",)]


def test_package_without_subjects_holds_the_design_and_an_empty_dm() -> None:
    package = made({}, [])

    assert [one.name for one in package.datasets] == ["DM", "TA", "TE", "TI", "TS", "TV"]
    assert package.dataset("DM").rows == ()


def test_no_finding_of_a_subject_holds_a_value() -> None:
    package = _package(CONSENTED, REGISTERED, patient=PATIENT | {"gender": "Mme Dupont, née le 3 mai"})

    def told(one: Finding) -> str:
        return f"{one.text} {one.value} {one.resource}"

    assert not any("Dupont" in told(one) for one in package.findings)
