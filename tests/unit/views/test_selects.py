"""Rows of a view: iteration, nesting, unions, and trees that are unrolled."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import DocumentError
from adapter.views import compile_view
from tests.support.views import column, table, view

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "A", "given": ["x", "y"]}, {"family": "B"}],
    "telecom": [{"value": "1"}, {"value": "2"}],
}
BARE = {"resourceType": "Patient", "id": "p2"}
ID = {"column": [column("id", name="id")]}


def _rows(*select: dict[str, Any], **parts: Any) -> list[tuple[Any, ...]]:
    found = table(view("Patient", *select, **parts), PATIENT, BARE).table
    return [tuple(row.values()) for row in found.to_pylist()]


def test_for_each_gives_a_row_for_each_and_none_for_none() -> None:
    assert _rows(ID, {"forEach": "name", "column": [column("family")]}) == [("p1", "A"), ("p1", "B")]


def test_for_each_or_null_gives_a_row_for_none() -> None:
    found = _rows(ID, {"forEachOrNull": "name", "column": [column("family"), column("%rowIndex", name="n")]})

    assert found == [("p1", "A", 0), ("p1", "B", 1), ("p2", None, 0)]


def test_two_iterations_side_by_side_are_crossed() -> None:
    found = _rows(
        {"forEach": "name", "column": [column("family")]}, {"forEach": "telecom", "column": [column("value", name="t")]}
    )

    assert found == [("A", "1"), ("A", "2"), ("B", "1"), ("B", "2")]


def test_iterations_nest() -> None:
    inner = {"forEachOrNull": "given", "column": [column("$this", name="given"), column("%rowIndex", name="n")]}
    found = _rows(ID, {"forEach": "name", "column": [column("family")], "select": [inner]})

    assert found == [("p1", "A", "x", 0), ("p1", "A", "y", 1), ("p1", "B", None, 0)]


def test_iterations_side_by_side_in_an_iteration_are_crossed() -> None:
    given = {"forEach": "given", "column": [column("$this", name="given")]}
    again = {"forEach": "given", "column": [column("$this", name="again")]}

    assert _rows({"forEach": "name", "select": [given, again]}) == [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")]


def test_iteration_over_a_single_value_is_one_row() -> None:
    contact = {"resourceType": "Patient", "id": "p3", "maritalStatus": {"text": "M"}}
    given = view("Patient", ID, {"forEach": "maritalStatus", "column": [column("text"), column("%rowIndex", name="n")]})

    assert table(given, contact, BARE).table.to_pylist() == [{"id": "p3", "v": "M", "n": 0}]


def test_union_gives_the_rows_of_each_part_and_fits_what_they_carry() -> None:
    parts = [
        {"forEach": "name", "column": [column("family", "string")]},
        {"column": [column("name.exists()", "string")]},
        {"column": [column("name.count()", "string")]},
        {"column": [column("telecom.value.where($this = '2')", "string")]},
    ]

    assert _rows(ID, {"unionAll": parts}) == [
        *[("p1", each) for each in ("A", "B", "true", "2", "2")],
        *[("p2", each) for each in ("false", "0", None)],
    ]


def test_rows_are_those_of_resources_for_which_all_conditions_hold() -> None:
    assert _rows(ID, where=[{"path": "name.exists()"}, {"path": "id = 'p1'"}]) == [("p1",)]
    assert _rows(ID, where=[{"path": "name.exists()"}, {"path": "id = 'p2'"}]) == []


def test_column_tells_its_path_from_the_resource() -> None:
    given = view(
        "Patient",
        ID,
        {
            "forEach": "contact.where(gender = 'male')",
            "column": [column("gender", name="g"), column("'x'", name="l"), column("$this.name.family", name="f")],
            "unionAll": [
                {"forEach": "telecom", "column": [column("value", name="u")]},
                {"forEach": "name.given", "column": [column("$this", name="u")]},
            ],
        },
    )
    contact = "contact.where(gender = 'male')"

    assert {each.name: each.path for each in compile_view(given).columns} == {
        "id": "id",
        "g": f"{contact}.gender",
        "l": "'x'",
        "f": f"{contact}.name.family",
        "u": f"{contact}.telecom.value | {contact}.name.given",
    }


def test_only_what_is_named_is_declared() -> None:
    given = view("Observation", {"column": [column("value.ofType(Quantity).value", name="v")]})

    assert (
        str(compile_view(given).shape.one)
        == "struct<id: string, resourceType: string, valueQuantity: struct<value: string>>"
    )


def _questions(depth: int) -> dict[str, Any]:
    item: dict[str, Any] = {"linkId": str(depth)}
    for number in range(depth - 1, 0, -1):
        item = {"linkId": str(number), "answer": [{"valueString": f"a{number}", "item": [item]}]}
    return {"resourceType": "QuestionnaireResponse", "id": "q", "item": [item, {"linkId": "last"}]}


ITEMS = {"repeat": ["item", "answer.item"], "column": [column("linkId", name="l"), column("%rowIndex", name="n")]}


@pytest.mark.parametrize("depth", [1, 4, 6])
def test_repeat_reaches_the_bottom(depth: int) -> None:
    found = table(view("QuestionnaireResponse", ITEMS), _questions(depth)).table.to_pylist()

    assert found == [{"l": str(number + 1), "n": number} for number in range(depth)] + [{"l": "last", "n": depth}]


def test_repeat_keeps_what_else_is_named_in_an_element() -> None:
    answers = {"forEachOrNull": "answer", "column": [column("value.ofType(string)", name="a")]}
    nested = {
        "repeat": ["item", "answer.item"],
        "column": [column("linkId"), column("item.count()", name="c")],
        "select": [answers],
    }
    found = table(view("QuestionnaireResponse", nested), _questions(3)).table.to_pylist()

    assert found == [
        {"v": "1", "c": 0, "a": "a1"},
        {"v": "2", "c": 0, "a": "a2"},
        {"v": "3", "c": 0, "a": None},
        {"v": "last", "c": 0, "a": None},
    ]


def test_repeat_that_has_no_bottom_is_refused_not_cut() -> None:
    chain = {"repeat": ["item"], "column": [column("linkId", name="l")]}
    item: dict[str, Any] = {"linkId": "deepest"}
    for _ in range(30):
        item = {"linkId": "above", "item": [item]}

    with pytest.raises(DocumentError, match="deeper than 12 levels"):
        table(
            view("QuestionnaireResponse", chain), {"resourceType": "QuestionnaireResponse", "id": "q", "item": [item]}
        )


@pytest.mark.parametrize(
    ("select", "problem"),
    [
        ({"repeat": ["name", "telecom"], "column": [column("use")]}, "repeat leads to HumanName and to ContactPoint"),
        ({"repeat": ["nothing"], "column": [column("use")]}, "Patient has no element nothing"),
        ({"repeat": ["contact", "telecom.where(x = 1)"], "column": [column("gender")]}, "has no element"),
        ({"repeat": ["multipleBirth"], "column": [column("$this")]}, "repeat needs elements of one type"),
        ({"forEach": "multipleBirth", "column": [column("$this")]}, "say which type is meant"),
        ({"forEach": "$this", "column": [column("id")]}, "the resource itself cannot be listed"),
        ({"forEach": "names", "column": [column("use")]}, "Patient has no element names"),
    ],
)
def test_iteration_over_what_cannot_be_meant_is_refused(select: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError, match=problem):
        compile_view(view("Patient", select))


def test_repeat_that_has_too_many_ways_is_refused() -> None:
    with pytest.raises(DocumentError, match="too deep, in too many ways"):
        compile_view(view("QuestionnaireResponse", ITEMS), depth=12)


def test_repeat_keeps_parts_that_are_unlike_on_each_level() -> None:
    first = {
        "repeat": ["item"],
        "column": [column("item.first().linkId", name="below"), column("item.item.count()", name="further")],
    }
    found = table(view("QuestionnaireResponse", first), _nested(3)).table.to_pylist()

    assert found == [
        {"below": "2", "further": 1},
        {"below": "3", "further": 0},
        {"below": None, "further": 0},
    ]


def _nested(depth: int) -> dict[str, Any]:
    item: dict[str, Any] = {"linkId": str(depth)}
    for number in range(depth - 1, 0, -1):
        item = {"linkId": str(number), "item": [item]}
    return {"resourceType": "QuestionnaireResponse", "item": [item]}


def test_repeat_of_single_parts_goes_through_what_holds_them() -> None:
    expansion = {
        "repeat": ["contains"],
        "column": [column("code", name="c"), column("designation.use.code.first()", name="u")],
    }
    given = {
        "resourceType": "ValueSet",
        "expansion": {
            "contains": [{"code": "a", "designation": [{"use": {"code": "x"}}], "contains": [{"code": "b"}]}]
        },
    }
    found = table(view("ValueSet", {"forEach": "expansion", "select": [expansion]}), given).table.to_pylist()

    assert found == [{"c": "a", "u": "x"}, {"c": "b", "u": None}]


@pytest.mark.parametrize("kind", ["forEach", "repeat"])
def test_tree_within_an_iteration_is_followed_to_its_bottom(kind: str) -> None:
    inner = {"repeat": ["item"], "column": [column("linkId", name="l")]}
    outer = {"forEach": "item", "select": [inner]} if kind == "forEach" else {"repeat": ["item"], "select": [inner]}
    found = table(view("QuestionnaireResponse", outer), _nested(6)).table.column("l").to_pylist()

    once = [str(number) for number in range(2, 7)]
    assert found == (once if kind == "forEach" else [str(n) for first in range(2, 7) for n in range(first, 7)])


def test_repeat_over_what_fhir_lacks_gives_nothing_where_that_is_asked_for() -> None:
    lacking = view("Patient", {"repeat": ["parts"], "column": [column("code", "string", name="c")]})

    assert table(lacking, PATIENT, strict=False).table.num_rows == 0


def test_condition_must_be_a_truth() -> None:
    with pytest.raises(DocumentError, match="expected a truth, found a list of string") as caught:
        compile_view(view("Patient", ID, where=[{"path": "name.family"}]))

    assert caught.value.pointer == "/where/0/path"


def test_resource_must_be_of_the_version() -> None:
    with pytest.raises(DocumentError, match="FHIR R4 has no SubscriptionTopic"):
        compile_view(view("SubscriptionTopic", ID))
