"""In: documents of kind ``grades``, that of CTCAE 5.0 and ones with a fault. Out: whether the limits are read, and each fault named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria.grades import parse_grades
from adapter.criteria.tree import Comparison, Graded, Scale
from adapter.errors import DocumentError
from adapter.terminology import Node
from tests.unit.criteria.making import terms

#: clinical-spec.md section 4: grades 2, 3, 4 of what is worse when it is lower, and when it is higher.
LOWER = {
    "platelets": ("75", "50", "25"),
    "neutrophils": ("1.5", "1.0", "0.5"),
    "leukocytes": ("3", "2", "1"),
    "lymphocytes": ("0.8", "0.5", "0.2"),
    "hemoglobin": ("10", "8"),
    "albumin": ("30", "20"),
}
HIGHER = {
    "creatinine": ("1.5", "3", "6"),
    "alt": ("3", "5", "20"),
    "ast": ("3", "5", "20"),
    "bilirubin_total": ("1.5", "3", "10"),
}


def expected(limits: tuple[str, ...], operator: str) -> tuple[tuple[int, Comparison], ...]:
    return tuple((grade, Comparison(operator, Decimal(limit))) for grade, limit in enumerate(limits, 2))


def test_the_grades_are_those_of_ctcae_5() -> None:
    found = terms().grades

    assert {name: (item.scale, item.grades) for name, item in found.items()} == {
        **{name: (Scale.VALUE, expected(limits, "lt")) for name, limits in LOWER.items()},
        **{name: (Scale.ULN, expected(limits, "gt")) for name, limits in HIGHER.items()},
    }
    assert all(item.analyte is terms().analytes[name] for name, item in found.items())


@pytest.mark.parametrize("analyte", ["hemoglobin", "albumin"])
def test_a_grade_that_no_number_has_is_none(analyte: str) -> None:
    graded = terms().grades[analyte]

    assert graded.at_least(4) is None
    assert graded.at_least(3) is not None


def read(grades: Any, **more: Any) -> dict[str, Graded]:
    content = {"kind": "grades", "name": "a scale", "grades": grades, **more}
    return parse_grades(Node(content, "ctcae.yaml"), analytes=terms().analytes)


@pytest.mark.parametrize(
    ("grades", "more", "pointer"),
    [
        ({"hb": {"below": {"g2": "10"}}}, {}, "/grades/hb"),
        ({"alt": {}}, {}, "/grades/alt"),
        ({"alt": {"of": "uln"}}, {}, "/grades/alt"),
        ({"alt": {"above": {"g5": "3"}}}, {}, "/grades/alt/above/g5"),
        ({"alt": {"above": {"2": "3"}}}, {}, "/grades/alt/above/2"),
        ({"alt": {"above": {"g2": 2.5}}}, {}, "/grades/alt/above/g2"),
        ({"alt": {"above": ["3"]}}, {}, "/grades/alt/above"),
        ({"alt": {"above": {"g2": "3"}, "of": "lln"}}, {}, "/grades/alt/of"),
        ({"alt": {"above": {"g2": "3"}, "more": 1}}, {}, "/grades/alt"),
        ({"alt": {"below": {"g2": "3"}, "above": {"g2": "3"}}}, {}, "/grades/alt"),
        ([], {}, "/grades"),
        ({}, {"more": 1}, ""),
        ({}, {"name": ""}, "/name"),
        ({}, {"kind": "grade"}, "/kind"),
    ],
)
def test_a_fault_of_the_grades_points_to_its_place(grades: Any, more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(grades, **more)

    assert (caught.value.file, caught.value.pointer) == ("ctcae.yaml", pointer)


def test_a_scale_may_leave_grades_out() -> None:
    found = read({"alt": {"of": "uln", "above": {"g3": "5"}}})["alt"]

    assert (found.at_least(2), found.at_least(3), found.at_least(4)) == (None, Comparison("gt", Decimal(5)), None)
