"""In: a simulated centre's raw feed, read by ``tests.support.plain_feed``. Out: its SDTM package says of each subject what the feed says."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support import plain_findings, plain_records
from tests.support.cli import reluth
from tests.support.plain_cut import write_cut
from tests.support.plain_feed import (
    Feed,
    PlainSubject,
    codes,
    has_text_range_only,
    labs_of,
    local,
    result_of,
    spelt,
    study_day,
    when_of,
)
from tests.support.plain_package import SHOWN, Made, Row, assert_same, cells, export, pull, with_rare_cases
from tests.support.plain_rules import epoch_contradictions, recist_contradictions, silent, without_numbers, years_about


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A centre's feed in ``feed``, pulled and screened in ``store``."""
    made = tmp_path_factory.mktemp("centre")
    ran = reluth("simulate", made / "feed", "--patients", "60", "--seed", "11", "--enrolled", "30")
    assert ran.code == 0, ran.err
    with_rare_cases(made / "feed")
    pull(made / "store", made / "feed")
    return made


@pytest.fixture(scope="module")
def feed(folder: Path) -> Feed:
    return Feed(folder / "feed")


@pytest.fixture(scope="module")
def package(folder: Path) -> Made:
    made = export(folder / "store", folder / "package")
    # The trace that the store calls its latest is read before another package is made.
    assert made.records_of
    return made


@pytest.fixture(scope="module")
def shifted(folder: Path, package: Made) -> Made:
    """The same with shifted dates, and its domains."""
    made = export(folder / "store", folder / "shifted", "--shift-dates")
    assert made.domains == package.domains
    return made


@pytest.fixture(scope="module")
def subjects(feed: Feed) -> list[PlainSubject]:
    """Who must stand in the package."""
    return [one for _, one in sorted(feed.subjects.items()) if not one.takes_back]


def test_package_has_a_record_or_a_finding_for_every_resource_of_its_subjects(
    package: Made, subjects: list[PlainSubject]
) -> None:
    assert silent(package, subjects) == {}


def test_package_holds_every_consented_subject_but_those_who_took_all_back(package: Made, feed: Feed) -> None:
    gone = {one.usubjid for one in feed.subjects.values() if one.takes_back}

    assert gone
    assert set(package.subjects) == set(feed.subjects) - gone


def test_package_never_names_a_subject_who_took_all_back(package: Made, feed: Feed) -> None:
    gone = [one.usubjid for one in feed.subjects.values() if one.takes_back]

    for domain in package.domains:
        assert not [row for row in package.rows(domain) if row.get("USUBJID") in gone], domain
    assert not [finding for finding in package.findings if finding["subject"] in gone]


def test_package_has_nothing_after_a_withdrawal(package: Made, subjects: list[PlainSubject]) -> None:
    withdrawn = {one.usubjid: day for one in subjects if (day := one.on("withdrawn"))}
    late = [
        (domain, name)
        for domain in package.domains
        for row in package.rows(domain)
        for name, cell in row.items()
        if name.endswith("DTC") and cell is not None and cell[:10] > withdrawn.get(row["USUBJID"], "9999")
    ]

    assert withdrawn
    assert late == []


def test_dm_says_of_each_subject_what_the_feed_says(package: Made, feed: Feed, subjects: list[PlainSubject]) -> None:
    expected = [plain_records.demographics(feed, one) for one in subjects]
    assert_same(expected, cells(package.rows("DM"), (plain_records.demographics.__doc__ or "").rstrip(".")))
    assert {row["ARMCD"] for row in package.rows("DM")} == {"LUT2", "OBS", None}


def test_dm_withholds_what_french_law_restricts(package: Made) -> None:
    assert {(row["RACE"], row["ETHNIC"], row.get("BRTHDTC")) for row in package.rows("DM")} == {
        ("NOT REPORTED", "NOT REPORTED", None)
    }


def test_dm_ends_the_reference_period_no_earlier_than_anything_that_is_known(package: Made) -> None:
    last: dict[str, str] = {}
    for domain in package.domains:
        for row in package.rows(domain):
            days = [cell[:10] for name, cell in row.items() if name.endswith("DTC") and cell is not None]
            subject = str(row.get("USUBJID"))
            last[subject] = max([last.get(subject, ""), *days])
    going = [row for row in package.rows("DM") if row["RFSTDTC"] and row["RFPENDTC"] is None]

    assert going
    assert {row["USUBJID"]: row["RFENDTC"] for row in going} == {row["USUBJID"]: last[row["USUBJID"]] for row in going}


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("DS", "USUBJID DSDECOD DSCAT DSSTDTC DSSTDY"),
        ("IE", "USUBJID IETESTCD IEORRES IEDTC"),
        ("SE", "USUBJID ETCD SESTDTC SEENDTC"),
        ("SV", "USUBJID VISITNUM SVOCCUR SVSTDTC SVENDTC SVSTDY"),
        ("PR", "USUBJID PRTRT PRSTDTC PRSTDY"),
        ("VS", "USUBJID VSTESTCD VSORRES VSORRESU VSDTC VSDY"),
        ("RS", "USUBJID RSTESTCD RSORRES RSDTC RSDY"),
    ],
)
def test_domain_has_of_each_subject_what_the_feed_has(
    package: Made, subjects: list[PlainSubject], domain: str, names: str
) -> None:
    read = {
        "DS": plain_records.dispositions,
        "IE": plain_records.failed_criteria,
        "SE": plain_records.elements,
        "SV": plain_records.visits_of,
        "PR": plain_records.procedures,
        "VS": plain_findings.vital_signs,
        "RS": plain_findings.responses,
    }[domain]
    assert_same((row for one in subjects for row in read(one)), cells(package.rows(domain), names))


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("EX", "USUBJID EXDOSE EXDOSU EXSTDTC EXENDTC EXSTDY"),
        ("EC", "USUBJID ECDOSE ECDOSU ECSTDTC ECOCCUR"),
        ("CM", "USUBJID CMCAT CMCLASCD CMDOSE CMDOSU CMSTDTC CMENDTC"),
        ("TU", "USUBJID TUSPID TUORRES TULOC TUDTC"),
        ("AE", "USUBJID AETERM AETOXGR AESER AESHOSP AESDTH AEOUT AEREL AESTDTC AEENDTC AESTDY"),
    ],
)
def test_domain_has_of_each_subject_what_the_feed_has_of_it_and_what_it_points_to(
    package: Made, feed: Feed, subjects: list[PlainSubject], domain: str, names: str
) -> None:
    read = {
        "EX": plain_records.exposures,
        "EC": plain_records.collected,
        "CM": plain_records.medications,
        "TU": plain_findings.lesions,
        "AE": plain_findings.adverse_events,
    }[domain]
    assert_same((row for one in subjects for row in read(feed, one)), cells(package.rows(domain), names))


def test_mh_has_every_condition_with_the_code_that_was_sent(package: Made, subjects: list[PlainSubject]) -> None:
    sent = {
        (row["USUBJID"], row["IDVARVAL"]): row["QVAL"] for row in package.rows("SUPPMH") if row["QNAM"] == "MHICD10"
    }
    found = (
        (
            mine := row["USUBJID"],
            sent.get((mine, str(row["MHSEQ"]))),
            *next(cells([row], "MHDTC MHSTDTC MHENDTC MHENRTPT")),
        )
        for row in package.rows("MH")
        if row["MHCAT"] != "EARLIER ADVERSE EVENT"
    )
    assert_same((row for one in subjects for row in plain_findings.conditions(one)), found)


def test_mh_has_the_adverse_events_before_the_consent_and_ae_the_others(
    package: Made, subjects: list[PlainSubject]
) -> None:
    expected = [row for one in subjects for row in plain_findings.earlier_events(one)]
    earlier = [row for row in package.rows("MH") if row["MHCAT"] == "EARLIER ADVERSE EVENT"]
    assert_same(expected, cells(earlier, "USUBJID MHTERM MHSTDTC MHENDTC"))


def test_ec_tells_of_an_infusion_that_was_not_done_and_ex_does_not(package: Made) -> None:
    (missed,) = [row for row in package.rows("EC") if row["ECOCCUR"] == "N"]
    assert (missed["ECDOSE"], missed["ECDOSU"], missed["ECENDTC"]) == (None, None, None)
    assert missed["ECLNKID"] not in [r["EXLNKID"] for r in package.rows("EX") if r["USUBJID"] == missed["USUBJID"]]
    reasons = [row["QVAL"] for row in package.rows("SUPPEC") if row["USUBJID"] == missed["USUBJID"]]
    assert reasons == ["PLATELET COUNT TOO LOW"]


def test_tr_has_every_measurement_of_the_lesion_that_it_is_of(
    package: Made, feed: Feed, subjects: list[PlainSubject]
) -> None:
    labels = {(row["USUBJID"], row["TULNKID"]): row["TUSPID"] for row in package.rows("TU")}
    found = (
        (row["USUBJID"], row["TRTESTCD"], labels.get((row["USUBJID"], row["TRLNKID"])), *more)
        for row in package.rows("TR")
        for more in cells([row], "TRORRES TRORRESU TRDTC")
    )
    assert_same((row for one in subjects for row in plain_findings.measurements(feed, one)), found)


def test_rs_agrees_with_the_sums_of_diameters(package: Made) -> None:
    checked, wrong = recist_contradictions(package)
    assert checked
    assert wrong[:SHOWN] == []


# --- LB ----------------------------------------------------------------------------------------------------------------

_KEY = "USUBJID LBTESTCD LBDTC"


def test_lb_has_as_many_rows_of_each_subject_and_test_as_the_feed(package: Made, subjects: list[PlainSubject]) -> None:
    expected = ((one.usubjid, lab.testcd, lab.specimen) for one in subjects for _, lab in labs_of(one))
    assert_same(expected, cells(package.rows("LB"), "USUBJID LBTESTCD LBSPEC"))


def test_lb_has_every_result_as_sent_and_exactly_converted(package: Made, subjects: list[PlainSubject]) -> None:
    expected = (
        (one.usubjid, lab.testcd, when := local(when_of(sent)), study_day(when, one.on("randomised")), *cells)
        for one in subjects
        for sent, lab in labs_of(one)
        for cells in (plain_findings.result_cells(sent, lab),)
    )
    assert_same(expected, cells(package.rows("LB"), f"{_KEY} LBDY LBORRES LBSTRESC LBSTRESN LBSTRESU LBSTAT"))


def test_lb_has_the_unit_and_the_code_that_were_sent(package: Made, subjects: list[PlainSubject]) -> None:
    expected = (
        (one.usubjid, lab.testcd, local(when_of(sent)), codes(sent, "http://loinc.org")[0], _unit_sent(sent, lab))
        for one in subjects
        for sent, lab in labs_of(one)
    )
    assert_same(expected, cells(package.rows("LB"), f"{_KEY} LBLOINC LBORRESU"))


def _unit_sent(sent: Row, lab: Any) -> str | None:
    quantity = sent.get("valueQuantity")
    return None if quantity is not None and "unit" not in quantity else spelt(result_of(sent, lab).unit)


@pytest.mark.parametrize("in_words", [False, True])
def test_lb_has_every_limit_of_normal_and_what_it_says_of_the_result(
    package: Made, subjects: list[PlainSubject], in_words: bool
) -> None:
    sent = [
        ((one.usubjid, lab.testcd, local(when_of(each))), each, lab) for one in subjects for each, lab in labs_of(one)
    ]
    words = {key for key, each, _ in sent if has_text_range_only(each)}
    expected = ((*key, *plain_findings.limit_cells(each, lab)) for key, each, lab in sent if (key in words) == in_words)
    found = cells(package.rows("LB"), f"{_KEY} LBORNRLO LBORNRHI LBSTNRLO LBSTNRHI LBNRIND")
    assert_same(expected, (row for row in found if (row[:3] in words) == in_words))


def test_lb_belongs_to_the_visit_whose_encounter_it_names(
    package: Made, feed: Feed, subjects: list[PlainSubject]
) -> None:
    found = {(*key, row["VISITNUM"]) for row in package.rows("LB") for key in cells([row], _KEY)}
    expected = {
        (one.usubjid, lab.testcd, local(when_of(sent)), plain_records.visit_of(encounter))
        for one in subjects
        for sent, lab in labs_of(one)
        if "encounter" in sent
        for encounter in (feed.resources["Encounter", sent["encounter"]["reference"].partition("/")[2]],)
        if plain_records.visit_of(encounter) and encounter["status"] != "cancelled"
    }
    assert expected
    assert sorted(expected - found, key=str)[:SHOWN] == []


@pytest.mark.parametrize(("domain", "by"), [("LB", "LBTESTCD LBSPEC"), ("VS", "VSTESTCD"), ("RS", "RSCAT RSTESTCD")])
def test_findings_flag_the_last_result_before_the_first_exposure(package: Made, domain: str, by: str) -> None:
    last: dict[tuple[Any, ...], str] = {}
    for row in package.rows(domain):
        start = package.subjects[row["USUBJID"]]["RFXSTDTC"]
        if start and row[f"{domain}ORRES"] is not None and row[f"{domain}DTC"] < start:
            key = next(cells([row], f"USUBJID {by}"))
            last[key] = max(last.get(key, ""), row[f"{domain}DTC"])
    flagged = [row for row in package.rows(domain) if row[f"{domain}LOBXFL"] == "Y"]
    assert_same(((*key, when) for key, when in last.items()), cells(flagged, f"USUBJID {by} {domain}DTC"))
    assert all(row[f"{domain}ORRES"] is not None for row in flagged)


def test_study_days_have_no_zero_and_agree_with_the_reference(package: Made) -> None:
    checked = 0
    for domain in package.domains:
        for row in package.rows(domain):
            for name in [name for name in row if name.endswith("DY") and name not in ("VISITDY", "TVSTDY")]:
                reference = package.subjects[row["USUBJID"]]["RFSTDTC"]
                when = row[name.removesuffix("DY") + "DTC"]
                checked += 1
                assert row[name] == study_day(when, reference), (domain, name)
                assert row[name] != 0
    assert checked


def test_epochs_are_those_of_the_element_in_which_the_day_lies(package: Made) -> None:
    checked, wrong = epoch_contradictions(package)
    assert checked
    assert wrong[:SHOWN] == []


def test_trial_design_is_that_of_the_registry(package: Made) -> None:
    told = {(row["TSPARMCD"], row["TSVAL"]) for row in package.rows("TS")}
    assert {
        ("REGID", "NCT04954820"),
        ("TPHASE", "PHASE II TRIAL"),
        ("STYPE", "INTERVENTIONAL"),
        ("RANDOM", "Y"),
        ("NARMS", "2"),
        ("PLANSUB", "146"),
        ("TBLIND", "OPEN LABEL"),
        ("INTMODEL", "PARALLEL"),
        ("INTTYPE", "DRUG"),
        ("AGEMIN", "P18Y"),
        ("SEXPOP", "BOTH"),
        ("SSTDTC", "2021-10-18"),
    } <= told
    assert Counter(row["IECAT"] for row in package.rows("TI")) == {"INCLUSION": 16, "EXCLUSION": 18}
    assert {row["ARMCD"] for row in package.rows("TA")} == {"LUT2", "OBS"}


# --- --as-of, --shift-dates ----------------------------------------------------------------------------------------------


def test_shifted_dates_keep_every_study_day_and_every_interval(package: Made, shifted: Made) -> None:
    shifts: dict[str, set[int]] = {}
    for domain in package.domains:
        for before, after in zip(package.rows(domain), shifted.rows(domain), strict=True):
            dated = {name for name in before if name.endswith("DTC")} if "USUBJID" in before else set()
            kept = [name for name in before if name not in dated]
            assert [before[name] for name in kept] == [after[name] for name in kept], domain
            for name in dated:
                if len(before[name] or "") < len("2025-06-01"):
                    # Of a month or a year that moved no more than the year can be told.
                    assert after[name] in (None, *years_about(before[name])), (domain, name)
                    continue
                assert before[name][10:] == after[name][10:], (domain, name)
                days = (date.fromisoformat(after[name][:10]) - date.fromisoformat(before[name][:10])).days
                shifts.setdefault(before["USUBJID"], set()).add(days)

    assert set(shifts) == set(package.subjects)
    assert all(len(days) == 1 for days in shifts.values())
    assert len({tuple(days) for days in shifts.values()}) > 1


def test_cut_is_the_package_of_the_feed_as_it_was_on_that_day(folder: Path, tmp_path: Path) -> None:
    day = "2023-06-15"
    cut = export(folder / "store", tmp_path / "cut", "--as-of", day)
    then = tmp_path / "then"
    (then / "keys").mkdir(parents=True, mode=0o700)
    # The numbers of lesions and assessments of one day are in the order of the resources' keys.
    shutil.copy2(folder / "store/keys/pseudonyms.key", then / "keys")
    pull(then, write_cut(folder / "feed", tmp_path / "feed", day))
    was = export(then, tmp_path / "was")

    assert cut.domains == was.domains
    for domain in cut.domains:
        assert_same(without_numbers(was, domain), without_numbers(cut, domain))
    assert 0 < len(cut.subjects) < len(Feed(folder / "feed").subjects)
    assert max(row["LBDTC"] for row in cut.rows("LB"))[:10] <= day


def test_history_of_a_subject_outlives_a_status_that_contradicts_it(tmp_path: Path) -> None:
    made = reluth("simulate", tmp_path / "feed", "--patients", "3", "--seed", "11", "--enrolled", "2")
    path = tmp_path / "feed/ResearchSubject.ndjson"
    path.write_text(path.read_text(encoding="utf-8").replace('"status":"off-study"', '"status":"on-study"'), "utf-8")
    pull(tmp_path / "store", tmp_path / "feed")
    package = export(tmp_path / "store", tmp_path / "package")

    assert made.code == 0
    assert [one["count"] for one in package.findings if one["code"] == "history-differs"] == [1]
    randomised = {one.usubjid for one in Feed(tmp_path / "feed").subjects.values() if one.arm}
    assert randomised
    assert {one for one in randomised if package.subjects[one]["ARMCD"] is None} == set()
