"""What a transport file could not hold is made so that it can, and told."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.datasets.sdtm.plain import folded, pieces
from tests.support.sdtm_documents import documents, domain, variable
from tests.support.sdtm_views import made, records

SUBJECT = "RELUTH-05-0001"
CODELISTS = {
    "CLOSED": {"name": "Closed", "terms": {"A": None, "B": None}},
    "OPEN": {"name": "Open", "extensible": True, "terms": {"A": None}},
}


def _cell(value: Any, **changes: Any) -> tuple[Any, list[tuple[str, str | None]]]:
    """The cell of a value in such a variable, and the findings."""
    told = domain({"XXVAL": "value"}, [variable("XXVAL") | changes])
    package = made(
        {"things": [{"id": "k1", "usubjid": SUBJECT, "value": value}]}, documents=documents(told, codelists=CODELISTS)
    )
    found = [(one.code, one.value) for one in package.findings if one.domain == "XX"]
    return records(package.dataset("XX"), "XXVAL")[0][0], found


@pytest.mark.parametrize(
    ("value", "changes", "cell", "findings"),
    [
        ("  plain ", {}, "plain", []),
        ("   ", {}, None, []),
        ("Évian ≥ 5 µmol", {}, "Evian >= 5 umol", [("non-ascii-folded", None)]),
        ("漢字", {}, "??", [("non-ascii-folded", None)]),
        ("a\tb\nc", {}, "a b c", [("non-ascii-folded", None)]),
        ("A", {"codelist": "CLOSED"}, "A", []),
        ("C", {"codelist": "CLOSED"}, None, [("not-in-codelist", "C")]),
        ("C", {"codelist": "OPEN"}, "C", [("codelist-extended", "C")]),
        ("traces", {"type": "float"}, None, [("not-a-number", None)]),
        ("5.10", {"type": "float"}, "5.10", []),
        ("abcdefghij", {"length": 8}, "abcdefgh", [("text-cut", None)]),
    ],
)
def test_cell_is_one_that_a_file_can_hold(value: str, changes: dict[str, Any], cell: Any, findings: list[Any]) -> None:
    assert _cell(value, **changes) == (cell, findings)


def test_text_of_300_letters_is_cut_at_a_word_and_shows_it() -> None:
    cell, findings = _cell("word " * 60)

    assert len(cell) <= 200
    assert cell.endswith("word ...")
    assert findings == [("text-cut", None)]


def test_text_of_300_letters_goes_on_in_supplemental_qualifiers() -> None:
    text = " ".join(f"word{at:03d}" for at in range(60))
    told = domain({"XXVAL": "value"}, [variable("XXVAL", overflow="XXVAL")])
    package = made({"things": [{"id": "k1", "usubjid": SUBJECT, "value": text}]}, documents=documents(told))

    (first,) = records(package.dataset("XX"), "XXVAL")[0]
    rest = records(package.dataset("SUPPXX"), "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QVAL")
    assert [row[:5] for row in rest] == [
        ("XX", SUBJECT, "XXSEQ", "1", "XXVAL1"),
        ("XX", SUBJECT, "XXSEQ", "1", "XXVAL2"),
    ]
    assert " ".join([first, *(row[5] for row in rest)]) == text
    assert [one.code for one in package.findings if one.domain == "XX"] == ["text-continued"]


def test_text_that_is_too_long_goes_on_in_variables_that_are_there_for_it() -> None:
    text = " ".join(f"word{at:03d}" for at in range(60))
    told = domain(
        {"XXVAL": "value"}, [variable("XXVAL", continued=["XXVAL1", "XXVAL2"]), variable("XXVAL1"), variable("XXVAL2")]
    )
    rows = [{"id": "k1", "usubjid": SUBJECT, "value": text}]
    long = made({"things": rows}, documents=documents(told)).dataset("XX")
    short = made({"things": [rows[0] | {"value": "short"}]}, documents=documents(told)).dataset("XX")

    cells = records(long, "XXVAL", "XXVAL1", "XXVAL2")[0]
    assert " ".join(cell for cell in cells if cell) == text
    assert [one.name for one in short.variables] == ["USUBJID", "XXSEQ", "XXVAL"]


def test_start_after_the_end_is_told_and_kept() -> None:
    told = domain({"XXSTDTC": {"datetime": "effective"}, "XXENDTC": {"datetime": "other"}})
    rows = [
        {"id": "k1", "usubjid": SUBJECT, "effective": "2024-05-20", "other": "2024-05-19"},
        {
            "id": "k2",
            "usubjid": SUBJECT,
            "effective": "2024-05-20T10:00:00+02:00",
            "other": "2024-05-20T09:00:00+02:00",
        },
        {"id": "k3", "usubjid": SUBJECT, "effective": "2024-05-20", "other": "2024-05"},
    ]
    package = made({"things": rows}, documents=documents(told))

    found = [(one.code, one.variable, one.subject, one.count) for one in package.findings if one.domain == "XX"]
    assert found == [("dates-out-of-order", "XXENDTC", SUBJECT, 2)]
    assert records(package.dataset("XX"), "XXSTDTC", "XXENDTC")[0] == ("2024-05-20", "2024-05-19")


@pytest.mark.parametrize("text", ["", "a", "word " * 100, "x" * 999, "é" * 300])
def test_pieces_lose_nothing_but_spaces(text: str) -> None:
    plain = folded(text)
    found = pieces(plain, 200)

    assert all(len(one) <= 200 for one in found)
    assert "".join(found).replace(" ", "") == plain.replace(" ", "")
