"""A document that is wrong is refused with its file and the place in it."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import DocumentError
from tests.support.sdtm_documents import documents, domain, variable

SETS = {"XXVAL": "value"}


def _refused(told: dict[str, Any], **more: Any) -> tuple[str, str, str]:
    with pytest.raises(DocumentError) as caught:
        documents(told, **more)
    return caught.value.file, caught.value.pointer, caught.value.problem


@pytest.mark.parametrize(
    ("expression", "pointer", "problem"),
    [
        ("nothing", "", "nothing has the name nothing"),
        ("XXLATER", "", "nothing has the name XXLATER"),
        ("subject.rfxstdtc", "", "a subject has no rfxstdtc here"),
        ("subject.name", "", "a subject has no name here"),
        ("study.secret", "", "the study has no secret"),
        ("value.part", "", "value is no row of a table"),
        ({"guess": "value"}, "", "expected one of"),
        ({"upper": "value", "loud": True}, "", "unknown key loud"),
        ({"table": "none", "by": ["code"]}, "/table", "there is no table none"),
        ({"table": "names", "by": ["code", "value"]}, "/by", "is read by 1"),
        ({"table": "names", "by": ["code"], "give": "colour"}, "/give", "has no column colour"),
        ({"table": "names", "by": ["code"], "give": "name", "unmatched": "guess"}, "/unmatched", "expected one of"),
        ({"table": "names", "by": ["code"]}, "", "say which column by give"),
        ({"scale": "value", "by": 1.5}, "/by", "number in quotes"),
        ({"convert": "value", "factors": {}, "unit": ["unit_code", "unit"]}, "/factors", "expected factors above 0"),
        ({"convert": "value", "analyte": "=alt", "unit": ["unit"]}, "/unit", "expected pairs"),
        ({"case": [{"when": {"maybe": "value"}, "then": "=x"}]}, "/case/0/when", "expected one of"),
        ({"case": [{"when": {"equal": ["value"]}, "then": "=x"}]}, "/case/0/when/equal", "expected two"),
        ({"from": "none", "id": "other", "give": "label"}, "/from", "there is no view none"),
        ({"from": "others", "id": "other", "give": "weight"}, "/give", "has no column weight"),
        ({"numbered": "code", "in": "MUCH TOO LONG"}, "/in", "at most 8 letters"),
        ({"first_of": []}, "/first_of", "at least one"),
    ],
)
def test_expression_that_cannot_be_is_refused_where_it_stands(expression: Any, pointer: str, problem: str) -> None:
    tables = {"names": {"by": ["code"], "columns": ["name"], "rows": [["a", "Apple"]]}}
    file, where, what = _refused(domain({"XXVAL": expression}, [variable("XXLATER")], tables=tables))

    assert file == "sdtm/0.yaml"
    assert where == f"/sources/0/set/XXVAL{pointer}"
    assert problem in what


@pytest.mark.parametrize(
    ("changes", "pointer", "problem"),
    [
        ({"domain": "xx"}, "/domain", "two capital letters"),
        ({"label": "é"}, "/label", "ASCII"),
        ({"label": "x" * 41}, "/label", "at most 40"),
        ({"class": "OTHER"}, "/class", "expected one of"),
        ({"keys": ["USUBJID", "XXNONE"]}, "/keys", "XXNONE is no variable"),
        ({"colour": "red"}, "", "unknown key colour"),
        ({"derive": {"XXNONE": {"day": "XXVAL"}}}, "/derive/XXNONE", "is no variable"),
        ({"supplemental": [{"name": "TOOLONGNAME", "label": "l", "value": "value", "origin": "Collected"}]}, "/supplemental/0/name", "at most 8"),
        ({"tables": {"t": {"by": ["a"], "columns": ["b"], "rows": [["1", "2"], ["1", "3"]]}}}, "/tables/t/rows/1", "stands twice"),
        ({"tables": {"t": {"by": ["a"], "columns": ["b"], "rows": [["1"]]}}}, "/tables/t/rows/0", "expected 2 values"),
        ({"derive": {"XXVAL": {"needed": "value", "finding": "f", "text": "t"}}}, "/derive/XXVAL", "cannot be left out here"),
    ],
)  # fmt: skip
def test_domain_that_cannot_be_is_refused(changes: dict[str, Any], pointer: str, problem: str) -> None:
    told = domain(SETS)
    if "derive" in changes:
        told |= {"derive": changes["derive"]}
    else:
        told |= changes

    _, where, what = _refused(told)

    assert where == pointer
    assert problem in what


@pytest.mark.parametrize(
    ("changes", "pointer", "problem"),
    [
        ({"name": "TOOLONGNAME"}, "/name", "at most 8 capital letters"),
        ({"label": "x" * 41}, "/label", "at most 40"),
        ({"length": 201}, "/length", "1 to 200"),
        ({"type": "string"}, "/type", "expected one of"),
        ({"origin": {"type": "Derived"}}, "/origin", "wants a method"),
        ({"codelist": "NONE"}, "", "there is no codelist NONE"),
        ({"core": "Req"}, None, "XXOTHER is required, and the source thing does not set it"),
        ({"overflow": "TOOLONGX"}, "/overflow", "at most 7"),
        ({"continued": ["NONE"]}, "/continued", "is no variable"),
        ({"values": [{"where": {"NONE": ["a"]}, "type": "text", "length": 1}]}, None, "NONE is no variable"),
    ],
)
def test_variable_that_a_file_could_not_hold_is_refused(
    changes: dict[str, Any], pointer: str | None, problem: str
) -> None:
    _, where, what = _refused(domain(SETS, [variable("XXOTHER") | changes]))

    assert where == ("/variables" if pointer is None else f"/variables/3{pointer}")
    assert problem in what


@pytest.mark.parametrize(
    ("source", "pointer", "problem"),
    [
        ({"view": "none"}, "/view", "there is no view none"),
        ({"resource": "Patient"}, "/resource", "reads Observation"),
        ({"set": {"NONE": "value"}}, "/set/NONE", "is no variable"),
        ({"let": {"Fruit": "value"}}, "/let/Fruit", "lower case"),
        ({"let": {"one": {"numbered": "code", "in": "X"}}}, "/let/one", "belongs into set"),
        ({"checks": [{"when": {"has": "value"}, "finding": "f", "text": "t", "variable": "NONE"}]}, "/checks/0/variable", "is no variable"),
        ({"derive": {"XXVAL": {"last_before_exposure": "XXVAL", "at": "XXVAL", "by": []}}}, "/derive/XXVAL", "domain's derive"),
    ],
)  # fmt: skip
def test_source_that_cannot_be_is_refused(source: dict[str, Any], pointer: str, problem: str) -> None:
    _, where, what = _refused(domain(SETS, source=source))

    assert where == f"/sources/0{pointer}"
    assert problem in what


@pytest.mark.parametrize(
    ("changes", "pointer", "problem"),
    [
        ({"reference_start": ["birthday"]}, "/reference_start", "a subject has no birthday"),
        ({"study_treatment_from": "birthday"}, "/study_treatment_from", "expected one of"),
        ({"study_id": "é"}, "/study_id", "ASCII"),
        ({"arms": [{"name": "a", "code": "A", "label": "A", "treated": False, "steps": [{"element": "NONE"}]}]}, "/arms/0/steps/0/element", "there is no element"),
    ],
)  # fmt: skip
def test_design_that_contradicts_itself_is_refused(changes: dict[str, Any], pointer: str, problem: str) -> None:
    _, where, what = _refused(domain(SETS), **changes)

    assert where == pointer
    assert problem in what


def test_codelist_takes_codes_of_the_thesaurus_only() -> None:
    _, where, problem = _refused(domain(SETS), codelists={"NY": {"name": "No or yes", "terms": {"Y": {"code": "yes"}}}})

    assert where == "/codelists/NY/terms/Y/code"
    assert "NCI Thesaurus" in problem


def test_domain_stands_in_one_document_only() -> None:
    with pytest.raises(DocumentError, match="stands in another document too"):
        documents(domain(SETS), domain(SETS))
