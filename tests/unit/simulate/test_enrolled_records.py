"""In: a small centre with enrolled subjects. Out: what their records promise: valid FHIR that a pull takes whole,
consents, infusions, visits, assessments and adverse events that agree with the subject's history.
"""

from __future__ import annotations

import importlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from adapter.simulate.enrolment import enrolled_patient, journeys
from adapter.store import Store
from adapter.sync import FolderSource, pull
from mappings.entities import EventKind, Subject
from tests.support.followed import (
    Resource,
    Subjects,
    codes_in,
    dates_in,
    kinds_of,
    of_person,
    references_in,
)
from tests.support.simulated import item_of

SEED = 7
ON = date(2025, 6, 1)
ENROLLED, FAILURES = 45, 3


# --- valid, whole, and taken by a pull -----------------------------------------------------------------------------


def test_every_resource_of_fifteen_subjects_is_valid_fhir() -> None:
    # Fifteen hold every fate.
    for index, journey in enumerate(journeys(SEED, 15, ON)):
        for resource in enrolled_patient(SEED, index, journey, ON).resources:
            name = resource["resourceType"]
            model = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)

            assert model.model_validate_json(item_of(resource).raw).id


def test_subjects_refer_only_to_what_is_written(resources: list[Resource]) -> None:
    known = {f"{resource['resourceType']}/{resource['id']}" for resource in resources}
    wanted = {reference for resource in resources for reference in references_in(resource)}

    assert {reference for reference in wanted if not reference.startswith("#")} <= known


def test_pull_takes_every_resource_without_quarantine(feed: Path, tmp_path: Path, resources: list[Resource]) -> None:
    with Store.open(tmp_path / "store") as store:
        summary = pull(store, FolderSource(feed), site="icm")

    assert summary.exit_code == 0
    assert sum(one.read for one in summary.types.values()) == len(resources)
    assert sum(one.quarantined for one in summary.types.values()) == 0


# --- what becomes of them ------------------------------------------------------------------------------------------


def test_every_fate_is_among_the_subjects(subjects: Subjects) -> None:
    kinds = Counter(kind for subject, _ in subjects.values() for kind in set(kinds_of(subject)))
    wanted = {
        EventKind.REGISTERED,
        EventKind.RANDOMISED,
        EventKind.RANDOMISATION_FAILED,
        EventKind.VISIT,
        EventKind.TREATMENT_OVER,
        EventKind.PROGRESSION,
        EventKind.WITHDRAWN,
        EventKind.DIED,
        EventKind.ENDED,
        EventKind.INELIGIBLE,
        EventKind.NOT_REGISTERED,
    }

    assert wanted <= set(kinds)
    assert kinds[EventKind.CONSENTED] == ENROLLED + FAILURES
    assert kinds[EventKind.REGISTERED] == ENROLLED
    assert kinds[EventKind.ENDED] > ENROLLED // 2


def test_consent_names_the_trial_and_comes_before_the_registration(
    resources: list[Resource], subjects: Subjects
) -> None:
    for subject, resource in subjects.values():
        papers = of_person(resources, "Consent", resource["individual"]["reference"])
        first = papers[0]
        signed = subject.first(EventKind.CONSENTED)
        registered = subject.first(EventKind.REGISTERED)

        assert signed is not None
        assert first["status"] == "active"
        assert first["identifier"][0]["value"] == "NCT04954820" == first["policy"][0]["uri"]
        assert first["dateTime"][:10] == signed.on
        assert registered is None or signed.on < registered.on
        assert resource["consent"]["reference"] == f"Consent/{first['id']}"


def test_withdrawals_take_the_consent_back_and_one_wants_no_data_used(
    resources: list[Resource], subjects: Subjects
) -> None:
    left = [(subject, told) for subject, told in subjects.values() if EventKind.WITHDRAWN in kinds_of(subject)]
    reasons = []
    for subject, told in left:
        event = subject.events[-1]
        last = of_person(resources, "Consent", told["individual"]["reference"])[-1]
        reasons.append(event.reason)

        assert event.kind is EventKind.WITHDRAWN
        assert (last["status"], last["dateTime"][:10]) == ("inactive", event.on)
        assert last["provision"]["type"] == ("deny" if event.reason == "no-data" else "permit")

    assert reasons.count("no-data") == 1
    assert len(reasons) > 1


def test_hospital_goes_on_recording_after_a_withdrawal(resources: list[Resource], subjects: Subjects) -> None:
    for subject, told in subjects.values():
        event = subject.first(EventKind.WITHDRAWN)
        if event is not None:
            later = [
                one
                for one in of_person(resources, "Observation", told["individual"]["reference"])
                if one["effectiveDateTime"][:10] > event.on
            ]

            assert later
            assert all("encounter" not in one for one in later)


def test_deaths_stand_on_the_patient(resources: list[Resource], subjects: Subjects) -> None:
    dead = 0
    for subject, told in subjects.values():
        [person] = of_person(resources, "Patient", told["individual"]["reference"])
        died = subject.first(EventKind.DIED)
        dead += died is not None

        assert person.get("deceasedDateTime", "")[:10] == (died.on if died else "")
        assert {"name", "address", "birthDate", "identifier"} <= set(person)

    assert dead


def test_infusions_are_given_stopped_and_not_done(resources: list[Resource], subjects: Subjects) -> None:
    numbered = [one for one in resources if one["resourceType"] == "MedicationAdministration" and "identifier" in one]
    stands = Counter(one["status"] for one in numbered)
    cycles = sum(kinds_of(subject).count(EventKind.CYCLE) for subject, _ in subjects.values())

    assert stands["completed"] + stands["stopped"] == cycles
    assert stands["stopped"]
    assert stands["not-done"]
    assert all("dosage" not in one for one in numbered if one["status"] == "not-done")
    assert all(one["dosage"]["dose"]["value"] for one in numbered if one["status"] != "not-done")


def test_nothing_of_an_enrolled_subject_lies_after_the_day_of_the_feed() -> None:
    for index, journey in enumerate(journeys(SEED, 15, ON)):
        for resource in enrolled_patient(SEED, index, journey, ON).resources:
            assert max(dates_in(resource), default="") <= "2025-06-02", resource[
                "id"
            ]  # a night in hospital ends a day later


# --- visits, assessments, adverse events ---------------------------------------------------------------------------


def test_every_visit_has_its_encounter_blood_and_bedside_findings(
    resources: list[Resource], subjects: Subjects
) -> None:
    within: dict[str, set[str]] = defaultdict(set)
    for one in resources:
        if one["resourceType"] == "Observation" and "encounter" in one:
            within[one["encounter"]["reference"]] |= codes_in(one)
    calendars = {journey.number: journey for journey in journeys(SEED, ENROLLED, ON)}
    for number, (subject, told) in subjects.items():
        held = [
            one
            for one in of_person(resources, "Encounter", told["individual"]["reference"])
            if "type" in one and one["status"] == "finished"
        ]
        kinds = Counter(one["type"][0]["coding"][0]["code"] for one in held)

        assert kinds["visit-follow-up"] == kinds_of(subject).count(EventKind.VISIT)
        assert kinds["visit-cycle"] == kinds_of(subject).count(EventKind.CYCLE)
        assert number not in calendars or kinds["visit-screening"] == 1 + bool(
            calendars[number].randomised or calendars[number].failed
        )
        for one in held:
            if one["type"][0]["coding"][0]["code"] != "visit-screening":
                assert {"85354-9", "29463-7", "89247-1", "OMS"} <= within[f"Encounter/{one['id']}"]
                assert len(within[f"Encounter/{one['id']}"] & {"HB", "718-7", "PLQ", "777-3", "CREA"}) >= 3
            assert one["extension"][0]["valueInteger"] >= 1


@dataclass
class Day:
    """One assessment as it was written."""

    sizes: list[Decimal] = field(default_factory=list)
    total: Decimal | None = None
    new: bool = False
    said: str | None = None


def _assessments(resources: list[Resource], patient: str) -> list[tuple[str, Day]]:
    days: dict[str, Day] = defaultdict(Day)
    for one in of_person(resources, "Observation", patient):
        day, codes = days[one["effectiveDateTime"][:10]], codes_in(one)
        if "lesion-longest-diameter" in codes:
            day.sizes.append(one["valueQuantity"]["value"])
        elif "lesion-sum-of-diameters" in codes:
            day.total = one["valueQuantity"]["value"]
        elif "lesion-state" in codes:
            day.new |= one["valueCodeableConcept"]["coding"][0]["code"] == "new"
        elif "recist-response" in codes and "encounter" in one:
            concept = one.get("valueCodeableConcept")
            day.said = concept["coding"][0]["code"] if concept else one["valueString"]
    return [(on, day) for on, day in sorted(days.items()) if day.sizes]


def _first_progression(subject: Subject, seen: list[tuple[str, Day]]) -> str | None:
    """RECIST 1.1 once more, from the written diameters alone; every response told must agree with it."""
    checked = subject.first(EventKind.RANDOMISED) or subject.first(EventKind.RANDOMISATION_FAILED)
    least: Decimal | None = None
    found = None
    for on, day in seen:
        total = day.total
        grown = least is not None and total is not None and total * 5 >= least * 6 and total - least >= 5
        if day.said is not None:
            assert (day.said == "PD") is (grown or day.new), (subject.number, on)
        if found is None and (grown or day.new):
            found = on
        if total is not None:
            assert total == sum(day.sizes)
            # What the assessment before the randomisation found is the new start.
            restart = checked is not None and on < checked.on
            least = total if restart or least is None else min(least, total)
    return found


def test_progressions_are_progressions_of_the_sizes_that_were_written(
    resources: list[Resource], subjects: Subjects
) -> None:
    progressed = 0
    for subject, told in subjects.values():
        event = subject.first(EventKind.PROGRESSION)
        progressed += event is not None
        seen = _assessments(resources, told["individual"]["reference"])

        assert _first_progression(subject, seen) == (event.on if event else None)

    assert progressed > ENROLLED // 6


def test_adverse_events_have_grade_seriousness_and_outcome(resources: list[Resource]) -> None:
    events = [one for one in resources if one["resourceType"] == "AdverseEvent" and "seriousness" in one]
    serious = Counter(one["seriousness"]["coding"][0]["code"] for one in events)
    outcomes = Counter(one["outcome"]["coding"][0]["code"] for one in events)

    assert len(events) > 2 * ENROLLED
    assert serious["Non-serious"] > len(serious) > 1
    assert {"resolved", "ongoing"} <= set(outcomes)
    assert {bool(one.get("suspectEntity")) for one in events} == {True, False}
    for one in events:
        grade, period = (extension for extension in one["extension"])

        assert 1 <= grade["valueInteger"] <= 5
        assert period["valuePeriod"]["start"] == one["date"] <= period["valuePeriod"].get("end", "9999")
        assert ("end" in period["valuePeriod"]) is (one["outcome"]["coding"][0]["code"] != "ongoing")


def test_laboratory_results_come_in_the_ways_of_a_french_feed(resources: list[Resource]) -> None:
    taken = [one for one in resources if one["resourceType"] == "Observation" and "encounter" in one]
    quantities = [one["valueQuantity"] for one in taken if "valueQuantity" in one]
    texts = [one.get("valueString", "") for one in taken]

    assert any(one.get("comparator") == "<" for one in quantities)
    assert any(one.get("unit") and "code" not in one for one in quantities)
    assert any("unit" not in one for one in quantities)
    assert any("," in text and text[0].isdigit() for text in texts)
    assert {"preliminary", "corrected"} <= {one["status"] for one in taken}
    assert sum("referenceRange" in one for one in taken) > len(taken) // 4


def test_each_count_has_its_own_codes(resources: list[Resource]) -> None:
    by_local: dict[str, set[str]] = defaultdict(set)
    for resource in resources:
        codings = resource.get("code", {}).get("coding", []) if resource["resourceType"] == "Observation" else []
        loinc = {one["code"] for one in codings if one["system"] == "http://loinc.org"}
        for one in codings:
            if one["system"] != "http://loinc.org":
                by_local[f"{one['system']}|{one['code']}"] |= loinc
    told = [code for codes in by_local.values() for code in codes]

    assert by_local
    assert len(told) == len(set(told)), "one LOINC code stands beside two local codes"
