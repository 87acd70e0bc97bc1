"""In: servers that answer, refuse, hide and fail in every way. Out: what `check_site` finds, in order, with the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

import adapter.jobs.check as door
from adapter.client import BearerAuth, Clock, RetryPolicy, SiteAddress, UnusableAnswer
from adapter.client.transport import Transport
from adapter.config import SiteSettings
from adapter.errors import RemoteError, TransientError
from adapter.jobs.check import Finding, Group, SiteCheck, SiteToCheck, Status, check_site

BASE = "https://fhir.example.org/r4"
NOW = datetime(2025, 6, 1, 10, tzinfo=UTC)
TYPES = ("Condition", "Observation", "Patient")
SMART = {"type": "smart-backend", "client_id": "reluth", "private_key_file": "icm.pem"}
BEARER = {"type": "bearer", "token": "secret"}
NAME = "Dupont"


def test_door_is_sorted_and_whole() -> None:
    assert door.__all__ == sorted(door.__all__)
    assert all(hasattr(door, name) for name in door.__all__)


class Granting:
    """Credentials with scopes, or with none to be had."""

    def __init__(self, *scopes: str, error: RemoteError | None = None) -> None:
        self._scopes, self._error = frozenset(scopes), error

    def authorization(self) -> str:
        return "Bearer t"

    def renew(self, refused: str) -> bool:
        return False

    def granted_scopes(self) -> frozenset[str]:
        if self._error is not None:
            raise self._error
        return self._scopes


def _statement(**more: Any) -> dict[str, Any]:
    interactions = ["read", "search-type", "history-type", "create", "update"]
    stated = {
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [{"name": name} for name in ("_id", "_lastUpdated", "patient", "identifier")],
        "versioning": "versioned",
    }
    rest = {"mode": "server", "resource": [{"type": name, **stated} for name in TYPES]}
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "format": ["json"], "rest": [rest], **more}


def _bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in resources]}


@dataclass
class Server:
    """Answers by path below the base; ``requests`` are those that it got."""

    answers: dict[str, Any] = field(default_factory=dict)
    date: datetime | None = NOW
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/r4/")
        answer = self.answers.get(path, self.usual(path))
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, int):
            answer = httpx.Response(answer)
        if isinstance(answer, dict):
            answer = httpx.Response(200, json=answer)
        if self.date is not None:
            answer.headers["Date"] = format_datetime(self.date, usegmt=True)
        assert isinstance(answer, httpx.Response)
        return answer

    @staticmethod
    def usual(path: str) -> Any:
        if path == "metadata":
            return _statement()
        if path == ".well-known/smart-configuration":
            return {"token_endpoint": f"{BASE}/token"}
        if path in TYPES:
            return _bundle({"resourceType": path, "id": "1", "text": {"div": NAME}})
        return 404


def _check(
    server: Server,
    *,
    auth: Any = None,
    auth_settings: Any = None,
    way: tuple[Finding, ...] = (),
    **settings: Any,
) -> SiteCheck:
    site = SiteSettings.model_validate({"base_url": BASE, "auth": auth_settings or BEARER, **settings})
    address = SiteAddress(BASE, auth=BearerAuth("secret") if auth is None else auth)
    clock = Clock(sleep=lambda _: None, now=lambda: NOW)

    def connect(at: SiteAddress) -> Transport:
        return Transport(at, policy=RetryPolicy(attempts=2), clock=clock, via=httpx.MockTransport(server))

    return check_site(SiteToCheck(site, address, TYPES), way=way, clock=clock, connect=connect)


def _codes(found: SiteCheck) -> list[str]:
    return [one.code for one in found.findings]


def _one(found: SiteCheck, code: str) -> Finding:
    (finding,) = [one for one in found.findings if one.code == code]
    return finding


def test_a_server_that_does_all_is_well() -> None:
    found = _check(Server())

    assert [(one.group, one.code) for one in found.findings if one.group is not Group.PUSH] == [
        (Group.REACH, "clock"),
        (Group.SERVER, "statement"),
        (Group.SERVER, "version"),
        (Group.ACCESS, "sample"),
        (Group.TYPES, "types-stated"),
    ]
    assert (found.exit_code, found.readable) == (0, TYPES)
    assert found.types[0].to_json() == {
        "type": "Condition",
        "served": True,
        "lacking": [],
        "scope": None,
        "sample": "answered",
    }


def test_nothing_of_what_the_server_sent_is_in_what_is_found() -> None:
    assert NAME not in repr(_check(Server()))


def test_what_is_open_to_everybody_is_asked_for_without_credentials() -> None:
    server = Server()
    _check(server)

    shown = {request.url.path: "authorization" in request.headers for request in server.requests}
    assert shown["/r4/metadata"] is False
    assert shown["/r4/Patient"] is True


def test_a_hidden_statement_is_asked_for_once_more_with_credentials() -> None:
    def hidden(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=_statement()) if "authorization" in request.headers else httpx.Response(401)

    assert "statement" in _codes(_check(Server({"metadata": hidden})))


def test_a_way_that_fails_ends_the_check() -> None:
    server = Server()
    broken = Finding(Group.REACH, "name-unknown", Status.FAILED, {"host": "fhir.example.org"}, 75)
    found = _check(server, way=(broken,))

    assert _codes(found) == ["name-unknown", "not-reached", "not-reached", "not-reached"]
    assert (found.exit_code, server.requests) == (75, [])


# The statement and the clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "exit_code", "sampled"),
    [
        (403, "statement-refused", 4, True),
        (404, "statement-refused", 4, True),
        (503, "statement-unavailable", 75, False),
        ({"resourceType": "Patient"}, "statement-odd", 4, True),
    ],
)
def test_a_server_without_a_statement_may_answer_all_the_same(
    answer: Any, code: str, exit_code: int, sampled: bool
) -> None:
    found = _check(Server({"metadata": answer}))

    assert code in _codes(found)
    assert found.exit_code == exit_code
    assert ("sample" in _codes(found)) is sampled


def test_a_certificate_that_only_the_request_sees_is_told() -> None:
    def untrusted(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    found = _check(Server({"metadata": untrusted}))

    assert "certificate not trusted" in str(_one(found, "statement-refused").values["problem"])
    assert (found.exit_code, "not-reached" in _codes(found)) == (4, True)


@pytest.mark.parametrize(
    ("seconds", "code", "exit_code"),
    [(0, "clock", 0), (59, "clock", 0), (-58, "clock", 0), (120, "clock-ahead", 5), (-120, "clock-behind", 5)],
)
def test_a_clock_that_is_more_than_a_minute_off_is_told(seconds: int, code: str, exit_code: int) -> None:
    found = _check(Server(date=NOW + timedelta(seconds=seconds)))

    assert _one(found, code).exit_code == exit_code
    assert abs(int(str(_one(found, code).values["seconds"])) - abs(seconds)) <= 1


def test_a_server_that_does_not_tell_the_time_is_noted() -> None:
    assert _one(_check(Server(date=None)), "clock-untold").status is Status.NOTE


def test_another_fhir_version_stops_us_and_all_else_is_looked_at() -> None:
    found = _check(Server({"metadata": _statement(fhirVersion="5.0.0")}))

    assert (found.exit_code, "sample" in _codes(found)) == (2, True)


# Tokens and scopes ----------------------------------------------------------------------------------------------------


def test_scopes_are_compared_type_by_type() -> None:
    found = _check(Server(), auth=Granting("system/Patient.rs", "system/Observation.r"))

    assert _one(found, "scopes-missing").values == {
        "types": ("Condition", "Observation"),
        "scopes": ("system/Condition.rs", "system/Observation.rs"),
    }
    assert [line.scope for line in found.types] == [False, False, True]
    assert found.exit_code == 5


@pytest.mark.parametrize("scopes", [("system/*.rs",), ("system/*.read",), tuple(f"system/{name}.rs" for name in TYPES)])
def test_scopes_of_either_version_are_enough(scopes: tuple[str, ...]) -> None:
    found = _check(Server(), auth=Granting(*scopes))

    assert "scopes" in _codes(found)
    assert found.exit_code == 0


def test_scopes_that_are_not_told_are_noted() -> None:
    found = _check(Server(), auth=Granting())

    assert _one(found, "scopes-untold").status is Status.NOTE
    assert [line.scope for line in found.types] == [None, None, None]


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (UnusableAnswer("POST https://fhir.example.org/token", "no token in it"), "token-refused", 4),
        (TransientError("POST https://fhir.example.org/token: no answer"), "token-unavailable", 75),
    ],
)
def test_without_a_token_nothing_is_searched_for(error: RemoteError, code: str, exit_code: int) -> None:
    server = Server()
    found = _check(server, auth=Granting(error=error))

    assert _one(found, code).values["problem"] == str(error)
    assert (found.exit_code, found.readable) == (exit_code, ())
    assert "/r4/Patient" not in {request.url.path for request in server.requests}
    # What the statement says is told all the same.
    assert "types-stated" in _codes(found)


def _configured(**well_known: Any) -> Server:
    return Server({".well-known/smart-configuration": {"token_endpoint": f"{BASE}/token", **well_known}})


def test_a_smart_configuration_that_takes_our_assertions_is_well() -> None:
    server = _configured(
        token_endpoint_auth_methods_supported=["private_key_jwt"],
        token_endpoint_auth_signing_alg_values_supported=["RS384", "ES384"],
    )
    found = _check(server, auth=Granting("system/*.rs"), auth_settings=SMART)

    assert [code for code in _codes(found) if code.startswith("smart")] == ["smart"]


def test_a_smart_configuration_that_does_not_is_told_what_is_needed() -> None:
    server = _configured(
        token_endpoint_auth_methods_supported=["client_secret_basic"],
        token_endpoint_auth_signing_alg_values_supported=["RS256"],
    )
    found = _check(server, auth=Granting("system/*.rs"), auth_settings=SMART | {"algorithm": "ES384"})

    assert _one(found, "smart-method").values == {"methods": ("client_secret_basic",)}
    assert _one(found, "smart-algorithm").values == {"ours": ("ES384",), "stated": ("RS256",)}
    assert found.exit_code == 5


def test_a_server_without_smart_configuration_is_asked_for_one_unless_the_address_is_set() -> None:
    server = Server({".well-known/smart-configuration": 404})
    asked = _check(server, auth=Granting("system/*.rs"), auth_settings=SMART)
    told = _check(server, auth=Granting("system/*.rs"), auth_settings=SMART | {"token_url": f"{BASE}/token"})

    assert _one(asked, "smart-missing").exit_code == 5
    assert "smart-missing" not in _codes(told)


def test_a_token_endpoint_elsewhere_is_named_and_gets_nothing() -> None:
    server = _configured(token_endpoint="https://login.example.com/token")
    found = _check(server, auth=Granting("system/*.rs"), auth_settings=SMART)

    assert _one(found, "smart-foreign").values == {"origin": "https://login.example.com"}
    assert found.exit_code == 4
    assert {request.url.host for request in server.requests} == {"fhir.example.org"}


def test_an_authorization_server_that_is_down_is_to_be_tried_later() -> None:
    found = _check(Server({".well-known/smart-configuration": 503}), auth=Granting("system/*.rs"), auth_settings=SMART)

    assert _one(found, "smart-unavailable").exit_code == 75


# Samples --------------------------------------------------------------------------------------------------------------


def test_a_type_that_is_refused_among_others_is_asked_for() -> None:
    found = _check(Server({"Observation": 403}))

    assert _one(found, "sample-forbidden").values == {"types": ("Observation",)}
    assert (found.exit_code, found.readable) == (5, ("Condition", "Patient"))


@pytest.mark.parametrize(("status", "code"), [(401, "credentials-refused"), (403, "sample-forbidden")])
def test_a_server_that_refuses_everything_refuses_us(status: int, code: str) -> None:
    found = _check(Server(dict.fromkeys(TYPES, status)))

    assert _one(found, code).status is Status.FAILED
    assert found.exit_code == 4


def test_a_type_that_is_stated_and_not_there_is_asked_for() -> None:
    found = _check(Server({"Condition": 404}))

    assert _one(found, "sample-missing").values == {"types": ("Condition",)}
    assert found.exit_code == 5


@pytest.mark.parametrize(("type_", "exit_code"), [("Condition", 0), ("Patient", 5)])
def test_a_hospital_without_patients_hides_them(type_: str, exit_code: int) -> None:
    found = _check(Server({type_: _bundle()}))

    assert _one(found, "sample-empty").values == {"types": (type_,)}
    assert found.exit_code == exit_code


@pytest.mark.parametrize(
    ("answer", "problem"),
    [({"resourceType": "Patient"}, "no searchset Bundle"), (400, "400"), (302, "answered 302 to a GET")],
)
def test_a_search_that_does_not_work_is_named_with_its_types(answer: Any, problem: str) -> None:
    found = _check(Server({"Condition": answer, "Observation": answer}))

    assert _one(found, "sample-odd").values == {"types": ("Condition", "Observation"), "problem": problem}
    assert found.exit_code == 4


def test_a_server_that_names_its_patients_under_another_address_is_told() -> None:
    far = {"resourceType": "Condition", "id": "1", "subject": {"reference": "https://inside.test/fhir/Patient/1"}}
    near = {"resourceType": "Observation", "id": "1", "subject": {"reference": "Patient/1"}}
    found = _check(Server({"Condition": _bundle(far), "Observation": _bundle(near)}))

    assert _one(found, "addresses-foreign").values == {"addresses": ("inside.test/fhir",)}
    assert found.exit_code == 5


def test_a_server_that_stops_answering_is_not_asked_eighteen_times() -> None:
    server = Server({"Condition": 503})
    found = _check(server)

    assert found.exit_code == 75
    assert [line.sample for line in found.types] == ["failed", None, None]
    assert "/r4/Patient" not in {request.url.path for request in server.requests}


def test_types_that_are_not_stated_are_not_searched_for() -> None:
    only = _statement(rest=[{"mode": "server", "resource": [{"type": "Patient"}]}])
    server = Server({"metadata": only})
    found = _check(server)

    assert [line.sample for line in found.types] == [None, None, "answered"]
    assert _one(found, "types-missing").exit_code == 5


# Bulk and push --------------------------------------------------------------------------------------------------------


def test_a_server_that_only_exports_is_not_searched() -> None:
    exports = {"type": "Patient", "operation": [{"name": "export", "definition": "http://x.org/patient-export"}]}
    server = Server({"metadata": _statement(rest=[{"mode": "server", "resource": [exports]}])})
    found = _check(server, mode="bulk")

    assert "export" in _codes(found)
    assert {request.url.path for request in server.requests} == {"/r4/metadata"}


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        ({"resourceType": "Group"}, "group", Status.OK),
        (404, "group-missing", Status.ASK),
        (403, "group-unread", Status.NOTE),
    ],
)
def test_the_group_of_the_settings_is_looked_for(answer: Any, code: str, status: Status) -> None:
    found = _check(Server({"Group/oncology": answer}), mode="bulk", group="oncology")

    assert (_one(found, code).status, _one(found, code).values) == (status, {"group": "oncology"})


def test_scopes_to_write_are_asked_for_where_candidates_are_pushed() -> None:
    reading = _check(Server(), auth=Granting("system/*.rs"), push_candidates=True)
    writing = _check(Server(), auth=Granting("system/*.cruds"), push_candidates=True)

    assert "system/ResearchSubject.cruds" in tuple(_one(reading, "push-scopes").values["scopes"])  # type: ignore[arg-type]
    assert "push-scopes" not in _codes(writing)


def test_findings_are_the_same_each_time() -> None:
    assert _check(Server({"Observation": 403, "Condition": 404})) == _check(
        Server({"Observation": 403, "Condition": 404})
    )
