"""In: what the provider says of itself, of Groups, of deletions and of errors. Out: proof that HL7's validator finds no error in any of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.client.capability import parse_capability
from adapter.client.keys import make_key
from adapter.datasets.staging.feed_types import FEED_TYPES
from tests.support.fhir_validator import running_validator
from tests.support.sponsor import Sponsor, StagingDouble, provider, sponsor_settings, subject

KEY = make_key("ES384")


def said(folder: Path) -> dict[str, Any]:
    """Every kind of resource that the provider makes itself."""
    stage = StagingDouble({"icm": subject("05-0001"), "chu_nord": subject("06-0001")})
    with provider(sponsor_settings(folder, {"sponsor": KEY}), stage) as (_, client):
        sponsor = Sponsor(client, KEY)
        empty = sponsor.get("/fhir/Group/icm").json()
        first = sponsor.exported()
        del stage.feeds["chu_nord"]
        changed = sponsor.exported(_since=first["transactionTime"])
        lenient = sponsor.get("/fhir/$export", params={"_elements": "id"}, headers={"Prefer": "handling=lenient"})
        remarked = sponsor.ended("/fhir" + lenient.headers["content-location"].partition("/fhir")[2]).json()
        return {
            "statement": client.get("/fhir/metadata").json(),
            "empty Group": empty,
            "Group": sponsor.get("/fhir/Group/icm").json(),
            "searchset": sponsor.get("/fhir/Group").json(),
            "empty searchset": sponsor.get("/fhir/Group", params={"_id": "none"}).json(),
            "deleted": sponsor.lines(changed, "deleted")[0],
            "remarks": sponsor.lines(remarked, "error")[0],
            "refusal": client.get("/fhir/$export").json(),
        }


def test_own_client_reads_in_the_statement_what_it_needs(tmp_path: Path) -> None:
    with provider(sponsor_settings(tmp_path, {"sponsor": KEY}), StagingDouble()) as (_, client):
        capability = parse_capability(client.get("/fhir/metadata").content)

    assert (capability.fhir_version, capability.exports) == ("4.0.1", frozenset({"system", "group"}))
    assert set(FEED_TYPES) <= set(capability.types)
    assert "SMART-on-FHIR" in capability.security.services


@pytest.mark.hapi
def test_what_the_provider_says_is_valid_for_hl7(tmp_path: Path) -> None:
    validator = running_validator()

    assert {name: found for name, one in said(tmp_path).items() if (found := validator.errors(one, "4.0.1"))} == {}
