"""In: `reluth` over the small clinic. Out: what design 4.1 promises of every command: JSON, exit codes, clean streams."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.support.clinic import ICD10, LOCAL, ON, clinic, condition, patient, store_unread, write_feed

CANDIDATES = ["child", "intestinal", "pancreatic", "subject", "survivor", "treated", "undotted"]
VERDICT_KEYS = [
    "trial",
    "criteria_version",
    "site",
    "patient",
    "merged",
    "stage",
    "on",
    "candidate",
    "candidate_because",
    "outcome",
    "outcome_reason",
    "permanent",
    "flips_on",
    "to_order",
    "criteria",
]
CRITERION_KEYS = ["id", "truth", "presumed", "reason", "flips_on", "evidence", "parts"]
TRIAL = "nct04954820"
CONDITIONS = sum(1 for resource in clinic() if resource["resourceType"] == "Condition")


class Clinic:
    """A store of its own, and `reluth` on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.feed = folder / "feed"

    def run(self, *arguments: str | Path) -> Ran:
        return reluth("--store", self.store, *arguments)

    def screen(self, *arguments: str | Path) -> Ran:
        return self.run("screen", "--on", ON, "--json", *arguments)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """The clinic's folder with its feed pulled once, and what that pull said."""
    folder = tmp_path_factory.mktemp("pulled")
    feed = write_feed(folder / "feed", clinic())
    return folder, reluth("--store", folder / "store", "pull", "--from", feed, "--site", "clinic", "--json")


@pytest.fixture
def room(pulled: tuple[Path, Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A copy of it for one test, away from any adapter.toml of this folder."""
    shutil.copytree(pulled[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Clinic(tmp_path)


def _ids(ran: Ran) -> list[str]:
    return [verdict["patient"].removeprefix("Patient/") for verdict in ran.objects]


def test_pull_json_ends_with_the_object_of_the_contract(pulled: tuple[Path, Ran]) -> None:
    found = pulled[1].object

    assert pulled[1].code == 0
    assert list(found) == ["site", "run", "complete", "transaction_time", "types", "quarantine"]
    assert found["types"]["Condition"] == {
        "read": CONDITIONS,
        "new": CONDITIONS,
        "changed": 0,
        "deleted": 0,
        "quarantined": 0,
    }


def test_pull_again_reads_all_and_changes_nothing(room: Clinic) -> None:
    found = room.run("pull", "--from", room.feed, "--site", "clinic", "--json").object

    assert {(counts["new"], counts["changed"]) for counts in found["types"].values()} == {(0, 0)}


def test_pull_names_a_bad_line_by_file_and_number_and_returns_5(room: Clinic) -> None:
    with (room.feed / "Condition.ndjson").open("a") as feed:
        feed.write('{"resourceType":"Condition","id":"cut\n' + json.dumps(condition("next", "breast", "C18.0")) + "\n")

    ran = room.run("pull", "--from", room.feed, "--site", "clinic", "--json")

    assert ran.code == 5
    assert [(item["file"], item["line"]) for item in ran.object["quarantine"]] == [("Condition.ndjson", CONDITIONS + 1)]
    assert ran.object["types"]["Condition"]["new"] == 1


def test_pull_without_a_source_returns_2(room: Clinic) -> None:
    assert room.run("pull").code == 2
    assert room.run("pull", "--site", "nowhere").code == 2
    assert room.run("pull", "--from", room.folder / "missing").code == 2
    assert room.run("pull", "--from", room.feed, "--fhir-version", "3.0.2").code == 2


@pytest.mark.parametrize("name", [None, "notes.txt", "feed/Patient.ndjson"])
def test_pull_from_a_folder_without_resources_is_not_taken_for_a_whole_feed(room: Clinic, name: str | None) -> None:
    folder = room.folder / "mount"
    folder.mkdir()
    if name is not None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")

    ran = room.run("pull", "--from", folder, "--site", "clinic", "--json")

    assert (ran.code, ran.out) == (2, "")
    assert "there is no <ResourceType>.ndjson" in ran.err


def test_pull_from_needs_no_configuration_and_calls_the_site_local(room: Clinic) -> None:
    found = reluth("--store", room.folder / "other", "pull", "--from", room.feed, "--json").object

    assert found["site"] == "local"


def test_screen_json_is_one_object_a_line_with_the_keys_of_the_contract(room: Clinic) -> None:
    ran = room.screen()

    assert ran.code == 0
    assert _ids(ran) == CANDIDATES
    for verdict in ran.objects:
        assert list(verdict) == VERDICT_KEYS
        assert all(list(criterion) == CRITERION_KEYS for criterion in verdict["criteria"])
        assert [criterion["id"] for criterion in verdict["criteria"]] == sorted(
            (criterion["id"] for criterion in verdict["criteria"]), key=lambda name: (name[0] != "I", name)
        )


def test_screen_all_json_has_every_person_once(room: Clinic) -> None:
    ran = room.screen("--all")

    assert _ids(ran) == sorted([*CANDIDATES, "breast", "dead", "local", "refuted"])


def test_screen_orders_by_site_then_patient(room: Clinic) -> None:
    room.run("pull", "--from", room.feed, "--site", "a-clinic")

    found = [(verdict["site"], verdict["patient"]) for verdict in room.screen().objects]

    assert found == sorted(found)
    assert {site for site, _ in found} == {"a-clinic", "clinic"}
    assert {site for site, _ in found} >= {verdict["site"] for verdict in room.screen("--site", "clinic").objects}


def test_screen_takes_global_options_before_and_after_the_verb(room: Clinic) -> None:
    before = reluth("--store", room.store, "--json", "--quiet", "screen", "--on", ON)
    after = reluth("screen", "--on", ON, "--quiet", "--store", room.store, "--json")

    assert before.out == after.out != ""
    assert (before.err, after.err) == ("", "")


def test_screen_patient_gives_one_person_candidate_or_not(room: Clinic) -> None:
    found = room.screen("--patient", "clinic/breast").objects

    assert [(verdict["patient"], verdict["candidate"]) for verdict in found] == [("Patient/breast", False)]


def test_screen_without_json_is_a_line_a_candidate(room: Clinic) -> None:
    ran = room.run("screen", "--on", ON)

    assert [line.split()[0] for line in ran.out.splitlines()] == [f"clinic/{name}" for name in CANDIDATES]


def test_screen_is_the_same_the_second_time(room: Clinic) -> None:
    assert room.screen("--all").out == room.screen("--all").out


def test_screen_leaves_a_run_also_while_a_pull_holds_the_site(room: Clinic) -> None:
    with Store.open(room.store) as store, store.begin_run("clinic", "pull"):
        ran = room.run("screen", "--json")
    with Store.open(room.store) as store:
        (run,) = store.runs("screen", site="clinic")

    assert (run.state, run.complete) == ("committed", True)
    assert json.loads(run.summary or "")["candidates"] == len(ran.objects) > 0


@pytest.mark.parametrize(
    "arguments", [["--on", ON], ["--patient", "clinic/breast"], ["--trial", TRIAL], ["--stage", "randomisation"]]
)
def test_screen_of_some_or_of_another_day_is_not_taken_for_the_last_of_all(room: Clinic, arguments: list[str]) -> None:
    room.run("screen", *arguments)
    with Store.open(room.store) as store:
        kinds = [run.kind for run in store.runs(site="clinic", limit=1)]

    assert kinds == ["rescreen"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--stage", "later"],
        ["--on", "01/06/2025"],
        ["--site", "nowhere"],
        ["--trial", "nct00000000"],
        ["--patient", "nobody"],
        ["--overlay", "missing"],
    ],
)
def test_screen_returns_2_for_what_there_is_not(room: Clinic, arguments: list[str]) -> None:
    ran = room.run("screen", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("reluth: ")


def test_screen_overlay_makes_local_codes_count(room: Clinic) -> None:
    overlay = room.folder / "overlay"
    (overlay / "conceptmaps").mkdir(parents=True)
    element = {"code": "TUM-GRELE", "target": [{"code": "C17.2", "equivalence": "equivalent"}]}
    group = {"source": LOCAL, "target": ICD10, "element": [element]}
    document = {"resourceType": "ConceptMap", "status": "active", "group": [group]}
    (overlay / "conceptmaps" / "tumours.json").write_text(json.dumps(document))

    assert "local" in _ids(room.screen("--overlay", overlay))
    assert "local" not in _ids(room.screen())


def test_screen_overlay_that_is_wrong_returns_3_and_names_the_place(room: Clinic) -> None:
    overlay = room.folder / "overlay"
    overlay.mkdir()
    (overlay / "completeness.yaml").write_text("- {domain: astrology, from: 2020-01-01, to: 2025-01-01}\n")

    ran = room.screen("--overlay", overlay)

    assert (ran.code, ran.out) == (3, "")
    assert "completeness.yaml#/" in ran.err


def test_screen_takes_the_overlay_of_the_settings(room: Clinic) -> None:
    overlay = room.folder / "sites" / "clinic"
    overlay.mkdir(parents=True)
    (overlay / "site.yaml").write_text('icd10_systems: ["urn:oid:1.2.250.1.999.8"]\n')
    (room.folder / "adapter.toml").write_text('[sites.clinic]\noverlay = "sites/clinic"\n')
    own = [patient("own"), condition("c-own", "own", "C17.2", system="urn:oid:1.2.250.1.999.8")]
    room.run("pull", "--from", write_feed(room.folder / "more", own), "--site", "clinic")

    assert "own" in _ids(room.screen())


def test_no_command_tells_of_a_patient_on_stderr(room: Clinic) -> None:
    for arguments in (["screen", "--on", ON, "--all"], ["worklist"], ["log"], ["funnel"], ["store", "check"]):
        said = room.run(*arguments).err

        assert "1960" not in said
        assert "C17" not in said


def test_why_puts_a_candidate_in_words(room: Clinic) -> None:
    room.screen()

    ran = room.run("why", "clinic/child")

    assert ran.code == 0
    assert ran.out.startswith("clinic/child for ReLUTH, registration, as of 1 June 2025: not eligible")
    assert ran.out.index("I01") < ran.out.index("What is open") < ran.out.index("What passes")


def test_why_is_as_of_the_day_of_the_last_screening(room: Clinic) -> None:
    room.screen()

    assert room.run("why", "clinic/child", "--json").object["verdict"]["on"] == ON
    assert room.run("why", "clinic/child", "--json", "--on", "2025-06-03").object["verdict"]["on"] == "2025-06-03"


def test_why_says_in_french_which_signals_were_looked_for(room: Clinic) -> None:
    ran = room.run("why", "clinic/breast", "--lang", "fr")

    assert ran.code == 0
    assert "n'est pas sur la liste de ReLUTH" in ran.out
    assert "V10XX04" in ran.out
    assert "NCT04954820" in ran.out


def test_why_says_that_a_patient_has_died(room: Clinic) -> None:
    ran = room.run("why", "clinic/dead", "--on", ON)

    assert "recorded as deceased" in ran.out


def test_why_does_not_change_the_worklist(room: Clinic) -> None:
    room.screen()
    before = room.run("worklist", "--json").out

    room.run("why", "clinic/child", "--on", "2029-01-01")

    assert room.run("worklist", "--json").out == before


def test_why_of_somebody_unknown_returns_2(room: Clinic) -> None:
    assert room.run("why", "clinic/nobody").code == 2
    assert room.run("why", "child", "--lang", "de").code == 2


def test_worklist_json_has_the_candidates(room: Clinic) -> None:
    room.screen()

    found = room.run("worklist", "--json").object

    assert (found["trial"], found["stage"]) == (TRIAL, "registration")
    assert sorted(row["patient"].removeprefix("Patient/") for row in found["rows"]) == CANDIDATES


def test_worklist_explains_itself(room: Clinic) -> None:
    room.screen()

    out = room.run("worklist").out

    assert "Waiting for data" in out
    assert "Next step" in out
    assert "clinic/intestinal" in out
    assert "Prochaine étape" in room.run("worklist", "--lang", "fr").out


def test_worklist_before_any_screening_says_what_to_do(room: Clinic) -> None:
    ran = room.run("worklist")

    assert (ran.code, ran.out) == (0, "")
    assert "reluth screen" in ran.err


@pytest.mark.parametrize("verb", ["worklist", "log", "funnel", "audit"])
def test_verbs_that_list_do_not_take_a_slip_of_the_pen_for_a_site_without_anybody(room: Clinic, verb: str) -> None:
    room.screen()

    ran = room.run(verb, "--site", "clinc", "--json")

    assert (ran.code, ran.out) == (2, "")
    assert "--site clinc: is not known; there are clinic" in ran.err


def test_log_csv_holds_no_hospital_id(room: Clinic) -> None:
    room.screen()

    ran = room.run("log", "--csv")

    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert len(rows) == len(CANDIDATES)
    assert not any(name in ran.out for name in ("Patient/", "intestinal", "survivor"))
    assert [row["screening_number"] for row in rows] == [
        row["screening_number"] for row in room.run("log", "--json").object["rows"]
    ]
    assert rows[0]["screening_number"] in room.run("log").out


def test_funnel_json_counts_persons(room: Clinic) -> None:
    room.screen()

    found = room.run("funnel", "--json").object

    assert (found["patients"], found["candidates"]) == (len(CANDIDATES) + 4, len(CANDIDATES))
    assert "I01 " in room.run("funnel").out


def test_add_puts_a_patient_on_the_list_and_into_the_audit_trail(room: Clinic) -> None:
    ran = room.run("add", "clinic/breast", "--json")

    assert ran.object == {"trial": TRIAL, "site": "clinic", "patient": "Patient/breast", "added": True}
    added = {verdict["patient"]: verdict["candidate_because"] for verdict in room.screen().objects}
    assert added["Patient/breast"] == ["added"]
    assert _audit(room) == [("add", "clinic/Patient/breast", TRIAL)]


def test_decide_records_every_decision_and_shows_the_last(room: Clinic) -> None:
    room.screen()
    room.run("decide", "clinic/intestinal", "contacted", "--reason", "to-contact")

    ran = room.run("decide", "clinic/intestinal", "not-eligible", "--reason", "E07", "--json")

    assert (ran.object["version"], ran.object["state"], ran.object["reason"]) == (2, "not-eligible", "E07")
    row = next(row for row in room.run("worklist", "--json").object["rows"] if row["patient"] == "Patient/intestinal")
    assert (row["bin"], row["state"], row["decision_reason"]) == ("not-eligible", "not-eligible", "E07")
    assert "not eligible (E07)" in room.run("why", "clinic/intestinal").out
    assert [action for action, _, _ in _audit(room)] == ["decide", "decide"]


def test_decide_on_somebody_without_a_signal_puts_them_on_the_list(room: Clinic) -> None:
    ran = room.run("decide", "clinic/breast", "contacted", "--reason", "to-contact")
    verdicts = room.screen().objects

    assert "no screening has looked at them yet" in ran.err
    assert "Patient/breast" not in {verdict["patient"] for verdict in verdicts}
    rows = {row["patient"]: row for row in room.run("worklist", "--json").object["rows"]}
    assert (rows["Patient/breast"]["bin"], rows["Patient/breast"]["state"]) == ("no-longer-eligible", "contacted")
    again = room.run("decide", "clinic/breast", "to-review", "--reason", "other")
    assert "no screening" not in again.err


@pytest.mark.parametrize(
    "arguments", [["considering", "--reason", "E07"], ["declined", "--reason", "lives too far away"], ["declined"]]
)
def test_decide_takes_codes_only(room: Clinic, arguments: list[str]) -> None:
    ran = room.run("decide", "clinic/intestinal", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert _audit(room) == []


def test_store_stats_json_counts_live_and_versions(room: Clinic) -> None:
    corrected = condition("c-breast", "breast", "C50.1", meta={"versionId": "2"})
    room.run("pull", "--from", write_feed(room.folder / "later", [corrected]), "--site", "clinic")

    found = room.run("store", "stats", "--json").object

    assert found["sites"]["clinic"]["Condition"] == {"live": CONDITIONS, "versions": CONDITIONS + 1}
    assert "Condition" in room.run("store", "stats").out


def test_store_check_finds_nothing_wrong_with_a_sound_store(room: Clinic) -> None:
    ran = room.run("store", "check", "--json")

    assert ran.code == 0
    assert (ran.object["ok"], ran.object["problems"]) == (True, [])
    assert ran.object["sites"]["clinic"]["versions"] == sum(1 for _ in clinic())


def test_store_check_finds_a_lost_file_and_a_damaged_one(room: Clinic) -> None:
    kept = room.store / "lake" / "clinic"
    next((kept / "Patient").glob("*.parquet")).unlink()
    next((kept / "Condition").glob("*.parquet")).write_bytes(b"PAR1 no more")

    ran = room.run("store", "check")

    assert ran.code == 5
    assert "a file is missing" in ran.out
    assert "clinic/Condition/" in ran.out


@pytest.mark.parametrize("verb", [["why", "clinic/intestinal"], ["screen"]])
def test_a_file_of_the_store_that_cannot_be_read_is_no_defect(room: Clinic, verb: list[str]) -> None:
    # As for who runs it by hand, and is not the user whose store it is.
    (room.store / "lake").rename(room.store / "elsewhere")

    ran = room.run(*verb)

    assert (ran.code, ran.out) == (2, "")
    assert "store.path: a file in it cannot be read" in ran.err


def test_store_check_finds_a_store_open_to_others(room: Clinic) -> None:
    room.store.chmod(0o755)

    ran, again = room.run("store", "check", "--json"), room.run("store", "check")

    assert (ran.code, ran.object["ok"]) == (5, False)
    assert "open to others" in ran.object["problems"][0]
    assert room.store.stat().st_mode & 0o777 == 0o700
    assert again.code == 0


def test_every_reporting_verb_refuses_a_store_that_is_not_there(tmp_path: Path) -> None:
    for arguments in (["screen"], ["worklist"], ["log"], ["funnel"], ["why", "1"], ["store", "stats"], ["serve"]):
        ran = reluth("--store", tmp_path / "none", *arguments)

        assert (ran.code, ran.out) == (2, "")
    assert not (tmp_path / "none").exists()


def _audit(room: Clinic) -> list[tuple[str, str, str]]:
    with Store.open(room.store) as store:
        return [(entry.action, entry.subject, entry.detail) for entry in store.audit_trail()]


def test_screen_and_why_return_5_and_name_what_could_not_be_read(room: Clinic) -> None:
    with Store.open(room.store) as store:
        reference = store_unread(store, "intestinal")

    screened, told = room.screen(), room.run("why", "clinic/intestinal", "--on", ON)

    assert (screened.code, told.code) == (5, 5)
    assert _ids(screened) == CANDIDATES
    assert all(f"{reference}: could not be read" in ran.err for ran in (screened, told))


def test_why_of_a_patient_without_a_resource_of_their_own_returns_2(room: Clinic) -> None:
    link = [{"other": {"reference": "Patient/elsewhere"}, "type": "seealso"}]
    room.run("pull", "--from", write_feed(room.folder / "more", [patient("breast", link=link)]), "--site", "clinic")

    assert room.run("why", "clinic/elsewhere").code == 2


def test_screen_of_an_empty_store_says_so(room: Clinic) -> None:
    Store.open(room.folder / "empty").close()

    ran = reluth("--store", room.folder / "empty", "screen", "--json")

    assert (ran.code, ran.out) == (0, "")
    assert "the store is empty" in ran.err


def test_simulate_leaves_a_hospitals_export_alone(room: Clinic) -> None:
    kept = {path.name: path.read_bytes() for path in room.feed.iterdir()}
    again: list[str | Path] = ["simulate", room.folder / "centre", "--patients", "2", "--seed", "1"]

    ran = room.run("simulate", room.feed, "--patients", "2", "--seed", "1")

    assert (ran.code, ran.out) == (2, "")
    assert "its files would be replaced" in ran.err
    assert {path.name: path.read_bytes() for path in room.feed.iterdir()} == kept
    assert [room.run(*again).code, room.run(*again).code] == [0, 0]


def test_simulate_json_tells_what_was_written(room: Clinic) -> None:
    ran = reluth("simulate", room.folder / "made", "--patients", "5", "--seed", "1", "--on", "2025-06-01", "--json")

    assert (ran.code, ran.object["patients"]) == (0, 5)
    assert (room.folder / "made" / "truth.ndjson").is_file()
    assert "reluth --store var pull" in reluth("simulate", room.folder / "b", "--patients", "5", "--seed", "1").err
