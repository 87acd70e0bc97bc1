"""In: every route of the service, every role, a site of one's own and another. Out: allowed or refused as one table says, and as it is documented."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import GRANTS, Permission, Role
from adapter.config import Settings
from adapter.service import create_app
from adapter.service.door.permissions import ROUTES, Open, is_open
from tests.support.people import HOME, browser_of
from tests.support.route_calls import call, is_of_one_site
from tests.support.route_table import documented, rendered, roles_with, routes_of
from tests.support.two_sites import SITES, TwoSites, two_sites

OWN, OTHER = SITES
CLOSED = sorted(route for route, rule in ROUTES.items() if isinstance(rule, Permission))
TURNED_AWAY = (401, 403, 404, 405)
#: What is open to whoever has signed in, and says so in its own tests (test_sign_in.py, test_account_page.py).
DOORS = {("POST", "/sign-out"), ("POST", "/account")}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    with two_sites(tmp_path_factory.mktemp("two-sites")) as found:
        yield found


def name_of(route: tuple[str, str]) -> str:
    return " ".join(route)


def rule_of(route: tuple[str, str]) -> Permission:
    rule = ROUTES[route]
    assert isinstance(rule, Permission)
    return rule


# The table ----------------------------------------------------------------------------------------------------------


def test_table_holds_every_route_of_the_service_and_no_other() -> None:
    served = routes_of(create_app(Settings()))

    assert served - set(ROUTES) == set()
    assert set(ROUTES) - served == set()


def test_table_of_the_documentation_is_this_one() -> None:
    assert documented() == rendered(), "python -m tests.support.route_table writes it"


def test_guard_and_table_agree_on_what_is_open() -> None:
    def plain(path: str) -> str:
        return path.replace("{", "").replace("}", "").replace(":path", "")

    assert {path for (_, path), rule in ROUTES.items() if isinstance(rule, Open) != is_open(plain(path))} == set()


def test_every_role_may_something_and_none_may_all_but_together_they_do() -> None:
    assert all(GRANTS[role] < set(Permission) for role in Role)
    assert frozenset().union(*GRANTS.values()) == set(Permission)


# Every route, every role --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
def test_route_without_a_session_answers_nobody(two: TwoSites, route: tuple[str, str]) -> None:
    stranger = browser_of(two.app, two.people[Role.NURSE, OWN])
    cookies = dict(stranger.cookies)
    # What a form needs is there: it is the session that is not.
    two.app.state.access.end(cookies[two.app.state.access.cookie])
    answer = call(two, stranger, route, site=OWN)
    expected = 401 if route[1].startswith("/api/") or route[0] != "GET" else 303

    assert answer.status_code == expected
    assert expected == 401 or answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("route", [route for route in CLOSED if route not in DOORS], ids=name_of)
def test_route_is_there_for_the_roles_of_the_table_and_refused_to_others(two: TwoSites, route: tuple[str, str]) -> None:
    allowed = roles_with(rule_of(route))
    statuses = {role: call(two, browser_of(two.app, two.people[role, OWN]), route, site=OWN) for role in Role}
    refused = {role: answer.status_code for role, answer in statuses.items() if role not in allowed}
    taken = {role: answer.status_code for role, answer in statuses.items() if role in allowed}
    # The first page sends those for whom it is none to one that they may see.
    no = 303 if route == ("GET", "/") else 403

    assert refused == dict.fromkeys(refused, no)
    assert {role: status for role, status in taken.items() if status in TURNED_AWAY or status >= 500} == {}


# HEAD (RFC 9110 9.3.2) ----------------------------------------------------------------------------------------------

READ = sorted(path for method, path in ROUTES if method == "GET")
#: A GET that does something; a HEAD is what looks at a link without meaning it.
DOING = ["/fhir/$export", "/fhir/Group/{group_name}/$export", "/login", "/oidc/callback", "/oidc/start"]


@pytest.mark.parametrize("path", [path for path in READ if path not in DOING])
def test_head_is_answered_as_get_is_and_to_the_same_people(two: TwoSites, path: str) -> None:
    def browser(role: Role | None) -> TestClient:
        if role is not None:
            return browser_of(two.app, two.people[role, OWN])
        return TestClient(two.app, base_url=HOME, raise_server_exceptions=False, follow_redirects=False)

    for role in (None, *Role):
        got, headed = (call(two, browser(role), (method, path), site=OWN) for method in ("GET", "HEAD"))

        assert (headed.status_code, headed.content) == (got.status_code, b"")
        assert set(headed.headers) == set(got.headers)
        assert headed.headers.get("content-type") == got.headers.get("content-type")


@pytest.mark.parametrize("path", DOING)
def test_head_does_not_do_what_a_get_does(two: TwoSites, path: str) -> None:
    answer = browser_of(two.app, two.people[Role.NURSE, OWN]).head(path.replace("{group_name}", "all"))

    assert answer.status_code == 405
    assert answer.headers["allow"] == ("GET, POST" if path.endswith("$export") else "GET")


def test_head_is_in_the_audit_trail_as_get_is(two: TwoSites) -> None:
    browser_of(two.app, two.people[Role.NURSE, OWN]).head(f"/patients/{two.keys[OWN]}")
    line = two.app.state.desk.store.audit_trail()[-1]

    assert (line.actor, line.action) == (f"{Role.NURSE}-{OWN}", "view-patient")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/funnel", "GET, HEAD"),
        ("PATCH", "/conflicts/1", "GET, HEAD, POST"),
        ("GET", "/api/find", "POST"),
        ("DELETE", "/sign-in", "GET, HEAD, POST"),
        ("PUT", "/fhir/jobs/x", "DELETE, GET, HEAD"),
        ("GET", "/notify/icm", "POST, PUT"),
    ],
)
def test_refused_method_is_told_which_ones_are_taken(two: TwoSites, method: str, path: str, allow: str) -> None:
    answer = browser_of(two.app, two.people[Role.NURSE, OWN]).request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/log/"),
        ("GET", "/api/worklist/"),
        ("POST", "/cds-services/"),
        ("POST", "/fhir/token/"),
        ("GET", "/fhir/Group/"),
    ],
)
def test_slash_too_many_leads_nowhere(two: TwoSites, method: str, path: str) -> None:
    # By a redirect a body, and a token, would be sent once more, to an address without TLS where a proxy ends it.
    client = browser_of(two.app, two.people[Role.NURSE, OWN])
    answer = client.request(method, path, content=b"x", follow_redirects=False)

    assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize("route", [route for route in CLOSED if is_of_one_site(*route)], ids=name_of)
def test_route_of_another_site_is_not_there_whatever_the_role(two: TwoSites, route: tuple[str, str]) -> None:
    people = [two.both, *(two.people[role, OWN] for role in roles_with(rule_of(route)))]
    answers = [call(two, browser_of(two.app, person), route, site=OTHER) for person in people]
    # Who loads a file names the site in the clear: there it is a refusal.
    expected = {403} if route[1].startswith("/api/load") else {404}

    assert {answer.status_code for answer in answers} == expected
    assert not any(f"planted-{OTHER}" in answer.text for answer in answers)


@pytest.mark.parametrize(
    "route", [route for route in CLOSED if not is_of_one_site(*route) and route not in DOORS], ids=name_of
)
def test_route_of_many_sites_shows_nothing_of_another_one(two: TwoSites, route: tuple[str, str]) -> None:
    for person in [two.both, *(two.people[role, OWN] for role in roles_with(rule_of(route)))]:
        client = browser_of(two.app, person)
        texts = [call(two, client, route, site=OWN).text]
        if route[0] == "GET" and "{" not in route[1]:
            texts += [client.get(route[1], params={"site": site}).text for site in (OTHER, "*", "")]
        for text in texts:
            assert f"planted-{OTHER}" not in text
            assert two.keys[OTHER] not in text


def test_counts_are_of_one_s_own_sites(two: TwoSites) -> None:
    everywhere = two.app.state.desk.store.accounts.add("everywhere", roles={"*": [Role.INVESTIGATOR]}, password=None)
    mine, all_ = browser_of(two.app, two.people[Role.NURSE, OWN]), browser_of(two.app, everywhere)
    counted = [
        (client.get("/api/worklist").json()["total"], client.get("/api/funnel").json()["patients"])
        for client in (mine, all_)
    ]

    assert counted == [(3, 3), (6, 6)]
