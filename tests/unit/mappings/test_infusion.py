"""In: infusions. Out: whether their resources in R4, R4B and R5 tell all of them, are valid, and are read by the screening."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from adapter.criteria import Truth
from adapter.fhir import FhirVersion, Json
from adapter.fhir.validation import problems
from mappings.elements import business_identifiers, full_url
from mappings.entities import AminoAcids, Extravasation, Identifier, Infusion, InfusionStatus
from mappings.infusion import OWNED, from_fhir, to_fhir
from tests.support.entity_infusion import full_infusion, infusions, sample_infusions
from tests.support.entity_laboratory import sent
from tests.unit.criteria.making import answer_to, complete, criterion, scene, tiny

EXAMPLES = Path(__file__).parent / "examples"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "trial" / "examples"
STEADY = settings(derandomize=True, max_examples=100, deadline=None)
EVERY_VERSION = pytest.mark.parametrize("version", FhirVersion)
NUMBERS = pytest.mark.parametrize("number", range(len(sample_infusions())))


def resources(entity: Infusion, version: FhirVersion = FhirVersion.R4) -> list[Json]:
    return [entry["resource"] for entry in to_fhir(entity, version=version)["entry"]]


def main(entity: Infusion, version: FhirVersion = FhirVersion.R4) -> Json:
    return resources(entity, version)[0]


def of_type(entity: Infusion, kind: str, version: FhirVersion = FhirVersion.R4) -> list[Json]:
    return [one for one in resources(entity, version) if one["resourceType"] == kind]


# --- both ways -----------------------------------------------------------------------------------------------------


@STEADY
@given(entity=infusions())
def test_every_infusion_comes_back_as_it_went(entity: Infusion) -> None:
    for version in FhirVersion:
        back = from_fhir(sent(to_fhir(entity, version=version)))

        assert back == entity
        # 7400 equals 7400.0, but was not what was measured.
        assert repr(back) == repr(entity)


@STEADY
@given(entity=infusions())
def test_the_main_resource_alone_tells_all_but_what_stands_beside_it(entity: Infusion) -> None:
    for version in FhirVersion:
        alone = from_fhir(sent(main(entity, version)))

        assert alone == msgspec.structs.replace(entity, prescribed=None, amino_acids=None)


@EVERY_VERSION
@NUMBERS
def test_every_kind_of_infusion_is_valid_in_the_version(version: FhirVersion, number: int) -> None:
    entity = sample_infusions()[number]
    bundle = to_fhir(entity, version=version)

    assert problems(bundle, version) == []
    assert from_fhir(sent(bundle)) == entity


@pytest.mark.parametrize("version", [FhirVersion.R4, FhirVersion.R5])
def test_an_infusion_reads_as_the_example_shows(version: FhirVersion) -> None:
    rendered = msgspec.json.Encoder(decimal_format="number").encode(to_fhir(full_infusion(), version=version))

    example = EXAMPLES / f"infusion-{version.name.lower()}.json"
    assert msgspec.json.format(rendered, indent=2).decode() == example.read_text(encoding="utf-8").rstrip("\n")


def test_all_elements_that_are_written_are_owned() -> None:
    for version in FhirVersion:
        for resource in (one for entity in sample_infusions() for one in resources(entity, version)):
            owned = OWNED[version][resource["resourceType"]]

            assert set(resource) - {"resourceType", "extension"} <= owned


def test_the_same_elements_are_used_as_in_the_specification() -> None:
    """What only a hospital knows (encounter, device, reason) and a text in words are not ours to write."""
    if not SHARED.is_dir():
        pytest.skip("The examples of the specification lie beside the project, and are not here.")
    theirs = json.loads((SHARED / "medicationadministration-r4.json").read_text(encoding="utf-8"))
    ours = main(full_infusion())

    assert set(theirs) - set(ours) == {"id", "context", "reasonReference", "device"}
    assert set(theirs["dosage"]) - set(ours["dosage"]) == {"text"}
    assert ours["contained"] == theirs["contained"]
    assert ours["medicationReference"] == theirs["medicationReference"]
    assert ours["dosage"]["route"] == theirs["dosage"]["route"]
    amino = json.loads((SHARED / "aminoacid-r4.json").read_text(encoding="utf-8"))
    written = of_type(full_infusion(), "MedicationAdministration")[1]
    assert set(amino) - set(written) == {"id"}
    assert written["dosage"] == amino["dosage"]


# --- what is written -----------------------------------------------------------------------------------------------


@EVERY_VERSION
def test_the_dose_is_what_was_measured_and_never_what_was_prescribed(version: FhirVersion) -> None:
    unmeasured = msgspec.structs.replace(full_infusion(), administered=None, rate=None)

    assert main(full_infusion(), version)["dosage"]["dose"]["value"] == Decimal("7312.0")
    assert "dosage" not in main(unmeasured, version)
    (request,) = of_type(unmeasured, "MedicationRequest", version)
    assert request["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] == Decimal(7400)


@EVERY_VERSION
@NUMBERS
def test_every_reference_within_the_bundle_leads_to_an_entry(version: FhirVersion, number: int) -> None:
    bundle = to_fhir(sample_infusions()[number], version=version)
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    meant = {word for word in json.dumps(bundle, default=str).split('"') if word.startswith("urn:uuid:")}

    assert meant == set(urls)
    assert len(urls) == len(set(urls))


@EVERY_VERSION
@NUMBERS
def test_every_resource_has_an_identifier_of_its_own(version: FhirVersion, number: int) -> None:
    found = [business_identifiers(one)[0] for one in resources(sample_infusions()[number], version)]

    assert len(found) == len(set(found))
    assert found[0] == sample_infusions()[number].id
    assert [full_url(one) for one in found] == [
        entry["fullUrl"] for entry in to_fhir(sample_infusions()[number], version=version)["entry"]
    ]


def test_what_stands_beside_an_infusion_is_named_by_it() -> None:
    named = {(one["resourceType"], business_identifiers(one)[0].system) for one in resources(full_infusion())[1:]}
    values = {business_identifiers(one)[0].value for one in resources(full_infusion())[1:]}

    assert named == {
        ("Procedure", "urn:reluth:procedure"),
        ("MedicationAdministration", "urn:reluth:amino-acids"),
        ("MedicationRequest", "urn:reluth:prescription"),
        ("AdverseEvent", "urn:reluth:extravasation"),
    }
    assert values == {"https://hopital.example/administrations|ADM-2025-0710-3"}


def test_a_long_name_makes_names_that_are_not_too_long() -> None:
    long = msgspec.structs.replace(full_infusion(), id=Identifier(system="urn:hospital", value="9" * 255))

    assert business_identifiers(resources(long)[1])[0].value == full_url(long.id)
    assert from_fhir(to_fhir(long)) == long


@pytest.mark.parametrize(
    ("status", "procedure", "request_status", "amino"),
    [
        ("in-progress", "in-progress", "active", "in-progress"),
        ("on-hold", "on-hold", "on-hold", "in-progress"),
        ("completed", "completed", "completed", "completed"),
        ("entered-in-error", "entered-in-error", "entered-in-error", "entered-in-error"),
        ("stopped", "stopped", "stopped", "unknown"),
        ("unknown", "unknown", "unknown", "unknown"),
    ],
)
def test_the_others_have_a_status_that_follows_from_the_infusion(
    status: str, procedure: str, request_status: str, amino: str
) -> None:
    begun = AminoAcids(product="Lysine", start="2025-07-10")
    over = AminoAcids(product="Lysine", start="2025-07-10", end="2025-07-10")
    entity = msgspec.structs.replace(
        full_infusion(), status=InfusionStatus(status), status_reason="malaise", amino_acids=begun
    )

    assert of_type(entity, "Procedure")[0]["status"] == procedure
    assert of_type(entity, "MedicationRequest")[0]["status"] == request_status
    assert of_type(entity, "MedicationAdministration")[1]["status"] == amino
    ended = of_type(msgspec.structs.replace(entity, amino_acids=over), "MedicationAdministration")[1]["status"]
    assert ended == ("entered-in-error" if status == "entered-in-error" else "completed")


def test_what_was_not_done_has_its_planned_day_and_no_dosage() -> None:
    entity = sample_infusions()[13]
    found = main(entity)

    assert (found["status"], found["effectiveDateTime"]) == ("not-done", entity.planned)
    assert found["statusReason"] == [{"text": entity.status_reason}]
    assert "dosage" not in found
    assert of_type(entity, "Procedure")[0]["status"] == "not-done"
    assert of_type(sample_infusions()[14], "MedicationRequest")[0]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("start", "end", "is_period"),
    [
        ("2025-07-10T10:30:00+02:00", "2025-07-10T11:00:00+02:00", True),
        ("2025-07-10T10:30:00+02:00", "2025-07-10T08:30:00Z", True),
        ("2025-07-09", "2025-07-10", True),
        ("2025-07-10", "2025-07-10T11:00:00+02:00", False),
        ("2025-07-10T10:30:00+02:00", "2025-07-10", False),
        ("2025-07-10T10:30:00.5+02:00", "2025-07-10T10:30:00+02:00", False),
    ],
)
@EVERY_VERSION
def test_a_period_is_written_where_its_ends_compare(
    start: str, end: str, is_period: bool, version: FhirVersion
) -> None:
    entity = msgspec.structs.replace(full_infusion(), start=start, end=end, interruptions=())
    name = "occurence" if version is FhirVersion.R5 else "effective"
    found = main(entity, version)

    assert (f"{name}Period" in found) is is_period
    assert (f"{name}DateTime" in found) is not is_period
    assert from_fhir(found).end == end


def test_an_end_that_is_not_told_is_no_open_period() -> None:
    found = main(msgspec.structs.replace(full_infusion(), end=None))

    assert found["effectiveDateTime"] == full_infusion().start
    assert "effectivePeriod" not in found


@pytest.mark.parametrize(
    ("seen", "events"),
    [(None, 0), (Extravasation(occurred=False, note="regardé"), 0), (Extravasation(occurred=True), 1)],
)
@EVERY_VERSION
def test_an_adverse_event_tells_only_of_an_extravasation_that_occurred(
    seen: Extravasation | None, events: int, version: FhirVersion
) -> None:
    entity = msgspec.structs.replace(full_infusion(), extravasation=seen)

    assert len(of_type(entity, "AdverseEvent", version)) == events
    assert from_fhir(main(entity, version)).extravasation == seen


def test_an_adverse_event_entered_in_error_is_only_written_where_it_can_say_so() -> None:
    entity = sample_infusions()[12]

    assert of_type(entity, "AdverseEvent") == []
    assert of_type(entity, "AdverseEvent", FhirVersion.R5)[0]["status"] == "entered-in-error"


@pytest.mark.parametrize(
    ("start", "end", "day"),
    [
        ("2025-07-10T10:30:00+02:00", "2025-07-10T11:00:00+02:00", "2025-07-10"),
        ("2025-07-10", None, "2025-07-10"),
        ("2025-07-10T23:50:00+02:00", "2025-07-11T00:10:00+02:00", None),
    ],
)
def test_an_extravasation_is_dated_by_the_one_day_of_its_infusion(start: str, end: str | None, day: str | None) -> None:
    entity = msgspec.structs.replace(full_infusion(), start=start, end=end, interruptions=())

    assert of_type(entity, "AdverseEvent")[0].get("date") == day
    assert of_type(entity, "AdverseEvent", FhirVersion.R5)[0].get("occurrenceDateTime") == day


@pytest.mark.parametrize(
    ("course", "marks"), [(None, []), (1, ["prrt-course-first"]), (2, ["prrt-course-second"]), (3, [])]
)
def test_the_procedure_carries_the_course_mark_of_the_clarifications(course: int | None, marks: list[str]) -> None:
    code = of_type(msgspec.structs.replace(full_infusion(), course=course), "Procedure")[0]["code"]

    assert code["text"] == "Peptide receptor radionuclide therapy"
    assert [one["code"] for one in code.get("coding", [])] == marks


# --- our own reader ------------------------------------------------------------------------------------------------


def pushed(day: str, number: int, *, course: int | None = None) -> list[Json]:
    """What a hospital's server has of one infusion, with the references that a push resolves."""
    entity = msgspec.structs.replace(
        full_infusion(),
        id=Identifier(system="urn:hospital", value=str(number)),
        start=f"{day}T10:30:00+01:00",
        end=f"{day}T11:00:00+01:00",
        course=course,
        cycle=None,
        interruptions=(),
        extravasation=None,
        amino_acids=AminoAcids(product="Lysine 2,5 % / arginine 2,5 %", start=day, volume=Decimal(1000)),
    )
    return [
        {**one, "id": f"{number}-{at}", "subject": {"reference": "Patient/1", **one["subject"]}}
        for at, one in enumerate(resources(entity))
    ]


FIRST = ("2021-01-04", "2021-03-01", "2021-04-26", "2021-06-21")


def test_infusions_that_are_pushed_are_cycles_to_the_screening() -> None:
    entries = [one for number, day in enumerate(FIRST) for one in pushed(day, number)]
    rule = {"prrt_cycles_first_course": {"equals": 4, "attested": "I03"}}
    site = complete("medication-administration")

    assert answer_to(rule, entries, on=date(2025, 6, 1), site=site).truth is Truth.T
    found = scene(tiny(criterion(rule)), entries).courses
    assert [(cycle.when.text(), cycle.completed) for cycle in found.first] == [(day, True) for day in FIRST]
    assert found.second == ()


def test_a_course_that_is_pushed_is_a_course_mark_to_the_screening() -> None:
    rule = {"prrt_cycles_first_course": {"equals": 4, "attested": "I03"}}
    unmarked = [one for number, day in enumerate(FIRST) for one in pushed(day, number)]
    second = [one for number, day in enumerate(FIRST) for one in pushed(day, number, course=2)]

    assert answer_to(rule, unmarked).truth is Truth.T
    assert answer_to(rule, second).truth is Truth.U
