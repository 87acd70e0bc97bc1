"""In: small trials and records. Out: whether outcome, permanence, flips, what to order, candidacy and the JSON follow from the verdicts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapter.criteria import Outcome, Reason, Stage, ToOrder, Truth, evaluate, reference_date
from adapter.fhir import PatientRecord
from tests.support.records import encode
from tests.unit.criteria.making import (
    MAN,
    ON,
    PLAIN,
    complete,
    criterion,
    judged,
    record,
    reluth,
    tiny,
    verdicts,
)

T, F, U = Truth.T, Truth.F, Truth.U
HB = {"laboratory": {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}}
ALBUMIN = {"laboratory": {"analyte": "albumin", "window_days": 28, "is": {"gt": "30"}}}


def hb(value: int, when: str = "2025-05-20") -> dict[str, Any]:
    return {"lab": {"of": "hb", "value": value, "ucum": "g/dL", "date": when}}


def attested(**truths: bool) -> dict[str, Any]:
    return {"attest": {"answers": {link: [{"valueBoolean": truth}] for link, truth in truths.items()}}}


SIGN = {"attested": "Y"}


@pytest.mark.parametrize(
    ("entries", "outcome"),
    [
        ([hb(9), attested(Y=True)], Outcome.ELIGIBLE),
        ([hb(9)], Outcome.READY_FOR_INVESTIGATOR),
        ([attested(Y=True)], Outcome.NEEDS_INFORMATION),
        ([], Outcome.NEEDS_INFORMATION),
        ([hb(7), attested(Y=True)], Outcome.INELIGIBLE),
        ([hb(7)], Outcome.INELIGIBLE),
        ([hb(9), attested(Y=False)], Outcome.INELIGIBLE),
    ],
)
def test_the_outcome_is_that_of_the_clarifications(entries: list[Any], outcome: Outcome) -> None:
    trial = tiny(criterion(HB), criterion(SIGN, "Y", automation="manual"))

    assert verdicts(trial, entries).outcome is outcome


@pytest.mark.parametrize(
    ("automation", "entries", "outcome"),
    [
        ("auto", [hb(9)], Outcome.ELIGIBLE),
        ("partly", [hb(9)], Outcome.READY_FOR_INVESTIGATOR),
        ("manual", [hb(9)], Outcome.READY_FOR_INVESTIGATOR),
        ("partly", [hb(9), attested(X=True)], Outcome.ELIGIBLE),
        ("partly", [hb(9), {"attest": {"answers": {"X.a": [{"valueBoolean": True}]}}}], Outcome.ELIGIBLE),
        ("partly", [hb(9), {"attest": {"answers": {"XY": [{"valueBoolean": True}]}}}], Outcome.READY_FOR_INVESTIGATOR),
        (
            "partly",
            [hb(9), {"attest": {"authored": "2025-04-01", "answers": {"X": [{"valueBoolean": True}]}}}],
            Outcome.READY_FOR_INVESTIGATOR,
        ),
    ],
)
def test_nobody_is_eligible_before_a_person_signed_what_is_not_automatic(
    automation: str, entries: list[Any], outcome: Outcome
) -> None:
    assert verdicts(tiny(criterion(HB, automation=automation)), entries).outcome is outcome


def test_an_exclusion_excludes_when_true() -> None:
    trial = tiny(criterion(HB, kind="exclusion"))

    assert verdicts(trial, [hb(9)]).outcome is Outcome.INELIGIBLE
    assert verdicts(trial, [hb(7)]).outcome is Outcome.ELIGIBLE


PANCREAS = {"condition": {"in": "pancreas", "complete": "condition"}}
TUMOUR = {"condition": {"icd10": "C25.4"}}


@pytest.mark.parametrize(
    ("permanent", "entries", "site", "expected"),
    [
        ("always", [TUMOUR], PLAIN, True),
        ("coded", [TUMOUR], PLAIN, True),
        ("never", [TUMOUR], PLAIN, False),
        ("always", [attested(X=True)], PLAIN, True),
        ("coded", [attested(X=True)], PLAIN, False),
        ("always", [], PLAIN, False),
    ],
)
def test_a_failure_is_permanent_as_the_document_says(
    permanent: str, entries: list[Any], site: Any, expected: bool
) -> None:
    found = verdicts(tiny(criterion(PANCREAS, kind="exclusion", permanent=permanent)), entries, site=site)

    assert found.permanent is expected
    assert not (found.permanent and found.to_order)


@pytest.mark.parametrize(("permanent", "expected"), [("always", True), ("coded", False), ("never", False)])
def test_a_presumption_is_no_coded_failure(permanent: str, expected: bool) -> None:
    found = verdicts(tiny(criterion(PANCREAS, permanent=permanent)), site=complete("condition"))

    assert (found.outcome, found.permanent) == (Outcome.INELIGIBLE, expected)


def test_only_the_criteria_of_the_stage_appear() -> None:
    trial = tiny(criterion(HB, stage="registration"), criterion(HB, "Y", stage="randomisation"), criterion(HB, "Z"))

    assert [item.id for item in verdicts(trial, stage=Stage.REGISTRATION).criteria] == ["X", "Z"]
    assert [item.id for item in verdicts(trial, stage=Stage.RANDOMISATION).criteria] == ["Y", "Z"]


def test_a_result_flips_the_day_after_its_window_and_the_outcome_with_it() -> None:
    found = verdicts(tiny(criterion(HB)), [hb(9)])

    assert (judged(found, "X").flips_on, found.flips_on) == (date(2025, 6, 18), date(2025, 6, 18))


def test_a_failing_result_flips_the_outcome_to_open() -> None:
    found = verdicts(tiny(criterion(HB), criterion(ALBUMIN, "Y")), [hb(7)])

    assert (found.outcome, found.flips_on) == (Outcome.INELIGIBLE, date(2025, 6, 18))


def test_an_outcome_that_another_failure_holds_does_not_flip() -> None:
    found = verdicts(tiny(criterion(HB), criterion({"sex": "female"}, "Y")), [hb(9)])

    assert (judged(found, "X").flips_on, found.flips_on) == (date(2025, 6, 18), None)


def test_what_is_missing_is_ordered_before_the_first_result_that_passes_grows_old() -> None:
    trial = tiny(criterion(HB), criterion(ALBUMIN, "Y"), criterion(ALBUMIN, "Z"), criterion(SIGN, "S"))

    assert verdicts(trial, [hb(9)]).to_order == (ToOrder("albumin", date(2025, 6, 17), ("Y", "Z")),)
    assert verdicts(trial).to_order == (
        ToOrder("hemoglobin", date(2025, 6, 29), ("X",)),
        ToOrder("albumin", date(2025, 6, 29), ("Y", "Z")),
    )


def test_what_is_missing_is_ordered_before_what_an_open_criterion_already_has_grows_old() -> None:
    both, either = (criterion({word: [HB, ALBUMIN]}) for word in ("all", "any"))

    # Too old on 3 June, it would have to be ordered again beside a result of 4 June.
    day = {"lab": {"of": "hb", "value": 9, "unit": "g/dL", "date": "2025-05-05"}}

    assert verdicts(tiny(both), [day]).to_order == (ToOrder("albumin", date(2025, 6, 2), ("X",)),)
    assert verdicts(tiny(either), [day]).to_order == ()
    assert verdicts(tiny(criterion({"any": [{"not": HB}, ALBUMIN]})), [day]).to_order == (
        ToOrder("albumin", date(2025, 6, 2), ("X",)),
    )


@pytest.mark.parametrize("fields", [{"deceasedBoolean": True}, {"deceasedDateTime": "2025-01-01"}])
def test_a_dead_patient_is_no_candidate(fields: dict[str, Any]) -> None:
    entries = [hb(9), {"condition": {"icd10": "C17.2"}}]
    found = evaluate(
        tiny(criterion(HB)),
        record(entries, person={**MAN, **fields}),
        site=PLAIN,
        stage=Stage.REGISTRATION,
        on=ON,
        added=True,
    )

    assert (found.candidate, found.outcome, found.outcome_reason, found.permanent) == (
        False,
        Outcome.INELIGIBLE,
        "deceased",
        True,
    )
    assert (found.flips_on, found.to_order, judged(found, "X").flips_on) == (None, (), None)
    assert judged(found, "X").truth is T


@pytest.mark.parametrize(
    ("entries", "added", "because"),
    [([], False, ()), ([], True, ("added",)), ([{"condition": {"icd10": "C17.2"}}], True, ("tumour", "added"))],
)
def test_a_candidate_has_a_signal_or_was_added(entries: list[Any], added: bool, because: tuple[str, ...]) -> None:
    found = evaluate(tiny(criterion(HB)), record(entries), site=PLAIN, stage=Stage.REGISTRATION, on=ON, added=added)

    assert (found.candidate, found.candidate_because) == (bool(because), because)


def test_a_verdict_says_whose_and_when_in_json() -> None:
    words = {"fr": "a", "en": "b"}
    trial = tiny(criterion({"part": "a"}, parts={"a": {"label": words, "rule": HB}}))
    chart = [encode({"resourceType": "Patient", "id": "1"})]
    found = evaluate(
        trial,
        PatientRecord.read("Patient/1", chart, merged=("Patient/0",)),
        site=PLAIN,
        stage=Stage.REGISTRATION,
        on=ON,
    ).to_json()

    assert list(found) == [
        "trial",
        "criteria_version",
        "site",
        "patient",
        "merged",
        "stage",
        "on",
        "candidate",
        "candidate_because",
        "outcome",
        "outcome_reason",
        "permanent",
        "flips_on",
        "to_order",
        "criteria",
    ]
    assert (found["patient"], found["merged"], found["stage"], found["on"], found["flips_on"]) == (
        "Patient/1",
        ["Patient/0"],
        "registration",
        "2025-06-01",
        None,
    )
    assert found["to_order"] == [{"what": "hemoglobin", "by": "2025-06-29", "for": ["X"]}]
    assert found["criteria"] == [
        {
            "id": "X",
            "truth": "U",
            "presumed": False,
            "reason": "no-data",
            "flips_on": None,
            "evidence": [],
            "parts": [{"id": "X.a", "truth": "U", "presumed": False, "reason": "no-data", "evidence": []}],
        }
    ]


def test_evidence_is_in_json_with_what_it_was_converted_to() -> None:
    (found,) = verdicts(tiny(criterion(HB)), [hb(9)]).to_json()["criteria"]

    assert (found["truth"], found["reason"], found["flips_on"]) == ("T", None, "2025-06-18")
    assert found["evidence"] == [
        {
            "reference": "Observation/lab-1",
            "version": None,
            "effective": "2025-05-20",
            "value": "9 g/dL",
            "converted": {"value": "9", "unit": "g/dL"},
        }
    ]


STUDY = {"resourceType": "ResearchStudy", "id": "s", "identifier": [{"value": "NCT04954820"}]}


def subject(
    start: str | None = "2025-03-04", status: str = "on-study", identity: str = "a", **study: Any
) -> dict[str, Any]:
    found = {
        "resourceType": "ResearchSubject",
        "id": identity,
        "status": status,
        "study": study or {"reference": "ResearchStudy/s"},
    }
    return {**found, "period": {"start": start}} if start else found


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        ([subject()], date(2025, 3, 4)),
        ([subject(identifier={"value": "NCT04954820"})], date(2025, 3, 4)),
        ([subject(identifier={"value": "NCT00000000"})], None),
        ([subject(reference="ResearchStudy/other")], None),
        ([subject(status="screening")], None),
        ([subject(status="on-study-intervention")], date(2025, 3, 4)),
        ([subject("2025-03")], None),
        ([subject(None)], None),
        ([subject("2025-03-04T23:30:00Z")], date(2025, 3, 5)),
        ([subject("2025-05-01"), subject("2025-03-04", identity="b")], date(2025, 3, 4)),
        ([], None),
    ],
)
def test_the_reference_date_is_the_start_of_the_trials_own_subject(subjects: list[Any], expected: date | None) -> None:
    found = record(subjects, shared=[STUDY])

    assert reference_date(reluth(), found, Stage.REGISTRATION) == expected
    assert reference_date(reluth(), found, Stage.RANDOMISATION) is None


def history(*events: tuple[str, str]) -> list[dict[str, Any]]:
    urn = "urn:reluth:extension:"
    return [
        {
            "url": f"{urn}event",
            "extension": [{"url": f"{urn}kind", "valueCode": kind}, {"url": f"{urn}on", "valueDate": on}],
        }
        for kind, on in events
    ]


@pytest.mark.parametrize("status", ["follow-up", "off-study", "withdrawn", "on-study"])
def test_a_subjects_history_tells_both_days_whatever_has_become_of_the_subject(status: str) -> None:
    told = history(("consented", "2024-01-02"), ("registered", "2024-01-09"), ("randomised", "2024-05-06"))
    found = record([{**subject("2024-02-01", status=status), "extension": told}], shared=[STUDY])

    assert reference_date(reluth(), found, Stage.REGISTRATION) == date(2024, 1, 9)
    assert reference_date(reluth(), found, Stage.RANDOMISATION) == date(2024, 5, 6)


def test_a_history_of_another_study_or_without_the_event_tells_no_day() -> None:
    other = {**subject(identifier={"value": "NCT00000000"}), "extension": history(("registered", "2024-01-09"))}
    consented = {**subject(None, status="screening"), "extension": history(("consented", "2024-01-02"))}

    assert reference_date(reluth(), record([other], shared=[STUDY]), Stage.REGISTRATION) is None
    assert reference_date(reluth(), record([consented], shared=[STUDY]), Stage.REGISTRATION) is None


ATC = {"system": "http://www.whocc.no/atc", "code": "V10XX04"}
PRODUCT = {"resourceType": "Medication", "id": "m", "code": {"coding": [ATC]}}
SSTR = {"coding": [{"system": "urn:reluth:terms", "code": "sstr-pet-68ga"}]}
HISTOLOGY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/icd-o-3", "code": "8246/3"}]}


@pytest.mark.parametrize(
    ("entry", "signals"),
    [
        ({"condition": {"icd10": "C17.2"}}, ("intestinal-tumour",)),
        ({"condition": {"icd10": "C17.2", "verification": "refuted"}}, ()),
        ({"condition": {"icd10": "C17.2", "onset": "2025-06-02"}}, ()),
        ({"condition": {"icd10": "D37.2"}}, ("intestinal-tumour",)),
        ({"condition": {"code": "http://hl7.org/fhir/sid/icd-10-cm|C7A.01"}}, ("intestinal-tumour",)),
        ({"condition": {"icd10": "C25.4"}}, ("endocrine-pancreas",)),
        ({"condition": {"icd10": "C25.9"}}, ()),
        ({"condition": {"icd10": "C34.9", "histology": "8041/3"}}, ("neuroendocrine-histology",)),
        ({"morphology": {"code": "8240/3"}}, ("neuroendocrine-histology",)),
        ({"morphology": {"code": "8240/3", "status": "entered-in-error"}}, ()),
        ({"morphology": {"code": "8140/3"}}, ()),
        ({"infusion": {"date": "2021-01-04"}}, ("lutathera",)),
        ({"infusion": {"date": "2021-01-04", "status": "not-done"}}, ()),
        ({"infusion": {"date": "2021-01-04", "atc": "V10XX05"}}, ()),
        ({"infusion": {"date": "2021-01-04", "batch": "L1"}}, ("lutathera",)),
        (
            {
                "resourceType": "MedicationAdministration",
                "status": "completed",
                "medication": {"concept": {"coding": [ATC]}},
            },
            ("lutathera",),
        ),
        (
            {"resourceType": "MedicationAdministration", "medicationCodeableConcept": {"text": "LUTATHERA 7400 MBq"}},
            ("lutathera",),
        ),
        (
            {
                "resourceType": "MedicationAdministration",
                "medicationCodeableConcept": {"coding": [{"display": "177Lu-DOTATATE"}]},
            },
            ("lutathera",),
        ),
        ({"resourceType": "MedicationRequest", "medicationReference": {"reference": "Medication/m"}}, ("lutathera",)),
        (
            {"resourceType": "MedicationRequest", "medication": {"reference": {"reference": "Medication/m"}}},
            ("lutathera",),
        ),
        (
            {
                "resourceType": "MedicationRequest",
                "medicationReference": {"reference": "Medication/x", "display": "LUTATHERA 370 MBq/mL"},
            },
            ("lutathera",),
        ),
        (
            {
                "resourceType": "MedicationRequest",
                "contained": [{"resourceType": "Medication", "id": "c", "code": {"coding": [ATC]}}],
                "medicationReference": {"reference": "#c"},
            },
            ("lutathera",),
        ),
        ({"resourceType": "MedicationRequest", "medicationReference": {"reference": "Medication/other"}}, ()),
        ({"resourceType": "Procedure", "code": {"text": "perfusion de Lutathera"}}, ("lutathera",)),
        ({"resourceType": "Procedure", "code": {"text": "Cure de Lutathéra"}}, ("lutathera",)),
        ({"resourceType": "Procedure", "code": SSTR}, ("sstr-imaging",)),
        ({"resourceType": "ImagingStudy", "procedureCode": [SSTR]}, ("sstr-imaging",)),
        ({"resourceType": "ImagingStudy", "procedure": [{"concept": SSTR}]}, ("sstr-imaging",)),
        ({"resourceType": "DiagnosticReport", "code": SSTR}, ("sstr-imaging",)),
        ({"resourceType": "DiagnosticReport", "conclusionCode": [HISTOLOGY]}, ("neuroendocrine-histology",)),
        (
            {"resourceType": "Observation", "component": [{"code": {}, "valueCodeableConcept": HISTOLOGY}]},
            ("neuroendocrine-histology",),
        ),
        (subject(), ("reluth-subject",)),
        (subject(identifier={"value": "NCT04954820"}), ("reluth-subject",)),
        (subject(identifier={"value": "NCT1"}), ()),
        (subject(reference="ResearchStudy/other"), ()),
        ({"resourceType": "ResearchSubject"}, ()),
    ],
)
def test_each_positive_signal_makes_a_candidate(entry: dict[str, Any], signals: tuple[str, ...]) -> None:
    found = evaluate(reluth(), record([entry], shared=[STUDY, PRODUCT]), site=PLAIN, stage=Stage.REGISTRATION, on=ON)

    assert found.candidate_because == signals


@pytest.mark.parametrize("stage", list(Stage))
def test_an_empty_record_decides_nothing_of_the_real_trial(stage: Stage) -> None:
    found = evaluate(reluth(), PatientRecord("Patient/1"), site=PLAIN, stage=stage, on=ON)

    assert {item.truth for item in found.criteria} == {U}
    assert all(item.reason is not None and item.evidence == () for item in found.criteria)
    assert (found.outcome, found.candidate) == (Outcome.NEEDS_INFORMATION, False)


def test_a_conflict_is_told_as_one() -> None:
    found = judged(verdicts(tiny(criterion(HB)), [hb(9), hb(7)]), "X")

    assert (found.truth, found.reason) == (U, Reason.CONFLICT)
