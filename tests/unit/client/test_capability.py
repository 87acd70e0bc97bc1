"""In: CapabilityStatements. Out: proof that what they state, and what they lack, is told."""

from __future__ import annotations

import msgspec
import pytest

from adapter.client.capability import Capability, Lack, TypeCapability, parse_capability

STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "software": {"name": "Serveur", "version": "7"},
    "rest": [
        {"mode": "client", "resource": [{"type": "Basic"}]},
        {
            "mode": "server",
            "searchParam": [{"name": "_lastUpdated", "type": "date"}],
            "resource": [
                {
                    "type": "Observation",
                    "interaction": [{"code": "read"}, {"code": "search-type"}],
                    "searchParam": [{"name": "patient", "type": "reference"}],
                },
                {"type": "Patient"},
            ],
        },
    ],
}


def test_statement_is_read_with_the_params_of_the_whole_server() -> None:
    capability = parse_capability(msgspec.json.encode(STATEMENT))

    assert capability == Capability(
        "4.0.1",
        "Serveur 7",
        {
            "Observation": TypeCapability(frozenset({"read", "search-type"}), frozenset({"_lastUpdated", "patient"})),
            "Patient": TypeCapability(frozenset(), frozenset({"_lastUpdated"})),
        },
    )


def test_missing_types_and_params_are_told() -> None:
    capability = parse_capability(msgspec.json.encode(STATEMENT))

    assert capability.lacks({"Observation": ["patient", "code"], "Patient": ["read"], "Basic": ["read"]}) == (
        Lack("Observation", "code"),
        Lack("Patient", "read"),
        Lack("Basic"),
    )
    assert capability.of("Basic") == TypeCapability()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"resourceType":"Bundle","fhirVersion":"4.0.1"}',
        b'{"resourceType":"CapabilityStatement"}',
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a CapabilityStatement"):
        parse_capability(body)


def test_bare_statement_has_no_types() -> None:
    assert parse_capability(b'{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0"}') == Capability("5.0.0")


def test_what_can_be_written_is_read() -> None:
    rest = {
        "mode": "server",
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
        "resource": [
            {
                "type": "Observation",
                "conditionalCreate": True,
                "conditionalUpdate": True,
                "updateCreate": True,
                "versioning": "versioned-update",
            },
            {"type": "Patient", "conditionalCreate": False, "updateCreate": "true", "versioning": 7},
        ],
    }
    client = {"mode": "client", "interaction": [{"code": "history-system"}]}

    capability = parse_capability(msgspec.json.encode(STATEMENT | {"rest": [rest, client]}))

    assert capability.interactions == frozenset({"transaction", "batch"})
    assert capability.transaction
    assert capability.of("Observation") == TypeCapability(
        conditional_create=True, conditional_update=True, update_create=True, versioning="versioned-update"
    )
    assert capability.of("Patient") == TypeCapability()


def test_server_that_does_not_state_transactions_has_none() -> None:
    assert not parse_capability(msgspec.json.encode(STATEMENT)).transaction
