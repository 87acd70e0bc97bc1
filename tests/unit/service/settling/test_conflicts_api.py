"""In: requests of programs and of other pages, and the settling itself. Out: JSON of what waits; settled once, by whom it may be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.documents import load_trial
from adapter.errors import UsageError
from adapter.service.language import load_words
from adapter.service.settling import settlement
from adapter.service.settling.listing import list_unsettled
from adapter.service.settling.unsettled import FieldDifference, OpenConflict, Unsettled
from adapter.store import Store
from tests.support.screened import SITE, TRIAL
from tests.support.unsettled import SECRET, lab_key
from tests.unit.service.settling.test_conflicts import OURS, hidden, open_numbers, opened, press

# Forms of somebody else ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("csrf", ["", "0" * 64])
def test_form_without_the_token_of_its_session_changes_nothing(client: TestClient, csrf: str) -> None:
    answer = press(client, 1, "ours", csrf=csrf)

    assert answer.status_code == 403
    assert load_words().say("refusal.foreign-title", "en") in answer.text
    assert 1 in open_numbers(client)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/conflicts/1", "/api/conflicts/1"])
def test_request_of_another_page_changes_nothing(client: TestClient, headers: dict[str, str], path: str) -> None:
    fields = {**hidden(client.get("/conflicts").text, 1), **OURS}
    sent: dict[str, Any] = {"json": OURS} if path.startswith("/api") else {"data": fields}
    answer = client.post(path, headers=headers, follow_redirects=False, **sent)

    assert answer.status_code == 403
    assert SECRET not in answer.text
    assert 1 in open_numbers(client)


@pytest.mark.parametrize("path", ["/conflicts/1", "/api/conflicts/1"])
def test_stranger_settles_nothing(settings: Settings, stranger: TestClient, path: str) -> None:
    assert stranger.get("/conflicts").status_code == 401
    assert stranger.get("/api/conflicts").status_code == 401
    assert stranger.post(path, json=OURS).status_code == 401
    with opened(settings) as store:
        assert len(store.outbox.conflicts()) == 5


# JSON ---------------------------------------------------------------------------------------------------------------


def test_api_tells_all_that_waits(client: TestClient) -> None:
    found = client.get("/api/conflicts").json()

    assert [one["cause"] for one in found["conflicts"]] == [
        "both-changed",
        "other-content",
        "deleted",
        "duplicate",
        "unreadable",
    ]
    value = next(one for one in found["conflicts"][0]["fields"] if one["path"].endswith(".value"))
    assert value == {"path": "Observation.valueQuantity.value", "ours": "12.1", "hospital": SECRET}
    assert [(one["site"], one["state"], one["reason"]) for one in found["waiting"]][:2] == [
        ("elsewhere", "refused", "something-new"),
        (SITE, "held", "patient-missing"),
    ]
    [proposal] = found["proposals"]
    assert (proposal["patient"], proposal["state"], proposal["then"], proposal["now"], proposal["changed"]) == (
        "Patient/ready",
        "contacted",
        "ready-for-investigator",
        "ineligible",
        ["I11"],
    )


def test_api_tells_of_one_site(client: TestClient) -> None:
    found = client.get("/api/conflicts?site=elsewhere").json()

    assert (found["conflicts"], found["proposals"]) == ([], [])
    assert [one["site"] for one in found["waiting"]] == ["elsewhere"]


def test_api_settles_once(client: TestClient) -> None:
    first = client.post("/api/conflicts/1", json=OURS)
    second = client.post("/api/conflicts/1", json=OURS)

    assert first.status_code == 200
    assert {name: first.json()[name] for name in ("number", "site", "kind", "kept")} == {
        "number": 1,
        "site": SITE,
        "kind": "labs",
        "kept": "ours",
    }
    assert second.status_code == 409
    assert second.headers["content-type"] == "application/problem+json"


def test_api_settles_what_was_seen_only(client: TestClient) -> None:
    seen = client.get("/api/conflicts").json()["conflicts"][0]["seen"]

    other = client.post("/api/conflicts/1", json={**OURS, "seen": "0" * 16})
    same = client.post("/api/conflicts/1", json={**OURS, "seen": seen})

    assert (other.status_code, same.status_code) == (409, 200)


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/api/conflicts/999", {"json": OURS}, 404),
        ("/api/conflicts/4", {"json": OURS}, 409),
        ("/api/conflicts/1", {"json": {"keep": "theirs"}}, 422),
        ("/api/conflicts/1", {"json": {}}, 422),
        ("/api/conflicts/0", {"json": OURS}, 422),
        ("/api/conflicts/1", {"data": OURS}, 415),
        ("/api/conflicts/1", {"content": '{"keep": "ours"}', "headers": {"Content-Type": "text/plain"}}, 415),
        ("/api/conflicts/1", {"content": '{"keep": "ours"}'}, 415),
    ],
)
def test_api_refuses_what_it_cannot_settle(client: TestClient, path: str, sent: dict[str, Any], status: int) -> None:
    answer = client.post(path, **sent)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert open_numbers(client) == [1, 2, 3, 4, 5]


def test_settling_by_the_hospital_leaves_nothing_to_do_where_it_was_deleted(client: TestClient) -> None:
    client.post("/api/conflicts/3", json={"keep": "hospital"})

    found = client.get("/api/conflicts").json()
    assert lab_key("L-3") not in {one["key"] for one in (*found["conflicts"], *found["waiting"])}


def test_settling_at_the_same_moment_is_done_once_and_the_other_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_slower(_store: Store, number: int, **_more: Any) -> None:
        with opened(settings) as another:
            another.outbox.settle(number, kept="hospital", by="nurse", counterparts=())
        raise UsageError("there is none open by this number")

    monkeypatch.setattr(settlement, "settle_conflict", be_slower)
    with opened(settings) as store:
        before = len(store.audit_trail())
        made = settlement.settle(store, 1, keep="ours", by="somebody")

        assert made.kind is settlement.SettlementKind.GONE
        assert len(store.audit_trail()) == before


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ('"final"', "final"),
        ('""', '""'),
        ("7400.0", "7400.0"),
        ("true", "true"),
        ('{"value":7400.00}', '{\n  "value": 7400.00\n}'),
        ("not json", "not json"),
        ('"half', '"half'),
        ("{half", "{half"),
    ],
)
def test_value_is_shown_with_its_digits_and_what_is_broken_as_it_is(sent: str, shown: str) -> None:
    found = Unsettled(conflicts=[conflict_of(sent)], waiting=[], proposals=[])
    [listed] = list_unsettled(found, load_trial(TRIAL), "en").conflicts

    assert listed.fields[0].hospital is not None
    assert (listed.fields[0].hospital.text, listed.fields[0].ours) == (shown, None)


def conflict_of(value: str) -> OpenConflict:
    return OpenConflict(
        number=1,
        site=SITE,
        kind="labs",
        key="key",
        version=1,
        cause="both-changed",
        references=[],
        opened_at=datetime(2025, 6, 1, tzinfo=UTC),
        choices=["ours"],
        seen="",
        fields=[FieldDifference(path="Observation.status", ours=None, hospital=value)],
    )


def test_nothing_of_a_conflict_is_logged(client: TestClient, capfd: pytest.CaptureFixture[str]) -> None:
    press(client, 1, "ours")
    press(client, 5, "hospital")

    assert SECRET not in "".join(capfd.readouterr())
