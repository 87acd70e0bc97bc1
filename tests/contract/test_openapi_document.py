"""In: the checked-in OpenAPI document. Out: that it is valid, and what the service says of itself today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from adapter.service import openapi_document

CHECKED_IN = Path(__file__).parents[2] / "openapi" / "adapter.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def test_openapi_checked_in_is_current(document: dict[str, Any]) -> None:
    written = CHECKED_IN.read_text(encoding="utf-8")

    current = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    assert written == current, "run: reluth openapi > openapi/adapter.json"


def test_openapi_is_valid(document: dict[str, Any]) -> None:
    validate(document)

    assert document["openapi"].startswith("3.1")


def test_openapi_describes_what_the_design_promises(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/api/audit",
        "/api/candidates",
        "/api/conflicts",
        "/api/conflicts/{number}",
        "/api/find",
        "/api/funnel",
        "/api/load/{kind}",
        "/api/load/{kind}/template",
        "/api/log",
        "/api/patients/{key}",
        "/api/patients/{key}/attestations",
        "/api/patients/{key}/decisions",
        "/api/runs",
        "/api/trials/{trial_id}",
        "/api/worklist",
        "/cds-services",
        "/cds-services/{service}",
        "/cds-services/{service}/feedback",
        "/healthz",
        "/metrics",
        "/notify/{site}",
        "/notify/{site}/{rest}",
        "/readyz",
    }


def test_openapi_says_that_api_refusals_are_problem_details(document: dict[str, Any]) -> None:
    refusals = [
        response
        for path, operations in document["paths"].items()
        if path.startswith("/api/")
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if int(status) >= 400
    ]

    assert refusals
    assert all(set(response["content"]) == {"application/problem+json"} for response in refusals)
    assert all(
        operation["security"]
        for path, item in document["paths"].items()
        if path.startswith("/api/")
        for operation in item.values()
    )
