"""In: JSON of any kind. Out: entities with all that was told, or the path that is wrong; nothing of the values."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapter.loading import Content, Form, UnusableFileError, load
from adapter.store import Store
from mappings.entities import Infusion
from tests.unit.loading.making import TARGET, infusions_of, labs_of, load_json, reasons

LOINC = {"system": "http://loinc.org", "code": "718-7"}


def lab(identity: Any = "R1", **more: Any) -> dict[str, Any]:
    plain = {
        "id": identity,
        "patient": "P1",
        "codes": [LOINC],
        "effective": "2025-05-20",
        "value": 12.1,
        "unit": "g/dL",
    }
    return {**plain, **more}


def problem(store: Store, text: str | bytes, form: Form | None = Form.JSON, kind: str = "labs") -> str:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(UnusableFileError) as caught:
        load(store, Content(kind, data, "rows", form), target=TARGET, by="tester")
    return caught.value.problem


def test_number_keeps_its_digits(store: Store) -> None:
    text = json.dumps([lab()]).replace("12.1", "12.10")
    load_json(store, "labs", text)

    assert str(labs_of(store)["R1"].value) == "12.10"


@pytest.mark.parametrize(
    ("told", "stored"),
    [("12.10", "12.10"), (12, "12"), ("-0.5", "-0.5"), (10**17, "1" + "0" * 17), (10**19, "1" + "0" * 19)],
)
def test_number_may_be_a_text_or_whole(store: Store, told: Any, stored: str) -> None:
    load_json(store, "labs", [lab(value=told)])

    assert labs_of(store)["R1"].value == Decimal(stored)


def test_numbering_is_the_sites_where_it_is_not_told(store: Store) -> None:
    told = {"system": "urn:x", "value": "R2"}
    load_json(store, "labs", [lab("R1"), lab(told, patient={"value": "P1"})])

    assert {one.id.system for one in labs_of(store).values()} == {"urn:reluth:site:icm:result", "urn:x"}
    assert {one.patient.system for one in labs_of(store).values()} == {"urn:example:patient"}


def test_one_object_needs_no_array(store: Store) -> None:
    assert load_json(store, "labs", lab()).new == 1


def test_empty_array_is_nothing_to_load(store: Store) -> None:
    report = load_json(store, "labs", "[ ]")

    assert (report.read, report.new, report.exit_code) == (0, 0, 0)


def test_infusion_with_several_interruptions_is_loaded_as_it_is(store: Store) -> None:
    pauses = [{"start": f"2025-07-10T10:{minute}:00+02:00", "reason": "pause"} for minute in (35, 45)]
    told = {
        "id": {"system": "urn:x", "value": "I1"}, "patient": {"system": "urn:y", "value": "P1"},
        "product": {"system": "http://www.whocc.no/atc", "code": "V10XX04"}, "status": "completed",
        "start": "2025-07-10T10:30:00+02:00", "interruptions": pauses, "administered": "7385.5",
        "amino_acids": {"product": "Lysine", "start": "2025-07-10", "volume": 1000}, "extravasation": {"occurred": True},
    }  # fmt: skip
    load_json(store, "infusions", [told])

    assert infusions_of(store)["I1"] == msgspec.convert(told, Infusion)


def test_rows_are_the_lines_on_which_objects_begin(store: Store) -> None:
    text = "\ufeff[\n" + ",\n\n".join(json.dumps(lab(f"R{at}", value=None), indent=1) for at in range(2)) + "\n]\n"
    report = load_json(store, "labs", text)
    lines = [at for at, line in enumerate(text.splitlines(), 1) if line == "{"]

    assert [refused.row for refused in report.refused] == lines


@pytest.mark.parametrize(
    ("wrong", "path", "kind"),
    [
        ({"value": "7,4"}, "value", "number"),
        ({"value": "1_0"}, "value", "code-like"),
        ({"value": "１２"}, "value", "code-like"),
        ({"value": True}, "value", "true-or-false"),
        ({"value": [1]}, "value", "list"),
        ({"codes": []}, "codes", "list"),
        ({"codes": [{"system": "http://loinc.org", "code": "718-8"}]}, "codes[0].code", "code-like"),
        ({"codes": [{"system": "a\x00:b", "code": "x"}]}, "codes[0].system", "code-like"),
        ({"codes": "718-7"}, "codes", "code-like"),
        ({"unit": "G/L"}, "unit", "code-like"),
        ({"unit": 5}, "unit", "number"),
        ({"patient": {"system": "urn:x"}}, "patient.value", "empty"),
        ({"patient": None}, "patient", "empty"),
        ({"id": {}}, "id.value", "empty"),
        ({"effective": "20/05/2025"}, "effective", "date-like"),
        ({"name": "\ud800"}, "name", "code-like"),
        ({"laboratory": {"system": "urn:x", "value": "y", "Zebulon": 1}}, "laboratory", "object"),
        ({"Zebulon": "x"}, None, None),
        ({"Zebulon": {"name": "\x00"}}, "name", "code-like"),
    ],
)
def test_wrong_field_is_named_by_its_path_and_the_others_are_loaded(
    store: Store, wrong: dict[str, Any], path: str | None, kind: str | None
) -> None:
    report = load_json(store, "labs", [lab("R1", **wrong), lab("R2")])

    assert reasons(report) == [(1, path, kind)]
    assert "Zebulon" not in str(report.refused)
    assert list(labs_of(store)) == ["R2"]


def test_key_that_stands_twice_is_refused_alone(store: Store) -> None:
    twice = json.dumps(lab("R1")).replace('"value": 12.1', '"value": 12.1, "value": 13')
    report = load_json(store, "labs", f"[{twice},{json.dumps(lab('R2'))}]")

    assert reasons(report) == [(1, None, "object")]
    assert list(labs_of(store)) == ["R2"]


@pytest.mark.parametrize(("item", "kind"), [("3", "number"), ('"x"', "code-like"), ("null", "empty"), ("[]", "list")])
def test_element_that_is_no_object_is_refused_alone(store: Store, item: str, kind: str) -> None:
    report = load_json(store, "labs", f"[{item},{json.dumps(lab())}]")

    assert (reasons(report), report.new) == ([(1, None, kind)], 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("12", "neither a JSON array nor a JSON object"),
        ("[", "is not JSON"),
        ("[{}", "a comma or a closing bracket"),
        ("[{},]", "is not JSON"),
        ("[{}{}]", "a comma or a closing bracket"),
        ("[{}]\n[", "line 2: goes on after the end"),
        ('{"a": 1}\n{"a": 2}', ".ndjson"),
        ('[\n\n{"value": NaN}]', "line 3: is not JSON: NaN"),
        ('[\n{"value": 1,\n}]', "line 3: is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        (b'[{"a": "\xff"}]', "line 1 is not UTF-8"),
    ],
)
def test_file_that_is_no_json_is_refused_with_its_line(store: Store, text: str | bytes, said: str) -> None:
    assert said in problem(store, text)
    assert labs_of(store) == {}


@pytest.mark.parametrize("number", ["9" * 5000, "1e999999", "1e-999999", "0." + "1" * 80])
def test_number_that_nobody_can_have_measured_is_refused_alone(store: Store, number: str) -> None:
    text = json.dumps([lab("R1"), lab("R2", value=7)]).replace("12.1", number)
    report = load_json(store, "labs", text)

    assert (reasons(report), list(labs_of(store))) == ([(1, "value", "number")], ["R2"])


# One object a line


def test_bad_line_is_refused_alone(store: Store) -> None:
    good = json.dumps(lab("R1"))
    lines = [good, "{broken", "", json.dumps(lab("R2")) + " {}", "[" * 100_000, '{"value": NaN}', json.dumps(lab("R3"))]
    content = Content("labs", "\r\n".join(lines).encode(), "labs.ndjson")
    report = load(store, content, target=TARGET, by="tester")

    assert reasons(report) == [(line, None, None) for line in (2, 4, 5, 6)]
    assert (report.read, sorted(labs_of(store))) == (6, ["R1", "R3"])


# Which form


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("a.csv", b"[", Form.CSV),
        ("a.TSV", b"", Form.CSV),
        ("a.json", b"id", Form.JSON),
        ("a.jsonl", b"", Form.NDJSON),
        ("-", b"\xef\xbb\xbf [1]", Form.JSON),
        ("-", b'{\n"a": 1}\n', Form.JSON),
        ("-", b'{"a": 1}\n', Form.JSON),
        ("-", b'{"a": 1}\r\n{"a": 2}\n', Form.NDJSON),
        ("-", b"id,patient", Form.CSV),
        ("-", b"", Form.CSV),
    ],
)
def test_form_is_told_by_the_name_else_by_how_it_begins(name: str, data: bytes, form: Form) -> None:
    assert Content("labs", data, name).written is form
