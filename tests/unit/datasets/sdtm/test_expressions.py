"""Each form of the documents' language gives the value that mappings/sdtm/README.md says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sdtm_documents import documents, domain, variable
from tests.support.sdtm_views import Subject, event_rows, made, records

SUBJECT = "RELUTH-05-0001"
TABLES = {"names": {"by": ["code"], "columns": ["name", "spare"], "rows": [["a", "Apple", None], ["b", "Berry", "x"]]}}


def _one(expression: Any, row: dict[str, Any], *, type_: str = "text", **more: Any) -> Any:
    """The cell that an expression makes of a row."""
    told = domain({"XXVAL": expression}, [variable("XXVAL", type=type_, length=200)], tables=TABLES, **more)
    package = made(
        {
            "things": [{"id": "k1", "usubjid": SUBJECT, **row}],
            "others": [{"id": "b1", "usubjid": SUBJECT, "label": "T01"}],
        },
        documents=documents(told),
    )
    return (
        records(package.dataset("XX"), "XXVAL")[0][0] if "XX" in {one.name for one in package.datasets} else "left out"
    )


@pytest.mark.parametrize(
    ("expression", "row", "value"),
    [
        ("=CONSTANT", {}, "CONSTANT"),
        ("value", {"value": "12.10"}, "12.10"),
        ("value", {"value": True}, "true"),
        ({"text": "value"}, {"value": 7}, "7"),
        ({"first_of": ["other", "value", "=x"]}, {"value": "v"}, "v"),
        ({"first_of": ["other", "=x"]}, {}, "x"),
        ({"join": ["other", "value", "unit"], "with": "-"}, {"value": "v", "unit": "u"}, "v-u"),
        ({"join": ["other"]}, {}, None),
        ({"upper": "value"}, {"value": "Abc"}, "ABC"),
        ({"date": "effective"}, {"effective": "2024-05-20T23:30:00Z"}, "2024-05-21"),
        ({"date": "effective"}, {"effective": "2024-05"}, "2024-05"),
        ({"datetime": "effective"}, {"effective": "2024-05-20T08:10:00+02:00"}, "2024-05-20T08:10"),
        ({"datetime": "effective"}, {"effective": "2024-05-20T08:10:09.5+02:00"}, "2024-05-20T08:10:09"),
        ({"earliest": ["effective", "other"]}, {"effective": "2024-05-20", "other": "2024-05"}, "2024-05"),
        ({"latest": ["effective", "other"]}, {"effective": "2024-05-20"}, "2024-05-20"),
        ({"table": "names", "by": ["code"], "give": "name"}, {"code": "a"}, "Apple"),
        ({"table": "names", "by": ["code"], "give": "name"}, {}, None),
        ({"table": "names", "by": ["code"], "give": "name", "unmatched": "keep"}, {"code": "c"}, "c"),
        ({"table": "names", "by": ["code"], "give": "name", "unmatched": "leave-out"}, {"code": "c"}, "left out"),
        ({"case": [{"when": {"equal": ["code", "=a"]}, "then": "=first"}], "else": "=last"}, {"code": "a"}, "first"),
        ({"case": [{"when": {"equal": ["code", "=a"]}, "then": "=first"}], "else": "=last"}, {}, "last"),
        ({"case": [{"when": {"equal": ["code", "=a"]}, "then": "=first"}]}, {}, None),
        ({"from": "others", "id": "other", "give": "label"}, {"other": "BodyStructure/b1"}, "T01"),
        ({"from": "others", "id": "other", "give": "label"}, {"other": "b2"}, None),
        ("subject.site_code", {}, "05"),
        ("study.official", {}, "NCT04954820"),
    ],
)
def test_expression_gives_its_value(expression: Any, row: dict[str, Any], value: str | None) -> None:
    assert _one(expression, row) == value


@pytest.mark.parametrize(
    ("expression", "row", "value"),
    [
        ({"number": "value"}, {"value": "12.10"}, "12.10"),
        ({"scale": "value", "by": "0.001"}, {"value": "7392"}, "7.392"),
        ({"convert": "value", "analyte": "=hemoglobin", "unit": ["unit_code", "unit"]}, {"value": "121", "unit": "g/L"}, "12.1"),
        ({"convert": "value", "analyte": "=hemoglobin", "unit": ["unit_code", "unit"], "to": "=g/L"}, {"value": "12.1", "unit": "g/dl"}, 121),
        ({"convert": "value", "analyte": "=creatinine", "unit": ["unit_code", "unit"]}, {"value": "1.1", "unit": "mg/dL"}, "97.24"),
        ({"convert": "value", "analyte": "=platelets", "unit": ["other", "code", "unit_code", "unit"]}, {"value": "80000", "unit": "/mm³"}, 80),
        ({"convert": "value", "factors": {"MBq": "1", "GBq": "1000"}, "unit": ["unit_code", "unit"], "to": "=GBq"}, {"value": "7392", "unit_code": "MBq"}, "7.392"),
    ],
)  # fmt: skip
def test_number_is_exact(expression: Any, row: dict[str, Any], value: Any) -> None:
    assert _one(expression, row, type_="float") == value


@pytest.mark.parametrize(
    ("unit", "meant"),
    [
        ({"unit": "UI/L"}, "U/L"),
        ({"unit_code": "[iU]/L"}, "[iU]/L"),
        ({"unit_code": "[iU]/L", "unit": "UI/L"}, "[iU]/L"),  # the code counts before the text
        ({"unit": "parsecs"}, None),
        ({}, None),
    ],
)
def test_unit_is_the_one_that_is_written(unit: dict[str, str], meant: str | None) -> None:
    assert _one({"unit": ["unit_code", "unit"], "analyte": "=alt"}, unit) == meant


@pytest.mark.parametrize(
    ("when", "since", "days"),
    [("2024-02-06", "2024-01-02", 35), ("2024-01-01T08:10", "2024-01-02", -1), ("2024-02", "2024-01-02", None)],
)
def test_days_between_two_days_are_whole_and_told_of_whole_days_alone(when: str, since: str, days: int | None) -> None:
    assert _one({"days": "value", "since": "other"}, {"value": when, "other": since}, type_="integer") == days


def test_unit_that_nobody_sent_is_none_though_the_number_needs_none() -> None:
    assert (
        _one({"convert": "value", "analyte": "=inr", "unit": ["unit_code", "unit"]}, {"value": "1.05"}, type_="float")
        == "1.05"
    )
    assert _one({"unit": ["unit_code", "unit"], "analyte": "=inr"}, {"value": "1.05"}) is None


@pytest.mark.parametrize(
    ("condition", "row", "holds"),
    [
        ({"has": "value"}, {"value": "0"}, True),
        ({"has": "value"}, {}, False),
        ({"equal": ["value", "code"]}, {"value": "a", "code": "a"}, True),
        ({"equal": ["value", "code"]}, {}, False),
        ({"in": ["code", ["a", "b"]]}, {"code": "b"}, True),
        ({"in": ["code", ["a", "b"]]}, {}, False),
        ({"less": ["value", 10]}, {"value": "9.9"}, True),
        ({"less": ["value", 10]}, {"value": "10"}, False),
        ({"at_most": ["value", 10]}, {"value": "10.0"}, True),
        ({"at_most": ["value", 10]}, {"value": "traces"}, False),
        ({"before": ["effective", "other"]}, {"effective": "2024-04", "other": "2024-05-01"}, True),
        ({"before": ["effective", "other"]}, {"effective": "2024-05", "other": "2024-05-20"}, False),
        ({"not_before": ["effective", "other"]}, {"effective": "2024-05-20T08:00", "other": "2024-05-20"}, True),
        ({"not_before": ["effective", "other"]}, {"effective": "2024-05", "other": "2024-05-20"}, False),
        ({"all": [{"has": "value"}, {"has": "code"}]}, {"value": "1"}, False),
        ({"any": [{"has": "value"}, {"has": "code"}]}, {"value": "1"}, True),
        ({"not": {"has": "value"}}, {}, True),
    ],
)
def test_condition_holds_where_it_is_certain(condition: Any, row: dict[str, Any], holds: bool) -> None:
    expression = {"case": [{"when": condition, "then": "=yes"}], "else": "=no"}

    assert _one(expression, row) == ("yes" if holds else "no")


@pytest.mark.parametrize(
    ("expression", "row", "code", "value"),
    [
        ({"table": "names", "by": ["code"], "give": "name"}, {"code": "c"}, "unmapped-code", "c"),
        ({"table": "names", "by": ["code"], "give": "name", "finding": "fruit-unknown"}, {"code": "c"}, "fruit-unknown", "c"),
        ({"number": "value"}, {"value": "traces"}, "not-a-number", None),
        ({"date": "effective"}, {"effective": "soon"}, "not-a-date", None),
        ({"convert": "value", "analyte": "=alt", "unit": ["unit_code", "unit"]}, {"value": "3"}, "without-unit", None),
        ({"convert": "value", "analyte": "=alt", "unit": ["unit_code", "unit"], "without": "lab-bare"}, {"value": "3"}, "lab-bare", None),
        ({"convert": "value", "analyte": "=alt", "unit": ["unit_code", "unit"]}, {"value": "3", "unit": "g"}, "unknown-unit", "g"),
        ({"convert": "value", "analyte": "=hemoglobin", "unit": ["unit_code", "unit"]}, {"value": "8", "unit": "mmol/L"}, "ambiguous-unit", "mmol/L"),
        ({"wanted": "value", "finding": "nothing-there", "text": "Nothing."}, {}, "nothing-there", None),
        ({"needed": "value", "finding": "nothing-there", "text": "Nothing."}, {}, "nothing-there", None),
        ({"from": "others", "id": "other", "give": "label", "unmatched": "blank"}, {"other": "b2"}, "unmapped-code", None),
    ],
)  # fmt: skip
def test_what_has_no_value_is_found(expression: Any, row: dict[str, Any], code: str, value: str | None) -> None:
    told = domain({"XXVAL": expression}, tables=TABLES)
    package = made({"things": [{"id": "k1", "usubjid": SUBJECT, **row}], "others": []}, documents=documents(told))

    found = [one for one in package.findings if one.domain == "XX"]
    assert [(one.code, one.value, one.count, one.variable) for one in found] == [(code, value, 1, "XXVAL")]


def test_quiet_conversion_leaves_no_finding() -> None:
    expression = {"convert": "value", "analyte": "=alt", "unit": ["unit_code", "unit"], "quiet": True}
    told = domain({"XXVAL": expression})

    package = made({"things": [{"id": "k1", "usubjid": SUBJECT, "value": "3"}]}, documents=documents(told))

    assert [one for one in package.findings if one.domain == "XX"] == []


def test_cell_of_a_table_that_is_empty_is_no_finding() -> None:
    told = domain({"XXVAL": {"table": "names", "by": ["code"], "give": "spare"}}, tables=TABLES)

    package = made({"things": [{"id": "k1", "usubjid": SUBJECT, "code": "a"}]}, documents=documents(told))

    assert [one for one in package.findings if one.domain == "XX"] == []


def test_rows_of_one_view_row_follow_one_another() -> None:
    told = domain(
        {"XXTESTCD": "part", "XXVAL": "amount"},
        source={
            "each": [{"part": "=SYSBP", "amount": "value"}, {"part": "=DIABP", "amount": "other"}],
            "where": {"has": "amount"},
            "key": ["part"],
        },
    )
    rows = [
        {"id": "k1", "usubjid": SUBJECT, "value": "128", "other": "76"},
        {"id": "k2", "usubjid": SUBJECT, "value": "130"},
    ]
    found = made({"things": rows}, documents=documents(told)).dataset("XX")

    assert records(found, "XXTESTCD", "XXVAL") == [("DIABP", "76"), ("SYSBP", "128"), ("SYSBP", "130")]
    assert [row.key for row in found.rows] == ["Observation/k1#DIABP", "Observation/k1#SYSBP", "Observation/k2#SYSBP"]


def test_row_of_a_table_gives_one_finding_for_all_its_columns() -> None:
    told = domain(
        {"XXA": "fruit.name", "XXB": "fruit.spare"},
        tables=TABLES,
        source={"let": {"fruit": {"table": "names", "by": ["code"]}}},
    )
    rows = [{"id": f"k{at}", "usubjid": SUBJECT, "code": code} for at, code in enumerate("abcc")]
    package = made({"things": rows}, documents=documents(told))

    assert records(package.dataset("XX"), "XXA", "XXB") == [("Apple", None), ("Berry", "x"), (None, None), (None, None)]
    assert [(one.code, one.value, one.count) for one in package.findings if one.domain == "XX"] == [
        ("unmapped-code", "c", 2)
    ]


def test_numbers_are_those_of_the_value_and_follow_the_order_that_is_asked_for() -> None:
    told = domain(
        {
            "XXLNKID": {"numbered": "code", "in": "LESION", "prefix": "T", "width": 2, "after": "effective"},
            "XXDTC": "effective",
        },
        keys=["USUBJID", "XXDTC", "XXSEQ"],
    )
    days = [("b", "2024-01-02"), ("a", "2024-03-01"), ("b", "2024-05-01"), ("c", "2024-02-01")]
    rows = [{"id": f"k{at}", "usubjid": SUBJECT, "code": code, "effective": day} for at, (code, day) in enumerate(days)]
    found = made({"things": rows}, documents=documents(told)).dataset("XX")

    assert records(found, "XXLNKID") == [("T01",), ("T02",), ("T03",), ("T01",)]


def test_row_whose_number_is_needed_and_missing_is_left_out() -> None:
    needed = {"needed": {"numbered": "code", "in": "LESION"}, "finding": "lesion-unknown", "text": "No lesion."}
    rows: list[dict[str, Any]] = [
        {"id": f"k{at}", "usubjid": SUBJECT, "code": code} for at, code in ((1, "a"), (2, None))
    ]
    package = made({"things": rows}, documents=documents(domain({"XXLNKID": needed})))

    assert records(package.dataset("XX"), "XXLNKID") == [("1",)]
    assert [(one.code, one.resource) for one in package.findings if one.domain == "XX"] == [
        ("lesion-unknown", "Observation/k2")
    ]


def test_first_keeps_the_earliest_row_of_a_group() -> None:
    told = domain({"XXVAL": "code", "XXDTC": "effective"}, source={"first": {"by": ["XXVAL"], "after": "XXDTC"}})
    days = [("a", "2024-03-01"), ("a", "2024-01-01"), ("b", "2024-02-01")]
    rows = [{"id": f"k{at}", "usubjid": SUBJECT, "code": code, "effective": day} for at, (code, day) in enumerate(days)]
    found = made({"things": rows}, documents=documents(told)).dataset("XX")

    assert sorted(records(found, "XXVAL", "XXDTC")) == [("a", "2024-01-01"), ("b", "2024-02-01")]


def test_rows_that_are_not_wanted_leave_no_findings() -> None:
    told = domain(
        {"XXA": "fruit.name"},
        tables=TABLES,
        source={
            "where": {"has": "value"},
            "let": {"fruit": {"table": "names", "by": ["code"], "unmatched": "leave-out"}},
        },
    )
    rows = [{"id": "k1", "usubjid": SUBJECT, "code": "c"}, {"id": "k2", "usubjid": SUBJECT, "code": "d", "value": "1"}]
    package = made({"things": rows}, documents=documents(told))

    assert [(one.code, one.value) for one in package.findings if one.domain == "XX"] == [("unmapped-row", "d")]


def test_rows_of_others_than_the_staged_subjects_are_not_in_the_package() -> None:
    rows = [{"id": "k1", "usubjid": "RELUTH-05-0009", "value": "1"}, {"id": "k2", "usubjid": SUBJECT, "value": "2"}]
    found = made({"things": rows}, [Subject()], documents=documents(domain({"XXVAL": "value"}))).dataset("XX")

    assert records(found, "USUBJID", "XXVAL") == [(SUBJECT, "2")]


def test_check_tells_or_leaves_out() -> None:
    checks = [
        {
            "when": {"equal": ["XXVAL", "=1"]},
            "finding": "one",
            "text": "It is one.",
            "variable": "XXVAL",
            "severity": "error",
        },
        {"when": {"equal": ["XXVAL", "=2"]}, "finding": "two", "text": "It is two.", "row": "leave-out"},
    ]
    rows = [{"id": f"k{at}", "usubjid": SUBJECT, "value": str(at)} for at in (1, 2, 3)]
    package = made({"things": rows}, documents=documents(domain({"XXVAL": "value"}, source={"checks": checks})))

    assert records(package.dataset("XX"), "XXVAL") == [("1",), ("3",)]
    told = [(one.code, one.severity, one.subject, one.resource) for one in package.findings if one.domain == "XX"]
    assert told == [("one", "error", SUBJECT, "Observation/k1"), ("two", "warning", SUBJECT, "Observation/k2")]


def test_events_are_no_rows_without_a_view() -> None:
    package = made(
        {"subject_event": event_rows(SUBJECT, {"kind": "consented", "on": "2024-01-01"})}, documents=documents()
    )

    assert package.datasets == ()
