"""In: a package. Out: its Define-XML 2.1, and what the official schema, which odmlib ships, finds wrong with one."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path
from typing import Any

import odmlib.define_2_1.model as define
from odmlib.odm_parser import ODMSchemaValidator

from adapter.datasets.formats.dataset_json import item_group_oid, metadata_oid, study_oid
from adapter.datasets.formats.define_items import ItemElements, described
from adapter.datasets.model import Codelist, CodelistTerm, Dataset, Package

__all__ = ["define_errors", "define_xml"]

#: CDISC CORE reads the terminology's version from a definition of exactly this version.
_VERSION = "2.1.0"
_STANDARD, _TERMINOLOGY = "STD.1", "STD.CT"
#: Datasets of these keys alone have one record a subject.
_ONE_EACH = frozenset({"STUDYID", "USUBJID"})
_NAMESPACES = {
    "": "http://www.cdisc.org/ns/odm/v1.3",
    "def": "http://www.cdisc.org/ns/def/v2.1",
    "xlink": "http://www.w3.org/1999/xlink",
}


def define_xml(package: Package, *, created: date) -> bytes:
    """The Define-XML of a package: datasets, variables with role, origin, comment and codelist, value level, methods.

    Args:
        package: as ``prepared`` gives it; datasets without records are left out, they have no file.
        created: the day of ``CreationDateTime``, at midnight: the same data give the same bytes.

    Returns:
        UTF-8. It names no stylesheet (CDISC's own may be put beside it) and links each dataset to ``xpt/<name>.xpt``.
    """
    datasets = [one for one in package.datasets if one.rows]
    codelists = _used(package, datasets)
    elements = ItemElements({one.id: _codelist_oid(one) for one in codelists})
    groups = [_group(one, elements) for one in datasets]
    version = define.MetaDataVersion(
        OID=metadata_oid(package.study),
        Name=f"{package.study.name}, {package.standard}",
        DefineVersion=_VERSION,
        Description=f"Data definitions of {package.study.name}",
    )
    version.Standards = define.Standards(Standard=_standards(package))
    version.ValueListDef = elements.lists
    version.WhereClauseDef = list(elements.wheres.values())
    version.ItemGroupDef = groups
    version.ItemDef = elements.items
    version.CodeList = [_codelist(one, package, datasets) for one in codelists]
    version.MethodDef = elements.methods
    version.CommentDef = elements.comments
    study = define.Study(
        OID=study_oid(package.study),
        GlobalVariables=define.GlobalVariables(
            StudyName=define.StudyName(_content=package.study.id),
            StudyDescription=define.StudyDescription(_content=package.study.title),
            ProtocolName=define.ProtocolName(_content=package.study.protocol),
        ),
        MetaDataVersion=version,
    )
    root = define.ODM(
        FileType="Snapshot",
        FileOID=f"DEF.{package.study.id}.{created.isoformat()}",
        CreationDateTime=f"{created.isoformat()}T00:00:00",
        ODMVersion="1.3.2",
        Originator=package.study.id,
        Context="Submission",
        Study=study,
    )
    return _bytes(root)


def define_errors(path: Path) -> list[str]:
    """What the schema of Define-XML 2.1 says against a file.

    Args:
        path: of the file.

    Returns:
        A line an error, empty for a valid file.
    """
    schema = ODMSchemaValidator(standard="define", version="2.1").xsd
    try:
        return [f"{problem.path}: {problem.reason}" for problem in schema.iter_errors(str(path))]
    except ET.ParseError as problem:
        return [f"not XML ({problem})"]


def _bytes(root: Any) -> bytes:
    # As odmlib builds it, every name has its prefix; the prefixes that occur are declared here. Its `to_element` writes the whole
    # and parses it for that, which takes longer than all else in this file.
    tree = root.to_xml()
    names = [name for element in tree.iter() for name in (element.tag, *element.attrib)]
    prefixes = {name.partition(":")[0] if ":" in name else "" for name in names}
    declared = {f"xmlns:{one}" if one else "xmlns": uri for one, uri in _NAMESPACES.items() if one in prefixes}
    tree.attrib = declared | tree.attrib
    ET.indent(tree)
    written: bytes = ET.tostring(tree, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _standards(package: Package) -> list[Any]:
    name, _, version = package.standard.partition(" ")
    standard = define.Standard(OID=_STANDARD, Name=name, Type="IG", Version=version, Status="Final")
    if package.terminology is None:
        return [standard]
    terminology = define.Standard(
        OID=_TERMINOLOGY,
        Name="CDISC/NCI",
        Type="CT",
        PublishingSet="SDTM",
        Version=package.terminology,
        Status="Final",
    )
    return [standard, terminology]


def _group(dataset: Dataset, elements: ItemElements) -> Any:
    file = f"{dataset.name.lower()}.xpt"
    leaf = f"LF.{dataset.name}"
    group = define.ItemGroupDef(
        OID=item_group_oid(dataset),
        Name=dataset.name,
        Repeating="No" if set(dataset.keys) <= _ONE_EACH else "Yes",
        IsReferenceData="Yes" if dataset.reference else "No",
        SASDatasetName=dataset.name,
        Domain=dataset.domain,
        Purpose="Tabulation",
        Structure=dataset.structure,
        ArchiveLocationID=leaf,
        StandardOID=_STANDARD,
        Description=described(dataset.label),
        leaf=define.leaf(ID=leaf, href=f"xpt/{file}", title=define.title(_content=file)),
    )
    group.ItemRef = elements.references(dataset)
    group.Class = define.Class(Name=dataset.class_)
    return group


def _used(package: Package, datasets: list[Dataset]) -> list[Codelist]:
    """The codelists that a written variable or value level names; one without a term says nothing."""
    named = {one.codelist for dataset in datasets for one in dataset.variables} | {
        value.codelist for dataset in datasets for one in dataset.variables for value in one.values
    }
    return [one for one in package.codelists if one.id in named and one.terms]


def _codelist_oid(codelist: Codelist) -> str:
    return f"CL.{codelist.id}"


def _codelist(codelist: Codelist, package: Package, datasets: list[Dataset]) -> Any:
    found = define.CodeList(OID=_codelist_oid(codelist), Name=codelist.name, DataType=_data_type(codelist, datasets))
    if codelist.code is None:
        found.IsNonStandard = "Yes"
    elif package.terminology is not None:
        found.StandardOID = _TERMINOLOGY
    decoded = any(term.decode for term in codelist.terms)
    items = [_term(number, term, codelist, decoded=decoded) for number, term in enumerate(codelist.terms, start=1)]
    if decoded:
        found.CodeListItem = items
    else:
        found.EnumeratedItem = items
    if codelist.code is not None:
        found.Alias = [_code(codelist.code)]
    return found


def _data_type(codelist: Codelist, datasets: list[Dataset]) -> str:
    users = [one for dataset in datasets for one in dataset.variables if one.codelist == codelist.id]
    if not users or any(not one.numeric for one in users):
        return "text"
    return "integer" if all(one.type == "integer" for one in users) else "float"


def _term(number: int, term: CodelistTerm, codelist: Codelist, *, decoded: bool) -> Any:
    kind = define.CodeListItem if decoded else define.EnumeratedItem
    item = kind(CodedValue=term.value, OrderNumber=number)
    if decoded:
        item.Decode = define.Decode(TranslatedText=described(term.decode or term.value).TranslatedText)
    if term.code is not None:
        item.Alias = [_code(term.code)]
    elif codelist.code is not None and codelist.extensible:
        item.ExtendedValue = "Yes"
    return item


def _code(code: str) -> Any:
    return define.Alias(Context="nci:ExtCodeID", Name=code)
