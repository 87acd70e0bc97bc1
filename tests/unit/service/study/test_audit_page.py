"""In: people of every role at two sites, lines of the trail. Out: the lines of their own site, patients by number for who may not know them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from fastapi.testclient import TestClient

from adapter.accounts import ALL_SITES, Role
from adapter.criteria import Stage
from adapter.screening import number_of
from adapter.service.study import log_pages
from tests.support.people import add_person, browser_of
from tests.support.two_sites import TwoSites, two_sites

LINES = [
    ("view-patient", "icm/Patient/planted-icm", ""),
    ("view-patient", "chu/Patient/planted-chu", ""),
    ("view-worklist", "icm", "Patient/planted-icm Patient/planted-icm-2"),
    ("view-worklist", "icm chu", "icm/Patient/planted-icm chu/Patient/planted-chu"),
    ("view-worklist", "icm chu", "Patient/planted-icm Patient/planted-chu"),
    ("view-source", "icm/Patient/planted-icm/Observation/planted-9", "Observation/planted-9"),
    ("settle", "icm/lab/planted-key", "kept ours"),
    ("user-add", "icm", "planted-account"),
    ("sign-in-refused", "planted-name", ""),
    ("decide", "icm/Patient/planted-icm", "=HYPERLINK(1)"),
]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    with two_sites(tmp_path_factory.mktemp("audit")) as found:
        store = found.app.state.desk.store
        for role in (Role.NURSE, Role.IT):
            add_person(store, f"{role}-everywhere", roles={ALL_SITES: [role]})
        with time_machine.travel("2026-11-23T22:30:00Z", tick=False):
            for action, subject, detail in LINES:
                store.audit("zoe", action, subject=subject, detail=detail)
        yield found


def client_of(two: TwoSites, name: str) -> TestClient:
    account = two.app.state.desk.store.accounts.by_name(name)
    return browser_of(two.app, account)


def lines_of(two: TwoSites, name: str, **asked: str) -> list[tuple[str, str, str]]:
    found = client_of(two, name).get("/api/audit", params={"actor": "zoe", **asked}).json()["lines"]
    return [(line["action"], line["subject"], line["detail"]) for line in reversed(found)]


def number(two: TwoSites, patient: str) -> str:
    desk = two.app.state.desk
    site = patient.split("-")[1]
    return number_of(desk.store, desk.trial, Stage.REGISTRATION, site=site, patient=f"Patient/{patient}")


def test_who_may_know_patients_sees_the_lines_of_the_own_site(two: TwoSites) -> None:
    assert lines_of(two, "nurse-icm") == [
        LINES[0],
        LINES[2],
        ("view-worklist", "icm", "icm/Patient/planted-icm"),
        # Which of the two patients is of which site does not stand there.
        ("view-worklist", "icm", ""),
        LINES[5],
        LINES[6],
        LINES[9],
    ]


def test_who_may_not_know_patients_sees_numbers_and_kinds(two: TwoSites) -> None:
    one, other = number(two, "planted-icm"), number(two, "planted-icm-2")

    for name in ("it-icm", "data-manager-icm"):
        assert lines_of(two, name) == [
            ("view-patient", one, ""),
            ("view-worklist", "icm", f"{one} {other}"),
            ("view-worklist", "icm", one),
            ("view-worklist", "icm", ""),
            ("view-source", one, "Observation"),
            ("settle", "icm/lab", "kept ours"),
            ("decide", one, "=HYPERLINK(1)"),
        ]


def test_lines_of_accounts_and_door_are_for_who_may_see_the_trail_of_all_sites(two: TwoSites) -> None:
    everywhere = lines_of(two, "nurse-everywhere")

    assert everywhere == LINES
    assert [
        subject for action, subject, _ in lines_of(two, "it-everywhere") if action in ("user-add", "sign-in-refused")
    ] == [
        "icm",
        "planted-name",
    ]


def test_who_is_of_all_sites_and_may_not_know_patients_sees_no_id_of_any(two: TwoSites) -> None:
    found = [line for line in lines_of(two, "it-everywhere") if not line[0].startswith(("user-", "sign-"))]

    assert found[3] == ("view-worklist", "icm chu", f"{number(two, 'planted-icm')} {number(two, 'planted-chu')}")
    assert found[4] == ("view-worklist", "icm chu", "Patient Patient")
    assert "planted" not in json.dumps(found)


@pytest.mark.parametrize("path", ["/audit", "/audit.csv", "/api/audit"])
def test_sponsor_sees_no_trail(two: TwoSites, path: str) -> None:
    assert client_of(two, "sponsor-icm").get(path).status_code == 403


def test_trail_is_filtered_by_action_and_day_of_paris(two: TwoSites) -> None:
    assert lines_of(two, "nurse-icm", action="decide") == [LINES[9]]
    # 22:30 in Greenwich is the next day in Paris.
    assert len(lines_of(two, "nurse-icm", day="2026-11-23")) == 7
    assert lines_of(two, "nurse-icm", day="2026-11-24") == lines_of(two, "nurse-icm", actor="nobody") == []


def test_days_are_those_of_paris(two: TwoSites) -> None:
    store = two.app.state.desk.store
    with time_machine.travel(datetime(2026, 7, 1, 22, 30, tzinfo=UTC), tick=False):
        store.audit("late", "view-log", subject="icm")

    assert lines_of(two, "nurse-icm", actor="late", day="2026-07-01") == []
    assert lines_of(two, "nurse-icm", actor="late", day="2026-07-02") == [("view-log", "icm", "")]


def test_trail_of_one_patient_is_found_by_the_random_key(two: TwoSites) -> None:
    found = lines_of(two, "it-icm", patient=two.keys["icm"])
    page = client_of(two, "nurse-icm").get("/audit", params={"patient": two.keys["icm"]})

    assert [action for action, _, _ in found] == [
        "view-patient",
        "view-worklist",
        "view-worklist",
        "view-source",
        "decide",
    ]
    assert "Only what is about one patient." in page.text


@pytest.mark.parametrize("path", ["/audit", "/audit.csv", "/api/audit"])
def test_patient_of_another_site_is_not_there(two: TwoSites, path: str) -> None:
    client = client_of(two, "nurse-icm")

    assert client.get(path, params={"patient": two.keys["chu"]}).status_code == 404
    assert client.get(path, params={"patient": "nobody"}).status_code == 404


def test_page_links_patients_for_who_may_see_their_page(two: TwoSites) -> None:
    pages = {name: client_of(two, name).get("/audit").text for name in ("nurse-icm", "data-manager-icm", "it-icm")}
    link = f'href="/patients/{two.keys["icm"]}"'

    assert {name: link in page for name, page in pages.items()} == {
        "nurse-icm": True,
        "data-manager-icm": True,
        "it-icm": False,
    }
    assert f'">{number(two, "planted-icm")}</a>' in pages["data-manager-icm"]


@pytest.mark.parametrize(("language", "said"), [("fr", "voir un patient"), ("en", "view a patient")])
def test_page_names_actions_in_words(two: TwoSites, language: str, said: str) -> None:
    page = client_of(two, "nurse-icm").get("/audit", params={"lang": language, "action": "view-patient"}).text

    assert re.search(rf'<option value="view-patient" selected>{said}</option>', page)
    assert f">{said}</td>" in page


def test_pages_of_the_trail_hold_each_line_once_though_each_look_adds_one(
    two: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pages, "_LINES_A_PAGE", 3)
    client = client_of(two, "nurse-icm")
    address, seen = "/audit?actor=zoe", []
    while address:
        page = client.get(address).text
        seen += re.findall(r'<td role="cell" data-label="About">(.*?)</td>', page)
        older = re.search(r'href="(/audit\?[^"]*before=[^"]*)"', page)
        address = older[1].replace("&amp;", "&") if older else ""

    assert len(seen) == 7
    assert 'href="/audit?actor=zoe"' in page


def test_csv_holds_the_lines_that_are_asked_for_and_no_formula(two: TwoSites) -> None:
    answer = client_of(two, "it-icm").get("/audit.csv", params={"actor": "zoe"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert len(rows) == 7
    assert rows[0]["detail"] == "'=HYPERLINK(1)"
    assert "planted" not in answer.text
    assert {row["at"] for row in rows} == {"2026-11-23T22:30:00+00:00"}


@pytest.mark.parametrize("path", ["/audit", "/audit.csv", "/api/audit"])
def test_look_at_the_trail_is_a_line_of_it(two: TwoSites, path: str) -> None:
    client_of(two, "it-icm").get(path)

    last = two.app.state.desk.store.audit_trail()[-1]
    assert (last.action, last.subject) == ("view-audit", "icm")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"day": "yesterday"}, 422),
        ({"day": "0001-01-01"}, 422),
        ({"day": "9999-12-31"}, 422),
        ({"actor": "x" * 129}, 422),
        ({"actor": "a\0b"}, 200),
        ({"action": "\ud7ff"}, 200),
        ({"patient": "a\0b"}, 404),
    ],
)
def test_what_cannot_be_asked_for_is_refused(two: TwoSites, asked: dict[str, str], status: int) -> None:
    client = client_of(two, "nurse-icm")

    assert client.get("/audit", params=asked).status_code == status
    assert client.get("/audit.csv", params=asked).status_code == status
    assert client.get("/api/audit", params=asked).status_code in (status, 422)


def test_empty_fields_of_the_form_ask_for_nothing(two: TwoSites) -> None:
    page = client_of(two, "nurse-icm").get("/audit", params={"action": "", "actor": "", "day": ""})

    assert page.status_code == 200
    assert "zoe" in page.text
