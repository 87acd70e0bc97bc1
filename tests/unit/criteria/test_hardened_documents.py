"""In: documents of a trial and a site with faults that once went unseen. Out: whether each is refused with its place, and its sound likeness used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Truth
from adapter.documents import load_site
from adapter.errors import DocumentError
from tests.unit.criteria.making import (
    criteria_document,
    criterion,
    judged,
    parsed,
    tiny,
    trial_document,
    verdicts,
)

MALE = {"sex": "male"}


def part(rule: Any) -> dict[str, Any]:
    return {"label": {"fr": "a", "en": "a"}, "rule": rule}


@pytest.mark.parametrize(
    "criteria",
    [
        [criterion({"criterion": "X"})],
        [criterion({"all": [MALE, {"not": {"criterion": "X"}}]})],
        [criterion({"any": [MALE, {"criterion": "X"}]})],
        [criterion({"fallback": [MALE, {"criterion": "X"}]})],
        [criterion({"cross_check": {"decides": MALE, "against": {"criterion": "X"}}})],
        [criterion({"cases": [{"if": {"criterion": "X"}, "then": "T"}, {"otherwise": MALE}]})],
        [criterion({"cases": [{"if": MALE, "then": "T"}, {"otherwise": {"criterion": "X"}}]})],
        [criterion({"only_refutes": {"rule": {"criterion": "X"}, "wanted": "thing"}})],
        [criterion({"part": "a"}, parts={"a": part({"criterion": "X"})})],
        [criterion({"criterion": "Y"}), criterion({"criterion": "X"}, "Y")],
        [criterion({"part": "a"}, parts={"a": part({"part": "a"})})],
        [criterion({"part": "a"}, parts={"a": part({"part": "b"}), "b": part({"part": "a"})})],
        [criterion({"criterion": "Y"}), criterion({"criterion": "Z"}, "Y"), criterion({"criterion": "X"}, "Z")],
    ],
)
def test_a_criterion_whose_answer_hangs_on_itself_is_refused(criteria: list[dict[str, Any]]) -> None:
    with pytest.raises(DocumentError, match=r"criteria\.yaml#/criteria/0: its answer hangs on itself"):
        tiny(*criteria)


def test_a_criterion_that_is_drawn_into_a_circle_further_on_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"criteria\.yaml#/criteria/1: its answer hangs on itself"):
        tiny(criterion({"criterion": "Y"}), criterion({"criterion": "Y"}, "Y"))


@pytest.mark.parametrize(
    "criteria",
    [
        [criterion({"criterion": "Y"}), criterion(MALE, "Y")],
        [criterion({"all": [{"criterion": "Y"}, {"criterion": "Y"}]}), criterion(MALE, "Y")],
        [criterion({"all": [{"criterion": "Y"}, {"criterion": "Z"}]}), criterion({"criterion": "Z"}, "Y"), criterion(MALE, "Z")],
        [criterion({"all": [{"part": "a"}, {"part": "b"}]}, parts={"a": part({"part": "b"}), "b": part(MALE)})],
        [criterion({"part": "Y.a"}), criterion({"part": "a"}, "Y", parts={"a": part(MALE)})],
    ],
)  # fmt: skip
def test_a_criterion_may_hang_on_another_more_than_once(criteria: list[dict[str, Any]]) -> None:
    found = verdicts(tiny(*criteria))

    assert judged(found, "X").truth is Truth.T


def test_a_part_is_not_named_as_a_criterion() -> None:
    with pytest.raises(DocumentError, match=r"criteria\.yaml#/criteria/0/rule/criterion: names a part"):
        tiny(criterion({"criterion": "Y.a"}), criterion({"part": "a"}, "Y", parts={"a": part(MALE)}))


def test_a_range_whose_ends_are_exchanged_is_refused() -> None:
    with pytest.raises(DocumentError, match="the lower first"):
        tiny(criterion({"laboratory": {"analyte": "ecog", "window_days": 28, "is": {"between": ["2", "0"]}}}))


def test_a_condition_complete_by_an_unknown_domain_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"criteria\.yaml#/criteria/0/rule/condition/complete"):
        tiny(criterion({"condition": {"in": "brain_metastasis", "complete": "conditions"}}))


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("Tumeur neuroendocrine de l'iléon", ("words",)),
        ("TUMEUR NEURO-ENDOCRINE", ("words",)),
        ("adénocarcinome", ()),
        # The trial's own pattern for the product's name is another document's business.
        ("traité par lutathera", ()),
    ],
)
def test_a_signal_is_looked_for_by_its_own_words(text: str, because: tuple[str, ...]) -> None:
    document = trial_document()
    document["candidate_when"] = [
        {"id": "words", "label": {"fr": "t", "en": "t"}, "in": ["Condition"], "text": "neuro-?endocrin"}
    ]
    trial = parsed(document, criteria_document(criterion(MALE)))
    found = verdicts(trial, [{"condition": {"text": text}}])

    assert found.candidate_because == because


def concept_map(**more: Any) -> str:
    element = {"code": "NET1", "target": [{"code": "C17.2", "equivalence": "equal"}]}
    group = {"source": "urn:cim", "target": "http://hl7.org/fhir/sid/icd-10", "element": [element]}
    return json.dumps({"resourceType": "ConceptMap", "id": "m", "status": "active", "group": [group], **more})


def overlay(folder: Path, name: str, text: str) -> Path:
    (folder / "site.yaml").write_text('icd10_systems: ["urn:cim"]\n', encoding="utf-8")
    (folder / "conceptmaps").mkdir()
    (folder / "conceptmaps" / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["m.json", "Local map.json"])
def test_a_concept_map_of_a_declared_icd10_system_translates(name: str, tmp_path: Path) -> None:
    site = load_site("icm", overlay(tmp_path, name, concept_map()))

    assert ("http://hl7.org/fhir/sid/icd-10", "C17.2") in site.standard("urn:cim", "NET1")
    assert site.standard("urn:cim", "C25.4") == (("http://hl7.org/fhir/sid/icd-10", "C25.4"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (concept_map().replace('"id": "m"', '"group": []'), "the key group stands twice"),
        (concept_map().replace('"code": "NET1"', '"code": "NET1", "code": "NET2"'), "the key code stands twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_concept_map_that_says_two_things_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        load_site("icm", overlay(tmp_path, "m.json", text))

    assert (caught.value.file, caught.value.problem) == ("m.json", problem)


@pytest.mark.parametrize("name", ["m.JSON", "m.jsn", "m.json.bak", "m"])
def test_a_concept_map_that_would_be_passed_over_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        load_site("icm", overlay(tmp_path, name, concept_map()))

    assert caught.value.file == f"conceptmaps/{name}"
    assert caught.value.exit_code == 3


def test_a_hidden_file_beside_the_concept_maps_is_let_be(tmp_path: Path) -> None:
    folder = overlay(tmp_path, "m.json", concept_map())
    (folder / "conceptmaps" / ".m.json.swp").write_text("x", encoding="utf-8")

    assert load_site("icm", folder).concept_map == load_site("icm", folder).concept_map != {}
