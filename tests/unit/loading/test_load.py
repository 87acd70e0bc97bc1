"""In: files and a store. Out: each good entity once, in one transaction; the others named; loading again changes nothing."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import adapter.loading
from adapter.config import Settings, SiteSettings
from adapter.documents import load_study
from adapter.errors import UsageError
from adapter.loading import Content, Target, load, load_shipped_study, target_of, template
from adapter.loading.reading import read_entities
from adapter.loading.target import Rules
from adapter.store import Store
from mappings.entities import EventKind, Subject, SubjectEvent
from tests.unit.loading.making import TARGET, infusion, lab, labs_of, load_csv, load_json, reasons, table


def test_door_opens_to_all_it_names() -> None:
    assert adapter.loading.__all__ == sorted(adapter.loading.__all__)
    assert all(hasattr(adapter.loading, name) for name in adapter.loading.__all__)


def test_same_file_again_changes_nothing(store: Store) -> None:
    text = table(lab("R1"), lab("R2"))
    first, second = (load_csv(store, "labs", text) for _ in range(2))

    assert (first.new, first.changed, first.unchanged) == (2, 0, 0)
    assert (second.new, second.changed, second.unchanged, second.exit_code) == (0, 0, 2, 0)
    assert len(store.entities.versions("icm", "labs", "urn:reluth:site:icm:result|R1")) == 1


def test_changed_row_is_a_new_version(store: Store) -> None:
    load_csv(store, "labs", table(lab("R1"), lab("R2")))
    report = load_csv(store, "labs", table(lab("R1", value="12.2"), lab("R2")))

    assert (report.new, report.changed, report.unchanged) == (0, 1, 1)
    assert [one.version for one in store.entities.versions("icm", "labs", "urn:reluth:site:icm:result|R1")] == [1, 2]


# What the hospital changed


def changed_at_the_hospital(store: Store) -> None:
    """The result is 9 there, which the push has taken back."""
    over = store.entities.all("icm", "labs")[0]
    assert store.entities.put_over(over, msgspec.structs.replace(labs_of(store)["R1"], value=Decimal(9)), by="hospital")


def test_same_file_again_does_not_undo_what_the_hospital_changed(store: Store) -> None:
    text = table(lab("R1"), lab("R2"))
    load_csv(store, "labs", text)
    changed_at_the_hospital(store)
    report = load_csv(store, "labs", text)

    assert (report.new, report.changed, report.unchanged, report.refused) == (0, 0, 2, ())
    assert labs_of(store)["R1"].value == 9


def test_row_that_says_what_the_hospital_says_changes_nothing(store: Store) -> None:
    load_csv(store, "labs", table(lab("R1")))
    changed_at_the_hospital(store)
    report = load_csv(store, "labs", table(lab("R1", value="9")))

    assert (report.changed, report.unchanged, report.refused) == (0, 1, ())


def test_changed_row_of_what_the_hospital_changed_too_is_left_to_a_person(store: Store) -> None:
    load_csv(store, "labs", table(lab("R1"), lab("R2")))
    changed_at_the_hospital(store)
    rows = table(lab("R1", value="12.2"), lab("R2", value="12.2"))
    report = load_csv(store, "labs", rows)

    assert (report.changed, report.exit_code, reasons(report)) == (1, 5, [(2, "id", "code-like")])
    assert "--correct" in report.refused[0].reason
    assert labs_of(store)["R1"].value == 9

    assert load_csv(store, "labs", rows, correct=True).refused == ()
    assert labs_of(store)["R1"].value == Decimal("12.2")


def test_same_subject_again_keeps_the_event_that_the_hospital_added(store: Store) -> None:
    text = table({"number": "RELUTH-05-0001", "patient": "P1", "event": "screening", "on": "2025-05-02"})
    load_csv(store, "subjects", text)
    over = store.entities.all("icm", "subjects")[0]
    added = SubjectEvent(kind=EventKind.ELIGIBLE, on="2025-05-20")
    assert isinstance(over.entity, Subject)
    theirs = msgspec.structs.replace(over.entity, events=(*over.entity.events, added))
    assert store.entities.put_over(over, theirs, by="hospital")
    report = load_csv(store, "subjects", text)

    assert (report.changed, report.unchanged, report.refused) == (0, 1, ())
    assert store.entities.all("icm", "subjects")[0].entity == theirs


def test_shipped_study_does_not_undo_what_the_hospital_changed(store: Store) -> None:
    load_shipped_study(store, target=TARGET, by="tester")
    over = store.entities.all("icm", "study")[0]
    theirs = msgspec.structs.replace(over.entity, title="As the hospital has it")
    assert store.entities.put_over(over, theirs, by="hospital")

    assert load_shipped_study(store, target=TARGET, by="tester").unchanged == 1
    assert store.entities.all("icm", "study")[0].entity == theirs
    assert load_shipped_study(store, target=TARGET, by="tester", correct=True).changed == 1


# ------------------------------------------------------------------------------------------------------------------


def test_json_of_the_same_result_changes_nothing(store: Store) -> None:
    load_csv(store, "labs", table(lab("R1")))
    code = {"system": "http://loinc.org", "code": "718-7"}
    told = {"id": "R1", "patient": "P1", "codes": [code], "effective": "2025-05-20", "value": 12.1, "unit": "g/dL"}

    assert load_json(store, "labs", [told]).unchanged == 1


def test_same_row_twice_is_loaded_once(store: Store) -> None:
    report = load_csv(store, "labs", table(lab("R1"), lab("R2"), lab("R1")))

    assert (report.read, report.new, report.refused) == (3, 2, ())


def test_rows_of_one_id_that_differ_are_both_refused(store: Store) -> None:
    report = load_csv(store, "labs", table(lab("R1"), lab("R2"), lab("R1", value="12.2")))

    assert reasons(report) == [(2, "id", "code-like"), (4, "id", "code-like")]
    assert "row 4" in report.refused[0].reason and "row 2" in report.refused[1].reason
    assert list(labs_of(store)) == ["R2"]


def test_id_of_one_patient_is_not_given_to_another(store: Store) -> None:
    for kind, row in (("labs", lab()), ("infusions", infusion())):
        load_csv(store, kind, table(row))
        report = load_csv(store, kind, table({**row, "patient": "P2"}))

        assert reasons(report) == [(2, "patient", "code-like")]
        assert load_csv(store, kind, table({**row, "patient": "P2"}), correct=True).changed == 1


def subject_row(number: str, patient: str) -> dict[str, str]:
    return {"number": number, "patient": patient, "event": "consented", "on": "2025-05-01"}


@pytest.mark.parametrize(("kind", "row"), [("labs", lab()), ("infusions", infusion())])
def test_pseudonym_of_another_person_is_refused_with_its_row(store: Store, kind: str, row: dict[str, str]) -> None:
    people = [subject_row("RELUTH-05-0001", "P1"), subject_row("RELUTH-05-0002", "P2")]
    load_csv(store, "subjects", table(*people))
    wrong = {**row, "id": "X2", "subject": "RELUTH-05-0002"}
    unknown = {**row, "id": "X3", "subject": "RELUTH-05-0099"}
    report = load_csv(store, kind, table({**row, "subject": "RELUTH-05-0001"}, wrong, unknown, {**row, "id": "X4"}))

    assert reasons(report) == [(3, "subject", "code-like"), (4, "subject", "code-like")]
    assert report.new == 2
    assert "RELUTH" not in str(report)
    assert load_csv(store, kind, table(wrong), correct=True).new == 1


def test_pseudonym_is_taken_where_nothing_speaks_against_it(store: Store) -> None:
    load_csv(store, "subjects", table(subject_row("RELUTH-05-0001", "P1")))
    elsewhere = {"subject": "RELUTH-05-0001", "patient": "0042", "patient_system": "urn:example:other"}
    report = load_csv(store, "labs", table(lab("R1", **elsewhere), lab("R2", patient="P2", subject="RELUTH-05-0002")))

    assert (report.refused, report.new) == ((), 2)


def test_refusals_are_in_the_order_of_the_file(store: Store) -> None:
    load_csv(store, "labs", table(lab("R9")))
    rows = [lab("R9", patient="P2"), lab("R1"), lab("R2", value="x"), lab("R1", value="1"), lab("R3")]
    report = load_csv(store, "labs", table(*rows))

    assert [refused.row for refused in report.refused] == [2, 3, 4, 5]
    assert (report.read, report.new) == (5, 1)


def test_file_without_a_good_row_loads_nothing(store: Store) -> None:
    report = load_csv(store, "labs", table(lab("R1", value="x")))

    assert (report.new, report.exit_code) == (0, 5)


def test_load_is_audited_without_what_was_loaded(store: Store) -> None:
    load_csv(store, "labs", table(lab("R1"), lab("R2", value="x")))
    entry = store.audit_trail()[-1]

    assert (entry.actor, entry.action, entry.subject) == ("tester", "load", "icm/labs")
    assert entry.detail == "1 new, 0 changed, 0 unchanged, 1 refused"


def test_source_and_loader_are_kept_with_each_entity(store: Store) -> None:
    load(store, Content("labs", table(lab()).encode(), "rows.csv"), target=TARGET, by="x" * 200)
    found = store.entities.all("icm", "labs")[0]

    assert (found.source, found.by) == ("rows.csv", "x" * 128)


_KILLED = """
import os, signal, sys
from pathlib import Path
from adapter.loading import Content, Target, load
from adapter.store import Store
from adapter.store.entities import Entities

real = Entities._write
def deadly(self, session, rows, replaced):
    real(self, session, rows, replaced)
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
Entities._write = deadly
with Store.open(Path(sys.argv[1])) as store:
    load(store, Content("labs", Path(sys.argv[2]).read_bytes(), "rows.csv"), target=Target("icm", "nct04954820", "urn:x"), by="t")
"""


def test_load_that_is_killed_leaves_nothing_and_is_whole_the_next_time(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(table(*(lab(f"R{at}") for at in range(700))))
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, tmp_path / "var", file], capture_output=True, timeout=60, check=False
    )
    with Store.open(tmp_path / "var") as store:
        left = labs_of(store)
        report = load_csv(store, "labs", file.read_text())

    assert (killed.returncode, left) == (-9, {})
    assert report.new == 700


def test_hundred_thousand_rows_are_read(store: Store) -> None:
    header = "id,patient,loinc,effective,value,unit\n"
    text = header + "".join(f"R{at},P{at % 500},718-7,2025-05-20,12.{at % 10},g/dL\n" for at in range(100_000))
    reading = read_entities(Content("labs", text.encode(), "rows.csv"), Rules(TARGET, store))

    assert (reading.rows, len(reading.entities), reading.refused) == (100_000, 100_000, [])


# Study


def test_shipped_study_is_loaded_as_its_document_tells_it(store: Store) -> None:
    first, second = (load_shipped_study(store, target=TARGET, by="tester") for _ in range(2))

    assert (first.new, second.unchanged) == (1, 1)
    assert store.entities.all("icm", "study")[0].entity == load_study("nct04954820")


def test_trial_without_study_document_is_a_usage_error(store: Store) -> None:
    with pytest.raises(UsageError, match="no study document"):
        load_shipped_study(store, target=Target("icm", "start-net"), by="tester")


def test_study_is_no_table(store: Store) -> None:
    with pytest.raises(UsageError, match="a study is no table"):
        load_csv(store, "study", "id,title\n")


def test_wrong_field_of_a_study_is_named_by_its_path(store: Store) -> None:
    told = {"id": "x", "title": "T", "status": "active", "identifiers": [{"value": "1", "use": "official"}]}
    report = load_json(
        store, "study", {**told, "arms": [{"name": "a", "label": "A", "kind": "DRUG", "description": "d"}]}
    )

    assert reasons(report) == [(1, "arms[0].kind", "code-like")]


@pytest.mark.parametrize("kind", ["candidates", "patients", ""])
def test_kind_that_is_not_loaded_is_a_usage_error(kind: str) -> None:
    with pytest.raises(UsageError, match="study, subjects, labs, infusions"):
        Content(kind, b"", "rows.csv")


# Whose


def settings(**sites: SiteSettings) -> Settings:
    return Settings(sites=sites)


def test_only_site_of_the_settings_is_meant(store: Store) -> None:
    told = SiteSettings(identifier_system="urn:x", site_code="05")

    assert target_of(settings(icm=told), store) == Target("icm", "nct04954820", "urn:x", "05")


def test_without_any_site_it_is_local_or_what_is_asked_for(store: Store) -> None:
    assert target_of(Settings(), store).site == "local"
    assert target_of(Settings(), store, site="anywhere", trial="start-net") == Target("anywhere", "start-net")


def test_one_of_several_sites_has_to_be_named(store: Store) -> None:
    with pytest.raises(UsageError, match="chu, icm"):
        target_of(settings(icm=SiteSettings(), chu=SiteSettings()), store)

    assert target_of(settings(icm=SiteSettings(), chu=SiteSettings()), store, site="chu").site == "chu"


def test_site_that_is_not_known_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="not known"):
        target_of(settings(icm=SiteSettings()), store, site="imc")
    with pytest.raises(UsageError, match="64 characters"):
        target_of(Settings(), store, site="x" * 65)


# Templates


@pytest.mark.parametrize("kind", ["study", "subjects", "labs", "infusions"])
@pytest.mark.parametrize("target", [Target("local", "nct04954820"), TARGET])
def test_template_can_be_loaded_as_it_is(store: Store, kind: str, target: Target) -> None:
    text = template(kind, site_code=target.site_code)
    name = "t.json" if kind == "study" else "t.csv"
    report = load(store, Content(kind, text.encode(), name), target=target, by="tester")

    assert (report.refused, report.new) == ((), 2 if kind in ("labs", "infusions") else 1)


@pytest.mark.parametrize("kind", ["subjects", "labs", "infusions"])
def test_template_has_every_column_and_two_rows(kind: str) -> None:
    lines = template(kind).splitlines()

    assert lines[0].split(",") == [column.name for column in adapter.loading.COLUMNS[kind]]
    assert len(lines) == 3
    assert "EXAMPLE" in lines[1] and "EXAMPLE" in lines[2]


def test_template_of_an_unknown_kind_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        template("candidates")
