"""In: files in the body of a POST. Out: the report of a load; refusals that change nothing and repeat nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapter.config import Settings, SiteSettings, StoreSettings
from adapter.errors import BusyError
from adapter.service import create_app
from adapter.service.loading_api import MOST_BYTES
from adapter.store import Store
from adapter.store.entities import Entities
from tests.unit.service.conftest import HOME, TOKEN

CSV = {"Content-Type": "text/csv"}
HEADER = "id,patient,loinc,effective,value,unit\n"
GOOD = f"{HEADER}R1,P1,718-7,2025-05-20,12.1,g/dL\n"
BAD = f"{GOOD}R2,P1,718-7,20/05/2025,12.1,g/dL\n"


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Settings of a store that a test may change."""
    site = SiteSettings(identifier_system="urn:example:ipp", site_code="05")
    return Settings(store=StoreSettings(path=tmp_path / "var"), sites={"icm": site})


@pytest.fixture
def outside(own: Settings) -> Iterator[TestClient]:
    """A program that has not logged in."""
    with TestClient(create_app(own, token=TOKEN), base_url=HOME, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def inside(outside: TestClient) -> TestClient:
    """A program with a session."""
    outside.get("/login", params={"token": TOKEN})
    return outside


def stored(settings: Settings, kind: str = "labs") -> int:
    with Store.open(settings.store.path) as store:
        return len(store.entities.all("icm", kind))


def test_good_rows_are_kept_and_the_others_named(inside: TestClient, own: Settings) -> None:
    answer = inside.post("/api/load/labs", content=BAD, headers=CSV)

    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "labs",
        "site": "icm",
        "read": 2,
        "new": 1,
        "changed": 0,
        "unchanged": 0,
        "refused": [
            {
                "file": "body",
                "row": 3,
                "column": "effective",
                "value_class": "date-like",
                "reason": "a date (YYYY-MM-DD) or a time with its offset (YYYY-MM-DDThh:mm:ss+02:00) is wanted",
            }
        ],
    }
    assert stored(own) == 1


def test_json_and_lines_of_it_are_taken(inside: TestClient, own: Settings) -> None:
    code = {"system": "http://loinc.org", "code": "718-7"}
    one = {"patient": "P1", "codes": [code], "effective": "2025-05-20", "value": 12.1, "unit": "g/dL"}
    array = json.dumps([{**one, "id": "R1"}, {**one, "id": "R2"}])
    lines = "".join(json.dumps({**one, "id": name}) + "\n" for name in ("R2", "R3"))
    first = inside.post("/api/load/labs", content=array, headers={"Content-Type": "application/json; charset=utf-8"})
    second = inside.post("/api/load/labs", content=lines, headers={"Content-Type": "application/x-ndjson"})

    assert (first.json()["new"], second.json()["new"], second.json()["unchanged"]) == (2, 1, 1)
    assert stored(own) == 3


@pytest.mark.parametrize("kind", ["study", "subjects", "labs", "infusions"])
def test_template_can_be_sent_back(inside: TestClient, own: Settings, kind: str) -> None:
    template = inside.get(f"/api/load/{kind}/template")
    type_ = template.headers["content-type"]
    answer = inside.post(f"/api/load/{kind}", content=template.content, headers={"Content-Type": type_})

    assert (answer.status_code, answer.json()["refused"]) == (200, [])
    assert stored(own, kind) == answer.json()["new"] > 0


def test_correcting_has_to_be_asked_for(inside: TestClient) -> None:
    inside.post("/api/load/labs", content=GOOD, headers=CSV)
    other = GOOD.replace("P1", "P2")
    refused = inside.post("/api/load/labs", content=other, headers=CSV).json()
    corrected = inside.post("/api/load/labs?correct=true", content=other, headers=CSV).json()

    assert ([row["column"] for row in refused["refused"]], corrected["changed"]) == (["patient"], 1)


def test_load_is_audited_as_whoever_runs_the_service(
    inside: TestClient, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "nurse")
    inside.post("/api/load/labs", content=GOOD, headers=CSV)

    with Store.open(own.store.path) as store:
        assert [one.actor for one in store.audit_trail() if one.action == "load"] == ["service:nurse"]


@pytest.mark.parametrize("path", ["/api/load/labs", "/api/load/labs/template"])
def test_stranger_is_refused(outside: TestClient, own: Settings, path: str) -> None:
    answers = [outside.get(path), outside.post(path, content=GOOD, headers=CSV)]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert stored(own) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
    ],
)
def test_page_of_somebody_else_changes_nothing(inside: TestClient, own: Settings, headers: dict[str, str]) -> None:
    answer = inside.post("/api/load/labs", content=GOOD, headers={**CSV, **headers})

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert stored(own) == 0


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin", "Origin": HOME}, {"Origin": HOME}, {}])
def test_page_of_ours_and_a_program_may_load(inside: TestClient, headers: dict[str, str]) -> None:
    assert inside.post("/api/load/labs", content=GOOD, headers={**CSV, **headers}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("labs", "text/plain"),
        ("labs", "application/x-www-form-urlencoded"),
        ("labs", "multipart/form-data; boundary=x"),
        ("labs", ""),
        ("study", "text/csv"),
    ],
)
def test_body_of_another_type_is_refused(inside: TestClient, own: Settings, kind: str, type_: str) -> None:
    answer = inside.post(f"/api/load/{kind}", content=GOOD, headers={"Content-Type": type_})

    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("text/csv" in answer.json()["detail"]) is (kind != "study")
    assert stored(own) == 0


def test_body_that_is_too_long_is_refused_by_what_it_says_or_is(inside: TestClient, own: Settings) -> None:
    def chunks() -> Iterator[bytes]:
        yield GOOD.encode()
        for _ in range(MOST_BYTES // 2**20 + 1):
            yield b"\n" * 2**20

    told = inside.post("/api/load/labs", content=b"x", headers={**CSV, "Content-Length": str(MOST_BYTES + 1)})
    sent = inside.post("/api/load/labs", content=chunks(), headers=CSV)

    assert [told.status_code, sent.status_code] == [413, 413]
    assert stored(own) == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: is empty."),
        (b"4711;dupont;1950\n", "is no header"),
        (GOOD.encode() + b"\xff", "line 3 is not UTF-8"),
        (GOOD.encode() + b'"dupont', "line 3: a quotation mark"),
    ],
)
def test_body_that_cannot_be_read_is_a_problem_that_repeats_nothing(
    inside: TestClient, own: Settings, body: bytes, said: str
) -> None:
    answer = inside.post("/api/load/labs", content=body, headers=CSV)

    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert "dupont" not in answer.text
    assert stored(own) == 0


def test_site_that_is_not_known_is_a_problem(inside: TestClient) -> None:
    answer = inside.post("/api/load/labs?site=chu", content=GOOD, headers=CSV)

    assert (answer.status_code, "there is icm" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    "path", ["/api/load/candidates", f"/api/load/labs?site={'x' * 65}", "/api/load/labs?correct=maybe"]
)
def test_parameter_that_is_not_known_is_a_problem(inside: TestClient, path: str) -> None:
    answer = inside.post(path, content=GOOD, headers=CSV)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_two_loads_of_the_same_at_once_are_told_apart(
    inside: TestClient, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object, **_more: object) -> None:
        raise BusyError("site icm: busy")

    monkeypatch.setattr(Entities, "put_all", busy)
    answer = inside.post("/api/load/labs", content=GOOD, headers=CSV)

    assert (answer.status_code, answer.json()["title"]) == (503, "Service Unavailable")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(inside: TestClient, method: str) -> None:
    assert inside.request(method, "/api/load/labs").status_code == 405
