"""In: the provider on a real socket. Out: our own client, and somebody else's, fetch it whole; a kill loses nothing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.client.keys import Algorithm, make_key, write_key
from adapter.config import Settings, SiteSettings
from adapter.datasets.staging.feed_types import FEED_TYPES
from adapter.jobs import pull_site
from adapter.service import create_app
from adapter.store import Store
from adapter.sync import PullSummary
from tests.support.serving import serving
from tests.support.smart_fetch import private_jwks, smart_fetch
from tests.support.sponsor import StagingDouble, assertion, sponsor_settings, subject, token_form, with_staging
from tests.unit.store.making import everything, live

KEY = make_key("ES384")
SITE = "icm"
_TO_PERSON = dict.fromkeys(("AllergyIntolerance", "BodyStructure", "Consent"), "patient")


def feed(*numbers: str, results: int = 3, version: int = 1) -> list[dict[str, Any]]:
    """Subjects, and with them a resource of each further type, whose references hold."""
    found = [one for number in numbers for one in subject(number, results=results, version=version)]
    person = {"reference": f"Patient/RELUTH-{numbers[0]}"}
    there = {one["resourceType"] for one in found}
    for type_ in sorted(set(FEED_TYPES) - there):
        one: dict[str, Any] = {"resourceType": type_, "id": f"k-{type_.lower()}-{numbers[0]}"}
        # A drug is of nobody, and had with what was given.
        if type_ != "Medication":
            one[_TO_PERSON.get(type_, "subject")] = person
        if type_ == "MedicationAdministration":
            one["medicationReference"] = {"reference": f"Medication/k-medication-{numbers[0]}"}
        found.append(one)
    return found


@contextmanager
def sponsor_side(folder: Path, home: str, key: Any, **bulk: Any) -> Iterator[tuple[Store, Settings]]:
    """A store of the sponsor's, and settings that pull the provider into it."""
    file = folder / "sponsor.pem"
    if not file.exists():
        write_key(key, file)
    told = {
        "base_url": f"{home}/fhir",
        "mode": "bulk",
        "types": list(FEED_TYPES),
        "auth": {"type": "smart-backend", "client_id": "sponsor", "private_key_file": file},
        "group": bulk.pop("group", None),
        "bulk": bulk,
    }
    settings = Settings(sites={SITE: SiteSettings.model_validate(told)})
    with Store.open(folder / "sponsor") as store:
        yield store, settings


def pulled(store: Store, settings: Settings, **options: Any) -> PullSummary:
    summary = pull_site(store, settings, SITE, **options)
    assert (summary.complete, summary.exit_code) == (True, 0), summary
    return summary


def expected(*feeds: list[dict[str, Any]]) -> dict[str, bytes]:
    return {
        f"{one['resourceType']}/{one['id']}": json.dumps(one, separators=(",", ":")).encode()
        for resources in feeds
        for one in resources
    }


def had(store: Store) -> dict[str, bytes]:
    lines = [line for person in live(store, SITE).values() for line in person]
    # A drug is nobody's; there is but one version of it here.
    lines += [raw for type_, _, raw in everything(store, SITE) if type_ == "Medication"]
    return {f"{one['resourceType']}/{one['id']}": line for line in lines for one in [json.loads(line)]}


# Our own client -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_own_client_pulls_the_provider_whole_then_what_changed(tmp_path: Path, algorithm: Algorithm) -> None:
    key = make_key(algorithm)
    stage = StagingDouble({"icm": feed("05-0001", "05-0002"), "chu_nord": feed("06-0001")})
    settings = sponsor_settings(tmp_path, {"sponsor": key})
    with (
        with_staging(stage),
        serving(create_app(settings)) as home,
        sponsor_side(tmp_path, home, key, level="system") as (store, told),
    ):
        first = pulled(store, told)
        whole = had(store)
        stage.feeds["icm"] = feed("05-0001", results=2, version=2)
        stage.feeds["chu_nord"] = feed("06-0001", "06-0002")
        second = pulled(store, told)

        assert first.mode == second.mode == "bulk"
        assert set(first.types) == set(FEED_TYPES)
        assert whole == expected(feed("05-0001", "05-0002"), feed("06-0001"))
        assert had(store) == expected(feed("05-0001", results=2, version=2), feed("06-0001", "06-0002"))
        # The overlap of our own client asks for a little more than what changed.
        assert sum(counts.changed for counts in second.types.values()) == 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_own_client_pulls_a_group(tmp_path: Path, method: str) -> None:
    stage = StagingDouble({"icm": feed("05-0001"), "chu_nord": feed("06-0001")})
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    with (
        with_staging(stage),
        serving(create_app(settings)) as home,
        sponsor_side(tmp_path, home, KEY, group="chu-nord", method=method) as (store, told),
    ):
        pulled(store, told)

        assert had(store) == expected(feed("06-0001"))


def test_own_client_leaves_no_export_behind(tmp_path: Path) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    with with_staging(StagingDouble({"icm": feed("05-0001")})), serving(create_app(settings)) as home:
        with sponsor_side(tmp_path, home, KEY, level="system") as (store, told):
            pulled(store, told)

        assert [item for item in (settings.store.path / "datasets/jobs").iterdir() if item.is_dir()] == []


# Somebody else's ------------------------------------------------------------------------------------------------------


def fetched(folder: Path) -> dict[str, dict[str, Any]]:
    """What smart-fetch has written, by reference."""
    lines = [
        json.loads(line)
        for file in folder.glob("*.ndjson")
        if file.name != "log.ndjson"
        for line in file.read_text().splitlines()
    ]
    assert len({(one["resourceType"], one["id"]) for one in lines}) == len(lines)
    return {f"{one['resourceType']}/{one['id']}": one for one in lines}


@pytest.mark.parametrize("group", [None, "icm"])
def test_smart_fetch_fetches_its_types_whole(tmp_path: Path, group: str | None) -> None:
    stage = StagingDouble({"icm": feed("05-0001", "05-0002"), "chu_nord": feed("06-0001")})
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    # MedicationAdministration, ResearchSubject and others it does not know.
    types = sorted(
        {"AllergyIntolerance", "Condition", "DiagnosticReport", "Encounter", "MedicationRequest", "Observation"}
        | {"Patient", "Procedure"}
    )
    with with_staging(stage), serving(create_app(settings)) as home:
        done = smart_fetch(
            "bulk",
            *("--fhir-url", f"{home}/fhir", "--smart-client-id", "sponsor"),
            *("--smart-key", str(private_jwks(KEY, tmp_path / "key.jwks"))),
            *("--type", ",".join(types), "--no-default-filters", "--no-compression"),
            *(() if group is None else ("--group", group)),
            str(tmp_path / "out"),
        )
    sites = stage.feeds.values() if group is None else [stage.feeds[group]]
    wanted = {
        f"{one['resourceType']}/{one['id']}": one for site in sites for one in site if one["resourceType"] in types
    }

    assert done.returncode == 0, done.stdout + done.stderr
    assert fetched(tmp_path / "out") == wanted


def test_smart_fetch_is_told_what_was_deleted(tmp_path: Path) -> None:
    stage = StagingDouble({"icm": feed("05-0001"), "chu_nord": feed("06-0001")})
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    key = private_jwks(KEY, tmp_path / "key.jwks")
    with with_staging(stage), serving(create_app(settings)) as home:
        since = "2020-01-01T00:00:00+00:00"
        for number in range(2):
            done = smart_fetch(
                "bulk",
                *("--fhir-url", f"{home}/fhir", "--smart-client-id", "sponsor", "--smart-key", str(key)),
                *(
                    "--type",
                    "Patient",
                    "--no-compression",
                    "--since",
                    since,
                    "--since-mode",
                    "updated",
                    str(tmp_path / f"out{number}"),
                ),
            )
            assert done.returncode == 0, done.stdout + done.stderr
            del stage.feeds["chu_nord" if number == 0 else "icm"]
    deleted = [
        json.loads(line)
        for file in (tmp_path / "out1/deleted").glob("*.ndjson")
        for line in file.read_text().splitlines()
    ]

    assert [entry["request"]["url"] for bundle in deleted for entry in bundle["entry"]] == ["Patient/RELUTH-06-0001"]


# A kill ---------------------------------------------------------------------------------------------------------------


@contextmanager
def process(settings: Path, feeds: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.support.sponsor_process", str(settings), str(feeds), str(port)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
                    break
                except httpx.HTTPError:
                    assert running.poll() is None
                    time.sleep(0.05)
            yield running
        finally:
            running.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_export_under_way_when_the_service_is_killed_is_made_by_the_next(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    (feeds / "icm.json").write_text(json.dumps(feed("05-0001")))
    (feeds / "chu_nord.json").write_text("[]")
    (feeds / "wait").touch()
    told = tmp_path / "settings.json"
    told.write_text(sponsor_settings(tmp_path, {"sponsor": KEY}).model_dump_json())
    port = free_port()
    home = f"http://127.0.0.1:{port}"
    signed = assertion(KEY, "sponsor", aud=f"{home}/fhir/token")
    with process(told, feeds, port) as running, httpx.Client(base_url=home, timeout=10) as client:
        token = client.post("/fhir/token", data=token_form(signed)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        status = client.get("/fhir/$export").headers["content-location"]
        while not (feeds / "reached").exists():
            time.sleep(0.02)
        running.kill()
    (feeds / "wait").unlink()
    with process(told, feeds, port), httpx.Client(base_url=home, timeout=10) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        while (answer := client.get(status)).status_code in (202, 429):
            time.sleep(int(answer.headers["retry-after"]))
        manifest = answer.json()
        lines = [line for file in manifest["output"] for line in client.get(file["url"]).text.splitlines()]

    assert answer.status_code == 200
    assert sorted(lines) == sorted(raw.decode() for raw in expected(feed("05-0001")).values())
