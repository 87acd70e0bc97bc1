"""In: expressions, sound ones and ones with one fault each. Out: their nodes, or whether the fault is named with its file and JSON pointer.

Longer than a file of tests should be: every key of every expression has its fault in one table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter.criteria import tree as nodes
from adapter.criteria.attestation import FOR_GOOD, Validity
from adapter.criteria.expressions import NODES, expression
from adapter.errors import DocumentError
from adapter.terminology import Node
from tests.unit.criteria.making import criterion, terms, tiny

WORDS = {"fr": "a", "en": "b"}


def pointer_of(rule: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        tiny(criterion(rule))
    assert caught.value.file == "criteria.yaml"
    return caught.value.pointer.removeprefix("/criteria/0")


def rule_of(rule: Any) -> nodes.Node:
    return tiny(criterion(rule)).criteria[0].node


LAB = {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}
PRESSURE = {"systolic_at_least": "160", "diastolic_at_least": "95", "days": 2, "window_days": 28}
PROTHROMBIN = {"percent": "tp_percent", "others": ["inr"], "window_days": 28}
GRADE = {"morphology": "net_morphology", "ki67_at_most": "20", "well_differentiated": "I02.w"}
EVENT = {
    "deciding": ["cardiac_deciding"],
    "asking": ["cardiac_asking"],
    "controlled": "X.c",
    "within": {"months": 12},
    "complete": "condition",
    "wanted": "X.w",
}
TUMOUR = {
    "in": "other_solid_tumour",
    "excepted": "excepted_tumour",
    "controlled": "X.c",
    "alert": "haematological_alert",
    "within": {"months": 60},
    "complete": "condition",
}
MARROW = {"analyte": "marrow_fraction_irradiated", "above": "25", "courses": ["radiotherapy_course"]}
COVERAGE = {"types": ["AMO"], "payors": ["CPAM"], "asks": ["AME"], "excludes": ["AMC"], "hints": ["INS-NIR"]}
ALLERGY = {
    "to": ["study_drugs"],
    "asking": ["somatostatin_class"],
    "asking_text": "lutat",
    "none": "no_known_allergy",
    "complete": "allergy",
}
EXAMINATION = {"in": "sstr_imaging", "within_months": 4}
FINDING = {**EXAMINATION, "analyte": "krenning_score", "is": {"ge": "2"}}
LESIONS = {
    "diameter": "lesion_longest_diameter",
    "count": "lesion_count",
    "at_least": "10",
    "lesions": 2,
    "modalities": ["CT"],
    "lymph_node_text": "gangli",
}
DE_INDEXED = {
    "creatinine": "creatinine",
    "height": "body_height",
    "weight": "body_weight",
    "window_days": 28,
    "is": {"lt": "40"},
}
TOXICITY = {"analytes": ["platelets"], "asks": ["lymphocytes"], "grade": 4, "after_days": 56, "wanted": "E03.a"}
UNRESOLVED = {"analytes": ["platelets"], "grade": 2, "window_days": 28, "excluded_text": "alop", "wanted": "E03.b"}

FAULTS: list[tuple[Any, str]] = [
    (None, "/rule"),
    ("age", "/rule"),
    ([], "/rule"),
    ({}, "/rule"),
    ({"age": {"at_least": 18}, "sex": "male"}, "/rule"),
    ({"ages": {"at_least": 18}}, "/rule"),
    ({"age": 18}, "/rule/age"),
    ({"age": {"at_least": "18"}}, "/rule/age/at_least"),
    ({"age": {"atleast": 18}}, "/rule/age"),
    ({"age": {"at_least": 18, "at_most": 80}}, "/rule/age"),
    ({"all": []}, "/rule/all"),
    ({"all": {"sex": "male"}}, "/rule/all"),
    ({"any": [{"sex": "male"}, {"sex": "man"}]}, "/rule/any/1/sex"),
    ({"any": []}, "/rule/any"),
    ({"not": [{"sex": "male"}]}, "/rule/not"),
    ({"not": {}}, "/rule/not"),
    ({"sex": True}, "/rule/sex"),
    ({"attested": ""}, "/rule/attested"),
    ({"attested": {"since_days": 168}}, "/rule/attested"),
    ({"attested": {"link": "X", "since_days": "168"}}, "/rule/attested/since_days"),
    ({"attested": {"link": "X", "since_days": 168, "until": 5}}, "/rule/attested"),
    ({"attested": 5}, "/rule/attested"),
    ({"open": {"reason": "dunno"}}, "/rule/open/reason"),
    ({"open": {}}, "/rule/open"),
    ({"open": {"reason": "asks", "wanted": 5}}, "/rule/open/wanted"),
    ({"open": {"reason": "asks", "attestable": "yes"}}, "/rule/open/attestable"),
    ({"open": {"reason": "asks", "want": "x"}}, "/rule/open"),
    ({"cases": []}, "/rule/cases"),
    ({"cases": {}}, "/rule/cases"),
    ({"cases": [{"if": {"sex": "male"}, "then": "T"}]}, "/rule/cases"),
    ({"cases": ["otherwise"]}, "/rule/cases/0"),
    ({"cases": [{"if": {"sex": "male"}}, {"otherwise": {"sex": "male"}}]}, "/rule/cases/0"),
    ({"cases": [{"then": "T"}, {"otherwise": {"sex": "male"}}]}, "/rule/cases/0"),
    ({"cases": [{"if": {"sex": "male"}, "then": "U"}, {"otherwise": {"sex": "male"}}]}, "/rule/cases/0/then"),
    ({"cases": [{"if": {"sex": "male"}, "then": True}, {"otherwise": {"sex": "male"}}]}, "/rule/cases/0/then"),
    ({"cases": [{"if": {"sex": "x"}, "then": "T"}, {"otherwise": {"sex": "male"}}]}, "/rule/cases/0/if/sex"),
    ({"cases": [{"if": {"sex": "male"}, "then": "T", "else": "F"}, {"otherwise": {"sex": "male"}}]}, "/rule/cases/0"),
    ({"cases": [{"otherwise": {"sex": "male"}, "then": "T"}]}, "/rule/cases/0"),
    ({"cases": [{"otherwise": {"sex": "x"}}]}, "/rule/cases/0/otherwise/sex"),
    ({"fallback": [{"sex": "male"}]}, "/rule/fallback"),
    ({"fallback": [{"sex": "male"}] * 3}, "/rule/fallback"),
    ({"fallback": [{"sex": "male"}, {"sex": 5}]}, "/rule/fallback/1/sex"),
    ({"only_refutes": {"rule": {"sex": "male"}}}, "/rule/only_refutes"),
    ({"only_refutes": {"rule": {"sex": "x"}, "wanted": "y"}}, "/rule/only_refutes/rule/sex"),
    ({"only_refutes": {"rule": {"sex": "male"}, "wanted": "y", "z": 1}}, "/rule/only_refutes"),
    ({"cross_check": {"decides": {"sex": "male"}}}, "/rule/cross_check"),
    ({"cross_check": {"decides": {"sex": "male"}, "against": {"sex": "x"}}}, "/rule/cross_check/against/sex"),
    ({"cross_check": {"decides": {"sex": "male"}, "against": {"sex": "male"}, "z": 1}}, "/rule/cross_check"),
    ({"laboratory": {**LAB, "analyte": "haemoglobin"}}, "/rule/laboratory/analyte"),
    ({"laboratory": {**LAB, "window_days": "28"}}, "/rule/laboratory/window_days"),
    ({"laboratory": {**LAB, "of": "mean"}}, "/rule/laboratory/of"),
    ({"laboratory": {**LAB, "window": 28}}, "/rule/laboratory"),
    ({"laboratory": {**LAB, "is": {"gt": 8.5}}}, "/rule/laboratory/is/gt"),
    ({"laboratory": {**LAB, "is": {"gt": "8", "lt": "9"}}}, "/rule/laboratory/is"),
    ({"laboratory": {**LAB, "is": {}}}, "/rule/laboratory/is"),
    ({"laboratory": {**LAB, "is": {"eq": "8"}}}, "/rule/laboratory/is"),
    ({"laboratory": {**LAB, "is": {"between": ["0"]}}}, "/rule/laboratory/is/between"),
    ({"laboratory": {**LAB, "is": {"between": "0-2"}}}, "/rule/laboratory/is/between"),
    ({"laboratory": {**LAB, "is": {"between": ["0", "x"]}}}, "/rule/laboratory/is/between/1"),
    ({"laboratory": {"analyte": "hemoglobin", "window_days": 28}}, "/rule/laboratory"),
    ({"prothrombin_normal": {**PROTHROMBIN, "others": "inr"}}, "/rule/prothrombin_normal/others"),
    ({"prothrombin_normal": {**PROTHROMBIN, "others": ["tp"]}}, "/rule/prothrombin_normal/others/0"),
    ({"prothrombin_normal": {**PROTHROMBIN, "percent": "tp"}}, "/rule/prothrombin_normal/percent"),
    ({"prothrombin_normal": {**PROTHROMBIN, "z": 1}}, "/rule/prothrombin_normal"),
    ({"hcg": {"analyte": "hcg", "is": "absent", "window_days": 4}}, "/rule/hcg/is"),
    ({"hcg": {"analyte": "hcg", "is": "positive"}}, "/rule/hcg"),
    ({"hcg": {"analyte": "hcg", "is": "positive", "window_days": 4, "z": 1}}, "/rule/hcg"),
    ({"blood_pressure": {**PRESSURE, "systolic_at_least": 160.5}}, "/rule/blood_pressure/systolic_at_least"),
    ({"blood_pressure": {**PRESSURE, "days": None}}, "/rule/blood_pressure/days"),
    ({"blood_pressure": {**PRESSURE, "z": 1}}, "/rule/blood_pressure"),
    ({"condition": {"in": "pancréas"}}, "/rule/condition/in"),
    ({"condition": {}}, "/rule/condition"),
    ({"condition": {"in": "pancreas", "clinical": "active"}}, "/rule/condition/clinical"),
    ({"condition": {"in": "pancreas", "absent": "U"}}, "/rule/condition/absent"),
    ({"condition": {"in": "pancreas", "current_days": "300"}}, "/rule/condition/current_days"),
    ({"condition": {"in": "pancreas", "complete": ""}}, "/rule/condition/complete"),
    ({"condition": {"in": "pancreas", "attestable": 1}}, "/rule/condition/attestable"),
    ({"condition": {"in": "pancreas", "wanted": []}}, "/rule/condition/wanted"),
    ({"condition": {"in": "pancreas", "completeness": "condition"}}, "/rule/condition"),
    ({"coded": "postmenopausal"}, "/rule/coded"),
    ({"histology": {"in": "net_any"}}, "/rule/histology/in"),
    ({"histology": {"in": ["net"]}}, "/rule/histology/in/0"),
    ({"histology": {"in": ["net_any"], "of": "breast"}}, "/rule/histology/of"),
    ({"histology": {"in": ["net_any"], "z": 1}}, "/rule/histology"),
    ({"grade": {**GRADE, "morphology": "net"}}, "/rule/grade/morphology"),
    ({"grade": {**GRADE, "ki67_at_most": 20.5}}, "/rule/grade/ki67_at_most"),
    ({"grade": {**GRADE, "z": 1}}, "/rule/grade"),
    ({"prrt_cycles_first_course": {"equals": 4}}, "/rule/prrt_cycles_first_course"),
    ({"prrt_cycles_first_course": {"equals": "4", "attested": "I03"}}, "/rule/prrt_cycles_first_course/equals"),
    ({"prrt_cycles_first_course": {"equals": 4, "attested": "I03", "z": 1}}, "/rule/prrt_cycles_first_course"),
    ({"second_course": {"at_least": 2}}, "/rule/second_course"),
    ({"second_course": {"at_least_cycles": "2"}}, "/rule/second_course/at_least_cycles"),
    ({"control_after_first_course": {}}, "/rule/control_after_first_course"),
    ({"control_after_first_course": {"at_least_months": 12, "z": 1}}, "/rule/control_after_first_course"),
    ({"progression": "after first course"}, "/rule/progression"),
    ({"progression": {}}, "/rule/progression"),
    ({"part": 5}, "/rule/part"),
    ({"criterion": None}, "/rule/criterion"),
    ({"criterion": "X.a"}, "/rule/criterion"),
    ({"attested": {"link": "X", "shows": "liver"}}, "/rule/attested/shows"),
    ({"attested": {"link": "X", "not_before": 5}}, "/rule/attested/not_before"),
    ({"attestable": {"rule": {"sex": "male"}}}, "/rule/attestable"),
    ({"attestable": {"link": "X", "rule": {"sex": "x"}}}, "/rule/attestable/rule/sex"),
    ({"attestable": {"link": "X", "rule": {"sex": "male"}, "z": 1}}, "/rule/attestable"),
    ({"attestable": {"link": "", "rule": {"sex": "male"}}}, "/rule/attestable/link"),
    ({"condition": {"in": "pancreas", "complete": "conditions"}}, "/rule/condition/complete"),
    ({"consent": "given"}, "/rule/consent"),
    ({"consent": {}}, "/rule/consent"),
    ({"coverage": {**COVERAGE, "types": "AMO"}}, "/rule/coverage/types"),
    ({"coverage": {**COVERAGE, "payors": [5]}}, "/rule/coverage/payors/0"),
    ({"coverage": {**COVERAGE, "z": 1}}, "/rule/coverage"),
    ({"coverage": {key: value for key, value in COVERAGE.items() if key != "asks"}}, "/rule/coverage"),
    ({"allergy": {**ALLERGY, "to": "study_drugs"}}, "/rule/allergy/to"),
    ({"allergy": {**ALLERGY, "to": ["drugs"]}}, "/rule/allergy/to/0"),
    ({"allergy": {**ALLERGY, "asking": ["class"]}}, "/rule/allergy/asking/0"),
    ({"allergy": {**ALLERGY, "asking_text": "("}}, "/rule/allergy/asking_text"),
    ({"allergy": {**ALLERGY, "none": "none"}}, "/rule/allergy/none"),
    ({"allergy": {**ALLERGY, "complete": "allergies"}}, "/rule/allergy/complete"),
    ({"allergy": {**ALLERGY, "z": 1}}, "/rule/allergy"),
    ({"other_study": {"within_days": 30}}, "/rule/other_study"),
    ({"other_study": {"within_days": "30", "complete": "study-participation"}}, "/rule/other_study/within_days"),
    ({"other_study": {"within_days": 30, "complete": "studies"}}, "/rule/other_study/complete"),
    ({"other_study": {"within_days": 30, "complete": "study-participation", "z": 1}}, "/rule/other_study"),
    ({"dated_event": {**EVENT, "deciding": "cardiac_deciding"}}, "/rule/dated_event/deciding"),
    ({"dated_event": {**EVENT, "asking": ["cardiac"]}}, "/rule/dated_event/asking/0"),
    ({"dated_event": {**EVENT, "controlled": ""}}, "/rule/dated_event/controlled"),
    ({"dated_event": {**EVENT, "within": {"months": "12"}}}, "/rule/dated_event/within/months"),
    ({"dated_event": {**EVENT, "within": {"days": 28, "months": 1}}}, "/rule/dated_event/within"),
    ({"dated_event": {**EVENT, "within": "ever"}}, "/rule/dated_event/within"),
    ({"dated_event": {**EVENT, "wanted": 5}}, "/rule/dated_event/wanted"),
    ({"dated_event": {key: value for key, value in EVENT.items() if key != "asking"}}, "/rule/dated_event"),
    ({"dated_event": {key: value for key, value in EVENT.items() if key != "controlled"}}, "/rule/dated_event"),
    ({"dated_event": {**EVENT, "complete": "events"}}, "/rule/dated_event/complete"),
    ({"dated_event": {**EVENT, "z": 1}}, "/rule/dated_event"),
    ({"other_tumour": {**TUMOUR, "in": ["other_solid_tumour"]}}, "/rule/other_tumour/in"),
    ({"other_tumour": {**TUMOUR, "excepted": "skin"}}, "/rule/other_tumour/excepted"),
    ({"other_tumour": {**TUMOUR, "alert": "blood"}}, "/rule/other_tumour/alert"),
    ({"other_tumour": {**TUMOUR, "controlled": None}}, "/rule/other_tumour/controlled"),
    ({"other_tumour": {**TUMOUR, "within": {"months": 5.5}}}, "/rule/other_tumour/within/months"),
    ({"other_tumour": {**TUMOUR, "complete": "tumour"}}, "/rule/other_tumour/complete"),
    ({"other_tumour": {**TUMOUR, "z": 1}}, "/rule/other_tumour"),
    ({"marrow_irradiated": {**MARROW, "analyte": "marrow"}}, "/rule/marrow_irradiated/analyte"),
    ({"marrow_irradiated": {**MARROW, "above": 25.5}}, "/rule/marrow_irradiated/above"),
    ({"marrow_irradiated": {**MARROW, "courses": ["x"]}}, "/rule/marrow_irradiated/courses/0"),
    ({"marrow_irradiated": {**MARROW, "z": 1}}, "/rule/marrow_irradiated"),
    ({"examination": {**EXAMINATION, "in": "imaging"}}, "/rule/examination/in"),
    ({"examination": {**EXAMINATION, "within_months": "4"}}, "/rule/examination/within_months"),
    ({"examination": {**EXAMINATION, "z": 1}}, "/rule/examination"),
    ({"examination_value": {**FINDING, "in": "imaging"}}, "/rule/examination_value/in"),
    ({"examination_value": {**FINDING, "within_months": None}}, "/rule/examination_value/within_months"),
    ({"examination_value": {**FINDING, "analyte": "krenning"}}, "/rule/examination_value/analyte"),
    ({"examination_value": {**FINDING, "is": {"eq": "2"}}}, "/rule/examination_value/is"),
    ({"examination_value": {**FINDING, "z": 1}}, "/rule/examination_value"),
    ({"measurable_disease": {**LESIONS, "diameter": "length"}}, "/rule/measurable_disease/diameter"),
    ({"measurable_disease": {**LESIONS, "count": "number"}}, "/rule/measurable_disease/count"),
    ({"measurable_disease": {**LESIONS, "at_least": 9.5}}, "/rule/measurable_disease/at_least"),
    ({"measurable_disease": {**LESIONS, "lesions": "2"}}, "/rule/measurable_disease/lesions"),
    ({"measurable_disease": {**LESIONS, "modalities": "CT"}}, "/rule/measurable_disease/modalities"),
    ({"measurable_disease": {**LESIONS, "lymph_node_text": "["}}, "/rule/measurable_disease/lymph_node_text"),
    ({"measurable_disease": {**LESIONS, "z": 1}}, "/rule/measurable_disease"),
    ({"mdrd_not_indexed": {**DE_INDEXED, "creatinine": "creat"}}, "/rule/mdrd_not_indexed/creatinine"),
    ({"mdrd_not_indexed": {**DE_INDEXED, "height": "height"}}, "/rule/mdrd_not_indexed/height"),
    ({"mdrd_not_indexed": {**DE_INDEXED, "weight": "weight"}}, "/rule/mdrd_not_indexed/weight"),
    ({"mdrd_not_indexed": {**DE_INDEXED, "window_days": None}}, "/rule/mdrd_not_indexed/window_days"),
    ({"mdrd_not_indexed": {**DE_INDEXED, "is": "lt 40"}}, "/rule/mdrd_not_indexed/is"),
    ({"mdrd_not_indexed": {**DE_INDEXED, "z": 1}}, "/rule/mdrd_not_indexed"),
    ({"no_response_to_first_course": {}}, "/rule/no_response_to_first_course"),
    ({"no_response_to_first_course": {"control": 4}}, "/rule/no_response_to_first_course/control"),
    ({"no_response_to_first_course": {"control": "I04", "z": 1}}, "/rule/no_response_to_first_course"),
    ({"progression_on_second_course": {"cycles": 2}}, "/rule/progression_on_second_course"),
    ({"progression_on_second_course": {"after_cycles": "2"}}, "/rule/progression_on_second_course/after_cycles"),
    ({"progression_on_second_course": {"after_cycles": 2, "z": 1}}, "/rule/progression_on_second_course"),
    ({"progression_within": {"from_months": 24}}, "/rule/progression_within"),
    ({"progression_within": {"from_months": 24, "to_months": "1"}}, "/rule/progression_within/to_months"),
    ({"progression_within": {"from_months": 24, "to_months": 1, "z": 1}}, "/rule/progression_within"),
    ({"toxicity_in_first_course": {**TOXICITY, "analytes": ["hcg"]}}, "/rule/toxicity_in_first_course/analytes/0"),
    ({"toxicity_in_first_course": {**TOXICITY, "asks": "lymphocytes"}}, "/rule/toxicity_in_first_course/asks"),
    ({"toxicity_in_first_course": {**TOXICITY, "grade": "4"}}, "/rule/toxicity_in_first_course/grade"),
    ({"toxicity_in_first_course": {**TOXICITY, "after_days": None}}, "/rule/toxicity_in_first_course/after_days"),
    ({"toxicity_in_first_course": {**TOXICITY, "z": 1}}, "/rule/toxicity_in_first_course"),
    ({"unresolved_toxicity": {**UNRESOLVED, "analytes": ["ecog"]}}, "/rule/unresolved_toxicity/analytes/0"),
    ({"unresolved_toxicity": {**UNRESOLVED, "grade": None}}, "/rule/unresolved_toxicity/grade"),
    ({"unresolved_toxicity": {**UNRESOLVED, "window_days": "28"}}, "/rule/unresolved_toxicity/window_days"),
    ({"unresolved_toxicity": {**UNRESOLVED, "excluded_text": "("}}, "/rule/unresolved_toxicity/excluded_text"),
    ({"unresolved_toxicity": {**UNRESOLVED, "z": 1}}, "/rule/unresolved_toxicity"),
]


@pytest.mark.parametrize(("rule", "pointer"), FAULTS)
def test_a_fault_in_an_expression_points_to_its_place(rule: Any, pointer: str) -> None:
    assert pointer_of(rule) == pointer


def test_every_kind_of_expression_has_a_fault_tested() -> None:
    assert {name for rule, _ in FAULTS if isinstance(rule, dict) for name in rule} >= set(NODES)


def test_an_unknown_expression_names_those_there_are() -> None:
    with pytest.raises(DocumentError, match=r"unknown expression ages: expected one of age, all, allergy, any"):
        tiny(criterion({"ages": 1}))


@pytest.mark.parametrize("rule", [{"part": "b"}, {"part": "Y.a"}, {"criterion": "Y"}])
@pytest.mark.parametrize(
    "around",
    [
        lambda rule: rule,
        lambda rule: {"all": [{"sex": "male"}, rule]},
        lambda rule: {"any": [rule]},
        lambda rule: {"not": rule},
        lambda rule: {"only_refutes": {"rule": rule, "wanted": "x"}},
        lambda rule: {"fallback": [rule, {"sex": "male"}]},
        lambda rule: {"fallback": [{"sex": "male"}, rule]},
        lambda rule: {"cross_check": {"decides": rule, "against": {"sex": "male"}}},
        lambda rule: {"cross_check": {"decides": {"sex": "male"}, "against": rule}},
        lambda rule: {"cases": [{"if": rule, "then": "T"}, {"otherwise": {"sex": "male"}}]},
        lambda rule: {"cases": [{"if": {"sex": "male"}, "then": rule}, {"otherwise": {"sex": "male"}}]},
        lambda rule: {"cases": [{"otherwise": rule}]},
        lambda rule: {"attestable": {"link": "X", "rule": rule}},
    ],
)
def test_a_name_that_leads_nowhere_is_found_wherever_it_stands(rule: Any, around: Any) -> None:
    assert pointer_of(around(rule)) == ""


@pytest.mark.parametrize(
    "rule",
    [{"no_response_to_first_course": {"control": "Y"}}, {"attested": {"link": "X", "not_before": "Y"}}],
)
def test_a_criterion_that_an_expression_hangs_on_must_be_there(rule: Any) -> None:
    assert pointer_of(rule) == ""
    assert tiny(criterion(rule), criterion({"sex": "male"}, "Y")).criteria[0].id == "X"


@pytest.mark.parametrize(
    "criteria",
    [
        [criterion({"criterion": "X"})],
        [criterion({"criterion": "Y"}), criterion({"not": {"criterion": "X"}}, "Y")],
        [criterion({"no_response_to_first_course": {"control": "X"}})],
        [criterion({"attested": {"link": "X", "not_before": "X"}})],
        [criterion({"part": "a"}, parts={"a": {"label": WORDS, "rule": {"criterion": "X"}}})],
        [criterion({"sex": "male"}, parts={"a": {"label": WORDS, "rule": {"part": "a"}}})],
    ],
)
def test_an_answer_that_hangs_on_itself_is_a_fault(criteria: list[Any]) -> None:
    with pytest.raises(DocumentError, match="#/criteria/0: its answer hangs on itself"):
        tiny(*criteria)


CONCEPTS = {
    "treatment-courses": [
        {"prrt_cycles_first_course": {"equals": 4, "attested": "I03"}},
        {"second_course": {"at_least_cycles": 2}},
        {"toxicity_in_first_course": TOXICITY},
        {"unresolved_toxicity": UNRESOLVED},
        {"control_after_first_course": {"at_least_months": 12}},
        {"progression": "between first and second course"},
        {"no_response_to_first_course": {"control": "X"}},
        {"progression_on_second_course": {"after_cycles": 2}},
    ],
    "tumour": [
        {"histology": {"in": ["net_any"]}},
        {"grade": GRADE},
        {"measurable_disease": LESIONS},
        {"other_tumour": TUMOUR},
        {"control_after_first_course": {"at_least_months": 12}},
        {"progression": "between first and second course"},
        {"no_response_to_first_course": {"control": "X"}},
        {"progression_on_second_course": {"after_cycles": 2}},
        {"progression_within": {"from_months": 24, "to_months": 1}},
    ],
    "disease-status": [
        {"control_after_first_course": {"at_least_months": 12}},
        {"progression": "between first and second course"},
        {"no_response_to_first_course": {"control": "X"}},
        {"progression_on_second_course": {"after_cycles": 2}},
        {"progression_within": {"from_months": 24, "to_months": 1}},
    ],
}


@pytest.mark.parametrize(("kind", "rule"), [(kind, rule) for kind, rules in CONCEPTS.items() for rule in rules])
def test_an_expression_is_refused_whose_concept_the_trial_has_not_got(kind: str, rule: Any) -> None:
    concepts = terms().concepts
    without = {
        "treatment-courses": replace(concepts, courses=None),
        "tumour": replace(concepts, tumour=None),
        "disease-status": replace(concepts, status=None),
    }[kind]
    (name,) = rule
    with pytest.raises(DocumentError) as caught:
        expression(Node(rule, "criteria.yaml"), replace(terms(), concepts=without))

    assert caught.value.pointer == f"/{name}"
    assert f"needs a concept of kind {kind}" in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "node"),
    [
        ({"consent": "signed"}, nodes.SignedConsent()),
        ({"coverage": COVERAGE}, nodes.Coverage(("AMO",), ("CPAM",), ("AME",), ("AMC",), ("INS-NIR",))),
        (
            {"other_study": {"within_days": 30, "complete": "study-participation"}},
            nodes.OtherStudy(30, "study-participation"),
        ),
        ({"no_response_to_first_course": {"control": "Y"}}, nodes.FirstResponse("Y")),
        ({"progression_on_second_course": {"after_cycles": 2}}, nodes.SecondResponse(2)),
        ({"progression_within": {"from_months": 24, "to_months": 1}}, nodes.NewProgression(24, 1)),
        ({"attestable": {"link": "L", "rule": {"sex": "male"}}}, nodes.WithAttestation("L", nodes.Sex("male"))),
        ({"attested": {"link": "L", "not_before": "Y"}}, nodes.Attested("L", not_before="Y")),
    ],
)
def test_an_expression_is_read_into_its_node(rule: Any, node: nodes.Node) -> None:
    found = tiny(criterion(rule), criterion({"sex": "male"}, "Y")).criteria[0].node

    assert found == node


def test_an_expression_names_the_value_sets_and_grades_of_its_terms() -> None:
    event, toxicity = rule_of({"dated_event": EVENT}), rule_of({"toxicity_in_first_course": TOXICITY})

    assert isinstance(event, nodes.DatedEvent)
    assert [item.id for item in (*event.deciding, *event.asking)] == ["cardiac_deciding", "cardiac_asking"]
    assert (event.controlled, event.within, event.complete, event.wanted) == (
        "X.c",
        Validity(months=12),
        "condition",
        "X.w",
    )
    assert isinstance(toxicity, nodes.CourseToxicity)
    assert toxicity.analytes == (terms().grades["platelets"],)
    assert toxicity.asks == (terms().grades["lymphocytes"],)


@pytest.mark.parametrize(
    ("within", "expected"),
    [({"days": 27}, Validity(days=27)), ({"months": 12}, Validity(months=12)), ("for-good", FOR_GOOD)],
)
def test_an_event_may_be_of_any_time(within: Any, expected: Validity) -> None:
    event = rule_of(
        {"dated_event": {"deciding": ["lutathera"], "within": within, "complete": "condition", "wanted": "X"}}
    )

    assert isinstance(event, nodes.DatedEvent)
    assert (event.within, event.asking, event.controlled) == (expected, (), None)


def test_parts_are_found_by_their_short_and_full_names() -> None:
    parts = {"a": {"label": WORDS, "rule": {"sex": "male"}}}
    trial = tiny(criterion({"part": "a"}, parts=parts), criterion({"any": [{"part": "X.a"}, {"criterion": "X"}]}, "Y"))

    assert trial.criteria[0].node == nodes.PartOf("X", "X.a")
    assert trial.criteria[1].node == nodes.Any((nodes.PartOf("X", "X.a"), nodes.TruthOf("X")))
