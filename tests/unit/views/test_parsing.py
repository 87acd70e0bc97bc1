"""ViewDefinitions are read whole, and a fault points to its place in the document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import DocumentError
from adapter.terminology import Node
from adapter.views import ViewDefinition, parse_view

ID = {"name": "id", "path": "id"}


def _view(**parts: Any) -> ViewDefinition:
    return parse_view(Node({"resource": "Patient", "select": [{"column": [ID]}], **parts}, "views/patient.json"))


def test_view_is_named_after_its_file_where_it_gives_no_name() -> None:
    assert _view().name == "patient"
    assert _view(name="people").name == "people"


def test_view_without_a_usable_file_name_is_still_named() -> None:
    found = parse_view(Node({"resource": "Patient", "select": [{"column": [ID]}]}, "1-a.json"))

    assert found.name == "view_1_a"


def test_view_keeps_its_metadata() -> None:
    found = _view(
        title="People", description="All", version="1.2.0", status="active", url="urn:x", fhirVersion=["4.0.1"]
    )

    assert (found.title, found.description, found.version) == ("People", "All", "1.2.0")


def test_column_keeps_type_description_and_collection() -> None:
    column = {
        "name": "given",
        "path": "name.given",
        "type": "http://hl7.org/fhirpath/System.String/string",
        "collection": True,
        "description": "All given names",
        "tag": [{"name": "ansi/type", "value": "VARCHAR"}],
    }
    [found] = _view(select=[{"column": [column]}]).selects[0].columns

    assert (found.type, found.collection, found.description) == ("string", True, "All given names")


def test_constant_of_a_float_is_the_decimal_that_was_written() -> None:
    found = _view(constant=[{"name": "limit", "valueDecimal": 1.1}, {"name": "other", "valueDecimal": Decimal("2.50")}])

    assert [constant.value for constant in found.constants] == [Decimal("1.1"), Decimal("2.50")]


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ({"resource": "Patients"}, "/resource"),
        ({"select": []}, "/select"),
        (
            {"select": [{"unionAll": [{"column": [ID]}, {"column": [{"name": "x", "path": "id"}]}]}]},
            "/select/0/unionAll",
        ),
        ({"select": [{"column": [{"name": "a", "path": "id", "collection": "yes"}]}]}, "/select/0/column/0/collection"),
        ({"select": [{}]}, "/select/0"),
        ({"select": [{"column": []}]}, "/select/0"),
        ({"selects": []}, ""),
        ({"name": "1a"}, "/name"),
        ({"select": [{"column": [{"name": "a-b", "path": "id"}]}]}, "/select/0/column/0/name"),
        ({"select": [{"column": [{"name": "a", "path": "id["}]}]}, "/select/0/column/0/path"),
        ({"select": [{"column": [{"name": "a", "path": "id", "types": "x"}]}]}, "/select/0/column/0"),
        ({"select": [{"column": [ID, ID]}]}, "/select"),
        ({"select": [{"column": [ID]}, {"column": [ID]}]}, "/select"),
        ({"select": [{"column": [ID], "forEach": "name", "forEachOrNull": "name"}]}, "/select/0"),
        ({"select": [{"column": [ID], "repeat": []}]}, "/select/0/repeat"),
        ({"select": [{"column": [ID], "each": "name"}]}, "/select/0"),
        ({"where": [{"path": "a ="}]}, "/where/0/path"),
        ({"where": [{"path": "active", "paths": "x"}]}, "/where/0"),
        ({"constant": [{"name": "c"}]}, "/constant/0"),
        ({"constant": [{"name": "c", "valueString": "a", "valueCode": "b"}]}, "/constant/0"),
        ({"constant": [{"name": "c", "valueString": {}}]}, "/constant/0/valueString"),
        ({"constant": [{"name": "c", "valueCode": "a"}, {"name": "c", "valueCode": "b"}]}, "/constant/1/name"),
    ],
)
def test_fault_of_a_view_points_to_its_place(parts: dict[str, Any], where: str) -> None:
    with pytest.raises(DocumentError) as caught:
        _view(**parts)

    assert (caught.value.file, caught.value.pointer) == ("views/patient.json", where)
