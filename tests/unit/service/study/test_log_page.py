"""In: people of every role at two sites. Out: the screening log of their sites: by number, in words, and nothing in it identifies."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.criteria import Stage
from adapter.screening import LogRow, read_log
from adapter.service.study import log_pages
from adapter.service.study.log_reading import list_log
from tests.support.people import browser_of
from tests.support.two_sites import NUMBER, TwoSites, two_sites

READERS = [Role.INVESTIGATOR, Role.NURSE, Role.DATA_MANAGER, Role.SPONSOR]
WAYS = ["/log", "/log.csv", "/api/log"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    with two_sites(tmp_path_factory.mktemp("log")) as found:
        yield found


def client_of(two: TwoSites, role: Role, site: str = "icm") -> TestClient:
    return browser_of(two.app, two.people[role, site])


def rows_of(two: TwoSites, site: str) -> list[LogRow]:
    desk = two.app.state.desk
    return read_log(desk.store, desk.trial, Stage.REGISTRATION, site=site)


@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize("path", WAYS)
def test_log_holds_everybody_of_the_own_site_and_nothing_that_identifies(two: TwoSites, role: Role, path: str) -> None:
    answer = client_of(two, role).get(path)
    numbers = [row.number for row in rows_of(two, "icm")]

    assert answer.status_code == 200
    assert len(numbers) > 1
    assert all(number in answer.text for number in numbers)
    assert not re.search(rf"planted|Patient/|{NUMBER}|CHU-|1960", answer.text)


@pytest.mark.parametrize("path", WAYS)
def test_log_of_another_site_is_not_there(two: TwoSites, path: str) -> None:
    client = client_of(two, Role.SPONSOR)

    assert client.get(path, params={"site": "chu"}).status_code == 404
    assert client.get(path, params={"site": "icm"}).status_code == 200


def test_it_may_not_see_the_log(two: TwoSites) -> None:
    assert {client_of(two, Role.IT).get(path).status_code for path in WAYS} == {403}


@pytest.mark.parametrize(
    ("path", "action"), [("/log", "view-log"), ("/api/log", "view-log"), ("/log.csv", "export-log")]
)
def test_log_that_is_read_is_a_line_of_the_trail(two: TwoSites, path: str, action: str) -> None:
    client_of(two, Role.SPONSOR).get(path)

    last = two.app.state.desk.store.audit_trail()[-1]
    assert (last.action, last.subject) == (action, "icm")
    assert "sponsor-icm" in last.actor


@pytest.mark.parametrize(("language", "said"), [("fr", "le patient a refusé"), ("en", "the patient declined")])
def test_log_gives_reasons_in_words_and_the_csv_by_code(two: TwoSites, language: str, said: str) -> None:
    client = client_of(two, Role.NURSE)
    page = client.get("/log", params={"lang": language}).text
    read = list(csv.DictReader(io.StringIO(client.get("/log.csv").text)))

    assert said in page
    assert "patient-declined" not in page
    assert "patient-declined" in {row["reason_not_enrolled"] for row in read}
    assert {row["failed_criteria"] for row in read} == {"I11", ""}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, ""),
        ("criteria", "criteria not met"),
        ("deceased", "recorded as deceased"),
        ("record-deleted", "record deleted at the hospital"),
        ("not-a-candidate", "not a candidate after review"),
        ("E04", "E04 "),
        ("of-an-older-document", "of-an-older-document"),
    ],
)
def test_every_reason_has_its_words(two: TwoSites, code: str | None, said: str) -> None:
    row = rows_of(two, "icm")[0]
    listed = list_log(replace(row, reason_not_enrolled=code), two.app.state.desk.trial, "en")

    assert listed.reason.startswith(said)
    assert bool(listed.reason) is (code is not None)


def test_pages_of_the_log_hold_everybody_once(two: TwoSites, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pages, "_ROWS_A_PAGE", 1)
    client = client_of(two, Role.NURSE)
    numbers = [row.number for row in rows_of(two, "icm")]
    pages = [client.get("/log", params={"page": page}).text for page in range(1, len(numbers) + 1)]

    assert [re.findall(r"ICM-[A-Z2-7]{8}", page) for page in pages] == [[number] for number in numbers]
    assert f"Page 2 of {len(numbers)}" in pages[1]
    assert 'href="/log?stage=registration&amp;page=1"' in pages[1]
    assert client.get("/log", params={"page": len(numbers) + 1}).status_code == 404


def test_whole_log_is_on_one_page_with_a_heading_for_every_sheet_of_paper(
    two: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pages, "_ROWS_A_PAGE", 1)
    page = client_of(two, Role.SPONSOR).get("/log", params={"all": "true"}).text
    (head,) = re.findall(r'<tr role="row" class="printed">(.*?)</tr>', page)

    assert len(re.findall(r"ICM-[A-Z2-7]{8}", page)) == len(rows_of(two, "icm"))
    assert all(said in head for said in ("ReLUTH", "NCT04954820", "icm", "Registration", "1 June 2025"))


def test_api_log_is_read_in_parts(two: TwoSites) -> None:
    client = client_of(two, Role.NURSE)
    whole = client.get("/api/log").json()
    part = client.get("/api/log", params={"offset": 1, "limit": 1}).json()

    assert whole["total"] == len(whole["rows"]) == part["total"]
    assert part["rows"] == whole["rows"][1:2]


def test_log_of_nobody_says_how_to_begin(two: TwoSites) -> None:
    page = client_of(two, Role.NURSE).get("/log", params={"stage": "randomisation"}).text

    assert "reluth screen --stage randomisation" in page
