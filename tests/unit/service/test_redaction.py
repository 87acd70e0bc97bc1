"""In: roles that may not know who a patient is. Out: no id and no number of the hospital in anything that they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from adapter.accounts import GRANTS, Permission, Role
from adapter.service.door.permissions import ROUTES
from tests.support.people import browser_of
from tests.support.route_calls import call
from tests.support.route_table import roles_with
from tests.support.two_sites import NUMBER, SITES, TwoSites, two_sites

OWN = SITES[0]
BLIND = [role for role in Role if Permission.IDENTITY not in GRANTS[role]]
ROUTES_THERE = sorted(
    route for route, rule in ROUTES.items() if isinstance(rule, Permission) and set(BLIND) & set(roles_with(rule))
)
#: An id of a patient, whoever it is of; of a resource that is evidence; the hospital's number.
_ID = re.compile(
    r"(?:Patient|Observation)/(?:[a-z]+-)?(?:planted|L-)[\w-]*|(?<![\w-])(?:before-)?planted-[a-z]+|" + NUMBER
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    with two_sites(tmp_path_factory.mktemp("redaction")) as found:
        yield found


@pytest.mark.parametrize("role", BLIND)
@pytest.mark.parametrize("route", ROUTES_THERE, ids=" ".join)
def test_nothing_tells_who_a_patient_is(two: TwoSites, route: tuple[str, str], role: Role) -> None:
    client = browser_of(two.app, two.people[role, OWN])
    answers = [call(two, client, route, site=OWN)]
    if route[0] == "GET":
        answers += [
            client.get(answers[0].url.path, params=query) for query in ({"stage": "randomisation"}, {"lang": "fr"})
        ]
    shown = [answer.text + str(answer.headers) for answer in answers]
    if route[1].endswith("/find"):
        # What they typed themselves.
        shown = [text.replace(NUMBER, "") for text in shown]

    assert [_ID.findall(text) for text in shown] == [[] for _ in shown]


def test_who_may_know_is_told(two: TwoSites) -> None:
    client = browser_of(two.app, two.people[Role.NURSE, OWN])

    assert "planted-icm" in client.get("/").text
    assert f"Patient/planted-{OWN}" in client.get("/api/worklist").text


def test_conflict_shows_that_something_is_withheld(two: TwoSites) -> None:
    blind = browser_of(two.app, two.people[Role.DATA_MANAGER, OWN])
    conflict = blind.get("/api/conflicts").json()["conflicts"][-1]
    shown = {field["path"]: field["hospital"] for field in conflict["fields"]}

    assert shown["Observation.subject.reference"] == shown["Observation.note"] == '"[…]"'
    assert shown["Observation.status"] == '"amended"'
    assert "[…]" in blind.get("/conflicts").text


def test_hospital_s_number_finds_nobody_for_whom_it_may_not_be_known(two: TwoSites) -> None:
    blind = browser_of(two.app, two.people[Role.DATA_MANAGER, OWN])
    knowing = browser_of(two.app, two.people[Role.NURSE, OWN])
    found = [client.post("/api/find", json={"number": NUMBER}).json()["found"] for client in (blind, knowing)]

    assert (len(found[0]), len(found[1])) == (0, 3)
