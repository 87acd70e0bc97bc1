"""In: attestations and their withdrawals. Out: whether HL7's validator finds no error in them as R4."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from adapter.documents import load_trial
from adapter.screening.attesting import Signature, Statement, attestation_of, without_links
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi

_AT = datetime(2025, 6, 1, 11, 30, 0, 250_000, tzinfo=ZoneInfo("Europe/Paris"))
_SAID = [Statement("I08", "Life expectancy", True), Statement("I06.a", "RENATEN", False, date(2025, 5, 2))]


def test_attestation_and_its_withdrawals_are_valid() -> None:
    made = attestation_of("Patient/1", load_trial("nct04954820"), _SAID, Signature("anna", "Anna Martin", _AT))
    part, whole = (without_links(made, links, at=_AT) for links in (["I08"], ["I08", "I06.a"]))
    assert part is not None
    assert whole is not None

    assert [error for one in (made, part, whole) for error in running_validator().errors(one, "4.0.1")] == []


def test_the_validator_sees_what_is_wrong() -> None:
    made = attestation_of("Patient/1", load_trial("nct04954820"), _SAID, Signature("anna", "Anna Martin", _AT))

    assert running_validator().errors({**made, "status": "done"}, "4.0.1")
