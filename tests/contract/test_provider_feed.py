"""In: a simulated centre with subjects, pulled and served. Out: what a client has of it is the pseudonymised feed, and nothing else ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.client.keys import make_key
from adapter.config import Settings
from adapter.datasets.package.export import Request, export
from adapter.datasets.provider import publish
from adapter.datasets.staging.feed_types import FEED_TYPES, READ_TYPES
from adapter.service import create_app
from adapter.simulate import simulate
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.serving import serving
from tests.support.smart_fetch import private_jwks, smart_fetch
from tests.support.sponsor import HOME, Sponsor, sponsor_settings

KEY = make_key("ES384")
SITE, TRIAL = "icm", "nct04954820"


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    simulate(folder, patients=6, seed=3, on=date(2025, 6, 1), enrolled=4)
    return folder


def settings_of(folder: Path) -> Settings:
    settings = sponsor_settings(folder, {"sponsor": KEY}, sponsor={"packages": True})
    return settings.model_copy(update={"sites": {SITE: settings.sites[SITE].model_copy(update={"site_code": "05"})}})


def pulled(store: Store, feed: Path) -> None:
    summary = pull(store, FolderSource(feed), site=SITE, full=True, accept_deletions=True)
    assert summary.complete


@contextmanager
def served(folder: Path, feed: Path) -> Iterator[tuple[TestClient, Store, Settings]]:
    """The service over a store that holds the feed."""
    settings = settings_of(folder)
    with Store.open(settings.store.path) as store:
        pulled(store, feed)
    with TestClient(create_app(settings), base_url=HOME, raise_server_exceptions=False) as client:
        yield client, client.app.state.desk.store, settings  # type: ignore[attr-defined]


def lines_of(folder: Path) -> dict[str, set[str]]:
    return {file.stem: set(file.read_text().splitlines()) for file in folder.glob("*.ndjson")}


def planted(feed: Path) -> set[str]:
    """What the hospital calls its patients: names, numbers, ids, addresses."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for one in value.values():
                yield from texts(one)
        elif isinstance(value, list):
            for one in value:
                yield from texts(one)
        elif isinstance(value, str):
            yield value

    found: set[str] = set()
    for line in (feed / "Patient.ndjson").read_text().splitlines():
        person = json.loads(line)
        found |= {f"Patient/{person['id']}"}
        found |= {text for name in ("name", "telecom", "address") for text in texts(person.get(name, []))}
        found |= {one["value"] for one in person.get("identifier", [])}
        found |= {person["birthDate"]} if "birthDate" in person else set()
    # Words like `official` and `home` are codes of FHIR, not the person's.
    return {text for text in found if len(text) > 4 and not (text.isascii() and text.isalpha() and text.islower())}


def names_of_a_subject(feed: Path) -> set[str]:
    """The hospital's number of a subject, and the references to their record."""
    told = json.loads((feed / "ResearchSubject.ndjson").read_text().splitlines()[0])["individual"]
    number = told["identifier"]["value"]
    records = [line for line in (feed / "Patient.ndjson").read_text().splitlines() if f'"{number}"' in line]
    return {number, *(f"Patient/{json.loads(line)['id']}" for line in records)}


def taken_back(line: str) -> str:
    """A later version of a Consent, by which nothing at all may be used any more."""
    consent = json.loads(line)
    meta = {"versionId": "2", "lastUpdated": "2025-05-30T10:00:00Z"}
    return json.dumps({**consent, "meta": meta, "status": "inactive", "provision": {"type": "deny"}}) + "\n"


def test_types_that_are_served_are_those_that_are_staged() -> None:
    assert set(FEED_TYPES) == {*READ_TYPES, "Medication", "ResearchSubject"}


def test_what_a_client_has_is_the_export_by_hand_line_for_line(tmp_path: Path, feed: Path) -> None:
    with served(tmp_path, feed) as (client, store, settings):
        export(store, settings, tmp_path / "out", Request(trial=TRIAL, format="fhir"), keep=False)
        sponsor = Sponsor(client, KEY)
        manifest = sponsor.exported()
        files = {file["type"]: sponsor.get(file["url"].removeprefix(HOME)).text for file in manifest["output"]}
        again = sponsor.exported(_since=manifest["transactionTime"])

    by_hand = lines_of(tmp_path / "out/fhir")
    assert {type_: set(text.splitlines()) for type_, text in files.items()} == by_hand
    assert len(by_hand) >= 12
    assert (again["output"], again["deleted"]) == ([], [])


def test_subject_who_takes_the_consent_back_is_deleted_and_in_no_byte(tmp_path: Path, feed: Path) -> None:
    less = tmp_path / "less"
    less.mkdir()
    with served(tmp_path, feed) as (client, store, _):
        sponsor = Sponsor(client, KEY)
        first = sponsor.exported()
        before = {f"{one['resourceType']}/{one['id']}": one for one in sponsor.lines(first)}
        names = names_of_a_subject(feed)
        for file in feed.glob("*.ndjson"):
            lines = file.read_text().splitlines(keepends=True)
            if file.stem == "Consent":
                lines = [taken_back(line) if any(f'"{name}"' in line for name in names) else line for line in lines]
            (less / file.name).write_text("".join(lines))
        pulled(store, less)
        second = sponsor.exported(_since=first["transactionTime"])
        third = {f"{one['resourceType']}/{one['id']}" for one in sponsor.lines(sponsor.exported())}
        deleted = {entry["request"]["url"] for one in sponsor.lines(second, "deleted") for entry in one["entry"]}
        (subject,) = {one for one in deleted if one.startswith("Patient/")}

    assert second["output"] == []
    assert deleted == {
        reference
        for reference, one in before.items()
        if reference == subject or f'"{subject}"' in json.dumps(one) or reference not in third
    }
    assert third == set(before) - deleted


def test_no_answer_holds_what_the_hospital_calls_its_patients(tmp_path: Path, feed: Path) -> None:
    with served(tmp_path, feed) as (client, _, __):
        sponsor = Sponsor(client, KEY)
        manifest = sponsor.exported()
        paths = ["/fhir/metadata", "/fhir/Group", "/fhir/Group/icm", "/fhir/Group/nobody"]
        paths += [file["url"].removeprefix(HOME) for file in manifest["output"]]
        said = json.dumps(manifest) + "".join(sponsor.get(path).text for path in paths)
    names = planted(feed)

    assert len(names) > 20
    assert sorted(name for name in names if name in said) == []


def test_package_made_by_hand_and_published_is_had_whole(tmp_path: Path, feed: Path) -> None:
    with served(tmp_path, feed) as (client, store, settings):
        made = export(store, settings, tmp_path / "out", Request(trial=TRIAL, format="fhir"))
        assert publish(tmp_path / "out", store) == made.id
        sponsor = Sponsor(client, KEY)
        (listed,) = sponsor.get("/datasets/packages").json()["packages"]
        had = {file["path"]: sponsor.get(file["url"].removeprefix(HOME)).content for file in listed["files"]}

    there = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert had == there


def test_smart_fetch_has_its_types_of_the_feed_as_it_usually_asks(tmp_path: Path, feed: Path) -> None:
    settings = settings_of(tmp_path)
    with Store.open(settings.store.path) as store:
        pulled(store, feed)
        export(store, settings, tmp_path / "by-hand", Request(trial=TRIAL, format="fhir"), keep=False)
    with serving(create_app(settings)) as home:
        done = smart_fetch(
            "bulk",
            *("--fhir-url", f"{home}/fhir", "--smart-client-id", "sponsor", "--no-compression"),
            *("--smart-key", str(private_jwks(KEY, tmp_path / "key.jwks")), str(tmp_path / "out")),
        )
    by_hand = lines_of(tmp_path / "by-hand/fhir")
    fetched: dict[str, set[str]] = {}
    for file in (tmp_path / "out").glob("*.ndjson"):
        if file.name != "log.ndjson":
            fetched.setdefault(file.name.partition(".")[0], set()).update(file.read_text().splitlines())
    # Its usual filter leaves out an Observation without a category that it knows.
    known = {line for line in by_hand["Observation"] if '"category"' in line}

    assert done.returncode == 0, done.stdout + done.stderr
    assert {"Patient", "Observation", "Encounter", "Procedure", "AllergyIntolerance"} <= set(fetched)
    assert fetched["Observation"] == known
    assert all(lines == by_hand[type_] for type_, lines in fetched.items() if type_ != "Observation")
