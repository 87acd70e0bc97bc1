"""LB, VS, RS, TU and TR: the records that a few handwritten resources become."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sdtm_views import Numbers, event_rows, made
from tests.support.sdtm_views import records as named

from .feed_package import record, records, told


def part(found: dict[str, str], *names: str) -> tuple[str | None, ...]:
    return tuple(found.get(name) for name in names)


# --- LB ------------------------------------------------------------------------------------------------------------


def test_laboratory_result_is_kept_as_received_beside_the_standard_unit() -> None:
    assert record("LB", "klab02") == {
        "STUDYID": "RELUTH",
        "DOMAIN": "LB",
        "USUBJID": "RELUTH-05-0001",
        "LBSEQ": record("LB", "klab02")["LBSEQ"],
        "LBTESTCD": "HGB",
        "LBTEST": "Hemoglobin",
        "LBCAT": "HEMATOLOGY",
        "LBORRES": "12.10",
        "LBORRESU": "g/dL",
        "LBORNRLO": "13.0",
        "LBORNRHI": "17.0",
        "LBSTRESC": "12.1",
        "LBSTRESN": "12.1",
        "LBSTRESU": "g/dL",
        "LBSTNRLO": "13",
        "LBSTNRHI": "17",
        "LBNRIND": "LOW",
        "LBLOINC": "718-7",
        "LBSPEC": "BLOOD",
        "LBLOBXFL": "Y",
        "VISITNUM": "5",
        "VISIT": "CYCLE 3",
        "EPOCH": "TREATMENT",
        "LBDTC": "2024-05-08T08:00",
        "LBDY": "24",
    }


@pytest.mark.parametrize(
    ("key", "received", "standard"),
    [
        ("klab01", ("121", "g/L"), ("12.1", "g/dL")),  # haemoglobin
        ("klab03", ("143", "10^9/L"), ("143", "10^9/L")),  # sent as G/L, without a code
        ("klab04", ("2100", "/mm3"), ("2.1", "10^9/L")),
        ("klab05", ("83", "U/L"), ("83", "U/L")),  # sent as UI/L: never nkat/L or ukat/L
        ("klab07", ("67", "mL/min/1.73m2"), ("67", "mL/min/1.73m2")),
        ("klab08", ("1.05", None), ("1.05", "RATIO")),  # an INR without a unit: nobody sent one
        ("klab11", ("1.02", "g/L"), ("5.661", "mmol/L")),  # glucose
        ("klab16", ("0.85", "mg/dL"), ("75.14", "umol/L")),  # creatinine
        ("klab19", ("71", "mL/min/1.73m2"), ("71", "mL/min/1.73m2")),
    ],
)
def test_laboratory_units_are_converted_exactly(
    key: str, received: tuple[str, str | None], standard: tuple[str, str]
) -> None:
    found = record("LB", key)

    assert part(found, "LBORRES", "LBORRESU") == received
    assert part(found, "LBSTRESC", "LBSTRESU") == standard
    assert found["LBSTRESN"] == standard[0]


@pytest.mark.parametrize(
    ("sent", "received", "standard"),
    [
        ({"value": "1.05"}, "1.05", ("1.05", "RATIO", "1.2")),
        ({"value": "14", "unit_withheld": "true"}, "14", (None, None, None)),
        ({"value_low": "2", "value_high": "3", "value_low_unit_withheld": "true"}, "2-3", (None, None, "1.2")),
    ],
)
def test_ratio_in_a_unit_that_does_not_leave_is_not_taken_for_one_without(
    sent: dict[str, str], received: str, standard: tuple[str | None, ...]
) -> None:
    row = {"id": "k1", "usubjid": "RELUTH-05-0001", "status": "final", "loinc": "6301-6", "effective": "2024-05-08"}
    package = made({"laboratory": [row | {"range_high": "1.2"} | sent]})

    assert named(package.dataset("LB"), "LBORRES", "LBORRESU") == [(received, None)]
    assert named(package.dataset("LB"), "LBSTRESC", "LBSTRESU", "LBSTNRHI") == [standard]
    assert any(one.code == "unknown-unit" for one in package.findings) is (standard[0] is None)


def test_laboratory_limit_is_no_number() -> None:
    found = record("LB", "klab09")

    assert part(found, "LBORRES", "LBSTRESC", "LBSTRESN", "LBSTRESU") == ("<2", "<2", None, "IU/L")


def test_laboratory_range_is_shown_and_is_no_number() -> None:
    found = record("LB", "klab23")

    assert part(found, "LBORRES", "LBORRESU", "LBSTRESC", "LBSTRESU") == ("3.5-3.8", "g/dL", "35-38", "g/L")
    assert not {"LBSTRESN", "LBSTAT"} & set(found)


def test_pregnancy_test_is_answered_by_a_word() -> None:
    found = record("LB", "klab10")

    assert part(found, "LBTESTCD", "LBORRES", "LBSTRESC", "LBSTRESN", "LBSTAT") == (
        "HCG",
        "NEGATIVE",
        "NEGATIVE",
        None,
        None,
    )


def test_limits_of_normal_are_converted_with_the_unit_of_the_value_where_they_have_none() -> None:
    assert part(record("LB", "klab03"), "LBORNRLO", "LBSTNRLO", "LBSTNRHI", "LBNRIND") == ("150", "150", "400", "LOW")
    assert part(record("LB", "klab06"), "LBORNRLO", "LBSTNRLO", "LBSTNRHI") == (None, None, "21")


@pytest.mark.parametrize(
    ("result", "limit", "shown"),
    [
        ({"value": "135", "unit": "g/L"}, {"range_low": "12.0", "range_low_unit": "g/dL"}, "120"),
        ({"value": "135", "unit": "g/L"}, {"range_low": "12.0", "range_low_code": "g/dL"}, "120"),
        ({"value": "13.5", "unit": "g/dL"}, {"range_low": "12.0", "range_low_unit": "g/dl"}, "12.0"),
        ({"value": "13.5", "unit": "g/dL"}, {"range_low": "12.0"}, "12.0"),
        ({"value": "13.5"}, {"range_low": "12.0", "range_low_unit": "g/dL"}, "12.0"),
    ],
)
def test_limit_is_shown_in_the_unit_of_the_result(result: dict[str, str], limit: dict[str, str], shown: str) -> None:
    row = {"id": "k1", "usubjid": "RELUTH-05-0001", "status": "final", "loinc": "718-7"}

    assert named(made({"laboratory": [row | result | limit]}).dataset("LB"), "LBORNRLO", "LBSTNRLO") == [(shown, 12)]


def test_indicator_is_the_laboratorys_own_where_no_number_or_no_range_tells_it() -> None:
    assert record("LB", "klab06")["LBNRIND"] == "NORMAL"  # below 5 of at most 21
    assert {one["LBTESTCD"]: one["LBNRIND"] for one in records("LB", "klab21")} == {"WBC": "NORMAL", "LYM": "LOW"}


@pytest.mark.parametrize("codes", [("26515-7", "777-3"), ("777-3", "26515-7"), ("777-3", None)])
def test_result_with_two_codes_is_known_by_the_one_that_is(codes: tuple[str, str | None]) -> None:
    first, second = codes
    row = {"id": "k1", "usubjid": "RELUTH-05-0001", "status": "final", "value": "210", "unit": "G/L"}
    package = made({"laboratory": [row | {"loinc": first, "loinc_second": second}]})

    assert named(package.dataset("LB"), "LBTESTCD", "LBLOINC", "LBORRES") == [("PLAT", "777-3", "210")]
    assert not [one for one in package.findings if one.code == "lab-code-unknown"]


@pytest.mark.parametrize(("sent", "word"), [("LU", "LOW"), ("LL", "LOW"), ("HU", "HIGH"), ("A", None)])
def test_interpretation_that_is_low_or_high_to_any_degree_is_so(sent: str, word: str | None) -> None:
    row = {"id": "k1", "usubjid": "RELUTH-05-0001", "status": "final", "loinc": "777-3", "value": "1", "unit": "G/L"}

    assert named(made({"laboratory": [row | {"interpretation": sent}]}).dataset("LB"), "LBNRIND") == [(word,)]


def test_result_that_is_missing_is_not_done_with_its_reason() -> None:
    found = record("LB", "klab14")

    assert part(found, "LBORRES", "LBSTAT", "LBREASND") == (None, "NOT DONE", "ERROR")


def test_components_of_a_panel_are_records_of_their_own() -> None:
    found = {one["LBTESTCD"]: one for one in records("LB", "klab21")}

    assert part(found["WBC"], "LBORRES", "LBORRESU", "LBNRIND", "LBLOINC") == ("5.2", "10^9/L", "NORMAL", "6690-2")
    assert part(found["LYM"], "LBORRES", "LBORRESU", "LBDTC") == ("1.1", "10^9/L", "2024-05-08T08:00")


def test_codes_without_a_test_are_told_with_their_count() -> None:
    assert sorted(told("lab-code-unknown")) == [
        ("LB", None, "29593-1"),
        ("LB", None, "31206-6"),
        ("LB", None, "9999-9"),
    ]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"unit_code": "[iU]/L", "unit": "UI/L"}, "IU/L"),
        ({"unit_code": "U/L", "unit": "UI/L"}, "U/L"),
        ({"unit": "UI/L"}, "U/L"),
        ({}, None),
    ],
)
def test_unit_as_received_is_the_one_that_was_coded(sent: dict[str, str], shown: str | None) -> None:
    result = {"id": "k1", "usubjid": "RELUTH-05-0001", "status": "final", "loinc": "1742-6", "value": "34", **sent}
    (row,) = made({"laboratory": [result]}).dataset("LB").rows

    assert made({"laboratory": [result]}).dataset("LB").cell(row, "LBORRESU") == shown


def test_fasting_is_told_by_the_code_alone() -> None:
    assert record("LB", "klab11")["LBFAST"] == "Y"
    assert {one["LBTESTCD"] for one in records("LB") if "LBFAST" in one} == {"GLUC"}


def test_results_that_are_not_final_are_in_no_record() -> None:
    shown = {one.get("LBORRES") for one in records("LB")}

    assert not shown & {"9.99", "7.77"}


def test_last_result_before_the_first_exposure_is_the_baseline() -> None:
    flagged = [one for one in records("LB") if "LBLOBXFL" in one]

    assert {one["USUBJID"] for one in flagged} == {"RELUTH-05-0001"}  # the other subject has no exposure
    assert [one["LBDTC"] for one in flagged if one["LBTESTCD"] == "HGB"] == ["2024-05-08T08:00"]


def test_partial_date_has_no_study_day_and_no_visit() -> None:
    assert part(record("LB", "klab19"), "LBDTC", "LBDY", "VISITNUM", "EPOCH") == ("2024-03", None, None, None)


# --- VS ------------------------------------------------------------------------------------------------------------


def test_pressures_of_one_reading_are_two_records_of_one_group() -> None:
    found = records("VS", "kvs1")

    assert {(one["VSTESTCD"], one["VSORRES"], one["VSORRESU"]) for one in found} == {
        ("SYSBP", "128", "mmHg"),
        ("DIABP", "76", "mmHg"),
    }
    assert len({one["VSGRPID"] for one in found}) == 1
    assert {one["VSGRPID"] for one in records("VS", "kvs2")} != {found[0]["VSGRPID"]}


def test_vital_signs_are_in_the_standard_units() -> None:
    assert part(record("VS", "kvs4"), "VSTESTCD", "VSORRES", "VSORRESU", "VSSTRESN", "VSSTRESU") == (
        "HEIGHT",
        "1.74",
        "m",
        "174",
        "cm",
    )
    assert {one["VSORRESU"] for one in records("VS", "kvs2")} == {"mmHg"}  # sent as mm Hg


def test_vital_sign_without_a_number_is_not_done() -> None:
    assert part(record("VS", "kvs5"), "VSORRES", "VSSTAT", "VSREASND") == (None, "NOT DONE", "NOT PERFORMED")


# --- RS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "score"), [("kecog1", "1"), ("kecog2", "2"), ("kecog3", "0"), ("kecog4", "1")])
def test_performance_status_is_read_in_every_way_that_it_is_sent(key: str, score: str) -> None:
    found = record("RS", key)

    assert part(found, "RSTESTCD", "RSCAT", "RSORRES", "RSSTRESC", "RSSTRESN") == (
        "ECOG101",
        "ECOG",
        score,
        score,
        score,
    )


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"value": "1.0"}, ("1", "1", 1)),
        ({"value": "1.0", "unit": "{score}", "unit_code": "{score}"}, ("1", "1", 1)),
        ({"value": "0.5"}, ("0.5", None, None)),
        ({"value": "2", "comparator": "<"}, ("<2", None, None)),
    ],
)
def test_score_is_read_as_a_number_is(sent: dict[str, str], found: tuple[Any, ...]) -> None:
    row = {"id": "k1", "usubjid": "RELUTH-05-0001", "status": "final", "effective": "2024-05-20"}

    assert named(made({"ecog": [row | sent]}).dataset("RS"), "RSORRES", "RSSTRESC", "RSSTRESN") == [found]


def test_score_that_ecog_does_not_have_is_kept_as_received_alone() -> None:
    assert part(record("RS", "kecog5"), "RSORRES", "RSSTRESC", "RSSTRESN") == ("7", None, None)
    assert part(record("RS", "kecog6"), "RSORRES", "RSSTRESC", "RSSTAT") == ("1-2", None, None)
    assert told("ecog-unreadable") == [("RS", None, "7")]


def test_responses_of_one_assessment_share_a_group_with_its_measurements() -> None:
    responses = {key: record("RS", key) for key in ("krsp1", "krsp2", "krsp3")}

    assert {key: part(one, "RSTESTCD", "RSSTRESC") for key, one in responses.items()} == {
        "krsp1": ("TRGRESP", "SD"),
        "krsp2": ("NTRGRESP", "PD"),
        "krsp3": ("OVRLRESP", "PD"),
    }
    assert {one["RSLNKGRP"] for one in responses.values()} == {record("TR", "km5")["TRLNKGRP"]}


def test_response_whose_words_do_not_leave_the_site_has_no_result() -> None:
    assert part(record("RS", "krsp5"), "RSORRES", "RSSTAT", "RSREASND") == (None, "NOT DONE", "NO CODED RESULT")
    assert told("response-without-answer") == [("RS", "Observation/krsp5", None)]


def test_non_target_answer_is_written_as_recist_writes_it() -> None:
    assert record("RS", "krsp4")["RSSTRESC"] == "NON-CR/NON-PD"


def test_disease_status_is_no_response_by_recist() -> None:
    assert part(record("RS", "kdis1"), "RSCAT", "RSTESTCD", "RSSTRESC") == ("CLINICAL STATUS", "DISSTAT", "WORSENED")


def test_responses_without_an_imaging_study_are_groups_by_day_that_moved_dates_keep() -> None:
    one, numbers = "RELUTH-05-0001", Numbers()

    def groups(consented: str, *days: str) -> list[str]:
        told = [
            {
                "id": f"k{at}",
                "usubjid": one,
                "status": "final",
                "term": "recist-response",
                "value_term": "SD",
                "effective": day,
            }
            for at, day in enumerate(days)
        ]
        events = event_rows(one, {"kind": "consented", "on": consented})
        package = made({"recist": told, "subject_event": events}, numbers=numbers)
        return [str(cell) for (cell,) in named(package.dataset("RS"), "RSLNKGRP")]

    assert groups("2024-01-02", "2024-01-05", "2024-01-05", "2024-03-05", "2024-04") == ["A01", "A01", "A02", "A03"]
    assert groups("2023-12-26", "2023-12-29", "2023-12-29", "2024-02-27") == ["A01", "A01", "A02"]


# --- TU, TR --------------------------------------------------------------------------------------------------------


def test_lesion_is_identified_once_on_its_first_day() -> None:
    found = records("TU")

    assert [one["TUSPID"] for one in found] == ["T01", "T02", "NT01", "N01"]
    assert [part(one, "USUBJID", "TULNKID", "TUSTRESC", "TULOC", "TUMETHOD", "TUDTC") for one in found] == [
        ("RELUTH-05-0001", "L01", "TARGET", "LIVER", "CT SCAN", "2024-04-10T14:40"),
        ("RELUTH-05-0001", "L02", "TARGET", "MESENTERY", "CT SCAN", "2024-04-10T14:40"),
        ("RELUTH-05-0001", "L03", "NON-TARGET", "BONE", "CT SCAN", "2024-04-10T14:40"),
        ("RELUTH-05-0002", "L01", "NEW", "PERITONEUM", "CT SCAN", "2024-07-05T14:40"),
    ]


def test_measurements_point_to_their_lesion() -> None:
    diameters = [one for one in records("TR") if one["TRTESTCD"] == "LDIAM" and one["USUBJID"].endswith("1")]

    assert {part(one, "TRLNKID", "TRGRPID", "TRSTRESN", "TRSTRESU") for one in diameters} == {
        ("L01", "TARGET", "22", "mm"),
        ("L01", "TARGET", "18", "mm"),
        ("L02", "TARGET", "14", "mm"),  # sent as 1.4 cm
        ("L02", "TARGET", "12", "mm"),
    }


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("km3", ("TUMSTATE", "PRESENT", "L03", "CT SCAN")),
        ("km7", ("TUMSTATE", "UNEQUIVOCAL PROGRESSION", "L03", "CT SCAN")),
        ("km8", ("TUMSTATE", "PRESENT", "L01", "CT SCAN")),  # that it is new says TRGRPID
        ("km4", ("SUMDIAM", "36", None, "CT SCAN")),
        ("km10", ("SUVMAX", "18.4", "L01", "PET/CT SCAN")),
        ("km11", ("KRENNING", "3", None, "PET/CT SCAN")),
        ("km12", ("SSTRUPT", "ABOVE LIVER", None, "PET/CT SCAN")),
    ],
)
def test_findings_on_lesions_keep_their_kind_lesion_and_method(key: str, expected: tuple[str | None, ...]) -> None:
    assert part(record("TR", key), "TRTESTCD", "TRSTRESC", "TRLNKID", "TRMETHOD") == expected


def test_every_link_of_a_measurement_has_its_lesion() -> None:
    lesions = {part(one, "USUBJID", "TULNKID") for one in records("TU")}
    linked = {part(one, "USUBJID", "TRLNKID") for one in records("TR") if "TRLNKID" in one}

    assert linked == lesions


def test_measurement_without_a_lesion_is_kept_and_told() -> None:
    assert record("TR", "km9")["TRORRES"] == "30"
    assert told("lesion-not-identified") == [("TR", "Observation/km9", None)]
