"""In: documents of kind ``concepts``, ReLUTH's and ones with one fault each. Out: whether the concepts are read, and each fault named."""

from __future__ import annotations

import copy
from importlib.resources import files
from typing import Any

import pytest
import yaml

from adapter.criteria.prepared import Concepts, coding, parse_concepts, pattern
from adapter.errors import DocumentError
from adapter.terminology import Node
from tests.unit.criteria.making import terms


def document(*kinds: str) -> dict[str, Any]:
    """ReLUTH's concepts, of these kinds only; all of them where none is named."""
    path = files("mappings") / "trials" / "nct04954820" / "concepts.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["concepts"] = [item for item in found["concepts"] if not kinds or item["kind"] in kinds]
    return found


def read(content: Any) -> Concepts:
    return parse_concepts(Node(content, "concepts.yaml"), value_sets=terms().value_sets, analytes=terms().analytes)


def pointer_of(content: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        read(content)
    assert caught.value.file == "concepts.yaml"
    return caught.value.pointer


def changed(kind: str, change: dict[str, Any]) -> dict[str, Any]:
    found = document(kind)
    found["concepts"][0] |= change
    return found


KINDS = ("treatment-courses", "tumour", "disease-status")


def test_the_courses_are_read() -> None:
    found = read(document()).courses

    assert found is not None
    assert (found.medication.id, found.cycles, found.attested_by) == ("lutathera", 4, "I03")
    assert (found.close, found.same, found.new, found.same_batch_days) == (28, 112, 366, 3)
    assert (found.first_mark, found.second_mark) == (
        ("urn:reluth:terms", "prrt-course-first"),
        ("urn:reluth:terms", "prrt-course-second"),
    )
    assert found.absence_years == 5
    assert [bool(found.text.search(word)) for word in ("LUTATHERA 7,4 GBq", "octréotide")] == [True, False]


def test_the_tumour_is_read() -> None:
    found = read(document()).tumour

    assert found is not None
    assert [item.id for item in found.primary] == ["intestinal_primary"]
    assert [item.id for item in found.supportive] == ["intestinal_uncertain"]
    assert [item.id for item in found.morphology] == ["net_morphology"]
    assert [item.id for item in found.neuroendocrine] == ["net_morphology", "net_any", "nec_morphology", "nec_review"]
    assert (found.malignancy.id, found.unspecified.id, found.ki67.id) == ("malignancy", "unspecified_primary", "ki67")
    assert ("urn:reluth:terms", "grade") in found.grades
    assert found.malignancy_text.search("Lymphome de Hodgkin")
    assert found.same_tumour_text.search("métastase hépatique")


def test_the_disease_status_is_read() -> None:
    found = read(document()).status

    assert found is not None
    assert found.clinical == {("http://loinc.org", "97509-4")}
    assert found.recist == {("urn:reluth:terms", "recist-response")}
    assert found.best == {("urn:reluth:terms", "recist-best-response")}
    assert found.worsened & found.controlled == set()
    assert found.worsened_words == {"PD"}
    assert found.controlled_words == {"CR", "PR", "SD", "NON-CR/NON-PD"}
    assert found.neither_words == {"NE"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_need_not_have_every_concept(kind: str) -> None:
    found = read(document(kind))

    assert [found.courses is None, found.tumour is None, found.status is None].count(True) == 2


def test_a_trial_may_have_no_concept() -> None:
    assert read({"kind": "concepts", "concepts": []}) == Concepts(None, None, None)


def test_a_trial_may_take_a_tumour_of_any_site() -> None:
    found = read(changed("tumour", {"primary": [], "supportive": []})).tumour

    assert found is not None
    assert (found.primary, found.supportive) == ((), ())


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_has_one_concept_of_a_kind(kind: str) -> None:
    twice = document(kind)
    twice["concepts"].append(copy.deepcopy(twice["concepts"][0]))

    with pytest.raises(DocumentError, match=r"concepts\.yaml#/concepts/1: a trial has one concept of a kind"):
        read(twice)


def keys_of_kinds() -> list[tuple[str, str]]:
    return [(item["kind"], key) for item in document()["concepts"] for key in item]


@pytest.mark.parametrize(("kind", "key"), keys_of_kinds())
def test_a_key_missing_from_a_concept_is_named(kind: str, key: str) -> None:
    without = document(kind)
    del without["concepts"][0][key]

    with pytest.raises(DocumentError, match=f"concepts.yaml#/concepts/0: {key} is missing"):
        read(without)


@pytest.mark.parametrize(
    ("kind", "change", "pointer"),
    [
        ("tumour", {"more": 1}, ""),
        ("tumour", {"kind": "tumor"}, "/kind"),
        ("tumour", {"primary": "intestinal_primary"}, "/primary"),
        ("tumour", {"primary": ["intestine"]}, "/primary/0"),
        ("tumour", {"supportive": ["d37"]}, "/supportive/0"),
        ("tumour", {"morphology": ["net"]}, "/morphology/0"),
        ("tumour", {"neuroendocrine": ["net_any", "net"]}, "/neuroendocrine/1"),
        ("tumour", {"malignancy": "cancer"}, "/malignancy"),
        ("tumour", {"unspecified": ["unspecified_primary"]}, "/unspecified"),
        ("tumour", {"ki67": "mib1"}, "/ki67"),
        ("tumour", {"grades": ["grade"]}, "/grades/0"),
        ("tumour", {"grades": ["|grade"]}, "/grades/0"),
        ("tumour", {"malignancy_text": "cancer("}, "/malignancy_text"),
        ("tumour", {"same_tumour_text": "["}, "/same_tumour_text"),
        ("treatment-courses", {"more": 1}, ""),
        ("treatment-courses", {"medication": "Lutathera"}, "/medication"),
        ("treatment-courses", {"text": "("}, "/text"),
        ("treatment-courses", {"cycles": "4"}, "/cycles"),
        ("treatment-courses", {"same_batch_days": None}, "/same_batch_days"),
        ("treatment-courses", {"attested_by": ""}, "/attested_by"),
        ("treatment-courses", {"first_mark": "prrt-course-first"}, "/first_mark"),
        ("treatment-courses", {"second_mark": "urn:reluth:terms|"}, "/second_mark"),
        ("treatment-courses", {"absence_declared_for_years": 2.5}, "/absence_declared_for_years"),
        ("treatment-courses", {"days": {"close": 28, "same": 112}}, "/days"),
        ("treatment-courses", {"days": {"close": 28, "same": 112, "new": "366"}}, "/days/new"),
        ("treatment-courses", {"days": {"close": 28, "same": 112, "new": 366, "old": 1}}, "/days"),
        ("disease-status", {"more": 1}, ""),
        ("disease-status", {"clinical": "http://loinc.org|97509-4"}, "/clinical"),
        ("disease-status", {"recist": [5]}, "/recist/0"),
        ("disease-status", {"best": ["recist-best-response"]}, "/best/0"),
        ("disease-status", {"worsened": ["urn:x|"]}, "/worsened/0"),
        ("disease-status", {"controlled": [None]}, "/controlled/0"),
        ("disease-status", {"worsened_words": "PD"}, "/worsened_words"),
        ("disease-status", {"controlled_words": [1]}, "/controlled_words/0"),
    ],
)
def test_a_fault_of_a_concept_points_to_its_place(kind: str, change: dict[str, Any], pointer: str) -> None:
    assert pointer_of(changed(kind, change)) == f"/concepts/0{pointer}"


@pytest.mark.parametrize(
    ("close", "same", "new", "sound"),
    [
        (28, 112, 366, True),
        (28, 28, 29, True),
        (29, 28, 366, False),
        (28, 112, 112, False),
        (28, 366, 112, False),
    ],
)
def test_the_days_of_a_course_are_in_order(close: int, same: int, new: int, sound: bool) -> None:
    content = changed("treatment-courses", {"days": {"close": close, "same": same, "new": new}})

    if sound:
        assert read(content).courses is not None
    else:
        assert pointer_of(content) == "/concepts/0/days"


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({"kind": "concept", "concepts": []}, "/kind"),
        ({"kind": "concepts", "concepts": {}}, "/concepts"),
        ({"kind": "concepts"}, ""),
        ({"kind": "concepts", "concepts": [], "version": "1"}, ""),
        ({"kind": "concepts", "concepts": ["tumour"]}, "/concepts/0"),
        (None, ""),
    ],
)
def test_a_fault_of_the_document_points_to_its_place(content: Any, pointer: str) -> None:
    assert pointer_of(content) == pointer


def test_a_coding_may_have_a_bar_in_its_system() -> None:
    assert coding(Node("urn:x|y|z", "doc")) == ("urn:x|y", "z")


def test_a_pattern_ignores_case_and_names_its_fault() -> None:
    assert pattern(Node("[ée]t", "doc")).search("ÉTÉ")
    with pytest.raises(DocumentError, match="no regular expression"):
        pattern(Node("*", "doc"))
