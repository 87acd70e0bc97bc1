"""Records that belong together are related once, as datasets or one by one."""

from __future__ import annotations

from typing import Any

from adapter.datasets.sdtm.documents import Relation
from adapter.datasets.sdtm.relating import relation_rows
from tests.support.sdtm_documents import documents, domain, variable
from tests.support.sdtm_views import made

SUBJECT = "RELUTH-05-0001"
VARIABLES = ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "RELTYPE", "RELID")


def _other(code: str) -> dict[str, Any]:
    """The domain XX under another code."""
    told = domain({"XXLNKID": "code"})
    told["domain"] = code
    told["keys"] = ["USUBJID", f"{code}SEQ"]
    told["sources"] = [{"id": "thing", "view": "things", "where": {"has": "value"}, "set": {f"{code}LNKID": "code"}}]
    told["variables"] = [
        variable("USUBJID"),
        variable(f"{code}SEQ", type="integer", length=8),
        variable(f"{code}LNKID"),
    ]
    return told


def _related(relation: Relation, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    package = made({"things": rows}, documents=documents(domain({"XXLNKID": "code"}), _other("YY")))
    datasets = {one.name: one for one in package.datasets}
    variables = (
        documents(domain({"XXA": "code"}, [variable(name) for name in VARIABLES if name != "USUBJID"]))
        .domains[0]
        .variables
    )
    named = [one for name in VARIABLES for one in variables if one.name == name]
    return [row.cells for row in relation_rows((relation,), datasets, tuple(named), "RELUTH")]


def _things(*values: tuple[str, str | None]) -> list[dict[str, Any]]:
    return [
        {"id": f"k{at}", "usubjid": SUBJECT, "code": code, "value": value} for at, (code, value) in enumerate(values)
    ]


def test_relation_with_types_is_one_of_whole_datasets() -> None:
    relation = Relation("XXYY", ("XX", "XXLNKID"), ("YY", "YYLNKID"), ("ONE", "MANY"))

    assert _related(relation, _things(("a", "1"), ("b", "1"))) == [
        ("RELUTH", "XX", None, "XXLNKID", None, "ONE", "XXYY"),
        ("RELUTH", "YY", None, "YYLNKID", None, "MANY", "XXYY"),
    ]


def test_relation_without_types_names_each_record() -> None:
    relation = Relation("R", ("XX", "XXLNKID"), ("YY", "YYLNKID"), None)

    assert _related(relation, _things(("a", None), ("a", "1"), ("b", "1"), ("c", None))) == [
        ("RELUTH", "XX", SUBJECT, "XXSEQ", "1", None, "R-1"),
        ("RELUTH", "XX", SUBJECT, "XXSEQ", "2", None, "R-1"),
        ("RELUTH", "XX", SUBJECT, "XXSEQ", "3", None, "R-2"),
        ("RELUTH", "YY", SUBJECT, "YYSEQ", "1", None, "R-1"),
        ("RELUTH", "YY", SUBJECT, "YYSEQ", "2", None, "R-2"),
    ]


def test_relation_of_nothing_is_none() -> None:
    relation = Relation("XXYY", ("XX", "XXLNKID"), ("YY", "YYLNKID"), ("ONE", "MANY"))

    assert _related(relation, _things(("a", None))) == []
