"""In: a ward of real records. Out: the patient's page and its JSON: evidence with ranges and sources, the timeline, who may see what, the audit trail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.fhir import summarise
from adapter.service.patient.sources import source_token
from adapter.store import Origin
from tests.support.patient_desk import HOSTILE, ON, PATIENT, SITE, Ward, as_viewer, observation, served, ward
from tests.unit.service.test_pages import Outline

_SECRETS = ("ipp-1", "N/42", "N%2F42", "Nomdefamille", "Observation/", "MedicationAdministration/", "Condition/c17")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    told = {"base_url": "https://fhir.example.org/r4", "record_url": "https://dpi.example.org/open?n={number}&i={id}"}
    with ward(tmp_path_factory.mktemp("patient"), **told) as found:
        yield found


@pytest.fixture
def client(desk: Ward) -> Iterator[TestClient]:
    with served(desk) as found:
        yield found


def everything(client: TestClient, desk: Ward) -> dict[str, str]:
    """All that the service tells of the patient, by address."""
    paths = ("", "/print", "/timeline.svg", "?stage=registration&lang=fr")
    found = {path: client.get(desk.address + path) for path in paths}
    found["api"] = client.get(f"/api{desk.address}")
    assert {path: answer.status_code for path, answer in found.items()} == dict.fromkeys(found, 200)
    return {path: answer.text for path, answer in found.items()}


def audited(desk: Ward, action: str) -> list[Any]:
    with desk.store() as store:
        return [entry for entry in store.audit_trail() if entry.action == action]


def test_page_is_well_formed_with_labels_captions_and_unique_ids(client: TestClient, desk: Ward) -> None:
    for path in ("", "/print", "/attestations", "?lang=fr"):
        outline = Outline(client.get(desk.address + path).text)
        ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
        labelled = {attributes.get("for") for attributes in outline.all("label")}
        named = {attributes["aria-labelledby"] for _, attributes in outline.tags if "aria-labelledby" in attributes}
        described = " ".join(attributes.get("aria-describedby") or "" for _, attributes in outline.tags).split()

        assert (path, outline.slips, outline.open) == (path, [], [])
        assert len(ids) == len(set(ids))
        assert named | set(described) <= set(ids)
        assert len(outline.all("h1")) == 1
        assert len(outline.all("caption")) == len(outline.all("table"))
        assert all(attributes.get("scope") in ("col", "row") for attributes in outline.all("th"))
        assert all(attributes["id"] in labelled for tag in ("select", "textarea") for attributes in outline.all(tag))
        assert all(attributes.get("alt") for attributes in outline.all("img"))
        assert outline.all("script") == outline.all("style") == []
        assert not any(
            name == "style" or name.startswith("on") for _, attributes in outline.tags for name in attributes
        )


def test_page_shows_value_as_sent_converted_dated_with_range_and_source(client: TestClient, desk: Ward) -> None:
    text = client.get(desk.address).text

    token = source_token(desk.key, "Observation/hb", "1")
    row = re.search(
        rf'<tr role="row">\s*<th[^>]*><a href="/patients/{desk.key}/sources/{token}">.*?</tr>', text, re.DOTALL
    )
    assert row is not None
    for shown in ("Observation/hb", "version 1", "121 g/L", "12.1 g/dL", "N: 130 - 170", "20 May 2025"):
        assert shown in row[0]
    assert "≤ 41 U/L" in text


def test_page_names_year_of_birth_sex_and_numbers_and_links_to_the_hospital(client: TestClient, desk: Ward) -> None:
    text = client.get(desk.address).text

    assert "born 1960 · male" in re.sub(r"\s+", " ", text)
    assert "<code>N/42</code>" in text
    assert 'href="https://dpi.example.org/open?n=N%2F42&amp;i=ipp-1"' in text
    assert "Nomdefamille" not in text


def test_value_of_a_hospital_is_never_run(client: TestClient, desk: Ward) -> None:
    pages = everything(client, desk)
    token = source_token(desk.key, "Observation/pnn", "1")
    pages["source"] = client.get(f"{desk.address}/sources/{token}").text

    assert "&lt;script&gt;alert(" in pages[""]
    assert "&lt;script&gt;alert(" in pages["source"]
    assert [path for path, text in pages.items() if path != "api" and HOSTILE in text] == []


def test_viewer_without_identity_sees_the_screening_number_everywhere(client: TestClient, desk: Ward) -> None:
    number = client.get(f"/api{desk.address}").json()["number"]
    as_viewer(client.app, Role.DATA_MANAGER)

    pages = everything(client, desk)
    found = json.loads(pages["api"])
    assert [(path, secret) for path, text in pages.items() for secret in _SECRETS if secret in text] == []
    assert f"<h1>{number}</h1>" in pages[""]
    assert (found["verdict"]["patient"], found["identified"], found["hospital_url"]) == (number, False, None)
    cited = [item["reference"] for one in found["verdict"]["criteria"] for item in one["evidence"]]
    assert "Observation" in cited
    assert "/sources/" not in pages[""]


def worded(identity: str, code: str, **value: Any) -> Any:
    """An Observation that says something in words."""
    found = observation(identity, code, "1", "", day="2025-05-22")
    del found["valueQuantity"]
    return {**found, **value}


def test_words_of_the_hospital_are_for_those_who_may_know_who_a_patient_is(tmp_path: Path) -> None:
    said: dict[str, dict[str, Any]] = {
        "a": {"valueString": "refused by Ms Nomdefamille"},
        "b": {"valueString": "12 for Ms Nomdefamille"},
        "c": {"valueCodeableConcept": {"text": "see the letter to Dr Nomdefamille"}},
        "d": {"valueCodeableConcept": {"coding": [{"display": "asked of Dr Nomdefamille"}]}},
        "e": {
            "component": [
                {"code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}, "valueString": "Nomdefamille"}
            ]
        },
    }
    written = [worded(name, "26499-4" if name < "c" else "777-3", **value) for name, value in said.items()]
    ranged = observation(
        "ranged", "718-7", "122", "g/L", day="2025-05-22", referenceRange=[{"text": "Nomdefamille: 130-170"}]
    )
    with ward(tmp_path) as found:
        found.pull(tmp_path / "more", *written, ranged)
        with served(found) as client:
            knowing = everything(client, found)
            as_viewer(client.app, Role.DATA_MANAGER)
            blind = everything(client, found)

    assert "Ms Nomdefamille" in knowing[""]
    assert "Ms Nomdefamille" in knowing["api"]
    assert [path for path, text in blind.items() if "Nomdefamille" in text] == []
    assert "[…]" in blind[""]
    assert "[…]" in blind["api"]


def test_numbers_codes_and_the_year_of_birth_are_for_everybody(client: TestClient, desk: Ward) -> None:
    knowing = everything(client, desk)
    client.cookies.delete("reluth_lang")
    as_viewer(client.app, Role.DATA_MANAGER)
    blind = everything(client, desk)

    for shown in ("121 g/L", "12.1 g/dL", "N: 130 - 170", "≤ 41 U/L", "271299001", "C17.2"):
        assert shown in knowing[""]
        assert shown in blind[""]
    assert "1960-05-04" in knowing["api"]
    assert [path for path, text in blind.items() if "1960-05-04" in text] == []
    assert '"value":"1960"' in blind["api"]


def test_viewer_with_identity_sees_every_reference(client: TestClient, desk: Ward) -> None:
    found = client.get(f"/api{desk.address}").json()

    assert (found["verdict"]["patient"], found["identified"], found["hospital_number"]) == (PATIENT, True, "N/42")
    assert found["hospital_url"] == "https://dpi.example.org/open?n=N%2F42&i=ipp-1"
    assert (found["born"], found["sex"], found["version"], found["new_data"]) == (1960, "male", 0, False)


@pytest.mark.parametrize("path", ["", "/print", "/timeline.svg", "/attestations", "/decisions", "/sources/" + "0" * 16])
def test_patient_of_another_site_is_not_there(client: TestClient, desk: Ward, path: str) -> None:
    as_viewer(client.app, Role.INVESTIGATOR, site="elsewhere")

    assert client.get(desk.address + path).status_code == 404
    assert client.get(f"/api{desk.address}").status_code == 404


@pytest.mark.parametrize("role", [Role.DATA_MANAGER, Role.SPONSOR, Role.IT])
def test_source_is_for_those_who_may_see_the_identity(client: TestClient, desk: Ward, role: Role) -> None:
    as_viewer(client.app, role)

    assert client.get(f"{desk.address}/sources/{source_token(desk.key, 'Observation/hb', '1')}").status_code == 403


def test_source_shows_the_resource_as_stored_with_its_digits_run_and_address(desk: Ward, tmp_path: Path) -> None:
    body = json.dumps(observation("exact", "718-7", "0", "g/dL", day="2025-05-21")).replace(
        '"value": 0', '"value": 12.10'
    )
    with desk.store() as store, store.begin_run(SITE, "pull") as run:
        writer = store.lake.writer(run)
        writer.add(summarise(body.encode()), body.encode(), Origin("Observation.ndjson", 7))
        writer.commit()
        name = run.name
    with served(desk) as client:
        address = f"{desk.address}/sources/{source_token(desk.key, 'Observation/exact', '1')}"
        text = client.get(address).text

    for shown in ("12.10,", name, "Observation.ndjson", "line 7", "https://fhir.example.org/r4/Observation/exact"):
        assert shown in text
    assert [entry.detail for entry in audited(desk, "view-source")][-1] == "Observation/exact"


def test_source_of_what_lies_within_a_resource_shows_that_resource(desk: Ward) -> None:
    held = {**observation("held", "718-7", "7", "g/dL", day="2025-05-22"), "id": "o1"}
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "subject": held["subject"]}
    body = json.dumps({**report, "contained": [held]}).encode()
    with desk.store() as store, store.begin_run(SITE, "pull") as run:
        writer = store.lake.writer(run)
        writer.add(summarise(body), body, Origin("DiagnosticReport.ndjson", 1))
        writer.commit()
    with served(desk) as client:
        found = client.get(f"{desk.address}/sources/{source_token(desk.key, 'DiagnosticReport/r#o1', None)}")

    assert found.status_code == 200
    assert "DiagnosticReport.ndjson" in found.text
    assert [entry.detail for entry in audited(desk, "view-source")][-1] == "DiagnosticReport/r"


@pytest.mark.parametrize("token", ["0" * 16, "nonsense", "Observation%2Fhb"])
def test_source_of_another_token_is_not_there(client: TestClient, desk: Ward, token: str) -> None:
    assert client.get(f"{desk.address}/sources/{token}").status_code == 404


def test_every_view_is_in_the_audit_trail(client: TestClient, desk: Ward) -> None:
    before = {action: len(audited(desk, action)) for action in ("view-patient", "print-patient")}
    client.get(desk.address)
    client.get(f"/api{desk.address}")
    client.get(f"{desk.address}/print")
    client.get(f"{desk.address}/timeline.svg")
    client.get("/patients/unknown-key")

    seen = audited(desk, "view-patient")[before["view-patient"] :]
    assert [(entry.actor, entry.subject) for entry in seen] == [("anna", f"{SITE}/{PATIENT}")] * 3
    assert [entry.detail for entry in seen] == ["", "", "timeline"]
    assert len(audited(desk, "print-patient")) == before["print-patient"] + 1


def test_picture_says_the_same_each_time_and_carries_its_own_policy(client: TestClient, desk: Ward) -> None:
    first, second = (client.get(f"{desk.address}/timeline.svg?lang=fr") for _ in range(2))

    assert first.content == second.content
    assert first.headers["content-type"] == "image/svg+xml"
    assert first.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert first.headers["cache-control"] == "no-store"
    for shown in (
        "Cures",
        "progression",
        "hémoglobine (g/dL)",
        "plaquettes (10⁹/L)",
        "I11 &gt; 8",
        "E07 &gt; 2,5, &gt; 5",
    ):
        assert shown in first.text


def test_table_tells_all_results_of_the_picture_and_those_that_cannot_be_drawn(client: TestClient, desk: Ward) -> None:
    text = client.get(desk.address).text

    table = text[text.index('class="facts-of-picture"') :].partition("</table>")[0]
    for shown in ("9.5 g/dL", "12.1 g/dL", "0.9", "× ULN", "Cycle, first course", "Progression", "I11 &gt; 8"):
        assert shown in table
    assert table.count("Cycle, first course") == 4
    assert "cannot be read or converted" in table


def test_page_of_a_patient_without_dated_facts_has_no_picture(desk: Ward, tmp_path: Path) -> None:
    with ward(tmp_path) as other:
        with other.store() as store:
            store.add_candidate(SITE, "Patient/bare", trial="nct04954820", by="anna")
        other.pull(tmp_path / "more", {"resourceType": "Patient", "id": "bare"})
        with other.store() as store:
            key = store.patient_key(SITE, "Patient/bare")
        with served(other) as client:
            text = client.get(f"/patients/{key}").text
            picture = client.get(f"/patients/{key}/timeline.svg")

    assert "<img" not in text
    assert "The record holds no cycle" in text
    assert "year of birth unknown" in text
    assert picture.status_code == 404
    assert "Put on the list" in text


def test_overlay_that_is_wrong_costs_the_timeline_and_nothing_else(tmp_path: Path) -> None:
    with ward(tmp_path) as found:
        broken = found.settings.sites[SITE].model_copy(update={"overlay": tmp_path / "nowhere"})
        found.settings = found.settings.model_copy(update={"sites": {SITE: broken}})
        with served(found) as client:
            answer = client.get(found.address)
            form = client.get(f"{found.address}/attestations")

    assert answer.status_code == 200
    assert "12.1 g/dL" in answer.text
    assert "The site&#39;s documents are wrong" in answer.text
    assert "Nothing can be attested" in form.text


def test_print_names_who_printed_when_and_who_decides(client: TestClient, desk: Ward) -> None:
    text = client.get(f"{desk.address}/print").text

    for shown in ("Printed on 1 June 2025 by Anna Martin.", "the investigator decides", "I16", "E18", "compact=1"):
        assert shown in text


def test_timeline_reaches_up_to_today_beyond_the_reference_date(desk: Ward, tmp_path: Path) -> None:
    with ward(tmp_path) as found:
        found.pull(tmp_path / "later", observation("hb-later", "718-7", "10.7", "g/dL", day="2025-06-05"))
        shown: dict[str, Any] = {}
        for today in (ON, date(2025, 6, 10)):
            with served(found, today=today) as client:
                shown[str(today)] = "10.7 g/dL" in client.get(found.address).text

    assert shown == {"2025-06-01": False, "2025-06-10": True}
