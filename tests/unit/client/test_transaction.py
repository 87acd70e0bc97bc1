"""In: entries, and answers to them. Out: proof that a Bundle holds their very bytes, and that no answer is misread."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapter.client import EntryOutcome, Issue, TransactionEntry
from adapter.client.transaction import parse_transaction_response, transaction_bundle
from adapter.errors import UsageError

OBSERVATION = b'{"resourceType": "Observation", "valueQuantity":{"value":1.10},"note":[{"text":"\\u00e9"}]}'
CREATE = TransactionEntry(
    "POST", "Observation", OBSERVATION, full_url="urn:uuid:0c3151bd", if_none_exist="identifier=urn:x|1"
)
UPDATE = TransactionEntry("PUT", "Basic/9", b'{"resourceType":"Basic","id":"9"}', if_match='W/"2"')
DELETE = TransactionEntry("DELETE", "Basic/8")


def answer(*responses: dict[str, Any], **other: Any) -> bytes:
    entries = [{"response": response} for response in responses]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction-response", "entry": entries} | other)


def test_bundle_holds_the_bytes_of_each_resource() -> None:
    body = transaction_bundle([CREATE, UPDATE, DELETE])

    assert OBSERVATION in body
    assert msgspec.json.decode(body) == {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:0c3151bd",
                "resource": msgspec.json.decode(OBSERVATION),
                "request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:x|1"},
            },
            {
                "resource": {"resourceType": "Basic", "id": "9"},
                "request": {"method": "PUT", "url": "Basic/9", "ifMatch": 'W/"2"'},
            },
            {"request": {"method": "DELETE", "url": "Basic/8"}},
        ],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "PATCH", "url": "Basic/1", "resource": b'{"resourceType":"Basic"}'},
        {"method": "GET", "url": "Basic/1"},
        {"method": "POST", "url": "Basic/1", "resource": b'{"resourceType":"Basic"}'},
        {"method": "POST", "url": "https://h/r4/Basic", "resource": b'{"resourceType":"Basic"}'},
        {"method": "PUT", "url": "Basic", "resource": b'{"resourceType":"Basic"}'},
        {"method": "PUT", "url": "Basic?", "resource": b'{"resourceType":"Basic"}'},
        {"method": "PUT", "url": "Basic/..", "resource": b'{"resourceType":"Basic"}'},
        {"method": "DELETE", "url": "Basic?identifier=x|1"},
        {"method": "DELETE", "url": "Basic/1", "resource": b'{"resourceType":"Basic"}'},
        {"method": "POST", "url": "Basic"},
        {"method": "POST", "url": "Basic", "resource": b'{"resourceType":"Basic"'},
        {"method": "POST", "url": "Basic", "resource": b"[]"},
        {"method": "POST", "url": "Basic", "resource": b'\xef\xbb\xbf{"resourceType":"Basic"}'},
        {"method": "PUT", "url": "Basic/1", "resource": b'{"resourceType":"Basic"}'},
        {"method": "PUT", "url": "Basic/1", "resource": b'{"resourceType":"Basic","id":"2"}'},
        {"method": "POST", "url": "Basic", "resource": b'{"resourceType":"Patient"}'},
        {"method": "POST", "url": "Basic", "resource": b'{"resourceType":"Basic"}', "if_match": 'W/"1"'},
        {"method": "POST", "url": "Basic", "resource": b'{"resourceType":"Basic"}', "if_none_exist": ""},
        {"method": "POST", "url": "Basic", "resource": b'{"resourceType":"Basic"}', "if_none_exist": "?identifier=1"},
        {"method": "POST", "url": "Basic", "resource": b'{"resourceType":"Basic"}', "if_none_exist": "identifier="},
        {"method": "DELETE", "url": "Basic/1", "if_none_exist": "identifier=1"},
        {"method": "DELETE", "url": "Basic/1", "if_match": ""},
    ],
)
def test_entry_that_would_be_written_wrong_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TransactionEntry(**arguments)


def test_update_by_a_search_is_an_entry() -> None:
    entry = TransactionEntry("PUT", "Basic?identifier=urn:x|1", b'{"resourceType":"Basic"}')

    assert entry.resource_type == "Basic"


def test_repr_of_an_entry_holds_no_patient_content() -> None:
    entry = TransactionEntry(
        "PUT", "Patient?identifier=urn:x|4711", b'{"resourceType":"Patient","id":"4711"}', if_match='W/"2"'
    )
    created = TransactionEntry("POST", "Patient", b'{"resourceType":"Patient"}', if_none_exist="identifier=urn:x|4711")

    assert "4711" not in repr([entry, created])


@pytest.mark.parametrize(
    ("location", "version"),
    [
        ("Observation/a-1", None),
        ("/Observation/a-1", None),
        ("Observation/a-1/", None),
        ("Observation/a-1/_history/3", "3"),
        ("https://fhir.example.org/r4/Observation/a-1", None),
        ("https://fhir.example.org/r4/Observation/a-1/_history/3", "3"),
        ("http://internal:8080/FHIR/R4/Observation/a-1/_history/3?x=1", "3"),
    ],
)
def test_location_is_read_in_every_form(location: str, version: str | None) -> None:
    outcomes = parse_transaction_response(answer({"status": "201 Created", "location": location}), sent=[CREATE])

    assert outcomes == [EntryOutcome(201, "Observation/a-1", version, version and f'W/"{version}"')]


@pytest.mark.parametrize(
    "location", [None, 7, "", "Observation", "Observation/", "a-1", "http://[broken/Observation/1"]
)
def test_location_that_tells_nothing_is_none(location: object) -> None:
    outcomes = parse_transaction_response(answer({"status": "201", "location": location}), sent=[CREATE])

    assert outcomes == [EntryOutcome(201)]


@pytest.mark.parametrize(
    ("etag", "version", "for_if_match"),
    [
        ('W/"3"', "3", 'W/"3"'),
        ('"3"', "3", '"3"'),
        ("3", "3", 'W/"3"'),
        ("W/3", "3", 'W/"3"'),
        ('W/""', None, 'W/""'),
        (7, None, None),
    ],
)
def test_version_is_the_etags_where_the_location_has_none(etag: object, version: str | None, for_if_match: str) -> None:
    told = {"status": "200 OK", "location": "Basic/9", "etag": etag, "lastModified": "2025-06-01T10:00:00.000+02:00"}

    outcomes = parse_transaction_response(answer(told), sent=[UPDATE])

    assert outcomes == [EntryOutcome(200, "Basic/9", version, for_if_match, "2025-06-01T10:00:00.000+02:00")]


@pytest.mark.parametrize(
    ("status", "number"), [("201", 201), ("201 Created", 201), (" 204 No Content", 204), (200, 200)]
)
def test_status_is_its_number(status: object, number: int) -> None:
    outcomes = parse_transaction_response(answer({"status": status}), sent=[DELETE])

    assert outcomes == [EntryOutcome(number)]
    assert outcomes[0].is_done


def test_entry_that_was_not_done_is_told_with_its_issues() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "conflict", "diagnostics": "of Dupont", "expression": ["Basic.code"]}],
    }
    told = {"status": "409 Conflict", "outcome": outcome}

    outcomes = parse_transaction_response(answer(told, {"status": "200"}), sent=[UPDATE, DELETE])

    assert [outcome.is_done for outcome in outcomes] == [False, True]
    assert outcomes[0].issues == (Issue("error", "conflict", "of Dupont", ("Basic.code",)),)
    assert "Dupont" not in repr(outcomes)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not whole JSON"),
        (b'{"resourceType":"Bundle","type":"transaction-response","entry":[', "not whole JSON"),
        (b'{"resourceType":"Bundle","type":"\xff"', "not whole JSON"),
        (b"[]", "no transaction-response"),
        (b'{"resourceType":"OperationOutcome"}', "no transaction-response"),
        (answer({"status": "200"}, type="batch-response"), "no transaction-response"),
        (answer({"status": "200"}, entry=[{}]), "no transaction-response"),
        (answer({"status": "200"}, entry=[{"response": None}]), "no transaction-response"),
        (b'{"resourceType":"Bundle","type":"transaction-response"}', "0 entries to 1"),
        (answer({"status": "200"}, {"status": "200"}), "2 entries to 1"),
        (answer({}), "without its status"),
        (answer({"status": "done"}), "without its status"),
        (answer({"status": "2000"}), "without its status"),
        (answer({"status": True}), "without its status"),
        (answer({"status": "200", "location": "Basic/9"}), "another order"),
    ],
)
def test_answer_that_does_not_answer_the_entries_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_transaction_response(body, sent=[CREATE])


@pytest.mark.parametrize("sent", [UPDATE, DELETE], ids=["PUT", "DELETE"])
def test_answer_of_another_resource_of_the_type_is_refused(sent: TransactionEntry) -> None:
    body = answer({"status": "200", "location": "Basic/7/_history/3"})

    with pytest.raises(ValueError, match="another order"):
        parse_transaction_response(body, sent=[sent])


def test_update_of_what_a_search_finds_is_answered_with_whatever_it_found() -> None:
    sent = TransactionEntry("PUT", "Basic?identifier=urn:x|a/1", b'{"resourceType":"Basic"}')

    (outcome,) = parse_transaction_response(answer({"status": "200", "location": "Basic/7"}), sent=[sent])

    assert outcome.location == "Basic/7"


def test_answer_with_a_byte_order_mark_is_read() -> None:
    body = b"\xef\xbb\xbf" + answer({"status": "200"})

    assert parse_transaction_response(body, sent=[CREATE]) == [EntryOutcome(200)]
