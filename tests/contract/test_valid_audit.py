"""In: runs of every kind and end. Out: proof that HL7's validator finds no error in the AuditEvent of any."""

from __future__ import annotations

import pytest

from tests.support.audited import sample_events
from tests.support.fhir_validator import running_validator

pytestmark = pytest.mark.hapi


def test_audit_events_are_valid_for_hl7() -> None:
    validator = running_validator()

    assert [(one["id"], found) for one in sample_events() if (found := validator.errors(one, "4.0.1"))] == []
