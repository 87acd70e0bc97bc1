"""In: resources with local codes and units. Out: what counts as unmapped, and how it is counted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Trial
from adapter.documents import load_trial
from adapter.screening.unread import vocabulary_of
from adapter.terminology import Site
from adapter.terminology.coded import OTHER, shown
from adapter.terminology.unmapped import Spread, Tally, Unmapped, UnmappedCode
from tests.support.local_feed import HOSTILE, LABO, LOINC, result

SNOMED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def trial() -> Trial:
    return load_trial("nct04954820")


def count(trial: Trial, resources: Iterable[Any], site: Site | None = None, **more: Any) -> Unmapped:
    tally = Tally(vocabulary_of(trial, site or Site.plain("icm"), **more))
    for body in resources:
        tally.add(json.dumps(body).encode(), persons=(body["subject"]["reference"],))
    return tally.result()


def concept(*codings: tuple[str | None, str | None], text: str | None = None, type_: str = "Procedure") -> Any:
    coded = [{k: v for k, v in (("system", system), ("code", code)) if v is not None} for system, code in codings]
    found = {"coding": coded, "text": text}
    return {
        "resourceType": type_,
        "id": "1",
        "code": {key: value for key, value in found.items() if value},
        "subject": {"reference": "Patient/1"},
    }


@pytest.mark.parametrize(
    "system",
    [
        LOINC,
        SNOMED,
        "http://hl7.org/fhir/sid/icd-10",
        "http://hl7.org/fhir/sid/icd-10-cm",
        "http://terminology.hl7.org/CodeSystem/icd-o-3",
        "http://www.whocc.no/atc",
        "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
        "http://unitsofmeasure.org",
        "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        "http://hl7.org/fhir/observation-status",
        "urn:reluth:terms",
    ],
)
def test_unmapped_leaves_out_what_is_read_as_it_stands(trial: Trial, system: str) -> None:
    assert count(trial, [concept((system, "x"))]).codes == ()


@pytest.mark.parametrize(
    "system",
    [LABO, "http://loinc.org/", "urn:oid:2.16.840.1.113883.6.1", "http://hl7.org/fhir/sid/icd-10-fr", f"{SNOMED}/900"],
)
def test_unmapped_counts_a_system_that_only_resembles_one(trial: Trial, system: str) -> None:
    found = count(trial, [concept((system, "x"))]).codes

    assert [(item.element, item.system, item.code) for item in found] == [("Procedure.code", system, "x")]


def test_unmapped_is_a_concept_none_of_whose_codings_is_read(trial: Trial) -> None:
    found = count(trial, [concept((LABO, "a"), (LOINC, "718-7")), concept((LABO, "b"), ("urn:other", "c"))])

    assert [item.code for item in found.codes] == ["b"]


def test_unmapped_ends_where_a_document_of_the_site_translates(trial: Trial) -> None:
    mapped = replace(
        Site.plain("icm"), concept_map={(LABO, "a"): ((LOINC, "718-7"),)}, fasting_codes=frozenset({(LABO, "b")})
    )

    assert count(trial, [concept((LABO, "a")), concept((LABO, "b"))], mapped).codes == ()
    assert len(count(trial, [concept((LABO, "a")), concept((LABO, "b"))]).codes) == 2


def test_unmapped_knows_the_cim10_of_a_site(trial: Trial) -> None:
    site = replace(Site.plain("icm"), icd10_systems=frozenset({"urn:icm:cim10"}))

    assert count(trial, [concept(("urn:icm:cim10", "C17.2"))], site).codes == ()


def test_unmapped_counts_a_text_as_no_code_and_a_code_without_system_as_itself(trial: Trial) -> None:
    found = count(trial, [concept(text="Curage"), concept(text="Biopsie"), concept((None, "12"))])

    assert [(item.system, item.code, item.results) for item in found.codes] == [(None, None, 2), (None, "12", 1)]


def test_unmapped_passes_over_a_concept_that_says_nothing(trial: Trial) -> None:
    assert count(trial, [concept(), concept(text="  ")]).codes == ()


def test_unmapped_spreads_values_by_unit_exactly(trial: Trial) -> None:
    body = json.dumps(result("1", "1", "HB", 0.5, "g/dL")).replace("0.5", "12.10").encode()
    tally = Tally(vocabulary_of(trial, Site.plain("icm")))
    tally.add(body)
    for value in ("9,80 g/dL", "< 5 g/dL", "traces"):
        tally.add(json.dumps(result("2", "1", "HB", value, None)).encode())
    tally.add(json.dumps(result("3", "1", "HB", 118, "g/L")).encode())

    (found,) = tally.result().codes

    assert found.results == 5
    assert found.units == (
        Spread("g/dL", 3, Decimal(5), Decimal("12.10")),
        Spread("g/L", 1, Decimal(118), Decimal(118)),
    )
    assert found.to_json(displays=True)["units"][0]["high"] == "12.10"


def test_unmapped_counts_persons_once_over_batches(trial: Trial) -> None:
    tally = Tally(vocabulary_of(trial, Site.plain("icm")), across={"Patient/merged"})
    for person in ("Patient/1", "Patient/1", "Patient/merged"):
        tally.add(json.dumps(result("1", "1", "HB", 1, None)).encode(), persons=(person,))
    tally.end_batch()
    for person in ("Patient/2", "Patient/merged"):
        tally.add(json.dumps(result("1", "1", "HB", 1, None)).encode(), persons=(person,))

    (found,) = tally.result().codes

    assert (found.results, found.persons) == (5, 3)


def test_unmapped_tells_first_and_last_day(trial: Trial) -> None:
    tally = Tally(vocabulary_of(trial, Site.plain("icm")))
    for first, last in (("2024-03-01", "2024-03-31"), (None, None), ("2023-01-02", "2023-01-02")):
        tally.add(json.dumps(result("1", "1", "HB", 1, None)).encode(), first=first, last=last)

    (found,) = tally.result().codes

    assert (found.first, found.last) == ("2023-01-02", "2024-03-31")


def test_unmapped_order_does_not_depend_on_the_order_of_resources(trial: Trial) -> None:
    resources = [result(str(n), str(n % 3), code, n, "g/dL") for n, code in enumerate("ABCABA")]

    assert count(trial, resources) == count(trial, reversed(resources))
    assert [item.code for item in count(trial, resources).codes] == ["A", "B", "C"]


def test_unmapped_shows_the_most_frequent_display_and_few_others(trial: Trial) -> None:
    written = ["Hb"] * 3 + ["Hémoglobine"] * 5 + [f"d{n}" for n in range(300)]
    (found,) = count(trial, [result("1", "1", "HB", 1, None, display=text) for text in written]).codes

    assert found.displays[:2] == (("Hémoglobine", 5), ("Hb", 3))
    assert len(found.displays) == 3


def test_unmapped_cuts_and_cleans_a_hostile_display(trial: Trial) -> None:
    (found,) = count(trial, [result("1", "1", "HB", 1, None, display=HOSTILE)]).codes
    ((text, _),) = found.displays

    assert len(text) <= 120
    assert text.isprintable()


def test_unmapped_answers_count_where_the_question_is_ours(trial: Trial) -> None:
    def answer(question: tuple[str, str], code: str, display: str | None = None) -> Any:
        body = result("1", "1", question[1], 0, None, system=question[0])
        del body["valueQuantity"]
        return {**body, "valueCodeableConcept": {"coding": [{"system": LABO, "code": code, "display": display}]}}

    ours, status = ("urn:reluth:terms", "recist-response"), (LOINC, "97509-4")
    found = count(
        trial, [answer(ours, "MP"), answer(status, "AGGR"), answer((LOINC, "882-1"), "O+"), answer(ours, "x", "PD")]
    )

    assert {(item.element, item.code) for item in found.codes} == {
        ("Observation.value", "MP"),
        ("Observation.value", "AGGR"),
    }


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (41, "u. arb.", ("u. arb.", "unknown-unit")),
        (41, None, (None, "no-unit")),
        ("41", None, (None, "no-unit")),
        ("41 u. arb.", None, ("u. arb.", "unknown-unit")),
        ("41 selon M. Dupont au téléphone", None, (OTHER, "unknown-unit")),
        ("41 (Dr Martin)", None, (OTHER, "unknown-unit")),
        ("41 Mme DUPONT", None, (OTHER, "unknown-unit")),
        ("41 Dupont", None, (OTHER, "unknown-unit")),
        ("41 n° 800012345", None, (OTHER, "unknown-unit")),
        ("41 par champ", None, ("par champ", "unknown-unit")),
        ("41 RLU/CO", None, ("RLU/CO", "unknown-unit")),
        (41, "umol/L", ("umol/L", "ambiguous-unit")),
    ],
)
def test_unmapped_units_are_those_that_cannot_be_used(
    trial: Trial, value: str | int, unit: str | None, expected: tuple[str | None, str]
) -> None:
    found = count(trial, [result("1", "1", "1751-7", value, unit, system=LOINC)])

    assert found.codes == ()
    assert [(item.analyte, item.unit, item.reason, item.results, item.persons) for item in found.units] == [
        ("albumin", *expected, 1, 1)
    ]


@pytest.mark.parametrize(("value", "unit"), [(41, "g/L"), ("41 g/l", None), ("hémolysé", None), ("traces", None)])
def test_unmapped_units_leave_out_what_is_known_or_no_number(trial: Trial, value: str | int, unit: str | None) -> None:
    assert count(trial, [result("1", "1", "1751-7", value, unit, system=LOINC)]).units == ()


def test_unmapped_units_of_a_mapped_code_are_looked_at(trial: Trial) -> None:
    site = replace(Site.plain("icm"), concept_map={(LABO, "ALB"): ((LOINC, "1751-7"),)})

    (found,) = count(trial, [result("1", "1", "ALB", 4, "g%")], site).units

    assert (found.analyte, found.unit) == ("albumin", "g%")


def test_unmapped_units_end_where_the_site_spells_them(trial: Trial) -> None:
    site = replace(Site.plain("icm"), unit_spellings={("albumin", "g%"): "g/dL"})

    assert count(trial, [result("1", "1", "1751-7", 4, "g%", system=LOINC)], site).units == ()


def test_unmapped_units_ignore_a_code_that_is_not_ucum(trial: Trial) -> None:
    body = result("1", "1", "1751-7", 4, None, system=LOINC)
    body["valueQuantity"] |= {"code": "g/L", "system": "urn:icm:units"}

    assert [item.reason for item in count(trial, [body]).units] == ["no-unit"]


def test_unmapped_counts_results_without_a_limit_of_normal_where_one_is_needed(trial: Trial) -> None:
    bare = result("1", "1", "1742-6", 30, "U/L", system=LOINC)
    full = {**bare, "referenceRange": [{"high": {"value": 41}}]}
    printed = {**bare, "referenceRange": [{"text": "< 41"}]}

    assert count(trial, [bare, full, printed], ranged={"alt"}).without_range == {"alt": 1}
    assert count(trial, [bare]).without_range == {}


def test_unmapped_reads_r5_and_contained_concepts(trial: Trial) -> None:
    local = {"coding": [{"system": LABO, "code": "x"}]}
    of = {"subject": {"reference": "Patient/1"}}
    found = count(
        trial,
        [
            {"resourceType": "MedicationAdministration", "id": "1", "medication": {"concept": local}, **of},
            {"resourceType": "ImagingStudy", "id": "2", "procedure": [{"concept": local}], **of},
            {"resourceType": "ImagingStudy", "id": "3", "procedureCode": [local], **of},
            {
                "resourceType": "MedicationAdministration",
                "id": "4",
                "contained": [{"resourceType": "Medication", "code": local}, {"resourceType": "Device", "code": local}],
                **of,
            },
        ],
    )

    assert {(item.element, item.results) for item in found.codes} == {
        ("MedicationAdministration.medication", 1),
        ("ImagingStudy.procedureCode", 2),
        ("Medication.code", 1),
    }


def test_unmapped_counts_what_it_could_not_read(trial: Trial) -> None:
    tally = Tally(vocabulary_of(trial, Site.plain("icm")))
    tally.add(b'{"resourceType":"Observation","id":"1","code":"718-7"}')
    tally.add(b'{"resourceType":"Basic","id":"1"}')

    assert tally.result() == Unmapped("icm", unread=1)


def test_unmapped_json_without_displays_has_none_of_the_feeds_words() -> None:
    item = UnmappedCode("Observation.code", LABO, "X", 1, 1, displays=(("M. Dupont", 1),))
    found = Unmapped("icm", codes=(item,))

    assert "Dupont" not in json.dumps(found.to_json())
    assert "Dupont" in json.dumps(found.to_json(displays=True))


@pytest.mark.parametrize("length", [0, 119, 120, 121, 10_000])
def test_shown_is_never_longer_than_its_limit(length: int) -> None:
    text = shown("a" * length)

    assert len(text) == min(length, 120)
    assert text.endswith("…") == (length > 120)
