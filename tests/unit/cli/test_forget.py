"""Promises of `reluth forget`: all of a person goes, whoever is in a trial is asked for twice, and what lies elsewhere is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.cli.patients import actor
from adapter.store import Counterpart, Pseudonym, Store
from mappings.entities import Coding, EventKind, Identifier, LabResult, Subject, SubjectEvent
from tests.support.cli import Ran, reluth
from tests.unit.store.making import fill, live, observation, patient

TRIAL = "nct04954820"
IPP = "urn:example:ipp"
NAME = "Lagarrigue-Forgotten"
A = patient("a", name=[{"family": NAME}], identifier=[{"system": IPP, "value": "123456"}], birthDate="1960-03-12")
B = patient("b", identifier=[{"system": IPP, "value": "999"}], birthDate="1950-01-01")
DIAGNOSIS = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C17.2"}]}


def condition(of: str) -> bytes:
    return json.dumps(
        {
            "resourceType": "Condition",
            "id": f"c-{of}",
            "code": DIAGNOSIS,
            "subject": {"reference": f"Patient/{of}"},
            "recordedDate": "2020-01-01",
        }
    ).encode()


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two screened people, one of whom was decided on and loaded."""
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path / "var") as store:
        fill(store, [A, B, condition("a"), condition("b"), observation("a1", "a"), observation("b1", "b")])
        fill(store, [observation("a9", "a")], site="other")
    assert reluth("--store", tmp_path / "var", "screen", "--on", "2025-06-01").code == 0
    assert reluth("--store", tmp_path / "var", "decide", "icm/a", "contacted", "--reason", "to-contact").code == 0
    return tmp_path / "var"


def forget(var: Path, *arguments: str) -> Ran:
    return reluth("--store", var, "forget", *arguments)


def worklist(var: Path) -> list[str]:
    return [row["patient"] for row in reluth("--store", var, "--json", "worklist").object["rows"]]


def lab(of: str, key: str) -> LabResult:
    return LabResult(
        id=Identifier(system="urn:x", value=key),
        patient=Identifier(system=IPP, value=of),
        codes=(Coding(system="http://loinc.org", code="718-7"),),
        effective="2025-05-20",
        value=Decimal("12.1"),
        unit="g/dL",
    )


def subject(number: str, kind: EventKind = EventKind.PRE_SCREENED) -> Subject:
    event = SubjectEvent(kind=kind, on="2025-05-01")
    return Subject(
        study=TRIAL, site="05", number=number, patient=Identifier(system=IPP, value="123456"), events=(event,)
    )


def bytes_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    return ((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def test_person_is_gone_from_everywhere_and_the_others_are_as_before(var: Path) -> None:
    assert sorted(worklist(var)) == ["Patient/a", "Patient/b"]
    ran = forget(var, "icm/a", "--reason", "objection")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("icm/a: removed 3 versions of resources, 0 items of the quarantine, ")
    assert worklist(var) == ["Patient/b"]
    assert reluth("--store", var, "store", "check").code == 0
    with Store.open(var) as store:
        assert list(live(store)) == ["Patient/b"]
        assert list(live(store, "other")) == ["Patient/a"]
        last = store.audit_trail()[-1]
    assert (last.actor, last.action, last.subject) == (actor(), "forget", "icm/Patient/a")
    assert last.detail.startswith("objection: 3 versions")


def test_no_byte_of_what_they_are_called_is_left(var: Path) -> None:
    with Store.open(var) as store:
        store.entities.put_all("icm", [lab("123456", "L1"), lab("999", "L2")], source="labs.csv", by="x")
    reluth("--store", var, "worklist")
    assert any(b"123456" in content for _, content in bytes_of(var))
    assert forget(var, "icm/a").code == 0

    for word in (NAME.encode(), b"123456", b"Patient/a1"):
        assert [path.name for path, content in bytes_of(var) if word in content] == []
    with Store.open(var) as store:
        assert [one.key for one in store.entities.all("icm", "labs")] == ["urn:x|L2"]


def test_machine_is_told_all_of_it(var: Path) -> None:
    found = reluth("--store", var, "--json", "forget", "icm/a").object

    assert found["records"] == ["Patient/a"]
    assert found["versions"] == {"Condition": 1, "Observation": 1, "Patient": 1}
    assert found["rows"]["verdict"] == found["rows"]["decision"] == 1
    assert (found["at_hospital"], found["in_packages"]) == ([], False)


def test_who_was_forgotten_is_listed_and_is_nobody_for_the_other_commands(var: Path) -> None:
    forget(var, "icm/a", "--reason", "mistake")

    assert forget(var, "--list").out.startswith("icm/a mistake 20")
    [one] = reluth("--store", var, "--json", "forget", "--list").object["kept_off"]
    assert (one["site"], one["patient"], one["reason"]) == ("icm", "Patient/a", "mistake")
    for verb in (("why", "icm/a"), ("add", "icm/a"), ("decide", "icm/a", "contacted", "--reason", "to-contact")):
        ran = reluth("--store", var, *verb)
        assert ran.code == 2
        assert "was forgotten" in ran.err


def test_who_may_come_back_does_with_the_next_pull(var: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Patient.ndjson").write_bytes(A + b"\n")
    forget(var, "icm/a")
    again = ("--store", var, "pull", "--site", "icm", "--from", tmp_path / "in")
    assert "1 resources of people who were forgotten" in reluth(*again).err
    assert forget(var, "icm/a", "--undo").code == 0
    assert reluth(*again).code == 0

    with Store.open(var) as store:
        assert "Patient/a" in live(store)
        assert [line.action for line in store.audit_trail()][-2:] == ["forget", "forget-undo"]
    assert forget(var, "icm/a", "--undo").code == 2


def test_somebody_of_whom_nothing_came_yet_can_be_kept_off(var: Path) -> None:
    ran = forget(var, "icm/later")

    assert (ran.code, ran.err.splitlines()[0]) == (0, "icm/later: nothing was stored; nothing will be taken")
    assert forget(var, "later2").code == 2
    assert forget(var, "nowhere/later").code == 2


@pytest.mark.parametrize("how", ["loaded", "decided", "exported", "on record"])
def test_subject_of_a_trial_is_asked_for_twice(var: Path, how: str) -> None:
    with Store.open(var) as store:
        if how == "loaded":
            store.entities.put_all("icm", [subject("RELUTH-05-001")], source="s.csv", by="x")
        elif how == "decided":
            store.decide("icm", "Patient/a", trial=TRIAL, state="enrolled", reason="other", by="x")
        elif how == "exported":
            store.subjects.keep(TRIAL, [Pseudonym("icm", "Patient/a", "RELUTH-05-001", True)], merged={})
        else:
            fill(store, [on_study()])
        before = live(store)
    ran = forget(var, "icm/a")
    assert ran.code == 2
    assert "is a subject of ReLUTH" in ran.err
    assert "--even-subject" in ran.err
    with Store.open(var) as store:
        assert live(store) == before

    ran = forget(var, "icm/a", "--even-subject")
    assert ran.code == 0
    assert ("packages for the sponsor" in ran.err) == (how == "exported")
    with Store.open(var) as store:
        assert store.entities.all("icm", "subjects") == []
        numbers = store.subjects.pseudonyms(TRIAL)
        assert not any(one.patient == "Patient/a" for one in numbers)
        # Nobody else is given the number.
        assert store.subjects.next_number(TRIAL, "RELUTH-05-") == (2 if how == "exported" else 1)


def on_study() -> bytes:
    return json.dumps(
        {
            "resourceType": "ResearchSubject",
            "id": "s",
            "status": "on-study",
            "period": {"start": "2025-05-01"},
            "study": {"identifier": {"system": "https://clinicaltrials.gov", "value": "NCT04954820"}},
            "individual": {"reference": "Patient/a"},
        }
    ).encode()


def test_what_was_pushed_is_named_for_who_keeps_the_hospitals_server(var: Path) -> None:
    with Store.open(var) as store:
        store.entities.put_all("icm", [subject("CAND-x")], source="screening", by="x")
        made = ("icm", "ResearchSubject", "urn:x", "CAND-x", "subjects", "CAND-x", "77", "1", "h", b"{}")
        store.outbox.keep_counterparts([Counterpart(*made)])
    ran = forget(var, "icm/a")

    assert ran.code == 0
    assert "the hospital's server still has what was pushed: ResearchSubject/77" in ran.err
    with Store.open(var) as store:
        assert (store.outbox.counterparts("icm"), store.outbox.entries("icm")) == ({}, [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "PATIENT is wanted"),
        (("icm/a", "--reason", "because"), "--reason because: it is one of objection, erasure, mistake"),
        (("icm/a", "--list"), "--list shows everybody"),
        (("a", "--undo"), "say which site's patient"),
        (("icm/b", "--undo"), "icm/b: was not forgotten"),
    ],
)
def test_what_is_not_understood_is_refused_and_removes_nothing(
    var: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = forget(var, *arguments)

    assert ran.code == 2
    assert said in ran.err
    with Store.open(var) as store:
        assert sorted(live(store)) == ["Patient/a", "Patient/b"]


def test_screening_after_it_tells_nothing_of_them(var: Path) -> None:
    forget(var, "icm/a")
    found = reluth("--store", var, "--json", "screen", "--on", date(2025, 6, 1).isoformat()).objects
    assert [one["patient"] for one in found] == ["Patient/b"]
    log = reluth("--store", var, "log", "--csv").out
    assert len(log.splitlines()) == 2
