"""In: the screened clinic, then records that the hospital deletes, merges or sets inactive. Out: what commands say of them, and what they refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import time_machine

from adapter.store import Store
from tests.support.changed_records import delete_records
from tests.support.cli import Ran, reluth
from tests.support.clinic import ON, clinic, patient, write_feed


class Room:
    """A store of its own, and `reluth` on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str | Path) -> Ran:
        return reluth("--store", self.folder / "store", *arguments)

    def pull(self, name: str, *changed: dict[str, object], site: str = "clinic") -> None:
        self.run("pull", "--from", write_feed(self.folder / name, changed or clinic()), "--site", site)

    def delete(self, *gone: tuple[str, str], site: str = "clinic") -> None:
        with Store.open(self.folder / "store") as store:
            delete_records(store, site, *gone)


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clinic's folder, pulled and screened once."""
    folder = tmp_path_factory.mktemp("screened")
    Room(folder).pull("feed")
    Room(folder).run("screen", "--on", ON)
    return folder


@pytest.fixture
def room(screened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A copy of it for one test, away from any adapter.toml of this folder."""
    shutil.copytree(screened, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Room(tmp_path)


def test_why_of_a_deleted_record_tells_the_last_verdict_and_decision(room: Room) -> None:
    room.run("decide", "clinic/intestinal", "contacted", "--reason", "to-contact")
    before = room.run("why", "clinic/intestinal", "--json").object
    room.delete(("Patient", "intestinal"), ("Condition", "c-intestinal"))

    told, spoken = room.run("why", "intestinal", "--json"), room.run("why", "clinic/intestinal")

    assert (told.code, spoken.code) == (0, 0)
    assert (before["record"], told.object["record"], told.object["listed"]) == ("active", "deleted", False)
    assert told.object["verdict"]["criteria"] == before["verdict"]["criteria"]
    assert told.object["verdict"]["outcome_reason"] == "record-deleted"
    assert (told.object["decision"]["state"], told.object["decision"]["reason"]) == ("contacted", "to-contact")
    assert "not eligible (record deleted at the hospital)" in spoken.out.splitlines()[0]
    assert "Decision: contacted (getting in touch)" in spoken.out


def test_why_of_a_deleted_record_is_the_same_whatever_is_left_of_it(room: Room) -> None:
    room.delete(("Patient", "intestinal"))
    in_part = room.run("why", "clinic/intestinal", "--json").object["verdict"]
    room.delete(("Condition", "c-intestinal"))

    assert room.run("why", "clinic/intestinal", "--json").object["verdict"] == in_part


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", ["clinic/breast: record deleted at the hospital", "no verdict was kept", "Decision: declined (other)"]),
        ("fr", ["clinic/breast : dossier supprimé à l'hôpital", "aucun verdict n'a été conservé", "Décision : refus"]),
    ],
)
def test_why_of_a_deleted_record_without_a_verdict_says_so(room: Room, lang: str, said: list[str]) -> None:
    room.run("decide", "clinic/breast", "declined", "--reason", "other")
    room.delete(("Patient", "breast"), ("Condition", "c-breast"))

    spoken, told = room.run("why", "clinic/breast", "--lang", lang), room.run("why", "breast", "--json")

    assert (spoken.code, told.code) == (0, 0)
    assert [text for text in said if text not in spoken.out] == []
    assert (told.object["verdict"], told.object["record"]) == (None, "deleted")
    assert told.object["decision"]["state"] == "declined"


def test_why_of_a_record_deleted_at_two_sites_asks_which(room: Room) -> None:
    room.pull("again", site="other")
    for site in ("clinic", "other"):
        room.delete(("Patient", "breast"), ("Condition", "c-breast"), site=site)

    ran = room.run("why", "breast")

    assert (ran.code, ran.out) == (2, "")
    assert "deleted at clinic and other; say which as clinic/breast" in ran.err
    assert room.run("why", "other/Patient/breast").code == 0


@pytest.mark.parametrize("gone", [[], [("Patient", "old"), ("Condition", "c-old")]], ids=["kept", "deleted"])
def test_why_of_a_merged_record_names_the_one_that_stayed(room: Room, gone: list[tuple[str, str]]) -> None:
    if gone:
        room.delete(*gone)

    ran = room.run("why", "clinic/old")

    assert ran.code == 0
    assert ran.out.startswith("clinic/survivor for ReLUTH")
    assert "Patient/old was merged into Patient/survivor." in ran.out
    assert "was merged into" not in room.run("why", "clinic/survivor").out


def test_why_tells_the_decision_made_on_a_record_merged_since(room: Room) -> None:
    room.run("decide", "clinic/undotted", "contacted", "--reason", "to-contact")
    link = [{"other": {"reference": "Patient/breast"}, "type": "replaced-by"}]
    room.pull("more", patient("undotted", link=link))

    assert room.run("why", "clinic/breast", "--json").object["decision"]["state"] == "contacted"


def test_why_and_worklist_say_that_a_record_is_inactive(room: Room) -> None:
    room.pull("more", patient("intestinal", active=False))

    assert "Record inactive at the hospital" in room.run("why", "clinic/intestinal").out
    assert room.run("why", "clinic/intestinal", "--json").object["record"] == "inactive"
    assert "record set inactive" in room.run("worklist").out
    assert "dossier désactivé" in room.run("worklist", "--lang", "fr").out


def test_worklist_says_that_a_record_was_deleted(room: Room) -> None:
    room.run("decide", "clinic/intestinal", "contacted", "--reason", "to-contact")
    room.delete(("Patient", "intestinal"), ("Condition", "c-intestinal"))

    rows = {row["patient"]: row["record"] for row in room.run("worklist", "--json").object["rows"]}
    assert {name for name, record in rows.items() if record != "active"} == {"Patient/intestinal"}
    assert rows["Patient/intestinal"] == "deleted"
    assert "record deleted at the" in room.run("worklist").out


#: The record itself, or it with all else of the person.
LEFT = {"remnants": [("Patient", "intestinal")], "nothing": [("Patient", "intestinal"), ("Condition", "c-intestinal")]}
SEEN = "clinic/intestinal: the hospital has deleted this record (seen 2025-06-03 08:15, Europe/Paris)"


def _delete_in_june(room: Room, gone: list[tuple[str, str]]) -> None:
    with time_machine.travel("2025-06-03T06:15:00Z", tick=False):
        room.delete(*gone)


@pytest.mark.parametrize("gone", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("typed", ["clinic/intestinal", "intestinal"])
def test_decision_on_a_deleted_record_that_was_on_the_list_is_taken_and_says_so(
    room: Room, gone: list[tuple[str, str]], typed: str
) -> None:
    _delete_in_june(room, gone)

    ran = room.run("decide", typed, "withdrawn", "--reason", "other", "--json")

    assert (ran.code, ran.object["state"], ran.object["patient"]) == (0, "withdrawn", "Patient/intestinal")
    assert SEEN in ran.err
    assert room.run("why", typed, "--json").object["decision"]["state"] == "withdrawn"


def test_decision_on_a_deleted_record_that_was_added_by_hand_is_taken(room: Room) -> None:
    room.run("add", "clinic/breast")
    room.delete(("Patient", "breast"), ("Condition", "c-breast"))

    assert room.run("decide", "clinic/breast", "not-eligible", "--reason", "other").code == 0


@pytest.mark.parametrize("gone", [[("Patient", "breast")], [("Patient", "breast"), ("Condition", "c-breast")]])
def test_decision_on_a_deleted_record_that_was_never_on_the_list_is_refused(
    room: Room, gone: list[tuple[str, str]]
) -> None:
    _delete_in_june(room, gone)

    ran = room.run("decide", "clinic/breast", "declined", "--reason", "other")

    assert (ran.code, ran.out) == (2, "")
    assert "clinic/breast: the hospital has deleted this record (seen 2025-06-03 08:15, Europe/Paris)" in ran.err
    assert "never on the list of ReLUTH" in ran.err
    assert room.run("why", "clinic/breast", "--json").object["decision"] is None


@pytest.mark.parametrize("gone", LEFT.values(), ids=LEFT)
def test_deleted_record_is_not_put_on_the_list(room: Room, gone: list[tuple[str, str]]) -> None:
    _delete_in_june(room, gone)

    ran = room.run("add", "clinic/intestinal")

    assert (ran.code, ran.out) == (2, "")
    assert SEEN in ran.err
    with Store.open(room.folder / "store") as store:
        assert store.added_candidates("clinic") == set()
        assert [line for line in store.audit_trail() if line.action == "add"] == []


def test_screening_of_a_deleted_record_says_that_nothing_is_left(room: Room) -> None:
    _delete_in_june(room, LEFT["nothing"])

    ran = room.run("screen", "--patient", "clinic/intestinal")

    assert (ran.code, ran.out) == (2, "")
    assert SEEN in ran.err
    assert "`reluth why clinic/intestinal` tells what was found before" in ran.err


def test_screening_of_what_is_left_of_a_deleted_record_says_that_it_was_deleted(room: Room) -> None:
    _delete_in_june(room, LEFT["remnants"])

    ran = room.run("screen", "--patient", "clinic/intestinal", "--json")

    assert (ran.code, ran.object["outcome_reason"]) == (0, "record-deleted")
    assert SEEN in ran.err


def test_record_that_came_again_is_screened_and_decided_on_as_any_other(room: Room) -> None:
    room.delete(*LEFT["nothing"])
    room.pull("again")

    screened = room.run("screen", "--patient", "clinic/intestinal")
    decided = room.run("decide", "clinic/intestinal", "contacted", "--reason", "to-contact")

    assert (screened.code, decided.code) == (0, 0)
    assert "deleted" not in screened.err + decided.err


def test_origin_of_a_deleted_record_is_told(room: Room) -> None:
    room.delete(*LEFT["nothing"])

    ran = room.run("store", "origin", "clinic/intestinal", "--json")

    assert (ran.code, ran.object["live"]) == (0, False)
