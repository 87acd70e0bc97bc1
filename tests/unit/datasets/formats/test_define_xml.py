"""In: packages. Out: whether their Define-XML is valid by the official schema and says what the documents say."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import msgspec
import pytest

from adapter.datasets.formats import define_errors, define_xml
from adapter.datasets.model import Codelist, CodelistTerm, Origin, Package, ValueLevel
from tests.support.sdtm_packages import (
    CODELISTS,
    demographics,
    laboratory,
    number,
    package,
    redescribed,
    replacing,
)

DAY = date(2024, 5, 1)
SPACES = {"o": "http://www.cdisc.org/ns/odm/v1.3", "def": "http://www.cdisc.org/ns/def/v2.1"}
XLINK, DEF = "{http://www.w3.org/1999/xlink}", "{http://www.cdisc.org/ns/def/v2.1}"


def _errors(folder: Path, whole: Package) -> list[str]:
    path = folder / "define.xml"
    path.write_bytes(define_xml(whole, created=DAY))
    return define_errors(path)


def _tree(whole: Package) -> ET.Element:
    return ET.fromstring(define_xml(whole, created=DAY))


def _one(tree: ET.Element, path: str) -> ET.Element:
    found = tree.find(path, SPACES)
    assert found is not None
    return found


def test_define_has_no_error_by_the_official_schema(tmp_path: Path) -> None:
    assert _errors(tmp_path, package()) == []


def test_define_without_terminology_or_codelists_has_no_error(tmp_path: Path) -> None:
    assert _errors(tmp_path, package(terminology=None)) == []
    assert _errors(tmp_path, package(codelists=())) == []


@pytest.mark.parametrize("kind", ["Collected", "Derived", "Assigned", "Protocol", "Predecessor"])
def test_define_of_every_origin_has_no_error(tmp_path: Path, kind: str) -> None:
    origin = msgspec.convert({"type": kind, "source": "Vendor", "method": "In words & <signs>."}, Origin)

    assert _errors(tmp_path, package(redescribed(laboratory(), "LBORRES", origin=origin))) == []


@pytest.mark.parametrize(
    "kind", ["text", "datetime", "date", "partialDatetime", "durationDatetime", "integer", "float", "decimal"]
)
def test_define_of_every_data_type_has_no_error(tmp_path: Path, kind: str) -> None:
    assert _errors(tmp_path, package(redescribed(laboratory(), "LBORRES", type=kind))) == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'DataType="float"', b'DataType="number"'),
        (b'def:Class Name="FINDINGS"', b'def:Class Name="RESULTS"'),
        (b'def:Origin Type="Derived"', b'def:Origin Type="Guessed"'),
        (b'OrderNumber="1"', b'OrderNumber="first"'),
        (b" def:Structure=", b" def:Shape="),
    ],
)
def test_schema_finds_what_is_wrong(tmp_path: Path, good: bytes, bad: bytes) -> None:
    written = define_xml(package(), created=DAY)
    (tmp_path / "define.xml").write_bytes(written.replace(good, bad, 1))

    assert good in written
    assert define_errors(tmp_path / "define.xml")


def test_file_that_is_no_xml_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.xml").write_text("<ODM")

    assert len(define_errors(tmp_path / "broken.xml")) == 1


def test_define_names_datasets_keys_roles_and_files() -> None:
    tree = _tree(package())
    group = _one(tree, ".//o:ItemGroupDef[@OID='IG.LB']")
    reference = _one(group, "o:ItemRef[@ItemOID='IT.LB.LBTESTCD']")

    assert (group.get("Domain"), group.get("Repeating"), group.get("IsReferenceData")) == ("LB", "Yes", "No")
    assert _one(tree, ".//o:ItemGroupDef[@OID='IG.DM']").get("Repeating") == "No"
    assert _one(tree, ".//o:ItemGroupDef[@OID='IG.TA']").get("IsReferenceData") == "Yes"
    assert _one(group, "def:leaf").get(f"{XLINK}href") == "xpt/lb.xpt"
    assert _one(group, "def:Class").get("Name") == "FINDINGS"
    assert (reference.get("Role"), reference.get("KeySequence"), reference.get("Mandatory")) == ("Topic", "3", "Yes")


def test_define_tells_value_level_by_condition_with_origin_method_and_comment() -> None:
    tree = _tree(package())
    references = tree.findall(".//def:ValueListDef[@OID='VL.LB.LBSTRESN']/o:ItemRef", SPACES)
    wheres = [_one(one, "def:WhereClauseRef").get("WhereClauseOID") for one in references]
    values = [
        one.text for one in tree.findall(f".//def:WhereClauseDef[@OID='{wheres[1]}']/o:RangeCheck/o:CheckValue", SPACES)
    ]
    haemoglobin = _one(tree, f".//o:ItemDef[@OID='{references[0].get('ItemOID')}']")

    assert values == ["ALB", "PLAT"]
    assert (haemoglobin.get("DataType"), haemoglobin.get("SignificantDigits")) == ("float", "1")
    assert (
        _one(tree, f".//def:CommentDef[@OID='{haemoglobin.get(f'{DEF}CommentOID')}']//o:TranslatedText").text == "g/dL"
    )
    assert references[1].get("MethodOID") and not references[0].get("MethodOID")


def test_value_levels_of_the_same_words_have_names_of_their_own(tmp_path: Path) -> None:
    values = tuple(
        ValueLevel(where={"LBTESTCD": (one,)}, type="float", length=5) for one in ("A-B", "A B", "+", "-", "é")
    )
    whole = package(redescribed(laboratory(), "LBSTRESN", values=values))
    tree = _tree(whole)
    names = [one.get("OID") for path in (".//o:ItemDef", ".//def:WhereClauseDef") for one in tree.findall(path, SPACES)]

    assert len(set(names)) == len(names)
    assert _errors(tmp_path, whole) == []


def test_define_tells_terms_with_their_codes_and_what_extends_them() -> None:
    tree = _tree(package())
    tests = _one(tree, ".//o:CodeList[@OID='CL.LBTESTCD']")
    units = _one(tree, ".//o:CodeList[@OID='CL.UNIT']")

    assert _one(tests, "o:Alias").get("Name") == "C65047"
    assert _one(tests, "o:CodeListItem[@CodedValue='HGB']/o:Alias").get("Name") == "C64848"
    assert {one.get(f"{DEF}ExtendedValue") for one in units.findall("o:EnumeratedItem", SPACES)} == {"Yes"}
    assert _one(tree, ".//o:CodeList[@OID='CL.SEX']").get(f"{DEF}IsNonStandard") == "Yes"


def test_codelist_of_numbers_is_of_numbers(tmp_path: Path) -> None:
    grades = Codelist(id="GRADE", name="Grade", terms=(CodelistTerm(value="1"), CodelistTerm(value="2")))
    one = msgspec.structs.replace(
        demographics(),
        variables=(*demographics().variables[:-1], number("G", "integer", codelist="GRADE")),
        rows=demographics().rows[:1],
    )
    whole = package(one, codelists=(*CODELISTS, grades))

    assert _one(_tree(whole), ".//o:CodeList[@OID='CL.GRADE']").get("DataType") == "integer"
    assert _errors(tmp_path, whole) == []


def test_every_reference_of_a_define_has_its_definition() -> None:
    tree = _tree(package())
    defined = {one.get("OID") for one in tree.iter() if one.get("OID")}
    named = {
        value
        for one in tree.iter()
        for name, value in one.attrib.items()
        if name.endswith("OID") and name not in ("OID", "FileOID")
    }

    assert named
    assert named <= defined


def test_dataset_without_records_is_left_out(tmp_path: Path) -> None:
    whole = replacing(package(), msgspec.structs.replace(laboratory(), rows=()))

    assert _tree(whole).find(".//o:ItemGroupDef[@OID='IG.LB']", SPACES) is None
    assert _errors(tmp_path, whole) == []


def test_define_is_the_same_each_time_and_names_the_day_that_it_is_told() -> None:
    written = define_xml(package(), created=DAY)

    assert written == define_xml(package(), created=DAY)
    assert b'CreationDateTime="2024-05-01T00:00:00"' in written
    assert b"xml-stylesheet" not in written
