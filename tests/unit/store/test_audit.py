"""In: lines of the audit trail. Out: those of one's own sites only, newest first, a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from adapter.store import AuditWanted, Store


def _write(store: Store, *lines: tuple[str, str, str]) -> None:
    for action, subject, detail in lines:
        store.audit("anna", action, subject=subject, detail=detail)


def _subjects(store: Store, **wanted: object) -> list[str]:
    return [line.subject for line in store.trail.page(AuditWanted(**wanted), limit=100)]  # type: ignore[arg-type]


def test_trail_of_no_site_is_empty(store: Store) -> None:
    _write(store, ("view-patient", "icm/Patient/1", ""))

    assert _subjects(store, sites=[]) == []
    assert _subjects(store) == []


@pytest.mark.parametrize("subject", ["icm/Patient/1", "icm", "aphp icm", "icm aphp", "aphp icm chu", "icm/labs"])
def test_trail_of_a_site_holds_what_names_it(store: Store, subject: str) -> None:
    _write(store, ("view-worklist", subject, ""))

    assert _subjects(store, sites=["icm"]) == [subject]


@pytest.mark.parametrize(
    "subject", ["ICM/Patient/1", "ICM", "icm2/Patient/1", "icm-2", "aphp", "Patient/icm", "i_m/Patient/1", "%", ""]
)
def test_trail_of_a_site_holds_nothing_of_another_one(store: Store, subject: str) -> None:
    _write(store, ("view-patient", subject, "icm"))

    assert _subjects(store, sites=["icm"]) == []
    assert _subjects(store, sites=["i_m", "%"]) == ([subject] if subject in ("i_m/Patient/1", "%") else [])


@pytest.mark.parametrize("action", ["user-add", "user-role", "sign-in", "sign-in-refused", "backup", "restore"])
def test_lines_of_accounts_door_and_backups_are_of_no_site_whatever_their_subject(store: Store, action: str) -> None:
    _write(store, (action, "icm", ""), ("view-log", "icm", ""))

    assert [line.action for line in store.trail.page(AuditWanted(sites=["icm"]), limit=9)] == ["view-log"]
    assert [line.action for line in store.trail.page(AuditWanted(sites=None), limit=9)] == ["view-log", action]


def test_pages_hold_each_line_once_though_lines_are_added_meanwhile(store: Store) -> None:
    _write(store, *(("view-patient", f"icm/Patient/{number}", "") for number in range(7)))
    wanted = AuditWanted(sites=["icm"])
    first = store.trail.page(wanted, limit=3)
    _write(store, ("view-audit", "icm", ""))
    second = store.trail.page(wanted, limit=3, before=first[-1].number)

    assert [line.subject[-1] for line in [*first, *second]] == ["6", "5", "4", "3", "2", "1"]


def test_all_lines_are_read_in_more_than_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.store.audit._READ_AT_ONCE", 2)
    _write(store, *(("view-patient", f"icm/Patient/{number}", "") for number in range(5)))

    assert [line.subject[-1] for line in store.trail.lines(AuditWanted(sites=None))] == ["4", "3", "2", "1", "0"]


def test_trail_of_a_patient_holds_lists_and_sources_and_no_namesake(store: Store) -> None:
    mine = [
        ("view-patient", "icm/Patient/1", ""),
        ("view-source", "icm/Patient/1/Observation/9", ""),
        ("view-worklist", "icm", "Patient/3 Patient/1"),
        ("view-worklist", "icm aphp", "aphp/Patient/7 icm/Patient/1"),
    ]
    others = [
        ("view-patient", "icm/Patient/11", ""),
        ("view-patient", "aphp/Patient/1", ""),
        ("view-worklist", "aphp", "Patient/1"),
        ("view-worklist", "icm", "Patient/10"),
        ("view-worklist", "icm aphp", "aphp/Patient/1"),
    ]
    _write(store, *mine, *others)

    found = store.trail.page(AuditWanted(sites=["icm"], patients={("icm", "Patient/1")}), limit=99)

    assert [(line.action, line.subject, line.detail) for line in reversed(found)] == mine


def test_trail_is_filtered_by_action_person_and_time(store: Store) -> None:
    with time_machine.travel("2026-11-22T10:00:00Z", tick=False):
        store.audit("anna", "view-log", subject="icm")
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False):
        store.audit("bea", "view-log", subject="icm")
        store.audit("bea", "decide", subject="icm/Patient/1")
    at = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def found(**wanted: object) -> list[tuple[str, str]]:
        lines = store.trail.page(AuditWanted(sites=["icm"], **wanted), limit=9)  # type: ignore[arg-type]
        return [(line.actor, line.action) for line in lines]

    assert found(action="view-log") == [("bea", "view-log"), ("anna", "view-log")]
    assert found(actor="bea") == [("bea", "decide"), ("bea", "view-log")]
    assert found(until=at) == [("anna", "view-log")]
    assert found(since=at) == [("bea", "decide"), ("bea", "view-log")]
    assert found(actor="b") == []
