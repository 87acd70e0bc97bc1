"""In: several examinations, values tied to them in every way. Out: which examination is the latest, and which values are its own."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Wanted
from adapter.criteria.concepts.imaging import answer_examination_value
from adapter.fhir import parse_when
from tests.unit.criteria.making import judged, reluth, verdicts
from tests.unit.criteria.receptor_imaging import (
    DAY,
    B,
    C,
    at,
    krenning,
    outcome,
    percent,
    procedure,
    references,
    report,
    study,
    to,
    uptake,
    value,
)

T, F, U = Truth.T, Truth.F, Truth.U


# --- b, c: which values are the examination's


@pytest.mark.parametrize(
    ("exam", "more"),
    [
        (procedure(id="p"), {"partOf": to("Procedure/p")}),
        (study(id="s"), {"partOf": to("ImagingStudy/s")}),
        (study(id="s"), {"derivedFrom": to("https://pacs.example.org/fhir/ImagingStudy/s/_history/2")}),
        (report(id="r", result=to("Observation/o")), {}),
    ],
)
@pytest.mark.parametrize("when", ["2025-05-28", "2025-05", None])
def test_a_tied_value_is_the_examinations_whatever_its_day(exam: Any, more: Any, when: str | None) -> None:
    undated = {"issued": "2025-05-30T08:00:00Z"} if when is None else {}
    found = answer_examination_value(B, at(exam, percent(80, when, id="o", **more, **undated)))

    assert found.truth is F


@pytest.mark.parametrize(
    ("when", "truth", "reason"),
    [
        (DAY, T, None),
        ("2025-05-20T23:00:00+02:00", T, None),
        ("2025-05-20T22:30:00Z", U, Reason.NO_DATA),
        ("2025-05-19", U, Reason.NO_DATA),
        ("2025-05-21", U, Reason.NO_DATA),
        ("2025-05", U, Reason.IMPRECISE_DATE),
        ("2025-04", U, Reason.NO_DATA),
        (None, U, Reason.IMPRECISE_DATE),
    ],
)
def test_a_value_tied_to_nothing_is_the_examinations_of_its_day(
    when: str | None, truth: Truth, reason: Reason | None
) -> None:
    found = answer_examination_value(B, at(procedure(), percent(100, when)))

    assert outcome(found) == (truth, reason)
    assert "Procedure/procedure-1" in references(found)


@pytest.mark.parametrize(
    "tie",
    [
        [procedure(id="fdg", code="fdg-pet"), percent(100, partOf=to("Procedure/fdg"))],
        [percent(100, derivedFrom=to("ImagingStudy/elsewhere"))],
        [report(code="fdg-pet", result=to("Observation/o")), percent(100, id="o")],
        [procedure(id="undone", status="not-done"), percent(100, partOf=to("Procedure/undone"))],
    ],
)
def test_a_value_tied_to_another_examination_does_not_count(tie: list[Any]) -> None:
    found = answer_examination_value(B, at(procedure(), *tie))

    assert outcome(found) == (U, Reason.NO_DATA)


@pytest.mark.parametrize(
    "tie",
    [
        {"derivedFrom": to("DocumentReference/d")},
        {"partOf": [{"display": "TEP"}]},
        {"derivedFrom": to("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7")},
    ],
)
def test_a_tie_to_no_examination_is_none(tie: Any) -> None:
    assert answer_examination_value(B, at(procedure(), percent(100, **tie))).truth is T


def test_a_tie_of_a_panel_holds_for_its_members() -> None:
    panel = value("panel", "2025-05-28", partOf=to("Procedure/p"), hasMember=to("Observation/o"))
    found = answer_examination_value(B, at(procedure(id="p"), panel, percent(80, "2025-05-28", id="o")))

    assert found.truth is F


def test_a_report_of_the_study_ties_its_results_to_the_study() -> None:
    plain = report("2025-05-22", "imaging", imagingStudy=to("ImagingStudy/s"), result=to("Observation/o"))
    found = answer_examination_value(B, at(study(id="s"), plain, percent(80, "2025-05-22", id="o")))

    assert found.truth is F


def test_an_unusable_report_ties_nothing() -> None:
    entries = [procedure(), report(status="entered-in-error", code="fdg-pet", result=to("Observation/o"))]

    assert answer_examination_value(B, at(*entries, percent(100, id="o"))).truth is T


def test_values_that_are_tied_in_a_circle_are_read() -> None:
    one = percent(100, id="one", derivedFrom=to("Observation/two"))
    two = percent(100, id="two", derivedFrom=to("Observation/one"))

    assert answer_examination_value(B, at(procedure(), one, two)).truth is T


# --- b, c: the latest examination


@pytest.mark.parametrize(
    ("late", "truth", "reason"),
    [
        ([percent(100, "2025-05-20")], T, None),
        ([percent(80, "2025-05-20")], F, None),
        ([], U, Reason.NO_DATA),
    ],
)
def test_the_latest_examination_in_the_window_decides_alone(
    late: list[Any], truth: Truth, reason: Reason | None
) -> None:
    early = [procedure("2025-03-01"), percent(100, "2025-03-01")]
    found = answer_examination_value(B, at(*early, procedure("2025-05-20", id="late"), *late))

    assert outcome(found) == (truth, reason)
    assert "Procedure/late" in references(found)


def test_all_of_one_day_is_one_examination() -> None:
    entries = [
        procedure("2025-05-20T08:00:00+02:00", id="p"),
        study("2025-05-20T09:30:00+02:00", id="s"),
        report("2025-05-20", id="r"),
        percent(100, "2025-05-25", partOf=to("Procedure/p")),
    ]
    found = answer_examination_value(B, at(*entries))

    assert found.truth is T
    assert references(found) >= {"Procedure/p", "ImagingStudy/s", "DiagnosticReport/r"}


@pytest.mark.parametrize("written", [{"when": "2025-05-22"}, {"when": None, "issued": "2025-05-22T08:00:00Z"}])
def test_a_report_of_a_study_is_of_the_studys_day(written: Any) -> None:
    entries = [study(DAY, id="s"), percent(100), report(**written, imagingStudy=to("ImagingStudy/s"))]

    assert answer_examination_value(B, at(*entries)).truth is T
    assert answer_examination_value(B, at(*entries[:2], report("2025-05-22"))).reason is Reason.NO_DATA


def test_a_report_of_two_studies_is_of_its_own_day() -> None:
    studies = [study("2025-05-01", id="s1"), study("2025-05-10", id="s2")]
    both = report("2025-05-12", imagingStudy=[*to("ImagingStudy/s1"), *to("ImagingStudy/s2")])

    assert answer_examination_value(B, at(*studies, percent(100, "2025-05-10"), both)).reason is Reason.NO_DATA


@pytest.mark.parametrize(
    ("undated", "truth", "reason"),
    [
        ([procedure("2025-05", id="x")], U, Reason.IMPRECISE_DATE),
        ([procedure("2025-05", id="x"), percent(80, partOf=to("Procedure/x"))], U, Reason.IMPRECISE_DATE),
        ([procedure("2025-05", id="x"), percent(95, partOf=to("Procedure/x"))], T, None),
        ([procedure("2025-04", id="x")], T, None),
        ([procedure(None, id="x")], U, Reason.IMPRECISE_DATE),
    ],
)
def test_examinations_that_may_each_be_the_latest_must_agree(
    undated: list[Any], truth: Truth, reason: Reason | None
) -> None:
    sure = [procedure(DAY, id="p"), percent(100, partOf=to("Procedure/p"))]
    found = answer_examination_value(B, at(*sure, *undated))

    assert outcome(found) == (truth, reason)


@pytest.mark.parametrize(
    ("entries", "reason", "shown"),
    [
        ([], Reason.NO_DATA, set()),
        ([percent(80)], Reason.NO_DATA, set()),
        ([procedure("2024-05-20", id="p"), percent(80, partOf=to("Procedure/p"))], Reason.TOO_OLD, {"Procedure/p"}),
        ([procedure("2025", id="p"), percent(80, partOf=to("Procedure/p"))], Reason.IMPRECISE_DATE, {"Procedure/p"}),
    ],
)
def test_without_an_examination_in_the_window_no_value_decides(
    entries: list[Any], reason: Reason, shown: set[str]
) -> None:
    found = answer_examination_value(B, at(*entries))

    assert (outcome(found), references(found)) == ((U, reason), shown)
    assert found.wanted == (Wanted("sstr-imaging"),)


def test_a_value_that_is_missing_is_wanted() -> None:
    assert answer_examination_value(C, at(procedure())).wanted == (Wanted("krenning"),)


def test_a_value_after_the_reference_date_does_not_count_yet() -> None:
    late = [procedure(id="p"), percent(80, "2025-06-02", partOf=to("Procedure/p"))]

    assert answer_examination_value(B, at(*late)).reason is Reason.NO_DATA


def test_a_value_of_a_partial_date_counts_from_the_day_it_has_passed() -> None:
    partial = [procedure(id="p"), percent(80, "2025-06", partOf=to("Procedure/p"))]
    found = answer_examination_value(B, at(*partial))

    assert (outcome(found), date(2025, 6, 30) in found.changes) == ((U, Reason.IMPRECISE_DATE), True)
    assert answer_examination_value(B, at(*partial, on=date(2025, 6, 30))).truth is F


# --- what is later than an attestation


@pytest.mark.parametrize(
    ("since", "entries", "truth", "shown"),
    [
        ("2025-05-10", [procedure(id="p")], U, {"Procedure/p"}),
        ("2025-05-25", [procedure(id="p")], U, set()),
        ("2025-05-25", [procedure(id="p"), percent(80)], U, set()),
        (
            "2025-05-25",
            [procedure(id="p"), percent(80, "2025-05-28", partOf=to("Procedure/p"), id="o")],
            F,
            {"Observation/o"},
        ),
    ],
)
def test_of_what_is_later_than_a_moment_only_that_is_read_and_shown(
    since: str, entries: list[Any], truth: Truth, shown: set[str]
) -> None:
    moment = parse_when(since)
    assert moment is not None
    found = answer_examination_value(B, at(*entries).since(moment))

    assert (found.truth, references(found)) == (truth, shown)


@pytest.mark.parametrize(
    ("authored", "attested", "entries", "truth"),
    [
        ("2025-05-25", True, [procedure()], T),
        ("2025-05-25", False, [procedure()], F),
        ("2025-05-20", True, [procedure()], T),
        ("2025-05-10", True, [procedure()], U),
        ("2025-05-10", True, [procedure("2025-05-01")], T),
        ("2025-05-25", True, [procedure(), percent(80)], U),
        ("2025-05-10", True, [procedure(), percent(80)], F),
        ("2025-05-10", False, [procedure(), percent(100)], T),
        ("2025-05-25", True, [procedure(id="p"), percent(80, "2025-05-28", partOf=to("Procedure/p"))], F),
    ],
)
def test_an_attestation_holds_until_a_later_examination(
    authored: str, attested: bool, entries: list[Any], truth: Truth
) -> None:
    said = {"attest": {"authored": authored, "I09.b": attested}}
    found = judged(verdicts(reluth(), [*entries, said]), "I09")

    assert next(part.truth for part in found.parts if part.id == "I09.b") is truth


def test_order_does_not_matter() -> None:
    entries = [
        study("2025-05-20", id="s"),
        report("2025-05-22", id="r", imagingStudy=to("ImagingStudy/s")),
        procedure("2025-04-20", id="p"),
        krenning(3, id="k", derivedFrom=to("ImagingStudy/s")),
        uptake("below-liver", "2025-04-20", id="u"),
    ]
    found = {answer_examination_value(C, at(*order)) for order in itertools.permutations(entries)}

    assert [answer.truth for answer in found] == [T]
