"""In: `reluth` over a hospital that writes codes of its own. Out: `terms`, `check` and `funnel` show what cannot be read, and apply nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapter.screening.coverage import Coverage, Datum
from adapter.screening.stored_codes import Stored
from adapter.terminology.unmapped import Unmapped
from tests.support.cli import Ran, reluth
from tests.support.clinic import ON, clinic, write_feed
from tests.support.local_feed import LABO, local_feed

SITE = "hopital"


class Hospital:
    """A store of its own, and `reluth` on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str | Path) -> Ran:
        return reluth("--store", self.folder / "store", *arguments)

    def verdicts(self, *arguments: str | Path) -> Ran:
        return self.run("screen", "--on", ON, "--all", "--json", *arguments)

    def overlay(self, draft: Any) -> Path:
        """A site's documents with the draft among them."""
        maps = self.folder / "overlay" / "conceptmaps"
        maps.mkdir(parents=True, exist_ok=True)
        (maps / "draft.json").write_text(json.dumps(draft), encoding="utf-8")
        return maps.parent


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospital")
    feed = write_feed(folder / "feed", local_feed())
    assert reluth("--store", folder / "store", "pull", "--from", feed, "--site", SITE, "--quiet").code == 0
    return folder


@pytest.fixture
def room(pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    """A copy of it for one test, away from any adapter.toml of this folder."""
    shutil.copytree(pulled, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Hospital(tmp_path)


# terms


def test_terms_lists_codes_most_frequent_first(room: Hospital) -> None:
    ran = room.run("terms", "--site", SITE)
    heads = [line for line in ran.out.splitlines() if line.startswith(("Observation", "Medication", "Condition"))]

    assert ran.code == 0
    assert heads[0] == f"Observation.code  {LABO}|HB"
    assert "    Hémoglobine" in ran.out.splitlines()
    assert "    results: 3, persons: 2, 2024-02-03 to 2025-05-20" in ran.out
    assert "    g/dL: 9.8 to 12.1 (2)" in ran.out
    assert "albumin: u. arb.: the unit is not known (results: 1, persons: 1)" in ran.out


def test_terms_json_is_one_object_with_decimal_texts(room: Hospital) -> None:
    found = room.run("terms", "--site", SITE, "--json").object

    first = found["codes"][0]
    assert list(found) == ["trial", "site", "codes", "units"]
    assert (first["system"], first["code"], first["results"], first["persons"]) == (LABO, "HB", 3, 2)
    assert first["units"] == [
        {"unit": "g/dL", "results": 2, "low": "9.8", "high": "12.1"},
        {"unit": "g/L", "results": 1, "low": "118", "high": "118"},
    ]
    assert {item["reason"] for item in found["units"]} == {"no-unit", "unknown-unit"}


def test_terms_suggests_with_score_and_why_and_ends_with_who_confirms(room: Hospital) -> None:
    ran = room.run("terms", "--site", SITE, "--suggest")

    assert ran.code == 0
    assert (
        "      100  http://loinc.org|718-7  haemoglobin: called hemoglobine, unit g/dL converts, values lie in 2-25 g/dL"
        in ran.out
    )
    assert "http://www.whocc.no/atc|V10XX04" in ran.out
    assert "urn:hopital:cim10: its codes look like CIM-10" in ran.out
    assert ran.out.splitlines()[-1].startswith("A person confirms: nothing is applied")


def test_terms_speaks_french(room: Hospital) -> None:
    ran = room.run("terms", "--site", SITE, "--suggest", "--lang", "fr")

    assert "hémoglobine : appelé hemoglobine" in ran.out
    assert ran.out.splitlines()[-1].startswith("Une personne confirme")


def test_terms_shows_a_hostile_display_without_its_control_characters(room: Hospital) -> None:
    ran = room.run("terms", "--site", SITE, "--suggest")
    shown = room.run("terms", "--site", SITE, "--json")

    assert all(line.isprintable() and len(line) < 300 for line in ran.out.splitlines())
    assert "\\u001b" not in shown.out and "\x1b" not in shown.out


def test_terms_keeps_the_feeds_words_out_of_stderr_and_of_the_other_commands(room: Hospital) -> None:
    others = [
        room.run(verb, *more) for verb in ("check", "funnel") for more in (("--site", SITE), ("--site", SITE, "--json"))
    ]
    own = [room.run("terms", "--site", SITE, *more) for more in ((), ("--suggest",), ("--suggest", "--json"))]

    assert "Dupont" in own[0].out
    assert not any("Dupont" in ran.err for ran in own)
    assert not any("Dupont" in ran.out + ran.err or "Ferritine" in ran.out + ran.err for ran in others)


def test_terms_of_a_site_that_was_not_pulled_returns_2(room: Hospital) -> None:
    assert room.run("terms", "--site", "nowhere").code == 2
    assert room.run("check", "--site", "nowhere").code == 2
    assert room.run("terms").code == 2
    assert reluth("--store", room.folder / "none", "terms", "--site", SITE).code == 2


def test_terms_of_a_feed_that_is_read_whole_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    feed = write_feed(tmp_path / "feed", (item for item in clinic() if item["id"] != "c-local"))
    reluth("--store", tmp_path / "store", "pull", "--from", feed, "--site", SITE)

    ran = Hospital(tmp_path).run("terms", "--site", SITE, "--suggest")

    assert (ran.code, ran.out) == (0, f"{SITE}: every code and unit can be read\n")


# The draft


def test_draft_in_an_overlay_is_refused_and_changes_no_verdict(room: Hospital) -> None:
    before = room.verdicts()
    draft = room.run("terms", "--site", SITE, "--suggest", "--json")

    refused = room.verdicts("--overlay", room.overlay(draft.object))

    assert (refused.code, refused.out) == (3, "")
    assert "draft.json#/group/" in refused.err
    assert "equivalence is missing" in refused.err
    assert room.verdicts().out == before.out


def test_draft_whose_rows_a_person_refused_changes_no_verdict(room: Hospital) -> None:
    before = room.verdicts()
    draft = room.run("terms", "--site", SITE, "--suggest", "--json").object
    for group in draft["group"]:
        for element in group["element"]:
            element.pop("target", None)

    after = room.verdicts("--overlay", room.overlay(draft))

    assert (after.code, after.out) == (before.code, before.out)


def test_draft_applies_what_a_person_confirmed_and_nothing_else(room: Hospital) -> None:
    draft = room.run("terms", "--site", SITE, "--suggest", "--json").object
    for group in draft["group"]:
        for element in group["element"]:
            for row in element.get("target", []):
                row["equivalence"] = "equivalent" if row["code"] == "718-7" and element["code"] == "HB" else "unmatched"
    overlay = room.overlay(draft)

    found = room.run("terms", "--site", SITE, "--overlay", overlay, "--json").object
    left = {item["code"] for item in found["codes"]}

    assert "HB" not in left
    assert {"HBA1C", "CRE", "9001"} <= left
    assert room.verdicts("--overlay", overlay).out != room.verdicts().out


# check


def test_check_returns_5_and_names_each_gap_with_the_sentence_to_send(room: Hospital) -> None:
    ran = room.run("check", "--site", SITE, "--json")
    data = {item["what"]: item for item in ran.object["data"]}

    assert ran.code == 5
    assert list(ran.object) == ["site", "trial", "complete", "criteria", "data", "unmapped"]
    assert "hemoglobin" in next(item["data"] for item in ran.object["criteria"] if item["id"] == "I11")
    assert data["hemoglobin"]["gaps"][0] == {
        "kind": "unmapped",
        "results": 3,
        "named": [f"{LABO}|HB"],
        "sentence": f"haemoglobin: codes that may be it: {LABO}|HB (results: 3). Which code of the specification are they?",
    }
    assert (data["platelets"]["results"], data["platelets"]["last"], data["platelets"]["gaps"]) == (1, "2025-05-20", [])
    assert all(gap["sentence"] for item in data.values() for gap in item["gaps"])


def test_check_prints_a_table_and_what_to_ask(room: Hospital) -> None:
    ran = room.run("check", "--site", SITE, "--lang", "fr")

    assert ran.code == 5
    assert "plaquettes" in ran.out
    assert "- albumine : unités inconnues : (other text), u. arb." in ran.out
    assert f"`reluth terms --site {SITE} --suggest`" in ran.out


# funnel


def test_funnel_shows_unmapped_codes_below_and_keeps_the_rest(room: Hospital) -> None:
    assert room.verdicts().code == 0
    found = room.run("funnel", "--json").object
    printed = room.run("funnel").out

    kept = ["trial", "stage", "sites", "patients", "candidates", "outcomes", "criteria", "unmapped"]
    assert [key for key in found if key in kept] == kept
    assert found.keys() - set(kept) == {"steps", "flow", "completeness", "overridden"}
    assert {"element": "Observation.code", "system": LABO, "code": "HB", "results": 3, "persons": 2} in found[
        "unmapped"
    ][0]["codes"]
    assert printed.index("I01 ") < printed.index(f"{SITE}: codes without a mapping")
    assert f"reluth terms --site {SITE}" in printed


def test_check_returns_0_where_nothing_is_missing(room: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Coverage(
        SITE,
        "nct04954820",
        (Datum("alt", "analyte", {"en": "ALT"}, ("E07",), Stored(3, 2, "2025-05-20")),),
        Unmapped(SITE),
    )
    monkeypatch.setattr("adapter.screening.coverage.read_coverage", lambda *_: whole)

    ran = room.run("check", "--site", SITE)

    assert ran.code == 0
    assert "1 of 1 data without a gap" in ran.out
    assert room.run("check", "--site", SITE, "--json").object["complete"] is True
