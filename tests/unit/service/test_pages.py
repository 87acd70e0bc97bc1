"""In: a session. Out: the pages, which say all, run nothing, and name no one in their addresses."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapter.config import load_settings
from adapter.criteria import Trial
from adapter.documents import load_trial
from adapter.screening import words
from adapter.service import create_app
from tests.support.screened import HOSTILE, TRIAL, row_of
from tests.unit.service.conftest import HOME

PAGES = ["/", "/?stage=randomisation", "/funnel", "/runs", "/nothing-here"]


class Outline(HTMLParser):
    """What a page is made of: tags with their attributes, in order."""

    VOID = frozenset({"br", "circle", "hr", "img", "input", "link", "meta", "path", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.slips: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.slips.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def trial() -> Trial:
    return load_trial(TRIAL)


def patient_page(client: TestClient, patient: str) -> str:
    rows = client.get("/api/worklist").json()["rows"]
    return client.get(f"/patients/{row_of(rows, patient)['key']}").text


def every_page(client: TestClient) -> dict[str, str]:
    rows = client.get("/api/worklist").json()["rows"]
    return {path: client.get(path).text for path in [*PAGES, *(f"/patients/{row['key']}" for row in rows)]}


def test_pages_are_well_formed_and_have_landmarks_and_one_heading(client: TestClient) -> None:
    for path, text in every_page(client).items():
        outline = Outline(text)

        assert (path, outline.slips, outline.open) == (path, [], [])
        assert [len(outline.all(tag)) for tag in ("main", "footer", "h1", "title")] == [1, 1, 1, 1]
        assert outline.all("html")[0]["lang"] in ("fr", "en")
        assert outline.all("a")[0]["href"] == "#main"


def test_pages_have_captions_scopes_and_unique_ids(client: TestClient) -> None:
    for path, text in every_page(client).items():
        outline = Outline(text)
        ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]

        assert (path, len(outline.all("caption"))) == (path, len(outline.all("table")))
        assert all(attributes.get("scope") in ("col", "row") for attributes in outline.all("th"))
        assert len(ids) == len(set(ids))
        named = [attributes["aria-labelledby"] for _, attributes in outline.tags if "aria-labelledby" in attributes]
        assert set(named) <= set(ids)


def test_pages_hold_no_script_no_inline_style_and_nothing_from_elsewhere(client: TestClient) -> None:
    for text in every_page(client).values():
        outline = Outline(text)
        addresses = [
            value
            for _, attributes in outline.tags
            for name, value in attributes.items()
            if name in ("href", "src", "action")
        ]

        assert outline.all("script") == outline.all("style") == []
        assert all(image.get("alt") for image in outline.all("img"))
        assert not any(
            name == "style" or name.startswith("on") for _, attributes in outline.tags for name in attributes
        )
        assert all(address is not None and re.match(r"[/#](?!/)", address) for address in addresses)


def test_value_with_markup_is_shown_and_never_run(client: TestClient) -> None:
    text = patient_page(client, "liver")

    assert HOSTILE not in text
    assert "&lt;script&gt;alert(" in text
    assert "onerror=alert(1)>" not in text


def test_no_hospital_id_stands_in_an_address(client: TestClient) -> None:
    rows = client.get("/api/worklist").json()["rows"]
    people = {row["patient"].split("/")[1] for row in rows}
    for text in every_page(client).values():
        links = [attributes["href"] or "" for attributes in Outline(text).all("a")]

        assert not [link for link in links if any(f"/{person}" in link for person in people)]


def test_worklist_lists_everybody_in_the_order_of_what_to_do(client: TestClient) -> None:
    text = client.get("/").text

    found = re.findall(r'<a href="/patients/[\w-]+">([\w-]+)</a>', text)
    assert found == ["ready", "liver", "course", "low", "deceased", "pancreas", "declined"]


def test_worklist_tells_what_holds_back_and_what_is_next(client: TestClient, trial: Trial) -> None:
    text = client.get("/").text

    assert trial.criterion("I11").label["en"] in text
    say = words("en")
    order = say.of("steps", "information-order", what=trial.wanted_label("alt", "en"), day="10 June 2025")
    assert say.of("steps", "not-now-flips", day="18 June 2025")[1:] in text
    assert order[1:] in text
    assert say.of("outcome_reasons", "deceased") in text


def test_worklist_tells_when_its_verdicts_are_of_another_day(client: TestClient) -> None:
    text = client.get("/").text

    assert "Verdicts as of 1 June 2025." in text
    assert "Today is 12 June 2025" in text


def test_worklist_empty_tells_how_to_go_on(client: TestClient) -> None:
    text = client.get("/?stage=randomisation").text

    assert "Nobody on the list" in text
    assert "reluth screen --stage randomisation" in text


def test_patient_page_shows_value_date_source_reason_and_who_to_ask(client: TestClient, trial: Trial) -> None:
    low, liver = patient_page(client, "low"), patient_page(client, "liver")

    for shown in (
        "12,1 g/dL",
        "12.1 g/dL",
        "70 G/L",
        "70 10⁹/L",
        "Observation/hb",
        "version 2",
        "May 2025",
        "18 June 2025",
    ):
        assert shown in low
    assert "Patient/low-before" in low
    assert words("en").verdict("inclusion", False) in low
    for shown in (
        words("en").reason("no-reference-range").partition("'")[0],
        "10 June 2025",
        "date has passed",
        "presumed",
        "To confirm",
    ):
        assert shown.lower() in liver.lower()
    assert trial.criterion("E07").confirm["en"].lower() in liver.lower()


def test_patient_page_is_in_the_language_asked_for_but_the_registry_sentence_stays(
    client: TestClient, trial: Trial
) -> None:
    rows = client.get("/api/worklist").json()["rows"]
    text = client.get(f"/patients/{row_of(rows, 'low')['key']}?lang=fr").text

    assert trial.criterion("I11").label["fr"] in text
    assert "12,1 g/dL" in text
    assert words("fr").verdict("inclusion", False) in text
    assert (
        f'<span lang="en">{trial.criterion("I03").text}</span>'.replace('"First PRRT"', "&#34;First PRRT&#34;") in text
    )


def test_patient_page_shows_what_a_person_decided(client: TestClient) -> None:
    assert words("en").of("decision_reasons", "patient-declined") in patient_page(client, "declined")


@pytest.mark.parametrize(
    "path", ["/patients/unknown", "/patients/a%20b", "/patients/" + "x" * 70, "/patients/Patient%2Fready"]
)
def test_patient_unknown_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_patient_not_screened_at_a_stage_is_not_found(client: TestClient) -> None:
    rows = client.get("/api/worklist").json()["rows"]

    assert client.get(f"/patients/{rows[0]['key']}?stage=randomisation").status_code == 404


@pytest.mark.parametrize("path", ["/?stage=other", "/funnel?stage=", "/?stage=<script>"])
def test_stage_unknown_is_refused(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 422
    assert "<script" not in answer.text


def test_funnel_page_counts_persons_per_criterion(client: TestClient) -> None:
    text = re.sub(r"\s+", " ", client.get("/funnel").text)

    cells = re.search(r'<span class="id">I11</span>.*?</tr>', text)
    assert cells is not None
    assert re.findall(r'<td class="number">(\d+)</td>', cells[0]) == ["6", "1", "0", "1"]


def test_runs_page_names_what_was_put_aside_without_its_content(client: TestClient) -> None:
    text = client.get("/runs").text

    assert "Patient.ndjson" in text
    assert "line 8" in text
    assert "&#34;resourceType&#34;" not in text


def test_pages_of_an_empty_store_tell_how_to_begin(tmp_path: Path) -> None:
    app = create_app(load_settings(None, store=tmp_path / "var"), token="t")
    with TestClient(app, base_url=HOME) as client:
        client.get("/login?token=t")
        texts = {path: client.get(path) for path in ("/", "/funnel", "/runs")}

    assert {path: answer.status_code for path, answer in texts.items()} == {"/": 200, "/funnel": 200, "/runs": 200}
    assert "reluth pull --site SITE" in texts["/"].text
    assert "reluth pull --site SITE" in texts["/runs"].text


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "ground"),
        ("soft", "ground"),
        ("soft", "paper"),
        ("link", "ground"),
        ("pass", "pass-tint"),
        ("fail", "fail-tint"),
        ("open", "open-tint"),
        ("paper", "brand"),
        ("open", "paper"),
    ],
)
def test_style_has_the_contrast_of_wcag_aa(stranger: TestClient, text: str, ground: str) -> None:
    style = stranger.get("/static/style.css").text
    colours = {
        name: value if len(value) == 7 else "#ffffff" for name, value in re.findall(r"--([\w-]+): (#\w+);", style)
    }
    lighter, darker = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)

    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_form_that_cannot_be_read_is_told_so_and_how_to_go_on(client: TestClient) -> None:
    body = "&".join(f"field{number}=1" for number in range(2_000))
    answer = client.post("/find", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status_code == 400
    assert "Request unreadable" in answer.text
    assert "Open the page again and retry." in answer.text


@pytest.mark.parametrize("path", ["/candidates", "/sign-out", "/find", "/conflicts/1", "/account"])
def test_language_of_what_a_form_was_answered_by_can_be_changed(client: TestClient, path: str) -> None:
    refused = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    (address,) = re.findall(r'<a href="([^"]+)" lang="fr"', refused.text)

    assert refused.status_code == 403
    assert client.get(address.replace("&amp;", "&")).status_code == 200
