"""In: a store in which much waits for a person. Out: a page that shows and settles it, and the same as JSON; nobody else's forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.service import create_app
from adapter.service.language import LANGUAGES, load_words
from adapter.store import Store
from tests.support.screened import HOSTILE, SITE
from tests.support.unsettled import SECRET, lab_key, open_lab_conflict
from tests.unit.service.conftest import HOME
from tests.unit.service.test_pages import Outline

OURS = {"keep": "ours"}


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    with Store.open(settings.store.path) as store:
        yield store


def hidden(page: str, number: int) -> dict[str, str]:
    """The hidden fields of a conflict's form."""
    form = re.search(rf'<form method="post" action="/conflicts/{number}">.*?</form>', page, re.DOTALL)
    assert form is not None
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', form[0]))


def press(client: TestClient, number: int, keep: str, **changed: str) -> httpx2.Response:
    """Press a button of the page, as a browser sends it; the answer is not followed."""
    fields = {**hidden(client.get("/conflicts").text, number), "keep": keep, **changed}
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    return client.post(f"/conflicts/{number}", data=fields, headers=headers, follow_redirects=False)


def follow(client: TestClient, answer: httpx2.Response) -> str:
    assert answer.status_code == 303
    return client.get(answer.headers["location"]).text


def open_numbers(client: TestClient) -> list[int]:
    return [one["number"] for one in client.get("/api/conflicts").json()["conflicts"]]


# The page -----------------------------------------------------------------------------------------------------------


def test_page_shows_both_sides_of_each_field_and_the_cause_in_words(client: TestClient) -> None:
    page = client.get("/conflicts").text
    conflict = page[page.index('id="conflict-1"') : page.index('id="conflict-2"')]

    assert load_words().say("conflicts.cause-both-changed", "en") in conflict
    assert '<code>Observation.valueQuantity.value</code></th><td role="cell" data-label="Trial (ours)">' in conflict
    assert re.findall(r'<span class="value">([^<]*)</span>', conflict) == ["final", "amended", "12.1", SECRET]
    assert "Observation/hospital-L-1" in conflict


def test_page_is_well_formed_and_holds_nothing_that_runs(client: TestClient) -> None:
    outline = Outline(client.get("/conflicts").text)
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    named = [
        attributes[name]
        for _, attributes in outline.tags
        for name in ("aria-labelledby", "aria-describedby")
        if name in attributes
    ]

    assert (outline.slips, outline.open) == ([], [])
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert len(ids) == len(set(ids)) and set(named) <= set(ids)
    assert outline.all("script") == outline.all("style") == outline.all("img") == []
    assert not [
        name for _, attributes in outline.tags for name in attributes if name == "style" or name.startswith("on")
    ]
    # The frame's own form signs out.
    assert len(outline.all("form")) - 1 == len(outline.all("fieldset")) == len(outline.all("legend")) == 4


def test_page_shows_what_a_hospital_sent_as_text(client: TestClient) -> None:
    page = client.get("/conflicts").text

    assert HOSTILE not in page
    assert "&lt;script&gt;alert(" in page


def test_page_offers_no_choice_that_cannot_be_carried_out(client: TestClient) -> None:
    page = client.get("/conflicts").text

    def offered(number: int) -> list[str]:
        part = page[page.index(f'id="conflict-{number}"') :].partition("</article>")[0]
        return re.findall(r'<button name="keep" value="(\w+)">', part)

    assert [offered(number) for number in range(1, 6)] == [["ours", "hospital"]] * 3 + [[], ["ours"]]


def test_page_groups_what_is_held_by_reason_and_says_what_to_do(client: TestClient) -> None:
    page = client.get("/conflicts").text
    say = load_words()

    assert page.count(say.say("conflicts.todo-patient-missing", "en").replace("'", "&#39;")) == 1
    assert f"{say.say('conflicts.state-held', 'en')} <b>25</b>" in page
    assert say.say("conflicts.more", "en", n=15) in page
    assert "422, Observation.code: required" in page
    assert say.say("conflicts.reason-other", "en", code="something-new") in page


def test_page_leads_from_a_proposal_to_the_patient_and_the_criterion(client: TestClient) -> None:
    [proposal] = client.get("/api/conflicts").json()["proposals"]
    page = client.get("/conflicts").text

    assert f'<a href="/patients/{proposal["key"]}">ready</a>' in page
    assert f'<a href="/patients/{proposal["key"]}#I11">I11</a>' in page
    assert client.get(f"/patients/{proposal['key']}").status_code == 200


def test_proposal_is_marked_on_worklist_and_patient_page_of_that_patient_only(client: TestClient) -> None:
    mark = load_words().say("conflicts.proposal-mark", "en")[1:]
    [proposal] = client.get("/api/conflicts").json()["proposals"]
    rows = client.get("/api/worklist").json()["rows"]

    marked = {row["key"] for row in rows if mark in client.get(f"/patients/{row['key']}").text}
    assert marked == {proposal["key"]}
    assert len(re.findall(rf'<a class="proposed"[^>]*>.?{re.escape(mark)}</a>', client.get("/").text)) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_in_the_language_asked_for(client: TestClient, language: str) -> None:
    page = client.get(f"/conflicts?lang={language}").text

    other = next(known for known in LANGUAGES if known != language)
    for key in ("title", "keep-ours", "keep-hospital", "waiting", "proposals", "means-hospital-deleted"):
        assert load_words().say(f"conflicts.{key}", language).replace("'", "&#39;") in page  # type: ignore[arg-type]
        assert load_words().say(f"conflicts.{key}", other).replace("'", "&#39;") not in page.partition("<main")[2]


def test_every_sentence_about_conflicts_is_said_somewhere() -> None:
    folder = Path(__file__).parents[4] / "adapter"
    sources = [*(folder / "service" / "templates").glob("*.html"), folder / "service" / "settling" / "routes.py"]
    sources += [folder / "service" / "settling" / "listing.py", folder / "cli" / "conflicts.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    # Of these groups the code of the store completes the key.
    groups = ("cause", "kind", "means", "reason", "todo", "state", "states", "told", "keep")
    keys = {key.removeprefix("conflicts.") for key in load_words().keys() if key.startswith("conflicts.")}  # noqa: SIM118

    unsaid = {key for key in keys if f'"{key}"' not in text and f"conflicts.{key}" not in text}
    assert {key for key in unsaid if key.partition("-")[0] not in groups} == set()


def test_page_without_anything_to_settle_says_so(tmp_path: Path, settings: Settings) -> None:
    store = settings.store.model_copy(update={"path": tmp_path / "empty"})
    with TestClient(create_app(settings.model_copy(update={"store": store}), token="t"), base_url=HOME) as client:
        client.get("/login?token=t")
        page = client.get("/conflicts?lang=en").text

    assert load_words().say("conflicts.nothing", "en") in page
    assert page.count("<form") == page.count('action="/sign-out"') == 1


# Settling by the forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "keep"), [(1, "ours"), (1, "hospital"), (3, "ours"), (3, "hospital"), (5, "ours")])
def test_button_settles_and_the_page_says_so_and_the_audit_trail_too(
    client: TestClient, settings: Settings, number: int, keep: str
) -> None:
    page = follow(client, press(client, number, keep))

    assert load_words().say(f"conflicts.told-{keep}", "en", n=number).replace("'", "&#39;") in page
    assert number not in open_numbers(client)
    with opened(settings) as store:
        entry = [one for one in store.audit_trail() if one.action == "settle"][-1]
        closed = next(one for one in store.outbox.conflicts(closed=True) if one.number == number)
    assert (entry.action, entry.subject, entry.detail) == (
        "settle",
        f"{SITE}/labs/{lab_key(f'L-{number}')}",
        f"kept {keep}",
    )
    assert entry.actor == closed.closed_by and entry.actor.startswith("service")
    assert closed.kept == keep


def test_button_keeps_the_hospital_s_value_as_ours(client: TestClient, settings: Settings) -> None:
    press(client, 1, "hospital")

    with opened(settings) as store:
        kept = store.entities.get(SITE, "labs", lab_key("L-1"))
    assert kept is not None and str(kept.entity.value) == SECRET  # type: ignore[union-attr]


def test_button_for_what_somebody_else_settled_changes_nothing_and_says_who(
    client: TestClient, settings: Settings
) -> None:
    fields = hidden(client.get("/conflicts").text, 1)
    with opened(settings) as store:
        conflict = store.outbox.conflicts()[0]
        store.outbox.settle(conflict.number, kept="ours", by="nurse", counterparts=())
        settled = [one for one in store.audit_trail() if one.action == "settle"]

    answer = client.post("/conflicts/1", data={**fields, "keep": "hospital"}, follow_redirects=False)

    said = load_words().say("conflicts.told-gone-ours", "en", n=1, by="nurse")
    assert said in follow(client, answer)
    with opened(settings) as store:
        assert [one for one in store.audit_trail() if one.action == "settle"] == settled


def test_button_for_a_conflict_that_went_away_says_that_both_agree_again(
    client: TestClient, settings: Settings
) -> None:
    fields = hidden(client.get("/conflicts").text, 1)
    with opened(settings) as store:
        entry = next(one for one in store.outbox.entries(SITE) if one.key == lab_key("L-1"))
        store.outbox.done([entry], (), mapping="1")

    answer = client.post("/conflicts/1", data={**fields, **OURS}, follow_redirects=False)

    assert load_words().say("conflicts.told-gone", "en", n=1, by="") in follow(client, answer)


def test_button_for_a_conflict_that_has_changed_since_settles_nothing(client: TestClient, settings: Settings) -> None:
    fields = hidden(client.get("/conflicts").text, 1)

    def once_more(theirs: dict[str, Any]) -> None:
        theirs["status"] = "entered-in-error"

    with opened(settings) as store:
        open_lab_conflict(store, "L-1", change=once_more)

    answer = client.post("/conflicts/1", data={**fields, **OURS}, follow_redirects=False)

    assert load_words().say("conflicts.told-changed", "en", n=1) in follow(client, answer)
    assert 1 in open_numbers(client)


def test_choice_that_a_cause_does_not_allow_settles_nothing_and_says_so(client: TestClient) -> None:
    answer = press(client, 5, "hospital")

    assert load_words().say("conflicts.told-impossible", "en", n=5) in follow(client, answer)
    assert 5 in open_numbers(client)


@pytest.mark.parametrize(
    "address",
    [
        "/conflicts?number=1&told=done",
        "/conflicts?number=1&told=gone",
        "/conflicts?number=99&told=changed",
        "/conflicts?number=1&told=<script>",
        "/conflicts?told=done",
    ],
)
def test_address_alone_makes_the_page_claim_nothing(client: TestClient, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 200
    assert 'role="status"' not in answer.text


def test_address_of_a_form_leads_back_to_the_page(client: TestClient) -> None:
    answer = client.get("/conflicts/1?lang=fr", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/conflicts?lang=fr")


@pytest.mark.parametrize(
    ("path", "changed", "status"),
    [
        ("/conflicts/1", {"keep": "theirs"}, 422),
        ("/conflicts/1", {"keep": ""}, 422),
        ("/conflicts/999", OURS, 404),
        ("/conflicts/0", OURS, 404),
        ("/conflicts/x", OURS, 404),
    ],
)
def test_form_that_makes_no_sense_is_refused(
    client: TestClient, path: str, changed: dict[str, str], status: int
) -> None:
    fields = {**hidden(client.get("/conflicts").text, 1), **changed}

    assert client.post(path, data=fields, follow_redirects=False).status_code == status
    assert 1 in open_numbers(client)
