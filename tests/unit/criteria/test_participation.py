"""In: ResearchSubjects and studies. Out: another interventional study within 30 days proves; our own, and observational ones, do not count."""

from __future__ import annotations

import json
from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria.answer import Answer, Reason, Wanted
from adapter.criteria.concepts.participation import answer_other_study, is_of_study
from adapter.criteria.scene import Scene
from adapter.criteria.tree import OtherStudy
from adapter.criteria.truth import Truth
from adapter.fhir import PatientRecord
from adapter.terminology import Completeness, Site
from tests.unit.criteria.deciding import IDENTIFIERS, attested, flips_on, scene_of

T, F, U = Truth.T, Truth.F, Truth.U
NODE = OtherStudy(within_days=30, complete="study-participation")


def study(identity: str = "other", category: str | None = "interventional", **more: Any) -> dict[str, Any]:
    kind = [] if category is None else [{"coding": [{"code": category}]}]
    named = {"resourceType": "ResearchStudy", "id": identity, "identifier": [{"value": "NCT03972488"}]}
    return {**named, "category": kind, **more}


def worded(*categories: str | None) -> dict[str, Any]:
    return {**study(), "category": [{"text": text} for text in categories if text is not None]}


STUDIES = (
    study(),
    study("watching", "observational"),
    study("vague", None),
    study("reluth", identifier=[{"value": "NCT04954820"}]),
)


def subject(status: str = "on-study", **fields: Any) -> dict[str, Any]:
    return {"participation": {"status": status, **fields}}


def answer(scene: Scene) -> Answer:
    return answer_other_study(NODE, scene)


def told(*entries: dict[str, Any], **more: Any) -> tuple[Truth, Reason | None]:
    found = answer(scene_of(entries, **{"shared": STUDIES, **more}))
    return found.truth, found.reason


RUNNING = ("on-study", "on-study-intervention", "on-study-observation")
ENDED = ("follow-up", "off-study", "withdrawn")


@pytest.mark.parametrize("status", RUNNING)
@pytest.mark.parametrize(
    ("period", "truth", "reason"),
    [
        ({}, T, None),
        ({"start": "2025-06-01"}, T, None),
        ({"start": "2025-06-02"}, U, Reason.NO_DATA),
        ({"start": "2025-06"}, U, Reason.IMPRECISE_DATE),
        ({"start": "2025-05"}, T, None),
        ({"start": "jadis"}, U, Reason.IMPRECISE_DATE),
        ({"start": "2024-01-01", "end": "2025-05-02"}, T, None),
        ({"start": "2024-01-01", "end": "2025-05-01"}, U, Reason.CONFLICT),
        ({"start": "2024-01-01", "end": "2025-05"}, U, Reason.IMPRECISE_DATE),
        ({"start": "2024-01-01", "end": "2026-01-01"}, T, None),
        ({"start": "2024-01-01", "end": "9999-12-31"}, T, None),
    ],
)
def test_a_running_participation_proves(
    status: str, period: dict[str, str], truth: Truth, reason: Reason | None
) -> None:
    assert told(subject(status, **period)) == (truth, reason)


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize(
    ("period", "truth", "reason"),
    [
        ({"end": "2025-05-02"}, T, None),
        ({"end": "2025-05-01"}, U, Reason.NO_DATA),
        ({"end": "2025-05-01T22:30:00Z"}, T, None),
        ({"end": "2025-06-01"}, T, None),
        ({"end": "2025-07-01"}, T, None),
        ({"start": "2025-06-02", "end": "2025-07-01"}, U, Reason.NO_DATA),
        ({"end": "2025-05"}, U, Reason.IMPRECISE_DATE),
        ({"end": "2025-04"}, U, Reason.NO_DATA),
        ({"end": "jadis"}, U, Reason.IMPRECISE_DATE),
        ({"start": "2024-01-01"}, U, Reason.ASKS),
        ({}, U, Reason.ASKS),
    ],
)
def test_an_ended_participation_proves_for_thirty_days(
    status: str, period: dict[str, str], truth: Truth, reason: Reason | None
) -> None:
    assert told(subject(status, **period)) == (truth, reason)


@pytest.mark.parametrize(
    ("status", "truth", "reason"),
    [
        ("candidate", U, Reason.ASKS),
        ("potential-candidate", U, Reason.ASKS),
        ("eligible", U, Reason.ASKS),
        ("screening", U, Reason.ASKS),
        ("pending-on-study", U, Reason.ASKS),
        ("ineligible", U, Reason.NO_DATA),
        ("not-registered", U, Reason.NO_DATA),
        ("entered-in-error", U, Reason.NO_DATA),
        ("retired", U, Reason.STATUS),
        (None, U, Reason.STATUS),
    ],
)
def test_a_status_before_participation_asks(status: str | None, truth: Truth, reason: Reason | None) -> None:
    assert told({"participation": {"status": status}}) == (truth, reason)


@pytest.mark.parametrize(
    ("category", "truth", "reason"),
    [
        ("interventional", T, None),
        ("Interventional-drug", T, None),
        ("interventionnelle", T, None),
        ("observational", U, Reason.NO_DATA),
        ("Observationnelle prospective", U, Reason.NO_DATA),
        ("non-interventional", U, Reason.ASKS),
        ("treatment", U, Reason.ASKS),
        (None, U, Reason.ASKS),
    ],
)
def test_the_kind_of_study_decides_whether_it_counts(category: str | None, truth: Truth, reason: Reason | None) -> None:
    for known in (study(category=category), worded(category)):
        assert told(subject(), shared=[known]) == (truth, reason)


def test_a_study_of_two_kinds_is_of_none() -> None:
    assert told(subject(), shared=[worded("interventional", "observational")]) == (U, Reason.ASKS)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (subject(study="vague"), Reason.ASKS),
        (subject(study="never-pulled"), Reason.ASKS),
        (subject("off-study", study="vague", end="2025-05-02"), Reason.ASKS),
        (subject("off-study", study="vague", end="2025-05"), Reason.ASKS),
        (subject("off-study", study="vague", end="2025-05-01"), Reason.NO_DATA),
        (subject("ineligible", study="vague"), Reason.NO_DATA),
    ],
)
def test_a_study_of_unknown_kind_asks_where_the_status_counts(entry: dict[str, Any], reason: Reason) -> None:
    assert told(entry) == (U, reason)


@pytest.mark.parametrize("status", [*RUNNING, *ENDED, "candidate"])
def test_observational_participation_is_ignored(status: str) -> None:
    found = answer(scene_of([subject(status, study="watching", end="2025-05-20")], shared=STUDIES))

    assert (found.truth, found.reason, found.evidence) == (U, Reason.NO_DATA, ())
    assert [item.reference for item in found.shown] == ["ResearchSubject/participation-1"]


def test_our_own_study_is_no_other_study() -> None:
    named = {
        "resourceType": "ResearchSubject",
        "status": "on-study",
        "study": {"identifier": {"value": "2021-001306-30"}},
    }

    assert told(subject(study="reluth")) == (U, Reason.NO_DATA)
    assert told(named) == (U, Reason.NO_DATA)


@pytest.mark.parametrize(
    ("reference", "own"),
    [
        ({"reference": "ResearchStudy/reluth"}, True),
        ({"reference": "https://ehr.example.org/fhir/ResearchStudy/reluth"}, True),
        ({"reference": "ResearchStudy/other"}, False),
        ({"reference": "ResearchStudy/never-pulled"}, False),
        ({"identifier": {"value": "NCT04954820"}}, True),
        ({"identifier": {"value": "PROICM2021-04REL"}}, True),
        ({"identifier": {"value": "PROICM 2021-04 REL "}}, True),
        ({"identifier": {"value": "nct04954820"}}, True),
        ({"identifier": {"value": "NCT0495482"}}, False),
        ({"identifier": {"system": "NCT04954820"}}, False),
        ({"reference": "ResearchStudy/other", "identifier": {"value": "NCT04954820"}}, True),
        ({"display": "NCT04954820"}, False),
        (None, False),
    ],
)
def test_a_subject_is_of_the_trial_by_its_study_or_by_the_references_identifier(
    reference: dict[str, Any] | None, own: bool
) -> None:
    raw = {"resourceType": "ResearchSubject", "status": "on-study", **({"study": reference} if reference else {})}
    record = scene_of([raw], shared=STUDIES).record

    assert is_of_study(record.subjects[0], record, IDENTIFIERS) is own


def within(*studies: object, reference: str = "#s") -> dict[str, Any]:
    """A subject with its study in ``contained``."""
    return {
        "resourceType": "ResearchSubject",
        "status": "on-study",
        "contained": list(studies),
        "study": {"reference": reference},
    }


@pytest.mark.parametrize(
    ("raw", "own"),
    [
        (within(study("s", identifier=[{"value": "NCT04954820"}])), True),
        (within({"resourceType": "Organization", "id": "s"}, study("s", identifier=[{"value": "NCT04954820"}])), True),
        (within(study("s", identifier=[{"value": "NCT04954820"}], status=7)), True),
        (within(study("s")), False),
        (within(study("t", identifier=[{"value": "NCT04954820"}])), False),
        (within(study("s", identifier=[{"value": "NCT04954820"}]), reference="ResearchStudy/other"), False),
        (within("s", 7, None), False),
    ],
)
def test_a_subject_is_of_the_trial_by_the_study_that_lies_within_it(raw: dict[str, Any], own: bool) -> None:
    record = scene_of([raw], shared=STUDIES).record
    aside = PatientRecord.read("Patient/p", [], held_back=[json.dumps({**raw, "id": "1", "period": 7}).encode()])

    assert is_of_study(record.subjects[0], record, IDENTIFIERS) is own
    assert is_of_study(aside.subjects[0], aside, IDENTIFIERS) is own


def test_the_trials_own_study_within_a_subject_asks_nothing_and_another_counts_as_what_it_is() -> None:
    assert told(within(study("s", identifier=[{"value": "NCT04954820"}]))) == (U, Reason.NO_DATA)
    assert told(within(study("s"))) == (T, None)
    assert told(within(study("s", "observational"))) == (U, Reason.NO_DATA)


def test_one_participation_that_proves_is_enough_in_any_order() -> None:
    entries = [
        subject("screening", id="a"),
        subject("off-study", id="b", end="2025-05-20"),
        subject(id="c", study="vague"),
        subject("off-study", id="d", end="2020-01-01"),
    ]

    for order in permutations(entries):
        found = answer(scene_of(order, shared=STUDIES))

        assert found.truth is T
        assert [(item.reference, item.value) for item in found.evidence] == [
            ("ResearchSubject/b", "off-study, ..2025-05-20")
        ]


def test_the_reason_is_the_same_in_any_order() -> None:
    for first, second in permutations(("a", "b")):
        entries = [subject("screening", id=first), subject("off-study", id=second, end="2025-05")]

        assert told(*entries) == (U, Reason.IMPRECISE_DATE)


@pytest.mark.parametrize(
    ("start", "end", "truth", "flip"),
    [
        (date(2025, 5, 2), date(2025, 6, 1), F, date(2025, 6, 2)),
        (date(2025, 5, 3), date(2025, 6, 30), U, date(2025, 6, 2)),
        (date(2025, 5, 2), date(2025, 5, 31), U, None),
        (date(2020, 1, 1), date(2025, 6, 10), F, date(2025, 6, 11)),
    ],
)
def test_absence_refutes_where_the_whole_window_is_declared(
    start: date, end: date, truth: Truth, flip: date | None
) -> None:
    scene = scene_of(site=Site("icm", completeness=(Completeness("study-participation", start, end),)))

    assert (answer(scene).truth, answer(scene).presumed) == (truth, truth is F)
    assert flips_on(answer, scene) == flip


@pytest.mark.parametrize(
    ("entry", "truth"),
    [
        (subject(study="watching"), F),
        (subject(study="reluth"), F),
        (subject("off-study", end="2025-05-01"), F),
        (subject("ineligible"), F),
        (subject("screening"), U),
        (subject(study="vague"), U),
        (subject(), T),
    ],
)
def test_a_declared_absence_gives_way_to_what_is_on_record(entry: dict[str, Any], truth: Truth) -> None:
    site = Site("icm", completeness=(Completeness("study-participation", date(2020, 1, 1), date(2030, 1, 1)),))

    assert told(entry, site=site)[0] is truth


@pytest.mark.parametrize(
    ("entry", "flip"),
    [
        (subject(), None),
        (subject("off-study", end="2025-05-20"), date(2025, 6, 20)),
        (subject("off-study", end="2025-06-01"), date(2025, 7, 2)),
        (subject("off-study", end="2025-05"), None),
        (subject(start="2025-06"), date(2025, 6, 30)),
        (subject(end="2025-05-20"), date(2025, 6, 20)),
    ],
)
def test_participation_changes_by_time_on_the_thirty_first_day_after_its_end(
    entry: dict[str, Any], flip: date | None
) -> None:
    assert flips_on(answer, scene_of([entry], shared=STUDIES)) == flip


def test_an_open_participation_wants_a_record_and_a_person_can_close_it() -> None:
    for entries in ([], [subject("screening")], [subject(study="vague")]):
        found = answer(scene_of(entries, shared=STUDIES))

        assert (found.attestable, found.wanted) == (True, (Wanted("other-studies"),))
        assert len(found.evidence) == len(entries)


@pytest.mark.parametrize(
    ("entry", "truth", "reason"),
    [
        (subject("screening", start="2025-05-01"), F, None),
        (subject("screening"), F, None),
        (subject("screening", start="2025-05-21"), U, Reason.ASKS),
        (subject(start="2025-05-21"), T, None),
        (subject(start="2025-05-01"), U, Reason.CONFLICT),
        (subject(start="2025-05-21", study="watching"), F, None),
    ],
)
def test_an_attested_absence_of_participation_decides_what_is_open(
    entry: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    found = attested(answer, scene_of([entry, {"attest": {"E16": False}}], shared=STUDIES), "E16")

    assert (found.truth, found.reason) == (truth, reason)
