"""In: the trials that there are, and tiny ones. Out: how their trees stand in an EvidenceVariable, and that FHIR's model accepts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import pytest
from fhir.resources.evidencevariable import EvidenceVariable

from adapter.criteria import Part, Trial, tree
from adapter.criteria.exchange import evidence_variable
from adapter.documents import load_trial, trials

#: R5 evidencevariable.html evv-1: one of these at most; an expression may stand beside it.
EXCLUSIVE = {
    "definitionReference",
    "definitionCanonical",
    "definitionCodeableConcept",
    "definitionId",
    "definitionByTypeAndValue",
    "definitionByCombination",
}


@cache
def reluth() -> Trial:
    return load_trial("nct04954820")


def laboratory(analyte: str, operator: str, limit: str) -> tree.Laboratory:
    return tree.Laboratory(reluth().analytes[analyte], tree.Comparison(operator, Decimal(limit)), 28)


ATTESTED = tree.Attested("E07.due-to-malignancy")


def only(node: tree.Node, *parts: tree.Node) -> dict[str, Any]:
    """The characteristic of I11 with this rule, and parts ``a``, ``b``..."""
    made = tuple(
        Part(f"I11.{key}", {"en": f"part {key}", "fr": f"partie {key}"}, part)
        for key, part in zip("abcdef", parts, strict=False)
    )
    trial = replace(reluth(), criteria=(replace(reluth().criterion("I11"), node=node, parts=made),))
    found: dict[str, Any] = evidence_variable(trial)["characteristic"][0]
    return found


def all_below(characteristic: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield characteristic
    for child in characteristic.get("definitionByCombination", {}).get("characteristic", ()):
        yield from all_below(child)


@pytest.mark.parametrize("trial", trials())
@pytest.mark.parametrize("language", ["en", "fr"])
def test_evidence_variable_of_every_trial_is_valid_r5(trial: str, language: str) -> None:
    found = evidence_variable(load_trial(trial), language=language)

    read = EvidenceVariable.model_validate_json(msgspec.json.Encoder(decimal_format="number").encode(found))
    assert read.characteristic is not None
    assert len(read.characteristic) == len(found["characteristic"])


@pytest.mark.parametrize("trial", trials())
def test_every_characteristic_has_a_definition_and_never_two_exclusive_ones(trial: str) -> None:
    for criterion in evidence_variable(load_trial(trial))["characteristic"]:
        for found in all_below(criterion):
            exclusive = EXCLUSIVE & found.keys()

            assert exclusive or "definitionExpression" in found
            assert len(exclusive) <= 1


@pytest.mark.parametrize("trial", trials())
def test_every_criterion_names_its_cql_define_once_and_excludes_as_it_is(trial: str) -> None:
    document = load_trial(trial)

    found = evidence_variable(document)["characteristic"]

    assert [item["linkId"] for item in found] == [criterion.id for criterion in document.criteria]
    assert [item["definitionExpression"]["expression"] for item in found] == [
        f'"{item.id}"' for item in document.criteria
    ]
    assert [item["exclude"] for item in found] == [item.kind == "exclusion" for item in document.criteria]


@pytest.mark.parametrize("trial", trials())
def test_a_link_id_stands_once(trial: str) -> None:
    links = [
        found["linkId"]
        for criterion in evidence_variable(load_trial(trial))["characteristic"]
        for found in all_below(criterion)
        if "linkId" in found
    ]

    assert len(links) == len(set(links))


def test_a_comparison_has_type_value_and_the_window_before_the_reference_date() -> None:
    found = only(laboratory("hemoglobin", "gt", "8"))

    assert found["definitionByTypeAndValue"]["type"]["coding"] == [{"system": "http://loinc.org", "code": "718-7"}]
    assert found["definitionByTypeAndValue"]["valueQuantity"]["comparator"] == ">"
    (time,) = found["timeFromEvent"]
    assert (time["range"]["low"]["value"], time["range"]["high"]["value"]) == (-28, 0)


def test_all_and_any_nest_as_the_tree_does() -> None:
    node = tree.All((laboratory("hemoglobin", "gt", "8"), tree.Any((tree.Sex("male"), tree.Age(18)))))

    outer = only(node)["definitionByCombination"]

    assert outer["code"] == "all-of"
    inner = outer["characteristic"][1]["definitionByCombination"]
    assert inner["code"] == "any-of"
    assert len(inner["characteristic"]) == 2


def test_a_part_stands_under_its_id_with_its_own_define() -> None:
    found = only(tree.All((tree.PartOf("I11", "I11.a"),)), laboratory("hemoglobin", "gt", "8"))

    (part,) = found["definitionByCombination"]["characteristic"]
    assert (part["linkId"], part["description"]) == ("I11.a", "part a")
    assert part["definitionExpression"]["expression"] == '"I11.a"'
    assert "definitionByTypeAndValue" in part


def test_a_part_met_again_is_named_and_not_written_twice() -> None:
    twice = tree.Any((tree.PartOf("I11", "I11.a"), tree.PartOf("I11", "I11.a")))

    first, second = only(twice, tree.Age(18))["definitionByCombination"]["characteristic"]

    assert "linkId" in first
    assert "linkId" not in second
    assert second["definitionExpression"]["expression"] == '"I11.a"'


def test_a_part_whose_first_place_is_not_said_is_written_at_the_next() -> None:
    # The first combination holds what R5 cannot say, and is left to the define of part b.
    unsaid = tree.All((tree.PartOf("I11", "I11.a"), tree.CycleCount(4, "I03")))
    both = tree.Any((tree.PartOf("I11", "I11.b"), tree.PartOf("I11", "I11.a")))

    named, written = only(both, tree.Age(18), unsaid)["definitionByCombination"]["characteristic"]

    assert "definitionByCombination" not in named
    assert written["linkId"] == "I11.a"
    assert "definitionByTypeAndValue" in written


def test_a_negation_turns_exclude_around_and_twice_back() -> None:
    found = only(tree.All((tree.Not(tree.Sex("male")), tree.Not(tree.Not(tree.Age(18))))))

    once, twice = found["definitionByCombination"]["characteristic"]
    assert once["exclude"] is True
    assert twice["exclude"] is False


def test_an_attestation_is_a_truth_of_its_own_code() -> None:
    found = only(ATTESTED)["definitionByTypeAndValue"]

    assert found["valueBoolean"] is True
    assert found["type"]["coding"] == [{"system": "urn:reluth:criterion:nct04954820", "code": "E07.due-to-malignancy"}]


def test_an_attestation_beside_the_data_changes_nothing_of_what_is_asked() -> None:
    beside = tree.WithAttestation("I11", laboratory("hemoglobin", "gt", "8"))
    inner = only(tree.All((beside, tree.WithAttestation("I11", tree.PartOf("I11", "I11.a")))), tree.Age(18))

    first, second = inner["definitionByCombination"]["characteristic"]
    assert "definitionByTypeAndValue" in only(beside)
    assert "definitionByTypeAndValue" in first
    assert second["linkId"] == "I11.a"


def test_another_criterion_is_named_by_its_define() -> None:
    found = only(tree.All((tree.TruthOf("I12"), tree.Age(18))))

    assert found["definitionByCombination"]["characteristic"][0]["definitionExpression"]["expression"] == '"I12"'


@pytest.mark.parametrize(
    "node",
    [
        tree.CycleCount(4, "I03"),
        tree.All((tree.Age(18), tree.CycleCount(4, "I03"))),
        tree.Any((tree.Age(18), tree.Not(tree.CycleCount(4, "I03")))),
        tree.All((tree.Age(18), tree.Attested("E12.stable-24-weeks", since_days=168))),
        tree.Attested("I06.a", not_before="I05"),
    ],
    ids=["alone", "in all", "negated in any", "attested since", "attested not before"],
)
def test_what_r5_cannot_say_is_left_to_the_define_whole(node: tree.Node) -> None:
    found = only(node)

    assert found["definitionExpression"]["expression"] == '"I11"'
    assert not EXCLUSIVE & found.keys()


def test_reluth_says_the_marrow_reserve_in_three_comparisons() -> None:
    found = next(item for item in evidence_variable(reluth())["characteristic"] if item["id"] == "I11")

    parts = found["definitionByCombination"]["characteristic"]

    assert [part["linkId"] for part in parts] == ["I11.a", "I11.b", "I11.c"]
    assert all("definitionByTypeAndValue" in part for part in parts)


def test_evidence_variable_depends_on_the_library_of_its_version() -> None:
    found = evidence_variable(replace(reluth(), version="9.9.9"))

    assert found["version"] == "9.9.9"
    assert found["relatedArtifact"] == [{"type": "depends-on", "resource": "urn:reluth:library:nct04954820|9.9.9"}]
