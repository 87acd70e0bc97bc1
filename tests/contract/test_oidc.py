"""In: a real OpenID provider (oidc-provider), people in groups. Out: they sign in there, may what their groups may, and sign out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import AnyHttpUrl, SecretStr

from adapter.config import OidcSettings, Settings, SiteSettings, StoreSettings
from adapter.service import create_app
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, RunningProvider, confirm, running_provider

HOME: Final = "http://127.0.0.1:8000"
PEOPLE: Final[dict[str, dict[str, Any]]] = {
    "anna": {
        "name": "Anna Roux",
        "preferred_username": "anna.e",
        "email": "anna@hospital.example",
        "email_verified": True,
        "groups": ["canteen", "trial-nurses"],
    },
    "paul": {"name": "Paul Roux", "groups": ["it-office", "trial-doctors"]},
    "cook": {"name": "Kim Roux", "groups": ["canteen"]},
}
GRANTS: Final = {
    "trial-nurses": ["nurse@icm"],
    "trial-doctors": ["investigator@other"],
    "it-office": ["it@*"],
}


@pytest.fixture(scope="module")
def provider() -> Iterator[RunningProvider]:
    with running_provider(people=PEOPLE, home=HOME) as running:
        yield running


@pytest.fixture(autouse=True)
def _known_people(provider: RunningProvider) -> None:
    provider.change(PEOPLE)


class Hospital:
    """A service beside a provider, and browsers of people."""

    def __init__(self, stack: ExitStack, folder: Path, issuer: str, **further: Any) -> None:
        self.settings = Settings(
            store=StoreSettings(path=folder / "var"),
            sites={"icm": SiteSettings(), "other": SiteSettings()},
            oidc=OidcSettings(
                issuer=AnyHttpUrl(issuer),
                client_id=CLIENT_ID,
                **{"client_secret": SecretStr(CLIENT_SECRET), "grants": GRANTS, **further},
            ),
        )
        self.app = create_app(self.settings)
        self._stack = stack
        self.client = self._entered()

    def _entered(self) -> TestClient:
        client = TestClient(self.app, base_url=HOME, follow_redirects=False, headers={"Accept-Language": "en"})
        return self._stack.enter_context(client)

    def browser(self) -> Browser:
        # The service runs in the client that entered it; another browser is another jar of cookies.
        other = TestClient(self.app, base_url=HOME, follow_redirects=False, headers={"Accept-Language": "en"})
        # Cookies know no ports: each of the two keeps its own jar, as if the provider were on another host.
        return Browser(other, self._stack.enter_context(httpx.Client(trust_env=False, timeout=30)))

    @property
    def accounts(self) -> Any:
        return self.app.state.desk.store.accounts

    def audit_actions(self) -> list[tuple[str, str, str]]:
        entries = self.app.state.desk.store.audit_trail()
        return [(one.actor, one.action, one.subject) for one in entries]


class Browser:
    """Somebody's browser: what it keeps of the service, and of the provider."""

    def __init__(self, here: TestClient, there: httpx.Client) -> None:
        self.here = here
        self.there = there

    def sent(self, onward: str = "/") -> str:
        answer = self.here.get("/oidc/start", params={"next": onward})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def signs_in(self, name: str, onward: str = "/", *, aborts: bool = False) -> Any:
        back = confirm(self.there, self.sent(onward), name=name, home=HOME, aborts=aborts)
        return self.here.get(back.removeprefix(HOME))


@pytest.fixture
def hospital(provider: RunningProvider, tmp_path: Path) -> Iterator[Hospital]:
    with ExitStack() as stack:
        yield Hospital(stack, tmp_path, provider.issuer)


def test_provider_opens_the_service_to_whom_its_groups_allow(hospital: Hospital) -> None:
    browser = hospital.browser()
    before = browser.here.get("/account")

    entered = browser.signs_in("anna")
    account = hospital.accounts.by_name("anna.e")

    assert before.status_code == 303
    assert entered.status_code == 200
    assert (account.email, account.roles) == ("anna@hospital.example", {"icm": {"nurse"}})
    assert account.display == "Anna Roux"
    assert not account.has_password
    assert browser.here.get("/account").status_code == 200
    assert ("anna.e", "sign-in", "account/anna.e") in hospital.audit_actions()


def test_roles_are_those_of_all_groups_at_their_sites(hospital: Hospital) -> None:
    hospital.browser().signs_in("paul")

    account = next(one for one in hospital.accounts.all() if one.issuer)

    assert account.roles == {"*": {"it"}, "other": {"investigator"}}


def test_browser_goes_on_to_the_page_that_it_wanted(hospital: Hospital) -> None:
    entered = hospital.browser().signs_in("anna", "/funnel?stage=randomisation")

    assert entered.headers["refresh"] == "0;url=/funnel?stage=randomisation"
    assert 'href="/funnel?stage=randomisation"' in entered.text


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "/oidc/start"])
def test_browser_goes_on_to_no_page_of_others(hospital: Hospital, onward: str) -> None:
    entered = hospital.browser().signs_in("anna", onward)

    assert entered.headers["refresh"] == "0;url=/"


def test_what_goes_to_the_provider_is_the_code_flow_with_s256(hospital: Hospital) -> None:
    asked = parse_qs(urlsplit(hospital.browser().sent()).query)

    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{HOME}/oidc/callback"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}


def test_session_and_flow_cookies_are_out_of_reach(hospital: Hospital) -> None:
    browser = hospital.browser()
    started = browser.here.get("/oidc/start").headers["set-cookie"]
    entered = "\n".join(browser.signs_in("anna").headers.get_list("set-cookie"))

    assert "HttpOnly" in started and "SameSite=lax" in started and "Max-Age=600" in started
    assert "reluth_session=" in entered and "HttpOnly" in entered and "SameSite=strict" in entered


def test_changed_groups_change_roles_at_the_next_sign_in(hospital: Hospital, provider: RunningProvider) -> None:
    first = hospital.browser()
    first.signs_in("anna")
    provider.change({**PEOPLE, "anna": {**PEOPLE["anna"], "groups": ["trial-doctors"]}})
    hospital.browser().signs_in("anna")

    assert [one.roles for one in hospital.accounts.all()] == [{"other": {"investigator"}}]
    # What it was begun with holds no longer.
    assert first.here.get("/account").status_code == 303


def test_somebody_without_a_group_is_told_so_and_gets_no_account(hospital: Hospital) -> None:
    browser = hospital.browser()
    refused = browser.signs_in("cook")

    assert refused.status_code == 403
    assert "none of your groups opens this service" in refused.text
    assert "canteen" not in refused.text and "Kim" not in refused.text
    assert hospital.accounts.all() == []
    assert browser.here.get("/account").status_code == 303


def test_somebody_who_lost_all_groups_loses_roles_and_sessions(hospital: Hospital, provider: RunningProvider) -> None:
    first = hospital.browser()
    first.signs_in("anna")
    provider.change({**PEOPLE, "anna": {**PEOPLE["anna"], "groups": []}})
    refused = hospital.browser().signs_in("anna")

    assert refused.status_code == 403
    assert [one.roles for one in hospital.accounts.all()] == [{}]
    assert first.here.get("/account").status_code == 303
    assert ("nobody", "sign-in-refused", "account/anna.e") in hospital.audit_actions()


def test_account_that_is_disabled_here_stays_out(hospital: Hospital) -> None:
    hospital.browser().signs_in("anna")
    hospital.accounts.disable(hospital.accounts.by_name("anna.e").number)
    browser = hospital.browser()
    refused = browser.signs_in("anna")

    assert refused.status_code == 403
    assert "Account disabled" in refused.text
    assert browser.here.get("/account").status_code == 303


def test_name_of_a_local_account_does_not_open_it(hospital: Hospital) -> None:
    local = hospital.accounts.add("anna.e", roles={"*": ["investigator"]}, password=None, email="anna@hospital.example")
    hospital.browser().signs_in("anna")

    accounts = {one.number: one for one in hospital.accounts.all()}

    assert accounts[local.number] == local
    assert [one.roles for number, one in accounts.items() if number != local.number] == [{"icm": {"nurse"}}]


def test_going_back_at_the_provider_lets_nobody_in(hospital: Hospital) -> None:
    browser = hospital.browser()
    refused = browser.signs_in("anna", aborts=True)

    assert refused.status_code == 403
    assert "did not confirm who you are" in refused.text
    assert "aborted" not in refused.text
    assert browser.here.get("/account").status_code == 303


def test_answer_of_the_provider_opens_once(hospital: Hospital) -> None:
    browser = hospital.browser()
    back = confirm(browser.there, browser.sent(), name="anna", home=HOME).removeprefix(HOME)
    first, again = browser.here.get(back), browser.here.get(back)

    assert first.status_code == 200
    assert again.status_code == 400
    assert "set-cookie" not in again.headers


def test_answer_of_the_provider_opens_no_other_browser(hospital: Hospital) -> None:
    browser, other = hospital.browser(), hospital.browser()
    other.sent()
    back = confirm(browser.there, browser.sent(), name="anna", home=HOME).removeprefix(HOME)
    stolen = other.here.get(back)
    own = browser.here.get(back)

    assert stolen.status_code == 400
    assert own.status_code == 200


def test_two_tabs_sign_in_side_by_side(hospital: Hospital) -> None:
    browser = hospital.browser()
    first, second = browser.sent("/funnel"), browser.sent("/runs")

    entered = [
        browser.here.get(confirm(browser.there, url, name="anna", home=HOME).removeprefix(HOME)).headers["refresh"]
        for url in (first, second)
    ]

    assert entered == ["0;url=/funnel", "0;url=/runs"]


def test_signing_out_leads_on_to_the_provider(hospital: Hospital) -> None:
    browser = hospital.browser()
    browser.signs_in("anna")
    page = browser.here.get("/account").text
    token = page.split('name="csrf" value="')[1].split('"')[0]
    left = browser.here.post("/sign-out", data={"csrf": token})
    onward = left.headers["refresh"].removeprefix("0;url=")
    there = browser.there.get(onward)

    assert left.status_code == 200
    assert browser.here.get("/account").status_code == 303
    assert there.status_code == 200
    assert parse_qs(urlsplit(onward).query) == {
        "client_id": [CLIENT_ID],
        "post_logout_redirect_uri": [f"{HOME}/sign-in"],
    }
    assert "id_token_hint" not in onward


def test_public_client_signs_in_by_pkce_alone(tmp_path: Path) -> None:
    public = {"client_secret": None, "token_endpoint_auth_method": "none"}
    with running_provider(people=PEOPLE, home=HOME, client=public) as provider, ExitStack() as stack:
        entered = Hospital(stack, tmp_path, provider.issuer, client_secret=None).browser().signs_in("anna")

    assert entered.status_code == 200


def test_secret_that_is_wrong_lets_nobody_in(provider: RunningProvider, tmp_path: Path) -> None:
    with ExitStack() as stack:
        refused = Hospital(stack, tmp_path, provider.issuer, client_secret=SecretStr("x")).browser().signs_in("anna")

    assert refused.status_code == 502
    assert "cannot be trusted" in refused.text


def test_groups_at_the_userinfo_endpoint_count_too(tmp_path: Path) -> None:
    with running_provider(people=PEOPLE, home=HOME, brief=True) as provider, ExitStack() as stack:
        hospital = Hospital(stack, tmp_path, provider.issuer)
        entered = hospital.browser().signs_in("anna")

        assert entered.status_code == 200
        assert [(one.name, one.roles) for one in hospital.accounts.all()] == [("anna.e", {"icm": {"nurse"}})]


def test_signed_in_only_at_the_provider_where_the_settings_say_so(provider: RunningProvider, tmp_path: Path) -> None:
    with ExitStack() as stack:
        browser = Hospital(stack, tmp_path, provider.issuer, only=True).browser()
        door = browser.here.get("/sign-in")
        posted = browser.here.post("/sign-in", data={"name": "anna", "password": "x" * 12})

    assert "/oidc/start" in door.text
    assert 'type="password"' not in door.text
    assert posted.status_code == 404
