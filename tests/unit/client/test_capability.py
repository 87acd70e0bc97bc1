"""In: CapabilityStatements. Out: proof that what they state, and what they lack, is told."""

from __future__ import annotations

import msgspec
import pytest

from adapter.client.capability import Capability, Lack, Security, TypeCapability, parse_capability

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


def test_topics_and_profiles_of_subscriptions_are_read_without_their_versions() -> None:
    guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
    stated = {
        "type": "Subscription",
        "supportedProfile": [f"{guide}/backport-subscription|1.1.0", 7],
        "extension": [
            {
                "url": f"{guide}/capabilitystatement-subscriptiontopic-canonical",
                "valueCanonical": "https://fhir.example.org/topics/any|2",
            },
            {"url": f"{guide}/capabilitystatement-subscriptiontopic-canonical", "valueUri": "https://elsewhere"},
            {"url": "https://fhir.example.org/other", "valueCanonical": "https://elsewhere"},
        ],
    }
    body = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": [stated]}]}
    found = parse_capability(msgspec.json.encode(body)).of("Subscription")

    assert found.profiles == {f"{guide}/backport-subscription"}
    assert found.topics == {"https://fhir.example.org/topics/any"}


@pytest.mark.parametrize("odd", [{"extension": "x"}, {"extension": [{"valueCanonical": 1}]}, {"supportedProfile": {}}])
def test_odd_extensions_and_profiles_cost_nothing_else(odd: dict[str, object]) -> None:
    stated = {"type": "Subscription", "interaction": [{"code": "read"}], **odd}
    body = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": [stated]}]}
    found = parse_capability(msgspec.json.encode(body)).of("Subscription")

    assert found.interactions == {"read"}
    assert not found.topics | found.profiles


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


def stating(**rest: object) -> Capability:
    return parse_capability(msgspec.json.encode(STATEMENT | {"rest": [{"mode": "server"} | rest]}))


def test_includes_are_told() -> None:
    named = {"type": "MedicationAdministration", "searchInclude": ["MedicationAdministration:medication", 7]}
    capability = stating(resource=[named, {"type": "Condition", "searchInclude": ["*"]}])

    assert capability.of("MedicationAdministration").includes("MedicationAdministration:medication")
    assert not capability.of("MedicationAdministration").includes("MedicationAdministration:patient")
    assert capability.of("Condition").includes("Condition:encounter")
    assert not capability.of("Patient").includes("Patient:general-practitioner")


@pytest.mark.parametrize(
    ("rest", "levels"),
    [
        pytest.param({"operation": [{"name": "export"}]}, {"system"}, id="system"),
        pytest.param({"operation": [{"name": "$export"}]}, {"system"}, id="with-its-sign"),
        pytest.param(
            {"operation": [{"name": "patient-export"}, {"name": "group-export"}]}, {"patient", "group"}, id="by-name"
        ),
        pytest.param(
            {
                "operation": [
                    {
                        "name": "export",
                        "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export|2",
                    }
                ]
            },
            {"group"},
            id="by-definition",
        ),
        pytest.param(
            {
                "operation": [{"name": "export", "definition": "http://h/r4/OperationDefinition/-s-export"}],
                "resource": [
                    {
                        "type": "Patient",
                        "operation": [
                            {"name": "export", "definition": "http://h/r4/OperationDefinition/Patient-t-export"}
                        ],
                    },
                    {"type": "Group", "operation": [{"name": "group-export", "definition": {"reference": "x"}}]},
                ],
            },
            {"system", "patient", "group"},
            id="of-types-as-hapi-states-them",
        ),
        pytest.param({"operation": [{"name": "reindex"}]}, set(), id="another-operation"),
        pytest.param({"operation": "export", "resource": [{"type": "Group", "operation": 7}]}, set(), id="odd"),
    ],
)
def test_levels_of_export_are_told(rest: dict[str, object], levels: set[str]) -> None:
    assert stating(**rest).exports == levels


def test_security_is_told() -> None:
    security = {
        "service": [{"coding": [{"code": "SMART-on-FHIR"}]}, {"coding": [{"code": "OAuth"}]}, {}],
        "extension": [
            {"url": "http://example.org/other", "extension": [{"url": "token", "valueUri": "https://h/other"}]},
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": "token", "valueUri": "https://h/token"},
                    {"url": "authorize", "valueUrl": "https://h/authorize"},
                    {"url": "register"},
                ],
            },
        ],
    }

    assert stating(security=security).security == Security(
        frozenset({"SMART-on-FHIR", "OAuth"}), {"token": "https://h/token", "authorize": "https://h/authorize"}
    )


@pytest.mark.parametrize("security", [None, 7, {"service": "SMART"}, {"extension": [{"url": 7}]}])
def test_odd_security_is_none(security: object) -> None:
    assert stating(security=security).security == Security()


def test_what_the_server_says_it_fulfils_is_told() -> None:
    bulk = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"

    assert parse_capability(msgspec.json.encode(STATEMENT | {"instantiates": [bulk]})).instantiates == (bulk,)
