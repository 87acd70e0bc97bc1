"""In: the trials that there are, and tiny ones. Out: what their Group and Library say, and that FHIR's models accept it."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import pytest
from fhir.resources.bundle import Bundle as R5Bundle
from fhir.resources.R4B.bundle import Bundle

from adapter.criteria import Trial, tree
from adapter.criteria.exchange import eligibility_group, group_bundle, logic_library
from adapter.documents import load_trial, trials

CQL = "library Some_Logic version '1'\ndefine \"I01\": null\n"
EXTENSION = "urn:reluth:extension:eligibility-criterion"


@cache
def reluth() -> Trial:
    return load_trial("nct04954820")


def with_rule(node: tree.Node, *, kind: str = "inclusion") -> Trial:
    """ReLUTH with one criterion, of this rule."""
    criterion = replace(reluth().criterion("I07"), node=node, kind=kind)
    return replace(reluth(), criteria=(criterion,))


def laboratory(analyte: str, operator: str, limit: str, *, scale: tree.Scale = tree.Scale.VALUE) -> tree.Laboratory:
    compared = tree.Comparison(operator, Decimal(limit))
    return tree.Laboratory(reluth().analytes[analyte], compared, 28, scale)


def written(resource: dict[str, Any]) -> bytes:
    return msgspec.json.Encoder(decimal_format="number").encode(resource)


def only(node: tree.Node) -> dict[str, Any]:
    """The characteristic of a criterion of this rule, as JSON has it."""
    found: dict[str, Any] = json.loads(written(eligibility_group(with_rule(node))))["characteristic"][0]
    return found


def characteristics(trial: Trial, **more: str) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in eligibility_group(trial, **more)["characteristic"]}


def remarks(characteristic: dict[str, Any], url: str) -> list[Any]:
    """The values of one kind in a characteristic's extension."""
    (extension,) = [item for item in characteristic["extension"] if item["url"] == EXTENSION]
    return [
        value for item in extension["extension"] for key, value in item.items() if item["url"] == url and key != "url"
    ]


@pytest.mark.parametrize("trial", trials())
@pytest.mark.parametrize("language", ["en", "fr"])
def test_group_and_library_of_every_trial_are_valid_r4_and_r5(trial: str, language: str) -> None:
    document = load_trial(trial)

    for version, model in (("4.0.1", Bundle), ("4.3.0", Bundle), ("5.0.0", R5Bundle)):
        found = written(group_bundle(document, CQL, language=language, fhir_version=version))

        assert model.model_validate_json(found).type == "collection"


@pytest.mark.parametrize("trial", trials())
def test_group_has_one_characteristic_a_criterion_in_the_registrys_order(trial: str) -> None:
    document = load_trial(trial)

    found = eligibility_group(document)["characteristic"]

    assert [item["id"] for item in found] == [criterion.id for criterion in document.criteria]
    assert {item["id"] for item in found if item["exclude"]} == {
        criterion.id for criterion in document.criteria if criterion.kind == "exclusion"
    }


@pytest.mark.parametrize("trial", trials())
def test_every_characteristic_says_its_sentence_stages_and_defaults(trial: str) -> None:
    document = load_trial(trial)
    found = characteristics(document)

    for criterion in document.criteria:
        said = found[criterion.id]

        assert remarks(said, "sentence") == [criterion.text]
        assert set(remarks(said, "stage")) == {str(stage) for stage in criterion.stages}
        assert remarks(said, "automation") == [criterion.automation]
        assert remarks(said, "default-to-confirm") == [default.text["en"] for default in criterion.defaults]
        assert remarks(said, "expression")[0]["expression"] == f'"{criterion.id}"'


def test_group_says_which_questions_are_open_on_a_criterion() -> None:
    found = characteristics(reluth())

    assert "Meaning of the slash in 160/95." in remarks(found["E11"], "open-question")
    assert remarks(found["I01"], "open-question") == []


def test_group_names_the_trial_by_each_identifier_once() -> None:
    found = eligibility_group(reluth())["identifier"]

    assert [(item["value"], item["use"]) for item in found] == [
        ("NCT04954820", "official"),
        ("2021-001306-30", "secondary"),
        ("PROICM 2021-04 REL", "secondary"),
    ]
    assert found[0]["system"] == "http://clinicaltrials.gov"


def test_group_is_the_one_that_the_research_study_names() -> None:
    found = eligibility_group(reluth())

    # shared trial/examples/researchstudy-r4.json, enrollment
    assert found["id"] == "reluth-eligibility"
    assert (found["type"], found["actual"]) == ("person", False)


def test_group_in_r5_has_membership_in_place_of_actual() -> None:
    found = eligibility_group(reluth(), fhir_version="5.0.0")

    assert found["membership"] == "definitional"
    assert "actual" not in found


def test_group_speaks_the_language_asked_for_and_leaves_the_sentence_as_registered() -> None:
    english, french = characteristics(reluth()), characteristics(reluth(), language="fr")

    assert french["I01"]["code"]["text"] == "Âge d'au moins 18 ans"
    assert english["I01"]["code"]["text"] == "Aged 18 or over"
    assert remarks(french["I01"], "sentence") == remarks(english["I01"], "sentence") == ["Age ≥ 18 years"]


def test_age_is_a_range_of_years_with_its_end_in() -> None:
    found = only(tree.Age(18))

    assert found["valueRange"] == {
        "low": {"value": 18, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
    }


def test_a_limit_that_is_in_is_a_range_and_one_that_is_out_a_comparator() -> None:
    assert only(laboratory("platelets", "ge", "80"))["valueRange"] == {
        "low": {"value": 80, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"}
    }
    assert only(laboratory("platelets", "le", "80"))["valueRange"]["high"]["value"] == 80
    assert only(laboratory("neutrophils", "gt", "1.5"))["valueQuantity"] == {
        "value": 1.5,
        "comparator": ">",
        "unit": "10*9/L",
        "system": "http://unitsofmeasure.org",
        "code": "10*9/L",
    }
    assert only(laboratory("neutrophils", "lt", "1.5"))["valueQuantity"]["comparator"] == "<"


def test_ecog_between_two_scores_is_a_range_of_its_loinc_code() -> None:
    found = characteristics(reluth())["I07"]

    assert found["valueRange"]["low"]["value"] == 0
    assert found["valueRange"]["high"]["value"] == 2
    assert {"system": "http://loinc.org", "code": "89247-1"} in found["code"]["coding"]
    assert {"system": "urn:reluth:criterion:nct04954820", "code": "I07"} in found["code"]["coding"]


def test_decimals_are_written_as_they_stand_in_the_document() -> None:
    found = written(eligibility_group(with_rule(laboratory("neutrophils", "gt", "1.10"))))

    assert b'"value":1.10,' in found


def test_a_multiple_of_the_upper_limit_is_not_coded_as_the_analyte() -> None:
    found = only(laboratory("alt", "gt", "2.5", scale=tree.Scale.ULN))

    assert found["valueQuantity"]["code"] == "{ULN}"
    assert [coding["system"] for coding in found["code"]["coding"]] == ["urn:reluth:criterion:nct04954820"]


def test_sex_is_a_code() -> None:
    found = only(tree.Sex("female"))

    assert found["valueCodeableConcept"]["coding"][0]["code"] == "female"


def test_a_cross_check_is_said_by_what_decides() -> None:
    decides = laboratory("creatinine", "lt", "40", scale=tree.Scale.MDRD)
    found = only(tree.CrossCheck(decides, laboratory("egfr_mdrd_reported", "lt", "40")))

    assert found["valueQuantity"]["code"] == "mL/min/{1.73_m2}"


def test_an_attestation_beside_the_data_changes_nothing_of_the_value() -> None:
    assert "valueRange" in only(tree.WithAttestation("I07", tree.Age(18)))


def test_a_fallback_that_only_refutes_is_said_by_the_first() -> None:
    first, second = laboratory("glucose_fasting", "gt", "11"), laboratory("glucose", "gt", "11")

    assert only(tree.Fallback(first, tree.OnlyRefutes(second, "glucose_fasting")))["valueQuantity"]["value"] == 11
    assert only(tree.Fallback(first, second))["valueBoolean"] is True


def test_a_rule_of_several_comparisons_is_a_statement_that_is_true() -> None:
    both = tree.All((laboratory("platelets", "ge", "80"), laboratory("neutrophils", "ge", "1.5")))

    found = only(both)

    assert found["valueBoolean"] is True
    assert [key for key in found if key.startswith("value")] == ["valueBoolean"]


def test_narrative_shows_sentence_default_and_question_and_escapes_them() -> None:
    criterion = replace(reluth().criterion("E11"), text="a < b & <i>c</i>")
    text = eligibility_group(replace(reluth(), criteria=(criterion,)))["text"]["div"]

    assert "a &lt; b &amp; &lt;i&gt;c&lt;/i&gt;" in text
    assert "Default to confirm: 160/95: either limit is enough." in text
    assert "Open question: Meaning of the slash in 160/95." in text
    assert "not reviewed by a clinician" in text


def test_bundle_holds_group_and_the_library_that_it_names() -> None:
    bundle = group_bundle(reluth(), CQL)
    group, library = (entry["resource"] for entry in bundle["entry"])

    named = next(item for item in group["extension"] if item["url"].endswith("/cqf-library"))

    assert bundle["type"] == "collection"
    assert named["valueCanonical"] == f"{library['url']}|{library['version']}"
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == 2


def test_library_holds_the_cql_byte_for_byte_under_the_name_it_declares() -> None:
    text = f"{CQL}// é\n"
    library = logic_library(reluth(), text)

    assert b64decode(library["content"][0]["data"]).decode() == text
    assert library["content"][0]["contentType"] == "text/cql"
    assert library["name"] == "Some_Logic"
    assert library["status"] == "draft"


def test_library_of_a_cql_without_a_name_is_called_after_the_trial() -> None:
    assert logic_library(reluth(), 'define "I01": null')["name"] == "ReLUTH_Eligibility"
    assert logic_library(replace(reluth(), acronym="3-TR"), "")["name"] == "Trial_3_TR_Eligibility"


def test_export_of_the_same_version_is_byte_for_byte_the_same() -> None:
    assert written(group_bundle(reluth(), CQL)) == written(group_bundle(reluth(), CQL))
