"""In: settings of a site and servers on loopback. Out: what `reluth check` prints, in which language, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.client.keys import make_key, public_jwks, write_key
from tests.support.cli import Ran, reluth
from tests.support.clinic import clinic, write_feed
from tests.support.smart_server import Answer, SmartServer, serving

SITE = "icm"
KEY = make_key("ES384")
TYPES = ("Condition", "Patient")
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "urn:oid:1.2.250.1.999.7", "code": "TUM-GRELE"}]},
}
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Dupont"}]}


class Hospital(SmartServer):
    """A server with two types, of which it gives one resource each to who has a token."""

    def _statement(self) -> dict[str, Any]:
        stated = {
            "interaction": [{"code": code} for code in ("read", "search-type", "history-type")],
            "searchParam": [{"name": name} for name in ("_id", "_lastUpdated", "patient")],
        }
        resource = [{"type": name, **stated} for name in TYPES]
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": "4.0.1",
            "rest": [{"mode": "server", "resource": resource}],
        }

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        found = super().answer(method, path, headers, body)
        name = path.removeprefix("/fhir/").partition("?")[0]
        if found.status != 200 or name not in TYPES:
            return found
        one = {"Condition": CONDITION, "Patient": PATIENT}[name]
        return Answer(200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one}]})


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_key(KEY, tmp_path / "icm.pem")
    return tmp_path


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    with serving(Hospital(public_jwks([KEY]))) as server:
        assert isinstance(server, Hospital)
        yield server


def _settings(room: Path, base_url: str, *, more: str = "", auth: str | None = None) -> None:
    smart = '{ type = "smart-backend", client_id = "reluth", private_key_file = "icm.pem" }'
    (room / "adapter.toml").write_text(
        f'[store]\npath = "var"\n[sites.{SITE}]\nbase_url = "{base_url}"\ntypes = ["Condition", "Patient"]\n'
        f'identifier_system = "urn:oid:1.2"\nauth = {auth or smart}\n{more}'
    )
    (room / "adapter.toml").chmod(0o600)


def _check(*more: str) -> Ran:
    return reluth("check", "--site", SITE, *more)


def _codes(ran: Ran) -> dict[str, str]:
    return {one["code"]: one["status"] for one in ran.object["connection"]["findings"]}


def test_check_of_a_site_that_is_well_but_for_its_codes_asks_about_these(room: Path, hospital: Hospital) -> None:
    _settings(room, hospital.base_url)
    ran = _check("--json")

    assert ran.code == 5
    assert ran.object["connection"]["complete"] is True
    assert {"smart", "token", "scopes", "sample", "types-stated"} <= _codes(ran).keys()
    assert (ran.object["covered"], ran.object["sampled"], ran.object["complete"]) == ("sample", 2, False)
    assert ran.object["unmapped"] == {"codes": 1, "results": 1, "units": 0}


def test_check_keeps_the_order_of_its_keys(room: Path, hospital: Hospital) -> None:
    _settings(room, hospital.base_url)
    found = _check("--json", "--sample", "0").object

    usual = ["site", "trial", "complete", "criteria", "data", "unmapped"]
    assert list(found) == [*usual, "covered", "sampled", "connection"]
    assert list(found["connection"]) == ["server", "complete", "findings", "types"]
    assert list(found["connection"]["findings"][0]) == ["group", "code", "status", "values", "found", "do", "ask"]


def test_check_with_all_well_and_nothing_stored_returns_0(room: Path, hospital: Hospital) -> None:
    _settings(room, hospital.base_url)
    ran = _check("--sample", "0")

    assert ran.code == 0
    assert "a token was given" in ran.out
    assert "Nothing was pulled yet" in ran.out
    assert not (room / "var").exists()


def test_check_asks_for_the_scopes_that_are_missing_in_the_readers_language(room: Path, hospital: Hospital) -> None:
    hospital.grants = "system/Patient.rs"
    _settings(room, hospital.base_url)
    english, french = _check("--sample", "0"), _check("--sample", "0", "--lang", "fr")

    assert (english.code, french.code) == (5, 5)
    assert "- Please grant our client the missing scopes: system/Condition.rs" in english.out
    assert "- Merci d'accorder à notre client les droits manquants : system/Condition.rs" in french.out


def test_check_of_a_server_that_does_not_know_us_returns_4_and_says_what_to_register(
    room: Path, hospital: Hospital
) -> None:
    hospital.client_id = "somebody else"
    _settings(room, hospital.base_url)
    ran = _check("--json")
    refused = next(one for one in ran.object["connection"]["findings"] if one["code"] == "token-refused")

    assert ran.code == 4
    assert "invalid_client" in refused["found"]
    assert "`reluth keys`" in refused["ask"]
    assert "Dupont" not in ran.out + ran.err


def test_check_of_a_server_that_is_not_there_returns_75(room: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        _settings(room, f"http://127.0.0.1:{unused.getsockname()[1]}/fhir")
        ran = _check()

    assert ran.code == 75
    assert "does not answer at port" in ran.out
    assert "an earlier step failed" in ran.out
    assert "please open the firewall" in ran.out


def test_check_of_settings_that_cannot_be_used_returns_2_and_names_the_key(room: Path) -> None:
    (room / "icm.pem").chmod(0o644)
    _settings(room, "http://127.0.0.1:9/fhir")
    ran = _check("--json")
    wrong = ran.object["connection"]["findings"][0]

    assert ran.code == 2
    assert (wrong["code"], wrong["status"]) == ("settings-wrong", "failed")
    assert f"sites.{SITE}.auth.private_key_file" in wrong["do"]


def test_check_names_a_store_and_settings_that_others_can_enter(room: Path, hospital: Hospital) -> None:
    _settings(room, hospital.base_url, auth='{ type = "bearer", token = "secret" }')
    feed = write_feed(room / "feed", clinic())
    assert reluth("--store", "var", "pull", "--from", feed, "--site", SITE).code == 0
    (room / "var").chmod(0o755)
    (room / "adapter.toml").chmod(0o644)
    codes = _codes(_check("--json"))

    assert (codes["store-open"], codes["settings-open"]) == ("ask", "ask")


def test_check_tells_of_what_is_stored_where_something_is(room: Path, hospital: Hospital) -> None:
    _settings(room, hospital.base_url)
    feed = write_feed(room / "feed", clinic())
    assert reluth("pull", "--from", feed, "--site", SITE).code == 0
    ran = _check("--json")

    assert (ran.object["covered"], ran.object["sampled"]) == ("stored", None)
    assert [gap for item in ran.object["data"] for gap in item["gaps"] if gap["kind"] == "no-data"]


def test_check_of_a_site_without_a_server_tells_of_what_is_stored_alone(room: Path) -> None:
    (room / "adapter.toml").write_text(f'[store]\npath = "var"\n[sites.{SITE}]\n')
    feed = write_feed(room / "feed", clinic())
    assert reluth("pull", "--from", feed, "--site", SITE).code == 0
    ran = _check("--json")

    assert ran.code == 5
    assert list(ran.object) == ["site", "trial", "complete", "criteria", "data", "unmapped"]


@pytest.mark.parametrize("more", [(), ("--lang", "de"), ("--sample", "-1")])
def test_check_of_what_makes_no_sense_returns_2(room: Path, more: tuple[str, ...]) -> None:
    assert _check(*more).code == 2
