"""In: pushes as they follow each other, are looked at before, or die within. Out: proof of what is written, and what never is."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from adapter.errors import BusyError
from adapter.fhir import Problem
from adapter.store import Counterpart, OutboxEntry, OutboxState, Store
from adapter.sync import comparing
from adapter.sync import push as pushing
from mappings.entities import StudyIdentifier
from tests.support.push_server import Json, PushServer, lost, outcome
from tests.support.push_site import SITE, Desk, infusion, lab, patient, study, subject

DONE = (OutboxState.DONE, False)


@pytest.fixture
def server() -> PushServer:
    return PushServer()


@pytest.fixture
def desk(store: Store, server: PushServer) -> Desk:
    made = Desk(store, server)
    made.trials = {"nct04954820": study()}
    return made


def everything(desk: Desk) -> None:
    desk.load(study(), subject(), lab(1), lab(2, "9.9"), infusion())


def dump(store: Store) -> list[str]:
    """The whole state database, but for locks and runs."""
    with sqlite3.connect(store.folder / "state.sqlite") as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


# --- twice ------------------------------------------------------------------------------------------------------------


def test_second_push_writes_nothing_and_leaves_every_version(desk: Desk, server: PushServer) -> None:
    everything(desk)
    first = desk.push()
    state, sent = server.state(), len(server.transacted)

    second = desk.push()
    third = desk.push(full=True)

    assert (first.exit_code, second.exit_code, third.exit_code) == (0, 0, 0)
    assert (server.state(), len(server.transacted)) == (state, sent)
    assert (second.types, third.types) == ({}, {})


def test_second_look_asks_only_for_what_changed(desk: Desk, server: PushServer) -> None:
    desk.load(*(lab(at) for at in range(60)))
    desk.push()
    desk.push()
    server.pass_time(3600)
    desk.push()
    server.requests.clear()
    server.pass_time(3600)

    desk.push()

    assert [request.partition("&")[0].partition("=")[0] for request in server.requests] == [
        "GET metadata",
        "GET Observation?_count",
    ]
    assert "_lastUpdated=ge" in server.requests[1]


def test_another_mapping_version_compares_and_writes_nothing_where_nothing_changed(
    desk: Desk, server: PushServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(desk)
    desk.push()
    state = server.state()
    monkeypatch.setattr(pushing, "MAPPING", "next")

    summary = desk.push()

    assert (summary.unchanged, summary.exit_code, server.state()) == (5, 0, state)
    assert {one.mapping for one in desk.entries().values()} == {"next"}
    assert desk.push().unchanged == 0


# --- looking first ----------------------------------------------------------------------------------------------------


def test_preview_changes_nothing_on_either_side(desk: Desk, server: PushServer) -> None:
    everything(desk)
    desk.push()
    first, second = (one.reference for one in server.all("Observation"))
    server.change(first, lambda body: body["valueQuantity"].update(value=9))
    server.change(second, lambda body: body["valueQuantity"].update(value=8))
    desk.load(lab(2, "7.0"), lab(3), lab(4, patient="unknown"), infusion(prescribed=None))
    ours, theirs, sent = dump(desk.store), server.state(), len(server.transacted)

    preview = desk.preview()

    assert (dump(desk.store), server.state(), len(server.transacted)) == (ours, theirs, sent)
    assert preview.summary is not None
    assert (preview.summary.taken_back, len(preview.summary.held), len(preview.summary.conflicts)) == (1, 1, 1)
    assert preview.summary.types["Observation"].created == 1


def test_preview_shows_the_bundles_that_the_push_then_sends(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1), lab(2))
    desk.push()
    desk.load(lab(1, "11.0"), lab(3))

    preview = desk.preview()
    desk.push()

    sent = [[(one["request"]["method"], one["request"]["url"]) for one in entries] for entries in server.transacted[1:]]
    shown = [_requests(bundle) for bundle in preview.bundles]
    assert shown == sent
    assert preview.changes[0][0] == server.all("Observation")[0].reference
    assert [(path, str(now), str(then)) for path, now, then in preview.changes[0][1]] == [
        ("valueQuantity.value", "12.1", "11.0")
    ]


def _requests(bundle: bytes) -> list[tuple[str, str]]:
    return [(one["request"]["method"], one["request"]["url"]) for one in msgspec.json.decode(bundle)["entry"]]


# --- Provenance -------------------------------------------------------------------------------------------------------


def test_every_write_has_a_provenance_that_says_what_who_when_and_from_what(desk: Desk, server: PushServer) -> None:
    desk.load(infusion())
    desk.push()
    desk.load(infusion(prescribed=None, note="x"))
    desk.push()

    created, updated, removed = (one.body or {} for one in server.all("Provenance"))
    gone = next(one.body or {} for one in server.log if one.type == "MedicationRequest")
    there = [one.reference for one in server.log if one.by == "push" and one.version == 1 and one.type != "Provenance"]
    assert [one["reference"] for one in created["target"]] == there
    assert removed["target"] == updated["target"] == created["target"][:1]
    known_by = {"type": "MedicationRequest", "identifier": gone["identifier"][0]}
    assert removed["entity"][1:] == [{"role": "removal", "what": known_by}]
    assert (_code(created), _code(updated)) == ("CREATE", "UPDATE")
    assert created["recorded"] == "2025-06-02T09:30:00+00:00"
    assert created["policy"] == ["urn:reluth:mapping:infusions:1"]
    assert [one["type"]["coding"][0]["code"] for one in created["agent"]] == ["assembler", "enterer"]
    assert created["agent"][0]["who"]["display"] == "reluth 0.1.0"
    assert created["agent"][1]["who"]["identifier"]["value"] == "nurse"
    assert [
        one["entity"][0]["what"]["identifier"]["value"].partition("#")[2] for one in (created, updated, removed)
    ] == [
        "1",
        "2",
        "2",
    ]


def _code(provenance: Json) -> str:
    return str(provenance["activity"]["coding"][0]["code"])


def test_no_provenance_stands_without_a_write(desk: Desk, server: PushServer) -> None:
    everything(desk)
    desk.push()
    desk.push(full=True)

    told = [target["reference"] for one in server.all("Provenance") for target in (one.body or {})["target"]]
    written = [one.reference for one in server.log if one.by == "push" and one.type != "Provenance"]
    assert sorted(told) == sorted(written)


# --- meanwhile --------------------------------------------------------------------------------------------------------


def test_entity_loaded_anew_while_it_is_sent_stays_pending_and_is_sent(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    server.before.append(lambda: desk.load(lab(1, "11.0")))

    first = desk.push()

    assert (desk.states(), first.pending, first.exit_code) == ({"L1": (OutboxState.PENDING, False)}, 1, 5)

    assert desk.push().exit_code == 0
    assert (server.one("Observation").body or {})["valueQuantity"]["value"] == 11
    assert (server.one("Observation").version, desk.states()) == (2, {"L1": DONE})


def test_entity_loaded_anew_while_it_is_refused_is_not_refused_with_it(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    server.refuses = lambda body: (422, outcome("value", "")) if body["resourceType"] == "Observation" else None
    server.before.append(lambda: desk.load(lab(1, "11.0")))
    desk.push()
    server.refuses = lambda body: None

    assert desk.states() == {"L1": (OutboxState.PENDING, False)}
    assert desk.push().exit_code == 0


def test_entity_loaded_anew_while_the_hospitals_is_taken_back_is_a_conflict_and_not_lost(
    desk: Desk, server: PushServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load(lab(1))
    desk.push()
    server.change(server.one("Observation").reference, lambda body: body["valueQuantity"].update(value=9))
    put_over = desk.store.entities.put_over

    def meanwhile(*args: Any, **more: Any) -> bool:
        monkeypatch.setattr(desk.store.entities, "put_over", put_over)
        desk.load(lab(1, "11.0"))
        return put_over(*args, **more)

    monkeypatch.setattr(desk.store.entities, "put_over", meanwhile)

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["both-changed"]
    assert str(desk.current(lab(1)).value) == "11.0"


def test_another_process_that_holds_the_site_is_not_disturbed(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    script = (
        "import sys, time; from pathlib import Path; from adapter.store import Store\n"
        "with Store.open(Path(sys.argv[1])) as store, store.begin_run('icm', 'push'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(desk.store.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env=dict(os.environ),
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError):
            desk.push()
        assert (server.transacted, desk.states()) == ([], {"L1": (OutboxState.PENDING, False)})
        holder.stdin.close()
        holder.wait()

    assert desk.push().exit_code == 0


# --- dying within -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["counterparts", "entries"])
def test_store_that_fails_while_it_is_told_leaves_the_entry_uncertain_and_the_next_push_adopts(
    desk: Desk, server: PushServer, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    outbox = desk.store.outbox
    desk.load(lab(1), infusion())

    def broken(*_: Any, **__: Any) -> None:
        raise IntegrityError("", {}, Exception())

    name = "_keep" if at == "counterparts" else "_close"
    with monkeypatch.context() as patch:
        patch.setattr(outbox, name, broken)
        with pytest.raises(IntegrityError):
            desk.push()

    assert desk.states() == {"L1": (OutboxState.PENDING, True), "I1": (OutboxState.PENDING, False)}
    assert outbox.counterparts(SITE) == {}

    summary = desk.push()
    assert (summary.exit_code, set(desk.states().values()), server.doubles()) == (0, {DONE}, [])
    assert {one.version for one in server.all("Observation")} == {1}


def test_push_killed_between_sending_and_hearing_leaves_no_duplicate(desk: Desk, server: PushServer) -> None:
    everything(desk)
    for _ in range(4):
        server.faults.append(lost())
        desk.push_and_die()

    summary = desk.push()

    assert (summary.exit_code, set(desk.states().values()), server.doubles()) == (0, {DONE}, [])
    assert {one.version for one in server.all("Observation")} == {1}


# --- what is said -----------------------------------------------------------------------------------------------------


def test_nothing_of_a_patient_is_logged_or_stands_in_an_address(
    desk: Desk, server: PushServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    everything(desk)
    desk.load(lab(5, patient="P9"))
    server.put(patient("P9"))
    server.put(patient("P9"))

    summary = desk.push()
    desk.push(full=True)

    said = caplog.text + str(summary.as_object()["held"]) + "".join(server.requests)
    assert not [word for word in ("Dupont", "P1", "P9", "12.1", "9.9", "7385") if word in said.replace("urn:oid", "")]


def test_entity_that_our_own_check_refuses_is_not_sent(
    desk: Desk, server: PushServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load(lab(1), lab(2))

    def wrong(body: Json, _: object) -> Iterable[Problem]:
        if body.get("identifier", [{}])[0].get("value") == "L2":
            return [Problem("Observation.status", "code-invalid", "is not bound")]
        return []

    monkeypatch.setattr(comparing, "problems", wrong)

    summary = desk.push()

    entry = desk.entries()["L2"]
    assert (entry.state, entry.reason, entry.detail) == ("refused", "invalid", "Observation.status: code-invalid")
    assert (desk.states()["L1"], len(server.all("Observation")), summary.exit_code) == (DONE, 1, 5)


def test_study_that_could_not_be_found_again_is_refused_and_the_rest_is_sent(desk: Desk, server: PushServer) -> None:
    unknown = StudyIdentifier(value="PROICM 2021-04 REL", use="official")
    desk.load(study(identifiers=(unknown,)), lab(1))

    summary = desk.push()

    assert [(one.key, one.reason, one.detail) for one in summary.refused] == [
        ("nct04954820", "no-identifier", "ResearchStudy")
    ]
    assert (server.all("ResearchStudy"), desk.states()["L1"]) == ([], DONE)


def test_counterpart_names_its_resource(desk: Desk) -> None:
    desk.load(lab(1))
    desk.push()

    ((one,),) = desk.store.outbox.counterparts(SITE).values()
    assert isinstance(one, Counterpart) and isinstance(desk.entry(), OutboxEntry)
    assert one.reference == desk.server.one("Observation").reference
