"""In: a ward, a decision form or its JSON. Out: decisions with what was seen; two at once, new data meanwhile, and what a role may not: told, nothing lost."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.screening import read_log
from adapter.service.patient.deciding import MOST_NOTE, reasons_of, tidy_note
from adapter.service.patient.view import account_names
from adapter.service.shapes import Verdict
from adapter.store.accounts import Account
from tests.support.patient_desk import (
    HOSTILE,
    PATIENT,
    SITE,
    TRIAL,
    Ward,
    as_viewer,
    hidden_fields,
    observation,
    send,
)
from tests.support.screened import verdict, verdicts

Json = dict[str, Any]
_JSON = {"Content-Type": "application/json"}


def form_of(client: TestClient, desk: Ward, **typed: str) -> dict[str, str]:
    """The form as it stands on the page, filled in."""
    hidden = hidden_fields(client.get(desk.address).text, f"{desk.address}/decisions")
    return {**hidden, "state": "contacted", "reason": "to-contact", "note": "", **typed}


def decided(client: TestClient, desk: Ward) -> list[Json]:
    found: list[Json] = client.get(f"/api{desk.address}").json()["decisions"]
    return found


def wish_of(client: TestClient, desk: Ward, **more: Any) -> Json:
    file = client.get(f"/api{desk.address}").json()
    return {"state": "contacted", "reason": "to-contact", "version": file["version"], "seen": file["seen"], **more}


def test_decision_is_kept_with_note_version_and_the_verdict_that_was_seen(client: TestClient, desk: Ward) -> None:
    form = form_of(client, desk, note="Appeler\r\nla fille.")
    answer = send(client, f"{desk.address}/decisions", form)

    assert (answer.status_code, answer.headers["location"]) == (303, f"{desk.address}?told=decided#decide")
    with desk.store() as store:
        kept = store.decision_history(TRIAL, site=SITE, patients=[PATIENT])
        seen = store.verdict_of(SITE, PATIENT, trial=TRIAL, stage="registration")
    assert seen is not None
    assert [(one.state, one.reason, one.note, one.version, one.decided_by) for one in kept] == [
        ("contacted", "to-contact", "Appeler\nla fille.", 1, "anna")
    ]
    assert kept[0].seen == seen.input_hash
    page = client.get(answer.headers["location"]).text
    assert "The decision is recorded." in page
    assert "Note: Appeler\nla fille." in page


def test_note_is_in_no_log_no_audit_trail_and_not_shown_without_identity(
    client: TestClient, desk: Ward, capsys: pytest.CaptureFixture[str]
) -> None:
    send(client, f"{desk.address}/decisions", form_of(client, desk, note="sehr-geheim"))
    trial = load_trial(TRIAL)
    with desk.store() as store:
        trail = [(entry.action, entry.detail) for entry in store.audit_trail()]
        log = str(read_log(store, trial, Stage.REGISTRATION))
    as_viewer(client.app, Role.DATA_MANAGER)
    hidden = client.get(desk.address).text + client.get(f"/api{desk.address}").text
    printed = capsys.readouterr()

    assert ("decide", f"{TRIAL} contacted to-contact") in trail
    assert "sehr-geheim" not in str(trail) + log + hidden + printed.out + printed.err


def test_note_with_markup_is_shown_and_never_run(client: TestClient, desk: Ward) -> None:
    send(client, f"{desk.address}/decisions", form_of(client, desk, note=HOSTILE + "</textarea>"))
    stale = {**form_of(client, desk, state="declined", note=HOSTILE + "</textarea>"), "version": "0"}
    pages = client.get(desk.address).text + send(client, f"{desk.address}/decisions", stale).text

    assert HOSTILE not in pages
    assert pages.count("&lt;/textarea&gt;") >= 3


def test_second_of_two_is_told_what_the_first_decided_and_keeps_what_they_typed(client: TestClient, desk: Ward) -> None:
    mine = form_of(client, desk, state="declined", reason="patient-declined", note="Ma note")
    send(client, f"{desk.address}/decisions", form_of(client, desk, note="Leur note"))
    refused = send(client, f"{desk.address}/decisions", mine)

    assert refused.status_code == 409
    for shown in (
        "Somebody else decided meanwhile",
        "Decided by anna: contacted",
        "Leur note",
        ">\nMa note</textarea>",
    ):
        assert shown in refused.text
    assert '<option value="declined" selected>' in refused.text
    assert '<option value="patient-declined" selected>' in refused.text
    again = {**mine, **hidden_fields(refused.text, f"{desk.address}/decisions")}
    assert send(client, f"{desk.address}/decisions", again).status_code == 303
    assert [one["state"] for one in decided(client, desk)] == ["contacted", "declined"]


def test_verdict_that_changed_meanwhile_is_told_and_nothing_is_recorded(
    client: TestClient, desk: Ward, tmp_path: Path
) -> None:
    mine = form_of(client, desk, note="Ma note")
    desk.pull(tmp_path / "low", observation("hb-low", "718-7", "7.1", "g/dL", day="2025-05-30"))
    refused = send(client, f"{desk.address}/decisions", mine)

    assert refused.status_code == 409
    assert "New data came while you read" in refused.text
    assert "The outcome is now: not eligible" in refused.text
    assert ">\nMa note</textarea>" in refused.text
    assert decided(client, desk) == []
    again = {**mine, **hidden_fields(refused.text, f"{desk.address}/decisions")}
    assert send(client, f"{desk.address}/decisions", again).status_code == 303


def test_two_at_the_same_moment_one_wins_and_the_others_words_come_back(client: TestClient, desk: Ward) -> None:
    forms = [form_of(client, desk, note=f"note of {number}") for number in range(2)]
    start, answers = threading.Barrier(2), {}

    def post(number: int) -> None:
        start.wait()
        answers[number] = send(client, f"{desk.address}/decisions", forms[number])

    threads = [threading.Thread(target=post, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = next(number for number, answer in answers.items() if answer.status_code == 303)
    lost = answers[1 - won]

    assert lost.status_code == 409
    assert f">\nnote of {1 - won}</textarea>" in lost.text
    assert f"note of {won}" in lost.text
    assert [one["note"] for one in decided(client, desk)] == [f"note of {won}"]


def test_what_is_sent_twice_is_decided_once(client: TestClient, desk: Ward) -> None:
    form, wish = form_of(client, desk, note="Une note"), wish_of(client, desk, note="Une note")
    clicks = [send(client, f"{desk.address}/decisions", form) for _ in range(2)]
    replayed = client.post(f"/api{desk.address}/decisions", json=wish)
    with desk.store() as store:
        trail = [entry.action for entry in store.audit_trail()]

    assert [answer.status_code for answer in clicks] == [303, 303]
    assert {answer.headers["location"] for answer in clicks} == {f"{desk.address}?told=decided#decide"}
    assert (replayed.status_code, replayed.json()["version"]) == (200, 1)
    assert len(decided(client, desk)) == trail.count("decide") == 1


@pytest.mark.parametrize("other", [{"note": "Autre"}, {"state": "declined"}, {"reason": "other"}])
def test_another_wish_of_the_same_person_is_not_the_same_sent_twice(
    client: TestClient, desk: Ward, other: dict[str, str]
) -> None:
    form = form_of(client, desk, note="Une note")
    send(client, f"{desk.address}/decisions", form)

    assert send(client, f"{desk.address}/decisions", {**form, **other}).status_code == 409
    as_viewer(client.app, Role.INVESTIGATOR, name="bo")
    theirs = {**form, "csrf": form_of(client, desk)["csrf"]}
    assert send(client, f"{desk.address}/decisions", theirs).status_code == 409
    assert len(decided(client, desk)) == 1


def test_new_data_since_the_decision_is_marked(client: TestClient, desk: Ward, tmp_path: Path) -> None:
    send(client, f"{desk.address}/decisions", form_of(client, desk))
    before = client.get(f"/api{desk.address}").json()["new_data"]
    desk.pull(tmp_path / "more", observation("hb-new", "718-7", "11.9", "g/dL", day="2025-05-29"))
    after = client.get(f"/api{desk.address}").json()

    assert (before, after["new_data"], after["state"]) == (False, True, "contacted")
    assert "New data since the decision" in client.get(desk.address).text


@pytest.mark.parametrize("state", ["eligible", "not-eligible", "enrolled"])
def test_nurse_is_not_offered_what_an_investigator_confirms_and_cannot_choose_it(
    client: TestClient, desk: Ward, state: str
) -> None:
    as_viewer(client.app, Role.NURSE)
    page = client.get(desk.address).text
    refused = send(client, f"{desk.address}/decisions", form_of(client, desk, state=state, reason="E07", note="kept"))
    asked = client.post(f"/api{desk.address}/decisions", json=wish_of(client, desk, state=state))

    assert f'<option value="{state}"' not in page
    assert "For an investigator only" in page
    assert (refused.status_code, asked.status_code) == (403, 403)
    assert "This state is for an investigator to choose." in refused.text
    assert ">\nkept</textarea>" in refused.text
    assert decided(client, desk) == []


def test_investigator_is_offered_every_state(client: TestClient, desk: Ward) -> None:
    page = client.get(desk.address).text

    assert all(f'<option value="{state.id}"' in page for state in load_trial(TRIAL).states)
    assert "For an investigator only" not in page


def test_role_that_does_not_decide_has_no_form_and_is_refused(client: TestClient, desk: Ward) -> None:
    form, wish = form_of(client, desk), wish_of(client, desk)
    as_viewer(client.app, Role.DATA_MANAGER)

    assert "/decisions" not in client.get(desk.address).text
    assert send(client, f"{desk.address}/decisions", form).status_code == 403
    assert client.post(f"/api{desk.address}/decisions", json=wish).status_code == 403


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"state": ""}, "Choose a state of the list."),
        ({"state": "nonsense"}, "Choose a state of the list."),
        ({"reason": ""}, "Choose a reason of the list."),
        ({"reason": "nonsense"}, "Choose a reason of the list."),
        ({"note": "x" * (MOST_NOTE + 1)}, "The note is too long"),
        ({"note": "a\x00b"}, "The note is too long, or holds signs that cannot be seen."),
        ({"version": "x"}, "Choose a state of the list."),
    ],
)
def test_form_that_is_wrong_names_the_field_and_keeps_the_rest(
    client: TestClient, desk: Ward, typed: dict[str, str], sentence: str
) -> None:
    answer = send(client, f"{desk.address}/decisions", form_of(client, desk, **{"note": "kept", **typed}))

    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert decided(client, desk) == []


def test_form_of_another_session_or_site_changes_nothing(client: TestClient, desk: Ward) -> None:
    form = form_of(client, desk)
    wrong = send(client, f"{desk.address}/decisions", {**form, "csrf": "x"})
    foreign = client.post(f"{desk.address}/decisions", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    as_viewer(client.app, Role.INVESTIGATOR, site="elsewhere")
    elsewhere = send(client, f"{desk.address}/decisions", form)
    with desk.store() as store:
        kept = store.decision_history(TRIAL, site=SITE)

    assert (wrong.status_code, foreign.status_code, elsewhere.status_code, kept) == (403, 403, 404, [])


def test_address_of_the_form_opened_as_a_page_leads_back(client: TestClient, desk: Ward) -> None:
    answer = client.get(f"{desk.address}/decisions?lang=fr", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, f"{desk.address}?lang=fr#decide")


@pytest.mark.parametrize("told", ["decided", "attested", "<script>"])
def test_address_alone_claims_nothing(client: TestClient, desk: Ward, told: str) -> None:
    text = client.get(desk.address, params={"told": told}).text

    assert 'role="status"' not in text
    assert "<script" not in text


def test_json_twin_decides_on_what_was_seen(client: TestClient, desk: Ward) -> None:
    made = client.post(f"/api{desk.address}/decisions", json=wish_of(client, desk, note="  Note \r\n"))
    stale = client.post(f"/api{desk.address}/decisions", json={**wish_of(client, desk, note="Other"), "version": 0})
    other = client.post(f"/api{desk.address}/decisions", json={**wish_of(client, desk), "seen": "another"})

    assert made.status_code == 200
    assert {key: made.json()[key] for key in ("state", "reason", "version", "note", "decided_by")} == {
        "state": "contacted",
        "reason": "to-contact",
        "version": 1,
        "note": "Note",
        "decided_by": "anna",
    }
    assert (stale.status_code, other.status_code) == (409, 409)
    assert stale.headers["content-type"] == other.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "more",
    [
        {"state": "nonsense"},
        {"reason": "nonsense"},
        {"note": "x" * (MOST_NOTE + 1)},
        {"note": "\x00"},
        {"version": -1},
        {"version": 2**40},
        {"more": 1},
    ],
)
def test_json_twin_refuses_what_is_no_decision(client: TestClient, desk: Ward, more: Json) -> None:
    answer = client.post(f"/api{desk.address}/decisions", json=wish_of(client, desk, **more))

    assert answer.status_code == 422
    assert decided(client, desk) == []


def test_json_twin_takes_json_of_our_pages_only(client: TestClient, desk: Ward) -> None:
    wish = wish_of(client, desk)
    text = client.post(f"/api{desk.address}/decisions", content="{}", headers={"Content-Type": "text/plain"})
    foreign = client.post(f"/api{desk.address}/decisions", json=wish, headers={"Sec-Fetch-Site": "cross-site"})

    assert (text.status_code, foreign.status_code) == (415, 403)


def test_reasons_begin_with_the_criteria_that_fail_then_those_that_are_open() -> None:
    trial = load_trial(TRIAL)
    low = next(item for item in verdicts() if item["patient"] == "Patient/low")
    groups = {group.id: [code for code, _ in group.options] for group in reasons_of(trial, _shape(low), "en")}

    assert list(groups) == ["failing", "open", "codes", "others"]
    assert groups["failing"] == ["I11"]
    assert "I06" in groups["open"]
    assert groups["codes"][0] == "criteria-met"
    assert {"E02", "I01"} <= set(groups["others"])
    assert {code for name in ("failing", "open", "others") for code in groups[name]} == {
        one.id for one in trial.criteria
    }


def _shape(found: Json) -> Verdict:
    return Verdict.model_validate(found)


def test_every_criterion_is_a_reason_once() -> None:
    trial = load_trial(TRIAL)
    groups = reasons_of(trial, _shape(verdict("x", "eligible")), "fr")
    codes = [code for group in groups for code, _ in group.options]

    assert len(codes) == len(set(codes))


def test_note_keeps_lines_and_loses_what_nobody_types() -> None:
    assert tidy_note(" a\r\nb\rc\t") == "a\nb\nc"
    for text in ("\x00", "\x1b[31m", "\ud800", "x" * (MOST_NOTE + 1)):
        with pytest.raises(ValueError, match="the note"):
            tidy_note(text)


@pytest.mark.parametrize("trial", [TRIAL, "start-net"])
def test_states_on_medical_grounds_are_for_an_investigator_in_every_trial(trial: str) -> None:
    confirmed = {state.id for state in load_trial(trial).states if state.confirms}

    assert confirmed == {"eligible", "not-eligible", "enrolled"}


def test_language_of_a_form_that_was_sent_back_is_switched_with_what_was_typed(client: TestClient, desk: Ward) -> None:
    refused = send(client, f"{desk.address}/decisions", form_of(client, desk, state="", note="Appeler la fille."))
    typed = {
        **hidden_fields(refused.text, f"{desk.address}/decisions"),
        "reason": "to-contact",
        "note": "Appeler la fille.",
    }
    answer = send(client, f"{desk.address}/decisions?lang=fr", {**typed, "state": "contacted", "only": "language"})

    assert f'formaction="{desk.address}/decisions?lang=fr"' in refused.text
    assert answer.status_code == 200
    assert 'lang="fr"' in answer.text[:100]
    assert "Appeler la fille." in answer.text
    assert '<option value="contacted" selected>Contacté</option>' in answer.text
    assert decided(client, desk) == []


def test_language_switch_of_a_form_tells_again_what_happened_meanwhile(client: TestClient, desk: Ward) -> None:
    late = form_of(client, desk, note="late")
    send(client, f"{desk.address}/decisions", form_of(client, desk))
    refused = send(client, f"{desk.address}/decisions", late)
    hidden = hidden_fields(refused.text, f"{desk.address}/decisions")
    answer = send(client, f"{desk.address}/decisions?lang=fr", {**late, **hidden, "only": "language"})

    assert refused.status_code == 409
    assert "contacté" in answer.text.lower()
    assert 'name="problem" value="decided-meanwhile"' in answer.text
    assert len(decided(client, desk)) == 1


def test_form_as_it_is_opened_has_links_for_languages(client: TestClient, desk: Ward) -> None:
    text = client.get(desk.address).text

    assert f'href="{desk.address}?lang=fr"' in text
    assert "formaction" not in text


def test_page_names_persons_as_their_accounts_do(client: TestClient, desk: Ward) -> None:
    with desk.store() as store:
        store.accounts.add("anna", display="Anna Blanc", password=None, roles={})
    send(client, f"{desk.address}/decisions", form_of(client, desk))
    text = client.get(desk.address).text

    assert re.search(r'data-label="Who">\s*Anna Blanc<', text)
    assert "· Anna Blanc</p>" in text


def test_two_who_are_called_alike_are_told_apart() -> None:
    accounts = [
        Account(number=at, name=name, display=display, email="", roles={}, created_at=datetime(2025, 6, 1, tzinfo=UTC))
        for at, (name, display) in enumerate({"anna": "A. Blanc", "anne": "A. Blanc", "cron": "", "eve": "Eve"}.items())
    ]

    assert account_names(accounts) == {"anna": "A. Blanc (anna)", "anne": "A. Blanc (anne)", "eve": "Eve"}
