"""In: a small folder of NDJSON. Out: proof that the hospital app serves it as a FHIR server would, over real HTTP."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from adapter.client import NotFound, SiteAddress, SiteClient
from adapter.errors import ConfigurationError
from adapter.fhir import READ_TYPES
from adapter.service.hospital import serve_hospital
from adapter.service.hospital_search import Search, encode_token
from tests.support.hospital import haemoglobin, patient, write_feed

PATIENTS = [patient(f"p{n}", updated=f"2025-05-{n:02}T08:00:00.000+02:00") for n in range(1, 13)]
OBSERVATIONS = [
    haemoglobin(f"o{n:02}", of=f"p{n % 5 + 1}", updated=f"2025-05-{30 - n:02}T10:00:00.000Z") for n in range(1, 24)
]
UNDATED = b'{"resourceType":"Organization","id":"org","name":"Centre"}'
FILE_TIME = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = write_feed(
        tmp_path_factory.mktemp("feed"),
        {
            "Patient": PATIENTS,
            "Observation": OBSERVATIONS,
            "Organization": [UNDATED],
            "truth": [b'{"patient":"Patient/p1"}'],
        },
    )
    os.utime(directory / "Organization.ndjson", (FILE_TIME.timestamp(), FILE_TIME.timestamp()))
    with serve_hospital(directory) as url:
        yield url


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


def ids_of(bundle: dict[str, object]) -> list[str]:
    entries = bundle.get("entry", [])
    assert isinstance(entries, list)
    return [entry["resource"]["id"] for entry in entries]


def issue_of(answer: httpx.Response) -> str:
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["code"])


@pytest.mark.parametrize("count", [1, 7, 23, 500])
def test_paging_to_the_end_gives_each_resource_once_byte_for_byte(base_url: str, count: int) -> None:
    with SiteClient(SiteAddress(base_url)) as client:
        pages = list(client.search("Observation", count=count))

    assert sorted(entry.raw for page in pages for entry in page.entries) == sorted(OBSERVATIONS)
    assert {page.total for page in pages} == {len(OBSERVATIONS)}
    assert len(pages) == -(-len(OBSERVATIONS) // count)


def test_read_gives_the_bytes_of_the_file(base_url: str) -> None:
    with SiteClient(SiteAddress(base_url)) as client:
        found = client.read("Observation", "o07")

    assert found.raw == OBSERVATIONS[6]


def test_gzip_files_are_served_as_plain_ones(tmp_path: Path) -> None:
    directory = write_feed(tmp_path / "packed", {"Observation": OBSERVATIONS}, packed=True)
    with serve_hospital(directory) as url, SiteClient(SiteAddress(url)) as client:
        pages = list(client.search("Observation", count=10))

    assert sorted(entry.raw for page in pages for entry in page.entries) == sorted(OBSERVATIONS)


def test_metadata_lists_types_and_params_and_not_the_truth(base_url: str) -> None:
    with SiteClient(SiteAddress(base_url)) as client:
        capability = client.capability()

    assert capability.fhir_version == "4.0.1"
    # What lies in the folder, and the types that a pull asks for, empty as they may be.
    assert set(capability.types) == READ_TYPES | {"Organization"}
    assert capability.lacks({"Observation": ("read", "search-type", "_lastUpdated", "_id", "patient", "subject")}) == ()
    assert [str(lack) for lack in capability.lacks({"Organization": ("patient",), "Basic": ()})] == [
        "Organization: no patient",
        "Basic: not served",
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_lastUpdated=ge2025-05-10T06:00:00Z", ["p10", "p11", "p12"]),
        ("_lastUpdated=gt2025-05-10T06:00:00.000Z", ["p11", "p12"]),
        ("_lastUpdated=gt2025-05-10", ["p11", "p12"]),
        ("_lastUpdated=ge2025-05-11T06:00Z&_lastUpdated=le2025-12", ["p11", "p12"]),
        ("_lastUpdated=le2025-05-02", ["p1", "p2"]),
        ("_lastUpdated=lt2025-05-02T06:00:00Z", ["p1"]),
        ("_lastUpdated=2025-05-03", ["p3"]),
        ("_lastUpdated=eq2025-05", [f"p{n}" for n in range(1, 13)]),
        ("_lastUpdated=lt2025", []),
        ("_lastUpdated=ge2025-05-03&_lastUpdated=lt2025-05-05", ["p3", "p4"]),
        ("_lastUpdated=2025-05-03,2025-05-07", ["p3", "p7"]),
        ("_lastUpdated=ge2025-05-12T08:00:00%2B02:00", ["p12"]),
        ("_lastUpdated=ge2025-05-12T08:00:00+02:00", ["p12"]),
        ("_id=p3,p1,unknown", ["p1", "p3"]),
        ("_id=p3,p1&_lastUpdated=ge2025-05-02", ["p3"]),
        ("_count=2&_sort=-_lastUpdated", ["p12", "p11"]),
        ("_count=2&_sort=_lastUpdated", ["p1", "p2"]),
        ("_id=p1,p2&_sort=-_lastUpdated", ["p2", "p1"]),
    ],
)
def test_search_finds_what_was_asked_for(base_url: str, http: httpx.Client, query: str, expected: list[str]) -> None:
    answer = http.get(f"{base_url}/Patient?{query}")

    assert ids_of(answer.json()) == expected


@pytest.mark.parametrize(
    "query",
    [
        "patient=p2",
        "patient=Patient/p2",
        "subject=Patient/p2",
        "subject:Patient=p2",
        "patient=http://h/fhir/Patient/p2",
    ],
)
def test_search_by_patient_finds_all_about_them(base_url: str, http: httpx.Client, query: str) -> None:
    answer = http.get(f"{base_url}/Observation?{query}")

    assert ids_of(answer.json()) == ["o01", "o06", "o11", "o16", "o21"]


def test_sort_by_time_is_kept_over_pages(base_url: str, http: httpx.Client) -> None:
    seen: list[str] = []
    url: str | None = f"{base_url}/Observation?_sort=_lastUpdated&_count=4&_lastUpdated=ge2025-05-10"
    while url:
        bundle = http.get(url).json()
        seen += ids_of(bundle)
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)

    assert seen == [f"o{n:02}" for n in range(20, 0, -1)]


def test_post_search_takes_its_params_from_the_body(base_url: str, http: httpx.Client) -> None:
    answer = http.post(f"{base_url}/Observation/_search?_count=2", data={"patient": "p2", "_sort": "-_lastUpdated"})

    assert ids_of(answer.json()) == ["o01", "o06"]
    assert answer.json()["total"] == 5


def test_count_zero_gives_the_total_alone(base_url: str, http: httpx.Client) -> None:
    bundle = http.get(f"{base_url}/Patient?_count=0").json()

    assert (bundle["total"], "entry" in bundle, [link["relation"] for link in bundle["link"]]) == (12, False, ["self"])


def test_resource_without_last_updated_is_of_the_files_time_and_unchanged(base_url: str, http: httpx.Client) -> None:
    before = http.get(f"{base_url}/Organization?_lastUpdated=lt2025-03-01T12:00:00Z").json()
    since = http.get(f"{base_url}/Organization?_lastUpdated=ge2025-03-01T12:00:00Z").json()
    read = http.get(f"{base_url}/Organization/org")

    assert (before["total"], since["total"], read.content) == (0, 1, UNDATED)


def test_unknown_param_is_ignored_and_left_out_of_the_self_link(base_url: str, http: httpx.Client) -> None:
    bundle = http.get(f"{base_url}/Patient?name=X&_id=p1").json()

    assert (bundle["total"], bundle["link"][0]["url"]) == (1, f"{base_url}/Patient?_id=p1&_count=50")


def test_unknown_param_is_refused_where_strictness_is_asked_for(base_url: str, http: httpx.Client) -> None:
    answer = http.get(f"{base_url}/Patient?name=X", headers={"Prefer": "handling=strict"})

    assert (answer.status_code, issue_of(answer)) == (400, "invalid")
    assert "X" not in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/Patient/unknown", 404, "not-found"),
        ("/Basic", 404, "not-found"),
        ("/truth", 404, "not-found"),
        ("/Basic/1", 404, "not-found"),
        ("/Patient?_lastUpdated=yesterday", 400, "invalid"),
        ("/Patient?_lastUpdated=ge2025-13-01", 400, "invalid"),
        ("/Patient?_count=-1", 400, "invalid"),
        ("/Patient?_page=nonsense", 400, "invalid"),
        ("/Patient?_format=xml", 400, "invalid"),
    ],
)
def test_refusals_are_operation_outcomes(base_url: str, http: httpx.Client, path: str, status: int, code: str) -> None:
    answer = http.get(base_url + path)

    assert (answer.status_code, issue_of(answer)) == (status, code)
    assert answer.headers["Content-Type"].startswith("application/fhir+json")


@pytest.mark.parametrize(
    ("position", "count", "used"), [(-1, 5, ()), (0, 0, ()), (0, 10**6, ()), (0, 5, (("_lastUpdated", "yesterday"),))]
)
def test_page_that_was_tampered_with_is_refused(
    base_url: str, http: httpx.Client, position: int, count: int, used: tuple[tuple[str, str], ...]
) -> None:
    link = http.get(f"{base_url}/Patient?_count=5").json()["link"][1]["url"]
    encoded = link.partition("_page=")[2]
    fingerprint = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))[0]
    token = encode_token(Search(used=used, unknown=(), count=count), position=position, fingerprint=fingerprint)
    answer = http.get(f"{base_url}/Patient?_page={token}")

    assert (answer.status_code, issue_of(answer)) == (400, "invalid")


def test_defect_is_an_operation_outcome_without_content(
    tmp_path: Path, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    directory = write_feed(tmp_path, {"Patient": PATIENTS})
    with serve_hospital(directory) as url:
        os.truncate(directory / "Patient.ndjson", 10)
        answer = http.get(f"{url}/Patient/p5")

    assert (answer.status_code, issue_of(answer)) == (500, "exception")
    assert "p5" not in answer.text
    assert "p5" not in caplog.text


def test_writing_is_not_supported(base_url: str, http: httpx.Client) -> None:
    answer = http.put(f"{base_url}/Patient/p1", content=b"{}")

    assert (answer.status_code, issue_of(answer)) == (405, "not-supported")


def test_other_host_names_are_not_answered(base_url: str, http: httpx.Client) -> None:
    answer = http.get(f"{base_url}/Patient/p1", headers={"Host": "rebound.example.org"})

    assert (answer.status_code, issue_of(answer)) == (400, "invalid")


def test_page_of_files_that_have_changed_is_gone(tmp_path: Path, http: httpx.Client) -> None:
    directory = write_feed(tmp_path, {"Patient": PATIENTS})
    with serve_hospital(directory) as url:
        link = http.get(f"{url}/Patient?_count=5").json()["link"][1]["url"]
    write_feed(tmp_path, {"Patient": PATIENTS[:-1]})
    with serve_hospital(directory) as url:
        answer = http.get(f"{url}/Patient?{link.partition('?')[2]}")

    assert (answer.status_code, issue_of(answer)) == (410, "expired")


def test_of_several_versions_the_current_one_is_served(tmp_path: Path) -> None:
    late, early = "2025-05-09T00:00:00Z", "2025-05-01T00:00:00Z"
    by_version = [patient("v", version="10", updated=early), patient("v", version="9", updated=late)]
    by_time = [b'{"resourceType":"Patient","id":"t","meta":{"lastUpdated":"%b"}}' % at.encode() for at in (late, early)]
    by_place = [b'{"resourceType":"Patient","id":"l","active":%b}' % word for word in (b"true", b"false")]
    directory = write_feed(tmp_path, {"Patient": [*by_version, *by_time, *by_place]})
    with serve_hospital(directory) as url, SiteClient(SiteAddress(url)) as client:
        served = [entry.raw for page in client.search("Patient") for entry in page.entries]

    assert sorted(served) == sorted([by_version[0], by_time[0], by_place[1]])


def test_later_version_about_another_patient_moves_the_resource(tmp_path: Path, http: httpx.Client) -> None:
    lines = [haemoglobin("o", of="p1"), haemoglobin("o", of="p2", version="2")]
    with serve_hospital(write_feed(tmp_path, {"Observation": lines})) as url:
        totals = [http.get(f"{url}/Observation?patient={name}").json()["total"] for name in ("p1", "p2")]

    assert totals == [0, 1]


def test_broken_lines_are_left_out_and_named_by_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        b"\xef\xbb\xbf" + PATIENTS[0],
        b"",
        PATIENTS[1][:-9],
        haemoglobin("o", of="p1"),
        b"  " + PATIENTS[2] + b"\r",
    ]
    with serve_hospital(write_feed(tmp_path, {"Patient": lines})) as url, SiteClient(SiteAddress(url)) as client:
        served = [entry.raw for page in client.search("Patient") for entry in page.entries]

    assert sorted(served) == sorted([PATIENTS[0], PATIENTS[2]])
    assert [record.getMessage().partition(":")[2].strip() for record in caplog.records] == [
        "Patient.ndjson line 3 is not a resource with resourceType and id",
        "Patient.ndjson line 4 is of another resource type",
    ]


def test_folder_without_resources_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.ndjson").write_text("{}\n")

    with pytest.raises(ConfigurationError, match="holds no"), serve_hospital(tmp_path):
        pass


def test_gzip_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    packed = write_feed(tmp_path, {"Patient": PATIENTS}, packed=True) / "Patient.ndjson.gz"
    packed.write_bytes(packed.read_bytes()[:-20])

    with pytest.raises(ConfigurationError, match=r"Patient\.ndjson\.gz is not a whole"), serve_hospital(tmp_path):
        pass


@pytest.mark.parametrize("meta", [b'"Thursday"', b'"2025-05T"', b'"2025-05-01"', b"7", b"null"])
def test_time_that_is_none_is_the_files(tmp_path: Path, http: httpx.Client, meta: bytes) -> None:
    body = b'{"resourceType":"Patient","id":"p","meta":{"lastUpdated":%b}}' % meta
    directory = write_feed(tmp_path, {"Patient": [body]})
    os.utime(directory / "Patient.ndjson", (FILE_TIME.timestamp(), FILE_TIME.timestamp()))
    with serve_hospital(directory) as url:
        found = http.get(f"{url}/Patient?_lastUpdated=2025-03-01T12:00:00Z").json()["total"]

    assert found == 1


def test_type_in_two_files_is_refused(tmp_path: Path) -> None:
    write_feed(tmp_path, {"Patient": PATIENTS})
    write_feed(tmp_path, {"Patient": PATIENTS}, packed=True)

    with pytest.raises(ConfigurationError, match="keep one"), serve_hospital(tmp_path):
        pass


def test_type_that_is_not_served_is_told_to_the_client(base_url: str) -> None:
    with SiteClient(SiteAddress(base_url)) as client, pytest.raises(NotFound) as caught:
        list(client.search("Basic"))

    assert (caught.value.status, caught.value.exit_code) == (404, 4)


def test_port_is_free_again_after_the_block(tmp_path: Path) -> None:
    directory = write_feed(tmp_path, {"Patient": PATIENTS})
    with serve_hospital(directory) as first:
        port = httpx.URL(first).port
    assert port is not None
    with serve_hospital(directory, port=port) as second:
        answer = httpx.get(f"{second}/Patient/p1", trust_env=False)

    assert json.loads(answer.content) == json.loads(PATIENTS[0])
