"""Promises of `reluth sync`: every site pulled, screened and pushed, whatever becomes of another; nothing of a patient in its log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import StateUnavailableError
from adapter.service.hospital import serve_hospital
from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.support.clinic import clinic, condition, patient, write_feed

#: What people are: none of it may stand in a line of the log.
FAMILY, GIVEN, NUMBER, BORN = "Dupont-Lajoie", "Ernestine", "8005551234567", "1947-03-29"
NOWHERE = "http://127.0.0.1:9"


def person(identity: str) -> dict[str, Any]:
    return patient(
        identity,
        birthDate=BORN,
        name=[{"family": FAMILY, "given": [GIVEN]}],
        identifier=[{"system": "urn:oid:1.2.250.1.71.4.2.7", "value": NUMBER}],
    )


def people() -> Iterator[dict[str, Any]]:
    yield from clinic()
    yield person("ernestine")
    yield condition("c-ernestine", "ernestine", "C17.2", note=[{"text": f"{GIVEN} {FAMILY}, née le {BORN}"}])


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A clinic's FHIR server; yields its address."""
    monkeypatch.chdir(tmp_path)
    with serve_hospital(write_feed(tmp_path / "feed", people())) as address:
        yield address


def settings(*sites: tuple[str, str], more: str = "") -> None:
    lines = [line for name, address in sites for line in (f"[sites.{name}]", f'base_url = "{address}"', more)]
    Path("adapter.toml").write_text("\n".join(lines), encoding="utf-8")


def parts(ran: Ran) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["site"], one["part"]): one for one in ran.objects}


def events(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.err.splitlines()]


def test_sync_pulls_screens_and_tells_each_part(hospital: str) -> None:
    settings(("clinic", hospital))

    found = parts(reluth("sync", "--site", "clinic", "--json"))

    assert list(found) == [("clinic", "pull"), ("clinic", "screen"), ("clinic", "push")]
    assert found["clinic", "pull"]["summary"]["types"]["Patient"]["new"] == 13
    assert found["clinic", "screen"]["summary"]["candidates"] > 0
    assert found["clinic", "push"]["skipped"] == "nothing to do"


def test_sync_gives_the_verdicts_that_pull_and_screen_give(hospital: str) -> None:
    settings(("clinic", hospital))
    reluth("sync")
    by_sync = reluth("worklist", "--json").out
    reluth("--store", "other", "pull", "--site", "clinic")
    reluth("--store", "other", "screen", "--json")
    by_hand = reluth("--store", "other", "worklist", "--json").out

    def without_keys(listed: str) -> str:
        # The screening number is made of the random key.
        return re.sub(
            r'"key": ?"[^"]*"|"number": ?"[^"]*"|"screened_at": ?"[^"]*"|"first_[a-z_]*": ?"[^"]*"', "", listed
        )

    assert without_keys(by_sync) == without_keys(by_hand) != ""


def test_sync_again_brings_nothing_new(hospital: str) -> None:
    settings(("clinic", hospital))
    reluth("sync")

    types = parts(reluth("sync", "--json"))["clinic", "pull"]["summary"]["types"]

    assert {(counts["new"], counts["changed"]) for counts in types.values()} == {(0, 0)}


def test_failure_of_one_site_does_not_stop_another(hospital: str) -> None:
    settings(("closed", f"{NOWHERE}/fhir"), ("clinic", hospital), more="retry_budget = 0")

    ran = reluth("sync", "--json")
    found = parts(ran)

    assert found["closed", "pull"]["exit_code"] == 75
    assert found["closed", "push"]["skipped"] == "the server did not answer to the pull"
    assert found["clinic", "pull"]["summary"]["types"]["Patient"]["new"] == 13
    assert ran.code == 75


def test_store_that_does_not_answer_costs_its_cycle_only(hospital: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(("clinic", hospital))

    def gone(*_: object) -> None:
        raise StateUnavailableError("database is locked")

    monkeypatch.setattr(Store, "open", gone)
    ran = reluth("sync", "--json")

    assert (ran.code, parts(ran)["clinic", "pull"]["exit_code"]) == (75, 75)


def test_quiet_hours_leave_the_server_alone_and_end_with_75(hospital: str) -> None:
    # Two spans that fill the day: it is quiet whenever this runs.
    settings(("clinic", hospital), more='quiet_hours = ["00:00-12:00", "12:00-00:00"]')

    ran = reluth("sync", "--json")
    found = parts(ran)

    assert ran.code == 75
    assert "quiet hours until" in found["clinic", "pull"]["skipped"]
    with Store.open(Path("var")) as store:
        assert store.runs() == []


def test_sync_does_not_push_where_it_is_not_to(hospital: str) -> None:
    settings(("clinic", hospital), more="push_candidates = true")

    assert parts(reluth("sync", "--no-push", "--json"))["clinic", "push"]["skipped"] == "nothing to do"


def test_sync_tells_people_one_line_a_part(hospital: str) -> None:
    settings(("clinic", hospital))

    lines = reluth("sync").out.splitlines()

    assert [line.split()[:2] for line in lines] == [["clinic", "pull"], ["clinic", "screen"], ["clinic", "push"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--every", "soon"), "15m"), (("--site", "nowhere"), "sites.nowhere"), ((), "no site is in the settings")],
)
def test_what_makes_no_sense_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    ran = reluth("sync", *arguments)

    assert ran.code == 2
    assert said in ran.err


# The log


def test_log_of_a_whole_sync_has_one_event_a_line_and_nothing_of_a_patient(hospital: str) -> None:
    settings(("clinic", hospital), more="push_candidates = true")

    ran = reluth("sync")
    found = events(ran)

    kinds = {(one["event"], one.get("kind")) for one in found}
    assert {("run begun", "pull"), ("type read", "pull"), ("run ended", "pull"), ("run ended", "screen")} <= kinds
    assert {one["type"] for one in found if one["event"] == "type read"} >= {"Patient", "Condition"}
    assert not [secret for secret in (FAMILY, GIVEN, NUMBER, BORN, "née") if secret in ran.err + ran.out]
    assert [one for one in found if "withheld" in one] == []


def test_log_of_a_defect_holds_nothing_of_a_patient(hospital: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(("clinic", hospital))

    def broken(*args: object, **more: object) -> None:
        raise ValueError(f"{GIVEN} {FAMILY}")

    monkeypatch.setattr("adapter.jobs.screening.screen", broken)

    ran = reluth("sync", "--json")

    assert ran.code == 1
    assert parts(ran)["clinic", "screen"]["problem"] == "a defect of ours (ValueError)"
    assert FAMILY not in ran.err + ran.out


# Going on


@contextlib.contextmanager
def going_on(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`reluth sync` as a process, killed at the end of the block if it still lives."""
    program = "import sys; from adapter.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "sync", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], event: str) -> list[dict[str, Any]]:
    assert process.stderr is not None
    found: list[dict[str, Any]] = []
    for line in process.stderr:
        found.append(json.loads(line))
        if found[-1]["event"] == event:
            return found
    raise AssertionError(f"it ended before {event}: {found}")


def ended_by(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, list[str], float]:
    """Its exit code, the events after the signal, and how long it took to end."""
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, [json.loads(line)["event"] for line in err.splitlines()], time.monotonic() - asked


def test_sync_every_goes_on_until_it_is_told_to_end_and_ends_with_0(hospital: str) -> None:
    settings(("clinic", hospital))
    with going_on("--every", "10s") as process:
        read_until(process, "next try")
        again = read_until(process, "next try")
        code, after, took = ended_by(process, signal.SIGTERM)

    assert [one["kind"] for one in again if one["event"] == "run ended"] == ["pull", "screen"]
    assert (code, after, took < 5) == (0, ["stopping"], True)


def test_sync_every_ends_with_0_by_ctrl_c(hospital: str) -> None:
    settings(("clinic", hospital))
    with going_on("--every", "1h") as process:
        read_until(process, "next try")
        code, after, took = ended_by(process, signal.SIGINT)

    assert (code, after, took < 5) == (0, ["stopping"], True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_single_cycle_that_is_stopped_tells_that_it_is_to_be_run_again(
    hospital: str, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    settings(("clinic", hospital))
    monkeypatch.setattr("adapter.cli.sync._cycle", lambda site, **more: os.kill(os.getpid(), number))

    assert reluth("sync").code == code


def test_sync_that_is_stopped_at_work_leaves_a_store_to_go_on_with(hospital: str) -> None:
    settings(("clinic", hospital))
    with going_on("--every", "1h") as process:
        read_until(process, "run begun")
        code, after, _ = ended_by(process, signal.SIGTERM)

    assert (code, after[:1]) == (0, ["stopping"])
    found = parts(reluth("sync", "--json"))
    assert found["clinic", "pull"]["exit_code"] in (0, 5)
    assert reluth("store", "check").code == 0


def test_old_verdicts_are_thinned_once_a_day(hospital: str) -> None:
    settings(("icm", hospital))
    first = reluth("sync")
    again = reluth("sync")
    with Store.open(Path("var")) as store:
        runs = store.runs("thin", site="icm")

    assert (first.code, again.code) == (0, 0)
    assert [run.state for run in runs] == ["committed"]
