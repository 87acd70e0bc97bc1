"""In: trial and criteria documents with one fault each. Out: whether the fault is named with its file and JSON pointer."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.criteria import Permanence, Stage
from adapter.criteria import tree as nodes
from adapter.criteria.expressions import NODES
from adapter.errors import DocumentError
from tests.unit.criteria.making import criteria_document, criterion, parsed, tiny, trial_document

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
]


@pytest.mark.parametrize(("rule", "pointer"), FAULTS)
def test_a_fault_in_an_expression_points_to_its_place(rule: Any, pointer: str) -> None:
    assert pointer_of(rule) == pointer


def test_every_kind_of_expression_has_a_fault_tested() -> None:
    assert {name for rule, _ in FAULTS if isinstance(rule, dict) for name in rule} >= set(NODES)


def test_an_unknown_expression_names_those_there_are() -> None:
    with pytest.raises(DocumentError, match=r"unknown expression ages: expected one of age, all, any"):
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
    ],
)
def test_a_name_that_leads_nowhere_is_found_wherever_it_stands(rule: Any, around: Any) -> None:
    assert pointer_of(around(rule)) == ""


def test_parts_are_found_by_their_short_and_full_names() -> None:
    parts = {"a": {"label": WORDS, "rule": {"sex": "male"}}}
    trial = tiny(criterion({"part": "a"}, parts=parts), criterion({"any": [{"part": "X.a"}, {"criterion": "X"}]}, "Y"))

    assert trial.criteria[0].node == nodes.PartOf("X", "X.a")
    assert trial.criteria[1].node == nodes.Any((nodes.PartOf("X", "X.a"), nodes.TruthOf("X")))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": ""}, "/id"),
        ({"kind": "include"}, "/kind"),
        ({"stage": "screening"}, "/stage"),
        ({"automation": "full"}, "/automation"),
        ({"text": None}, "/text"),
        ({"label": {"fr": "a"}}, "/label"),
        ({"label": {**WORDS, "de": "c"}}, "/label"),
        ({"confirm": "me"}, "/confirm"),
        ({"permanent": "yes"}, "/permanent"),
        ({"at_screening_visit": "true"}, "/at_screening_visit"),
        ({"attestable": 1}, "/attestable"),
        ({"contradicted_by": 5}, "/contradicted_by"),
        ({"contradicted_by": "z"}, ""),
        ({"wanted": "x"}, "/wanted"),
        ({"wanted": [5]}, "/wanted/0"),
        ({"defaults": {}}, "/defaults"),
        ({"defaults": [{"id": "x"}]}, "/defaults/0"),
        ({"defaults": [{"id": "x", "text": WORDS, "z": 1}]}, "/defaults/0"),
        ({"parts": []}, "/parts"),
        ({"parts": {"a": {"label": WORDS}}}, "/parts/a"),
        ({"parts": {"a": {"label": WORDS, "rule": {"sex": "x"}}}}, "/parts/a/rule/sex"),
        ({"parts": {"a": {"label": WORDS, "rule": {"sex": "male"}, "z": 1}}}, "/parts/a"),
        ({"parts": {"a": {"label": WORDS, "rule": {"part": "b"}}}}, ""),
        ({"windows": 28}, ""),
    ],
)
def test_a_fault_of_a_criterion_points_to_its_place(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        tiny({**criterion({"sex": "male"}), **change})

    assert caught.value.pointer == f"/criteria/0{pointer}"


@pytest.mark.parametrize("key", ["id", "kind", "stage", "automation", "text", "label", "confirm", "rule"])
def test_a_key_missing_from_a_criterion_is_named(key: str) -> None:
    document = {name: value for name, value in criterion({"sex": "male"}).items() if name != key}

    with pytest.raises(DocumentError, match=f"criteria.yaml#/criteria/0: {key} is missing"):
        tiny(document)


def test_an_id_stands_once() -> None:
    with pytest.raises(DocumentError, match=r"criteria\.yaml#/criteria: a criterion id stands twice"):
        tiny(criterion({"sex": "male"}), criterion({"sex": "female"}))


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("kind",), "criteria", "/kind"),
        (("id",), 5, "/id"),
        (("title",), "", "/title"),
        (("identifiers",), "NCT", "/identifiers"),
        (("resource_types", 0), "Patience", "/resource_types/0"),
        (("candidate_when", 0, "in", 0), "Conditions", "/candidate_when/0/in/0"),
        (("candidate_when", 0, "codes", 0), "cancer", "/candidate_when/0/codes/0"),
        (("candidate_when", 0, "text"), "lutathera(", "/candidate_when/0/text"),
        (("candidate_when", 0, "study"), "NCT", "/candidate_when/0/study"),
        (("candidate_when", 0, "code"), [], "/candidate_when/0"),
        (("attestation", "default"), 28, "/attestation/default"),
        (("attestation", "default"), {"days": "28"}, "/attestation/default/days"),
        (("attestation", "default"), {}, "/attestation/default"),
        (("attestation", "default"), {"days": 28, "months": 1}, "/attestation/default"),
        (("attestation", "valid", "I03"), "for good", "/attestation/valid/I03"),
        (("attestation", "valid", "I03"), {"months": 1.5}, "/attestation/valid/I03/months"),
        (("attestation", "days"), 5, "/attestation"),
        (("concepts", "first_course_attested_by"), None, "/concepts/first_course_attested_by"),
        (("concepts", "no_infusion_declared_for_years"), "5", "/concepts/no_infusion_declared_for_years"),
        (("concepts", "lutathera_text"), "[", "/concepts/lutathera_text"),
        (("concepts", "grade_codes", 0), "grade", "/concepts/grade_codes/0"),
        (("concepts", "grade_codes", 0), "|grade", "/concepts/grade_codes/0"),
        (("concepts", "worsened_values", 0), "urn:x|", "/concepts/worsened_values/0"),
        (("concepts", "more"), 5, "/concepts"),
        (("open_questions", 0, "text"), "q", "/open_questions/0/text"),
        (("open_questions", 0, "more"), "q", "/open_questions/0"),
        (("states", 0, "label"), None, "/states/0/label"),
        (("states", 0, "more"), None, "/states/0"),
        (("wanted", "thing", "en"), "", "/wanted/thing/en"),
        (("more",), 1, ""),
    ],
)
def test_a_fault_of_the_trial_points_to_its_place(path: tuple[Any, ...], value: Any, pointer: str) -> None:
    document: Any = trial_document()
    target = document
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value

    with pytest.raises(DocumentError) as caught:
        parsed(document, criteria_document(criterion({"sex": "male"})))
    assert (caught.value.file, caught.value.pointer) == ("trial.yaml", pointer)


@pytest.mark.parametrize("key", sorted(trial_document()))
def test_a_key_missing_from_the_trial_is_named(key: str) -> None:
    document = trial_document()
    del document[key]

    with pytest.raises(DocumentError, match=f"trial.yaml#: {key} is missing"):
        parsed(document, criteria_document(criterion({"sex": "male"})))


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"kind": "trial", "version": "1", "criteria": []}, "/kind"),
        ({"kind": "criteria", "version": 1, "criteria": []}, "/version"),
        ({"kind": "criteria", "version": "1", "criteria": {}}, "/criteria"),
        ({"kind": "criteria", "version": "1", "criteria": [], "more": 1}, ""),
        (None, ""),
    ],
)
def test_a_fault_of_the_criteria_document_points_to_its_place(document: Any, pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(trial_document(), document)

    assert (caught.value.file, caught.value.pointer) == ("criteria.yaml", pointer)


def test_a_criterion_is_read_with_its_defaults() -> None:
    found = tiny(criterion({"sex": "male"}, stage="randomisation")).criteria[0]

    assert (found.permanent, found.at_screening_visit, found.attestable, found.contradicted_by) == (
        Permanence.NEVER,
        False,
        True,
        None,
    )
    assert (found.stages, found.parts, found.defaults, found.wanted) == (frozenset({Stage.RANDOMISATION}), (), (), ())


def test_a_criterion_is_read_whole() -> None:
    found = tiny(
        criterion(
            {"part": "a"},
            parts={"a": {"label": WORDS, "rule": {"sex": "male"}}},
            permanent="coded",
            at_screening_visit=True,
            attestable=False,
            contradicted_by="a",
            wanted=["sex"],
            defaults=[{"id": "d", "text": WORDS}],
        )
    ).criteria[0]

    assert (found.permanent, found.at_screening_visit, found.attestable) == (Permanence.CODED, True, False)
    assert (found.contradicted_by, found.wanted, found.defaults[0].id, found.parts[0].id) == (
        "X.a",
        ("sex",),
        "d",
        "X.a",
    )
    assert found.stages == frozenset(Stage)
