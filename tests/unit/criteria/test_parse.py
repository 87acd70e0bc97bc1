"""In: trial and criteria documents with one fault each. Out: whether the fault is named with its file and JSON pointer."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.criteria import Permanence, Stage
from adapter.errors import DocumentError
from tests.unit.criteria.making import criteria_document, criterion, parsed, tiny, trial_document

WORDS = {"fr": "a", "en": "b"}


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
        ({"attested_not_before": 5}, "/attested_not_before"),
        ({"attested_not_before": "Y"}, ""),
        ({"prompts": {}}, "/prompts"),
        ({"prompts": [{"in": ["Condition"]}]}, "/prompts/0"),
        ({"prompts": [{"codes": ["pancreas"]}]}, "/prompts/0"),
        ({"prompts": [{"in": ["Conditions"], "codes": ["pancreas"]}]}, "/prompts/0/in/0"),
        ({"prompts": [{"in": ["Condition"], "codes": ["liver"]}]}, "/prompts/0/codes/0"),
        ({"prompts": [{"in": ["Condition"], "text": "("}]}, "/prompts/0/text"),
        ({"prompts": [{"in": ["Condition"], "text": "a", "z": 1}]}, "/prompts/0"),
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
    assert (found.prompts, found.attested_not_before) == ((), None)


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
            attested_not_before="Y",
            prompts=[{"in": ["Flag"], "text": "tutelle"}, {"in": ["Condition"], "codes": ["pancreas"]}],
        ),
        criterion({"sex": "male"}, "Y"),
    ).criteria[0]

    assert (found.permanent, found.at_screening_visit, found.attestable) == (Permanence.CODED, True, False)
    assert (found.contradicted_by, found.wanted, found.defaults[0].id, found.parts[0].id) == (
        "X.a",
        ("sex",),
        "d",
        "X.a",
    )
    assert found.stages == frozenset(Stage)
    assert found.attested_not_before == "Y"
    assert [(item.resource_types, [entry.id for entry in item.value_sets]) for item in found.prompts] == [
        (("Flag",), []),
        (("Condition",), ["pancreas"]),
    ]
    assert [item.text is not None and bool(item.text.search("TUTELLE")) for item in found.prompts] == [True, False]
