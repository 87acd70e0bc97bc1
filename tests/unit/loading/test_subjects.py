"""In: one event a row. Out: subjects, each whole or not at all; and what may not be taken from one that is stored."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.documents import load_study
from adapter.loading import Target
from adapter.store import Store
from mappings.entities import EventKind
from tests.unit.loading.making import PATIENTS, load_csv, load_json, reasons, subjects_of, table

NUMBER = "RELUTH-05-0001"
CONTROL, DRUG = (
    next(arm for arm in load_study("nct04954820").arms if arm.kind.is_intervention is given) for given in (False, True)
)


def event(kind: str, on: str, number: str = NUMBER, **more: str) -> dict[str, str]:
    return {"number": number, "site": "05", "patient": f"P-{number[-4:]}", "event": kind, "on": on, **more}


def life(number: str = NUMBER, arm: str = DRUG.name) -> list[dict[str, str]]:
    return [
        event("consented", "2025-01-10", number),
        event("registered", "2025-01-12", number),
        event("cycle", "2025-02-01", number, cycle="1"),
        event("cycle", "2025-04-01", number, cycle="2"),
        event("randomised", "2025-05-20", number, arm=arm),
    ]


def test_rows_of_a_number_are_one_subject(store: Store) -> None:
    rows = [row for pair in zip(life("S-0001"), life("S-0002"), strict=True) for row in pair]
    report = load_csv(store, "subjects", table(*rows))
    found = subjects_of(store)["S-0001"]

    assert (report.read, report.new, report.refused) == (10, 2, ())
    assert [(one.kind, one.on, one.cycle) for one in found.events] == [
        (EventKind.CONSENTED, "2025-01-10", None),
        (EventKind.REGISTERED, "2025-01-12", None),
        (EventKind.CYCLE, "2025-02-01", 1),
        (EventKind.CYCLE, "2025-04-01", 2),
        (EventKind.RANDOMISED, "2025-05-20", None),
    ]
    assert (found.study, found.site, found.patient.system) == ("nct04954820", "05", PATIENTS)


@pytest.mark.parametrize(("arm", "given"), [(DRUG.name, True), (CONTROL.name, False)])
def test_whether_something_is_given_is_the_studys_to_say(store: Store, arm: str, given: bool) -> None:
    load_csv(store, "subjects", table(*life(arm=arm)))

    assert subjects_of(store)[NUMBER].events[-1].intervention is given


def test_study_that_was_loaded_counts_more_than_the_one_shipped(store: Store) -> None:
    arms = [{"name": "new", "label": "New", "kind": "EXPERIMENTAL", "description": "New."}]
    study = {"id": "nct04954820", "title": "T", "status": "active", "arms": arms}
    load_json(store, "study", {**study, "identifiers": [{"value": "1", "use": "official"}]})
    report = load_csv(store, "subjects", table(*life("S-0001", "new"), *life("S-0002", DRUG.name)))

    assert (report.new, {refused.column for refused in report.refused}) == (1, {"arm", None})


def test_arm_of_a_trial_without_study_document_is_refused(store: Store) -> None:
    target = Target("icm", "start-net", identifier_system=PATIENTS, site_code="05")
    report = load_csv(store, "subjects", table(*life()), target=target)

    assert ("arm", "load it first" in report.refused[-1].reason) == (report.refused[-1].column, True)


def test_site_and_numbering_are_those_of_the_settings(store: Store) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "site"} for row in life()]
    load_csv(store, "subjects", table(*rows))

    assert (subjects_of(store)[NUMBER].site, subjects_of(store)[NUMBER].patient.system) == ("05", PATIENTS)


def test_site_that_nobody_tells_is_refused(store: Store) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "site"} for row in life()]
    report = load_csv(store, "subjects", table(*rows), target=Target("icm", "nct04954820", PATIENTS))

    assert {(refused.column, refused.value_class) for refused in report.refused} == {("site", "empty")}


WRONG: list[tuple[dict[str, str], str | None, str | None, str]] = [
    ({"patient": ""}, "patient", "empty", "is missing"),
    ({"patient": "P-other"}, "patient", "code-like", "another one"),
    ({"patient_system": "urn:example:other"}, "patient", "code-like", "another one"),
    ({"site": "06"}, "site", "number", "another one"),
    ({"event": ""}, "event", "empty", "is missing"),
    ({"event": "randomized"}, "event", "code-like", "allowed"),
    ({"event": "visit", "cycle": ""}, "visit", "empty", "is wanted for visit"),
    ({"on": "01/02/2025"}, "on", "date-like", "YYYY-MM-DD"),
    ({"on": "2025-01"}, "on", "date-like", "whole date"),
    ({"on": "2024-12-31"}, "on", "date-like", "before the event before it"),
    ({"cycle": "one"}, "cycle", "code-like", "whole number"),
    ({"cycle": "3"}, "cycle", "number", "come before the randomisation"),
    ({"arm": "A"}, "arm", "code-like", "belongs to randomised only"),
]


@pytest.mark.parametrize(("wrong", "column", "kind", "said"), WRONG)
def test_wrong_row_leaves_its_subject_out_and_no_other(
    store: Store, wrong: dict[str, str], column: str, kind: str, said: str
) -> None:
    rows = life("S-0001")
    rows[2] = {**rows[2], **wrong}
    report = load_csv(store, "subjects", table(*rows, *life("S-0002")))
    others = [(line, None, None) for line in (2, 3, 5, 6)]

    assert reasons(report) == sorted([*others, (4, column, kind)])
    assert said in report.refused[2].reason
    assert report.refused[0].reason == "is left out with row 4 of the same subject"
    assert list(subjects_of(store)) == ["S-0002"]


def test_row_of_another_width_leaves_its_subject_out(store: Store) -> None:
    text = "number,site,patient,event,on\nS-1,05,P1,consented,2025-01-10\nS-1,05,P1,registered\nS-2,05,P2,consented,2025-01-10\n"
    report = load_csv(store, "subjects", text)

    assert [refused.row for refused in report.refused] == [2, 3]
    assert list(subjects_of(store)) == ["S-2"]


def test_row_without_a_number_is_refused_alone(store: Store) -> None:
    report = load_csv(store, "subjects", table(*life("S-0001"), event("consented", "2025-01-10", "")))

    assert reasons(report) == [(7, "number", "empty")]
    assert report.new == 1


def test_site_of_another_number_than_the_settings_is_refused(store: Store) -> None:
    report = load_csv(store, "subjects", table(*({**row, "site": "06"} for row in life())))

    assert ("site", "number") in {(refused.column, refused.value_class) for refused in report.refused}
    assert "site_code" in report.refused[0].reason


def test_number_of_the_hospital_is_no_pseudonym(store: Store) -> None:
    report = load_csv(store, "subjects", table(event("consented", "2025-01-10", patient=NUMBER)))

    assert reasons(report) == [(2, "number", "code-like")]


def test_same_row_twice_is_one_event(store: Store) -> None:
    rows = life()
    report = load_csv(store, "subjects", table(*rows, rows[-1]))

    assert (report.read, report.new, len(subjects_of(store)[NUMBER].events)) == (6, 1, 5)


def test_endless_subject_is_refused_before_it_is_checked(store: Store) -> None:
    rows = [event("reviewed", "2025-01-01", reason=f"r{at}") for at in range(501)]
    report = load_csv(store, "subjects", table(*rows))

    assert (report.new, len(report.refused)) == (0, 501)
    assert "500 rows" in report.refused[0].reason


# What is stored


def test_history_that_goes_on_is_a_new_version(store: Store) -> None:
    load_csv(store, "subjects", table(*life()[:3]))
    report = load_csv(store, "subjects", table(*life()))

    assert (report.new, report.changed, report.exit_code) == (0, 1, 0)
    assert len(subjects_of(store)[NUMBER].events) == 5


def test_event_that_is_told_late_is_taken_in(store: Store) -> None:
    rows = life()
    load_csv(store, "subjects", table(*rows[:2], rows[3]))
    report = load_csv(store, "subjects", table(*rows))

    assert (report.changed, len(subjects_of(store)[NUMBER].events)) == (1, 5)


@pytest.mark.parametrize(
    ("column", "wrong"), [("number", "S-1\u200b"), ("patient", "8,01235E+12"), ("patient", "8\u00a0012")]
)
def test_number_that_a_spreadsheet_spoilt_is_refused(store: Store, column: str, wrong: str) -> None:
    report = load_csv(store, "subjects", table(*({**row, column: wrong} for row in life())))

    assert (report.new, report.refused[0].column) == (0, column)


@pytest.mark.parametrize("change", ["lost", "last", "moved"])
def test_event_that_is_stored_is_never_lost_without_a_word(store: Store, change: str) -> None:
    rows = life()
    load_csv(store, "subjects", table(*rows))
    coming = {"lost": rows[:2] + rows[3:], "last": rows[:-1], "moved": [*rows[:-1], {**rows[-1], "on": "2025-05-21"}]}
    report = load_csv(store, "subjects", table(*coming[change]))

    assert (report.new, report.changed, report.unchanged) == (0, 0, 0)
    assert {refused.row for refused in report.refused} == set(range(2, 2 + len(coming[change])))
    assert "--correct" in report.refused[0].reason
    assert len(subjects_of(store)[NUMBER].events) == 5


def test_person_may_correct_what_is_stored(store: Store) -> None:
    rows = life()
    load_csv(store, "subjects", table(*rows))
    report = load_csv(store, "subjects", table(*rows[:-1]), correct=True)

    assert (report.changed, report.refused) == (1, ())
    assert len(subjects_of(store)[NUMBER].events) == 4
    assert [len(one.entity.events) for one in store.entities.versions("icm", "subjects", NUMBER)] == [5, 4]  # type: ignore[union-attr]
    assert store.audit_trail()[-1].detail.endswith("correcting")


def test_number_of_one_person_is_not_given_to_another(store: Store) -> None:
    load_csv(store, "subjects", table(*life()))
    report = load_csv(store, "subjects", table(*({**row, "patient": "P-other"} for row in life())))

    assert {(refused.column, refused.value_class) for refused in report.refused} == {("patient", "code-like")}
    assert subjects_of(store)[NUMBER].patient.value == "P-0001"


# JSON


def subject(**more: Any) -> dict[str, Any]:
    events: list[dict[str, Any]] = [
        {"kind": "consented", "on": "2025-01-10"},
        {"kind": "registered", "on": "2025-01-12"},
    ]
    return {"number": NUMBER, "patient": "P1", "events": events, **more}


def test_object_is_filled_with_what_the_site_tells(store: Store) -> None:
    randomised = {"kind": "randomised", "on": "2025-05-20", "arm": CONTROL.name}
    load_json(store, "subjects", [subject(events=[*subject()["events"], randomised])])
    found = subjects_of(store)[NUMBER]

    assert (found.study, found.site, found.patient.system) == ("nct04954820", "05", PATIENTS)
    assert found.events[-1].intervention is False


@pytest.mark.parametrize(
    ("wrong", "path", "kind"),
    [
        ({"study": "start-net"}, "study", "code-like"),
        ({"site": "06"}, "site", "number"),
        ({"events": []}, "events", "list"),
        ({"events": {}}, "events", "object"),
        ({"events": [3]}, "events[0]", "number"),
        ({"events": [{"kind": "consented", "on": "10/01/2025"}]}, "events[0].on", "date-like"),
        ({"events": [{"kind": "registered", "on": "2025-01-10"}]}, "events[0].kind", "code-like"),
        ({"events": [{"kind": "consented", "on": "2025-01-10"}] * 501}, "events", "list"),
        ({"patient": 12}, "patient", "number"),
        ({"number": None}, "number", "empty"),
    ],
)
def test_wrong_field_of_an_object_is_named_by_its_path(
    store: Store, wrong: dict[str, Any], path: str, kind: str
) -> None:
    report = load_json(store, "subjects", [subject(**wrong), subject(number="S-2", patient="P2")])

    assert reasons(report) == [(1, path, kind)]
    assert list(subjects_of(store)) == ["S-2"]


@pytest.mark.parametrize(
    ("arm", "given", "path"),
    [("arm X", None, "events[2].arm"), (DRUG.name, False, "events[2].intervention"), (3, None, "events[2].arm")],
)
def test_arm_that_contradicts_the_study_is_refused(store: Store, arm: Any, given: bool | None, path: str) -> None:
    told = {} if given is None else {"intervention": given}
    randomised = {"kind": "randomised", "on": "2025-05-20", "arm": arm, **told}
    report = load_json(store, "subjects", [subject(events=[*subject()["events"], randomised])])

    assert [refused.column for refused in report.refused] == [path]
