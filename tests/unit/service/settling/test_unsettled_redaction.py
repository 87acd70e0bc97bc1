"""In: what a hospital wrote into a field on which both sides differ. Out: for who may not know the patient, only what a result is made of."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adapter.criteria import Stage
from adapter.service.settling.redaction import WITHHELD, redacted_unsettled
from adapter.service.settling.unsettled import FieldDifference, OpenConflict, OpenProposal, Unsettled, WaitingEntry

AT = datetime(2025, 6, 1, tzinfo=UTC)


def unsettled(path: str, ours: str | None, hospital: str | None) -> Unsettled:
    conflict = OpenConflict(
        number=1,
        site="icm",
        kind="labs",
        key="urn:example:lab|L-1",
        version=1,
        cause="both-changed",
        references=["Observation/17", "Observation/18"],
        opened_at=AT,
        choices=["ours", "hospital"],
        seen="x",
        fields=[FieldDifference(path=path, ours=ours, hospital=hospital)],
    )
    waiting = WaitingEntry(
        site="icm",
        kind="labs",
        key="k",
        state="held",
        reason="r",
        detail="Patient/17 is unknown",
        attempts=1,
        changed_at=AT,
    )
    proposal = OpenProposal(
        site="icm",
        patient="Patient/17",
        key="random",
        stage=Stage.REGISTRATION,
        state="contacted",
        decided_by="anna",
        decided_at=AT,
        then=None,
        now="ineligible",
        changed=[],
        since=date(2025, 6, 1),
    )
    return Unsettled(conflicts=[conflict], waiting=[waiting], proposals=[proposal])


def shown(path: str, ours: str | None, hospital: str | None) -> tuple[str | None, str | None]:
    found = redacted_unsettled(unsettled(path, ours, hospital), knows=lambda _: False, number=lambda _: "ICM-1")
    [field] = found.conflicts[0].fields
    return field.ours, field.hospital


@pytest.mark.parametrize(
    "path",
    [
        "Observation.status",
        "Observation.valueQuantity.value",
        "Observation.effectiveDateTime",
        "Observation.referenceRange[0].low.value",
        "Observation.code.coding[0].code",
        "MedicationAdministration.dosage.dose.value",
    ],
)
def test_value_of_a_result_is_shown(path: str) -> None:
    assert shown(path, "12.1", '"final"') == ("12.1", '"final"')


@pytest.mark.parametrize(
    "path",
    [
        "Observation.subject.reference",
        "Observation.subject.identifier.value",
        "Observation.note",
        "Observation.note[0].text",
        "Observation.valueString",
        "Observation.code.text",
        "Observation.identifier[0].value",
        "Observation.performer[0].display",
        "Observation.contained[0].name[0].family",
        "Observation.extension[0].valueString",
        "Observation.referenceRange[0].extension[0].valueString",
        "ResearchSubject.individual.reference",
        "Patient.birthDate",
        "Observation.somethingNew",
        "",
    ],
)
def test_value_that_could_tell_who_it_is_is_withheld_and_so_is_what_nobody_knows(path: str) -> None:
    assert shown(path, '"Martin"', None) == (WITHHELD, None)


def test_element_that_stands_on_one_side_only_is_not_shown_with_all_that_is_in_it() -> None:
    assert shown("Observation.code", '{"text":"Martin"}', "null") == (WITHHELD, "null")


def test_ids_go_and_what_waits_stays() -> None:
    found = redacted_unsettled(
        unsettled("Observation.status", "1", "2"), knows=lambda _: False, number=lambda _: "ICM-1"
    )

    assert found.conflicts[0].references == ["Observation"]
    assert found.waiting[0].detail == "Patient is unknown"
    assert (found.proposals[0].patient, found.proposals[0].key) == ("ICM-1", "random")


def test_who_may_know_sees_all() -> None:
    told = unsettled("Observation.note[0].text", '"a"', '"b"')

    assert redacted_unsettled(told, knows=lambda site: site == "icm", number=lambda _: "ICM-1") == told
