"""Promises of `reluth store purge`: whoever has no sign goes, by hand or with `reluth sync`; they are told of, and come back with all that is theirs; a kill leaves all or nothing."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.service.hospital import serve_hospital
from adapter.store import Store
from tests.support.cli import reluth
from tests.support.clinic import clinic, condition, patient, write_feed
from tests.support.killed_cli import Moment, reluth_killed_at
from tests.unit.store.making import everything

SITE = "clinic"


@pytest.fixture
def at_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site that was synced, long ago as the store has it."""
    monkeypatch.chdir(tmp_path)
    with serve_hospital(write_feed(tmp_path / "feed", clinic())) as address:
        Path("adapter.toml").write_text(f'[sites.{SITE}]\nbase_url = "{address}"\n', encoding="utf-8")
        assert reluth("sync").code == 0
        long_ago()
        yield


def long_ago() -> None:
    with sqlite3.connect("var/state.sqlite") as state:
        state.execute("update run set started_at = '2025-01-01 00:00:00', ended_at = '2025-01-01 00:00:00'")


def lately(days: int) -> None:
    """Have what ran just now have run some days ago."""
    with sqlite3.connect("var/state.sqlite") as state:
        state.execute(
            "update run set started_at = datetime(started_at, ?) where started_at > datetime('now', '-1 day')",
            (f"-{days} days",),
        )


def held() -> list[tuple[str, str, bytes]]:
    with Store.open(Path("var")) as store:
        return everything(store, SITE)


def listed() -> str:
    told = reluth("worklist", "--json").out
    return re.sub(r'"[a-z_]*(screened|found|key|number)[a-z_]*": ?"[^"]*"', "", told)


@pytest.mark.usefixtures("at_site")
def test_who_has_no_sign_goes_and_the_list_stays_as_it_is() -> None:
    before, people = listed(), reluth("funnel", "--json").object["patients"]
    counted = reluth("store", "purge", "--dry-run", "--json").object
    assert counted["dry_run"]
    assert len(held()) > 20
    done = reluth("store", "purge", "--json")

    persons = counted["sites"][SITE]["persons"]
    assert done.code == 0
    assert done.object["sites"][SITE]["persons"] == persons > 0
    assert "Patient/breast" not in {f"{type_}/{id_}" for type_, id_, _ in held()}
    assert reluth("sync").code == 0
    assert (listed(), reluth("funnel", "--json").object["patients"]) == (before, people)
    assert reluth("store", "check").code == 0
    assert reluth("store", "stats", "--json").object["purged"] == {SITE: persons}
    assert f"persons of {SITE} whose data were removed: {persons}" in reluth("store", "stats").out


@pytest.mark.usefixtures("at_site")
def test_sync_does_it_by_itself_once_the_clock_has_gone_evenly_for_some_days() -> None:
    here = []
    for days in (9, 4, 0):
        reluth("sync")
        here.append("Patient/breast" in {f"{type_}/{id_}" for type_, id_, _ in held()})
        lately(days)

    assert here == [True, True, False]


@pytest.mark.usefixtures("at_site")
def test_who_is_asked_for_is_said_to_be_away_and_comes_back_by_hand() -> None:
    before = held()
    reluth("store", "purge")
    asked = reluth("why", "clinic/breast")
    assert asked.code == 2
    assert "their data at clinic were removed" in asked.err
    added = reluth("add", "clinic/breast")
    assert added.code == 0
    assert "the next pull of clinic reads them again" in added.err
    screened = reluth("screen")
    assert screened.code == 5
    assert "1 persons have a sign since their data were removed" in screened.err
    assert "nothing is removed now: 1 persons have a sign" in reluth("store", "purge").err
    assert reluth("sync").code == 0
    assert held() == before
    assert reluth("why", "clinic/breast").code == 0


@pytest.mark.usefixtures("at_site")
def test_hospital_is_not_asked_for_everything_each_quarter_of_an_hour() -> None:
    reluth("store", "purge")
    reluth("add", "clinic/breast")
    with sqlite3.connect("var/state.sqlite") as state:
        state.execute("update purged_site set tried_at = datetime('now', '-5 hours')")
    assert reluth("pull", "--site", SITE).code == 5
    with sqlite3.connect("var/state.sqlite") as state:
        state.execute("update purged_site set tried_at = datetime('now', '-7 hours')")
    assert reluth("pull", "--site", SITE).code == 0


@pytest.mark.usefixtures("at_site")
def test_a_sign_from_a_folder_is_looked_for_too(tmp_path: Path) -> None:
    reluth("store", "purge")
    known = write_feed(tmp_path / "known", [condition("new", "breast", "C50.1")])
    assert reluth("pull", "--site", SITE, "--from", str(known)).code == 0
    sign = write_feed(tmp_path / "sign", [patient("breast"), condition("sign", "breast", "C17.2")])
    assert reluth("pull", "--site", SITE, "--from", str(sign)).code == 5
    assert reluth("pull", "--site", SITE).code == 0
    with Store.open(Path("var")) as store:
        assert store.purged.counts() == {}


@pytest.mark.usefixtures("at_site")
def test_who_keeps_everybody_again_has_them_back_by_a_full_pull() -> None:
    before = held()
    reluth("store", "purge")
    with Path("adapter.toml").open("a", encoding="utf-8") as file:
        file.write("[retention]\nnon_candidates_days = 0\n")
    assert "everybody is kept (retention.non_candidates_days = 0)" in reluth("store", "purge").err
    assert reluth("pull", "--site", SITE).code == 0
    assert held() != before
    assert reluth("pull", "--site", SITE, "--full").code == 0
    assert held() == before


@pytest.mark.usefixtures("at_site")
def test_another_trial_says_that_nobody_looked_for_its_signs() -> None:
    reluth("store", "purge")
    asked = reluth("screen", "--trial", "start-net")

    assert asked.code == 5
    assert "without looking for signs of this trial" in asked.err


@pytest.mark.usefixtures("at_site")
@pytest.mark.parametrize(
    ("moment", "is_done"),
    [
        (("removal", "write_pair", 1, True), False),
        (("run", "leave_out", 2, True), False),
        (("run", "commit", 1, True), False),
        (("shelf", "clear_leftovers", 2, False), True),
        (("state", "scrub", 1, False), True),
    ],
)
def test_killed_it_is_done_whole_or_not_at_all(moment: Moment, *, is_done: bool) -> None:
    before = held()
    assert reluth_killed_at(moment, "store", "purge", folder=Path.cwd()) == -signal.SIGKILL
    left = held()
    with Store.open(Path("var")) as store:
        assert (bool(store.purged.counts()), left != before) == (is_done, is_done)
    assert reluth("store", "purge").code == 0
    after = held()
    assert after == left if is_done else after != before
    assert reluth("store", "check").code == 0
