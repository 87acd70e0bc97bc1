"""Promises of the Bulk Data provider: what is asked for is had, by whom it may be, and nothing else; every error is an OperationOutcome."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.client.keys import make_key
from adapter.datasets.staging.feed_types import FEED_TYPES
from adapter.errors import StorageError
from adapter.service import create_app
from adapter.service.fhir import FhirRoom
from tests.support.sponsor import HOME, Sponsor, StagingDouble, provider, sponsor_settings, subject, with_staging

KEY, OTHER_KEY = make_key("ES384"), make_key("ES384")
ONE, TWO = subject("05-0001"), subject("06-0001")


@pytest.fixture
def stage() -> StagingDouble:
    return StagingDouble({"icm": ONE, "chu_nord": TWO})


@pytest.fixture
def client(tmp_path: Path, stage: StagingDouble) -> Iterator[TestClient]:
    settings = sponsor_settings(
        tmp_path,
        {"sponsor": KEY, "other": OTHER_KEY, "monitor": OTHER_KEY},
        monitor={"sites": ["icm"], "scopes": ["system/Patient.rs", "system/Observation.rs"]},
    )
    with provider(settings, stage) as (_, client):
        yield client
        # Whoever still waits for it must not keep the service from ending.
        stage.go.set()


@pytest.fixture
def sponsor(client: TestClient) -> Sponsor:
    return Sponsor(client, KEY)


def named(*resources: dict[str, Any]) -> set[str]:
    return {f"{one['resourceType']}/{one['id']}" for one in resources}


def issue(answer: Any) -> tuple[int, str]:
    """Status and code of an OperationOutcome."""
    found = answer.json()
    assert answer.headers["content-type"] == "application/fhir+json"
    assert found["resourceType"] == "OperationOutcome"
    return answer.status_code, found["issue"][0]["code"]


# What is asked for ----------------------------------------------------------------------------------------------------


def test_export_holds_the_feed_of_all_sites_byte_for_byte(sponsor: Sponsor) -> None:
    manifest = sponsor.exported()
    lines = sponsor.lines(manifest)

    assert {file["type"] for file in manifest["output"]} == {"Patient", "ResearchSubject", "Observation"}
    assert sorted(map(json.dumps, lines)) == sorted(map(json.dumps, [*ONE, *TWO]))
    assert (manifest["requiresAccessToken"], manifest["deleted"], manifest["error"]) == (True, [], [])
    assert manifest["request"] == f"{HOME}/fhir/$export"


@pytest.mark.parametrize(
    ("group", "expected"), [("icm", ONE), ("chu-nord", TWO), ("all", [*ONE, *TWO])], ids=["site", "dashes", "all"]
)
def test_export_of_a_group_holds_its_subjects(sponsor: Sponsor, group: str, expected: list[dict[str, Any]]) -> None:
    assert sponsor.ids(sponsor.exported(f"/fhir/Group/{group}/$export")) == named(*expected)


def test_export_by_post_is_that_by_get(sponsor: Sponsor) -> None:
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueString": "Patient"},
            {"name": "_type", "valueString": "ResearchSubject"},
            {"name": "allowPartialManifests", "valueBoolean": True},
        ],
    }
    kick_off = sponsor.call("POST", "/fhir/$export", json=asked, headers={"Prefer": "respond-async"})
    posted = sponsor.ended(kick_off.headers["content-location"].removeprefix(HOME)).json()

    assert kick_off.status_code == 202
    assert sponsor.ids(posted) == sponsor.ids(sponsor.exported(_type="Patient,ResearchSubject"))


def test_export_since_a_time_holds_what_changed_and_what_was_deleted(sponsor: Sponsor, stage: StagingDouble) -> None:
    first = sponsor.exported()
    stage.feeds["icm"] = subject("05-0001", results=1, version=2)
    stage.feeds["chu_nord"] = [*TWO, *subject("06-0002")]
    second = sponsor.exported(_since=first["transactionTime"])
    bundles = sponsor.lines(second, "deleted")

    assert sponsor.ids(second) == {"Observation/k-result-05-0001-0", *named(*subject("06-0002"))}
    assert [entry["request"] for bundle in bundles for entry in bundle["entry"]] == [
        {"method": "DELETE", "url": "Observation/k-result-05-0001-1"}
    ]
    assert (bundles[0]["resourceType"], bundles[0]["type"]) == ("Bundle", "transaction")
    assert second["transactionTime"] > first["transactionTime"]


def test_export_since_the_last_one_holds_nothing_where_nothing_changed(sponsor: Sponsor) -> None:
    first = sponsor.exported()
    second = sponsor.exported(_since=first["transactionTime"])

    assert (second["output"], second["deleted"]) == ([], [])


def test_deletion_is_told_since_before_it_and_not_since_after_it(sponsor: Sponsor, stage: StagingDouble) -> None:
    first = sponsor.exported()
    del stage.feeds["chu_nord"]
    second = sponsor.exported(_since=first["transactionTime"], _type="Patient")
    third = sponsor.exported(_since=second["transactionTime"])
    stage.feeds["chu_nord"] = TWO
    fourth = sponsor.exported(_since=second["transactionTime"])

    assert json.dumps(sponsor.lines(second, "deleted")).count('"DELETE"') == 1
    assert (third["deleted"], third["output"]) == ([], [])
    assert (fourth["deleted"], sponsor.ids(fourth)) == ([], named(*TWO))


def test_filters_of_a_type_narrow_it_and_leave_the_others(sponsor: Sponsor) -> None:
    manifest = sponsor.exported(
        _type="Observation,Patient",
        _typeFilter="Observation?code=http://loinc.org|718-7&date=gt2025-01,Observation?_id=k-result-05-0001-0",
    )

    assert sponsor.ids(manifest) == {
        "Patient/RELUTH-05-0001",
        "Patient/RELUTH-06-0001",
        "Observation/k-result-05-0001-0",
        "Observation/k-result-05-0001-1",
        "Observation/k-result-06-0001-1",
    }


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"_type": "Patient,Device"}, 400, "not-supported"),
        ({"_type": "patient"}, 400, "invalid"),
        ({"_since": "yesterday"}, 400, "invalid"),
        ({"_since": "2025-06-01"}, 400, "invalid"),
        ({"_outputFormat": "text/csv"}, 400, "not-supported"),
        ({"_elements": "id"}, 400, "not-supported"),
        ({"organizeOutputBy": "Patient"}, 400, "not-supported"),
        ({"_typeFilter": "Observation?value-string=Dupont"}, 400, "not-supported"),
        ({"_type": "Patient", "_typeFilter": "Observation?status=final"}, 400, "invalid"),
        ({"Dupont": "x"}, 400, "not-supported"),
    ],
)
def test_what_is_not_supported_is_refused_and_not_repeated(
    sponsor: Sponsor, params: dict[str, str], status: int, code: str
) -> None:
    answer = sponsor.get("/fhir/$export", params=params)

    assert issue(answer) == (status, code)
    assert "Dupont" not in answer.text


def test_lenient_export_leaves_aside_what_is_not_supported_and_says_so(sponsor: Sponsor) -> None:
    answer = sponsor.get(
        "/fhir/$export",
        params={"_type": "Patient,Device", "_elements": "id", "_typeFilter": "Patient?name=x"},
        headers={"Prefer": "respond-async, handling=lenient"},
    )
    manifest = sponsor.ended(answer.headers["content-location"].removeprefix(HOME)).json()
    remarks = sponsor.lines(manifest, "error")

    assert {file["type"] for file in manifest["output"]} == {"Patient"}
    assert [one["severity"] for one in remarks[0]["issue"]] == ["warning"] * 3
    assert "Device" in json.dumps(remarks)


def test_statement_names_every_type_that_an_export_may_hold(client: TestClient) -> None:
    statement = client.get("/fhir/metadata").json()
    rest = statement["rest"][0]
    group = next(one for one in rest["resource"] if one["type"] == "Group")

    assert {one["type"] for one in rest["resource"]} == {*FEED_TYPES, "Group"}
    assert [rest["operation"][0]["name"], group["operation"][0]["name"]] == ["export", "export"]
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


# By whom --------------------------------------------------------------------------------------------------------------


PATHS = [
    "/fhir/$export",
    "/fhir/Group",
    "/fhir/Group/all",
    "/fhir/Group/all/$export",
    "/fhir/jobs/x",
    "/fhir/jobs/x/files/y",
]


@pytest.mark.parametrize("path", [*PATHS, "/datasets/packages", "/datasets/packages/" + "0" * 64])
@pytest.mark.parametrize("header", [None, "Bearer worthless", "Basic eDp5", "Bearer", "Bearer a b"])
def test_without_a_token_nothing_is_had(client: TestClient, path: str, header: str | None) -> None:
    answer = client.get(path, headers={} if header is None else {"Authorization": header})

    assert issue(answer) == (401, "login")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_session_of_a_person_is_no_token(tmp_path: Path, stage: StagingDouble) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY})
    with with_staging(stage), TestClient(create_app(settings, token="once"), base_url=HOME) as browser:
        browser.get("/login", params={"token": "once"})

        assert browser.get("/api/worklist").status_code == 200
        assert issue(browser.get("/fhir/$export")) == (401, "login")


def test_export_of_another_client_is_not_there(client: TestClient, sponsor: Sponsor) -> None:
    status = sponsor.kick_off()
    file = sponsor.ended(status).json()["output"][0]["url"].removeprefix(HOME)
    other = Sponsor(client, OTHER_KEY, "other")

    assert [issue(other.get(path))[0] for path in (status, file)] == [404, 404]
    assert issue(other.call("DELETE", status)) == (404, "not-found")
    assert sponsor.get(file).status_code == 200


def test_client_of_some_sites_gets_those_alone(client: TestClient) -> None:
    monitor = Sponsor(client, OTHER_KEY, "monitor", scope="system/*.read")
    manifest = monitor.exported()

    assert monitor.ids(manifest) == {one for one in named(*ONE) if not one.startswith("ResearchSubject/")}
    assert issue(monitor.get("/fhir/Group/chu-nord/$export")) == (404, "not-found")
    assert issue(monitor.get("/fhir/Group/chu-nord")) == (404, "not-found")
    assert [one["resource"]["id"] for one in monitor.get("/fhir/Group").json()["entry"]] == ["all", "icm"]


def test_type_beyond_the_scopes_is_refused(client: TestClient) -> None:
    narrow = Sponsor(client, KEY, scope="system/Patient.read")

    assert issue(narrow.get("/fhir/$export", params={"_type": "Patient,Observation"})) == (403, "forbidden")
    assert {file["type"] for file in narrow.exported()["output"]} == {"Patient"}


def test_file_beyond_the_scopes_of_the_token_is_refused(client: TestClient, sponsor: Sponsor) -> None:
    manifest = sponsor.exported()
    narrow = Sponsor(client, KEY, scope="system/Patient.rs")
    statuses = {file["type"]: narrow.get(file["url"].removeprefix(HOME)).status_code for file in manifest["output"]}

    assert statuses == {"Patient": 200, "Observation": 403, "ResearchSubject": 403}


def test_groups_name_the_subjects_that_were_exported_last(sponsor: Sponsor, stage: StagingDouble) -> None:
    before = sponsor.get("/fhir/Group/all").json()
    sponsor.exported()
    first = sponsor.get("/fhir/Group/all").json()
    del stage.feeds["chu_nord"]
    sponsor.exported()
    second = sponsor.get("/fhir/Group", params={"_id": "all"}).json()["entry"][0]["resource"]

    assert (before["quantity"], "member" in before) == (0, False)
    assert [one["entity"]["reference"] for one in first["member"]] == [
        "Patient/RELUTH-05-0001",
        "Patient/RELUTH-06-0001",
    ]
    assert (second["type"], second["actual"], second["quantity"]) == ("person", True, 1)


def test_what_left_the_site_is_in_the_audit_trail(client: TestClient, sponsor: Sponsor) -> None:
    manifest = sponsor.exported(_type="Patient")
    sponsor.lines(manifest)
    room: FhirRoom = client.app.state.fhir  # type: ignore[attr-defined]
    lines = [(line.actor, line.action, line.subject) for line in room.store.audit_trail()]

    assert lines == [
        ("sponsor:sponsor", "datasets-export", "chu_nord icm"),
        ("sponsor:sponsor", "datasets-file", "chu_nord icm"),
    ]


# How it stands --------------------------------------------------------------------------------------------------------


def test_status_tells_how_far_it_is_and_when_to_look_again(sponsor: Sponsor, stage: StagingDouble) -> None:
    stage.go.clear()
    status = sponsor.kick_off()
    assert stage.reached.wait(10)
    first, *others = [sponsor.get(status) for _ in range(6)]
    stage.go.set()
    # However slow this machine is, one of them came too soon.
    too_soon = next(answer for answer in others if answer.status_code != 202)

    assert first.status_code == 202
    assert first.headers["x-progress"] == "site 1 of 2"
    assert int(first.headers["retry-after"]) >= 1
    assert issue(too_soon) == (429, "throttled")
    assert int(too_soon.headers["retry-after"]) >= 1
    assert sponsor.ended(status).status_code == 200


def test_export_that_is_cancelled_is_gone_with_its_files(
    tmp_path: Path, sponsor: Sponsor, stage: StagingDouble
) -> None:
    stage.go.clear()
    running = sponsor.kick_off()
    assert stage.reached.wait(10)
    cancelled = sponsor.call("DELETE", running)
    stage.go.set()
    status = sponsor.kick_off()
    file = sponsor.ended(status).json()["output"][0]["url"].removeprefix(HOME)
    thrown_away = sponsor.call("DELETE", status)

    assert (cancelled.status_code, thrown_away.status_code) == (202, 202)
    assert [issue(sponsor.get(path))[0] for path in (running, status, file)] == [404, 404, 404]
    assert issue(sponsor.call("DELETE", status)) == (404, "not-found")
    assert [item for item in (tmp_path / "var/datasets/jobs").iterdir() if item.is_dir()] == []


@pytest.mark.parametrize("failure", [ValueError("Jeanne Martin"), StorageError("datasets", "No space left on device")])
def test_export_that_fails_says_so_and_nothing_of_a_person(
    sponsor: Sponsor, stage: StagingDouble, failure: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    stage.failure = failure
    answer = sponsor.ended(sponsor.kick_off())
    stage.failure = None

    assert issue(answer) == (500, "exception")
    assert "Martin" not in answer.text + "".join(capfd.readouterr())
    assert sponsor.exported()["output"]


def test_more_exports_at_once_than_there_may_be_have_to_wait(sponsor: Sponsor, stage: StagingDouble) -> None:
    stage.go.clear()
    begun = [sponsor.kick_off() for _ in range(3)]
    refused = sponsor.get("/fhir/$export")
    stage.go.set()

    assert issue(refused) == (429, "throttled")
    assert int(refused.headers["retry-after"]) > 0
    assert [sponsor.ended(status).status_code for status in begun] == [200] * 3
    assert sponsor.get("/fhir/$export").status_code == 202


def test_client_that_asks_too_often_has_to_wait(tmp_path: Path, stage: StagingDouble) -> None:
    settings = sponsor_settings(tmp_path, {"sponsor": KEY, "other": OTHER_KEY})
    slow = settings.model_copy(update={"sponsor": settings.sponsor.model_copy(update={"requests_per_minute": 10})})
    with provider(slow, stage) as (_, client):
        sponsor, other = Sponsor(client, KEY), Sponsor(client, OTHER_KEY, "other")
        answers = [sponsor.get("/fhir/Group") for _ in range(11)]

        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        assert issue(answers[-1]) == (429, "throttled")
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61
        assert other.get("/fhir/Group").status_code == 200


def test_exports_are_made_one_after_the_other_and_their_times_tell_the_order(
    client: TestClient, sponsor: Sponsor
) -> None:
    others = [sponsor, Sponsor(client, OTHER_KEY, "other")]
    found: list[str] = []

    def export(one: Sponsor) -> None:
        found.append(one.exported(_type="Patient")["transactionTime"])

    threads = [threading.Thread(target=export, args=(one,)) for one in others for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(set(found)) == 4


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(sponsor: Sponsor) -> str:
    manifest = sponsor.exported(_type="Observation")
    url: str = manifest["output"][0]["url"]
    return url.removeprefix(HOME)


def test_file_is_had_in_parts_under_a_strong_etag(sponsor: Sponsor, file: str) -> None:
    whole = sponsor.get(file)
    etag, size = whole.headers["etag"], len(whole.content)
    parts = [
        sponsor.get(file, headers={"Range": told, "If-Range": etag})
        for told in ("bytes=0-99", f"bytes=100-{size + 50}", "bytes=-10")
    ]
    changed = sponsor.get(file, headers={"Range": "bytes=0-9", "If-Range": '"another"'})

    assert whole.headers["content-type"] == "application/fhir+ndjson"
    assert etag.startswith('"')
    assert [part.status_code for part in parts] == [206, 206, 206]
    assert parts[0].content + parts[1].content == whole.content
    assert parts[2].content == whole.content[-10:]
    assert parts[1].headers["content-range"] == f"bytes 100-{size - 1}/{size}"
    assert (changed.status_code, changed.content) == (200, whole.content)
    assert sponsor.get(file, headers={"If-None-Match": etag}).status_code == 304


def test_range_behind_the_end_cannot_be_had(sponsor: Sponsor, file: str) -> None:
    size = len(sponsor.get(file).content)
    answer = sponsor.get(file, headers={"Range": f"bytes={size}-"})

    assert issue(answer) == (416, "invalid")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("told", ["bytes=5-2", "lines=0-1", "bytes=0-1,3-4", "bytes=-", "bytes=a-b"])
def test_range_that_is_none_gives_the_whole_file(sponsor: Sponsor, file: str, told: str) -> None:
    assert sponsor.get(file, headers={"Range": told}).status_code == 200


def test_packed_file_is_the_same_with_an_etag_of_its_own(sponsor: Sponsor, file: str) -> None:
    plain = sponsor.get(file)
    with sponsor.client.stream(
        "GET", file, headers={"Authorization": f"Bearer {sponsor.token()}", "Accept-Encoding": "gzip"}
    ) as answer:
        packed = b"".join(answer.iter_raw())
        headers = answer.headers

    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain.content
    assert headers["etag"] != plain.headers["etag"]
    assert headers["content-length"] == str(len(packed))
    assert {headers["vary"], plain.headers["vary"]} == {"Accept-Encoding"}


def test_head_of_a_file_tells_its_length(sponsor: Sponsor, file: str) -> None:
    head, whole = sponsor.call("HEAD", file), sponsor.get(file)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["etag"] == whole.headers["etag"]


def test_file_that_was_not_exported_is_not_there(sponsor: Sponsor, file: str) -> None:
    folder = file.rpartition("/")[0]

    assert issue(sponsor.get(f"{folder}/Patient.0.ndjson")) == (404, "not-found")
    assert issue(sponsor.get(f"{folder}/Observation.0.ndjson.gz")) == (404, "not-found")
    assert sponsor.get(f"{folder}/..%2f..%2fstate.sqlite").status_code in (404, 422)


# Errors ---------------------------------------------------------------------------------------------------------------


def test_every_error_below_fhir_is_an_operation_outcome(client: TestClient, sponsor: Sponsor) -> None:
    json_only = {"Accept": "text/html"}

    assert issue(client.get("/fhir/Patient/RELUTH-05-0001")) == (404, "not-found")
    assert issue(client.post("/fhir/metadata")) == (405, "not-supported")
    assert issue(client.get("/fhir/metadata", headers=json_only)) == (406, "not-supported")
    assert issue(sponsor.get("/fhir/$export", headers=json_only)) == (406, "not-supported")
    assert issue(sponsor.get("/fhir/Group/a%20b")) == (422, "processing")
    assert issue(sponsor.call("POST", "/fhir/$export", content=b"a=b", headers={"Content-Type": "text/plain"})) == (
        415,
        "not-supported",
    )
    assert issue(sponsor.call("POST", "/fhir/$export", content=b"{", headers={"Content-Type": "application/json"})) == (
        400,
        "structure",
    )
    assert issue(sponsor.call("POST", "/fhir/$export", json={"resourceType": "Patient"})) == (400, "structure")
    assert issue(sponsor.call("POST", "/fhir/$export", content=b" " * 300_000)) == (413, "too-long")
    assert issue(client.get("/fhir/metadata", headers={"Host": "evil.example"})) == (400, "invalid")


def test_defect_is_an_operation_outcome_without_content(
    sponsor: Sponsor, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    sponsor.token()

    def break_down(*_args: Any) -> None:
        raise ValueError("Jeanne Martin")

    monkeypatch.setattr(FhirRoom, "sites", break_down)
    answer = sponsor.get("/fhir/$export")

    assert issue(answer) == (500, "exception")
    assert "Martin" not in answer.text + "".join(capfd.readouterr())


def test_files_lie_where_only_the_owner_may_go(tmp_path: Path, sponsor: Sponsor) -> None:
    sponsor.exported()
    jobs = tmp_path / "var/datasets/jobs"
    made = next(item for item in jobs.iterdir() if item.is_dir())

    assert [folder.stat().st_mode & 0o777 for folder in (jobs, made)] == [0o700, 0o700]
    assert {item.stat().st_mode & 0o777 for item in made.iterdir()} == {0o600}


def test_each_site_is_staged_by_itself(sponsor: Sponsor, stage: StagingDouble) -> None:
    sponsor.exported()

    assert stage.calls == [["chu_nord"], ["icm"]]
