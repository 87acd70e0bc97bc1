"""In: a ward, an attestation form or its JSON. Out: signed answers decide, are told who and when, corrected, withdrawn; what cannot be kept comes back as typed."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.criteria import attestable_links
from adapter.documents import load_trial
from adapter.fhir import PARIS
from adapter.store import Run, Store
from tests.support.patient_desk import (
    HOSTILE,
    ON,
    PATIENT,
    SITE,
    TRIAL,
    Ward,
    as_viewer,
    hidden_fields,
    send,
    served,
)

Json = dict[str, Any]


def answers(client: TestClient, desk: Ward, signed: bool = True, /, **said: str) -> Any:
    """Send the form with these answers; ``__`` stands for a point in a linkId, ``since_`` before it for its date."""
    address = f"{desk.address}/attestations"
    fields = hidden_fields(client.get(address).text, address)
    for name, value in said.items():
        link = name.removeprefix("since_").replace("__", ".")
        fields[f"{'since' if name.startswith('since_') else 'answer'}:{link}"] = value
    return send(client, address, fields | ({"signed": "yes"} if signed else {}))


def truth(client: TestClient, desk: Ward, criterion: str) -> str:
    criteria = client.get(f"/api{desk.address}").json()["verdict"]["criteria"]
    return next(str(one["truth"]) for one in criteria if one["id"] == criterion)


def question(text: str, link: str) -> str:
    """The part of the form about one sentence."""
    found = re.search(rf'<fieldset class="question" id="q-{link.replace(".", "-")}">.*?</fieldset>', text, re.DOTALL)
    assert found is not None
    return re.sub(r"\s+", " ", found[0])


def test_form_asks_first_for_what_is_open_and_names_who_can_answer(client: TestClient, desk: Ward) -> None:
    text = client.get(f"{desk.address}/attestations").text
    first = text[: text.index('<details class="others">')]
    trial = load_trial(TRIAL)

    assert "This answer is waited for." in question(first, "I08")
    assert f"who can answer: {trial.criterion('I08').confirm['en']}" in first
    assert trial.criterion("I08").text in first
    assert 'id="q-E12-stable-24-weeks"' not in first
    links = {link for one in trial.criteria if "registration" in one.stages for link in attestable_links(one)}
    assert {f"answer:{link}" for link in links} == set(re.findall(r'name="(answer:[^"]+)"', text))


def test_form_reads_the_day_of_a_fact_only_where_it_counts(client: TestClient, desk: Ward) -> None:
    text = client.get(f"{desk.address}/attestations").text

    assert set(re.findall(r'name="since:([^"]+)"', text)) == {"I06", "I06.a", "E12.stable-24-weeks"}


def test_sentences_are_in_the_readers_language_and_the_registrys_stay(client: TestClient, desk: Ward) -> None:
    trial = load_trial(TRIAL)
    text = client.get(f"{desk.address}/attestations?lang=fr").text

    assert trial.attestation_words["E12.stable-24-weeks"]["fr"] in text
    assert f'<span lang="en">{trial.criterion("I15").text}'.replace("'", "&#39;") in text


def test_a_verdict_from_before_an_attestation_says_so_until_the_next_screening(
    desk: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "from before the last attestation"
    with served(desk, today=datetime.now(PARIS).date()) as client:
        with monkeypatch.context() as ended:
            # As if the process had been killed between the two.
            ended.setattr("adapter.jobs.attesting._screen", lambda *_, **__: None)
            answers(client, desk, I15="yes")
        page, sheet = client.get(desk.address).text, client.get(f"{desk.address}/print").text
        told = client.get(f"/api{desk.address}").json()["before_attestation"]
        marked = _marked(client)
        answers(client, desk, I13="yes")

        assert (said in page, said in sheet, told) == (True, True, True)
        assert marked == {"api": [PATIENT], "page": True, "filtered": True, "lines": True}
        assert _marked(client) == {"api": [], "page": False, "filtered": False, "lines": False}
        assert client.get(f"/api{desk.address}").json()["before_attestation"] is False
        assert said not in client.get(desk.address).text


def _marked(client: TestClient) -> Json:
    """Where the worklist says that a verdict is from before the last attestation."""
    said, asked = "before-attestation", {"marker": "before-attestation"}
    rows = client.get("/api/worklist").json()["rows"]
    return {
        "api": [row["patient"] for row in rows if said in row["markers"]],
        "page": 'before-attestation">Result from before the last attestation</span>' in client.get("/").text,
        "filtered": 'class="patient' in client.get("/", params=asked).text,
        "lines": said in client.get("/worklist.csv").text,
    }


def test_attestation_by_form_decides_and_says_who_and_until_when(client: TestClient, desk: Ward) -> None:
    before = truth(client, desk, "I08")
    sent = answers(client, desk, I08="yes", I06__a="yes", since_I06__a="2025-05-28")
    page = client.get(sent.headers["location"]).text
    form = client.get(f"{desk.address}/attestations").text

    assert (before, truth(client, desk, "I08")) == ("U", "T")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{desk.address}?told=attested")
    assert "The attestation is recorded" in page
    assert "I08 yes, I06.a yes" in page
    standing = question(form, "I08")
    assert 'Attested "yes" on 1 June 2025. Holds until 29 June 2025.'.replace('"', "&#34;") in standing or (
        'Attested "yes" on 1 June 2025. Holds until 29 June 2025.' in standing
    )
    assert 'value="withdraw"' in standing


def test_attestation_is_signed_by_the_account_and_audited_without_words(client: TestClient, desk: Ward) -> None:
    answers(client, desk, I08="yes", E18="no")
    events = client.get(f"/api{desk.address}").json()["attestations"]
    with desk.store() as store:
        trail = [(one.actor, one.subject, one.detail) for one in store.audit_trail() if one.action == "attest"]

    assert [(one["by"], one["here"], one["kind"], one["answers"]) for one in events] == [
        ("anna", True, "attested", {"I08": True, "E18": False})
    ]
    assert trail == [("anna", f"{SITE}/{PATIENT}", f"{TRIAL} I08=yes E18=no")]


def test_answer_is_corrected_and_withdrawn_and_all_stays_in_the_history(client: TestClient, desk: Ward) -> None:
    truths = []
    for said in ("yes", "no", "withdraw"):
        answers(client, desk, I08=said)
        truths.append(truth(client, desk, "I08"))
    events = client.get(f"/api{desk.address}").json()["attestations"]

    assert truths == ["T", "F", "U"]
    assert [(one["kind"], one["answers"]) for one in events] == [
        ("attested", {"I08": True}),
        ("attested", {"I08": False}),
        ("withdrawn", {"I08": None}),
        ("withdrawn", {"I08": None}),
    ]
    assert "Attestation withdrawn" in client.get(desk.address).text


def test_form_without_signature_is_kept_as_typed_and_records_nothing(client: TestClient, desk: Ward) -> None:
    refused = answers(client, desk, False, I08="yes", I06__a="no", since_I06__a="2025-05-28")

    assert refused.status_code == 422
    assert "Tick the signature." in refused.text
    assert 'name="answer:I08" value="yes" checked' in refused.text
    assert 'value="2025-05-28"' in refused.text
    assert truth(client, desk, "I08") == "U"


@pytest.mark.parametrize(
    ("said", "status", "sentence"),
    [
        ({"I06__a": "yes", "since_I06__a": "tomorrow"}, 422, "This is no date."),
        ({"I06__a": "yes", "since_I06__a": "2025-06-02"}, 422, "The date of a fact is still to come"),
        ({}, 422, "No answer is given"),
        ({"I01": "yes"}, 422, "The trial no longer asks one of these questions"),
        ({"I08": "withdraw"}, 409, "was not attested here"),
        ({"I08": HOSTILE}, 422, "No answer is given"),
    ],
)
def test_form_that_cannot_be_kept_says_why(
    client: TestClient, desk: Ward, said: dict[str, str], status: int, sentence: str
) -> None:
    refused = answers(client, desk, **said)

    assert (refused.status_code, sentence in refused.text, HOSTILE in refused.text) == (status, True, False)
    assert client.get(f"/api{desk.address}").json()["attestations"] == []


def test_withdrawal_of_what_somebody_corrected_meanwhile_is_refused_and_shown(client: TestClient, desk: Ward) -> None:
    address = f"{desk.address}/attestations"
    answers(client, desk, I08="yes")
    opened = hidden_fields(client.get(address).text, address)
    as_viewer(client.app, Role.INVESTIGATOR, name="bruno")
    answers(client, desk, I08="no", E18="no")
    as_viewer(client.app, Role.INVESTIGATOR)
    refused = send(client, address, opened | {"answer:I08": "withdraw", "signed": "yes"})

    assert refused.status_code == 409
    assert "Somebody answered one of these questions" in refused.text
    standing = question(refused.text, "I08")
    assert "Attested &#34;no&#34;" in standing
    assert 'value="withdraw" checked' in standing
    assert truth(client, desk, "I08") == "F"
    # Knowing it, they may.
    assert send(client, address, hidden_fields(refused.text, address) | {"answer:I08": "withdraw", "signed": "yes"})
    assert truth(client, desk, "I08") == "U"


def test_answer_over_one_that_was_not_seen_is_refused_and_others_are_not_held_up(
    client: TestClient, desk: Ward
) -> None:
    address = f"{desk.address}/attestations"
    opened = hidden_fields(client.get(address).text, address)
    answers(client, desk, I08="no")
    contradicts = send(client, address, opened | {"answer:I08": "yes", "signed": "yes"})
    same = send(client, address, opened | {"answer:I08": "no", "signed": "yes"})
    other = send(client, address, opened | {"answer:E18": "no", "signed": "yes"})

    assert [one.status_code for one in (contradicts, same, other)] == [409, 303, 303]


def test_form_that_was_not_signed_does_not_learn_of_what_came_meanwhile_in_silence(
    client: TestClient, desk: Ward
) -> None:
    address = f"{desk.address}/attestations"
    answers(client, desk, I08="yes")
    opened = hidden_fields(client.get(address).text, address)
    answers(client, desk, I08="no")
    unsigned = send(client, address, opened | {"answer:I08": "withdraw"})
    signed = hidden_fields(unsigned.text, address) | {"answer:I08": "withdraw", "signed": "yes"}

    assert (unsigned.status_code, send(client, address, signed).status_code) == (422, 409)


def test_json_twin_refuses_a_withdrawal_of_what_was_not_seen(client: TestClient, desk: Ward) -> None:
    address = f"/api{desk.address}"
    answers(client, desk, I08="yes")
    seen = client.get(address).json()["attested"]
    answers(client, desk, I08="no")
    body = {"withdraw": ["I08"], "signed": True}
    sent = [client.post(f"{address}/attestations", json=body | more) for more in ({}, {"seen": seen})]
    now = client.get(address).json()["attested"]

    assert [(one.status_code, one.json()["detail"]) for one in sent] == [
        (409, "Somebody attested or withdrew one of these sentences meanwhile; read the file again.")
    ] * 2
    assert truth(client, desk, "I08") == "F"
    assert client.post(f"{address}/attestations", json=body | {"seen": now}).status_code == 200
    assert truth(client, desk, "I08") == "U"


def test_attested_in_the_moment_before_the_site_is_held_is_told(
    client: TestClient, desk: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Store.begin_run

    def slower(store: Store, site: str, kind: str) -> Run:
        monkeypatch.setattr(Store, "begin_run", held)
        answers(client, desk, I08="no")
        return held(store, site, kind)

    monkeypatch.setattr(Store, "begin_run", slower)
    sent = client.post(f"/api{desk.address}/attestations", json=wish({"link": "I08", "answer": True}))

    assert sent.status_code == 409
    assert truth(client, desk, "I08") == "F"


@pytest.mark.parametrize("field", ["answer:" + "x" * 100, "seen:" + "x" * 100, "seen:I08"])
def test_form_with_fields_of_another_form_is_no_defect(client: TestClient, desk: Ward, field: str) -> None:
    address = f"{desk.address}/attestations"
    fields = hidden_fields(client.get(address).text, address)
    value = "yes" if field.startswith("answer") else "x" * 100
    sent = send(client, address, fields | {field: value, "answer:I08": "yes", "signed": "yes"})

    assert sent.status_code == 422


def test_form_at_a_busy_site_is_kept_as_typed(client: TestClient, desk: Ward) -> None:
    with desk.store() as store, store.begin_run(SITE, "pull"):
        refused = answers(client, desk, I08="yes")
        asked = client.post(f"/api{desk.address}/attestations", json=wish({"link": "I08", "answer": True}))

    assert (refused.status_code, asked.status_code) == (503, 503)
    assert "nothing is lost: send it again" in refused.text
    assert 'name="answer:I08" value="yes" checked' in refused.text
    assert "checked" in refused.text[refused.text.index('name="signed"') :][:60]


def test_role_that_does_not_attest_is_refused(client: TestClient, desk: Ward) -> None:
    address = f"{desk.address}/attestations"
    fields = hidden_fields(client.get(address).text, address)
    as_viewer(client.app, Role.DATA_MANAGER)

    assert client.get(address).status_code == 403
    assert send(client, address, {**fields, "answer:I08": "yes", "signed": "yes"}).status_code == 403
    assert client.post(f"/api{address}", json=wish({"link": "I08", "answer": True})).status_code == 403
    assert "/attestations" not in client.get(desk.address).text


def test_form_of_another_session_or_site_changes_nothing(client: TestClient, desk: Ward) -> None:
    address = f"{desk.address}/attestations"
    fields = {**hidden_fields(client.get(address).text, address), "answer:I08": "yes", "signed": "yes"}
    wrong = send(client, address, {**fields, "csrf": "x"})
    foreign = client.post(address, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    as_viewer(client.app, Role.INVESTIGATOR, site="elsewhere")
    elsewhere = send(client, address, fields)

    assert (wrong.status_code, foreign.status_code, elsewhere.status_code) == (403, 403, 404)
    with desk.store() as store:
        assert store.lake.live_ids(SITE, "QuestionnaireResponse") == set()


def wish(*answers: Json, **more: Any) -> Json:
    return {"answers": list(answers), "signed": True, **more}


def test_json_twin_attests_and_tells_what_still_waits(client: TestClient, desk: Ward) -> None:
    made = client.post(f"/api{desk.address}/attestations", json=wish({"link": "I08", "answer": True}))
    seen = client.get(f"/api{desk.address}").json()["attested"]
    back = client.post(f"/api{desk.address}/attestations", json=wish(withdraw=["I08"], seen=seen))

    assert (made.status_code, back.status_code) == (200, 200)
    assert made.json()["by"] == "anna"
    assert made.json()["reference"].startswith("QuestionnaireResponse/")
    assert ("I08" in made.json()["to_answer"], "I08" in back.json()["to_answer"]) == (False, True)
    assert (back.json()["reference"], back.json()["withdrawn"]) == (None, [made.json()["reference"]])


@pytest.mark.parametrize(
    "body",
    [
        {"answers": [{"link": "I08", "answer": True}]},
        {"answers": [{"link": "I08", "answer": True}], "signed": False},
        {"answers": [], "signed": True},
        {"answers": [{"link": "nonsense", "answer": True}], "signed": True},
        {"answers": [{"link": "I08", "answer": True}, {"link": "I08", "answer": False}], "signed": True},
        {"answers": [{"link": "I08", "answer": True}], "withdraw": ["I08"], "signed": True},
        {"answers": [{"link": "I06.a", "answer": True, "since": "2025-06-02"}], "signed": True},
        {"answers": [{"link": "I08", "answer": True}], "signed": True, "more": 1},
    ],
)
def test_json_twin_refuses_what_is_no_attestation(client: TestClient, desk: Ward, body: Json) -> None:
    answer = client.post(f"/api{desk.address}/attestations", json=body)

    assert answer.status_code == 422
    with desk.store() as store:
        assert store.lake.live_ids(SITE, "QuestionnaireResponse") == set()


def test_attestation_in_the_hospitals_record_is_shown_and_not_ours_to_withdraw(
    client: TestClient, desk: Ward, tmp_path: Path
) -> None:
    theirs = {
        "resourceType": "QuestionnaireResponse",
        "id": "theirs",
        "status": "completed",
        "questionnaire": f"urn:reluth:attestation:{TRIAL}",
        "subject": {"reference": PATIENT},
        "authored": "2025-05-30T10:00:00+02:00",
        "author": {"reference": "Practitioner/dr-1"},
        "item": [{"linkId": "I08", "answer": [{"valueBoolean": True}]}],
    }
    desk.pull(tmp_path / "theirs", theirs)
    form = question(client.get(f"{desk.address}/attestations").text, "I08")
    refused = answers(client, desk, I08="withdraw")

    assert "Attested in the hospital&#39;s record" in form
    assert 'value="withdraw"' not in form
    assert refused.status_code == 409
    assert "Practitioner/dr-1, the hospital&#39;s record" in client.get(desk.address).text


def test_patient_judged_as_of_a_past_day_is_told_that_it_does_not_count(
    client: TestClient, desk: Ward, tmp_path: Path
) -> None:
    study = {
        "resourceType": "ResearchStudy",
        "id": "reluth",
        "identifier": [{"system": "http://clinicaltrials.gov", "value": "NCT04954820"}],
        "status": "active",
    }
    subject = {
        "resourceType": "ResearchSubject",
        "id": "rs",
        "status": "on-study",
        "study": {"reference": "ResearchStudy/reluth"},
        "individual": {"reference": PATIENT},
        "period": {"start": "2025-03-10"},
    }
    desk.pull(tmp_path / "subject", study, subject)

    assert "judged as of the reference date 10 March 2025" in client.get(f"{desk.address}/attestations").text


def test_address_of_a_criterion_leads_to_its_question(client: TestClient, desk: Ward) -> None:
    page, form = client.get(desk.address).text, client.get(f"{desk.address}/attestations").text
    anchors = set(re.findall(r'/attestations#([A-Z0-9]+)"', page))
    auto = {one.id for one in load_trial(TRIAL).criteria if not attestable_links(one)}

    assert anchors
    assert {anchor for anchor in anchors if f'id="{anchor}"' not in form} == set()
    assert anchors & auto == set()
    assert str(ON) in form


def test_language_of_a_form_that_was_sent_back_is_switched_with_what_was_typed(client: TestClient, desk: Ward) -> None:
    refused = answers(client, desk, False, I08="yes")
    address = f"{desk.address}/attestations"
    fields = {**hidden_fields(refused.text, address), "answer:I08": "yes", "signed": "yes", "only": "language"}
    shown = send(client, f"{address}?lang=fr", fields)

    assert f'formaction="{address}?lang=fr"' in refused.text
    assert shown.status_code == 200
    assert 'lang="fr"' in shown.text[:100]
    assert 'value="yes" checked' in question(shown.text, "I08")
    assert client.get(f"/api{desk.address}").json()["attestations"] == []
