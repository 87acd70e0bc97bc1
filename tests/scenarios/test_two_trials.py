"""In: a simulated centre and two trials in the settings. Out: each trial screened, listed and decided on its own over one store, and neither moved by the other."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.config import load_settings
from adapter.documents import load_trial
from adapter.service import create_app
from adapter.service.hospital import serve_hospital
from tests.support.cli import Ran, reluth

ON = "2025-06-01"
RELUTH, OTHER = "nct04954820", "start-net"
TOKEN = "one-time-token-of-the-tests"
HOME = "http://127.0.0.1:8000"


class Room:
    """A store that both trials share, and `reluth` on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self, *trials: str, base_url: str = "http://127.0.0.1:9/fhir") -> Path:
        """A settings file that names these trials; the store is the same for all."""
        file = self.folder / f"{'-and-'.join(trials)}.toml"
        named = json.dumps(list(trials))
        file.write_text(f'trials = {named}\n[store]\npath = "store"\n[sites.icm]\nbase_url = "{base_url}"\n')
        return file

    def run(self, *arguments: str | Path, trials: tuple[str, ...] = (RELUTH, OTHER)) -> Ran:
        """`reluth` with the settings of these trials."""
        return reluth("--config", self.settings(*trials), *arguments)

    def screen(self, *arguments: str, trials: tuple[str, ...] = (RELUTH, OTHER)) -> Ran:
        """Verdicts of the reference date."""
        return self.run("screen", "--on", ON, "--json", *arguments, trials=trials)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A centre pulled once, over HTTP, for both trials; and what that pull said."""
    folder = tmp_path_factory.mktemp("two-trials")
    room = Room(folder)
    assert reluth("simulate", folder / "feed", "--patients", "100", "--seed", "20250601").code == 0
    with serve_hospital(folder / "feed") as base_url:
        settings = room.settings(RELUTH, OTHER, base_url=base_url)
        ran = reluth("--config", settings, "pull", "--site", "icm", "--json")
    assert ran.code == 0
    return folder, ran.object


@pytest.fixture
def room(pulled: tuple[Path, dict[str, Any]], tmp_path: Path) -> Room:
    """A copy of it for one test."""
    shutil.copytree(pulled[0] / "store", tmp_path / "store")
    return Room(tmp_path)


@pytest.fixture(scope="module")
def screened(pulled: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A copy in which both trials were screened, and what that said."""
    folder = tmp_path_factory.mktemp("screened")
    shutil.copytree(pulled[0] / "store", folder / "store")
    return folder, Room(folder).screen()


@pytest.fixture
def listed(screened: tuple[Path, Ran], tmp_path: Path) -> Room:
    """A copy of the screened store for one test."""
    shutil.copytree(screened[0] / "store", tmp_path / "store")
    return Room(tmp_path)


def _of(ran: Ran, trial: str) -> list[str]:
    return [line for line in ran.out.splitlines() if json.loads(line)["trial"] == trial]


def _candidates(ran: Ran, trial: str) -> list[str]:
    """The ids of a trial's candidates."""
    return [json.loads(line)["patient"].removeprefix("Patient/") for line in _of(ran, trial)]


def _registration(trial: str) -> list[str]:
    """The ids of a trial's criteria at registration."""
    return [criterion.id for criterion in load_trial(trial).criteria if "registration" in criterion.stages]


def test_two_trials_are_pulled_once_with_the_types_of_both(pulled: tuple[Path, dict[str, Any]]) -> None:
    wanted = {name for trial in (RELUTH, OTHER) for name in load_trial(trial).resource_types}

    assert pulled[1]["complete"] is True
    assert set(pulled[1]["types"]) == wanted


def test_two_trials_are_screened_one_after_the_other_each_with_its_own_criteria(screened: tuple[Path, Ran]) -> None:
    verdicts = screened[1].objects
    ids = {trial: _registration(trial) for trial in (RELUTH, OTHER)}

    assert screened[1].code == 0
    assert list(dict.fromkeys(verdict["trial"] for verdict in verdicts)) == [RELUTH, OTHER]
    assert all([item["id"] for item in verdict["criteria"]] == ids[verdict["trial"]] for verdict in verdicts)


@pytest.mark.parametrize("order", [(RELUTH, OTHER), (OTHER, RELUTH)])
def test_verdicts_of_a_trial_are_the_same_bytes_with_and_without_another(room: Room, order: tuple[str, str]) -> None:
    together = room.screen("--all", trials=order)

    alone = room.screen("--all", trials=(RELUTH,))

    assert _of(together, RELUTH) == alone.out.splitlines() != []
    assert len(_of(together, OTHER)) == len(_of(together, RELUTH))


def test_candidates_of_the_second_trial_are_found_by_narrowing(listed: Room, screened: tuple[Path, Ran]) -> None:
    everybody = listed.screen("--all", trials=(OTHER,)).objects

    found = _candidates(screened[1], OTHER)

    assert [f"Patient/{one}" for one in found] == [verdict["patient"] for verdict in everybody if verdict["candidate"]]
    assert len(found) > 10


def test_whom_the_first_trial_retreats_the_second_excludes_for_good(screened: tuple[Path, Ran]) -> None:
    treated = {
        verdict["patient"]
        for verdict in map(json.loads, _of(screened[1], RELUTH))
        if "lutathera" in verdict["candidate_because"] and _truth(verdict, "I03") == "T"
    }
    excluded = [verdict for verdict in map(json.loads, _of(screened[1], OTHER)) if verdict["patient"] in treated]

    # Of a course that is attested only, no infusion is on record: the second trial asks.
    assert {_truth(verdict, "E02") for verdict in excluded} <= {"T", "U"}
    assert Counter(_truth(verdict, "E02") for verdict in excluded)["T"] > 5
    assert all(verdict["permanent"] for verdict in excluded if _truth(verdict, "E02") == "T")


def _truth(verdict: dict[str, Any], criterion: str) -> str:
    truth: str = next(item["truth"] for item in verdict["criteria"] if item["id"] == criterion)
    return truth


@pytest.mark.parametrize("trial", [RELUTH, OTHER])
def test_worklist_log_and_funnel_are_of_the_trial_asked_for(
    listed: Room, screened: tuple[Path, Ran], trial: str
) -> None:
    candidates = {f"Patient/{one}" for one in _candidates(screened[1], trial)}

    worklist = listed.run("worklist", "--trial", trial, "--json").object
    log = listed.run("log", "--trial", trial, "--json").object
    funnel = listed.run("funnel", "--trial", trial, "--json").object

    assert (worklist["trial"], log["trial"], funnel["trial"]) == (trial, trial, trial)
    assert {row["patient"] for row in worklist["rows"]} == candidates
    assert len(log["rows"]) == funnel["candidates"] == len(candidates)
    assert [item["id"] for item in funnel["criteria"]] == _registration(trial)


def test_without_a_trial_the_first_of_the_settings_is_meant(listed: Room) -> None:
    assert listed.run("worklist", "--json").object["trial"] == RELUTH
    assert listed.run("worklist", "--json", trials=(OTHER, RELUTH)).object["trial"] == OTHER


def test_why_speaks_of_the_trial_asked_for(listed: Room, screened: tuple[Path, Ran]) -> None:
    patient = _candidates(screened[1], OTHER)[0]

    ran = listed.run("why", f"icm/{patient}", "--trial", OTHER)

    assert ran.code == 0
    assert ran.out.startswith(f"icm/{patient} for START-NET, registration, as of 1 June 2025")
    assert "ReLUTH" not in ran.out
    assert "E02" in ran.out


def test_a_decision_on_one_trial_is_none_on_the_other(listed: Room, screened: tuple[Path, Ran]) -> None:
    patient = min({*_candidates(screened[1], RELUTH)} & {*_candidates(screened[1], OTHER)})

    made = listed.run("decide", f"icm/{patient}", "not-eligible", "--reason", "E02", "--trial", OTHER, "--json")

    states = {
        trial: {
            row["patient"]: row["state"] for row in listed.run("worklist", "--trial", trial, "--json").object["rows"]
        }
        for trial in (RELUTH, OTHER)
    }
    assert made.object["trial"] == OTHER
    assert states[OTHER][f"Patient/{patient}"] == "not-eligible"
    assert states[RELUTH][f"Patient/{patient}"] == "new"


def test_a_reason_is_a_criterion_of_the_trial_that_is_decided_on(listed: Room, screened: tuple[Path, Ran]) -> None:
    patient = _candidates(screened[1], OTHER)[0]

    ran = listed.run("decide", f"icm/{patient}", "not-eligible", "--reason", "E18", "--trial", OTHER)

    assert (ran.code, ran.out) == (2, "")


def test_who_is_added_to_one_trial_is_not_added_to_the_other(listed: Room, screened: tuple[Path, Ran]) -> None:
    known = {*_candidates(screened[1], RELUTH), *_candidates(screened[1], OTHER)}
    patient = next(
        person
        for verdict in listed.screen("--all", "--trial", OTHER).objects
        if (person := verdict["patient"].removeprefix("Patient/")) not in known and verdict["outcome_reason"] is None
    )

    added = listed.run("add", f"icm/{patient}", "--trial", OTHER, "--json")

    found = {v["trial"]: v["candidate_because"] for v in listed.screen("--patient", f"icm/{patient}").objects}
    assert added.object["trial"] == OTHER
    assert found == {RELUTH: [], OTHER: ["added"]}


def test_a_stage_that_a_trial_does_not_have_is_a_usage_error(listed: Room) -> None:
    ran = listed.screen("--trial", OTHER, "--stage", "randomisation")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.strip() == "reluth: START-NET has no criterion at randomisation"


def test_a_stage_that_one_trial_has_is_screened_for_it(listed: Room) -> None:
    assert listed.screen("--trial", RELUTH, "--stage", "randomisation").code == 0


@pytest.mark.parametrize(("trials", "shown"), [((RELUTH, OTHER), RELUTH), ((OTHER, RELUTH), OTHER)])
def test_pages_are_of_the_first_trial_and_say_which(listed: Room, trials: tuple[str, str], shown: str) -> None:
    settings = load_settings(listed.settings(*trials))
    trial = load_trial(shown)
    app = create_app(settings, token=TOKEN, today=lambda: date(2025, 6, 1))
    with TestClient(app, base_url=HOME, headers={"Accept-Language": "en"}) as client:
        client.get("/login", params={"token": TOKEN})
        worklist = client.get("/api/worklist").json()
        key = worklist["rows"][0]["key"]
        pages = {path: client.get(path) for path in ("/", "/funnel", f"/patients/{key}")}
        texts = client.get(f"/api/trials/{shown}")
        patient = client.get(f"/api/patients/{key}").json()

    assert (worklist["trial"], patient["verdict"]["trial"], texts.json()["acronym"]) == (shown, shown, trial.acronym)
    assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
    # The foot of every page names the trial and its version.
    assert all(shown.upper() in page.text and trial.version in page.text for page in pages.values())
    assert trial.title in pages["/"].text
    assert all(criterion.label["en"] in pages["/funnel"].text for criterion in trial.criteria[:3])
