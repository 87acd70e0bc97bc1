"""In: people of every role at two sites. Out: the funnel of their sites, with the counts that they may know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.criteria import Stage
from adapter.screening import read_funnel
from adapter.service.study.reading import told
from tests.support.people import browser_of
from tests.support.two_sites import TwoSites, two_sites


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    with two_sites(tmp_path_factory.mktemp("funnel")) as found:
        yield found


def client_of(two: TwoSites, role: Role, site: str = "icm") -> TestClient:
    return browser_of(two.app, two.people[role, site])


def counted(two: TwoSites, site: str) -> dict[str, Any]:
    """The exact funnel of a site."""
    desk = two.app.state.desk
    return read_funnel(desk.store, desk.trial, Stage.REGISTRATION, sites=[site]).to_json()


def numbers(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [one for item in value.values() for one in numbers(item)]
    if isinstance(value, list):
        return [one for item in value for one in numbers(item)]
    return [value] if isinstance(value, int) else []


def cells(page: str) -> list[str]:
    found = re.findall(r'<(?:td class="number[^"]*"|dd)>(.*?)</(?:td|dd)>', page)
    return [" ".join(cell.replace("\N{NO-BREAK SPACE}", " ").split()) for cell in found]


def test_who_works_with_the_list_knows_exact_counts(two: TwoSites) -> None:
    for role in (Role.INVESTIGATOR, Role.NURSE, Role.DATA_MANAGER):
        client = client_of(two, role)
        found = client.get("/api/funnel").json()

        assert (found["steps"], found["sites"]) == (1, ["icm"])
        assert 0 < found["candidates"] == counted(two, "icm")["candidates"] < 5
        assert (found["flow"]["excluded"]["criteria"], found["flow"]["excluded"]["declined"]) == (1, 1)
        assert found["flow"]["reasons"] == [{"reason": "I11", "persons": 1}]
        assert "rounded down" not in client.get("/funnel").text


@pytest.mark.parametrize("role", [Role.SPONSOR, Role.IT])
@pytest.mark.parametrize("query", [{}, {"site": "icm"}, {"stage": "randomisation"}])
def test_who_does_not_gets_no_small_number(two: TwoSites, role: Role, query: dict[str, str]) -> None:
    client = client_of(two, role)
    found = client.get("/api/funnel", params=query).json()
    page = client.get("/funnel", params=query).text
    picture = client.get("/funnel/flow.svg", params=query).text

    assert found.pop("steps") == 5
    assert {number % 5 for number in numbers(found)} == {0}
    assert "rounded down to a multiple of 5" in page
    assert {cell[:5] for cell in cells(page)} == {"&lt; "}
    assert not re.search(r">[^<]*\bn\W=\W\d", picture)
    assert not re.search(r"\d%", re.sub(r"<[^>]+>", "", page.partition("<main")[2].partition("</main>")[0]))


def test_bounds_that_are_told_hold() -> None:
    assert told(4, 1) == "4"
    assert told(0, 5).endswith("5")
    # Four below five at each of three sites are up to 12.
    assert told(0, 5, parts=3) == "<\N{NO-BREAK SPACE}15"
    assert told(10, 5, parts=3) == "≥\N{NO-BREAK SPACE}10"


def test_who_may_see_two_sites_differently_gets_no_small_number_of_either_by_the_sum(two: TwoSites) -> None:
    client = browser_of(two.app, two.both)
    found = {site: client.get("/api/funnel", params={"site": site}).json() for site in ("icm", "chu")}
    whole = client.get("/api/funnel").json()

    assert found["icm"]["candidates"] == counted(two, "icm")["candidates"]
    assert (found["chu"]["candidates"], whole["candidates"]) == (0, 0)
    assert whole["sites"] == ["chu", "icm"]
    assert whole["steps"] == found["chu"]["steps"] == 5


@pytest.mark.parametrize("path", ["/funnel", "/funnel/flow.svg", "/api/funnel"])
def test_funnel_of_another_site_is_not_there(two: TwoSites, path: str) -> None:
    client = client_of(two, Role.INVESTIGATOR)

    assert client.get(path, params={"site": "chu"}).status_code == 404
    assert client.get(path, params={"site": "nowhere"}).status_code == 404
    assert client.get(path, params={"site": "icm"}).status_code == 200


def test_picture_is_named_in_text_and_says_what_the_table_beside_it_says(two: TwoSites) -> None:
    client = client_of(two, Role.NURSE)
    page = client.get("/funnel", params={"lang": "fr"}).text
    (address,) = set(re.findall(r'<img src="([^"]+)" alt="[^"]{40,}"', page))
    answer = client.get(address.replace("&amp;", "&"))

    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert answer.headers["cache-control"] == "no-store"
    assert "Écartés" in answer.text
    rows = re.findall(r'<th scope="row" class="whole">(.*?)</th><td class="number whole">(.*?)</td>', page)
    picture = re.sub(r"\s+", " ", answer.text)
    assert len(rows) == 7
    assert all(f"{unescape(title)} : n = {persons}" in picture for title, persons in rows)


def test_page_tells_completeness_by_criterion_and_datum_of_each_site(two: TwoSites) -> None:
    client = client_of(two, Role.NURSE)
    (found,) = client.get("/api/funnel").json()["completeness"]
    data = {one["what"]: one["persons"] for one in found["data"]}
    page = client.get("/funnel").text

    total = found["candidates"]
    assert (found["site"], data["hemoglobin"], found["criteria"]["I11"]) == ("icm", 1, total)
    assert "By datum and site" in page
    assert f'{round(100 / total)}% <span class="note">(1/{total})</span>' in page


def test_override_reasons_of_cards_are_told_in_words(two: TwoSites, monkeypatch: pytest.MonkeyPatch) -> None:
    store = two.app.state.desk.store
    monkeypatch.setattr(store.cards, "feedback_counts", lambda trial, sites: {"other-trial": 7, "": 2, "theirs": 1})
    page = client_of(two, Role.NURSE).get("/funnel").text
    found = client_of(two, Role.SPONSOR).get("/api/funnel").json()["overridden"]

    assert [word in page for word in ("Takes part in another trial", "No reason given", "theirs")] == [True] * 3
    assert found == {"other-trial": 5}


def test_funnel_follows_a_decision_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    with two_sites(tmp_path_factory.mktemp("decided")) as own:
        client = client_of(own, Role.NURSE)
        before = client.get("/api/funnel").json()["flow"]
        own.app.state.desk.store.decide(
            "icm", "Patient/planted-icm", trial="nct04954820", state="contacted", reason="to-contact", by="anna"
        )
        after = client.get("/api/funnel").json()["flow"]

    assert before["excluded"]["criteria"] - after["excluded"]["criteria"] == 1
    assert after["followed"]["contacted"] - before["followed"]["contacted"] == 1
