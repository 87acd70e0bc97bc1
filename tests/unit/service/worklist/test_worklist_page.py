"""In: a list longer than a page, readers of several roles. Out: pages, filters, search and CSV that show what each may see, noted in the trail."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from adapter.criteria import Stage
from adapter.screening import Bin, screening_number
from adapter.screening.listing import refresh
from adapter.store import AuditLine
from tests.support.long_list import MANY, OTHER, LongList, long_list
from tests.support.people import fields
from tests.support.screened import SITE
from tests.unit.service.test_pages import Outline

TOTAL = MANY + 7


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongList]:
    with long_list(tmp_path_factory.mktemp("long")) as found:
        yield found


@pytest.fixture
def nurse(there: LongList) -> TestClient:
    return there.browser("nurse")


def names(text: str) -> list[str]:
    return re.findall(r'<a href="/patients/[\w-]+(?:\?stage=\w+)?">([\w-]+)</a>', text)


def last_line(there: LongList, action: str) -> AuditLine:
    return [line for line in there.store.audit_trail() if line.action == action][-1]


def test_worklist_shows_a_page_at_a_time_and_says_which(nurse: TestClient) -> None:
    pages = [nurse.get(f"/?page={number}").text for number in (1, 2, 3)]
    shown = [name for text in pages for name in names(text)]

    assert [
        f"{first} to {last} of {TOTAL}" in text
        for text, first, last in zip(pages, (1, 51, 101), (50, 100, TOTAL), strict=True)
    ] == [True] * 3
    assert len(shown) == len(set(shown)) == TOTAL
    assert "Next page" in pages[0]
    assert "Previous page" not in pages[0]
    assert "Next page" not in pages[2]


def test_worklist_of_a_page_behind_the_last_is_the_last(nurse: TestClient) -> None:
    text = nurse.get("/?page=99").text

    assert f"101 to {TOTAL} of {TOTAL}" in text


def test_worklist_counts_every_bin_also_those_with_nobody(nurse: TestClient) -> None:
    text = nurse.get("/").text

    told = {
        name: int(n)
        for name, n in re.findall(r'class="bin-([\w-]+)" href="[^"]*"[^>]*><span class="count">(\d+)', text)
    }
    assert told == {"all": TOTAL, **{str(one): 0 for one in Bin}} | {
        "new": 1,
        "waiting": MANY + 2,
        "not-now": 1,
        "not-eligible": 2,
        "declined": 1,
    }


def test_worklist_of_a_bin_has_nobody_else_and_keeps_the_counts(nurse: TestClient) -> None:
    text = nurse.get("/?bin=not-eligible").text

    assert sorted(names(text)) == ["deceased", "pancreas"]
    assert f'<span class="count">{MANY + 2}</span>' in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("criterion=I11", ["low"]),
        ("criterion=I04", ["course"]),
        ("marker=deceased", ["deceased"]),
        ("order=last&bin=not-now", ["low"]),
        ("bin=enrolled", []),
    ],
)
def test_worklist_is_filtered(nurse: TestClient, query: str, expected: list[str]) -> None:
    assert names(nurse.get(f"/?{query}").text) == expected


def test_worklist_in_another_order_begins_with_the_first_to_change(nurse: TestClient) -> None:
    text = nurse.get("/?order=flips").text

    assert names(text)[:2] == ["ready", "low"]
    assert "Not now: recheck by a date" in text


def test_a_marker_of_this_week_shows_who_was_found_since(nurse: TestClient) -> None:
    assert f"1 to 50 of {TOTAL}" in nurse.get("/?marker=new").text


@pytest.mark.parametrize(
    "query", ["bin=other", "order=x", "page=0", "page=x", "page=99999999999", "criterion=X99", "marker=x", "stage=x"]
)
def test_worklist_refuses_what_there_is_not(nurse: TestClient, query: str) -> None:
    assert nurse.get(f"/?{query}").status_code == 422
    assert nurse.get(f"/worklist.csv?{query}").status_code == (200 if query.startswith("page") else 422)


def test_worklist_row_shows_who_and_what_at_a_glance(nurse: TestClient) -> None:
    text = re.sub(r"\s+", " ", nurse.get("/?bin=not-now").text)

    assert "icm · 1960 · man" in text
    assert '<time datetime="2025-05-02">2 May 2025</time>' in text
    assert '<time datetime="2025-06-18">18 June 2025</time>' in text
    assert "<em>alone fails</em>" in text
    assert "Found this week" in text


def test_worklist_speaks_of_answers_only_where_something_is_open(nurse: TestClient) -> None:
    text = re.sub(r"\s+", " ", nurse.get("/?size=200").text)
    rows = re.findall(r"(\d+) (answers? by a person|criteri(?:on|a) to confirm) .*?data-label=\"Open\">(\d+)<", text)

    assert rows
    assert {said.startswith("answer") for _, said, still in rows if still != "0"} <= {True}
    assert {said.startswith("criteri") for _, said, still in rows if still == "0"} <= {True}
    assert all(number == still for number, said, still in rows if said.startswith("answer"))


def test_worklist_tells_the_sole_datum_that_is_missing(nurse: TestClient) -> None:
    text = re.sub(r"\s+", " ", nurse.get("/?bin=waiting").text)

    assert re.search(r"<b>E07</b> [^<]+<em>alone missing</em>", text)


# Who sees what ------------------------------------------------------------------------------------------------------


def test_worklist_without_identity_shows_screening_numbers_only(there: LongList) -> None:
    client = there.browser("manager")
    number = screening_number(SITE, there.key("low"))
    for text in (client.get("/").text, client.get("/?bin=not-now").text, client.get("/worklist.csv").text):
        assert "Patient/" not in text
        assert not re.search(r"\b(low|pancreas|p000)\b", text)

    assert names(client.get("/?bin=not-now").text) == [number]
    assert client.get("/api/worklist?bin=not-now").json()["rows"][0]["patient"] == number


def test_worklist_has_no_row_count_or_name_of_another_site(there: LongList) -> None:
    nurse, far = there.browser("nurse"), there.browser("far")

    assert "far" not in names(nurse.get("/").text)
    assert names(far.get("/").text) == ["far"]
    assert far.get("/api/worklist").json()["total"] == 1
    assert far.get("/api/worklist").json()["bins"]["waiting"] == 0
    assert [client.get(f"/?site={SITE}").status_code for client in (nurse, far)] == [200, 404]
    assert far.get(f"/api/worklist?site={SITE}").status_code == 404
    assert far.get(f"/worklist.csv?site={SITE}").status_code == 404


def test_worklist_over_two_sites_hides_identities_where_they_must_be(there: LongList) -> None:
    client = there.browser("both")
    found = {row["site"]: row["patient"] for row in client.get("/api/worklist?bin=new").json()["rows"]}

    assert found == {SITE: "Patient/ready", OTHER: screening_number(OTHER, there.key("far", OTHER))}
    assert '<select id="site"' in client.get("/").text
    assert names(client.get(f"/?site={OTHER}").text) == [found[OTHER]]


# Search -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["80 012", "80012ab", "low", " LOW "])
def test_search_finds_by_part_of_a_number_whatever_its_blanks(nurse: TestClient, text: str) -> None:
    answer = nurse.post("/", data=fields(nurse, text=text))

    assert (answer.status_code, names(answer.text)) == (200, ["low"])
    assert answer.headers["cache-control"] == "no-store"


def test_search_goes_on_by_form_so_that_no_number_stands_in_an_address(nurse: TestClient) -> None:
    first = nurse.post("/", data=fields(nurse, text="p"))
    outline = Outline(first.text)
    second = nurse.post("/", data=fields(nurse, text="p", page="2"))

    assert not [one["href"] for one in outline.all("a") if "text=" in (one["href"] or "")]
    assert not set(names(first.text)) & set(names(second.text))
    assert nurse.get("/?text=low").text.count('href="/patients/') == 50


def test_search_without_identity_knows_no_number_of_the_hospital(there: LongList) -> None:
    client = there.browser("manager")
    number = screening_number(SITE, there.key("low"))

    assert names(client.post("/", data=fields(client, text="80012")).text) == []
    assert names(client.post("/", data=fields(client, text="low")).text) == []
    assert names(client.post("/", data=fields(client, text=number.lower())).text) == [number]


@pytest.mark.parametrize("text", ["%", "_", "'", '"><script>', "a b c"])
def test_search_takes_signs_as_they_are(nurse: TestClient, text: str) -> None:
    answer = nurse.post("/", data=fields(nurse, text=text))

    assert (answer.status_code, names(answer.text)) == (200, [])
    assert "<script>" not in answer.text


def test_search_is_refused_without_the_forms_token_or_too_long(nurse: TestClient) -> None:
    assert nurse.post("/", data={"text": "low"}).status_code == 403
    assert nurse.post("/", data=fields(nurse, text="x" * 65)).status_code == 422


# CSV ----------------------------------------------------------------------------------------------------------------


def test_csv_has_all_rows_of_the_filter_in_the_pages_order(nurse: TestClient) -> None:
    answer = nurse.get("/worklist.csv?bin=waiting")
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert len(rows) == MANY + 2
    assert rows[0]["patient"] == "Patient/liver"
    assert {row["bin"] for row in rows} == {"waiting"}
    assert rows[0]["next_step"].startswith("get ALT")


def test_csv_tells_failed_criteria_dates_and_number(nurse: TestClient, there: LongList) -> None:
    (row,) = csv.DictReader(io.StringIO(nurse.get("/worklist.csv?bin=not-now").text))

    assert (row["failing_criteria"], row["recheck_by"], row["last_entry"]) == ("I11", "2025-06-18", "2025-05-02")
    assert row["screening_number"] == screening_number(SITE, there.key("low"))


# Trail --------------------------------------------------------------------------------------------------------------


def test_each_page_is_noted_with_who_was_on_it(nurse: TestClient, there: LongList) -> None:
    nurse.get("/?bin=not-eligible")
    line = last_line(there, "view-worklist")

    assert (line.actor, line.subject) == ("nurse", SITE)
    assert sorted(line.detail.split()) == [f"{SITE}/Patient/deceased", f"{SITE}/Patient/pancreas"]


def test_an_export_is_noted_with_who_was_in_it(nurse: TestClient, there: LongList) -> None:
    nurse.get("/worklist.csv?bin=declined")

    assert last_line(there, "export-worklist").detail == f"{SITE}/Patient/declined"


def test_no_search_text_stands_in_the_trail(nurse: TestClient, there: LongList) -> None:
    nurse.post("/", data=fields(nurse, text="80 012"))
    line = last_line(there, "view-worklist")

    assert "80" not in line.subject + line.detail
    assert line.detail == f"{SITE}/Patient/low"


# Freshness ----------------------------------------------------------------------------------------------------------


def test_a_decision_shows_on_the_very_next_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    with long_list(tmp_path_factory.mktemp("fresh")) as there:
        client = there.browser("nurse")
        before = client.get("/api/worklist?bin=declined").json()["total"]
        there.store.decide(
            SITE, "Patient/p000", trial="nct04954820", state="declined", reason="patient-declined", by="nurse"
        )
        after = client.get("/api/worklist?bin=declined").json()

    assert (before, after["total"]) == (1, 2)
    assert after["up_to_date"] is True


def test_a_page_does_not_wait_for_ever_for_a_list_that_is_being_made(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.service.worklist.reading._WAIT", 0.01)
    with long_list(tmp_path_factory.mktemp("made")) as there:
        trial, stage = there.app.state.desk.trial, Stage.REGISTRATION
        refresh(there.store, trial, stage, SITE)
        there.store.decide(SITE, "Patient/p000", trial=trial.id, state="declined", reason="other", by="nurse")
        with there.store.listing.making(trial.id, stage, SITE, wait=0) as mine:
            client = there.browser("nurse")
            meanwhile = client.get("/").text
        afterwards = client.get("/").text

    assert mine
    assert "is being brought up to date" in meanwhile
    assert "is being brought up to date" not in afterwards


# JSON ---------------------------------------------------------------------------------------------------------------


def test_api_tells_the_whole_in_parts(nurse: TestClient) -> None:
    parts = [nurse.get(f"/api/worklist?limit=60&offset={offset}").json() for offset in (0, 60, 120, 180)]

    assert [part["total"] for part in parts] == [TOTAL] * 4
    assert [len(part["rows"]) for part in parts] == [60, 60, TOTAL - 120, 0]
    assert len({row["key"] for part in parts for row in part["rows"]}) == TOTAL


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "bin=x", "stage=x"])
def test_api_refuses_what_is_no_part(nurse: TestClient, query: str) -> None:
    answer = nurse.get(f"/api/worklist?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
