"""What cannot be right: each fault gives the finding that names it, and a package that is still valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.datasets.checks import check

from .feed_package import package_of, record, records, told
from .feed_tables import FEED

BAD = Path(__file__).with_name("bad")
#: The domains of these documents.
MINE = {"LB", "VS", "RS", "TU", "TR", "EX", "EC", "CM", "PR", "AE", "MH"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("lab-without-unit", ("LB", "Observation/kbad1", None)),
        ("text-cut", ("LB", "Observation/kbad2", None)),  # a unit of 300 letters
        ("non-ascii-folded", ("LB", "Observation/kbad3", None)),
        ("lab-code-unknown", ("LB", None, "0000-0")),
        ("lab-without-result", ("LB", "Observation/kbad6", None)),  # a number that is none
        ("lab-without-date", ("LB", "Observation/kbad7", None)),
        ("ambiguous-unit", ("LB", None, "mmol/L")),  # of a haemoglobin: monomer or tetramer?
        ("lab-implausible", ("LB", "Observation/kbad9", None)),
        ("infusion-without-activity", ("CM", "MedicationAdministration/kbad10", None)),
        ("dates-out-of-order", ("CM", "MedicationAdministration/kbad11", None)),
        ("unmapped-code", ("CM", None, "111")),  # a route
        ("event-unknown", ("AE", None, "ae-unheard-of")),
        ("seriousness-unknown", ("AE", None, "Grave")),
        ("event-without-seriousness", ("AE", "AdverseEvent/kbad12", None)),
        ("dates-out-of-order", ("AE", "AdverseEvent/kbad12", None)),
        ("unmapped-code", ("AE", None, "better")),  # an outcome
        ("not-in-codelist", ("AE", None, "9")),  # a grade
        ("lesion-without-unit", ("TR", "Observation/kbad13", None)),
        ("lesion-without-kind", ("TU", "Observation/kbad13", None)),
        ("lesion-without-location", ("TU", "Observation/kbad13", None)),
    ],
)
def test_fault_has_a_finding_of_its_own(code: str, expected: tuple[str | None, ...]) -> None:
    assert expected in told(code, feed=BAD)


def test_findings_of_codes_are_counted_not_repeated() -> None:
    (found,) = [one for one in package_of(BAD).findings if one.code == "lab-code-unknown"]

    assert found.count == 2


def test_value_whose_unit_is_missing_or_unknown_stays_as_received_and_is_not_converted() -> None:
    for key in ("kbad1", "kbad2", "kbad3", "kbad8"):
        found = record("LB", key, feed=BAD)

        assert found["LBORRES"]
        assert not {"LBSTRESC", "LBSTRESN", "LBSTRESU"} & set(found), key


def test_grade_outcome_and_seriousness_that_are_no_terms_are_empty() -> None:
    found = record("AE", "kbad12", feed=BAD)

    assert not {"AETOXGR", "AEOUT", "AESER"} & set(found)
    assert found["AETERM"] == "NOT CODED BY THE SITE"


def test_code_that_no_table_has_makes_no_record() -> None:
    assert records("LB", "kbad4", feed=BAD) == records("LB", "kbad5", feed=BAD) == []


def test_infusion_without_activity_on_study_is_kept_as_exposure() -> None:
    assert "EXDOSE" not in record("EX", "kinf6")
    assert told("infusion-without-activity") == [("EX", "MedicationAdministration/kinf6", None)]


@pytest.mark.parametrize("feed", [FEED, BAD], ids=["good", "bad"])
def test_package_stays_valid(feed: Path) -> None:
    package = package_of(feed)
    faults = [one for one in (*check(package), *package.findings) if one.severity == "error" and one.domain in MINE]

    assert faults == []


def test_nothing_of_a_fault_but_codes_and_units_stands_in_a_finding() -> None:
    written = " ".join(f"{one.text} {one.value}" for one in package_of(BAD).findings)

    assert "soon" not in written and "last week" not in written
