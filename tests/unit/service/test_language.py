"""In: wishes for a language. Out: French or English, remembered; every sentence in both."""

from __future__ import annotations

import re
from importlib.resources import files
from string import Formatter
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.errors import DocumentError
from adapter.service.language import LANGUAGES, Words, _flatten, load_words, preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "fr"),
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-GB,en;q=0.9", "en"),
        ("de, en;q=0.3", "en"),
        ("de, es", "fr"),
        ("fr;q=0, en;q=0.1", "en"),
        ("fr;q=0.4, en;q=0.5", "en"),
        ("en;q=abc, fr;q=0.1", "fr"),
        ("*", "fr"),
        (";;,=,", "fr"),
    ],
)
def test_preferred_language_is_the_better_liked_of_ours(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_language_asked_for_is_remembered(client: TestClient) -> None:
    first = client.get("/?lang=fr")
    second = client.get("/funnel")

    assert '<html lang="fr">' in first.text
    assert '<html lang="fr">' in second.text
    assert second.headers["content-language"] == "fr"


def test_language_unknown_is_as_if_none_was_asked_for(client: TestClient) -> None:
    answer = client.get("/?lang=de")

    assert '<html lang="en">' in answer.text
    assert "set-cookie" not in answer.headers


def test_language_switch_keeps_stage_and_drops_all_else(client: TestClient) -> None:
    text = client.get("/?stage=randomisation&token=secret").text

    assert "/?stage=randomisation&amp;lang=fr" in text
    assert "secret" not in text


def test_sentence_counts_as_its_language_does() -> None:
    words = Words({"n": {"fr": {"one": "{n} un", "other": "{n} des"}, "en": {"one": "{n} one", "other": "{n} many"}}})

    said = [words.say("n", language, n=n) for language in LANGUAGES for n in (0, 1, 2)]

    assert said == ["0 un", "1 un", "2 des", "0 many", "1 one", "2 many"]


@pytest.mark.parametrize(
    "document", [{"a": "b"}, {"a": {"fr": "b", "en": 1}}, {"a": {"fr": {"one": "b"}, "en": "c"}}, {"a": {True: {}}}]
)
def test_sentence_that_lacks_a_language_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(DocumentError):
        dict(_flatten(document, (), "words/pages/test.yaml"))


def _templates() -> str:
    folder = files("adapter.service") / "templates"
    return "\n".join(item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".html"))


def test_every_sentence_that_a_template_says_is_written() -> None:
    said = set(re.findall(r"\bt\(\"([a-z0-9.-]+)\"[,)]", _templates()))

    assert said
    assert said <= load_words().keys()


def test_every_sentence_that_is_written_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    said = set(re.findall(r"\bt\(\"([a-z0-9.-]+)\"[,)]", _templates()))
    say = Words.say

    def listen(self: Words, key: str, *args: Any, **values: Any) -> str:
        said.add(key)
        return say(self, key, *args, **values)

    monkeypatch.setattr(Words, "say", listen)
    for row in client.get("/api/worklist").json()["rows"]:
        client.get(f"/patients/{row['key']}")
    for path in ("/", "/funnel", "/runs", "/log", "/audit", "/nothing", "/?stage=x", "/login", "/login?token=x"):
        client.get(path)

    # Refusals that take a broken service, the runs that were not whole, conflicts (test_conflicts.py), and what the funnel,
    # log and trail of several sites and pages say (test_funnel_page.py, test_log_page.py, test_audit_page.py).
    # A patient's pages are listened to in test_patient_words.py.
    groups: tuple[str, ...] = ("refusal.", "runs.", "conflicts.", "funnel.", "log.", "audit.")
    groups += ("patient.", "attest.", "decide.", "source.", "print.", "timeline.")
    seldom = {key for key in load_words().keys() if key.startswith(groups)}  # noqa: SIM118
    assert load_words().keys() - said - seldom == set()


def test_both_languages_of_a_sentence_take_the_same_values() -> None:
    words = load_words()
    fields = {
        key: [_fields(words._sentences[key][language]) for language in LANGUAGES]
        for key in words.keys()  # noqa: SIM118
    }

    assert {key for key, (french, english) in fields.items() if french != english} == set()


def _fields(text: object) -> set[str | None]:
    forms = text.values() if isinstance(text, dict) else [text]
    return {name for form in forms for _, name, _, _ in Formatter().parse(str(form)) if name}
