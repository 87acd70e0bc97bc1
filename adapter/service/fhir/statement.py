"""In: the address of this FHIR server. Out: what it says of itself: CapabilityStatement, SMART configuration, OperationDefinitions named.

R4 capabilitystatement.html; Bulk Data Access STU2; SMART App Launch 2.x, conformance. The date is that of the statement's own text.
"""

from __future__ import annotations

from typing import Any, Final

from adapter.datasets.provider import FORMATS, SEARCH_PARAMETERS
from adapter.datasets.staging.feed_types import FEED_TYPES
from adapter.observe import release
from adapter.service.cards.keys import ALGORITHMS

__all__ = ["capability_statement", "smart_configuration"]

_BULK: Final = "http://hl7.org/fhir/uv/bulkdata"
_SECURITY_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_WRITTEN: Final = "2026-11-23"
_KINDS: Final = {"id": "token", "token": "token", "reference": "reference", "date": "date"}


def capability_statement(base: str) -> dict[str, Any]:
    """What this server can do.

    Args:
        base: its address, without a slash at its end.
    """
    resources: list[dict[str, Any]] = [_group()]
    resources += [_exported(name) for name in FEED_TYPES]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _WRITTEN,
        "kind": "instance",
        "instantiates": [f"{_BULK}/CapabilityStatement/bulk-data"],
        "software": {"name": "reluth-fhir-adapter", "version": release()},
        "implementation": {"description": "Pseudonymised data of a trial's consented subjects", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", FORMATS[0]],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": False,
                    "service": [{"coding": [{"system": _SECURITY_SERVICE, "code": "SMART-on-FHIR"}]}],
                    # Not by the oauth-uris extension, which wants the address of an authorisation that there is none of here.
                    "description": f"SMART Backend Services; see {base}/.well-known/smart-configuration",
                },
                "resource": sorted(resources, key=lambda one: str(one["type"])),
                "operation": [{"name": "export", "definition": f"{_BULK}/OperationDefinition/export"}],
            }
        ],
    }


def smart_configuration(base: str, token_url: str) -> dict[str, Any]:
    """Where and how tokens are asked for.

    Args:
        base: address of the FHIR server.
        token_url: of its token endpoint.
    """
    return {
        "issuer": base,
        "token_endpoint": token_url,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.rs", "system/*.read", *(f"system/{name}.rs" for name in FEED_TYPES)],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def _group() -> dict[str, Any]:
    return {
        "type": "Group",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": "_id", "type": "token"}],
        "operation": [{"name": "export", "definition": f"{_BULK}/OperationDefinition/group-export"}],
    }


def _exported(name: str) -> dict[str, Any]:
    """A type that can be exported, and searched for by ``_typeFilter`` alone."""
    parameters = [
        {"name": one, "type": _KINDS[kind], "documentation": "in _typeFilter of an export"}
        for one, (kind, _) in sorted(SEARCH_PARAMETERS[name].items())
    ]
    return {"type": name, "searchParam": [{"name": "_id", "type": "token"}, *parameters]}
