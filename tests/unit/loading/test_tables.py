"""In: CSV as spreadsheets and laboratories write it. Out: its rows with their lines; or a refusal that repeats nothing of it."""

from __future__ import annotations

import pytest

from adapter.loading import UnusableFileError
from adapter.loading.cells import CellError, Row
from adapter.loading.tables import read_table

HEADER = "id,patient,effective,name\n"


def rows(text: str | bytes, kind: str = "labs") -> list[Row]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_table(data, kind=kind, file="rows.csv").rows())


def problem(text: str | bytes, kind: str = "labs") -> str:
    with pytest.raises(UnusableFileError) as caught:
        rows(text, kind)
    return caught.value.problem


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_counted_as_an_editor_does_with_any_line_end(end: str) -> None:
    text = end.join(
        ["id,patient,effective,name", "R1,P1,2025,Hb", f'R2,P1,2025,"two{end}lines"', "", "R3,P1,2025,Hb", ""]
    )
    found = rows(text)

    assert [(row.line, row.text("id")) for row in found] == [(2, "R1"), (3, "R2"), (6, "R3")]


def test_line_separators_of_unicode_end_no_line() -> None:
    found = rows(HEADER + "R1,P1,2025,a\u2028b\x0cc\nR2,P1,2025,d\n")

    assert [row.line for row in found] == [2, 3]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_is_told_by_the_header_alone(separator: str) -> None:
    other = ";" if separator == "," else ","
    text = f'id,patient,effective,name\n"R1","P1","2025","a{other}b{other}c{other}d{other}e"\n'.replace(",", separator)
    if separator != ",":
        text = text.replace(f"a{separator}", "a,").replace(f"b{separator}", "b,")
    found = rows(text)

    assert found[0].text("patient") == "P1"


def test_quoted_header_of_french_excel_is_read() -> None:
    found = rows('\ufeff"id";"patient";"effective"\r\n"R1";"P1";"2025"\r\n')

    assert (found[0].line, found[0].text("id")) == (2, "R1")


def test_header_may_be_in_capitals_and_end_in_empty_cells() -> None:
    found = rows(" ID ,Patient,EFFECTIVE,,\nR1,P1,2025,,\n")

    assert found[0].text("effective") == "2025"


def test_cells_are_trimmed_and_empty_ones_are_not_there() -> None:
    found = rows(HEADER + " R1 ,\u00a0P1,2025, \n")

    assert (found[0].text("id"), found[0].text("patient"), found[0].text("name")) == ("R1", "P1", None)


def test_lines_of_separators_only_are_passed_over() -> None:
    assert [row.line for row in rows(HEADER + ",,,\nR1,P1,2025,\n , , ,\n")] == [3]


def test_header_only_is_a_table_without_rows() -> None:
    assert rows(HEADER) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("R1,P1,2025", "has 3 cells, the header has 4"),
        ("R1,P1,2025,Hb,x", "has more cells than the header, which has 4"),
    ],
)
def test_row_of_another_width_is_refused_alone(line: str, said: str) -> None:
    found = rows(f"{HEADER}{line}\nR2,P1,2025,Hb\n")
    with pytest.raises(CellError) as caught:
        found[0].check()
    found[1].check()

    assert (caught.value.column, caught.value.kind, caught.value.reason) == (None, None, said)


def test_separators_too_many_at_the_end_are_no_cells() -> None:
    found = rows(HEADER + "R1,P1,2025,Hb,,,\n")
    found[0].check()

    assert found[0].text("name") == "Hb"


@pytest.mark.parametrize("control", ["\x00", "\x1b", "\x7f", "\x9f"])
def test_control_character_is_refused_with_its_column(control: str) -> None:
    found = rows(f"{HEADER}R1,P1,2025,a{control}b\n")
    with pytest.raises(CellError) as caught:
        found[0].check()

    assert (caught.value.column, caught.value.kind) == ("name", "code-like")


def test_cell_of_a_megabyte_is_read() -> None:
    found = rows(HEADER + "R1,P1,2025," + "x" * 1_000_000 + "\nR2,P1,2025,Hb\n")

    assert [len(row.needed("name")) for row in found] == [1_000_000, 2]


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_empty_file_is_refused(data: bytes) -> None:
    assert problem(data) == "is empty"


def test_file_that_is_not_utf8_is_refused_with_its_line() -> None:
    assert problem(HEADER.encode() + "R1,P1,2025,Hémoglobine\n".encode("cp1252")).startswith("line 2 is not UTF-8")
    assert problem(b"\xff\x00\xff").startswith("line 1 is not UTF-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16_is_refused_by_its_name(encoding: str) -> None:
    data = ("\ufeff" if encoding.endswith("be") else "") + HEADER

    assert problem(data.encode(encoding)).startswith("is UTF-16")


def test_quotation_mark_that_is_not_closed_refuses_the_file_with_its_row() -> None:
    assert problem(HEADER + 'R1,P1,2025,Hb\nR2,P1,2025,"open\nR3,P1,2025,Hb\n').startswith("line 3: a quotation mark")


def test_quotation_mark_within_a_quoted_cell_refuses_the_file_with_its_row() -> None:
    assert problem(HEADER + 'R1,P1,2025,"a "b" c"\n').startswith("line 2: a quotation mark")


def test_column_that_is_not_known_is_named_with_its_position() -> None:
    said = problem("id,patient,effective,unite,Dupont\nR1,P1,2025,,\n")

    assert "column 4 `unite` is not known" in said
    assert "column 5 is not known" in said and "upont" not in said


def test_name_that_looks_like_no_column_is_not_repeated() -> None:
    said = problem("id,patient,effective,Marie Dupont 1950\n")

    assert "column 4 is not known" in said
    assert "upont" not in said


def test_file_without_header_tells_nothing_of_its_first_patient() -> None:
    said = problem("4711,dupont,2025-05-20,12.1\n")

    assert "is no header" in said
    assert "dupont" not in said and "4711" not in said


def test_names_are_not_repeated_where_hardly_a_column_is_known() -> None:
    said = problem("4711,dupont,name,marie\n")

    assert "column 2 is not known" in said
    assert "dupont" not in said and "marie" not in said


def test_column_that_stands_twice_is_refused() -> None:
    assert "column `id` stands twice" in problem("id,patient,effective,id\n")


def test_missing_columns_are_all_named() -> None:
    said = problem("name,value\n", "labs")

    assert all(f"column `{name}` is missing" in said for name in ("id", "patient", "effective"))
    assert "--template" in said


def test_empty_name_in_the_middle_of_the_header_is_refused() -> None:
    assert "column 2 is not known" in problem("id,,patient,effective\n")
