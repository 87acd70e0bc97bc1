"""EX, EC, CM, PR, AE and MH: the records that a few handwritten resources become."""

from __future__ import annotations

import pytest

from tests.support.sdtm_views import made
from tests.support.sdtm_views import records as named

from .feed_package import record, records, told

LUTATHERA = "LUTETIUM (177LU) OXODOTREOTIDE"


def part(found: dict[str, str], *names: str) -> tuple[str | None, ...]:
    return tuple(found.get(name) for name in names)


# --- EX, EC --------------------------------------------------------------------------------------------------------


def test_exposure_is_the_activity_given_in_gigabecquerel() -> None:
    assert part(record("EX", "kinf3"), "EXTRT", "EXDOSE", "EXDOSU", "EXDOSFRM", "EXDOSFRQ", "EXROUTE") == (
        LUTATHERA,
        "7.392",
        "GBq",
        "INJECTION, SOLUTION",
        "ONCE",
        "INTRAVENOUS",
    )
    assert part(record("EX", "kinf3"), "EXSTDTC", "EXENDTC", "EXSTDY", "VISIT", "EPOCH") == (
        "2024-05-11T10:30",
        "2024-05-11T11:00",
        "27",
        "CYCLE 3",
        "TREATMENT",
    )


def test_exposure_as_collected_keeps_the_unit_of_the_measurement() -> None:
    collected, exposure = record("EC", "kinf3"), record("EX", "kinf3")

    assert part(collected, "ECDOSE", "ECDOSU", "ECOCCUR") == ("7392", "MBq", "Y")
    assert collected["ECLNKID"] == exposure["EXLNKID"]


def test_exposure_begins_with_the_randomisation() -> None:
    given = {one["EXSTDTC"][:10] for one in records("EX")}

    assert given == {"2024-05-11", "2024-07-06", "2024-09-07"}
    assert {one["USUBJID"] for one in records("EX")} == {"RELUTH-05-0001"}


def test_infusion_that_was_stopped_gave_less_and_says_why() -> None:
    assert record("EX", "kinf4")["EXDOSE"] == "3.51"
    assert part(record("EC", "kinf4"), "ECDOSE", "ECADJ") == ("3510", "NAUSEA")


def test_infusion_that_was_not_done_is_collected_but_no_exposure() -> None:
    found = record("EC", "kinf5")

    assert part(found, "ECOCCUR", "ECDOSE", "ECSTDTC", "ECENDTC") == ("N", None, "2024-08-31", None)
    assert records("EX", "kinf5") == []
    assert [part(one, "QNAM", "QVAL") for one in records("SUPPEC")] == [("ECNDREAS", "PLATELET COUNT TOO LOW")]


# --- CM ------------------------------------------------------------------------------------------------------------


def test_cycles_before_the_randomisation_are_medications_of_two_courses() -> None:
    cycles = [one for one in records("CM") if one["CMTRT"] == LUTATHERA and one["USUBJID"].endswith("1")]

    assert [part(one, "CMCAT", "CMSTDTC", "CMDOSE", "CMDOSU") for one in cycles] == [
        ("FIRST PRRT", "2019-03-01", "7400", "MBq"),
        ("FIRST PRRT", "2019-04-26", "7400", "MBq"),
        ("FIRST PRRT", "2019-06-21", "7400", "MBq"),
        ("FIRST PRRT", "2019-08-16", "7400", "MBq"),
        ("SECOND PRRT", "2024-01-20T10:30", "7392", "MBq"),
        ("SECOND PRRT", "2024-03-16T10:30", "7.35", "GBq"),
    ]


def test_every_administration_of_lutathera_is_in_one_domain_only() -> None:
    exposed = {one["ECSTDTC"] for one in records("EC")}
    concomitant = {one["CMSTDTC"] for one in records("CM") if one["CMTRT"] == LUTATHERA}

    assert not exposed & concomitant
    assert len(exposed) + len(concomitant) == 11


def test_end_that_a_period_cannot_hold_is_read_from_its_extension() -> None:
    assert record("CM", "kinj1")["CMENDTC"] == "2024-06-02"


def test_prescription_of_lutathera_is_no_medication() -> None:
    assert records("CM", "kreq1") == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("kinj1", ("LANREOTIDE", "H01CB03", "2024-06-01T10:00", None, "ADMINISTERED")),
        ("kaa1", ("AMINO ACIDS (LYSINE, ARGININE)", None, "2024-05-11T10:00", None, "ADMINISTERED")),
        ("kreq2", ("OCTREOTIDE", "H01CB02", "2024-06-16", "ONGOING", "PRESCRIBED")),
        ("kst1", ("LANREOTIDE", "H01CB03", "2022-05", "ONGOING", "TOLD")),
    ],
)
def test_medications_tell_product_class_and_how_they_are_known(key: str, expected: tuple[str | None, ...]) -> None:
    found = record("CM", key)
    (how,) = [
        one["QVAL"]
        for one in records("SUPPCM")
        if one["USUBJID"] == found["USUBJID"] and one["IDVARVAL"] == found["CMSEQ"]
    ]

    assert (*part(found, "CMTRT", "CMCLASCD", "CMSTDTC", "CMENRTPT"), how) == expected


@pytest.mark.parametrize("key", ["kreq6", "kst4"])
def test_medication_that_is_forbidden_or_only_intended_was_not_taken(key: str) -> None:
    assert records("CM", key) == []


def test_medication_that_no_table_names_is_shown_by_its_code() -> None:
    assert record("CM", "kreq3")["CMTRT"] == "ATC A03FA01"
    assert told("medication-unknown") == [("CM", None, "A03FA01")]


def test_medication_without_a_code_is_kept_and_told() -> None:
    assert record("CM", "kreq5")["CMTRT"] == "NOT CODED BY THE SITE"
    assert told("medication-without-code") == [("CM", "MedicationRequest/kreq5", None)]


# --- PR ------------------------------------------------------------------------------------------------------------


def test_imaging_is_one_procedure_whether_it_is_sent_once_or_twice() -> None:
    # The three scanners are a Procedure and an ImagingStudy each; the MRI is an ImagingStudy alone.
    assert [part(one, "PRDECOD", "PRCAT", "PRSTDTC") for one in records("PR")] == [
        ("PET", "IMAGING", "2024-04-11T09:00"),
        ("CT SCAN", "IMAGING", "2024-04-10T14:00"),
        ("CT SCAN", "IMAGING", "2024-06-15T14:00"),
        ("CT SCAN", "IMAGING", "2024-07-05T14:00"),
        ("MRI", "IMAGING", "2023-12-01T09:00"),
        (None, "RADIATION THERAPY", "2018-02"),
    ]


def test_procedure_that_was_not_done_or_is_an_infusion_is_no_record() -> None:
    for key in ("kproc5", "kproc7"):
        assert records("PR", key) == []


def test_procedure_that_no_table_names_is_left_out_and_told() -> None:
    assert records("PR", "kproc8") == []
    assert told("procedure-unknown") == [("PR", None, "Z98.8")]


# --- AE ------------------------------------------------------------------------------------------------------------


def test_adverse_event_is_graded_related_and_closed() -> None:
    names = ("AETERM", "AESER", "AEREL", "AEOUT", "AETOXGR", "AESTDTC", "AEENDTC", "AESTDY", "AEENRTPT")

    assert part(record("AE", "kae1"), *names) == (
        "FATIGUE",
        "N",
        "POSSIBLE",
        "RECOVERED/RESOLVED",
        "2",
        "2024-05-14",
        "2024-05-21",
        "30",
        None,
    )


def test_serious_event_tells_by_what_and_that_it_goes_on() -> None:
    names = ("AESER", "AESHOSP", "AESDTH", "AETOXGR", "AEENDTC", "AEENRTPT", "AEENTPT")

    assert part(record("AE", "kae2"), *names) == ("Y", "Y", None, "4", None, "ONGOING", "LAST DATA EXPORT")


@pytest.mark.parametrize(
    ("code", "serious"), [("Serious", "Y"), ("serious", "Y"), ("Non-serious", "N"), ("non-serious", "N")]
)
def test_seriousness_is_read_as_each_version_of_fhir_spells_it(code: str, serious: str) -> None:
    event = {"id": "a1", "usubjid": "RELUTH-05-0001", "date": "2024-06-01", "term": "ae-nausea", "seriousness": code}

    assert named(made({"adverse_event": [event]}).dataset("AE"), "AESER") == [(serious,)]


@pytest.mark.parametrize(("key", "relation"), [("kae9", "PROBABLE"), ("kae10", "POSSIBLE"), ("kae11", "CERTAIN")])
def test_study_drug_is_found_among_several_suspects_and_as_a_product(key: str, relation: str) -> None:
    assert record("AE", key)["AEREL"] == relation


def test_relation_is_asked_of_the_study_drug_alone() -> None:
    assert "AEREL" not in record("AE", "kae3")  # its suspect is lanreotide


def test_event_is_named_by_its_code_where_no_word_is_known() -> None:
    assert record("AE", "kae4")["AETERM"] == "ICD-10 R50.9"
    assert record("AE", "kae7")["AETERM"] == "MEDDRA 10013968"
    assert {part(one, "QNAM", "QVAL") for one in records("SUPPAE")} == {("AEICD10", "R50.9"), ("AEMEDDRA", "10013968")}


def test_history_is_named_by_its_code_of_meddra_where_there_is_no_other() -> None:
    told = {"id": "c1", "usubjid": "RELUTH-05-0001", "onset": "2012", "meddra": "10020772"}
    found = made({"condition": [told]})

    assert named(found.dataset("MH"), "MHTERM") == [("MEDDRA 10020772",)]
    assert named(found.dataset("SUPPMH"), "QNAM", "QVAL") == [("MHMEDDRA", "10020772")]


def test_event_without_a_code_is_kept_and_told() -> None:
    assert record("AE", "kae5")["AETERM"] == "NOT CODED BY THE SITE"
    assert ("AE", "AdverseEvent/kae5", None) in told("event-without-code")


def test_no_term_of_meddra_is_guessed() -> None:
    assert not any("AEDECOD" in one for one in records("AE"))
    assert {domain for domain, _, _ in told("event-without-meddra")} == {"AE"}


def test_event_before_the_consent_is_history() -> None:
    assert records("AE", "kae6") == []
    assert part(record("MH", "kae6"), "MHTERM", "MHCAT", "MHSTDTC", "MHENDTC") == (
        "ANAEMIA",
        "EARLIER ADVERSE EVENT",
        "2019-07-01",
        "2019-09-01",
    )


# --- MH ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("kc1", ("MALIGNANT TUMOUR OF ILEUM", "ONCOLOGIC HISTORY", "2016-07-27", None, "ONGOING")),
        ("kc2", ("HYPERTENSION", "GENERAL MEDICAL HISTORY", "2012", None, "ONGOING")),
        ("kc3", ("ICD-10 K21.0", "GENERAL MEDICAL HISTORY", "2019-12", "2020-02-03", None)),
        ("kc6", ("NEUROENDOCRINE TUMOUR", "ONCOLOGIC HISTORY", "2015", "2015-11", None)),
        ("kal1", ("ALLERGY TO OCTREOTIDE", "ALLERGY", "2020-05", None, None)),
    ],
)
def test_history_is_named_dated_and_open_or_closed(key: str, expected: tuple[str | None, ...]) -> None:
    assert part(record("MH", key), "MHTERM", "MHCAT", "MHSTDTC", "MHENDTC", "MHENRTPT") == expected


def test_history_holds_nothing_that_is_refuted_denied_or_later() -> None:
    for key in ("kc4", "kal2", "kc5"):
        assert records("MH", key) == []
    assert told("condition-after-registration") == [("MH", "Condition/kc5", None)]


def test_history_keeps_the_code_that_was_sent() -> None:
    codes = {part(one, "QNAM", "QVAL") for one in records("SUPPMH")}

    assert codes == {("MHICD10", "C17.2"), ("MHICD10", "I10"), ("MHICD10", "K21.0")}


@pytest.mark.parametrize(
    ("view", "row", "doubts"),
    [
        ("condition", {"icd10": "I21.9"}, ("unconfirmed", "provisional", "differential")),
        ("allergy", {"atc": "H01CB02"}, ("unconfirmed",)),
    ],
)
def test_history_that_is_not_confirmed_says_so(view: str, row: dict[str, str], doubts: tuple[str, ...]) -> None:
    told_as = (*doubts, "confirmed")
    rows = [{"id": f"k{at}", "usubjid": "RELUTH-05-0001", "verification": one, **row} for at, one in enumerate(told_as)]
    package = made({view: rows})

    assert len(package.dataset("MH").rows) == len(told_as)
    found = named(package.dataset("SUPPMH"), "IDVARVAL", "QNAM", "QVAL")
    assert [one for one in found if one[1] == "MHDOUBT"] == [
        (str(at), "MHDOUBT", one.upper()) for at, one in enumerate(doubts, start=1)
    ]
    assert [one.count for one in package.findings if one.code == "condition-not-confirmed"] == [len(doubts)]
